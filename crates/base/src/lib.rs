//! The words everyone in this house shares: who is calling, what went wrong, what can be set, what is promised.
//!
//! This crate does no I/O and knows no protocol. It is small and quiet on purpose: everything else is built on it,
//! so every edit here rebuilds everything. What changes weekly belongs in a leaf.
//!
//! Invariant: nothing here can be half built, and no [`Secret`] can be printed.

pub mod address;
pub mod caller;
pub mod clock;
pub mod fault;
pub mod limit;
pub mod profile;
pub mod repeat;
pub mod rng;
pub mod secret;
pub mod setting;
pub mod trace;

pub use caller::{Acting, Caller, DbRole, KeyScope, Level, Method, Owed, SignedIn, Who};
pub use clock::{Clock, MockClock};
pub use fault::{Failure, Fault, Kind};
pub use limit::Limit;
pub use profile::Profile;
pub use repeat::Repeat;
pub use rng::Rng;
pub use secret::Secret;
pub use setting::{Setting, Settings};
pub use trace::Trace;
