//! What is refused is recorded, nothing of it reaches the database, and each costs next to nothing.

use serde_json::{Value, json};
use spec::{Client, Palisade, Seen, TestApp};

use super::{BLOG, PLAIN, RELAY, ask, blog, refusal};

/// What asks for more than is good: a name, a body, the refusal's words.
pub struct Attack {
    pub name: &'static str,
    pub body: Value,
    pub words: &'static str,
}

fn query(name: &'static str, query: impl Into<String>, words: &'static str) -> Attack {
    Attack { name, body: json!({ "query": query.into() }), words }
}

/// Part D of the conventions' document, as far as a document alone can be the attack.
pub fn attacks() -> Vec<Attack> {
    [deep(), wide(), other(), beside()].into_iter().flatten().collect()
}

fn many(count: usize, one: &str) -> String {
    (0..count).map(|at| one.replace('#', &at.to_string())).collect()
}

/// Fields, values and fragments in each other.
fn deep() -> Vec<Attack> {
    let around = |open: &str, inside: &str, close: &str, times: usize| {
        format!("{}{inside}{}", open.repeat(times), close.repeat(times))
    };
    let filter = |value: String| format!("{{ users(filter: {value}) {{ id }} }}");
    let (mut bomb, mut chain) = (String::from("{ users { ...F0 } }"), String::from("{...F0}"));
    for at in 0..40 {
        bomb.push_str(&format!(" fragment F{at} on Users {{ ...F{} ...F{} }}", at + 1, at + 1));
    }
    for at in 0..20 {
        let next = around("...{", &format!("...F{}", at + 1), "}", 40);
        chain.push_str(&format!("fragment F{at} on Query{{{next}}}"));
    }
    bomb.push_str(" fragment F40 on Users { name }");
    chain.push_str("fragment F20 on Query{_health}");
    let circular = "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }";
    vec![
        query("eleven levels", around("{ a ", "{ x }", "}", 10), "max_depth: 11 measured"),
        query("nested 3000 deep", around("{a", "x", "}", 3000), "nesting_max"),
        query("a value 300 deep", filter(around("[", "1", "]", 300)), "nesting_max"),
        query("an object 300 deep", filter(around("{_not:", "1", "}", 300)), "nesting_max"),
        query("fragments that double 40 times", bomb, "selections_max"),
        query("fragments in fragments", chain, "expanded_nesting_max"),
        query(
            "a fragment in a circle",
            "{ users { ...F } } fragment F on Users { posts { user { ...F } } }",
            "cycle",
        ),
        query(
            "an unused circle",
            "{ users { id } } fragment F on Users { ...G } fragment G on Users { ...F }",
            "cycle",
        ),
        query("reading the schema in circles", circular, "introspection_lists_max"),
    ]
}

/// Much of one thing.
fn wide() -> Vec<Attack> {
    let users = |inside: String| format!("{{ users {{ {inside} }} }}");
    let items = (0..1001).map(|at| at.to_string()).collect::<Vec<_>>().join(",");
    vec![
        query("40 aliases", users(many(40, "a#: name ")), "aliases_max: 40 measured"),
        query("700 aliases", format!("{{ {} }}", many(700, "a#: _health ")), "aliases_max: 700 measured"),
        query("2000 aliases", format!("{{ {} }}", many(2000, "a#: users(limit: #) { id } ")), "tokens_max"),
        query("21 root fields", format!("{{ {} }}", many(21, "_health ")), "root_fields_max: 21 measured"),
        query("the same field 500 times", users(many(500, "name ")), "max_complexity: 5010 measured"),
        query("the same field 5000 times", users(many(5000, "name ")), "tokens_max"),
        query(
            "10 directives at a place",
            users(format!("id {}", many(10, "@aa "))),
            "directives_per_place_max",
        ),
        query("1000 directives", users(format!("id {}", many(1000, "@aa "))), "directives_per_place_max"),
        query("60 directives", users(many(60, "name @skip(if: true) ")), "directives_max"),
        query(
            "51 fragments",
            format!("{{ users {{ id }} }} {}", many(51, "fragment F# on Users { id } ")),
            "fragments_max",
        ),
        query("21 operations", many(21, "query Q# { users { id } } "), "operations_max"),
        query(
            "101 variables",
            format!("query Q({}) {{ users {{ id }} }}", many(101, "$v#: Int ")),
            "variables_max",
        ),
        query(
            "1001 values",
            format!("{{ users(filter: {{ id_in: [{items}] }}) {{ id }} }}"),
            "list_items_max",
        ),
        query(
            "a text of 900 kB",
            format!("{{ users(filter: {{ name_eq: \"{}\" }}) {{ id }} }}", "x".repeat(900_000)),
            "document_bytes_max",
        ),
        query("commas", format!("{{ users {{ id }} }} {}", ",".repeat(60_000)), "tokens_max"),
    ]
}

