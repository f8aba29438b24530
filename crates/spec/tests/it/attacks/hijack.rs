//! Somebody is first at an address that is not theirs and waits for its owner (row 4): the five ways of the paper
//! ("Pre-hijacked accounts", Sudhodanan and Paverd, 2022), each through the public API alone.

use http::Method;
use serde_json::json;
use spec::person::PASSWORD;
use spec::{Authenticator, Idp, Mail, Person, Seen, TestApp};

use super::oauth::{OURS, token_for};
use super::takeover::{code_is_made, known_number};
use crate::features::links::{press, sign_up};
use crate::features::oauth::{today, with_idp};

const VICTIM: &str = "victim@example.com";
const MALLORYS: &str = "Mallory-Horse-6-Battery!";
/// hex(sha256("right"))
const HASHED: &str = "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9";

/// An instance as it is served: addresses have to be proven, by mail or by a provider that vouches.
async fn served(idp: &Idp, email_optional: bool) -> TestApp {
    let optional = if email_optional { "true" } else { "false" };
    today(with_idp(idp).serving().with("auth.external.keycloak.email_optional", optional)).await
}

/// One whose provider lets people in before their address is proven, and that knows the code of one number.
pub async fn served_texting(idp: &Idp) -> TestApp {
    let builder = known_number(with_idp(idp).serving());
    today(builder.with("auth.external.keycloak.email_optional", "true")).await
}

/// Signs in as `subject~email~verified~name` with a token of the provider.
pub async fn by_token(app: &TestApp, idp: &Idp, who: &str) -> Seen {
    let token = token_for(idp, OURS, who, HASHED).await;
    let body = json!({ "id_token": token, "provider": "keycloak", "nonce": "right" });
    app.stranger().post("/auth/v1/token?grant_type=id_token", body).await
}

async fn recover(app: &TestApp, count: usize) -> Mail {
    app.stranger().post("/auth/v1/recover", json!({ "email": VICTIM })).await.expect(200);
    app.mail(VICTIM, count).await
}

async fn verify(app: &TestApp, kind: &str, mail: &Mail) -> Person {
    let body = json!({ "type": kind, "email": VICTIM, "token": mail.code() });
    let session = app.stranger().post("/auth/v1/verify", body).await.expect(200).value();
    Person::from(&app.stranger(), VICTIM, &session)
}

async fn providers(person: &Person) -> Vec<String> {
    let user = person.client.get("/auth/v1/user").await.expect(200).value();
    let all = user["identities"].as_array().unwrap().iter();
    let mut names: Vec<String> = all.map(|one| one["provider"].as_str().unwrap().to_owned()).collect();
    names.sort();
    let listed = user["app_metadata"]["providers"].as_array().unwrap().len();
    assert_eq!(listed, names.len(), "the list that clients read is computed anew: {user}");
    names
}

pub async fn refresh(app: &TestApp, token: &str) -> Seen {
    let body = json!({ "refresh_token": token });
    app.stranger().post("/auth/v1/token?grant_type=refresh_token", body).await
}

