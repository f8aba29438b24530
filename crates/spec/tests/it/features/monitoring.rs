//! The page of metrics: each of the guide's six names moves when it is made to, and nothing secret is on it.

use serde_json::json;
use spec::{Client, Palisade, Seen, TestApp};

async fn page(app: &TestApp) -> String {
    read(app, "text/plain").await.expect(200).text()
}

async fn read(app: &TestApp, accept: &str) -> Seen {
    let (address, path) = app.running.metrics.clone().unwrap();
    let client = Client::new(address, [127, 0, 0, 1].into()).with("accept", accept);
    client.get(&path).await
}

fn is_of(line: &str, sample: &str) -> bool {
    line.strip_prefix(sample).is_some_and(|rest| rest.starts_with(['{', ' ']))
}

/// All samples of a name whose labels hold these words.
fn sum(page: &str, sample: &str, labels: &[&str]) -> f64 {
    let fits = |line: &&str| is_of(line, sample) && labels.iter().all(|label| line.contains(label));
    page.lines().filter(fits).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[tokio::test]
async fn each_of_the_guides_six_names_moves_when_it_is_made_to() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(
        "create table public.notes (id int primary key); create policy all_of_them on public.notes using (true);
         grant select on public.notes to anon;
         create function public.boom() returns int language plpgsql as $$ begin raise sqlstate 'PT500' using message = 'boom'; end $$;
         grant execute on function public.boom to anon",
    )
    .await;
    let client = app.stranger();
    client.get("/rest/v1/notes").await.expect(200);
    let before = page(&app).await;
    for _ in 0..20 {
        client.get("/rest/v1/notes").await.expect(200);
    }
    let after = page(&app).await;
    let of_rest = ["method=\"GET\"", "route=\"/rest/v1/{relation}\""];
    for (name, least) in
        [("request_count", 20.0), ("request_duration_count", 20.0), ("http_server_requests_total", 20.0)]
    {
        let moved = sum(&after, name, &of_rest) - sum(&before, name, &of_rest);
        assert!((moved - least).abs() < 0.5, "{name} moved by {moved}:\n{after}");
    }
    let took = |page: &str| sum(page, "database_query_time_count", &["lane=\"short\""]);
    assert!(took(&after) >= took(&before) + 20.0, "{} then {}", took(&before), took(&after));
    assert!(sum(&after, "database_query_time_sum", &["lane=\"short\""]) > 0.0);
    let hits = |page: &str| sum(page, "cache_hit_rate", &["cache=\"statements\""]);
    assert!(hits(&after) > hits(&before), "{} then {}", hits(&before), hits(&after));

    assert!(sum(&after, "error_rate", &[]) < 1e-9);
    client.post("/rest/v1/rpc/boom", json!({})).await.expect(500);
    let failing = page(&app).await;
    let rate = sum(&failing, "error_rate", &[]);
    assert!(rate > 0.0 && rate < 0.1, "{rate}");
    assert!((sum(&failing, "request_count", &["status=\"5xx\""]) - 1.0).abs() < 0.5, "{failing}");
    app.clock.advance(std::time::Duration::from_secs(61));
    assert!(sum(&page(&app).await, "error_rate", &[]) < 1e-9, "a minute later it is over");

    let open = |page: &str| sum(page, "active_connections", &[]);
    let idle = open(&page(&app).await);
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(tokio::net::TcpStream::connect(app.running.address).await.unwrap());
    }
    app.eventually(async || open(&page(&app).await) >= idle + 5.0).await;
    drop(held);
    app.eventually(async || open(&page(&app).await) < idle + 5.0).await;

    let refused = |page: &str| sum(page, "palisade_refusals_total", &["kind=\"unauthenticated\""]);
    let earlier = refused(&page(&app).await);
    client.clone().with("authorization", "Bearer nobody").get("/auth/v1/user").await;
    assert!(refused(&page(&app).await) > earlier);
}

