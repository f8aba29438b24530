//! The bounds of detection.

use base::Limit;

/// Addresses counted at once, over all jails.
pub const SUBJECTS: Limit = Limit::new(
    "detection_subjects_max",
    100_000,
    "one /40 of attackers must not grow the process; those that were quiet longest are forgotten",
);
/// Bans made here that are not yet written down.
pub const WAITING: Limit =
    Limit::new("detection_waiting_max", 4_096, "past it a ban is in force on this node until it is reloaded");
/// Bans in force.
pub const BANS: Limit = Limit::new(
    "detection_bans_max",
    200_000,
    "some twenty megabytes; past it the ones that end first are not loaded",
);
/// How long nft may take for the set of bans.
pub const NFT_SECONDS: Limit = Limit::new(
    "detection_nft_seconds_max",
    10,
    "it replaces a set of all bans in less; a hanging one must not hold up the bans that are kept here",
);
/// Jails, ours and the operator's.
pub const JAILS: Limit = Limit::new("detection_jails_max", 64, "each is asked about each request");
/// Patterns of one jail.
pub const PATTERNS: Limit =
    Limit::new("detection_patterns_max", 256, "each is compared with each unknown path");
/// Largest file of what fail2ban reads.
pub const LOG_BYTES: Limit = Limit::new(
    "detection_log_bytes_max",
    10 << 20,
    "a hundred thousand tries; the file before is kept beside it",
);
/// How many full files are kept.
pub const LOGS_KEPT: Limit = Limit::new("detection_logs_kept", 4, "fail2ban reads on where it stood");
/// Marks of rows that nobody needs.
pub const CANARIES: Limit =
    Limit::new("detection_canaries_max", 200, "all are looked for at once in every answer");
/// Touches of honey rows that are recorded at once.
pub const TOUCHES: Limit = Limit::new(
    "detection_touches_max",
    200,
    "in one transaction; the rest follows, and 1,000 at most wait in the database",
);
/// Longest text that patterns are compared with.
pub const TEXT_BYTES: Limit =
    Limit::new("detection_text_bytes_max", 2_048, "a path or a name that is longer shows enough");
/// Largest automaton of one jail's patterns.
pub const PATTERN_BYTES: Limit =
    Limit::new("detection_pattern_bytes_max", 4 << 20, "all patterns of a jail are tried at once");
/// Tries that one jail counts before it bans.
pub const TRIES: Limit =
    Limit::new("detection_tries_max", 1_000, "they are kept one by one, to forget each in its time");
/// Shortest prefix of an IPv4 network that may be banned.
pub const IPV4_PREFIX: Limit =
    Limit::new("detection_ipv4_prefix_min", 8, "a slip of the hand must not lock the world out");
/// Shortest prefix of an IPv6 network that may be banned.
pub const IPV6_PREFIX: Limit =
    Limit::new("detection_ipv6_prefix_min", 19, "the largest that one provider was ever given");
/// How long a past ban makes the next one longer.
pub const MEMORY_DAYS: Limit = Limit::new("detection_memory_days", 30, "addresses change hands");
