//! The bounds of certificates and of getting them.

use base::Limit;

/// Names of one certificate.
pub const NAMES_MAX: Limit = Limit::new("tls_names_max", 100, "what public authorities take");
/// A certificate or key file.
pub const FILE_BYTES_MAX: Limit = Limit::new("tls_file_bytes_max", 1 << 20, "a chain is a few kilobytes");
/// One issuance, from order to certificate.
pub const ISSUE_SECONDS_MAX: Limit =
    Limit::new("tls_issue_seconds_max", 180, "authorities answer within seconds, or not at all");
/// Between two tries that failed, at first; doubled each time.
pub const RETRY_SECONDS: Limit =
    Limit::new("tls_retry_seconds", 60, "authorities count failed validations per hour");
/// Between two tries that failed, at most.
pub const RETRY_SECONDS_MAX: Limit =
    Limit::new("tls_retry_seconds_max", 6 * 3600, "a certificate has days left when its renewal begins");
/// Between two questions on when to renew, where the authority does not say (RFC 9773 section 4.3.3).
pub const SUGGESTION_SECONDS: Limit =
    Limit::new("tls_suggestion_seconds", 6 * 3600, "soon enough to hear of a revocation");
/// Between two questions on when to renew, at least, whatever the authority says.
pub const SUGGESTION_SECONDS_MIN: Limit =
    Limit::new("tls_suggestion_seconds_min", 60, "an authority has millions of others to answer");
/// Between two questions on when to renew, at most, whatever the authority says.
pub const SUGGESTION_SECONDS_MAX: Limit =
    Limit::new("tls_suggestion_seconds_max", 86_400, "a revocation is heard of within a day");
/// Between two renewals, at least, whatever the authority says.
pub const RENEWAL_SECONDS_MIN: Limit = Limit::new(
    "tls_renewal_seconds_min",
    6 * 3600,
    "an authority whose window has always passed would be asked for certificates without end",
);
/// Challenges waiting to be asked for.
pub const CHALLENGES_MAX: Limit = Limit::new("tls_challenges_max", 200, "one a name, twice");
/// Between two looks at own certificate files.
pub const LOOK_SECONDS: Limit =
    Limit::new("tls_look_seconds", 5, "soon enough after a renewal by somebody else's tool");
/// Life of a certificate of this machine's own authority.
pub const LOCAL_LIFE_SECONDS: Limit =
    Limit::new("tls_local_life_seconds", 90 * 86_400, "as long as a public authority's");
/// Life of the probes' certificate.
pub const PROBES_LIFE_SECONDS: Limit = Limit::new(
    "tls_probes_life_seconds",
    6 * 3600,
    "renewed every four hours, so that a renewal that stopped is seen the same day",
);
/// Between two rehearsals of a renewal.
pub const REHEARSAL_SECONDS: Limit =
    Limit::new("tls_rehearsal_seconds", 7 * 86_400, "often enough to notice before it matters");
/// Certificates between one and its root.
pub const ISSUERS_MAX: Limit = Limit::new("tls_issuers_max", 4, "public chains have one or two");
/// What is fetched of an issuer: its certificate, or what it says of ours.
pub const FETCHED_BYTES_MAX: Limit =
    Limit::new("tls_fetched_bytes_max", 64 * 1024, "both are two or three kilobytes");
/// Asking an issuer about our certificate.
pub const STATUS_SECONDS_MAX: Limit =
    Limit::new("tls_status_seconds_max", 10, "the answer before counts for days");
/// Between two questions about our certificate that failed, at most.
pub const STATUS_RETRY_SECONDS_MAX: Limit = Limit::new(
    "tls_status_retry_seconds_max",
    3600,
    "half of an answer's life is left when the first is asked",
);