/// Dear, hidden, or not offered.
fn other() -> Vec<Attack> {
    const BY_NAME: &str = "{ ...__schema } fragment __schema on Query { users { posts { comments { author { posts { title } } } } } }";
    const HUGE: &str = "{ users(limit: 2147483647) { posts(limit: 2147483647) { comments(limit: 2147483647) { author { name } } } } }";
    vec![
        query(
            "lists in lists in lists",
            "{ users { posts { comments { author { posts { title } } } } } }",
            "max_complexity: 22110 measured",
        ),
        query("a limit that is huge", HUGE, "max_complexity: 3110 measured"),
        query("fragments named like introspection", BY_NAME, "max_complexity: 22110 measured"),
        query("reading the schema", "{ __schema { types { name } } }", "Unknown field"),
        query("reading one type", "{ x: __type(name: \"Users\") { fields { name } } }", "Unknown field"),
        query("an unknown directive", "{ users @aa { id } }", "Unknown directive"),
        query("a subscription", "subscription { users { id } }", "Subscriptions are not supported"),
    ]
}

/// What comes beside the document.
fn beside() -> Vec<Attack> {
    let with = |mut attack: Attack, key: &str, value: Value| {
        attack.body[key] = value;
        attack
    };
    let deep: Value = serde_json::from_str(&format!("{}1{}", "[".repeat(70), "]".repeat(70))).unwrap();
    let poison = json!({ "persistedQuery": { "version": 1, "sha256Hash": spec::sha256("x") } });
    let by_filter = "query Q($f: UsersFilter) { users(filter: $f) { id } }";
    let by_ids = "query Q($v: [Int!]) { users(filter: { id_in: $v }) { id } }";
    vec![
        with(
            query("another's hash", "{ users { id } }", "provided sha does not match query"),
            "extensions",
            poison,
        ),
        with(query("a variable 70 deep", by_filter, ""), "variables", json!({ "f": deep })),
        with(
            query("a variable of 5000", by_ids, "list_items_max"),
            "variables",
            json!({ "v": (0..5000).collect::<Vec<_>>() }),
        ),
    ]
}

fn statements(app: &TestApp) -> u64 {
    let stats = app.running.services.pg.stats();
    stats.short.round_trips + stats.own.round_trips
}

#[tokio::test]
async fn row_75_no_attack_of_the_list_reaches_the_database() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, _) = blog(&app).await;
    ask(&ann.client, PLAIN, "{ __typename }").await;
    for attack in attacks() {
        let before = statements(&app);
        let seen = ann.client.post(PLAIN, attack.body).await.expect(200);
        let answer = seen.value();
        assert!(refusal(&answer).contains(attack.words), "{}: {}", attack.name, seen.text());
        assert!(
            answer.get("data").is_none_or(Value::is_null) || answer["data"] == json!({}),
            "{}: {answer}",
            attack.name
        );
        assert_eq!(statements(&app), before, "{} reached the database", attack.name);
    }
    let neighbour = ask(&ann.client, PLAIN, "{ users(limit: 3) { name posts(limit: 2) { title } } }").await;
    assert_eq!(neighbour["data"]["users"][0]["name"], "Ann", "{neighbour}");
}

/// CPU of a process so far, in microseconds.
fn cpu_us(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks * 10_000
}

