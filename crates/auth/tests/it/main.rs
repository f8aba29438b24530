//! Accounts, sessions and keys against a real PostgreSQL.

mod accounts;
mod admin;
mod identify;
mod keys;
mod refresh;
mod schema;
mod world;
