//! What functions decide of the answer and of their transaction, what formats need, and where we differ from PostgREST on purpose.

use data::ask::Name;
use serde_json::{Value, json};

use super::house::{House, member};

const FUNCTIONS: &str = "
CREATE FUNCTION answer(headers text DEFAULT NULL, status text DEFAULT NULL) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    IF headers IS NOT NULL THEN PERFORM set_config('response.headers', headers, true); END IF;
    IF status IS NOT NULL THEN PERFORM set_config('response.status', status, true); END IF;
    RETURN 1; END $$;
CREATE FUNCTION isolated() RETURNS text LANGUAGE sql SET default_transaction_isolation = 'serializable'
    AS $$ SELECT current_setting('transaction_isolation') $$;
CREATE FUNCTION repeatable() RETURNS text LANGUAGE sql STABLE SET default_transaction_isolation = 'repeatable read'
    AS $$ SELECT current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only') $$;
CREATE FUNCTION usual() RETURNS text LANGUAGE sql AS $$ SELECT current_setting('transaction_isolation') $$;
CREATE FUNCTION hasty() RETURNS text LANGUAGE sql SET statement_timeout = '30ms' AS $$ SELECT pg_sleep(20)::text $$;
CREATE FUNCTION limited() RETURNS text LANGUAGE sql SET statement_timeout = '4567ms'
    AS $$ SELECT current_setting('statement_timeout') $$;
