//! Rows in a body: an object or a list of objects, passed on byte for byte and read here only as far as their keys.

use std::collections::BTreeMap;

use bytes::Bytes;
use data::ask::Payload;
use serde::de::IgnoredAny;

use super::error::Error;

type Keys = BTreeMap<String, IgnoredAny>;

/// Rows to be written, and whether they came as a list. A key that some rows lack is null there, as upstream has it.
pub(super) fn payload(body: &Bytes) -> Result<Payload, Error> {
    let wrong = || Error::Invalid("The body must be a JSON object, or a list of them".to_owned());
    let many = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let all: Vec<Keys> = match many {
        true => serde_json::from_slice(body).map_err(|_| wrong())?,
        false => vec![serde_json::from_slice(body).map_err(|_| wrong())?],
    };
    if all.is_empty() {
        return Err(Error::Invalid("Empty array provided".to_owned()));
    }
    let mut columns: Vec<String> = Vec::new();
    let mut uniform = true;
    for (at, row) in all.iter().enumerate() {
        let before = columns.len();
        columns
            .extend(row.keys().filter(|key| at == 0 || !columns.contains(key)).cloned().collect::<Vec<_>>());
        uniform &= at == 0 || (before == columns.len() && row.len() == columns.len());
    }
    Ok(Payload { json: body.clone(), many, columns, checked: uniform })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Result<Payload, String> {
        payload(&Bytes::from_static(text.as_bytes())).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_are_those_of_any_row() {
        let rows = read(r#"[{"a":1},{"a":2,"b":3}]"#).unwrap();
        assert_eq!(
            (rows.columns, rows.many, rows.checked),
            (vec!["a".to_owned(), "b".to_owned()], true, false)
        );
        let rows = read(r#"[{"a":1,"b":2},{"b":2,"a":1}]"#).unwrap();
        assert!(rows.checked);
        let row = read(r#"{"a":{"deep":1}}"#).unwrap();
        assert_eq!((row.columns, row.many), (vec!["a".to_owned()], false));
        for wrong in ["", "7", "[1]", "[]", "{\"a\"", "null"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
