//! PostgREST's wire as this product serves it, statement by statement: what its documentation says, asked of the running
//! server as somebody with an account. What only its own suite can ask (its 33 configurations) is in the conformance profile.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use spec::http::Seen;
use spec::{Client, TestApp};

const CINEMA: &str = include_str!("postgrest.sql");

pub async fn cinema() -> (TestApp, Client) {
    let app = TestApp::builder().unlimited().with("data.aggregates", "true").start().await;
    app.owner(CINEMA).await;
    let ann = app.person("ann").await.client;
    (app, ann)
}

/// `GET /films?…`, with `Name: value` lines and a body after it.
pub async fn ask(client: &Client, line: &str, headers: &[&str], body: &str) -> Seen {
    let (method, path) = line.split_once(' ').unwrap();
    let headers: Vec<(&str, &str)> = headers.iter().map(|header| header.split_once(": ").unwrap()).collect();
    let (method, path) = (method.parse::<Method>().unwrap(), path.replace('>', "%3E"));
    client.send(method, &format!("/rest/v1{path}"), &headers, Bytes::copy_from_slice(body.as_bytes())).await
}

pub async fn get(client: &Client, path: &str) -> Value {
    ask(client, &format!("GET {path}"), &[], "").await.expect(200).value()
}

/// Status, code.
pub async fn refusal(client: &Client, line: &str, headers: &[&str], body: &str) -> (u16, String) {
    let seen = ask(client, line, headers, body).await;
    let code = serde_json::from_slice::<Value>(&seen.body).unwrap_or_default()["code"].clone();
    (seen.status.as_u16(), code.as_str().unwrap_or_default().to_owned())
}

