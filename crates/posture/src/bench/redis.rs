//! Redis or Valkey as somebody sees it who has its address and password: a few commands by hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::Secret;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::tls::Way;
use super::{Bench, Trouble};
use crate::limits;

/// Where a store is.
#[derive(Clone)]
pub struct RedisPlace {
    /// As the operator wrote it.
    pub url: Secret<String>,
    /// Its authority, if it is one of its own.
    pub ca_file: Option<PathBuf>,
}

/// What an address says.
pub struct Named {
    /// `rediss`, `redis` or `redis+unix`.
    pub scheme: String,
    /// Host and port, or the path of a socket.
    pub at: String,
    /// User and password.
    login: Option<(Option<String>, String)>,
}

impl RedisPlace {
    /// Reads the address.
    pub fn named(&self) -> Result<Named, Trouble> {
        let wrong = || Trouble::Unexpected("the store's address cannot be read".to_owned());
        let (scheme, rest) = self.url.expose().split_once("://").ok_or_else(wrong)?;
        if scheme.contains("unix") {
            let path = rest.split('?').next().unwrap_or(rest).to_owned();
            return Ok(Named { scheme: scheme.to_owned(), at: path, login: None });
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let (login, at) = match authority.rsplit_once('@') {
            Some((login, at)) => (Some(login), at),
            None => (None, authority),
        };
        let login = login.map(|login| match login.split_once(':') {
            Some(("", password)) => (None, password.to_owned()),
            Some((user, password)) => (Some(user.to_owned()), password.to_owned()),
            None => (Some(login.to_owned()), String::new()),
        });
        let at = if at.rsplit(']').next().is_some_and(|rest| rest.contains(':')) {
            at.to_owned()
        } else {
            format!("{at}:6379")
        };
        Ok(Named { scheme: scheme.to_owned(), at, login })
    }
}

/// A connection to the store.
pub struct Connected {
    way: BufReader<Box<dyn Way>>,
    /// The version of TLS that was agreed on.
    pub version: Option<String>,
}

impl Bench {
    /// Connects as an operator would: over TLS where the address says so, to its own authority only.
    pub async fn store(&self, place: &RedisPlace) -> Result<Connected, Trouble> {
        let named = place.named()?;
        let unreached = |source| Trouble::Network { what: "the store".to_owned(), source };
        let limit = Duration::from_secs(limits::STEP_SECONDS_MAX.value);
        let connecting = async {
            if named.scheme.contains("unix") {
                let stream = UnixStream::connect(&named.at).await?;
                return Ok((Box::new(stream) as Box<dyn Way>, None));
            }
            let stream = TcpStream::connect(&named.at).await?;
            if named.scheme != "rediss" {
                return Ok((Box::new(stream) as Box<dyn Way>, None));
            }
            let host = named.at.rsplit_once(':').map_or(named.at.as_str(), |(host, _)| host);
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let name = ServerName::try_from(host).map_err(std::io::Error::other)?;
            let config = trusting(place).map_err(std::io::Error::other)?;
            let stream = TlsConnector::from(config).connect(name, stream).await?;
            let version = stream.get_ref().1.protocol_version().map(|version| format!("{version:?}"));
            Ok((Box::new(stream) as Box<dyn Way>, version))
        };
        let connected =
            timeout(limit, connecting).await.map_err(|_| Trouble::Slow("the store".to_owned()))?;
        let (way, version) = connected.map_err(unreached)?;
        let mut connected = Connected { way: BufReader::new(way), version };
        if let Some((user, password)) = &named.login {
            let words: Vec<&str> =
                ["AUTH"].into_iter().chain(user.as_deref()).chain([password.as_str()]).collect();
            connected.run(&words).await?;
        }
        Ok(connected)
    }

    /// What its port answers to a command in clear.
    pub async fn store_in_clear(&self, place: &RedisPlace) -> Result<String, Trouble> {
        let named = place.named()?;
        let unreached = |source| Trouble::Network { what: "the store".to_owned(), source };
        let mut stream = TcpStream::connect(&named.at).await.map_err(unreached)?;
        stream.write_all(b"PING\r\n").await.map_err(unreached)?;
        let mut answer = [0; 64];
        let read = timeout(Duration::from_secs(3), stream.read(&mut answer)).await;
        let length = read.ok().and_then(Result::ok).unwrap_or(0);
        Ok(String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned())
    }
}

fn trusting(place: &RedisPlace) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let Some(path) = &place.ca_file else {
        let verifier = Arc::new(Verifier::new(provider)?);
        return Ok(Arc::new(
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth(),
        ));
    };
    let mut roots = rustls::RootCertStore::empty();
    for found in CertificateDer::pem_file_iter(path).into_iter().flatten().flatten() {
        roots.add(found)?;
    }
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

impl Connected {
    /// Runs a command; every text of what came back, in order.
    pub async fn run(&mut self, words: &[&str]) -> Result<Vec<String>, Trouble> {
        let unreached = |source| Trouble::Network { what: "the store".to_owned(), source };
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
        }
        let limit = Duration::from_secs(limits::STEP_SECONDS_MAX.value);
        let exchanged = async {
            self.way.write_all(&bytes).await?;
            self.way.flush().await?;
            self.texts().await
        };
        let texts = timeout(limit, exchanged).await.map_err(|_| Trouble::Slow("the store".to_owned()))?;
        texts.map_err(unreached)
    }

    async fn texts(&mut self) -> std::io::Result<Vec<String>> {
        let mut texts = Vec::new();
        let mut expected = 1_u64;
        while expected > 0 {
            expected -= 1;
            let mut line = String::new();
            self.way.read_line(&mut line).await?;
            let line = line.trim_end();
            let Some((kind, rest)) = line.split_at_checked(1) else {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            };
            match kind {
                "*" => expected += rest.parse::<u64>().unwrap_or(0).min(limits::STORE_ENTRIES_MAX.value),
                "$" => {
                    let Ok(length) = rest.parse::<usize>() else { continue };
                    let mut text = vec![0; length.min(limits::ANSWER_BYTES_MAX.size()) + 2];
                    self.way.read_exact(&mut text).await?;
                    text.truncate(text.len() - 2);
                    texts.push(String::from_utf8_lossy(&text).into_owned());
                }
                "-" => return Err(std::io::Error::other(rest.to_owned())),
                _ => texts.push(rest.to_owned()),
            }
        }
        Ok(texts)
    }
}
