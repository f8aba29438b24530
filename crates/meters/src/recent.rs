//! The share of what failed in the last minute, without anything that runs by itself.
//!
//! A slot for each second holds that second's number and its two counts in one word: whoever comes first in a new second
//! begins the slot anew.

use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds looked back on.
const SECONDS: u64 = 60;
/// More slots than seconds, so that the one that is begun anew is never one that is read.
const SLOTS: usize = 64;
/// Each count has this many bits, and stays where it is when it is full.
const BITS: u32 = 20;
const MOST: u64 = (1 << BITS) - 1;

/// Successes and failures of the last minute.
#[derive(Debug)]
pub struct Recent([AtomicU64; SLOTS]);

impl Default for Recent {
    fn default() -> Self {
        Recent(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// The number that a slot keeps of a second: what fits beside the counts.
fn mark(second: u64) -> u64 {
    (second + 1) & ((1 << (64 - 2 * BITS)) - 1)
}

impl Recent {
    /// Something ended in this second.
    pub fn ended(&self, second: u64, failed: bool) {
        let place = usize::try_from(second % SLOTS as u64).unwrap_or(0);
        let Some(slot) = self.0.get(place) else { return };
        // The closure always gives a value.
        let _before = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            let (all, bad) = if word >> (2 * BITS) == mark(second) { counts(word) } else { (0, 0) };
            let (all, bad) = ((all + 1).min(MOST), (bad + u64::from(failed)).min(MOST));
            Some(mark(second) << (2 * BITS) | all << BITS | bad)
        });
    }

    /// The share that failed in the minute up to this second; none when nothing ended.
    pub fn share(&self, second: u64) -> f64 {
        let (mut all, mut bad) = (0, 0);
        for back in 0..SECONDS.min(second + 1) {
            let then = second - back;
            let place = usize::try_from(then % SLOTS as u64).unwrap_or(0);
            let word = self.0.get(place).map_or(0, |slot| slot.load(Ordering::Relaxed));
            if word >> (2 * BITS) == mark(then) {
                let (one, failed) = counts(word);
                (all, bad) = (all + one, bad + failed);
            }
        }
        if all == 0 {
            0.0
        } else {
            f64::from(u32::try_from(bad).unwrap_or(u32::MAX))
                / f64::from(u32::try_from(all).unwrap_or(u32::MAX))
        }
    }
}

fn counts(word: u64) -> (u64, u64) {
    (word >> BITS & MOST, word & MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_looked_back_on_and_no_more() {
        let recent = Recent::default();
        assert!(recent.share(5).abs() < 1e-9);
        (0..3).for_each(|_| recent.ended(1_700_000_000, false));
        recent.ended(1_700_000_030, true);
        assert!((recent.share(1_700_000_030) - 0.25).abs() < 1e-9);
        assert!((recent.share(1_700_000_059) - 0.25).abs() < 1e-9);
        assert!(
            (recent.share(1_700_000_060) - 1.0).abs() < 1e-9,
            "the first second is more than a minute ago"
        );
        assert!(recent.share(1_700_000_090).abs() < 1e-9);
        recent.ended(1_700_000_064, false);
        assert!((recent.share(1_700_000_064) - 0.5).abs() < 1e-9, "a slot is begun anew");
    }
}
