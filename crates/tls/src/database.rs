//! The certificate of the database's own listener (control 54): from an authority of this instance's own, made at the first
//! start, or from files; renewed while a third of its life is left, and shown without a pause.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use audit::{Audit, Entry, Event};
use base::{Clock, Failure, Secret};
use jiff::Timestamp;
use jobs::Reconciler;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::Error;
use crate::local::named;
use crate::store::{read_text, write_private, write_public};

/// How long one is good for.
const LIFE_DAYS: i64 = 90;
/// When it is replaced.
const RENEW_DAYS: i64 = 30;

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub struct Pair {
    /// The certificate and what completes its chain.
    pub chain: String,
    /// Its key.
    pub key: Secret,
    /// Until when it is good.
    pub not_after: Timestamp,
}

/// Where certificates of the database come from.
#[derive(Clone)]
pub enum Origin {
    /// An authority in this folder, made if there is none. Its certificate, for clients to trust, is `ca.pem` there.
    Own {
        /// The folder, private to us.
        folder: PathBuf,
        /// Names and addresses.
        names: Vec<String>,
    },
    /// The operator's files, read again when they change.
    Files {
        /// The chain.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

impl Origin {
    /// What should be shown at `now`: what there is, or a new one where that is old or for other names.
    pub fn current(&self, now: Timestamp) -> Result<Pair, Error> {
        match self {
            Origin::Files { cert, key } => {
                // Refuses a key that others can read and one that is another certificate's.
                let material = crate::Material::from_files(cert, key)?;
                Ok(Pair {
                    chain: read_text(cert)?,
                    key: Secret::new(read_text(key)?),
                    not_after: material.facts.not_after,
                })
            }
            Origin::Own { folder, names } => own(folder, names, now),
        }
    }
}

fn own(folder: &Path, names: &[String], now: Timestamp) -> Result<Pair, Error> {
    let bug = |error: rcgen::Error| Error::Bug(error.to_string());
    let (chain, key, said) =
        (folder.join("server.pem"), folder.join("server.key"), folder.join("server.names"));
    let wanted = names.join("\n");
    // What is said beside it: whom it is for, and until when.
    if let Ok(text) = read_text(&said)
        && let Some((until, for_whom)) = text.split_once('\n')
        && let Ok(not_after) = until.parse::<Timestamp>()
        && for_whom == wanted
        && now
            .checked_add(jiff::SignedDuration::from_hours(24 * RENEW_DAYS))
            .is_ok_and(|soon| soon < not_after)
    {
        return Ok(Pair { chain: read_text(&chain)?, key: Secret::new(read_text(&key)?), not_after });
    }
    let (ca, ca_key) = (folder.join("ca.pem"), folder.join("ca.key"));
    if !ca.exists() {
        let pair = KeyPair::generate().map_err(bug)?;
        write_private(&ca_key, pair.serialize_pem().as_bytes())?;
        write_public(&ca, authority().self_signed(&pair).map_err(bug)?.pem().as_bytes())?;
    }
    let issuer = Issuer::new(authority(), KeyPair::from_pem(&read_text(&ca_key)?).map_err(bug)?);
    let mut params = CertificateParams::new(names.to_vec()).map_err(bug)?;
    params.distinguished_name = named(names.first().map_or("postgres", String::as_str));
    params.use_authority_key_identifier_extension = true;
    let hours = |hours| now.checked_add(jiff::SignedDuration::from_hours(hours)).unwrap_or(now);
    let (begins, not_after) = (hours(-1), hours(24 * LIFE_DAYS));
    params.not_before = std::time::SystemTime::from(begins).into();
    params.not_after = std::time::SystemTime::from(not_after).into();
    let pair = KeyPair::generate().map_err(bug)?;
    let leaf = params.signed_by(&pair, &issuer).map_err(bug)?;
    let made = Pair { chain: leaf.pem(), key: Secret::new(pair.serialize_pem()), not_after };
    write_private(&key, made.key.expose().as_bytes())?;
    write_public(&chain, made.chain.as_bytes())?;
    write_public(&said, format!("{not_after}\n{wanted}").as_bytes())?;
    Ok(made)
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Palisade Database CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Shows a certificate from now on.
pub type Show = Arc<dyn Fn(&Pair) -> Result<(), Failure> + Send + Sync>;

/// Keeps the database's certificate young. With nothing inside, the database has no listener.
pub struct KeepDatabaseCertificate(pub Option<Keeping>);

/// What keeping it takes.
pub struct Keeping {
    /// Where it comes from.
    pub origin: Origin,
    /// How it is shown.
    pub show: Show,
    /// What is shown.
    pub shown: std::sync::Mutex<String>,
    /// Where a change is recorded.
    pub audit: Audit,
    /// The time.
    pub clock: Clock,
}

impl Reconciler for KeepDatabaseCertificate {
    const NAME: &'static str = "tls.keep_database";
    const WHAT: &'static str =
        "the database's listener shows a certificate that is good for a month at least";
    const EVERY: std::time::Duration = std::time::Duration::from_secs(3_600);

    async fn reconcile(&self) -> Result<(), Failure> {
        let Some(keeping) = &self.0 else { return Ok(()) };
        let pair = keeping.origin.current(keeping.clock.now())?;
        let is_new = keeping.shown.lock().is_ok_and(|shown| *shown != pair.chain);
        if is_new {
            (keeping.show)(&pair)?;
            if let Ok(mut shown) = keeping.shown.lock() {
                shown.clone_from(&pair.chain);
            }
            let entry = Entry::system(Event::CertificateRenewed).about("database");
            keeping.audit.record_alone(entry.detail("not_after", pair.not_after)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_certificate_is_kept_until_a_third_of_its_life_is_left_and_replaced_for_other_names() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let origin =
            |name: &str| Origin::Own { folder: folder.path().to_owned(), names: vec![name.to_owned()] };
        let get =
            |name: &str, now: &str| origin(name).current(at(now)).unwrap_or_else(|error| panic!("{error}"));
        let first = get("10.0.0.5", "2026-01-01T00:00:00Z");
        assert_eq!(first.not_after, at("2026-04-01T00:00:00Z"));
        assert_eq!(get("10.0.0.5", "2026-02-15T00:00:00Z").chain, first.chain);
        let second = get("10.0.0.5", "2026-03-03T00:00:00Z");
        assert!(second.chain != first.chain && second.not_after == at("2026-06-01T00:00:00Z"));
        assert!(get("db.example.com", "2026-03-03T00:00:00Z").chain != second.chain);
        let ca = std::fs::read_to_string(folder.path().join("ca.pem")).unwrap_or_default();
        assert!(ca.contains("BEGIN CERTIFICATE"), "the authority stays the same: {ca}");
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(folder.path().join("ca.key"))
                .unwrap_or_else(|error| panic!("{error}"))
                .permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }
}
