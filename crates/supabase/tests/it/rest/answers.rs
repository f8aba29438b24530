//! What a client reads from an answer: status, headers, body.

use serde_json::json;

use super::house::{House, member};

#[tokio::test]
async fn a_page_says_where_it_stands() {
    let house = House::new().await;
    let page = house.get("/tasks?select=id&order=id&limit=2").await;
    assert_eq!((page.status.as_u16(), page.header("content-range")), (200, "0-1/*"));
    assert_eq!(page.json(), json!([{"id": 1}, {"id": 2}]));
    let counted = [("prefer", "count=exact")];
    let page = house.send(&member(), "GET /tasks?limit=2", &counted, "").await;
    assert_eq!((page.status.as_u16(), page.header("content-range")), (206, "0-1/3"));
    assert_eq!(page.header("preference-applied"), "count=exact");
    let beyond = house.send(&member(), "GET /tasks?offset=9", &counted, "").await;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, "*/3"));
    assert_eq!(beyond.json()["code"], "PGRST103");
}

#[tokio::test]
async fn embeds_and_filters_travel_in_one_request() {
    let house = House::new().await;
    let got = house.get("/people?select=name,jobs:tasks(id)&jobs.id=gt.1&jobs.order=id&name=eq.ann").await;
    assert_eq!(got.json(), json!([{"name": "ann", "jobs": [{"id": 2}]}]));
}

#[tokio::test]
async fn writes_answer_as_preferred() {
    let house = House::new().await;
    let body = r#"{"id": 9, "title": "nine"}"#;
    let minimal = house.send(&member(), "POST /tasks", &[], body).await;
    assert_eq!((minimal.status.as_u16(), minimal.text.as_str()), (201, ""));
    let whole = [("prefer", "return=representation,resolution=merge-duplicates")];
    let again = house.send(&member(), "POST /tasks?select=title", &whole, body).await;
    assert_eq!((again.status.as_u16(), again.json()), (200, json!([{"title": "nine"}])));
    assert_eq!(again.header("preference-applied"), "resolution=merge-duplicates, return=representation");
    let gone = house.send(&member(), "DELETE /tasks?id=eq.9", &[("prefer", "count=exact")], "").await;
    assert_eq!((gone.status.as_u16(), gone.header("content-range")), (204, "*/1"));
    let key = [("prefer", "return=headers-only")];
    let placed = house.send(&member(), "POST /tasks", &key, body).await;
    assert_eq!(placed.header("location"), "/tasks?id=eq.9");
}

#[tokio::test]
async fn one_object_or_nothing_happens() {
    let house = House::new().await;
    let one = [("accept", "application/vnd.pgrst.object+json")];
    let got = house.send(&member(), "GET /tasks?id=eq.1&select=title", &one, "").await;
    assert_eq!(got.json(), json!({"title": "one"}));
    let refused = house.send(&member(), "DELETE /tasks?person=eq.1", &one, "").await;
    assert_eq!((refused.status.as_u16(), refused.json()["code"].as_str()), (406, Some("PGRST116")));
    assert_eq!(house.get("/tasks?select=id").await.json().as_array().unwrap().len(), 3, "it was rolled back");
}

#[tokio::test]
async fn functions_answer_in_their_own_shape() {
    let house = House::new().await;
    assert_eq!(house.get("/rpc/add?a=1&b=2").await.text, "3");
    let posted = house.send(&member(), "POST /rpc/add", &[], r#"{"a": 1, "b": 2}"#).await;
    assert_eq!((posted.status.as_u16(), posted.text.as_str()), (200, "3"));
    assert_eq!(house.send(&member(), "POST /rpc/nothing", &[], "").await.status, 204);
    let teapot = house.send(&member(), "POST /rpc/teapot", &[], "").await;
    assert_eq!((teapot.status.as_u16(), teapot.header("x-pot")), (418, "short"));
    assert_eq!(teapot.header("x-request-id"), "", "the request's name is the edge's");
    assert_eq!(house.send(&member(), "PATCH /rpc/add", &[], "").await.json()["code"], "PGRST101");
}

#[tokio::test]
async fn csv_goes_out_and_comes_in() {
    let house = House::new().await;
    let headers = [("content-type", "text/csv"), ("accept", "text/csv"), ("prefer", "return=representation")];
    let got = house
        .send(&member(), "POST /tasks?select=id,title,person", &headers, "id,title,person\n7,\"a,b\",NULL\n")
        .await;
    assert_eq!(got.text.trim_end(), "id,title,person\n7,\"a,b\",");
    assert_eq!(got.header("content-type"), "text/csv; charset=utf-8");
}

#[tokio::test]
async fn credentials_stay_out_of_sql() {
    let house = House::new().await;
    let headers = [("authorization", "Bearer t"), ("apikey", "k"), ("x-seen", "yes")];
    let seen = house.send(&member(), "GET /rpc/seen?apikey=k", &headers, "").await.json();
    assert_eq!(seen, json!({"x-seen": "yes"}));
}

#[tokio::test]
async fn a_rollback_may_be_preferred_only_where_allowed() {
    let body = r#"{"id": 9, "title": "nine"}"#;
    let headers = [("prefer", "tx=rollback, return=representation")];
    for (allowed, left) in [(false, 4), (true, 3)] {
        let house = House::with(|config| config.ending_allowed = allowed).await;
        let got = house.send(&member(), "POST /tasks", &headers, body).await;
        assert_eq!(got.header("preference-applied").contains("tx=rollback"), allowed);
        assert_eq!(house.get("/tasks").await.json().as_array().unwrap().len(), left);
    }
}

#[tokio::test]
async fn plans_are_answered_only_where_allowed() {
    let accept = [("accept", "application/vnd.pgrst.plan+json")];
    let house = House::new().await;
    assert_eq!(house.send(&member(), "GET /tasks", &accept, "").await.status, 406);
    let house = House::with(|config| config.plans = true).await;
    let plan = house.send(&member(), "GET /tasks", &accept, "").await;
    assert_eq!(
        plan.header("content-type"),
        "application/vnd.pgrst.plan+json; for=\"application/json\"; charset=utf-8"
    );
    assert!(plan.json()[0]["Plan"]["Total Cost"].is_number());
}

#[tokio::test]
async fn bytes_are_answered_as_they_are_and_none_as_an_empty_body() {
    let house = House::new().await;
    house
        .change(
            "CREATE DOMAIN \"image/x-tiny\" AS bytea;
             CREATE FUNCTION tiny(id int) RETURNS \"image/x-tiny\" LANGUAGE sql STABLE AS
                 $$ SELECT '\\x00017f'::\"image/x-tiny\" WHERE id = 1 $$;
             GRANT EXECUTE ON FUNCTION tiny TO authenticated",
        )
        .await;
    for (id, bytes) in [(1, "\u{0}\u{1}\u{7f}"), (2, "")] {
        let line = format!("GET /rpc/tiny?id={id}");
        let got = house.send(&member(), &line, &[("accept", "image/x-tiny")], "").await;
        assert_eq!((got.status.as_u16(), got.header("content-type")), (200, "image/x-tiny"), "{}", got.text);
        assert_eq!(got.text, bytes, "{line}");
    }
}
