//! The providers that the settings want, under both guides' names, read far enough to refuse what cannot be.

use std::path::Path;

use ::saml::Peer;
use base::Settings;
use serde_json::{Map, Value, json};

use super::settings::{self, Configured};
use crate::Error;

/// The name of the provider that AppFlowy's variables describe.
const ONLY: &str = "saml";

/// A provider that should be there.
#[derive(Clone, Debug)]
pub(super) struct Desired {
    pub(super) name: String,
    pub(super) enabled: bool,
    pub(super) allow_idp_initiated: bool,
    pub(super) redirect_hosts: Vec<String>,
    pub(super) domains: Vec<String>,
    pub(super) mapping: Value,
    pub(super) source: Source,
    /// Said here, and stronger than metadata.
    pub(super) sso_url: Option<String>,
    pub(super) certificate: Option<String>,
}

/// Where its keys and addresses come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Fetched, then pinned.
    Url { url: String, allow_clear_text: bool },
    /// Given.
    Metadata(String),
    /// Address and certificate alone; the name is learnt where it was not given.
    Parts { entity_id: Option<String> },
}

impl Desired {
    /// Changes whenever the settings of this provider do, so that they are applied again.
    pub(super) fn fingerprint(&self) -> String {
        let text = format!("{self:?}");
        hex::encode(&seal::sha256(text.as_bytes())[..8])
    }

    /// What is said here put over what metadata said.
    pub(super) fn over(&self, mut peer: Peer) -> Result<Peer, Error> {
        if let Some(certificate) = &self.certificate {
            peer.certificates = Peer::from_parts(&peer.entity_id, &peer.sso_url, certificate)?.certificates;
        }
        if let Some(url) = &self.sso_url {
            peer.sso_url = url.clone();
        }
        Ok(Peer::from_metadata(&peer.to_metadata())?)
    }
}

/// Whether the settings of SAML can be started with.
pub fn check_settings(given: &Settings) -> Result<(), Error> {
    let wanted = desired(given)?;
    if given.get(&settings::ENABLED) == Some(false) && wanted.iter().any(|one| one.enabled) {
        return Err(refuse(
            settings::ENABLED.definition.name,
            "is false while identity providers are configured: remove them, or say true",
        ));
    }
    for (at, one) in wanted.iter().enumerate() {
        if wanted.iter().take(at).any(|other| other.name == one.name) {
            return Err(refuse(
                settings::PROVIDERS.definition.name,
                format!("has two providers of the name {}", one.name),
            ));
        }
    }
    Ok(())
}

pub(super) fn desired(given: &Settings) -> Result<Vec<Desired>, Error> {
    let mut all = Vec::new();
    let one = Configured {
        name: ONLY.to_owned(),
        enabled: true,
        allow_idp_initiated: given.get(&settings::ALLOW_IDP_INITIATED),
        allowed_redirect_hosts: given.get(&settings::ALLOWED_REDIRECT_HOSTS),
        idp_metadata_url: given.get(&settings::METADATA_URL),
        allow_insecure_metadata_url: given.get(&settings::ALLOW_INSECURE_METADATA_URL),
        idp_entity_id: given.get(&settings::IDP_ENTITY_ID),
        sso_url: given.get(&settings::SSO_URL),
        certificate: given.get(&settings::CERTIFICATE),
        ..Configured::default()
    };
    if one.idp_metadata_url.is_some() || one.sso_url.is_some() || one.certificate.is_some() {
        all.push(read(&one, "auth.saml")?);
    }
    for provider in given.get(&settings::PROVIDERS) {
        all.push(read(&provider, settings::PROVIDERS.definition.name)?);
    }
    Ok(all)
}

fn read(given: &Configured, setting: &'static str) -> Result<Desired, Error> {
    let name = given.name.trim().to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(refuse(
            setting,
            format!("has a provider name that is not of letters, digits, -, _ and .: {name}"),
        ));
    }
    let about = |what: &str| refuse(setting, format!("{name}: {what}"));
    let source = match (&given.idp_metadata_url, &given.idp_metadata_xml) {
        (Some(_), Some(_)) => return Err(about("has both idp_metadata_url and idp_metadata_xml: give one")),
        (Some(url), None) => {
            let is_web = url.starts_with("https://") || url.starts_with("http://");
            if !is_web {
                return Err(about("the metadata URL is no web address"));
            }
            if !url.starts_with("https://") && !given.allow_insecure_metadata_url {
                return Err(about(
                    "the metadata URL is not HTTPS, so whoever is on the way could choose whose assertions are believed; \
                     use https, or allow_insecure_metadata_url: true",
                ));
            }
            Source::Url { url: url.clone(), allow_clear_text: given.allow_insecure_metadata_url }
        }
        (None, Some(xml)) => Source::Metadata(xml.clone()),
        (None, None) => {
            if given.sso_url.is_none() || given.certificate.is_none() {
                return Err(about(
                    "needs a metadata URL, or both the SSO URL and the certificate of the identity provider",
                ));
            }
            Source::Parts { entity_id: given.idp_entity_id.clone() }
        }
    };
    for host in &given.allowed_redirect_hosts {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
        if host.is_empty() || !host.chars().all(plain) {
            return Err(about(&format!(
                "allowed_redirect_hosts has {host:?}: give host names, without scheme or *"
            )));
        }
    }
    let desired = Desired {
        enabled: given.enabled,
        allow_idp_initiated: given.allow_idp_initiated,
        redirect_hosts: given.allowed_redirect_hosts.clone(),
        domains: given.domains.clone(),
        mapping: mapping(&given.attribute_mapping),
        source,
        sso_url: given.sso_url.clone(),
        certificate: given
            .certificate
            .as_deref()
            .map(|path| certificate(path, setting, &name))
            .transpose()?,
        name: name.clone(),
    };
    try_out(&desired).map_err(|error| about(&error.to_string()))?;
    Ok(desired)
}

/// What is given whole must be usable at the start.
fn try_out(desired: &Desired) -> Result<(), Error> {
    let peer = match &desired.source {
        Source::Url { .. } => match (&desired.certificate, &desired.sso_url) {
            (None, None) => return Ok(()),
            (certificate, url) => {
                let url = url.as_deref().unwrap_or("https://unknown.invalid");
                match certificate {
                    Some(certificate) => Peer::from_parts("unknown", url, certificate)?,
                    None => return Ok(()),
                }
            }
        },
        Source::Metadata(xml) => desired.over(Peer::from_metadata(xml)?)?,
        Source::Parts { .. } => parts(desired, "unknown")?,
    };
    drop(peer);
    Ok(())
}

/// The provider of address and certificate, under a name.
pub(super) fn parts(desired: &Desired, entity_id: &str) -> Result<Peer, Error> {
    let url = desired.sso_url.as_deref().unwrap_or_default();
    Ok(Peer::from_parts(entity_id, url, desired.certificate.as_deref().unwrap_or_default())?)
}

fn certificate(path: &Path, setting: &'static str, name: &str) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| {
        refuse(setting, format!("{name}: the certificate {} cannot be read: {error}", path.display()))
    })
}

fn mapping(pairs: &[(String, String)]) -> Value {
    let keys: Map<String, Value> =
        pairs.iter().map(|(name, attribute)| (name.clone(), json!({ "name": attribute }))).collect();
    json!({ "keys": keys })
}

fn refuse(setting: &'static str, what: impl Into<String>) -> Error {
    Error::Setting { setting, what: what.into() }
}
