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

/// How long a refresh waits for another one of its session, in seconds.
pub const REFRESH_WAIT_SECONDS_MAX: Limit =
    Limit::new("refresh_wait_seconds_max", 5, "as long as upstream tries; one refresh takes milliseconds");

/// Issuers of ours that are remembered.
pub const ISSUERS_MAX: Limit =
    Limit::new("issuers_max", 32, "addresses this instance had; older ones are not accepted any more");

/// Grants of one application role.
pub const ROLE_GRANTS_MAX: Limit = Limit::new("role_grants_max", 200, "a role with more is several roles");
/// Uses that one key may name.
pub const KEY_SCOPES_MAX: Limit = Limit::new("key_scopes_max", 32, "more than there are areas");
/// Addresses and networks that one key may name.
pub const KEY_ADDRESSES_MAX: Limit = Limit::new("key_addresses_max", 64, "each is compared per request");
/// Longest line of a list of breached passwords: a digest, a colon, a count.
pub const BREACHED_LINE_BYTES_MAX: Limit =
    Limit::new("breached_line_bytes_max", 128, "a read of the list is two lines at most");

/// Longest answer of a list of breached passwords.
pub const BREACHED_ANSWER_BYTES_MAX: Limit =
    Limit::new("breached_answer_bytes_max", 512 * 1024, "some 800 lines of 40 bytes, padded to twice that");

/// Longest time a list of breached passwords may take.
pub const BREACHED_SECONDS_MAX: Limit =
    Limit::new("breached_seconds_max", 3, "somebody waits for the answer");

/// How many times the lockout's tries an account takes from everywhere together.
pub const LOCKOUT_ACCOUNT_FACTOR: Limit = Limit::new(
    "lockout_account_factor",
    4,
    "many addresses with one try each are one attacker (attack row 22)",
);

/// How many times the lockout's tries an address takes for all accounts together.
pub const LOCKOUT_ADDRESS_FACTOR: Limit = Limit::new(
    "lockout_address_factor",
    6,
    "an office behind one address mistypes more than one person does",
);

/// How many times the lockout's tries an IPv6 /48 takes for all accounts together.
pub const LOCKOUT_NETWORK_FACTOR: Limit =
    Limit::new("lockout_network_factor", 60, "65,536 customers' networks at most, one attacker's at worst");

/// Device tokens of a request that are looked at.
pub const DEVICES_SHOWN_MAX: Limit =
    Limit::new("devices_shown_max", 8, "accounts that people use in one browser; each costs a MAC");

/// Days a device stays known without another sign-in.
pub const DEVICE_DAYS_MAX: Limit =
    Limit::new("device_days_max", 365, "a token that outlives its device helps a thief");

/// Places remembered for an account; the oldest go.
pub const PLACES_PER_ACCOUNT_MAX: Limit =
    Limit::new("places_per_account_max", 20, "where a person signs in from, give or take");

/// How long nobody hears of another pause of the same account, in seconds.
pub const LOCKOUT_MAIL_SECONDS: Limit =
    Limit::new("lockout_mail_seconds", 86_400, "guessing at a password must not fill a mailbox");

/// Entries of the audit log that the admin API pages through; `palisade audit export` has them all.
pub const AUDIT_ENTRIES_MAX: Limit =
    Limit::new("audit_entries_max", 10_000, "each page is read from the newest on");

/// Longest time a hook may take, all its tries together.
pub const HOOK_SECONDS_MAX: Limit = Limit::new("hook_seconds_max", 5, "somebody waits for the answer");

/// How often a hook is tried.
pub const HOOK_TRIES_MAX: Limit = Limit::new("hook_tries_max", 3, "a restart of the other side is forgiven");

/// The pause between two tries.
pub(crate) const HOOK_PAUSE: std::time::Duration = std::time::Duration::from_secs(2);

/// How long a hook's function may run, as PostgreSQL reads it.
pub(crate) const HOOK_FUNCTION_TIMEOUT: &str = "2s";

/// Longest answer of a hook.
pub const HOOK_ANSWER_BYTES_MAX: Limit =
    Limit::new("hook_answer_bytes_max", 200 * 1024, "claims and a decision are a fraction of it");

/// Longest message of a hook that is passed on.
pub const HOOK_MESSAGE_CHARS_MAX: Limit =
    Limit::new("hook_message_chars_max", 500, "a sentence for a person, not a page");

/// Most bytes of claims that a hook may make of them.
pub const CLAIMS_BYTES_MAX: Limit =
    Limit::new("claims_bytes_max", 10 * 1024, "a token is sent with every request, in a header of 16 KiB");

/// How long a proof of work may take.
pub const CAPTCHA_SECONDS_MAX: Limit =
    Limit::new("captcha_seconds_max", 600, "a form is filled in meanwhile; hoarded proofs go stale");

/// Longest answer time of a CAPTCHA's provider.
pub const CAPTCHA_PROVIDER_SECONDS_MAX: Limit =
    Limit::new("captcha_provider_seconds_max", 3, "somebody waits for the answer");

/// Longest CAPTCHA token.
pub const CAPTCHA_TOKEN_BYTES_MAX: Limit =
    Limit::new("captcha_token_bytes_max", 8 * 1024, "hcaptcha's are two to four KiB");

/// Longest credential in a header.
pub const CREDENTIAL_BYTES_MAX: Limit =
    Limit::new("credential_bytes_max", 16 * 1024, "tokens of ours are a tenth of it");

