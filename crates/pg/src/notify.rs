//! One connection that listens, and tells everybody here what it hears.
//!
//! It comes back by itself. What was sent in between is lost, and PostgreSQL cannot say what: so every return begins
//! with [`Heard::Gap`], on which a subscriber reads its tables. While [`Listener::connected`] is false, whoever must
//! not miss anything (revocation) asks the database instead.
//!
//! Invariant: `connected` is true only while every channel is being listened to.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use tokio_postgres::{AsyncMessage, Client};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::admin::{Target, quote_name};
use crate::{Error, limits};

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Somebody said this.
    Note {
        /// The channel.
        channel: Arc<str>,
        /// The payload, possibly empty.
        payload: Arc<str>,
    },
    /// Things may have been said that nobody heard.
    Gap,
}

/// Listens until the last clone is dropped.
#[derive(Clone)]
pub struct Listener {
    heard: broadcast::Sender<Heard>,
    connected: watch::Receiver<bool>,
    _stop: Arc<DropGuard>,
}

impl Listener {
    /// Begins to listen to `channels`; returns at once, connected or not.
    pub fn start(target: Target, channels: &[&str]) -> Listener {
        let (heard, _) = broadcast::channel(limits::NOTIFICATIONS_MAX.size());
        let (is_connected, connected) = watch::channel(false);
        let stop = CancellationToken::new();
        let listen: String =
            channels.iter().map(|channel| format!("LISTEN {};", quote_name(channel))).collect();
        let task = Task { target, listen, heard: heard.clone(), connected: is_connected };
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(task.run()).await });
        Listener { heard, connected, _stop: Arc::new(stop.drop_guard()) }
    }

    /// From now on. A subscriber that falls behind gets `Lagged`, which means the same as [`Heard::Gap`].
    pub fn subscribe(&self) -> broadcast::Receiver<Heard> {
        self.heard.subscribe()
    }

    /// Whether what is said now will be heard.
    pub fn connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// [`Listener::connected`] as it changes.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.connected.clone()
    }
}

struct Task {
    target: Target,
    listen: String,
    heard: broadcast::Sender<Heard>,
    connected: watch::Sender<bool>,
}

impl Task {
    async fn run(self) {
        loop {
            if let Err(error) = self.listen().await {
                tracing::warn!(%error, "the listening connection is lost");
            }
            self.connected.send_replace(false);
            tokio::time::sleep(Duration::from_millis(limits::LISTEN_AGAIN_MS.value)).await;
        }
    }

    /// Returns when the connection is lost.
    async fn listen(&self) -> Result<(), Error> {
        let (message, mut messages) = mpsc::channel(limits::NOTIFICATIONS_MAX.size());
        let overflow = CancellationToken::new();
        let full = overflow.clone();
        let hand_over = move |heard| {
            if message.try_send(heard).is_err() {
                full.cancel();
            }
        };
        let bound = Duration::from_millis(limits::LISTEN_CONNECT_MS_MAX.value);
        let connecting = tokio::time::timeout(bound, self.target.connect_with(hand_over)).await;
        let client = connecting.map_err(|_| silent())??;
        beat(&client, &self.listen, bound).await?;
        self.connected.send_replace(true);
        // Nobody subscribed yet is fine: there is nobody to tell.
        let _ = self.heard.send(Heard::Gap);
        let mut pulse = tokio::time::interval(Duration::from_millis(limits::HEARTBEAT_MS.value));
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(AsyncMessage::Notification(note)) => self.tell(&note),
                    Some(_) => {}
                    None => return Ok(()),
                },
                _ = pulse.tick() => beat(&client, "", Duration::from_millis(limits::HEARTBEAT_MS.value)).await?,
                () = overflow.cancelled() => return Err(Error::Bug("more notifications than are kept".to_owned())),
            }
        }
    }

    fn tell(&self, note: &tokio_postgres::Notification) {
        let heard = Heard::Note { channel: note.channel().into(), payload: note.payload().into() };
        // As above.
        let _ = self.heard.send(heard);
    }
}

/// An empty statement is answered by the backend itself: a half-open connection and a hanging server both stay silent.
async fn beat(client: &Client, sql: &str, bound: Duration) -> Result<(), Error> {
    let answered = tokio::time::timeout(bound, client.batch_execute(sql)).await;
    Ok(answered.map_err(|_| silent())??)
}

fn silent() -> Error {
    Error::Unreachable(std::io::ErrorKind::TimedOut.into())
}
