//! Second factors: enrolled, shown, guessed at, lost.

use std::time::Duration;

use auth::mfa::{Answer, Enrol, Enrolled, Error as Mfa, FactorType};
use auth::{Error, Grant, UserChange};
use base::{Level, Secret, Settings};
use testkit::{totp, wrong_totp};
use uuid::Uuid;

use crate::world::{PASSWORD, World, claims_of};

/// An authenticator app.
pub struct App {
    pub id: Uuid,
    pub secret: String,
}

impl App {
    pub fn code(&self, world: &World) -> Secret<String> {
        Secret::new(totp(&self.secret, world.now()))
    }

    pub fn wrong(&self, world: &World) -> Secret<String> {
        Secret::new(wrong_totp(&self.secret, world.now()))
    }
}

fn ask(name: &str) -> Enrol {
    Enrol { kind: FactorType::Totp, friendly_name: name.to_owned(), issuer: None, phone: None }
}

async fn enrol(world: &World, grant: &Grant, name: &str) -> Result<Enrolled, Error> {
    let visit = world.visit_of(grant).await;
    Ok(world.auth.enrol_factor(ask(name), &visit).await?.into_inner())
}

async fn show(world: &World, grant: &Grant, factor: Uuid, code: &Secret<String>) -> Result<Grant, Error> {
    let visit = world.visit_of(grant).await;
    let challenge = world.auth.challenge_factor(factor, &visit).await?.into_inner();
    let answer = Answer::Code(code.clone());
    Ok(world.auth.verify_factor(factor, challenge.id, &answer, &visit).await?.into_inner())
}

/// Enrols and shows an authenticator app: the session at its new level, and the app.
pub async fn with_totp(world: &World, grant: &Grant) -> (Grant, App) {
    let enrolled = enrol(world, grant, "phone").await.unwrap();
    let app = App { id: enrolled.id, secret: enrolled.totp.unwrap().secret.expose().clone() };
    let code = app.code(world);
    let raised = show(world, grant, app.id, &code).await.unwrap();
    // The next code is another one.
    world.clock.advance(Duration::from_secs(30));
    (raised, app)
}

#[tokio::test]
async fn a_shown_factor_makes_the_session_one_of_two_proofs() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let other = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    let (raised, _) = with_totp(&world, &ann).await;
    let claims = claims_of(raised.access_token.expose());
    assert_eq!(
        (claims["aal"].as_str(), claims["session_id"].as_str()),
        (Some("aal2"), Some(&*ann.session.to_string()))
    );
    let methods: Vec<_> =
        claims["amr"].as_array().unwrap().iter().map(|entry| entry["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["totp", "password"]);
    assert_eq!(raised.user.factors[0]["status"], "verified");
    // Whoever had the old refresh token does not rise with the session; the owner's next one does.
    assert!(matches!(world.refresh(&ann.refresh_token).await, Err(Error::RefreshNotFound)));
    let next = world.refresh(&raised.refresh_token).await.unwrap();
    assert_eq!(claims_of(next.access_token.expose())["aal"], "aal2");
    assert!(
        matches!(world.refresh(&other.refresh_token).await, Err(Error::RefreshNotFound)),
        "lower sessions end"
    );
    let fresh = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    assert_eq!(claims_of(fresh.access_token.expose())["aal"], "aal1", "a password alone is one proof");
    let sealed = "select count(*) from auth.mfa_factors where secret is not null and length(secret) > 60";
    assert_eq!(world.count(sealed).await, 1);
    let events = world.events().await;
    for event in ["auth.factor_enrolled", "auth.factor_challenged", "auth.factor_verified"] {
        assert!(events.iter().any(|known| known == event), "{event} in {events:?}");
    }
}

/// Attack row 14.
#[tokio::test]
async fn no_code_is_taken_twice() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let enrolled = enrol(&world, &ann, "").await.unwrap();
    let app = App { id: enrolled.id, secret: enrolled.totp.unwrap().secret.expose().clone() };
    let (first, before) = (app.code(&world), Secret::new(totp(&app.secret, world.now() - 30)));
    let raised = show(&world, &ann, app.id, &first).await.unwrap();
    for (code, what) in [(&first, "the same step"), (&before, "the step before")] {
        let again = show(&world, &raised, app.id, code).await;
        assert!(matches!(again, Err(Error::Mfa(Mfa::WrongCode(_)))), "{what}");
    }
    world.clock.advance(Duration::from_secs(30));
    assert!(
        matches!(show(&world, &raised, app.id, &first).await, Err(Error::Mfa(Mfa::WrongCode(_)))),
        "a step later"
    );
    show(&world, &raised, app.id, &app.code(&world)).await.unwrap();
    // Two that show the same code at once: one is let in.
    world.clock.advance(Duration::from_secs(60));
    let code = app.code(&world);
    let (one, other) =
        tokio::join!(show(&world, &raised, app.id, &code), show(&world, &raised, app.id, &code));
    assert!(one.is_ok() != other.is_ok());
}

