//! What PostgREST's own description does not say: what CHECK constraints ask of a column alone, whether it may be null, and
//! every answer there can be.
//!
//! Invariant: nothing stands here that would refuse a value PostgreSQL takes; what has no such word is left out.

use data::catalog::{Bound, Column};
use data::javascript;
use serde_json::{Map, Value, json};

/// Adds what is asked of a column, to what is known of its type.
pub(super) fn add(schema: &mut Map<String, Value>, column: &Column) {
    // An enum's own labels, or the type's own words, are not written over.
    let is_text = schema.get("type").is_some_and(|kind| kind == "string") && !schema.contains_key("enum");
    let is_number = schema.get("type").is_some_and(|kind| kind == "integer" || kind == "number");
    for bound in &column.bounds {
        match bound {
            Bound::Min(least) if is_number => tighten(schema, "minimum", least, None, |new, old| new >= old),
            Bound::Above(least) if is_number => {
                tighten(schema, "minimum", least, Some("exclusiveMinimum"), |new, old| new >= old);
            }
            Bound::Max(most) if is_number => tighten(schema, "maximum", most, None, |new, old| new <= old),
            Bound::Below(most) if is_number => {
                tighten(schema, "maximum", most, Some("exclusiveMaximum"), |new, old| new <= old);
            }
            Bound::MinLength(least) if is_text => {
                let least = (*least).max(known(schema, "minLength").unwrap_or(0));
                schema.insert("minLength".to_owned(), least.into());
            }
            Bound::MaxLength(most) if is_text => {
                let most = (*most).min(known(schema, "maxLength").unwrap_or(u32::MAX));
                schema.insert("maxLength".to_owned(), most.into());
            }
            // A pattern has no flags here.
            Bound::Pattern { text, any_case: false } if is_text => {
                if let Some(pattern) = javascript::pattern(text) {
                    schema.entry("pattern").or_insert(pattern.into());
                }
            }
            Bound::OneOf(all) if is_text => {
                schema.entry("enum").or_insert(all.iter().map(|one| Value::from(one.as_str())).collect());
            }
            Bound::OneOf(all) if is_number => {
                let numbers: Option<Vec<Value>> = all.iter().map(|one| number(one)).collect();
                if let Some(numbers) = numbers {
                    schema.entry("enum").or_insert(numbers.into());
                }
            }
            Bound::Min(_)
            | Bound::Above(_)
            | Bound::Max(_)
            | Bound::Below(_)
            | Bound::MinLength(_)
            | Bound::MaxLength(_)
            | Bound::Pattern { .. }
            | Bound::OneOf(_) => {}
        }
    }
    if !column.required {
        schema.insert("x-nullable".to_owned(), true.into());
    }
}

/// Says of every operation what its refusals look like, of writes that they may give rows, and of all that they may give
/// their plan, to callers who may ask for it.
pub(super) fn describe_answers(document: &mut Value, plans: bool) {
    document["responses"] = json!({ "refused": {
        "description": "Refused: what, why, and what would help",
        "schema": {
            "type": "object",
            "properties": {
                "code": { "type": "string" },
                "message": { "type": "string" },
                "details": {},
                "hint": { "type": "string", "x-nullable": true },
            },
            "required": ["code", "message"],
        },
    }});
    if let Some(types) = document["produces"].as_array_mut() {
        types.push("application/vnd.pgrst.array+json;nulls=stripped".into());
        let of_plans = ["application/vnd.pgrst.plan+json", "application/vnd.pgrst.plan+text"];
        types.extend(of_plans.into_iter().filter(|_| plans).map(Value::from));
    }
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, operations) in paths {
        let relation = path.strip_prefix('/').filter(|rest| !rest.is_empty() && !rest.starts_with("rpc/"));
        let rows = relation
            .map(|name| json!({ "type": "array", "items": { "$ref": format!("#/definitions/{}", super::pointed(name)) } }));
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            // CSV is given of functions too.
            if let Some(operation) = operation.as_object_mut().filter(|_| path.starts_with("/rpc/")) {
                operation.remove("produces");
            }
            let answers = &mut operation["responses"];
            answers["default"] = json!({ "$ref": "#/responses/refused" });
            if let Some(rows) = rows.as_ref().filter(|_| method != "get") {
                answers["200"] = json!({ "description": "OK", "schema": rows });
            }
            if let Some(rows) = rows.as_ref() {
                for partial in ["201", "206"] {
                    if let Some(answer) = answers.get_mut(partial) {
                        answer["schema"] = rows.clone();
                    }
                }
            }
        }
    }
}

