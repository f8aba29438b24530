//! The dialects against a real PostgreSQL, without sockets.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows the tests of this binary, not their helpers"
)]

mod auth;
mod gotrue;
mod people;
mod rest;
mod saml;
