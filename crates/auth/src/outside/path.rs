//! Where a role stands in the claims: a little of RFC 9535 (`$.a['b'][0][?@ == "x"]`), and the older `.a."b"[0]`.
//!
//! Invariant: the first match counts, and a path that does not fit finds nothing.

use serde_json::{Map, Value};

/// A parsed path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    Matching(Test, String),
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Test {
    Equal,
    NotEqual,
    StartsWith,
    EndsWith,
    Contains,
}

impl Path {
    /// Reads either form.
    pub(super) fn parse(text: &str) -> Option<Path> {
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = if let Some(after) = rest.strip_prefix("[?") {
                matching(after)?
            } else if let Some(after) = rest.strip_prefix('[') {
                bracket(after)?
            } else {
                key(rest.strip_prefix('.')?)?
            };
            steps.push(step);
            rest = after;
        }
        Some(Path(steps))
    }

    /// The first value at the path.
    pub(super) fn find(&self, claims: &Map<String, Value>) -> Option<Value> {
        let mut at = Value::Object(claims.clone());
        for step in &self.0 {
            at = match (step, at) {
                (Step::Key(key), Value::Object(mut object)) => object.remove(key)?,
                (Step::Index(index), Value::Array(list)) => list.into_iter().nth(*index)?,
                (Step::Matching(test, text), Value::Array(list)) => {
                    list.into_iter().find(|item| item.as_str().is_some_and(|item| test.holds(item, text)))?
                }
                _ => return None,
            };
        }
        Some(at)
    }
}

impl Test {
    fn holds(self, item: &str, text: &str) -> bool {
        match self {
            Test::Equal => item == text,
            Test::NotEqual => item != text,
            Test::StartsWith => item.starts_with(text),
            Test::EndsWith => item.ends_with(text),
            Test::Contains => item.contains(text),
        }
    }
}

fn key(text: &str) -> Option<(Step, &str)> {
    if text.starts_with('"') {
        let (key, rest) = quoted(text)?;
        return Some((Step::Key(key), rest));
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || "_$@".contains(c))).unwrap_or(text.len());
    let (key, rest) = text.split_at(end);
    (!key.is_empty()).then(|| (Step::Key(key.to_owned()), rest))
}

fn bracket(text: &str) -> Option<(Step, &str)> {
    if text.starts_with(['"', '\'']) {
        let (key, rest) = quoted(text)?;
        return Some((Step::Key(key), rest.strip_prefix(']')?));
    }
    let (digits, rest) = text.split_once(']')?;
    Some((Step::Index(digits.trim().parse().ok()?), rest))
}

fn matching(text: &str) -> Option<(Step, &str)> {
    let (text, closing) = match text.strip_prefix('(') {
        Some(text) => (text, ")]"),
        None => (text, "]"),
    };
    let text = text.trim_start().strip_prefix('@')?.trim_start();
    // The longer operators first: `==^` begins as `==` does.
    const TESTS: [(&str, Test); 5] = [
        ("==^", Test::EndsWith),
        ("^==", Test::StartsWith),
        ("*==", Test::Contains),
        ("==", Test::Equal),
        ("!=", Test::NotEqual),
    ];
    let (test, text) = TESTS.iter().find_map(|(sign, test)| Some((*test, text.strip_prefix(sign)?)))?;
    let (value, rest) = quoted(text.trim_start())?;
    Some((Step::Matching(test, value), rest.trim_start().strip_prefix(closing)?))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (inner, rest) = text.get(1..)?.split_once(quote)?;
    Some((inner.to_owned(), rest))
}
