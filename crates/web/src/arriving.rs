//! What arrives and is not whole yet: bodies of requests, messages of sockets. Whoever sends one and does not end it holds its
//! memory, so what all hold has a bound, and what one address holds has a lower one: nobody takes all the room there is.
//!
//! Invariant: what is counted here is held by somebody, and no longer than they hold their [`Part`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::address::customer;
use base::{Fault, Kind};

/// Everything that is arriving. Cheap to clone.
#[derive(Clone)]
pub struct Arriving(Arc<All>);

struct All {
    bytes_max: u64,
    address_bytes_max: u64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    bytes: u64,
    of: HashMap<IpAddr, u64>,
}

/// One body or message.
pub struct Part {
    of: Arriving,
    address: IpAddr,
    bytes: AtomicU64,
}

impl Arriving {
    /// So many bytes together, and so many of one address (of an IPv6 /64).
    pub fn new(bytes_max: u64, address_bytes_max: u64) -> Self {
        Arriving(Arc::new(All { bytes_max, address_bytes_max, held: Mutex::default() }))
    }

    /// Something that begins to arrive from `address`.
    pub fn part(&self, address: IpAddr) -> Part {
        Part { of: self.clone(), address: customer(address), bytes: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// From now on it holds so many bytes, if there is room for them.
    pub fn holds(&self, bytes: u64) -> Result<(), NoRoom> {
        let before = self.bytes.load(Ordering::Relaxed);
        if bytes == before {
            return Ok(());
        }
        let All { bytes_max, address_bytes_max, .. } = *self.of.0;
        let mut held = self.of.lock();
        let all = (held.bytes + bytes).saturating_sub(before);
        let of_address = held.of.entry(self.address).or_default();
        let own = (*of_address + bytes).saturating_sub(before);
        if bytes > before && (all > bytes_max || own > address_bytes_max) {
            if *of_address == 0 {
                held.of.remove(&self.address);
            }
            let limit = if all > bytes_max { ALL } else { OF_ADDRESS };
            return Err(NoRoom { limit });
        }
        *of_address = own;
        if own == 0 {
            held.of.remove(&self.address);
        }
        held.bytes = all;
        self.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Less always has room.
        let _there_is_room = self.holds(0);
    }
}

/// As the edge calls them.
const ALL: &str = "edge_bodies_held_bytes_max";
const OF_ADDRESS: &str = "edge_address_bodies_held_bytes_max";

/// Too much arrives at this moment.
#[derive(Debug, thiserror::Error)]
#[error("Too much arrives at the moment ({limit})")]
pub struct NoRoom {
    /// What everybody together, or this address, would be beyond.
    limit: &'static str,
}

impl Fault for NoRoom {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }
    fn code(&self) -> &'static str {
        "edge.bodies_held"
    }
    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others_and_what_is_over_counts_no_longer() {
        let all = Arriving::new(100, 60);
        let part = |address: &str| all.part(address.parse().unwrap());
        let (one, same, other) = (part("2001:db8::1"), part("2001:db8::ffff"), part("198.51.100.7"));
        one.holds(50).unwrap();
        assert!(same.holds(11).is_err(), "the same /64");
        same.holds(10).unwrap();
        other.holds(40).unwrap();
        assert!(part("198.51.100.8").holds(1).is_err(), "everybody together");
        assert!(other.holds(41).is_err());
        one.holds(20).unwrap();
        drop(same);
        other.holds(60).unwrap();
        drop((one, other));
        let held = all.lock();
        assert!(held.bytes == 0 && held.of.is_empty());
    }
}
