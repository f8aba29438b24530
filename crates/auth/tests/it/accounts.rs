//! Signing up, signing in, changing an account.

use auth::{Error, SignUp, UserChange};
use base::{Profile, Secret, Settings};
use serde_json::json;

use crate::world::{PASSWORD, World, claims_of, object, sign_up_ask, signed_in};

#[tokio::test]
async fn a_new_account_is_signed_in_and_its_token_says_who_it_is() {
    let world = World::new().await;
    let ann = world.sign_up("Ann@Example.com").await;
    let claims = claims_of(ann.access_token.expose());
    assert_eq!(claims["sub"], ann.user.id.to_string());
    assert_eq!(claims["email"], "ann@example.com");
    assert_eq!(claims["phone"], "");
    assert_eq!(claims["aud"], "authenticated");
    assert_eq!(claims["iss"], "http://127.0.0.1:8000/auth/v1");
    assert_eq!(claims["role"], "authenticated");
    assert_eq!(claims["aal"], "aal1");
    assert_eq!(claims["amr"][0]["method"], "password");
    assert_eq!(claims["session_id"], ann.session.to_string());
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    let caller = world.bearer(ann.access_token.expose()).await.unwrap().caller;
    assert_eq!(caller.signed_in().unwrap().user, ann.user.id);
    assert_eq!(caller.role.name(), "authenticated");
    assert_eq!(ann.user.identities.len(), 1);
    assert!(world.sign_in("ann@example.com", PASSWORD).await.is_ok());
    assert_eq!(world.events().await, ["auth.signup", "auth.login", "auth.login"]);
}

/// Attack row 6.
#[tokio::test]
async fn what_people_say_about_themselves_gives_them_no_right() {
    let world = World::new().await;
    let data = object(json!({
        "role": "service_role", "app_metadata": { "admin": true }, "email_verified": false, "sub": "somebody else",
        "is_super_admin": true, "aud": "theirs",
    }));
    let password = Some(Secret::from(PASSWORD));
    let ask = SignUp { data, ..sign_up_ask("ann@example.com", password) };
    let ann = signed_in(world.auth.sign_up(ask, &world.visit()).await.unwrap().into_inner());
    assert_eq!((ann.user.role.as_str(), ann.user.aud.as_str()), ("authenticated", "authenticated"));
    assert_eq!(ann.user.user_metadata["sub"], ann.user.id.to_string());
    assert_eq!(ann.user.user_metadata["email_verified"], true);
    assert!(!ann.user.app_metadata.contains_key("admin"));
    assert_eq!(world.bearer(ann.access_token.expose()).await.unwrap().caller.role.name(), "authenticated");
}

/// Control 126, attack row 19: one statement and one hash each, and the same words.
#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_cannot_be_told_apart() {
    let world = World::new().await;
    world.sign_up("ann@example.com").await;
    // Everything is prepared after the first of each kind.
    assert!(world.sign_in("ann@example.com", "Wrong-horse*1").await.is_err());
    let mut answers = Vec::new();
    for email in ["ann@example.com", "nobody@example.com", "not an address", "ann\0@example.com"] {
        let before = world.pg.stats().system;
        let refused = world.sign_in(email, "Wrong-horse*1").await.err().unwrap();
        let after = world.pg.stats().system;
        let statements = after.parsed + after.cache_hits - before.parsed - before.cache_hits;
        answers.push((refused.to_string(), statements, after.round_trips - before.round_trips));
    }
    assert_eq!(answers[0].0, "Invalid login credentials");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let same_cost = world.count("select count(*) from auth.users where encrypted_password like '$argon2id$v=19$m=19456,t=2,p=1$%'").await;
    assert_eq!(same_cost, 1, "a user's hash costs what a stranger's guess costs");
    assert!(world.events().await.iter().any(|event| event == "auth.login_failed"));
}