#[tokio::test]
async fn a_challenge_is_for_its_factor_its_address_and_its_five_minutes() {
    let world = World::new().await;
    let (ann, bob) = (world.sign_up("ann@example.com").await, world.sign_up("bob@example.com").await);
    let (ann, app) = with_totp(&world, &ann).await;
    let visit = world.visit_of(&ann).await;
    let theirs = world.visit_of(&bob).await;
    assert!(matches!(world.auth.challenge_factor(app.id, &theirs).await, Err(Error::Mfa(Mfa::NotFound))));
    let verify = async |challenge: Uuid, visit: &auth::Visit| {
        let answer = Answer::Code(app.code(&world));
        world.auth.verify_factor(app.id, challenge, &answer, visit).await.map(pg::Reply::into_inner)
    };
    let challenge = world.auth.challenge_factor(app.id, &visit).await.unwrap().into_inner();
    let elsewhere = crate::world::visit((*visit.caller).clone().at("192.0.2.7".parse().unwrap()));
    assert!(matches!(verify(challenge.id, &elsewhere).await, Err(Error::Mfa(Mfa::OtherAddress))));
    assert!(matches!(verify(Uuid::nil(), &visit).await, Err(Error::Mfa(Mfa::NoChallenge))));
    world.clock.advance(Duration::from_secs(300));
    assert!(matches!(verify(challenge.id, &visit).await, Err(Error::Mfa(Mfa::ChallengeExpired))));
    let challenge = world.auth.challenge_factor(app.id, &visit).await.unwrap().into_inner();
    verify(challenge.id, &visit).await.unwrap();
    world.clock.advance(Duration::from_secs(30));
    assert!(matches!(verify(challenge.id, &visit).await, Err(Error::Mfa(Mfa::NoChallenge))), "used once");
    for _ in 0..50 {
        world.auth.challenge_factor(app.id, &visit).await.unwrap().into_inner();
    }
    assert_eq!(world.count("select count(*) from auth.mfa_challenges").await, 10, "challenges are bounded");
}

