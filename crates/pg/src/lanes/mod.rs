//! The connections. Each has one task of its own that writes batches, reads answers and keeps the prepared statements;
//! callers talk to it by message, so a caller that vanishes never leaves a connection in mid-protocol.
//!
//! - **short**: a few connections shared by everybody's short reads. Only whole batches (one Sync) travel on them.
//! - **own** and **system**: connections one transaction has to itself, handed out first come, first served.

pub(crate) mod batch;
pub(crate) mod cache;
pub(crate) mod counters;
pub(crate) mod driver;
pub(crate) mod flight;
pub(crate) mod gauge;
pub(crate) mod pool;
pub(crate) mod prelude;
pub(crate) mod short;
pub(crate) mod slow;
