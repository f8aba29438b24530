//! Values as `to_json` writes them.

use pg::{Column, Row};

use crate::catalog::types::{Json, element_of, json_of};

/// What each object of a result has in common, worked out once.
#[derive(Default)]
pub(super) struct Keys {
    /// `"name":` of each column, with what goes before it.
    text: Vec<u8>,
    /// Where each key ends, and what its values are.
    fields: Vec<(usize, Kind)>,
}

/// How a type's values are written.
#[derive(Clone, Copy)]
enum Kind {
    One(Json),
    Array { element: u32 },
}

impl Kind {
    fn of(type_oid: u32) -> Self {
        element_of(type_oid).map_or_else(|| Kind::One(json_of(type_oid)), |element| Kind::Array { element })
    }
}

impl Keys {
    pub(super) fn of(columns: &[Column]) -> Self {
        let size = columns.iter().map(|column| column.name.len() + 4).sum();
        let mut keys = Keys { text: Vec::with_capacity(size), fields: Vec::with_capacity(columns.len()) };
        for (at, column) in columns.iter().enumerate() {
            keys.text.push(if at == 0 { b'{' } else { b',' });
            string(&mut keys.text, column.name.as_bytes());
            keys.text.push(b':');
            keys.fields.push((keys.text.len(), Kind::of(column.type_oid)));
        }
        keys
    }

    /// A row as an object.
    pub(super) fn object(&self, out: &mut Vec<u8>, row: Row<'_>, lead: usize) {
        if self.fields.is_empty() {
            out.push(b'{');
        }
        let mut from = 0;
        for (field, (to, kind)) in row.fields().skip(lead).zip(&self.fields) {
            out.extend_from_slice(self.text.get(from..*to).unwrap_or_default());
            from = *to;
            of_kind(out, field, *kind);
        }
        out.push(b'}');
    }
}

/// A field as a value.
pub(super) fn value(out: &mut Vec<u8>, field: Option<&[u8]>, type_oid: u32) {
    of_kind(out, field, Kind::of(type_oid));
}

fn of_kind(out: &mut Vec<u8>, field: Option<&[u8]>, kind: Kind) {
    let Some(field) = field else { return out.extend_from_slice(b"null") };
    let json = match kind {
        Kind::One(json) => json,
        Kind::Array { element } => return array(out, field, element),
    };
    match json {
        Json::Verbatim => out.extend_from_slice(field),
        Json::Bool => out.extend_from_slice(if field == b"t" { b"true" } else { b"false" }),
        // `NaN`, `Infinity` and `-Infinity` are no JSON numbers.
        Json::Integer => out.extend_from_slice(field),
        Json::Number if field.iter().any(|byte| matches!(byte, b'N' | b'I')) => string(out, field),
        Json::Number => out.extend_from_slice(field),
        Json::Timestamp => timestamp(out, field),
        Json::Text => string(out, field),
    }
}

/// `{a,NULL,"b c",{d}}` as `["a",null,"b c",["d"]]`. Bounds in front (`[0:1]=`) say nothing that JSON could.
fn array(out: &mut Vec<u8>, text: &[u8], element: u32) {
    let start = text.iter().position(|byte| *byte == b'{').unwrap_or(text.len());
    let mut rest = text.get(start..).unwrap_or_default();
    let mut plain = Vec::new();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' => out.push(b'['),
            b'}' => out.push(b']'),
            b',' => out.push(b','),
            b'"' => {
                plain.clear();
                rest = unquoted(&mut plain, rest);
                value(out, Some(&plain), element);
            }
            _ => {
                let end = rest.iter().position(|byte| matches!(byte, b',' | b'}')).unwrap_or(rest.len());
                plain.clear();
                plain.push(*byte);
                plain.extend_from_slice(rest.get(..end).unwrap_or_default());
                value(out, (plain != b"NULL").then_some(&*plain), element);
                rest = rest.get(end..).unwrap_or_default();
            }
        }
    }
}

/// An element in quotes, whose first is gone; gives what follows the last.
fn unquoted<'a>(out: &mut Vec<u8>, mut rest: &'a [u8]) -> &'a [u8] {
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => break,
            b'\\' => {
                if let Some((escaped, after)) = rest.split_first() {
                    out.push(*escaped);
                    rest = after;
                }
            }
            _ => out.push(*byte),
        }
    }
    rest
}

