//! Providers that a line each describes: OAuth 2 with an API that answers in names of its own. What they say is what they
//! document; who says nothing about whether an address is proven vouches for none (attack row 3).

use super::{ClientAuth, EmailRule, Provider, Shape};

/// One of them. Addresses are below where it is, or below where its API is: those begin with `api:`.
struct Line {
    name: &'static str,
    usual: [&'static str; 2],
    /// Where browsers go, where codes are exchanged, and where the person is read from.
    paths: [&'static str; 3],
    scopes: &'static str,
    auth: ClientAuth,
    rule: EmailRule,
    /// Our name of a field, and theirs.
    mapping: &'static [(&'static str, &'static str)],
    params: &'static [(&'static str, &'static str)],
    headers: &'static [(&'static str, &'static str)],
}

const LINES: &[Line] = &[
    Line {
        name: "figma",
        usual: ["https://www.figma.com", "https://api.figma.com"],
        paths: ["/oauth", "api:/v1/oauth/token", "api:/v1/me"],
        scopes: "current_user:read",
        auth: ClientAuth::Basic,
        rule: EmailRule::Never,
        mapping: &[("sub", "id"), ("name", "handle"), ("user_name", "handle"), ("picture", "img_url")],
        params: &[],
        headers: &[],
    },
    Line {
        name: "fly",
        usual: ["https://api.fly.io", ""],
        paths: ["/oauth/authorize", "/oauth/token", "/oauth/token/info"],
        scopes: "read",
        auth: ClientAuth::Post,
        rule: EmailRule::Never,
        mapping: &[("sub", "user_id"), ("name", "user_name")],
        params: &[],
        headers: &[],
    },
    Line {
        name: "kakao",
        usual: ["https://kauth.kakao.com", "https://kapi.kakao.com"],
        paths: ["/oauth/authorize", "/oauth/token", "api:/v2/user/me"],
        scopes: "account_email profile_image profile_nickname",
        auth: ClientAuth::Post,
        rule: EmailRule::Listed,
        // Both: an address that somebody else there has proven since is not valid any more.
        mapping: &[
            ("sub", "id"),
            ("email", "kakao_account.email"),
            ("email_verified", "kakao_account.is_email_verified"),
            ("email_verified", "kakao_account.is_email_valid"),
            ("name", "kakao_account.profile.nickname"),
            ("picture", "kakao_account.profile.profile_image_url"),
        ],
        params: &[],
        headers: &[],
    },
    Line {
        name: "notion",
        usual: ["https://api.notion.com", ""],
        paths: ["/v1/oauth/authorize", "/v1/oauth/token", "/v1/users/me"],
        scopes: "",
        auth: ClientAuth::Basic,
        rule: EmailRule::Never,
        mapping: &[
            ("sub", "bot.owner.user.id"),
            ("email", "bot.owner.user.person.email"),
            ("name", "bot.owner.user.name"),
            ("picture", "bot.owner.user.avatar_url"),
        ],
        params: &[("owner", "user")],
        headers: &[("notion-version", "2022-06-28")],
    },
    Line {
        name: "snapchat",
        usual: ["https://accounts.snapchat.com", "https://kit.snapchat.com"],
        paths: [
            "/accounts/oauth2/auth",
            "/accounts/oauth2/token",
            "api:/v1/me?query=%7Bme%7BexternalId%20displayName%20bitmoji%7Bavatar%7D%7D%7D",
        ],
        scopes: "https://auth.snapchat.com/oauth2/api/user.external_id \
            https://auth.snapchat.com/oauth2/api/user.display_name \
            https://auth.snapchat.com/oauth2/api/user.bitmoji.avatar",
        auth: ClientAuth::Post,
        rule: EmailRule::Never,
        mapping: &[
            ("sub", "data.me.externalId"),
            ("name", "data.me.displayName"),
            ("picture", "data.me.bitmoji.avatar"),
        ],
        params: &[],
        headers: &[],
    },
    Line {
        name: "spotify",
        usual: ["https://accounts.spotify.com", "https://api.spotify.com"],
        paths: ["/authorize", "/api/token", "api:/v1/me"],
        scopes: "user-read-email",
        auth: ClientAuth::Basic,
        // Its reference says of the address that nobody has proven it.
        rule: EmailRule::Never,
        mapping: &[("sub", "id"), ("name", "display_name"), ("picture", "images.0.url")],
        params: &[],
        headers: &[],
    },
    Line {
        name: "twitch",
        usual: ["https://id.twitch.tv", "https://api.twitch.tv"],
        paths: ["/oauth2/authorize", "/oauth2/token", "api:/helix/users"],
        scopes: "user:read:email",
        auth: ClientAuth::Post,
        // Its reference: the user's verified email address.
        rule: EmailRule::Confirmed,
        mapping: &[
            ("sub", "data.0.id"),
            ("email", "data.0.email"),
            ("name", "data.0.display_name"),
            ("user_name", "data.0.login"),
            ("picture", "data.0.profile_image_url"),
        ],
        params: &[],
        headers: &[],
    },
    Line {
        name: "workos",
        usual: ["https://api.workos.com", ""],
        paths: ["/sso/authorize", "/sso/token", "/sso/profile"],
        scopes: "",
        auth: ClientAuth::Post,
        rule: EmailRule::Never,
        mapping: &[("sub", "id"), ("given_name", "first_name"), ("family_name", "last_name")],
        params: &[],
        headers: &[],
    },
    Line {
        name: "zoom",
        usual: ["https://zoom.us", "https://api.zoom.us"],
        paths: ["/oauth/authorize", "/oauth/token", "api:/v2/users/me"],
        // Its applications list their scopes with it; what is asked for besides is refused.
        scopes: "",
        auth: ClientAuth::Basic,
        rule: EmailRule::Listed,
        mapping: &[
            ("sub", "id"),
            ("email_verified", "verified"),
            ("name", "display_name"),
            ("given_name", "first_name"),
            ("family_name", "last_name"),
            ("picture", "pic_url"),
        ],
        params: &[],
        headers: &[],
    },
];

/// Whether its API is elsewhere than it is itself.
pub(super) fn has_api_elsewhere(name: &str) -> bool {
    LINES.iter().any(|line| line.name == name && !line.usual[1].is_empty())
}

/// The provider of that name, where `at` and `api_at` say that it is.
pub(super) fn described(
    name: &str,
    at: &dyn Fn(&str) -> String,
    api_at: &dyn Fn(&str) -> String,
) -> Option<Provider> {
    let line = LINES.iter().find(|line| line.name == name)?;
    let [usual, api] = line.usual;
    let [authorize, token, userinfo] = line.paths.map(|path| match path.strip_prefix("api:") {
        Some(path) => format!("{}{path}", api_at(api)),
        None => format!("{}{path}", at(usual)),
    });
    let pairs = |list: &[(&str, &str)]| {
        list.iter().map(|(ours, theirs)| ((*ours).to_owned(), (*theirs).to_owned())).collect()
    };
    Some(Provider {
        client_auth: line.auth,
        pkce: false,
        email_rule: line.rule,
        email_optional: name == "snapchat",
        mapping: pairs(line.mapping),
        params: pairs(line.params),
        headers: line.headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        ..Provider::plain(name, Shape::Mapped, line.scopes, authorize, token, userinfo)
    })
}
