//! Controls 57, 121, 122, 124 and 125: what may be written, what becomes of it, and how often.

use serde_json::{Value, json};

use super::tables::{Tables, with};
use super::unclean;
use crate::bench::{Answer, Ask, Bench, Trouble};
use crate::{Finding, State};

const EVERYBODY: &str = "anon, authenticated, service_role";

/// How many send the same write at once.
const AT_ONCE: usize = 20;

fn code(answer: &Answer) -> String {
    answer.json()["code"].as_str().unwrap_or_default().to_owned()
}

/// 125: the same write again is done once, also when many send it at once; another with its key is refused.
pub async fn a_write_that_comes_again_is_done_once(bench: &Bench) -> Result<Finding, Trouble> {
    let made = |name: &str| {
        format!(
            "CREATE TABLE public.{name}_clicks (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);
             GRANT ALL ON public.{name}_clicks TO {EVERYBODY};
             CREATE POLICY everybody ON public.{name}_clicks TO authenticated USING (true) WITH CHECK (true)"
        )
    };
    let tables = Tables::make(bench, &["clicks"], made).await?;
    with(bench, tables, async |name| clicks(bench, name).await).await
}

async fn clicks(bench: &Bench, name: &str) -> Result<Finding, Trouble> {
    let (_, session) = bench.guest().await?;
    let (_, other) = bench.guest().await?;
    let path = format!("/rest/v1/{name}_clicks");
    let click = |token: &str, key: &str, what: &str| {
        let ask = bench.client("POST", &path).bearer(token).header("prefer", "return=representation");
        ask.header("idempotency-key", key).json(&json!({ "what": what })).send()
    };
    let count = async |what: &str| -> Result<usize, Trouble> {
        let ask = bench.client("GET", &format!("{path}?select=id&what=eq.{what}")).bearer(&session.access);
        Ok(ask.send().await?.json().as_array().map_or(usize::MAX, Vec::len))
    };
    let key = bench.random_name("click-");
    let first = click(&session.access, &key, "one").await?;
    let again = click(&session.access, &key, "one").await?;
    let another = click(&session.access, &key, "two").await?;
    let once = (count("one").await?, count("two").await?);
    let hers = click(&other.access, &key, "one").await?;
    let both = count("one").await?;
    let many = bench.random_name("many-");
    let sent =
        futures_util::future::join_all((0..AT_ONCE).map(|_| click(&session.access, &many, "many"))).await;
    let sent = sent.into_iter().collect::<Result<Vec<_>, _>>()?;
    let told = sent.iter().filter(|one| one.status == 201 || one.status == 409).count();
    let rows = count("many").await?;
    let fresh = click(&session.access, &bench.random_name("new-"), "one").await?;
    let module = bench.ask("GET", "/client/v1/writes.js").send().await?;
    Ok(Finding::all([
        (first.status == 201, format!("a write with an Idempotency-Key: {}", first.status)),
        (
            again.status == 201 && again.json() == first.json(),
            format!(
                "the same again: {}, with the first one's answer: {}",
                again.status,
                again.json() == first.json()
            ),
        ),
        (another.status == 422, format!("another write with its key: {} {}", another.status, code(&another))),
        (once == (1, 0), format!("rows made by the three: {} and {}", once.0, once.1)),
        (
            hers.status == 201 && both == 2,
            format!("somebody else with the same key: {}, rows now {both}", hers.status),
        ),
        (
            rows == 1 && told == AT_ONCE,
            format!(
                "{AT_ONCE} at once: {rows} rows, {told} were answered with it or told that it is under way"
            ),
        ),
        (fresh.status == 201, format!("a new key is a new write: {}", fresh.status)),
        (
            module.status == 200 && module.text().contains("wait = 1000"),
            format!("the module for browsers debounces by 1000 ms: {}", module.status),
        ),
    ]))
}