/// Ids of films that a filter lets through.
async fn ids(client: &Client, filter: &str) -> Vec<i64> {
    let rows = get(client, &format!("/films?select=id&order=id&{filter}")).await;
    rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn operators_mean_what_postgrest_says() {
    let (_app, ann) = cinema().await;
    for (filter, found) in [
        ("year=eq.1972", vec![2]),
        ("year=neq.1972", vec![1, 3]),
        ("year=gt.1972", vec![1, 3]),
        ("year=gte.1972", vec![1, 2, 3]),
        ("year=lt.1979", vec![2, 3]),
        ("year=lte.1979", vec![1, 2, 3]),
        ("title=like.*al*", vec![1]),
        ("title=ilike.S*", vec![1, 2]),
        ("title=like(any).{*al*,Sol*}", vec![1, 2]),
        ("title=ilike(all).{s*,*r}", vec![1]),
        ("title=match.%5ES", vec![1, 2]),
        ("title=imatch.%5Es", vec![1, 2]),
        ("id=in.(1,3)", vec![1, 3]),
        ("title=in.(%22Stalker%22,%22a,b%22)", vec![1, 4]),
        ("id=in.()", vec![]),
        ("id=not.in.(1,3)", vec![2, 4]),
        ("id=eq(any).{1,2}", vec![1, 2]),
        ("year=is.null", vec![4]),
        ("year=is.NOT_NULL", vec![1, 2, 3]),
        ("year=not.is.null", vec![1, 2, 3]),
        ("seen=is.true", vec![1]),
        ("seen=is.unknown", vec![3, 4]),
        ("year=isdistinct.1972", vec![1, 3, 4]),
        ("tags=cs.{slow}", vec![1, 2]),
        ("tags=cd.{slow,russian,other}", vec![1, 2, 4]),
        ("tags=ov.{blue}", vec![3]),
        ("span=cs.[2,3]", vec![1, 2]),
        ("span=sl.(90,100)", vec![1, 2, 3]),
        ("span=sr.[0,1)", vec![1, 2, 3]),
        ("span=nxl.(1,100)", vec![2, 3]),
        ("span=nxr.(0,50)", vec![1, 2]),
        ("span=adj.[10,20)", vec![1]),
        ("title=fts.stalker", vec![1]),
        ("title=plfts(english).stalking", vec![]),
        ("title=phfts.the+mirror", vec![3]),
        ("title=wfts(simple).mirror+or+solaris", vec![2, 3]),
        ("title=not.fts(english).stalker", vec![2, 3, 4]),
        ("extra->>k=eq.v", vec![1]),
        ("extra->n=eq.2", vec![1]),
        ("extra->list->-1=eq.3", vec![1]),
        ("or=(id.eq.1,year.gt.1974)", vec![1, 3]),
        ("not.or=(id.eq.1,id.eq.2)", vec![3, 4]),
        ("and=(id.gt.1,or(year.is.null,not.and(id.eq.2,year.eq.1972)))", vec![3, 4]),
        ("or=(title.in.(Stalker,%22x)%22),tags.cs.{blue,old})", vec![1, 3]),
        // The same column twice is both; one without a value is no filter.
        ("id=gt.1&id=lt.4", vec![2, 3]),
        ("year", vec![1, 2, 3, 4]),
        // A function of the row is a column.
        ("initial=eq.S", vec![1, 2]),
    ] {
        assert_eq!(ids(&ann, filter).await, found, "{filter}");
    }
    for (filter, status, code) in [
        ("year=1972", 400, "PGRST100"),
        ("year=is.maybe", 400, "PGRST100"),
        ("or=()", 400, "PGRST100"),
        ("xor=(id.eq.1,id.eq.2)", 400, "PGRST100"),
        ("nothing=eq.1", 400, "42703"),
        ("tags=fts.x", 404, "42883"),
        ("directors.name=eq.x", 400, "PGRST108"),
    ] {
        assert_eq!(
            refusal(&ann, &format!("GET /films?{filter}"), &[], "").await,
            (status, code.to_owned()),
            "{filter}"
        );
    }
}

#[tokio::test]
async fn selections_embeds_and_orders_have_postgrests_shapes() {
    let (_app, ann) = cinema().await;
    for (path, rows) in [
        ("/directors?select=&id=eq.2", json!([{ "id": 2, "name": "Nobody" }])),
        ("/films?select=name:title,id::text&id=eq.1", json!([{ "name": "Stalker", "id": "1" }])),
        (
            "/films?select=extra->>k,n:extra->n,extra->list->0,last:extra->list->>-1&id=eq.1",
            json!([{ "k": "v", "n": 2, "list": 1, "last": "3" }]),
        ),
        ("/films?select=id,initial&id=eq.1", json!([{ "id": 1, "initial": "S" }])),
        (
            "/films?select=id,director:directors(name)&id=lte.2&order=id",
            json!([{ "id": 1, "director": { "name": "Tarkovsky" } }, { "id": 2, "director": { "name": "Tarkovsky" } }]),
        ),
        ("/films?select=id,director_id(name)&id=eq.4", json!([{ "id": 4, "director_id": null }])),
        (
            "/films?select=id,directors!films_director_id_fkey(name)&id=eq.3",
            json!([{ "id": 3, "directors": { "name": "Tarkovsky" } }]),
        ),
        ("/films?select=id,directors!inner()&order=id.desc", json!([{ "id": 3 }, { "id": 2 }, { "id": 1 }])),
        (
            "/directors?select=name,films(id)&films.year=gt.1972&films.order=id.desc&films.limit=1&order=name",
            json!([{ "name": "Nobody", "films": [] }, { "name": "Tarkovsky", "films": [{ "id": 3 }] }]),
        ),
        ("/directors?select=name&films=is.null", json!({ "error": "not embedded" })),
        ("/directors?select=name,films()&films=is.null", json!([{ "name": "Nobody" }])),
        (
            "/directors?select=name,films!inner(id)&films.title=eq.Solaris",
            json!([{ "name": "Tarkovsky", "films": [{ "id": 2 }] }]),
        ),
        (
            "/films?select=id,actors(name)&actors.order=name&id=eq.1",
            json!([{ "id": 1, "actors": [{ "name": "Freindlich" }, { "name": "Kaidanovsky" }] }]),
        ),
        (
            "/films?select=id,...directors(director:name)&id=eq.1",
            json!([{ "id": 1, "director": "Tarkovsky" }]),
        ),
        (
            "/films?select=id,...actors(name)&actors.order=name.desc&id=eq.1",
            json!([{ "id": 1, "name": ["Kaidanovsky", "Freindlich"] }]),
        ),
        (
            "/films?select=id&order=directors(name).desc.nullslast,id&limit=1",
            json!({ "error": "not embedded" }),
        ),
        (
            "/films?select=id,directors(name)&order=directors(name).asc.nullsfirst,id&limit=1",
            json!([{ "id": 4, "directors": null }]),
        ),
        ("/films?select=id&order=year.desc.nullslast&limit=2&offset=1", json!([{ "id": 3 }, { "id": 2 }])),
        ("/films?select=id&limit=0", json!([])),
        ("/films?select=count()", json!([{ "count": 4 }])),
        (
            "/films?select=director_id,year.max(),n:year.count()&director_id=eq.1",
            json!([{ "director_id": 1, "max": 1979, "n": 3 }]),
        ),
        (
            "/directors?select=name,films(year.min())&id=eq.1",
            json!([{ "name": "Tarkovsky", "films": [{ "min": 1972 }] }]),
        ),
        (
            "/directors?select=name,films(count)&id=eq.1",
            json!([{ "name": "Tarkovsky", "films": [{ "count": 3 }] }]),
        ),
        (
            "/titles?select=title,directors(name)&id=eq.1",
            json!([{ "title": "Stalker", "directors": { "name": "Tarkovsky" } }]),
        ),
    ] {
        let seen = ask(&ann, &format!("GET {path}"), &[], "").await;
        if rows["error"].is_null() {
            assert_eq!(seen.expect(200).value(), rows, "{path}");
        } else {
            assert_eq!(seen.status, 400, "{path}: {}", seen.text());
        }
    }
    for (path, status, code) in [
        ("/films?select=id,nothing(id)", 400, "PGRST200"),
        ("/films?select=id,people(name)", 300, "PGRST201"),
        ("/directors?select=id,films(id)&order=films(id)", 400, "PGRST118"),
        ("/films?select=id::nonsense", 400, "42704"),
        ("/films?select=id,(", 400, "PGRST100"),
        ("/films?select=id&order=id.sideways", 400, "PGRST100"),
        ("/directors?select=name,...films(year.max())", 400, "PGRST127"),
        ("/nothing", 404, "PGRST205"),
        ("/films/1", 404, "PGRST125"),
    ] {
        assert_eq!(refusal(&ann, &format!("GET {path}"), &[], "").await, (status, code.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn pages_totals_and_singular_answers_are_told_as_postgrest_tells_them() {
    let (_app, ann) = cinema().await;
    for (path, headers, status, range) in [
        ("/films", &[][..], 200, "0-3/*"),
        ("/films", &["prefer: count=exact"], 200, "0-3/4"),
        ("/films?limit=2", &["prefer: count=exact"], 206, "0-1/4"),
        ("/films?limit=2&offset=3", &["prefer: count=exact"], 206, "3-3/4"),
        ("/films?limit=0", &[], 200, "*/*"),
        ("/films?id=eq.9", &["prefer: count=exact"], 200, "*/0"),
        ("/films?offset=9", &["prefer: count=exact"], 416, "*/4"),
        ("/films", &["range: 1-2"], 200, "1-2/*"),
        ("/films?limit=3", &["range: 2-5"], 200, "2-2/*"),
        ("/films", &["range: 2-"], 200, "2-3/*"),
        ("/films", &["range: 2-1"], 416, ""),
        ("/films", &["range: lines=1"], 200, "0-3/*"),
        ("/films?limit=-1", &[], 416, ""),
        ("/films?offset=-1", &[], 200, "0-3/*"),
        ("/films?limit=many", &[], 200, "0-3/*"),
        (
            "/films?select=id,directors!inner(id)&directors.id=eq.1&limit=1",
            &["prefer: count=exact"],
            206,
            "0-0/3",
        ),
        ("/rpc/later_than?year=1973&limit=1", &["prefer: count=exact"], 206, "0-0/2"),
    ] {
        let seen = ask(&ann, &format!("GET {path}"), headers, "").await;
        assert_eq!(
            (seen.status.as_u16(), seen.header("content-range")),
            (status, range),
            "{path} {headers:?}"
        );
        if path.contains("prefer") {
            assert_eq!(seen.header("preference-applied"), "count=exact");
        }
    }
    for count in ["planned", "estimated"] {
        let seen = ask(&ann, "GET /films?limit=1", &[&format!("prefer: count={count}")], "").await;
        assert!(!seen.header("content-range").ends_with('*'), "{count}: {}", seen.header("content-range"));
    }
    let single = "accept: application/vnd.pgrst.object+json";
    let one = ask(&ann, "GET /films?id=eq.1&select=id", &[single], "").await.expect(200);
    assert_eq!(one.value(), json!({ "id": 1 }));
    assert_eq!(one.header("content-type"), "application/vnd.pgrst.object+json; charset=utf-8");
    let many = ask(&ann, "GET /films", &[single], "").await.expect(406).value();
    assert_eq!((&many["code"], &many["details"]), (&json!("PGRST116"), &json!("The result contains 4 rows")));
    // One too many is rolled back, also where nothing is given back.
    let bodies = json!([{ "id": 10, "name": "a" }, { "id": 11, "name": "b" }]).to_string();
    for prefer in ["prefer: return=representation", "prefer: return=minimal"] {
        let refused =
            refusal(&ann, "POST /directors", &[single, prefer, "content-type: application/json"], &bodies)
                .await;
        assert_eq!(refused, (406, "PGRST116".to_owned()));
    }
    assert_eq!(get(&ann, "/directors?select=id&id=gte.10").await, json!([]));
    let stripped = "accept: application/vnd.pgrst.array+json;nulls=stripped";
    assert_eq!(
        ask(&ann, "GET /films?id=eq.4&select=id,year", &[stripped], "").await.expect(200).value(),
        json!([{ "id": 4 }])
    );
    let csv =
        ask(&ann, "GET /films?select=id,title,year&order=id", &["accept: text/csv"], "").await.expect(200);
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(
        csv.text(),
        "id,title,year\n1,Stalker,1979\n2,Solaris,1972\n3,\"The Mirror\",1975\n4,\"a,b\","
    );
    let head = ask(&ann, "HEAD /films", &["prefer: count=exact"], "").await.expect(200);
    assert_eq!((head.body.len(), head.header("content-range")), (0, "0-3/4"));
    for (accept, code) in [
        ("image/png", "PGRST107"),
        ("application/vnd.pgrst.plan+json", "PGRST107"),
        ("application/openapi+json", "PGRST107"),
    ] {
        let refused = refusal(&ann, "GET /films", &[&format!("accept: {accept}")], "").await;
        assert_eq!(refused, (406, code.to_owned()), "{accept}");
    }
    let preferred = ask(
        &ann,
        "GET /films?select=id&id=eq.1",
        &["accept: image/png, text/csv;q=0.5, application/json;q=0.9"],
        "",
    )
    .await;
    assert_eq!(preferred.expect(200).value(), json!([{ "id": 1 }]));
}

#[tokio::test]
async fn inserts_and_upserts_answer_as_postgrest_answers() {
    let (_app, ann) = cinema().await;
    let whole = "prefer: return=representation";
    let is_json = "content-type: application/json";
    // Insert: nothing, the address, the rows.
    let minimal = ask(&ann, "POST /log", &[is_json], r#"{"line":"a"}"#).await.expect(201);
    assert_eq!(
        (minimal.body.len(), minimal.header("content-type"), minimal.header("content-range")),
        (0, "", "*/*")
    );
    let headed =
        ask(&ann, "POST /log", &["prefer: return=headers-only"], r#"{"line":"b"}"#).await.expect(201);
    assert_eq!(headed.header("location"), "/log?id=eq.2");
    assert_eq!(headed.header("preference-applied"), "return=headers-only");
    let rows = ask(
        &ann,
        "POST /log?select=line,loud",
        &[whole, "prefer: count=exact"],
        r#"[{"line":"c"},{"line":"d"}]"#,
    )
    .await
    .expect(201);
    assert_eq!(rows.value(), json!([{ "line": "c", "loud": "C" }, { "line": "d", "loud": "D" }]));
    assert_eq!(rows.header("content-range"), "*/2");
    for (path, headers, body, status, given) in [
        // Defaults: left out they are the database's; named and missing they are null, or the default where asked for.
        ("/log?select=line,at", &[whole, is_json][..], "{}", 201, json!([{ "line": "said", "at": 7 }])),
        (
            "/log?select=line,at",
            &[whole, is_json],
            "[{},{}]",
            201,
            json!([{ "line": "said", "at": 7 }, { "line": "said", "at": 7 }]),
        ),
        ("/log", &[whole, is_json], "[]", 201, json!([])),
        (
            "/log?columns=line,at&select=line,at",
            &[whole, is_json],
            r#"[{"line":"x"},{"line":"y","at":1,"other":2}]"#,
            201,
            json!([{ "line": "x", "at": null }, { "line": "y", "at": 1 }]),
        ),
        (
            "/log?columns=%22line%22,%22at%22&select=line,at",
            &["prefer: return=representation, missing=default", is_json],
            r#"[{"at":1},{"line":"y"}]"#,
            201,
            json!([{ "line": "said", "at": 1 }, { "line": "y", "at": 7 }]),
        ),
        (
            "/log?select=line,at",
            &[whole, "content-type: text/csv"],
            "line,at\nx,1\n,NULL\n",
            201,
            json!([{ "line": "x", "at": 1 }, { "line": "", "at": null }]),
        ),
        (
            "/log?select=line,at",
            &[whole, "content-type: application/x-www-form-urlencoded"],
            "line=a+b&at=3",
            201,
            json!([{ "line": "a b", "at": 3 }]),
        ),
        // Upserts.
        (
            "/directors",
            &["prefer: return=representation, resolution=merge-duplicates", is_json],
            r#"[{"id":5,"name":"Five"}]"#,
            201,
            json!([{ "id": 5, "name": "Five" }]),
        ),
        (
            "/directors",
            &["prefer: return=representation, resolution=merge-duplicates", is_json],
            r#"[{"id":5,"name":"Fünf"}]"#,
            200,
            json!([{ "id": 5, "name": "Fünf" }]),
        ),
        (
            "/directors?on_conflict=name",
            &["prefer: return=representation, resolution=ignore-duplicates", is_json],
            r#"[{"id":6,"name":"Fünf"}]"#,
            201,
            json!([]),
        ),
        // What was written can be embedded in.
        (
            "/films?select=id,directors(name)",
            &[whole, is_json],
            r#"{"id":9,"title":"t","director_id":1}"#,
            201,
            json!([{ "id": 9, "directors": { "name": "Tarkovsky" } }]),
        ),
    ] {
        let seen = ask(&ann, &format!("POST {path}"), headers, body).await;
        assert_eq!((seen.status.as_u16(), seen.value()), (status, given), "{path} {body}");
    }
}

#[tokio::test]
async fn writes_are_refused_as_postgrest_refuses_them() {
    let (_app, ann) = cinema().await;
    let is_json = "content-type: application/json";
    ask(&ann, "POST /log", &[is_json], "[{},{}]").await.expect(201);
    for (line, headers, body, refused) in [
        ("POST /log", &[is_json][..], r#"[{"line":"x"},{"at":1}]"#, (400, "PGRST102")),
        ("POST /log", &[is_json], "", (400, "PGRST102")),
        ("POST /log", &[is_json], "{", (400, "PGRST102")),
        ("POST /log", &["content-type: image/png"], "x", (400, "PGRST102")),
        ("POST /log?columns=nothing", &[is_json], "[{}]", (400, "PGRST204")),
        ("POST /log?columns=", &[is_json], "[{}]", (400, "PGRST100")),
        ("POST /directors", &[is_json], r#"{"id":1,"name":"x"}"#, (409, "23505")),
        ("POST /films", &[is_json], r#"{"id":77,"title":"x","director_id":99}"#, (409, "23503")),
        ("POST /films", &[is_json], r#"{"id":77}"#, (400, "23502")),
        ("POST /films", &[is_json], r#"{"id":"x","title":"x"}"#, (400, "22P02")),
        ("POST /log", &[is_json, "prefer: handling=strict, nonsense"], "{}", (400, "PGRST122")),
        // Put: all of the key, nothing else, and the same in the body.
        ("PUT /directors?id=eq.5", &[is_json], r#"{"id":6,"name":"x"}"#, (400, "PGRST115")),
        ("PUT /directors?id=eq.5&limit=1", &[is_json], r#"{"id":5,"name":"x"}"#, (400, "PGRST114")),
        ("PUT /directors?name=eq.x", &[is_json], r#"{"id":5,"name":"x"}"#, (405, "PGRST105")),
        (
            "PUT /directors?id=eq.5&or=(id.eq.5,id.eq.6)",
            &[is_json],
            r#"{"id":5,"name":"x"}"#,
            (405, "PGRST105"),
        ),
        // Most rows that may be touched.
        (
            "PATCH /log?id=gt.0",
            &[is_json, "prefer: handling=strict, max-affected=1"],
            r#"{"at":0}"#,
            (400, "PGRST124"),
        ),
        ("DELETE /log?id=gt.0", &["prefer: handling=strict, max-affected=1"], "", (400, "PGRST124")),
    ] {
        assert_eq!(
            refusal(&ann, line, headers, body).await,
            (refused.0, refused.1.to_owned()),
            "{line} {body}"
        );
    }
    assert!(get(&ann, "/log?at=eq.0&select=id").await.as_array().unwrap().is_empty());
}

#[tokio::test]
async fn changes_and_removals_answer_as_postgrest_answers() {
    let (_app, ann) = cinema().await;
    let (whole, is_json) = ("prefer: return=representation", "content-type: application/json");
    ask(&ann, "PUT /directors?id=eq.7", &[is_json], r#"{"id":7,"name":"Seven"}"#).await.expect(204);
    let put = ask(&ann, "PUT /directors?id=eq.8", &[is_json, whole], r#"{"id":8,"name":"Eight"}"#)
        .await
        .expect(201);
    assert_eq!(put.value(), json!([{ "id": 8, "name": "Eight" }]));
    ask(&ann, "PUT /directors?id=eq.8", &[is_json, whole], r#"{"id":8,"name":"Acht"}"#).await.expect(200);
    let changed = ask(
        &ann,
        "PATCH /directors?id=gte.7&select=id",
        &[is_json, whole, "prefer: count=exact"],
        r#"{"name":null}"#,
    )
    .await;
    assert_eq!(changed.status, 400);
    let count = "prefer: count=exact";
    let changed =
        ask(&ann, "PATCH /directors?id=eq.7&select=name", &[is_json, whole, count], r#"{"name":"Sieben"}"#)
            .await
            .expect(200);
    assert_eq!((changed.value(), changed.header("content-range")), (json!([{ "name": "Sieben" }]), "0-0/1"));
    let none = ask(&ann, "PATCH /directors?id=eq.99", &[is_json, whole], r#"{"name":"x"}"#).await.expect(200);
    assert_eq!((none.value(), none.header("content-range")), (json!([]), "*/*"));
    ask(&ann, "PATCH /directors?id=eq.7", &[is_json], "{}").await.expect(204);
    let gone = ask(&ann, "DELETE /directors?id=gte.7&order=id.desc&select=id", &[whole, count], "")
        .await
        .expect(200);
    assert_eq!((gone.value(), gone.header("content-range")), (json!([{ "id": 8 }, { "id": 7 }]), "*/2"));
    ask(&ann, "DELETE /directors?id=eq.7", &[is_json], "").await.expect(204);
}

#[tokio::test]
async fn functions_are_called_as_postgrest_calls_them() {
    let (_app, ann) = cinema().await;
    let is_json = "content-type: application/json";
    for (line, headers, body, status, given) in [
        ("POST /rpc/add", &[is_json][..], r#"{"a":1,"b":2}"#, 200, json!(3)),
        ("POST /rpc/add", &[is_json], r#"{"a":1}"#, 200, json!(11)),
        ("POST /rpc/add", &["content-type: application/x-www-form-urlencoded"], "a=1&b=4", 200, json!(5)),
        ("GET /rpc/add?a=1&b=5", &[], "", 200, json!(6)),
        ("GET /rpc/all_of?words=a&words=b", &[], "", 200, json!("a+b")),
        ("POST /rpc/all_of", &[is_json], r#"{"words":["a","b"]}"#, 200, json!("a+b")),
        ("POST /rpc/none", &[], "", 200, json!(null)),
        ("POST /rpc/pair", &[], "", 200, json!({ "a": 1, "b": "x" })),
        ("POST /rpc/numbers", &[], "", 200, json!([1, 2, 3])),
        ("POST /rpc/echo", &[is_json], r#"{"any":[1]}"#, 200, json!({ "any": [1] })),
        ("POST /rpc/shout", &["content-type: text/plain"], "quiet", 200, json!("QUIET")),
        (
            "GET /rpc/later_than?year=1973&select=id,directors(name)&order=id.desc&id=lt.3",
            &[],
            "",
            200,
            json!([{ "id": 1, "directors": { "name": "Tarkovsky" } }]),
        ),
        (
            "POST /rpc/later_than?select=id&title=like.*M*",
            &[is_json],
            r#"{"year":1970}"#,
            200,
            json!([{ "id": 3 }]),
        ),
        ("GET /rpc/sly", &[], "", 200, json!(0)),
        ("GET /rpc/zone", &["prefer: timezone=Europe/Berlin"], "", 200, json!("Europe/Berlin")),
        ("POST /rpc/teapot", &[], "", 418, json!("stout")),
    ] {
        let seen = ask(&ann, line, headers, body).await;
        assert_eq!((seen.status.as_u16(), seen.value()), (status, given), "{line} {body}");
    }
    let void = ask(&ann, "POST /rpc/nothing", &[], "").await.expect(204);
    assert!(void.body.is_empty());
    assert_eq!(ask(&ann, "POST /rpc/teapot", &[], "").await.header("x-pot"), "short");
    for (line, headers, body, refused) in [
        ("POST /rpc/add", &[is_json][..], r#"{"x":1}"#, (404, "PGRST202")),
        ("GET /rpc/missing", &[], "", (404, "PGRST202")),
        ("POST /rpc/both", &[is_json], r#"{"a":1}"#, (300, "PGRST203")),
        ("PATCH /rpc/add", &[is_json], "{}", (405, "PGRST101")),
        ("GET /rpc/say?line=x", &[], "", (405, "25006")),
        ("POST /rpc/add?a=1", &[is_json], r#"{"a":1}"#, (400, "PGRST100")),
        (
            "POST /rpc/add",
            &[is_json, "prefer: handling=strict, max-affected=1"],
            r#"{"a":1}"#,
            (400, "PGRST128"),
        ),
        ("GET /rpc/zone", &["prefer: timezone=Mars/Olympus"], "", (400, "22023")),
        ("POST /rpc/refuse", &[is_json], r#"{"code":"P0001"}"#, (400, "P0001")),
        ("POST /rpc/refuse", &[is_json], r#"{"code":"PT402"}"#, (402, "PT402")),
        ("POST /rpc/refuse", &[is_json], r#"{"code":"42501"}"#, (403, "42501")),
        ("GET /films?select=id", &["accept-profile: hidden"], "", (406, "PGRST106")),
        ("POST /films", &["content-profile: pg_catalog"], "{}", (406, "PGRST106")),
    ] {
        assert_eq!(
            refusal(&ann, line, headers, body).await,
            (refused.0, refused.1.to_owned()),
            "{line} {body}"
        );
    }
    // What is raised on purpose is told whole, in PostgREST's four words.
    let raised = ask(&ann, "POST /rpc/refuse", &[is_json], r#"{"code":"PT402"}"#).await.value();
    assert_eq!(raised, json!({ "code": "PT402", "details": "why", "hint": "how", "message": "no" }));
    // What may be done, without asking the database.
    for (path, allow) in [
        ("/films", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
        ("/rpc/add?a=1", "OPTIONS,GET,HEAD,POST"),
        ("/rpc/say?line=x", "OPTIONS,POST"),
        ("/", "OPTIONS,GET,HEAD"),
    ] {
        assert_eq!(
            ask(&ann, &format!("OPTIONS {path}"), &[], "").await.expect(200).header("allow"),
            allow,
            "{path}"
        );
    }
    let seen = ask(&ann, "GET /films?select=id&id=eq.1&order=id", &[], "").await;
    assert_eq!(seen.header("content-location"), "/films?id=eq.1&order=id&select=id");
    assert_eq!(seen.header("content-type"), "application/json; charset=utf-8");
}

#[tokio::test]
async fn a_plan_is_for_programs_with_a_secret_key() {
    let (app, ann) = cinema().await;
    let program = app.service();
    let json = "accept: application/vnd.pgrst.plan+json; for=\"application/json\"; options=analyze|verbose;";
    let text = "accept: application/vnd.pgrst.plan+text; for=\"application/json\"; options=;";
    let plan =
        ask(&program, "GET /films?select=id,directors(name)&year=gt.1972", &[json], "").await.expect(200);
    assert!(plan.value()[0]["Plan"]["Actual Rows"].is_number(), "{}", plan.text());
    assert!(
        plan.header("content-type").starts_with("application/vnd.pgrst.plan+json; for=\"application/json\"")
    );
    let plan = ask(&program, "GET /films?year=gt.1972", &[text], "").await.expect(200);
    assert!(plan.text().contains("cost=") && !plan.text().contains("actual"), "{}", plan.text());
    let plan = ask(&program, "GET /rpc/later_than?year=1973", &[text], "").await.expect(200);
    assert!(plan.text().contains("cost="), "{}", plan.text());
    // A plan without analyze does nothing.
    let write = [text, "content-type: application/json"];
    ask(&program, "POST /log", &write, r#"{"line":"planned"}"#).await.expect(200);
    assert_eq!(get(&program, "/log?select=id").await, json!([]));
    for somebody in [&ann, &app.stranger()] {
        for line in ["GET /films", "POST /log", "GET /rpc/later_than?year=1"] {
            assert_eq!(refusal(somebody, line, &[text], "{}").await, (406, "PGRST107".to_owned()), "{line}");
        }
    }
}
