//! Large answers that are being sent: together they are bounded, however slowly their readers take them.
//!
//! What is sent as it comes ([`crate::Stream`]) holds next to nothing and is not counted. Invariant: what is counted is counted until
//! its last byte is gone, and a read is refused before it would be too much; a write has happened, so its answer is given.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::error::Error;
use crate::limits::{ANSWERS_HELD_BYTES_MAX, LARGE_ANSWER_BYTES_MIN};

/// How many bytes there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<AtomicU64>);

/// A body, until it was sent.
struct Body {
    bytes: Bytes,
    all: Arc<AtomicU64>,
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
    }
}

impl Held {
    /// Counts a body; refuses one that would be too much, where `refuses`.
    pub(crate) fn keep(&self, bytes: Bytes, refuses: bool) -> Result<Bytes, Error> {
        self.keep_of(bytes, refuses, ANSWERS_HELD_BYTES_MAX.value)
    }

    /// Counts a body whatever it is too much for: what it tells of has happened.
    pub(crate) fn keep_written(&self, bytes: Bytes) -> Bytes {
        self.count(bytes).0
    }

    fn keep_of(&self, bytes: Bytes, refuses: bool, most: u64) -> Result<Bytes, Error> {
        let (body, all) = self.count(bytes);
        if refuses && all > most { Err(Error::Full) } else { Ok(body) }
    }

    /// A body that counts from here on until it is dropped, if it is large; and what that makes of all.
    fn count(&self, bytes: Bytes) -> (Bytes, u64) {
        let size = bytes.len() as u64;
        if size < LARGE_ANSWER_BYTES_MIN.value {
            return (bytes, 0);
        }
        let before = self.0.fetch_add(size, Ordering::Relaxed);
        let body = Body { bytes, all: Arc::clone(&self.0) };
        (Bytes::from_owner(body), before.saturating_add(size))
    }

    /// How many bytes there are now.
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Held;

    #[test]
    fn large_answers_count_until_they_are_sent_and_small_ones_never() {
        let held = Held::default();
        let large = || Bytes::from(vec![b'x'; 2 << 20]);
        let most = 5 << 20;
        let first = held.keep_of(large(), true, most).unwrap();
        let second = held.keep_of(large(), true, most).unwrap();
        assert_eq!((held.now(), first.len()), (4 << 20, 2 << 20));
        assert!(held.keep_of(large(), true, most).is_err());
        assert_eq!(held.now(), 4 << 20, "what was refused is not counted");
        let written = held.keep_of(large(), false, most).unwrap();
        assert_eq!(held.now(), 6 << 20);
        held.keep_of(Bytes::from_static(b"small"), true, most).unwrap();
        let told = held.keep_written(large());
        assert_eq!(held.now(), 8 << 20);
        let part = first.slice(..10);
        drop((first, second, written, told));
        assert_eq!(held.now(), 2 << 20, "a part of it is still being sent");
        drop(part);
        assert_eq!(held.now(), 0);
        held.keep_of(large(), true, most).unwrap();
    }
}
