//! What travels: Phoenix's messages in both versions of the format, as text and as bytes.
//!
//! Version 1 is an object, version 2 an array; broadcasts of version 2 are bytes: one for the kind, one for the length of each field,
//! the fields, and the payload as it is. Reading and writing are pure.

use base64::Engine as _;
use bytes::{BufMut, Bytes, BytesMut};
use realtime::{Change, Error, Event, Meta, Payload, What, limits};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use web::Message;

use super::changes;

/// Which format a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// An object.
    One,
    /// An array, and bytes.
    Two,
}

impl Version {
    /// As `vsn` names it; clients that name none are old.
    pub fn named(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("" | "1.0.0") => Some(Version::One),
            Some("2.0.0") => Some(Version::Two),
            Some(_) => None,
        }
    }
}

/// What a client says.
#[derive(Debug)]
pub struct Said {
    /// Names the join that it belongs to.
    pub join_ref: Value,
    /// Names it, for the answer.
    pub reference: Value,
    /// The channel, as the client writes it.
    pub topic: String,
    /// What it is.
    pub event: String,
    /// The rest.
    pub body: Body,
}

/// What is said.
#[derive(Debug)]
pub enum Body {
    /// JSON, unread.
    Json(Box<RawValue>),
    /// A broadcast as bytes (kind 3).
    Broadcast {
        /// Under which name.
        event: String,
        /// What the server is asked to do with it.
        metadata: Bytes,
        /// What.
        payload: Payload,
    },
}

#[derive(Deserialize)]
struct Object {
    topic: String,
    event: String,
    payload: Box<RawValue>,
    #[serde(default, rename = "ref")]
    reference: Value,
    #[serde(default)]
    join_ref: Value,
}

/// Reads a message, or says what is wrong with it.
pub fn read(version: Version, message: &Message) -> Result<Said, Error> {
    let said = match (version, message) {
        (Version::One, Message::Text(text)) => {
            let Object { topic, event, payload, reference, join_ref } =
                serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
            Said { join_ref, reference, topic, event, body: Body::Json(payload) }
        }
        (Version::Two, Message::Text(text)) => {
            let (join_ref, reference, topic, event, payload): (Value, Value, String, String, Box<RawValue>) =
                serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
            Said { join_ref, reference, topic, event, body: Body::Json(payload) }
        }
        (Version::Two, Message::Binary(bytes)) => read_bytes(bytes.clone())?,
        (Version::One, Message::Binary(_)) => return Err(malformed("version 1.0.0 is text".to_owned())),
    };
    for reference in [&said.join_ref, &said.reference] {
        let short = match reference {
            Value::Null | Value::Number(_) => true,
            Value::String(text) => text.len() <= limits::NAME_BYTES_MAX.size(),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
        };
        if !short {
            return Err(malformed("a ref is a short text, a number or null".to_owned()));
        }
    }
    Ok(said)
}

/// Kind 3: a broadcast of a user.
fn read_bytes(mut bytes: Bytes) -> Result<Said, Error> {
    let head = bytes.get(..7).and_then(|head| <[u8; 7]>::try_from(head).ok());
    let Some([kind, join_ref, reference, topic, event, metadata, encoding]) = head else {
        return Err(malformed("the message has no head".to_owned()));
    };
    if kind != 3 {
        return Err(malformed(format!("kind {kind} is not one that clients send")));
    }
    let mut rest = bytes.split_off(7);
    let mut field = |length: u8| {
        let length = usize::from(length);
        if length > rest.len() {
            Err(malformed("a field is cut off".to_owned()))
        } else {
            Ok(rest.split_to(length))
        }
    };
    let (join_ref, reference) = (field(join_ref)?, field(reference)?);
    let (topic, event, metadata) = (field(topic)?, field(event)?, field(metadata)?);
    let text = |bytes: Bytes| {
        String::from_utf8(bytes.into()).map_err(|_| malformed("a field is not UTF-8".to_owned()))
    };
    let named =
        |bytes: Bytes| text(bytes).map(|text| if text.is_empty() { Value::Null } else { text.into() });
    let (join_ref, reference) = (named(join_ref)?, named(reference)?);
    let (topic, event) = (text(topic)?, text(event)?);
    let payload = match encoding {
        0 => Payload::Binary(rest),
        1 => Payload::Json(checked(rest)?),
        other => return Err(malformed(format!("encoding {other} is neither bytes nor JSON"))),
    };
    let body = Body::Broadcast { event, metadata, payload };
    Ok(Said { join_ref, reference, topic, event: "broadcast".to_owned(), body })
}

