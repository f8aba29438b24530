//! Ended sessions: known here at the commit that ended them, on other nodes when PostgreSQL tells them.
//!
//! Invariant: while this node cannot hear the others, or holds too many to be sure, it says so and the database is asked
//! for every request instead (control 30).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use pg::notify::{Heard, Listener};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use crate::{Auth, limits};

/// The notification channel.
pub const CHANNEL: &str = "palisade_auth";

/// What is told on [`CHANNEL`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// These sessions ended.
    Ended(Vec<Uuid>),
    /// Signing or API keys changed.
    Keys,
    /// Sessions are free of what they owed.
    Lifted,
}

impl Notice {
    /// As it travels.
    pub fn text(&self) -> String {
        match self {
            Notice::Keys => "keys".to_owned(),
            Notice::Lifted => "lifted".to_owned(),
            Notice::Ended(sessions) => {
                let names: Vec<_> = sessions.iter().map(|session| session.simple().to_string()).collect();
                format!("ended {}", names.join(","))
            }
        }
    }

    /// As it was heard. `None` is not one of ours, and whoever can write to the channel could have sent it.
    pub fn read(text: &str) -> Option<Self> {
        if text == "keys" {
            return Some(Notice::Keys);
        }
        if text == "lifted" {
            return Some(Notice::Lifted);
        }
        let names = text.strip_prefix("ended ")?.split(',');
        names.map(|name| Uuid::try_parse(name).ok()).collect::<Option<_>>().map(Notice::Ended)
    }
}

/// The sessions that ended within the life of an access token.
pub struct Revocations {
    /// Session → the second after which no token of it can be alive.
    ended: RwLock<HashMap<Uuid, i64>>,
    listening: AtomicBool,
    overfull: AtomicBool,
    told: broadcast::Sender<Uuid>,
}

impl Default for Revocations {
    fn default() -> Self {
        Revocations {
            ended: RwLock::default(),
            listening: AtomicBool::new(false),
            overfull: AtomicBool::new(false),
            told: broadcast::Sender::new(limits::ENDED_BACKLOG_MAX.size()),
        }
    }
}

impl Revocations {
    /// Each session that ends from now on: close what it holds open. A receiver that lags must check all it holds.
    pub fn subscribe(&self) -> broadcast::Receiver<Uuid> {
        self.told.subscribe()
    }

    /// Whether a session is known to have ended.
    pub fn has(&self, session: &Uuid) -> bool {
        self.ended.read().unwrap_or_else(PoisonError::into_inner).contains_key(session)
    }

    /// Whether silence means that nothing ended.
    pub fn is_sure(&self) -> bool {
        self.listening.load(Ordering::Acquire) && !self.overfull.load(Ordering::Acquire)
    }

    pub(crate) fn add(&self, sessions: &[Uuid], forget_at: i64, now: i64) {
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        if ended.len() + sessions.len() > limits::ENDED_SESSIONS_MAX.size() {
            ended.retain(|_, forget_at| *forget_at >= now);
        }
        let overfull = ended.len() + sessions.len() > limits::ENDED_SESSIONS_MAX.size();
        self.overfull.store(overfull, Ordering::Release);
        if !overfull {
            ended.extend(sessions.iter().map(|session| (*session, forget_at)));
        }
        drop(ended);
        for session in sessions {
            // No receiver is fine: nobody holds anything open.
            let _nobody_listens = self.told.send(*session);
        }
    }
}

impl Auth {
    /// Follows what the other nodes say, until `listener` ends. Run it once, as a task.
    pub async fn follow(self, listener: Listener) {
        let (mut heard, mut connected) = (listener.subscribe(), listener.watch());
        self.set_listening(listener.connected());
        loop {
            tokio::select! {
                biased;
                changed = connected.changed() => match changed {
                    Ok(()) => self.set_listening(listener.connected()),
                    Err(_) => break,
                },
                said = heard.recv() => match said {
                    Ok(Heard::Note { channel, payload }) if &*channel == CHANNEL => self.heard(&payload),
                    Ok(Heard::Note { .. }) => {}
                    Ok(Heard::Gap) | Err(RecvError::Lagged(_)) => self.set_listening(listener.connected()),
                    Err(RecvError::Closed) => break,
                },
            }
        }
        self.set_listening(false);
    }

    /// What the notification channel said. Unknown words are ignored: anybody in the database can say them.
    fn heard(&self, payload: &str) {
        match Notice::read(payload) {
            Some(Notice::Ended(sessions)) => self.note_ended(&sessions),
            Some(Notice::Keys) => {
                self.0.keys_stale.store(true, Ordering::Release);
                self.doubt();
            }
            // Rare: the tokens are looked at anew, with what their sessions owe now.
            Some(Notice::Lifted) => self.forget_tokens(),
            None => {}
        }
    }

    /// Whether the notification channel is up. What was said while it was down is unknown, so everything remembered is
    /// dropped when it comes back.
    fn set_listening(&self, listening: bool) {
        if listening {
            self.forget_tokens();
            self.0.keys_stale.store(true, Ordering::Release);
        }
        self.0.revocations.listening.store(listening, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_survive_the_journey_and_others_are_ignored() {
        for notice in
            [Notice::Keys, Notice::Lifted, Notice::Ended(vec![Uuid::from_u128(1), Uuid::from_u128(2)])]
        {
            assert_eq!(Notice::read(&notice.text()), Some(notice));
        }
        for text in ["", "ended", "ended ", "ended x", "other", "ended 0,1"] {
            assert_eq!(Notice::read(text), None, "{text}");
        }
    }

    #[test]
    fn too_many_ended_sessions_make_it_unsure_instead_of_forgetful() {
        let revocations = Revocations::default();
        assert!(!revocations.is_sure(), "it has not listened yet");
        revocations.listening.store(true, Ordering::Release);
        assert!(revocations.is_sure());
        let many: Vec<_> =
            (0..=limits::ENDED_SESSIONS_MAX.value).map(|n| Uuid::from_u128(n.into())).collect();
        revocations.add(&many, 100, 0);
        assert!(!revocations.is_sure());
        revocations.add(&many[..1], 200, 150);
        assert!(revocations.is_sure() && revocations.has(&many[0]));
    }

    #[test]
    fn subscribers_hear_of_each_ended_session() {
        let revocations = Revocations::default();
        let mut heard = revocations.subscribe();
        revocations.add(&[Uuid::from_u128(7)], 100, 0);
        assert_eq!(heard.try_recv().unwrap(), Uuid::from_u128(7));
    }
}
