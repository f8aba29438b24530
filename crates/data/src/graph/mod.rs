//! Trees of rows in one statement: what GraphQL asks, whichever convention it is asked in.
//!
//! The same pipe as the rest of this crate: an [`ask`] (names and values, nothing left to parse) is compiled against the
//! catalog into one SQL text per root field that writes, and one for all that read. A value may be left open
//! ([`ask::Text::Slot`]), so that what was compiled once runs again with other values.
//!
//! Invariant: a relation is reached only through the gate, as everywhere; the text is the same for the same ask.

pub mod ask;
mod build;
mod change;
mod connection;
pub mod rights;
mod run;

pub use build::{Compiled, Part, read};
pub use change::{CompiledChange, call, change};
pub use rights::Rights;
pub use run::{read as run_read, write as run_write};
