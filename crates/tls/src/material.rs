//! A certificate with its chain and key, checked before anybody is shown it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::Serialize;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use crate::{Error, limits};

/// What a key file's mode must not have: it lets in somebody else than its owner.
const OTHERS: u32 = 0o077;

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Names and addresses.
    pub names: Vec<String>,
    /// Who issued it.
    pub issuer: String,
    /// From when it holds.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// Its serial number, in hex.
    pub serial: String,
    /// How many certificates are in the chain.
    pub chain: usize,
    /// Where its revocation could be asked about, if its issuer has OCSP.
    pub ocsp: Option<String>,
    /// Where what completes the chain can be had, while that is not there.
    pub missing: Option<String>,
}

/// Something to show.
#[derive(Clone)]
pub struct Material {
    /// For rustls.
    pub key: Arc<CertifiedKey>,
    /// What it says of itself.
    pub facts: Facts,
}

impl Material {
    /// From two files. Whoever else can read the key has it (control 8).
    pub fn from_files(cert: &Path, key: &Path) -> Result<Material, Error> {
        let material = Self::from_files_as_they_are(cert, key)?;
        match &material.facts.missing {
            None => Ok(material),
            Some(_) => Err(Error::Content { path: cert.to_owned(), why: incomplete(&material.facts.issuer) }),
        }
    }

    /// The same, though what completes the chain may have to be fetched.
    pub(crate) fn from_files_as_they_are(cert: &Path, key: &Path) -> Result<Material, Error> {
        require_private(key)?;
        let (chain, private) = (read(cert)?, read(key)?);
        Self::from_pem(&chain, &private).map_err(|why| Error::Content { path: cert.to_owned(), why })
    }

    /// With what completes its chain behind it.
    pub(crate) fn with_between(&self, between: Vec<CertificateDer<'static>>) -> Material {
        let mut key = (*self.key).clone();
        key.cert.extend(between);
        let facts = Facts { chain: key.cert.len(), missing: None, ..self.facts.clone() };
        Material { key: Arc::new(key), facts }
    }

    /// From PEM.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Material, String> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("the certificates are not PEM: {error}"))?;
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("the key is not PEM: {error}"))?;
        Self::from_der(chain, &key)
    }

    /// From DER. Refused: a key that is another certificate's, a chain that is out of order or incomplete.
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'static>,
    ) -> Result<Material, String> {
        let facts = facts(&chain)?;
        let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(key)
            .map_err(|error| format!("the key cannot be used: {error}"))?;
        let certified = CertifiedKey::new(chain, signing);
        certified.keys_match().map_err(|_| "the key is not the certificate's".to_owned())?;
        Ok(Material { key: Arc::new(certified), facts })
    }
}

/// A file of bounded size.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let refused = |source| Error::File { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(refused)?.len();
    if length > limits::FILE_BYTES_MAX.value {
        let why = format!(
            "{length} bytes are more than {} ({})",
            limits::FILE_BYTES_MAX.value,
            limits::FILE_BYTES_MAX.name
        );
        return Err(Error::Content { path: path.to_owned(), why });
    }
    std::fs::read(path).map_err(refused)
}

fn require_private(key: &Path) -> Result<(), Error> {
    let found = std::fs::metadata(key).map_err(|source| Error::File { path: key.to_owned(), source })?;
    let mode = found.permissions().mode() & 0o777;
    if mode & OTHERS == 0 { Ok(()) } else { Err(Error::Permissions { path: key.to_owned(), mode }) }
}

fn facts(chain: &[CertificateDer<'static>]) -> Result<Facts, String> {
    let parsed: Vec<X509Certificate<'_>> = chain
        .iter()
        .map(|der| {
            X509Certificate::from_der(der)
                .map(|(_, parsed)| parsed)
                .map_err(|error| format!("a certificate cannot be read: {error}"))
        })
        .collect::<Result<_, _>>()?;
    let leaf = parsed.first().ok_or("there is no certificate in it")?;
    for (below, above) in parsed.iter().zip(parsed.iter().skip(1)) {
        if below.issuer() != above.subject() {
            return Err(format!(
                "the chain is out of order: {} is issued by {}, and {} follows it",
                below.subject(),
                below.issuer(),
                above.subject()
            ));
        }
    }
    let last = parsed.last().ok_or("there is no certificate in it")?;
    let is_alone = parsed.len() == 1 && last.issuer() != last.subject();
    let missing = if is_alone { access(leaf, CA_ISSUERS) } else { None };
    if is_alone && missing.is_none() && !names_root(&last.issuer().to_string()) {
        return Err(incomplete(&last.issuer().to_string()));
    }
    let time = |at: x509_parser::time::ASN1Time| {
        Timestamp::from_second(at.timestamp()).map_err(|error| error.to_string())
    };
    Ok(Facts {
        names: names(leaf),
        issuer: leaf.issuer().to_string(),
        not_before: time(leaf.validity().not_before)?,
        not_after: time(leaf.validity().not_after)?,
        serial: leaf.raw_serial_as_string().replace(':', ""),
        chain: chain.len(),
        ocsp: access(leaf, OCSP),
        missing,
    })
}

/// What is said of a chain that has a hole.
pub(crate) fn incomplete(issuer: &str) -> String {
    format!(
        "the chain is incomplete: the certificate of {issuer} is missing. Put it below the first one, as your issuer's `fullchain` or `ca-bundle` has it"
    )
}

/// An authority of an organisation's own issues without anything between; public ones never do.
pub(crate) fn names_root(issuer: &str) -> bool {
    issuer.contains("Root") || issuer.contains("Local") || issuer.contains(" CA")
}

fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(found)) = leaf.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(four) => Some(std::net::Ipv4Addr::from(four).to_string()),
            Err(_) => <[u8; 16]>::try_from(*bytes).ok().map(|six| std::net::Ipv6Addr::from(six).to_string()),
        },
        _ => None,
    };
    found.value.general_names.iter().filter_map(name).collect()
}

/// Where an issuer answers about a certificate, and where its own is (RFC 5280 section 4.2.2.1).
const OCSP: &str = "1.3.6.1.5.5.7.48.1";
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";

/// Where the certificate of who issued this one can be had.
pub(crate) fn issuer_url(der: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    access(&parsed, CA_ISSUERS)
}

/// A URL of the web that the certificate names; others (LDAP) are of no use here.
fn access(leaf: &X509Certificate<'_>, method: &str) -> Option<String> {
    leaf.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => {
            access.accessdescs.iter().find_map(|found| match &found.access_location {
                GeneralName::URI(url)
                    if found.access_method.to_id_string() == method && url.starts_with("http") =>
                {
                    Some((*url).to_owned())
                }
                _ => None,
            })
        }
        _ => None,
    })
}
