//! What an operator can set of the data API.

use std::time::Duration;

use base::setting::Definition;
use base::setting::{Alias, Guide};
use base::{Setting, Settings};

use crate::ask::{Name, Rules};
use crate::catalog::Scope;

/// Schemas served.
pub static SCHEMAS: Setting<Vec<String>> = Setting::new("data.schemas", "public")
    .changes("which schemas the data API serves; the first one is the default")
    .proven_by(&[40, 41]);

/// Schemas that names in SQL may also come from.
pub static EXTRA_SEARCH_PATH: Setting<Vec<String>> =
    Setting::new("data.extra_search_path", "public,extensions")
        .changes("which schemas functions and types are also looked up in");

/// Most rows of one level.
pub static MAX_ROWS: Setting<u32> = Setting::new("data.max_rows", "1000")
    .range("1", "1000000")
    .changes("how many rows one answer holds at most, at each level of embedding");

/// Whether aggregates may be selected.
pub static AGGREGATES: Setting<bool> = Setting::new("data.aggregates", "false")
    .changes("whether clients may ask for sums, averages and counts of columns; for GraphQL a table's comment says otherwise for it");

/// A function that every request calls first.
pub static PRE_REQUEST: Setting<Option<String>> = Setting::unset("data.pre_request")
    .also(&[Alias::same("PGRST_DB_PRE_REQUEST", Guide::Other)])
    .changes("which function (`schema.name`, without arguments) every request to the data API, GraphQL and Fluxbase's tables calls first, as the caller and in the same transaction: what it raises refuses the request; one that is missing, or that callers could change, closes them all");

/// How long an answer is kept for a write that may come again.
pub static IDEMPOTENCY_RETENTION: Setting<Duration> = Setting::new("data.idempotency_retention", "24h")
    .range("1m", "7d")
    .changes(
        "how long a write that comes again with the same Idempotency-Key is given the first one's answer",
    )
    .proven_by(&[125]);

/// Every setting of this crate.
pub const SETTINGS: &[&Definition] = &[
    &SCHEMAS.definition,
    &EXTRA_SEARCH_PATH.definition,
    &MAX_ROWS.definition,
    &AGGREGATES.definition,
    &PRE_REQUEST.definition,
    &IDEMPOTENCY_RETENTION.definition,
];

impl Scope {
    /// As set, with the gate shut: no setting opens it.
    pub fn from_settings(from: &Settings) -> Self {
        let exposed = from.get(&SCHEMAS);
        let pre_request = from.get(&PRE_REQUEST).filter(|name| !name.trim().is_empty());
        let pre_request = pre_request.map(|name| match name.trim().split_once('.') {
            Some((schema, name)) => Name::new(schema, name),
            None => Name::new(exposed.first().cloned().unwrap_or_default(), name.trim()),
        });
        Scope { exposed, extra: from.get(&EXTRA_SEARCH_PATH), gate: true, pre_request }
    }
}

impl Rules {
    /// As set.
    pub fn from_settings(from: &Settings) -> Self {
        Rules { max_rows: Some(i64::from(from.get(&MAX_ROWS))), aggregates: from.get(&AGGREGATES) }
    }
}
