//! What can be set at the edge.

use base::Setting;
use base::setting::{Alias, Definition, Guide, Refused, Value};

/// Listening port of `palisade serve` (`--listen` overrides both parts).
pub static PORT: Setting<u16> = Setting::new("server.port", "8443")
    .range("1", "65535")
    .changes("the port the API listens on")
    .proven_by(&[7]);

/// Proxies whose `X-Forwarded-For` is believed.
pub static TRUSTED_PROXIES: Setting<Vec<String>> = Setting::new("server.trusted_proxies", "")
    .changes("which peers' X-Forwarded-For is read for the caller's address; from anybody else the header is ignored")
    .proven_by(&[71]);

/// Names that are ours.
pub static HOSTS: Setting<Vec<String>> = Setting::new("server.hosts", "").changes(
    "which host names are answered, besides the certificate's, the external URL's and, from this machine, localhost: exact names, \
     addresses, or *.example.com; a request for another name gets 421",
);

/// Whether load balancers say in front of everything who is calling.
pub static PROXY_PROTOCOL: Setting<bool> = Setting::new("server.proxy_protocol", "false")
    .changes("whether server.trusted_proxies begin each connection with a PROXY header (version 1 or 2) that names the caller")
    .proven_by(&[71]);

/// Whether a WebSocket needs TLS.
pub static WEBSOCKET_REQUIRE_TLS: Setting<bool> = Setting::new("server.websocket_require_tls", "true")
    .also(&[Alias::same("WS_REQUIRE_TLS", Guide::AppFlowy)])
    .refuses(&[Refused {
        value: "false",
        control: 63,
        why: "a WebSocket carries a token and everything its owner may see: without TLS both are readable on the way",
    }])
    .changes("nothing: a WebSocket without TLS is refused off loopback; false is refused")
    .proven_by(&[63]);

/// Origins browsers may call from.
pub static CORS_ORIGINS: Setting<Vec<String>> = Setting::new("server.cors.allowed_origins", "")
    .changes("which web origins a browser lets read answers; none until set")
    .proven_by(&[73]);

/// Methods a browser may use across origins.
pub static CORS_METHODS: Setting<Vec<String>> =
    Setting::new("server.cors.allowed_methods", "GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS")
        .changes("which methods a preflight allows")
        .proven_by(&[74]);

/// Headers a browser may send across origins.
pub static CORS_HEADERS: Setting<Vec<String>> = Setting::new(
    "server.cors.allowed_headers",
    "Accept,Accept-Profile,apikey,Authorization,Content-Profile,Content-Type,Idempotency-Key,Prefer,Range,Range-Unit,X-Client-Info,X-CSRF-Token,X-Impersonation-Token,X-Supabase-Api-Version,X-Retry-Count",
)
.changes("which request headers a preflight allows")
.proven_by(&[74]);

/// Whether browsers may send cookies across origins.
pub static CORS_CREDENTIALS: Setting<bool> = Setting::new("server.cors.allow_credentials", "false")
    .changes("whether a browser may send cookies from an allowed origin; refused at start together with the origin *")
    .proven_by(&[73, 74]);

/// How long a browser may remember a preflight, in seconds.
pub static CORS_MAX_AGE: Setting<u32> = Setting::new("server.cors.max_age", "3600")
    .range("0", "86400")
    .changes("how many seconds a browser remembers a preflight")
    .proven_by(&[74]);

/// Rate limits at all.
pub static RATE_LIMITING: Setting<bool> = Setting::new("rate_limiting.enabled", "true")
    .changes("whether requests are limited; false is shown in the posture report")
    .proven_by(&[71, 72]);

/// Requests a minute for one session, key or address.
pub static PER_MINUTE: Setting<u32> = Setting::new("rate_limiting.per_minute", "60")
    .range("1", "1000000000")
    .changes("requests one session, key or address may make in any minute before it gets 429")
    .proven_by(&[71]);

/// Requests an hour for one session, key or address.
pub static PER_HOUR: Setting<u32> = Setting::new("rate_limiting.per_hour", "1000")
    .range("1", "1000000000")
    .changes("requests one session, key or address may make in any hour before it gets 429")
    .proven_by(&[71]);

/// How requests are counted.
pub static ALGORITHM: Setting<String> = Setting::new("rate_limiting.algorithm", "sliding_window")
    .choices(&["sliding_window", "gcra"])
    .changes(
        "how these limits are counted: sliding_window lets no more through in any minute or hour, and refused requests count; gcra lets \
         as many through at once and then one whenever its share of the time is over (up to 119 in the first minute of 60 a minute), and \
         refused requests cost nothing. Guesses (lockout, codes) are always counted in sliding windows",
    )
    .proven_by(&[71, 72]);

/// Stricter limits of sensitive endpoints: a list of `path`, `per_minute`, `per_hour`.
pub static ENDPOINTS: Setting<Option<Value>> = Setting::unset("rate_limiting.endpoints")
    .changes("limits of single endpoints, by path; the guide's paths mean ours (login 5/20, signup 3/10, password reset 2/5 unless set)")
    .proven_by(&[72]);

/// Which headers profile is sent.
pub static HEADERS_PROFILE: Setting<String> = Setting::new("security.headers.profile", "guides")
    .choices(&["guides", "modern"])
    .changes("X-XSS-Protection: the guides' `1; mode=block`, or `0` as current advice says")
    .proven_by(&[78]);

/// The content security policy.
pub static CONTENT_SECURITY_POLICY: Setting<String> =
    Setting::new("security.headers.content_security_policy", "default-src 'self'")
        .changes(
            "the Content-Security-Policy of every answer; unsafe-inline and unsafe-eval are refused at start",
        )
        .proven_by(&[80]);

/// Whether pages may be framed.
pub static X_FRAME_OPTIONS: Setting<String> = Setting::new("security.headers.x_frame_options", "DENY")
    .choices(&["DENY", "SAMEORIGIN"])
    .changes("X-Frame-Options and the policy's frame-ancestors")
    .proven_by(&[76]);

/// HTTPS only, for as long as a browser remembers it.
pub static STRICT_TRANSPORT_SECURITY: Setting<String> =
    Setting::new("security.headers.strict_transport_security", "max-age=31536000; includeSubDomains")
        .changes("the Strict-Transport-Security header of every answer over HTTPS")
        .proven_by(&[13]);

/// Everything above.
pub const SETTINGS: &[&Definition] = &[
    &PORT.definition,
    &TRUSTED_PROXIES.definition,
    &HOSTS.definition,
    &PROXY_PROTOCOL.definition,
    &WEBSOCKET_REQUIRE_TLS.definition,
    &CORS_ORIGINS.definition,
    &CORS_METHODS.definition,
    &CORS_HEADERS.definition,
    &CORS_CREDENTIALS.definition,
    &CORS_MAX_AGE.definition,
    &RATE_LIMITING.definition,
    &PER_MINUTE.definition,
    &PER_HOUR.definition,
    &ALGORITHM.definition,
    &ENDPOINTS.definition,
    &HEADERS_PROFILE.definition,
    &CONTENT_SECURITY_POLICY.definition,
    &STRICT_TRANSPORT_SECURITY.definition,
    &X_FRAME_OPTIONS.definition,
];
