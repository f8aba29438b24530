//! What works.

mod accounts;
mod alerts;
mod appflowy;
mod data;
mod edge;
mod external;
mod factors;
mod fields;
mod firewall;
mod fluxbase;
mod fluxbase_accounts;
mod fluxbase_tables;
mod front;
mod guests;
mod hooks;
mod keys;
mod limits;
pub mod links;
mod migrations;
mod notices;
pub mod oauth;
pub mod oauth_server;
pub mod policies;
mod program;
mod repeats;
mod roles;
mod tls;
