//! The root: everybody is told of what they may use, and of nothing else.

use base::Caller;

use super::house::{House, member};

#[tokio::test]
async fn the_description_names_only_what_the_caller_may_use() {
    let house = House::new().await;
    let mine = house.get("/").await;
    assert_eq!(mine.header("content-type"), "application/openapi+json; charset=utf-8");
    let mine = mine.json();
    assert!(mine["paths"]["/tasks"]["get"].is_object() && mine["paths"]["/payroll"].is_null());
    assert!(!mine.to_string().contains("payroll"));
    assert_eq!(mine["info"]["title"], "Tasks");
    let nobody = house.send(&Caller::anonymous(), "GET /", &[], "").await.json();
    assert!(nobody["paths"]["/tasks"].is_null() && nobody["paths"]["/rpc/add"]["post"].is_object());
    assert_eq!(nobody["definitions"], serde_json::json!({}));
}

#[tokio::test]
async fn keys_are_described() {
    let house = House::new().await;
    let tasks = house.get("/").await.json()["definitions"]["tasks"].clone();
    assert_eq!(tasks["required"], serde_json::json!(["id", "title"]));
    let person = tasks["properties"]["person"]["description"].as_str().unwrap().to_owned();
    assert_eq!(person, "Note:\nThis is a Foreign Key to `people.id`.<fk table='people' column='id'/>");
}

#[tokio::test]
async fn options_say_what_may_be_done() {
    let house = House::new().await;
    let of = async |path: &str| {
        let got = house.send(&member(), &format!("OPTIONS {path}"), &[], "").await;
        (got.status.as_u16(), got.header("allow").to_owned())
    };
    assert_eq!(of("/tasks").await, (200, "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE".to_owned()));
    assert_eq!(of("/rpc/teapot").await, (200, "OPTIONS,POST".to_owned()));
    assert_eq!(of("/").await, (200, "OPTIONS,GET,HEAD".to_owned()));
    assert_eq!(of("/nope").await.0, 404);
}
