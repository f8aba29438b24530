//! Secrets that nobody else has, planted wherever one is taken, are found afterwards in no log, on no page and in no process
//! list (row 89: a token in a URL, and invariant 7).

use serde_json::json;
use spec::{Client, Palisade};

/// A secret that is found wherever it is written.
fn canary(what: &str) -> String {
    let noise = base::Rng::system().uuid().simple().to_string();
    format!("Cnry-{what}-{noise}-7!x")
}

fn client(palisade: &Palisade) -> Client {
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    Client::new(address, std::net::Ipv4Addr::LOCALHOST.into())
}

/// The command lines of a process and of everything below it.
fn command_lines(root: u32) -> String {
    let parent = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids: Vec<u32> = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let is_below = |pid: u32| std::iter::successors(Some(pid), |pid| parent(*pid)).any(|pid| pid == root);
    let lines = pids.into_iter().filter(|pid| is_below(*pid));
    lines.filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()).collect()
}

/// Plants secrets where none belongs. What the refusals said.
async fn strew(palisade: &Palisade, stranger: &Client, plant: &mut impl FnMut(&str) -> String) -> String {
    let mut refused = String::new();
    // In a URL, where a client has no business to write one: on every kind of route, and on none.
    for path in [
        "/auth/v1/verify?type=recovery&token=",
        "/auth/v1/callback?state=x&code=",
        "/auth/v1/user?access_token=",
        "/rest/v1/nothing?apikey=",
        "/graphql/v1?query=",
        "/realtime/v1/websocket?vsn=1.0.0&apikey=",
        "/no/such/path?token=",
    ] {
        stranger.get(&format!("{path}{}", plant("in-url"))).await;
    }
    stranger.get(&format!("/no/such/{}", plant("in-path"))).await.expect(404);
    // In headers and bodies.
    for (name, value) in [
        ("authorization", format!("Bearer {}", plant("bearer"))),
        ("authorization", format!("Basic {}", plant("basic"))),
        ("cookie", format!("session={}", plant("cookie"))),
        ("x-csrf-token", plant("csrf")),
        ("x-impersonation-token", plant("acting")),
    ] {
        refused += &stranger.clone().with(name, &value).get("/auth/v1/user").await.text();
    }
    refused += &client(palisade).with("apikey", &plant("apikey")).get("/rest/v1/nothing").await.text();
    let broken = format!("{{\"password\": \"{}\"", plant("broken-body"));
    let headers = [("content-type", "application/json")];
    refused += &stranger.send(http::Method::POST, "/auth/v1/signup", &headers, broken.into()).await.text();
    stranger.post("/rest/v1/rpc/nothing", json!({ "secret": plant("argument") })).await.expect(404);
    refused
}

#[tokio::test]
async fn row_89_no_secret_that_is_given_stands_in_a_log_a_page_or_a_process_list() {
    let mut planted: Vec<(String, String)> = Vec::new();
    let mut plant = |what: &str| {
        let secret = canary(what);
        planted.push((what.to_owned(), secret.clone()));
        secret
    };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // By the environment, as an operator gives them.
    let told: Vec<(String, String)> = [
        ("GOTRUE_SMTP_PASS", "smtp"),
        ("GOTRUE_EXTERNAL_GITHUB_SECRET", "provider"),
        ("JWT_SECRET", "signing"),
        ("PALISADE_LOGGING_OTLP_HEADERS", "otlp"),
    ]
    .map(|(name, what)| (name.to_owned(), plant(what)))
    .into();
    let port = free.port().to_string();
    let flags = ["--logging.level", "trace", "--auth.autoconfirm", "true", "--monitoring.port", &port];
    let palisade = Palisade::start_told("serve", &flags, &told).await;
    let stranger = client(&palisade).with("apikey", &palisade.ready.publishable_key);
    let mut refused = String::new();

    let (password, wrong) = (plant("password"), plant("wrong-password"));
    let body = json!({ "email": "ann@example.com", "password": password });
    let session = stranger.post("/auth/v1/signup", body).await.expect(200);
    let (access, refresh) = (session.field("access_token"), session.field("refresh_token"));
    let body = json!({ "email": "ann@example.com", "password": wrong });
    refused += &stranger.post("/auth/v1/token?grant_type=password", body).await.expect(400).text();
    let ann = stranger.clone().with("authorization", &format!("Bearer {access}"));
    let factor =
        ann.post("/auth/v1/factors", json!({ "factor_type": "totp", "friendly_name": "phone" })).await;
    let totp = factor.value()["totp"]["secret"].as_str().unwrap().to_owned();
    let body = json!({ "password": plant("new-password") });
    ann.json(http::Method::PUT, "/auth/v1/user", body).await;
    let body = json!({ "refresh_token": plant("refresh") });
    refused += &stranger.post("/auth/v1/token?grant_type=refresh_token", body).await.text();
    let renewed =
        stranger.post("/auth/v1/token?grant_type=refresh_token", json!({ "refresh_token": refresh })).await;
    refused += &strew(&palisade, &stranger, &mut plant).await;
    // The legitimate neighbour works all the while.
    ann.get("/auth/v1/user").await.expect(200);
    let made = palisade.command(&["keys", "create", "robot"]).await;
    let made = String::from_utf8_lossy(&made.stdout).into_owned();
    let key = made.split_whitespace().find(|word| word.starts_with("sb_secret_")).expect("a key").to_owned();
    let more = [
        ("access", access),
        ("refresh", refresh),
        ("totp", totp),
        ("key", key),
        ("secret key", palisade.ready.secret_key.clone()),
    ];
    planted.extend(more.map(|(what, secret)| (what.to_owned(), secret)));
    if let Some(token) = renewed.value()["refresh_token"].as_str() {
        planted.push(("renewed".to_owned(), token.to_owned()));
    }

    let metrics =
        Client::new(free, std::net::Ipv4Addr::LOCALHOST.into()).get("/metrics").await.expect(200).text();
    let export = palisade.command(&["audit", "export"]).await;
    let kept = palisade.command(&["log"]).await;
    let read = |name: &str| std::fs::read_to_string(palisade.data().join("logs").join(name)).unwrap();
    let processes = command_lines(palisade.pid().unwrap());
    let outputs = [
        ("standard error", palisade.output()),
        ("palisade log", String::from_utf8_lossy(&kept.stdout).into_owned()),
        ("combined.log", read("combined.log")),
        ("error.log", read("error.log")),
        ("the page of metrics", metrics),
        ("the audit log", String::from_utf8_lossy(&export.stdout).into_owned()),
        ("refusals", refused),
        ("process list", processes),
    ];
    for (name, text) in &outputs {
        assert!(*name == "error.log" || text.len() > 50, "{name} was not looked at: {text}");
        for (what, secret) in &planted {
            assert!(!text.contains(secret.as_str()), "the secret `{what}` stands in {name}");
        }
    }
    let combined = &outputs[2].1;
    assert!(
        combined.contains("/auth/v1/verify") && combined.contains("\"unmatched\""),
        "the requests were logged"
    );
    assert!(palisade.stop().await.success());
}
