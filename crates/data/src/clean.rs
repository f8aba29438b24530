//! Values on their way into columns of which more is asked than PostgreSQL checks: HTML is cleaned, JSON held against its
//! schema (controls 121 and 122).
//!
//! This stands where plans are made: whatever a dialect wants written into a table comes through here, and there is no other way
//! to a [`crate::plan::Rows`] or to a change of the graph. So does what is on its way into a function, as far as its type asks. Invariant: what is stored is what came out of here; a value
//! that cannot be looked at is refused, never passed on.

use std::collections::HashSet;
use std::sync::LazyLock;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::catalog::arguments::Asks;
use crate::catalog::check::{Check, Holds};
use crate::error::Error;
use crate::fields::FieldFault;

/// What is left of HTML: text, structure and links that run nothing (the cleaner's own list of elements, attributes and
/// schemes; no comments, no styles, no event handlers, `rel="noopener noreferrer"` on links).
static CLEANER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(ammonia::Builder::default);

/// HTML without what could run.
pub fn html(text: &str) -> String {
    // What holds no mark-up is stored as it is written.
    if !text.contains(['<', '>', '&', '\0']) {
        return text.to_owned();
    }
    CLEANER.clean(text).to_string()
}

/// Rows as sent, with the values of checked columns checked.
pub(crate) fn rows(json: &Bytes, many: bool, checks: &[(&str, &Check)]) -> Result<Bytes, Error> {
    if checks.is_empty() {
        return Ok(json.clone());
    }
    closed(checks)?;
    let unreadable = |_| Error::NotJson;
    let mut rows: Vec<Row<'_>> = if many {
        serde_json::from_slice(json).map_err(unreadable)?
    } else {
        vec![serde_json::from_slice(json).map_err(unreadable)?]
    };
    let last = rows.len();
    for (at, row) in rows.iter_mut().enumerate() {
        for (key, given) in &mut row.0 {
            if let Some((column, check)) = checks.iter().find(|(column, _)| column == key) {
                let changed = value(column, check, given.get()).map_err(|error| error.in_row(at, last))?;
                if let Some(changed) = changed {
                    *given = Given::Made(changed);
                }
            }
        }
    }
    let mut text = Vec::with_capacity(json.len());
    if many {
        text.push(b'[');
    }
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        row.write(&mut text);
    }
    if many {
        text.push(b']');
    }
    Ok(text.into())
}

/// A value in PostgreSQL's text format; `None` when it may be stored as it is.
pub(crate) fn text(column: &str, check: &Check, text: &str) -> Result<Option<String>, Error> {
    closed(&[(column, check)])?;
    match check.holds {
        Holds::Text if check.asked.html => Ok(changed(text, html(text))),
        Holds::Texts | Holds::Jsons if check.asked.html => {
            elements(text, check.holds).map(|made| changed(text, made)).ok_or(Error::NotJson)
        }
        Holds::Json => {
            let mut json: Value = serde_json::from_str(text).map_err(|_| Error::NotJson)?;
            schemas(column, check, &json)?;
            if !check.asked.html {
                return Ok(says_twice(text).then(|| json.to_string()));
            }
            let before = json.clone();
            inside(&mut json);
            Ok((json != before || says_twice(text)).then(|| json.to_string()))
        }
        Holds::Text | Holds::Texts | Holds::Jsons => Ok(None),
    }
}

/// An argument in PostgreSQL's text format; `None` when it may be passed on as it is. Nobody looks into the text of a row.
pub(crate) fn argument_text(name: &str, asks: &Asks, given: &str) -> Result<Option<String>, Error> {
    match asks {
        Asks::Value(check) => text(name, check, given),
        Asks::Row(_) | Asks::Rows(_) => Err(no_row(name)),
    }
}

