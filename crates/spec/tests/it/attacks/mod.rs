//! Attacks that fail.

mod edge;
mod factors;
mod guards;
mod rows;
mod sign_in;
mod tokens;
