//! Probes against a real database and a server whose every protection can be taken away.
//!
//! Each test sees its probe pass, takes one protection away where it acts, and sees the probe fail.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails its test")]

mod database;
mod evidence;
mod place;
mod program;
mod server;
mod web;
