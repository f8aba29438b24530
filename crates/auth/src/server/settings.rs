//! What an operator can set about our own OAuth server.

use std::time::Duration;

use base::setting::{Alias, Definition, Guide, Setting};

/// Whether it is there at all.
pub static ENABLED: Setting<bool> = Setting::new("auth.oauth_server.enabled", "false")
    .also(&[Alias::same("GOTRUE_OAUTH_SERVER_ENABLED", Guide::Other)])
    .changes("whether other programs may sign people in through this server, each with its person's consent")
    .proven_by(&[75]);

/// Whether a program may make itself known.
pub static DYNAMIC: Setting<bool> = Setting::new("auth.oauth_server.allow_dynamic_registration", "false")
    .also(&[Alias::same("GOTRUE_OAUTH_SERVER_ALLOW_DYNAMIC_REGISTRATION", Guide::Other)])
    .changes("whether anybody may register a program as a client; off, administrators do");

/// Whether a request without `state` is refused.
pub static REQUIRE_STATE: Setting<bool> = Setting::new("auth.oauth_server.require_state", "true").changes(
    "whether a program's request without `state` is refused; off, its PKCE alone says that the answer is its own",
);

/// Where consent is asked for, when not on our own page.
pub static AUTHORIZATION_PATH: Setting<Option<String>> = Setting::unset(
    "auth.oauth_server.authorization_path",
)
.also(&[Alias::same("GOTRUE_OAUTH_SERVER_AUTHORIZATION_PATH", Guide::Other)])
.changes(
    "the path below auth.site_url where an application of yours asks for consent; unset, a page of ours does",
);

/// How long a request waits for consent.
pub static AUTHORIZATION_TTL: Setting<Duration> = Setting::new("auth.oauth_server.authorization_ttl", "10m")
    .also(&[Alias::same("GOTRUE_OAUTH_SERVER_AUTHORIZATION_TTL", Guide::Other)])
    .range("1m", "1h")
    .changes("how long a program's request waits for its person's answer; the code of that answer is good for a minute");

/// What a program gets that asks for nothing.
pub static DEFAULT_SCOPE: Setting<String> = Setting::new("auth.oauth_server.default_scope", "email")
    .also(&[Alias::same("GOTRUE_OAUTH_SERVER_DEFAULT_SCOPE", Guide::Other)])
    .changes("the scopes of a program that names none, with spaces between them");

/// The settings of this module.
pub const SETTINGS: &[&Definition] = &[
    &ENABLED.definition,
    &DYNAMIC.definition,
    &REQUIRE_STATE.definition,
    &AUTHORIZATION_PATH.definition,
    &AUTHORIZATION_TTL.definition,
    &DEFAULT_SCOPE.definition,
];
