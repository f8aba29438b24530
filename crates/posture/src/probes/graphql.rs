//! Controls 43, 44 and 45: how deep and how dear a query may be, and who may read the schema.

use serde_json::{Value, json};

use crate::Finding;
use crate::bench::{Bench, Trouble};

/// Both conventions.
const PATHS: [&str; 2] = ["/api/v1/graphql", "/graphql/v1"];

/// Whether it is switched off: then there is nothing to limit.
async fn is_off(bench: &Bench) -> Result<bool, Trouble> {
    let mut off = true;
    for path in PATHS {
        off &= bench.client("POST", path).json(&json!({ "query": "{ __typename }" })).send().await?.status
            == 404;
    }
    Ok(off)
}

fn off() -> Finding {
    Finding::not_applicable("GraphQL is switched off: neither of its paths is served")
}

async fn asked(bench: &Bench, path: &str, query: &str) -> Result<Value, Trouble> {
    Ok(bench.client("POST", path).json(&json!({ "query": query })).send().await?.json())
}

fn refusal(answer: &Value) -> String {
    answer.pointer("/errors/0/message").and_then(Value::as_str).unwrap_or("nothing refused").to_owned()
}

/// Fields in each other.
fn nested(depth: usize) -> String {
    format!("{}{}", "{ a ".repeat(depth), "}".repeat(depth))
}

/// 43: eleven levels are refused, in fragments too; ten are not.
pub async fn depth_is_limited(bench: &Bench) -> Result<Finding, Trouble> {
    if is_off(bench).await? {
        return Ok(off());
    }
    let mut lines = Vec::new();
    for path in PATHS {
        let deep = refusal(&asked(bench, path, &nested(11)).await?);
        lines.push((deep.contains("max_depth: 11 measured"), format!("{path}: 11 levels: {deep}")));
        let hidden = "{ a { ...F } } fragment F on T { b { ...G } } fragment G on T { c { d { e { f { g { h { i { j { k } } } } } } } } }";
        let hidden = refusal(&asked(bench, path, hidden).await?);
        lines.push((hidden.contains("max_depth: 11 measured"), format!("{path}: 11 in fragments: {hidden}")));
        let shallow = refusal(&asked(bench, path, &nested(10)).await?);
        lines.push((!shallow.contains("max_depth"), format!("{path}: 10 levels are read: {shallow}")));
        let cycle = "{ a { ...F } } fragment F on T { b { ...F } }";
        let cycle = refusal(&asked(bench, path, cycle).await?);
        lines.push((cycle.contains("cycle"), format!("{path}: a fragment in a circle: {cycle}")));
    }
    Ok(Finding::all(lines))
}

/// 44: more than 1000 points are refused with their number, and so are aliases, batches and repetition.
pub async fn cost_is_limited(bench: &Bench) -> Result<Finding, Trouble> {
    if is_off(bench).await? {
        return Ok(off());
    }
    let tenant = bench.tenant().await?;
    let session = bench.sign_in(&tenant.person).await?;
    let path = PATHS[0];
    let table = camel(&format!("{}_rows", tenant.name));
    let ask = async |query: String| -> Result<Value, Trouble> {
        let ask = bench.client("POST", path).bearer(&session.access).json(&json!({ "query": query }));
        Ok(ask.send().await?.json())
    };
    let one = format!("{table} {{ id id id id id }} ");
    let cheap = ask(format!("{{ {one} }}")).await?;
    let aliased: String = (0..20).map(|at| format!("a{at}: {one}")).collect();
    let dear = refusal(&ask(format!("{{ {aliased} }}")).await?);
    let aliases: String = (0..31).map(|at| format!("a{at}: id ")).collect();
    let aliases = refusal(&ask(format!("{{ {table} {{ {aliases} }} }}")).await?);
    let tokens = refusal(&ask(format!("{{ {} }}", "x ".repeat(5000))).await?);
    let batch: Vec<Value> = (0..11).map(|_| json!({ "query": "{ __typename }" })).collect();
    let batch = bench.client("POST", path).bearer(&session.access).json(&Value::Array(batch)).send().await?;
    Ok(Finding::all([
        (
            cheap.pointer(&format!("/data/{table}")).is_some_and(Value::is_array),
            format!("a query of 60 points is answered: {}", cheap.pointer("/errors").unwrap_or(&Value::Null)),
        ),
        (dear.contains("max_complexity: 1200 measured"), format!("twenty of them at once: {dear}")),
        (aliases.contains("aliases_max"), format!("31 aliases: {aliases}")),
        (tokens.contains("tokens_max"), format!("the same field 5,000 times: {tokens}")),
        (batch.status == 400, format!("11 operations in one request: {}", batch.status)),
    ]))
}

/// `a_b` → `aB`, as the plain convention names tables.
fn camel(name: &str) -> String {
    let mut words = name.split('_').filter(|word| !word.is_empty());
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        camel.push_str(&first.to_uppercase());
        camel.push_str(rest);
    }
    camel
}

/// 45: neither nobody nor somebody reads the schema, by any method, nor guesses it; administrators do.
pub async fn the_schema_is_not_told(bench: &Bench) -> Result<Finding, Trouble> {
    if is_off(bench).await? {
        return Ok(off());
    }
    let tenant = bench.tenant().await?;
    let session = bench.sign_in(&tenant.person).await?;
    let mut lines = Vec::new();
    for path in PATHS {
        for query in ["{__schema{types{name}}}", "{__type(name:\"Query\"){name}}"] {
            let body = json!({ "query": query });
            let by_get = format!("{path}?query={}", encode(query));
            let told = |answer: &Value| answer.to_string().contains("\"data\":{");
            for (who, ask) in [
                ("nobody by POST", bench.client("POST", path).json(&body)),
                ("nobody by GET", bench.client("GET", &by_get)),
                ("somebody by POST", bench.client("POST", path).bearer(&session.access).json(&body)),
                ("somebody by GET", bench.client("GET", &by_get).bearer(&session.access)),
            ] {
                let answer = ask.send().await?.json();
                lines.push((!told(&answer), format!("{path}: {who}: {}", refusal(&answer))));
            }
        }
        let wrong = asked(bench, path, "{ __typenam }").await?;
        lines.push((
            !wrong.to_string().contains("Did you mean"),
            format!("{path}: a wrong name gets no suggestion: {}", refusal(&wrong)),
        ));
        let admin = bench.ask("POST", path).header("apikey", bench.place.secret_key.expose());
        let admin =
            admin.json(&json!({ "query": "{ __schema { queryType { name } } }" })).send().await?.json();
        let reads = admin.pointer("/data/__schema/queryType/name").and_then(Value::as_str) == Some("Query");
        lines.push((reads, format!("{path}: an administrator reads it")));
        let typename = asked(bench, path, "{ __typename }").await?;
        lines.push((
            typename.pointer("/data/__typename").and_then(Value::as_str) == Some("Query"),
            format!("{path}: __typename works for everybody"),
        ));
    }
    Ok(Finding::all(lines))
}

fn encode(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