/// Longest text that a wallet signed.
pub const WALLET_TEXT_BYTES_MAX: Limit =
    Limit::new("auth_wallet_text_bytes_max", 20 * 1024, "what upstream takes; the usual one has 300 bytes");

/// How far another machine's clock may be ahead of ours, in seconds.
pub const CLOCK_SKEW_SECONDS_MAX: Limit = Limit::new("clock_skew_seconds_max", 30, "tokens minted elsewhere");

/// Longest address a browser is sent back to.
pub const REDIRECT_BYTES_MAX: Limit =
    Limit::new("redirect_bytes_max", 2_048, "browsers and proxies cut longer ones");

/// Wrong codes for one address or person before none is taken any more.
pub const CODE_GUESSES_MAX: Limit = Limit::new(
    "code_guesses_max",
    10,
    "of a million codes; asking for another code resets nothing, a right one does",
);

/// How long wrong codes are remembered, in seconds.
pub const CODE_GUESS_SECONDS: Limit =
    Limit::new("code_guess_seconds", 3_600, "ten an hour find a code in eleven years");

/// How long the old address can take a change back, in days.
pub const REVERT_DAYS: Limit = Limit::new("address_revert_days", 7, "people read their mail within a week");

/// Spellings that the braces of one entry of the allow-list may stand for.
pub const ALLOW_PATTERN_SPELLINGS_MAX: Limit =
    Limit::new("allow_pattern_spellings_max", 64, "braces multiply, and every request tries each");

/// Most SAML identity providers that are listed.
pub const SSO_PROVIDERS_MAX: Limit =
    Limit::new("sso_providers_max", 1_000, "a company has a few, a service for companies one each");

/// Most domains or hosts of one provider.
pub const SSO_DOMAINS_MAX: Limit = Limit::new("sso_domains_max", 100, "a company has a few");

/// Most attributes taken of an assertion.
pub const SSO_CLAIMS_MAX: Limit = Limit::new("sso_claims_max", 50, "they travel in every token");

/// Longest value taken of an assertion.
pub const SSO_VALUE_BYTES_MAX: Limit =
    Limit::new("sso_value_bytes_max", 1_024, "a display name is a line; more is not meant for people");
/// How long a provider's document and keys are believed, in seconds.
pub const OIDC_DOCUMENT_SECONDS: Limit = Limit::new(
    "oidc_document_seconds",
    3_600,
    "providers rotate keys within days; upstream keeps them as long",
);

/// How soon keys are read again for a token that names an unknown one, in seconds.
pub const OIDC_KEYS_PAUSE_SECONDS: Limit =
    Limit::new("oidc_keys_pause_seconds", 60, "made-up tokens must not make us ask the provider each time");

/// Providers whose documents are kept.
pub const OIDC_DOCUMENTS_MAX: Limit =
    Limit::new("oidc_documents_max", 1_100, "as many as there may be providers");

/// Keys of one provider.
pub const OIDC_KEYS_MAX: Limit = Limit::new("oidc_keys_max", 32, "no provider publishes more at a time");

/// Longest ID token of somebody else.
pub const OUTSIDE_TOKEN_BYTES_MAX: Limit =
    Limit::new("outside_token_bytes_max", 16 * 1024, "Entra's with many groups are half of it");

/// Parameters of an authorization request that are handed on to the provider.
pub const OAUTH_PARAMS_MAX: Limit = Limit::new("oauth_params_max", 16, "prompt, login_hint, hd and the like");

/// Addresses that one client of our OAuth server may send people back to.
pub const CLIENT_REDIRECTS_MAX: Limit = Limit::new("client_redirects_max", 10, "as many as upstream takes");

/// Clients that registered themselves.
pub const DYNAMIC_CLIENTS_MAX: Limit =
    Limit::new("dynamic_clients_max", 10_000, "anybody may register one where that is on, and each is a row");

/// How long a code of our OAuth server is good, in seconds.
pub const SERVER_CODE_SECONDS: Limit =
    Limit::new("server_code_seconds", 60, "a program exchanges it as soon as its person is back");

/// Further claims that are kept of what an added provider says.
pub const CUSTOM_CLAIMS_MAX: Limit =
    Limit::new("custom_claims_max", 50, "a handful of groups and roles; they are kept with every identity");

/// How much of such claims is kept with one identity.
pub const CUSTOM_CLAIMS_BYTES_MAX: Limit =
    Limit::new("custom_claims_bytes_max", 4 * 1024, "they are part of every access token of their person");

/// How long an administrator acts in somebody's name at most, in seconds; never longer than an access token lives.
pub const IMPERSONATION_SECONDS_MAX: Limit = Limit::new(
    "impersonation_seconds_max",
    15 * 60,
    "long enough to see what somebody sees; begun again with a fresh proof",
);

/// Longest reason for acting in somebody's name.
pub const IMPERSONATION_REASON_CHARS_MAX: Limit =
    Limit::new("impersonation_reason_chars_max", 500, "a sentence and the number of a ticket");

/// Most impersonations on one page.
pub const IMPERSONATIONS_PER_PAGE_MAX: Limit =
    Limit::new("impersonations_per_page_max", 200, "one page is one answer in memory");

/// How long they are listed, in days. The audit log keeps them for as long as it keeps anything.
pub const IMPERSONATIONS_KEPT_DAYS: Limit =
    Limit::new("impersonations_kept_days", 365, "whoever asks a year later asks the audit log");
