//! What works.

mod accounts;
mod data;
mod edge;
mod limits;
mod migrations;
mod policies;
mod program;
