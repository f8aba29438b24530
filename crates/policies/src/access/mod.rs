//! What somebody can reach: tried for all four verbs, and explained policy by policy.
//!
//! Everything runs as that somebody in a transaction that is rolled back; a row is read past the policies once, as the
//! operator, to have something to ask about. Invariant: nothing stays, and the verdict says what execution does.

mod explain;
mod row;
mod trial;

pub use explain::{Explanation, Judged, Outcome, explain};
pub use row::Target;
pub use trial::{Attempt, Trial, try_all};

use serde::{Deserialize, Serialize};

/// What is done to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Seen.
    Select,
    /// Made.
    Insert,
    /// Changed.
    Update,
    /// Removed.
    Delete,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Verb; 4] = [Verb::Select, Verb::Insert, Verb::Update, Verb::Delete];

    /// As `pg_policy.polcmd` has it.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Verb::Select => "r",
            Verb::Insert => "a",
            Verb::Update => "w",
            Verb::Delete => "d",
        }
    }

    /// As SQL spells it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Select => "SELECT",
            Verb::Insert => "INSERT",
            Verb::Update => "UPDATE",
            Verb::Delete => "DELETE",
        }
    }
}
