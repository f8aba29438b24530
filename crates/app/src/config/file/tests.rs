//! What the file format keeps and what it refuses.

use super::*;

#[track_caller]
fn values(text: &str) -> Vec<(String, Value, u64)> {
    let Kind::Map(entries) = parse(text).unwrap().kind else { panic!("not a mapping") };
    entries.into_iter().map(|(name, node)| (name, node.value().unwrap(), node.line)).collect()
}

#[track_caller]
fn scalar(text: &str, expect: &str) {
    let value = values(&format!("key: {text}"));
    assert_eq!(value[0].1, Value::Scalar(expect.to_owned()), "{text}");
}

#[test]
fn a_scalar_keeps_the_text_that_was_written() {
    scalar("0755", "0755");
    scalar("1_000", "1_000");
    scalar("1e3", "1e3");
    scalar("1.10", "1.10");
    scalar("12 # a comment", "12");
    scalar("on", "on");
    scalar("\"15m\"", "15m");
    scalar("'1.2'", "1.2");
    scalar("${JWT_SECRET}", "${JWT_SECRET}");
    scalar("-5", "-5");
}

#[test]
fn lines_are_those_of_the_file() {
    let read = values("# one\nauth:\n  a: 1\nb: é\nc: 2\n");
    assert_eq!(
        read.iter().map(|(name, _, line)| (name.as_str(), *line)).collect::<Vec<_>>(),
        [("auth", 3), ("b", 4), ("c", 5)]
    );
    assert_eq!(read[2].1, Value::Scalar("2".to_owned()), "offsets count bytes past a two-byte letter");
}

#[track_caller]
fn refused(text: &str, line: u64, word: &str) {
    let refused = parse(text).unwrap_err();
    assert!(refused.what.contains(word), "{} for {text:?}", refused.what);
    assert_eq!(refused.line, line, "{}", refused.what);
}

#[test]
fn what_could_hide_a_value_is_refused() {
    refused("a: 1\nb: 2\na: 3\n", 3, "duplicate");
    refused("a: &x 1\nb: *x\n", 1, "anchor");
    refused("a: [\n", 1, "bracket");
    refused("a: !!python/object x\n", 1, "tag");
    refused("---\na: 1\n---\nb: 2\n", 3, "document");
    let deep = "[".repeat(40);
    assert!(parse(&format!("a: {deep}")).is_err());
}

#[test]
fn an_empty_file_sets_nothing() {
    assert_eq!(parse("").unwrap().kind, Kind::Nothing);
    assert_eq!(parse("# only a comment\n").unwrap().kind, Kind::Nothing);
}

#[test]
fn a_refusal_does_not_repeat_the_text_of_the_file() {
    let refused = parse("auth:\n  jwt_secret: hunter2hunter2 [\n  jwt_secret: again\n").unwrap_err();
    assert!(!refused.what.contains("hunter2"), "{}", refused.what);
}
