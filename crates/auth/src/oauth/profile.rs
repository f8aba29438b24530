//! Who a provider says somebody is, read from each provider's own words. Pure: the shapes are recorded in the tests.
//!
//! Invariant: an address counts as verified only where the provider says so by a name that it documents for that; a missing
//! word, a text, a UPN or a display name never does (attack row 3).

use serde_json::{Map, Value, json};

use super::provider::{EmailRule, Provider, Shape};
use crate::accounts::read_email;
use crate::limits;

/// Somebody, as a provider describes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The provider's own name for them, which never changes.
    pub subject: String,
    /// Their address there, lower case.
    pub email: Option<String>,
    /// Whether the provider vouches for it.
    pub verified: bool,
    /// What is kept with the identity.
    pub said: Map<String, Value>,
}

/// Names of claims that are taken over as they are.
const KEPT: [&str; 14] = [
    "name",
    "full_name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "avatar_url",
    "website",
    "locale",
    "zoneinfo",
    "user_name",
];

impl Profile {
    fn new(issuer: &str, subject: String, email: Option<&str>, verified: bool) -> Option<Self> {
        if subject.is_empty() || subject.len() > 512 {
            return None;
        }
        // Read as everybody's: what is no address, or would be taken for another one, is none.
        let email = email.and_then(|text| read_email(text).ok());
        let verified = verified && email.is_some();
        let mut said = Map::new();
        said.insert("iss".into(), issuer.into());
        said.insert("sub".into(), subject.as_str().into());
        said.insert("provider_id".into(), subject.as_str().into());
        if let Some(email) = &email {
            said.insert("email".into(), email.as_str().into());
        }
        said.insert("email_verified".into(), verified.into());
        said.insert("phone_verified".into(), false.into());
        Some(Profile { subject, email, verified, said })
    }

    fn with(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value.filter(|value| !value.is_empty() && value.len() <= 2_048) {
            self.said.insert(name.to_owned(), value.into());
        }
        self
    }

    /// What the operator wants kept besides, under `custom_claims` as upstream, as far as there is room.
    fn keeping<'a>(mut self, names: &[String], find: impl Fn(&str) -> Option<&'a Value>) -> Self {
        let mut kept = Map::new();
        let mut room = limits::CUSTOM_CLAIMS_BYTES_MAX.size();
        for name in names {
            let Some(value) = find(name).filter(|value| !value.is_null()) else { continue };
            let text = value.to_string();
            let bytes = name.len() + text.len();
            if bytes <= room && !text.contains("\\u0000") {
                room -= bytes;
                kept.insert(name.clone(), value.clone());
            }
        }
        if !kept.is_empty() {
            self.said.insert("custom_claims".to_owned(), Value::Object(kept));
        }
        self
    }

    fn named(self, name: Option<&str>, user_name: Option<&str>, picture: Option<&str>) -> Self {
        self.with("name", name)
            .with("full_name", name)
            .with("user_name", user_name)
            .with("preferred_username", user_name)
            .with("avatar_url", picture)
            .with("picture", picture)
    }
}

/// From the verified claims of an ID token or a userinfo answer. Who somebody is stands in `sub`, whatever is mapped.
pub fn of_claims(provider: &Provider, claims: &Map<String, Value>) -> Option<Profile> {
    let find = |ours: &str| match provider.mapping.iter().find(|(name, _)| name == ours) {
        Some((_, theirs)) => claims.get(theirs).or_else(|| below(claims, theirs)),
        None => claims.get(ours),
    };
    let text = |name: &str| find(name).and_then(Value::as_str);
    let claim = |name: &str| claims.get(name).and_then(Value::as_str);
    let issuer = claim("iss").unwrap_or(&provider.issuer);
    let verified = match provider.email_rule {
        EmailRule::Claim => is_yes(find("email_verified")),
        EmailRule::Edov => is_yes(claims.get("xms_edov")) || claims.get("xms_edov") == Some(&json!(1)),
        EmailRule::Confirmed => true,
        EmailRule::Listed | EmailRule::Never => false,
    };
    let mut profile = Profile::new(issuer, claim("sub")?.to_owned(), text("email"), verified)?;
    for name in KEPT {
        profile = profile.with(name, text(name));
    }
    let full = text("name").or_else(|| text("full_name"));
    profile = profile.with("full_name", full).with("avatar_url", text("picture"));
    Some(profile.keeping(&provider.kept, |name| claims.get(name)))
}