#[tokio::test]
async fn weak_and_missing_passwords_are_refused_by_name() {
    let world = World::new().await;
    match world.try_sign_up("ann@example.com", "short").await {
        Err(Error::WeakPassword { reasons, message }) => {
            assert_eq!(reasons, ["length", "characters"]);
            assert!(message.contains("at least 12 characters"), "{message}");
        }
        _ => panic!("a weak password was taken"),
    }
    let refused = world.try_sign_up("ann@example.com", "").await.err().unwrap();
    assert_eq!(refused.to_string(), "Signup requires a valid password");
    assert_eq!(world.count("select count(*) from auth.users").await, 0);
}

#[tokio::test]
async fn a_server_without_mail_refuses_password_sign_up_by_name() {
    let world = World::with(Settings::default(), Profile::Serve).await;
    let refused = world.try_sign_up("ann@example.com", PASSWORD).await.err().unwrap();
    assert!(matches!(refused, Error::NoMail));
    let confirmed = Settings::default().with("auth.autoconfirm", "true");
    let world = World::with(confirmed, Profile::Serve).await;
    world.sign_up("ann@example.com").await;
}

#[tokio::test]
async fn closed_sign_up_is_closed() {
    let world = World::with(Settings::default().with("auth.disable_signup", "true"), Profile::Dev).await;
    let refused = world.try_sign_up("ann@example.com", PASSWORD).await.err().unwrap();
    assert_eq!(refused.to_string(), "Signups not allowed for this instance");
}

#[tokio::test]
async fn an_address_belongs_to_one_account_whatever_its_case() {
    let world = World::new().await;
    world.sign_up("ann@example.com").await;
    let refused = world.try_sign_up("ANN@example.com", PASSWORD).await.err().unwrap();
    assert!(matches!(refused, Error::UserExists));
    let (one, other) = tokio::join!(
        world.try_sign_up("bob@example.com", PASSWORD),
        world.try_sign_up("bob@example.com", PASSWORD),
    );
    assert!(one.is_ok() != other.is_ok(), "of two at once one wins");
}

/// Somebody else's account comes between the look and the write: the answer and the record are those of one that was there.
#[tokio::test]
async fn an_account_that_is_made_at_the_same_moment_is_answered_as_one_that_was_there() {
    let believed = Settings::default().with("sms.autoconfirm", "true");
    let world = World::with(believed, Profile::Dev).await;
    let mut others = world.db.admin().await;
    let watch = world.db.admin().await;
    let waits = "select count(*) from pg_locks where not granted and locktype = 'transactionid'";
    let is_waiting = async || {
        testkit::eventually(async || {
            let waiting = watch.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0;
            waiting.then_some(())
        })
        .await;
    };
    for (column, name) in [("email", "ann@example.com"), ("phone", "15005550101")] {
        let by_mail = column == "email";
        let ask = || SignUp {
            email: by_mail.then(|| name.to_owned()),
            phone: (!by_mail).then(|| name.to_owned()),
            ..sign_up_ask(name, Some(Secret::from(PASSWORD)))
        };
        let first = others.transaction().await.unwrap();
        let row = format!(
            "insert into auth.users (id, aud, role, {column}, is_sso_user, is_anonymous, created_at, updated_at) \
             values (gen_random_uuid(), 'authenticated', 'authenticated', '{name}', false, false, now(), now())"
        );
        first.batch_execute(&row).await.unwrap();
        let (visit, then) = (world.visit(), async {
            is_waiting().await;
            first.commit().await.unwrap();
        });
        let (raced, ()) = tokio::join!(world.auth.sign_up(ask(), &visit), then);
        let raced = raced.err().expect("somebody was first");
        let late = world.auth.sign_up(ask(), &visit).await.err().expect("it is taken");
        assert!(matches!((&raced, &late), (Error::UserExists, Error::UserExists)), "{raced:?}, {late:?}");
    }
    let refused = world.events().await.into_iter().filter(|event| event == "auth.signup_refused").count();
    assert_eq!(refused, 4, "each is written down");
}