/// What is passed on to others as JSON is JSON.
fn checked(bytes: Bytes) -> Result<Bytes, Error> {
    match serde_json::from_slice::<&RawValue>(&bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(malformed(format!("the payload is not JSON: {error}"))),
    }
}

fn malformed(what: String) -> Error {
    Error::Malformed { what }
}

/// An answer to something that was said.
pub fn reply(version: Version, said: &Said, status: &str, response: &Value) -> Message {
    let payload = json!({ "status": status, "response": response });
    frame(version, (&said.join_ref, &said.reference), &said.topic, "phx_reply", &payload)
}

/// Something that the server says by itself, to one client.
pub fn push(version: Version, join_ref: &Value, topic: &str, event: &str, payload: &Value) -> Message {
    frame(version, (join_ref, &Value::Null), topic, event, payload)
}

fn frame(
    version: Version,
    (join_ref, reference): (&Value, &Value),
    topic: &str,
    event: &str,
    payload: &Value,
) -> Message {
    let whole = match version {
        Version::One => json!({
            "topic": topic, "event": event, "payload": payload, "ref": reference, "join_ref": join_ref,
        }),
        Version::Two => json!([join_ref, reference, topic, event, payload]),
    };
    Message::text(whole.to_string())
}

/// Something that happened in a channel, for everybody who speaks this version; nothing where it cannot be said in it.
pub fn event(version: Version, event: &Event) -> Option<Message> {
    let topic = || format!("realtime:{}", event.topic);
    match (&event.what, version) {
        (What::Said { event: name, payload }, Version::Two) => {
            let bytes = event.made.get(1, || user_broadcast(&topic(), name, payload))?;
            Some(Message::Binary(bytes))
        }
        (What::Said { event: name, payload }, Version::One) => {
            let bytes = event.made.get(0, || {
                let Payload::Json(json) = payload else { return None };
                let payload: &RawValue = serde_json::from_slice(json).ok()?;
                let said = Told { kind: "broadcast", event: name, payload };
                let whole =
                    Whole { topic: &topic(), event: "broadcast", payload: said, reference: (), join_ref: () };
                serde_json::to_vec(&whole).ok().map(Bytes::from)
            })?;
            text(bytes)
        }
        (What::Changed { key, joined, left }, version) => {
            let way = match version {
                Version::One => 0,
                Version::Two => 1,
            };
            let bytes = event.made.get(way, || {
                let one = |meta: &Option<Meta>| match meta {
                    Some(meta) => presences([(&**key, std::slice::from_ref(meta))]),
                    None => json!({}),
                };
                let diff = json!({ "joins": one(joined), "leaves": one(left) });
                let Message::Text(text) = push(version, &Value::Null, &topic(), "presence_diff", &diff)
                else {
                    return None;
                };
                Some(Bytes::from(text))
            })?;
            text(bytes)
        }
        (What::Row { ids, change, .. }, version) => row(version, &topic(), ids, change),
        // Not said as it is: the channel ends with it.
        (What::Lost { .. }, _) => None,
    }
}

/// A row that changed, under the numbers that this listener knows.
fn row(version: Version, topic: &str, ids: &[u64], change: &Change) -> Option<Message> {
    let data = changes::data(change)?;
    let data: &RawValue = serde_json::from_slice(&data).ok()?;
    let payload = Row { ids, data };
    let bytes = match version {
        Version::One => {
            let whole = Whole { topic, event: "postgres_changes", payload, reference: (), join_ref: () };
            serde_json::to_vec(&whole)
        }
        Version::Two => serde_json::to_vec(&((), (), topic, "postgres_changes", payload)),
    };
    text(bytes.ok()?.into())
}

