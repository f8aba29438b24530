//! Who somebody is, for a program that asked: the ID token, and the same from the userinfo endpoint.
//!
//! Invariant: a program learns what its scopes name and no more, and an ID token opens nothing here.

use base::{Caller, Secret};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pg::Reply;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::SCOPES;
use super::requests::Kept;
use super::scope;
use crate::session::Grant;
use crate::user::User;
use crate::{Auth, Error, Visit};

impl Auth {
    /// The ID token of an exchange.
    pub(super) fn id_token(&self, grant: &Grant, client: Uuid, kept: &Kept) -> Result<Secret<String>, Error> {
        let mut claims = about(&grant.user, &kept.scope);
        let mut put = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        put("iss", json!(self.0.rules.issuer));
        put("sub", json!(grant.user.id));
        put("aud", json!(client));
        put("client_id", json!(client));
        put("iat", json!(self.0.clock.unix_seconds()));
        put("exp", json!(grant.expires_at));
        put("at_hash", json!(hash_of(grant.access_token.expose())));
        put("acr", json!(kept.level.as_deref().unwrap_or("aal1")));
        if let Some(at) = kept.proven_at {
            put("auth_time", json!(at.as_second()));
        }
        if let Some(nonce) = &kept.nonce {
            put("nonce", json!(nonce));
        }
        Ok(Secret::new(self.0.keys.load().sign(&claims)?))
    }

    /// What the caller's program may know of them; their own session may know everything.
    pub async fn oauth_userinfo(&self, visit: &Visit) -> Result<Reply<Value>, Error> {
        self.require_server()?;
        let caller = &visit.caller;
        let person = caller.signed_in().ok_or(Error::NoBearer)?;
        let scopes = scopes_of(caller).unwrap_or_else(|| SCOPES.join(" "));
        Ok(self.own_user(person.user).await?.map(|user| {
            let mut told = about(&user, &scopes);
            told.insert("sub".to_owned(), json!(user.id));
            Value::Object(told)
        }))
    }
}

/// What a program was allowed to know; nothing for whoever is no program.
fn scopes_of(caller: &Caller) -> Option<String> {
    caller.client.as_ref()?;
    let claims: Value = serde_json::from_str(&caller.claims).unwrap_or(Value::Null);
    Some(claims.get("scope").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// An account as its person sees it, or as far as they agreed to tell the program that asks.
pub fn told(user: User, caller: &Caller) -> User {
    let Some(scopes) = scopes_of(caller) else { return user };
    let (by_mail, by_phone) = (scope::has(&scopes, "email"), scope::has(&scopes, "phone"));
    User {
        email: user.email.filter(|_| by_mail),
        phone: user.phone.filter(|_| by_phone),
        email_confirmed_at: user.email_confirmed_at.filter(|_| by_mail),
        phone_confirmed_at: user.phone_confirmed_at.filter(|_| by_phone),
        new_email: None,
        new_phone: None,
        user_metadata: scope::said(&scopes, user.user_metadata),
        identities: Vec::new(),
        factors: Vec::new(),
        ..user
    }
}

/// What `scopes` name of somebody (OpenID Connect Core 5.4). What is not known is left out.
fn about(user: &User, scopes: &str) -> Map<String, Value> {
    let mut told = Map::new();
    let mut put = |name: &str, value: Value| drop(told.insert(name.to_owned(), value));
    if scope::has(scopes, "email")
        && let Some(email) = &user.email
    {
        put("email", json!(email));
        put("email_verified", json!(user.email_confirmed_at.is_some()));
    }
    if scope::has(scopes, "phone")
        && let Some(phone) = &user.phone
    {
        put("phone_number", json!(format!("+{phone}")));
        put("phone_number_verified", json!(user.phone_confirmed_at.is_some()));
    }
    if scope::has(scopes, "profile") {
        let said = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| user.user_metadata.get(*name).and_then(Value::as_str))
                .filter(|text| !text.is_empty() && text.len() <= 1_024)
        };
        for (claim, names) in [
            ("name", &["name", "full_name"][..]),
            ("picture", &["picture", "avatar_url"]),
            ("preferred_username", &["preferred_username", "user_name"]),
        ] {
            if let Some(text) = said(names) {
                put(claim, json!(text));
            }
        }
        if let Some(at) = user.updated_at {
            put("updated_at", json!(at.as_second()));
        }
    }
    told
}

/// `at_hash`: the left half of the token's hash, by the hash of the signature's algorithm, which here is always SHA-256.
fn hash_of(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(seal::left_half(256, token.as_bytes()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_token_is_the_published_one() {
        // OpenID Connect Core 1.0, appendix A.3.
        assert_eq!(hash_of("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
    }

    #[test]
    fn a_program_learns_what_its_scopes_name() {
        let mut user = User::blank(Uuid::nil(), Some("ann@example.com".into()), Some("15550100".into()));
        user.user_metadata.insert("full_name".into(), json!("Ann"));
        user.user_metadata.insert("secret".into(), json!("x"));
        assert!(about(&user, "openid").is_empty());
        assert_eq!(
            Value::Object(about(&user, "openid email")),
            json!({ "email": "ann@example.com", "email_verified": false })
        );
        assert_eq!(Value::Object(about(&user, "profile")), json!({ "name": "Ann" }));
        assert_eq!(about(&user, "phone")["phone_number"], "+15550100");
    }
}
