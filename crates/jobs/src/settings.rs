//! What can be set about later work.

use base::Setting;
use base::setting::Definition;

/// Jobs running at once on this node.
pub static WORKERS: Setting<u16> = Setting::new("jobs.workers", "4")
    .range("1", "64")
    .changes("how many background jobs this node runs at the same time");

/// This crate's settings.
pub const SETTINGS: &[&Definition] = &[&WORKERS.definition];