fn known(schema: &Map<String, Value>, word: &str) -> Option<u32> {
    schema.get(word).and_then(Value::as_u64).and_then(|known| u32::try_from(known).ok())
}

fn number(text: &str) -> Option<Value> {
    serde_json::from_str::<serde_json::Number>(text).ok().map(Value::Number)
}

/// Of several bounds the tightest counts.
fn tighten(
    schema: &mut Map<String, Value>,
    word: &str,
    text: &str,
    excluding: Option<&str>,
    tighter: fn(f64, f64) -> bool,
) {
    let Some(new) = number(text) else { return };
    let old = schema.get(word).and_then(Value::as_f64);
    if !old.is_none_or(|old| new.as_f64().is_some_and(|new| tighter(new, old))) {
        return;
    }
    schema.insert(word.to_owned(), new);
    match excluding {
        Some(excluding) => {
            schema.insert(excluding.to_owned(), true.into());
        }
        // The same bound said twice: the one that excludes holds.
        None if old.is_some() && old == schema.get(word).and_then(Value::as_f64) => {}
        None => {
            let excluding = if word == "minimum" { "exclusiveMinimum" } else { "exclusiveMaximum" };
            schema.remove(excluding);
        }
    }
}

#[cfg(test)]
mod tests {
    use data::catalog::{Bound, Column};
    use serde_json::{Value, json};

    use super::add;

    fn said(kind: &str, bounds: Vec<Bound>) -> Value {
        let mut schema = serde_json::Map::new();
        schema.insert("type".into(), kind.into());
        add(&mut schema, &Column { bounds, required: true, ..Column::default() });
        Value::Object(schema)
    }

    #[test]
    fn the_tightest_bound_is_said() {
        let all = ["1", "5", "3"].map(|least| Bound::Min(least.into())).to_vec();
        assert_eq!(said("integer", all), json!({ "type": "integer", "minimum": 5 }));
        let both = vec![Bound::Below("10".into()), Bound::Max("10".into()), Bound::Max("12".into())];
        assert_eq!(
            said("number", both),
            json!({ "type": "number", "maximum": 10, "exclusiveMaximum": true })
        );
        let below = vec![Bound::Below("10".into()), Bound::Max("7.5".into())];
        assert_eq!(said("number", below), json!({ "type": "number", "maximum": 7.5 }));
    }

    #[test]
    fn a_text_is_bounded_in_length_and_form_and_a_number_is_not() {
        let bounds = vec![
            Bound::MinLength(2),
            Bound::MaxLength(9),
            Bound::Pattern { text: "^[a-z]+$".into(), any_case: false },
            Bound::Min("1".into()),
        ];
        let text = json!({ "type": "string", "minLength": 2, "maxLength": 9, "pattern": "^[a-z]+$" });
        assert_eq!(said("string", bounds.clone()), text);
        assert_eq!(said("integer", bounds), json!({ "type": "integer", "minimum": 1 }));
        let any_case = vec![Bound::Pattern { text: "^a$".into(), any_case: true }];
        assert_eq!(said("string", any_case), json!({ "type": "string" }));
        let list = vec![Bound::OneOf(vec!["1".into(), "2".into()])];
        assert_eq!(said("integer", list.clone()), json!({ "type": "integer", "enum": [1, 2] }));
        assert_eq!(said("string", list), json!({ "type": "string", "enum": ["1", "2"] }));
    }
}
