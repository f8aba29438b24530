//! GraphQL in two conventions over one planner: the guide's plain one and pg_graphql's.
//!
//! Translation only: a document becomes a `data::graph` ask against the schema its caller may see, an outcome becomes an
//! answer. Limits (controls 43, 44) and introspection (45) are decided here, before anything is executed.
//!
//! Invariant: no SQL and no policy stand here; every relation is read and written as the caller.

mod answer;
pub mod bind;
mod called;
pub mod config;
pub mod engine;
pub mod error;
pub mod http;
pub mod limits;
mod names;
mod persisted;
mod plain;
mod plan;
mod relay;
mod request;
mod resolve;
pub mod settings;
mod values;
mod world;

pub use config::{Config, Introspection};
pub use engine::Engine;
pub use error::Error;
pub use persisted::{Persisted, Unreadable};
pub use settings::SETTINGS;
pub use values::Style;