/// An argument that PostgreSQL makes of JSON; `None` when it may be passed on as it is.
pub(crate) fn argument_json(name: &str, asks: &Asks, raw: &str) -> Result<Option<String>, Error> {
    let raw = raw.trim();
    if raw == "null" {
        return Ok(None);
    }
    match asks {
        Asks::Value(check) => {
            closed(&[(name, check)])?;
            value(name, check, raw)
        }
        Asks::Row(fields) => {
            let mut row: Row<'_> = serde_json::from_str(raw).map_err(|_| no_row(name))?;
            let mut changed = false;
            for (key, given) in &mut row.0 {
                let Some((field, asks)) = fields.iter().find(|(field, _)| **field == **key) else { continue };
                if let Some(made) = argument_json(&format!("{name}.{field}"), asks, given.get())? {
                    *given = Given::Made(made);
                    changed = true;
                }
            }
            let mut text = Vec::with_capacity(raw.len());
            row.write(&mut text);
            Ok(if changed { String::from_utf8(text).ok() } else { None })
        }
        Asks::Rows(of) => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(|_| no_row(name))?;
            // An array of arrays of rows is one of rows.
            let one = |item: &&RawValue| {
                let asks = if item.get().starts_with('[') { asks } else { of };
                Ok(argument_json(name, asks, item.get())?.unwrap_or_else(|| item.get().to_owned()))
            };
            let items = items.iter().map(one).collect::<Result<Vec<String>, Error>>()?;
            Ok(Some(format!("[{}]", items.join(","))))
        }
    }
}

fn no_row(name: &str) -> Error {
    Error::Field(Box::new(FieldFault::kind(name, "must be an object, or an array of objects")))
}

/// Whether rules can be read at all.
fn closed(checks: &[(&str, &Check)]) -> Result<(), Error> {
    match checks.iter().find_map(|(column, check)| Some((column, check.asked.broken.as_ref()?))) {
        Some((column, why)) => Err(Error::BrokenRule { column: (*column).to_owned(), why: why.to_string() }),
        None => Ok(()),
    }
}

fn changed(before: &str, after: String) -> Option<String> {
    (before != after).then_some(after)
}

/// The JSON of a value, changed; `None` when it may stay as it is.
fn value(column: &str, check: &Check, raw: &str) -> Result<Option<String>, Error> {
    let mut json: Value = serde_json::from_str(raw).map_err(|_| Error::NotJson)?;
    if json.is_null() {
        return Ok(None);
    }
    if check.holds == Holds::Json {
        schemas(column, check, &json)?;
    }
    let twice = check.holds != Holds::Text && says_twice(raw);
    if !check.asked.html {
        return Ok(twice.then(|| json.to_string()));
    }
    let before = json.clone();
    match (check.holds, &mut json) {
        (Holds::Text, Value::String(text)) => *text = html(text),
        // PostgreSQL stores the text of what is no string.
        (Holds::Text, Value::Object(_) | Value::Array(_)) => {
            let cleaned = html(raw);
            if cleaned != raw {
                json = Value::String(cleaned);
            }
        }
        (Holds::Texts | Holds::Jsons, Value::String(literal)) => {
            *literal = elements(literal, check.holds).ok_or(Error::NotJson)?;
        }
        (Holds::Json | Holds::Texts | Holds::Jsons, other) => inside(other),
        (Holds::Text, Value::Null | Value::Bool(_) | Value::Number(_)) => {}
    }
    Ok((json != before || twice).then(|| json.to_string()))
}

/// Whether an object has a key twice: `json` keeps both, and only the last one was looked at.
fn says_twice(json: &str) -> bool {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = bool;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("JSON")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
            let (mut seen, mut twice) = (HashSet::new(), false);
            while let Some((key, raw)) = map.next_entry::<String, &'de RawValue>()? {
                twice |= !seen.insert(key) || says_twice(raw.get());
            }
            Ok(twice)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<bool, A::Error> {
            let mut twice = false;
            while let Some(raw) = items.next_element::<&'de RawValue>()? {
                twice |= says_twice(raw.get());
            }
            Ok(twice)
        }
    }
    let is_one = json.trim_start().starts_with(['{', '[']);
    is_one && serde_json::Deserializer::from_str(json).deserialize_any(Keys).unwrap_or(true)
}

fn schemas(column: &str, check: &Check, json: &Value) -> Result<(), Error> {
    for schema in &check.asked.schemas {
        if let Some((place, says)) = schema.refuses(json) {
            return Err(Error::Field(Box::new(FieldFault::schema(column, &place, &says))));
        }
    }
    Ok(())
}

