//! What the reference says of a route: everything but its code and state, so that a table can be printed without a
//! running instance. Invariant: made from the very [`Route`] that is mounted, or from what it became.

use base::Owed;
use http::Method;

use crate::{Bound, Credentials, Guard, Limits, Rate, Route};

/// A route without handler and state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method.
    pub method: Method,
    /// The whole path.
    pub path: String,
    /// Who may pass.
    pub guard: Guard,
    /// Which credentials are looked at.
    pub credentials: Credentials,
    /// Its bounds.
    pub limits: Limits,
    /// Its budget; nothing where the request decides it.
    pub rate: Option<Rate>,
    /// Whether its budget is counted per account as well as per address.
    pub per_account: bool,
    /// What a session may still owe and use it.
    pub settles: &'static [Owed],
    /// Whether it answers with a connection that becomes a WebSocket.
    pub upgrades: bool,
    /// What it does.
    pub summary: &'static str,
}

impl<S> Route<S> {
    /// What the reference says of it, mounted at `prefix`.
    pub fn info(&self, prefix: &str) -> RouteInfo {
        RouteInfo {
            method: self.method.clone(),
            path: format!("{}{}", prefix.trim_end_matches('/'), self.path),
            guard: self.guard,
            credentials: self.credentials,
            limits: self.limits,
            rate: self.budgeted.is_none().then_some(self.rate),
            per_account: self.account.is_some(),
            settles: self.settles,
            upgrades: self.upgrades,
            summary: self.summary,
        }
    }
}

impl Bound {
    /// What the reference says of it.
    pub fn info(&self) -> RouteInfo {
        RouteInfo {
            method: self.method.clone(),
            path: self.path.to_string(),
            guard: self.guard,
            credentials: self.credentials,
            limits: self.limits,
            rate: self.budgeted.is_none().then_some(self.rate),
            per_account: self.account.is_some(),
            settles: self.settles,
            upgrades: self.upgrades,
            summary: self.summary,
        }
    }
}
