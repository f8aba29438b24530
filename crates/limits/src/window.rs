//! What a budget is, and the arithmetic of its sliding windows: pure, shared by both stores.

use std::time::Duration;

/// Steps a window slides in. More steps follow the ideal window closer and cost more to add up.
pub(crate) const STEPS: u64 = 12;

/// So many tries in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Tries that pass in any stretch of `length`.
    pub tries_max: u32,
    /// The stretch.
    pub length: Duration,
}

impl Window {
    /// `tries_max` in any minute.
    pub const fn per_minute(tries_max: u32) -> Self {
        Window { tries_max, length: Duration::from_secs(60) }
    }

    /// `tries_max` in any hour.
    pub const fn per_hour(tries_max: u32) -> Self {
        Window { tries_max, length: Duration::from_secs(3600) }
    }

    pub(crate) fn step_ms(&self) -> u64 {
        (u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX) / STEPS).max(1)
    }
}

/// A named set of windows; a try must be within all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name in settings, logs and audit: `global`, `login`, `signup`, …
    pub name: &'static str,
    /// The windows.
    pub windows: Vec<Window>,
}

/// Whether a try is within its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it passes.
    pub allowed: bool,
    /// The tightest window's limit.
    pub limit: u32,
    /// Tries left in the tightest window.
    pub remaining: u32,
    /// When the tightest window will let a try pass again; zero if it does now.
    pub retry_after: Duration,
    /// Length of the tightest window.
    pub window: Duration,
}

/// Tries per step, newest step first known by its number since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Track {
    newest: u64,
    counts: [u32; STEPS as usize + 1],
}

impl Track {
    /// Counts `tries` at `now_ms` and says how many the window holds, and when the oldest of them leave it.
    pub(crate) fn count(&mut self, window: &Window, tries: u32, now_ms: u64) -> Verdict {
        let step = window.step_ms();
        self.slide(now_ms / step);
        let used_before = self.total();
        if let Some(newest) = self.counts.first_mut() {
            *newest = newest.saturating_add(tries);
        }
        verdict(window, used_before, tries, self.room_age(too_many(window, used_before, tries)), step, now_ms)
    }

    /// A clock that went back counts into the newest step it knows.
    fn slide(&mut self, step: u64) {
        let length = self.counts.len();
        let by = usize::try_from(step.saturating_sub(self.newest)).unwrap_or(usize::MAX).min(length);
        self.counts.rotate_right(by % length);
        self.counts.iter_mut().take(by).for_each(|count| *count = 0);
        self.newest = self.newest.max(step);
    }

    /// One try less, the newest there is.
    pub(crate) fn give_back(&mut self) {
        if let Some(count) = self.counts.iter_mut().find(|count| **count > 0) {
            *count -= 1;
        }
    }

    fn total(&self) -> u32 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How many steps ago the last of the `leaving` oldest tries was made: once it has left, there is room.
    fn room_age(&self, leaving: u32) -> u64 {
        let mut left = 0_u32;
        let room = self.counts.iter().enumerate().rev().find(|(_, count)| {
            left = left.saturating_add(**count);
            left >= leaving
        });
        room.map_or(0, |(age, _)| age as u64)
    }
}

/// How many have to leave before as many as `tries` (or one) are within, when those count too.
pub(crate) fn too_many(window: &Window, used_before: u32, tries: u32) -> u32 {
    let asked_again = tries.max(1);
    used_before.saturating_add(tries).saturating_add(asked_again).saturating_sub(window.tries_max)
}

/// The verdict on `tries` more, when `used_before` are in the window, and there is room for as many once what was made
/// `room_age` steps ago has left it.
pub(crate) fn verdict(
    window: &Window,
    used_before: u32,
    tries: u32,
    room_age: u64,
    step_ms: u64,
    now_ms: u64,
) -> Verdict {
    let used = used_before.saturating_add(tries);
    let allowed = if tries == 0 { used < window.tries_max } else { used <= window.tries_max };
    let into_step = now_ms % step_ms;
    let wait_ms = (STEPS + 1).saturating_sub(room_age) * step_ms - into_step;
    Verdict {
        allowed,
        limit: window.tries_max,
        remaining: window.tries_max.saturating_sub(used),
        retry_after: if allowed { Duration::ZERO } else { Duration::from_millis(wait_ms) },
        window: window.length,
    }
}

