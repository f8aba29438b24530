//! The grammar by example: what is taken, and PostgREST's own words for what is not.

use super::scan::{Scan, Scanned};
use super::{Page, Query, Reading, WrongRange, conditions, grammar, names, parse};
use crate::ask::{JsonKey, Logic, SelectItem, Test};

fn read(text: &str) -> Query {
    parse(text, Reading::Filters).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str, message: &str, details: &str) {
    let error = parse(text, Reading::Filters).expect_err(text);
    assert_eq!((error.message.as_str(), error.details.as_str()), (message, details), "{text}");
}

#[test]
fn refusals_are_worded_as_upstream_words_them() {
    refused(
        "select=data->>--34",
        "\"failed to parse select parameter (data->>--34)\" (line 1, column 9)",
        "unexpected \"-\" expecting digit",
    );
    refused(
        "order=id.asc.nullslasttt",
        "\"failed to parse order (id.asc.nullslasttt)\" (line 1, column 17)",
        "unexpected 't' expecting \",\" or end of input",
    );
    refused(
        "id=0",
        "\"failed to parse filter (0)\" (line 1, column 1)",
        "unexpected \"0\" expecting \"not\" or operator (eq, gt, ...)",
    );
    refused(
        "a.b=noop.0",
        "\"failed to parse filter (noop.0)\" (line 1, column 1)",
        "unexpected \"o\" expecting \"not\" or operator (eq, gt, ...)",
    );
    refused(
        "select=id,clients(name[])",
        "\"failed to parse select parameter (id,clients(name[]))\" (line 1, column 16)",
        "unexpected '[' expecting letter, digit, \"-\", \"->>\", \"->\", \"::\", \".\", \")\", \",\" or end of input",
    );
    refused(
        "order=id.ac",
        "\"failed to parse order (id.ac)\" (line 1, column 4)",
        "unexpected \"c\" expecting \"asc\", \"desc\", \"nullsfirst\" or \"nullslast\"",
    );
    refused(
        "or=()",
        "\"failed to parse logic tree (())\" (line 1, column 4)",
        "unexpected \")\" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)",
    );
    refused(
        "or=(id.eq.1,not.xor(id.eq.2,id.eq.3))",
        "\"failed to parse logic tree ((id.eq.1,not.xor(id.eq.2,id.eq.3)))\" (line 1, column 16)",
        "unexpected \"x\" expecting logic operator (and, or)",
    );
    refused(
        "id=eq().1",
        "\"failed to parse filter (eq().1)\" (line 1, column 4)",
        "unexpected \")\" expecting operator (eq, gt, ...)",
    );
    refused(
        "columns=",
        "\"failed to parse columns parameter ()\" (line 1, column 1)",
        "unexpected end of input expecting field name (* or [a..z0..9_$])",
    );
}

