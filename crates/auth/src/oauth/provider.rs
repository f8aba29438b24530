//! Who else may say who somebody is: where they are, how they are spoken to, and what of theirs is believed.

mod described;

use base::{Secret, Settings};

use self::described::{described, has_api_elsewhere};
use super::settings::{self, Given, OidcProvider};
use crate::Error;

/// How a provider is spoken to and what it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// OpenID Connect: discovery, and an ID token that we verify.
    Oidc,
    /// `api/user` and `api/user/emails`.
    Github,
    /// `api/v4/user`.
    Gitlab,
    /// `2.0/user` and `2.0/user/emails`.
    Bitbucket,
    /// `users/@me`.
    Discord,
    /// `me`, with a proof of our secret.
    Facebook,
    /// `2/users/me`.
    X,
    /// OAuth 2 with a userinfo endpoint and names that the operator mapped.
    Mapped,
}

/// What a provider's word about an address is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EmailRule {
    /// The claim `email_verified`, and nothing else.
    Claim,
    /// Entra: only `xms_edov`, which says that the tenant's owner proved the domain. UPNs and plain `email` are whatever an
    /// administrator of any tenant typed.
    Edov,
    /// Its API lists addresses with their state.
    Listed,
    /// Its API gives out no address but one that it has confirmed, and says so in its documentation.
    Confirmed,
    /// It does not say, so it does not count.
    Never,
}

/// How we prove who we are at the token endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientAuth {
    /// HTTP Basic.
    Basic,
    /// In the form.
    Post,
}

/// What makes Apple's client secret.
#[derive(Clone)]
pub struct AppleKey {
    pub(super) team: String,
    pub(super) key: String,
    pub(super) private: Secret<String>,
}

/// Where a provider that is not OIDC has its endpoints.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// Where browsers go.
    pub authorize: String,
    /// Where codes are exchanged.
    pub token: String,
    /// Where the person is read from.
    pub userinfo: String,
}

/// A provider that is on.
#[derive(Clone)]
pub struct Provider {
    /// As routes and identities have it: `google`, `custom:x`.
    pub id: String,
    /// How it is spoken to.
    pub shape: Shape,
    /// OIDC: its issuer, below which discovery is found.
    pub issuer: String,
    /// OIDC: where discovery is, when not below the issuer.
    pub discovery: Option<String>,
    /// Not OIDC: its endpoints.
    pub endpoints: Endpoints,
    /// Who we are there.
    pub client_ids: Vec<String>,
    /// Our proof.
    pub secret: Option<Secret<String>>,
    /// Apple's.
    pub apple: Option<AppleKey>,
    /// Asked for always.
    pub scopes: Vec<String>,
    /// How the proof is sent.
    pub client_auth: ClientAuth,
    /// Whether it knows PKCE.
    pub pkce: bool,
    /// Whether it posts the answer.
    pub form_post: bool,
    /// What its word about addresses is worth.
    pub email_rule: EmailRule,
    /// Whether an account without an address is fine.
    pub email_optional: bool,
    /// Whether handed-in ID tokens may lack their nonce.
    pub skip_nonce: bool,
    /// Where it sends people back to, when not our own callback.
    pub redirect_uri: Option<String>,
    /// Further parameters of the authorization request.
    pub params: Vec<(String, String)>,
    /// Our name of a field, and theirs.
    pub mapping: Vec<(String, String)>,
    /// Further claims of theirs that are kept with the identity.
    pub kept: Vec<String>,
    /// Not OIDC: where the keys are that its ID tokens must be signed with.
    pub keys: Option<String>,
    /// Further headers of what its API is asked.
    pub headers: Vec<(&'static str, String)>,
}

impl Provider {
    /// The id we send.
    pub fn client_id(&self) -> &str {
        self.client_ids.first().map(String::as_str).unwrap_or_default()
    }

    /// An OpenID Connect provider at `issuer`.
    pub(super) fn oidc(id: &str, issuer: &str) -> Self {
        Provider {
            id: id.to_owned(),
            shape: Shape::Oidc,
            issuer: issuer.trim_end_matches('/').to_owned(),
            discovery: None,
            endpoints: Endpoints::default(),
            client_ids: Vec::new(),
            secret: None,
            apple: None,
            scopes: words("openid email profile"),
            client_auth: ClientAuth::Post,
            pkce: true,
            form_post: false,
            email_rule: EmailRule::Claim,
            email_optional: false,
            skip_nonce: false,
            redirect_uri: None,
            params: Vec::new(),
            mapping: Vec::new(),
            kept: Vec::new(),
            keys: None,
            headers: Vec::new(),
        }
    }

