//! Bans that a jail made here and that nobody wrote down yet: in force at once, a row and an entry a moment later. The
//! database may take its time, so what became of each meanwhile is known here.
//!
//! Invariant: what was lifted before it was written down, on whichever node, is never written.

use std::collections::HashMap;

use ipnet::IpNet;
use jiff::Timestamp;

/// All of them, of this node.
#[derive(Default)]
pub(crate) struct Pending {
    made: HashMap<IpNet, Vec<Made>>,
    last: u64,
}

struct Made {
    number: u64,
    jail: String,
    at: Timestamp,
    until: Timestamp,
    /// Whether somebody is going to write it down: those who are not are forgotten when they end.
    is_queued: bool,
}

impl Pending {
    /// One more, with its number. `None`: this jail's is waiting already.
    pub fn add(&mut self, who: IpNet, jail: &str, until: Timestamp, now: Timestamp) -> Option<u64> {
        self.forget_ended(now);
        let made = self.made.entry(who).or_default();
        if made.iter().any(|one| one.jail == jail && one.until > now) {
            return None;
        }
        self.last += 1;
        made.push(Made { number: self.last, jail: jail.to_owned(), at: now, until, is_queued: true });
        Some(self.last)
    }

    /// Nobody is going to write this one down: it is in force here, and for its time only.
    pub fn leave(&mut self, who: IpNet, number: u64) {
        let made = self.made.get_mut(&who).into_iter().flatten();
        made.filter(|one| one.number == number).for_each(|one| one.is_queued = false);
    }

    /// Whether this one is still to be written down: nobody lifted it.
    pub fn has(&self, who: IpNet, number: u64) -> bool {
        self.made.get(&who).is_some_and(|made| made.iter().any(|one| one.number == number))
    }

    /// Whether anything of a network's is in force.
    pub fn holds(&self, who: IpNet, now: Timestamp) -> bool {
        self.made.get(&who).is_some_and(|made| made.iter().any(|one| one.until > now))
    }

    /// This one is written down.
    pub fn settle(&mut self, who: IpNet, number: u64) {
        if let Some(made) = self.made.get_mut(&who) {
            made.retain(|one| one.number != number);
        }
        self.made.retain(|_, made| !made.is_empty());
    }

    /// All of a network's are lifted.
    pub fn lift(&mut self, who: IpNet) {
        self.made.remove(&who);
    }

    /// Those of a network's that were made before it was lifted. Whether there were any.
    pub fn lift_before(&mut self, who: IpNet, lifted: Timestamp) -> bool {
        let Some(made) = self.made.get_mut(&who) else { return false };
        let many = made.len();
        made.retain(|one| one.at >= lifted);
        let gone = made.len() < many;
        self.made.retain(|_, made| !made.is_empty());
        gone
    }

    /// The networks that any is of.
    pub fn networks(&self) -> Vec<String> {
        self.made.keys().map(ToString::to_string).collect()
    }

    /// Those in force.
    pub fn in_force(&self, now: Timestamp) -> impl Iterator<Item = (IpNet, Timestamp)> {
        let all = self.made.iter().flat_map(|(who, made)| made.iter().map(|one| (*who, one.until)));
        all.filter(move |(_, until)| *until > now)
    }

    fn forget_ended(&mut self, now: Timestamp) {
        for made in self.made.values_mut() {
            made.retain(|one| one.is_queued || one.until > now);
        }
        self.made.retain(|_, made| !made.is_empty());
    }
}
