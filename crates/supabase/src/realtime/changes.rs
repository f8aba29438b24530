//! `postgres_changes`: what a client wants to know of tables, and how it is told.
//!
//! Filters are `column=operator.value`, several with a comma between them, `not.` before the operator for its opposite. A wish that is
//! not understood is refused: it would be one that is not kept.

use std::sync::Arc;

use bytes::Bytes;
use realtime::changes::{Condition, Is, Kind, Operator, Test, Wanted};
use realtime::{Change, Error, limits};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// One of them, as it came.
#[derive(Deserialize)]
struct Given {
    event: Option<String>,
    schema: Option<String>,
    table: Option<String>,
    filter: Option<String>,
    select: Option<Value>,
}

/// What somebody wants, and as they wrote it: the answer has the same again.
pub struct Asked {
    given: Map<String, Value>,
    /// What that means.
    pub wanted: Wanted,
}

impl Asked {
    /// Reads one.
    pub fn read(given: Value) -> Result<Self, Error> {
        let Value::Object(given) = given else { return Err(malformed("postgres_changes are objects")) };
        let read: Given = serde_json::from_value(Value::Object(given.clone()))
            .map_err(|error| malformed(&error.to_string()))?;
        if read.select.is_some_and(|select| !select.is_null()) {
            return Err(Error::NotHere {
                what: "postgres_changes with `select`",
                instead: "join without it: columns that may be read are sent",
            });
        }
        let kind = match read.event.as_deref() {
            None | Some("*") => None,
            Some(name) => {
                Some(Kind::named(name).ok_or_else(|| malformed("events are *, INSERT, UPDATE and DELETE"))?)
            }
        };
        let named = |name: Option<String>| name.filter(|name| !name.is_empty() && name != "*").map(Arc::from);
        let (schema, table) = (named(read.schema), named(read.table));
        let conditions = match read.filter.as_deref().map(str::trim) {
            None | Some("") => Vec::new(),
            Some(_) if table.is_none() => return Err(malformed("a filter needs a table")),
            Some(filter) => conditions(filter)?,
        };
        Ok(Asked { given, wanted: Wanted { kind, schema, table, conditions } })
    }

    /// As the answer has it.
    pub fn echo(&self, id: u64) -> Value {
        let mut echo = self.given.clone();
        echo.insert("id".to_owned(), id.into());
        Value::Object(echo)
    }
}

fn malformed(what: &str) -> Error {
    Error::Malformed { what: what.to_owned() }
}

fn filter(what: impl Into<String>) -> Error {
    Error::Filter { what: what.into() }
}

/// `a=eq.1,b=not.in.(x,y)`: a comma is between two of them where another begins behind it.
fn conditions(text: &str) -> Result<Vec<Condition>, Error> {
    if text.len() > limits::FILTER_BYTES_MAX.size() {
        return Err(filter(format!("it has at most {} bytes", limits::FILTER_BYTES_MAX.value)));
    }
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (one, later) = first(rest);
        found.push(condition(one)?);
        if found.len() > limits::CONDITIONS_MAX.size() {
            return Err(filter(format!("it has at most {} conditions", limits::CONDITIONS_MAX.value)));
        }
        rest = later;
    }
    Ok(found)
}

/// The first condition, and what is behind it.
fn first(text: &str) -> (&str, &str) {
    let (mut quoted, mut depth, mut escaped) = (false, 0_i32, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            ',' if !quoted && depth <= 0 => {
                let later = text.get(at + 1..).unwrap_or_default();
                if begins(later) {
                    return (text.get(..at).unwrap_or_default(), later);
                }
            }
            _ => {}
        }
    }
    (text, "")
}

/// Whether a condition begins here: a name, `=`, an operator and a dot.
fn begins(text: &str) -> bool {
    let Some((column, test)) = text.split_once('=') else { return false };
    let test = test.strip_prefix("not.").unwrap_or(test);
    let known = test
        .split_once('.')
        .is_some_and(|(name, _)| operator(name).is_some() || name == "in" || name == "is");
    known && !column.is_empty() && !column.contains([',', '(', ')', '"'])
}

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        "eq" => Operator::Eq,
        "neq" => Operator::Neq,
        "lt" => Operator::Lt,
        "lte" => Operator::Lte,
        "gt" => Operator::Gt,
        "gte" => Operator::Gte,
        "like" => Operator::Like,
        "ilike" => Operator::Ilike,
        "match" => Operator::Match,
        "imatch" => Operator::Imatch,
        "isdistinct" => Operator::Distinct,
        _ => return None,
    })
}

fn condition(text: &str) -> Result<Condition, Error> {
    let shape = || filter(format!("{text:?} is not `column=operator.value`"));
    let (column, test) = text.split_once('=').ok_or_else(shape)?;
    let (column, test) = (column.trim(), test.trim_start());
    let (not, test) = match test.strip_prefix("not.") {
        Some(test) => (true, test),
        None => (false, test),
    };
    let (name, value) = test.split_once('.').ok_or_else(shape)?;
    if column.is_empty() {
        return Err(shape());
    }
    let test = match name {
        "in" => Test::In(list(value)?.into()),
        "is" => Test::Is(match value.to_ascii_lowercase().as_str() {
            "null" => Is::Null,
            "true" => Is::True,
            "false" => Is::False,
            "unknown" => Is::Unknown,
            _ => return Err(filter("`is` has null, true, false and unknown")),
        }),
        _ => {
            let operator = operator(name).ok_or_else(|| filter(format!("there is no operator {name:?}")))?;
            Test::Compare(operator, unquoted(value).into())
        }
    };
    Ok(Condition { column: column.into(), not, test })
}

