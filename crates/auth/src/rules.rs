//! The settings of one start, read once and in the units the code needs.

use std::sync::Arc;
use std::time::Duration;

use base::{Profile, Settings};

use crate::flow::Redirects;
use crate::links::KnownCodes;
use crate::mfa::MfaRules;
use crate::new_key::network;
use crate::passwords::{DAY_SECONDS, PasswordPolicy, max_age_days};
use crate::{Error, settings};

/// What holds for accounts, sessions and tokens here.
pub struct Rules {
    /// `iss` of our tokens.
    pub issuer: String,
    /// Every `iss` that was ever ours: another port makes another address, and older tokens and keys are still ours.
    pub issuers: Vec<String>,
    /// `aud` of our tokens and accounts.
    pub audience: String,
    /// `role` of new accounts.
    pub default_role: String,
    /// The public address, without a slash at its end.
    pub public_url: String,
    /// Life of an access token.
    pub access_seconds: i64,
    /// Longest pause of a session.
    pub idle_seconds: i64,
    /// Longest life of a session.
    pub session_seconds: i64,
    /// How long a session of one proof may last where the person has a second factor.
    pub low_level_seconds: Option<i64>,
    /// How long a lost answer may be asked for again.
    pub grace_seconds: i64,
    /// Whether a new session ends the others of its person.
    pub single_session: bool,
    /// Whether anybody may make an account.
    pub signup: bool,
    /// Whether accounts may be made without an address.
    pub anonymous: bool,
    /// Whether the documents of SCIM are there.
    pub scim: bool,
    /// Whether people sign up and in with an e-mail address.
    pub email: bool,
    /// Whether they sign in with a mailed link or code.
    pub magic_links: bool,
    /// Whether people sign up and in with a telephone number, where texts can be sent.
    pub phone: bool,
    /// Whether new accounts are confirmed at once.
    pub autoconfirm: bool,
    /// Whether new accounts with a number are confirmed at once.
    pub phone_autoconfirm: bool,
    /// Numbers whose code is known beforehand.
    pub(crate) known_codes: KnownCodes,
    /// Whether mail can be sent.
    pub can_mail: bool,
    /// Where links of mails lead.
    pub verify_url: String,
    /// Where a change of address is taken back.
    pub revert_url: String,
    /// Whether the present address must agree to another one.
    pub secure_email_change: bool,
    /// How long a texted code is good.
    pub text_seconds: i64,
    /// How many digits a mailed code has.
    pub code_digits: u8,
    /// How many digits a texted code has.
    pub text_digits: u8,
    /// How long an address waits for its next mail.
    pub mail_pause: Duration,
    /// How long a number waits for its next text.
    pub text_pause: Duration,
    /// How long a flow may take, and its code be good.
    pub flow_seconds: i64,
    /// How long a mailed link or code is good.
    pub link_seconds: i64,
    /// Where browsers may be sent.
    pub redirects: Redirects,
    /// Where secret keys may be used from; empty for everywhere.
    pub service_addresses: Vec<ipnet::IpNet>,
    /// Where tokens work that an application minted for itself.
    pub application_addresses: Arc<[ipnet::IpNet]>,
    /// What holds for second factors.
    pub mfa: MfaRules,
    /// What a password must be.
    pub password: PasswordPolicy,
    /// After how many seconds it must be changed.
    pub password_age_seconds: Option<i64>,
    /// How many earlier ones it must differ from.
    pub password_history: u8,
    /// Whether a change needs the one in force.
    pub current_password: bool,
    /// Whether people hear of sign-ins with new devices.
    pub new_device_mails: bool,
}

/// The settings were checked before the start, see [`crate::check_settings`].
fn networks(texts: &[String]) -> Vec<ipnet::IpNet> {
    texts.iter().filter_map(|text| network(text).ok()).collect()
}

