//! Logs as receivers of other makes understand them: a store that checks what is signed, and OpenTelemetry's own definitions.

use serde_json::{Value, json};
use spec::person::{PASSWORD, Person};
use spec::s3::S3Store;
use spec::{Client, Double, Palisade};

use super::shipping::{client, posted, secret, sign_up, until};

#[tokio::test]
async fn a_store_of_another_make_takes_both_logs_and_a_wrong_key_leaves_them_waiting() {
    let mut store = S3Store::start().await;
    let url = format!("{}/ours/of-this_house", store.url);
    let (key_id, right) = (store.key_id.clone(), store.secret.clone());
    let flags = [
        "--logging.s3_url",
        &url,
        "--logging.s3_region",
        "eu-central-1",
        "--logging.s3_access_key_id",
        &key_id,
        "--logging.s3_every",
        "1s",
        "--outbound.allow",
        "127.0.0.1",
        "--auth.autoconfirm",
        "true",
    ];
    let key = |value: &str| secret("PALISADE_LOGGING_S3_SECRET_ACCESS_KEY", value);
    let palisade = Palisade::start_told("serve", &flags, &key("of somebody else")).await;
    let first = sign_up(&palisade, "first").await;
    until("it is refused", async || palisade.output().contains("logs are held up")).await;
    assert!(store.objects().await.is_empty(), "the store believes a signature, not a name");
    let palisade = palisade.kill_and_start_again_told("serve", &flags, &key(&right)).await;
    let second = sign_up(&palisade, "second").await;

    let mut held = Default::default();
    let lines = |held: &std::collections::BTreeMap<String, spec::s3::Object>, kind: &str| {
        let within =
            held.iter().filter(|(name, _)| name.starts_with(&format!("ours/of-this_house/{kind}/20")));
        within.map(|(_, object)| object.body.as_str()).collect::<String>()
    };
    until("both logs of both", async || {
        held = store.objects().await;
        ["audit", "log"]
            .iter()
            .all(|kind| [&first, &second].iter().all(|request| lines(&held, kind).contains(*request)))
    })
    .await;
    assert!(
        held.iter().all(|(name, object)| name.ends_with(".jsonl") && object.kind == "application/x-ndjson"),
        "{held:?}"
    );
    // What was put again replaced itself; nothing is in two objects and nothing in none.
    let seqs: Vec<i64> =
        lines(&held, "audit").lines().map(|line| read(line)["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs, (1..=i64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());
    assert!(lines(&held, "log").lines().all(|line| read(line)["timestamp"].is_string()));
    assert!(palisade.stop().await.success());
}

fn read(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn opentelemetrys_own_definitions_read_what_a_collector_gets() {
    let collector = Double::start().await;
    for path in ["/v1/traces", "/v1/logs"] {
        collector.answer(path, json!({}));
    }
    let flags = ["--logging.otlp_endpoint", &collector.url, "--outbound.allow", "127.0.0.1"];
    let more = ["--auth.autoconfirm", "true", "--server.trusted_proxies", "127.50.0.0/16"];
    let palisade = Palisade::start("serve", &[flags, more].concat()).await;
    let plain = sign_up(&palisade, "first").await;
    let wrong =
        Person::sign_in(&client(&palisade), "first@example.com", "Wrong-Password-1!").await.expect(400);
    let wrong = wrong.header("x-request-id").to_owned();
    let to = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    let traced = Client::new(to, "127.50.0.1".parse().unwrap())
        .with("apikey", &palisade.ready.publishable_key)
        .with("x-forwarded-for", "198.51.100.7")
        .with("x-forwarded-proto", "https")
        .with("traceparent", &format!("00-{TRACE}-{PARENT}-01"));
    let body = json!({ "email": "second@example.com", "password": PASSWORD });
    let traced = traced.post("/auth/v1/signup", body).await.expect(200).header("x-request-id").to_owned();

    let place = tempfile::tempdir().unwrap();
    let sent = place.path().join("sent.json");
    let mut told = Value::Null;
    until("all three, in both logs and as spans", async || {
        let of = |path: &str| {
            posted(&collector, path)
                .into_iter()
                .map(move |(_, body)| json!({ "path": path, "body": body }))
                .collect::<Vec<_>>()
        };
        std::fs::write(&sent, json!([of("/v1/logs"), of("/v1/traces")].concat()).to_string()).unwrap();
        let (held, said) = spec::clients::python_told(&palisade, "otlp.py", &[("SENT", &sent)]).await;
        assert!(held, "{said}");
        told = read(&said);
        [&plain, &wrong, &traced].iter().all(|request| {
            of_request(&told, "logs", request).len() > 1 && of_request(&told, "spans", request).len() == 1
        })
    })
    .await;

    let span = of_request(&told, "spans", &traced).remove(0);
    assert_eq!(
        (&span["trace"], &span["parent"], &span["kind"]),
        (&json!(TRACE), &json!(PARENT), &json!("SPAN_KIND_SERVER"))
    );
    assert_eq!(
        (&span["name"], &span["status"]),
        (&json!("POST /auth/v1/signup"), &json!("STATUS_CODE_UNSET"))
    );
    assert_eq!(span["attributes"]["client.address"], "198.51.100.7");
    assert_eq!(span["attributes"]["http.response.status_code"], 200, "a number, not a text");
    assert!(span["began"].as_u64().unwrap() < span["ended"].as_u64().unwrap());
    let own = of_request(&told, "spans", &plain).remove(0);
    assert!(own["trace"] != TRACE && own["parent"] == "");
    for (request, span) in [(&traced, &span), (&plain, &own)] {
        let logs = of_request(&told, "logs", request);
        assert!(
            logs.iter().all(|log| log["trace"] == span["trace"] && log["span"] == span["span"]),
            "{logs:?}"
        );
        let streams: std::collections::BTreeSet<&str> =
            logs.iter().map(|log| log["attributes"]["palisade.stream"].as_str().unwrap()).collect();
        assert_eq!(streams.into_iter().collect::<Vec<_>>(), ["audit", "log"]);
    }
    let failed = of_request(&told, "logs", &wrong);
    let failed = failed.iter().find(|log| log["attributes"]["event"] == "auth.login_failed").unwrap();
    assert_eq!((&failed["severity"], &failed["text"]), (&json!("SEVERITY_NUMBER_WARN"), &json!("WARN")));
    for log in told["logs"].as_array().unwrap() {
        let text = log["text"].as_str().unwrap();
        assert_eq!(log["severity"], format!("SEVERITY_NUMBER_{text}"), "{log}");
        assert!(log["at"].as_u64().unwrap() > 0 && !log["body"].as_str().unwrap().is_empty(), "{log}");
    }
    assert!(told["resources"].as_array().unwrap().iter().all(|one| one["service.name"] == "palisade"));
    assert!(palisade.stop().await.success());
}

fn of_request(told: &Value, kind: &str, request: &str) -> Vec<Value> {
    let name = if kind == "logs" { "request_id" } else { "palisade.request_id" };
    told[kind].as_array().unwrap().iter().filter(|one| one["attributes"][name] == request).cloned().collect()
}
