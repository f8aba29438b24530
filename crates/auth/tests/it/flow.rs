//! Flows and their codes against a real PostgreSQL.

use std::time::Duration;

use auth::{Challenge, Error, Grant, NewFlow};
use base::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pg::Reason;
use seal::sha256;

use crate::world::{World, claims_of};

const VERIFIER: &str = "a-verifier-of-somebody-who-began-the-flow-0123";

fn challenge() -> Challenge {
    let made = URL_SAFE_NO_PAD.encode(sha256(VERIFIER.as_bytes()));
    Challenge::read(Some(&made), Some("s256")).unwrap().unwrap()
}

/// The code of a flow of `ann` that ended well.
async fn code(world: &World, ann: &Grant, challenge: Option<&Challenge>) -> Secret<String> {
    let mut tx = world.pg.begin_system(Reason::Identify).await.unwrap();
    let new =
        NewFlow { user: Some(ann.user.id), challenge, provider: "email", method: "magiclink", back_to: None };
    let id = world.auth.begin_flow(&mut tx, new).await.unwrap();
    let flow = world.auth.returned_flow(&mut tx, id).await.unwrap();
    assert_eq!((flow.id, flow.provider.as_str(), flow.back_to), (id, "email", None));
    let code = world.auth.issue_code(&mut tx, id, ann.user.id, "magiclink").await.unwrap();
    let again = world.auth.issue_code(&mut tx, id, ann.user.id, "magiclink").await;
    assert!(matches!(again, Err(Error::FlowNotFound)), "a flow gives one code");
    tx.commit(()).await.unwrap().into_inner();
    code
}

async fn exchange(world: &World, code: &Secret<String>, verifier: &str) -> Result<Grant, Error> {
    Ok(world.auth.exchange_code(code, &verifier.into(), &world.visit()).await?.into_inner())
}

#[tokio::test]
async fn whoever_began_a_flow_gets_its_session_once() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let code = code(&world, &ann, Some(&challenge())).await;
    let rows = world.db.admin().await.query_one("select auth_code from auth.flow_state", &[]).await.unwrap();
    assert_ne!(&rows.get::<_, String>(0), code.expose(), "what is stored is no code");
    let grant = exchange(&world, &code, VERIFIER).await.unwrap();
    assert_eq!(grant.user.id, ann.user.id);
    assert_eq!(claims_of(grant.access_token.expose())["amr"][0]["method"], "magiclink");
    assert!(matches!(exchange(&world, &code, VERIFIER).await, Err(Error::FlowNotFound)));
    assert!(world.events().await.contains(&"auth.code_refused".to_owned()));
}

#[tokio::test]
async fn fifty_exchanges_of_one_code_make_one_session() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let code = code(&world, &ann, Some(&challenge())).await;
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let (auth, code, visit) = (world.auth.clone(), code.clone(), world.visit());
            tokio::spawn(async move {
                auth.exchange_code(&code, &VERIFIER.into(), &visit).await.map(pg::Reply::into_inner)
            })
        })
        .collect();
    let mut granted = 0;
    for tried in tries {
        granted += usize::from(tried.await.unwrap().is_ok());
    }
    assert_eq!(granted, 1);
}

#[tokio::test]
async fn a_code_is_spent_by_whoever_guesses_its_verifier() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let code = code(&world, &ann, Some(&challenge())).await;
    let wrong = exchange(&world, &code, "a-verifier-of-somebody-else-who-found-the-code").await;
    assert!(matches!(wrong, Err(Error::CodeVerifier)));
    assert!(matches!(exchange(&world, &code, VERIFIER).await, Err(Error::FlowNotFound)));
}

#[tokio::test]
async fn a_flow_without_a_challenge_has_no_code_to_exchange() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let code = code(&world, &ann, None).await;
    assert!(matches!(exchange(&world, &code, "").await, Err(Error::CodeVerifier)));
}

#[tokio::test]
async fn a_code_and_a_flow_grow_old() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let code = code(&world, &ann, Some(&challenge())).await;
    world.clock.advance(Duration::from_secs(300));
    assert!(matches!(exchange(&world, &code, VERIFIER).await, Err(Error::FlowExpired)));
    let mut tx = world.pg.begin_system(Reason::Identify).await.unwrap();
    let new = NewFlow { user: None, challenge: None, provider: "google", method: "oauth", back_to: None };
    let id = world.auth.begin_flow(&mut tx, new).await.unwrap();
    assert!(world.auth.returned_flow(&mut tx, id).await.is_ok());
    world.clock.advance(Duration::from_secs(300));
    assert!(matches!(world.auth.returned_flow(&mut tx, id).await, Err(Error::FlowExpired)));
    let nowhere = world.auth.returned_flow(&mut tx, ann.user.id).await;
    assert!(matches!(nowhere, Err(Error::FlowNotFound)));
    world.clock.advance(Duration::from_secs(3_600));
    let new = NewFlow { user: None, challenge: None, provider: "google", method: "oauth", back_to: None };
    world.auth.begin_flow(&mut tx, new).await.unwrap();
    tx.commit(()).await.unwrap().into_inner();
    assert_eq!(world.count("select count(*) from auth.flow_state").await, 1, "forgotten flows go");
}

#[tokio::test]
async fn a_banned_person_exchanges_nothing() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let code = code(&world, &ann, Some(&challenge())).await;
    let ban = auth::UserFields { ban_duration: Some("1h".into()), ..Default::default() };
    world.auth.admin_change(ann.user.id, ban, &world.visit()).await.unwrap().into_inner();
    assert!(matches!(exchange(&world, &code, VERIFIER).await, Err(Error::Banned)));
}
