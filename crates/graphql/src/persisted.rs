//! Documents that are sent by their hash: remembered once they came in full, or only those of a list.
//!
//! Invariant: a document is kept under the hash of its own text and no other, so that nobody can put theirs in another's
//! place; what is kept is bounded.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base::Settings;
use quick_cache::sync::Cache;

use crate::answer::Problem;
use crate::engine::Hash;
use crate::error::Error;
use crate::limits::DOCUMENTS_PERSISTED_MAX;
use crate::request::Request;
use crate::settings;

/// SHA-256 of a document.
pub fn hash(text: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// Which documents are taken by their hash.
#[derive(Clone)]
pub struct Persisted(Arc<How>);

enum How {
    /// None.
    Off,
    /// Whatever came in full before, and those of the list.
    Automatic { listed: HashMap<Hash, Arc<str>>, kept: Cache<Hash, Arc<str>> },
    /// Those of the list, and no others in any form.
    Only { listed: HashMap<Hash, Arc<str>> },
}

/// Why the list cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("graphql.documents_file: {0}")]
pub struct Unreadable(String);

impl Persisted {
    /// None.
    pub fn off() -> Self {
        Persisted(Arc::new(How::Off))
    }

    /// As set: `off`, `automatic` or `only`.
    pub fn from_settings(given: &Settings) -> Result<Self, Unreadable> {
        Persisted::read(&given.get(&settings::PERSISTED), given.get(&settings::DOCUMENTS).as_deref())
    }

    fn read(how: &str, file: Option<&Path>) -> Result<Self, Unreadable> {
        let listed = file.map(read_list).transpose()?.unwrap_or_default();
        Ok(Persisted(Arc::new(match how {
            "only" => How::Only { listed },
            "automatic" => How::Automatic { listed, kept: Cache::new(DOCUMENTS_PERSISTED_MAX.size()) },
            _ => How::Off,
        })))
    }

    /// The text of the document that a request means.
    pub fn text(&self, request: &Request) -> Result<Arc<str>, Problem> {
        let missing = || Problem::words("Must provide a query string");
        let not_found = || Problem::coded("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND");
        let given = request.hash.as_deref().map(parse_hash);
        let asked = match given {
            None => None,
            Some(Some(hash)) => Some(hash),
            Some(None) => {
                return Err(Problem::words("The hash of a persisted query is 64 hexadecimal digits"));
            }
        };
        match (&*self.0, asked, &request.query) {
            (How::Off, Some(_), None) => {
                Err(Problem::coded("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED"))
            }
            (How::Off, _, Some(text)) => Ok(Arc::clone(text)),
            (How::Only { listed }, asked, text) => {
                let hash = asked.or_else(|| text.as_deref().map(hash)).ok_or_else(missing)?;
                listed.get(&hash).cloned().ok_or_else(|| Error::Unlisted.into())
            }
            (How::Automatic { .. }, None, Some(text)) => Ok(Arc::clone(text)),
            (How::Automatic { kept, .. }, Some(asked), Some(text)) => {
                if hash(text) != asked {
                    return Err(Error::WrongHash.into());
                }
                kept.insert(asked, Arc::clone(text));
                Ok(Arc::clone(text))
            }
            (How::Automatic { listed, kept }, Some(asked), None) => {
                listed.get(&asked).cloned().or_else(|| kept.get(&asked)).ok_or_else(not_found)
            }
            (How::Off | How::Automatic { .. }, None, None) => Err(missing()),
        }
    }
}

fn parse_hash(text: &str) -> Option<Hash> {
    hex::decode(text).ok()?.try_into().ok()
}

/// `{"<hash>": "<document>"}`; the hash of each is checked.
fn read_list(path: &Path) -> Result<HashMap<Hash, Arc<str>>, Unreadable> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Unreadable(format!("{} cannot be read: {error}", path.display())))?;
    let listed: HashMap<String, String> = serde_json::from_str(&text)
        .map_err(|error| Unreadable(format!("{} is no object of texts: {error}", path.display())))?;
    listed
        .into_iter()
        .map(|(name, text)| match parse_hash(&name) {
            Some(named) if named == hash(&text) => Ok((named, Arc::from(text))),
            _ => Err(Unreadable(format!("{name} is not the SHA-256 of its document"))),
        })
        .collect()
}
