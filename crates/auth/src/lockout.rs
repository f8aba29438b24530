//! Wrong passwords are counted, and whoever gave too many waits; the owner's own devices never do (control 31, attack
//! rows 21, 22, 23; docs/decisions/0010).
//!
//! Four counts of *failures* within `auth.lockout_duration`: of an address with an account (the lockout both guides mean), of
//! an account from anywhere, of an address (an IPv6 one: its /64) with any account, and of a /48. A try takes its place
//! before the hash is made and gives it back when the password was right, so that many at once are not more than one after
//! the other. A try from a known device has a count of its own and is not looked at by the others.
//!
//! Invariant: nothing here asks whether the account exists.

mod device;
mod told;

pub use device::{DEVICE_COOKIE, DeviceToken};
pub(crate) use device::{account_name, exact_name};

use std::net::IpAddr;
use std::time::Duration;

use audit::{Entry, Event};
use base::Settings;
use limits::{Budget, Verdict, Window};

use crate::{Auth, Error, Visit, events, limits as bounds, settings};

/// The budgets of one start.
pub(crate) struct Lockout {
    by: By,
    pair: Budget,
    /// What of a pair's count is of the very account: what a right password forgets.
    exact: Budget,
    account: Budget,
    address: Budget,
    network: Budget,
    device: Budget,
}

/// What is paused first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Address,
    Account,
    Both,
}

/// The places a try took.
pub(crate) struct Taken {
    places: Vec<(Budget, String)>,
    /// Whether this try, if it fails, is the last one.
    last: bool,
}

impl Lockout {
    /// From the settings.
    pub(crate) fn from_settings(given: &Settings) -> Self {
        let tries = given.get(&settings::MAX_LOGIN_ATTEMPTS);
        let length = given.get(&settings::LOCKOUT_DURATION);
        let by = match given.get(&settings::LOCKOUT_TYPE).as_str() {
            "ip" => By::Address,
            "email" => By::Account,
            _ => By::Both,
        };
        let budget = |name, first: bool, factor: &base::Limit| {
            let factor = if first { 1 } else { u32::try_from(factor.value).unwrap_or(u32::MAX) };
            Budget::sliding(name, vec![Window { tries_max: tries.saturating_mul(factor), length }])
        };
        Lockout {
            by,
            pair: budget("lockout_pair", true, &bounds::LOCKOUT_ACCOUNT_FACTOR),
            exact: budget("lockout_exact", true, &bounds::LOCKOUT_ACCOUNT_FACTOR),
            account: budget("lockout_account", by == By::Account, &bounds::LOCKOUT_ACCOUNT_FACTOR),
            address: budget("lockout_address", by == By::Address, &bounds::LOCKOUT_ADDRESS_FACTOR),
            network: budget("lockout_network", false, &bounds::LOCKOUT_NETWORK_FACTOR),
            device: budget("lockout_device", true, &bounds::LOCKOUT_ACCOUNT_FACTOR),
        }
    }

    /// Which counts a stranger's try is on, the widest first: whoever is stopped early costs the account nothing.
    fn of_stranger(&self, account: &str, exact: &str, address: Option<IpAddr>) -> Vec<(&Budget, String)> {
        let here = address.map_or_else(|| "unknown".to_owned(), nearby);
        let mut counts = vec![];
        if let Some(network) = address.and_then(network) {
            counts.push((&self.network, network));
        }
        counts.push((&self.address, here.clone()));
        if self.by == By::Both {
            counts.push((&self.pair, format!("{here} {account}")));
            counts.push((&self.exact, format!("{here} {exact}")));
        }
        counts.push((&self.account, account.to_owned()));
        counts
    }
}

