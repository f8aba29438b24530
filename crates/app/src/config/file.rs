//! Reads the text of `palisade.yaml` into names, values and lines.
//!
//! Scalars keep the text that was written: `0755`, `1e3` and `on` mean what their setting's type says, not what YAML
//! guesses. Anchors, merge keys and foreign tags are refused: a settings file says each thing once.

use std::fmt;

use base::setting::Value;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{MergeKeyPolicy, Spanned};

use super::limits;

/// A value and the line it stands on.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Counted from 1.
    pub line: u64,
    /// What stands there.
    pub kind: Kind,
}

/// What a YAML node can be here.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Nothing: `key:` or `~`.
    Nothing,
    /// The text of a scalar.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order written.
    Map(Vec<(String, Node)>),
}

/// Why a text is not a settings file.
#[derive(Debug, PartialEq, Eq)]
pub struct NotYaml {
    /// Where it shows, 0 if nowhere in particular.
    pub line: u64,
    /// What the parser says, without the text of the file.
    pub what: String,
}

/// Parses a whole file. An empty one is an empty mapping.
pub fn parse(text: &str) -> Result<Node, NotYaml> {
    if text.len() > limits::FILE_BYTES_MAX.size() {
        let what = format!(
            "the file is larger than {} bytes ({})",
            limits::FILE_BYTES_MAX.value,
            limits::FILE_BYTES_MAX.name
        );
        return Err(NotYaml { line: 0, what });
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: limits::FILE_EVENTS_MAX.size(),
            max_depth: limits::FILE_DEPTH_MAX.size(),
            flow_nesting_limit: limits::FILE_DEPTH_MAX.size(),
            max_anchors: 0,
            max_aliases: 0,
            max_documents: 1,
        },
        merge_keys: MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let read: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        NotYaml { line, what: error.without_snippet().to_string() }
    })?;
    Ok(settle(read, text))
}

impl Node {
    /// The value without its lines; `None` where nothing stands.
    pub fn value(&self) -> Option<Value> {
        match &self.kind {
            Kind::Nothing => None,
            Kind::Text(text) => Some(Value::Scalar(text.clone())),
            Kind::List(items) => items.iter().map(Node::value).collect::<Option<_>>().map(Value::List),
            Kind::Map(entries) => {
                let entries = entries.iter().map(|(name, node)| Some((name.clone(), node.value()?)));
                entries.collect::<Option<_>>().map(Value::Map)
            }
        }
    }
}

/// As the parser gives it: what it took for a number or a boolean still lacks its text.
enum Raw {
    Nothing,
    Guessed,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(String, Spanned<Raw>)>),
}

/// Puts back the written text of what YAML took for a number or a boolean.
fn settle(raw: Spanned<Raw>, source: &str) -> Node {
    let span = raw.defined.span();
    let kind = match raw.value {
        Raw::Nothing => Kind::Nothing,
        Raw::Text(text) => Kind::Text(text),
        Raw::Guessed => {
            let start =
                span.byte_offset().and_then(|offset| usize::try_from(offset).ok()).unwrap_or(usize::MAX);
            let length = span.byte_len().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
            let written = source.get(start..start.saturating_add(length)).unwrap_or_default();
            Kind::Text(written.trim().to_owned())
        }
        Raw::List(items) => Kind::List(items.into_iter().map(|item| settle(item, source)).collect()),
        Raw::Map(entries) => {
            Kind::Map(entries.into_iter().map(|(name, node)| (name, settle(node, source))).collect())
        }
    };
    Node { line: raw.referenced.line(), kind }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a mapping")
    }
    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Guessed)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Guessed)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Guessed)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Guessed)
    }
    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }
    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }
    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests;
