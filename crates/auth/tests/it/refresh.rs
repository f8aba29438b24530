//! Refresh tokens: rotation, grace, reuse, ends.

use std::collections::HashSet;
use std::time::Duration;

use auth::{Error, Scope};

use crate::world::{PASSWORD, World, bearer};

#[tokio::test]
async fn a_refresh_token_is_replaced_when_used() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    world.clock.advance(Duration::from_secs(600));
    let next = world.refresh(&ann.refresh_token).await.unwrap();
    assert_ne!(next.refresh_token.expose(), ann.refresh_token.expose());
    assert_eq!(next.session, ann.session);
    assert!(world.bearer(next.access_token.expose()).await.is_ok());
    assert!(world.refresh(&next.refresh_token).await.is_ok());
    assert_eq!(world.count("select count(*) from auth.refresh_tokens").await, 0, "no token is stored");
    let clear = format!(
        "select count(*) from auth.sessions where sessions::text like '%{}%'",
        next.refresh_token.expose()
    );
    assert_eq!(world.count(&clear).await, 0);
}

/// Attack row 10.
#[tokio::test]
async fn a_hundred_parallel_refreshes_give_one_child() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let auth = &world.auth;
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (auth, token, visit) = (auth.clone(), ann.refresh_token.clone(), world.visit());
            tokio::spawn(async move { auth.refresh(token.expose(), &visit).await.map(pg::Reply::into_inner) })
        })
        .collect();
    let mut children = HashSet::new();
    for task in tasks {
        children.insert(task.await.unwrap().unwrap().refresh_token.expose().clone());
    }
    assert_eq!(children.len(), 1);
    assert_eq!(world.count("select refresh_token_counter from auth.sessions").await, 1);
}

/// Attack row 11: a lost answer, asked for again after being offline, is no theft.
#[tokio::test]
async fn a_lost_answer_is_given_again_within_the_grace() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let first = world.refresh(&ann.refresh_token).await.unwrap();
    world.clock.advance(Duration::from_secs(20));
    let again = world.refresh(&ann.refresh_token).await.unwrap();
    assert_eq!(first.refresh_token.expose(), again.refresh_token.expose());
    assert!(world.refresh(&again.refresh_token).await.is_ok());
}

/// Attack row 11: later it is.
#[tokio::test]
async fn a_stolen_refresh_token_ends_the_family_when_it_is_used_again() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let thief = world.refresh(&ann.refresh_token).await.unwrap();
    world.clock.advance(Duration::from_secs(31));
    assert!(matches!(world.refresh(&ann.refresh_token).await, Err(Error::RefreshUsed)));
    assert!(matches!(world.refresh(&thief.refresh_token).await, Err(Error::RefreshNotFound)));
    assert!(matches!(world.bearer(thief.access_token.expose()).await, Err(Error::TokenRevoked)));
    assert!(world.events().await.contains(&"auth.token_reuse_detected".to_owned()));
    assert!(world.sign_in("ann@example.com", PASSWORD).await.is_ok(), "the owner signs in again");
}

#[tokio::test]
async fn a_tab_two_generations_behind_within_the_grace_gets_the_current_token() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let second = Duration::from_secs(1);
    let child = world.refresh(&ann.refresh_token).await.unwrap();
    world.clock.advance(20 * second);
    let grandchild = world.refresh(&child.refresh_token).await.unwrap();
    world.clock.advance(9 * second);
    let late = world.refresh(&ann.refresh_token).await.unwrap();
    assert_eq!(late.refresh_token.expose(), grandchild.refresh_token.expose());
    // The grace is each token's own: that of the grandparent is over, however fresh the last refresh is.
    world.clock.advance(2 * second);
    assert!(world.refresh(&child.refresh_token).await.is_ok());
    assert!(matches!(world.refresh(&ann.refresh_token).await, Err(Error::RefreshUsed)));
    assert!(matches!(world.refresh(&grandchild.refresh_token).await, Err(Error::RefreshNotFound)));
}

/// A thief with an old token does not get in because the owner refreshed a moment ago.
#[tokio::test]
async fn an_old_refresh_token_stays_old_while_its_owner_refreshes() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let mut token = ann.refresh_token.clone();
    for _ in 0..12 {
        world.clock.advance(Duration::from_secs(5));
        token = world.refresh(&token).await.unwrap().refresh_token;
    }
    assert!(matches!(world.refresh(&ann.refresh_token).await, Err(Error::RefreshUsed)));
}

