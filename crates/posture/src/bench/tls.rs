//! TLS as a stranger would try it. What certificate is shown is looked at, not judged: probes of other controls must
//! work with a certificate that is not yet good.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::hello::{Heard, Hello};
use super::{Bench, Seat, Trouble};

/// Takes any certificate whose key its holder proves to have.
#[derive(Debug)]
struct Unjudged(WebPkiSupportedAlgorithms, Stapled);

/// What an authority said of a certificate, as the server passed it on.
pub type Stapled = Arc<Mutex<Vec<u8>>>;

impl ServerCertVerifier for Unjudged {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        stapled: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = stapled.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// A client that offers `suites` (by name; all when empty) in `versions`, and `protocols`.
pub fn offering(
    versions: &[&'static SupportedProtocolVersion],
    suites: &[&str],
    protocols: &[&str],
) -> Result<Arc<ClientConfig>, Error> {
    hearing(versions, suites, protocols, Stapled::default())
}

/// The same, writing down what is stapled to the certificate.
pub fn hearing(
    versions: &[&'static SupportedProtocolVersion],
    suites: &[&str],
    protocols: &[&str],
    stapled: Stapled,
) -> Result<Arc<ClientConfig>, Error> {
    let mut provider = CryptoProvider { ..aws_lc_rs::default_provider() };
    let name = |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite());
    if !suites.is_empty() {
        let wanted = |wish: &&str| provider.cipher_suites.iter().find(|suite| name(suite) == **wish).copied();
        provider.cipher_suites = suites.iter().filter_map(wanted).collect();
    }
    let algorithms = provider.signature_verification_algorithms;
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unjudged(algorithms, stapled)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// A client that takes anything modern.
pub fn any() -> std::io::Result<Arc<ClientConfig>> {
    let both: &[&'static SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    offering(both, &[], &["http/1.1"]).map_err(std::io::Error::other)
}

/// Shakes hands over `stream`.
pub async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    config: &Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<TlsStream<S>> {
    let name = ServerName::try_from(name.to_owned()).map_err(std::io::Error::other)?;
    TlsConnector::from(config.clone()).connect(name, stream).await
}

/// Anything that bytes go over.
pub trait Way: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Way for T {}

impl Bench {
    /// A connection to a seat, that nothing was sent over yet.
    pub async fn reach(&self, seat: &Seat) -> Result<Box<dyn Way>, Trouble> {
        let unreached = |source| Trouble::Network { what: format!("connecting to {seat}"), source };
        match seat {
            Seat::Tcp(address) => {
                let from = self.own_address().filter(|_| super::http::met_at(*address).ip().is_loopback());
                Ok(Box::new(super::http::connect_from(*address, from).await.map_err(unreached)?))
            }
            Seat::Socket(path) => Ok(Box::new(UnixStream::connect(path).await.map_err(unreached)?)),
        }
    }

    /// The same, after a handshake.
    pub async fn shake(
        &self,
        seat: &Seat,
        config: &Arc<ClientConfig>,
    ) -> Result<TlsStream<Box<dyn Way>>, Trouble> {
        let shaken = async {
            shake(self.reach(seat).await?, config, &self.place.encryption.name)
                .await
                .map_err(|source| Trouble::Network { what: format!("a handshake with {seat}"), source })
        };
        let limit = std::time::Duration::from_secs(crate::limits::STEP_SECONDS_MAX.value);
        tokio::time::timeout(limit, shaken)
            .await
            .map_err(|_| Trouble::Slow(format!("a handshake with {seat}")))?
    }

    /// Offers something by hand.
    pub async fn say(&self, seat: &Seat, hello: &Hello<'_>) -> Result<Heard, Trouble> {
        let what = || format!("a first message to {seat}");
        let said = async {
            let stream = self.reach(seat).await?;
            hello.say(stream).await.map_err(|source| Trouble::Network { what: what(), source })
        };
        let limit = std::time::Duration::from_secs(crate::limits::STEP_SECONDS_MAX.value);
        tokio::time::timeout(limit, said).await.map_err(|_| Trouble::Slow(what()))?
    }
}
