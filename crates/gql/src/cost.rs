//! What an operation costs by the guide's formula (control 44): 1 for a field, 10 for a list, and what is in a list
//! counts ten times, or as often as the field's own limit says when that is less.
//!
//! Invariant: counted on the operation with its fragments expanded and before equal fields are merged, each fragment once;
//! sums saturate. What reads the schema costs 1: it has limits of its own.

use std::collections::HashMap;
use std::sync::Arc;

use crate::doc::{Document, Field, Operation, Selection};
use crate::measure::reads_schema;

/// What a list costs, and how often its inside counts at most.
pub const LIST: u64 = 10;

/// What a field is to the formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// The type of what is selected inside.
    pub of: Arc<str>,
    /// When it is a list: the most rows asked for, when said.
    pub list: Option<Option<u64>>,
}

/// What a field is, by its parent type; `None` when there is no such field.
pub type Weigh<'a> = &'a dyn Fn(&str, &Field) -> Option<Weight>;

/// The cost of an operation whose root is of type `root`. The document has been measured.
pub fn cost(document: &Document, operation: &Operation, root: &str, weigh: Weigh<'_>) -> u64 {
    let mut known = HashMap::new();
    level(document, &operation.selections, root, weigh, &mut known)
}

fn level<'d>(
    document: &'d Document,
    selections: &'d [Selection],
    parent: &str,
    weigh: Weigh<'_>,
    known: &mut HashMap<(&'d str, String), u64>,
) -> u64 {
    let mut all = 0_u64;
    for selection in selections {
        let one = match selection {
            Selection::Field(field) if reads_schema(&field.name) => 1,
            Selection::Field(field) => match weigh(parent, field) {
                None => 1,
                Some(Weight { of, list }) => {
                    let inside = level(document, &field.selections, &of, weigh, known);
                    match list {
                        None => inside.saturating_add(1),
                        Some(limit) => {
                            inside.saturating_mul(limit.unwrap_or(LIST).min(LIST)).saturating_add(LIST)
                        }
                    }
                }
            },
            Selection::Inline { on, selections, .. } => {
                level(document, selections, on.as_deref().unwrap_or(parent), weigh, known)
            }
            Selection::Spread { name, .. } => match document.fragment(name) {
                None => 0,
                Some(fragment) => {
                    let key = (&*fragment.name, fragment.on.to_string());
                    match known.get(&key) {
                        Some(cost) => *cost,
                        None => {
                            let cost = level(document, &fragment.selections, &fragment.on, weigh, known);
                            known.insert(key, cost);
                            cost
                        }
                    }
                }
            },
        };
        all = all.saturating_add(one);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, parse};

    /// Everything that ends in `s` is a list, as the guide's own example reads.
    fn weigh(_: &str, field: &Field) -> Option<Weight> {
        let limit = match field.argument("limit") {
            Some(crate::doc::Value::Int(digits)) => digits.parse().ok(),
            _ => None,
        };
        Some(Weight { of: "T".into(), list: field.name.ends_with('s').then_some(limit) })
    }

    fn of(text: &str) -> u64 {
        let document = parse(text, &Bounds::new(50, 1)).unwrap();
        cost(&document, &document.operations[0], "Query", &weigh)
    }

    #[test]
    fn lists_in_lists_multiply() {
        assert_eq!(of("{ me { name } }"), 2);
        assert_eq!(of("{ users { name } }"), 20);
        assert_eq!(of("{ users { posts { comments { author { name } } } } }"), 3110);
        assert_eq!(of("{ users { posts { comments { author { posts { title } } } } } }"), 22_110);
    }

    #[test]
    fn a_smaller_limit_multiplies_less_and_a_larger_one_not_more() {
        assert_eq!(of("{ users(limit: 2) { name } }"), 12);
        assert_eq!(of("{ users(limit: 500) { name } }"), 20);
        assert_eq!(
            of("{ users(limit: 1) { posts(limit: 1) { comments(limit: 1) { author { name } } } } }"),
            32
        );
    }

    #[test]
    fn neither_fragments_nor_aliases_nor_repetition_hide_anything() {
        assert_eq!(
            of("{ users { ...F } } fragment F on T { posts { title } }"),
            of("{ users { posts { title } } }")
        );
        assert_eq!(of("{ a: users { name } b: users { name } }"), 40);
        assert_eq!(of("{ users { name name name } }"), 40);
        assert_eq!(of("{ ...__schema } fragment __schema on Query { users { name } }"), 20);
    }
}
