//! The product from outside. `features` says what people can do; `attacks` what nobody can, one file per class of
//! `attacks.md`, each test named after the row's claim, each with the legitimate neighbour that must still work.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code: a failure here is the test's failure"
)]

mod attacks;
mod features;
mod graphql;
mod posture;
mod sdk;
mod sdk_factors;
mod sdk_links;
mod sdk_oauth;
mod sdk_rows;
mod sdk_snippets;

/// Children of this process that listen off loopback, in networks of their own: who starts some reads, who looks whether there
/// are any writes.
static LISTENING_CHILDREN: tokio::sync::RwLock<()> = tokio::sync::RwLock::const_new(());
