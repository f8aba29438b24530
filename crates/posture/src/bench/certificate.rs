//! Certificates as the probes look at them and make them: what is shown, and what is put into the probes' own files.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use super::{Bench, Seat, Trouble, tls};

/// What a listener shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The chain, the certificate itself first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its serial number.
    pub serial: String,
    /// From when it holds.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Shown {
    pub(super) fn read(chain: Vec<CertificateDer<'static>>) -> Option<Shown> {
        let (serial, from, until) = {
            let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
            let time = |seconds| Timestamp::from_second(seconds).ok();
            let validity = leaf.validity();
            (
                leaf.raw_serial_as_string(),
                time(validity.not_before.timestamp())?,
                time(validity.not_after.timestamp())?,
            )
        };
        Some(Shown { chain, serial, from, until })
    }

    /// Where its issuer could be asked whether it is still good.
    pub fn ocsp(&self) -> Option<String> {
        let (_, leaf) = X509Certificate::from_der(self.chain.first()?).ok()?;
        leaf.extensions().iter().find_map(|extension| {
            let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else {
                return None;
            };
            access.accessdescs.iter().find_map(|found| match &found.access_location {
                // RFC 6960: id-ad-ocsp.
                GeneralName::URI(url) if found.access_method.to_id_string() == "1.3.6.1.5.5.7.48.1" => {
                    Some((*url).to_owned())
                }
                _ => None,
            })
        })
    }

    /// How much of its life is left at `now`, in percent.
    pub fn left(&self, now: Timestamp) -> i64 {
        let life = self.until.duration_since(self.from).as_secs().max(1);
        self.until.duration_since(now).as_secs() * 100 / life
    }
}

/// Where the certificate of the probes' own listener lies.
pub struct Files {
    /// The chain.
    pub cert: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// A certificate and its key, as files hold them.
#[derive(Clone)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// The key.
    pub key: String,
}

impl Bench {
    /// The files behind [`super::Encryption::own_tls`].
    pub fn own_files(&self) -> Files {
        let folder = self.place.data.join("tls/probes");
        Files { cert: folder.join("own.pem"), key: folder.join("own.key") }
    }

    /// A certificate for this machine that signs itself, which began at `from` and ends at `until` (seconds from now).
    pub fn make_pair(&self, from: i64, until: i64) -> Result<Pair, Trouble> {
        let wrong = |error: rcgen::Error| Trouble::Unexpected(format!("making a certificate: {error}"));
        let now = std::time::SystemTime::from(self.place.clock.now());
        let at = |seconds: i64| {
            let far = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 { now - far } else { now + far }
        };
        let mut params =
            CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).map_err(wrong)?;
        (params.not_before, params.not_after) = (at(from).into(), at(until).into());
        let key = KeyPair::generate().map_err(wrong)?;
        let cert = params.self_signed(&key).map_err(wrong)?;
        Ok(Pair { cert: cert.pem(), key: key.serialize_pem() })
    }

    /// What a listener shows now.
    pub async fn shown(&self, seat: &Seat) -> Result<Shown, Trouble> {
        let config = tls::any().map_err(|source| Trouble::Network { what: "TLS".to_owned(), source })?;
        let stream = self.shake(seat, &config).await?;
        let chain = stream.get_ref().1.peer_certificates().map(<[_]>::to_vec).unwrap_or_default();
        let chain = chain.into_iter().map(CertificateDer::into_owned).collect();
        Shown::read(chain).ok_or_else(|| Trouble::Unexpected("a certificate that cannot be read".to_owned()))
    }
}
