//! Writing rows.

use data::Error;
use data::ask::{Change, Resolution, Returning, Terms};

use crate::house::{House, insert, payload, text, update, upsert};

#[tokio::test]
async fn inserts_give_back_rows_with_embeds() {
    let house = House::new().await;
    let given =
        house.write("teams?select=name,open", insert(r#"{"id": 9, "name": "new"}"#), Returning::Rows).await;
    insta::assert_snapshot!(text(&given.unwrap()), @r#"[{"name":"new","open":true}]"#);
    let rows = r#"[{"id": 50, "title": "x", "team": 9}, {"id": 51, "title": "y", "team": null}]"#;
    let given = house
        .write("tasks?select=title,teams(name)&order=id.desc", insert(rows), Returning::Rows)
        .await
        .unwrap();
    insta::assert_snapshot!(text(&given), @r#"
    [{"title":"y","teams":null},
     {"title":"x","teams":{"name":"new"}}]
    "#);
    assert_eq!((given.rows, given.inserted), (2, Some(2)));
}

#[tokio::test]
async fn a_single_new_row_has_a_key() {
    let house = House::new().await;
    let given = house.write("members", insert(r#"{"team": 3, "person": 3}"#), Returning::Key).await.unwrap();
    let three = Some("3".to_owned());
    assert_eq!(given.key, [("person".to_owned(), three.clone()), ("team".to_owned(), three)]);
    let given = house.write("teams", insert("[]"), Returning::Minimal).await.unwrap();
    assert_eq!(given.rows, 0);
}

#[tokio::test]
async fn empty_objects_take_all_defaults() {
    let house = House::new().await;
    let given = house.write("tasks?select=title", insert("{}"), Returning::Rows).await.unwrap();
    assert_eq!(text(&given), r#"[{"title":"untitled"}]"#);
    let given = house.write("tasks?select=id,title", insert("[{}, {}]"), Returning::Rows).await.unwrap();
    assert_eq!(given.rows, 2);
}

#[tokio::test]
async fn a_missing_key_may_mean_the_default() {
    let house = House::new().await;
    let mut rows = payload(r#"[{"title": "given"}, {"team": 1}, {"title": null}]"#);
    rows.columns = vec!["id".into(), "title".into(), "team".into()];
    let change = |missing_as_default| Change::Insert {
        payload: rows.clone(),
        resolution: None,
        on_conflict: None,
        missing_as_default,
    };
    let refused = house.write("tasks", change(true), Returning::Minimal).await.unwrap_err();
    let Error::Database(refused) = refused else { panic!("{refused}") };
    assert!(refused.is("23502"), "null is null: {refused}");
    rows.json = r#"[{"title": "given"}, {"team": 1}]"#.into();
    let change = Change::Insert {
        payload: rows.clone(),
        resolution: None,
        on_conflict: None,
        missing_as_default: true,
    };
    let given = house.write("tasks?select=title,team", change, Returning::Rows).await.unwrap();
    insta::assert_snapshot!(text(&given), @r#"
    [{"title":"given","team":null},
     {"title":"untitled","team":1}]
    "#);
}

#[tokio::test]
async fn upserts_tell_new_rows_from_updated_ones() {
    let house = House::new().await;
    let rows = r#"[{"id": 1, "name": "crimson"}, {"id": 8, "name": "eight"}]"#;
    let given =
        house.write("teams?select=id,name", upsert(rows, Resolution::Merge), Returning::Rows).await.unwrap();
    assert_eq!((given.rows, given.inserted, given.resolved), (2, Some(1), true));
    insta::assert_snapshot!(text(&given), @r#"
    [{"id":1,"name":"crimson"},
     {"id":8,"name":"eight"}]
    "#);
    let rows = r#"[{"id": 1, "name": "ignored"}, {"id": 7, "name": "seven"}]"#;
    let given =
        house.write("teams?select=id", upsert(rows, Resolution::Ignore), Returning::Rows).await.unwrap();
    assert_eq!(text(&given), r#"[{"id":7}]"#);
}

#[tokio::test]
async fn a_put_makes_or_replaces_exactly_one_row() {
    let house = House::new().await;
    let put = |json: &str| Change::Put { payload: payload(json) };
    let row = r#"{"id": 5, "name": "five", "founded": null, "open": true}"#;
    let made = house.write("teams?id=eq.5&select=name", put(row), Returning::Rows).await.unwrap();
    assert_eq!((text(&made).as_str(), made.inserted), (r#"[{"name":"five"}]"#, Some(1)));
    let replaced = house.write("teams?id=eq.5", put(row), Returning::Minimal).await.unwrap();
    assert_eq!((replaced.rows, replaced.inserted), (1, Some(0)));
    let other = house.write("teams?id=eq.6", put(row), Returning::Minimal).await;
    assert!(matches!(other, Err(Error::PutMismatch)));
    let unkeyed = house.write("teams?name=eq.five", put(row), Returning::Minimal).await;
    assert!(matches!(unkeyed, Err(Error::PutFilters)));
}

#[tokio::test]
async fn updates_and_deletes_touch_what_the_filters_name() {
    let house = House::new().await;
    let given = house.write(
        "tasks?team=eq.1&select=id,title,teams(name)&order=id",
        update(r#"{"title": "t"}"#),
        Returning::Rows,
    );
    insta::assert_snapshot!(text(&given.await.unwrap()), @r#"
    [{"id":1,"title":"t","teams":{"name":"red"}},
     {"id":2,"title":"t","teams":{"name":"red"}}]
    "#);
    let given = house.write("tasks?id=eq.1", update("{}"), Returning::Minimal).await.unwrap();
    assert_eq!(given.rows, 0);
    let given = house.write("tasks?id=gte.3&select=id", Change::Delete, Returning::Rows).await.unwrap();
    assert_eq!(
        (given.rows, house.body("tasks?select=id&order=id").await.as_str()),
        (2, "[{\"id\":1},\n {\"id\":2}]")
    );
}

#[tokio::test]
async fn too_many_rows_touched_are_not_touched() {
    let house = House::new().await;
    let terms = Terms { max_affected: Some(1), ..Terms::default() };
    let refused =
        house.write_with("tasks?id=gt.0", Change::Delete, Returning::Minimal, terms).await.unwrap_err();
    assert!(matches!(refused, Error::MaxAffected { rows: 4 }), "{refused}");
    let terms = Terms { singular: true, ..Terms::default() };
    let refused =
        house.write_with("tasks?id=gt.0", Change::Delete, Returning::Minimal, terms).await.unwrap_err();
    assert!(matches!(refused, Error::NotSingular { rows: 4 }), "{refused}");
    let terms = Terms { roll_back: true, ..Terms::default() };
    let rolled_back =
        house.write_with("tasks?id=gt.0", Change::Delete, Returning::Minimal, terms).await.unwrap();
    assert_eq!(rolled_back.rows, 4);
    assert_eq!(house.get("tasks").await.unwrap().rows, 4);
}

#[tokio::test]
async fn a_column_that_is_not_there_is_named() {
    let house = House::new().await;
    let refused = house.write("teams", insert(r#"{"nope": 1}"#), Returning::Minimal).await.unwrap_err();
    assert!(matches!(&refused, Error::NoColumn { column, .. } if column == "nope"), "{refused}");
}