/// The guide's rules for a person's form, as constraints, and a JSON schema in a comment.
fn forms(name: &str) -> String {
    let table = format!("public.{name}_forms");
    format!(
        "CREATE TABLE {table} (id int PRIMARY KEY, email text NOT NULL CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$'),
           name text NOT NULL CHECK (char_length(name) BETWEEN 2 AND 100), age int CHECK (age BETWEEN 0 AND 150),
           website text CHECK (website ~ '^https?://[^[:space:]]+$'), code varchar(5), settings jsonb);
         COMMENT ON COLUMN {table}.settings IS '@palisade schema: {{\"type\":\"object\",\"properties\":{{\"theme\":{{\"enum\":[\"dark\",\"light\"]}}}},\"additionalProperties\":false}}';
         GRANT ALL ON {table} TO {EVERYBODY};
         CREATE POLICY everybody ON {table} TO authenticated USING (true) WITH CHECK (true)"
    )
}

/// 121: what the guide's validator refuses is refused by the database on every way in, and the answer names the field.
pub async fn fields_are_validated_and_named(bench: &Bench) -> Result<Finding, Trouble> {
    let tables = Tables::make(bench, &["forms"], forms).await?;
    with(bench, tables, async |name| validated(bench, name).await).await
}

async fn validated(bench: &Bench, name: &str) -> Result<Finding, Trouble> {
    let (_, session) = bench.guest().await?;
    let path = format!("/rest/v1/{name}_forms");
    let good = json!({ "id": 1, "email": "ann@example.com", "name": "Ann", "age": 30, "website": "https://example.com", "code": "abc",
                       "settings": { "theme": "dark" } });
    let as_somebody = |method: &str, path: &str| bench.client(method, path).bearer(&session.access);
    let taken = as_somebody("POST", &path).json(&good).send().await?;
    let mut lines = vec![(taken.status == 201, format!("a good row: {} {}", taken.status, code(&taken)))];
    let wrong: [(&str, Value); 12] = [
        ("email", json!("not an address")),
        ("email", Value::Null),
        ("name", json!("A")),
        ("name", json!("a".repeat(101))),
        ("age", json!(-1)),
        ("age", json!(151)),
        ("age", json!("many")),
        ("website", json!("javascript:alert(1)")),
        ("code", json!("toolong")),
        ("settings", json!({ "theme": "pink" })),
        ("settings", json!({ "other": 1 })),
        ("settings", json!([])),
    ];
    for (at, (field, value)) in wrong.iter().enumerate() {
        let mut row = good.clone();
        row["id"] = json!(at + 10);
        row[*field] = value.clone();
        let refused = as_somebody("POST", &path).json(&row).send().await?;
        let named = refused.json().pointer("/fields/0/column").and_then(Value::as_str) == Some(*field);
        let shown = value.to_string().chars().take(30).collect::<String>();
        lines.push((
            refused.status == 400 && named,
            format!("{field} {shown}: {} {}, the field is named: {named}", refused.status, code(&refused)),
        ));
    }
    // The same by the other ways in.
    let patched = as_somebody("PATCH", &format!("{path}?id=eq.1"))
        .json(&json!({ "settings": { "x": 1 } }))
        .send()
        .await?;
    let mut second = good.clone();
    (second["id"], second["settings"]) = (json!(3), json!({ "theme": 1 }));
    let mut first = good.clone();
    first["id"] = json!(2);
    let bulk = as_somebody("POST", &path).json(&json!([first, second])).send().await?;
    let csv = "id,email,name,settings\n4,b@example.com,Bob,\"{\"\"x\"\":1}\"\n";
    let csv = as_somebody("POST", &path).body("text/csv", csv).send().await?;
    let upsert = as_somebody("POST", &path).header("prefer", "resolution=merge-duplicates");
    let upsert = upsert
        .json(&json!({ "id": 1, "email": "x@example.com", "name": "Xy", "settings": 7 }))
        .send()
        .await?;
    for (how, answer) in
        [("a change", &patched), ("one of two rows", &bulk), ("CSV", &csv), ("an upsert", &upsert)]
    {
        lines.push((
            answer.status == 400,
            format!("{how} against the schema: {} {}", answer.status, code(answer)),
        ));
    }
    let mutation = format!(
        "mutation {{ update{name}_formsCollection(set: {{ settings: \"{{\\\"x\\\":1}}\" }}, atMost: 9) {{ affectedCount }} }}"
    );
    let graphql = as_somebody("POST", "/graphql/v1").json(&json!({ "query": mutation })).send().await?;
    let said =
        graphql.json().pointer("/errors/0/message").and_then(Value::as_str).unwrap_or_default().to_owned();
    if graphql.status != 404 {
        lines.push((said.contains("settings"), format!("a mutation against the schema: {said}")));
    }
    let stored = bench.sql().await?;
    let stored = stored
        .value(&format!("SELECT count(*) || ' ' || count(*) FILTER (WHERE settings = '{{\"theme\": \"dark\"}}') FROM public.{name}_forms"))
        .await?;
    lines.push((stored == "1 1", format!("rows stored, and those as they were: {stored}")));
    Ok(Finding::all(lines))
}

