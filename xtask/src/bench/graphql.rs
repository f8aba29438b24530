//! GraphQL beside the same question in hand-written SQL, beside one statement for each parent row, and its attacks.

use anyhow::{Result, bail};

use super::database::user_id;
use super::load::Connection;
use super::{Bench, PGBENCH_CLIENTS};

/// Requests one after the other, after some that warm the caches.
const REQUESTS: u64 = 1000;
const WARMING: u64 = 50;

/// Four levels: a list, ten of its tasks, the list of each, ten tasks of that.
const NESTED: &str =
    r#"{"query":"{ lists { name todos(limit: 10) { title list { name todos(limit: 10) { title } } } } }"}"#;

/// The same by hand, as the same caller, in one pipeline.
const BY_HAND: &str = "\
\\startpipeline
select where set_config('role', 'authenticated', true) is null or set_config('request.jwt.claim.sub', '$USER', true) is null;
select json_agg(r) from (select l.name, t.todos from public.lists l left join lateral (select json_agg(x) as todos from (
  select t.title, (select row_to_json(y) from (select m.name, u.todos from public.lists m left join lateral (
    select json_agg(z) as todos from (select d.title from public.todos d where d.list_id = m.id order by d.id limit 10) z) u on true
    where m.id = t.list_id) y) as list
  from public.todos t where t.list_id = l.id order by t.id limit 10) x) t on true order by l.id) r;
\\endpipeline
";

struct Spent {
    palisade_us: f64,
    postgres_us: f64,
    trips: f64,
}

/// What each of many requests costs, one after the other.
fn spent(bench: &Bench<'_>, method: &str, path: &str, body: &str, wanted: &str) -> Result<Spent> {
    let token = bench.tokens.first().map_or("", String::as_str);
    let mut connection = Connection::open(bench.server.address())?;
    let mut send = |count: u64| -> Result<()> {
        for _ in 0..count {
            let answer = connection.send(method, path, token, &[], body)?;
            let text = String::from_utf8_lossy(&answer.body);
            if !text.contains(wanted) {
                bail!("{path} answered {} {text}", answer.status);
            }
        }
        Ok(())
    };
    send(WARMING)?;
    let (before, waits) = (bench.usage()?, bench.database.waits());
    send(REQUESTS)?;
    let spent = bench.usage()?.since(&before);
    let each = |all: u64| all as f64 / REQUESTS as f64;
    Ok(Spent {
        palisade_us: each(spent.palisade_us),
        postgres_us: each(spent.postgres_us),
        trips: each(bench.database.waits().saturating_sub(waits)),
    })
}

/// The section.
pub fn run(bench: &Bench<'_>) -> Result<()> {
    const PATH: &str = "/api/v1/graphql";
    let nested = spent(bench, "POST", PATH, NESTED, "todos")?;
    let by_hand = bench.pgbench("by hand", &BY_HAND.replace("$USER", &user_id(0)), 1.0)?;
    println!(
        "   four levels: {:.1} µs of PostgreSQL and {:.1} µs of Palisade; by hand with {PGBENCH_CLIENTS} clients {:.1} µs of PostgreSQL",
        nested.postgres_us, nested.palisade_us, by_hand.postgres_us
    );
    println!(
        "   PostgreSQL's share, of by hand: {:.2} (wanted: 1.30 or less)",
        nested.postgres_us / by_hand.postgres_us
    );
    // One statement for the lists, one for the tasks of the list, ten for their lists, ten for the tasks of those.
    println!(
        "   statements: {:.2}, against 22 with one for each parent row (wanted: a fifth or less)",
        nested.trips
    );
    let rest = spent(bench, "GET", "/rest/v1/todos?select=id,title&id=eq.90001", "", "title")?;
    let row = r#"{"query":"query Q($id: BigInt) { todos(filter: { id_eq: $id }) { id title } }","variables":{"id":90001}}"#;
    let row = spent(bench, "POST", PATH, row, "title")?;
    println!(
        "   a row by key: {:.1} µs of Palisade, by REST {:.1} µs; the difference is {:.1} µs (wanted: 10 or less)",
        row.palisade_us,
        rest.palisade_us,
        row.palisade_us - rest.palisade_us
    );
    for (what, query, wanted) in attacks() {
        let body = serde_json::json!({ "query": query }).to_string();
        let refused = spent(bench, "POST", PATH, &body, wanted)?;
        println!(
            "   {what}: refused for {:.0} µs of Palisade, {:.0} of PostgreSQL (wanted: 5000 or less, none)",
            refused.palisade_us, refused.postgres_us
        );
    }
    Ok(())
}

/// Each with the name of the limit that refuses it.
fn attacks() -> Vec<(&'static str, String, &'static str)> {
    let mut bomb = String::from("{ lists { ...F0 } }");
    for at in 0..40 {
        bomb.push_str(&format!(" fragment F{at} on Lists {{ ...F{} ...F{} }}", at + 1, at + 1));
    }
    bomb.push_str(" fragment F40 on Lists { name }");
    let aliases: String = (0..1000).map(|at| format!("a{at}:x ")).collect();
    vec![
        ("eleven levels", format!("{}{}", "{ a ".repeat(11), "}".repeat(11)), "max_depth"),
        ("1000 aliases", format!("{{ {aliases} }}"), "_max"),
        ("1000 directives", format!("{{ lists {{ {} }} }}", "x @a ".repeat(1000)), "_max"),
        ("a fragment in a circle", "{ a { ...F } } fragment F on T { b { ...F } }".to_owned(), "cycle"),
        ("fragments that double 40 times", bomb, "selections_max"),
        ("the same field 500 times", format!("{{ lists {{ {} }} }}", "name ".repeat(500)), "max_complexity"),
        ("nested 3000 deep", format!("{}{}", "{a".repeat(3000), "}".repeat(3000)), "nesting_max"),
        (
            "a text of 900 kB",
            format!("{{ lists(filter: {{ name_eq: \"{}\" }}) {{ name }} }}", "x".repeat(900_000)),
            "document_bytes_max",
        ),
        ("reading the schema", "{ __schema { types { name } } }".to_owned(), "Unknown field"),
    ]
}
