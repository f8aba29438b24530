//! What can be set about certificates.

use std::path::PathBuf;

use base::setting::{Definition, Refused};
use base::{Secret, Setting, setting};

use setting::{Alias, Guide};

/// Whether the public listener speaks TLS.
pub static ENABLED: Setting<Option<bool>> = Setting::unset("server.tls.enabled")
    .changes(
        "whether the public listener speaks TLS; unset: wherever a certificate is configured. Without TLS only loopback is listened on",
    )
    .proven_by(&[7]);

/// The certificate chain.
pub static CERT_FILE: Setting<Option<PathBuf>> = Setting::unset("server.tls.cert_file")
    .changes("a PEM file with the certificate and what completes its chain; read again when it changes")
    .proven_by(&[7, 8]);

/// Its key.
pub static KEY_FILE: Setting<Option<PathBuf>> = Setting::unset("server.tls.key_file")
    .changes("a PEM file with the certificate's private key; refused if others than its owner can read it")
    .proven_by(&[7, 8]);

/// The certificate chain itself.
pub static CERT_PEM: Setting<Option<String>> = Setting::unset("server.tls.cert_pem")
    .changes("the certificate and what completes its chain as PEM, where a store of secrets gives it and no file; with server.tls.key_pem")
    .proven_by(&[7]);

/// Its key itself.
pub static KEY_PEM: Setting<Option<Secret<String>>> = Setting::unset("server.tls.key_pem")
    .changes("the private key of server.tls.cert_pem as PEM; read at the start, and written to no file")
    .proven_by(&[7, 8]);

/// The oldest version.
pub static MIN_VERSION: Setting<String> = Setting::new("server.tls.min_version", "1.2")
    .choices(&["1.2", "1.3"])
    .changes("the oldest version of TLS that is spoken")
    .proven_by(&[10]);

/// What certificates are for.
pub static DOMAINS: Setting<Vec<String>> = Setting::new("server.tls.domains", "")
    .changes("names and addresses to get a certificate for by ACME; `palisade up --domain` sets it")
    .proven_by(&[1]);

/// Whom the authority writes to.
pub static EMAIL: Setting<Option<String>> = Setting::unset("server.tls.email")
    .changes("the address the certificate authority writes to when something is wrong with a certificate")
    .proven_by(&[1]);

/// Where certificates come from.
pub static DIRECTORY: Setting<String> =
    Setting::new("server.tls.acme_directory", "https://acme-v02.api.letsencrypt.org/directory")
        .changes("the ACME directory that certificates are got from")
        .proven_by(&[1]);

/// Where renewals are rehearsed.
pub static STAGING: Setting<String> = Setting::new(
    "server.tls.acme_staging",
    "https://acme-staging-v02.api.letsencrypt.org/directory",
)
.changes(
    "the ACME directory that renewals are rehearsed at, every week and by `palisade tls renew --dry-run`",
)
.proven_by(&[4]);

/// How names are proven.
pub static CHALLENGE: Setting<String> = Setting::new("server.tls.challenge", "http-01")
    .choices(&["http-01", "tls-alpn-01"])
    .changes("how the authority sees that a name is ours: over port 80 (http-01) or within TLS on port 443 (tls-alpn-01)")
    .proven_by(&[1, 6]);

/// Which kind of certificate.
pub static PROFILE: Setting<Option<String>> = Setting::unset("server.tls.acme_profile").changes(
    "the authority's certificate profile (Let's Encrypt: classic, tlsserver, shortlived); addresses need shortlived there",
).proven_by(&[1]);

/// An authority of our own.
pub static LOCAL_CA: Setting<bool> = Setting::new("server.tls.local_ca", "false").changes(
    "whether to make a certificate authority in the data folder and certificates from it, for development on this machine",
).proven_by(&[7]);

/// Whom clients of this instance trust besides everybody's authorities.
pub static TRUSTED_CA_FILE: Setting<Option<PathBuf>> = Setting::unset("server.tls.trusted_ca_file").changes(
    "a PEM file with authorities that this instance's clients trust besides the system's: the hourly look at the own certificate trusts them, what a chain lacks is taken from them, and OCSP answers are verified with them where the chain does not hold the issuer (nginx: ssl_trusted_certificate)",
).proven_by(&[3, 15]);

/// Where plain HTTP is sent on from.
pub static HTTP_PORT: Setting<u16> = Setting::new("server.http_port", "80")
    .changes("the port on which plain HTTP is redirected, API requests are refused, and http-01 is answered; 0 for none")
    .proven_by(&[2, 6]);

/// Plain HTTP is never served.
pub static ENFORCE_HTTPS: Setting<bool> = Setting::new("server.enforce_https", "true")
    .also(&[Alias::same("ENFORCE_HTTPS", Guide::AppFlowy)])
    .refuses(&[Refused {
        value: "false",
        control: 2,
        why: "plain HTTP is never served off loopback: passwords and tokens would be readable on the way",
    }])
    .changes("nothing: plain HTTP is redirected, and refused for the API; false is refused")
    .proven_by(&[2]);

/// This crate's settings.
pub const SETTINGS: &[&Definition] = &[
    &ENABLED.definition,
    &CERT_FILE.definition,
    &KEY_FILE.definition,
    &CERT_PEM.definition,
    &KEY_PEM.definition,
    &MIN_VERSION.definition,
    &DOMAINS.definition,
    &EMAIL.definition,
    &DIRECTORY.definition,
    &STAGING.definition,
    &CHALLENGE.definition,
    &PROFILE.definition,
    &LOCAL_CA.definition,
    &TRUSTED_CA_FILE.definition,
    &HTTP_PORT.definition,
    &ENFORCE_HTTPS.definition,
];