/// Mark-up that runs something in a browser that shows it.
const HOSTILE: [&str; 16] = [
    "<script>alert(1)</script>hello",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\"jAvAsCrIpT&colon;alert(1)\">x</a>",
    "<a href=\"&#106;avascript:alert(1)\">x</a>",
    "<iframe src=\"data:text/html,<script>alert(1)</script>\"></iframe>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<b onmouseover=alert(1)>x</b>",
    "<style>@import 'https://probe.invalid/x.css'</style>",
    "<p style=\"background:url(javascript:alert(1))\">x</p>",
    "<object data=\"javascript:alert(1)\"></object><embed src=\"javascript:alert(1)\">",
    "<form action=\"https://probe.invalid\"><input name=password></form>",
    "<<script>script>alert(1)<</script>/script>",
];

/// What the neighbour keeps.
const HARMLESS: &str =
    "<p>Hello <b>world</b>, <a href=\"https://example.com\" rel=\"noopener noreferrer\">a link</a></p>";

/// What no stored text may hold, as a regular expression of PostgreSQL's.
const RUNS: &str = "<(script|svg|math|iframe|object|embed|style|form|input|noscript)|<[^>]*[[:space:]/]on[a-z]+=|<[^>]*(javascript|data)\\s*(:|&colon;)|<[^>]*style=";

fn pages(name: &str) -> String {
    let table = format!("public.{name}_pages");
    format!(
        "CREATE TABLE {table} (id int PRIMARY KEY, body text, tags text[], meta jsonb, raw text);
         COMMENT ON COLUMN {table}.body IS 'The text.\n@palisade html: sanitize';
         COMMENT ON COLUMN {table}.tags IS '@palisade html: sanitize';
         COMMENT ON COLUMN {table}.meta IS '@palisade html: sanitize';
         CREATE VIEW public.{name}_probed WITH (security_invoker = true) AS SELECT id, body AS shown FROM {table};
         GRANT ALL ON {table}, public.{name}_probed TO {EVERYBODY};
         CREATE POLICY everybody ON {table} TO authenticated USING (true) WITH CHECK (true)"
    )
}

/// 122: HTML in a tagged column is stored without what runs, whatever way it comes; text and structure stay.
pub async fn html_is_stored_clean(bench: &Bench) -> Result<Finding, Trouble> {
    let tables = Tables::make(bench, &["pages"], pages).await?;
    let seen = with(bench, tables, async |name| cleaned(bench, name).await).await?;
    // Of a cleaning that does nothing, what is stored says nothing more.
    if seen.state == State::Proven { unclean::stored(bench, seen, RUNS).await } else { Ok(seen) }
}

