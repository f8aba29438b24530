//! One socket, from its first message to its last: what is heard is answered in its order, what happens in its channels is passed on.
//!
//! Invariant: a channel is listened to and spoken in only with the rights that were decided for the token that was shown last.

use std::collections::HashMap;
use std::sync::Arc;

use base::{Caller, Failure, Kind, Secret};
use realtime::changes::Wanted;
use realtime::{
    Error, Event, Feed, Hears, Inbox, Outbox, Place, Rate, Realtime, Rights, State, Topic, What, limits,
    queue,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use web::{Cx, Ending, Message, Shown, Socket};

use super::channel::{Channel, read_broadcast};
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
    /// Says when policies about channels are others.
    doubts: watch::Receiver<u64>,
    place: Place,
}

/// Talks until one side has enough. `place` is held meanwhile.
pub async fn talk(realtime: Realtime, cx: Cx, version: Version, socket: Socket, place: Place) {
    let (outbox, mut inbox) = queue();
    let per_second = limits::MESSAGES_PER_SECOND_MAX.value as f64;
    let per_second_joins = limits::JOINS_PER_SECOND_MAX.value as f64;
    let bytes = limits::BYTES_PER_SECOND_MAX.value as f64;
    let mut talk = Talk {
        doubts: realtime.doubts(),
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
        place,
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
                Ok(()) = self.doubts.changed() => self.ask_again().await?,
                event = inbox.next() => {
                    let mut next = event;
                    let mut sent = 0;
                    while let Some(event) = next {
                        self.pass_on(&event).await?;
                        sent += 1;
                        next = if sent < AT_ONCE { inbox.at_hand() } else { None };
                    }
                    self.flush().await?;
                }
            }
        }
    }

    /// Sends what happened, unless it is for somebody this channel was before.
    async fn pass_on(&mut self, event: &Event) -> Result<(), End> {
        if let What::Row { feed, .. } | What::Lost { feed, .. } = &event.what {
            let topic = format!("realtime:{}", event.topic);
            let of = self.channels.get(&topic).and_then(|channel| channel.feed.as_ref());
            if of.is_none_or(|of| of.number != *feed) {
                return Ok(());
            }
            if let What::Lost { why, .. } = &event.what {
                return self.lose_channel(&topic, why).await;
            }
        }
        match wire::event(self.version, event) {
            Some(message) => self.feed(message).await,
            None => Ok(()),
        }
    }

    /// Ends a channel that missed something. Clients join again by themselves, and their program reads again what it shows.
    async fn lose_channel(&mut self, topic: &str, why: &str) -> Result<(), End> {
        let Some(channel) = self.channels.remove(topic) else { return Ok(()) };
        let told = of_changes("error", why, &channel.topic.name);
        self.feed(wire::push(self.version, &channel.join_ref, topic, "system", &told)).await?;
        self.say(wire::push(self.version, &channel.join_ref, topic, "phx_error", &json!({}))).await
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
            Ok((state, echo)) => {
                let wants = !echo.is_empty();
                self.reply(said, "ok", json!({ "postgres_changes": echo })).await?;
                if let Some(state) = state {
                    self.tell_state(said, &state).await?;
                }
                if !wants {
                    return Ok(());
                }
                let told =
                    of_changes("ok", "Subscribed to PostgreSQL", join::name(&said.topic).unwrap_or_default());
                self.say(wire::push(self.version, &said.join_ref, &said.topic, "system", &told)).await
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
    ) -> Result<(Option<State>, Vec<Value>), Error> {
        let name = join::name(&said.topic)?;
        let topic = Topic { name: name.into(), private: wish.private };
        let wants: Vec<Wanted> = wish.changes.iter().map(|asked| asked.wanted.clone()).collect();
        let held: usize = self.channels.values().map(|channel| channel.wants.len()).sum();
        if held + wants.len() > limits::WANTED_MAX.size() {
            return Err(Error::TooManyWanted);
        }
        let (rights, feed) = Self::decide(
            self.realtime.clone(),
            self.outbox.clone(),
            caller.clone(),
            topic.clone(),
            (wants.clone(), None),
        )
        .await?;
        let ids = feed.as_ref().map_or(&[][..], |feed| &feed.ids);
        let echo = wish.changes.iter().zip(ids).map(|(asked, id)| asked.echo(*id)).collect();
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
            wants,
            feed,
            recorded: false,
        };
        self.channels.insert(said.topic.clone(), channel);
        Ok((hears.presence.then_some(state), echo))
    }

    /// What somebody may in a channel, and what they are told of tables there.
    async fn decide(
        realtime: Realtime,
        outbox: Outbox,
        caller: Arc<Caller>,
        topic: Topic,
        (wants, before): (Vec<Wanted>, Option<Vec<u64>>),
    ) -> Result<(Rights, Option<Feed>), Error> {
        if wants.is_empty() {
            return Ok((realtime.rights(&caller, &topic).await?, None));
        }
        let rights = realtime.rights_beside_changes(&caller, &topic).await?;
        let feed =
            realtime.changes.feed(&caller, &wants, before.as_deref(), topic.name.clone(), outbox).await?;
        Ok((rights, Some(feed)))
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
        // Changes keep the numbers that the client knows them by.
        let wants = (channel.wants.clone(), channel.feed.as_ref().map(|feed| feed.ids.clone()));
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
        let decided =
            Self::decide(self.realtime.clone(), self.outbox.clone(), caller.clone(), topic, wants).await;
        let (rights, feed) = match decided {
            Ok(decided) => decided,
            Err(error) => return self.end_channel(&said.topic, &error).await,
        };
        self.become_another(said, (rights, feed), caller, shown).await
    }

    /// Policies are others: who is in a private channel, and what they may do there, is decided again.
    async fn ask_again(&mut self) -> Result<(), End> {
        let private = self.channels.iter().filter(|(_, channel)| channel.topic.private);
        let asked: Vec<_> = private
            .map(|(name, channel)| (name.clone(), channel.caller.clone(), channel.topic.clone()))
            .collect();
        for (name, caller, topic) in asked {
            match self.realtime.rights_again(&caller, &topic).await {
                Ok(rights) => {
                    if let Some(channel) = self.channels.get_mut(&name) {
                        channel.may(rights);
                    }
                }
                // Whoever cannot be judged now comes back and is judged then.
                Err(Error::Database(_)) => {
                    self.lose_channel(&name, "it could not be decided whether you may be here").await?;
                }
                Err(error) => self.end_channel(&name, &error).await?,
            }
        }
        Ok(())
    }

    async fn become_another(
        &mut self,
        said: &Said,
        (rights, feed): (Rights, Option<Feed>),
        caller: Arc<Caller>,
        shown: Option<(Arc<Secret<String>>, Arc<Shown>)>,
    ) -> Result<(), End> {
        let Some(channel) = self.channels.get_mut(&said.topic) else { return Ok(()) };
        channel.may(rights);
        (channel.caller, channel.shown, channel.feed) = (caller, shown, feed);
        Ok(())
    }

    async fn broadcast(&mut self, said: Said) -> Result<(), End> {
        let Some(channel) = self.channels.get_mut(&said.topic) else { return self.unmatched(&said).await };
        let ack = channel.ack;
        let Said { join_ref, reference, topic, event, body } = said;
        let (done, asked) = match read_broadcast(body) {
            Ok((name, payload, asked)) => (channel.speak(&self.place, name, payload), asked),
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
        let done = channel.appear(&self.place, said);
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

/// What is said of changes of tables.
fn of_changes(status: &str, message: &str, channel: &str) -> Value {
    json!({ "extension": "postgres_changes", "status": status, "message": message, "channel": channel })
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
