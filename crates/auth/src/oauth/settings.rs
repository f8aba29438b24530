//! What an operator can set about signing in through somebody else, in GoTrue's names and our own.

use base::Secret;
use base::setting::{Alias, Definition, Fields, Guide, Record, Setting, ValueError};

/// The settings of one fixed provider.
pub(super) struct Given {
    /// Its name, as routes and identities have it.
    pub name: &'static str,
    pub enabled: &'static Setting<bool>,
    pub client_id: &'static Setting<Vec<String>>,
    pub secret: &'static Setting<Option<Secret<String>>>,
    pub redirect_uri: &'static Setting<Option<String>>,
    pub url: &'static Setting<Option<String>>,
    pub api_url: &'static Setting<Option<String>>,
    pub email_optional: &'static Setting<bool>,
    pub skip_nonce_check: &'static Setting<bool>,
}

macro_rules! providers {
    ($($module:ident, $name:literal, $upper:literal;)+) => {
        $(mod $module {
            use base::Secret;
            use base::setting::{Alias, Guide, Setting};

            pub(super) static ENABLED: Setting<bool> =
                Setting::new(concat!("auth.external.", $name, ".enabled"), "false")
                    .also(&[Alias::same(concat!("GOTRUE_EXTERNAL_", $upper, "_ENABLED"), Guide::Other)])
                    .changes(concat!("whether people can sign in through ", $name));
            pub(super) static CLIENT_ID: Setting<Vec<String>> =
                Setting::new(concat!("auth.external.", $name, ".client_id"), "")
                    .also(&[Alias::same(concat!("GOTRUE_EXTERNAL_", $upper, "_CLIENT_ID"), Guide::Other)])
                    .changes(concat!("who we are at ", $name, ": the first is used, ID tokens may be for any of them"));
            pub(super) static SECRET: Setting<Option<Secret<String>>> =
                Setting::unset(concat!("auth.external.", $name, ".secret"))
                    .also(&[Alias::same(concat!("GOTRUE_EXTERNAL_", $upper, "_SECRET"), Guide::Other)])
                    .changes(concat!("how we prove who we are at ", $name))
                    .proven_by(&[101, 115]);
            pub(super) static REDIRECT_URI: Setting<Option<String>> =
                Setting::unset(concat!("auth.external.", $name, ".redirect_uri"))
                    .also(&[Alias::same(concat!("GOTRUE_EXTERNAL_", $upper, "_REDIRECT_URI"), Guide::Other)])
                    .changes(concat!("where ", $name, " sends people back to, when that is not our own callback"));
            pub(super) static URL: Setting<Option<String>> =
                Setting::unset(concat!("auth.external.", $name, ".url"))
                    .also(&[Alias::same(concat!("GOTRUE_EXTERNAL_", $upper, "_URL"), Guide::Other)])
                    .changes(concat!("where ", $name, " is, when it is not the public one"));
            pub(super) static API_URL: Setting<Option<String>> =
                Setting::unset(concat!("auth.external.", $name, ".api_url"))
                    .also(&[Alias::same(concat!("GOTRUE_EXTERNAL_", $upper, "_API_URL"), Guide::Other)])
                    .changes(concat!("where the API of ", $name, " is, when it is not the public one"));
            pub(super) static EMAIL_OPTIONAL: Setting<bool> =
                Setting::new(concat!("auth.external.", $name, ".email_optional"), "false")
                    .also(&[Alias::same(concat!("GOTRUE_EXTERNAL_", $upper, "_EMAIL_OPTIONAL"), Guide::Other)])
                    .changes(concat!("whether an account without an address may be made by ", $name));
            pub(super) static SKIP_NONCE_CHECK: Setting<bool> =
                Setting::new(concat!("auth.external.", $name, ".skip_nonce_check"), "false")
                    .also(&[Alias::same(concat!("GOTRUE_EXTERNAL_", $upper, "_SKIP_NONCE_CHECK"), Guide::Other)])
                    .changes(concat!("whether ID tokens of ", $name, " that an application hands in may come without the nonce they name"));
        })+

        /// Every fixed provider's, in the order of their names.
        pub(super) const PROVIDERS: &[Given] = &[$(Given {
            name: $name,
            enabled: &$module::ENABLED,
            client_id: &$module::CLIENT_ID,
            secret: &$module::SECRET,
            redirect_uri: &$module::REDIRECT_URI,
            url: &$module::URL,
            api_url: &$module::API_URL,
            email_optional: &$module::EMAIL_OPTIONAL,
            skip_nonce_check: &$module::SKIP_NONCE_CHECK,
        },)+];

        /// The settings of this module.
        pub const SETTINGS: &[&Definition] = &[
            $(&$module::ENABLED.definition,
            &$module::CLIENT_ID.definition,
            &$module::SECRET.definition,
            &$module::REDIRECT_URI.definition,
            &$module::URL.definition,
            &$module::API_URL.definition,
            &$module::EMAIL_OPTIONAL.definition,
            &$module::SKIP_NONCE_CHECK.definition,)+
            &APPLE_TEAM_ID.definition,
            &APPLE_KEY_ID.definition,
            &APPLE_PRIVATE_KEY.definition,
            &OIDC_PROVIDERS.definition,
            &CUSTOM_ENABLED.definition,
            &CUSTOM_MAX.definition,
            &ETHEREUM.definition,
            &SOLANA.definition,
            &WALLET_VALIDITY.definition,
            &MANUAL_LINKING.definition,
        ];
    };
}