/// Attack row 15, behind the wire: whatever is changed between guesses, they are counted for the person.
#[tokio::test]
async fn wrong_codes_pause_the_person_and_the_pause_doubles() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let (ann, app) = with_totp(&world, &ann).await;
    let wrong = app.wrong(&world);
    let mut looked_at = 0;
    for round in 0..40 {
        let session =
            if round % 2 == 0 { &ann } else { &world.sign_in("ann@example.com", PASSWORD).await.unwrap() };
        match show(&world, session, app.id, &wrong).await {
            Err(Error::Mfa(Mfa::WrongCode(_))) => looked_at += 1,
            Err(Error::Mfa(Mfa::Locked { .. })) => {}
            _ => panic!("a wrong code was taken"),
        }
    }
    assert_eq!(looked_at, 5);
    assert!(matches!(
        show(&world, &ann, app.id, &app.code(&world)).await,
        Err(Error::Mfa(Mfa::Locked { .. }))
    ));
    let visit = world.visit_of(&ann).await;
    let recovery = world.auth.use_recovery_code(&Secret::from("ABCDE-FGHJK"), &visit).await;
    assert!(matches!(recovery, Err(Error::Mfa(Mfa::RecoveryLocked { .. }))), "the other endpoint waits too");
    // A node that knows nothing of it, and a restart, change nothing: it is in the database.
    world.clock.advance(Duration::from_secs(900));
    let ann = world.refresh(&ann.refresh_token).await.unwrap();
    let wrong = app.wrong(&world);
    assert!(matches!(show(&world, &ann, app.id, &wrong).await, Err(Error::Mfa(Mfa::WrongCode(_)))));
    world.clock.advance(Duration::from_secs(1_000));
    let ann = world.refresh(&ann.refresh_token).await.unwrap();
    assert!(matches!(
        show(&world, &ann, app.id, &app.code(&world)).await,
        Err(Error::Mfa(Mfa::Locked { .. }))
    ));
    world.clock.advance(Duration::from_secs(900));
    let ann = world.refresh(&ann.refresh_token).await.unwrap();
    show(&world, &ann, app.id, &app.code(&world)).await.unwrap();
    assert_eq!(world.count("select count(*) from palisade.guesses").await, 0, "a right code forgives");
}

/// Attack row 13.
#[tokio::test]
async fn a_recovery_code_is_kept_as_a_hash_and_works_once() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let visit = world.visit_of(&ann).await;
    let alone = world.auth.make_recovery_codes(false, &visit).await;
    assert!(matches!(alone, Err(Error::Mfa(Mfa::RecoveryAlone))), "they cannot be the only factor");
    let (raised, _) = with_totp(&world, &ann).await;
    let visit = world.visit_of(&raised).await;
    let made = world.auth.make_recovery_codes(false, &visit).await.unwrap().into_inner();
    assert_eq!(made.codes.len(), 10);
    for code in &made.codes {
        let text = code.expose().replace('-', "");
        let kept =
            format!("select count(*) from auth.mfa_recovery_code_sets where codes::text like '%{text}%'");
        assert_eq!(world.count(&kept).await, 0, "a code is not kept");
    }
    let low = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    let lower = world.visit_of(&low).await;
    let raised_by_code = world.auth.use_recovery_code(&made.codes[3], &lower).await.unwrap().into_inner();
    let claims = claims_of(raised_by_code.access_token.expose());
    assert_eq!(
        (claims["aal"].as_str(), claims["amr"][0]["method"].as_str()),
        (Some("aal2"), Some("mfa/recovery_code"))
    );
    let low = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    let lower = world.visit_of(&low).await;
    let again = world.auth.use_recovery_code(&made.codes[3], &lower).await;
    assert!(matches!(again, Err(Error::Mfa(Mfa::WrongRecoveryCode))), "a code works once");
    let (one, other) = tokio::join!(
        world.auth.use_recovery_code(&made.codes[4], &lower),
        world.auth.use_recovery_code(&made.codes[4], &lower),
    );
    assert!(one.is_ok() != other.is_ok(), "of two at once one wins");
    let left = world.auth.recovery_state(&visit).await.unwrap().into_inner();
    assert_eq!((left.total, left.remaining), (10, 8));
    let anew = world.auth.make_recovery_codes(true, &visit).await.unwrap().into_inner();
    let low = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    let lower = world.visit_of(&low).await;
    let old = world.auth.use_recovery_code(&made.codes[0], &lower).await;
    assert!(matches!(old, Err(Error::Mfa(Mfa::WrongRecoveryCode))), "new codes replace the old");
    world.auth.use_recovery_code(&anew.codes[0], &lower).await.unwrap().into_inner();
}