/// Control 28.
#[tokio::test]
async fn sessions_end_when_idle_and_when_old() {
    let world = World::new().await;
    let idle = world.sign_up("idle@example.com").await;
    let busy = world.sign_up("busy@example.com").await;
    let day = Duration::from_secs(86_400);
    let mut token = busy.refresh_token;
    for _ in 0..6 {
        world.clock.advance(day);
        token = world.refresh(&token).await.unwrap().refresh_token;
    }
    world.clock.advance(day);
    let refused = world.refresh(&idle.refresh_token).await.err().unwrap();
    assert_eq!(refused.to_string(), "Invalid Refresh Token: Session Expired (Inactivity)");
    for _ in 0..22 {
        token = world.refresh(&token).await.unwrap().refresh_token;
        world.clock.advance(day);
    }
    world.clock.advance(day);
    let refused = world.refresh(&token).await.err().unwrap();
    assert_eq!(refused.to_string(), "Invalid Refresh Token: Session Expired");
    assert_eq!(world.count("select count(*) from auth.sessions").await, 0);
}

#[tokio::test]
async fn forged_and_foreign_refresh_tokens_are_refused() {
    let (world, other) = (World::new().await, World::new().await);
    let ann = world.sign_up("ann@example.com").await;
    let eve = other.sign_up("eve@example.com").await;
    assert!(matches!(world.refresh(&eve.refresh_token).await, Err(Error::RefreshNotFound)));
    for text in ["", "abcdefghijkl", ann.access_token.expose()] {
        let refused = world.auth.refresh(text, &world.visit()).await;
        assert!(matches!(refused, Err(Error::RefreshMalformed)), "{text}");
    }
    let key = "update auth.sessions set refresh_token_hmac_key = (select refresh_token_hmac_key from auth.sessions limit 1)";
    let bob = world.sign_up("bob@example.com").await;
    world.db.admin().await.batch_execute(key).await.unwrap();
    let (ann, bob) = (world.refresh(&ann.refresh_token).await, world.refresh(&bob.refresh_token).await);
    assert!(ann.is_err() || bob.is_err(), "a sealed key moved to another session does not open there");
}

/// Control 30.
#[tokio::test]
async fn a_signed_out_session_is_refused_at_once() {
    let world = World::new().await;
    let one = world.sign_up("ann@example.com").await;
    let two = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    let three = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    let mut told = world.auth.revocations().subscribe();
    let out = async |grant: &auth::Grant, scope| {
        let visit = world.visit_of(grant).await;
        world.auth.sign_out(grant.user.id, Some(grant.session), scope, &visit).await.unwrap().into_inner();
    };
    out(&one, Scope::Local).await;
    assert_eq!(told.try_recv().unwrap(), one.session, "open connections are told");
    assert!(matches!(world.bearer(one.access_token.expose()).await, Err(Error::TokenRevoked)));
    assert!(matches!(world.refresh(&one.refresh_token).await, Err(Error::RefreshNotFound)));
    out(&two, Scope::Others).await;
    assert!(world.bearer(two.access_token.expose()).await.is_ok());
    assert!(matches!(world.bearer(three.access_token.expose()).await, Err(Error::TokenRevoked)));
    out(&two, Scope::Global).await;
    assert!(matches!(world.bearer(two.access_token.expose()).await, Err(Error::TokenRevoked)));
}

/// Control 30, attack row 42: a node that cached the token hears of its end.
#[tokio::test]
async fn a_session_that_ended_on_one_node_is_refused_on_the_others() {
    let world = World::new().await;
    let node = world.another_node().await;
    let ann = world.sign_up("ann@example.com").await;
    assert!(bearer(&node, ann.access_token.expose()).await.is_ok());
    assert!(node.revocations().is_sure(), "it answers from memory");
    let visit = world.visit_of(&ann).await;
    world.auth.sign_out(ann.user.id, Some(ann.session), Scope::Global, &visit).await.unwrap().into_inner();
    let refused = testkit::eventually_within(Duration::from_secs(1), async || {
        bearer(&node, ann.access_token.expose()).await.err()
    });
    assert!(matches!(refused.await, Error::TokenRevoked));
}

/// A node that hears nothing asks the database.
#[tokio::test]
async fn without_a_channel_the_database_is_asked() {
    let world = World::new().await;
    let deaf = crate::world::open(
        &world.db,
        &world.audit,
        &world.root,
        base::Settings::default(),
        base::Profile::Dev,
        world.clock.clock(),
    );
    let deaf = deaf.await.unwrap();
    let ann = world.sign_up("ann@example.com").await;
    assert!(bearer(&deaf, ann.access_token.expose()).await.is_ok());
    let visit = world.visit_of(&ann).await;
    world.auth.sign_out(ann.user.id, Some(ann.session), Scope::Global, &visit).await.unwrap().into_inner();
    assert!(matches!(bearer(&deaf, ann.access_token.expose()).await, Err(Error::TokenRevoked)));
}
