//! Reads of a shape that was asked before, and reads of more rows than are held at once.

use base::Caller;
use serde_json::json;

use super::house::{Got, House, member};

/// The same request the long way: a preference that changes nothing keeps it from being one of a shape.
async fn long_way(house: &House, path: &str, accept: &str) -> Got {
    let headers = [("prefer", "handling=lenient"), ("accept", accept)];
    house.send(&member(), &format!("GET {path}"), &headers, "").await
}

#[tokio::test]
async fn the_same_is_answered_whether_or_not_the_shape_was_asked_before() {
    let house = House::new().await;
    for (path, accept) in [
        ("/tasks?id=eq.1", "*/*"),
        ("/tasks?id=eq.2", "*/*"),
        ("/tasks?id=eq.2", "text/csv"),
        ("/tasks?id=eq.3&select=title", "application/vnd.pgrst.object+json"),
        ("/tasks?id=eq.4&select=title", "application/vnd.pgrst.object+json"),
        ("/tasks?title=eq.", "*/*"),
        ("/tasks?title=eq.a%2Cb%26c+d", "*/*"),
        ("/tasks?title=eq.%22one%22", "*/*"),
        ("/tasks?title=neq.one&id=lt.3&id=gte.2", "*/*"),
        ("/tasks?id=eq.x", "*/*"),
        ("/tasks?id=eq.1&or=(title.eq.one,title.eq.two)", "*/*"),
        ("/people?select=name,jobs:tasks(id)&jobs.id=gt.1&jobs.order=id&name=eq.ann", "*/*"),
        ("/people?select=name,jobs:tasks(id)&jobs.id=gt.0&jobs.order=id&name=eq.bob", "*/*"),
        ("/people?limit=1&order=id&id=gt.1", "*/*"),
        ("/payroll?id=eq.1", "*/*"),
        ("/nothing?id=eq.1", "*/*"),
        ("/people", "*/*"),
        ("/tasks?select=%EE%80%800%EE%80%81&id=eq.1", "*/*"),
    ] {
        let long = long_way(&house, path, accept).await;
        for _ in 0..2 {
            let got = house.send(&member(), &format!("GET {path}"), &[("accept", accept)], "").await;
            assert_eq!((got.status, &got.text), (long.status, &long.text), "{path}");
            for name in ["content-type", "content-range", "content-location", "vary"] {
                assert_eq!(got.header(name), long.header(name), "{name} of {path}");
            }
        }
    }
    // And whoever asks, it is as themselves.
    let nobody = house.send(&Caller::anonymous(), "GET /tasks?id=eq.1", &[], "").await;
    assert_eq!(nobody.status.as_u16(), 401);
}

#[tokio::test]
async fn a_shape_forgets_the_schema_it_was_made_for() {
    let house = House::new().await;
    assert_eq!(house.get("/people?id=eq.1").await.json(), json!([{"id": 1, "name": "ann"}]));
    house.change("ALTER TABLE people ADD COLUMN age int DEFAULT 7").await;
    assert_eq!(house.get("/people?id=eq.1").await.json(), json!([{"id": 1, "name": "ann", "age": 7}]));
}

#[tokio::test]
async fn many_rows_are_sent_as_they_come_and_a_few_at_once() {
    let house = House::with(|config| config.rules.max_rows = None).await;
    house.change("DROP FUNCTION teapot(); INSERT INTO tasks SELECT n, 'row ' || n, NULL FROM generate_series(10, 20009) n").await;
    let few = house.get("/tasks?id=lt.3&order=id").await;
    assert_eq!((few.is_streamed, few.header("content-range")), (false, "0-1/*"));
    let many = house.get("/tasks?select=id,title&order=id").await;
    assert_eq!((many.is_streamed, many.status.as_u16(), many.header("content-range")), (true, 200, "*/*"));
    let rows = many.json();
    assert_eq!(rows.as_array().unwrap().len(), 20_003);
    assert_eq!(rows[20_002], json!({"id": 20_009, "title": "row 20009"}));
    let csv =
        house.send(&member(), "GET /tasks?select=id,title&order=id", &[("accept", "text/csv")], "").await;
    assert_eq!((csv.is_streamed, csv.header("content-type")), (true, "text/csv; charset=utf-8"));
    let lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[20_003]), (20_004, "id,title", r#"20009,"row 20009""#));
    // Counted, it is known before it is sent.
    let counted = house.send(&member(), "GET /tasks?select=id", &[("prefer", "count=exact")], "").await;
    assert_eq!((counted.is_streamed, counted.header("content-range")), (false, "0-20002/20003"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_never_looks_whole() {
    let house = House::with(|config| config.rules.max_rows = None).await;
    house
        .change(
            "DROP FUNCTION teapot(); INSERT INTO tasks SELECT n, 'x', NULL FROM generate_series(10, 50009) n",
        )
        .await;
    house
        .change("CREATE VIEW brittle WITH (security_invoker = true) AS SELECT id, 1 / (40000 - id) AS bad FROM tasks; GRANT SELECT ON brittle TO authenticated")
        .await;
    let broken = house.get("/brittle?order=id").await;
    assert!(broken.is_streamed && broken.broke_off, "{}", broken.text.len());
    // The connection it had is as good as new.
    assert_eq!(house.get("/tasks?id=eq.1&select=id").await.json(), json!([{"id": 1}]));
}
