//! Operators and their values: the SDK's spelling in an address, or JSON in a body, as the data API's grammar has them.

use serde_json::Value;

use super::Error;

/// What kind of values a column has, as far as lists are spelled differently for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tables) enum Kind {
    /// An array.
    Array,
    /// `json` or `jsonb`.
    Json,
    /// Anything else: ranges have parentheses of their own.
    Other,
}

const OPERATORS: [&str; 25] = [
    "eq",
    "neq",
    "gt",
    "gte",
    "lt",
    "lte",
    "like",
    "ilike",
    "match",
    "imatch",
    "is",
    "isnot",
    "isdistinct",
    "in",
    "nin",
    "cs",
    "cd",
    "ov",
    "sl",
    "sr",
    "nxr",
    "nxl",
    "adj",
    "fts",
    "plfts",
];
/// The rest of them, and those that stand for extensions.
const MORE: [&str; 2] = ["wfts", "phfts"];
const ABSENT: [&str; 2] = ["st_", "vec_"];

/// Whether it is an operator, of the data API or of Fluxbase alone.
pub(super) fn all_operators(word: &str) -> bool {
    let bare = word.split('(').next().unwrap_or(word);
    OPERATORS.contains(&bare) || MORE.contains(&bare) || is_absent(bare)
}

fn is_absent(operator: &str) -> bool {
    ABSENT.iter().any(|prefix| operator.starts_with(prefix))
}

/// `op.value` of an address, with its list spelled as the column wants it. What is no operator is left to be refused.
pub(super) fn operand(test: &str, kind: Kind) -> Result<String, Error> {
    let (negated, rest) = match test.strip_prefix("not.") {
        Some(rest) => (true, rest),
        None => (false, test),
    };
    let Some((operator, value)) = rest.split_once('.') else { return Ok(test.to_owned()) };
    if is_absent(operator) {
        return Err(absent(operator));
    }
    let not = if negated { "not." } else { "" };
    let turned = if negated { "" } else { "not." };
    Ok(match operator {
        "cs" | "cd" | "ov" => format!("{not}{operator}.{}", list(value, kind)),
        "nin" => format!("{turned}in.{value}"),
        "isnot" => format!("{turned}is.{value}"),
        _ => test.to_owned(),
    })
}

/// The SDK writes a list as `(a,b)` whatever it is compared with.
fn list(value: &str, kind: Kind) -> String {
    let Some(inner) = value.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) else {
        return value.to_owned();
    };
    match kind {
        Kind::Other => value.to_owned(),
        Kind::Array => array(pieces(inner)),
        Kind::Json => {
            let item = |piece: String| match serde_json::from_str::<Value>(&piece) {
                Ok(known) if !known.is_array() && !known.is_object() => known,
                _ => Value::String(piece),
            };
            Value::Array(pieces(inner).into_iter().map(item).collect()).to_string()
        }
    }
}

/// `a,"b,c"`: what is quoted holds commas.
fn pieces(inner: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut chars = inner.chars().peekable();
    while chars.peek().is_some() {
        let mut piece = String::new();
        if chars.next_if_eq(&'"').is_some() {
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => piece.extend(chars.next()),
                    c => piece.push(c),
                }
            }
        }
        while let Some(c) = chars.next_if(|c| *c != ',') {
            piece.push(c);
        }
        all.push(piece);
        if chars.next().is_some() && chars.peek().is_none() {
            all.push(String::new());
        }
    }
    all
}

/// An array as PostgreSQL reads it.
fn array(pieces: impl IntoIterator<Item = String>) -> String {
    let quoted: Vec<String> = pieces.into_iter().map(|piece| quoted(&piece)).collect();
    format!("{{{}}}", quoted.join(","))
}

/// In quotes, with what would end them escaped: the grammar and PostgreSQL's arrays read it alike.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `op.value` for a value of a body.
pub(super) fn spelled(operator: &str, value: &Value, kind: Kind) -> Result<String, Error> {
    if is_absent(operator) {
        return Err(absent(operator));
    }
    let items = || match value {
        Value::Array(items) => items.clone(),
        other => vec![other.clone()],
    };
    Ok(match (operator, value) {
        // The SDK puts operator and value of a negation into one text.
        ("not", Value::String(test)) => operand(&format!("not.{test}"), kind)?,
        ("in" | "nin", value) => {
            let not = if operator == "nin" { "not." } else { "" };
            if let Value::String(spelled) = value
                && spelled.starts_with('(')
            {
                return Ok(format!("{not}in.{spelled}"));
            }
            let all: Vec<String> = items().iter().map(|item| quoted(&text(item))).collect();
            format!("{not}in.({})", all.join(","))
        }
        ("isnot", value) => format!("not.is.{}", text(value)),
        ("cs" | "cd" | "ov", Value::Array(items)) => match kind {
            Kind::Json => format!("{operator}.{value}"),
            Kind::Array | Kind::Other => format!("{operator}.{}", array(items.iter().map(text))),
        },
        ("cs" | "cd" | "ov", Value::String(spelled)) => format!("{operator}.{}", list(spelled, kind)),
        (operator, value) if all_operators(operator) => format!("{operator}.{}", text(value)),
        (operator, _) => return Err(Error::Invalid(format!("Unknown operator {operator:?}"))),
    })
}

/// A value as PostgreSQL reads it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn absent(operator: &str) -> Error {
    Error::Absent(format!("The operator {operator} is not offered here"))
}
