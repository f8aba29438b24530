//! Keys and tokens, alone and together.

use std::time::Duration;

use auth::{Credentials, Error};
use base::{Profile, Secret, Settings, Who};
use seal::SigningKey;
use serde_json::{Value, json};

use crate::world::{World, object};

const SECRET: &str = "kH7fD2mQ9xR4tW8zB1nV6pL3sJ5gA0cE";

fn both(apikey: &str, bearer: &str) -> Credentials {
    Credentials {
        apikey: Some(Secret::from(apikey)),
        bearer: Some(Secret::from(bearer)),
        ..Credentials::default()
    }
}

#[tokio::test]
async fn nobody_is_anonymous_without_a_credential() {
    let world = World::new().await;
    let nobody = world.auth.identify(&Credentials::default(), None).await.unwrap();
    assert!(!nobody.has_credential);
    assert_eq!(nobody.caller.role.name(), "anon");
}

#[tokio::test]
async fn both_default_keys_work_in_both_forms_as_key_and_as_bearer() {
    let world = World::new().await;
    let keys = world.auth.default_keys().unwrap();
    for (text, role) in [
        (keys.publishable.as_str(), "anon"),
        (keys.anon_token.as_str(), "anon"),
        (keys.secret.expose().as_str(), "service_role"),
        (keys.service_token.expose().as_str(), "service_role"),
    ] {
        let as_key = Credentials { apikey: Some(Secret::from(text)), ..Credentials::default() };
        let as_bearer = Credentials { bearer: Some(Secret::from(text)), ..Credentials::default() };
        for credentials in [as_key, as_bearer, both(text, text)] {
            let known = world.auth.identify(&credentials, Some([192, 0, 2, 1].into())).await.unwrap();
            assert!(known.has_credential);
            assert_eq!(known.caller.role.name(), role);
            assert_eq!(known.caller.address, Some([192, 0, 2, 1].into()));
            assert_eq!(matches!(known.caller.who, Who::Service { .. }), role == "service_role");
        }
    }
}

#[tokio::test]
async fn a_person_with_a_key_is_the_person() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let keys = world.auth.default_keys().unwrap();
    for key in [&keys.publishable, &keys.anon_token, keys.secret.expose()] {
        let known = world.auth.identify(&both(key, ann.access_token.expose()), None).await.unwrap();
        assert_eq!(known.caller.signed_in().unwrap().user, ann.user.id);
        assert_eq!(known.caller.role.name(), "authenticated");
    }
}

/// Attack row 82.
#[tokio::test]
async fn two_credentials_that_contradict_each_other_are_refused() {
    let world = World::new().await;
    let (ann, bob) = (world.sign_up("ann@example.com").await, world.sign_up("bob@example.com").await);
    let keys = world.auth.default_keys().unwrap();
    let (ann, bob) = (ann.access_token.expose(), bob.access_token.expose());
    for credentials in
        [both(ann, bob), both(keys.secret.expose(), &keys.publishable), both(ann, &keys.publishable)]
    {
        assert!(matches!(world.auth.identify(&credentials, None).await, Err(Error::Ambiguous(_))));
    }
    for bad in ["sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_AAAAAAAA", "nonsense", "a.b.c"] {
        assert!(matches!(world.auth.identify(&both(bad, ann), None).await, Err(Error::BadKey)), "{bad}");
        assert!(world.auth.identify(&both(&keys.publishable, bad), None).await.is_err(), "{bad}");
    }
}

/// Control 47.
#[tokio::test]
async fn a_secret_key_from_a_browser_is_refused() {
    let world = World::new().await;
    let keys = world.auth.default_keys().unwrap();
    for text in [keys.secret.expose(), keys.service_token.expose()] {
        let credentials = Credentials {
            apikey: Some(Secret::from(text.as_str())),
            browser: true,
            ..Credentials::default()
        };
        assert!(matches!(world.auth.identify(&credentials, None).await, Err(Error::SecretKeyInBrowser)));
    }
    let ann = world.sign_up("ann@example.com").await;
    let with_a_person =
        Credentials { browser: true, ..both(keys.secret.expose(), ann.access_token.expose()) };
    assert!(matches!(world.auth.identify(&with_a_person, None).await, Err(Error::SecretKeyInBrowser)));
    let publishable = Some(Secret::from(keys.publishable.as_str()));
    let credentials = Credentials { apikey: publishable, browser: true, ..Credentials::default() };
    assert!(world.auth.identify(&credentials, None).await.is_ok());
}

