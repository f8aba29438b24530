//! The query string of the data API: text in, an ask's parts out.
//!
//! Invariant: pure, and no text makes it panic. What it refuses it refuses in PostgREST's words ([`Unreadable`]), because
//! clients show them.

mod attach;
mod conditions;
mod grammar;
mod names;
mod parameters;
mod scan;
mod shape;
#[cfg(test)]
mod tests;

pub use attach::{LegacyNames, NotEmbedded};
pub use parameters::{Page, Query, Reading, Unreadable, WrongRange, parse};
pub use shape::{Canonical, Shape, mark, shape};
