//! The bounds of this crate, by name.

use base::Limit;

/// Logins lent at one time.
pub const GUESTS_MAX: Limit =
    Limit::new("guests_max", 50, "each may hold connections that requests then lack; more are not overseen");
/// Longest name of a login.
pub const GUEST_NAME_BYTES_MAX: Limit =
    Limit::new("guest_name_bytes_max", 63, "PostgreSQL cuts names at 63 bytes, and cut names may collide");
/// Longest purpose.
pub const GUEST_PURPOSE_BYTES_MAX: Limit =
    Limit::new("guest_purpose_bytes_max", 500, "a sentence says it; it is shown in lists");
/// Between two looks at who has to go.
pub const GUEST_LOOK_MS: Limit = Limit::new(
    "guest_look_ms",
    15_000,
    "how long a session may outlive its login's time, or a statement what it may take",
);
/// Ways to write that one refusal names.
pub const WAYS_NAMED_MAX: Limit =
    Limit::new("guest_ways_named_max", 20, "the first ones show what kind they are");

/// Every bound, for the reference.
pub const LIMITS: &[&Limit] =
    &[&GUESTS_MAX, &GUEST_NAME_BYTES_MAX, &GUEST_PURPOSE_BYTES_MAX, &GUEST_LOOK_MS, &WAYS_NAMED_MAX];