#[tokio::test]
async fn factors_are_added_and_removed_only_by_whoever_just_showed_one() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let (ann, app) = with_totp(&world, &ann).await;
    assert!(matches!(enrol(&world, &ann, "phone").await, Err(Error::Mfa(Mfa::NameTaken(_)))));
    let low = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    assert!(matches!(enrol(&world, &low, "other").await, Err(Error::Mfa(Mfa::EnrolLevel))));
    let remove = async |grant: &Grant| {
        let visit = world.visit_of(grant).await;
        world.auth.remove_factor(app.id, &visit).await.map(pg::Reply::into_inner)
    };
    assert!(matches!(remove(&low).await, Err(Error::Mfa(Mfa::RemoveLevel))));
    world.clock.advance(Duration::from_secs(300));
    assert!(
        matches!(remove(&ann).await, Err(Error::Mfa(Mfa::Stale { minutes: 5 }))),
        "it was shown too long ago"
    );
    assert!(matches!(enrol(&world, &ann, "other").await, Err(Error::Mfa(Mfa::Stale { .. }))));
    let ann = show(&world, &ann, app.id, &app.code(&world)).await.unwrap();
    for at in 1..10 {
        enrol(&world, &ann, &format!("other {at}")).await.unwrap();
    }
    assert!(matches!(enrol(&world, &ann, "one more").await, Err(Error::Mfa(Mfa::TooMany))));
    remove(&ann).await.unwrap();
    assert_eq!(
        world.bearer(ann.access_token.expose()).await.unwrap().caller.level,
        Level::Aal2,
        "until it is refreshed"
    );
    let lowered = world.refresh(&ann.refresh_token).await.unwrap();
    let claims = claims_of(lowered.access_token.expose());
    assert_eq!((claims["aal"].as_str(), claims["amr"].as_array().unwrap().len()), (Some("aal1"), 1));
}

/// Control 26, for whoever has no second factor.
#[tokio::test]
async fn what_is_sensitive_needs_a_fresh_proof() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    world.clock.advance(Duration::from_secs(301));
    let visit = world.visit_of(&ann).await;
    let change = |password: Option<&str>, email: Option<&str>, current: Option<&str>| UserChange {
        password: password.map(Secret::from),
        email: email.map(str::to_owned),
        current_password: current.map(Secret::from),
        ..UserChange::default()
    };
    for change in [change(Some("Another-horse*2"), None, None), change(None, Some("ann2@example.com"), None)]
    {
        let stale = world.auth.change_own(ann.user.id, change, &visit).await;
        assert!(matches!(stale, Err(Error::Mfa(Mfa::ReauthenticationNeeded))));
    }
    assert!(matches!(enrol(&world, &ann, "").await, Err(Error::Mfa(Mfa::ReauthenticationNeeded))));
    let wrong = change(None, Some("ann2@example.com"), Some("Wrong-horse*1"));
    assert!(matches!(
        world.auth.change_own(ann.user.id, wrong, &visit).await,
        Err(Error::InvalidCredentials)
    ));
    let right = change(None, Some("ann2@example.com"), Some(PASSWORD));
    world.auth.change_own(ann.user.id, right, &visit).await.unwrap().into_inner();
    // Or the session is made fresh again.
    let wrong = world.auth.reauthenticate(&Secret::from("Wrong-horse*1"), &visit).await;
    assert!(matches!(wrong, Err(Error::InvalidCredentials)));
    let fresh = world.auth.reauthenticate(&Secret::from(PASSWORD), &visit).await.unwrap().into_inner();
    assert_eq!(
        (fresh.session, claims_of(fresh.access_token.expose())["aal"].as_str()),
        (ann.session, Some("aal1"))
    );
    enrol(&world, &fresh, "").await.unwrap();
    for _ in 0..5 {
        let wrong = world.auth.reauthenticate(&Secret::from("Wrong-horse*1"), &visit).await;
        assert!(matches!(wrong, Err(Error::InvalidCredentials)));
    }
    let locked = world.auth.reauthenticate(&Secret::from(PASSWORD), &visit).await;
    assert!(
        matches!(locked, Err(Error::Mfa(Mfa::Locked { .. }))),
        "a thief of a token cannot guess the password"
    );

    let off = Settings::default().with("auth.require_2fa_for_sensitive_ops", "false");
    let world = World::with(off, base::Profile::Dev).await;
    let ann = world.sign_up("ann@example.com").await;
    world.clock.advance(Duration::from_secs(301));
    let visit = world.visit_of(&ann).await;
    let changed =
        world.auth.change_own(ann.user.id, change(Some("Another-horse*2"), None, None), &visit).await;
    changed.unwrap().into_inner();
}

