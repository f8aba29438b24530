//! Channels: who is in which, what is said in them, and who is shown to be there. All of it in the memory of this node.
//!
//! Invariant: whoever left hears nothing more and is shown nowhere: a [`Seat`] that is dropped has left.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;

use crate::Error;
use crate::changes::Change;
use crate::limits::PRESENCE_KEYS_MAX;
use crate::queue::Outbox;

/// A channel. A private one and a public one of the same name are two.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Whether policies say who is in it.
    pub private: bool,
}

/// What is broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// JSON text.
    Json(Bytes),
    /// Anything.
    Binary(Bytes),
}

impl Payload {
    /// Its bytes.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Payload::Json(bytes) | Payload::Binary(bytes) => bytes,
        }
    }
}

/// What a dialect made of an event, once for all who listen in the same way.
#[derive(Default)]
pub struct Made([OnceLock<Option<Bytes>>; 2]);

impl Made {
    /// What was made for the listeners of this way, made now if it was not.
    pub fn get(&self, way: usize, make: impl FnOnce() -> Option<Bytes>) -> Option<Bytes> {
        self.0.get(way)?.get_or_init(make).clone()
    }
}

/// One who is shown to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Names this state of theirs.
    pub reference: Arc<str>,
    /// Names the one before, if it took its place.
    pub before: Option<Arc<str>>,
    /// What they tell about themselves: a JSON object.
    pub payload: Arc<str>,
}

/// Something that happened in a channel.
pub enum What {
    /// Somebody said something.
    Said {
        /// Under which name.
        event: String,
        /// What.
        payload: Payload,
    },
    /// Who is there has changed.
    Changed {
        /// Under which key.
        key: Arc<str>,
        /// Who is new there.
        joined: Option<Meta>,
        /// Who is no more.
        left: Option<Meta>,
    },
    /// A row changed that this listener could read.
    Row {
        /// For which feed.
        feed: u64,
        /// Under which of its names.
        ids: Vec<u64>,
        /// What happened.
        change: Arc<Change>,
    },
    /// A feed ended that missed something.
    Lost {
        /// Which.
        feed: u64,
        /// Why.
        why: &'static str,
    },
}

/// Something that happened, for everybody in the channel.
pub struct Event {
    /// Where.
    pub topic: Arc<str>,
    /// What.
    pub what: What,
    /// As it is sent.
    pub made: Made,
}

impl Event {
    /// About as much as it holds.
    pub fn bytes(&self) -> usize {
        let meta = |meta: &Option<Meta>| meta.as_ref().map_or(0, |meta| meta.payload.len());
        let what = match &self.what {
            What::Said { payload, .. } => payload.bytes().len(),
            What::Changed { joined, left, .. } => meta(joined) + meta(left),
            What::Row { change, .. } => change.bytes(),
            What::Lost { .. } => 0,
        };
        what + 256
    }
}

/// What a member is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hears {
    /// What is said.
    pub broadcast: bool,
    /// Who is there.
    pub presence: bool,
    /// Also what they say themselves.
    pub own: bool,
}

struct Member {
    outbox: Outbox,
    hears: Hears,
}

#[derive(Default)]
struct Room {
    members: HashMap<u64, Member>,
    /// Who is shown, by key, each with the seat it is of.
    present: BTreeMap<Arc<str>, Vec<(u64, Meta)>>,
    /// How many are shown.
    shown: usize,
}

impl Room {
    fn tell(&self, event: &Arc<Event>, hears: impl Fn(u64, &Hears) -> bool) {
        for (id, member) in &self.members {
            if hears(*id, &member.hears) {
                member.outbox.put(event);
            }
        }
    }

    fn state(&self) -> State {
        let metas = |metas: &[(u64, Meta)]| metas.iter().map(|(_, meta)| meta.clone()).collect();
        self.present.iter().map(|(key, all)| (key.clone(), metas(all))).collect()
    }

    /// Takes what a seat shows under a key.
    fn take(&mut self, key: &str, id: u64) -> Option<Meta> {
        let metas = self.present.get_mut(key)?;
        let at = metas.iter().position(|(of, _)| *of == id)?;
        let (_, meta) = metas.remove(at);
        if metas.is_empty() {
            self.present.remove(key);
        }
        self.shown -= 1;
        Some(meta)
    }
}

type Rooms = HashMap<Topic, Room>;

/// So that channels do not wait for each other.
const SHARDS: usize = 64;

struct Inner {
    rooms: [Mutex<Rooms>; SHARDS],
    hasher: RandomState,
    next: AtomicU64,
}

/// All channels of this node. Cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

impl Default for Hub {
    fn default() -> Self {
        let rooms = std::array::from_fn(|_| Mutex::default());
        Hub(Arc::new(Inner { rooms, hasher: RandomState::new(), next: AtomicU64::new(1) }))
    }
}

/// Who is shown: by key, each of them.
pub type State = Vec<(Arc<str>, Vec<Meta>)>;

