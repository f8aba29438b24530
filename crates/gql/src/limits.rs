//! The bounds of this crate, by name, and those of them that an operator can move.

use base::Limit;

/// Bytes of one document.
pub const DOCUMENT_BYTES_MAX: Limit = Limit::new(
    "document_bytes_max",
    64 * 1024,
    "a query is text that people write; data travels in variables",
);

/// Tokens of one document, counted by the lexer, spaces and comments included.
pub const TOKENS_MAX: Limit = Limit::new(
    "tokens_max",
    4000,
    "stops the lexer before a document becomes a tree; introspection needs 700",
);

/// Selection sets, lists and objects in each other, in the text.
pub const NESTING_MAX: Limit = Limit::new("nesting_max", 64, "bounds the stack that parsing takes");

/// Fields and fragments in each other, in one expanded operation.
pub const EXPANDED_NESTING_MAX: Limit = Limit::new(
    "expanded_nesting_max",
    128,
    "a fragment in a fragment adds no depth, and yet whoever walks through them goes down one more step of the stack",
);

/// Aliases in one expanded operation.
pub const ALIASES_MAX: Limit =
    Limit::new("aliases_max", 30, "the same expensive or guessing field many times in one request");

/// Directives in one expanded operation.
pub const DIRECTIVES_MAX: Limit = Limit::new("directives_max", 50, "each is looked at for each field");

/// Directives at one place.
pub const DIRECTIVES_PER_PLACE_MAX: Limit =
    Limit::new("directives_per_place_max", 4, "there are two directives to choose from");

/// Root fields of one operation.
pub const ROOT_FIELDS_MAX: Limit =
    Limit::new("root_fields_max", 20, "each is a query of its own inside the statement");

/// Selections in one expanded operation, counted before equal ones are merged.
pub const SELECTIONS_MAX: Limit =
    Limit::new("selections_max", 2000, "a fragment that spreads another twice, and so on, doubles each time");

/// Fragments in one document.
pub const FRAGMENTS_MAX: Limit = Limit::new("fragments_max", 50, "bounds the search for cycles among them");

/// Operations in one document.
pub const OPERATIONS_MAX: Limit = Limit::new("operations_max", 20, "only one of them is carried out");

/// Variables of one operation.
pub const VARIABLES_MAX: Limit = Limit::new("variables_max", 100, "each is read before planning");

/// Items of one list, in a document or in variables.
pub const LIST_ITEMS_MAX: Limit =
    Limit::new("list_items_max", 1000, "bounds the rows of one insert and the values of one filter");

/// Lists of an introspection in each other: `fields { type { fields { type { fields` and the like.
pub const INTROSPECTION_LISTS_MAX: Limit =
    Limit::new("introspection_lists_max", 3, "each step multiplies the answer by the size of the schema");

/// Every bound, for the reference.
pub const LIMITS: &[&Limit] = &[
    &DOCUMENT_BYTES_MAX,
    &TOKENS_MAX,
    &NESTING_MAX,
    &EXPANDED_NESTING_MAX,
    &ALIASES_MAX,
    &DIRECTIVES_MAX,
    &DIRECTIVES_PER_PLACE_MAX,
    &ROOT_FIELDS_MAX,
    &SELECTIONS_MAX,
    &FRAGMENTS_MAX,
    &OPERATIONS_MAX,
    &VARIABLES_MAX,
    &LIST_ITEMS_MAX,
    &INTROSPECTION_LISTS_MAX,
];

/// How much of each a document may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Nesting of fields after fragments are expanded (control 43).
    pub depth: u64,
    /// Cost by the guide's formula (control 44).
    pub complexity: u64,
    /// [`DOCUMENT_BYTES_MAX`]
    pub bytes: u64,
    /// [`TOKENS_MAX`]
    pub tokens: u64,
    /// [`ALIASES_MAX`]
    pub aliases: u64,
    /// [`DIRECTIVES_MAX`]
    pub directives: u64,
    /// [`ROOT_FIELDS_MAX`]
    pub root_fields: u64,
    /// [`SELECTIONS_MAX`]
    pub selections: u64,
}

impl Bounds {
    /// The named limits, with the two that are settings.
    pub const fn new(depth: u64, complexity: u64) -> Self {
        Bounds {
            depth,
            complexity,
            bytes: DOCUMENT_BYTES_MAX.value,
            tokens: TOKENS_MAX.value,
            aliases: ALIASES_MAX.value,
            directives: DIRECTIVES_MAX.value,
            root_fields: ROOT_FIELDS_MAX.value,
            selections: SELECTIONS_MAX.value,
        }
    }
}
