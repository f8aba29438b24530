//! `Idempotency-Key`: a client that did not hear the answer to a write sends it again with the same key (draft of the IETF
//! HTTP API working group; control 125).
//!
//! Here the header is read and the request condensed; what is known of a key is kept by `data`, in the transaction of the
//! write. Invariant: two requests are the same only if every byte that could change their effect or answer is, and every claim.

use std::collections::BTreeMap;

use base::{Caller, Limit, Repeat, Who};
use http::Method;
use serde_json::value::RawValue;

use crate::{Ask, Cx, Error};

/// The header.
pub const HEADER: &str = "idempotency-key";

/// What an answer that was given before carries.
pub const REPLAYED: &str = "idempotent-replayed";

/// Longest key.
pub const KEY_BYTES_MAX: Limit = Limit::new(
    "idempotency_key_bytes_max",
    255,
    "a key is a name for one attempt, as a UUID is; what is longer carries something else",
);

/// Shortest key of somebody without a name.
pub const NAMELESS_KEY_BYTES_MIN: Limit = Limit::new(
    "idempotency_nameless_key_bytes_min",
    16,
    "everybody without a session shares one room for keys: a short one could be a stranger's",
);

/// Every bound, for the reference.
pub const LIMITS: &[&Limit] = &[&KEY_BYTES_MAX, &NAMELESS_KEY_BYTES_MIN];

/// Headers that change what a request does or how it is answered.
const TELLING: [&str; 5] = ["accept", "accept-profile", "content-profile", "content-type", "prefer"];

/// What the request says of itself as one that may come again; nothing without the header.
pub fn read(cx: &Cx, ask: &Ask) -> Result<Option<Repeat>, Error> {
    let mut lines = ask.parts.headers.get_all(HEADER).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if ask.parts.method == Method::GET || ask.parts.method == Method::HEAD {
        return Ok(None);
    }
    let key = if lines.next().is_some() { None } else { line.to_str().ok().and_then(key) };
    let Some(key) = key else {
        let what = format!(
            "Idempotency-Key must be one text of 1 to {} printable ASCII characters; a new UUID for each write is best",
            KEY_BYTES_MAX.value
        );
        return Err(Error::Malformed { what });
    };
    if cx.caller.who == Who::Anonymous && key.len() < NAMELESS_KEY_BYTES_MIN.size() {
        let what = format!(
            "Idempotency-Key must have at least {} characters where nobody is signed in; a new UUID for each write is best",
            NAMELESS_KEY_BYTES_MIN.value
        );
        return Err(Error::Malformed { what });
    }
    let claims = standing(&cx.caller.claims);
    let scope = digest(scope(&cx.caller, &claims));
    Ok(Some(Repeat {
        scope,
        key: seal::sha256(key.as_bytes()),
        request: digest(request(ask, &claims)),
        at: cx.clock.now(),
    }))
}

/// The same for one of several operations in one request.
pub fn nth(repeat: Repeat, at: usize) -> Repeat {
    let place = at.to_string();
    Repeat { key: digest([repeat.key.as_slice(), place.as_bytes()]), ..repeat }
}

/// As a structured header's string, or bare.
fn key(line: &str) -> Option<&str> {
    let line = line.trim();
    let inner = match line.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => line,
    };
    let plain = inner.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\');
    (plain && !inner.is_empty() && inner.len() <= KEY_BYTES_MAX.size()).then_some(inner)
}

/// Claims that are others in every token of the same session, and in every session of the same standing.
const PASSING: [&str; 6] = ["exp", "iat", "nbf", "jti", "session_id", "amr"];

/// The claims without what passes: all that policies can go by. What they show to one standing they may hide from another.
fn standing(claims: &str) -> String {
    let Ok(mut all) = serde_json::from_str::<BTreeMap<String, &RawValue>>(claims) else {
        return claims.to_owned();
    };
    all.retain(|name, _| !PASSING.contains(&name.as_str()));
    serde_json::to_string(&all).unwrap_or_else(|_| claims.to_owned())
}

/// Who asks: the same person in another role, or by another key of a program, is somebody else. So is whoever comes with a token
/// that an application made without a session, where other claims say who it is.
fn scope<'a>(caller: &'a Caller, claims: &'a str) -> [&'a [u8]; 5] {
    let has_session = caller.signed_in().is_some_and(|person| person.session.is_some());
    let claims: &[u8] = if has_session { b"" } else { claims.as_bytes() };
    let (kind, name): (&[u8], &[u8]) = match &caller.who {
        Who::Anonymous => (b"nobody", b""),
        Who::User(person) => (b"person", person.user.as_bytes()),
        Who::Service { key } => (b"key", key.as_bytes()),
        Who::Operator => (b"operator", b""),
    };
    [kind, name, caller.role.name().as_bytes(), caller.subject.as_bytes(), claims]
}

fn request<'a>(ask: &'a Ask, claims: &'a str) -> Vec<&'a [u8]> {
    let parts = &ask.parts;
    let mut all: Vec<&[u8]> =
        vec![parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), ask.query().as_bytes()];
    for name in TELLING {
        for value in parts.headers.get_all(name) {
            all.extend([name.as_bytes(), value.as_bytes()]);
        }
    }
    all.extend([claims.as_bytes(), &ask.body]);
    all
}

/// Of parts, each with its length, so that none can flow into the next.
fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    seal::sha256(&all)
}

#[cfg(test)]
mod tests {
    use super::{digest, key, standing};

    #[test]
    fn a_token_that_is_renewed_says_the_same_and_one_of_another_standing_does_not() {
        let first = standing(r#"{"sub":"a","exp":1,"app_metadata":{"role":"x"},"aal":"aal2","amr":[1]}"#);
        assert_eq!(
            first,
            standing(r#"{"aal":"aal2","sub":"a","exp":2,"iat":7,"app_metadata":{"role":"x"}}"#)
        );
        for other in [
            r#"{"sub":"a","app_metadata":{"role":"y"},"aal":"aal2"}"#,
            r#"{"sub":"a","app_metadata":{"role":"x"},"aal":"aal1"}"#,
            r#"{"sub":"a","app_metadata":{"role":"x"},"aal":"aal2","tenant":"b"}"#,
        ] {
            assert_ne!(first, standing(other), "{other}");
        }
        assert_eq!(standing("no claims"), "no claims");
    }

    #[test]
    fn a_key_is_a_short_text_quoted_or_bare() {
        assert_eq!(
            key("\"8e03978e-40d5-43dd-bc93-6894a57f9324\""),
            Some("8e03978e-40d5-43dd-bc93-6894a57f9324")
        );
        assert_eq!(key(" clkyoesmbgybucifusbbtdsbohtyuuwz "), Some("clkyoesmbgybucifusbbtdsbohtyuuwz"));
        for wrong in ["", "\"\"", "\"a", "a\"b", "é", "a\\b"] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
        let (longest, longer) = ("k".repeat(255), "k".repeat(256));
        assert_eq!((key(&longest), key(&longer)), (Some(longest.as_str()), None));
    }

    #[test]
    fn parts_do_not_flow_into_each_other() {
        assert_ne!(digest([b"ab".as_slice(), b"c"]), digest([b"a".as_slice(), b"bc"]));
    }
}
