//! The bounds of later work.

use base::Limit;

/// How long a taken job is held without a sign of life.
pub static LEASE_SECONDS: Limit = Limit::new(
    "job_lease_seconds",
    60,
    "a stopped worker's jobs are taken again after this; renewed at a third of it",
);
/// How often the queue is looked at without being told.
pub static POLL_SECONDS: Limit =
    Limit::new("job_poll_seconds", 5, "when nobody is heard, nothing waits longer");
/// How often the job is taken that has waited longest, however urgent the others are.
pub static BY_AGE: Limit = Limit::new(
    "job_by_age",
    4,
    "each fourth job: what is not urgent is slowed by what is, and never stopped",
);
/// How long running jobs may take when the server stops.
pub static DRAIN_SECONDS: Limit = Limit::new(
    "job_drain_seconds_max",
    20,
    "a stop must end; what is cut short runs again at the next start",
);
/// Longest wait between two tries.
pub static BACKOFF_SECONDS: Limit =
    Limit::new("job_backoff_seconds_max", 3_600, "a mended cause is noticed within the hour");
/// Arguments of one job.
pub static ARGUMENTS_BYTES: Limit =
    Limit::new("job_arguments_bytes_max", 65_536, "a job names what it works on; it does not carry it");
/// Text of a job's last error.
pub static ERROR_BYTES: Limit =
    Limit::new("job_error_bytes_max", 2_000, "a chain of causes, for an operator's screen");
/// Jobs on one page of a list.
pub static PAGE: Limit = Limit::new("job_page_max", 500, "one screen of an operator");
