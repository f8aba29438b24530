//! Who is kept out and who is slowed down: what the edge asks, and how it words the answer. Whoever decides is passed in.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Caller, Fault, Kind};

/// A request as it came, for whoever looks out for attacks.
pub struct Arrived<'a> {
    /// Where from, behind trusted proxies.
    pub address: IpAddr,
    /// What for, as asked.
    pub path: &'a str,
    /// Whether anything is served there.
    pub is_served: bool,
    /// What the program calls itself.
    pub agent: Option<&'a str>,
    /// Whether a page of another site made a browser ask.
    pub is_elsewheres: bool,
}

/// Told who asks, as limits count them, and where from; says how long they have to wait.
pub type OnCaller = Arc<dyn Fn(&str, Option<IpAddr>) -> Option<Duration> + Send + Sync>;

/// Looks through one answer, piece by piece.
pub type Look = Box<dyn FnMut(&[u8]) + Send>;
/// Told who is answered, and at which route; gives whoever looks through the answer, if anybody does.
pub type OnAnswer = Arc<dyn Fn(&Caller, &str) -> Option<Look> + Send + Sync>;

/// Who is kept out, and whoever is told of what comes in.
#[derive(Clone)]
pub struct Sentry {
    /// Whether nothing from an address is served. Asked at the accept loop, before TLS and HTTP cost anything, and again
    /// for each request: a connection may be older than the ban, or a trusted proxy's.
    pub keeps_out: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
    /// Told of every request; says whether its address is kept out from here on.
    pub on_request: Arc<dyn Fn(&Arrived<'_>) -> bool + Send + Sync>,
    /// Told who asks, as limits count them, and where from; says how long they have to wait if they do far too much.
    pub on_caller: OnCaller,
    /// Asked before each answer of a handler leaves.
    pub on_answer: OnAnswer,
}

impl Sentry {
    /// Nobody is kept out: the control socket, and what runs on loopback for tests of others.
    pub fn none() -> Self {
        Sentry {
            keeps_out: Arc::new(|_| false),
            on_request: Arc::new(|_| false),
            on_caller: Arc::new(|_, _| None),
            on_answer: Arc::new(|_, _| None),
        }
    }
}

/// Somebody who does far more than anybody does.
#[derive(Debug, thiserror::Error)]
#[error("This is far more than anybody does: wait a while")]
pub(crate) struct TooMuch {
    pub wait: Duration,
}

impl Fault for TooMuch {
    fn kind(&self) -> Kind {
        Kind::TooMany
    }
    fn code(&self) -> &'static str {
        "edge.unusual_activity"
    }
    fn retry_after(&self) -> Option<Duration> {
        Some(self.wait)
    }
}

/// Somebody who is kept out, over a connection that is older than that or a proxy's. They are told no more than that.
#[derive(Debug, thiserror::Error)]
#[error("This address is kept out for a while")]
pub(crate) struct KeptOut;

impl Fault for KeptOut {
    fn kind(&self) -> Kind {
        Kind::Forbidden
    }
    fn code(&self) -> &'static str {
        "edge.kept_out"
    }
}