#[tokio::test]
async fn row_75_each_attack_costs_less_than_5_ms_of_cpu() {
    const TIMES: u64 = 40;
    const ROUNDS: u32 = 8;
    let palisade = Palisade::start("dev", &["--rate_limiting.enabled=false"]).await;
    let pid = palisade.pid().unwrap();
    let address = palisade.ready.url.trim_start_matches("http://").parse().unwrap();
    let client = Client::new(address, [127, 0, 0, 1].into()).with("apikey", &palisade.ready.publishable_key);
    let (database, connection) =
        tokio_postgres::connect(&palisade.ready.database_url, tokio_postgres::NoTls).await.unwrap();
    let _ends_with_the_test = tokio::spawn(connection);
    database
        .batch_execute(&format!("set role palisade_owner; drop table public.comments cascade; {BLOG}"))
        .await
        .unwrap();
    while ask(&client, PLAIN, "{ users { posts { id } } }").await["data"].is_null() {
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    for attack in attacks() {
        let answer = client.post(PLAIN, attack.body.clone()).await.expect(200).value();
        assert!(refusal(&answer).contains(attack.words), "{}: {answer}", attack.name);
        let mut each = u64::MAX;
        // Whatever else the machine does makes it dearer, and nothing cheaper: the cheapest of some is what it costs.
        for _ in 0..ROUNDS {
            let before = cpu_us(pid);
            for _ in 0..TIMES {
                client.post(PLAIN, attack.body.clone()).await;
            }
            each = each.min((cpu_us(pid) - before) / TIMES);
            if each < 2500 {
                break;
            }
        }
        println!("{each:>6} µs  {}", attack.name);
        assert!(each < 5000, "{}: {each} µs of CPU", attack.name);
    }
}

#[tokio::test]
async fn each_refusal_is_in_the_audit_log_and_a_flood_of_them_is_counted() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, _) = blog(&app).await;
    for (query, _) in [
        ("{ a { a { a { a { a { a { a { a { a { a { a } } } } } } } } } } }", "max_depth"),
        ("{ users { posts { comments { author { posts { title } } } } } }", "max_complexity"),
        ("{ users { ...F } } fragment F on Users { ...F }", "cycle"),
        ("{ __schema { types { name } } }", "introspection"),
        ("subscription { users { id } }", "subscription"),
    ] {
        for path in [PLAIN, RELAY] {
            ask(&ann.client, path, query).await;
        }
    }
    let poison = json!({ "query": "{ _health }", "extensions": { "persistedQuery": { "sha256Hash": spec::sha256("x") } } });
    ann.client.post(PLAIN, poison).await.expect(200);
    ann.client.get(&format!("{PLAIN}?query=mutation%7Bx%7D")).await.expect(405);
    let form = bytes::Bytes::from_static(b"query=%7B_health%7D");
    let as_form: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];
    ann.client.send(http::Method::POST, PLAIN, as_form, form).await.expect(415);
    ann.client.post(PLAIN, Value::Array(vec![json!({ "query": "{ _health }" }); 11])).await.expect(400);
    // A mistake is no attack, and what is answered is no refusal.
    ask(&ann.client, PLAIN, "{ nothing }").await;
    ask(&ann.client, PLAIN, "{ users { id } }").await;
    let stranger = app.stranger();
    for _ in 0..50 {
        ask(&stranger, PLAIN, "{ __type(name: \"Users\") { name } }").await;
    }
    let audit = &app.running.services.audit;
    audit.settle().await.unwrap();
    let filter = audit::Filter { event: Some("data.query_refused".to_owned()), ..audit::Filter::default() };
    let entries = audit.find(&filter, None, 200).await.unwrap();
    let lines: Vec<Value> =
        entries.iter().map(|entry| serde_json::from_str(&entry.line()).unwrap()).collect();
    let of = |reason: &str| lines.iter().filter(|line| line["reason"] == reason).collect::<Vec<_>>();
    for reason in [
        "gql.limit",
        "gql.cycle",
        "graphql.introspection",
        "graphql.subscription",
        "graphql.wrong_hash",
        "graphql.method",
        "graphql.content_type",
        "graphql.batch",
    ] {
        let found = of(reason);
        assert!(!found.is_empty(), "{reason}: {lines:?}");
        let who = found.iter().any(|line| line.to_string().contains(&ann.id));
        assert!(who && found[0]["outcome"] == "refused", "{reason}: {found:?}");
    }
    let limits = of("gql.limit");
    assert!(
        limits.iter().any(|line| line["details"]["why"].to_string().contains("max_depth: 11 measured")),
        "{limits:?}"
    );
    assert_eq!(limits[0]["details"]["path"].as_str().map(|path| path == PLAIN || path == RELAY), Some(true));
    let nobodys: Vec<_> =
        of("graphql.introspection").into_iter().filter(|line| !line.to_string().contains(&ann.id)).collect();
    assert!(nobodys.len() <= 2, "{} entries for fifty identical refusals", nobodys.len());
    let counted: u64 = nobodys.iter().map(|line| line["count"].as_u64().unwrap_or(1)).sum();
    assert_eq!(counted, 50, "{nobodys:?}");
    assert!(!lines.iter().any(|line| line.to_string().contains("nothing")), "a mistake is a log line only");
}

