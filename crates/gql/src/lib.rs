//! The GraphQL language: documents parsed within bounds, measured before anything is done with them, and read against a
//! schema. Knows neither HTTP nor the database, nor where a schema comes from.
//!
//! Invariant: nothing here recurses over a document before [`measure`] has shown that its fragments hold no cycle, and
//! nothing expands a fragment before the size of the expansion is known to be within its limit.

pub mod coerce;
pub mod collect;
pub mod cost;
pub mod doc;
pub mod error;
pub mod introspect;
pub mod limits;
pub mod measure;
mod parse;
pub mod schema;
pub mod sdl;
pub mod typescript;

pub use doc::Document;
pub use error::Error;
pub use limits::Bounds;
pub use measure::{Measured, measure};
pub use parse::parse;
pub use schema::{Schema, TypeRef};
