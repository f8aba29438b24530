//! The bounds of this crate, by name.

use base::Limit;

/// Rows a read must be allowed to have for its answer to be sent as they come.
pub const FLOW_ROWS_MIN: Limit = Limit::new(
    "flow_rows_min",
    5_000,
    "a shorter answer is made whole: it is cheaper, and its range is known before its head is sent",
);

/// Embeds in embeds, conditions in conditions.
pub const QUERY_DEPTH_MAX: Limit =
    Limit::new("query_depth_max", 32, "bounds the stack a query string can take");

/// Parameters in one query string.
pub const QUERY_PARAMETERS_MAX: Limit = Limit::new(
    "query_parameters_max",
    1000,
    "bounds the conditions of one statement; PostgreSQL's own bound is near 1600",
);

/// Embeds in one ask, at all levels.
pub const EMBEDS_MAX: Limit =
    Limit::new("embeds_max", 100, "bounds the joins of one statement and the time to plan it");

/// Longest alias made of names; a longer one is replaced by a number.
pub const IDENTIFIER_BYTES_MAX: Limit =
    Limit::new("identifier_bytes_max", 60, "PostgreSQL cuts names at 63 bytes, and cut names may collide");

/// Names searched for a similar one.
pub const SUGGESTION_NAMES_MAX: Limit =
    Limit::new("suggestion_names_max", 500, "bounds the time a refusal takes in a schema of many tables");

/// Between two looks at a schema whose changes are not announced.
pub const SCHEMA_LOOK_MS: Limit = Limit::new(
    "schema_look_ms",
    2_000,
    "where no event trigger can be made, how long a changed schema may be served as it was; and everywhere, settings and rights of roles",
);

/// Settings of one role (`ALTER ROLE … SET`) that its requests bring, by name.
pub const ROLE_SETTINGS_MAX: Limit = Limit::new(
    "role_settings_max",
    32,
    "each is set anew in every transaction of the role; the others are left out",
);

/// Longest JSON schema in a column's comment.
pub const SCHEMA_BYTES_MAX: Limit = Limit::new(
    "schema_bytes_max",
    65_536,
    "bounds what a comment can make every reading of the catalog cost",
);

/// Longest words of a JSON schema about one value.
pub const WORDS_BYTES_MAX: Limit = Limit::new(
    "data_schema_words_bytes_max",
    500,
    "the value that was refused stands in them, and whoever sent it has it",
);

/// Largest answer kept for a write that may come again.
pub const KEPT_ANSWER_BYTES_MAX: Limit = Limit::new(
    "kept_answer_bytes_max",
    1024 * 1024,
    "what a write with an Idempotency-Key gives back is stored for a day; a larger one is refused before it happens",
);

/// Answers kept for one caller at a time.
pub const KEPT_ANSWERS_MAX: Limit = Limit::new(
    "kept_answers_max",
    10_000,
    "bounds what one caller can have stored by sending a new key with every write",
);

/// Rows looked at in one transaction while stored HTML is cleaned.
pub const CLEANED_ROWS_AT_ONCE: Limit =
    Limit::new("cleaned_rows_at_once", 500, "bounds how long a writer waits for a row that is being cleaned");

/// From when an answer counts as large.
pub const LARGE_ANSWER_BYTES_MIN: Limit = Limit::new(
    "large_answer_bytes_min",
    1024 * 1024,
    "smaller ones are bounded by the number of connections",
);

/// Large answers that are being sent, together.
pub const ANSWERS_HELD_BYTES_MAX: Limit = Limit::new(
    "answers_held_bytes_max",
    1024 * 1024 * 1024,
    "bounds what slow readers of large answers keep in memory; the next read of that size is told to come again",
);

/// Rows that are made of a CSV.
pub const CSV_ROWS_BYTES_MAX: Limit = Limit::new(
    "csv_rows_bytes_max",
    64 * 1024 * 1024,
    "the names of its first line stand in every row that is made of it, so a small body could be made a very large one",
);

/// Every bound, for the reference.
pub const LIMITS: &[&Limit] = &[
    &FLOW_ROWS_MIN,
    &QUERY_DEPTH_MAX,
    &QUERY_PARAMETERS_MAX,
    &EMBEDS_MAX,
    &IDENTIFIER_BYTES_MAX,
    &SUGGESTION_NAMES_MAX,
    &SCHEMA_LOOK_MS,
    &ROLE_SETTINGS_MAX,
    &SCHEMA_BYTES_MAX,
    &WORDS_BYTES_MAX,
    &KEPT_ANSWER_BYTES_MAX,
    &KEPT_ANSWERS_MAX,
    &CLEANED_ROWS_AT_ONCE,
    &LARGE_ANSWER_BYTES_MIN,
    &ANSWERS_HELD_BYTES_MAX,
    &CSV_ROWS_BYTES_MAX,
];