#[tokio::test]
async fn an_address_that_is_taken_at_the_same_moment_cannot_be_moved_to() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let mut others = world.db.admin().await;
    let watch = world.db.admin().await;
    let first = others.transaction().await.unwrap();
    let row = "insert into auth.users (id, aud, role, email, is_sso_user, is_anonymous, created_at, updated_at) \
        values (gen_random_uuid(), 'authenticated', 'authenticated', 'bob@example.com', false, false, now(), now())";
    first.batch_execute(row).await.unwrap();
    let visit = world.visit_of(&ann).await;
    let change = UserChange { email: Some("bob@example.com".to_owned()), ..UserChange::default() };
    let then = async {
        let waits = "select count(*) from pg_locks where not granted and locktype = 'transactionid'";
        testkit::eventually(async || {
            (watch.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0).then_some(())
        })
        .await;
        first.commit().await.unwrap();
    };
    let (raced, ()) = tokio::join!(world.auth.change_own(ann.user.id, change, &visit), then);
    let raced = raced.expect_err("it is somebody's");
    assert!(matches!(raced, Error::EmailExists), "{raced:?}");
}

#[tokio::test]
async fn an_unconfirmed_account_is_let_in_only_when_confirmed() {
    let world = World::new().await;
    world.sign_up("ann@example.com").await;
    world.db.admin().await.batch_execute("update auth.users set email_confirmed_at = null").await.unwrap();
    assert!(matches!(world.sign_in("ann@example.com", PASSWORD).await, Err(Error::EmailNotConfirmed)));
    let wrong = world.sign_in("ann@example.com", "Wrong-horse*1").await;
    assert!(matches!(wrong, Err(Error::InvalidCredentials)), "only who knows the password hears of it");
}

#[tokio::test]
async fn a_new_password_ends_every_other_session_and_the_old_password() {
    let world = World::new().await;
    let first = world.sign_up("ann@example.com").await;
    let second = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    let visit = world.visit_of(&first).await;
    let change =
        |password: &str| UserChange { password: Some(Secret::from(password)), ..UserChange::default() };
    let same = world.auth.change_own(first.user.id, change(PASSWORD), &visit).await.err().unwrap();
    assert!(matches!(same, Error::SamePassword));
    let change_wrongly =
        UserChange { current_password: Some(Secret::from("Wrong-horse*1")), ..change("Another-horse*2") };
    let wrong = world.auth.change_own(first.user.id, change_wrongly, &visit).await.err().unwrap();
    assert!(matches!(wrong, Error::CurrentPassword));
    world.auth.change_own(first.user.id, change("Another-horse*2"), &visit).await.unwrap().into_inner();
    assert!(world.bearer(first.access_token.expose()).await.is_ok(), "the session that changed it stays");
    assert!(matches!(world.bearer(second.access_token.expose()).await, Err(Error::TokenRevoked)));
    assert!(matches!(world.refresh(&second.refresh_token).await, Err(Error::RefreshNotFound)));
    assert!(matches!(world.sign_in("ann@example.com", PASSWORD).await, Err(Error::InvalidCredentials)));
    assert!(world.sign_in("ann@example.com", "Another-horse*2").await.is_ok());
}

#[tokio::test]
async fn metadata_is_merged_key_by_key_and_bounded() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let visit = world.visit_of(&ann).await;
    let with = |data: serde_json::Value| UserChange { data: Some(object(data)), ..UserChange::default() };
    world.auth.change_own(ann.user.id, with(json!({ "a": 1, "b": 2 })), &visit).await.unwrap().into_inner();
    let user = world
        .auth
        .change_own(ann.user.id, with(json!({ "a": null, "c": 3 })), &visit)
        .await
        .unwrap()
        .into_inner();
    assert!(!user.user_metadata.contains_key("a"));
    assert_eq!((&user.user_metadata["b"], &user.user_metadata["c"]), (&json!(2), &json!(3)));
    let huge = with(json!({ "x": "x".repeat(9_000) }));
    assert!(world.auth.change_own(ann.user.id, huge, &visit).await.is_err());
    let nul = with(json!({ "x": "\0" }));
    assert!(matches!(world.auth.change_own(ann.user.id, nul, &visit).await, Err(Error::Validation(_))));
}

