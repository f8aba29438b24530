//! Which long answers and sockets belong to which session, so that an ended session ends them too (attack row 44).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The sessions that have something open. Cheap to clone.
#[derive(Clone, Default)]
pub struct Connections(Arc<All>);

#[derive(Default)]
struct All {
    sessions: Mutex<HashMap<Uuid, Open>>,
    times: Mutex<Times>,
    doubts: watch::Sender<()>,
}

/// What ends at which second.
#[derive(Default)]
struct Times {
    /// By its second, and a number that tells two of one second apart.
    all: BTreeMap<(i64, u64), CancellationToken>,
    next: u64,
}

/// Something open that ends at its time; dropping it closes the entry.
pub struct Until {
    connections: Connections,
    at: (i64, u64),
    end: CancellationToken,
}

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

    /// Enters something that is good until `second` (since 1970).
    pub fn until(&self, second: i64) -> Until {
        let mut times = self.0.times.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, end) = ((second, times.next), CancellationToken::new());
        times.next += 1;
        times.all.insert(at, end.clone());
        Until { connections: self.clone(), at, end }
    }

    /// It is `second`: what was good until then ends.
    pub fn pass(&self, second: i64) {
        let mut times = self.0.times.lock().unwrap_or_else(PoisonError::into_inner);
        let later = times.all.split_off(&(second + 1, 0));
        let over = std::mem::replace(&mut times.all, later);
        drop(times);
        over.into_values().for_each(|end| end.cancel());
    }

    /// Keys changed, or ends may have been missed: whoever has something open is asked for again.
    pub fn doubt(&self) {
        self.0.doubts.send_replace(());
    }

    /// Changes with every doubt.
    pub fn doubts(&self) -> watch::Receiver<()> {
        self.0.doubts.subscribe()
    }

    /// How many sessions have something open.
    pub fn sessions(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Open>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Resolves when the session has ended.
    pub async fn ended(&self) {
        self.end.cancelled().await;
    }

    /// Whether it has.
    pub fn is_over(&self) -> bool {
        self.end.is_cancelled()
    }

    /// A token for code that cannot hold the watch itself.
    pub fn token(&self) -> CancellationToken {
        self.end.clone()
    }
}

impl Until {
    /// Whether its time has come.
    pub fn is_over(&self) -> bool {
        self.end.is_cancelled()
    }

    /// A token for code that cannot hold it.
    pub fn token(&self) -> CancellationToken {
        self.end.clone()
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        self.connections.0.times.lock().unwrap_or_else(PoisonError::into_inner).all.remove(&self.at);
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

    #[test]
    fn what_is_good_until_a_second_ends_with_it_and_not_before() {
        let connections = Connections::default();
        let all = [10, 10, 11].map(|second| connections.until(second));
        connections.pass(9);
        assert!(all.iter().all(|one| !one.is_over()));
        connections.pass(10);
        assert_eq!(all.each_ref().map(Until::is_over), [true, true, false]);
        drop(all);
        assert!(connections.0.times.lock().unwrap().all.is_empty());
    }
}
