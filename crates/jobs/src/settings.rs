//! What can be set about later work.

use std::time::Duration;

use base::Setting;
use base::setting::Definition;

/// Jobs running at once on this node.
pub static WORKERS: Setting<u16> = Setting::new("jobs.workers", "4")
    .range("1", "64")
    .changes("how many background jobs this node runs at the same time");

/// How long the dead letters are kept.
pub static DEAD_RETENTION: Setting<Duration> = Setting::new("jobs.dead_retention", "30d")
    .range("1h", "365d")
    .changes("how long a job that was given up is kept, with what it worked on and why it failed");

/// This crate's settings.
pub const SETTINGS: &[&Definition] = &[&WORKERS.definition, &DEAD_RETENTION.definition];
