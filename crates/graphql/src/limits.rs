//! The bounds of this crate, by name. Those of a single document are in `gql`.

use base::Limit;

/// Operations in one request.
pub const BATCH_MAX: Limit =
    Limit::new("batch_max", 10, "each counts as a request to the rate limits, and their costs add up");

/// Documents kept parsed.
pub const DOCUMENTS_CACHED_MAX: Limit =
    Limit::new("documents_cached_max", 1000, "an application has some hundred documents");

/// Documents kept by the hash that a client gave.
pub const DOCUMENTS_PERSISTED_MAX: Limit =
    Limit::new("documents_persisted_max", 1000, "anybody can send documents to be kept; the least used go");

/// Plans kept, each of one document and role.
pub const PLANS_CACHED_MAX: Limit = Limit::new("plans_cached_max", 2000, "bounds memory");

/// Variants of one plan kept: one for each way its variables shape it.
pub const PLAN_VARIANTS_MAX: Limit =
    Limit::new("plan_variants_max", 32, "a page size or a filter that comes from a variable");

/// Schemas kept, each of one role.
pub const SCHEMAS_CACHED_MAX: Limit =
    Limit::new("schemas_cached_max", 32, "there are four roles, and a few in the conformance suites");

/// Every bound, for the reference.
pub const LIMITS: &[&Limit] = &[
    &BATCH_MAX,
    &DOCUMENTS_CACHED_MAX,
    &DOCUMENTS_PERSISTED_MAX,
    &PLANS_CACHED_MAX,
    &PLAN_VARIANTS_MAX,
    &SCHEMAS_CACHED_MAX,
];
