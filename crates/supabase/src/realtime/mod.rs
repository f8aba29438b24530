//! Channels as realtime-js and its siblings speak of them (`/realtime/v1`): broadcast, presence and changes of tables.
//!
//! What is not here is refused by name: a join that asks for it must not look as if it had worked.

mod broadcast;
mod changes;
mod channel;
mod join;
mod talk;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use base::{Failure, Fault};
use http::{Method, StatusCode};
use realtime::{Error, Realtime, limits};
use serde_json::json;
use web::{
    Answer, Area, Ask, Bounds, Cx, Guard, Handled, Limits, Mount, Refused, Route, RouteInfo, code_of,
    status_of,
};

use wire::Version;

/// What the endpoints work with.
pub struct State {
    /// The channels.
    pub realtime: Realtime,
}

/// A socket has nothing but its head.
const SOCKET: Route<State> = Route::new(Method::GET, "/websocket", Guard::Key, |state, cx, ask| {
    Box::pin(async move { open(&state, cx, &ask) })
})
.limits(Limits::NO_BODY)
.upgrades()
.summary("Channels: broadcast, presence and changes of tables");

const ROUTES: &[Route<State>] = &[SOCKET, broadcast::MESSAGES, broadcast::MESSAGE];

/// Its routes at `prefix`.
pub fn mount(state: Arc<State>, prefix: &str) -> Mount {
    Mount::new(prefix, envelope, state, ROUTES).area(Area::Data)
}

/// What the reference says of them, at `prefix`.
pub fn table(prefix: &str) -> Vec<RouteInfo> {
    ROUTES.iter().map(|route| route.info(prefix)).collect()
}

/// `?vsn=1.0.0|2.0.0`.
fn open(state: &Arc<State>, cx: Cx, ask: &Ask) -> Result<web::Reply<Answer>, Failure> {
    let version = Version::named(ask.query_param("vsn").as_deref())
        .ok_or_else(|| Error::Malformed { what: "The versions are vsn=1.0.0 and vsn=2.0.0".to_owned() })?;
    let place = state.realtime.enter(cx.caller.address)?;
    let bounds = Bounds {
        message_bytes_max: limits::MESSAGE_BYTES_MAX.size(),
        idle: Duration::from_millis(limits::IDLE_MS_MAX.value),
    };
    let realtime = state.realtime.clone();
    Ok(Answer::socket(bounds, async move |socket| talk::talk(realtime, cx, version, socket, place).await))
}

/// `{"error", "message", "code"}`: clients read one of the first two.
fn envelope(failure: &Failure, refused: &Refused<'_>) -> Answer {
    let fault = failure.fault();
    let message = fault.message();
    let mut body = json!({
        "error": message, "message": message, "code": code_of(fault), "request_id": &*refused.request_id.0,
    });
    if let Some(hint) = fault.hint() {
        body["hint"] = hint.into();
    }
    Answer::json_with(status(fault), &body)
}

fn status(fault: &dyn Fault) -> StatusCode {
    status_of(fault.kind())
}

/// A handler's future.
fn handled(future: impl Future<Output = Result<web::Reply<Answer>, Failure>> + Send + 'static) -> Handled {
    Box::pin(future)
}

/// The code that clients know, of what a channel refuses.
fn code(error: &Error) -> &'static str {
    match error {
        Error::TooManySockets | Error::TooManyAtAddress => "ConnectionRateLimitReached",
        Error::NoName => "TopicNameRequired",
        Error::NameTooLong { .. } | Error::Malformed { .. } => "InvalidJoinPayload",
        Error::PrivateOnly => "PrivateOnly",
        Error::NoEntry { .. } | Error::NoVoice { .. } => "Unauthorized",
        Error::TooManyChannels => "ChannelRateLimitReached",
        Error::TooManyJoins => "ClientJoinRateLimitReached",
        Error::TooManyMessages | Error::TooManyDeliveries => "MessageRateLimitReached",
        Error::TooManyTracks | Error::TooManyPresences => "PresenceRateLimitReached",
        Error::TooLarge { .. } => "PayloadTooLarge",
        Error::NotHere { .. } => "NotAvailable",
        Error::NotTold { .. } | Error::NoColumn { .. } => "Unauthorized",
        Error::Filter { .. } => "InvalidJoinPayload",
        Error::TooManyWanted => "ChannelRateLimitReached",
        Error::Policy(_) => "RlsPolicyError",
        Error::Database(pg::Error::Busy { .. }) => "DatabaseLackOfConnections",
        Error::Database(_) => "UnableToConnectToProject",
    }
}

/// `Code: what, and what to do`: as clients show it.
fn reason(error: &Error) -> String {
    let mut words = format!("{}: {}", code(error), error.message());
    if let Some(hint) = error.hint() {
        words.push_str(". ");
        words.push_str(&hint);
    }
    words
}
