//! Bodies: JSON, CSV and forms become one JSON text with known columns.
//!
//! Invariant: JSON is passed on byte for byte; it is read here only as far as its keys.

use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;
use data::ask::{Arguments, BodyKind, Payload};
use data::limits::CSV_ROWS_BYTES_MAX;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::Refusal;
use super::media::Media;

/// Rows to be written.
pub(super) fn payload(body: &Bytes, kind: &Media, columns: Option<&Vec<String>>) -> Result<Payload, Refusal> {
    match kind {
        Media::Json => match columns {
            Some(columns) => Ok(Payload {
                json: body.clone(),
                many: is_array(body),
                columns: columns.clone(),
                checked: false,
            }),
            None => json(body),
        },
        Media::Csv => csv(body),
        Media::Form => {
            let object: Map<String, Value> =
                form(body).into_iter().map(|(name, value)| (name, value.into())).collect();
            let columns = object.keys().cloned().collect();
            Ok(Payload {
                json: Value::Object(object).to_string().into(),
                many: false,
                columns,
                checked: true,
            })
        }
        other => Err(unacceptable(other)),
    }
}

/// What a function is called with.
pub(super) fn arguments(
    body: &Bytes,
    kind: &Media,
    columns: Option<&Vec<String>>,
) -> Result<Arguments, Refusal> {
    let raw = |kind| Ok(Arguments::Body { raw: body.clone(), kind });
    match kind {
        Media::Json => {
            let payload = match columns {
                None if body.is_empty() => Payload {
                    json: Bytes::from_static(b"{}"),
                    many: false,
                    columns: Vec::new(),
                    checked: true,
                },
                _ => payload(body, kind, columns)?,
            };
            Ok(Arguments::Json { raw: payload.json, keys: payload.columns, many: payload.many, whole: true })
        }
        Media::Csv => {
            let payload = csv(body)?;
            Ok(Arguments::Json { raw: payload.json, keys: payload.columns, many: true, whole: false })
        }
        Media::Form => Ok(Arguments::Texts(form(body))),
        Media::Text => raw(BodyKind::Text),
        Media::Xml => raw(BodyKind::Xml),
        Media::Bytes => raw(BodyKind::Bytes),
        other => Err(unacceptable(other)),
    }
}

fn unacceptable(kind: &Media) -> Refusal {
    Refusal::Body(format!("Content-Type not acceptable: {}", kind.name()))
}

