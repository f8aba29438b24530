//! How old a password may be, which ones went before, and which ones thieves have (controls 18-20).

use std::time::Duration;

use auth::{Error, UserChange, UserFields};
use base::{Owed, Profile, Secret, Settings};

use crate::world::{PASSWORD, World, claims_of};

const DAY: Duration = Duration::from_secs(86_400);

fn to(password: &str) -> UserChange {
    UserChange { password: Some(Secret::from(password)), ..UserChange::default() }
}

/// Control 20.
#[tokio::test]
async fn on_day_91_a_password_opens_only_the_way_to_another_one() {
    let world = World::new().await;
    world.sign_up("ann@example.com").await;
    world.clock.advance(DAY * 90 - Duration::from_secs(60));
    assert_eq!(world.sign_in("ann@example.com", PASSWORD).await.unwrap().owes, None);
    world.clock.advance(Duration::from_secs(120));
    let grant = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    assert_eq!(grant.owes, Some(Owed::NewPassword));
    assert_eq!(claims_of(grant.access_token.expose())["password_expired"], true);
    let owes = async |token: &Secret<String>| world.bearer(token.expose()).await.unwrap().caller.owes;
    assert_eq!(owes(&grant.access_token).await, Some(Owed::NewPassword));
    let next = world.refresh(&grant.refresh_token).await.unwrap();
    assert_eq!(owes(&next.access_token).await, Some(Owed::NewPassword), "a refresh does not shake it off");
    let visit = world.visit_of(&next).await;
    world.auth.change_own(grant.user.id, to("Another-horse*2"), &visit).await.unwrap().into_inner();
    assert_eq!(owes(&next.access_token).await, None, "the very token that changed it is free at once");
    assert_eq!(world.sign_in("ann@example.com", "Another-horse*2").await.unwrap().owes, None);
}

#[tokio::test]
async fn another_node_hears_that_the_debt_is_settled() {
    let world = World::new().await;
    let node = world.another_node().await;
    world.sign_up("ann@example.com").await;
    world.clock.advance(DAY * 91);
    let grant = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    let owes = async || crate::world::bearer(&node, grant.access_token.expose()).await.unwrap().caller.owes;
    assert_eq!(owes().await, Some(Owed::NewPassword));
    let visit = world.visit_of(&grant).await;
    world.auth.change_own(grant.user.id, to("Another-horse*2"), &visit).await.unwrap().into_inner();
    testkit::eventually_within(Duration::from_secs(1), async || owes().await.is_none().then_some(())).await;
}

#[tokio::test]
async fn the_node_that_took_the_password_waits_for_nobody_to_say_that_the_debt_is_settled() {
    let world = World::new().await;
    let node = world.another_node().await;
    world.sign_up("ann@example.com").await;
    world.clock.advance(DAY * 91);
    let grant = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    let owes = async || crate::world::bearer(&node, grant.access_token.expose()).await.unwrap().caller.owes;
    // Twice: what is asked again is remembered.
    assert_eq!([owes().await, owes().await], [Some(Owed::NewPassword); 2]);
    let visit = world.visit_of(&grant).await;
    // Nobody says anything to anybody.
    let sql = "select pid::text from pg_stat_activity where datname = current_database() and usename = current_user \
        and pid <> pg_backend_pid()";
    let admin = world.db.admin().await;
    let tellers: Vec<String> = admin.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(tellers.len(), 1);
    let signal = |signal: &str| {
        assert!(std::process::Command::new("kill").arg(signal).args(&tellers).status().unwrap().success());
    };
    signal("-STOP");
    let changed = node.change_own(grant.user.id, to("Another-horse*2"), &visit).await;
    let owed = owes().await;
    signal("-CONT");
    changed.unwrap().into_inner();
    assert_eq!(owed, None);
}

#[tokio::test]
async fn the_age_of_a_password_follows_the_settings_and_survives_a_better_hash() {
    for (name, value, days, owes) in [
        ("auth.password_max_age_days", "7", 8, Some(Owed::NewPassword)),
        ("auth.password_max_age_days", "365", 91, None),
        ("password.profile", "nist", 400, None),
    ] {
        let settings = Settings::default().with(name, value).with("auth.password_min_length", "12");
        let world = World::with(settings, Profile::Dev).await;
        world.sign_up("ann@example.com").await;
        world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        world.clock.advance(DAY * days);
        assert_eq!(world.sign_in("ann@example.com", PASSWORD).await.unwrap().owes, owes, "{name}={value}");
    }
    // A hash of another kind is made anew at sign-in; the password is as old as it was.
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await.user;
    let old = bcrypt(PASSWORD);
    let fields = UserFields { password_hash: Some(old), ..UserFields::default() };
    world.auth.admin_change(ann.id, fields, &world.visit()).await.unwrap().into_inner();
    world.clock.advance(DAY * 50);
    world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    world.clock.advance(DAY * 50);
    assert_eq!(world.sign_in("ann@example.com", PASSWORD).await.unwrap().owes, Some(Owed::NewPassword));
}