/// Somebody's place in a channel.
pub struct Seat {
    hub: Hub,
    topic: Topic,
    key: Arc<str>,
    id: u64,
}

impl Hub {
    fn rooms(&self, topic: &Topic) -> MutexGuard<'_, Rooms> {
        let at = self.0.hasher.hash_one(topic) as usize % SHARDS;
        // The remainder is always one of them.
        let [first, ..] = &self.0.rooms;
        self.0.rooms.get(at).unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat, and says who is there. Whatever happens after that moment is put into `outbox`.
    pub fn join(&self, topic: Topic, key: Arc<str>, hears: Hears, outbox: Outbox) -> (Seat, State) {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let mut rooms = self.rooms(&topic);
        let room = rooms.entry(topic.clone()).or_default();
        room.members.insert(id, Member { outbox, hears });
        let state = room.state();
        drop(rooms);
        (Seat { hub: self.clone(), topic, key, id }, state)
    }

    /// Says something in a channel, for whoever is in it; nobody may be.
    pub fn say(&self, topic: &Topic, event: String, payload: Payload) {
        self.spread(topic, None, event, payload);
    }

    fn spread(&self, topic: &Topic, from: Option<u64>, event: String, payload: Payload) {
        let what = What::Said { event, payload };
        let event = Arc::new(Event { topic: topic.name.clone(), what, made: Made::default() });
        if let Some(room) = self.rooms(topic).get(topic) {
            room.tell(&event, |id, hears| hears.broadcast && (hears.own || from != Some(id)));
        }
    }