#[tokio::test]
async fn row_4_classic_federated_merge_leaves_the_squatter_nothing() {
    let idp = Idp::start().await;
    let app = served(&idp, false).await;
    sign_up(&app, VICTIM, MALLORYS).await.expect(200);
    let squatters = app.mail(VICTIM, 1).await;
    let session = by_token(&app, &idp, &format!("v~{VICTIM}~true~Victim")).await.expect(200).value();
    let victim = Person::from(&app.stranger(), VICTIM, &session);
    assert_eq!(providers(&victim).await, ["keycloak"]);
    Person::sign_in(&app.stranger(), VICTIM, MALLORYS).await.expect(400);
    let late = press(&app.stranger(), &squatters).await.expect(303);
    assert!(late.header("location").contains("otp_expired"), "{}", late.header("location"));
    assert!(app.audited("auth.account_reclaimed").await);
    // The neighbour: a password of the owner's own choice is theirs.
    victim.client.json(Method::PUT, "/auth/v1/user", json!({ "password": PASSWORD })).await.expect(200);
    Person::sign_in(&app.stranger(), VICTIM, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn row_4_an_unexpired_session_with_all_it_added_ends_when_the_owner_recovers() {
    let idp = Idp::start().await;
    // A provider whose word about addresses nobody needs lets the squatter in before the address is proven.
    let app = served(&idp, true).await;
    let squat = format!("m~{VICTIM}~false~Mallory");
    by_token(&app, &idp, &squat).await.expect(403);
    let session = by_token(&app, &idp, &squat).await.expect(200).value();
    assert!(session["user"].get("email_confirmed_at").is_none(), "{session}");
    let mallory = Person::from(&app.stranger(), VICTIM, &session);
    let (mallory, phone) = Authenticator::with(&mallory, app.clock.now().as_second()).await;
    mallory.client.post("/auth/v1/factors/recovery-codes", json!({})).await.expect(200);
    mallory.client.json(Method::PUT, "/auth/v1/user", json!({ "password": MALLORYS })).await.expect(200);
    mallory.client.json(Method::PUT, "/auth/v1/user", json!({ "data": { "theme": "x" } })).await.expect(200);
    let mails = spec::mail::read_all(&app.data().join("mails"), VICTIM).len();
    let victim = verify(&app, "recovery", &recover(&app, mails + 1).await).await;
    assert_eq!(victim.id, mallory.id, "the account is the owner's now");
    mallory.client.get("/auth/v1/user").await.expect(403);
    refresh(&app, &mallory.refresh_token).await.expect(400);
    Person::sign_in(&app.stranger(), VICTIM, MALLORYS).await.expect(400);
    assert_eq!(providers(&victim).await, ["email"]);
    let user = victim.client.get("/auth/v1/user").await.expect(200).value();
    assert!(user["user_metadata"].get("theme").is_none() && user["user_metadata"].get("name").is_none());
    assert!(user["factors"].as_array().is_none_or(Vec::is_empty), "no factor of theirs: {user}");
    phone.show(&victim.client, &phone.code(app.clock.now().as_second() + 30)).await.expect(404);
    let again = by_token(&app, &idp, &squat).await;
    assert_eq!(again.expect(403).value()["error_code"], "provider_email_needs_verification");
    left_over(&app, &victim.id).await;
}

#[tokio::test]
async fn row_4_a_trojan_identifier_does_not_survive_the_owners_own_sign_up() {
    let idp = Idp::start().await;
    let app = served(&idp, false).await;
    let squat = format!("m~{VICTIM}~false~Mallory");
    by_token(&app, &idp, &squat).await.expect(403);
    app.mail(VICTIM, 1).await;
    sign_up(&app, VICTIM, PASSWORD).await.expect(200);
    let victim = verify(&app, "signup", &app.mail(VICTIM, 2).await).await;
    assert_eq!(providers(&victim).await, ["email"], "the planted identity is gone");
    let again = by_token(&app, &idp, &squat).await;
    assert_eq!(again.expect(403).value()["error_code"], "provider_email_needs_verification");
    assert!(app.audited("auth.account_reclaimed").await);
    left_over(&app, &victim.id).await;
    // The neighbour: somebody who was alone from the start keeps their password, and nothing is told to have been taken.
    sign_up(&app, "ann@example.com", PASSWORD).await.expect(200);
    let code = app.mail("ann@example.com", 1).await.code();
    let body = json!({ "type": "signup", "email": "ann@example.com", "token": code });
    app.stranger().post("/auth/v1/verify", body).await.expect(200);
    Person::sign_in(&app.stranger(), "ann@example.com", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn row_4_a_number_that_the_squatter_proved_keeps_them_nothing() {
    let idp = Idp::start().await;
    let app = served_texting(&idp).await;
    let squat = format!("m~{VICTIM}~false~Mallory");
    by_token(&app, &idp, &squat).await.expect(403);
    let session = by_token(&app, &idp, &squat).await.expect(200).value();
    let mallory = Person::from(&app.stranger(), VICTIM, &session);
    let change = json!({ "phone": "+4915550100", "password": MALLORYS });
    mallory.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    let code = json!({ "type": "phone_change", "phone": "+4915550100", "token": "246810" });
    code_is_made(&app).await;
    app.stranger().post("/auth/v1/verify", code).await.expect(200);
    let mails = spec::mail::read_all(&app.data().join("mails"), VICTIM).len();
    let victim = verify(&app, "recovery", &recover(&app, mails + 1).await).await;
    assert_eq!(providers(&victim).await, ["email"]);
    let user = victim.client.get("/auth/v1/user").await.expect(200).value();
    assert_eq!(user["phone"], "", "{user}");
    mallory.client.get("/auth/v1/user").await.expect(403);
    Person::sign_in(&app.stranger(), VICTIM, MALLORYS).await.expect(400);
    let again = by_token(&app, &idp, &squat).await;
    assert_eq!(again.expect(403).value()["error_code"], "provider_email_needs_verification");
    left_over(&app, &victim.id).await;
}

#[tokio::test]
async fn row_4_an_unexpired_change_of_address_dies_with_the_proof() {
    let idp = Idp::start().await;
    let app = served(&idp, true).await;
    let squat = format!("m~{VICTIM}~false~Mallory");
    by_token(&app, &idp, &squat).await.expect(403);
    let session = by_token(&app, &idp, &squat).await.expect(200).value();
    let mallory = Person::from(&app.stranger(), VICTIM, &session);
    let change = json!({ "email": "mallory@evil.example" });
    mallory.client.json(Method::PUT, "/auth/v1/user", change).await.expect(200);
    let pending = app.mail("mallory@evil.example", 1).await;
    let mails = spec::mail::read_all(&app.data().join("mails"), VICTIM).len();
    let victim = verify(&app, "recovery", &recover(&app, mails + 1).await).await;
    let late = press(&app.stranger(), &pending).await.expect(303);
    assert!(late.header("location").contains("otp_expired"), "{}", late.header("location"));
    let user = victim.client.get("/auth/v1/user").await.expect(200).value();
    assert_eq!(user["email"], VICTIM);
    assert!(user.get("new_email").is_none(), "{user}");
    left_over(&app, &victim.id).await;
}

#[tokio::test]
async fn row_4_a_provider_that_does_not_verify_opens_nothing_once_the_owner_came_through_one_that_does() {
    let idp = Idp::start().await;
    let app = served(&idp, true).await;
    let squat = format!("m~{VICTIM}~false~Mallory");
    by_token(&app, &idp, &squat).await.expect(403);
    let session = by_token(&app, &idp, &squat).await.expect(200).value();
    let mallory = Person::from(&app.stranger(), VICTIM, &session);
    let session = by_token(&app, &idp, &format!("v~{VICTIM}~true~Victim")).await.expect(200).value();
    let victim = Person::from(&app.stranger(), VICTIM, &session);
    let user = victim.client.get("/auth/v1/user").await.expect(200).value();
    let subjects: Vec<&str> =
        user["identities"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(subjects, [format!("v~{VICTIM}~true~Victim")], "only the one that vouches");
    assert_eq!(user["user_metadata"]["full_name"], "Victim");
    mallory.client.get("/auth/v1/user").await.expect(403);
    refresh(&app, &mallory.refresh_token).await.expect(400);
    by_token(&app, &idp, &squat).await.expect(403);
    left_over(&app, &victim.id).await;
}

/// What may hang on an account after its owner took it back, and why. Every other table with a reference to accounts is
/// empty for this one.
const KEPT: [(&str, &str); 4] = [
    ("auth.identities", "the one that proved the address, asked for above"),
    ("auth.sessions", "the owner's own, begun by the proof"),
    ("palisade.app_role_members", "administrators alone write it"),
    ("palisade.passwords", "a date and a digest of a hash that is no longer there"),
];

pub async fn left_over(app: &TestApp, id: &str) {
    let admin = app.database.admin().await;
    let tables = admin
        .query(
            "select c.conrelid::regclass::text as name, a.attname::text as col from pg_constraint c \
             join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1] \
             where c.contype = 'f' and c.confrelid = 'auth.users'::regclass and c.conrelid::regclass::text not like 'public.%'",
            &[],
        )
        .await
        .unwrap();
    assert!(tables.len() > 10, "the walk finds the tables");
    for table in tables {
        let (name, column): (String, String) = (table.get(0), table.get(1));
        if KEPT.iter().any(|(kept, _)| *kept == name) {
            continue;
        }
        let sql = format!("select count(*) from {name} where {column} = '{id}'");
        let count: i64 = admin.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(count, 0, "{name} still holds something of whoever made the account");
    }
}
