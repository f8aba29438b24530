//! Logs that leave: to a real syslog server over each of its wires, over outages and restarts, and to a collector and a store.

use std::time::Duration;

use serde_json::Value;
use spec::syslog::{Heard, Rsyslog, Wire};
use spec::{Client, Double, Palisade};

pub(super) fn client(palisade: &Palisade) -> Client {
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    Client::new(address, std::net::Ipv4Addr::LOCALHOST.into()).with("apikey", &palisade.ready.publishable_key)
}

/// Somebody signs up and is known by the request's id, in both logs.
pub(super) async fn sign_up(palisade: &Palisade, name: &str) -> String {
    let body =
        serde_json::json!({ "email": format!("{name}@example.com"), "password": spec::person::PASSWORD });
    let answer = client(palisade).post("/auth/v1/signup", body).await.expect(200);
    answer.header("x-request-id").to_owned()
}

pub(super) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..800 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not in time: {what}");
}

fn has(heard: &[Heard], request: &str) -> bool {
    let from =
        |kind: &str| heard.iter().any(|one| one.kind.starts_with(kind) && one.body["request_id"] == request);
    from("audit") && from("log")
}

/// Every place of the chain up to the last one, in order; what came twice after a break counts once.
#[track_caller]
fn whole(heard: &[Heard]) -> usize {
    let mut seqs: Vec<i64> = heard.iter().filter_map(|one| one.body["seq"].as_i64()).collect();
    let last = *seqs.iter().max().unwrap();
    let mut newest = 0;
    for seq in &seqs {
        assert!(*seq <= newest + 1, "entry {seq} came before {}", newest + 1);
        newest = newest.max(*seq);
    }
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs, (1..=last).collect::<Vec<_>>());
    seqs.len()
}

#[tokio::test]
async fn an_outage_and_a_crash_lose_nothing_and_keep_the_order() {
    let mut server = Rsyslog::start(Wire::Tcp).await;
    let address = server.address();
    let flags = [
        "--logging.syslog_address",
        &address,
        "--logging.syslog_tag",
        "appflowy",
        "--outbound.allow",
        "127.0.0.1",
        "--auth.autoconfirm",
        "true",
    ];
    let palisade = Palisade::start("serve", &flags).await;
    let mut asked = vec![sign_up(&palisade, "first").await];
    until("the first sign-up", async || has(&server.heard(), &asked[0])).await;
    let one = server.heard().into_iter().find(|one| one.kind == "audit.auth.signup").unwrap();
    assert_eq!((one.app.as_str(), one.priority.as_str()), ("appflowy", "audit.info"), "{one:?}");

    server.go_away().await;
    for name in ["second", "third"] {
        asked.push(sign_up(&palisade, name).await);
    }
    until("it is said once", async || palisade.output().contains("logs are held up")).await;
    let palisade = palisade.kill_and_start_again("serve", &flags).await;
    asked.push(sign_up(&palisade, "fourth").await);
    assert!(!has(&server.heard(), &asked[1]));
    server.go_on().await;
    until("everything", async || asked.iter().all(|request| has(&server.heard(), request))).await;

    let heard = server.heard();
    assert!(whole(&heard) > 4);
    let places: Vec<usize> = asked
        .iter()
        .map(|request| {
            heard
                .iter()
                .position(|one| one.kind == "log.palisade::access" && one.body["request_id"] == *request)
                .unwrap()
        })
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    until("that too is recorded", async || {
        server.heard().iter().any(|one| one.kind == "audit.logs.flow_again")
            || server.heard().iter().any(|one| one.kind == "audit.logs.held_up")
    })
    .await;
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn tls_is_spoken_to_whom_we_trust_and_to_nobody_else() {
    let server = Rsyslog::start(Wire::Tls).await;
    let (address, ca) = (server.address(), server.ca_file().display().to_string());
    let flags =
        ["--logging.syslog_address", &address, "--outbound.allow", "127.0.0.1", "--auth.autoconfirm", "true"];
    let doubting = Palisade::start("serve", &flags).await;
    sign_up(&doubting, "first").await;
    until("the certificate is not believed", async || doubting.output().contains("logs are held up")).await;
    assert!(server.heard().is_empty());
    assert!(doubting.stop().await.success());
    let palisade = Palisade::start("serve", &[flags.as_slice(), &["--outbound.ca_file", &ca]].concat()).await;
    let request = sign_up(&palisade, "first").await;
    until("the sign-up", async || has(&server.heard(), &request)).await;
    whole(&server.heard());
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn datagrams_arrive_too_and_clear_text_goes_nowhere_that_is_not_named() {
    let server = Rsyslog::start(Wire::Udp).await;
    let address = server.address();
    let palisade = Palisade::start(
        "serve",
        &[
            "--logging.syslog_address",
            &address,
            "--outbound.allow",
            "127.0.0.1",
            "--auth.autoconfirm",
            "true",
        ],
    )
    .await;
    let request = sign_up(&palisade, "first").await;
    until("the sign-up", async || has(&server.heard(), &request)).await;
    assert!(palisade.stop().await.success());
    let palisade = Palisade::start("serve", &["--logging.syslog_address", &address]).await;
    until("it is refused", async || palisade.output().contains("logs are held up")).await;
    let listed = palisade.command(&["audit", "list", "--event", "outbound"]).await;
    assert!(String::from_utf8_lossy(&listed.stdout).contains("127.0.0.1"), "{listed:?}");
    assert!(palisade.stop().await.success());
}

/// A secret is no flag.
pub(super) fn secret(name: &str, value: &str) -> [(String, String); 1] {
    [(name.to_owned(), value.to_owned())]
}

/// Everything that was posted to a path, in order.
pub(super) fn posted(collector: &Double, path: &str) -> Vec<(String, Value)> {
    let asked = collector.asked().into_iter().filter(|asked| asked.line == format!("POST {path}"));
    let parts = asked.map(|asked| {
        let (head, body) = asked.whole.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), serde_json::from_str(body).unwrap())
    });
    parts.collect()
}

