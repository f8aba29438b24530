//! What is believed of a SAML message, attack by attack.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows the tests of this binary, not their helpers"
)]

mod attacks;
mod conditions;
mod corpus;
mod fuzz;
mod logout;
mod peers;
mod placements;
mod world;
