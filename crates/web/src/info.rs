//! What the reference says of a route: everything but its code and state, so that a table can be printed without a
//! running instance. Invariant: made from the very [`Route`] that is mounted, or from what it became.

use http::Method;

use crate::{Bound, Rate, Route, Terms};

/// A route without handler and state.
#[derive(Clone, Debug)]
pub struct RouteInfo {
    /// The method.
    pub method: Method,
    /// The whole path.
    pub path: String,
    /// What it holds a request to.
    pub terms: Terms,
}

impl RouteInfo {
    /// Its budget; nothing where the request decides it.
    pub fn rate(&self) -> Option<Rate> {
        self.terms.budgeted.is_none().then_some(self.terms.rate)
    }
}

impl<S> Route<S> {
    /// What the reference says of it, mounted at `prefix`.
    pub fn info(&self, prefix: &str) -> RouteInfo {
        let path = format!("{}{}", prefix.trim_end_matches('/'), self.path);
        RouteInfo { method: self.method.clone(), path, terms: self.terms }
    }
}

impl Bound {
    /// What the reference says of it.
    pub fn info(&self) -> RouteInfo {
        RouteInfo { method: self.method.clone(), path: self.path.to_string(), terms: self.terms }
    }
}
