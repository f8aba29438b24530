//! What a budget is, how its tries can be counted, and what is said of one: pure, shared by both stores.

use std::time::Duration;

use crate::gcra::Cell;
use crate::sliding::Steps;

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

    pub(crate) fn length_ms(&self) -> u64 {
        u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX)
    }
}

/// How tries are counted against a window. What one of them lets through of a stream of tries, `Gcra` lets through too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// In any stretch of the window's length at most its tries pass. Refused tries count, so hammering does not pay.
    #[default]
    SlidingWindow,
    /// The generic cell rate algorithm: all of the window's tries at once, and from then on one whenever its share of the length is
    /// over. Refused tries cost nothing, and a first window lets nearly twice its tries through.
    Gcra,
}

/// A named set of windows; a try must be within all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name in settings, logs and audit: `global`, `login`, `signup`, …
    pub name: &'static str,
    /// The windows.
    pub windows: Vec<Window>,
    /// How they are counted.
    pub algorithm: Algorithm,
}

impl Budget {
    /// Counted in windows that slide, as all guesses are.
    pub fn sliding(name: &'static str, windows: Vec<Window>) -> Self {
        Budget { name, windows, algorithm: Algorithm::SlidingWindow }
    }
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
    /// When the tightest window is as good as new if nothing else is tried; after a refusal, when a try passes again.
    pub reset: Duration,
}

/// What is remembered of one subject for one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Track {
    Sliding(Steps),
    Gcra(Cell),
}

impl Track {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::SlidingWindow => Track::Sliding(Steps::default()),
            Algorithm::Gcra => Track::Gcra(Cell::default()),
        }
    }

    /// Says where `tries` more at `now_ms` would stand, and counts none of them.
    pub(crate) fn look(&mut self, window: &Window, tries: u32, now_ms: u64) -> Verdict {
        match self {
            Track::Sliding(steps) => steps.look(window, tries, now_ms),
            Track::Gcra(cell) => cell.look(window, tries, now_ms),
        }
    }

    /// Counts `tries` that were looked at before. The others of the budget's windows may have refused them: `passed` is what all say.
    pub(crate) fn take(&mut self, window: &Window, tries: u32, now_ms: u64, passed: bool) {
        match self {
            Track::Sliding(steps) => steps.take(tries),
            Track::Gcra(cell) if passed => cell.take(window, tries, now_ms),
            Track::Gcra(_) => {}
        }
    }

    /// One try less.
    pub(crate) fn give_back(&mut self, window: &Window) {
        match self {
            Track::Sliding(steps) => steps.give_back(),
            Track::Gcra(cell) => cell.give_back(window),
        }
    }
}

/// The verdict on `tries` more when the window holds `used` already: they pass after `wait`, and it is as good as new after `reset`.
pub(crate) fn verdict(window: &Window, used: u32, tries: u32, wait: Duration, reset: Duration) -> Verdict {
    let after = used.saturating_add(tries);
    let allowed = if tries == 0 { after < window.tries_max } else { after <= window.tries_max };
    let (retry_after, reset) = if allowed { (Duration::ZERO, reset) } else { (wait, wait) };
    Verdict {
        allowed,
        limit: window.tries_max,
        remaining: window.tries_max.saturating_sub(after),
        retry_after,
        reset,
    }
}