/// `"a, b"` as it is meant; anything else as it is.
fn unquoted(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inside) => {
            let mut plain = String::with_capacity(inside.len());
            let mut chars = inside.chars();
            while let Some(c) = chars.next() {
                plain.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
            }
            plain
        }
        None => text.to_owned(),
    }
}

/// `(a,"b,c")`
fn list(text: &str) -> Result<Vec<String>, Error> {
    let inside = text.trim().strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let inside = inside.ok_or_else(|| filter("`in` has a list: in.(1,2)"))?;
    let (mut values, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    let value = |from: usize, to: usize| unquoted(inside.get(from..to).unwrap_or_default().trim());
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                values.push(value(from, at));
                from = at + 1;
            }
            _ => {}
        }
    }
    values.push(value(from, inside.len()));
    if values.len() > limits::FILTER_VALUES_MAX.size() {
        return Err(filter(format!("`in` has at most {} values", limits::FILTER_VALUES_MAX.value)));
    }
    Ok(values)
}

/// A change as clients read it, once for all who may know the same of it.
pub fn data(change: &Change) -> Option<Bytes> {
    change.made.get(0, || {
        let raw = |record: &Option<Bytes>| -> Option<Box<RawValue>> {
            let text = record.as_ref().and_then(|record| std::str::from_utf8(record).ok())?;
            RawValue::from_string(text.to_owned()).ok()
        };
        let columns: Vec<Value> =
            change.columns.iter().map(|(name, kind)| json!({ "name": &**name, "type": &**kind })).collect();
        let told = Told {
            schema: &change.schema,
            table: &change.table,
            commit_timestamp: &change.at,
            kind: change.kind.name(),
            columns,
            record: raw(&change.record),
            old_record: raw(&change.old_record),
            errors: change.is_cut.then_some(["Error 413: Payload Too Large"]),
        };
        serde_json::to_vec(&told).ok().map(Bytes::from)
    })
}

#[derive(serde::Serialize)]
struct Told<'a> {
    schema: &'a str,
    table: &'a str,
    commit_timestamp: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    columns: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_record: Option<Box<RawValue>>,
    errors: Option<[&'static str; 1]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(filter: &str) -> Vec<(String, bool, Test)> {
        let all = conditions(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        all.into_iter().map(|one| (one.column.to_string(), one.not, one.test)).collect()
    }

    fn is(operator: Operator, value: &str) -> Test {
        Test::Compare(operator, value.into())
    }

    #[test]
    fn filters_are_read_as_clients_write_them() {
        let one = |column: &str, not, test| vec![(column.to_owned(), not, test)];
        assert_eq!(read("id=eq.7"), one("id", false, is(Operator::Eq, "7")));
        assert_eq!(
            read("body=eq.a,b=c"),
            one("body", false, is(Operator::Eq, "a,b=c")),
            "no condition begins there"
        );
        assert_eq!(read("body=neq.\"a,b=eq.c\""), one("body", false, is(Operator::Neq, "a,b=eq.c")));
        assert_eq!(
            read("id=not.in.(1, 2,\"a,\\\"b\")"),
            one("id", true, Test::In(["1", "2", "a,\"b"].map(str::to_owned).to_vec().into()),)
        );
        assert_eq!(read("at=is.null"), one("at", false, Test::Is(Is::Null)));
        let two = read("a=gte.1,b=not.like.x%");
        assert_eq!(
            two,
            [
                ("a".to_owned(), false, is(Operator::Gte, "1")),
                ("b".to_owned(), true, is(Operator::Like, "x%")),
            ]
        );
        assert_eq!(read("a=eq."), one("a", false, is(Operator::Eq, "")));
    }

    #[test]
    fn what_is_no_filter_is_said_to_be_none() {
        let many = format!("a=in.({})", vec!["1"; 101].join(","));
        let long = format!("a=eq.{}", "x".repeat(9_000));
        for text in ["a", "=eq.1", "a=1", "a=eq", "a=near.1", "a=in.1,2", "a=is.nothing", &many, &long] {
            assert!(matches!(conditions(text), Err(Error::Filter { .. })), "{text}");
        }
    }

    #[test]
    fn wishes_are_given_back_as_they_came_and_with_a_number() {
        let given = json!({ "event": "*", "schema": "public", "table": "notes", "filter": "id=eq.1" });
        let asked = Asked::read(given.clone()).unwrap();
        assert_eq!((asked.wanted.kind, asked.wanted.table.as_deref()), (None, Some("notes")));
        let mut echo = asked.echo(7);
        assert_eq!(echo.as_object_mut().unwrap().remove("id"), Some(json!(7)));
        assert_eq!(echo, given);
        for wrong in [
            json!("x"),
            json!({ "event": "insert" }),
            json!({ "event": "*", "schema": "public", "filter": "id=eq.1" }),
            json!({ "event": 7 }),
            json!({ "event": "*", "table": "t", "select": ["id"] }),
        ] {
            assert!(Asked::read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
