//! Attacks that fail.

mod edge;
mod factors;
mod guards;
mod links;
mod policies;
mod rows;
mod saml;
mod sign_in;
mod tokens;
