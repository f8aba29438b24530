//! The bounds of probing.

use base::Limit;

/// How long one probe may take.
pub const PROBE_SECONDS_MAX: Limit = Limit::new(
    "posture_probe_seconds_max",
    45,
    "the slowest waits for a statement timeout; past that nothing answers any more",
);
/// How long one request or statement of a probe may take.
pub const STEP_SECONDS_MAX: Limit =
    Limit::new("posture_step_seconds_max", 20, "one answer that is still worth waiting for");
/// Largest answer a probe reads.
pub const ANSWER_BYTES_MAX: Limit =
    Limit::new("posture_answer_bytes_max", 1 << 20, "probes ask for small things");
/// Requests sent to find a rate limit.
pub const RATE_REQUESTS_MAX: Limit = Limit::new(
    "posture_rate_requests_max",
    1_200,
    "above the guide's hour; a limit that is not met until then protects nobody",
);
/// Tries until an attacker has to be kept out.
pub const BAN_TRIES_MAX: Limit = Limit::new(
    "posture_ban_tries_max",
    80,
    "four times what the jails allow; who may go on after that may go on for ever",
);
/// Requests sent at once to fill the pool.
pub const BURST_REQUESTS: Limit =
    Limit::new("posture_burst_requests", 90, "well above the 50 connections of the guide");
/// Entries of a shared store that are looked at.
pub const STORE_ENTRIES_MAX: Limit =
    Limit::new("posture_store_entries_max", 100_000, "a store of limits forgets within the hour");
/// Rows of a column that are looked at for HTML that runs.
pub const UNCLEAN_ROWS_MAX: Limit = Limit::new(
    "posture_unclean_rows_max",
    10_000,
    "what a regular expression reads within a step; a column written past the API shows within them",
);
/// Evidence kept for one control.
pub const EVIDENCE_ROWS_MAX: Limit =
    Limit::new("posture_evidence_rows_max", 2_200, "an hourly probe for a quarter of a year");
/// Longest evidence.
pub const EVIDENCE_BYTES_MAX: Limit =
    Limit::new("posture_evidence_bytes_max", 60_000, "what the table takes, with room");
/// Time between two rounds.
pub const ROUND_SECONDS: Limit =
    Limit::new("posture_round_seconds", 3_600, "the guides' checks are daily at best");
/// Time between the start and the first round.
pub const FIRST_ROUND_SECONDS: Limit = Limit::new(
    "posture_first_round_seconds",
    60,
    "a start serves its users first; palisade posture does not wait for it",
);
/// Probes that one lent key serves.
pub const PROBES_PER_KEY: Limit = Limit::new(
    "posture_probes_per_key",
    6,
    "a probe asks less than ten things with it, and a key may ask sixty a minute",
);
/// How far clocks may be apart.
pub const SKEW_SECONDS_MAX: Limit = Limit::new(
    "posture_skew_seconds_max",
    30,
    "assertions and one-time codes are taken that much early or late; a clock that is kept is off by milliseconds",
);
/// How long an authority that the operator named has to hold still.
pub const AUTHORITY_HOURS_MIN: Limit =
    Limit::new("posture_authority_hours_min", 336, "two weeks, to get and to spread another one");