async fn cleaned(bench: &Bench, name: &str) -> Result<Finding, Trouble> {
    let (_, session) = bench.guest().await?;
    let path = format!("/rest/v1/{name}_pages");
    let ask = |method: &str, path: &str| bench.client(method, path).bearer(&session.access);
    let all = HOSTILE.join("\n");
    let row =
        |id: usize, body: &str| json!({ "id": id, "body": body, "tags": [body], "meta": { "k": [body] } });
    let mut ways: Vec<(&str, Answer)> = Vec::new();
    let rows: Vec<Value> = HOSTILE.iter().enumerate().map(|(at, body)| row(at + 1, body)).collect();
    ways.push(("rows at once", ask("POST", &path).json(&json!(rows)).send().await?));
    ways.push(("one row", ask("POST", &path).json(&row(100, &all)).send().await?));
    ways.push(("a row to change", ask("POST", &path).json(&row(101, "x")).send().await?));
    ways.push((
        "a change",
        ask("PATCH", &format!("{path}?id=eq.101"))
            .json(&json!({ "body": all, "tags": [all] }))
            .send()
            .await?,
    ));
    let upsert = ask("POST", &path).header("prefer", "resolution=merge-duplicates");
    ways.push(("an upsert", upsert.json(&json!([row(100, &all), row(102, &all)])).send().await?));
    ways.push(("a put", ask("PUT", &format!("{path}?id=eq.103")).json(&row(103, &all)).send().await?));
    let quoted = all.replace('"', "\"\"");
    let csv = format!("id,body,tags\n104,\"{quoted}\",\"{{<script>alert(1)</script>}}\"\n");
    ways.push(("CSV", ask("POST", &path).body("text/csv", &csv).send().await?));
    ways.push(("a form", ask("POST", &path).form(&[("id", "105"), ("body", &all)]).send().await?));
    ways.push((
        "named columns",
        ask("POST", &format!("{path}?columns=id,body"))
            .json(&json!([{ "id": 106, "body": all }]))
            .send()
            .await?,
    ));
    let escaped = format!("{{\"id\":107,\"b\\u006fdy\":{}}}", json!(all));
    ways.push(("an escaped key", ask("POST", &path).body("application/json", &escaped).send().await?));
    ways.push((
        "a view",
        ask("POST", &format!("/rest/v1/{name}_probed"))
            .json(&json!({ "id": 108, "shown": all }))
            .send()
            .await?,
    ));
    let mutation = format!(
        "mutation($b: String) {{ insertInto{name}_pagesCollection(objects: [{{ id: 109, body: $b }}]) {{ affectedCount }} }}"
    );
    let graphql = json!({ "query": mutation, "variables": { "b": all } });
    let graphql = ask("POST", "/graphql/v1").json(&graphql).send().await?;
    let change = format!(
        "mutation {{ update{name}_pagesCollection(filter: {{ id: {{ eq: 101 }} }}, set: {{ body: {} }}) {{ affectedCount }} }}",
        json!(all)
    );
    let change = ask("POST", "/graphql/v1").json(&json!({ "query": change })).send().await?;
    if graphql.status != 404 {
        ways.extend([("a mutation with variables", graphql), ("a mutation without", change)]);
    }
    ways.push((
        "what is harmless",
        ask("POST", &path).json(&json!({ "id": 200, "body": HARMLESS, "raw": all })).send().await?,
    ));
    let mut lines: Vec<(bool, String)> = ways
        .iter()
        .map(|(how, answer)| {
            let taken = (200..300).contains(&answer.status) && answer.json().pointer("/errors").is_none();
            (taken, format!("{how}: {} {}", answer.status, code(answer)))
        })
        .collect();
    let sql = bench.sql().await?;
    let table = format!("public.{name}_pages");
    let stored = sql.value(&format!("SELECT count(*) FROM {table}")).await?;
    let runs = sql
        .rows(&format!(
            "SELECT id, left(concat_ws(' ', body, tags, meta), 200) FROM {table} WHERE concat_ws(' ', body, tags, meta) ~* $re${RUNS}$re$ ORDER BY id"
        ))
        .await?;
    let first: Vec<String> = runs.iter().take(2).flatten().flatten().cloned().collect();
    lines.push((
        runs.is_empty(),
        format!("of {stored} rows, {} hold what runs {}", runs.len(), first.join(" ")),
    ));
    let kept = sql
        .value(&format!(
            "SELECT (body = $t${HARMLESS}$t$) || ' ' || (raw LIKE '%<script>%') FROM {table} WHERE id = 200"
        ))
        .await?;
    lines.push((
        kept == "true true",
        format!("the harmless text is as it was, and so is a column without the rule: {kept}"),
    ));
    Ok(Finding::all(lines))
}

/// Between two looks at the types.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(450);

/// 124: administrators get types and zod schemas of what is served now; nobody else does.
pub async fn types_follow_the_schema(bench: &Bench) -> Result<Finding, Trouble> {
    let tables = Tables::make(bench, &["forms"], forms).await?;
    with(bench, tables, async |name| typed(bench, name).await).await
}

