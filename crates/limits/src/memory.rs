//! Counts in this process, in a bounded table.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Mutex;

use base::Limit;

use crate::window::{Track, tightest};
use crate::{Budget, Verdict};

/// Subjects remembered; about 200 bytes each.
const SUBJECTS_MAX: Limit = Limit::new(
    "limits_subjects_max",
    200_000,
    "one /48 of attackers must not grow the process; the oldest tenth goes first",
);

const SHARDS: usize = 16;

struct Tracks {
    last_ms: u64,
    longest_ms: u64,
    tracks: Vec<Track>,
}

/// Tracks by hash of (budget, subject), so that memory does not depend on how long subjects are.
pub(crate) struct Memory {
    hasher: (RandomState, RandomState),
    shards: [Mutex<HashMap<(u64, u64), Tracks>>; SHARDS],
}

impl Memory {
    pub(crate) fn new() -> Self {
        Memory { hasher: Default::default(), shards: Default::default() }
    }

    pub(crate) fn weigh(&self, budget: &Budget, subject: &str, tries: u32, now_ms: u64) -> Verdict {
        let key = self.key(budget.name, subject);
        let mut shard = self.shard(key);
        if shard.len() >= SUBJECTS_MAX.size() / SHARDS && !shard.contains_key(&key) {
            make_room(&mut shard, now_ms);
        }
        let entry =
            shard.entry(key).or_insert_with(|| Tracks { last_ms: 0, longest_ms: 0, tracks: Vec::new() });
        entry.tracks.resize_with(budget.windows.len(), || Track::new(budget.algorithm));
        entry.last_ms = now_ms;
        // The oldest step of a sliding window leaves a twelfth after the window, a clock may differ by another.
        entry.longest_ms =
            budget.windows.iter().map(|window| window.length_ms() / 12 * 14).max().unwrap_or(0);
        let windows = budget.windows.iter().zip(&mut entry.tracks);
        let verdict = tightest(windows.map(|(window, track)| track.look(window, tries, now_ms)));
        for (window, track) in budget.windows.iter().zip(&mut entry.tracks) {
            track.take(window, tries, now_ms, verdict.allowed);
        }
        verdict
    }

    pub(crate) fn give_back(&self, budget: &Budget, subject: &str) {
        let key = self.key(budget.name, subject);
        if let Some(entry) = self.shard(key).get_mut(&key) {
            let each = budget.windows.iter().zip(&mut entry.tracks);
            each.for_each(|(window, track)| track.give_back(window));
        }
    }

    pub(crate) fn forget(&self, budget: &str, subject: &str) {
        let key = self.key(budget, subject);
        self.shard(key).remove(&key);
    }

    fn key(&self, budget: &str, subject: &str) -> (u64, u64) {
        (self.hasher.0.hash_one((budget, subject)), self.hasher.1.hash_one((budget, subject)))
    }

    fn shard(&self, key: (u64, u64)) -> std::sync::MutexGuard<'_, HashMap<(u64, u64), Tracks>> {
        let index = key.0 as usize % SHARDS;
        let shard = self.shards.get(index).unwrap_or(&self.shards[0]);
        shard.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Drops what is over; if that is not enough, the tenth that was quiet longest.
fn make_room(shard: &mut HashMap<(u64, u64), Tracks>, now_ms: u64) {
    shard.retain(|_, entry| entry.last_ms + entry.longest_ms > now_ms);
    if shard.len() >= SUBJECTS_MAX.size() / SHARDS {
        let mut ages: Vec<u64> = shard.values().map(|entry| entry.last_ms).collect();
        ages.sort_unstable();
        let cut = ages.get(ages.len() / 10).copied().unwrap_or(0);
        shard.retain(|_, entry| entry.last_ms > cut);
    }
}
