//! The bounds of this crate, by name.

use base::Limit;

/// Embeds in embeds, conditions in conditions.
pub const QUERY_DEPTH_MAX: Limit =
    Limit::new("query_depth_max", 32, "bounds the stack a query string can take");

/// Parameters in one query string.
pub const QUERY_PARAMETERS_MAX: Limit = Limit::new(
    "query_parameters_max",
    1000,
    "bounds the conditions of one statement; PostgreSQL's own bound is near 1600",
);

/// Every bound, for the reference.
pub const LIMITS: &[&Limit] = &[&QUERY_DEPTH_MAX, &QUERY_PARAMETERS_MAX];
