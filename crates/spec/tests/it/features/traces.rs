//! W3C Trace Context: a caller that is believed names the trace, and everything done for its request is part of it.

use std::time::Duration;

use serde_json::{Value, json};
use spec::person::PASSWORD;
use spec::{Client, Double, Palisade, Seen, TestApp};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const PROXY: &str = "127.50.0.1";

fn traced(client: Client) -> Client {
    client
        .with("traceparent", &format!("00-{TRACE}-{PARENT}-01"))
        .with("tracestate", "rojo=1")
        .with("tracestate", "congo=2")
}

/// What the hook's requests are signed with.
const SECRET: &str = "v1,whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// A function that says what the database calls the session that runs it.
const NAMED: &str = "create function public.named() returns text language sql stable as $$ select current_setting('application_name') $$;
    grant execute on function public.named to anon, authenticated, service_role";

async fn named(client: &Client) -> Seen {
    client.post("/rest/v1/rpc/named", json!({})).await.expect(200)
}

#[tokio::test]
async fn a_believed_callers_trace_reaches_the_database_and_nobody_elses_does() {
    let app = TestApp::builder().unlimited().with("server.trusted_proxies", "127.50.0.0/16").start().await;
    app.owner(NAMED).await;
    let proxy = app.stranger().at(PROXY).with("x-forwarded-for", "198.51.100.7");
    let seen = named(&traced(proxy.clone())).await;
    assert_eq!(seen.value(), format!("palisade {TRACE}"));
    assert!(seen.header("x-request-id").ends_with(&format!(".{TRACE}")), "{:?}", seen.headers);
    // The next on the same connections is somebody else.
    for _ in 0..10 {
        let next = named(&proxy).await;
        assert_eq!(next.value(), "palisade");
        assert!(!next.header("x-request-id").contains('.'));
    }
    assert_eq!(
        named(&traced(app.service())).await.value(),
        format!("palisade {TRACE}"),
        "the operator's own program"
    );
    let ann = app.person("ann").await;
    for stranger in [app.stranger(), ann.client.clone()] {
        let seen = named(&traced(stranger)).await;
        assert_eq!((seen.value(), seen.header("x-request-id").contains(TRACE)), ("palisade".into(), false));
    }
    for wrong in [
        format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{PARENT}-01-x"),
        format!("00-{}-{PARENT}-01", "0".repeat(32)),
        format!("00-{TRACE}' or 1=1-{PARENT}-01"),
        String::new(),
    ] {
        let seen = named(&proxy.clone().with("traceparent", &wrong)).await;
        assert_eq!(seen.value(), "palisade", "{wrong:?}");
    }
    let twice =
        traced(proxy.clone()).with("traceparent", &format!("00-{}-{PARENT}-01", TRACE.replace('4', "5")));
    assert_eq!(named(&twice).await.value(), "palisade", "two are none");
}

/// The header that the hook was asked with, for somebody.
fn header(double: &Double, of: &str, name: &str) -> Option<String> {
    let asked = double.asked();
    let one = asked.iter().find(|asked| asked.line == "POST /hook" && asked.whole.contains(of))?;
    let head = one.whole.split("\r\n\r\n").next()?.to_owned();
    let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: ")))?.to_owned();
    Some(line.split_once(": ")?.1.to_owned())
}

fn attribute<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    let all = of["attributes"].as_array()?;
    all.iter().find(|one| one["key"] == name).and_then(|one| one["value"]["stringValue"].as_str())
}

/// Everything of one kind that the collector was given.
fn collected(collector: &Double, path: &str, outer: &str, scope: &str, inner: &str) -> Vec<Value> {
    let asked = collector.asked().into_iter().filter(|asked| asked.line == format!("POST {path}"));
    let bodies = asked.map(|asked| -> Value {
        serde_json::from_str(asked.whole.split_once("\r\n\r\n").unwrap().1).unwrap()
    });
    bodies.flat_map(|body| body[outer][0][scope][0][inner].as_array().unwrap().clone()).collect()
}

