//! Providers that a line each describes, as their references record their answers.

use serde_json::{Value, json};
use spec::Double;
use spec::browser::parameter;

use super::oauth::{return_from, user_of, with_double};

/// A provider, where codes go and how we prove ourselves there, what its API says and where, and what becomes of it.
struct Recorded {
    name: &'static str,
    token: &'static str,
    basic: bool,
    person: &'static str,
    says: Value,
    subject: &'static str,
    /// The address, if it counts.
    email: Option<&'static str>,
    /// Part of what the API is asked with.
    with: &'static str,
}

fn of(name: &'static str, token: &'static str, basic: bool, person: &'static str, says: Value) -> Recorded {
    let with = "authorization: bearer recorded-token";
    Recorded { name, token, basic, person, says, subject: "", email: None, with }
}

fn recorded() -> Vec<Recorded> {
    vec![
        Recorded {
            subject: "1234",
            ..of(
                "figma",
                "/v1/oauth/token",
                true,
                "/v1/me",
                json!({ "id": "1234", "email": "john@example.com", "handle": "John Doe", "img_url": "https://img.example/1" }),
            )
        },
        Recorded {
            subject: "u-9",
            ..of(
                "fly",
                "/oauth/token",
                false,
                "/oauth/token/info",
                json!({ "resource_owner_id": "r-1", "user_id": "u-9", "user_name": "Fly", "email": "fly@example.com" }),
            )
        },
        Recorded {
            subject: "123456789",
            email: Some("sample@example.com"),
            ..of(
                "kakao",
                "/oauth/token",
                false,
                "/v2/user/me",
                json!({ "id": 123456789, "kakao_account": { "email": "sample@example.com", "is_email_valid": true,
                    "is_email_verified": true, "profile": { "nickname": "Ryan" } } }),
            )
        },
        Recorded {
            subject: "6794760a",
            with: "notion-version: 2022-06-28",
            ..of(
                "notion",
                "/v1/oauth/token",
                true,
                "/v1/users/me",
                json!({ "object": "user", "bot": { "owner": { "type": "user", "user": { "id": "6794760a", "name": "Test",
                    "person": { "email": "person@example.com" } } } } }),
            )
        },
    ]
}

fn further() -> Vec<Recorded> {
    vec![
        Recorded {
            subject: "CAESIPiRBp0e5gLDq7VVurQ",
            with: "externalid",
            ..of(
                "snapchat",
                "/accounts/oauth2/token",
                false,
                "/v1/me",
                json!({ "data": { "me": { "externalId": "CAESIPiRBp0e5gLDq7VVurQ", "displayName": "Snap", "bitmoji": { "avatar": "https://b.example/1" } } } }),
            )
        },
        Recorded {
            subject: "wizzler",
            ..of(
                "spotify",
                "/api/token",
                true,
                "/v1/me",
                json!({ "id": "wizzler", "display_name": "JM Wizzler", "email": "email@example.com", "images": [{ "url": "https://i.example/1" }] }),
            )
        },
        Recorded {
            subject: "141981764",
            email: Some("not-real@email.com"),
            with: "client-id: our-client",
            ..of(
                "twitch",
                "/oauth2/token",
                false,
                "/helix/users",
                json!({ "data": [{ "id": "141981764", "login": "twitchdev", "display_name": "TwitchDev", "email": "not-real@email.com" }] }),
            )
        },
        Recorded {
            subject: "prof_01DMC79VCBZ0NY2099737PSVF1",
            ..of(
                "workos",
                "/sso/token",
                false,
                "/sso/profile",
                json!({ "id": "prof_01DMC79VCBZ0NY2099737PSVF1", "email": "todd@example.com", "first_name": "Todd", "last_name": "Rundgren" }),
            )
        },
        Recorded {
            subject: "KDcuGIm1QgePTO8WbOqwIQ",
            email: Some("jchill@example.com"),
            ..of(
                "zoom",
                "/oauth/token",
                true,
                "/v2/users/me",
                json!({ "id": "KDcuGIm1QgePTO8WbOqwIQ", "email": "jchill@example.com", "first_name": "Jill", "last_name": "Chill", "verified": 1 }),
            )
        },
    ]
}