#[test]
fn values_are_taken_verbatim() {
    let query = read("a=eq.x.y,(z)&b=in.(1,\"2,3\",\"q\\\"t\")&c=like.*a*&d=in.()");
    let tests: Vec<&Test> = query.plain_filters().map(|filter| &filter.test).collect();
    assert_eq!(
        format!("{:?}", tests[0]),
        r#"Compare { operator: Equal, quantifier: None, value: "x.y,(z)" }"#
    );
    assert_eq!(tests[1], &Test::In(vec!["1".into(), "2,3".into(), "q\"t".into()]));
    assert_eq!(format!("{:?}", tests[2]), r#"Compare { operator: Like, quantifier: None, value: "%a%" }"#);
    assert_eq!(tests[3], &Test::In(Vec::new()));
}

#[test]
fn embeds_carry_alias_hint_join_and_their_own_filters() {
    let query = read(
        "select=id,al:rel!fk!inner(*,...deep(x)),data->a->-1::text&al.name=eq.x&al.deep.order=x.desc&al.limit=3&rel.offset=2",
    );
    let (level, legacy) = query.level(Page::default(), true).unwrap();
    assert_eq!(legacy, [("rel".to_owned(), "al".to_owned())]);
    let embed = level.embeds().next().unwrap();
    assert_eq!((embed.target.as_str(), embed.hint.as_deref(), embed.label()), ("rel", Some("fk"), "al"));
    assert_eq!((embed.level.limit, embed.level.offset, embed.level.filters.len()), (None, 2, 1));
    let deep = embed.level.embeds().next().unwrap();
    assert!(deep.spread);
    assert_eq!(deep.level.order.len(), 1);
    let SelectItem::Field(json) = &level.select[2] else { panic!("a field") };
    let field = json.field.as_ref().unwrap();
    assert_eq!(field.default_alias(), "a");
    assert_eq!(field.path[1].to, JsonKey::Index("-1".into()));
    assert_eq!(json.cast.as_deref(), Some("text"));
}

#[test]
fn a_filter_on_what_is_not_embedded_is_refused() {
    let query = read("select=al:rel(*)&other.x=eq.1");
    assert_eq!(query.level(Page::default(), true).unwrap_err().resource, "other");
    let query = read("select=al:rel(*)&rel.x=eq.1");
    assert!(query.level(Page::default(), true).is_ok());
    assert_eq!(query.level(Page::default(), false).unwrap_err().alias.as_deref(), Some("al"));
}

#[test]
fn logic_trees_nest_and_negate() {
    let query = read("not.or=(a.eq.1,and(b.gt.2,c.not.is.null),d.in.(1,2),e.cs.{x,y})");
    let [Logic::Group { negated: true, parts, .. }] = &query.root_filters()[..] else { panic!("one group") };
    assert_eq!(parts.len(), 4);
}

#[test]
fn an_argument_is_what_is_no_operator_expression() {
    let query = parse("id=5&id=gt.2&name=eq", Reading::Arguments).unwrap();
    assert_eq!(query.arguments, [("id".into(), "5".into()), ("name".into(), "eq".into())]);
    assert_eq!(query.plain_filters().count(), 1);
}

#[test]
fn the_range_header_narrows_limit_and_offset() {
    let page = |text: &str, header| read(text).page(header);
    assert_eq!(page("limit=5&offset=2", None), Ok(Page { limit: Some(5), offset: 2 }));
    assert_eq!(page("limit=5", Some((1, Some(2)))), Ok(Page { limit: Some(2), offset: 1 }));
    assert_eq!(page("", Some((3, None))), Ok(Page { limit: None, offset: 3 }));
    assert_eq!(page("limit=-1", None), Err(WrongRange::NegativeLimit));
    assert_eq!(page("", Some((3, Some(1)))), Err(WrongRange::Reversed));
    assert_eq!(page("limit=0", None), Ok(Page { limit: Some(0), offset: 0 }));
    assert_eq!(page("offset=-4", None), Ok(Page { limit: None, offset: 0 }));
}

#[test]
fn the_canonical_form_is_sorted_and_encoded() {
    assert_eq!(read("select=id&id=eq.1&d").canonical, "d=&id=eq.1&select=id");
    assert_eq!(read("id=eq.a%20b%2Bc&b=eq.%zz").canonical, "b=eq.%25zz&id=eq.a%20b%2Bc");
}

#[test]
fn depth_is_bounded() {
    let deep = format!("select={}*{}", "a(".repeat(5000), ")".repeat(5000));
    assert!(parse(&deep, Reading::Filters).is_err());
    let deep = format!("or=({}{}", "and(".repeat(5000), ")".repeat(5000));
    assert!(parse(&deep, Reading::Filters).is_err());
}

/// The short cuts of the quiet scan take what the slow rules take, and mean the same by it.
fn agree<T: std::fmt::Debug>(text: &str, rule: fn(&mut Scan) -> Scanned<T>) {
    let aloud = Scan::aloud(text, rule).map_err(drop);
    let both = Scan::over(text, rule).map_err(drop);
    assert_eq!(format!("{both:?}"), format!("{aloud:?}"), "{text:?}");
}

#[test]
fn short_cuts_agree_on_what_people_write() {
    for text in [
        "a-b",
        "a->b",
        "a-",
        "a->>b-c::int",
        " a b ,c",
        " -$",
        "a- ",
        "a:b!fk!inner(*,...d(e))",
        "*",
        "count()",
        "a.sum()::int",
        "\"x\"\"y",
    ] {
        agree(text, grammar::select);
    }
    for text in ["a.desc.nullslast,b", "a.descending", "r(a->b).asc", "a.nullsfirst"] {
        agree(text, grammar::order);
    }
    for text in [
        "and(a.eq.1,or(b.not.in.(1,\"2\"),c.fts(english).x))",
        "or(a.isdistinct.1,b.is.null,c.cs.{1,2})",
        "and()",
    ] {
        agree(text, conditions::logic);
    }
}

proptest::proptest! {
    #[test]
    fn short_cuts_agree_on_anything(text in "[a-c0-2_$.,()*!:>\"\\\\ {}\u{e9}-]{0,24}|(a|eq|not|in|is|or|and|asc|::|->|\\.|,|\\(|\\)| ){0,12}") {
        agree(&text, grammar::select);
        agree(&text, grammar::order);
        agree(&text, conditions::logic);
        agree(&text, names::columns);
        agree(&text, names::tree_path);
        agree(&text, |scan| conditions::operation(scan, conditions::whole_value));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-z0-9.,()*!:>\"\\\\%& =\u{e9}-]{0,60}", arguments: bool) {
        let reading = if arguments { Reading::Arguments } else { Reading::Filters };
        let _ = parse(&text, reading).map(|query| query.level(Page::default(), true));
        for key in ["select", "order", "or", "columns", "x"] {
            let _ = parse(&format!("{key}={text}"), reading);
        }
    }
}
