//! The bounds of alerting.

use base::Limit;

/// Rules, ours and the operator's.
pub const RULES: Limit = Limit::new("alerts_rules_max", 64, "each asks the log about its events");
/// Entries of one rule that are judged at once.
pub const MATCHES: Limit = Limit::new(
    "alerts_matches_max",
    20_000,
    "a few megabytes; older ones of a longer window are not counted",
);
/// Alerts in one message.
pub const TOLD: Limit = Limit::new("alerts_told_max", 50, "nobody reads more; the list has the rest");
/// Alerts of one rule that are looked at before they are told; what is beyond is told as a number.
pub const WAITING: Limit =
    Limit::new("alerts_waiting_max", 1_000, "many times what a message shows; no rule keeps others waiting");
/// Alerts of one page of the list.
pub const PAGE: Limit = Limit::new("alerts_page_max", 200, "one screen of an operator");
/// How long what was raised is remembered.
pub const MEMORY_DAYS: Limit =
    Limit::new("alerts_memory_days", 90, "a quarter's review; the audit log keeps it for good");
/// People who are told by mail.
pub const RECIPIENTS: Limit = Limit::new("alerts_recipients_max", 50, "an alert is not a newsletter");
/// Largest file of contacts.
pub const CONTACTS_BYTES: Limit = Limit::new("alerts_contacts_bytes_max", 65_536, "a page of names");
/// People in it.
pub const CONTACTS: Limit = Limit::new("alerts_contacts_max", 200, "a page of names");
/// Callers whose activity is counted at once.
pub const CALLERS: Limit = Limit::new(
    "alerts_callers_max",
    100_000,
    "some ten megabytes; those that were quiet longest are forgotten",
);
/// How long a caller that does too much is slowed down.
pub const SLOWED_SECONDS: Limit = Limit::new(
    "alerts_slowed_seconds",
    600,
    "ten of the guide's windows: long enough to look, short enough to be wrong",
);
/// How often a webhook is tried.
pub const HOOK_SECONDS: Limit =
    Limit::new("alerts_hook_seconds_max", 10, "whoever takes longer has a queue of their own");
