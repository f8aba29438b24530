//! The SQL of typical asks: one statement each, values as parameters, the same text for the same shape.

use crate::house::House;

#[tokio::test]
async fn sql_of_reads() {
    let house = House::new().await;
    insta::assert_snapshot!(
        house.sql("people?select=id,tags&id=eq.1&order=name.desc&limit=3"),
        @r#"SELECT "people"."id" AS "id", "people"."tags" AS "tags" FROM "public"."people" AS "people" WHERE "people"."id" = $1 ORDER BY "people"."name" DESC"#
    );
    insta::assert_snapshot!(
        house.sql("tasks?select=id,teams(name),people!tasks_author(name)"),
        @r#"SELECT "tasks"."id" AS "id", pg_catalog.row_to_json("tasks_teams_1".*) AS "teams", pg_catalog.row_to_json("tasks_people_1".*) AS "people" FROM "public"."tasks" AS "tasks" LEFT JOIN LATERAL (SELECT "teams_1"."name" AS "name" FROM "public"."teams" AS "teams_1" WHERE "teams_1"."id" = "tasks"."team") AS "tasks_teams_1" ON TRUE LEFT JOIN LATERAL (SELECT "people_1"."name" AS "name" FROM "public"."people" AS "people_1" WHERE "people_1"."id" = "tasks"."author") AS "tasks_people_1" ON TRUE"#
    );
}

#[tokio::test]
async fn the_same_shape_has_the_same_text() {
    let house = House::new().await;
    let one = house.sql("people?id=in.(1,2)&name=like.a*&limit=5&select=extra->a");
    let other = house.sql("people?id=in.(7,8,9,10)&name=like.*z&limit=500&select=extra->b");
    assert_eq!(one.replace("AS \"a\"", ""), other.replace("AS \"b\"", ""));
}

#[tokio::test]
async fn names_of_the_ask_never_leave_their_quotes() {
    let house = House::new().await;
    for name in [r#"x"; drop table teams; --"#, "x\" = 1 or \"1", "'", "\\"] {
        let quoted = format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
        let url = format!("teams?select={}", quoted.replace(';', "%3B").replace(' ', "%20"));
        let refused = house.get(&url).await.unwrap_err();
        let data::Error::Database(refused) = refused else { panic!("{refused}") };
        assert!(refused.is("42703"), "{refused}");
    }
}
