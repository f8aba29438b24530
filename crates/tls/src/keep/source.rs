//! Which of the places that certificates come from the settings name.

use std::path::PathBuf;

use base::Settings;

use super::Tls;
use crate::{Error, Material, limits, settings};

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An authority, by ACME.
    Acme,
    /// Files that somebody else looks after.
    Files {
        /// The chain.
        cert: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// The settings themselves: a store of secrets gave it.
    Secret,
    /// An authority of our own, for this machine.
    Local,
    /// The probes' own certificate, on a socket of theirs.
    Probes,
}

impl Source {
    /// As reports name it.
    pub fn name(&self) -> &'static str {
        match self {
            Source::Acme => "acme",
            Source::Files { .. } => "files",
            Source::Secret => "secret",
            Source::Local => "local",
            Source::Probes => "probes",
        }
    }
}

/// Which source the settings name; `None` for none.
pub(super) fn source(given: &Settings) -> Result<Option<Source>, Error> {
    let wrong = |setting: &'static str, why: &str| Err(Error::Setting { setting, why: why.to_owned() });
    let (cert, key) = (given.get(&settings::CERT_FILE), given.get(&settings::KEY_FILE));
    let domains = given.get(&settings::DOMAINS);
    let local = given.get(&settings::LOCAL_CA);
    let given_as_secret = (given.get(&settings::CERT_PEM).is_some(), given.get(&settings::KEY_PEM).is_some());
    match given_as_secret {
        (true, false) => return wrong("server.tls.key_pem", "a certificate needs its key"),
        (false, true) => return wrong("server.tls.cert_pem", "a key needs its certificate"),
        (true, true) if cert.is_some() || key.is_some() => {
            let why = "is given beside server.tls.cert_file and key_file: which of them counts is not for us to guess";
            return wrong("server.tls.cert_pem", why);
        }
        (true, true) | (false, false) => {}
    }
    let found = match (cert, key) {
        _ if given_as_secret.0 => Some(Source::Secret),
        (Some(cert), Some(key)) => Some(Source::Files { cert, key }),
        (Some(_), None) => return wrong("server.tls.key_file", "a certificate needs its key"),
        (None, Some(_)) => return wrong("server.tls.cert_file", "a key needs its certificate"),
        (None, None) if !domains.is_empty() && !local => Some(Source::Acme),
        (None, None) => local.then_some(Source::Local),
    };
    if domains.len() > limits::NAMES_MAX.size() {
        return wrong("server.tls.domains", "more names than a certificate can have (tls_names_max)");
    }
    match (given.get(&settings::ENABLED), &found) {
        (Some(false), _) => Ok(None),
        (Some(true), None) => wrong(
            "server.tls.enabled",
            "name a certificate: server.tls.cert_file and key_file, server.tls.domains (by ACME), or server.tls.local_ca on your own machine",
        ),
        (Some(true) | None, _) => Ok(found),
    }
}

/// What the settings hold; what completes its chain may have to be fetched.
pub(super) fn from_secret(given: &Settings) -> Result<Material, Error> {
    let (cert, key) = (given.get(&settings::CERT_PEM), given.get(&settings::KEY_PEM));
    let (Some(cert), Some(key)) = (cert, key) else { return Err(Error::Bug("no secret".to_owned())) };
    Material::from_pem(cert.as_bytes(), key.expose().as_bytes()).map_err(refused)
}

fn refused(why: String) -> Error {
    Error::Setting { setting: settings::CERT_PEM.definition.name, why }
}

impl Tls {
    /// Fetches what completes the chain, where that was not at hand at the start. A new secret comes with a new start.
    pub(super) async fn complete_secret(&self) -> Result<(), Error> {
        let now = self.0.parts.clock.now();
        let must_wait = self.state().not_before.is_some_and(|at| now < at);
        if must_wait || self.facts().is_some() {
            return Ok(());
        }
        let _turn = self.0.turn.lock().await;
        if self.facts().is_some() { Ok(()) } else { self.renew_in_turn().await }
    }

    pub(super) async fn whole_secret(&self) -> Result<Material, Error> {
        let material = from_secret(&self.0.parts.settings)?;
        let issuer = material.facts.issuer.clone();
        let complete = self.completed(material).await;
        complete.map_err(|why| refused(format!("{}. {why}", crate::material::incomplete(&issuer))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_certificate_is_refused_by_name() {
        let with = |pairs: &[(&'static str, &str)]| {
            pairs.iter().fold(Settings::default(), |settings, (name, value)| settings.with(name, value))
        };
        assert_eq!(source(&with(&[])).unwrap(), None);
        assert!(source(&with(&[("server.tls.cert_file", "/a")])).is_err());
        assert!(source(&with(&[("server.tls.key_file", "/a")])).is_err());
        assert!(source(&with(&[("server.tls.cert_pem", "a")])).is_err());
        assert!(source(&with(&[("server.tls.key_pem", "a")])).is_err());
        let secret = [("server.tls.cert_pem", "a"), ("server.tls.key_pem", "b")];
        assert_eq!(source(&with(&secret)).unwrap(), Some(Source::Secret));
        let both = [secret[0], secret[1], ("server.tls.cert_file", "/a"), ("server.tls.key_file", "/b")];
        assert!(source(&with(&both)).is_err());
        assert!(source(&with(&[("server.tls.enabled", "true")])).is_err());
        assert_eq!(source(&with(&[("server.tls.domains", "a.example")])).unwrap(), Some(Source::Acme));
        assert_eq!(
            source(&with(&[("server.tls.domains", "a.example"), ("server.tls.enabled", "false")])).unwrap(),
            None
        );
        assert_eq!(
            source(&with(&[("server.tls.local_ca", "true"), ("server.tls.domains", "a.example")])).unwrap(),
            Some(Source::Local)
        );
    }
}
