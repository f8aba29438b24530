//! How long something took of its own accord, on a machine that does much else.

use std::time::{Duration, Instant};

/// Measures like an [`Instant`], less the time in which somebody on this machine waited for a core: whoever tests beside other
/// tests waits for those, and a bound that means the program would then tell of the machine. On an idle machine it is the clock's time.
pub struct Stopwatch {
    began: Instant,
    waited: Option<Duration>,
}

impl Stopwatch {
    /// Begins now.
    #[must_use]
    pub fn start() -> Self {
        Stopwatch { began: Instant::now(), waited: waited() }
    }

    /// Since the start. A system that does not tell how long is waited (no PSI) has all of it shared out among those who want a core.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        let took = self.began.elapsed();
        match (self.waited, waited()) {
            (Some(before), Some(now)) => took.saturating_sub(now.saturating_sub(before)),
            _ => took.div_f64(crowd().max(1.0)),
        }
    }
}

/// How long one or more have waited for a core since the start of the system (Linux, accounting/psi.rst).
fn waited() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
    let some = told.lines().find(|line| line.starts_with("some "))?;
    Some(Duration::from_micros(some.rsplit_once("total=")?.1.parse().ok()?))
}

/// How many want each core.
fn crowd() -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let told = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = told.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    load / cores as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_clock_says_and_all_that_is_slept() {
        let (began, watch) =
            (Instant::now(), Stopwatch { began: Instant::now(), waited: Some(Duration::MAX) });
        assert!(watch.elapsed() <= began.elapsed());
        let patient =
            Stopwatch { began: began.checked_sub(Duration::from_secs(3_600)).unwrap(), waited: waited() };
        assert!(patient.elapsed() > Duration::from_secs(3_500), "{:?}", patient.elapsed());
        let (told, crowded) = (waited(), crowd());
        assert!(told.is_none_or(|told| told > Duration::ZERO) && crowded >= 0.0);
    }
}