impl Auth {
    /// Takes a place for one try at `account`, as the caller wrote it, or says how long to wait.
    pub(crate) async fn take_try(&self, account: &str, visit: &Visit) -> Result<Taken, Error> {
        let lockout = &self.0.lockout;
        let (exact, account) = (exact_name(account), account_name(account));
        if let Some(device) = self.shown_device(&exact, visit) {
            return self.take_own(&account, device, visit).await;
        }
        let mut taken = Taken { places: Vec::new(), last: false };
        for (budget, subject) in lockout.of_stranger(&account, &exact, visit.caller.address) {
            let verdict = self.try_one(budget, &subject).await;
            if !verdict.allowed {
                self.untake(&taken).await;
                // Only now, and for every account alike: is this a place its owner comes from?
                return match self.known_place(&exact, visit).await? {
                    Some(place) => self.take_own(&account, place, visit).await,
                    None => Err(self.locked(&account, verdict.retry_after, visit)),
                };
            }
            // Widely counted places run out without locking anybody's account.
            taken.last |= verdict.remaining == 0;
            taken.places.push((budget.clone(), subject));
        }
        Ok(taken)
    }

    /// Refused tries count where only the one who tries is counted. Against an account they do not: a stranger who hammers
    /// must not keep it shut.
    async fn try_one(&self, budget: &Budget, subject: &str) -> Verdict {
        if budget.name == self.0.lockout.account.name {
            let standing = self.0.limiter.peek(budget, subject).await;
            if !standing.allowed {
                return standing;
            }
        }
        self.0.limiter.hit(budget, subject).await
    }

    /// A known device has its own count.
    async fn take_own(&self, account: &str, device: String, visit: &Visit) -> Result<Taken, Error> {
        let budget = self.0.lockout.device.clone();
        let verdict = self.0.limiter.hit(&budget, &device).await;
        if !verdict.allowed {
            return Err(self.locked(account, verdict.retry_after, visit));
        }
        let last = verdict.remaining == 0;
        Ok(Taken { places: vec![(budget, device)], last })
    }

    async fn untake(&self, taken: &Taken) {
        for (budget, subject) in &taken.places {
            self.0.limiter.give_back(budget, subject).await;
        }
    }

    /// The password was right: the places are free again. What is counted for this address and account alone, or for this
    /// device alone, is forgotten; what others may have added to stays, so that nobody washes a count with their own account.
    pub(crate) async fn was_right(&self, taken: &Taken) {
        let lockout = &self.0.lockout;
        for (budget, subject) in &taken.places {
            match budget.name {
                name if name == lockout.device.name => self.0.limiter.forgive(budget, subject).await,
                name if name == lockout.exact.name => self.forget_own(taken, subject).await,
                name if name == lockout.pair.name => {}
                _ => self.0.limiter.give_back(budget, subject).await,
            }
        }
    }

    /// Forgets of a pair's count what this very account added to it, with the try that was right.
    async fn forget_own(&self, taken: &Taken, own: &str) {
        let Lockout { exact, pair, .. } = &self.0.lockout;
        let left = self.0.limiter.peek(exact, own).await.remaining;
        let most = exact.windows.first().map_or(0, |window| window.tries_max);
        self.0.limiter.forgive(exact, own).await;
        let both = taken.places.iter().find(|(budget, _)| budget.name == pair.name);
        for _ in left..most {
            if let Some((pair, subject)) = both {
                self.0.limiter.give_back(pair, subject).await;
            }
        }
    }

    /// Whether the password was right could not be found out: as if it had not been tried.
    pub(crate) async fn was_not_tried(&self, taken: &Taken) {
        self.untake(taken).await;
    }

    /// The password was wrong. The try that fills a count is the one that is recorded.
    pub(crate) async fn was_wrong(&self, taken: &Taken, account: &str, visit: &Visit) {
        if taken.last {
            let about = events::pseudonym(self, account);
            let entry = Entry::by(&visit.caller, Event::LockedOut).request(&visit.request_id).about(about);
            self.0.audit.refused(entry.because("auth.locked_out"));
            self.tell_of_lockout(account, visit).await;
        }
    }

    fn locked(&self, account: &str, retry_after: Duration, visit: &Visit) -> Error {
        let error = Error::LockedOut { retry_after };
        events::refused(self, visit, Event::LoginFailed, &error, account);
        error
    }
}

/// An IPv4 address, or the /64 that one customer has.
fn nearby(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// The /48 that one organisation has. IPv4 has no such thing: neighbours there are strangers.
fn network(address: IpAddr) -> Option<String> {
    match address.to_canonical() {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Some(format!("{a:x}:{b:x}:{c:x}::/48"))
        }
    }
}
