//! The limits of GraphQL: named by the Fluxbase guide, built by the issue "graphql".

use base::Setting;
use base::setting::Definition;

/// Whether the GraphQL endpoint answers.
static ENABLED: Setting<bool> = Setting::new("graphql.enabled", "true")
    .changes("whether the GraphQL endpoint answers")
    .proven_by(&[43])
    .not_yet("graphql");

/// How deeply a query may be nested.
static MAX_DEPTH: Setting<u32> = Setting::new("graphql.max_depth", "10")
    .range("1", "50")
    .changes("how deeply a query may be nested")
    .proven_by(&[43])
    .not_yet("graphql");

/// How much a query may cost: 1 for a field, 10 for a list, lists in lists multiply.
static MAX_COMPLEXITY: Setting<u32> = Setting::new("graphql.max_complexity", "1000")
    .range("10", "1000000")
    .changes("how much a query may cost: 1 for a field, 10 for a list, lists in lists multiply")
    .proven_by(&[44])
    .not_yet("graphql");

/// Whether anonymous and ordinary callers may read the schema.
static INTROSPECTION: Setting<bool> = Setting::new("graphql.introspection", "false")
    .changes("whether anonymous and ordinary callers may read the schema")
    .proven_by(&[45])
    .not_yet("graphql");

/// All of them.
pub(super) const SETTINGS: &[&Definition] =
    &[&ENABLED.definition, &MAX_DEPTH.definition, &MAX_COMPLEXITY.definition, &INTROSPECTION.definition];