CREATE FUNCTION elsewhere() RETURNS text LANGUAGE sql SET work_mem = '4321kB' AS $$ SELECT current_setting('work_mem') $$;
CREATE FUNCTION shown(setting text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting(setting, true) $$;
CREATE FUNCTION shown_now(setting text) RETURNS text LANGUAGE sql AS $$ SELECT current_setting(setting, true) $$;
CREATE FUNCTION long() RETURNS text LANGUAGE sql AS $$ SELECT pg_sleep(20)::text $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO authenticated;
GRANT EXECUTE ON FUNCTION shown TO anon;
";

async fn house() -> House {
    let house = House::new().await;
    house.change(FUNCTIONS).await;
    house
}

#[tokio::test]
async fn a_function_that_misnames_the_answer_is_told_so() {
    let house = house().await;
    for (body, code, message) in [
        (r#"{"headers": "{}"}"#, "PGRST111", "response.headers"),
        (r#"{"headers": "nonsense"}"#, "PGRST111", "response.headers"),
        (r#"{"headers": "[{\"a\": 1}]"}"#, "PGRST111", "response.headers"),
        (r#"{"headers": "[{\"a\": \"b\", \"c\": \"d\"}]"}"#, "PGRST111", "response.headers"),
        (r#"{"headers": "[{\"a b\": \"c\"}]"}"#, "PGRST111", "response.headers"),
        (r#"{"status": "many"}"#, "PGRST112", "response.status"),
        (r#"{"status": "7"}"#, "PGRST112", "response.status"),
    ] {
        let got = house.send(&member(), "POST /rpc/answer", &[], body).await;
        assert_eq!(
            (got.status.as_u16(), got.json()["code"].as_str()),
            (500, Some(code)),
            "{body}: {}",
            got.text
        );
        assert!(got.json()["message"].as_str().unwrap().contains(message), "{}", got.text);
        assert_eq!(
            got.json().as_object().unwrap().keys().collect::<Vec<_>>(),
            ["code", "details", "hint", "message"]
        );
    }
    let right =
        r#"{"headers": "[{\"X-Plan\": \"free\"}, {\"Cache-Control\": \"no-store\"}]", "status": "202"}"#;
    let got = house.send(&member(), "POST /rpc/answer", &[], right).await;
    assert_eq!((got.status.as_u16(), got.text.as_str(), got.header("x-plan")), (202, "1", "free"));
}

#[tokio::test]
async fn settings_of_a_function_hold_for_its_whole_transaction() {
    let house = house().await;
    let post = async |name: &str| house.send(&member(), &format!("POST /rpc/{name}"), &[], "{}").await;
    assert_eq!(post("isolated").await.json(), "serializable");
    assert_eq!(post("repeatable").await.json(), "repeatable read on");
    assert_eq!(house.get("/rpc/repeatable").await.json(), "repeatable read on");
    assert_eq!(post("usual").await.json(), "read committed", "nothing of it stays");
    assert_eq!(post("limited").await.json(), "4567ms");
    assert_eq!(post("elsewhere").await.json(), "4321kB", "what is not hoisted holds inside");
    let stopped = post("hasty").await;
    assert_eq!(
        (stopped.status.as_u16(), stopped.json()["code"].as_str()),
        (500, Some("57014")),
        "{}",
        stopped.text
    );
}

/// PostGIS is not in every PostgreSQL: without it there is no such format, as with PostgREST.
#[tokio::test]
async fn geojson_is_what_postgis_makes_of_rows() {
    let house = house().await;
    let wish = [("accept", "application/geo+json")];
    let refused = house.send(&member(), "GET /tasks", &wish, "").await;
    assert!(refused.status.is_client_error(), "{} {}", refused.status, refused.text);
    assert_eq!(refused.json()["code"], "42883", "{}", refused.text);

    // The function it asks of PostGIS, as far as its form goes.
    house
        .change(
            "CREATE FUNCTION ST_AsGeoJSON(tasks) RETURNS text LANGUAGE sql STABLE AS $$ SELECT json_build_object(
                'type', 'Feature', 'geometry', NULL, 'properties', json_build_object('title', $1.title))::text $$;
             GRANT EXECUTE ON FUNCTION ST_AsGeoJSON(tasks) TO authenticated",
        )
        .await;
    let got = house.send(&member(), "GET /tasks?id=eq.2", &wish, "").await;
    assert_eq!(got.header("content-type"), "application/geo+json; charset=utf-8", "{}", got.text);
    let feature = json!({ "type": "Feature", "geometry": null, "properties": { "title": "two" } });
    assert_eq!(got.json(), json!({ "type": "FeatureCollection", "features": [feature] }));
}

/// A filter that says nothing would be all rows: of a DELETE too. A name without `=` is no filter, as with PostgREST.
#[tokio::test]
async fn a_filter_without_a_value_is_refused() {
    let house = house().await;
    for line in ["GET /tasks?id=", "DELETE /tasks?id=", "PATCH /tasks?id=", "GET /tasks?title=&id=eq.1"] {
        let got = house.send(&member(), line, &[], r#"{"title": "x"}"#).await;
        assert_eq!((got.status.as_u16(), got.json()["code"].as_str()), (400, Some("PGRST100")), "{line}");
    }
    assert_eq!(house.get("/tasks?select=&limit=&id=eq.1").await.json()[0]["title"], "one");
    assert_eq!(house.get("/tasks?id").await.json().as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_every_request_passes_first_may_refuse_and_answer() {
    let house = House::guarded(
        Name::new("guard", "pass"),
        "CREATE SCHEMA guard; GRANT USAGE ON SCHEMA guard TO anon, authenticated, service_role;
         CREATE FUNCTION guard.pass() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('request.headers', true)::json->>'x-shut' IS NOT NULL THEN
                RAISE SQLSTATE 'PT429' USING MESSAGE = 'later', HINT = current_setting('request.path', true);
            END IF;
            PERFORM set_config('response.headers', '[{\"X-Passed\": \"' || current_user || '\"}]', true);
         END $$;
         GRANT EXECUTE ON FUNCTION guard.pass() TO anon, authenticated, service_role",
    )
    .await;
    let whole = [("prefer", "return=representation")];
    for (line, body) in [
        ("GET /tasks?id=eq.1", ""),
        ("GET /tasks?select=id&limit=5000", ""),
        ("HEAD /tasks", ""),
        ("GET /rpc/add?a=1&b=2", ""),
        ("POST /rpc/add", r#"{"a": 1, "b": 2}"#),
        ("POST /tasks", r#"{"id": 7, "title": "seven"}"#),
        ("PATCH /tasks?id=eq.7", r#"{"title": "VII"}"#),
        ("DELETE /tasks?id=eq.7", ""),
    ] {
        let passed = house.send(&member(), line, &whole, body).await;
        assert!(passed.status.is_success(), "{line}: {}", passed.text);
        assert_eq!(passed.header("x-passed"), "authenticated", "{line}");
        let refused = house.send(&member(), line, &[("x-shut", "yes")], body).await;
        assert_eq!(refused.status, 429, "{line}: {}", refused.text);
    }
    let shut = house.send(&member(), "GET /", &[("x-shut", "yes")], "").await;
    assert_eq!((shut.status.as_u16(), shut.json()["hint"].as_str()), (429, Some("/")), "{}", shut.text);

    house.change("DROP FUNCTION guard.pass()").await;
    let closed = house.get("/tasks").await;
    assert_eq!(
        (closed.status.as_u16(), closed.json()["code"].clone()),
        (503, json!("data.pre_request.refused"))
    );
    assert_eq!(closed.json()["details"], Value::Null, "{}", closed.text);
}

/// What a setting is inside a request, of a function that may write or of one that may not.
async fn shown(house: &House, caller: &base::Caller, function: &str, setting: &str) -> Value {
    let body = json!({ "setting": setting }).to_string();
    house.send(caller, &format!("POST /rpc/{function}"), &[], &body).await.json()
}

#[tokio::test]
async fn settings_of_a_role_hold_for_its_requests_and_nobody_elses() {
    let house = house().await;
    let visitor = base::Caller::anonymous();
    let before = shown(&house, &visitor, "shown", "statement_timeout").await;
    house
        .set(&[
            "authenticated SET statement_timeout = '1234ms'",
            "authenticated SET \"TimeZone\" = 'Asia/Tokyo'",
            "authenticated SET default_text_search_config = 'pg_catalog.german'",
            "authenticated SET work_mem = '4567kB'",
            "authenticated SET default_transaction_isolation = 'repeatable read'",
            "anon SET statement_timeout = '1h'",
        ])
        .await;
    // Nobody tells of changed roles: they are looked for.
    assert_ne!(shown(&house, &member(), "shown", "work_mem").await, "4567kB");
    assert!(house.data().look().await.unwrap());
    assert!(!house.data().look().await.unwrap(), "and taken once");
    assert_eq!(shown(&house, &member(), "shown_now", "transaction_isolation").await, "repeatable read");
    house.set(&["authenticated RESET default_transaction_isolation"]).await;
    assert!(house.data().look().await.unwrap());
    for (setting, expected) in [
        ("statement_timeout", "1234ms"),
        ("TimeZone", "Asia/Tokyo"),
        ("default_text_search_config", "pg_catalog.german"),
        ("work_mem", "4567kB"),
        ("transaction_isolation", "read committed"),
    ] {
        for function in ["shown", "shown_now"] {
            let trips = house.round_trips();
            assert_eq!(shown(&house, &member(), function, setting).await, expected, "{function} {setting}");
            assert_eq!(house.round_trips() - trips, 1, "one round trip, with everything in it");
        }
        let others = shown(&house, &visitor, "shown", setting).await;
        assert!(others != expected || setting == "transaction_isolation", "{setting} is another role's");
    }
    // Theirs comes before ours, longer or shorter, but none at all is not to be had.
    assert_eq!(shown(&house, &visitor, "shown", "statement_timeout").await, "1h");
    for none in ["0", "'0s'"] {
        house.set(&[&format!("anon SET statement_timeout = {none}")]).await;
        house.data().look().await.unwrap();
        assert_eq!(shown(&house, &visitor, "shown", "statement_timeout").await, before, "{none}");
    }
    // What a request or a function says comes later.
    let body = json!({ "setting": "TimeZone" }).to_string();
    let prefer = [("prefer", "timezone=Europe/Berlin")];
    let asked = house.send(&member(), "POST /rpc/shown", &prefer, &body).await;
    assert_eq!(asked.json(), "Europe/Berlin");
    let post = async |name: &str| house.send(&member(), &format!("POST /rpc/{name}"), &[], "{}").await;
    assert_eq!(post("limited").await.json(), "4567ms");
    // And it is no mere word.
    house.set(&["authenticated SET statement_timeout = '40ms'"]).await;
    assert!(house.data().look().await.unwrap());
    let stopped = post("long").await;
    assert_eq!(stopped.json()["code"], "57014", "{}", stopped.text);
    house.set(&["authenticated RESET ALL"]).await;
    assert!(house.data().look().await.unwrap());
    assert_ne!(shown(&house, &member(), "shown", "work_mem").await, "4567kB", "and nothing of it stays");
}

#[tokio::test]
async fn a_roles_settings_decide_neither_who_asks_nor_how_answers_are_read() {
    let house = house().await;
    let settings = [
        "request.jwt.claims = '{\"sub\": \"00000000-0000-4000-8000-000000000001\"}'",
        "request.jwt.claim.sub = '00000000-0000-4000-8000-000000000001'",
        "search_path = 'pg_catalog'",
        "client_encoding = 'LATIN1'",
        "\"DateStyle\" = 'German'",
        "bytea_output = 'escape'",
        "extra_float_digits = '-15'",
        "application_name = 'somebody'",
        "default_transaction_read_only = 'on'",
        "session_replication_role = 'replica'",
        "log_statement = 'none'",
        "row_security = 'on'",
    ];
    let mut before = Vec::new();
    let name = |setting: &str| setting.split(" = ").next().unwrap().trim_matches('"').to_owned();
    for setting in &settings {
        before.push(shown(&house, &member(), "shown_now", &name(setting)).await);
    }
    let all: Vec<String> = settings.iter().map(|setting| format!("authenticated SET {setting}")).collect();
    house.set(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    house.data().reload().await.unwrap();
    for (setting, before) in settings.iter().zip(before) {
        assert_eq!(shown(&house, &member(), "shown_now", &name(setting)).await, before, "{setting}");
    }
    house.set(&["authenticated SET lock_timeout = '77ms'"]).await;
    assert!(house.data().look().await.unwrap());
    assert_eq!(shown(&house, &member(), "shown_now", "lock_timeout").await, "77ms", "as its neighbours are");
    let written =
        house.send(&member(), "POST /tasks", &[], r#"{"id": 9, "title": "Grüße", "person": 1}"#).await;
    assert_eq!(written.status, 201, "{}", written.text);
    assert_eq!(house.get("/tasks?id=eq.9").await.json()[0]["title"], "Grüße");
}