#[derive(serde::Serialize)]
struct Row<'a> {
    ids: &'a [u64],
    data: &'a RawValue,
}

#[derive(serde::Serialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    event: &'a str,
    payload: &'a RawValue,
}

#[derive(serde::Serialize)]
struct Whole<'a, T> {
    topic: &'a str,
    event: &'a str,
    payload: T,
    #[serde(rename = "ref")]
    reference: (),
    join_ref: (),
}

/// Made by us of text: it is text.
fn text(bytes: Bytes) -> Option<Message> {
    bytes.try_into().ok().map(Message::Text)
}

/// Kind 4: topic, name, no metadata, and the payload as it came.
fn user_broadcast(topic: &str, name: &str, payload: &Payload) -> Option<Bytes> {
    let (topic_length, name_length) = (u8::try_from(topic.len()).ok()?, u8::try_from(name.len()).ok()?);
    let encoding = match payload {
        Payload::Binary(_) => 0,
        Payload::Json(_) => 1,
    };
    let body = payload.bytes();
    let mut bytes = BytesMut::with_capacity(5 + topic.len() + name.len() + body.len());
    bytes.put_slice(&[4, topic_length, name_length, 0, encoding]);
    bytes.put_slice(topic.as_bytes());
    bytes.put_slice(name.as_bytes());
    bytes.put_slice(body);
    Some(bytes.freeze())
}

/// Who is there, as `presence_state` and both halves of `presence_diff` have it.
pub fn presences<'a>(all: impl IntoIterator<Item = (&'a str, &'a [Meta])>) -> Value {
    let one = |meta: &Meta| {
        let told: Option<Map<String, Value>> = serde_json::from_str(&meta.payload).ok();
        let mut told = told.unwrap_or_default();
        told.insert("phx_ref".to_owned(), Value::from(&*meta.reference));
        if let Some(before) = &meta.before {
            told.insert("phx_ref_prev".to_owned(), Value::from(&**before));
        }
        Value::Object(told)
    };
    let entry = |(key, metas): (&str, &[Meta])| {
        (key.to_owned(), json!({ "metas": metas.iter().map(one).collect::<Vec<_>>() }))
    };
    Value::Object(all.into_iter().map(entry).collect())
}

/// A key for whoever names none.
pub fn new_key(rng: &base::Rng) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rng.bytes::<12>())
}

#[cfg(test)]
mod tests {
    use realtime::Made;

    use super::*;

    fn said(version: Version, message: &str) -> Result<Said, Error> {
        read(version, &Message::text(message.to_owned()))
    }