/// Every text in a JSON value, keys too.
fn inside(json: &mut Value) {
    match json {
        Value::String(text) => *text = html(text),
        Value::Array(items) => items.iter_mut().for_each(inside),
        Value::Object(map) => {
            let old = std::mem::take(map);
            for (key, mut value) in old {
                inside(&mut value);
                map.insert(html(&key), value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// An array literal (`{a,"b c",NULL}`, nested, with or without bounds) with each element cleaned; `None` when it is none.
fn elements(literal: &str, holds: Holds) -> Option<String> {
    let mut out = String::with_capacity(literal.len());
    let mut chars = literal.chars().peekable();
    let mut depth = 0_usize;
    while let Some(c) = chars.next() {
        match c {
            '{' => {
                depth += 1;
                out.push(c);
            }
            '}' => {
                depth = depth.checked_sub(1)?;
                out.push(c);
            }
            ',' => out.push(c),
            c if c.is_whitespace() => out.push(c),
            // Bounds stand before the first brace.
            c if depth == 0
                && !out.contains('{')
                && matches!(c, '[' | ']' | ':' | '=' | '-' | '+' | '0'..='9') =>
            {
                out.push(c)
            }
            _ if depth == 0 => return None,
            '"' => {
                let mut text = String::new();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => text.push(chars.next()?),
                        other => text.push(other),
                    }
                }
                quoted(&mut out, &element(&text, holds)?);
            }
            first => {
                let mut text = String::new();
                let mut next = Some(first);
                while let Some(c) = next {
                    text.push(if c == '\\' { chars.next()? } else { c });
                    next = chars.next_if(|c| !matches!(c, ',' | '{' | '}' | '"'));
                }
                let text = text.trim_end();
                if text.eq_ignore_ascii_case("null") {
                    out.push_str("NULL");
                } else {
                    quoted(&mut out, &element(text, holds)?);
                }
            }
        }
    }
    (depth == 0 && out.contains('{')).then_some(out)
}

fn element(text: &str, holds: Holds) -> Option<String> {
    if holds == Holds::Texts {
        return Some(html(text));
    }
    let mut json: Value = serde_json::from_str(text).ok()?;
    let before = json.clone();
    inside(&mut json);
    Some(if json == before && !says_twice(text) { text.to_owned() } else { json.to_string() })
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// A row whose values are left as they were sent, in order, repeated keys included.
struct Row<'a>(Vec<(String, Given<'a>)>);

enum Given<'a> {
    Sent(&'a RawValue),
    Made(String),
}

impl Given<'_> {
    fn get(&self) -> &str {
        match self {
            Given::Sent(raw) => raw.get(),
            Given::Made(text) => text,
        }
    }
}

impl Row<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (at, (key, given)) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(Value::from(key.as_str()).to_string().as_bytes());
            out.push(b':');
            out.extend_from_slice(given.get().as_bytes());
        }
        out.push(b'}');
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Row<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Row<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row<'de>, A::Error> {
                let mut row = Vec::new();
                while let Some((key, raw)) = map.next_entry::<String, &'de RawValue>()? {
                    row.push((key, Given::Sent(raw)));
                }
                Ok(Row(row))
            }
        }
        deserializer.deserialize_map(Look)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{elements, html, rows, text};
    use crate::catalog::check::{Asked, Check, Holds};

    fn check(holds: Holds, comment: &str) -> Check {
        Check { asked: Asked::read(comment).unwrap(), holds }
    }

    fn cleaned(json: &'static str, many: bool, check: &Check) -> String {
        let out = rows(&Bytes::from_static(json.as_bytes()), many, &[("b", check)]).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn only_what_is_asked_for_is_changed_and_nothing_else_moves() {
        let html = check(Holds::Text, "@palisade html: sanitize");
        assert_eq!(
            cleaned(
                r#"{"a": 12345678901234567890.10, "b": "<b>x</b><script>y</script>", "c": "<script>"}"#,
                false,
                &html
            ),
            r#"{"a":12345678901234567890.10,"b":"<b>x</b>","c":"<script>"}"#
        );
        // The last of repeated keys counts, and keys may be written with escapes.
        assert_eq!(
            cleaned(
                r#"[{"b":"ok","b":"<i onclick=x>y</i>"},{"\u0062":"<img src=x onerror=y>"},{"b":null},{"b":7}]"#,
                true,
                &html
            ),
            r#"[{"b":"ok","b":"<i>y</i>"},{"b":"<img src=\"x\">"},{"b":null},{"b":7}]"#
        );
        assert_eq!(cleaned(r#"{"b":{"x":"<script>1</script>"}}"#, false, &html), r#"{"b":"{\"x\":\"\"}"}"#);
        let texts = check(Holds::Texts, "@palisade html: sanitize");
        assert_eq!(cleaned(r#"{"b":["<script>","ok"]}"#, false, &texts), r#"{"b":["","ok"]}"#);
        assert_eq!(
            cleaned(r#"{"b":"{ok,\"<script>x</script>, y\",NULL}"}"#, false, &texts),
            r#"{"b":"{\"ok\",\", y\",NULL}"}"#
        );
        let json = check(Holds::Json, "@palisade html: sanitize");
        assert_eq!(
            cleaned(r#"{"b":{"k":["<script>x</script>",{"<b onload=x>":1}]}}"#, false, &json),
            r#"{"b":{"k":["",{"<b></b>":1}]}}"#
        );
    }

    /// A column of type `json` keeps both, and who reads it may take the first.
    #[test]
    fn of_a_key_that_comes_twice_only_what_was_looked_at_is_stored() {
        let twice = r#"{"b":{"k":["<script>x</script>",1],"k":"fine","n":1}}"#;
        for asked in [
            "@palisade html: sanitize",
            "@palisade schema: {\"properties\": {\"k\": {\"type\": \"string\"}}}",
        ] {
            let json = check(Holds::Json, asked);
            assert_eq!(cleaned(twice, false, &json), r#"{"b":{"k":"fine","n":1}}"#, "{asked}");
            let made = text("b", &json, r#"[{"a":{"x":1,"x":2}}]"#).unwrap();
            assert_eq!(made.as_deref(), Some(r#"[{"a":{"x":2}}]"#));
            assert_eq!(text("b", &json, r#"{"k":"a","l":[{"k":1.50},{"k":2}]}"#).unwrap(), None);
        }
    }

    #[test]
    fn what_cannot_be_looked_at_is_refused() {
        let html = check(Holds::Text, "@palisade html: sanitize");
        let deep = format!("{{\"b\":{}1{}}}", "[".repeat(500), "]".repeat(500));
        for (json, many) in
            [("[1]", true), ("7", false), ("{\"b\":\"\\ud800\"}", false), ("", false), (&deep, false)]
        {
            assert!(rows(&Bytes::copy_from_slice(json.as_bytes()), many, &[("b", &html)]).is_err(), "{json}");
        }
        let broken = check(Holds::Text, "@palisade html: scrub");
        assert!(rows(&Bytes::from_static(b"{\"b\":1}"), false, &[("b", &broken)]).is_err());
        assert!(text("b", &broken, "x").is_err());
    }

    #[test]
    fn array_literals_are_read_as_postgresql_reads_them() {
        let clean = |literal: &str| elements(literal, Holds::Texts);
        assert_eq!(clean("{}").as_deref(), Some("{}"));
        assert_eq!(clean("{a , null,\"n\\\"ull\"}").as_deref(), Some("{\"a\", NULL,\"n\\\"ull\"}"));
        assert_eq!(clean("[1:1]={{x},{<script>}}").as_deref(), Some("[1:1]={{\"x\"},{\"\"}}"));
        for wrong in ["a", "{", "}", "{\"a", "{a}}", "x{a}", ""] {
            assert_eq!(clean(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn cleaning_twice_is_cleaning_once() {
        for given in [
            "a < b & c",
            "<p>x",
            "<svg><style><img src=x onerror=1>",
            "<math><mtext></form><form><mglyph><style></math><img src onerror=1>",
            "&lt;script&gt;",
        ] {
            let once = html(given);
            assert_eq!(html(&once), once, "{given}");
        }
        assert_eq!(html("Grüße, 5 Euro"), "Grüße, 5 Euro");
    }
}