#[tokio::test]
async fn an_access_token_dies_with_its_last_second_even_if_it_was_remembered() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    world.clock.advance(Duration::from_secs(899));
    assert!(world.bearer(ann.access_token.expose()).await.is_ok());
    world.clock.advance(Duration::from_secs(1));
    assert!(matches!(world.bearer(ann.access_token.expose()).await, Err(Error::TokenExpired)));
    assert!(matches!(world.bearer(ann.access_token.expose()).await, Err(Error::TokenExpired)));
}

/// Attack row 41.
#[tokio::test]
async fn a_token_of_another_instance_is_refused() {
    let (ours, theirs) = (World::new().await, World::new().await);
    let eve = theirs.sign_up("eve@example.com").await;
    assert!(matches!(ours.bearer(eve.access_token.expose()).await, Err(Error::BadToken(_))));
    let keys = theirs.auth.default_keys().unwrap();
    assert!(ours.bearer(&keys.anon_token).await.is_err());
}

fn shared(settings: Settings) -> Settings {
    settings.with("auth.jwt_secret", SECRET)
}

fn signed(claims: Value) -> String {
    SigningKey::hs256(SECRET.as_bytes()).sign(&object(claims)).unwrap()
}

#[tokio::test]
async fn a_given_secret_signs_and_is_understood_by_others() {
    let world = World::with(shared(Settings::default()), Profile::Dev).await;
    let ann = world.sign_up("ann@example.com").await;
    let mut ring = seal::KeyRing::default();
    ring.add(SigningKey::hs256(SECRET.as_bytes()).verify_key().clone());
    assert!(ring.verify(ann.access_token.expose()).is_ok());
    assert!(world.bearer(ann.access_token.expose()).await.is_ok());

    let world = World::with(shared(Settings::default()).with("jwt.signing", "es256"), Profile::Dev).await;
    let ann = world.sign_up("ann@example.com").await;
    assert!(ring.verify(ann.access_token.expose()).is_err(), "it is kept for verification only");
    assert!(world.bearer(&signed(json!({ "role": "service_role" }))).await.is_ok());
}

/// AppFlowy's service tokens, and those that other products mint with the same secret.
#[tokio::test]
async fn tokens_that_are_only_a_role_are_accepted_when_signed_with_the_configured_secret() {
    let world = World::with(shared(Settings::default()), Profile::Dev).await;
    let service = world.bearer(&signed(json!({ "role": "service_role" }))).await.unwrap();
    assert_eq!(service.caller.role.name(), "service_role");
    assert!(matches!(service.caller.who, Who::Service { .. }));
    let without = World::new().await;
    assert!(matches!(
        without.bearer(&signed(json!({ "role": "service_role" }))).await,
        Err(Error::BadToken(_))
    ));
}

/// Nobody with the shared secret can invent a session: its row is asked for.
#[tokio::test]
async fn an_invented_session_is_refused() {
    let world = World::with(shared(Settings::default()), Profile::Dev).await;
    let ann = world.sign_up("ann@example.com").await;
    let bob = world.sign_up("bob@example.com").await;
    let claims = |user: uuid::Uuid, session: uuid::Uuid| {
        json!({
            "sub": user, "session_id": session, "aud": "authenticated", "iss": "http://127.0.0.1:8000/auth/v1",
            "role": "authenticated", "exp": world.now() + 60,
        })
    };
    assert!(world.bearer(&signed(claims(ann.user.id, ann.session))).await.is_ok());
    for (user, session) in [(ann.user.id, bob.session), (ann.user.id, uuid::Uuid::from_u128(1))] {
        assert!(matches!(world.bearer(&signed(claims(user, session))).await, Err(Error::TokenRevoked)));
    }
}
