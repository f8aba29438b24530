//! The bounds of this crate.

use base::Limit;

/// Verified tokens remembered.
pub const TOKEN_CACHE_MAX: Limit = Limit::new(
    "token_cache_max",
    20_000,
    "about 2 KB each; a cached token costs a hash instead of a signature check",
);

/// Ended sessions remembered until their last access token is dead.
pub const ENDED_SESSIONS_MAX: Limit = Limit::new(
    "ended_sessions_max",
    200_000,
    "past it the database is asked instead, which is slower and never wrong",
);

/// Listeners that may lag behind on ended sessions before they must check everything they hold.
pub const ENDED_BACKLOG_MAX: Limit =
    Limit::new("ended_backlog_max", 4_096, "a slow listener must not hold memory");

/// Session ids in one notification (PostgreSQL takes 8,000 bytes).
pub const ENDED_PER_NOTICE_MAX: Limit =
    Limit::new("ended_per_notice_max", 200, "37 bytes each, within 8,000");

/// Longest e-mail address (RFC 5321).
pub const EMAIL_BYTES_MAX: Limit = Limit::new("email_bytes_max", 254, "no mail server takes a longer one");

/// Longest password in characters.
pub const PASSWORD_CHARS_MAX: Limit =
    Limit::new("password_chars_max", 256, "128 are promised; twice that is enough");

/// Most bytes of metadata an account carries: they travel in every token.
pub const METADATA_BYTES_MAX: Limit =
    Limit::new("metadata_bytes_max", 8 * 1024, "claims are sent with every request and headers are bounded");

/// Longest user agent kept with a session.
pub const USER_AGENT_BYTES_MAX: Limit =
    Limit::new("user_agent_bytes_max", 512, "enough to tell devices apart");

/// Most accounts on one page.
pub const USERS_PER_PAGE_MAX: Limit =
    Limit::new("users_per_page_max", 1_000, "one page is one answer in memory");

/// Most sessions of one person; the oldest end.
pub const SESSIONS_PER_USER_MAX: Limit = Limit::new(
    "sessions_per_user_max",
    100,
    "more devices than anybody looks through; a sign-in loop must not fill the table",
);

/// Replaced refresh tokens of which the time is remembered.
pub const SUPERSEDED_KEPT_MAX: Limit =
    Limit::new("superseded_kept_max", 8, "so many refreshes within the grace of a lost answer");

/// Issuers of ours that are remembered.
pub const ISSUERS_MAX: Limit =
    Limit::new("issuers_max", 32, "addresses this instance had; older ones are not accepted any more");

/// Uses that one key may name.
pub const KEY_SCOPES_MAX: Limit = Limit::new("key_scopes_max", 32, "more than there are areas");
/// Addresses and networks that one key may name.
pub const KEY_ADDRESSES_MAX: Limit = Limit::new("key_addresses_max", 64, "each is compared per request");

/// Longest credential in a header.
pub const CREDENTIAL_BYTES_MAX: Limit =
    Limit::new("credential_bytes_max", 16 * 1024, "tokens of ours are a tenth of it");

/// How far another machine's clock may be ahead of ours, in seconds.
pub const CLOCK_SKEW_SECONDS_MAX: Limit = Limit::new("clock_skew_seconds_max", 30, "tokens minted elsewhere");

/// Longest address a browser is sent back to.
pub const REDIRECT_BYTES_MAX: Limit =
    Limit::new("redirect_bytes_max", 2_048, "browsers and proxies cut longer ones");

/// Spellings that the braces of one entry of the allow-list may stand for.
pub const ALLOW_PATTERN_SPELLINGS_MAX: Limit =
    Limit::new("allow_pattern_spellings_max", 64, "braces multiply, and every request tries each");
