//! What a job is: arguments with a name, and how to run them.

use std::time::Duration;

use base::{Failure, Fault};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::limits;

/// Something to do once, later. The struct is its arguments: ids, never secrets, since the queue keeps them in clear.
///
/// A job may run twice (a worker can die after the work and before the note of it), so running it again must have the
/// same result.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name in the queue. Never renamed while one may be waiting.
    const NAME: &'static str;
    /// What it does, for lists.
    const WHAT: &'static str;
    /// What it goes before when more is due than hands are free.
    const URGENCY: Urgency = Urgency::Usual;
    /// How often it is tried.
    const ATTEMPTS_MAX: u16 = 10;
    /// How long one try may take.
    const TIME_MAX: Duration = Duration::from_secs(60);
    /// What it works with: handles, given at start.
    type Context: Send + Sync + 'static;

    /// Does it.
    fn run(
        &self,
        context: &Self::Context,
        attempt: Attempt,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Writes down, where somebody looks for it, that it is given up and why: whatever ended it, also what a try could not see,
    /// such as a worker that was gone each time. Until this succeeds it is not given up, so it may run twice.
    fn given_up(
        &self,
        _context: &Self::Context,
        _why: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Ok(()) }
    }

    /// How long to wait after the `attempt`-th try failed, before jitter.
    fn backoff(attempt: u16) -> Duration {
        let doubled = 2_u64.saturating_pow(u32::from(attempt.min(32)));
        Duration::from_secs(doubled.min(limits::BACKOFF_SECONDS.value))
    }
}

/// What goes first when more is due than hands are free. What is less urgent is not starved: every few jobs the one that has
/// waited longest is taken, whatever it is ([`limits::BY_AGE`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// An alert: nobody outside can ask for one at will.
    Alert,
    /// What the owner of an account waits for or must hear: a code, a way back in, a warning.
    Account,
    /// All the rest, also what strangers can ask for in any number.
    Usual,
}

impl Urgency {
    /// As the queue is ordered.
    pub(crate) const fn rank(self) -> i32 {
        match self {
            Urgency::Alert => 0,
            Urgency::Account => 1,
            Urgency::Usual => 2,
        }
    }
}

/// Which try this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The job's id; the same for every try, so it can serve as an idempotency key outside.
    pub id: Uuid,
    /// 1, 2, 3…
    pub number: u16,
    /// Whether no other try follows.
    pub last: bool,
}

/// Why a try failed.
#[derive(Debug)]
pub enum Trouble {
    /// Trying again may help. Any fault becomes this with `?`.
    Again(Failure),
    /// It will not.
    Never(Failure),
}

impl<E: Fault> From<E> for Trouble {
    fn from(error: E) -> Self {
        Trouble::Again(error.into())
    }
}

impl Trouble {
    /// A fault that trying again does not mend.
    pub fn never(error: impl Fault) -> Self {
        Trouble::Never(error.into())
    }

    /// Its code and chain of causes.
    pub(crate) fn text(&self) -> String {
        let (Trouble::Again(failure) | Trouble::Never(failure)) = self;
        let fault = failure.fault();
        let text = format!("{}: {}", fault.code(), base::fault::chain(fault));
        let end = text.floor_char_boundary(limits::ERROR_BYTES.size());
        text.get(..end).unwrap_or_default().replace('\0', "")
    }
}

/// A job without its type: what lists hold.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its name in the queue.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// How often it is tried.
    pub attempts_max: u16,
    /// How long one try may take.
    pub time_max: Duration,
}

impl Definition {
    /// The definition of `J`.
    pub const fn of<J: Job>() -> Self {
        Definition { name: J::NAME, what: J::WHAT, attempts_max: J::ATTEMPTS_MAX, time_max: J::TIME_MAX }
    }
}