providers! {
    apple, "apple", "APPLE";
    azure, "azure", "AZURE";
    bitbucket, "bitbucket", "BITBUCKET";
    discord, "discord", "DISCORD";
    facebook, "facebook", "FACEBOOK";
    figma, "figma", "FIGMA";
    fly, "fly", "FLY";
    github, "github", "GITHUB";
    gitlab, "gitlab", "GITLAB";
    google, "google", "GOOGLE";
    kakao, "kakao", "KAKAO";
    keycloak, "keycloak", "KEYCLOAK";
    linkedin_oidc, "linkedin_oidc", "LINKEDIN_OIDC";
    notion, "notion", "NOTION";
    slack_oidc, "slack_oidc", "SLACK_OIDC";
    snapchat, "snapchat", "SNAPCHAT";
    spotify, "spotify", "SPOTIFY";
    twitch, "twitch", "TWITCH";
    vercel_marketplace, "vercel_marketplace", "VERCEL_MARKETPLACE";
    workos, "workos", "WORKOS";
    x, "x", "X";
    zoom, "zoom", "ZOOM";
}

/// Apple's proof is a token that we sign ourselves, when these three are there.
pub static APPLE_TEAM_ID: Setting<Option<String>> = Setting::unset("auth.external.apple.team_id")
    .changes("the team that Apple knows us as; with key_id and private_key our proof is made anew each time");

/// Which of the team's keys signs.
pub static APPLE_KEY_ID: Setting<Option<String>> =
    Setting::unset("auth.external.apple.key_id").changes("the name of the key that Apple gave us");

/// That key.
pub static APPLE_PRIVATE_KEY: Setting<Option<Secret<String>>> =
    Setting::unset("auth.external.apple.private_key")
        .changes("the key that Apple gave us, as the PEM text of its .p8 file")
        .proven_by(&[101, 115]);

/// Providers that have no name of their own.
pub static OIDC_PROVIDERS: Setting<Vec<OidcProvider>> = Setting::new("auth.oidc_providers", "").changes(
    "further OpenID Connect providers: a list of id, issuer, client_id, client_secret, scopes, enabled",
);

/// Signing in with an Ethereum wallet.
pub static ETHEREUM: Setting<bool> = Setting::new("auth.external.web3.ethereum", "false")
    .also(&[Alias::same("GOTRUE_EXTERNAL_WEB3_ETHEREUM_ENABLED", Guide::Other)])
    .changes("whether people can sign in with a text that their Ethereum wallet signed; accounts made that way have no address");

/// Signing in with a Solana wallet.
pub static SOLANA: Setting<bool> = Setting::new("auth.external.web3.solana", "false")
    .also(&[Alias::same("GOTRUE_EXTERNAL_WEB3_SOLANA_ENABLED", Guide::Other)])
    .changes("whether people can sign in with a text that their Solana wallet signed; accounts made that way have no address");

/// How old such a text may be.
pub static WALLET_VALIDITY: Setting<std::time::Duration> = Setting::new("auth.external.web3.validity", "10m")
    .also(&[
        Alias::same("GOTRUE_EXTERNAL_WEB3_ETHEREUM_MAXIMUM_VALIDITY_DURATION", Guide::Other),
        Alias::same("GOTRUE_EXTERNAL_WEB3_SOLANA_MAXIMUM_VALIDITY_DURATION", Guide::Other),
    ])
    .range("30s", "1h")
    .changes("how long a text that a wallet signed is taken after it was made; each is taken once");

/// Whether administrators may add providers.
pub static CUSTOM_ENABLED: Setting<bool> = Setting::new("auth.custom_providers.enabled", "true")
    .also(&[Alias::same("GOTRUE_CUSTOM_OAUTH_ENABLED", Guide::Other)])
    .changes("whether administrators may add OAuth and OpenID Connect providers by the admin API");

/// How many.
pub static CUSTOM_MAX: Setting<u32> = Setting::new("auth.custom_providers.max", "50")
    .also(&[Alias::same("GOTRUE_CUSTOM_OAUTH_MAX_PROVIDERS", Guide::Other)])
    .range("0", "1000")
    .changes("how many providers administrators may add; 0 means 1000");

/// Whether people may link further identities.
pub static MANUAL_LINKING: Setting<bool> = Setting::new("auth.manual_linking", "false")
    .also(&[Alias::same("GOTRUE_SECURITY_MANUAL_LINKING_ENABLED", Guide::Other)])
    .changes(
        "whether a signed-in person may link further outside identities to their account, and unlink them",
    );

/// One entry of `auth.oidc_providers`.
pub struct OidcProvider {
    pub(super) id: String,
    pub(super) issuer: String,
    pub(super) client_id: Vec<String>,
    pub(super) client_secret: Option<Secret<String>>,
    pub(super) scopes: Vec<String>,
    pub(super) enabled: bool,
}

impl Record for OidcProvider {
    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        let id: String = fields.required("id")?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > 40 || !id.bytes().all(plain) {
            return Err(ValueError::expected("an id of lower-case letters, digits and dashes"));
        }
        Ok(OidcProvider {
            id: format!("custom:{id}"),
            issuer: fields.required("issuer")?,
            client_id: fields.required("client_id")?,
            client_secret: fields.optional("client_secret")?,
            scopes: fields.optional("scopes")?.unwrap_or_default(),
            enabled: fields.optional("enabled")?.unwrap_or(true),
        })
    }
}
