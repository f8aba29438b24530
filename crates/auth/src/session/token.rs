//! The form of a refresh token: a session and a counter under a MAC with a key of that session alone.

use base::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use seal::{keyed_mac, same, sha256};
use uuid::Uuid;

/// First byte of a refresh token.
const TOKEN_FORMAT: u8 = 2;
const NAMED: usize = 1 + 16 + 8;
const TAG: usize = 16;
const CHECK: usize = 4;

/// The token of `session` at `counter`: always the same one.
pub(super) fn refresh_token(session: Uuid, counter: i64, key: &[u8]) -> Secret<String> {
    let mut bytes = Vec::with_capacity(NAMED + TAG + CHECK);
    bytes.push(TOKEN_FORMAT);
    bytes.extend_from_slice(session.as_bytes());
    bytes.extend_from_slice(&counter.to_be_bytes());
    let tag = keyed_mac(key, &bytes);
    bytes.extend(tag.iter().take(TAG));
    let check = sha256(&bytes);
    bytes.extend(check.iter().take(CHECK));
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// The session that a text names, if it has the form of a refresh token.
pub(crate) fn session_named(token: &str) -> Option<Uuid> {
    Presented::read(token).map(|presented| presented.session)
}

/// A refresh token that is whole; whether it is ours only the session's key can say.
pub(super) struct Presented {
    pub session: Uuid,
    pub counter: i64,
    named: [u8; NAMED],
    tag: [u8; TAG],
}

impl Presented {
    pub(super) fn read(token: &str) -> Option<Self> {
        if token.len() > 2 * (NAMED + TAG + CHECK) {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, check) = bytes.split_at_checked(NAMED + TAG)?;
        let (named, tag) = signed.split_first_chunk::<NAMED>()?;
        let whole = check.len() == CHECK && sha256(signed).starts_with(check);
        let (format, rest) = named.split_first()?;
        let (session, counter) = rest.split_first_chunk::<16>()?;
        let counter = i64::from_be_bytes(counter.try_into().ok()?);
        let read = Presented {
            session: Uuid::from_bytes(*session),
            counter,
            named: *named,
            tag: tag.try_into().ok()?,
        };
        (whole && *format == TOKEN_FORMAT && counter >= 0).then_some(read)
    }

    pub(super) fn is_made_with(&self, key: &[u8]) -> bool {
        keyed_mac(key, &self.named).get(..TAG).is_some_and(|tag| same(tag, &self.tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Uuid = Uuid::from_u128(5);

    #[test]
    fn a_refresh_token_is_read_back_and_its_successor_is_always_the_same() {
        let token = refresh_token(SESSION, 7, b"key");
        let read = Presented::read(token.expose()).unwrap();
        assert_eq!((read.session, read.counter), (SESSION, 7));
        assert!(read.is_made_with(b"key"));
        assert!(!read.is_made_with(b"other key"));
        assert_eq!(refresh_token(SESSION, 8, b"key").expose(), refresh_token(SESSION, 8, b"key").expose());
    }

    #[test]
    fn a_refresh_token_with_any_character_changed_is_not_one() {
        let token = refresh_token(SESSION, 7, b"key").expose().clone();
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(Presented::read(&String::from_utf8(changed).unwrap()).is_none(), "{at}");
        }
        for text in ["", "x", "abcdefghijkl", &"A".repeat(60), &"A".repeat(10_000)] {
            assert!(Presented::read(text).is_none(), "{text}");
        }
    }
}
