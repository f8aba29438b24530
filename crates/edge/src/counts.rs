//! What the edge counts of every request: how many, how they ended, how long they took, by route (control 110).
//!
//! Invariant: labels are routes' templates and methods, never what a caller wrote; a request finds its counts without a
//! lock and without allocating.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::Kind;
use http::StatusCode;
use meters::{Count, Kind as Family, Level, Page, Recent, Spread, SpreadNow};
use web::Bound;

/// The classes of statuses, as labels.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// What can be refused, as labels.
const KINDS: [&str; 13] = [
    "invalid",
    "unauthenticated",
    "step_up",
    "forbidden",
    "not_found",
    "conflict",
    "too_large",
    "too_many",
    "unavailable",
    "full",
    "timeout",
    "unsupported",
    "bug",
];

/// Where a kind stands among them. A new one has to be given a place.
const fn place_of(kind: Kind) -> usize {
    match kind {
        Kind::Invalid => 0,
        Kind::Unauthenticated => 1,
        Kind::StepUp => 2,
        Kind::Forbidden => 3,
        Kind::NotFound => 4,
        Kind::Conflict => 5,
        Kind::TooLarge => 6,
        Kind::TooMany => 7,
        Kind::Unavailable => 8,
        Kind::Full => 9,
        Kind::Timeout => 10,
        Kind::Unsupported => 11,
        Kind::Bug => 12,
    }
}

/// What one route has answered.
struct OfRoute {
    method: String,
    path: Arc<str>,
    took: Spread,
    classes: [Count; CLASSES.len()],
}

/// Everything the edge has counted.
pub struct Counts {
    /// Routes by where they lie in memory, which is where the router gives them from.
    places: HashMap<usize, usize>,
    routes: Vec<OfRoute>,
    recent: Recent,
    refused: [Count; KINDS.len()],
    /// Connections that are open.
    pub(crate) connections: Level,
    /// Requests under way.
    pub(crate) requests: Level,
    /// Before the numbers of requests.
    instance: String,
}

// The addresses are compared, never followed.
fn place(route: &Arc<Bound>) -> usize {
    Arc::as_ptr(route).addr()
}

impl Counts {
    pub(crate) fn new<'a>(routes: impl Iterator<Item = &'a Arc<Bound>>, instance: &str) -> Self {
        let of = |method: &str, path: Arc<str>| OfRoute {
            method: method.to_owned(),
            path,
            took: Spread::default(),
            classes: Default::default(),
        };
        // The first stands for what no route matched.
        let (mut places, mut all) = (HashMap::new(), vec![of("", "unmatched".into())]);
        for route in routes {
            places.insert(place(route), all.len());
            all.push(of(route.method.as_str(), route.path.clone()));
        }
        Counts {
            places,
            routes: all,
            recent: Recent::default(),
            refused: Default::default(),
            connections: Level::default(),
            requests: Level::default(),
            instance: format!("{instance}-"),
        }
    }

    /// A request has been answered.
    pub(crate) fn answered(
        &self,
        route: Option<&Arc<Bound>>,
        status: StatusCode,
        took: Duration,
        number: u64,
        second: i64,
    ) {
        let at = route.and_then(|route| self.places.get(&place(route))).copied().unwrap_or(0);
        let Some(of) = self.routes.get(at) else { return };
        of.took.took_by(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), number);
        if let Some(class) = of.classes.get(usize::from(status.as_u16() / 100).saturating_sub(1)) {
            class.up();
        }
        self.recent.ended(u64::try_from(second).unwrap_or(0), status.is_server_error());
    }

    /// A request has been refused.
    pub(crate) fn refused(&self, kind: Kind) {
        if let Some(count) = self.refused.get(place_of(kind)) {
            count.up();
        }
    }

    /// A page whose exemplars are named as this edge names its requests.
    pub fn page(&self, open: bool) -> Page {
        Page::new(open, &self.instance)
    }

    /// Writes everything. `shows` says which of the guide's names are wanted; what is standard always is.
    pub fn write(&self, page: &mut Page, shows: &dyn Fn(&str) -> bool, second: i64) {
        let asked: Vec<(&OfRoute, SpreadNow)> =
            self.routes.iter().map(|of| (of, of.took.now())).filter(|(_, now)| now.count() > 0).collect();
        for (name, wanted) in
            [("request_duration", shows("request_duration")), ("http_server_request_duration_seconds", true)]
        {
            if wanted {
                page.family(
                    name,
                    Family::Histogram,
                    "Seconds from a request's head to the end of its answer's making",
                );
                for (of, now) in &asked {
                    page.spread(name, &[("method", &of.method), ("route", &of.path)], now);
                }
            }
        }
        for (name, kind, wanted) in [
            ("request_count", Family::BareCounter, shows("request_count")),
            ("http_server_requests_total", Family::Counter, true),
        ] {
            if wanted {
                page.family(name, kind, "Requests answered, by the class of their status");
                for (of, _) in &asked {
                    for (class, count) in CLASSES.iter().zip(&of.classes).filter(|(_, count)| count.now() > 0)
                    {
                        let labels = [("method", &*of.method), ("route", &*of.path), ("status", class)];
                        page.number(name, &labels, count.now());
                    }
                }
            }
        }
        if shows("error_rate") {
            page.family("error_rate", Family::Gauge, "The share of the last minute's answers that were 5xx");
            page.real("error_rate", &[], self.recent.share(u64::try_from(second).unwrap_or(0)));
        }
        for (name, wanted, now, help) in [
            (
                "active_connections",
                shows("active_connections"),
                &self.connections,
                "Connections of clients that are open",
            ),
            (
                "http_server_active_connections",
                true,
                &self.connections,
                "Connections of clients that are open",
            ),
            ("http_server_active_requests", true, &self.requests, "Requests under way"),
        ] {
            if wanted {
                page.family(name, Family::Gauge, help);
                page.number(name, &[], now.now());
            }
        }
        page.family("palisade_refusals_total", Family::Counter, "Requests refused, by what kind of refusal");
        for (kind, count) in KINDS.iter().zip(&self.refused) {
            page.number("palisade_refusals_total", &[("kind", kind)], count.now());
        }
    }
}
