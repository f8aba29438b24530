//! Probes against a real database and a server whose every protection can be taken away.
//!
//! Each test sees its probe pass, takes one protection away where it acts, and sees the probe fail.

mod database;
mod evidence;
mod place;
mod program;
mod server;
mod web;
