//! Requests that are made to cost (rows 73 and 74): they are stopped or capped, others do not notice, and memory stays flat.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use spec::{Client, Palisade, Person, TestApp};

/// How often a measure is taken again: others use this machine, too.
const TRIES: usize = 3;

/// How long single reads of somebody else take, in order.
async fn reads(client: &Client, count: usize) -> Vec<Duration> {
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        client.get("/rest/v1/small?select=id&id=eq.1").await.expect(200);
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took
}

fn p99(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}

/// Patterns whose cost grows with powers of what they are matched with, and words by the thousand.
fn bombs() -> Vec<(&'static str, String)> {
    let back = "^(.*)(.*)(.*)(.*)\\4\\3\\2\\1z$";
    let words = (0..1_500).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" & ");
    let phrase = vec!["a"; 2_500].join(" <-> ");
    let stars = vec!["*"; 40].join(".") + ".b";
    vec![
        ("a regular expression with references back", format!("body=match.{}", quoted(back))),
        ("the same in any case", format!("body=imatch.{}", quoted(back))),
        ("a pattern of many stars", format!("body=like.{}b", "*a".repeat(400))),
        ("the same in any case", format!("body=ilike.{}b", "*A".repeat(400))),
        ("any of many patterns", format!("body=like(any).{{{}}}", vec!["*a*a*a*b"; 500].join(","))),
        ("thousands of words", format!("body=fts(simple).{}", quoted(&words))),
        ("a phrase of thousands", format!("body=fts(simple).{}", quoted(&phrase))),
        ("a label path of many stars", format!("path=match.{}", quoted(&stars))),
        ("a path below a path", format!("path=cd.{}", vec!["a"; 200].join("."))),
    ]
}

fn quoted(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "%{byte:02X}");
        out
    })
}

#[tokio::test]
async fn row_73_patterns_that_cost_are_stopped_and_others_do_not_notice() {
    let app =
        TestApp::builder().unlimited().with("database.statement_timeout.authenticated", "1s").start().await;
    app.admin("create extension ltree schema extensions").await;
    app.owner(
        "create table public.heavy (id int primary key, body text, path extensions.ltree);
         create policy all_see on public.heavy for select to authenticated using (true);
         create table public.small (id int primary key, body text);
         create policy all_see on public.small for select to authenticated using (true);
         INSERT INTO public.heavy SELECT n, repeat('a', 3000), (repeat('a.', 400) || 'a')::extensions.ltree FROM generate_series(1, 60) n;
         INSERT INTO public.small SELECT n, 'x' FROM generate_series(1, 10) n",
    )
    .await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    reads(&bob.client, 50).await;
    let alone = p99(&reads(&bob.client, 200).await);
    let (mut stopped, mut answered) = (0, 0);
    let most = alone.saturating_mul(10).max(Duration::from_millis(250));
    for (what, filter) in bombs() {
        let mut best = Duration::MAX;
        for _ in 0..TRIES {
            let (client, path) = (ann.client.clone(), format!("/rest/v1/heavy?select=id&{filter}"));
            let begun = testkit::Stopwatch::start();
            let attack = tokio::spawn(async move { client.get(&path).await });
            best = best.min(p99(&reads(&bob.client, 100).await));
            let seen = attack.await.unwrap();
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(8), "{what} held on for {took:?}");
            match seen.status.as_u16() {
                200 | 400 | 404 | 414 | 431 => answered += 1,
                status => {
                    assert_eq!(seen.value()["code"], "57014", "{what}: {status} {}", seen.text());
                    println!("{what}: stopped after {took:?}");
                    stopped += 1;
                }
            }
            if best <= most {
                break;
            }
        }
        assert!(best <= most, "{what}: {best:?} beside it, {alone:?} alone");
    }
    assert!(stopped >= 1, "none of them was a bomb: {stopped} stopped, {answered} answered");
    // The legitimate neighbour of each.
    for fine in ["body=like.aaa*", "body=match.%5Ea", "path=cd.a", "body=fts(simple).nothing"] {
        ann.client.get(&format!("/rest/v1/heavy?select=id&{fine}")).await.expect(200);
    }
}

/// Kilobytes of a process: what it holds now, and the most since the mark was taken back.
pub(super) fn memory(pid: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (line("VmRSS:"), line("VmHWM:"))
}

