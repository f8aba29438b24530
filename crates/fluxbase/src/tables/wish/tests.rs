//! The SDK's spellings by example, as it sends them.

use data::ask::{Logic, Operator, Test};
use data::query::Page;
use serde_json::{Value, json};

use super::*;

fn kind(column: &str) -> Kind {
    match column {
        "tags" => Kind::Array,
        "doc" => Kind::Json,
        _ => Kind::Other,
    }
}

fn asked(line: &str) -> Result<Wish, Error> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (web::decode_form(name), web::decode_form(value))
    };
    of_query(line.split('&').map(pair), &kind)
}

fn posted(body: Value) -> Result<Wish, Error> {
    of_body(serde_json::from_value(body).unwrap(), &kind)
}

fn tests(wish: &Wish) -> Vec<Test> {
    wish.query.plain_filters().map(|filter| filter.test.clone()).collect()
}

fn compare(operator: Operator, value: &str) -> Test {
    Test::Compare { operator, quantifier: None, value: value.to_owned() }
}

#[test]
fn the_captured_requests_of_the_sdk_are_understood() {
    let wish = asked(
        "select=id%2Cname&email=eq.a%27b%2Cc&id=in.%281%2C2%29&x=is.null&order=id.desc.nullslast&limit=5&offset=2&count=exact",
    )
    .unwrap();
    assert_eq!(wish.count, Some(Count::Exact));
    assert_eq!(tests(&wish)[0], compare(Operator::Equal, "a'b,c"));
    assert_eq!(tests(&wish)[1], Test::In(vec!["1".into(), "2".into()]));
    assert_eq!(wish.query.page(None).unwrap(), Page { limit: Some(5), offset: 2 });
    let wish = asked("age=gte.1&age=lte.9&or=%28a.eq.1%2Cb.gt.2%29").unwrap();
    assert_eq!(wish.query.root_filters().len(), 3);
    let wish = asked("and=(or(a.eq.1,b.gt.2),or(c.lt.1,c.gt.2))&and=(d.eq.1)").unwrap();
    assert!(matches!(wish.query.root_filters()[0], Logic::Group { .. }));
}

#[test]
fn the_older_spelling_and_fluxbases_own_operators_mean_what_they_say() {
    assert_eq!(tests(&asked("age.gt=5").unwrap()), [compare(Operator::Greater, "5")]);
    assert_eq!(tests(&asked("id=nin.(1,2)").unwrap()), [Test::In(vec!["1".into(), "2".into()])]);
    assert!(asked("id=nin.(1,2)").unwrap().query.plain_filters().all(|filter| filter.negated));
    assert!(asked("x=isnot.null").unwrap().query.plain_filters().all(|filter| filter.negated));
    assert_eq!(tests(&asked("count=eq.5").unwrap()), [compare(Operator::Equal, "5")]);
}

