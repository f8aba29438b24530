//! What the binary is made of. `main.rs` only calls it.
//!
//! [`lists`] is the table of contents of the whole program; [`start`] builds everything once and takes it down again.

mod administration;
pub mod alerts;
pub mod bans;
#[cfg(feature = "bench")]
mod bench;
mod canaries;
mod certificate;
pub mod cli;
pub mod commands;
pub mod config;
pub mod conformance;
pub mod control;
pub mod database;
pub mod database_tls;
pub mod database_url;
pub mod db;
pub mod demo;
pub mod dev;
pub mod docs;
pub mod error;
pub mod exposure;
pub mod keys;
mod later;
pub mod lists;
pub mod logging;
pub mod mails;
mod memory;
pub mod migrate;
pub mod monitoring;
pub mod mounts;
pub mod policies;
mod preflight;
pub mod program;
pub mod ready;
mod refusals;
pub mod roles;
mod sentry;
pub mod serve;
pub mod services;
pub mod settings;
pub mod start;
pub mod statements;
mod watch;
mod welcome;
