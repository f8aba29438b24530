//! What names a row among all rows, and a place in an order: base64 of a JSON array.
//!
//! Invariant: what cannot be read is refused; what can be read is still only values for parameters.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use data::graph::ask::{Logic, Test, Text};
use gql::error::Error;

use crate::bind::Table;

/// The parts of a place: each a text, or null.
pub type Place = Vec<Option<String>>;

fn array(text: &str) -> Option<Vec<Json>> {
    match serde_json::from_slice(&STANDARD.decode(text.trim()).ok()?).ok()? {
        Json::Array(items) => Some(items),
        _ => None,
    }
}

fn part(json: &Json) -> Option<String> {
    match json {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A cursor for an order of so many terms.
pub fn cursor(text: &str, terms: usize) -> Result<Place, Error> {
    let place: Option<Place> = array(text).map(|items| items.iter().map(part).collect());
    place
        .filter(|place| {
            (1..=terms).contains(&place.len()) && place.iter().flatten().all(|part| !part.contains('\0'))
        })
        .ok_or_else(|| Error::invalid("Invalid cursor: it is none of this order"))
}

/// A row's name: schema, table, values of its key.
pub fn node(text: &str) -> Result<(String, String, Place), Error> {
    let invalid =
        |number: u8| Error::invalid(format!("Invalid value passed to nodeId argument. Error {number}"));
    let items = array(text).ok_or_else(|| invalid(4))?;
    match items.as_slice() {
        [Json::String(schema), Json::String(table), key @ ..] if !key.is_empty() => {
            Ok((schema.clone(), table.clone(), key.iter().map(part).collect()))
        }
        _ => Err(invalid(5)),
    }
}

/// The row of a table whose key is this.
pub fn is_row(table: &Table, key: Place) -> Result<Vec<Logic>, Error> {
    if key.len() != table.key.len() || key.iter().flatten().any(|part| part.contains('\0')) {
        return Err(Error::invalid("Invalid value passed to nodeId argument. Error 10"));
    }
    let test = |(column, value): (&std::sync::Arc<str>, Option<String>)| Logic::Test {
        column: column.to_string(),
        test: match value {
            Some(value) => Test::Compare(data::ask::Operator::Equal, Text::Given(value)),
            None => Test::Unknown,
        },
    };
    Ok(table.key.iter().zip(key).map(test).collect())
}