#[tokio::test]
async fn one_trace_goes_from_the_caller_through_both_logs_to_what_is_asked_of_others() {
    let double = Double::start().await;
    for path in ["/hook", "/v1/traces", "/v1/logs"] {
        double.answer(path, json!({}));
    }
    let (hook, allowed) = (format!("{}/hook", double.url), "127.0.0.1");
    let told = [("PALISADE_AUTH_HOOKS_BEFORE_USER_CREATED_SECRETS".to_owned(), SECRET.to_owned())];
    let flags = [
        "--logging.otlp_endpoint",
        &double.url,
        "--outbound.allow",
        allowed,
        "--auth.autoconfirm",
        "true",
        "--auth.hooks.before_user_created.uri",
        &hook,
        "--server.trusted_proxies",
        "127.50.0.0/16",
    ];
    let palisade = Palisade::start_told("serve", &flags, &told).await;
    let to = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    let client = Client::new(to, PROXY.parse().unwrap())
        .with("apikey", &palisade.ready.publishable_key)
        .with("x-forwarded-for", "198.51.100.7")
        .with("x-forwarded-proto", "https");
    let sign_up = async |client: Client, name: &str| {
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        client.post("/auth/v1/signup", body).await.expect(200).header("x-request-id").to_owned()
    };
    let request = sign_up(traced(client.clone()), "ann").await;
    let other = sign_up(client, "bob").await;
    assert!(request.ends_with(TRACE) && !other.contains(TRACE));

    let parent = header(&double, "ann@", "traceparent").unwrap();
    let ours = parent
        .strip_prefix(&format!("00-{TRACE}-"))
        .and_then(|rest| rest.strip_suffix("-01"))
        .unwrap()
        .to_owned();
    assert_ne!(ours, PARENT, "what the hook does is below our span, not beside it");
    assert_eq!(header(&double, "ann@", "tracestate").as_deref(), Some("rojo=1,congo=2"));
    let own = header(&double, "bob@", "traceparent").unwrap();
    assert!(!own.contains(TRACE) && header(&double, "bob@", "tracestate").is_none(), "{own}");

    let of = |all: Vec<Value>, name: &str, request: &str| {
        all.into_iter().filter(|one| attribute(one, name) == Some(request)).collect::<Vec<_>>()
    };
    let logs = || collected(&double, "/v1/logs", "resourceLogs", "scopeLogs", "logRecords");
    let spans = || collected(&double, "/v1/traces", "resourceSpans", "scopeSpans", "spans");
    let is_there = |request: &str| {
        let logs = of(logs(), "request_id", request);
        let stream = |kind: &str| logs.iter().any(|log| attribute(log, "palisade.stream") == Some(kind));
        stream("audit") && stream("log") && !of(spans(), "palisade.request_id", request).is_empty()
    };
    for _ in 0..800 {
        if is_there(&request) && is_there(&other) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let span = of(spans(), "palisade.request_id", &request).remove(0);
    assert_eq!(
        (&span["traceId"], &span["parentSpanId"], &span["spanId"]),
        (&TRACE.into(), &PARENT.into(), &ours.into())
    );
    assert!(
        of(logs(), "request_id", &request).iter().all(|log| log["traceId"] == TRACE),
        "the audit log's entries too"
    );
    let span = of(spans(), "palisade.request_id", &other).remove(0);
    assert_eq!(
        own,
        format!("00-{}-{}-01", span["traceId"].as_str().unwrap(), span["spanId"].as_str().unwrap())
    );
    assert!(span.get("parentSpanId").is_none());

    let log = std::fs::read_to_string(palisade.data().join("logs/combined.log")).unwrap();
    let line: Value = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|line| line["request_id"] == request && line["target"] == "palisade::access")
        .unwrap();
    assert_eq!((&line["trace_id"], &line["parent_span_id"]), (&TRACE.into(), &PARENT.into()));
    assert!(palisade.stop().await.success());
}