/// `2026-11-21 21:00:00+00` as `"2026-11-21T21:00:00+00:00"`; `infinity` and eras as they are.
fn timestamp(out: &mut Vec<u8>, field: &[u8]) {
    let (stamp, era) = match field.strip_suffix(b" BC") {
        Some(stamp) => (stamp, &b" BC"[..]),
        None => (field, &b""[..]),
    };
    out.push(b'"');
    match stamp.iter().position(|byte| *byte == b' ') {
        None => out.extend_from_slice(stamp),
        Some(at) => {
            let (date, time) = stamp.split_at(at);
            out.extend_from_slice(date);
            out.push(b'T');
            out.extend_from_slice(time.get(1..).unwrap_or_default());
            let hours_only = time.len().checked_sub(3).and_then(|at| time.get(at));
            if hours_only.is_some_and(|sign| matches!(sign, b'+' | b'-')) {
                out.extend_from_slice(b":00");
            }
        }
    }
    out.extend_from_slice(era);
    out.push(b'"');
}

/// So many bytes are looked at together: the compiler makes a few vector instructions of it.
const TOGETHER: usize = 16;

/// Whether a string of JSON cannot hold it as it is.
const fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// How many bytes in front need not be looked at one by one.
fn plain(text: &[u8]) -> usize {
    let (pieces, _) = text.as_chunks::<TOGETHER>();
    let whole =
        pieces.iter().take_while(|piece| !piece.iter().fold(false, |any, byte| any | is_escaped(*byte)));
    whole.count() * TOGETHER
}

/// A string, with what JSON cannot hold escaped.
pub(super) fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let front = plain(text);
    let (front, text) = text.split_at(front);
    out.extend_from_slice(front);
    let mut from = 0;
    for (at, byte) in text.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0..0x20 => 0,
            _ => continue,
        };
        out.extend_from_slice(text.get(from..at).unwrap_or_default());
        if short == 0 {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
        from = at + 1;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: Option<&str>, type_oid: u32, expected: &str) {
        let mut out = Vec::new();
        value(&mut out, field.map(str::as_bytes), type_oid);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn values_are_what_to_json_makes() {
        check(None, 25, "null");
        check(Some("t"), 16, "true");
        check(Some("1e+300"), 701, "1e+300");
        check(Some("NaN"), 701, r#""NaN""#);
        check(Some("-Infinity"), 1700, r#""-Infinity""#);
        check(Some(r#"{"a": 1}"#), 3802, r#"{"a": 1}"#);
        check(Some("a\"b\\\n\u{1}é"), 25, r#""a\"b\\\n\u0001é""#);
    }

    #[test]
    fn strings_are_escaped_wherever_in_them_it_is_due() {
        for length in 0..40 {
            for at in 0..length {
                let mut text = vec![b'x'; length];
                for (byte, escaped) in [(b'"', "\\\""), (b'\\', "\\\\"), (b'\n', "\\n"), (0x1f, "\\u001f")] {
                    text[at] = byte;
                    let expected = format!("\"{}{escaped}{}\"", "x".repeat(at), "x".repeat(length - at - 1));
                    check(Some(std::str::from_utf8(&text).unwrap()), 25, &expected);
                }
            }
        }
        check(Some(&"é\u{7f}".repeat(20)), 25, &format!("\"{}\"", "é\u{7f}".repeat(20)));
    }

    #[test]
    fn arrays_are_what_to_json_makes() {
        check(Some("{}"), 1009, "[]");
        check(Some(r#"{a,NULL,"NULL","b \"c\" \\","",é}"#), 1009, r#"["a",null,"NULL","b \"c\" \\","","é"]"#);
        check(Some("{{1,2},{3,NULL}}"), 1007, "[[1,2],[3,null]]");
        check(Some("[0:1]={t,f}"), 1000, "[true,false]");
        check(Some("{1.5,NaN}"), 1022, r#"[1.5,"NaN"]"#);
        check(Some(r#"{"{\"a\": [1, \"}\"]}",null}"#), 3807, r#"[{"a": [1, "}"]},null]"#);
        check(Some(r#"{"2026-11-21 21:00:00+00"}"#), 1185, r#"["2026-11-21T21:00:00+00:00"]"#);
    }

    #[test]
    fn timestamps_are_iso() {
        check(Some("2026-11-21 21:00:00.5+00"), 1184, r#""2026-11-21T21:00:00.5+00:00""#);
        check(Some("2026-11-21 21:00:00-03:30"), 1184, r#""2026-11-21T21:00:00-03:30""#);
        check(Some("2026-11-21 21:00:00"), 1114, r#""2026-11-21T21:00:00""#);
        check(Some("0044-03-15 12:00:00+00 BC"), 1184, r#""0044-03-15T12:00:00+00:00 BC""#);
        check(Some("infinity"), 1184, r#""infinity""#);
    }
}