/// What an unbounded read is, with the statuses it may have.
fn unbounded() -> Vec<(&'static str, Method, String, &'static str, Value)> {
    let get = |what, path: String| (what, Method::GET, path, "application/json", Value::Null);
    let mut deep = "id".to_owned();
    for _ in 0..8 {
        deep = format!("id,body,below:rows({deep})");
    }
    let mut deeper = "id".to_owned();
    for _ in 0..60 {
        deeper = format!("id,below:rows({deeper})");
    }
    let ids = (0..9_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let many = (0..900).map(|n| format!("c{n}:body")).collect::<Vec<_>>().join(",");
    let all: Vec<i32> = (0..200_000).collect();
    let csv = ("everything as CSV", Method::GET, "rows?limit=1000000000".to_owned(), "text/csv", Value::Null);
    vec![
        get("a limit of a billion", "rows?limit=1000000000".to_owned()),
        get("no limit", "rows".to_owned()),
        csv,
        get("an exact count", "rows?select=id&limit=1".to_owned()),
        get("deep embeds", format!("rows?select={deep}")),
        get("deeper embeds", format!("rows?select={deeper}")),
        get("a column 900 times", format!("rows?select={many}")),
        get("a huge in()", format!("rows?select=id&id=in.({ids})")),
        get("an offset beyond the end", "rows?offset=999999999".to_owned()),
        (
            "a call with a huge argument",
            Method::POST,
            "rpc/how_many".to_owned(),
            "application/json",
            json!({ "ids": all }),
        ),
        ("a call that gives all rows", Method::POST, "rpc/everything".to_owned(), "text/csv", json!({})),
    ]
}

#[tokio::test]
async fn row_74_reads_without_a_bound_are_capped_and_memory_is_flat() {
    let palisade =
        Palisade::start("serve", &["--auth.autoconfirm", "true", "--rate_limiting.enabled=false"]).await;
    let (admin, connection) =
        tokio_postgres::connect(&palisade.ready.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    admin
        .batch_execute(
            "SET ROLE palisade_owner;
             CREATE TABLE public.rows (id int PRIMARY KEY, body text, above int REFERENCES public.rows);
             CREATE INDEX ON public.rows (above);
             CREATE POLICY all_see ON public.rows FOR SELECT TO authenticated USING (true);
             INSERT INTO public.rows SELECT n, repeat('x', 900), nullif(n / 2, 0) FROM generate_series(1, 100000) n;
             CREATE FUNCTION public.how_many(ids int[]) RETURNS int LANGUAGE sql STABLE AS $$ SELECT cardinality(ids) $$;
             CREATE FUNCTION public.everything() RETURNS SETOF public.rows LANGUAGE sql STABLE AS $$ SELECT * FROM public.rows $$;
             GRANT SELECT ON public.rows TO authenticated;
             GRANT EXECUTE ON FUNCTION public.how_many, public.everything TO authenticated; RESET ROLE; ANALYZE public.rows",
        )
        .await
        .unwrap();
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    let key = &palisade.ready.publishable_key;
    let stranger = Client::new(address, std::net::Ipv4Addr::LOCALHOST.into()).with("apikey", key);
    let ann = Person::sign_up(&stranger, "ann@example.com").await;
    let pid = palisade.pid().unwrap();
    // A schema that was changed past us is heard of in a moment.
    for _ in 0..200 {
        if ann.client.get("/rest/v1/rows?select=id&limit=1").await.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let mut served = 0;
    for (what, method, path, accept, body) in unbounded() {
        let headers = [("accept", accept), ("prefer", "count=exact"), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let path = format!("/rest/v1/{path}");
        let send = async || ann.client.send(method.clone(), &path, &headers, body.clone().into()).await;
        let first = send().await;
        let status = first.status.as_u16();
        // Stopped by the time a statement has, or for its size, or capped.
        assert!(
            [200, 206, 400, 413, 414, 416, 431].contains(&status) || first.value()["code"] == "57014",
            "{what}: {status} {}",
            first.text().chars().take(300).collect::<String>()
        );
        if [200, 206].contains(&status) {
            served += 1;
            let text = first.text();
            let rows = match accept {
                "text/csv" => text.lines().count().saturating_sub(1),
                _ => first.value().as_array().map_or(1, Vec::len),
            };
            assert!(rows <= 1_000, "{what}: {rows} rows");
        }
        // Warm: the most that the next hold beside what is held anyway; a result is held whole up to 64 MiB, and once more as what is sent.
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        let (before, _) = memory(pid);
        for _ in 0..4 {
            send().await;
        }
        let (after, most) = memory(pid);
        println!("{what}: {status}, {before} kB before, {most} kB at most, {after} kB after");
        assert!(most.saturating_sub(before) < 192 << 10, "{what}: {before} kB before, {most} kB at most");
        assert!(after.saturating_sub(before) < 96 << 10, "{what}: {before} kB before, {after} kB after");
    }
    assert!(served >= 6, "only {served} were answered at all");
    let head: String =
        ann.client.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let long = format!(
        "GET /rest/v1/rows?select=id&id=in.({}) HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{head}\r\n",
        "1,".repeat(500_000)
    );
    let refused = String::from_utf8_lossy(&ann.client.raw(long.as_bytes()).await).into_owned();
    let status = refused.split(' ').nth(1).unwrap_or_default();
    assert!(["414", "431"].contains(&status), "a URL of a megabyte: {refused}");
    ann.client.get("/rest/v1/rows?select=id&id=in.(1,2,3)").await.expect(200);
    assert!(palisade.stop().await.success());
}
