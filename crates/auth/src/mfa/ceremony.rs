//! WebAuthn: what browsers are asked and what they answer, for security keys as second factors and passkeys as first.
//!
//! webauthn-rs checks signature, challenge, origin, relying party, user verification and counter; here its state is kept in
//! PostgreSQL between the two halves of a ceremony, and used once. Invariant: the relying party and its origins are settings,
//! never what a request says (attack row 34).

use base::setting::Origin;
use base::{Profile, Settings};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use url::{Host, Url};
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use super::{Error, settings};
use crate::Error as AuthError;

/// Where ceremonies are for.
pub struct Relying {
    webauthn: Webauthn,
    /// The domain that credentials belong to.
    pub id: String,
}

/// A registration or authentication that waits for the browser.
pub(crate) enum Waiting {
    /// A credential is made.
    Create(PasskeyRegistration),
    /// One that is known is shown.
    Request(PasskeyAuthentication),
    /// Whichever the device has for us is shown.
    Discover(DiscoverableAuthentication),
}

impl Waiting {
    pub(crate) fn keep(&self) -> Result<Value, AuthError> {
        let kept = match self {
            Waiting::Create(state) => serde_json::to_value(state).map(|state| json!({ "create": state })),
            Waiting::Request(state) => serde_json::to_value(state).map(|state| json!({ "request": state })),
            Waiting::Discover(state) => serde_json::to_value(state).map(|state| json!({ "discover": state })),
        };
        kept.map_err(|_| Error::Ceremony("its state cannot be written").into())
    }

    pub(crate) fn read(kept: &Value) -> Option<Self> {
        let state = |name: &str| kept.get(name).cloned();
        if let Some(state) = state("create") {
            return serde_json::from_value(state).ok().map(Waiting::Create);
        }
        if let Some(state) = state("request") {
            return serde_json::from_value(state).ok().map(Waiting::Request);
        }
        serde_json::from_value(state("discover")?).ok().map(Waiting::Discover)
    }
}

/// What a browser is asked, and what has to be remembered until it answers.
pub(crate) struct Asked {
    pub options: Value,
    pub waiting: Waiting,
}

impl Relying {
    /// From the settings, or from the public address. Nothing where that has no name of its own and nobody said more;
    /// an error where somebody said what cannot be.
    pub(crate) fn from_settings(
        given: &Settings,
        profile: Profile,
        public_url: &str,
        site_url: Option<&str>,
    ) -> Result<Option<Self>, AuthError> {
        let setting = settings::RP_ID.definition.name;
        let asked = given.get(&settings::RP_ID);
        let origins = given.get(&settings::RP_ORIGINS);
        let is_asked = asked.is_some()
            || !origins.is_empty()
            || given.origin(settings::PASSKEYS.definition.name) != Origin::Default
                && given.get(&settings::PASSKEYS);
        let development = profile != Profile::Serve;
        let mut urls: Vec<Url> = Vec::new();
        let texts = match origins.is_empty() {
            false => origins.iter().map(String::as_str).collect(),
            true => [Some(public_url), site_url].into_iter().flatten().collect::<Vec<_>>(),
        };
        for text in texts {
            let url = Url::parse(text).map_err(|_| {
                misset(
                    settings::RP_ORIGINS.definition.name,
                    "it is not a list of origins such as https://app.example.com",
                )
            })?;
            urls.push(at_localhost(url, development));
        }
        urls.retain(|url| matches!(url.host(), Some(Host::Domain(_))));
        let id = asked.or_else(|| urls.first().and_then(|url| url.domain().map(str::to_owned)));
        let Some(id) = id.filter(|_| !urls.is_empty()) else {
            return match is_asked {
                true => Err(misset(
                    setting,
                    "passkeys need a domain: set it, or auth.external_url, to one that people reach this by",
                )),
                false => Ok(None),
            };
        };
        let is_safe = |url: &Url| url.scheme() == "https" || url.domain() == Some("localhost");
        let is_ours = |url: &Url| {
            url.domain().is_some_and(|domain| domain == id || domain.ends_with(&format!(".{id}")))
        };
        if !urls.iter().all(is_ours) && !origins.is_empty() {
            return Err(misset(
                setting,
                "every origin in webauthn.rp_origins must be that domain or below it",
            ));
        }
        urls.retain(|url| is_ours(url) && is_safe(url));
        if urls.is_empty() {
            return match is_asked {
                true => Err(misset(setting, "no origin is that domain, or below it, by https")),
                false => Ok(None),
            };
        }
        let name = given.get(&settings::RP_DISPLAY_NAME).unwrap_or_else(|| id.clone());
        let webauthn = build(&id, &urls, &name, development && id == "localhost");
        let webauthn = webauthn.ok_or_else(|| misset(setting, "it is not the domain of the origins"))?;
        Ok(Some(Relying { webauthn, id }))
    }

    /// Whether a page at `origin` may use its credentials; a loopback address stands for its name, which alone can.
    pub(crate) fn takes(&self, origin: &str) -> bool {
        let Ok(page) = Url::parse(origin) else { return false };
        let page = at_localhost(page, true).origin();
        self.webauthn.get_allowed_origins().iter().any(|allowed| allowed.origin() == page)
    }

