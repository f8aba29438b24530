//! Sessions: one way to begin them, levels, duties, and which of them live.

use auth::{Error, Opening, Way};
use base::{Profile, Settings};
use pg::Reason;

use crate::world::{PASSWORD, World, claims_of};

#[tokio::test]
async fn every_way_in_begins_its_session_in_the_same_place() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await.user;
    let mut tx = world.pg.begin_system(Reason::Identify).await.unwrap();
    let opening = Opening::by(Way::Otp);
    let opened = world.auth.open_session(&mut tx, ann.clone(), opening, &world.visit()).await.unwrap();
    let grant = world.auth.commit_session(tx, opened).await.unwrap().into_inner();
    let claims = claims_of(grant.access_token.expose());
    assert_eq!((&claims["amr"][0]["method"], &claims["aal"]), (&"otp".into(), &"aal1".into()));
    world.db.admin().await.batch_execute("update auth.users set banned_until = '2999-01-01'").await.unwrap();
    let mut tx = world.pg.begin_system(Reason::Identify).await.unwrap();
    let rows = world.auth.admin_get(ann.id).await.unwrap().into_inner();
    let refused = world.auth.open_session(&mut tx, rows, Opening::by(Way::Otp), &world.visit()).await;
    assert!(matches!(refused, Err(Error::Banned)));
}

#[tokio::test]
async fn a_second_proof_raises_the_session_and_survives_its_refresh() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    world.clock.advance(std::time::Duration::from_secs(1));
    let mut tx = world.pg.begin_system(Reason::OwnAccount).await.unwrap();
    let visit = world.visit_of(&ann).await;
    let raised = world
        .auth
        .raise_session(&mut tx, ann.session, ann.user.clone(), Way::Totp, None, &visit)
        .await
        .unwrap();
    let grant = world.auth.commit_session(tx, raised).await.unwrap().into_inner();
    assert_eq!(grant.session, ann.session);
    let next = world.refresh(&grant.refresh_token).await.unwrap();
    for token in [&grant.access_token, &next.access_token] {
        let claims = claims_of(token.expose());
        assert_eq!(claims["aal"], "aal2");
        assert_eq!(claims["amr"][0]["method"], "totp");
        assert_eq!(claims["amr"][1]["method"], "password");
    }
    let bob = world.sign_up("bob@example.com").await;
    let mut tx = world.pg.begin_system(Reason::OwnAccount).await.unwrap();
    let foreign = world.auth.raise_session(&mut tx, ann.session, bob.user, Way::Totp, None, &visit).await;
    assert!(matches!(foreign, Err(Error::TokenRevoked)), "a session is raised by its own person only");
}

#[tokio::test]
async fn with_single_session_a_sign_in_ends_the_others() {
    for (single, lives) in [("false", true), ("true", false)] {
        let world = World::with(Settings::default().with("auth.single_session", single), Profile::Dev).await;
        let first = world.sign_up("ann@example.com").await;
        let second = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        assert_eq!(world.bearer(first.access_token.expose()).await.is_ok(), lives);
        assert!(world.bearer(second.access_token.expose()).await.is_ok());
    }
}

#[tokio::test]
async fn a_person_has_at_most_so_many_sessions_and_the_oldest_end() {
    let world = World::new().await;
    let first = world.sign_up("ann@example.com").await;
    let many = "insert into auth.sessions (id, user_id, created_at) select gen_random_uuid(), user_id, \
         created_at + interval '1 second' * n from auth.sessions, generate_series(1, 99) n";
    world.db.admin().await.batch_execute(many).await.unwrap();
    world.clock.advance(std::time::Duration::from_secs(200));
    let last = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    assert_eq!(world.count("select count(*) from auth.sessions").await, 100);
    assert!(world.bearer(last.access_token.expose()).await.is_ok());
    assert!(matches!(world.bearer(first.access_token.expose()).await, Err(Error::TokenRevoked)));
}

/// The address is part of the issuer; a start at another port is the same instance.
#[tokio::test]
async fn tokens_of_an_earlier_address_of_this_instance_are_still_ours() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let elsewhere = Settings::default().with("auth.external_url", "http://127.0.0.1:9999");
    let moved = crate::world::open(
        &world.db,
        &world.audit,
        &world.root,
        elsewhere,
        Profile::Dev,
        world.clock.clock(),
    );
    let moved = moved.await.unwrap();
    assert_eq!(moved.rules().issuer, "http://127.0.0.1:9999/auth/v1");
    assert!(crate::world::bearer(&moved, ann.access_token.expose()).await.is_ok());
    let other =
        World::with(Settings::default().with("auth.external_url", "http://127.0.0.1:7777"), Profile::Dev)
            .await;
    assert!(other.bearer(ann.access_token.expose()).await.is_err(), "another instance's are not");
}
