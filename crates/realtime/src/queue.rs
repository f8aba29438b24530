//! What waits for one socket: bounded by number and by bytes. Whoever is slower than that is closed.
//!
//! Invariant: nobody waits for a reader. What cannot be put down at once ends the reader, not the sender.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::hub::Event;
use crate::limits::{WAITING_BYTES_MAX, WAITING_MAX};

/// Where the hub puts things down for one socket.
#[derive(Clone)]
pub struct Outbox {
    events: mpsc::Sender<Arc<Event>>,
    bytes: Arc<AtomicUsize>,
    slow: CancellationToken,
}

/// Where the socket takes them.
pub struct Inbox {
    events: mpsc::Receiver<Arc<Event>>,
    bytes: Arc<AtomicUsize>,
    slow: CancellationToken,
}

/// Both ends.
pub fn queue() -> (Outbox, Inbox) {
    let (give, take) = mpsc::channel(WAITING_MAX.size());
    let (bytes, slow) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    (Outbox { events: give, bytes: bytes.clone(), slow: slow.clone() }, Inbox { events: take, bytes, slow })
}

impl Outbox {
    /// Puts an event down, or ends the reader.
    pub fn put(&self, event: &Arc<Event>) {
        let size = event.bytes();
        let waiting = self.bytes.fetch_add(size, Ordering::Relaxed) + size;
        // One that is alone may be of any size that is let in.
        let fits = waiting <= WAITING_BYTES_MAX.size() || waiting == size;
        if !fits || self.events.try_send(event.clone()).is_err() {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            self.slow.cancel();
        }
    }
}

impl Inbox {
    /// The next event. Never ends while an [`Outbox`] of it is held.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        let event = self.events.recv().await?;
        self.bytes.fetch_sub(event.bytes(), Ordering::Relaxed);
        Some(event)
    }

    /// The next event, if one waits.
    pub fn at_hand(&mut self) -> Option<Arc<Event>> {
        let event = self.events.try_recv().ok()?;
        self.bytes.fetch_sub(event.bytes(), Ordering::Relaxed);
        Some(event)
    }

    /// Cancelled when the reader was too slow.
    pub fn slow(&self) -> CancellationToken {
        self.slow.clone()
    }
}
