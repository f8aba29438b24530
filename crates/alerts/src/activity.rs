//! How much each caller does, counted in memory: nothing of an ordinary request is written anywhere (control 108).
//!
//! Windows begin with a caller's first request. On several nodes each counts its own; being slowed down is shared.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::time::Duration;

use crate::limits;

const SHARDS: usize = 16;

pub(crate) struct Activity {
    threshold: u32,
    window_ms: i64,
    hasher: RandomState,
    shards: [Mutex<HashMap<u64, (i64, u32)>>; SHARDS],
}

impl Activity {
    pub fn new(threshold: u32, window: Duration) -> Self {
        let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        Activity { threshold, window_ms, hasher: RandomState::new(), shards: Default::default() }
    }

    /// Counts a request; true for the one that is too many.
    pub fn count(&self, caller: &str, now_ms: i64) -> bool {
        let key = self.hasher.hash_one(caller);
        let index = usize::try_from(key % SHARDS as u64).unwrap_or(0);
        let shard = self.shards.get(index).unwrap_or(&self.shards[0]);
        let mut shard = shard.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if shard.len() >= limits::CALLERS.size() / SHARDS && !shard.contains_key(&key) {
            shard.retain(|_, (began, _)| now_ms.saturating_sub(*began) < self.window_ms);
            if shard.len() >= limits::CALLERS.size() / SHARDS {
                // So many at once is an attack of many; each alone is not this rule's business.
                shard.clear();
            }
        }
        let (began, count) = shard.entry(key).or_insert((now_ms, 0));
        if now_ms.saturating_sub(*began) >= self.window_ms {
            (*began, *count) = (now_ms, 0);
        }
        *count = count.saturating_add(1);
        *count == self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thousandth_within_a_minute_is_too_many_and_only_that_one() {
        let activity = Activity::new(1_000, Duration::from_secs(60));
        let raised = (0..1_500).filter(|n| activity.count("ip:198.51.100.7", n * 10)).count();
        assert_eq!(raised, 1);
        assert!(!activity.count("ip:198.51.100.8", 15_000));
        let slowly = (0..5_000).filter(|n| activity.count("key:slow", n * 100)).count();
        assert_eq!(slowly, 0, "six hundred a minute");
    }
}
