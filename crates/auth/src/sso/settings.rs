//! What an operator can set about SAML, under both guides' names.

use std::path::PathBuf;
use std::time::Duration;

use base::Secret;
use base::setting::{Alias, Definition, Fields, Guide, Record, Setting, Value, ValueError};

/// Whether SAML is there at all.
pub static ENABLED: Setting<Option<bool>> = Setting::unset("auth.saml.enabled")
    .also(&[Alias::same("GOTRUE_SAML_ENABLED", Guide::AppFlowy)])
    .changes("whether people can sign in through SAML identity providers; unset, they can as soon as there is a provider")
    .proven_by(&[32]);

/// The provider's metadata.
pub static METADATA_URL: Setting<Option<String>> = Setting::unset("auth.saml.metadata_url")
    .also(&[Alias::same("GOTRUE_SAML_METADATA_URL", Guide::AppFlowy)])
    .changes("where the identity provider publishes its metadata; what is fetched first is pinned")
    .proven_by(&[33, 38]);

/// Our name.
pub static ENTITY_ID: Setting<Option<String>> = Setting::unset("auth.saml.entity_id")
    .also(&[Alias::same("GOTRUE_SAML_ENTITY_ID", Guide::AppFlowy)])
    .changes("the name this instance has at identity providers: assertions must be for it")
    .proven_by(&[34, 36]);

/// The provider's address for sign-in requests.
pub static SSO_URL: Setting<Option<String>> = Setting::unset("auth.saml.sso_url")
    .also(&[Alias::same("GOTRUE_SAML_SSO_URL", Guide::AppFlowy)])
    .changes(
        "where sign-in requests go, whatever the provider's metadata says; needed when there is no metadata",
    )
    .proven_by(&[34]);

/// The provider's signing certificate.
pub static CERTIFICATE: Setting<Option<PathBuf>> = Setting::unset("auth.saml.certificate")
    .also(&[Alias::same("GOTRUE_SAML_CERTIFICATE", Guide::AppFlowy)])
    .changes("a PEM file with the only certificate assertions may be signed with, whatever the provider's metadata says")
    .proven_by(&[34]);

/// The provider's name.
pub static IDP_ENTITY_ID: Setting<Option<String>> = Setting::unset("auth.saml.idp_entity_id")
    .changes("the name of the identity provider when it has no metadata; unset, it is learnt from the first assertion that the certificate signed")
    .proven_by(&[34, 36]);

/// Metadata without TLS.
pub static ALLOW_INSECURE_METADATA_URL: Setting<bool> =
    Setting::new("auth.saml.allow_insecure_metadata_url", "false")
        .changes("whether metadata may be fetched without TLS: whoever is on the way then chooses whose assertions are believed")
        .proven_by(&[38]);

/// Responses to no request.
pub static ALLOW_IDP_INITIATED: Setting<bool> = Setting::new("auth.saml.allow_idp_initiated", "false")
    .changes("whether the identity provider of these settings may sign people in who did not ask for it here")
    .proven_by(&[35]);

/// Where browsers may go after signing in.
pub static ALLOWED_REDIRECT_HOSTS: Setting<Vec<String>> = Setting::new("auth.saml.allowed_redirect_hosts", "")
    .changes("hosts a browser may be sent to after signing in through the identity provider of these settings, besides the site itself")
    .proven_by(&[37]);

/// Our key.
pub static PRIVATE_KEY: Setting<Option<Secret<String>>> = Setting::unset("auth.saml.private_key")
    .also(&[Alias::same("GOTRUE_SAML_PRIVATE_KEY", Guide::Other)])
    .changes("the RSA key our requests are signed with (PEM, or base64 of its DER); unset, one is made on first use")
    .proven_by(&[32]);

/// How long signing in may take.
pub static RELAY_STATE_VALIDITY: Setting<Duration> = Setting::new("auth.saml.relay_state_validity", "10m")
    .also(&[Alias::same("GOTRUE_SAML_RELAY_STATE_VALIDITY_PERIOD", Guide::Other)])
    .range("1m", "1h")
    .changes("how long somebody may take at the identity provider")
    .proven_by(&[35]);

/// How old metadata may be.
pub static METADATA_REFRESH: Setting<Duration> = Setting::new("auth.saml.metadata_refresh", "6h")
    .range("5m", "7d")
    .changes("how often metadata is fetched again; other keys in it are not believed before an administrator pins them")
    .proven_by(&[33]);

/// Several providers.
pub static PROVIDERS: Setting<Vec<Configured>> = Setting::new("auth.saml_providers", "")
    .changes("the SAML identity providers, each with its own rules")
    .proven_by(&[32, 33, 35, 37, 38]);

/// One provider of `auth.saml_providers`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    /// Its name here.
    pub name: String,
    /// Whether anybody can sign in through it.
    pub enabled: bool,
    /// Whether it may sign people in who did not ask.
    pub allow_idp_initiated: bool,
    /// Where browsers may go afterwards.
    pub allowed_redirect_hosts: Vec<String>,
    /// Where its metadata is.
    pub idp_metadata_url: Option<String>,
    /// Whether that may be without TLS.
    pub allow_insecure_metadata_url: bool,
    /// The metadata itself.
    pub idp_metadata_xml: Option<String>,
    /// Its name, without metadata.
    pub idp_entity_id: Option<String>,
    /// Its address, without metadata or instead of what that says.
    pub sso_url: Option<String>,
    /// Its certificate, likewise.
    pub certificate: Option<PathBuf>,
    /// The e-mail domains it is for.
    pub domains: Vec<String>,
    /// What is taken of an assertion: our name, and the attribute's.
    pub attribute_mapping: Vec<(String, String)>,
}

impl Record for Configured {
    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        let mapping: Option<Value> = fields.optional("attribute_mapping")?;
        let attribute_mapping = match mapping {
            None => Vec::new(),
            Some(Value::Map(pairs)) => pairs
                .into_iter()
                .map(|(name, value)| Ok((name, value.scalar()?.to_owned())))
                .collect::<Result<_, ValueError>>()?,
            Some(_) => return Err(ValueError::expected("names and attributes in attribute_mapping")),
        };
        Ok(Configured {
            name: fields.required("name")?,
            enabled: fields.optional("enabled")?.unwrap_or(true),
            allow_idp_initiated: fields.optional("allow_idp_initiated")?.unwrap_or(false),
            allowed_redirect_hosts: fields.optional("allowed_redirect_hosts")?.unwrap_or_default(),
            idp_metadata_url: fields.optional("idp_metadata_url")?,
            allow_insecure_metadata_url: fields.optional("allow_insecure_metadata_url")?.unwrap_or(false),
            idp_metadata_xml: fields.optional("idp_metadata_xml")?,
            idp_entity_id: fields.optional("idp_entity_id")?,
            sso_url: fields.optional("sso_url")?,
            certificate: fields.optional("certificate")?,
            domains: fields.optional("domains")?.unwrap_or_default(),
            attribute_mapping,
        })
    }
}

/// Every setting of SAML.
pub const SETTINGS: &[&Definition] = &[
    &ENABLED.definition,
    &METADATA_URL.definition,
    &ENTITY_ID.definition,
    &SSO_URL.definition,
    &CERTIFICATE.definition,
    &IDP_ENTITY_ID.definition,
    &ALLOW_INSECURE_METADATA_URL.definition,
    &ALLOW_IDP_INITIATED.definition,
    &ALLOWED_REDIRECT_HOSTS.definition,
    &PRIVATE_KEY.definition,
    &RELAY_STATE_VALIDITY.definition,
    &METADATA_REFRESH.definition,
    &PROVIDERS.definition,
];