#[tokio::test]
async fn a_document_that_is_not_listed_is_in_the_audit_log() {
    let place = tempfile::TempDir::new().unwrap();
    let file = place.path().join("documents.json");
    std::fs::write(&file, json!({ spec::sha256("{ _health }"): "{ _health }" }).to_string()).unwrap();
    let app = TestApp::builder()
        .unlimited()
        .with("graphql.persisted_queries", "only")
        .with("graphql.documents_file", &file.display().to_string())
        .start()
        .await;
    let ann = app.person("ann").await;
    assert_eq!(ask(&ann.client, PLAIN, "{ _health }").await["data"]["_health"], "ok");
    let by_hash =
        json!({ "extensions": { "persistedQuery": { "sha256Hash": spec::sha256("{ users { id } }") } } });
    for path in [PLAIN, RELAY] {
        let other = ask(&ann.client, path, "{ users { id } }").await;
        assert_eq!(other["errors"][0]["extensions"]["code"], "PERSISTED_QUERY_ONLY", "{other}");
        let other = ann.client.post(path, by_hash.clone()).await.expect(200).value();
        assert_eq!(other["errors"][0]["extensions"]["code"], "PERSISTED_QUERY_ONLY", "{other}");
    }
    let audit = &app.running.services.audit;
    audit.settle().await.unwrap();
    let filter = audit::Filter { event: Some("data.query_refused".to_owned()), ..audit::Filter::default() };
    let entries = audit.find(&filter, None, 200).await.unwrap();
    let lines: Vec<Value> =
        entries.iter().map(|entry| serde_json::from_str(&entry.line()).unwrap()).collect();
    // The same refusal of the same person is one entry with a count.
    let counted: u64 = lines.iter().map(|line| line["count"].as_u64().unwrap_or(1)).sum();
    assert_eq!(counted, 4, "{lines:?}");
    for line in &lines {
        assert!(line.to_string().contains(&ann.id), "{line}");
        assert_eq!((&line["reason"], &line["outcome"]), (&json!("graphql.unlisted"), &json!("refused")));
    }
}

#[tokio::test]
async fn row_23_ten_operations_in_one_request_are_ten_to_the_rate_limits() {
    let app = TestApp::builder().with("rate_limiting.per_minute", "40").start().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let one = json!({ "query": "{ __typename }" });
    let left = |seen: &Seen| seen.header("ratelimit-remaining").parse::<u32>().unwrap();
    for path in [PLAIN, RELAY] {
        let single = left(&ann.client.post(path, one.clone()).await.expect(200));
        let batch = ann.client.post(path, Value::Array(vec![one.clone(); 10])).await.expect(200);
        assert_eq!(left(&batch), single - 10, "{path}");
        let single = left(&ann.client.post(path, json!([one])).await.expect(200));
        assert_eq!(single, left(&batch) - 1, "{path}: an array of one is one");
    }
    // 24 of 40 are spent: ten more pass, and ten more do not.
    ann.client.post(PLAIN, Value::Array(vec![one.clone(); 10])).await.expect(200);
    let over = ann.client.post(PLAIN, Value::Array(vec![one.clone(); 10])).await.expect(429);
    assert!(over.value()["data"].is_null() && !over.header("retry-after").is_empty(), "{}", over.text());
    ann.client.post(PLAIN, one.clone()).await.expect(429);
    // Whoever sends the same one by one gets as far, and a neighbour is not touched.
    for _ in 0..40 {
        bob.client.post(PLAIN, one.clone()).await.expect(200);
    }
    bob.client.post(PLAIN, one).await.expect(429);
}
