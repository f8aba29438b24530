//! Attacks that fail.

mod edge;
mod factors;
mod guards;
mod rows;
mod saml;
mod sign_in;
mod tokens;
