//! `POST /realtime/v1/api/broadcast`: saying something without a socket, as programs do. 202, once it was given to everybody who is
//! connected. What a policy refuses is refused, and then nothing of the request is sent.

use std::collections::HashSet;
use std::sync::Arc;

use base::Failure;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use realtime::{Error, Payload, Realtime, Topic, limits};
use serde::Deserialize;
use serde_json::value::RawValue;
use web::{Answer, Ask, Cx, Guard, Limits, Reply, Route};

use super::{State, channel, handled};

const LIMITS: Limits = Limits { body_bytes_max: limits::MESSAGE_BYTES_MAX.value, duration_ms_max: 10_000 };

/// `{messages: [{topic, event, payload, private}]}`.
pub const MESSAGES: Route<State> =
    Route::new(Method::POST, "/api/broadcast", Guard::Key, |state, cx, ask| {
        handled(messages(state, cx, ask))
    })
    .limits(LIMITS)
    .counts_as(count)
    .summary("Broadcasts messages to channels");

/// One message, JSON or bytes.
pub const MESSAGE: Route<State> =
    Route::new(Method::POST, "/api/broadcast/{topic}/events/{event}", Guard::Key, |state, cx, ask| {
        handled(message(state, cx, ask))
    })
    .limits(LIMITS)
    .summary("Broadcasts one message, JSON or bytes, to a channel");

#[derive(Deserialize)]
struct Messages {
    messages: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    topic: String,
    event: String,
    payload: Box<RawValue>,
    #[serde(default)]
    private: bool,
}

/// Each message is a request.
fn count(ask: &Ask) -> u32 {
    let count = ask.json::<Messages>().map_or(1, |all| all.messages.len());
    u32::try_from(count.max(1)).unwrap_or(u32::MAX)
}

async fn messages(state: Arc<State>, cx: Cx, ask: Ask) -> Result<Reply<Answer>, Failure> {
    let Messages { messages } = ask.json()?;
    let all = messages.into_iter().map(|one| {
        let payload = Payload::Json(Bytes::from(one.payload.get().to_owned()));
        (Topic { name: one.topic.into(), private: one.private }, one.event, payload)
    });
    send(&state.realtime, &cx, all.collect()).await
}

async fn message(state: Arc<State>, cx: Cx, ask: Ask) -> Result<Reply<Answer>, Failure> {
    let (topic, event) = (ask.params.get("topic"), ask.params.get("event").to_owned());
    if ask.query_pairs().any(|(name, _)| name.starts_with("persist")) {
        let instead = "send it without: messages are not kept";
        return Err(Error::NotHere { what: "broadcast with `persist`", instead }.into());
    }
    let kind = ask.parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let payload = match kind.split(';').next().unwrap_or_default().trim() {
        "application/octet-stream" => Payload::Binary(ask.body.clone()),
        "application/json" => {
            ask.json::<Box<RawValue>>()?;
            Payload::Json(ask.body.clone())
        }
        _ => {
            let what = "A payload is application/json or application/octet-stream".to_owned();
            return Err(Error::Malformed { what }.into());
        }
    };
    let private = ask.query_param("private").as_deref() == Some("true");
    send(&state.realtime, &cx, vec![(Topic { name: topic.into(), private }, event, payload)]).await
}

/// All of it, or nothing.
async fn send(
    realtime: &Realtime,
    cx: &Cx,
    all: Vec<(Topic, String, Payload)>,
) -> Result<Reply<Answer>, Failure> {
    let mut decided = HashSet::new();
    for (topic, event, payload) in &all {
        if topic.name.is_empty() {
            return Err(Error::NoName.into());
        }
        channel::fits(event, payload)?;
        // The whole topic is a field of the wire, with `realtime:` before it.
        if topic.name.len() + 9 > limits::NAME_BYTES_MAX.size() {
            return Err(
                Error::NameTooLong { what: "channel", bytes_max: limits::NAME_BYTES_MAX.value }.into()
            );
        }
        if decided.insert(topic.clone()) {
            realtime.require_voice(&cx.caller, topic).await?;
        }
    }
    for (topic, event, payload) in all {
        realtime.hub.say(&topic, event, payload);
    }
    Ok(Reply::untouched(Answer::status(StatusCode::ACCEPTED), "what is said is kept nowhere"))
}
