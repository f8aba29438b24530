//! One socket, from its first message to its last: what is heard is answered in its order, what happens in its channels is passed on.
//!
//! Invariant: a channel is listened to and spoken in only with the rights that were decided for the token that was shown last.

use std::collections::HashMap;
use std::sync::Arc;

use base::{Caller, Failure, Kind, Secret};
use realtime::{
    Error, Hears, Inbox, Outbox, Payload, Place, Rate, Realtime, Rights, Seat, State, Topic, limits, queue,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use web::{Cx, Ending, Message, Shown, Socket};

use super::join::{self, Wish};
use super::wire::{self, Body, Said, Version};
use super::{code, reason};

/// Why a socket is over.
enum End {
    /// As the socket says.
    Socket(Ending),
    /// The other side does not take what it is sent.
    Slow,
    /// It asks for more than anybody may.
    TooMuch,
}

impl End {
    fn words(&self) -> (u16, &'static str) {
        match self {
            End::Socket(ending) => (ending.code(), ending.words()),
            End::Slow => (1013, "messages wait longer than they are kept: connect again"),
            End::TooMuch => (1008, "more than a client may ask for"),
        }
    }
}

/// A channel that this socket is in.
struct Channel {
    join_ref: Value,
    topic: Topic,
    seat: Seat,
    hears: Hears,
    rights: Rights,
    ack: bool,
    caller: Arc<Caller>,
    /// What was shown for it, where that is not what the socket itself was opened with.
    shown: Option<(Arc<Secret<String>>, Arc<Shown>)>,
    tracks: Rate,
    /// A refusal to speak is recorded once.
    recorded: bool,
}

struct Talk {
    realtime: Realtime,
    cx: Cx,
    version: Version,
    socket: Socket,
    outbox: Outbox,
    slow: CancellationToken,
    channels: HashMap<String, Channel>,
    joins: Rate,
    messages: Rate,
    bytes: Rate,
}

/// Talks until one side has enough. `_place` is held meanwhile.
pub async fn talk(realtime: Realtime, cx: Cx, version: Version, socket: Socket, _place: Place) {
    let (outbox, mut inbox) = queue();
    let per_second = limits::MESSAGES_PER_SECOND_MAX.value as f64;
    let per_second_joins = limits::JOINS_PER_SECOND_MAX.value as f64;
    let bytes = limits::BYTES_PER_SECOND_MAX.value as f64;
    let mut talk = Talk {
        realtime,
        cx,
        version,
        socket,
        outbox,
        slow: inbox.slow(),
        channels: HashMap::new(),
        joins: Rate::new(per_second_joins, limits::CHANNELS_MAX.value as f64 + per_second_joins),
        messages: Rate::new(per_second, 2.0 * per_second),
        bytes: Rate::new(bytes, bytes + limits::MESSAGE_BYTES_MAX.value as f64),
    };
    let Err(end) = talk.go_on(&mut inbox).await;
    // Whoever else is there learns it before the goodbye, which may take a moment.
    talk.channels.clear();
    let (code, words) = end.words();
    talk.socket.close(code, words).await;
}

/// Events that are sent before it is looked for what came.
const AT_ONCE: usize = 64;

impl Talk {
    async fn go_on(&mut self, inbox: &mut Inbox) -> Result<std::convert::Infallible, End> {
        loop {
            tokio::select! {
                biased;
                () = self.slow.cancelled() => return Err(End::Slow),
                heard = self.socket.next() => {
                    let heard = heard.map_err(End::Socket)?;
                    self.hear(heard).await?;
                }
                event = inbox.next() => {
                    let mut next = event;
                    let mut sent = 0;
                    while let Some(event) = next {
                        if let Some(message) = wire::event(self.version, &event) {
                            self.feed(message).await?;
                        }
                        sent += 1;
                        next = if sent < AT_ONCE { inbox.at_hand() } else { None };
                    }
                    self.flush().await?;
                }
            }
        }
    }

    async fn feed(&mut self, message: Message) -> Result<(), End> {
        tokio::select! {
            biased;
            () = self.slow.cancelled() => Err(End::Slow),
            fed = self.socket.feed(message) => fed.map_err(End::Socket),
        }
    }

    async fn flush(&mut self) -> Result<(), End> {
        tokio::select! {
            biased;
            () = self.slow.cancelled() => Err(End::Slow),
            sent = self.socket.flush() => sent.map_err(End::Socket),
        }
    }

    async fn say(&mut self, message: Message) -> Result<(), End> {
        self.feed(message).await?;
        self.flush().await
    }

    async fn reply(&mut self, said: &Said, status: &str, response: Value) -> Result<(), End> {
        self.say(wire::reply(self.version, said, status, &response)).await
    }

    async fn refuse(&mut self, said: &Said, error: &Error) -> Result<(), End> {
        self.reply(said, "error", json!({ "reason": reason(error), "code": code(error) })).await
    }

    async fn hear(&mut self, message: Message) -> Result<(), End> {
        let size = match &message {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) => bytes.len(),
        };
        let within = self.messages.takes(1.0) && self.bytes.takes(size as f64);
        let said = match wire::read(self.version, &message) {
            Ok(said) => said,
            Err(_) if !within => return Err(self.too_much()),
            Err(error) => {
                tracing::debug!(%error, "a message of a socket was not understood");
                return Ok(());
            }
        };
        if !within {
            if !self.channels.contains_key(&said.topic) {
                return Err(self.too_much());
            }
            return self.end_channel(&said.topic, &Error::TooManyMessages).await;
        }
        match (&*said.topic, &*said.event) {
            ("phoenix", "heartbeat") => self.reply(&said, "ok", json!({})).await,
            (_, "phx_join") => self.join(&said).await,
            (_, "phx_leave") => self.leave(&said).await,
            (_, "access_token") => self.show(&said).await,
            (_, "broadcast") => self.broadcast(said).await,
            (_, "presence") => self.presence(&said).await,
            // As the reference server does.
            _ => Ok(()),
        }
    }

    fn too_much(&self) -> End {
        self.realtime.refused(&self.cx.caller, "", &Error::TooManyMessages);
        End::TooMuch
    }

    /// Closes one channel, and says why.
    async fn end_channel(&mut self, topic: &str, error: &Error) -> Result<(), End> {
        let Some(channel) = self.channels.remove(topic) else { return Ok(()) };
        self.realtime.refused(&channel.caller, &channel.topic.name, error);
        self.close_channel(topic, &channel, &reason(error)).await
    }

    async fn close_channel(&mut self, topic: &str, channel: &Channel, why: &str) -> Result<(), End> {
        let told = json!({
            "extension": "system", "status": "error", "message": why, "channel": &*channel.topic.name,
        });
        self.feed(wire::push(self.version, &channel.join_ref, topic, "system", &told)).await?;
        self.say(wire::push(self.version, &channel.join_ref, topic, "phx_close", &json!({}))).await
    }

    async fn join(&mut self, said: &Said) -> Result<(), End> {
        if !self.joins.takes(1.0) {
            self.realtime.refused(&self.cx.caller, &said.topic, &Error::TooManyJoins);
            self.refuse(said, &Error::TooManyJoins).await?;
            return Err(End::TooMuch);
        }
        // A channel that is joined again is another one from then on.
        if let Some(old) = self.channels.remove(&said.topic) {
            self.say(wire::push(self.version, &old.join_ref, &said.topic, "phx_close", &json!({}))).await?;
        }
        let wish = match self.wish(said) {
            Ok(wish) => wish,
            Err(error) => {
                self.realtime.refused(&self.cx.caller, &said.topic, &error);
                return self.refuse(said, &error).await;
            }
        };
        let (caller, shown) = match self.shown(wish.token.as_ref()).await {
            Ok(shown) => shown,
            Err(refused) => return self.reply(said, "error", json!({ "reason": of_token(&refused) })).await,
        };
        match self.take_seat(said, wish, caller.clone(), shown).await {
            Ok(state) => {
                self.reply(said, "ok", json!({ "postgres_changes": [] })).await?;
                match state {
                    Some(state) => self.tell_state(said, &state).await,
                    None => Ok(()),
                }
            }
            Err(error) => {
                self.realtime.refused(&caller, &said.topic, &error);
                self.refuse(said, &error).await
            }
        }
    }

    fn wish(&self, said: &Said) -> Result<Wish, Error> {
        join::name(&said.topic)?;
        if self.channels.len() >= limits::CHANNELS_MAX.size() {
            return Err(Error::TooManyChannels);
        }
        match &said.body {
            Body::Json(payload) => join::wish(payload.get()),
            Body::Broadcast { .. } => Err(Error::Malformed { what: "A join is JSON".to_owned() }),
        }
    }

    /// Whose a channel is by its token; the socket's own where it has none. The same token is looked after once.
    async fn shown(
        &mut self,
        token: Option<&Secret<String>>,
    ) -> Result<(Arc<Caller>, Option<(Arc<Secret<String>>, Arc<Shown>)>), Failure> {
        let Some(token) = token else { return Ok((self.cx.caller.clone(), None)) };
        let known = self.channels.values().filter_map(|channel| channel.shown.as_ref());
        if let Some((token, shown)) = known.into_iter().find(|(known, _)| known.matches(token.expose())) {
            return Ok((shown.caller.clone(), Some((token.clone(), shown.clone()))));
        }
        let token = Arc::new(Secret::new(token.expose().clone()));
        let shown = Arc::new(self.socket.show(Some(Secret::new(token.expose().clone()))).await?);
        Ok((shown.caller.clone(), Some((token, shown))))
    }

    async fn take_seat(
        &mut self,
        said: &Said,
        wish: Wish,
        caller: Arc<Caller>,
        shown: Option<(Arc<Secret<String>>, Arc<Shown>)>,
    ) -> Result<Option<State>, Error> {
        let name = join::name(&said.topic)?;
        let topic = Topic { name: name.into(), private: wish.private };
        let rights = self.realtime.rights(&caller, &topic).await?;
        let hears = Hears { broadcast: rights.hears, presence: rights.sees && wish.presence, own: wish.own };
        let key = wish.key.unwrap_or_else(|| wire::new_key(&self.cx.rng));
        let (seat, state) = self.realtime.hub.join(topic.clone(), key.into(), hears, self.outbox.clone());
        let calls = limits::PRESENCE_CALLS_MAX.value as f64;
        let channel = Channel {
            join_ref: said.join_ref.clone(),
            topic,
            seat,
            hears,
            rights,
            ack: wish.ack,
            caller,
            shown,
            tracks: Rate::new(calls / 30.0, calls),
            recorded: false,
        };
        self.channels.insert(said.topic.clone(), channel);
        Ok(hears.presence.then_some(state))
    }

    async fn tell_state(&mut self, said: &Said, state: &State) -> Result<(), End> {
        let state = wire::presences(state.iter().map(|(key, metas)| (&**key, metas.as_slice())));
        self.say(wire::push(self.version, &said.join_ref, &said.topic, "presence_state", &state)).await
    }

    async fn leave(&mut self, said: &Said) -> Result<(), End> {
        let left = self.channels.remove(&said.topic);
        self.reply(said, "ok", json!({})).await?;
        match left {
            Some(channel) => {
                self.say(wire::push(self.version, &channel.join_ref, &said.topic, "phx_close", &json!({})))
                    .await
            }
            None => Ok(()),
        }
    }

    /// Another token for a channel: who it is for and what they may is decided anew.
    async fn show(&mut self, said: &Said) -> Result<(), End> {
        #[derive(Deserialize)]
        struct Given {
            access_token: Option<String>,
        }
        let Body::Json(payload) = &said.body else { return Ok(()) };
        let given = serde_json::from_str::<Given>(payload.get()).ok().and_then(|given| given.access_token);
        let (Some(channel), Some(token)) = (self.channels.get(&said.topic), join::token(given)) else {
            return Ok(());
        };
        if channel.shown.as_ref().is_some_and(|(known, _)| known.matches(token.expose())) {
            return Ok(());
        }
        let topic = channel.topic.clone();
        // It asks the database as a join does.
        if !self.joins.takes(1.0) {
            return self.end_channel(&said.topic, &Error::TooManyJoins).await;
        }
        let (caller, shown) = match self.shown(Some(&token)).await {
            Ok(shown) => shown,
            Err(refused) => {
                let Some(channel) = self.channels.remove(&said.topic) else { return Ok(()) };
                return self.close_channel(&said.topic, &channel, &of_token(&refused)).await;
            }
        };
        let rights = match self.realtime.rights(&caller, &topic).await {
            Ok(rights) => rights,
            Err(error) => return self.end_channel(&said.topic, &error).await,
        };
        if let Some(channel) = self.channels.get_mut(&said.topic) {
            channel.hears.broadcast = rights.hears;
            channel.hears.presence &= rights.sees;
            channel.seat.hears(channel.hears);
            if !rights.appears {
                channel.seat.untrack();
            }
            (channel.rights, channel.caller, channel.shown) = (rights, caller, shown);
        }
        Ok(())
    }

    async fn broadcast(&mut self, said: Said) -> Result<(), End> {
        let Some(channel) = self.channels.get_mut(&said.topic) else { return self.unmatched(&said).await };
        let ack = channel.ack;
        let Said { join_ref, reference, topic, event, body } = said;
        let (done, asked) = match read_broadcast(body) {
            Ok((name, payload, asked)) => (channel.speak(name, payload), asked),
            Err(error) => (Err(error), true),
        };
        let said = Said { join_ref, reference, topic, event, body: Body::Json(RawValue::NULL.to_owned()) };
        match done {
            Ok(()) if ack => self.reply(&said, "ok", json!({})).await,
            Ok(()) => Ok(()),
            Err(error) => {
                self.record(&said.topic, &error);
                if ack || asked { self.refuse(&said, &error).await } else { Ok(()) }
            }
        }
    }

    /// A refusal to speak comes as often as somebody speaks; the first of a channel says all.
    fn record(&mut self, topic: &str, error: &Error) {
        if let Some(channel) = self.channels.get_mut(topic).filter(|channel| !channel.recorded) {
            channel.recorded = true;
            self.realtime.refused(&channel.caller, &channel.topic.name, error);
        }
    }

    async fn unmatched(&mut self, said: &Said) -> Result<(), End> {
        self.reply(said, "error", json!({ "reason": "unmatched topic" })).await
    }

    async fn presence(&mut self, said: &Said) -> Result<(), End> {
        let Some(channel) = self.channels.get_mut(&said.topic) else { return self.unmatched(said).await };
        let done = channel.appear(said);
        match done {
            Ok(state) => {
                if let Some(state) = state {
                    self.tell_state(said, &state).await?;
                }
                self.reply(said, "ok", json!({})).await
            }
            Err(error) => {
                self.record(&said.topic, &error);
                self.refuse(said, &error).await
            }
        }
    }
}