fn bcrypt(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

#[tokio::test]
async fn the_last_passwords_do_not_come_back() {
    let world = World::with(Settings::default().with("auth.password_history", "2"), Profile::Dev).await;
    let ann = world.sign_up("ann@example.com").await;
    let visit = world.visit_of(&ann).await;
    let change = async |password: &str| {
        world.clock.advance(Duration::from_secs(20));
        world.auth.change_own(ann.user.id, to(password), &visit).await.map(pg::Reply::into_inner)
    };
    change("Another-horse*2").await.unwrap();
    assert!(matches!(change("Another-horse*2").await, Err(Error::SamePassword)));
    assert!(matches!(change(PASSWORD).await, Err(Error::UsedPassword)));
    change("Another-horse*3").await.unwrap();
    assert!(matches!(change(PASSWORD).await, Err(Error::UsedPassword)));
    change("Another-horse*4").await.unwrap();
    assert!(change(PASSWORD).await.is_ok(), "two are remembered, not three");
    assert_eq!(world.count("select count(*) from palisade.password_history").await, 2);
}

/// Control 20: breach-triggered, whatever the profile.
#[tokio::test]
async fn a_breached_password_is_not_taken_and_has_to_be_changed_where_it_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("breached");
    let digest = |text: &str| hex::encode_upper(seal::sha1_for_lookup(text.as_bytes()));
    let write = |passwords: &[&str]| {
        let mut lines: Vec<String> = passwords.iter().map(|text| format!("{}:42", digest(text))).collect();
        lines.sort();
        std::fs::write(&path, lines.join("\r\n")).unwrap();
    };
    write(&["Password-1234", "Summer-2026!!"]);
    let settings = Settings::default().with("auth.password_breached_file", path.to_str().unwrap());
    let world = World::with(settings.clone(), Profile::Dev).await;
    match world.try_sign_up("ann@example.com", "Password-1234").await {
        Err(Error::WeakPassword { reasons, .. }) => assert_eq!(reasons, ["characters"]),
        _ => panic!("taken"),
    }
    match world.try_sign_up("ann@example.com", "Summer-2026!!").await {
        Err(Error::WeakPassword { reasons, .. }) => assert_eq!(reasons, ["pwned"]),
        _ => panic!("taken"),
    }
    world.sign_up("ann@example.com").await;
    assert_eq!(world.sign_in("ann@example.com", PASSWORD).await.unwrap().owes, None);
    // It leaks later.
    write(&[PASSWORD, "Summer-2026!!"]);
    let later = crate::world::open(
        &world.db,
        &world.audit,
        &world.root,
        settings.with("password.profile", "nist"),
        Profile::Dev,
        world.clock.clock(),
    );
    let later = later.await.unwrap();
    let enter = async |password: &str| {
        later.sign_in("ann@example.com", &Secret::from(password), &world.visit()).await.unwrap().into_inner()
    };
    let grant = enter(PASSWORD).await;
    assert_eq!(grant.owes, Some(Owed::NewPassword));
    let visit = world.visit_of(&grant).await;
    later.change_own(grant.user.id, to("Another-horse*battery"), &visit).await.unwrap().into_inner();
    assert_eq!(enter("Another-horse*battery").await.owes, None);
}

#[tokio::test]
async fn the_current_password_is_asked_for_where_that_is_set_and_guessed_no_oftener_than_at_sign_in() {
    let settings = Settings::default().with("auth.require_current_password", "true");
    let world = World::with(settings, Profile::Dev).await;
    let ann = world.sign_up("ann@example.com").await;
    let visit = world.visit_of(&ann).await;
    let missing = world.auth.change_own(ann.user.id, to("Another-horse*2"), &visit).await.err().unwrap();
    assert!(matches!(missing, Error::CurrentPasswordMissing));
    let with =
        |current: &str| UserChange { current_password: Some(Secret::from(current)), ..to("Another-horse*2") };
    for n in 0..8 {
        let refused = world.auth.change_own(ann.user.id, with("Wrong-horse*1"), &visit).await.err().unwrap();
        assert_eq!(matches!(refused, Error::LockedOut { .. }), n >= 5, "{n}: {refused}");
    }
    world.clock.advance(Duration::from_secs(17 * 60));
    assert!(world.auth.change_own(ann.user.id, with(PASSWORD), &visit).await.is_ok());
}