/// The verdict to tell: a refusal before a pass, the longer wait before the shorter, the fewer left before the more.
pub fn tightest(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let free = Verdict {
        allowed: true,
        limit: u32::MAX,
        remaining: u32::MAX,
        retry_after: Duration::ZERO,
        window: Duration::ZERO,
    };
    verdicts.fold(free, |tight, next| {
        let tighter = match (tight.allowed, next.allowed) {
            (true, false) => true,
            (false, true) => false,
            (false, false) => next.retry_after > tight.retry_after,
            (true, true) => next.remaining < tight.remaining,
        };
        if tighter { next } else { tight }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: Window = Window::per_minute(5);

    fn passes(track: &mut Track, at_s: u64) -> bool {
        track.count(&FIVE, 1, at_s * 1000).allowed
    }

    #[test]
    fn no_minute_ever_holds_more_than_the_limit() {
        for start in 0..60 {
            let mut track = Track::default();
            let passed: Vec<u64> = (start..start + 600).filter(|at| passes(&mut track, *at)).collect();
            for from in &passed {
                let inside = passed.iter().filter(|at| (*from..*from + 60).contains(at)).count();
                assert!(inside <= 5, "{inside} passed in the minute from {from}");
            }
        }
    }

    #[test]
    fn refused_tries_count_so_hammering_does_not_pay() {
        let mut track = Track::default();
        for at in 0..300 {
            assert_eq!(passes(&mut track, at), at < 5, "second {at}");
        }
    }

    #[test]
    fn a_try_that_is_taken_back_leaves_the_others() {
        let mut track = Track::default();
        (0..5).for_each(|at| assert!(passes(&mut track, at)));
        track.give_back();
        assert!(passes(&mut track, 6));
        assert!(!passes(&mut track, 7), "one was taken back, not more");
        let mut nothing = Track::default();
        nothing.give_back();
        assert_eq!(nothing, Track::default());
    }

    #[test]
    fn after_the_told_wait_a_try_passes() {
        let mut track = Track::default();
        (0..5).for_each(|at| assert!(passes(&mut track, at)));
        let refused = track.clone().count(&FIVE, 1, 10_000);
        assert!(!refused.allowed);
        let later = 10_000 + u64::try_from(refused.retry_after.as_millis()).unwrap();
        assert!(track.clone().count(&FIVE, 1, later).allowed);
        assert!(!track.count(&FIVE, 1, later - 1000).allowed);
    }

    #[test]
    fn the_told_wait_is_enough_and_a_step_less_is_not_however_the_tries_were_spread() {
        for gap in 1..15 {
            for refused in 1..4 {
                let mut track = Track::default();
                (0..5).for_each(|number| assert!(passes(&mut track, number * gap)));
                let mut now = 4 * gap * 1000;
                let mut wait = 0;
                for _ in 0..refused {
                    now += 1000;
                    let told = track.count(&FIVE, 1, now);
                    assert!(!told.allowed && told.remaining == 0);
                    wait = u64::try_from(told.retry_after.as_millis()).unwrap();
                }
                assert!(wait <= 65_000, "{wait}");
                assert!(
                    track.clone().count(&FIVE, 1, now + wait).allowed,
                    "every {gap} s, {refused} refused"
                );
                assert!(!track.count(&FIVE, 1, now + wait - 1).allowed, "every {gap} s, {refused} refused");
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing() {
        let mut track = Track::default();
        (0..5).for_each(|_| assert!(passes(&mut track, 1000)));
        assert!(!passes(&mut track, 500));
    }
}