    fn plain(
        id: &str,
        shape: Shape,
        scopes: &str,
        authorize: String,
        token: String,
        userinfo: String,
    ) -> Self {
        Provider {
            shape,
            scopes: words(scopes),
            endpoints: Endpoints { authorize, token, userinfo },
            email_rule: EmailRule::Listed,
            ..Self::oidc(id, "")
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The fixed provider of that name at its usual place, or at `url` and `api`.
fn fixed(name: &str, url: Option<&str>, api: Option<&str>) -> Option<Provider> {
    let at = |usual: &str| url.unwrap_or(usual).trim_end_matches('/').to_owned();
    let api_at = |usual: &str| api.or(url).unwrap_or(usual).trim_end_matches('/').to_owned();
    let oidc = |usual: &str| Provider::oidc(name, &at(usual));
    Some(match name {
        "google" => oidc("https://accounts.google.com"),
        "apple" => Provider {
            scopes: words("openid email name"),
            pkce: false,
            form_post: true,
            ..oidc("https://appleid.apple.com")
        },
        "azure" => Provider {
            issuer: format!("{}/v2.0", at("https://login.microsoftonline.com/common")),
            email_rule: EmailRule::Edov,
            ..oidc("")
        },
        // A realm is always one's own: there is no usual place.
        "keycloak" => oidc(""),
        "linkedin_oidc" => Provider { pkce: false, ..oidc("https://www.linkedin.com/oauth") },
        "slack_oidc" => Provider { pkce: false, ..oidc("https://slack.com") },
        "github" => {
            let (base, api) = (at("https://github.com"), api_at("https://api.github.com"));
            // An installation of one's own has its API below a path of its own.
            let api = if api == base { format!("{base}/api/v3") } else { api };
            let (authorize, token) =
                (format!("{base}/login/oauth/authorize"), format!("{base}/login/oauth/access_token"));
            Provider::plain(name, Shape::Github, "user:email", authorize, token, format!("{api}/user"))
        }
        "gitlab" => {
            let base = at("https://gitlab.com");
            let (authorize, token) = (format!("{base}/oauth/authorize"), format!("{base}/oauth/token"));
            Provider::plain(name, Shape::Gitlab, "read_user", authorize, token, format!("{base}/api/v4/user"))
        }
        "bitbucket" => {
            let (base, api) = (at("https://bitbucket.org"), api_at("https://api.bitbucket.org"));
            let (authorize, token) =
                (format!("{base}/site/oauth2/authorize"), format!("{base}/site/oauth2/access_token"));
            let user = format!("{api}/2.0/user");
            let plain = Provider::plain(name, Shape::Bitbucket, "account email", authorize, token, user);
            Provider { client_auth: ClientAuth::Basic, pkce: false, ..plain }
        }
        "discord" => {
            let base = at("https://discord.com");
            let (authorize, token) =
                (format!("{base}/api/oauth2/authorize"), format!("{base}/api/oauth2/token"));
            let user = format!("{base}/api/users/@me");
            Provider::plain(name, Shape::Discord, "email identify", authorize, token, user)
        }
        "facebook" => {
            let (base, api) = (at("https://www.facebook.com"), api_at("https://graph.facebook.com"));
            let authorize = format!("{base}/v19.0/dialog/oauth");
            let (token, user) = (format!("{api}/v19.0/oauth/access_token"), format!("{api}/v19.0/me"));
            let plain = Provider::plain(name, Shape::Facebook, "email", authorize, token, user);
            Provider { email_rule: EmailRule::Never, pkce: false, ..plain }
        }
        "x" => {
            let (base, api) = (at("https://x.com"), api_at("https://api.x.com"));
            let (authorize, token) = (format!("{base}/i/oauth2/authorize"), format!("{api}/2/oauth2/token"));
            let scopes = "users.read tweet.read users.email";
            let plain =
                Provider::plain(name, Shape::X, scopes, authorize, token, format!("{api}/2/users/me"));
            Provider { client_auth: ClientAuth::Basic, email_optional: true, ..plain }
        }
        // Its tokens name the person in words of its own, and it documents the address as one that it has verified.
        "vercel_marketplace" => Provider {
            scopes: words("openid"),
            pkce: false,
            email_rule: EmailRule::Confirmed,
            mapping: [("email", "user_email"), ("name", "user_name"), ("picture", "user_avatar_url")]
                .map(|(ours, theirs)| (ours.to_owned(), theirs.to_owned()))
                .to_vec(),
            ..oidc("https://marketplace.vercel.com")
        },
        _ => return described(name, &at, &api_at),
    })
}

/// Every provider that the settings switch on. One that cannot work stops the start.
pub(super) fn from_settings(given: &Settings) -> Result<Vec<Provider>, Error> {
    let mut all = Vec::new();
    for of in settings::PROVIDERS.iter().filter(|of| given.get(of.enabled)) {
        all.push(one(given, of)?);
    }
    for entry in given.get(&settings::OIDC_PROVIDERS).into_iter().filter(|entry| entry.enabled) {
        all.push(listed(entry));
    }
    Ok(all)
}

fn one(given: &Settings, of: &Given) -> Result<Provider, Error> {
    let refuse = |setting: &'static str, what: &str| Err(Error::Setting { setting, what: what.to_owned() });
    let (url, api) = (given.get(of.url), given.get(of.api_url));
    let Some(mut provider) = fixed(of.name, url.as_deref(), api.as_deref()) else {
        return refuse(of.enabled.definition.name, "there is no such provider");
    };
    if provider.shape == Shape::Oidc && provider.issuer.is_empty() {
        return refuse(of.url.definition.name, "is needed: the URL of the realm, without /.well-known");
    }
    let has_api = matches!(provider.shape, Shape::Github | Shape::Bitbucket | Shape::Facebook | Shape::X);
    if api.is_some() && !has_api && !has_api_elsewhere(of.name) {
        return refuse(of.api_url.definition.name, "would change nothing: its API is where it is itself");
    }
    if given.get(of.skip_nonce_check) && provider.shape != Shape::Oidc {
        return refuse(of.skip_nonce_check.definition.name, "would change nothing: it gives no ID tokens");
    }
    provider.client_ids = given.get(of.client_id);
    if of.name == "twitch" {
        provider.headers.push(("client-id", provider.client_id().to_owned()));
    }
    provider.secret = given.get(of.secret);
    provider.redirect_uri = given.get(of.redirect_uri);
    provider.email_optional |= given.get(of.email_optional);
    provider.skip_nonce = given.get(of.skip_nonce_check);
    if of.name == "apple" {
        let parts = (
            given.get(&settings::APPLE_TEAM_ID),
            given.get(&settings::APPLE_KEY_ID),
            given.get(&settings::APPLE_PRIVATE_KEY),
        );
        provider.apple = match parts {
            (Some(team), Some(key), Some(private)) => Some(AppleKey { team, key, private }),
            (None, None, None) => None,
            _ => {
                let name = settings::APPLE_PRIVATE_KEY.definition.name;
                return refuse(name, "and team_id and key_id belong together: give all three or none");
            }
        };
    }
    if provider.client_ids.is_empty() {
        return refuse(of.client_id.definition.name, "is needed to sign in there");
    }
    Ok(provider)
}

fn listed(entry: OidcProvider) -> Provider {
    let mut provider = Provider::oidc(&entry.id, &entry.issuer);
    provider.client_ids = entry.client_id;
    provider.secret = entry.client_secret;
    if !entry.scopes.is_empty() {
        provider.scopes = entry.scopes;
        add_openid(&mut provider.scopes);
    }
    provider
}

/// Without it there is no ID token, and without an ID token nothing that we could verify.
pub(super) fn add_openid(scopes: &mut Vec<String>) {
    if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_is_on_and_cannot_work_stops_the_start() {
        let on = |name: &'static str| Settings::default().with(name, "true");
        assert!(from_settings(&on("auth.external.google.enabled")).is_err());
        assert!(
            from_settings(
                &on("auth.external.keycloak.enabled").with("auth.external.keycloak.client_id", "a")
            )
            .is_err()
        );
        let apple = on("auth.external.apple.enabled").with("auth.external.apple.client_id", "a");
        assert!(from_settings(&apple.with("auth.external.apple.team_id", "t")).is_err());
        let google = on("auth.external.google.enabled").with("auth.external.google.client_id", "a, b");
        assert_eq!(from_settings(&google).unwrap()[0].client_ids, ["a", "b"]);
        assert!(from_settings(&Settings::default()).unwrap().is_empty());
    }

    #[test]
    fn every_name_of_a_setting_is_a_provider() {
        for of in settings::PROVIDERS {
            let provider = fixed(of.name, Some("https://own.example/"), None).unwrap();
            let place =
                if provider.shape == Shape::Oidc { provider.issuer } else { provider.endpoints.token };
            assert!(place.starts_with("https://own.example"), "{}: {place}", of.name);
        }
    }
}
