//! One entry: what happened, who did it, to whom, from where, and what changed.
//!
//! Invariant: a [`base::Secret`] cannot get in, because no [`Fact`] can be made from one.

use std::net::IpAddr;

use base::Caller;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::event::Event;
use crate::limits;

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// It was done.
    Success,
    /// We did not allow it.
    Refused,
    /// It was allowed and did not work.
    Failed,
}

impl Outcome {
    /// As entries spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }
}

/// A value worth recording. Made from plain values only; long text is cut, secret-looking members of JSON are hidden.
#[derive(Clone, PartialEq, Debug)]
pub struct Fact(Value);

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Fact(Value::String(shorten(text)))
    }
}
impl From<String> for Fact {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}
impl From<bool> for Fact {
    fn from(value: bool) -> Self {
        Fact(value.into())
    }
}
impl From<Vec<String>> for Fact {
    fn from(items: Vec<String>) -> Self {
        Fact(items.iter().take(limits::FACTS.size()).map(|item| Value::String(shorten(item))).collect())
    }
}
impl From<Value> for Fact {
    fn from(value: Value) -> Self {
        Fact(hide(value))
    }
}
impl<T: Into<Fact>> From<Option<T>> for Fact {
    fn from(value: Option<T>) -> Self {
        value.map_or(Fact(Value::Null), Into::into)
    }
}

macro_rules! facts {
    (numbers: $($number:ty),+; texts: $($text:ty),+) => {
        $(impl From<$number> for Fact {
            fn from(value: $number) -> Self {
                Fact(value.into())
            }
        })+
        $(impl From<$text> for Fact {
            fn from(value: $text) -> Self {
                Fact(Value::String(value.to_string()))
            }
        })+
    };
}
facts!(numbers: i32, i64, u16, u32, u64, usize; texts: Uuid, Timestamp, IpAddr);

/// Cut to its limit, and without NUL: PostgreSQL has no text with one, not even escaped in JSON.
fn shorten(text: &str) -> String {
    let end = text.floor_char_boundary(limits::FACT_BYTES.size());
    text.get(..end).unwrap_or_default().replace('\0', "\u{fffd}")
}

/// Names of JSON members whose values never belong in a log (control 101): a second fence behind the types.
const HIDDEN: &[&str] =
    &["password", "secret", "token", "api_key", "apikey", "private_key", "hash", "authorization", "cookie"];

fn hide(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(shorten(&text)),
        Value::Array(items) => items.into_iter().take(limits::FACTS.size()).map(hide).collect(),
        Value::Object(members) => Value::Object(members.into_iter().map(hide_member).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

fn hide_member((name, value): (String, Value)) -> (String, Value) {
    let lower = name.to_ascii_lowercase();
    let secret = HIDDEN.iter().any(|word| lower.contains(word)) && !value.is_boolean() && !value.is_number();
    (shorten(&name), if secret { Value::String("[hidden]".into()) } else { hide(value) })
}

/// One entry, not yet placed in time.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(crate) event: Event,
    pub(crate) outcome: Outcome,
    pub(crate) actor: String,
    pub(crate) acting: Option<Uuid>,
    pub(crate) role: Option<String>,
    pub(crate) session: Option<Uuid>,
    pub(crate) level: Option<&'static str>,
    pub(crate) subject: Option<String>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) request_id: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) before: Map<String, Value>,
    pub(crate) after: Map<String, Value>,
    pub(crate) details: Map<String, Value>,
}

impl Entry {
    /// Something `caller` did: actor, role, session, level and address come from them.
    pub fn by(caller: &Caller, event: Event) -> Self {
        let person = caller.signed_in();
        Entry {
            acting: caller.acting.map(|acting| acting.admin),
            role: Some(caller.role.name().to_owned()),
            session: person.and_then(|person| person.session),
            level: person.map(|_| caller.level.name()),
            address: caller.address,
            ..Entry::named(caller.actor(), event)
        }
    }

    /// Something this server did on its own.
    pub fn system(event: Event) -> Self {
        Entry::named("system".to_owned(), event)
    }

    /// Something an actor did who is not (yet) a caller: `user:…`, `anonymous`, `key:…`, `operator`, `system`.
    pub fn named(actor: impl Into<String>, event: Event) -> Self {
        Entry {
            event,
            outcome: Outcome::Success,
            actor: shorten(&actor.into()),
            acting: None,
            role: None,
            session: None,
            level: None,
            subject: None,
            address: None,
            request_id: None,
            reason: None,
            before: Map::new(),
            after: Map::new(),
            details: Map::new(),
        }
    }

    /// We did not allow it; `reason` is a fault's code, such as `auth.lockout.paused`.
    pub fn refused(mut self, reason: &str) -> Self {
        self.outcome = Outcome::Refused;
        self.because(reason)
    }