fn attribute<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    let all = of["attributes"].as_array().unwrap();
    all.iter().find(|one| one["key"] == name).and_then(|one| one["value"]["stringValue"].as_str())
}

fn all_in(posted: &[(String, Value)], outer: &str, scope: &str, inner: &str) -> Vec<Value> {
    let lists =
        posted.iter().flat_map(|(_, body)| body[outer][0][scope][0][inner].as_array().unwrap().clone());
    lists.collect()
}

#[tokio::test]
async fn a_collector_gets_both_logs_and_a_span_for_each_request() {
    let collector = Double::start().await;
    let flags = ["--logging.otlp_endpoint", &collector.url];
    let more = ["--outbound.allow", "127.0.0.1", "--auth.autoconfirm", "true"];
    let headers = secret("PALISADE_LOGGING_OTLP_HEADERS", "x-tenant=ours, authorization=Bearer abc");
    let palisade = Palisade::start_told("serve", &[flags.as_slice(), &more].concat(), &headers).await;
    let request = sign_up(&palisade, "first").await;
    until("nobody takes it yet", async || palisade.output().contains("logs are held up")).await;
    collector.answer("/v1/traces", serde_json::json!({}));
    collector.answer("/v1/logs", serde_json::json!({}));
    let logs = async || {
        let logs = all_in(&posted(&collector, "/v1/logs"), "resourceLogs", "scopeLogs", "logRecords");
        logs.into_iter().filter(|log| attribute(log, "request_id") == Some(&request)).collect::<Vec<_>>()
    };
    until("from both logs", async || {
        let kinds: Vec<String> =
            logs().await.iter().map(|log| attribute(log, "palisade.stream").unwrap().to_owned()).collect();
        kinds.iter().any(|kind| kind == "audit") && kinds.iter().any(|kind| kind == "log")
    })
    .await;
    let spans = all_in(&posted(&collector, "/v1/traces"), "resourceSpans", "scopeSpans", "spans");
    let span = spans.iter().find(|span| attribute(span, "palisade.request_id") == Some(&request)).unwrap();
    assert_eq!((&span["name"], &span["kind"]), (&"POST /auth/v1/signup".into(), &2.into()));
    let nanoseconds = |name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
    assert!(nanoseconds("startTimeUnixNano") < nanoseconds("endTimeUnixNano"));
    assert!(logs().await.iter().all(|log| log["traceId"] == span["traceId"]));
    let (head, _) = &posted(&collector, "/v1/logs")[0];
    let head = head.to_lowercase();
    assert!(head.contains("\r\nx-tenant: ours") && head.contains("\r\nauthorization: bearer abc"), "{head}");
    assert!(palisade.stop().await.success());

    let quiet = Double::start().await;
    quiet.answer("/v1/logs", serde_json::json!({}));
    let flags = ["--logging.otlp_endpoint", &quiet.url, "--logging.otlp_traces", "false"];
    let palisade = Palisade::start("serve", &[flags.as_slice(), &more].concat()).await;
    until("logs alone", async || !posted(&quiet, "/v1/logs").is_empty()).await;
    assert!(posted(&quiet, "/v1/traces").is_empty());
    assert!(palisade.stop().await.success());
}

