//! How often something may happen: so much a second, and so much at once.

use std::time::Instant;

/// A budget that fills up again.
pub struct Rate {
    per_second: f64,
    most: f64,
    left: f64,
    at: Instant,
}

impl Rate {
    /// `per_second`, and `most` at once.
    pub fn new(per_second: f64, most: f64) -> Self {
        Rate { per_second, most, left: most, at: Instant::now() }
    }

    /// Takes `cost` out of it, if there is as much.
    pub fn takes(&mut self, cost: f64) -> bool {
        self.takes_at(cost, Instant::now())
    }

    fn takes_at(&mut self, cost: f64, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * self.per_second).min(self.most);
        self.at = now;
        let enough = self.left >= cost;
        if enough {
            self.left -= cost;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn so_much_at_once_and_then_so_much_a_second() {
        let (mut rate, began) = (Rate::new(2.0, 3.0), Instant::now());
        assert_eq!([1, 2, 3, 4].map(|_| rate.takes_at(1.0, began)), [true, true, true, false]);
        let later = began + Duration::from_secs(1);
        assert_eq!([1, 2, 3].map(|_| rate.takes_at(1.0, later)), [true, true, false]);
        assert!(rate.takes_at(3.0, later + Duration::from_secs(3600)) && !rate.takes_at(0.1, later));
    }
}