#[tokio::test]
async fn ways_in_that_are_not_there_are_refused_as_off() {
    let world = World::new().await;
    let ask = |email: Option<&str>, phone: Option<&str>| SignUp {
        email: email.map(str::to_owned),
        phone: phone.map(str::to_owned),
        ..sign_up_ask("", Some(Secret::from(PASSWORD)))
    };
    let refused = async |ask| world.auth.sign_up(ask, &world.visit()).await.map(drop).unwrap_err();
    let nobody = refused(ask(None, None)).await;
    assert!(matches!(nobody, Error::Disabled { code: "anonymous_provider_disabled", .. }), "{nobody}");
    let phone = refused(ask(None, Some("+491234567"))).await;
    assert!(matches!(phone, Error::PhoneOff("Phone signups are disabled")), "{phone}");
    assert!(
        world.auth.sign_up(ask(Some("a@example.com"), Some("+491234567")), &world.visit()).await.is_err()
    );
}

/// Control 126, attack row 19: whoever asks about an address, known, waiting or nobody's, costs the same statements, the
/// same round trips and the same hashes, and is answered alike.
#[tokio::test]
async fn row_19_every_question_about_an_address_costs_the_same_whoever_has_it() {
    let settings = base::Settings::default()
        .with("auth.hooks.send_email.uri", "pg-functions://postgres/public/nobody")
        .with("auth.mail_max_frequency", "0s")
        .with("auth.external_url", "https://palisade.example.com");
    let world = World::with(settings, base::Profile::Serve).await;
    let ask = async |what: &str, email: &str| {
        let (auth, visit) = (&world.auth, world.visit());
        let along =
            || auth::Along { back_to: auth.rules().redirects.site().clone(), challenge: None, locale: None };
        let before = (world.pg.stats().system, auth.hashes_computed());
        let password = Secret::from("Another-horse*2");
        let said = match what {
            "login" => auth.sign_in(email, &password, &visit).await.map(drop),
            "reset" => auth.ask_recovery(email, &along(), &visit).await.map(drop),
            "otp" => {
                auth.ask_magic_link(email, true, serde_json::Map::new(), &along(), &visit).await.map(drop)
            }
            "otp, no account" => {
                auth.ask_magic_link(email, false, serde_json::Map::new(), &along(), &visit).await.map(drop)
            }
            "resend" => auth.ask_again(auth::Again::Signup, email, &along(), &visit).await.map(drop),
            "verify" => {
                let shown = auth::Shown::MailedCode { email: email.to_owned(), code: Secret::from("000000") };
                auth.verify("email", shown, false, &visit).await.map(drop)
            }
            "signup" => auth.sign_up(sign_up_ask(email, Some(password)), &visit).await.map(drop),
            _ => unreachable!(),
        };
        let after = (world.pg.stats().system, auth.hashes_computed());
        let statements = |of: &pg::LaneStats| of.parsed + of.cache_hits;
        (
            said.map_err(|error| error.to_string()),
            statements(&after.0) - statements(&before.0),
            after.0.round_trips - before.0.round_trips,
            after.1 - before.1,
        )
    };
    for email in ["ann@example.com", "waiting@example.com"] {
        let ask = sign_up_ask(email, Some(Secret::from(PASSWORD)));
        world.auth.sign_up(ask, &world.visit()).await.unwrap().into_inner();
    }
    let confirm = "update auth.users set email_confirmed_at = now() where email = 'ann@example.com'";
    world.db.admin().await.batch_execute(confirm).await.unwrap();
    for what in ["login", "reset", "otp", "otp, no account", "resend", "verify", "signup"] {
        // Everything is prepared after the first of each kind.
        let _warm = ask(what, "first@example.com").await;
        let known = ask(what, "ann@example.com").await;
        assert!(known.1 > 0, "{what} asks the database something");
        for other in ["waiting@example.com", "nobody@example.com"] {
            assert_eq!(ask(what, other).await, known, "{what}: {other}");
        }
    }
}