fn is_array(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// What there is to know of a JSON text before it is planned: the keys of its object, or of the first of its objects.
enum Outline {
    Object(Vec<String>),
    /// Of many: whether all are objects with the keys of the first.
    Array {
        first: Option<Vec<String>>,
        uniform: bool,
    },
    Other,
}

fn json(body: &Bytes) -> Result<Payload, Refusal> {
    let invalid = || Refusal::Body("Empty or invalid json".to_owned());
    let text = std::str::from_utf8(body).map_err(|_| invalid())?;
    let outline: Outline = serde_json::from_str(text).map_err(|_| invalid())?;
    let payload = |many, columns| Payload { json: body.clone(), many, columns, checked: true };
    match outline {
        Outline::Object(columns) => Ok(payload(false, columns)),
        Outline::Array { first: Some(columns), uniform: true } => Ok(payload(true, columns)),
        Outline::Array { uniform: false, .. } => Err(Refusal::Body("All object keys must match".to_owned())),
        Outline::Array { first: None, .. } | Outline::Other => {
            Ok(Payload { json: Bytes::from_static(b"[]"), many: true, columns: Vec::new(), checked: true })
        }
    }
}

/// The keys of an object in their order, each once; nothing of anything else.
struct Keys(Option<Vec<String>>);

/// Of what is read here, only keys are kept: rows take no more than their own bytes, and each key is looked for once.
macro_rules! read_by {
    ($of:ty, $look:ident, $other:expr) => {
        impl<'de> Deserialize<'de> for $of {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($look)
            }
        }

        impl<'de> Visitor<'de> for $look {
            type Value = $of;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$of, A::Error> {
                Self::object(map)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<$of, A::Error> {
                Self::array(items)
            }
            fn visit_bool<E>(self, _: bool) -> Result<$of, E> {
                Ok($other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<$of, E> {
                Ok($other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<$of, E> {
                Ok($other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<$of, E> {
                Ok($other)
            }
            fn visit_str<E>(self, _: &str) -> Result<$of, E> {
                Ok($other)
            }
            fn visit_unit<E>(self) -> Result<$of, E> {
                Ok($other)
            }
        }
    };
}

struct LookAtKeys;
struct LookAtAll;
read_by!(Keys, LookAtKeys, Keys(None));
read_by!(Outline, LookAtAll, Outline::Other);

impl LookAtKeys {
    fn object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Keys, A::Error> {
        let (mut keys, mut known): (Vec<String>, HashSet<String>) = Default::default();
        while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
            // Few are faster looked through than hashed.
            let is_new = match keys.len() {
                ..=FEW if known.is_empty() => !keys.contains(&key),
                _ => {
                    if known.is_empty() {
                        known.extend(keys.iter().cloned());
                    }
                    known.insert(key.clone())
                }
            };
            if is_new {
                keys.push(key);
            }
        }
        Ok(Keys(Some(keys)))
    }

    fn array<'de, A: SeqAccess<'de>>(mut items: A) -> Result<Keys, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Keys(None))
    }
}

/// As many columns as most tables have.
const FEW: usize = 32;

impl LookAtAll {
    fn object<'de, A: MapAccess<'de>>(map: A) -> Result<Outline, A::Error> {
        Ok(LookAtKeys::object(map)?.0.map_or(Outline::Other, Outline::Object))
    }

    fn array<'de, A: SeqAccess<'de>>(mut items: A) -> Result<Outline, A::Error> {
        let Some(Keys(first)) = items.next_element()? else {
            return Ok(Outline::Array { first: None, uniform: true });
        };
        let mut uniform = first.is_some();
        let wanted: BTreeSet<&str> = first.iter().flatten().map(String::as_str).collect();
        while let Some(Keys(keys)) = items.next_element()? {
            uniform = uniform
                && (keys == first
                    || keys.is_some_and(|keys| {
                        keys.len() == wanted.len() && keys.iter().all(|key| wanted.contains(&**key))
                    }));
        }
        Ok(Outline::Array { first, uniform })
    }
}

/// A header line, then rows. `NULL` is null, nothing is the empty text. The mark that spreadsheets begin a file with is no part of the
/// first name.
fn csv(body: &[u8]) -> Result<Payload, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::Body("The body is not UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Records { chars: text.chars().peekable(), quoted: false };
    let header =
        lines.next()?.ok_or_else(|| Refusal::Body("parse error (not enough input) at \"\"".to_owned()))?;
    let names: Vec<String> = header.iter().map(|name| Value::from(name.as_str()).to_string()).collect();
    let mut json = String::from("[");
    while let Some(line) = lines.next()? {
        if line.len() != header.len() {
            return Err(Refusal::Body("All lines must have same number of fields".to_owned()));
        }
        json.push_str(if json.len() > 1 { ",{" } else { "{" });
        for (at, (name, field)) in names.iter().zip(line).enumerate() {
            if json.len() as u64 + name.len() as u64 > CSV_ROWS_BYTES_MAX.value {
                let (limit, value) = (CSV_ROWS_BYTES_MAX.name, CSV_ROWS_BYTES_MAX.value);
                return Err(data::Error::TooMuch { limit, value }.into());
            }
            if at > 0 {
                json.push(',');
            }
            json.push_str(name);
            json.push(':');
            let value = if field == "NULL" { Value::Null } else { Value::String(field) };
            json.push_str(&value.to_string());
        }
        json.push('}');
    }
    let columns = if json.len() > 1 { header } else { Vec::new() };
    json.push(']');
    Ok(Payload { json: json.into(), many: true, columns, checked: true })
}

/// RFC 4180, blank lines left out; one line after the other, so that no more than one is held.
struct Records<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    /// Whether a field of the last line was quoted: `""` is a row with the empty text, as answers write it, and no blank line.
    quoted: bool,
}

impl Records<'_> {
    fn next(&mut self) -> Result<Option<Vec<String>>, Refusal> {
        while self.chars.peek().is_some() {
            let record = self.record()?;
            if self.quoted || record.len() > 1 || record.iter().any(|field| !field.is_empty()) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn record(&mut self) -> Result<Vec<String>, Refusal> {
        self.quoted = false;
        let chars = &mut self.chars;
        let mut record: Vec<String> = Vec::new();
        loop {
            let mut field = String::new();
            if chars.next_if_eq(&'"').is_some() {
                self.quoted = true;
                loop {
                    match chars.next() {
                        Some('"') if chars.next_if_eq(&'"').is_some() => field.push('"'),
                        Some('"') => break,
                        Some(c) => field.push(c),
                        None => return Err(Refusal::Body("A quoted field does not end".to_owned())),
                    }
                }
            } else {
                while let Some(c) = chars.next_if(|c| !matches!(c, ',' | '\n' | '\r')) {
                    field.push(c);
                }
            }
            record.push(field);
            match chars.next() {
                Some(',') => continue,
                Some('\r') => drop(chars.next_if_eq(&'\n')),
                Some('\n') | None => {}
                Some(_) => return Err(Refusal::Body("A quoted field goes on after its quote".to_owned())),
            }
            return Ok(record);
        }
    }
}

/// `a=b&c=d`
fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
    };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    text.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use data::ask::{Arguments, Payload};

    use super::{arguments, payload};
    use crate::rest::media::Media;

    fn read(body: &'static str, kind: Media) -> Result<Payload, String> {
        payload(&Bytes::from_static(body.as_bytes()), &kind, None).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn json_passes_as_it_came_with_its_keys_known() {
        let rows = read(r#"[{"a":1,"b":null},{"b":2,"a":"x"}]"#, Media::Json).unwrap();
        assert_eq!((rows.columns, rows.many), (vec!["a".to_owned(), "b".to_owned()], true));
        assert_eq!(read(r#"[{"a":1},{"b":2}]"#, Media::Json).unwrap_err(), "All object keys must match");
        assert_eq!(read("{", Media::Json).unwrap_err(), "Empty or invalid json");
        assert_eq!(read("", Media::Json).unwrap_err(), "Empty or invalid json");
        assert_eq!(&*read("7", Media::Json).unwrap().json, b"[]");
        assert!(read("{}", Media::Json).unwrap().columns.is_empty());
    }

    #[test]
    fn named_columns_spare_the_look_at_the_body() {
        let columns = vec!["a".to_owned()];
        let rows = payload(&Bytes::from_static(b" [{\"a\":1},{}]"), &Media::Json, Some(&columns)).unwrap();
        assert_eq!((rows.many, rows.checked, rows.columns), (true, false, columns));
    }

    #[test]
    fn csv_becomes_objects() {
        let rows = read("a,b\r\n1,\"x,\"\"y\"\n\n,NULL", Media::Csv).unwrap();
        assert_eq!(&*rows.json, br#"[{"a":"1","b":"x,\"y"},{"a":"","b":null}]"#);
        assert_eq!(read("a,b\n1", Media::Csv).unwrap_err(), "All lines must have same number of fields");
    }

    #[test]
    fn csv_is_read_as_spreadsheets_and_answers_write_it() {
        let rows =
            |body: &'static str| String::from_utf8(read(body, Media::Csv).unwrap().json.to_vec()).unwrap();
        assert_eq!(rows("\u{feff}a,b\r1,2\r"), r#"[{"a":"1","b":"2"}]"#);
        assert_eq!(rows("\u{feff}\"a\"\nx\n"), r#"[{"a":"x"}]"#);
        // The empty text in a table of one column, and a blank line.
        assert_eq!(rows("a\n\"\"\n\nx\n\"\""), r#"[{"a":""},{"a":"x"},{"a":""}]"#);
    }

    #[test]
    fn a_body_takes_no_more_than_it_is_large() {
        let took = |body: String, kind: Media| {
            payload(&body.into(), &kind, None).map_err(|refusal| refusal.to_string())
        };
        // Each key is looked for once: with every other one before it this does not end within a minute.
        let keys: Vec<String> = (0..200_000).map(|key| format!("\"k{key}\":1")).collect();
        let wide = took(format!("{{{}}}", keys.join(",")), Media::Json).unwrap();
        assert_eq!((wide.columns.len(), wide.columns[199_999].as_str()), (200_000, "k199999"));
        // A name of 500 kB in each of 250 000 rows.
        let long = took(format!("{}\n{}", "n".repeat(500_000), "1\n".repeat(250_000)), Media::Csv);
        assert!(long.unwrap_err().contains("csv_rows_bytes_max"));
    }

    #[test]
    fn objects_match_by_their_keys_in_any_order_and_nothing_else_does() {
        let rows = read(r#"[{"a":1,"b":2},{"b":1,"a":2,"b":3}]"#, Media::Json).unwrap();
        assert_eq!((rows.columns.len(), rows.many), (2, true));
        for other in
            [r#"[{"a":1},{}]"#, r#"[{"a":1},{"a":1,"b":1}]"#, r#"[{"a":1},7]"#, "[7]", r#"[[{"a":1}]]"#]
        {
            assert_eq!(read(other, Media::Json).unwrap_err(), "All object keys must match", "{other}");
        }
    }

    #[test]
    fn a_form_keeps_repeated_arguments() {
        let body = Bytes::from_static(b"v=hi&v=a+b&w=%C3%A9");
        let Ok(Arguments::Texts(pairs)) = arguments(&body, &Media::Form, None) else { panic!("texts") };
        assert_eq!(
            pairs,
            [("v".into(), "hi".into()), ("v".into(), "a b".into()), ("w".into(), "é".to_owned())]
        );
        assert!(arguments(&Bytes::new(), &Media::Other("x/y".into()), None).is_err());
    }
}
