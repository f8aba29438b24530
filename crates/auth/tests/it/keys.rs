//! The life of keys.

use auth::Error;
use base::{Profile, Settings};

use crate::world::{World, bearer, open};

/// Attack row 42.
#[tokio::test]
async fn a_rotated_key_verifies_until_it_is_retired() {
    let world = World::new().await;
    let node = world.another_node().await;
    let old = world.sign_up("ann@example.com").await;
    let kid = |token: &str| {
        let header = token.split('.').next().unwrap();
        let bytes =
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header).unwrap();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    let published: Vec<_> =
        world.auth.jwks()["keys"].as_array().unwrap().iter().map(|key| key["kid"].to_string()).collect();
    assert_eq!(published.len(), 2, "the next key is published before it signs");
    assert!(bearer(&node, old.access_token.expose()).await.is_ok());
    world.auth.rotate_signing_keys(&world.visit()).await.unwrap().into_inner();
    let new = world.sign_up("bob@example.com").await;
    let (old_kid, new_kid) = (kid(old.access_token.expose()), kid(new.access_token.expose()));
    assert_ne!(old_kid, new_kid);
    assert!(published.contains(&format!("\"{new_kid}\"")));
    assert!(world.bearer(old.access_token.expose()).await.is_ok(), "nobody is signed out");
    assert!(
        bearer(&node, new.access_token.expose()).await.is_ok(),
        "the other node knows the key that was next"
    );
    world.auth.retire_signing_key(&old_kid, &world.visit()).await.unwrap().into_inner();
    assert!(matches!(world.bearer(old.access_token.expose()).await, Err(Error::KeyGivenUp)));
    let refused = testkit::eventually(async || bearer(&node, old.access_token.expose()).await.err()).await;
    assert!(matches!(refused, Error::KeyGivenUp));
    assert!(world.bearer(new.access_token.expose()).await.is_ok());
}

#[tokio::test]
async fn a_revoked_api_key_is_refused_in_both_forms() {
    let world = World::new().await;
    let keys = world.auth.default_keys().unwrap();
    for text in [keys.secret.expose(), keys.service_token.expose()] {
        assert!(world.bearer(text).await.is_ok());
    }
    world.auth.revoke_api_key("default_secret", &world.visit()).await.unwrap().into_inner();
    for text in [keys.secret.expose(), keys.service_token.expose()] {
        assert!(matches!(world.bearer(text).await, Err(Error::BadKey)));
    }
    assert!(world.bearer(&keys.publishable).await.is_ok());
}

#[tokio::test]
async fn keys_are_found_again_at_the_next_start_and_nodes_share_them() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let again =
        || open(&world.db, &world.audit, &world.root, Settings::default(), Profile::Dev, world.clock.clock());
    let (one, two) = tokio::join!(again(), again());
    for node in [one.unwrap(), two.unwrap()] {
        assert!(bearer(&node, ann.access_token.expose()).await.is_ok());
        assert_eq!(node.default_keys().unwrap().publishable, world.auth.default_keys().unwrap().publishable);
        assert_eq!(node.jwks(), world.auth.jwks());
    }
}

#[tokio::test]
async fn key_material_is_sealed_in_the_database() {
    let world = World::new().await;
    let keys = world.auth.default_keys().unwrap();
    let dump = "select coalesce(string_agg(t::text, ''), '') from (select s::text as t from palisade.signing_keys s \
                union all select a::text from palisade.api_keys a) x(t)";
    let text: String = world.db.admin().await.query_one(dump, &[]).await.unwrap().get(0);
    assert!(!text.contains(keys.secret.expose()));
    // The fixed middle of every P-256 private key in PKCS #8 (RFC 5915).
    assert!(!text.contains("06082a8648ce3d030107"), "a private key lies in the clear");
    assert!(text.contains("\\x"));
}

/// Attack row 42: also after the next start, and until it has another value.
#[tokio::test]
async fn a_shared_secret_that_was_given_up_is_never_believed_again() {
    const LOST: &str = "kH7fD2mQ9xR4tW8zB1nV6pL3sJ5gA0cE";
    const OTHER: &str = "zQ4vN8cJ1tY6wK3hS9dF2xG5mB7rP0aL";
    let verifying =
        |secret: &str| Settings::default().with("auth.jwt_secret", secret).with("jwt.signing", "es256");
    let world = World::with(verifying(LOST), Profile::Dev).await;
    let node = world.another_node().await;
    let claims = serde_json::json!({ "role": "service_role", "exp": 4_102_444_800_i64 });
    let signed =
        |secret: &str| seal::SigningKey::hs256(secret.as_bytes()).sign(claims.as_object().unwrap()).unwrap();
    assert!(bearer(&node, &signed(LOST)).await.is_ok());
    let replaced = world.auth.replace_signing_keys(true, &world.visit()).await.unwrap().into_inner();
    assert!(replaced.refused.iter().any(|name| name == "auth.jwt_secret"), "{:?}", replaced.refused);
    assert!(matches!(world.bearer(&signed(LOST)).await, Err(Error::BadToken(_))));
    let refused = testkit::eventually(async || bearer(&node, &signed(LOST)).await.err()).await;
    assert!(matches!(refused, Error::BadToken(_)));
    let start = async |settings: Settings| {
        open(&world.db, &world.audit, &world.root, settings, Profile::Dev, world.clock.clock()).await
    };
    let again = start(verifying(LOST)).await.unwrap();
    assert!(bearer(&again, &signed(LOST)).await.is_err());
    let changed = start(verifying(OTHER)).await.unwrap();
    assert!(bearer(&changed, &signed(OTHER)).await.is_ok() && bearer(&changed, &signed(LOST)).await.is_err());
    // Nor does it sign.
    let signing = Settings::default().with("auth.jwt_secret", LOST);
    assert!(matches!(start(signing).await, Err(Error::Unsafe { .. })));
    // The secret itself is not kept.
    let kept = "select coalesce(string_agg(l::text, ''), '') from palisade.lost_secrets l";
    let kept: String = world.db.admin().await.query_one(kept, &[]).await.unwrap().get(0);
    assert!(!kept.is_empty() && !kept.contains(&hex::encode(seal::sha256(LOST.as_bytes()))));
}

