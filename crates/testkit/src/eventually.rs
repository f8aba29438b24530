//! Waiting on a condition with a bound, instead of sleeping and hoping.

use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

const BOUND: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `condition` answers `Some`, and returns it; fails the test after half a minute: only a machine with much else to do needs it.
#[track_caller]
pub fn eventually<T>(condition: impl AsyncFnMut() -> Option<T>) -> impl Future<Output = T> {
    eventually_within(BOUND, condition)
}

/// [`eventually`] with another bound.
#[track_caller]
pub fn eventually_within<T>(
    bound: Duration,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let place = Location::caller();
    async move {
        let until = Instant::now() + bound;
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            if Instant::now() >= until {
                panic!("did not happen within {bound:?}: {place}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
