//! What the binary is made of. `main.rs` only calls it.

pub mod config;
pub mod demo;
