//! How long things took: a histogram with fixed bounds, and for each of its buckets the last thing that fell into it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the buckets, in microseconds; the last bucket has none.
pub const BOUNDS_US: [u64; 15] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000,
];
const BUCKETS: usize = BOUNDS_US.len() + 1;
/// Bits of a remembered thing that say how long it took.
const TOOK_BITS: u32 = 24;
const TOOK_MAX: u64 = (1 << TOOK_BITS) - 1;

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Spread {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
    /// The number of the last thing and what it took, in one word, so that they always belong together.
    last: [AtomicU64; BUCKETS],
}

/// A histogram at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpreadNow {
    /// How many fell into each bucket.
    pub buckets: [u64; BUCKETS],
    /// All of it together.
    pub sum_us: u64,
    /// The number of the last thing in each bucket that had one, and what it took.
    pub last: [Option<(u64, u64)>; BUCKETS],
}

impl Spread {
    /// Something took this long.
    pub fn took(&self, us: u64) {
        let at = BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// The thing of this number, counted from 0, took this long.
    pub fn took_by(&self, us: u64, number: u64) {
        self.took(us);
        let at = BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(last) = self.last.get(at) {
            last.store(number.wrapping_add(1) << TOOK_BITS | us.min(TOOK_MAX), Ordering::Relaxed);
        }
    }

    /// As it is now.
    pub fn now(&self) -> SpreadNow {
        let mut now = SpreadNow { sum_us: self.sum_us.load(Ordering::Relaxed), ..SpreadNow::default() };
        for (to, from) in now.buckets.iter_mut().zip(&self.buckets) {
            *to = from.load(Ordering::Relaxed);
        }
        for (to, from) in now.last.iter_mut().zip(&self.last) {
            let word = from.load(Ordering::Relaxed);
            *to = (word >> TOOK_BITS).checked_sub(1).map(|number| (number, word & TOOK_MAX));
        }
        now
    }
}

impl SpreadNow {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Together with another.
    pub fn and(mut self, other: &SpreadNow) -> SpreadNow {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(mine, theirs)| *mine += theirs);
        self.sum_us += other.sum_us;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_falls_into_the_first_bucket_that_is_large_enough() {
        let spread = Spread::default();
        for us in [0, 100, 101, 10_000_000, 10_000_001, u64::MAX / 2] {
            spread.took(us);
        }
        let now = spread.now();
        assert_eq!((now.buckets[0], now.buckets[1], now.buckets[14], now.buckets[15]), (2, 1, 1, 2));
        assert_eq!(now.count(), 6);
    }

    #[test]
    fn the_last_of_a_bucket_is_remembered_with_what_it_took() {
        let spread = Spread::default();
        spread.took_by(300, 0);
        spread.took_by(400, 41);
        spread.took_by(60_000_000, 7);
        let now = spread.now();
        assert_eq!(now.last[2], Some((41, 400)));
        assert_eq!(now.last[15], Some((7, TOOK_MAX)));
        assert_eq!(now.last[0], None);
    }
}