/// The verdict to tell: a refusal before a pass, the longer wait before the shorter, the fewer left before the more.
pub fn tightest(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let free = Verdict {
        allowed: true,
        limit: u32::MAX,
        remaining: u32::MAX,
        retry_after: Duration::ZERO,
        reset: Duration::ZERO,
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
    const BOTH: [Algorithm; 2] = [Algorithm::SlidingWindow, Algorithm::Gcra];

    fn asks(track: &mut Track, at_ms: u64) -> Verdict {
        let verdict = track.look(&FIVE, 1, at_ms);
        track.take(&FIVE, 1, at_ms, verdict.allowed);
        verdict
    }

    fn passes(track: &mut Track, at_s: u64) -> bool {
        asks(track, at_s * 1000).allowed
    }

    fn sliding() -> Track {
        Track::new(Algorithm::SlidingWindow)
    }

    #[test]
    fn no_minute_ever_holds_more_than_the_limit() {
        for start in 0..60 {
            let mut track = sliding();
            let passed: Vec<u64> = (start..start + 600).filter(|at| passes(&mut track, *at)).collect();
            for from in &passed {
                let inside = passed.iter().filter(|at| (*from..*from + 60).contains(at)).count();
                assert!(inside <= 5, "{inside} passed in the minute from {from}");
            }
        }
    }

    #[test]
    fn refused_tries_count_so_hammering_does_not_pay() {
        let mut track = sliding();
        for at in 0..300 {
            assert_eq!(passes(&mut track, at), at < 5, "second {at}");
        }
    }

    #[test]
    fn gcra_passes_all_at_once_and_then_one_for_each_share_of_the_window_whoever_hammers() {
        let mut track = Track::new(Algorithm::Gcra);
        let passed: Vec<u64> = (0..600).filter(|tenth| asks(&mut track, tenth * 100).allowed).collect();
        assert_eq!(
            passed,
            [0, 1, 2, 3, 4, 120, 240, 360, 480],
            "tenths of a second; a fifth of a minute is 12 s"
        );
    }

    #[test]
    fn gcra_tells_to_the_millisecond_what_is_left_and_when() {
        let mut track = Track::new(Algorithm::Gcra);
        for left in (0..5).rev() {
            let told = asks(&mut track, 7);
            assert_eq!((told.allowed, told.limit, told.remaining), (true, 5, left));
            assert_eq!(
                told.reset,
                Duration::from_secs(12 * u64::from(5 - left)),
                "as good as new after its shares"
            );
        }
        let told = asks(&mut track, 1007);
        assert_eq!((told.allowed, told.remaining, told.retry_after), (false, 0, Duration::from_secs(11)));
        assert!(!asks(&mut track, 7 + 11_999).allowed);
        assert!(asks(&mut track, 7 + 12_000).allowed);
    }

    #[test]
    fn what_slides_lets_through_conforms_to_gcra_too() {
        // However they come: the window is within the cell rate, so its default is the stricter of the two.
        for seed in 1..200_u64 {
            let (mut window, mut cell) = (sliding(), Track::new(Algorithm::Gcra));
            let (mut now, mut random, mut passed) = (1_700_000_000_000 + seed * 7, seed, 0);
            for _ in 0..400 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                now += (random >> 33) % (seed * 150);
                let (strict, loose) = (asks(&mut window, now).allowed, asks(&mut cell, now).allowed);
                assert!(loose || !strict, "seed {seed} at {now}");
                passed += u32::from(strict);
            }
            assert!(passed > 4, "seed {seed}: {passed}");
        }
    }

    #[test]
    fn a_try_that_is_taken_back_leaves_the_others() {
        for algorithm in BOTH {
            let mut track = Track::new(algorithm);
            (0..5).for_each(|_| assert!(passes(&mut track, 60)));
            track.give_back(&FIVE);
            assert!(passes(&mut track, 61), "{algorithm:?}");
            assert!(!passes(&mut track, 62), "{algorithm:?}: one was taken back, not more");
            let mut nothing = Track::new(algorithm);
            nothing.give_back(&FIVE);
            assert_eq!(nothing, Track::new(algorithm));
        }
    }

    #[test]
    fn the_told_wait_is_enough_and_a_millisecond_less_is_not_however_the_tries_were_spread() {
        for (algorithm, gap, refused) in BOTH
            .iter()
            .flat_map(|one| (1..15).flat_map(move |gap| (1..4).map(move |refused| (*one, gap, refused))))
        {
            let case = format!("{algorithm:?}: every {gap} s, {refused} refused");
            let (mut track, mut now, mut told) = (Track::new(algorithm), 0, None);
            // Until it is full, which GCRA is later the slower they come.
            while told.is_none_or(|told: Verdict| told.allowed) && now < 700_000 {
                now += gap * 1000;
                told = Some(asks(&mut track, now));
            }
            for _ in 1..refused {
                now += 10;
                told = Some(asks(&mut track, now));
            }
            let Some(told) = told.filter(|told| !told.allowed) else {
                assert!(gap >= 12, "{case}: one each 12 s is what five a minute is");
                continue;
            };
            let wait = u64::try_from(told.retry_after.as_millis()).unwrap();
            assert!(
                told.remaining == 0 && wait <= 65_000 && told.reset == told.retry_after,
                "{case}: {told:?}"
            );
            assert!(passes_at(&track, now + wait), "{case}: {wait} ms");
            assert!(!passes_at(&track, now + wait - 1), "{case}: {wait} ms");
        }
    }

    fn passes_at(track: &Track, at_ms: u64) -> bool {
        asks(&mut track.clone(), at_ms).allowed
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing_and_keeps_nobody_out_for_longer() {
        for algorithm in BOTH {
            let mut track = Track::new(algorithm);
            (0..5).for_each(|_| assert!(passes(&mut track, 1000)));
            assert!(!passes(&mut track, 500), "{algorithm:?}");
        }
        let mut track = Track::new(Algorithm::Gcra);
        (0..5).for_each(|_| assert!(passes(&mut track, 100_000)));
        assert!(asks(&mut track, 5_000_000).reset <= Duration::from_secs(60));
        assert!(asks(&mut track, 5_000).retry_after <= Duration::from_secs(12));
    }
}
