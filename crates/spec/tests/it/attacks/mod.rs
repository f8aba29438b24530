//! Attacks that fail.

mod edge;
mod rows;
mod sign_in;
mod tokens;
