//! Which long answers and sockets belong to which session, so that an ended session ends them too (attack row 44).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The sessions that have something open. Cheap to clone.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<HashMap<Uuid, Open>>>);

struct Open {
    end: CancellationToken,
    count: usize,
}

/// One open thing of a session; dropping it closes the entry.
pub struct Watch {
    connections: Connections,
    session: Uuid,
    end: CancellationToken,
}

impl Connections {
    /// Enters something long that `session` has opened.
    pub fn watch(&self, session: Uuid) -> Watch {
        let mut open = self.lock();
        let entry = open.entry(session).or_insert_with(|| Open { end: CancellationToken::new(), count: 0 });
        entry.count += 1;
        Watch { connections: self.clone(), session, end: entry.end.clone() }
    }

    /// Closes everything `session` has open.
    pub fn end(&self, session: Uuid) {
        if let Some(open) = self.lock().remove(&session) {
            open.end.cancel();
        }
    }

    /// How many sessions have something open.
    pub fn sessions(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Open>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Watch {
    /// Resolves when the session has ended.
    pub async fn ended(&self) {
        self.end.cancelled().await;
    }

    /// A token for code that cannot hold the watch itself.
    pub fn token(&self) -> CancellationToken {
        self.end.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        if let Some(entry) = open.get_mut(&self.session) {
            entry.count = entry.count.saturating_sub(1);
            if entry.count == 0 {
                open.remove(&self.session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_ended_session_ends_what_it_has_open_and_nothing_else() {
        let connections = Connections::default();
        let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (of_ann, of_bob) = (connections.watch(ann), connections.watch(bob));
        connections.end(ann);
        of_ann.ended().await;
        assert!(!of_bob.token().is_cancelled());
        drop(of_bob);
        assert_eq!(connections.sessions(), 0);
    }
}