/// `true`, or the text that Apple and Cognito write for it. Nothing else is a yes.
fn is_yes(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Bool(true))) || value.and_then(Value::as_str) == Some("true")
}

/// From what an API answered about the person, and about their addresses where that is another question.
pub fn of_api(provider: &Provider, user: &Value, emails: Option<&Value>) -> Option<Profile> {
    let text = |name: &str| user[name].as_str();
    match provider.shape {
        Shape::Github => github(user, emails),
        Shape::Gitlab => {
            // Confirmed when the account was; a later address waits in `unconfirmed_email`.
            let verified = text("confirmed_at").is_some_and(|at| !at.is_empty());
            let issuer = host_of(&provider.endpoints.userinfo);
            let profile = Profile::new(issuer, number(&user["id"])?, text("email"), verified)?;
            Some(profile.named(text("name"), text("username"), text("avatar_url")))
        }
        Shape::Bitbucket => bitbucket(user, emails),
        Shape::Discord => {
            let id = text("id")?;
            let verified = user["verified"] == Value::Bool(true);
            let avatar =
                text("avatar").map(|hash| format!("https://cdn.discordapp.com/avatars/{id}/{hash}.png"));
            let name = text("global_name").or_else(|| text("username"));
            let profile = Profile::new("https://discord.com/api", id.to_owned(), text("email"), verified)?;
            Some(profile.named(name, text("username"), avatar.as_deref()))
        }
        Shape::Facebook => {
            let picture = user["picture"]["data"]["url"].as_str();
            let profile =
                Profile::new("https://graph.facebook.com", text("id")?.to_owned(), text("email"), false)?;
            Some(profile.named(text("name"), None, picture))
        }
        Shape::X => {
            let user = &user["data"];
            let text = |name: &str| user[name].as_str();
            // `confirmed_email` is there only for an address that X has confirmed.
            let email = text("confirmed_email");
            let profile = Profile::new("https://api.x.com/2/users/me", text("id")?.to_owned(), email, true)?;
            Some(profile.named(text("name"), text("username"), text("profile_image_url")))
        }
        Shape::Mapped => mapped(provider, user),
        Shape::Oidc => of_claims(provider, user.as_object()?),
    }
}

fn github(user: &Value, emails: Option<&Value>) -> Option<Profile> {
    let list = emails.and_then(Value::as_array);
    let primary = list.and_then(|list| list.iter().find(|entry| entry["primary"] == Value::Bool(true)));
    let email = primary.and_then(|entry| entry["email"].as_str());
    let verified = primary.is_some_and(|entry| entry["verified"] == Value::Bool(true));
    let profile = Profile::new("https://api.github.com", number(&user["id"])?, email, verified)?;
    Some(profile.named(user["name"].as_str(), user["login"].as_str(), user["avatar_url"].as_str()))
}

fn bitbucket(user: &Value, emails: Option<&Value>) -> Option<Profile> {
    let list = emails.and_then(|page| page["values"].as_array());
    let primary = list.and_then(|list| list.iter().find(|entry| entry["is_primary"] == Value::Bool(true)));
    let email = primary.and_then(|entry| entry["email"].as_str());
    let verified = primary.is_some_and(|entry| entry["is_confirmed"] == Value::Bool(true));
    let id = user["account_id"].as_str().or_else(|| user["uuid"].as_str())?;
    let profile = Profile::new("https://api.bitbucket.org/2.0", id.to_owned(), email, verified)?;
    let picture = user["links"]["avatar"]["href"].as_str();
    Some(profile.named(user["display_name"].as_str(), user["nickname"].as_str(), picture))
}