/// Attack row 45.
#[tokio::test]
async fn row_45_an_instance_with_a_demo_secret_does_not_start() {
    let world = World::new().await;
    let demo = Settings::default()
        .with("auth.jwt_secret", "super-secret-jwt-token-with-at-least-32-characters-long");
    let refused = open(&world.db, &world.audit, &world.root, demo, Profile::Dev, world.clock.clock()).await;
    assert!(matches!(refused, Err(Error::Unsafe { .. })));
    // The demo key of Supabase's documentation: issuer supabase-demo, signed with the secret above.
    let signed = seal::SigningKey::hs256(b"super-secret-jwt-token-with-at-least-32-characters-long");
    let claims = serde_json::json!({ "iss": "supabase-demo", "role": "service_role", "exp": 1_983_812_996 });
    let demo_key = signed.sign(claims.as_object().unwrap()).unwrap();
    assert!(world.bearer(&demo_key).await.is_err());
}

/// A node that hears nothing reads the keys again every second.
#[tokio::test]
async fn a_key_revoked_elsewhere_is_refused_within_a_second_even_by_a_deaf_node() {
    let world = World::new().await;
    let deaf =
        open(&world.db, &world.audit, &world.root, Settings::default(), Profile::Dev, world.clock.clock());
    let deaf = deaf.await.unwrap();
    let secret = world.auth.default_keys().unwrap().secret;
    assert!(bearer(&deaf, secret.expose()).await.is_ok());
    world.auth.revoke_api_key("default_secret", &world.visit()).await.unwrap().into_inner();
    world.clock.advance(std::time::Duration::from_secs(1));
    assert!(matches!(bearer(&deaf, secret.expose()).await, Err(Error::BadKey)));
}

#[tokio::test]
async fn a_lent_key_opens_under_its_own_name_and_ends_when_it_is_taken_back_or_forgotten() {
    let world = World::new().await;
    let (id, text) = world.auth.lend_key().await.unwrap();
    let lent = world.bearer(text.expose()).await.unwrap();
    assert_eq!(lent.caller.actor(), format!("key:{id}"), "its requests are on a budget of its own");
    world.auth.take_back_key(&id).await.unwrap();
    assert!(matches!(world.bearer(text.expose()).await, Err(Error::BadKey)));

    let (_, forgotten) = world.auth.lend_key().await.unwrap();
    world.clock.advance(std::time::Duration::from_secs(31 * 60));
    assert!(world.bearer(forgotten.expose()).await.is_err(), "a killed round's key ends by itself");
    world.auth.take_back_key("default_secret").await.unwrap();
    let own = world.auth.default_keys().unwrap().secret;
    assert!(world.bearer(own.expose()).await.is_ok(), "only lent keys can be taken back");
}

/// Two changes close together: what was read before the second is not what holds after it, whoever is done last.
#[tokio::test]
async fn keys_that_were_read_before_a_change_never_replace_those_read_after_it() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    // Whoever reads keys comes by here, between the signing keys and the others.
    let waits = |body: &str| {
        format!(
            "create or replace function public.pause() returns trigger language plpgsql as 'begin {body}; return null; end'"
        )
    };
    let admin = world.db.admin().await;
    admin.batch_execute(&waits("perform pg_catalog.pg_advisory_xact_lock_shared(4242)")).await.unwrap();
    let pause = "create trigger pause before insert on palisade.api_keys for each statement execute function public.pause();
                 select pg_advisory_lock(4242)";
    admin.batch_execute(pause).await.unwrap();
    let (first, second) = (world.auth.clone(), world.auth.clone());
    let visit = world.visit();
    let slow = tokio::spawn(async move { first.revoke_api_key("default_secret", &visit).await.map(drop) });
    let waiting = "select 1 from pg_locks where locktype = 'advisory' and not granted";
    testkit::eventually(async || admin.query_opt(waiting, &[]).await.unwrap()).await;
    admin.batch_execute(&waits("null")).await.unwrap();
    let (visit, token) = (world.visit(), ann.access_token.expose().clone());
    let mut quick = tokio::spawn(async move {
        second.replace_signing_keys(true, &visit).await.map(drop).unwrap();
        bearer(&second, &token).await.err()
    });
    let done = tokio::time::timeout(std::time::Duration::from_secs(2), &mut quick).await;
    admin.batch_execute("select pg_advisory_unlock(4242)").await.unwrap();
    slow.await.unwrap().unwrap();
    let refused = match done {
        Ok(done) => done.unwrap(),
        Err(_) => quick.await.unwrap(),
    };
    assert!(matches!(refused, Some(Error::KeyGivenUp)));
    assert!(matches!(world.bearer(ann.access_token.expose()).await, Err(Error::KeyGivenUp)));
}
