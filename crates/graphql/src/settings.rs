//! What an operator can set of GraphQL; the first four are the guide's.

use std::path::PathBuf;

use base::Setting;
use base::setting::Definition;

/// Whether the GraphQL endpoints answer.
pub static ENABLED: Setting<bool> =
    Setting::new("graphql.enabled", "true").changes("whether the GraphQL endpoints answer").proven_by(&[43]);

/// How deeply a query may be nested.
pub static MAX_DEPTH: Setting<u32> = Setting::new("graphql.max_depth", "10")
    .range("1", "50")
    .changes("how deeply a query may be nested, counted with its fragments expanded")
    .proven_by(&[43]);

/// How much a query may cost.
pub static MAX_COMPLEXITY: Setting<u32> = Setting::new("graphql.max_complexity", "1000")
    .range("10", "1000000")
    .changes("how much a query may cost: 1 for a field, 10 for a list, lists in lists multiply")
    .proven_by(&[44]);

/// Whether anonymous and ordinary callers may read the schema.
pub static INTROSPECTION: Setting<bool> = Setting::new("graphql.introspection", "false")
    .changes("whether anonymous and ordinary callers may read the schema; administrators always may")
    .proven_by(&[45]);

/// Which documents are taken by their hash, or at all.
pub static PERSISTED: Setting<String> = Setting::new("graphql.persisted_queries", "automatic")
    .choices(&["off", "automatic", "only"])
    .changes("whether a document may be sent by its hash: never, once it was sent in full, or only if it is in graphql.documents_file")
    .proven_by(&[44]);

/// The documents that `only` takes.
pub static DOCUMENTS: Setting<Option<PathBuf>> = Setting::unset("graphql.documents_file")
    .changes("a JSON file of documents by their SHA-256 hash, which may be sent by it")
    .proven_by(&[44]);

/// Every setting of this crate.
pub const SETTINGS: &[&Definition] = &[
    &ENABLED.definition,
    &MAX_DEPTH.definition,
    &MAX_COMPLEXITY.definition,
    &INTROSPECTION.definition,
    &PERSISTED.definition,
    &DOCUMENTS.definition,
];
