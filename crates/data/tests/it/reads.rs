//! Reading rows.

use base::{Caller, DbRole};
use data::Error;
use data::ask::{Count, Rules, Shape, Terms};

use crate::house::{House, text};

#[tokio::test]
async fn values_are_json_as_postgres_would_write_it() {
    let house = House::new().await;
    let rows = house.body("people?select=id,name,mood,born,score,ratio,tags,extra&order=id").await;
    insta::assert_snapshot!(rows, @r#"
    [{"id":1,"name":"ann","mood":"good","born":"2000-01-01T12:00:00+00:00","score":1.50,"ratio":0.5,"tags":["a","b c"],"extra":{"k": {"n": [1, 2]}}},
     {"id":2,"name":"bob","mood":null,"born":null,"score":"NaN","ratio":"Infinity","tags":[],"extra":[]},
     {"id":3,"name":"c\"x","mood":"bad","born":null,"score":null,"ratio":null,"tags":null,"extra":null}]
    "#);
}

#[tokio::test]
async fn filters_say_which_rows() {
    let house = House::new().await;
    let check = async |filter: &str, expected: &str| {
        let rows = house.body(&format!("people?select=id&order=id&{filter}")).await;
        let rows: Vec<serde_json::Value> =
            serde_json::from_str(&rows).unwrap_or_else(|_| panic!("{filter}: {rows}"));
        let ids: Vec<String> = rows.iter().map(|row| row["id"].to_string()).collect();
        assert_eq!(ids.join(","), expected, "{filter}");
    };
    check("id=eq.2", "2").await;
    check("id=not.eq.2", "1,3").await;
    check("id=in.(1,3,99)", "1,3").await;
    check("id=in.()", "").await;
    check("id=eq(any).{1,2}", "1,2").await;
    check("name=like.*n*", "1").await;
    check("name=ilike(any).{A*,B*}", "1,2").await;
    check("name=match.^.o", "2").await;
    check("mood=is.null", "2").await;
    check("mood=eq.good", "1").await;
    check("tags=cs.{a}", "1").await;
    check("extra->k->n->>0=eq.1", "1").await;
    check("tags->>0=eq.a", "1").await;
    check("name=fts(simple).ann", "1").await;
    check("or=(id.eq.1,and(id.gt.2,mood.not.is.null))", "1,3").await;
    check("not.or=(id.eq.1,id.eq.2)", "3").await;
    check("shout=eq.BOB!", "2").await;
    check("boss=isdistinct.1", "1").await;
}

#[tokio::test]
async fn embeds_follow_keys_both_ways_and_through_junctions() {
    let house = House::new().await;
    let body = async |url| house.body(url).await;
    insta::assert_snapshot!(
        body("tasks?select=id,team(name),who:people!tasks_author(name)&order=id&limit=2").await,
        @r#"
    [{"id":1,"team":{"name":"red"},"who":{"name":"ann"}},
     {"id":2,"team":{"name":"red"},"who":{"name":"bob"}}]
    "#
    );
    insta::assert_snapshot!(
        body("teams?select=name,people(name)&order=id&people.order=id.desc&people.limit=1").await,
        @r#"
    [{"name":"red","people":[{"name":"bob"}]},
     {"name":"blue","people":[{"name":"bob"}]},
     {"name":"empty","people":[]}]
    "#
    );
    insta::assert_snapshot!(
        body("people?select=id,badges(code),boss(name)&order=id").await,
        @r#"
    [{"id":1,"badges":{"code":"A"},"boss":null},
     {"id":2,"badges":null,"boss":{"name":"ann"}},
     {"id":3,"badges":null,"boss":{"name":"ann"}}]
    "#
    );
    insta::assert_snapshot!(body("team_names?select=label,tasks(id)&id=eq.2").await, @r#"[{"label":"blue","tasks":[{"id":3}]}]"#);
    insta::assert_snapshot!(body("people?select=shout,written(id)&id=eq.1").await, @r#"[{"shout":"ANN!","written":[{"id":1}]}]"#);
}

#[tokio::test]
async fn inner_embeds_and_null_tests_choose_parents_and_totals_agree() {
    let house = House::new().await;
    let counted = async |url: &str| {
        let terms = Terms { count: Some(Count::Exact), ..Terms::default() };
        let outcome = house.get_with(url, terms).await.unwrap();
        let rows: serde_json::Value = serde_json::from_str(&text(&outcome)).unwrap();
        format!("{} of {:?}: {rows}", outcome.rows, outcome.total)
    };
    insta::assert_snapshot!(counted("teams?select=id,tasks!inner(id)&order=id&limit=1").await, @r#"1 of Some(2): [{"id":1,"tasks":[{"id":1},{"id":2}]}]"#);
    insta::assert_snapshot!(counted("teams?select=id,tasks()&tasks=is.null&limit=5").await, @r#"1 of Some(1): [{"id":3}]"#);
    insta::assert_snapshot!(counted("tasks?select=id,team()&or=(team.is.null,id.eq.1)&order=id&limit=1").await, @r#"1 of Some(2): [{"id":1}]"#);
    insta::assert_snapshot!(counted("teams?select=id&limit=2&offset=9").await, @"0 of Some(3): []");
}

#[tokio::test]
async fn spreads_lift_columns_and_aggregates_group() {
    let house = House::new().await;
    insta::assert_snapshot!(
        house.body("tasks?select=id,...teams(team_name:name,open)&order=id.desc&limit=2").await,
        @r#"
    [{"id":4,"team_name":null,"open":null},
     {"id":3,"team_name":"blue","open":false}]
    "#
    );
    insta::assert_snapshot!(
        house.body("teams?select=name,...tasks(ids:id,title)&order=id&tasks.order=id.desc").await,
        @r#"
    [{"name":"red","ids":[2, 1],"title":["two", "one"]},
     {"name":"blue","ids":[3],"title":["three"]},
     {"name":"empty","ids":[],"title":[]}]
    "#
    );
    insta::assert_snapshot!(
        house.body("tasks?select=team,count(),id.max()&order=team").await,
        @r#"
    [{"team":1,"count":2,"max":2},
     {"team":2,"count":1,"max":3},
     {"team":null,"count":1,"max":4}]
    "#
    );
    insta::assert_snapshot!(
        house.body("tasks?select=...teams(name),count()&order=count.desc,teams(name)&limit=1").await,
        @r#"[{"name":"red","count":2}]"#
    );
}

#[tokio::test]
async fn orders_casts_and_paths() {
    let house = House::new().await;
    insta::assert_snapshot!(
        house.body("tasks?select=id,teams(name)&order=teams(name).desc.nullslast,id.desc").await,
        @r#"
    [{"id":2,"teams":{"name":"red"}},
     {"id":1,"teams":{"name":"red"}},
     {"id":3,"teams":{"name":"blue"}},
     {"id":4,"teams":null}]
    "#
    );
    insta::assert_snapshot!(
        house.body("people?select=id::text,n:extra->k->n->1,first:tags->>0&id=eq.1").await,
        @r#"[{"id":"1","n":2,"first":"a"}]"#
    );
    insta::assert_snapshot!(house.body("people?select=id::nonsense").await, @r#"type "nonsense" does not exist"#);
}

#[tokio::test]
async fn other_shapes_of_the_same_rows() {
    let house = House::new().await;
    let shaped = async |url: &str, shape: Shape| {
        let outcome = house.get_with(url, Terms { shape, ..Terms::default() }).await.unwrap();
        format!("{} {}", outcome.rows, text(&outcome))
    };
    insta::assert_snapshot!(shaped("people?select=id,name,tags&order=id", Shape::Csv).await, @r#"
    3 id,name,tags
    1,ann,"{a,""b c""}"
    2,bob,{}
    3,"c""x",
    "#);
    insta::assert_snapshot!(shaped("people?select=id,mood,extra&id=eq.2", Shape::Json { strip_nulls: true }).await, @r#"1 [{"id":2,"extra":[]}]"#);
    insta::assert_snapshot!(shaped("people?select=id&id=eq.2", Shape::Object { strip_nulls: false }).await, @r#"1 {"id":2}"#);
    insta::assert_snapshot!(shaped("people?select=id", Shape::Nothing).await, @"3");
}

#[tokio::test]
async fn one_row_wanted_is_one_row_or_a_refusal() {
    let house = House::new().await;
    let terms = Terms { singular: true, shape: Shape::Object { strip_nulls: false }, ..Terms::default() };
    let refused = house.get_with("people", terms).await.unwrap_err();
    assert!(matches!(refused, Error::NotSingular { rows: 3 }), "{refused}");
}

#[tokio::test]
async fn row_security_decides_for_the_caller() {
    let mut house = House::new().await;
    house.caller =
        Caller { role: DbRole::authenticated(), claims: r#"{"name":"bob"}"#.into(), ..Caller::anonymous() };
    assert_eq!(house.body("people?select=id").await, r#"[{"id":2}]"#);
    // Nobody gave this role a policy on teams, so that an embed of them is empty too.
    assert_eq!(house.body("people?select=id,teams(name)").await, r#"[{"id":2,"teams":[]}]"#);
}

#[tokio::test]
async fn the_operators_maximum_holds_at_each_level() {
    let mut house = House::new().await;
    house.rules = Rules { max_rows: Some(1), aggregates: false };
    insta::assert_snapshot!(
        house.body("teams?select=name,tasks(id)&order=id&limit=50&tasks.limit=50").await,
        @r#"[{"name":"red","tasks":[{"id":1}]}]"#
    );
    assert!(matches!(house.get("tasks?select=count()").await, Err(Error::AggregatesOff)));
    let terms = Terms { count: Some(Count::Estimated), ..Terms::default() };
    let outcome = house.get_with("teams", terms).await.unwrap();
    assert!(outcome.total.is_some_and(|total| total >= 2), "{outcome:?}");
}