#[tokio::test]
async fn providers_that_a_line_describes_as_recorded() {
    for case in recorded().into_iter().chain(further()) {
        let name = case.name;
        let double = Double::start().await;
        double.answer(case.token, json!({ "access_token": "recorded-token", "token_type": "bearer" }));
        double.answer(case.person, case.says.clone());
        let keys = ["enabled", "client_id", "secret", "url"]
            .map(|what| -> &'static str { format!("auth.external.{name}.{what}").leak() });
        let app = with_double(keys, &double).await;
        let settings = app.stranger().get("/auth/v1/settings").await.expect(200).value();
        assert_eq!(settings["external"][name], true, "{name}");
        let back = return_from(&app, name, "").await;
        let stored = app.database.admin().await;
        let found = stored
            .query(
                "select provider_id, identity_data ->> 'email_verified' from auth.identities where provider = $1",
                &[&name],
            )
            .await
            .unwrap();
        assert_eq!(found.len(), 1, "{name}: {back}");
        assert_eq!(found[0].get::<_, String>(0), case.subject, "{name}");
        // What a provider does not vouch for opens nobody else's account: row 3 tries that.
        let vouched: String = found[0].get(1);
        assert_eq!(vouched, case.email.is_some().to_string(), "{name}");
        let user = user_of(&app, &back).await;
        assert_eq!(user["email"].as_str().unwrap().is_empty(), name == "snapchat", "{name}");
        if let Some(email) = case.email {
            assert_eq!(user["email"], email, "{name}");
        }
        let asked = double.asked();
        let exchange = asked[0].whole.to_lowercase();
        assert_eq!(asked[0].line, format!("POST {}", case.token), "{name}");
        assert_eq!(exchange.contains("notion-version: 2022-06-28"), name == "notion", "{name}: {exchange}");
        assert_eq!(exchange.contains("authorization: basic"), case.basic, "{name}: {exchange}");
        assert_eq!(exchange.contains("client_secret=our-secret"), !case.basic, "{name}: {exchange}");
        let question = asked[1].whole.to_lowercase();
        assert!(asked[1].line.starts_with(&format!("GET {}", case.person)), "{name}: {}", asked[1].line);
        assert!(
            question.contains(case.with) && question.contains("bearer recorded-token"),
            "{name}: {question}"
        );
    }
}

/// Its documented claims; the address is there only where Vercel gives it to the integration.
#[tokio::test]
async fn vercel_marketplace_as_documented() {
    let double = Double::start().await;
    let theirs = seal::SigningKey::generate_es256().unwrap();
    let at = |path: &str| format!("{}{path}", double.url);
    let document = json!({
        "issuer": double.url, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"), "jwks_uri": at("/jwks"),
    });
    double.answer("/.well-known/openid-configuration", document);
    double.answer("/jwks", json!({ "keys": [theirs.verify_key().jwk().unwrap()] }));
    let keys = ["enabled", "client_id", "secret", "url"]
        .map(|what| -> &'static str { format!("auth.external.vercel_marketplace.{what}").leak() });
    let app = with_double(keys, &double).await;
    let now = app.clock.now().as_second();
    let claims = |nonce: Option<&str>, more: Value| {
        let mut claims = json!({
            "iss": double.url, "aud": "our-client", "exp": now + 600, "iat": now, "account_id": "d4c3b2a1", "user_role": "ADMIN",
            "installation_id": "icfg_9bceb8ccT32d3U417ezb5c8p", "user_id": "a1b2", "user_name": "Vera",
        });
        let claims = claims.as_object_mut().unwrap();
        claims.extend(more.as_object().unwrap().clone());
        claims.extend(nonce.map(|nonce| ("nonce".to_owned(), json!(nonce))));
        theirs.sign(claims).unwrap()
    };
    // Through the browser.
    let mut browser = super::oauth::browser(&app);
    let from = super::oauth::begin(&app, "vercel_marketplace", "", "");
    let to = browser.open(&from).await.expect(302).header("location").to_owned();
    assert!(to.starts_with(&at("/authorize")) && !to.contains("code_challenge"), "{to}");
    let (state, nonce) = (parameter(&to, "state").unwrap(), parameter(&to, "nonce").unwrap());
    let vera = json!({ "sub": "account:d4c3b2a1:user:a1b2", "user_email": "vera@example.com" });
    let answer =
        json!({ "access_token": "at", "token_type": "Bearer", "id_token": claims(Some(&nonce), vera) });
    double.answer("/token", answer);
    let back = format!("{}/auth/v1/callback?code=c&state={state}", app.running.url);
    let landed = browser.open(&back).await.expect(302).header("location").to_owned();
    let user = user_of(&app, &landed).await;
    assert_eq!(
        (&user["email"], &user["user_metadata"]["name"]),
        (&json!("vera@example.com"), &json!("Vera"))
    );
    assert_eq!(user["identities"][0]["id"], "account:d4c3b2a1:user:a1b2");
    assert_eq!(user["identities"][0]["identity_data"]["email_verified"], true);
    // As it opens an integration: with a token in the hand.
    let token = |more: Value| json!({ "provider": "vercel_marketplace", "id_token": claims(None, more) });
    let same = json!({ "sub": "account:d4c3b2a1:user:a1b2", "user_email": "vera@example.com" });
    let again =
        app.stranger().post("/auth/v1/token?grant_type=id_token", token(same)).await.expect(200).value();
    assert_eq!(again["user"]["id"], user["id"]);
    // `email` is none of its words: it vouches for nobody by it.
    let sly = json!({ "sub": "account:e:user:e", "email": "vera@example.com", "email_verified": true });
    let refused = app.stranger().post("/auth/v1/token?grant_type=id_token", token(sly)).await;
    assert_ne!(refused.value()["user"]["id"], user["id"], "{}", refused.text());
    assert!(refused.status.is_client_error(), "{}", refused.text());
}
