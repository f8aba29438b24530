//! How often each address was seen by each jail, within its time and within memory.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use ipnet::IpNet;

use crate::{Jail, limits};

/// Counts by jail and address.
#[derive(Default)]
pub(crate) struct Counts {
    tracks: Mutex<HashMap<(usize, IpNet), Track>>,
    hasher: RandomState,
}

#[derive(Default)]
struct Track {
    /// When, and what about: the account, where accounts are counted.
    tries: VecDeque<(i64, u64)>,
    last_ms: i64,
}

impl Counts {
    /// Counts one try; true when it fills the jail, which then begins anew. Tries `about` the same thing are one, where
    /// things are counted.
    pub fn count(&self, (index, jail): (usize, &Jail), who: IpNet, about: Option<&str>, now_ms: i64) -> bool {
        let about = about.map_or(0, |about| self.hasher.hash_one(about));
        let mut tracks = self.tracks.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if tracks.len() >= limits::SUBJECTS.size() && !tracks.contains_key(&(index, who)) {
            make_room(&mut tracks);
        }
        let track = tracks.entry((index, who)).or_default();
        let window_ms = i64::try_from(jail.find_time.as_millis()).unwrap_or(i64::MAX);
        while track.tries.front().is_some_and(|(at, _)| at.saturating_add(window_ms) <= now_ms) {
            track.tries.pop_front();
        }
        track.last_ms = now_ms;
        if about != 0
            && let Some(known) = track.tries.iter().position(|(_, seen)| *seen == about)
        {
            track.tries.remove(known);
        }
        track.tries.push_back((now_ms, about));
        let is_full = track.tries.len() >= jail.max_retry;
        if is_full {
            tracks.remove(&(index, who));
        }
        is_full
    }

    /// Forgets what was counted of `network`: an operator lifted its ban.
    pub fn forget(&self, network: IpNet) {
        let mut tracks = self.tracks.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        tracks.retain(|(_, who), _| !network.contains(who));
    }
}

/// The half that was quiet longest goes.
fn make_room(tracks: &mut HashMap<(usize, IpNet), Track>) {
    let mut ages: Vec<i64> = tracks.values().map(|track| track.last_ms).collect();
    ages.sort_unstable();
    let cut = ages.get(ages.len() / 2).copied().unwrap_or(i64::MAX);
    tracks.retain(|_, track| track.last_ms > cut);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Sees;

    fn jail(max_retry: usize) -> Jail {
        let minute = Duration::from_secs(60);
        Jail { name: "test".to_owned(), sees: Sees::SignIns, max_retry, find_time: minute, ban_time: minute }
    }

    fn who(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn a_jail_is_full_after_so_many_tries_within_its_time() {
        let (counts, jail) = (Counts::default(), jail(3));
        let one = who("198.51.100.7/32");
        let fills = [0, 30_000, 61_000, 62_000].map(|at| counts.count((0, &jail), one, None, at));
        assert_eq!(fills, [false, false, false, true], "the first try was over when the third came");
        assert!(!counts.count((0, &jail), one, None, 62_001), "it begins anew");
    }

    #[test]
    fn the_same_account_is_one_and_addresses_are_apart() {
        let (counts, jail) = (Counts::default(), jail(2));
        let one = who("198.51.100.7/32");
        assert!(!counts.count((0, &jail), one, Some("ann"), 0));
        assert!(!counts.count((0, &jail), one, Some("ann"), 1));
        assert!(!counts.count((0, &jail), who("198.51.100.8/32"), Some("bob"), 2));
        assert!(counts.count((0, &jail), one, Some("bob"), 3));
    }

    #[test]
    fn a_flood_of_addresses_does_not_grow_the_process() {
        let (counts, jail) = (Counts::default(), jail(5));
        for n in 0..u32::try_from(limits::SUBJECTS.size()).unwrap() * 2 {
            let address = std::net::Ipv4Addr::from_bits(0x0b00_0000 + n);
            counts.count((0, &jail), IpNet::from(std::net::IpAddr::V4(address)), None, i64::from(n));
        }
        assert!(counts.tracks.lock().unwrap().len() <= limits::SUBJECTS.size());
    }
}
