//! Attacks that fail.

mod canaries;
mod channels;
mod csrf;
mod downgrade;
mod edge;
mod factors;
mod framing;
mod full_disk;
mod guards;
mod guessing;
mod hijack;
mod links;
mod machine;
pub mod oauth;
mod oauth_server;
mod operations;
mod outbound;
mod passkeys;
mod planner;
pub mod policies;
mod read_only;
mod rows;
pub mod saml;
mod sign_in;
mod step_up;
mod streams;
mod tokens;
