//! The program's log in files: `combined.log` with every line, `error.log` with its errors (control 100).
//!
//! What deliberately is not here: what a line says (the program's own logging does that), and deleting anything but the oldest
//! file of a stream.
//!
//! Invariant: a stream's files hold whole lines in the order they were written, are its owner's only, and never take
//! more room than they were given.

mod files;
pub mod settings;
mod streams;

pub use files::{Chunk, Place, Stream, read_after};
pub use settings::SETTINGS;
pub use streams::Streams;

/// Every line.
pub const COMBINED: &str = "combined";
/// Lines of level error.
pub const ERROR: &str = "error";