/// Controls 24, 25.
#[tokio::test]
async fn who_must_have_a_second_factor_owes_it_until_it_is_shown() {
    let world = World::with(Settings::default().with("mfa.required", "true"), base::Profile::Dev).await;
    let ann = world.sign_up("ann@example.com").await;
    let owes = async |grant: &Grant| world.bearer(grant.access_token.expose()).await.unwrap().caller.owes;
    assert_eq!(owes(&ann).await, Some(base::Owed::SecondFactor));
    let (raised, _) = with_totp(&world, &ann).await;
    assert_eq!(owes(&raised).await, None);
    let next = world.refresh(&raised.refresh_token).await.unwrap();
    assert_eq!(owes(&next).await, None);

    let world = World::new().await;
    let bob = world.sign_up("bob@example.com").await;
    assert_eq!(world.bearer(bob.access_token.expose()).await.unwrap().caller.owes, None, "off unless set");
    for role in ["dashboard_admin", "service_role", "supabase_admin"] {
        world
            .db
            .admin()
            .await
            .batch_execute(&format!("update auth.users set role = '{role}'"))
            .await
            .unwrap();
        let admin = world.sign_in("bob@example.com", PASSWORD).await.unwrap();
        let owes = world.bearer(admin.access_token.expose()).await.unwrap().caller.owes;
        assert_eq!(owes, Some(base::Owed::SecondFactor), "{role}");
    }
}

/// Control 23.
#[tokio::test]
async fn only_the_listed_methods_can_be_enrolled() {
    let off = |name: &'static str, value: &str| {
        World::with(Settings::default().with(name, value), base::Profile::Dev)
    };
    for world in [off("mfa.methods", "passkey").await, off("mfa.enabled", "false").await] {
        let ann = world.sign_up("ann@example.com").await;
        let refused = enrol(&world, &ann, "").await;
        assert!(matches!(refused, Err(Error::Mfa(Mfa::EnrolOff(FactorType::Totp)))));
    }
}

#[tokio::test]
async fn an_operator_takes_the_factors_of_whoever_lost_them() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let (raised, _) = with_totp(&world, &ann).await;
    let visit = world.visit_of(&raised).await;
    world.auth.make_recovery_codes(false, &visit).await.unwrap().into_inner();
    let operator = crate::world::visit(base::Caller::operator());
    assert_eq!(world.auth.reset_factors("Ann@example.com", &operator).await.unwrap().into_inner(), 1);
    assert!(matches!(world.bearer(raised.access_token.expose()).await, Err(Error::TokenRevoked)));
    let left =
        "select (select count(*) from auth.mfa_factors) + (select count(*) from auth.mfa_recovery_code_sets)";
    assert_eq!(world.count(left).await, 0);
    assert!(world.events().await.contains(&"auth.factor_removed".to_owned()));
    let nobody = world.auth.reset_factors("nobody@example.com", &operator).await;
    assert!(matches!(nobody, Err(Error::UserNotFound)));
}