    /// It was allowed and did not work.
    pub fn failed(mut self, reason: &str) -> Self {
        self.outcome = Outcome::Failed;
        self.because(reason)
    }

    /// Why: a code, or what an administrator gave as the reason.
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(shorten(reason));
        self
    }

    /// Who or what it was done to: `user:…`, `key:…`, `table:…`, `setting:…`.
    pub fn about(mut self, subject: impl std::fmt::Display) -> Self {
        self.subject = Some(shorten(&subject.to_string()));
        self
    }

    /// Which administrator did it in the actor's name, by their id, when there is no caller to ask.
    pub fn acted_by(mut self, admin: Option<&str>) -> Self {
        self.acting = admin.and_then(|admin| Uuid::try_parse(admin).ok());
        self
    }

    /// From where, when there is no caller to ask.
    pub fn from_address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// In which session, when the caller did not have one before.
    pub fn in_session(mut self, session: Uuid) -> Self {
        self.session = Some(session);
        self
    }

    /// During which request.
    pub fn request(mut self, id: &str) -> Self {
        self.request_id = Some(shorten(id));
        self
    }

    /// One thing that changed (control 97).
    pub fn change(mut self, name: &str, before: impl Into<Fact>, after: impl Into<Fact>) -> Self {
        put(&mut self.before, name, before.into());
        put(&mut self.after, name, after.into());
        self
    }

    /// One more fact.
    pub fn detail(mut self, name: &str, value: impl Into<Fact>) -> Self {
        put(&mut self.details, name, value.into());
        self
    }

    /// What happened.
    pub fn event(&self) -> Event {
        self.event
    }

    /// From where.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Who or what it was done to.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Why.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// A fact that is text.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.details.get(name).and_then(Value::as_str)
    }
}

fn put(facts: &mut Map<String, Value>, name: &str, Fact(value): Fact) {
    if facts.len() < limits::FACTS.size() {
        let (name, value) = hide_member((name.to_owned(), value));
        facts.insert(name, value);
    }
}

/// What is stored: the entry with its id, time and node. The order of the members is the order an operator reads.
#[derive(Serialize)]
pub(crate) struct Body<'a> {
    pub id: Uuid,
    pub at: Timestamp,
    pub event: &'static str,
    pub severity: &'static str,
    pub outcome: &'static str,
    pub actor: &'a str,
    /// The administrator who did it in the actor's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acting: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aal: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub before: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub after: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: &'a Map<String, Value>,
    /// How many identical ones this entry stands for, when more than one.
    #[serde(skip_serializing_if = "is_one")]
    pub count: u64,
    pub node: &'a str,
    /// Set when the facts were too many to keep.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

fn is_one(count: &u64) -> bool {
    *count == 1
}

impl Body<'_> {
    /// The stored text.
    pub(crate) fn text(mut self) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string(&self)?;
        if text.len() <= limits::BODY_BYTES.size() {
            return Ok(text);
        }
        let nothing = Map::new();
        self.cut = true;
        serde_json::to_string(&Body { before: &nothing, after: &nothing, details: &nothing, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_looking_members_are_hidden_and_long_text_is_cut() {
        let long = "x".repeat(5_000);
        let entry = Entry::system(Event::UserUpdate)
            .detail("user_agent", long.as_str())
            .detail("new_password", "hunter2")
            .detail("meta", serde_json::json!({"refresh_token": "abc", "plan": "pro", "has_password": true}));
        let text = serde_json::to_string(&entry.details).expect("json");
        assert!(!text.contains("hunter2") && !text.contains("abc"), "{text}");
        assert!(text.contains(r#""plan":"pro""#) && text.contains(r#""has_password":true"#), "{text}");
        assert!(text.len() < 1_400, "{}", text.len());
    }

    #[test]
    fn an_entry_with_too_many_facts_keeps_who_and_what() {
        let mut entry = Entry::named("user:1", Event::UserUpdate).about("user:2");
        for n in 0..64 {
            entry = entry.detail(&format!("fact_{n}"), "y".repeat(1_000));
        }
        let body = Body {
            id: Uuid::nil(),
            at: Timestamp::UNIX_EPOCH,
            event: entry.event.name(),
            severity: "info",
            outcome: "success",
            actor: &entry.actor,
            acting: None,
            role: None,
            session: None,
            aal: None,
            subject: entry.subject.as_deref(),
            address: None,
            request_id: None,
            reason: None,
            before: &entry.before,
            after: &entry.after,
            details: &entry.details,
            count: 1,
            node: "n",
            cut: false,
        };
        let text = body.text().expect("json");
        assert!(text.len() < 1_000 && text.contains(r#""cut":true"#) && text.contains("user:2"), "{text}");
    }
}
