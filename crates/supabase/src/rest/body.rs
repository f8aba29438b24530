//! Bodies: JSON, CSV and forms become one JSON text with known columns.
//!
//! Invariant: JSON is passed on byte for byte; it is read here only as far as its keys.

use std::collections::BTreeSet;

use bytes::Bytes;
use data::ask::{Arguments, BodyKind, Payload};
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

/// The keys of a JSON text, and nothing else of it.
enum Outline {
    Object(Vec<String>),
    Array(Vec<Outline>),
    Other,
}

fn json(body: &Bytes) -> Result<Payload, Refusal> {
    let invalid = || Refusal::Body("Empty or invalid json".to_owned());
    let text = std::str::from_utf8(body).map_err(|_| invalid())?;
    let outline: Outline = serde_json::from_str(text).map_err(|_| invalid())?;
    let nothing =
        || Payload { json: Bytes::from_static(b"[]"), many: true, columns: Vec::new(), checked: true };
    match outline {
        Outline::Object(columns) => Ok(Payload { json: body.clone(), many: false, columns, checked: true }),
        Outline::Array(items) => {
            let keys = |item: &Outline| match item {
                Outline::Object(keys) => Some(keys.iter().cloned().collect::<BTreeSet<_>>()),
                Outline::Array(_) | Outline::Other => None,
            };
            let Some(first) = items.first() else { return Ok(nothing()) };
            let uniform =
                keys(first).filter(|wanted| items.iter().all(|item| keys(item).as_ref() == Some(wanted)));
            match (uniform, first) {
                (Some(_), Outline::Object(columns)) => {
                    Ok(Payload { json: body.clone(), many: true, columns: columns.clone(), checked: true })
                }
                _ => Err(Refusal::Body("All object keys must match".to_owned())),
            }
        }
        Outline::Other => Ok(nothing()),
    }
}

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Outline;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outline, A::Error> {
                let mut keys: Vec<String> = Vec::new();
                while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
                Ok(Outline::Object(keys))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Outline, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Outline::Array(items))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Outline, E> {
                Ok(Outline::Other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Outline, E> {
                Ok(Outline::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Outline, E> {
                Ok(Outline::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Outline, E> {
                Ok(Outline::Other)
            }
            fn visit_str<E>(self, _: &str) -> Result<Outline, E> {
                Ok(Outline::Other)
            }
            fn visit_unit<E>(self) -> Result<Outline, E> {
                Ok(Outline::Other)
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// A header line, then rows. `NULL` is null, nothing is the empty text.
fn csv(body: &[u8]) -> Result<Payload, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::Body("The body is not UTF-8".to_owned()))?;
    let mut lines = records(text)?.into_iter();
    let header =
        lines.next().ok_or_else(|| Refusal::Body("parse error (not enough input) at \"\"".to_owned()))?;
    let mut rows = Vec::new();
    for line in lines {
        if line.len() != header.len() {
            return Err(Refusal::Body("All lines must have same number of fields".to_owned()));
        }
        let value = |field: String| if field == "NULL" { Value::Null } else { Value::String(field) };
        rows.push(Value::Object(header.iter().cloned().zip(line.into_iter().map(value)).collect()));
    }
    let columns = if rows.is_empty() { Vec::new() } else { header };
    Ok(Payload { json: Value::Array(rows).to_string().into(), many: true, columns, checked: true })
}

/// RFC 4180, blank lines left out.
fn records(text: &str) -> Result<Vec<Vec<String>>, Refusal> {
    let mut all = Vec::new();
    let mut record: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        let mut field = String::new();
        if chars.next_if_eq(&'"').is_some() {
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
        let is_blank = record.len() == 1 && record.iter().all(String::is_empty);
        let done = std::mem::take(&mut record);
        if !is_blank {
            all.push(done);
        }
        if chars.peek().is_none() {
            return Ok(all);
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