impl Channel {
    fn require(&self, may: bool, verb: &'static str) -> Result<(), Error> {
        if may { Ok(()) } else { Err(Error::NoVoice { topic: self.topic.name.to_string(), verb }) }
    }

    fn speak(&self, event: String, payload: Payload) -> Result<(), Error> {
        self.require(self.rights.speaks, "broadcast")?;
        fits(&event, &payload)?;
        self.seat.say(event, payload);
        Ok(())
    }

    /// `track` or `untrack`. Who tracks without having asked who is there is told so from then on.
    fn appear(&mut self, said: &Said) -> Result<Option<State>, Error> {
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
pub fn fits(event: &str, payload: &Payload) -> Result<(), Error> {
    if event.len() > limits::NAME_BYTES_MAX.size() {
        return Err(Error::NameTooLong { what: "event", bytes_max: limits::NAME_BYTES_MAX.value });
    }
    if payload.bytes().len() > limits::PAYLOAD_BYTES_MAX.size() {
        return Err(Error::TooLarge { bytes_max: limits::PAYLOAD_BYTES_MAX.value });
    }
    Ok(())
}

/// What is to be said, and whether an answer is waited for in any case.
fn read_broadcast(body: Body) -> Result<(String, Payload, bool), Error> {
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

/// What is said of a token that is refused.
fn of_token(refused: &Failure) -> String {
    let fault = refused.fault();
    let code = match fault.kind() {
        Kind::Unauthenticated => "InvalidJWTToken",
        Kind::Forbidden | Kind::StepUp => "Unauthorized",
        Kind::TooMany => "ClientJoinRateLimitReached",
        _ => "UnableToConnectToProject",
    };
    format!("{code}: {}", fault.message())
}
