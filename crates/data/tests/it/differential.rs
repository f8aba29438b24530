//! The same question asked in plain SQL under `SET ROLE` has the same answer.

use serde_json::Value;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::house::House;

/// Asks, and the SQL that means the same.
const SAME: &[(&str, &str)] = &[
    ("people?order=id", "SELECT * FROM people ORDER BY id"),
    (
        "people?select=id,name&mood=in.(good,bad)&order=name.desc",
        "SELECT id, name FROM people WHERE mood IN ('good', 'bad') ORDER BY name DESC",
    ),
    (
        "people?select=id,tags,extra&or=(id.eq.1,name.like.b*)&order=id",
        "SELECT id, tags, extra FROM people WHERE id = 1 OR name LIKE 'b%' ORDER BY id",
    ),
    (
        "tasks?select=id,teams(id,name)&order=id",
        "SELECT t.id, (SELECT row_to_json(x) FROM (SELECT m.id, m.name FROM teams m WHERE m.id = t.team) x) AS teams FROM tasks t ORDER BY id",
    ),
    (
        "teams?select=id,tasks(id)&order=id&tasks.order=id",
        "SELECT m.id, (SELECT coalesce(json_agg(x ORDER BY x.id), '[]') FROM (SELECT t.id FROM tasks t WHERE t.team = m.id) x) AS tasks FROM teams m ORDER BY id",
    ),
    ("teams?select=open,count()&order=open", "SELECT open, count(*) FROM teams GROUP BY open ORDER BY open"),
    (
        "teams?select=id,founded&founded=not.is.null",
        "SELECT id, founded FROM teams WHERE founded IS NOT NULL",
    ),
];

/// The rows of `sql` as `role`, with a claim, as JSON.
async fn plain(client: &Client, role: &str, sql: &str) -> Value {
    let wrapped = format!(
        "BEGIN; SET LOCAL ROLE {role}; SET LOCAL request.jwt.claims = '{{\"name\":\"ann\"}}';
         SELECT coalesce(json_agg(x), '[]')::text FROM ({sql}) x; COMMIT"
    );
    let messages = client.simple_query(&wrapped).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let text = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    serde_json::from_str(&text.unwrap()).unwrap()
}

async fn ask(house: &House, url: &str) -> Value {
    let given = house.body(url).await;
    serde_json::from_str(&given).unwrap_or_else(|_| panic!("{url}: {given}"))
}

#[tokio::test]
async fn answers_equal_plain_sql_as_the_same_role() {
    let house = House::new().await;
    let admin = house.database.admin().await;
    for (url, sql) in SAME {
        assert_eq!(ask(&house, url).await, plain(&admin, "service_role", sql).await, "{url}");
    }
}

/// One test of a column: how it is asked, and the SQL it means.
const TESTS: &[(&str, &str)] = &[
    ("id=eq.1", "id = 1"),
    ("id=neq.1", "id <> 1"),
    ("id=gt.1", "id > 1"),
    ("id=lte.2", "id <= 2"),
    ("id=in.(1,3)", "id IN (1, 3)"),
    ("name=like.*o*", "name LIKE '%o%'"),
    ("name=ilike.A*", "name ILIKE 'a%'"),
    ("name=match.%5Eb", "name ~ '^b'"),
    ("mood=eq.good", "mood = 'good'"),
    ("mood=is.null", "mood IS NULL"),
    ("mood=isdistinct.good", "mood IS DISTINCT FROM 'good'"),
    ("score=gte.1.5", "score >= 1.5"),
    ("born=lt.2001-01-01", "born < '2001-01-01'"),
    ("tags=cs.{a}", "tags @> '{a}'"),
    ("tags=ov.{a,z}", "tags && '{a,z}'"),
    ("extra->k=not.is.null", "extra -> 'k' IS NOT NULL"),
    ("boss=is.null", "boss IS NULL"),
];

/// The part of a logic tree that asks the same as a parameter of its own.
fn in_tree(parameter: &str) -> String {
    let (field, test) = parameter.split_once('=').unwrap();
    format!("{field}.{test}")
}

#[tokio::test]
async fn every_pair_of_tests_means_what_sql_means() {
    let mut house = House::new().await;
    let admin = house.database.admin().await;
    let roles = ["service_role", "authenticated"];
    let mut cases = 0;
    for role in roles {
        house.caller.role = base::DbRole::named(role);
        house.caller.claims = r#"{"name":"ann"}"#.into();
        for (one, one_sql) in TESTS {
            for (other, other_sql) in TESTS {
                let (a, b) = (in_tree(one), in_tree(other));
                let (filter, condition) = match cases % 4 {
                    0 => (format!("{one}&{other}"), format!("({one_sql}) AND ({other_sql})")),
                    1 => (format!("or=({a},{b})"), format!("({one_sql}) OR ({other_sql})")),
                    2 => (format!("not.and=({a},{b})"), format!("NOT (({one_sql}) AND ({other_sql}))")),
                    _ => (format!("and=(or({a},{b}),not.or({b},id.eq.3))"), {
                        format!("(({one_sql}) OR ({other_sql})) AND NOT (({other_sql}) OR id = 3)")
                    }),
                };
                let (order, sql_order) = match cases % 3 {
                    0 => ("id.desc", "id DESC"),
                    1 => ("mood.asc.nullsfirst,id", "mood ASC NULLS FIRST, id"),
                    _ => ("name&limit=2&offset=1", "name LIMIT 2 OFFSET 1"),
                };
                let url = format!("people?select=id,name,tags,score&{filter}&order={order}");
                let sql = format!(
                    "SELECT id, name, tags, score FROM people WHERE {condition} ORDER BY {sql_order}"
                );
                assert_eq!(ask(&house, &url).await, plain(&admin, role, &sql).await, "{role}: {url}");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 2 * TESTS.len() * TESTS.len());
}
