//! GraphQL beside the same question in hand-written SQL, beside one statement for each parent row, and its attacks.

use anyhow::{Result, bail};

use super::database::user_id;
use super::load::{Case, Connection, Verb};
use super::sections::{Aim, share, verdict};
use super::{Bench, PGBENCH_CLIENTS};

const PATH: &str = "/api/v1/graphql";

/// Requests one after the other, after some that warm the caches.
const REQUESTS: u64 = 1000;
const WARMING: u64 = 50;

/// Four levels: a list, ten of its tasks, the list of each, ten tasks of that.
const NESTED: &str =
    r#"{"query":"{ lists { name todos(limit: 10) { title list { name todos(limit: 10) { title } } } } }"}"#;

/// The same from many connections at once, as pgbench asks.
const FOUR_LEVELS: Case = Case {
    what: "four levels",
    verb: Verb::Get,
    path: |_, _| {
        by_get("{ lists { name todos(limit: 10) { title list { name todos(limit: 10) { title } } } } }", "{}")
    },
};

/// One row by either way; what differs between the two is GraphQL's.
const ROW: Case = Case {
    what: "a row by key",
    verb: Verb::Get,
    path: |user, turn| {
        let variables = format!("{{\"id\":{}}}", 1 + user + turn % 9 * 10_000);
        by_get("query Q($id: BigInt) { todos(filter: { id_eq: $id }) { id title } }", &variables)
    },
};
const ROW_BY_REST: Case = Case {
    what: "a row by key, by REST",
    verb: Verb::Get,
    path: |user, turn| format!("/rest/v1/todos?select=id,title&id=eq.{}", 1 + user + turn % 9 * 10_000),
};
/// Each way as often as the other, in turns: what else the machine does falls on both.
const ROUNDS: u32 = 4;

fn by_get(query: &str, variables: &str) -> String {
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    format!("{PATH}?query={}&variables={}", encode(query), encode(variables))
}

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
        trips: each(bench.database.waits().saturating_sub(waits)),
    })
}

/// The section.
pub fn run(bench: &Bench<'_>) -> Result<()> {
    four_levels(bench)?;
    cached_plan(bench)?;
    for (what, query, wanted) in attacks() {
        let body = serde_json::json!({ "query": query }).to_string();
        let refused = spent(bench, "POST", PATH, &body, wanted)?;
        verdict(&format!("µs of Palisade to refuse {what}"), refused.palisade_us, Aim::AtMost(5000.0));
    }
    Ok(())
}

fn four_levels(bench: &Bench<'_>) -> Result<()> {
    let in_turn = spent(bench, "POST", PATH, NESTED, "todos")?;
    let script = BY_HAND.replace("$USER", &user_id(0));
    // The same rows on both sides: those of one caller.
    let tokens = bench.tokens.get(..1).unwrap_or_default();
    let one = Bench { server: bench.server, database: bench.database, tokens, length: bench.length };
    let (mut postgres, mut palisade, mut by_hand) = (0.0, 0.0, 0.0);
    for _ in 0..ROUNDS {
        by_hand += bench.pgbench("by hand", &script, 1.0)?.postgres_us / f64::from(ROUNDS);
        let ours = one.palisade(&FOUR_LEVELS)?;
        postgres += ours.postgres_us / f64::from(ROUNDS);
        palisade += ours.palisade_us.unwrap_or_default() / f64::from(ROUNDS);
    }
    println!(
        "   four levels: {postgres:.1} µs of PostgreSQL and {palisade:.1} µs of Palisade; by hand with {PGBENCH_CLIENTS} clients {by_hand:.1} µs of PostgreSQL"
    );
    share("CPU of PostgreSQL, of the same by hand", postgres, by_hand, Aim::AtMost(1.3));
    share("CPU of both, of the same by hand", postgres + palisade, by_hand, Aim::AtMost(1.3));
    // One statement for the lists, one for the tasks of the list, ten for their lists, ten for the tasks of those.
    share("statements fewer than one for each parent row (22)", 22.0, in_turn.trips, Aim::AtLeast(5.0));
    Ok(())
}

/// What a document costs that was planned before, beside the same row by REST, which has no document.
fn cached_plan(bench: &Bench<'_>) -> Result<()> {
    let first = by_get("{ todos(limit: 1) { title } }", "{}");
    spent(bench, "GET", &first, "", "title")?;
    let (mut graphql, mut rest) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        rest += bench.palisade(&ROW_BY_REST)?.palisade_us.unwrap_or_default();
        graphql += bench.palisade(&ROW)?.palisade_us.unwrap_or_default();
    }
    let (graphql, rest) = (graphql / f64::from(ROUNDS), rest / f64::from(ROUNDS));
    println!("   a row by key: {graphql:.1} µs of Palisade, by REST {rest:.1} µs");
    verdict("µs more than REST for a document that was planned before", graphql - rest, Aim::AtMost(10.0));
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
