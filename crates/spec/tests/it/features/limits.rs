//! The guide's rate limits (controls 71, 72), with the clock in the test's hand.

use std::time::Duration;

use serde_json::{Value, json};
use spec::redis::Redis;
use spec::{Client, Person, Seen, TestApp};
use tokio::task::JoinSet;

#[tokio::test]
async fn sixty_requests_a_minute_pass_and_the_next_waits_as_told() {
    let app = TestApp::start().await;
    let one = app.stranger();
    for number in 0..60 {
        assert_eq!(one.get("/auth/v1/settings").await.status, 200, "request {number}");
    }
    let refused = one.get("/auth/v1/settings").await.expect(429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=70).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    app.stranger().get("/auth/v1/settings").await.expect(200);
    app.clock.advance(Duration::from_secs(wait + 5));
    one.get("/auth/v1/settings").await.expect(200);
}

#[tokio::test]
async fn five_sign_ins_a_minute_pass() {
    let app = TestApp::start().await;
    let one = app.stranger();
    let mut seen = Vec::new();
    for number in 0..6 {
        seen.push(
            Person::sign_in(&one, &format!("u{number}@example.com"), "Wrong-Password-1!")
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(seen, [400, 400, 400, 400, 400, 429]);
    assert!(app.audited("rate.limited").await);
}

#[tokio::test]
async fn three_sign_ups_a_minute_pass() {
    let app = TestApp::start().await;
    let one = app.stranger();
    let mut seen = Vec::new();
    for number in 0..4 {
        let body = json!({ "email": format!("u{number}@example.com"), "password": spec::person::PASSWORD });
        seen.push(one.post("/auth/v1/signup", body).await.status.as_u16());
    }
    assert_eq!(seen, [200, 200, 200, 429]);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_caller_has_a_budget_and_a_forged_hop_has_none() {
    let app = TestApp::builder()
        .with("server.trusted_proxies", "127.50.0.0/16")
        .with("rate_limiting.per_minute", "3")
        .start()
        .await;
    let proxy = app.stranger().at("127.50.0.1");
    let asks = async |forwarded: &str| {
        proxy.clone().with("x-forwarded-for", forwarded).get("/auth/v1/settings").await.status.as_u16()
    };
    for caller in ["198.51.100.1", "198.51.100.2"] {
        let mut seen = Vec::new();
        for forged in ["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"] {
            seen.push(asks(&format!("{forged}, {caller}")).await);
        }
        assert_eq!(seen, [200, 200, 200, 429], "{caller}");
    }
}

#[tokio::test]
async fn the_publishable_key_is_no_budget_of_its_own() {
    let app = TestApp::builder().with("rate_limiting.per_minute", "3").start().await;
    let somebody = app.stranger();
    let mut seen = Vec::new();
    for client in
        [somebody.clone(), spec::Client { headers: vec![], ..somebody.clone() }, somebody.clone(), somebody]
    {
        seen.push(client.get("/auth/v1/settings").await.status.as_u16());
    }
    assert_eq!(seen, [200, 200, 200, 429], "the publishable key names nobody, so the address is counted");
}

#[tokio::test]
async fn a_session_and_a_secret_key_have_a_budget_of_their_own_wherever_they_come_from() {
    let app = TestApp::builder()
        .with("rate_limiting.per_minute", "4")
        .with("detection.enabled", "false")
        .start()
        .await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    // Sessions that nothing was asked with before; every address is everybody's.
    let mut somebody = vec![(app.service(), "/auth/v1/admin/users")];
    for person in [&ann, &ann, &bob] {
        let session = Person::sign_in(&app.stranger(), &person.email, &person.password).await.expect(200);
        let client = Person::from(&app.stranger(), &person.email, &session.value()).client;
        somebody.push((client, "/auth/v1/user"));
    }
    for (client, path) in &somebody {
        let mut seen = Vec::new();
        for number in 1..=6 {
            seen.push(client.clone().at(&format!("127.91.0.{number}")).get(path).await.status.as_u16());
        }
        assert_eq!(seen, [200, 200, 200, 200, 429, 429], "{path}");
    }
    // Who is nobody is counted by address, and had none of it.
    app.stranger().at("127.91.0.1").get("/auth/v1/settings").await.expect(200);
}

/// One row of the guide's table (the other guide has no figures of its own): where, how many in any minute, how many in any hour.
struct Row {
    paths: &'static [&'static str],
    per_minute: u64,
    per_hour: u64,
}

/// `rate_limiting:` of the guide, by its own paths and by those of the other clients.
const TABLE: [Row; 4] = [
    Row { paths: &["/auth/v1/settings"], per_minute: 60, per_hour: 1000 },
    Row {
        paths: &["/api/v1/auth/signin", "/auth/v1/token?grant_type=password"],
        per_minute: 5,
        per_hour: 20,
    },
    Row { paths: &["/api/v1/auth/signup", "/auth/v1/signup"], per_minute: 3, per_hour: 10 },
    Row { paths: &["/api/v1/auth/password/reset", "/auth/v1/recover"], per_minute: 2, per_hour: 5 },
];

/// Asks once, about somebody that nobody asked about before.
async fn asks(one: &Client, path: &str, number: u64) -> Seen {
    if path.ends_with("settings") {
        return one.get(path).await;
    }
    let email = format!("{}-{number}@example.com", path.len());
    one.post(path, json!({ "email": email, "password": spec::person::PASSWORD })).await
}

fn told(refused: &Seen, name: &str) -> u64 {
    refused.header(name).parse().unwrap_or_else(|_| panic!("{name} in {:?}", refused.headers))
}

/// The one after the last: refused, with the limit and the wait as they are; and that wait is enough.
async fn is_the_last(app: &TestApp, one: &Client, path: &str, number: u64, limit: u64) -> u64 {
    let refused = asks(one, path, number).await.expect(429);
    assert_eq!(told(&refused, "ratelimit-limit"), limit, "{path}");
    assert_eq!(told(&refused, "ratelimit-remaining"), 0, "{path}");
    let wait = told(&refused, "retry-after");
    assert_eq!(told(&refused, "ratelimit-reset"), wait, "{path}");
    app.clock.advance(Duration::from_secs(wait));
    wait
}

#[tokio::test]
async fn every_figure_of_the_guides_table_is_the_last_that_passes() {
    // Twenty refused sign-ins are what a jail is for; here it is the limit that is looked at.
    let app = TestApp::builder().with("detection.enabled", "false").start().await;
    for Row { paths, per_minute, .. } in TABLE {
        for path in paths {
            let (one, mut number) = (app.stranger(), 0);
            for left in (0..per_minute).rev() {
                let passed = asks(&one, path, number).await;
                assert_ne!(passed.status, 429, "{path}, {number}");
                assert_eq!(told(&passed, "ratelimit-limit"), per_minute, "{path}, {number}");
                assert_eq!(told(&passed, "ratelimit-remaining"), left, "{path}, {number}");
                number += 1;
            }
            let wait = is_the_last(&app, &one, path, number, per_minute).await;
            assert!((1..=65).contains(&wait), "{path}: {wait}");
            assert_ne!(asks(&one, path, number + 1).await.status, 429, "{path} after {wait} s");
        }
    }
    assert!(app.audited("rate.limited").await);
}

#[tokio::test]
async fn every_hourly_figure_of_the_guides_table_is_the_last_that_passes() {
    let app = TestApp::builder().with("detection.enabled", "false").start().await;
    for Row { paths, per_minute, per_hour } in TABLE {
        for path in paths {
            let one = app.stranger();
            for number in 0..per_hour {
                if number > 0 && number % per_minute == 0 {
                    app.clock.advance(Duration::from_secs(66));
                }
                assert_ne!(asks(&one, path, number).await.status, 429, "{path}, {number}");
            }
            app.clock.advance(Duration::from_secs(66));
            let wait = is_the_last(&app, &one, path, per_hour, per_hour).await;
            assert!((1800..=3900).contains(&wait), "{path}: {wait}");
            assert_ne!(asks(&one, path, per_hour + 1).await.status, 429, "{path} after {wait} s");
        }
    }
}

#[tokio::test]
async fn gcra_passes_the_budget_at_once_and_then_a_share_at_a_time_on_one_node_and_on_two() {
    let redis = Redis::start().await;
    let (url, ca) = (redis.url(), redis.ca_file.display().to_string());
    let builder = || {
        TestApp::builder()
            .with("rate_limiting.algorithm", "gcra")
            .with("rate_limiting.per_minute", "6")
            .with("detection.enabled", "false")
    };
    let alone = builder().start().await;
    let together = || builder().with("rate_limiting.redis_url", &url).with("redis.ca_file", &ca);
    let first = together().start().await;
    let second = together().beside(&first).start().await;
    for nodes in [vec![&alone], vec![&first, &second]] {
        let asks = async |number: usize| {
            nodes[number % nodes.len()].stranger().at("127.98.0.1").get("/auth/v1/settings").await
        };
        let wait = |seconds| nodes.iter().for_each(|node| node.clock.advance(Duration::from_secs(seconds)));
        for number in 0..6 {
            let passed = asks(number).await.expect(200);
            let told_of =
                ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].map(|name| told(&passed, name));
            assert_eq!(told_of, [6, 5 - number as u64, 10 * (number as u64 + 1)]);
        }
        // Who hammers loses nothing by it, and gains nothing.
        for number in 0..10 {
            let refused = asks(number).await.expect(429);
            assert_eq!((told(&refused, "retry-after"), told(&refused, "ratelimit-reset")), (10, 10));
        }
        wait(9);
        assert_eq!(told(&asks(0).await.expect(429), "retry-after"), 1);
        for round in 0..4 {
            wait(if round == 0 { 1 } else { 10 });
            asks(round).await.expect(200);
            assert_eq!(told(&asks(round + 1).await.expect(429), "retry-after"), 10);
        }
    }
    // The budgets of the guide's table for single endpoints are counted the same way; guesses are not.
    let one = alone.stranger().at("127.98.0.2");
    let mut seen = Vec::new();
    for number in 0..4 {
        seen.push(asks_to_reset(&one, number).await);
    }
    alone.clock.advance(Duration::from_secs(30));
    seen.push(asks_to_reset(&one, 4).await);
    assert_eq!(seen, [200, 200, 429, 429, 200], "two a minute: both at once, then one each 30 s");
}

async fn asks_to_reset(one: &Client, number: u64) -> u16 {
    asks(one, "/auth/v1/recover", number).await.status.as_u16()
}

/// How many of `count` requests that race on both nodes pass.
async fn race(nodes: [&Client; 2], count: usize, body: Option<&Value>) -> usize {
    let mut racing = JoinSet::new();
    let mut passed = 0;
    for number in 0..count {
        let (client, body) = (nodes[number % 2].clone(), body.cloned());
        racing.spawn(async move {
            match body {
                None => client.get("/auth/v1/settings").await,
                Some(body) => client.post("/auth/v1/token?grant_type=password", body).await,
            }
        });
        // Many at once, but not so many that a busy machine's Redis comes too late.
        if racing.len() >= 8 {
            passed += usize::from(racing.join_next().await.unwrap().unwrap().status != 429);
        }
    }
    passed + racing.join_all().await.into_iter().filter(|seen| seen.status != 429).count()
}

#[tokio::test]
async fn two_nodes_of_one_instance_never_let_more_through_than_one_and_outlive_their_store() {
    let mut redis = Redis::start().await;
    let (url, ca) = (redis.url(), redis.ca_file.display().to_string());
    let builder = || {
        TestApp::builder()
            .with("rate_limiting.redis_url", &url)
            .with("redis.ca_file", &ca)
            .with("rate_limiting.per_minute", "30")
            .with("detection.enabled", "false")
    };
    let first = builder().start().await;
    let second = builder().beside(&first).start().await;
    let at = |from: &str| [first.stranger().at(from), second.stranger().at(from)];
    // Both have spoken to the store before anything races.
    for node in &at("127.99.0.1") {
        node.get("/auth/v1/settings").await.expect(200);
    }
    for from in ["127.99.0.2", "127.99.0.3"] {
        let nodes = at(from);
        assert_eq!(race([&nodes[0], &nodes[1]], 100, None).await, 30, "{from}");
    }
    // One account, from an address at each node: five sign-ins a minute, together.
    let body = json!({ "email": "ann@example.com", "password": "Wrong-Password-1!" });
    let (one, other) = (first.stranger().at("127.99.0.4"), second.stranger().at("127.99.0.5"));
    assert_eq!(race([&one, &other], 12, Some(&body)).await, 5);

    // Without the store each node counts by itself: looser by the number of nodes, and never off.
    redis.stop().await;
    let nodes = at("127.99.0.6");
    for node in &nodes {
        assert_eq!(race([node, node], 40, None).await, 30);
    }
    redis.start_again().await;
    let mut number = 7;
    first
        .eventually(async || {
            number += 1;
            let nodes = at(&format!("127.99.0.{number}"));
            race([&nodes[0], &nodes[1]], 50, None).await == 30
        })
        .await;
}
