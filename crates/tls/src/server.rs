//! How TLS is spoken: which versions, which suites, in whose order, with which certificate.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::crypto::aws_lc_rs;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoClientAuth, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use crate::challenges::Challenges;
use crate::{Error, Material};

/// The protocol of TLS-ALPN-01 (RFC 8737).
pub const ACME_ALPN: &[u8] = b"acme-tls/1";

const ONE_POINT_THREE: &[&SupportedProtocolVersion] = &[&version::TLS13];
const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// Shows the certificate in force; swapped while connections go on.
pub(crate) struct Shown {
    pub(crate) current: ArcSwapOption<Material>,
    pub(crate) challenges: Challenges,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown")
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_challenge = hello.alpn().is_some_and(|mut offered| offered.any(|name| name == ACME_ALPN));
        if is_challenge {
            return self.challenges.certificate(hello.server_name()?);
        }
        self.current.load().as_ref().map(|material| material.key.clone())
    }
}

/// The same, for those only who show a certificate of these authorities.
pub(crate) fn config_for_known(
    shown: Arc<Shown>,
    min_version: &str,
    authorities: RootCertStore,
) -> Result<ServerConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let known = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider)
        .build()
        .map_err(|error| Error::Bug(error.to_string()))?;
    let mut config = config_with(shown, min_version, known)?;
    // No authority comes here to prove a name.
    config.alpn_protocols.retain(|name| name != ACME_ALPN);
    Ok(config)
}

/// TLS as the guide's nginx speaks it, without what has gone out of use since (controls 9 to 16): ECDHE with AES-GCM or
/// ChaCha20-Poly1305 only, the server's order, no session tickets and no other resumption, HTTP/2 first.
pub(crate) fn config(shown: Arc<Shown>, min_version: &str) -> Result<ServerConfig, Error> {
    config_with(shown, min_version, Arc::new(NoClientAuth))
}

fn config_with(
    shown: Arc<Shown>,
    min_version: &str,
    clients: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, Error> {
    let versions = if min_version == "1.3" { ONE_POINT_THREE } else { BOTH };
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .map_err(|error| Error::Bug(error.to_string()))?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(shown);
    config.ignore_client_order = true;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec(), ACME_ALPN.to_vec()];
    Ok(config)
}
