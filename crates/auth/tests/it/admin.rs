//! What administrators do with accounts.

use std::time::Duration;

use auth::{Error, Page, UserFields, mfa};
use base::{Owed, Secret};
use serde_json::json;
use testkit::{totp, wrong_totp};

use crate::world::{PASSWORD, World, object};

fn fields(email: &str) -> UserFields {
    UserFields {
        email: Some(email.to_owned()),
        password: Some(Secret::from(PASSWORD)),
        email_confirm: Some(true),
        ..UserFields::default()
    }
}

#[tokio::test]
async fn a_made_account_signs_in_once_it_is_confirmed() {
    let world = World::new().await;
    let unconfirmed = UserFields { email_confirm: Some(false), ..fields("ann@example.com") };
    let ann = world.auth.admin_create(unconfirmed, &world.visit()).await.unwrap().into_inner();
    assert!(matches!(world.sign_in("ann@example.com", PASSWORD).await, Err(Error::EmailNotConfirmed)));
    let confirm = UserFields { email_confirm: Some(true), ..UserFields::default() };
    world.auth.admin_change(ann.id, confirm, &world.visit()).await.unwrap().into_inner();
    assert!(world.sign_in("ann@example.com", PASSWORD).await.is_ok());
    let twice = world.auth.admin_create(fields("ann@example.com"), &world.visit()).await.err().unwrap();
    assert!(matches!(twice, Error::EmailExists));
    let nobody = world.auth.admin_create(UserFields::default(), &world.visit()).await.err().unwrap();
    assert_eq!(nobody.to_string(), "Cannot create a user without either an email or phone");
}

#[tokio::test]
async fn an_administrators_password_obeys_the_policy_too() {
    let world = World::new().await;
    let weak = UserFields { password: Some(Secret::from("short")), ..fields("ann@example.com") };
    assert!(matches!(world.auth.admin_create(weak, &world.visit()).await, Err(Error::WeakPassword { .. })));
    let both = UserFields { password_hash: Some("$2a$04$x".into()), ..fields("ann@example.com") };
    assert!(world.auth.admin_create(both, &world.visit()).await.is_err());
}

/// Control 47: the role claim is set here only, and recorded.
#[tokio::test]
async fn a_changed_role_is_recorded_and_ends_the_sessions_that_carry_the_old_one() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let role = UserFields { role: Some("dashboard_admin".into()), ..UserFields::default() };
    world.auth.admin_change(ann.user.id, role, &world.visit()).await.unwrap().into_inner();
    assert!(matches!(world.bearer(ann.access_token.expose()).await, Err(Error::TokenRevoked)));
    let again = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    let caller = world.bearer(again.access_token.expose()).await.unwrap().caller;
    assert_eq!((caller.role.name(), &*caller.claimed_role), ("service_role", "dashboard_admin"));
    assert!(world.events().await.contains(&"admin.role_change".to_owned()));
}

