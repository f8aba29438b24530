//! How many sockets there are, in all and of each address, and what each address has others told.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::address::customer;

use crate::limits::{ADDRESS_DELIVERIES_PER_SECOND_MAX, ADDRESS_SOCKETS_MAX, SOCKETS_MAX};
use crate::{Error, Rate, Realtime};

#[derive(Default)]
pub(crate) struct Sockets(Mutex<Open>);

#[derive(Default)]
struct Open {
    all: u64,
    of: HashMap<IpAddr, OfAddress>,
}

struct OfAddress {
    sockets: u64,
    deliveries: Rate,
}

impl Default for OfAddress {
    fn default() -> Self {
        let per_second = ADDRESS_DELIVERIES_PER_SECOND_MAX.value as f64;
        OfAddress { sockets: 0, deliveries: Rate::new(per_second, per_second) }
    }
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
        let address = address.map(customer);
        let mut open = self.sockets.lock();
        if open.all >= SOCKETS_MAX.value {
            return Err(Error::TooManySockets);
        }
        if let Some(address) = address {
            let of_address = open.of.entry(address).or_default();
            if of_address.sockets >= ADDRESS_SOCKETS_MAX.value {
                return Err(Error::TooManyAtAddress);
            }
            of_address.sockets += 1;
        }
        open.all += 1;
        Ok(Place { sockets: self.sockets.clone(), address })
    }

    /// How many sockets are open.
    pub fn sockets(&self) -> u64 {
        self.sockets.lock().all
    }
}

impl Place {
    /// Takes what is to be told to so many out of what its address may have told. A socket of this machine's own has no address.
    pub fn deliver(&self, deliveries: usize) -> Result<(), Error> {
        let Some(address) = self.address else { return Ok(()) };
        let mut open = self.sockets.lock();
        let of_address = open.of.entry(address).or_default();
        if of_address.deliveries.takes(deliveries as f64) { Ok(()) } else { Err(Error::TooManyDeliveries) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.sockets.lock();
        open.all = open.all.saturating_sub(1);
        let Some(address) = self.address else { return };
        if let Some(of_address) = open.of.get_mut(&address) {
            of_address.sockets = of_address.sockets.saturating_sub(1);
            if of_address.sockets == 0 {
                open.of.remove(&address);
            }
        }
    }
}
