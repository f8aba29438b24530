//! `truncate`: long texts cut in the answer, for whoever browses a table.
//!
//! Invariant: only values of text columns change, and every other value passes as PostgreSQL wrote it.

use std::fmt;

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A row with its keys in order.
struct Row<'a>(Vec<(String, Part<'a>)>);

enum Part<'a> {
    As(&'a RawValue),
    Cut(String),
}

/// The same with the texts of `columns` cut to `length` characters; nothing of what is no list of rows, which stays as it is.
pub(super) fn cut(body: &[u8], length: usize, columns: &[String]) -> Option<Bytes> {
    let mut rows = serde_json::from_slice::<Vec<Row<'_>>>(body).ok()?;
    for (name, part) in rows.iter_mut().flat_map(|row| &mut row.0) {
        let Part::As(raw) = part else { continue };
        let Ok(text) = serde_json::from_str::<String>(raw.get()) else { continue };
        let whole = text.chars().count();
        if columns.contains(name) && whole > length {
            let kept: String = text.chars().take(length).collect();
            *part = Part::Cut(format!("{kept}... ({whole} chars)"));
        }
    }
    serde_json::to_vec(&rows).ok().map(Bytes::from)
}

impl<'de> Deserialize<'de> for Row<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Row<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut parts = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    parts.push((key, Part::As(value)));
                }
                Ok(Row(parts))
            }
        }
        deserializer.deserialize_map(Look)
    }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, part)| (name, part)))
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Part::As(raw) => raw.serialize(serializer),
            Part::Cut(text) => text.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_texts_of_named_columns_are_cut() {
        let body =
            r#"[{"id":12345678901234567890.5,"note":"ééééé","uuid":"aaaaaa","more":{"note":"ééééé"}}]"#;
        let seen = cut(body.as_bytes(), 3, &["note".to_owned()]).unwrap();
        let expected = r#"[{"id":12345678901234567890.5,"note":"ééé... (5 chars)","uuid":"aaaaaa","more":{"note":"ééééé"}}]"#;
        assert_eq!(std::str::from_utf8(&seen).unwrap(), expected);
        assert_eq!(cut(b"{}", 3, &[]), None);
    }
}
