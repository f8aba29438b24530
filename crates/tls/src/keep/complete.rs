//! A certificate that came without what leads to its root: what is missing is where it says (RFC 5280, caIssuers).
//!
//! Invariant: what is put behind a certificate issued it: its signature was checked, wherever it came from.

use std::path::Path;

use outbound::Request;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_cert::Certificate;
use x509_cert::der::Encode;

use super::Tls;
use crate::material::{Material, read};
use crate::store::write_public;
use crate::{Error, limits, settings, signed};

impl Tls {
    /// The same with its chain complete, from what is at hand only.
    pub(super) fn completed_from_here(&self, material: Material) -> Option<Material> {
        let Some(url) = &material.facts.missing else { return Some(material) };
        let leaf = signed::read(material.key.cert.first()?).ok()?;
        let now = self.0.parts.clock.now().as_second();
        let mut between = Vec::new();
        let mut below = leaf;
        for _ in 0..limits::ISSUERS_MAX.value {
            let Some(above) = self.known_issuer(&below, now) else { break };
            if signed::is_root(&above) {
                return Some(material.with_between(between));
            }
            between.push(CertificateDer::from(above.to_der().ok()?));
            below = above;
        }
        tracing::debug!(url, found = between.len(), "looked here for what completes the chain");
        (!between.is_empty()).then(|| material.with_between(between))
    }

    /// The same with its chain complete, fetched where the certificate says. What was fetched is kept.
    pub(super) async fn completed(&self, material: Material) -> Result<Material, String> {
        if let Some(done) = self.completed_from_here(material.clone()) {
            return Ok(done);
        }
        let leaf = material.key.cert.first().ok_or("no certificate")?;
        let mut below = signed::read(leaf)?;
        let mut next = material.facts.missing.clone();
        let now = self.0.parts.clock.now().as_second();
        for turn in 0..limits::ISSUERS_MAX.value {
            let Some(url) = next else { break };
            match self.fetch_issuer(&url, &below, now).await {
                Ok(above) if signed::is_root(&above) => break,
                Ok(above) => {
                    let der = CertificateDer::from(above.to_der().map_err(|error| error.to_string())?);
                    next = crate::material::issuer_url(&der);
                    below = above;
                }
                Err(why) if turn == 0 => return Err(format!("{url} was asked for it: {why}")),
                Err(why) => {
                    tracing::warn!(url, why, "the chain ends where it could be followed no further");
                    break;
                }
            }
        }
        self.completed_from_here(material).ok_or_else(|| "what was fetched does not complete it".to_owned())
    }

    async fn fetch_issuer(&self, url: &str, below: &Certificate, now: i64) -> Result<Certificate, String> {
        // Clear text is what authorities use here; the signature is what counts.
        let asked = Request::get("certificate chain", url)
            .clear_text(true)
            .redirects(2)
            .at_most(limits::FETCHED_BYTES_MAX.value);
        let answer = self.0.parts.outbound.send(asked).await.and_then(outbound::Answer::success);
        let answer = answer.map_err(|error| base::fault::chain(&error).to_string())?;
        let der = match CertificateDer::from_pem_slice(&answer.body) {
            Ok(pem) => pem,
            Err(_) => CertificateDer::from(answer.body.to_vec()),
        };
        let above = signed::read(&der)
            .map_err(|why| format!("{why} (a bundle of PKCS #7 is not read: put the chain into the file)"))?;
        if !signed::issued(&above, below) {
            return Err("what is there did not issue it".to_owned());
        }
        if !signed::holds(&above, now) {
            return Err("what is there has ended, or has not begun".to_owned());
        }
        let path = self.kept_issuer(below);
        let pem = pem_of(&der);
        write_public(&path, pem.as_bytes()).map_err(|error| error.to_string())?;
        Ok(above)
    }

    fn kept_issuer(&self, below: &Certificate) -> std::path::PathBuf {
        let name = below.tbs_certificate.issuer.to_der().unwrap_or_default();
        let name: String = seal::sha256(&name).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.0.store.folder.join(format!("issuer-{name}.pem"))
    }

    /// Who issued it, of those that we were told of or that were fetched before.
    pub(super) fn known_issuer(&self, below: &Certificate, now: i64) -> Option<Certificate> {
        let told = self.0.parts.settings.get(&settings::TRUSTED_CA_FILE);
        let kept = self.kept_issuer(below);
        let all = told.iter().map(std::path::PathBuf::as_path).chain([kept.as_path()]);
        all.flat_map(certificates)
            .filter_map(|der| signed::read(&der).ok())
            .find(|above| signed::issued(above, below) && signed::holds(above, now))
    }
}

/// What a file holds, as far as it can be read.
fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    let Ok(text) = read(path) else { return Vec::new() };
    CertificateDer::pem_slice_iter(&text).flatten().collect()
}

fn pem_of(der: &CertificateDer<'_>) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// Whether the authorities that clients are said to trust can be read (control 17).
pub(crate) fn check_trusted(given: &base::Settings) -> Result<(), Error> {
    match given.get(&settings::TRUSTED_CA_FILE) {
        Some(path) => trusted(&path).map(drop),
        None => Ok(()),
    }
}

/// The authorities in a file, of which there is one at least.
pub(crate) fn trusted(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read(path)?;
    let wrong = |why: String| Error::Content { path: path.to_owned(), why };
    let mut found = Vec::new();
    for der in CertificateDer::pem_slice_iter(&text) {
        let der = der.map_err(|error| wrong(format!("the certificates are not PEM: {error}")))?;
        signed::read(&der).map_err(wrong)?;
        found.push(der);
    }
    if found.is_empty() { Err(wrong("there is no certificate in it".to_owned())) } else { Ok(found) }
}