#[tokio::test]
async fn the_page_is_for_this_machine_names_nobody_and_has_exemplars() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    ann.client.get("/auth/v1/user").await.expect(200);
    ann.client.get("/nobody-home-7e1f?token=canary-5c").await.expect(404);
    let plain = page(&app).await;
    for secret in
        [&*ann.id, "ann@", &*ann.access_token, "canary-5c", "nobody-home", &*app.running.keys.publishable]
    {
        assert!(!plain.contains(secret), "{secret} is on the page");
    }
    assert!(plain.contains("route=\"unmatched\""));
    let open = read(&app, "application/openmetrics-text; version=1.0.0,text/plain;q=0.5").await.expect(200);
    assert!(open.header("content-type").starts_with("application/openmetrics-text"));
    let answered = ann.client.get("/auth/v1/user").await.expect(200);
    let instance = answered.header("x-request-id").split('-').next().unwrap().to_owned();
    assert!(open.text().contains(&format!("# {{request_id=\"{instance}-")), "{}", open.text());
    assert!(open.text().ends_with("# EOF\n"));
    let (address, _) = app.running.metrics.clone().unwrap();
    assert!(address.ip().is_loopback());
    let client = Client::new(address, [127, 0, 0, 1].into());
    let rebound = b"GET /metrics HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    let answer = String::from_utf8(client.raw(rebound).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 421") && !answer.contains("request_count"), "{answer}");
    client.get("/rest/v1/").await.expect(404);
    client.post("/metrics", json!({})).await.expect(405);
}

#[tokio::test]
async fn what_an_answer_took_is_told_to_developers_and_to_the_operators_programs() {
    let serving = TestApp::builder().serving().start().await;
    assert_eq!(serving.stranger().get("/health").await.header("server-timing"), "");
    let told = serving.service().get("/rest/v1/").await;
    let took =
        told.header("server-timing").strip_prefix("total;dur=").unwrap_or_else(|| panic!("{}", told.text()));
    assert!(took.parse::<f64>().unwrap() > 0.0);
    let developing = TestApp::start().await;
    assert!(developing.stranger().get("/health").await.header("server-timing").starts_with("total;dur="));
}

#[tokio::test]
async fn the_guides_block_holds_word_for_word_and_each_line_has_an_effect() {
    // Any free port stands for the guide's, which another instance on this machine may have.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let block = format!(
        "monitoring:\n  enabled: true\n  port: {}\n  path: \"/metrics\"\nmetrics:\n  - request_duration\n  - request_count\n",
        free.port()
    );
    let place = tempfile::TempDir::new().unwrap();
    let file = place.path().join("palisade.yaml");
    let start = async |block: &str| {
        std::fs::write(&file, block).unwrap();
        Palisade::start("dev", &["--config", &file.display().to_string()]).await
    };
    let client = Client::new(free, [127, 0, 0, 1].into());
    let running = start(&block).await;
    let served = running.ready.url.trim_start_matches("http://").parse().unwrap();
    Client::new(served, [127, 0, 0, 1].into()).get("/health").await.expect(200);
    let page = client.get("/metrics").await.expect(200).text();
    let is_there = |page: &str, name: &str| page.lines().any(|line| is_of(line, name));
    assert!(is_there(&page, "request_duration_count") && is_there(&page, "request_count"), "{page}");
    assert!(!is_there(&page, "error_rate") && !is_there(&page, "cache_hit_rate"), "only what is listed");
    running.stop().await;
    let running = start(&block.replace("/metrics", "/inside")).await;
    client.get("/inside").await.expect(200);
    client.get("/metrics").await.expect(404);
    running.stop().await;
    let running = start(&block.replace("enabled: true", "enabled: false")).await;
    assert!(tokio::net::TcpStream::connect(free).await.is_err(), "nobody listens");
    running.stop().await;
}

/// Every metric that the dashboard and the rules ask for is one that is served.
#[tokio::test]
async fn the_dashboard_and_the_rules_ask_for_what_there_is() {
    let app = TestApp::start().await;
    app.stranger().get("/health").await.expect(200);
    let page = page(&app).await;
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../../../../docs/monitoring/grafana.json")).unwrap();
    let mut asked: Vec<String> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(asked.len(), 19);
    let rules = include_str!("../../../../../docs/monitoring/alerts.yaml");
    asked.extend(rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned));
    assert_eq!(asked.len(), 27);
    const WORDS: [&str; 12] = [
        "histogram_quantile",
        "sum",
        "by",
        "le",
        "lane",
        "route",
        "status",
        "kind",
        "rate",
        "topk",
        "__rate_interval",
        "up",
    ];
    for expression in asked {
        let bare = expression.split('"').step_by(2).collect::<String>();
        let names = bare.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let names =
            names.filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()) && !WORDS.contains(name));
        for name in names.filter(|name| *name != "job") {
            assert!(page.lines().any(|line| is_of(line, name)), "{name} in {expression}");
        }
    }
}
