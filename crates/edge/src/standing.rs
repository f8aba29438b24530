//! Who an open socket is for, looked after for as long as it is open (attack row 44): it ends within a second when a session
//! behind it ends, when a token that was shown on it is over, when a key is revoked, and when the server stops.
//!
//! A long answer is looked after in the same way: it ends with the session or the key that asked for it.
//!
//! Invariant: a route cannot forget it. What its conversation is shown is entered here by the showing, and a conversation
//! that goes on after its end is cut.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use base::{Caller, Clock, Failure, Fault, Profile, Secret};
use futures_util::future::select_all;
use http::Response;
use http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use web::{
    Answer, Arriving, Begin, Body, Bound, Converse, Ending, Part, RequestId, Show, Shown, Socket, Wire,
};

use crate::config::{EdgeConfig, Identified, Identify, Refusal, Used};
use crate::connections::{Until, Watch};
use crate::limits::{SHOWN_MAX, SOCKET_END_MS_MAX};
use crate::{Connections, Presented, stream};

/// A socket and everybody who was shown on it, or a long answer and whoever asked for it.
pub(crate) struct Standing {
    identify: Identify,
    connections: Connections,
    on_refusal: Arc<dyn Fn(&Refusal<'_>) + Send + Sync>,
    on_use: Arc<dyn Fn(&Used<'_>) + Send + Sync>,
    clock: Clock,
    route: Arc<Bound>,
    request: Presented,
    request_id: RequestId,
    address: IpAddr,
    shown: Mutex<Vec<Weak<Proof>>>,
    changed: Notify,
}

/// Somebody, by what they showed.
struct Proof {
    presented: Presented,
    caller: Arc<Caller>,
    session: Option<Watch>,
    expires: Option<Until>,
}

/// More was shown on one socket than is looked after.
#[derive(Debug, thiserror::Error)]
#[error("Too many tokens were shown on one connection")]
struct TooManyShown;

impl Fault for TooManyShown {
    fn kind(&self) -> base::Kind {
        base::Kind::TooMany
    }
    fn code(&self) -> &'static str {
        "edge.too_many_shown"
    }
}

/// A streamed answer is cut, not finished, when it is not taken in time, and when the session or key that asked for it ends.
pub(crate) fn cut_in_time(
    config: &EdgeConfig,
    of: impl FnOnce() -> (Arc<Bound>, RequestId, IpAddr),
    parts: &Parts,
    identified: &Identified,
    answer: Answer,
) -> Result<Answer, Failure> {
    let (head, body) = answer.0.into_parts();
    let body = match body {
        Body::Stream(stream) => {
            let stream = stream::taken_in_time(stream);
            // The conformance profile reads no credentials here.
            Body::Stream(if !identified.has_credential || config.profile == Profile::Conformance {
                stream
            } else {
                match identified.caller.ends_with() {
                    Some(session) => {
                        stream::until(stream, session_over(config, of(), parts, identified, session)?)
                    }
                    None => stream::until(stream, not_good(config, of(), parts, identified)?),
                }
            })
        }
        whole @ Body::Whole(_) => whole,
    };
    Ok(Answer(Response::from_parts(head, body)))
}

/// Waits until a session has ended, or the key that a server showed beside its token. Its token may run out meanwhile.
fn session_over(
    config: &EdgeConfig,
    of: (Arc<Bound>, RequestId, IpAddr),
    parts: &Parts,
    identified: &Identified,
    session: Uuid,
) -> Result<impl Future<Output = ()> + Send + use<>, Failure> {
    let watch = config.connections.watch(session);
    let standing = Standing::of(config, of, parts)?;
    let key = identified.beside.is_some().then(|| Presented {
        bearer: None,
        authorization: None,
        ..standing.request.clone()
    });
    let until = identified.expires_at;
    Ok(async move {
        let mut doubts = standing.connections.doubts();
        // It may have ended since it was let in: before it was watched, or while nothing was heard of ends.
        loop {
            let is_over = until.is_some_and(|second| second <= standing.clock.unix_seconds());
            if !is_over && standing.ask(&standing.request).await.is_err() {
                return;
            }
            let keys_end = match &key {
                None => None,
                Some(key) => match (standing.identify)(key.clone(), standing.address).await {
                    Ok(known) => known.expires_at.map(|second| standing.connections.until(second)),
                    Err(_) => return,
                },
            };
            tokio::select! {
                () = watch.ended() => return,
                () = first(keys_end.iter().map(Until::token).collect()) => return,
                changed = doubts.changed() => if changed.is_err() { return },
            }
        }
    })
}

/// Waits until whoever asked with a key is not good any more.
fn not_good(
    config: &EdgeConfig,
    of: (Arc<Bound>, RequestId, IpAddr),
    parts: &Parts,
    identified: &Identified,
) -> Result<impl Future<Output = ()> + Send + use<>, Failure> {
    let standing = Standing::of(config, of, parts)?;
    let own = standing.enter(standing.request.clone(), identified)?;
    Ok(async move {
        // It may have ended since it was let in.
        if standing.ask(&own.presented).await.is_ok() {
            standing.fails().await;
        }
        drop(own);
    })
}

impl Standing {
    fn of(
        config: &EdgeConfig,
        (route, request_id, address): (Arc<Bound>, RequestId, IpAddr),
        parts: &Parts,
    ) -> Result<Self, Failure> {
        let EdgeConfig { identify, connections, on_refusal, on_use, clock, .. } = config;
        Ok(Standing {
            identify: identify.clone(),
            connections: connections.clone(),
            on_refusal: on_refusal.clone(),
            on_use: on_use.clone(),
            clock: clock.clone(),
            route,
            request: Presented::read(&parts.headers, parts.uri.query())?,
            request_id,
            address,
            shown: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Looks after somebody from now on, for as long as what is given back is kept.
    fn enter(&self, presented: Presented, identified: &Identified) -> Result<Arc<Proof>, Failure> {
        let session = identified.caller.ends_with();
        let connections = &self.connections;
        let proof = Arc::new(Proof {
            presented,
            caller: self.route.narrow(identified.caller.clone()),
            session: session.map(|session| connections.watch(session)),
            expires: identified.expires_at.map(|second| connections.until(second)),
        });
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.retain(|proof| proof.strong_count() > 0);
        if shown.len() >= SHOWN_MAX.size() {
            return Err(TooManyShown.into());
        }
        shown.push(Arc::downgrade(&proof));
        drop(shown);
        self.changed.notify_one();
        Ok(proof)
    }

    fn all(&self) -> Vec<Arc<Proof>> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.iter().filter_map(Weak::upgrade).collect()
    }

    /// Asks who `presented` is, admits them, and looks after them from then on. A refusal is told as one of a request is.
    async fn show(self: Arc<Self>, presented: Presented) -> Result<Shown, Failure> {
        let proof = match self.ask(&presented).await.and_then(|known| self.enter(presented, &known)) {
            Ok(proof) => proof,
            Err(refused) => {
                self.tell(refused.fault());
                return Err(refused);
            }
        };
        // It may have ended between the answer and the entry.
        self.ask(&proof.presented).await?;
        if proof.caller.is_program() {
            let (address, method, path) = (self.address, &http::Method::GET, &*self.route.path);
            (self.on_use)(&Used { caller: &proof.caller, address, method, path });
        }
        Ok(Shown { caller: proof.caller.clone(), kept: proof })
    }

    async fn ask(&self, presented: &Presented) -> Result<Identified, Failure> {
        let known = (self.identify)(presented.clone(), self.address).await?;
        self.route.admit(&known.caller, known.has_credential, &self.clock)?;
        Ok(known)
    }

    fn tell(&self, fault: &dyn Fault) {
        (self.on_refusal)(&Refusal {
            request_id: &self.request_id,
            caller: None,
            address: self.address,
            path: &self.route.path,
            budget: None,
            is_elsewheres: false,
            fault,
        });
    }

    /// Waits until somebody who was shown is not good any more.
    async fn fails(&self) -> Ending {
        let mut doubts = self.connections.doubts();
        loop {
            // Only what ends them is held here: what is dropped meanwhile counts no longer.
            let proofs = self.all();
            let sessions: Vec<_> =
                proofs.iter().filter_map(|proof| proof.session.as_ref()).map(Watch::token).collect();
            let times: Vec<_> =
                proofs.iter().filter_map(|proof| proof.expires.as_ref()).map(Until::token).collect();
            drop(proofs);
            tokio::select! {
                () = first(sessions) => if self.all().iter().any(|proof| proof.session.as_ref().is_some_and(Watch::is_over)) {
                    return Ending::SessionEnded;
                },
                () = first(times) => if self.all().iter().any(|proof| proof.expires.as_ref().is_some_and(Until::is_over)) {
                    return Ending::Expired;
                },
                changed = doubts.changed() => {
                    if changed.is_err() {
                        return Ending::Stopping;
                    }
                    for proof in self.all() {
                        if let Err(refused) = self.ask(&proof.presented).await {
                            self.tell(refused.fault());
                            return Ending::NotGood;
                        }
                    }
                }
                () = self.changed.notified() => {}
            }
        }
    }
}

/// Waits for the first of them.
async fn first(tokens: Vec<CancellationToken>) {
    if tokens.is_empty() {
        return std::future::pending().await;
    }
    select_all(tokens.iter().map(|token| Box::pin(token.cancelled()))).await;
}

/// A socket that is to begin when the protocol below lets go of its connection.
#[derive(Clone)]
pub(crate) struct Became(Arc<Mutex<Option<Opening>>>);

struct Opening {
    begin: (web::Bounds, Converse),
    standing: Arc<Standing>,
    own: Arc<Proof>,
    /// What arrives over it.
    part: Part,
}

/// Makes of an answer that the connection becomes a WebSocket one that says so, and begins to look after it.
pub(crate) fn begin(
    (config, arriving): (&EdgeConfig, &Arriving),
    (route, request_id, address): (Arc<Bound>, RequestId, IpAddr),
    parts: &Parts,
    identified: &Identified,
    mut answer: Answer,
) -> Result<Answer, Failure> {
    let Some(begin) = answer.0.extensions_mut().remove::<Begin>().and_then(|begin| begin.take()) else {
        return Err(web::Error::Panicked.into());
    };
    let standing = Arc::new(Standing::of(config, (route, request_id, address), parts)?);
    let own = standing.enter(standing.request.clone(), identified)?;
    let opening = Opening { begin, standing, own, part: arriving.part(address) };
    answer.0.extensions_mut().insert(Became(Arc::new(Mutex::new(Some(opening)))));
    let accept = accept(parts).unwrap_or_default();
    let answer = answer.with(http::header::CONNECTION, "Upgrade").with(http::header::UPGRADE, "websocket");
    Ok(answer.with(http::header::SEC_WEBSOCKET_ACCEPT, &accept))
}

impl Became {
    /// Talks until one side has enough.
    pub(crate) async fn run(self, connection: OnUpgrade, stop: CancellationToken) {
        let Some(opening) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let Opening { begin: (bounds, converse), standing, own, part } = opening;
        let wire: Box<dyn Wire> = match connection.await {
            Ok(upgraded) => Box::new(TokioIo::new(upgraded)),
            Err(error) => {
                tracing::debug!(%error, "a connection did not become a WebSocket");
                return;
            }
        };
        let (end, ends) = watch::channel(None);
        let shows = standing.clone();
        let show: Show = Arc::new(move |token: Option<Secret<String>>| {
            let presented = match token {
                None => shows.request.clone(),
                Some(token) => Presented { bearer: Some(token.expose().clone()), ..shows.request.clone() },
            };
            Box::pin(shows.clone().show(presented))
        });
        let socket = Socket::new(wire, (bounds, part), ends, show).await;
        let mut conversation = converse(socket);
        let ending = tokio::select! {
            () = &mut conversation => return,
            ending = standing.fails() => ending,
            () = stop.cancelled() => Ending::Stopping,
        };
        end.send_replace(Some(ending));
        // Whoever has not said goodbye by then is cut.
        let bound = Duration::from_millis(SOCKET_END_MS_MAX.value);
        let _in_time = tokio::time::timeout(bound, conversation).await;
        drop(own);
    }
}

/// What a request must show to become a WebSocket (RFC 6455 section 4.2.1).
pub(crate) fn require_complete(parts: &Parts) -> Result<(), web::Error> {
    let is = |name: http::HeaderName, word: &str| {
        parts.headers.get_all(name).iter().any(|line| {
            line.to_str().is_ok_and(|line| line.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
        })
    };
    let missing = if parts.extensions.get::<OnUpgrade>().is_none() || !is(http::header::UPGRADE, "websocket")
    {
        "ask for it over HTTP/1.1 with `Upgrade: websocket`"
    } else if !is(http::header::CONNECTION, "upgrade") {
        "ask for it with `Connection: Upgrade`"
    } else if !is(http::header::SEC_WEBSOCKET_VERSION, "13") {
        "ask for it with `Sec-WebSocket-Version: 13`"
    } else if accept(parts).is_none() {
        "ask for it with a `Sec-WebSocket-Key` of 16 bytes"
    } else {
        return Ok(());
    };
    Err(web::Error::NotASocket { what: missing })
}

/// What answers the request's key.
pub(crate) fn accept(parts: &Parts) -> Option<String> {
    let mut keys = parts.headers.get_all(http::header::SEC_WEBSOCKET_KEY).iter();
    let (key, None) = (keys.next()?.as_bytes(), keys.next()) else { return None };
    let is_whole = key.len() == 24 && key.ends_with(b"==");
    is_whole.then(|| tokio_tungstenite::tungstenite::handshake::derive_accept_key(key))
}

#[cfg(test)]
mod tests;