    /// How many channels anybody is in.
    pub fn channels(&self) -> usize {
        self.0.rooms.iter().map(|rooms| rooms.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

impl Seat {
    /// Says something to the others, and to this seat if it hears its own.
    pub fn say(&self, event: String, payload: Payload) {
        self.hub.spread(&self.topic, Some(self.id), event, payload);
    }

    /// How many are in the channel: as many are told at most of what is said or shown there.
    pub fn audience(&self) -> usize {
        self.hub.rooms(&self.topic).get(&self.topic).map_or(0, |room| room.members.len())
    }

    /// From now on this seat hears that; and who is there at that moment.
    pub fn hears(&self, hears: Hears) -> State {
        let mut rooms = self.hub.rooms(&self.topic);
        let Some(room) = rooms.get_mut(&self.topic) else { return State::new() };
        if let Some(member) = room.members.get_mut(&self.id) {
            member.hears = hears;
        }
        room.state()
    }

    /// Shows this seat to be there, in place of what it showed before. The same again changes nothing.
    pub fn track(&self, payload: &str) -> Result<(), Error> {
        let mut rooms = self.hub.rooms(&self.topic);
        let Some(room) = rooms.get_mut(&self.topic) else { return Ok(()) };
        let own = room.present.get(&self.key).and_then(|metas| metas.iter().find(|(id, _)| *id == self.id));
        if own.is_some_and(|(_, meta)| &*meta.payload == payload) {
            return Ok(());
        }
        if own.is_none() && room.shown >= PRESENCE_KEYS_MAX.size() {
            return Err(Error::TooManyPresences);
        }
        let left = room.take(&self.key, self.id);
        let number = self.hub.0.next.fetch_add(1, Ordering::Relaxed);
        let joined = Meta {
            reference: format!("p{number:x}").into(),
            before: left.as_ref().map(|meta| meta.reference.clone()),
            payload: payload.into(),
        };
        room.present.entry(self.key.clone()).or_default().push((self.id, joined.clone()));
        room.shown += 1;
        self.tell(room, Some(joined), left);
        Ok(())
    }

    /// Shows this seat no longer.
    pub fn untrack(&self) {
        let mut rooms = self.hub.rooms(&self.topic);
        let Some(room) = rooms.get_mut(&self.topic) else { return };
        if let Some(left) = room.take(&self.key, self.id) {
            self.tell(room, None, Some(left));
        }
    }

    fn tell(&self, room: &Room, joined: Option<Meta>, left: Option<Meta>) {
        let what = What::Changed { key: self.key.clone(), joined, left };
        let event = Event { topic: self.topic.name.clone(), what, made: Made::default() };
        room.tell(&Arc::new(event), |_, hears| hears.presence);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut rooms = self.hub.rooms(&self.topic);
        let Some(room) = rooms.get_mut(&self.topic) else { return };
        room.members.remove(&self.id);
        if let Some(left) = room.take(&self.key, self.id) {
            self.tell(room, None, Some(left));
        }
        if room.members.is_empty() {
            rooms.remove(&self.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{WAITING_BYTES_MAX, WAITING_MAX};
    use crate::queue::{Inbox, queue};

    const ALL: Hears = Hears { broadcast: true, presence: true, own: false };

    fn topic(name: &str) -> Topic {
        Topic { name: name.into(), private: true }
    }

    fn join(hub: &Hub, topic: &Topic, key: &str, hears: Hears) -> (Seat, State, Inbox) {
        let (outbox, inbox) = queue();
        let (seat, state) = hub.join(topic.clone(), key.into(), hears, outbox);
        (seat, state, inbox)
    }

    fn said(inbox: &mut Inbox) -> Vec<String> {
        std::iter::from_fn(|| inbox.at_hand())
            .map(|event| match &event.what {
                What::Said { event, .. } => event.clone(),
                What::Changed { key, joined, left } => {
                    format!("{key} +{} -{}", u8::from(joined.is_some()), u8::from(left.is_some()))
                }
                What::Row { .. } | What::Lost { .. } => unreachable!("nobody wants changes here"),
            })
            .collect()
    }

    fn text() -> Payload {
        Payload::Json(Bytes::from_static(b"{}"))
    }

    #[test]
    fn what_is_said_reaches_whoever_is_in_and_hears_and_nobody_who_left() {
        let hub = Hub::default();
        let room = topic("a");
        let (ann, _, mut to_ann) = join(&hub, &room, "ann", ALL);
        let (_bob, _, mut to_bob) = join(&hub, &room, "bob", Hears { broadcast: false, ..ALL });
        let (cat, _, mut to_cat) = join(&hub, &room, "cat", Hears { own: true, ..ALL });
        let (_dan, _, mut to_dan) = join(&hub, &Topic { private: false, ..room.clone() }, "dan", ALL);
        ann.say("one".into(), text());
        cat.say("two".into(), text());
        hub.say(&room, "three".into(), text());
        assert_eq!(said(&mut to_ann), ["two", "three"]);
        assert!(said(&mut to_bob).is_empty() && said(&mut to_dan).is_empty());
        assert_eq!(said(&mut to_cat), ["one", "two", "three"]);
        drop(cat);
        ann.say("four".into(), text());
        assert!(said(&mut to_cat).is_empty());
        drop((ann, _bob, _dan));
        assert_eq!(hub.channels(), 0, "nothing is left of a channel that nobody is in");
    }

    #[test]
    fn whoever_comes_is_told_who_is_there_and_then_each_change_once() {
        let (hub, room) = (Hub::default(), topic("a"));
        let (ann, state, mut to_ann) = join(&hub, &room, "ann", ALL);
        assert!(state.is_empty());
        ann.track(r#"{"at":1}"#).unwrap();
        ann.track(r#"{"at":1}"#).unwrap();
        let (bob, state, mut to_bob) = join(&hub, &room, "ann", ALL);
        assert_eq!(state.len(), 1);
        assert_eq!(&*state[0].1[0].payload, r#"{"at":1}"#);
        ann.track(r#"{"at":2}"#).unwrap();
        bob.track("{}").unwrap();
        bob.untrack();
        bob.untrack();
        drop(ann);
        assert_eq!(said(&mut to_ann), ["ann +1 -0", "ann +1 -1", "ann +1 -0", "ann +0 -1"]);
        assert_eq!(said(&mut to_bob), ["ann +1 -1", "ann +1 -0", "ann +0 -1", "ann +0 -1"]);
        let (_, state, _) = join(&hub, &room, "x", ALL);
        assert!(state.is_empty());
    }

    #[test]
    fn nobody_more_is_shown_than_may_be() {
        let (hub, room) = (Hub::default(), topic("a"));
        let seats: Vec<_> = (0..=PRESENCE_KEYS_MAX.value)
            .map(|n| {
                let quiet = Hears { presence: false, ..ALL };
                join(&hub, &room, &n.to_string(), quiet).0
            })
            .collect();
        let (last, others) = seats.split_last().unwrap();
        others.iter().for_each(|seat| seat.track("{}").unwrap());
        assert!(matches!(last.track("{}"), Err(Error::TooManyPresences)));
        others[0].track("{\"again\":1}").unwrap();
        others[1].untrack();
        last.track("{}").unwrap();
    }

    #[test]
    fn row_100_who_does_not_read_is_ended_and_nobody_waits_for_them() {
        let (hub, room) = (Hub::default(), topic("a"));
        let (ann, _, _) = join(&hub, &room, "ann", ALL);
        let (_bob, _, to_bob) = join(&hub, &room, "bob", ALL);
        for _ in 0..WAITING_MAX.value {
            ann.say("x".into(), text());
        }
        assert!(!to_bob.slow().is_cancelled());
        ann.say("x".into(), text());
        assert!(to_bob.slow().is_cancelled(), "by number");

        let (_cat, _, mut to_cat) = join(&hub, &room, "cat", ALL);
        let large = Payload::Binary(vec![0; WAITING_BYTES_MAX.size() / 2 - 1_000].into());
        ann.say("x".into(), large.clone());
        ann.say("x".into(), large.clone());
        assert!(!to_cat.slow().is_cancelled());
        to_cat.at_hand().unwrap();
        ann.say("x".into(), large.clone());
        assert!(!to_cat.slow().is_cancelled(), "what was taken counts no longer");
        ann.say("x".into(), large);
        assert!(to_cat.slow().is_cancelled(), "by bytes");
    }
}
