//! How much may be under way: all of it together, and of that one server no more than its share.
//!
//! Whoever answers slowly is waited for with connections. Without a share of its own, one server that answers nobody would
//! have them all, and identity providers and alerts would wait behind a hook.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::{Error, Target, limits};

/// The places there are.
pub(crate) struct Shares {
    all: Semaphore,
    /// By host and port; one is forgotten when nobody asks it any more.
    servers: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A place among all and among those of one server, for as long as it is kept.
pub(crate) struct Place<'a> {
    _server: OwnedSemaphorePermit,
    _all: SemaphorePermit<'a>,
}

impl Shares {
    pub(crate) fn new() -> Self {
        Shares { all: Semaphore::new(limits::CONCURRENT.size()), servers: Mutex::default() }
    }

    /// A place, in the order of asking. Who waits for a server's share holds no place among all.
    pub(crate) async fn place(&self, target: &Target) -> Result<Place<'_>, Error> {
        let server = self.share_of(target).acquire_owned().await.map_err(|_| Error::Busy)?;
        let all = self.all.acquire().await.map_err(|_| Error::Busy)?;
        Ok(Place { _server: server, _all: all })
    }

    fn share_of(&self, target: &Target) -> Arc<Semaphore> {
        let name = format!("{}:{}", target.host(), target.port());
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = servers.get(&name).and_then(Weak::upgrade) {
            return share;
        }
        servers.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(limits::CONCURRENT_PER_SERVER.size()));
        servers.insert(name, Arc::downgrade(&share));
        share
    }
}
