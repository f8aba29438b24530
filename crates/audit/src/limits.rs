//! The bounds of the audit log.

use base::Limit;

/// Text of one fact.
pub static FACT_BYTES: Limit =
    Limit::new("audit_fact_bytes_max", 1_024, "a fact is for reading; what a caller sends may be long");
/// Facts of one entry, before, after and details each.
pub static FACTS: Limit = Limit::new("audit_facts_max", 64, "an entry is one screen, not a dump");
/// One whole entry; longer ones lose their facts and say so.
pub static BODY_BYTES: Limit = Limit::new(
    "audit_body_bytes_max",
    16_384,
    "keeps a batch within a few megabytes; the table refuses four times it",
);
/// Refusals waiting for the lane.
pub static LANE_QUEUE: Limit = Limit::new(
    "audit_lane_queue_max",
    8_192,
    "a few megabytes; past it refusals are counted as lost, and that is recorded",
);
/// Refusals kept for whoever counts them and is slow.
pub static TOLD: Limit =
    Limit::new("audit_told_max", 8_192, "as many as the lane holds; who is slower than that misses some");
/// Different refusals told apart within one window.
pub static LANE_KEYS: Limit =
    Limit::new("audit_lane_keys_max", 4_096, "a flood from many addresses is counted per event beyond this");
/// Different refusals of one event and address (of an IPv6 /64) told apart within one window.
pub static LANE_ADDRESS_KEYS: Limit = Limit::new(
    "audit_lane_address_keys_max",
    32,
    "more than people and scanners come to in ten seconds; who varies what they are refused for fills neither disk nor list of alerts",
);
/// How long identical refusals are counted into one entry.
pub static LANE_WINDOW_SECONDS: Limit =
    Limit::new("audit_lane_window_seconds", 10, "long enough to fold a flood, short enough to see it");
/// Entries of the lane in one transaction.
pub static LANE_BATCH: Limit = Limit::new("audit_lane_batch_max", 500, "one short transaction");
/// Entries of the lane kept while the database does not answer.
pub static LANE_KEPT: Limit = Limit::new(
    "audit_lane_kept_max",
    16_384,
    "rides out a restart of the database; past it they are counted as lost",
);
/// How long the lane tries to write its rest when the server stops.
pub static DRAIN_SECONDS: Limit =
    Limit::new("audit_drain_seconds_max", 5, "a stop must end even when the database is gone");
/// Entries chained in one transaction.
pub static CHAIN_BATCH: Limit =
    Limit::new("audit_chain_batch_max", 5_000, "about two megabytes and a tenth of a second");
/// Entries read at once by verification, export and the file sink.
pub static READ_CHUNK: Limit =
    Limit::new("audit_read_chunk_max", 10_000, "a few megabytes, in a transaction of its own");
/// Entries of one page of a query.
pub static PAGE: Limit = Limit::new("audit_page_max", 1_000, "one page of an operator's screen or report");
/// How far the clock may step back before it is a finding.
pub static CLOCK_BACK_SECONDS: Limit = Limit::new(
    "audit_clock_back_seconds_max",
    5,
    "time synchronisation and other nodes' clocks differ by less",
);
/// Size past which old lines of the head file are thinned at start.
pub static HEAD_FILE_BYTES: Limit = Limit::new(
    "audit_head_file_bytes_max",
    16_777_216,
    "weeks of heads; each later one proves the earlier ones",
);
/// Callers of [`crate::Audit::settle`] that wait at once; more wait for their turn to wait.
pub static SETTLING: Limit = Limit::new("audit_settling_max", 64, "operators' commands, a handful at a time");