impl Rules {
    /// From the settings; `public_url` is where this instance answers unless the operator says otherwise.
    pub fn from_settings(
        given: &Settings,
        profile: Profile,
        public_url: &str,
        can_mail: bool,
    ) -> Result<Self, Error> {
        let seconds =
            |setting| i64::try_from(given.get::<std::time::Duration>(setting).as_secs()).unwrap_or(i64::MAX);
        let public_url = given.get(&settings::EXTERNAL_URL).unwrap_or_else(|| public_url.to_owned());
        let public_url = public_url.trim_end_matches('/').to_owned();
        // An external URL that already ends in the auth path is what AppFlowy and Supabase set.
        let own_issuer = || match public_url.ends_with("/auth/v1") {
            true => public_url.clone(),
            false => format!("{public_url}/auth/v1"),
        };
        let relaxed = match profile {
            Profile::Serve => false,
            Profile::Dev | Profile::Conformance => true,
        };
        let issuer = given.get(&settings::JWT_ISSUER).unwrap_or_else(own_issuer);
        let links = match given.get(&settings::LINKS_PATH) {
            Some(path) => format!("{}/{}", origin_of(&public_url), path.trim_matches('/')),
            None => format!("{}/verify", own_issuer()),
        };
        Ok(Rules {
            issuers: vec![issuer.clone()],
            issuer,
            audience: given.get(&settings::JWT_AUDIENCE),
            default_role: given.get(&settings::JWT_DEFAULT_ROLE),
            access_seconds: seconds(&settings::ACCESS_TOKEN_EXPIRY),
            idle_seconds: seconds(&settings::REFRESH_TOKEN_EXPIRY),
            session_seconds: seconds(&settings::SESSION_MAX),
            low_level_seconds: given
                .get(&settings::LOW_LEVEL_MAX)
                .map(|most| i64::try_from(most.as_secs()).unwrap_or(i64::MAX)),
            grace_seconds: seconds(&settings::REFRESH_TOKEN_GRACE),
            single_session: given.get(&settings::SINGLE_SESSION),
            anonymous: given.get(&settings::ANONYMOUS_USERS),
            scim: given.get(&settings::SCIM),
            email: given.get(&settings::EMAIL_ENABLED),
            magic_links: given.get(&settings::EMAIL_ENABLED) && given.get(&settings::MAGIC_LINKS),
            phone: given.get(&settings::PHONE_ENABLED),
            signup: !given.get(&settings::DISABLE_SIGNUP),
            autoconfirm: relaxed || given.get(&settings::AUTOCONFIRM),
            phone_autoconfirm: given.get(&texts::settings::AUTOCONFIRM),
            known_codes: KnownCodes::from_settings(given, profile)?,
            can_mail,
            verify_url: links.clone(),
            revert_url: links.strip_suffix("/verify").unwrap_or(&links).to_owned() + "/revert",
            secure_email_change: given.get(&settings::SECURE_EMAIL_CHANGE),
            text_seconds: seconds(&texts::settings::OTP_EXPIRY),
            code_digits: given.get(&settings::OTP_LENGTH),
            text_digits: given.get(&texts::settings::OTP_LENGTH),
            mail_pause: given.get(&settings::MAIL_MAX_FREQUENCY),
            text_pause: given.get(&texts::settings::MAX_FREQUENCY),
            flow_seconds: seconds(&settings::FLOW_STATE_EXPIRY),
            link_seconds: seconds(&settings::OTP_EXPIRY),
            redirects: redirects(given, &public_url, &own_issuer()),
            service_addresses: networks(&given.get(&settings::SERVICE_ROLE_ADDRESSES)),
            application_addresses: networks(&given.get(&crate::application::APPLICATION_ADDRESSES)).into(),
            mfa: MfaRules::from_settings(given, profile, &public_url)?,
            password: PasswordPolicy::from_settings(given),
            password_age_seconds: max_age_days(given).map(|days| i64::from(days) * DAY_SECONDS),
            password_history: given.get(&settings::PASSWORD_HISTORY),
            current_password: given.get(&settings::REQUIRE_CURRENT_PASSWORD),
            new_device_mails: given.get(&settings::NEW_DEVICE_MAILS),
            public_url,
        })
    }

    /// Whether a token of this issuer may be one of ours.
    pub fn is_ours(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|known| known == issuer)
    }

    /// Where our own endpoints for accounts are, from outside.
    pub fn auth_url(&self) -> String {
        match self.public_url.ends_with("/auth/v1") {
            true => self.public_url.clone(),
            false => format!("{}/auth/v1", self.public_url),
        }
    }

    /// Scheme, host and port of the public address, to which a path may be added.
    pub fn origin(&self) -> &str {
        origin_of(&self.public_url)
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::from_settings(&Settings::default(), Profile::Serve, "https://ours.example/", false).unwrap()
    }
}

fn redirects(given: &Settings, public_url: &str, auth_url: &str) -> Redirects {
    let site = given.get(&settings::SITE_URL);
    let redirects =
        Redirects::new(site.as_deref().unwrap_or(public_url), &given.get(&settings::URI_ALLOW_LIST));
    match given.get(&crate::server::settings::ENABLED) {
        true => redirects.with_page(format!("{auth_url}/oauth/consent")),
        false => redirects,
    }
}

fn origin_of(url: &str) -> &str {
    let rest_at = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(rest_at..).unwrap_or_default();
    let end = rest.find('/').map_or(url.len(), |at| rest_at + at);
    url.get(..end).unwrap_or_default()
}
