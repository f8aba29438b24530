//! Path and method → route.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use web::{Bound, Envelope, Mount, Params};

use crate::{Error, path};

/// All routes. Built once; every request reads it.
pub(crate) struct Router {
    paths: matchit::Router<Vec<Arc<Bound>>>,
    mounts: Vec<(Arc<str>, Envelope)>,
    all: Vec<Arc<Bound>>,
}

/// What a path leads to.
pub(crate) enum Found<'a> {
    /// A route, and its parameters.
    Route(&'a Arc<Bound>, Params),
    /// The path exists with other methods.
    OtherMethods(Vec<Method>),
    /// Nothing.
    Nothing,
}

/// What the paths of APIs begin with.
pub(crate) fn prefixes(mounts: &[Mount]) -> Vec<String> {
    let prefixes: std::collections::BTreeSet<&str> = mounts.iter().map(|mount| &*mount.prefix).collect();
    prefixes.into_iter().filter(|prefix| !prefix.is_empty()).map(str::to_owned).collect()
}

impl Router {
    pub(crate) fn new(mounts: &[Mount]) -> Result<Self, Error> {
        let mut by_path: HashMap<Arc<str>, Vec<Arc<Bound>>> = HashMap::new();
        let mut all = Vec::new();
        for route in mounts.iter().flat_map(|mount| &mount.routes) {
            let bound = Arc::new(route.clone());
            all.push(bound.clone());
            by_path.entry(route.path.clone()).or_default().push(bound);
        }
        let mut paths = matchit::Router::new();
        for (path, routes) in by_path {
            let why =
                |error: matchit::InsertError| Error::Route { path: path.to_string(), why: error.to_string() };
            paths.insert(path.to_string(), routes).map_err(why)?;
        }
        let mut mounts: Vec<_> = mounts.iter().map(|mount| (mount.prefix.clone(), mount.envelope)).collect();
        mounts.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Router { paths, mounts, all })
    }

    /// Every route.
    pub(crate) fn all(&self) -> &[Arc<Bound>] {
        &self.all
    }

    pub(crate) fn find(&self, method: &Method, path: &str) -> Found<'_> {
        let Ok(matched) = self.paths.at(path) else { return Found::Nothing };
        match matched.value.iter().find(|route| route.method == *method) {
            Some(route) => {
                let params =
                    matched.params.iter().map(|(name, value)| (name.into(), path::decode(value))).collect();
                Found::Route(route, Params(params))
            }
            None => Found::OtherMethods(matched.value.iter().map(|route| route.method.clone()).collect()),
        }
    }

    /// The envelope of the mount a path lies below.
    pub(crate) fn envelope(&self, path: &str) -> Option<Envelope> {
        let below = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.mounts.iter().find(|(prefix, _)| below(prefix)).map(|(_, envelope)| *envelope)
    }
}
