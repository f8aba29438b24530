//! An authority of our own, for development on this machine: its key never leaves the data folder.

use std::path::Path;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::store::{read_text, write_private, write_public};
use crate::{Error, Material};

/// A certificate for `names` from the authority in `folder`, which is made if there is none.
pub(crate) fn issue(folder: &Path, names: &[String], now: Timestamp) -> Result<Material, Error> {
    let bug = |error: rcgen::Error| Error::Bug(error.to_string());
    let (cert, key) = (folder.join("local-ca.pem"), folder.join("local-ca.key"));
    if !cert.exists() {
        let pair = KeyPair::generate().map_err(bug)?;
        let made = authority().self_signed(&pair).map_err(bug)?;
        write_private(&key, pair.serialize_pem().as_bytes())?;
        write_public(&cert, made.pem().as_bytes())?;
    }
    let pair = KeyPair::from_pem(&read_text(&key)?).map_err(bug)?;
    let issuer = Issuer::new(authority(), pair);
    let mut params = CertificateParams::new(names.to_vec()).map_err(bug)?;
    params.distinguished_name = named(names.first().map_or("localhost", String::as_str));
    params.use_authority_key_identifier_extension = true;
    let now = std::time::SystemTime::from(now);
    params.not_before = now.into();
    params.not_after = (now + std::time::Duration::from_secs(90 * 86_400)).into();
    let own = KeyPair::generate().map_err(bug)?;
    let leaf = params.signed_by(&own, &issuer).map_err(bug)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.serialize_der()));
    Material::from_der(vec![leaf.der().clone()], &private).map_err(Error::Bug)
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Palisade Local CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
