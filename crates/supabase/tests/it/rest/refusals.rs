//! What a refusal tells: enough for whoever named a thing, nothing about what they did not name.

use base::Caller;
use serde_json::Value;

use super::house::{House, member};

#[tokio::test]
async fn names_that_were_not_named_are_not_told() {
    let house = House::new().await;
    for path in ["/tasksx", "/rpc/ad?a=1&b=2", "/tasks?select=peoplex(*)", "/rpc/add?a=1"] {
        let got = house.get(path).await;
        assert!(got.status.is_client_error(), "{path}: {}", got.text);
        assert_eq!(got.json()["hint"], Value::Null, "{path}");
    }
    let outspoken = House::with(|config| config.outspoken = true).await;
    let told = outspoken.get("/tasksx").await;
    assert_eq!(told.json()["hint"], "Perhaps you meant the table 'public.tasks'");
}

#[tokio::test]
async fn rows_of_a_violated_constraint_are_not_told() {
    let house = House::new().await;
    let taken = house.send(&member(), "POST /people", &[], r#"{"id": 3, "name": "bob"}"#).await;
    assert_eq!((taken.status.as_u16(), taken.json()["code"].as_str()), (409, Some("23505")));
    assert_eq!(taken.json()["details"], "name is taken already", "the field, not the value");
    assert!(!taken.text.contains("bob"), "{}", taken.text);
    let broken = house.send(&member(), "POST /tasks", &[], r#"{"id": 8, "title": null}"#).await;
    assert_eq!((broken.status.as_u16(), broken.json()["details"].as_str()), (400, Some("title is required")));
    assert!(!broken.text.contains("Failing row"), "{}", broken.text);
}

#[tokio::test]
async fn what_user_code_raises_is_told_whole() {
    let got = House::new().await.get("/rpc/refuse").await;
    assert_eq!(got.status, 402);
    assert_eq!(got.text, r#"{"code":"PT402","details":"why","hint":"how","message":"no"}"#);
}

#[tokio::test]
async fn denied_is_401_for_nobody_and_403_for_somebody() {
    let house = House::new().await;
    let nobody = house.send(&Caller::anonymous(), "GET /payroll", &[], "").await;
    assert_eq!((nobody.status.as_u16(), nobody.header("www-authenticate")), (401, "Bearer"));
    assert_eq!(house.get("/payroll").await.status, 403);
}

#[tokio::test]
async fn every_mistake_has_its_code() {
    let house = House::new().await;
    let cases = [
        ("GET /tasks?id=1", "", "PGRST100", 400),
        ("POST /tasks", "{", "PGRST102", 400),
        ("POST /tasks", r#"[{"id":1},{"title":"x"}]"#, "PGRST102", 400),
        ("GET /tasks?limit=-1", "", "PGRST103", 416),
        ("GET /tasks?people.id=eq.1", "", "PGRST108", 400),
        ("PUT /tasks?id=eq.1&limit=1", "{}", "PGRST114", 400),
        ("PUT /tasks?title=eq.x", r#"{"id":1,"title":"x"}"#, "PGRST105", 405),
        ("GET /tasks?select=id.sum()", "", "PGRST123", 400),
        ("GET /a/b/c", "", "PGRST125", 404),
        ("GET /tasks?select=payroll(*)", "", "PGRST200", 400),
        ("POST /rpc/add", r#"{"c": 1}"#, "PGRST202", 404),
        ("POST /tasks?columns=nope", "{}", "PGRST204", 400),
        ("GET /nope", "", "PGRST205", 404),
    ];
    for (line, body, code, status) in cases {
        let got = house.send(&member(), line, &[], body).await;
        assert_eq!(
            (got.json()["code"].as_str(), got.status.as_u16()),
            (Some(code), status),
            "{line}: {}",
            got.text
        );
    }
    let profile = house.send(&member(), "GET /tasks", &[("accept-profile", "pg_catalog")], "").await;
    assert_eq!((profile.status.as_u16(), profile.json()["hint"].clone()), (406, Value::Null));
    let accept = house.send(&member(), "GET /tasks", &[("accept", "image/png")], "").await;
    assert_eq!(accept.json()["code"], "PGRST107");
}