#[tokio::test]
async fn a_ban_ends_sessions_now_and_sign_in_until_it_is_over() {
    let world = World::new().await;
    let ann = world.sign_up("ann@example.com").await;
    let ban = |text: &str| UserFields { ban_duration: Some(text.to_owned()), ..UserFields::default() };
    for text in ["100y", "-1h", "99999999999999h"] {
        let refused = world.auth.admin_change(ann.user.id, ban(text), &world.visit()).await;
        assert!(matches!(refused, Err(Error::Validation(_))), "{text}");
    }
    world.auth.admin_change(ann.user.id, ban("1h"), &world.visit()).await.unwrap().into_inner();
    assert!(matches!(world.bearer(ann.access_token.expose()).await, Err(Error::CallerBanned)));
    assert!(world.refresh(&ann.refresh_token).await.is_err());
    assert!(matches!(world.sign_in("ann@example.com", PASSWORD).await, Err(Error::Banned)));
    let wrong = world.sign_in("ann@example.com", "Wrong-horse*1").await;
    assert!(matches!(wrong, Err(Error::InvalidCredentials)), "a stranger does not hear of the ban");
    world.clock.advance(Duration::from_secs(3_600));
    assert!(world.sign_in("ann@example.com", PASSWORD).await.is_ok());
    world.auth.admin_change(ann.user.id, ban("876600h"), &world.visit()).await.unwrap().into_inner();
    world.auth.admin_change(ann.user.id, ban("none"), &world.visit()).await.unwrap().into_inner();
    assert!(world.sign_in("ann@example.com", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn accounts_are_listed_page_by_page() {
    let world = World::new().await;
    for n in 0..5 {
        world.clock.advance(Duration::from_secs(1));
        let with_name = UserFields {
            user_metadata: Some(object(json!({ "full_name": format!("Person {n}") }))),
            ..fields(&format!("user{n}@example.com"))
        };
        world.auth.admin_create(with_name, &world.visit()).await.unwrap().into_inner();
    }
    let list = async |number, size, filter: &str| {
        let page = Page { number, size, filter: filter.to_owned(), ascending: false };
        let pages = world.auth.admin_list(&page).await.unwrap().into_inner();
        let emails: Vec<_> = pages.users.iter().map(|user| user.email_or_empty().to_owned()).collect();
        (emails, pages.total)
    };
    assert_eq!(list(1, 2, "").await, (vec!["user4@example.com".into(), "user3@example.com".into()], 5));
    assert_eq!(list(3, 2, "").await, (vec!["user0@example.com".into()], 5));
    assert_eq!(list(9, 2, "").await, (vec![], 5));
    assert_eq!(list(1, 50, "USER2").await.1, 1);
    assert_eq!(list(1, 50, "person 3").await.1, 1);
    assert_eq!(list(1, 50, "%").await.1, 0, "a filter is text, not a pattern");
}

#[tokio::test]
async fn a_removed_account_leaves_nothing_or_only_its_id() {
    let world = World::new().await;
    let (ann, bob) = (world.sign_up("ann@example.com").await, world.sign_up("bob@example.com").await);
    world.auth.admin_delete(ann.user.id, false, &world.visit()).await.unwrap().into_inner();
    world.auth.admin_delete(bob.user.id, true, &world.visit()).await.unwrap().into_inner();
    for grant in [&ann, &bob] {
        assert!(matches!(world.bearer(grant.access_token.expose()).await, Err(Error::TokenRevoked)));
    }
    assert_eq!(world.count("select count(*) from auth.users").await, 1);
    assert_eq!(world.count("select count(*) from auth.users where users::text like '%bob%'").await, 0);
    assert_eq!(world.count("select count(*) from auth.identities").await, 0);
    assert!(matches!(world.sign_in("bob@example.com", PASSWORD).await, Err(Error::InvalidCredentials)));
    assert!(matches!(
        world.auth.admin_delete(ann.user.id, false, &world.visit()).await,
        Err(Error::UserNotFound)
    ));
    world.sign_up("bob@example.com").await;
}

/// Attack row 35.
#[tokio::test]
async fn only_whoever_holds_the_link_becomes_an_administrator_and_only_once() {
    let world = World::new().await;
    let visit = world.visit();
    let old = world.auth.create_admin_link("root@example.com", &visit).await.unwrap().into_inner();
    let link = world.auth.create_admin_link("root@example.com", &visit).await.unwrap().into_inner();
    let password = Secret::from(PASSWORD);
    let setup = world.auth.look_at_admin_link(link.expose()).await.unwrap().into_inner();
    let app = setup.totp.secret.expose();
    let (code, wrong) = (Secret::new(totp(app, world.now())), Secret::new(wrong_totp(app, world.now())));
    assert_eq!(setup.email, "root@example.com");
    for guess in ["", "guess", old.expose()] {
        assert!(
            matches!(world.auth.use_admin_link(guess, &password, &code, &visit).await, Err(Error::SetupLink)),
            "{guess}"
        );
    }
    assert_eq!(
        world.count("select count(*) from palisade.admin_links").await,
        1,
        "a new link replaces the old one"
    );
    let weak = world.auth.use_admin_link(link.expose(), &Secret::from("short"), &code, &visit).await;
    assert!(matches!(weak, Err(Error::WeakPassword { .. })), "a weak password does not spend the link");
    let missed = world.auth.use_admin_link(link.expose(), &password, &wrong, &visit).await;
    assert!(matches!(missed, Err(Error::Mfa(mfa::Error::WrongCode(_)))), "nor does a wrong code");
    assert_eq!(world.count("select count(*) from auth.users").await, 0, "no administrator without a factor");
    let (one, other) = tokio::join!(
        world.auth.use_admin_link(link.expose(), &password, &code, &visit),
        world.auth.use_admin_link(link.expose(), &password, &code, &visit),
    );
    assert!(one.is_ok() != other.is_ok(), "of two at once one wins");
    let codes = one.or(other).unwrap().into_inner().codes;
    let root = world.sign_in("root@example.com", PASSWORD).await.unwrap();
    let caller = world.bearer(root.access_token.expose()).await.unwrap().caller;
    assert_eq!((caller.role.name(), caller.owes), ("service_role", Some(Owed::SecondFactor)));
    let visit_of_root = world.visit_of(&root).await;
    let raised = world.auth.use_recovery_code(&codes[0], &visit_of_root).await.unwrap().into_inner();
    assert_eq!(world.bearer(raised.access_token.expose()).await.unwrap().caller.owes, None);

    let late = world.auth.create_admin_link("late@example.com", &visit).await.unwrap().into_inner();
    world.clock.advance(Duration::from_secs(15 * 60));
    assert!(matches!(
        world.auth.use_admin_link(late.expose(), &password, &code, &visit).await,
        Err(Error::SetupLink)
    ));
}

#[tokio::test]
async fn a_set_up_link_dies_of_wrong_codes_and_takes_away_what_strangers_left() {
    let world = World::new().await;
    let visit = world.visit();
    let link = world.auth.create_admin_link("root@example.com", &visit).await.unwrap().into_inner();
    let setup = world.auth.look_at_admin_link(link.expose()).await.unwrap().into_inner();
    let (app, password) = (setup.totp.secret.expose(), Secret::from(PASSWORD));
    let wrong = Secret::new(wrong_totp(app, world.now()));
    for _ in 0..mfa::limits::WRONG_CODES_MAX.value {
        let missed = world.auth.use_admin_link(link.expose(), &password, &wrong, &visit).await;
        assert!(matches!(missed, Err(Error::Mfa(mfa::Error::WrongCode(_)))));
    }
    let code = Secret::new(totp(app, world.now()));
    let dead = world.auth.use_admin_link(link.expose(), &password, &code, &visit).await;
    assert!(matches!(dead, Err(Error::SetupLink)));

    // A stranger had the address first, with a factor and a session of theirs.
    let stranger = world.sign_up("boss@example.com").await;
    let (raised, theirs) = crate::mfa::with_totp(&world, &stranger).await;
    let link = world.auth.create_admin_link("boss@example.com", &visit).await.unwrap().into_inner();
    let setup = world.auth.look_at_admin_link(link.expose()).await.unwrap().into_inner();
    let code = Secret::new(totp(setup.totp.secret.expose(), world.now()));
    world.auth.use_admin_link(link.expose(), &password, &code, &visit).await.unwrap().into_inner();
    assert!(matches!(world.bearer(raised.access_token.expose()).await, Err(Error::TokenRevoked)));
    let left = format!("select count(*) from auth.mfa_factors where id = '{}'", theirs.id);
    assert_eq!(world.count(&left).await, 0);
}