/// What waited is more than one request may hold, and some of what should wait is gone.
#[tokio::test]
async fn a_collector_that_was_away_for_long_gets_all_there_is_and_is_told_of_the_rest_once() {
    let collector = Double::start().await;
    let palisade = Palisade::start("serve", &[]).await;
    let logs = palisade.data().join("logs");
    let line = |number: usize| {
        format!(
            "{{\"timestamp\":\"2026-11-22T07:00:00Z\",\"level\":\"INFO\",\"request_id\":\"waited-{number}\",\"method\":\"GET\",\"path\":\"/health\",\
             \"status\":200,\"took_us\":1,\"ip\":\"192.0.2.1\",\"target\":\"palisade::access\"}}\n"
        )
    };
    let waited: String = (0..3_000).map(line).collect();
    assert!(waited.len() < 1 << 20, "as OTLP's JSON it is several times as long");
    std::fs::write(logs.join("combined.000005.log"), waited).unwrap();
    std::fs::write(logs.join("otlp.sent"), "1 0").unwrap();
    let flags = [
        "--logging.otlp_endpoint",
        &collector.url,
        "--outbound.allow",
        "127.0.0.1",
        "--logging.otlp_traces",
        "false",
    ];
    let palisade = palisade.kill_and_start_again("serve", &flags).await;
    until("it was tried again and again", async || posted(&collector, "/v1/logs").len() > 2).await;
    let before = posted(&collector, "/v1/logs").len();
    collector.answer("/v1/logs", serde_json::json!({}));
    let bodies = || posted(&collector, "/v1/logs").split_off(before);
    until("all of it, and what is lost", async || {
        let all: String = bodies().iter().map(|(_, body)| body.to_string()).collect();
        all.contains("waited-2999\"") && all.contains("\"logs.lost\"")
    })
    .await;
    let bodies = bodies();
    let taken = all_in(&bodies, "resourceLogs", "scopeLogs", "logRecords");
    let ids: std::collections::HashSet<&str> =
        taken.iter().filter_map(|log| attribute(log, "request_id")).collect();
    assert!((0..3_000).all(|number| ids.contains(&*format!("waited-{number}"))));
    assert_eq!(taken.iter().filter(|log| attribute(log, "event") == Some("logs.lost")).count(), 1);
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn a_store_gets_both_logs_as_objects_that_name_what_is_in_them() {
    let store = Double::start().await;
    store.answer("/bucket/ours/", serde_json::json!({}));
    let url = format!("{}/bucket/ours", store.url);
    let flags = [
        "--logging.s3_url",
        &url,
        "--logging.s3_region",
        "eu-central-1",
        "--logging.s3_access_key_id",
        "AKIDEXAMPLE",
    ];
    let more = ["--logging.s3_every", "1s"];
    let rest = ["--outbound.allow", "127.0.0.1", "--auth.autoconfirm", "true"];
    let key = secret("PALISADE_LOGGING_S3_SECRET_ACCESS_KEY", "a-secret-of-the-store");
    let palisade = Palisade::start_told("serve", &[flags.as_slice(), &more, &rest].concat(), &key).await;
    let request = sign_up(&palisade, "first").await;
    let lines = |kind: &str| {
        let asked = store
            .asked()
            .into_iter()
            .filter(|asked| asked.line.starts_with(&format!("PUT /bucket/ours/{kind}/")));
        asked.map(|asked| asked.whole.split_once("\r\n\r\n").unwrap().1.to_owned()).collect::<String>()
    };
    until("both logs", async || lines("audit").contains(&request) && lines("log").contains(&request)).await;
    let seqs: Vec<i64> = lines("audit")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_i64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=i64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());
    for asked in store.asked() {
        let (head, body) = asked.whole.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("x-amz-content-sha256: {}", spec::sha256(body))), "{head}");
        assert!(
            head.contains("Credential=AKIDEXAMPLE/") && head.contains("/eu-central-1/s3/aws4_request"),
            "{head}"
        );
        assert!(!asked.whole.contains("a-secret-of-the-store"));
    }
    // Each is signed as another maker's client signs the same.
    let asked: Vec<Value> = store
        .asked()
        .iter()
        .map(|asked| serde_json::json!({ "line": asked.line, "whole": asked.whole }))
        .collect();
    let place = tempfile::tempdir().unwrap();
    let sent = place.path().join("sent.json");
    std::fs::write(&sent, serde_json::to_vec(&asked).unwrap()).unwrap();
    let (held, said) = spec::clients::node_told(&palisade, "s3_signed.mjs", &[("SENT", &sent)]).await;
    assert!(held, "{said}");
    assert!(palisade.stop().await.success());
}
