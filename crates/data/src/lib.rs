//! The pipe from an ask to rows: [`ask`] (what was asked) → plan → SQL → run. Knows neither HTTP nor any dialect.
//!
//! Invariant: everything before the run is pure, and only the run touches the database, as the caller.

pub mod ask;
pub mod catalog;
pub mod error;
pub mod gate;
pub mod limits;
pub mod query;
pub mod sql;

pub use error::{Called, Candidate, Error};