    #[test]
    fn both_versions_say_the_same() {
        let one = said(
            Version::One,
            r#"{"topic":"realtime:a","event":"phx_join","payload":{"config":{}},"ref":"1","join_ref":"1"}"#,
        );
        let two = said(Version::Two, r#"["1","1","realtime:a","phx_join",{"config":{}}]"#);
        for said in [one.unwrap(), two.unwrap()] {
            assert_eq!(
                (&*said.topic, &*said.event, &said.reference),
                ("realtime:a", "phx_join", &json!("1"))
            );
            assert!(matches!(said.body, Body::Json(json) if json.get() == r#"{"config":{}}"#));
        }
        let said = said(Version::Two, r#"[null,"7","phoenix","heartbeat",{}]"#).unwrap();
        let answer = Message::text(r#"[null,"7","phoenix","phx_reply",{"status":"ok","response":{}}]"#);
        assert_eq!(reply(Version::Two, &said, "ok", &json!({})), answer);
    }

    #[test]
    fn what_is_no_message_is_said_to_be_none() {
        for (version, text) in [
            (Version::One, "[]"),
            (Version::One, "{}"),
            (Version::Two, "{}"),
            (Version::Two, "[1,2,3]"),
            (Version::Two, r#"[{},"1","a","b",{}]"#),
            (Version::Two, r#"["1","1",7,"b",{}]"#),
            (Version::Two, r#"["1","1","a","b",{}"#),
            (Version::Two, ""),
        ] {
            assert!(matches!(said(version, text), Err(Error::Malformed { .. })), "{text}");
        }
    }

    fn kind_3(lengths: [u8; 5], encoding: u8, rest: &[u8]) -> Result<Said, Error> {
        let bytes = [&[3], &lengths[..], &[encoding], rest].concat();
        read(Version::Two, &Message::Binary(bytes.into()))
    }

    #[test]
    fn broadcasts_as_bytes_are_read_to_their_last_byte_and_no_further() {
        let said = kind_3([1, 2, 10, 3, 0], 1, b"112realtime:amov{\"x\":1}").unwrap();
        assert_eq!((said.join_ref, said.reference), (json!("1"), json!("12")));
        let Body::Broadcast { event, metadata, payload } = said.body else { panic!("no broadcast") };
        assert_eq!((&*said.topic, &*event, &*metadata), ("realtime:a", "mov", &b""[..]));
        assert_eq!(payload, Payload::Json(Bytes::from_static(b"{\"x\":1}")));

        let said = kind_3([0, 0, 10, 3, 2], 0, b"realtime:amov{}\x00\xff").unwrap();
        let Body::Broadcast { payload, metadata, .. } = said.body else { panic!("no broadcast") };
        assert_eq!((payload, &*metadata), (Payload::Binary(Bytes::from_static(b"\x00\xff")), &b"{}"[..]));

        for (lengths, encoding, rest) in [
            ([255, 255, 255, 255, 255], 1, &b"short"[..]),
            ([0, 0, 10, 3, 0], 1, b"realtime:amov{"),
            ([0, 0, 10, 3, 0], 2, b"realtime:amov{}"),
            ([0, 0, 1, 1, 0], 1, b"\xff\xff{}"),
            ([0, 0, 10, 3, 0], 1, b"realtime:amov{} {}"),
        ] {
            assert!(kind_3(lengths, encoding, rest).is_err());
        }
        for length in 0..7 {
            assert!(read(Version::Two, &Message::Binary(vec![3; length].into())).is_err());
        }
    }

    #[test]
    fn what_is_broadcast_is_said_in_each_version_and_bytes_in_the_second_only() {
        let of = |payload| {
            let what = What::Said { event: "mov".to_owned(), payload };
            Event { topic: "a".into(), what, made: Made::default() }
        };
        let json = of(Payload::Json(Bytes::from_static(b"{\"x\": 1}")));
        let one = r#"{"topic":"realtime:a","event":"broadcast","payload":{"type":"broadcast","event":"mov","payload":{"x": 1}},"ref":null,"join_ref":null}"#;
        assert_eq!(event(Version::One, &json), Some(Message::text(one)));
        let two = [&[4, 10, 3, 0, 1][..], b"realtime:amov{\"x\": 1}"].concat();
        assert_eq!(event(Version::Two, &json), Some(Message::Binary(two.into())));
        let bytes = of(Payload::Binary(Bytes::from_static(b"\x00")));
        assert_eq!(event(Version::One, &bytes), None);
        let two = [&[4, 10, 3, 0, 0][..], b"realtime:amov\x00"].concat();
        assert_eq!(event(Version::Two, &bytes), Some(Message::Binary(two.into())));
    }

    #[test]
    fn a_change_says_who_came_and_who_went() {
        let meta = |reference: &str, before: Option<&str>| Meta {
            reference: reference.into(),
            before: before.map(Into::into),
            payload: r#"{"name":"Ann","phx_ref":"forged"}"#.into(),
        };
        let what = What::Changed {
            key: "ann".into(),
            joined: Some(meta("p2", Some("p1"))),
            left: Some(meta("p1", None)),
        };
        let changed = Event { topic: "a".into(), what, made: Made::default() };
        let diff = json!({
            "joins": { "ann": { "metas": [{ "name": "Ann", "phx_ref": "p2", "phx_ref_prev": "p1" }] } },
            "leaves": { "ann": { "metas": [{ "name": "Ann", "phx_ref": "p1" }] } },
        });
        let said = json!([null, null, "realtime:a", "presence_diff", diff]);
        assert_eq!(event(Version::Two, &changed), Some(Message::text(said.to_string())));
    }
}
