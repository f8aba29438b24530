//! How many sockets there are, in all and of each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::{ADDRESS_SOCKETS_MAX, SOCKETS_MAX};
use crate::{Error, Realtime};

#[derive(Default)]
pub(crate) struct Sockets(Mutex<Open>);

#[derive(Default)]
struct Open {
    all: u64,
    of: HashMap<IpAddr, u64>,
}

/// A socket's place among all of them, until it is dropped.
pub struct Place {
    sockets: Arc<Sockets>,
    address: Option<IpAddr>,
}

impl Sockets {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Realtime {
    /// A place for one more socket of an address.
    pub fn enter(&self, address: Option<IpAddr>) -> Result<Place, Error> {
        let address = address.map(network);
        let mut open = self.sockets.lock();
        if open.all >= SOCKETS_MAX.value {
            return Err(Error::TooManySockets);
        }
        if let Some(address) = address {
            let count = open.of.entry(address).or_default();
            if *count >= ADDRESS_SOCKETS_MAX.value {
                return Err(Error::TooManyAtAddress);
            }
            *count += 1;
        }
        open.all += 1;
        Ok(Place { sockets: self.sockets.clone(), address })
    }

    /// How many sockets are open.
    pub fn sockets(&self) -> u64 {
        self.sockets.lock().all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.sockets.lock();
        open.all = open.all.saturating_sub(1);
        let Some(address) = self.address else { return };
        if let Some(count) = open.of.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.of.remove(&address);
            }
        }
    }
}

/// An IPv6 network is somebody's as a whole.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}
