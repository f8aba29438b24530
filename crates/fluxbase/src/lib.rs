//! What the Fluxbase SDK speaks, at `/api/v1` (wire/fluxbase.md): one module per part of its surface, each with its routes.
//!
//! Translation only, over the same features as every other dialect: accounts made here sign in there. Where the product
//! and its own SDK disagree, the SDK is right, because it is what people have. Another part (`/api/v1/tables`) is another
//! module with a list of routes and a line in [`mounts`].
//!
//! Deliberately absent: SQL, policy, looking at credentials.

pub mod auth;
mod envelope;

use web::{Area, Mount, RouteInfo};

pub use auth::State;
pub use envelope::word;

/// Where it is served.
pub const PREFIX: &str = "/api/v1";

/// Its routes.
pub fn mounts(state: std::sync::Arc<State>) -> Vec<Mount> {
    vec![Mount::new(&auth_prefix(), word, state, &auth::routes()).area(Area::Accounts)]
}

/// What the reference says of them.
pub fn table() -> Vec<RouteInfo> {
    auth::routes().iter().map(|route| route.info(&auth_prefix())).collect()
}

fn auth_prefix() -> String {
    format!("{PREFIX}/auth")
}