/// Our names from theirs (`email: contact.mail`), ours where nothing is mapped.
fn mapped(provider: &Provider, user: &Value) -> Option<Profile> {
    let find = |ours: &str| {
        let theirs =
            provider.mapping.iter().find(|(name, _)| name == ours).map_or(ours, |(_, theirs)| theirs);
        follow(user, theirs)
    };
    let subject = match find("sub") {
        Value::Null => number(&user["id"])?,
        value => number(value)?,
    };
    // Zoom writes its yes as a number. What is mapped twice must be so twice.
    let is_so = |value: &Value| *value == Value::Bool(true) || provider.id == "zoom" && *value == json!(1);
    let told = |(_, theirs): &(String, String)| is_so(follow(user, theirs));
    let verified = match provider.email_rule {
        EmailRule::Never => false,
        EmailRule::Confirmed => true,
        EmailRule::Claim | EmailRule::Edov | EmailRule::Listed => {
            is_so(find("email_verified"))
                && provider.mapping.iter().filter(|(ours, _)| ours == "email_verified").all(told)
        }
    };
    let issuer = host_of(&provider.endpoints.userinfo);
    let mut profile = Profile::new(issuer, subject, find("email").as_str(), verified)?;
    for name in KEPT {
        profile = profile.with(name, find(name).as_str());
    }
    Some(profile.keeping(&provider.kept, |name| user.get(name)))
}

/// A claim below others; one whose own name has dots, as a URL does, was looked for first.
fn below<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.')?;
    Some(follow(claims.get(first)?, rest)).filter(|value| !value.is_null())
}

/// The value at a path: names of members, and numbers of entries.
fn follow<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |at, part| match (at, part.parse::<usize>()) {
        (Value::Array(entries), Ok(number)) => entries.get(number).unwrap_or(&Value::Null),
        _ => &at[part],
    })
}