async fn typed(bench: &Bench, name: &str) -> Result<Finding, Trouble> {
    let (_, session) = bench.guest().await?;
    let types = async |query: &str| -> Result<String, Trouble> {
        let answer = bench.server("GET", &format!("/admin/v1/types{query}")).send().await?;
        answer.field("/types")
    };
    let typescript = types("").await?;
    let zod = types("?as=zod").await?;
    let lines_of = |text: &str, words: &str| text.lines().any(|line| line.contains(words));
    let sql = bench.sql().await?;
    sql.run(&format!("ALTER TABLE public.{name}_forms ADD COLUMN nickname text NOT NULL DEFAULT '' CHECK (char_length(nickname) <= 30)")).await?;
    let followed = async || {
        // An answer costs its asker a piece of its budget.
        tokio::time::sleep(LOOK_AGAIN).await;
        let now = types("?as=zod").await?;
        Ok(now.split(&format!("{}Insert = ", camel(name))).nth(1).is_some_and(|rest| {
            rest.split("\n})")
                .next()
                .is_some_and(|one| one.contains("nickname: z.string()") && one.contains("<= 30"))
        }))
    };
    let followed = bench.within(5, "a new column among the types", followed).await;
    let person = bench.client("GET", "/admin/v1/types").bearer(&session.access).send().await?;
    let nobody = bench.client("GET", "/admin/v1/types").send().await?;
    Ok(Finding::all([
        (
            lines_of(&typescript, &format!("{name}_forms: {{")) && typescript.contains("email: string"),
            "TypeScript of a table made a moment ago".to_owned(),
        ),
        (
            zod.contains(".gte(0).lte(150)") && zod.contains(".min(2)"),
            "zod schemas that hold its CHECKs".to_owned(),
        ),
        (followed.is_ok(), format!("a column that was added is there within 5 s: {}", followed.is_ok())),
        (
            [401, 403].contains(&person.status) && [401, 403].contains(&nobody.status),
            format!("somebody is answered {}, nobody {}", person.status, nobody.status),
        ),
    ]))
}

/// `public` and a table's name, as the schemas are called.
fn camel(name: &str) -> String {
    let words = format!("{name}_forms");
    let mut camel = "public".to_owned();
    for word in words.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// What scanners send first: quotes, comments, stacked statements, unions, conditions, waits, in several encodings.
const INJECTED: [&str; 24] = [
    "'",
    "\"",
    "\\",
    "')",
    "';--",
    "'; DROP TABLE x; --",
    "' OR '1'='1",
    "' OR 1=1--",
    "1 OR 1=1",
    "1) OR (1=1",
    "1; SELECT pg_sleep(4)--",
    "'||(SELECT pg_sleep(4))||'",
    "(SELECT 1 FROM pg_sleep(4))",
    "' UNION SELECT NULL,version()--",
    "1 UNION ALL SELECT usename FROM pg_user",
    "$$;SELECT 1;$$",
    "$1",
    "/**/",
    "--",
    "%00",
    "a\"b",
    "::text",
    "{}",
    "\u{2019} OR \u{2018}1",
];

/// So many places and payloads make a proof.
const ANSWERS_MIN: usize = 60;

/// How long an answer may take; what was injected would sleep for longer.
const QUICK_SECONDS_MAX: u64 = 3;

fn probed(name: &str) -> String {
    let table = format!("public.{name}_probed");
    format!(
        "CREATE TABLE {table} (id int PRIMARY KEY, owner uuid, note text, meta jsonb);
         GRANT ALL ON {table} TO {EVERYBODY};
         CREATE POLICY own ON {table} TO anon, authenticated USING (id < 100) WITH CHECK (true);
         INSERT INTO {table} VALUES (1, NULL, 'mine', '{{}}'), (100, NULL, 'secret', '{{}}');
         CREATE FUNCTION public.{name}_find(wanted text) RETURNS SETOF {table} LANGUAGE sql STABLE AS
            $$ SELECT * FROM {table} WHERE note = wanted $$;
         GRANT EXECUTE ON FUNCTION public.{name}_find(text) TO {EVERYBODY}"
    )
}

/// 57: what looks like SQL stays a value in every place a request has; no syntax error ever comes back.
pub async fn values_never_become_sql(bench: &Bench) -> Result<Finding, Trouble> {
    let tables = Tables::make(bench, &["probed"], probed).await?;
    with(bench, tables, async |name| injected(bench, name).await).await
}

/// A payload in every place that a request has for it.
fn places<'a>(bench: &'a Bench, name: &str, payload: &str) -> Vec<(&'static str, Ask<'a>)> {
    let table = format!("/rest/v1/{name}_probed");
    let p: String = payload.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let get = |path: String| bench.client("GET", &path);
    let post = |path: String, body: Value| bench.client("POST", &path).json(&body);
    let header = |name: &str| get(format!("{table}?select=id")).header(name, payload.trim());
    let mut asks = vec![
        ("a filter", get(format!("{table}?note=eq.{p}"))),
        ("a list", get(format!("{table}?note=in.({p})"))),
        ("a number", get(format!("{table}?id=eq.{p}"))),
        ("an operator", get(format!("{table}?note={p}.x"))),
        ("a column", get(format!("{table}?{p}=eq.1"))),
        ("select", get(format!("{table}?select={p}"))),
        ("an alias", get(format!("{table}?select={p}:note"))),
        ("a cast", get(format!("{table}?select=note::{p}"))),
        ("a path", get(format!("{table}?select=meta-%3E%3E{p}"))),
        ("an order", get(format!("{table}?order={p}"))),
        ("logic", get(format!("{table}?or=({p},id.eq.1)"))),
        ("a limit", get(format!("{table}?limit={p}&offset={p}"))),
        ("a relation", get(format!("/rest/v1/{p}"))),
        ("an argument", post(format!("/rest/v1/rpc/{name}_find"), json!({ "wanted": payload }))),
        ("an argument's name", post(format!("/rest/v1/rpc/{name}_find"), json!({ payload: 1 }))),
        ("a value", post(table.clone(), json!({ "id": 100, "note": payload }))),
        ("a key", post(table.clone(), json!({ payload: 1 }))),
        ("named columns", post(format!("{table}?columns={p}"), json!([{ "id": 1 }]))),
        (
            "a conflict",
            post(format!("{table}?on_conflict={p}"), json!([{ "id": 1 }]))
                .header("prefer", "resolution=merge-duplicates"),
        ),
    ];
    if payload.is_ascii() && !payload.contains('\u{0}') {
        asks.extend([
            ("a schema", header("accept-profile")),
            (
                "a time zone",
                get(format!("{table}?select=id")).header("prefer", &format!("timezone={payload}")),
            ),
        ]);
    }
    asks
}

