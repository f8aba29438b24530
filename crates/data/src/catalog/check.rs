//! What is asked of the values of a column beyond what PostgreSQL checks: lines in its comment, or in its domain's.
//!
//! `@palisade html: sanitize` has text cleaned before it is stored (control 122); `@palisade schema: {…}` has JSON checked
//! against a JSON schema (control 121). Invariant: a line that cannot be read closes the column to writes; it never means
//! that nothing is asked.

use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::types::{TypeKind, Types, oid};
use crate::limits::{SCHEMA_BYTES_MAX, WORDS_BYTES_MAX};

/// What begins a line of a comment that is meant for us.
pub(crate) const TAG: &str = "@palisade ";

/// A JSON schema, ready to be asked.
pub struct Schema {
    /// As written.
    pub text: Value,
    validator: Validator,
    /// Whether it refers to itself, so that a value may be held against it in as many ways as it is deep to the power of its choices.
    refers_to_itself: bool,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Schema({})", self.text)
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Schema {}

impl Schema {
    fn read(text: Value) -> Result<Self, String> {
        let options = jsonschema::options()
            .should_validate_formats(true)
            // Patterns take linear time: the values are strangers'.
            .with_pattern_options(PatternOptions::regex());
        match options.build(&text) {
            Ok(validator) => Ok(Schema { refers_to_itself: refers_to_itself(&text), text, validator }),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What is wrong with a value: where, and what.
    pub fn refuses(&self, value: &Value) -> Option<(String, String)> {
        // Whether it holds is known of each part once. What is wrong is looked for along every way there is.
        if self.validator.is_valid(value) {
            return None;
        }
        if self.refers_to_itself {
            return Some((String::new(), "is not what its schema asks for".to_owned()));
        }
        let error = self.validator.iter_errors(value).next()?;
        Some((cut(&error.instance_path().to_string()), cut(&error.to_string())))
    }
}

/// What was sent stands in it, and is known to whoever sent it.
fn cut(text: &str) -> String {
    let most = text.floor_char_boundary(WORDS_BYTES_MAX.size());
    let end = if most < text.len() { "…" } else { "" };
    format!("{}{end}", text.get(..most).unwrap_or_default())
}

/// Whether a part of a schema may stand inside of itself. A reference of which that is not known counts as one.
fn refers_to_itself(schema: &Value) -> bool {
    let mut open: Vec<(String, Vec<String>)> = vec![(String::new(), references(schema))];
    let mut next = 0;
    while let Some((_, to)) = open.get(next) {
        for pointer in to.clone() {
            // The whole holds each part, and so would hold itself.
            let Some(part) = schema.pointer(&pointer).filter(|_| !pointer.is_empty()) else { return true };
            if !open.iter().any(|(known, _)| *known == pointer) {
                open.push((pointer, references(part)));
            }
        }
        next += 1;
    }
    // Of the parts that are referred to, those that refer to nothing that is left, one after the other.
    open.remove(0);
    let inside = |pointer: &str, part: &str| pointer == part || pointer.starts_with(&format!("{part}/"));
    loop {
        let parts: Vec<String> = open.iter().map(|(part, _)| part.clone()).collect();
        let before = open.len();
        open.retain(|(_, to)| {
            to.iter().any(|to| parts.iter().any(|part| inside(to, part) || inside(part, to)))
        });
        if open.len() == before {
            return !open.is_empty();
        }
    }
}

/// Where the references in a part of a schema lead, as JSON pointers; what is none leads to the whole.
fn references(part: &Value) -> Vec<String> {
    match part {
        Value::Object(all) => {
            let here =
                all.iter().filter(|(name, _)| ["$ref", "$dynamicRef", "$recursiveRef"].contains(&&***name));
            let here = here.map(|(_, to)| {
                let pointer = to.as_str().and_then(|to| to.strip_prefix('#')).unwrap_or_default();
                if pointer.contains('%') { String::new() } else { pointer.to_owned() }
            });
            here.chain(all.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// What lines of comments ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Text is cleaned as HTML.
    pub html: bool,
    /// JSON obeys all of these.
    pub schemas: Vec<Arc<Schema>>,
    /// Why a line cannot be read.
    pub broken: Option<Arc<str>>,
}

/// The kind of value a column holds, as far as cleaning goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Text.
    Text,
    /// JSON.
    Json,
    /// An array of texts.
    Texts,
    /// An array of JSON.
    Jsons,
}

/// What is asked of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub asked: Asked,
    /// Of which kind of value.
    pub holds: Holds,
}

impl Asked {
    /// From a comment; nothing when no line of it is meant for us.
    pub fn read(comment: &str) -> Option<Asked> {
        if !mentions(comment) {
            return None;
        }
        let mut asked = Asked::default();
        let mut rest = comment;
        while let Some((word, after)) = next(rest) {
            rest = after;
            if let Err(why) = asked.take(word, &mut rest) {
                asked.broken.get_or_insert(why.into());
            }
        }
        (asked != Asked::default()).then_some(asked)
    }

    /// Takes in one line; a schema may go on over the next ones.
    fn take(&mut self, word: &str, rest: &mut &str) -> Result<(), String> {
        let line = rest.lines().next().unwrap_or_default();
        match word {
            "html" => match line.trim() {
                "sanitize" | "sanitise" => self.html = true,
                other => return Err(format!("html: {other} is not known; html: sanitize is")),
            },
            "schema" => {
                let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
                let value = match values.next() {
                    Some(Ok(value)) => value,
                    Some(Err(error)) => return Err(format!("its schema is no JSON: {error}")),
                    None => return Err("its schema is missing".to_owned()),
                };
                let length = values.byte_offset();
                if length as u64 > SCHEMA_BYTES_MAX.value {
                    return Err(format!("its schema is longer than {}", SCHEMA_BYTES_MAX.name));
                }
                *rest = rest.get(length..).unwrap_or_default();
                self.schemas.push(Arc::new(Schema::read(value)?));
            }
            other => return Err(format!("{other} is no rule for a column; html and schema are")),
        }
        Ok(())
    }

    pub(super) fn join(&mut self, other: &Asked) {
        self.html |= other.html;
        for schema in &other.schemas {
            if !self.schemas.contains(schema) {
                self.schemas.push(Arc::clone(schema));
            }
        }
        if self.broken.is_none() {
            self.broken.clone_from(&other.broken);
        }
    }
}

/// The next line that is meant for us: its word, and what stands behind it.
fn next(text: &str) -> Option<(&str, &str)> {
    let mut rest = text;
    loop {
        let line = rest.trim_start();
        if let Some(ours) = line.strip_prefix(TAG) {
            let end = ours.find([':', '\n']).unwrap_or(ours.len());
            let (word, after) = ours.split_at_checked(end)?;
            return Some((word.trim(), after.strip_prefix(':').unwrap_or(after)));
        }
        let (here, after) = line.split_once('\n').unwrap_or((line, ""));
        if mentions(here) {
            return Some((MISPLACED, after));
        }
        if after.is_empty() {
            return None;
        }
        rest = after;
    }
}

/// Whether our word stands in a text, however it is written; as a part of an address (`ops@palisade.example`) it is another's.
fn mentions(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.match_indices("@palisade").any(|(at, word)| {
        let ends = |letter: Option<char>| letter.is_none_or(|letter| letter.is_whitespace() || letter == ':');
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let behind = text.get(at + word.len()..).and_then(|behind| behind.chars().next());
        ends(behind) && !before.is_some_and(|letter| letter.is_alphanumeric() || "._+-".contains(letter))
    })
}

/// A line that holds our word and does not begin with it.
const MISPLACED: &str = "what does not stand as `@palisade ` at the beginning of its line";

/// A column's comment without the lines that are meant for us: it may be shown to callers.
pub(crate) fn shown(comment: &str) -> Option<Arc<str>> {
    let mut kept = String::new();
    let mut rest = comment;
    while !rest.is_empty() {
        if let Some(ours) = rest.trim_start_matches([' ', '\t']).strip_prefix(TAG) {
            let after = ours.split_once(':').filter(|(word, _)| *word == "schema").and_then(|(_, after)| {
                let mut values = serde_json::Deserializer::from_str(after).into_iter::<Value>();
                values.next()?.ok()?;
                after.get(values.byte_offset()..)
            });
            let after = after.unwrap_or(ours);
            rest = after.split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        kept.push_str(line);
        kept.push('\n');
        rest = after;
    }
    let kept = kept.trim_end();
    (!kept.trim().is_empty()).then(|| kept.into())
}

impl Check {
    /// What is asked of a column of this type; a type that it cannot be asked of closes the column.
    pub(super) fn of(mut asked: Asked, type_oid: u32, types: &Types) -> Check {
        let holds = holds(type_oid, types);
        if holds.is_none() {
            asked.broken.get_or_insert("its type holds neither text nor JSON".into());
        }
        if !asked.schemas.is_empty() && holds != Some(Holds::Json) {
            asked.broken.get_or_insert("a schema is for json and jsonb".into());
        }
        Check { asked, holds: holds.unwrap_or(Holds::Text) }
    }
}

fn holds(type_oid: u32, types: &Types) -> Option<Holds> {
    let base = types.base(type_oid);
    let found = types.get(base)?;
    match (found.kind, found.element) {
        (TypeKind::Array, Some(element)) => match holds(element, types)? {
            Holds::Text => Some(Holds::Texts),
            Holds::Json => Some(Holds::Jsons),
            Holds::Texts | Holds::Jsons => None,
        },
        (TypeKind::Base, _) => match base {
            oid::JSON | oid::JSONB => Some(Holds::Json),
            // text, varchar, bpchar, name, xml
            oid::TEXT | 1043 | 1042 | 19 | oid::XML => Some(Holds::Text),
            _ if &*found.name == "citext" => Some(Holds::Text),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Asked, shown};

    #[test]
    fn lines_meant_for_us_are_read_and_not_shown() {
        let comment =
            "What is said.\n@palisade html: sanitize\n@palisade schema: {\"type\":\n \"object\"}\nAnd more.";
        let asked = Asked::read(comment).unwrap();
        assert!(asked.html && asked.broken.is_none());
        assert_eq!(asked.schemas[0].text, json!({ "type": "object" }));
        assert!(asked.schemas[0].refuses(&json!({})).is_none());
        assert!(asked.schemas[0].refuses(&json!([])).unwrap().1.contains("object"));
        assert_eq!(shown(comment).as_deref(), Some("What is said.\nAnd more."));
        assert_eq!((Asked::read("Only words."), shown("@palisade html: sanitize")), (None, None));
        assert_eq!(Asked::read("Ask ops@palisade.example, or @palisades."), None);
    }

    /// A stranger's value, held against each of two branches at every depth.
    #[test]
    fn a_schema_that_refers_to_itself_takes_no_longer_than_its_value_is_large() {
        let branch = json!({ "properties": { "a": { "$ref": "#" }, "bad": { "type": "string" } } });
        let asked =
            Asked::read(&format!("@palisade schema: {}", json!({ "anyOf": [branch, branch] }))).unwrap();
        let mut value = json!({ "bad": 1 });
        for _ in 0..100 {
            value = json!({ "a": value });
        }
        // Otherwise longer than anybody waits.
        assert_eq!(asked.schemas[0].refuses(&value).unwrap().1, "is not what its schema asks for");
        assert!(asked.schemas[0].refuses(&json!({ "a": { "a": { "bad": "x" } } })).is_none());
        for (schema, itself) in [
            (
                json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "type": "object" } } }),
                false,
            ),
            (
                json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "items": { "$ref": "#/$defs/a" } } } }),
                true,
            ),
            (
                json!({ "$defs": { "a": { "items": { "$ref": "#/$defs" } } }, "items": { "$ref": "#/$defs/a" } }),
                true,
            ),
            (json!({ "items": { "$dynamicRef": "#node" }, "$dynamicAnchor": "node" }), true),
            (json!({ "type": "object" }), false),
        ] {
            assert_eq!(super::refers_to_itself(&schema), itself, "{schema}");
        }
    }

    #[test]
    fn what_was_sent_is_not_sent_back_whole() {
        let asked = Asked::read("@palisade schema: {\"type\": \"object\"}").unwrap();
        let (_, says) = asked.schemas[0].refuses(&json!("ü".repeat(100_000))).unwrap();
        assert!(says.len() < 600 && says.ends_with('…'), "{}", says.len());
    }

    #[test]
    fn what_cannot_be_read_is_never_nothing() {
        for wrong in [
            "@palisade html: sanitiz",
            "@palisade htlm: sanitize",
            "@palisade schema:",
            "@palisade schema: {",
            "@palisade schema: {\"type\": 7}",
            "@palisade schema: {\"$ref\": \"https://example.com/schema.json\"}",
            "@palisade schema: {\"$ref\": \"file:///etc/passwd\"}",
            "@palisade ",
            "The body. @palisade html: sanitize",
            "@Palisade html: sanitize",
            "@palisade\thtml: sanitize",
            "@palisade html: sanitize\nand (@palisade schema: {})",
            "@palisade: html",
            "@palisade",
        ] {
            assert!(Asked::read(wrong).is_some_and(|asked| asked.broken.is_some()), "{wrong}");
        }
    }
}
