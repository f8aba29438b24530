//! Who is trusted: the machine's authorities, and those of `outbound.ca_file`.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{Error, Target};

/// The client's side of TLS, set up when it is first needed: reading the machine's authorities takes a moment.
pub(crate) struct Tls {
    roots: Vec<CertificateDer<'static>>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    /// Reads the authorities, so that a wrong file stops the start.
    pub fn open(ca_file: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = ca_file else { return Ok(Tls { roots: Vec::new(), config: OnceLock::new() }) };
        let refused = |why: String| Error::CaFile { path: path.display().to_string(), why };
        let read = CertificateDer::pem_file_iter(path).map_err(|error| refused(error.to_string()))?;
        let roots = read.collect::<Result<Vec<_>, _>>().map_err(|error| refused(error.to_string()))?;
        if roots.is_empty() {
            return Err(refused("it has no certificate in it".to_owned()));
        }
        Ok(Tls { roots, config: OnceLock::new() })
    }

    fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Verifier::new_with_extra_roots(self.roots.iter().cloned(), provider.clone())
            .map_err(Error::TlsSetup)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::TlsSetup)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(self.config.get_or_init(|| Arc::new(config)).clone())
    }

    /// The handshake with whoever the URL names, to speak HTTP/1.1.
    pub async fn connect(&self, target: &Target, stream: TcpStream) -> Result<TlsStream<TcpStream>, Error> {
        self.shake(self.config()?, target, stream).await
    }

    /// The same, to speak what has no name in TLS.
    pub async fn connect_bare(
        &self,
        target: &Target,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let mut config = ClientConfig::clone(&*self.config()?);
        config.alpn_protocols.clear();
        self.shake(Arc::new(config), target, stream).await
    }

    async fn shake(
        &self,
        config: Arc<ClientConfig>,
        target: &Target,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let refused = |source| Error::Tls { host: target.host().to_owned(), source };
        let bare = target.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|error| refused(std::io::Error::other(error)))?;
        TlsConnector::from(config).connect(name, stream).await.map_err(refused)
    }
}
