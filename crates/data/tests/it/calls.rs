//! Calling functions.

use crate::house::{House, run};

#[tokio::test]
async fn arguments_find_their_parameters() {
    let house = House::new().await;
    insta::assert_snapshot!(house.rpc("add?a=1&b=2").await, @"3");
    insta::assert_snapshot!(house.rpc("add?a=1").await, @"11");
    insta::assert_snapshot!(house.post("add", r#"{"a": "4", "b": 5}"#).await, @"9");
    insta::assert_snapshot!(house.rpc("total?n=1&n=2&n=3").await, @"6");
    insta::assert_snapshot!(house.post("total", r#"{"n": [4, 5]}"#).await, @"9");
    insta::assert_snapshot!(house.post("keep", r#"{"any": [1, null]}"#).await, @r#"{"any": [1, null]}"#);
    let people = r#"{"who": {"id": 1, "name": "zoe"}, "many": [{"name": "max"}]}"#;
    insta::assert_snapshot!(house.post("describe", people).await, @r#""zoe and max""#);
    insta::assert_snapshot!(house.rpc("nothing").await, @"null");
}

#[tokio::test]
async fn what_comes_back_has_the_functions_shape() {
    let house = House::new().await;
    insta::assert_snapshot!(house.rpc("one_person?wanted=1&select=id,name,badges(code)").await, @r#"{"id":1,"name":"ann","badges":{"code":"A"}}"#);
    insta::assert_snapshot!(house.rpc("of_team?wanted=1&select=id,teams(name)&id=gt.1").await, @r#"[{"id":2,"teams":{"name":"red"}}]"#);
    insta::assert_snapshot!(house.rpc("pairs?order=k.desc&limit=1").await, @r#"[{"k":"b","v":[2,3]}]"#);
}

#[tokio::test]
async fn a_call_nobody_takes_and_one_that_two_take() {
    let house = House::new().await;
    insta::assert_snapshot!(house.rpc("add?x=1").await, @"Could not find the function public.add with these arguments in the schema cache");
    insta::assert_snapshot!(house.rpc("twin?a=1").await, @"Could not choose the best candidate function between: public.twin(a => integer), public.twin(a => text)");
}

#[tokio::test]
async fn a_large_answer_counts_until_it_is_sent() {
    let house = House::new().await;
    run(
        &house.database.owner().await,
        "CREATE FUNCTION wide(n int) RETURNS text LANGUAGE sql AS $$ SELECT repeat('x', n) $$;
         GRANT EXECUTE ON FUNCTION wide(int) TO service_role",
    )
    .await;
    house.data.reload().await.unwrap();
    let small = house.call_rows("wide?n=1000").await.unwrap();
    assert_eq!(house.data.held_bytes(), 0);
    let large = house.call_rows("wide?n=3000000").await.unwrap();
    assert_eq!(house.data.held_bytes(), 3_000_002);
    assert_eq!((small.body.len(), large.body.len()), (1_002, 3_000_002));
    drop(large);
    assert_eq!(house.data.held_bytes(), 0);
}
