//! A query string without the values of its plain comparisons: what requests of one shape have in common.
//!
//! Invariant: the shape is a query string itself, a mark standing for each value; two queries of one shape differ in those
//! values alone. What follows `eq.` and its like is taken whole, whatever it is, so no value can reach into the shape.

use super::parameters::{decode, encode};

/// A query string in two parts.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Shape {
    /// The query, a mark for each value.
    pub marked: String,
    /// The values, decoded.
    pub values: Vec<String>,
}

/// Operators whose operand is all that follows, as it is.
const PLAIN: [&str; 6] = ["eq.", "neq.", "gt.", "gte.", "lt.", "lte."];
/// Parameters that are no filters, also behind the path of an embed.
const RESERVED: [&str; 8] = ["select", "columns", "on_conflict", "order", "limit", "offset", "and", "or"];

/// Takes the values out of a raw query string.
pub fn shape(raw: &str) -> Shape {
    let mut shape = Shape { marked: String::with_capacity(raw.len() + 16), values: Vec::new() };
    for pair in raw.split('&') {
        if !shape.marked.is_empty() {
            shape.marked.push('&');
        }
        match value_at(pair) {
            None => shape.marked.push_str(pair),
            Some(at) => {
                let (head, value) = pair.split_at(at);
                shape.marked.push_str(head);
                push_mark(&mut shape.marked, shape.values.len());
                shape.values.push(decode(value));
            }
        }
    }
    shape
}

/// Where the value of a plain comparison begins.
fn value_at(pair: &str) -> Option<usize> {
    let (name, value) = pair.split_once('=')?;
    let last = name.rsplit('.').next().unwrap_or(name);
    // A name in percent signs might be any of them.
    if name.contains('%') || name.contains('+') || RESERVED.contains(&last) {
        return None;
    }
    let operator = PLAIN.iter().find(|operator| value.starts_with(**operator))?;
    Some(name.len() + 1 + operator.len())
}

fn push_mark(out: &mut String, index: usize) {
    out.push('\u{e000}');
    out.push_str(&index.to_string());
    out.push('\u{e001}');
}

/// What stands for a value.
pub fn mark(index: usize) -> String {
    let mut mark = String::new();
    push_mark(&mut mark, index);
    mark
}

/// A canonical query string with places for the values.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Canonical {
    /// Text, and the value that comes behind it.
    parts: Vec<(String, usize)>,
    rest: String,
}

impl Canonical {
    /// From the canonical form of a marked query with `count` values; `None` unless each has one place.
    pub fn of(marked: &str, count: usize) -> Option<Self> {
        let mut places = Vec::with_capacity(count);
        for index in 0..count {
            let mut wanted = String::new();
            encode(&mark(index), &mut wanted);
            let mut found = marked.match_indices(&*wanted);
            let (at, text) = found.next()?;
            if found.next().is_some() {
                return None;
            }
            places.push((at, text.len(), index));
        }
        places.sort_unstable();
        let (mut parts, mut from) = (Vec::with_capacity(count), 0);
        for (at, length, index) in places {
            parts.push((marked.get(from..at)?.to_owned(), index));
            from = at + length;
        }
        Some(Canonical { parts, rest: marked.get(from..)?.to_owned() })
    }

    /// With the values in their places.
    pub fn with(&self, values: &[String], out: &mut String) {
        for (text, index) in &self.parts {
            out.push_str(text);
            encode(values.get(*index).map_or("", String::as_str), out);
        }
        out.push_str(&self.rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Reading, parse};

    #[test]
    fn values_are_taken_out_and_nothing_else() {
        let found = shape(
            "select=id&id=eq.1&title=like.a*&lists.name=neq.a+b%26&order=id.desc&or=(a.eq.1)&x%2Eorder=eq.1",
        );
        assert_eq!(
            found.marked,
            "select=id&id=eq.\u{e000}0\u{e001}&title=like.a*&lists.name=neq.\u{e000}1\u{e001}&order=id.desc&or=(a.eq.1)&x%2Eorder=eq.1"
        );
        assert_eq!(found.values, ["1", "a b&"]);
        assert_eq!(shape("limit=eq.1&a.order=eq.2&a=eq(any).{1}").values, [""; 0]);
    }

    #[test]
    fn the_canonical_form_is_the_same_by_either_way() {
        for raw in ["b=eq.2&a=eq.%26&a=lt.x", "z=gte.\u{e000}7\u{e001}&select=id", "id=eq."] {
            let shape = shape(raw);
            let marked = parse(&shape.marked, Reading::Filters).unwrap().canonical;
            let mut written = String::new();
            Canonical::of(&marked, shape.values.len()).unwrap().with(&shape.values, &mut written);
            assert_eq!(written, parse(raw, Reading::Filters).unwrap().canonical);
        }
    }

    #[test]
    fn a_mark_of_the_callers_own_is_no_place() {
        let shape = shape("select=\u{e000}0\u{e001}&id=eq.1");
        let mut canonical = String::new();
        encode(&shape.marked, &mut canonical);
        assert_eq!(Canonical::of(&canonical, 1), None);
    }
}