#[test]
fn lists_are_spelled_as_the_column_wants_them() {
    let contains = |line: &str| tests(&asked(line).unwrap()).remove(0);
    assert_eq!(contains("tags=cs.(a,b c)"), compare(Operator::Contains, r#"{"a","b c"}"#));
    assert_eq!(contains(r#"tags=cs.("a,b",c"d)"#), compare(Operator::Contains, r#"{"a,b","c\"d"}"#));
    assert_eq!(contains("tags=ov.()"), compare(Operator::Overlaps, "{}"));
    assert_eq!(contains("doc=cs.(a,1,true)"), compare(Operator::Contains, r#"["a",1,true]"#));
    assert_eq!(contains(r#"doc=cs.{"a":1}"#), compare(Operator::Contains, r#"{"a":1}"#));
    assert_eq!(contains("span=ov.(1,5)"), compare(Operator::Overlaps, "(1,5)"));
    assert_eq!(contains("tags=not.cd.(a)"), compare(Operator::ContainedBy, r#"{"a"}"#));
}

#[test]
fn a_body_means_what_the_address_would() {
    let wish = posted(json!({
        "select": "id", "limit": 2, "offset": 1, "count": "planned",
        "filters": [
            { "column": "name", "operator": "eq", "value": "a,b)(\"" },
            { "column": "id", "operator": "in", "value": [1, "x\",y", null] },
            { "column": "tags", "operator": "cs", "value": ["a,b", "c"] },
            { "column": "doc", "operator": "cs", "value": { "a": [1] } },
            { "column": "gone", "operator": "is", "value": null },
            { "column": "order", "operator": "not", "value": "eq.7" },
        ],
        "orFilters": ["a.eq.1,b.eq.2"], "andFilters": ["c.eq.1"],
        "betweenFilters": [{ "column": "age", "min": 1, "max": 9 }, { "column": "at", "min": "x,y", "max": ")", "negated": true }],
        "order": [{ "column": "id", "direction": "desc", "nulls": "last" }],
    }))
    .unwrap();
    assert_eq!(wish.count, Some(Count::Planned));
    let seen = tests(&wish);
    assert_eq!(seen[0], compare(Operator::Equal, "a,b)(\""));
    assert_eq!(seen[1], Test::In(vec!["1".into(), "x\",y".into(), "null".into()]));
    assert_eq!(seen[2], compare(Operator::Contains, r#"{"a,b","c"}"#));
    assert_eq!(seen[3], compare(Operator::Contains, r#"{"a":[1]}"#));
    assert_eq!(seen[5], compare(Operator::Equal, "7"));
    assert_eq!(seen[6], compare(Operator::GreaterOrEqual, "1"));
    assert_eq!(wish.query.root_filters().len(), 11);
    let trees: Vec<Logic> =
        wish.query.root_filters().into_iter().filter(|logic| matches!(logic, Logic::Group { .. })).collect();
    let Logic::Group { parts, .. } = &trees[0] else { panic!("a group") };
    let Logic::Filter(first) = &parts[0] else { panic!("a filter") };
    assert_eq!(first.test, compare(Operator::Less, "x,y"));
}

#[test]
fn aggregates_are_named_after_what_they_are_of() {
    let items = |line: &str| asked(line).unwrap().query.select;
    let SelectItem::Field(sum) = &items("select=sum(amount)")[0] else { panic!("a field") };
    assert_eq!((sum.alias.as_deref(), sum.aggregate), (Some("sum_amount"), Some(Aggregate::Sum)));
    assert!(asked("select=count(*)").unwrap().total_only);
    let grouped = items("select=count(*),avg(price)&group_by=category,kind");
    assert_eq!(grouped.len(), 4);
    assert!(asked("select=category,count(*)&group_by=category").is_ok());
    assert!(asked("select=name,count(*)&group_by=category").is_err());
    assert!(matches!(items("select=id,posts(id,count)")[1], SelectItem::Embed(_)));
}

#[test]
fn what_is_not_offered_is_refused_by_name() {
    for line in ["at=st_within.{}", "v=not.vec_l2.[1]", "order=v.vec_cos.[1,2].asc"] {
        assert!(matches!(asked(line), Err(Error::Absent(_))), "{line}");
    }
    for line in ["count=many", "truncate=-1", "x=5", "cursor=%25"] {
        assert!(asked(line).is_err(), "{line}");
    }
}

#[test]
fn a_cursor_goes_on_where_it_stopped() {
    let cursor = base64::engine::general_purpose::URL_SAFE.encode(r#"{"c":"id","v":41,"d":false}"#);
    assert_eq!(tests(&asked(&format!("cursor={cursor}")).unwrap()), [compare(Operator::Greater, "41")]);
}

proptest::proptest! {
    #[test]
    fn no_value_of_a_body_is_read_as_anything_else(value in "\\PC{0,20}") {
        for operator in ["eq", "neq", "lt", "ilike"] {
            let wish = posted(json!({ "filters": [{ "column": "a", "operator": operator, "value": &value }] })).unwrap();
            let expected = if operator == "ilike" { value.replace('*', "%") } else { value.clone() };
            let seen = tests(&wish);
            let is_it = matches!(&seen[..], [Test::Compare { value, .. }] if *value == expected);
            proptest::prop_assert!(is_it, "{:?}", seen);
        }
        let wish = posted(json!({ "filters": [{ "column": "a", "operator": "in", "value": [&value, 1] }] })).unwrap();
        proptest::prop_assert_eq!(&tests(&wish)[..], &[Test::In(vec![value.clone(), "1".to_owned()])]);
        let between = json!({ "column": "a", "min": &value, "max": 2, "negated": true });
        proptest::prop_assert_eq!(posted(json!({ "betweenFilters": [between] })).unwrap().query.root_filters().len(), 1);
    }

    #[test]
    fn no_text_makes_it_panic(line in "[a-z(),.:*\"&=_0-9 ]{0,40}") {
        let _ = asked(&line);
    }
}
