//! A channel that a socket is in, and what is said in it.
//!
//! Invariant: it is spoken in only with the rights that were decided last.

use std::collections::HashMap;
use std::sync::Arc;

use base::{Caller, Secret};
use realtime::changes::Wanted;
use realtime::{Error, Feed, Hears, Payload, Place, Rate, Rights, Seat, State, Topic, limits};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use web::Shown;

use super::wire::{Body, Said};

/// A channel that this socket is in.
pub(super) struct Channel {
    pub(super) join_ref: Value,
    pub(super) topic: Topic,
    pub(super) seat: Seat,
    pub(super) hears: Hears,
    pub(super) rights: Rights,
    pub(super) ack: bool,
    pub(super) caller: Arc<Caller>,
    /// What was shown for it, where that is not what the socket itself was opened with.
    pub(super) shown: Option<(Arc<Secret<String>>, Arc<Shown>)>,
    pub(super) tracks: Rate,
    /// What it wants to know of tables.
    pub(super) wants: Vec<Wanted>,
    /// The same, as it is told; none where it wants nothing.
    pub(super) feed: Option<Feed>,
    /// A refusal to speak is recorded once.
    pub(super) recorded: bool,
}

impl Channel {
    /// From now on it has these rights.
    pub(super) fn may(&mut self, rights: Rights) {
        self.hears.broadcast = rights.hears;
        self.hears.presence &= rights.sees;
        self.seat.hears(self.hears);
        if !rights.appears {
            self.seat.untrack();
        }
        self.rights = rights;
    }

    fn require(&self, may: bool, verb: &'static str) -> Result<(), Error> {
        if may { Ok(()) } else { Err(Error::NoVoice { topic: self.topic.name.to_string(), verb }) }
    }

    pub(super) fn speak(&self, place: &Place, event: String, payload: Payload) -> Result<(), Error> {
        self.require(self.rights.speaks, "broadcast")?;
        fits(&event, &payload)?;
        place.deliver(self.seat.audience())?;
        self.seat.say(event, payload);
        Ok(())
    }

    /// `track` or `untrack`. Who tracks without having asked who is there is told so from then on.
    pub(super) fn appear(&mut self, place: &Place, said: &Said) -> Result<Option<State>, Error> {
        #[derive(Deserialize)]
        struct Wanted {
            event: String,
            payload: Option<Box<RawValue>>,
        }
        let malformed = |what: String| Error::Malformed { what };
        let Body::Json(payload) = &said.body else { return Err(malformed("Presence is JSON".to_owned())) };
        let wanted: Wanted =
            serde_json::from_str(payload.get()).map_err(|error| malformed(error.to_string()))?;
        if !self.tracks.takes(1.0) {
            return Err(Error::TooManyTracks);
        }
        place.deliver(self.seat.audience())?;
        match &*wanted.event {
            "untrack" => {
                self.seat.untrack();
                Ok(None)
            }
            "track" => {
                self.require(self.rights.appears, "track presence")?;
                let payload = wanted.payload.as_deref().map_or("{}", RawValue::get);
                if payload.len() > limits::PRESENCE_BYTES_MAX.size() {
                    return Err(Error::TooLarge { bytes_max: limits::PRESENCE_BYTES_MAX.value });
                }
                if serde_json::from_str::<HashMap<String, &RawValue>>(payload).is_err() {
                    return Err(malformed("What is tracked is an object".to_owned()));
                }
                let state = (self.rights.sees && !self.hears.presence).then(|| {
                    self.hears.presence = true;
                    self.seat.hears(self.hears)
                });
                self.seat.track(payload)?;
                Ok(state)
            }
            _ => Err(malformed("Presence has track and untrack".to_owned())),
        }
    }
}

/// Whether it can be sent to everybody.
pub(super) fn fits(event: &str, payload: &Payload) -> Result<(), Error> {
    if event.len() > limits::NAME_BYTES_MAX.size() {
        return Err(Error::NameTooLong { what: "event", bytes_max: limits::NAME_BYTES_MAX.value });
    }
    if payload.bytes().len() > limits::PAYLOAD_BYTES_MAX.size() {
        return Err(Error::TooLarge { bytes_max: limits::PAYLOAD_BYTES_MAX.value });
    }
    Ok(())
}

/// What is to be said, and whether an answer is waited for in any case.
pub(super) fn read_broadcast(body: Body) -> Result<(String, Payload, bool), Error> {
    #[derive(Deserialize)]
    struct Given {
        event: String,
        payload: Option<Box<RawValue>>,
    }
    match body {
        Body::Broadcast { metadata, .. } if !metadata.is_empty() && *metadata != *b"{}" => {
            Err(Error::NotHere {
                what: "broadcast with `persist`",
                instead: "send it without: messages are not kept",
            })
        }
        Body::Broadcast { event, payload, .. } => Ok((event, payload, false)),
        Body::Json(given) => {
            let Given { event, payload } = serde_json::from_str(given.get())
                .map_err(|error| Error::Malformed { what: error.to_string() })?;
            let payload = payload.map_or_else(|| "{}".to_owned(), |payload| payload.get().to_owned());
            Ok((event, Payload::Json(payload.into()), false))
        }
    }
}