/// An id, which some write as a number.
fn number(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// Scheme and host of a URL.
fn host_of(url: &str) -> &str {
    let from = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(from..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| from + at);
    url.get(..end).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::super::provider::Endpoints;
    use super::*;

    fn provider(shape: Shape, email_rule: EmailRule) -> Provider {
        let endpoints =
            Endpoints { userinfo: "https://gitlab.com/api/v4/user".into(), ..Endpoints::default() };
        Provider { shape, email_rule, endpoints, ..Provider::oidc("p", "https://idp.example") }
    }

    #[track_caller]
    fn check(profile: Option<Profile>, subject: &str, email: Option<&str>, verified: bool) {
        let profile = profile.expect("a profile");
        assert_eq!(
            (profile.subject.as_str(), profile.email.as_deref(), profile.verified),
            (subject, email, verified)
        );
    }

    #[test]
    fn github_counts_its_primary_address_only_when_it_says_verified() {
        let of = |emails: Value| {
            of_api(
                &provider(Shape::Github, EmailRule::Listed),
                &json!({ "id": 583231, "login": "octocat", "email": "public@x.com" }),
                Some(&emails),
            )
        };
        let entry = |primary: bool, verified: Value| json!({ "email": "Octo@github.com", "primary": primary, "verified": verified });
        check(of(json!([entry(true, json!(true))])), "583231", Some("octo@github.com"), true);
        check(of(json!([entry(true, json!(false))])), "583231", Some("octo@github.com"), false);
        check(of(json!([entry(true, json!("true"))])), "583231", Some("octo@github.com"), false);
        check(of(json!([entry(false, json!(true))])), "583231", None, false);
        check(of(json!([])), "583231", None, false);
    }

    #[test]
    fn gitlab_bitbucket_discord_and_x_say_it_in_their_own_words() {
        let gitlab = |at: Value| {
            of_api(
                &provider(Shape::Gitlab, EmailRule::Listed),
                &json!({ "id": 1, "username": "john_smith", "email": "john@example.com", "confirmed_at": at }),
                None,
            )
        };
        check(gitlab(json!("2012-05-23T09:05:22.000Z")), "1", Some("john@example.com"), true);
        check(gitlab(Value::Null), "1", Some("john@example.com"), false);
        let bitbucket = |confirmed: Value| {
            let emails =
                json!({ "values": [{ "email": "e@b.org", "is_primary": true, "is_confirmed": confirmed }] });
            of_api(
                &provider(Shape::Bitbucket, EmailRule::Listed),
                &json!({ "account_id": "557058:x", "uuid": "{y}" }),
                Some(&emails),
            )
        };
        check(bitbucket(json!(true)), "557058:x", Some("e@b.org"), true);
        check(bitbucket(json!(false)), "557058:x", Some("e@b.org"), false);
        check(bitbucket(Value::Null), "557058:x", Some("e@b.org"), false);
        let discord = |verified: Value| {
            of_api(
                &provider(Shape::Discord, EmailRule::Listed),
                &json!({ "id": "80351110224678912", "username": "nelly", "email": "nelly@discord.com", "verified": verified }),
                None,
            )
        };
        check(discord(json!(true)), "80351110224678912", Some("nelly@discord.com"), true);
        check(discord(json!(false)), "80351110224678912", Some("nelly@discord.com"), false);
        check(discord(Value::Null), "80351110224678912", Some("nelly@discord.com"), false);
        let x = |data: Value| of_api(&provider(Shape::X, EmailRule::Listed), &json!({ "data": data }), None);
        check(
            x(json!({ "id": "2244994945", "username": "X", "confirmed_email": "a@b.c" })),
            "2244994945",
            Some("a@b.c"),
            true,
        );
        check(x(json!({ "id": "2244994945", "email": "a@b.c" })), "2244994945", None, false);
    }

    #[test]
    fn facebook_never_vouches() {
        let user = json!({ "id": "10", "email": "a@b.c", "name": "A", "verified": true });
        check(of_api(&provider(Shape::Facebook, EmailRule::Never), &user, None), "10", Some("a@b.c"), false);
    }

    #[test]
    fn row_3_entra_vouches_by_one_claim_only() {
        let entra = |more: Value| {
            let mut claims = json!({ "sub": "s", "email": "ceo@victim.com", "preferred_username": "ceo@victim.com", "upn": "ceo@victim.com" });
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            of_claims(&provider(Shape::Oidc, EmailRule::Edov), claims.as_object().unwrap())
        };
        check(entra(json!({})), "s", Some("ceo@victim.com"), false);
        check(entra(json!({ "email_verified": true })), "s", Some("ceo@victim.com"), false);
        check(entra(json!({ "xms_edov": false })), "s", Some("ceo@victim.com"), false);
        check(entra(json!({ "xms_edov": true })), "s", Some("ceo@victim.com"), true);
        check(entra(json!({ "xms_edov": 1 })), "s", Some("ceo@victim.com"), true);
    }

    #[test]
    fn an_oidc_claim_is_a_yes_only_when_it_says_so() {
        let of = |verified: Value| {
            let claims = json!({ "sub": "s", "email": "A@b.c", "email_verified": verified });
            of_claims(&provider(Shape::Oidc, EmailRule::Claim), claims.as_object().unwrap())
        };
        check(of(json!(true)), "s", Some("a@b.c"), true);
        check(of(json!("true")), "s", Some("a@b.c"), true);
        for no in [json!(false), json!("false"), json!(1), json!("yes"), Value::Null, json!([true])] {
            check(of(no), "s", Some("a@b.c"), false);
        }
        let claims = json!({ "email": "a@b.c", "email_verified": true });
        assert!(
            of_claims(&provider(Shape::Oidc, EmailRule::Claim), claims.as_object().unwrap()).is_none(),
            "no sub"
        );
    }

    #[test]
    fn claims_of_a_token_are_found_by_their_mapped_names_and_the_subject_by_its_own() {
        let mut provider = provider(Shape::Oidc, EmailRule::Claim);
        let mapping = [
            ("sub", "email"),
            ("email", "contact.mail"),
            ("email_verified", "https://idp.example/sure"),
            ("name", "handle"),
        ];
        provider.mapping = mapping.map(|(ours, theirs)| (ours.to_owned(), theirs.to_owned())).to_vec();
        let claims = json!({
            "sub": "s", "email": "other@b.c", "contact": { "mail": "a@b.c" }, "handle": "Ann", "email_verified": true,
            "https://idp.example/sure": true,
        });
        let found = of_claims(&provider, claims.as_object().unwrap());
        assert_eq!(found.as_ref().unwrap().said["name"], "Ann");
        check(found, "s", Some("a@b.c"), true);
        // What another claim vouches for is not the mapped one.
        let claims = json!({ "sub": "s", "contact": { "mail": "a@b.c" }, "email_verified": true });
        check(of_claims(&provider, claims.as_object().unwrap()), "s", Some("a@b.c"), false);
    }

    #[test]
    fn mapped_names_are_found_below_others() {
        let mut provider = provider(Shape::Mapped, EmailRule::Listed);
        provider.mapping = vec![("sub".into(), "user.key".into()), ("email".into(), "contact.mail".into())];
        let user = json!({ "user": { "key": 7 }, "contact": { "mail": "a@b.c" }, "email_verified": true });
        check(of_api(&provider, &user, None), "7", Some("a@b.c"), true);
    }

    #[test]
    fn row_3_kakao_zoom_and_twitch_vouch_as_they_document_and_figma_and_spotify_never() {
        let named = |name: &str, user: Value| {
            let given = base::Settings::default();
            let on = |what: &str| -> &'static str { format!("auth.external.{name}.{what}").leak() };
            let given = given.with(on("enabled"), "true").with(on("client_id"), "us");
            of_api(&super::super::provider::from_settings(&given).unwrap()[0], &user, None)
        };
        let kakao = |verified: Value, valid: Value| {
            let account = json!({ "email": "A@b.c", "is_email_verified": verified, "is_email_valid": valid });
            named("kakao", json!({ "id": 7, "kakao_account": account }))
        };
        check(kakao(json!(true), json!(true)), "7", Some("a@b.c"), true);
        check(kakao(json!(true), json!(false)), "7", Some("a@b.c"), false);
        check(kakao(json!(false), json!(true)), "7", Some("a@b.c"), false);
        check(kakao(json!(true), Value::Null), "7", Some("a@b.c"), false);
        let zoom =
            |verified: Value| named("zoom", json!({ "id": "z", "email": "a@b.c", "verified": verified }));
        check(zoom(json!(1)), "z", Some("a@b.c"), true);
        for no in [json!(0), json!("1"), json!(2), Value::Null] {
            check(zoom(no), "z", Some("a@b.c"), false);
        }
        check(
            named("twitch", json!({ "data": [{ "id": "t", "email": "a@b.c" }] })),
            "t",
            Some("a@b.c"),
            true,
        );
        assert!(named("twitch", json!({ "data": [] })).is_none());
        for name in ["figma", "spotify", "workos"] {
            let said = json!({ "id": "p", "email": "a@b.c", "email_verified": true, "verified": true });
            check(named(name, said), "p", Some("a@b.c"), false);
        }
    }

    #[test]
    fn further_claims_are_kept_where_the_operator_names_them_and_as_far_as_there_is_room() {
        let mut provider = provider(Shape::Oidc, EmailRule::Claim);
        let claims = json!({
            "iss": "https://idp.example", "sub": "s", "groups": ["a", "b"], "department": "d", "other": "o",
            "large": "x".repeat(5_000),
        });
        let claims = claims.as_object().unwrap();
        assert!(of_claims(&provider, claims).unwrap().said.get("custom_claims").is_none());
        provider.kept = ["groups", "large", "missing", "department"].map(str::to_owned).to_vec();
        let said = of_claims(&provider, claims).unwrap().said;
        assert_eq!(said["custom_claims"], json!({ "groups": ["a", "b"], "department": "d" }));
        assert!(said.get("groups").is_none() && said.get("other").is_none());
        provider.shape = Shape::Mapped;
        let user = json!({ "id": 1, "groups": ["c"] });
        assert_eq!(of_api(&provider, &user, None).unwrap().said["custom_claims"], json!({ "groups": ["c"] }));
    }
}
