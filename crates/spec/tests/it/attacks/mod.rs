//! Attacks that fail.

mod edge;
mod guards;
mod rows;
mod sign_in;
mod tokens;