    /// Asks for a new credential. `resident`: one that the device finds by itself, so that nobody has to say who they are.
    pub(crate) fn create(
        &self,
        user: Uuid,
        name: &str,
        known: &[Passkey],
        resident: bool,
    ) -> Result<Asked, AuthError> {
        let known = known.iter().map(|passkey| passkey.cred_id().clone()).collect();
        let (options, state) = self
            .webauthn
            .start_passkey_registration(user, name, name, Some(known))
            .map_err(|_| Error::Ceremony("it cannot be begun"))?;
        let mut options =
            serde_json::to_value(options).map_err(|_| Error::Ceremony("it cannot be written"))?;
        // As upstream: the bytes of the text, which `handle` reads back.
        options["publicKey"]["user"]["id"] = URL_SAFE_NO_PAD.encode(user.to_string()).into();
        if resident {
            let choice = &mut options["publicKey"]["authenticatorSelection"];
            choice["residentKey"] = "required".into();
            choice["requireResidentKey"] = true.into();
        }
        Ok(Asked { options, waiting: Waiting::Create(state) })
    }

    /// Asks for one of these credentials.
    pub(crate) fn request(&self, known: &[Passkey]) -> Result<Asked, AuthError> {
        let begun = self.webauthn.start_passkey_authentication(known);
        let (options, state) = begun.map_err(|_| Error::Ceremony("it cannot be begun"))?;
        let options = serde_json::to_value(options).map_err(|_| Error::Ceremony("it cannot be written"))?;
        Ok(Asked { options, waiting: Waiting::Request(state) })
    }

    /// Asks for whichever credential the device has for us.
    pub(crate) fn discover(&self) -> Result<Asked, AuthError> {
        let begun = self.webauthn.start_discoverable_authentication();
        let (options, state) = begun.map_err(|_| Error::Ceremony("it cannot be begun"))?;
        let options = serde_json::to_value(options).map_err(|_| Error::Ceremony("it cannot be written"))?;
        Ok(Asked { options, waiting: Waiting::Discover(state) })
    }

    /// The credential that was made.
    pub(crate) fn created(&self, state: &PasskeyRegistration, answer: &Value) -> Result<Passkey, AuthError> {
        let answer: RegisterPublicKeyCredential =
            serde_json::from_value(answer.clone()).map_err(|_| Error::Ceremony("it is not a credential"))?;
        self.webauthn.finish_passkey_registration(&answer, state).map_err(refused)
    }

    /// The credential that was shown, with its counter as it is now.
    pub(crate) fn requested(
        &self,
        state: &PasskeyAuthentication,
        known: &[Passkey],
        answer: &Value,
    ) -> Result<Passkey, AuthError> {
        let answer = shown(answer)?;
        let seen = self.webauthn.finish_passkey_authentication(&answer, state).map_err(refused)?;
        let mut passkey = known.iter().find(|passkey| passkey.cred_id() == seen.cred_id()).cloned();
        let passkey = passkey.as_mut().ok_or(Error::Ceremony("it is another credential"))?;
        // The state was made from what was known then; what is known now may have been shown since.
        if seen.counter() > 0 && seen.counter() <= counter_of(passkey) {
            return Err(Error::Ceremony("its counter did not move: it may be a copy").into());
        }
        passkey.update_credential(&seen);
        Ok(passkey.clone())
    }

    /// The same for a credential that was found by its id.
    pub(crate) fn discovered(
        &self,
        state: DiscoverableAuthentication,
        known: &Passkey,
        answer: &PublicKeyCredential,
    ) -> Result<Passkey, AuthError> {
        let key: webauthn_rs::prelude::DiscoverableKey = known.into();
        let seen =
            self.webauthn.finish_discoverable_authentication_v2(answer, state, &key).map_err(refused)?;
        let mut passkey = known.clone();
        passkey.update_credential(&seen);
        Ok(passkey)
    }
}

/// The answer of a device that shows a credential.
pub(crate) fn shown(answer: &Value) -> Result<PublicKeyCredential, AuthError> {
    serde_json::from_value(answer.clone()).map_err(|_| Error::Ceremony("it is not a credential").into())
}

/// How often a credential was used, as its device counts.
pub(crate) fn counter_of(passkey: &Passkey) -> u32 {
    let kept = serde_json::to_value(passkey).unwrap_or_default();
    kept["cred"]["counter"].as_u64().and_then(|counter| u32::try_from(counter).ok()).unwrap_or(0)
}

/// Whom a device says a credential is for.
pub(crate) fn handle(answer: &PublicKeyCredential) -> Option<Uuid> {
    let bytes = answer.get_user_unique_id()?;
    let text = std::str::from_utf8(bytes).ok().and_then(|text| Uuid::try_parse(text).ok());
    text.or_else(|| Uuid::from_slice(bytes).ok())
}

fn build(id: &str, origins: &[Url], name: &str, any_port: bool) -> Option<Webauthn> {
    let (first, others) = origins.split_first()?;
    let mut builder = WebauthnBuilder::new(id, first).ok()?.rp_name(name).allow_any_port(any_port);
    for other in others {
        builder = builder.append_allowed_origin(other);
    }
    builder.build().ok()
}

/// In development people reach a loopback address by its name, which alone can have passkeys.
fn at_localhost(mut url: Url, development: bool) -> Url {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    };
    if development && is_loopback {
        // A URL with a host can have another one.
        let _ = url.set_host(Some("localhost"));
    }
    url
}

fn misset(setting: &'static str, what: &'static str) -> AuthError {
    AuthError::Setting { setting, what: what.to_owned() }
}

fn refused(_: webauthn_rs::prelude::WebauthnError) -> AuthError {
    Error::Ceremony("the credential was refused").into()
}
