//! The same question asked in plain SQL under `SET ROLE` has the same answer.

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

#[tokio::test]
async fn answers_equal_plain_sql_as_the_same_role() {
    let house = House::new().await;
    let plain = house.database.admin().await;
    for (url, sql) in SAME {
        let wrapped = format!(
            "BEGIN; SET LOCAL ROLE service_role; SELECT coalesce(json_agg(x), '[]')::text FROM ({sql}) x; COMMIT"
        );
        let messages = plain.simple_query(&wrapped).await.unwrap();
        let expected = messages.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        let expected: serde_json::Value = serde_json::from_str(&expected.unwrap()).unwrap();
        let given = house.body(url).await;
        let given: serde_json::Value =
            serde_json::from_str(&given).unwrap_or_else(|_| panic!("{url}: {given}"));
        assert_eq!(given, expected, "{url}");
    }
}
