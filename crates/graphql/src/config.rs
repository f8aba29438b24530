//! How a convention is set: bounds, who may read the schema, which documents are taken.

use base::Settings;
use gql::Bounds;

use crate::persisted::Persisted;
use crate::settings::{INTROSPECTION, MAX_COMPLEXITY, MAX_DEPTH};

/// Who may read the schema (control 45).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Introspection {
    /// Administrators only.
    Administrators,
    /// Everyone, each what their role may see.
    Everyone,
    /// Whoever asks of schemas whose comment says so: the conformance profile only.
    ByComment,
}

/// How a convention is set.
pub struct Config {
    /// What a document may have.
    pub bounds: Bounds,
    /// Who may read the schema.
    pub introspection: Introspection,
    /// Documents by their hash.
    pub persisted: Persisted,
    /// Most rows of one list.
    pub max_rows: i64,
    /// Whether rows may be summed up where the table's comment says nothing about it.
    pub aggregates: bool,
    /// Whether PostgreSQL's own words about its troubles are passed on: the conformance profile only.
    pub outspoken: bool,
}

impl Config {
    /// As set. `persisted` was read once, for both conventions.
    pub fn from_settings(settings: &Settings, persisted: Persisted) -> Self {
        let introspection = match settings.get(&INTROSPECTION) {
            true => Introspection::Everyone,
            false => Introspection::Administrators,
        };
        Config {
            bounds: Bounds::new(
                u64::from(settings.get(&MAX_DEPTH)),
                u64::from(settings.get(&MAX_COMPLEXITY)),
            ),
            introspection,
            persisted,
            max_rows: i64::from(settings.get(&data::settings::MAX_ROWS)),
            aggregates: settings.get(&data::settings::AGGREGATES),
            outspoken: false,
        }
    }

    /// For pg_graphql's own suite: nothing is too large, and comments say what may be introspected.
    pub fn conformance() -> Self {
        let most = u64::MAX;
        let mut bounds = Bounds::new(most, most);
        bounds.bytes = 1 << 20;
        bounds.tokens = 100_000;
        (bounds.aliases, bounds.directives, bounds.root_fields, bounds.selections) = (most, most, most, most);
        Config {
            bounds,
            introspection: Introspection::ByComment,
            persisted: Persisted::off(),
            max_rows: i64::MAX,
            aggregates: false,
            outspoken: true,
        }
    }
}
