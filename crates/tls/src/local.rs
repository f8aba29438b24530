//! An authority of our own, for development on this machine and for the probes: its key never leaves the data folder.
//!
//! What it issues lies in files beside it, and is read again when they change, as anybody's own certificate is.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::store::{read_text, write_private, write_public};
use crate::{Error, Material, limits};

/// An authority and the certificate it issued, in one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    folder: PathBuf,
    life: Duration,
}

impl Own {
    /// For development: nobody wants to trust another certificate every day.
    pub(crate) fn for_this_machine(folder: &Path) -> Own {
        Own { folder: folder.to_owned(), life: Duration::from_secs(limits::LOCAL_LIFE_SECONDS.value) }
    }

    /// For the probes: renewed several times a day, so that renewal is seen to work.
    pub(crate) fn for_probes(folder: &Path) -> Own {
        let life = Duration::from_secs(limits::PROBES_LIFE_SECONDS.value);
        Own { folder: folder.join("probes"), life }
    }

    pub(crate) fn cert(&self) -> PathBuf {
        self.folder.join("own.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("own.key")
    }

    /// What was issued before, if it can still be shown for `names`.
    pub(crate) fn kept(&self, names: &[String], now: Timestamp) -> Option<Material> {
        self.close_to_others();
        let kept = Material::from_files(&self.cert(), &self.key()).ok()?;
        let is_for_all = names.iter().all(|name| kept.facts.names.contains(name));
        (is_for_all && kept.facts.not_after > now).then_some(kept)
    }

    /// A certificate for `names`. The authority is made if there is none.
    pub(crate) fn issue(&self, names: &[String], now: Timestamp) -> Result<Material, Error> {
        let bug = |error: rcgen::Error| Error::Bug(error.to_string());
        let made = std::fs::create_dir_all(&self.folder);
        made.map_err(|source| Error::File { path: self.folder.clone(), source })?;
        let (cert, key) = (self.folder.join("local-ca.pem"), self.folder.join("local-ca.key"));
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
        params.not_after = (now + self.life).into();
        let own = KeyPair::generate().map_err(bug)?;
        let leaf = params.signed_by(&own, &issuer).map_err(bug)?;
        write_private(&self.key(), own.serialize_pem().as_bytes())?;
        write_public(&self.cert(), leaf.pem().as_bytes())?;
        Material::from_files(&self.cert(), &self.key())
    }

    /// Our own keys are closed again when somebody opened them to others (control 8), and that is told.
    pub(crate) fn close_to_others(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        let keys = entries.flatten().map(|entry| entry.path());
        for key in keys.filter(|path| path.extension().is_some_and(|kind| kind == "key")) {
            let Ok(found) = std::fs::metadata(&key) else { continue };
            let mode = found.permissions().mode() & 0o777;
            if mode & 0o077 == 0 {
                continue;
            }
            let closed = std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600));
            tracing::warn!(path = %key.display(), mode = format!("{mode:o}"), closed = closed.is_ok(), "others could read a key of ours; consider it known");
        }
    }
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Palisade Local CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub(crate) fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
