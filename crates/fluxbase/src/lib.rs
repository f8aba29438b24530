//! What the Fluxbase SDK speaks, at `/api/v1` (wire/fluxbase.md): one module per part of its surface, each with its routes.
//!
//! Translation only, over the same features as every other dialect: accounts made here sign in there. Where the product
//! and its own SDK disagree, the SDK is right, because it is what people have. Another part (`/api/v1/tables`) is another
//! module with a list of routes and a line in [`mounts`] or [`data_mounts`].
//!
//! Deliberately absent: SQL, policy, looking at credentials.

pub mod auth;
mod envelope;
mod rpc;
pub mod tables;

use std::sync::Arc;

use web::{Area, Mount, RouteInfo};

pub use auth::State;
pub use envelope::word;
pub use tables::Tables;

/// Where it is served.
pub const PREFIX: &str = "/api/v1";

/// Its routes about accounts.
pub fn mounts(state: Arc<State>) -> Vec<Mount> {
    let mount = Mount::new(&auth_prefix(), word, state.clone(), &auth::routes()).area(Area::Accounts);
    vec![auth::config::protect(mount, &state)]
}

/// Its routes about rows and functions.
pub fn data_mounts(tables: Arc<Tables>) -> Vec<Mount> {
    let mount = |part: &str, routes: &[web::Route<Tables>]| {
        Mount::new(&format!("{PREFIX}/{part}"), word, tables.clone(), routes).area(Area::Data)
    };
    vec![mount("tables", &tables::routes()), mount("rpc", &rpc::routes())]
}

/// What the reference says of those about accounts.
pub fn table() -> Vec<RouteInfo> {
    auth::routes().iter().map(|route| route.info(&auth_prefix())).collect()
}

/// What the reference says of those about rows and functions.
pub fn data_table() -> Vec<RouteInfo> {
    let info = |part: &str, routes: Vec<web::Route<Tables>>| {
        let prefix = format!("{PREFIX}/{part}");
        routes.iter().map(|route| route.info(&prefix)).collect::<Vec<_>>()
    };
    [info("tables", tables::routes()), info("rpc", rpc::routes())].concat()
}

fn auth_prefix() -> String {
    format!("{PREFIX}/auth")
}
