//! The door to PostgreSQL, against a real one.

mod bootstrap;
mod cluster;
mod gate;
mod once;
mod tx;
