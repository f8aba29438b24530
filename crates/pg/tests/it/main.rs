//! The door to PostgreSQL, against a real one.

mod cluster;
mod once;
mod tx;