async fn injected(bench: &Bench, name: &str) -> Result<Finding, Trouble> {
    let table = format!("/rest/v1/{name}_probed");
    let (mut answered, mut syntax, mut ours, mut told, mut slow) =
        (0_usize, Vec::new(), Vec::new(), Vec::new(), Vec::new());
    'all: for payload in INJECTED {
        for (place, ask) in places(bench, name, payload) {
            let began = tokio::time::Instant::now();
            let answer = ask.send().await?;
            // From one address alone there is only so much that may be asked.
            if answer.status == 429 {
                break 'all;
            }
            answered += 1;
            let text = answer.text();
            let what = format!("{payload} as {place}: {}", answer.status);
            if text.contains("42601") || text.contains("syntax error") {
                syntax.push(what.clone());
            }
            if answer.status >= 500 {
                ours.push(what.clone());
            }
            if text.contains("secret") {
                told.push(what.clone());
            }
            if began.elapsed().as_secs() >= QUICK_SECONDS_MAX {
                slow.push(what);
            }
        }
    }
    let left = bench
        .sql()
        .await?
        .value(&format!("SELECT count(*) FILTER (WHERE id IN (1, 100)) FROM public.{name}_probed"))
        .await?;
    let plain = bench.client("GET", &format!("{table}?note=eq.mine&select=id")).send().await?;
    let some = |found: &[String]| found.iter().take(2).cloned().collect::<Vec<_>>().join("; ");
    Ok(Finding::all([
        (answered >= ANSWERS_MIN, format!("{answered} requests were answered")),
        (
            syntax.is_empty(),
            format!("of {answered} answers, {} brought a syntax error back {}", syntax.len(), some(&syntax)),
        ),
        (ours.is_empty(), format!("{} were answered with a failure of ours {}", ours.len(), some(&ours))),
        (told.is_empty(), format!("{} told a row that the policy hides {}", told.len(), some(&told))),
        (slow.is_empty(), format!("{} made the database wait {}", slow.len(), some(&slow))),
        (left == "2", format!("of the 2 rows there were, {left} are left")),
        (
            plain.status == 200 && plain.text().contains('1'),
            format!("an ordinary filter finds its row: {}", plain.status),
        ),
    ]))
}
