//! JSON values as PostgreSQL reads texts: what json_to_record would make of them, done here without the server.

use serde_json::Value;

/// A string's content, a number or a boolean as written; `None` for objects, arrays and null.
pub(super) fn scalar_text(json: &str) -> Option<String> {
    match serde_json::from_str(json).ok()? {
        Value::String(text) => Some(text),
        // As written: a number is not squeezed through a float.
        Value::Bool(_) | Value::Number(_) => Some(json.trim().to_owned()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An array of scalars, or of such arrays, as an array literal. `None` when there is an object in it.
pub(super) fn array_literal_of(json: &str) -> Option<String> {
    let items: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(json).ok()?;
    let mut literal = String::from("{");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            literal.push(',');
        }
        match item.get() {
            "null" => literal.push_str("NULL"),
            nested if nested.starts_with('[') => literal.push_str(&array_literal_of(nested)?),
            scalar => {
                let quoted = pg::statement::array_literal([scalar_text(scalar)?.as_str()]);
                literal.push_str(quoted.strip_prefix('{')?.strip_suffix('}')?);
            }
        }
    }
    literal.push('}');
    Some(literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_become_literals() {
        assert_eq!(
            array_literal_of(r#"[1, "a\"b", null, [true]]"#).as_deref(),
            Some(r#"{"1","a\"b",NULL,{"true"}}"#)
        );
        assert_eq!(array_literal_of(r#"[{"a":1}]"#), None);
        assert_eq!(array_literal_of("[]").as_deref(), Some("{}"));
    }

    #[test]
    fn scalars_keep_their_digits() {
        assert_eq!(scalar_text("12345678901234567890.10").as_deref(), Some("12345678901234567890.10"));
        assert_eq!(scalar_text(r#""a\n""#).as_deref(), Some("a\n"));
        assert_eq!(scalar_text("{}"), None);
    }
}
