//! What of this machine others can reach: what listens, what a firewall lets through, what it should let through.
//!
//! Everything is looked at, nothing assumed: listeners as the kernel lists them, the firewall as `nft` lists it, and, when
//! asked to look from outside, connections from a second host: a network namespace with a cable of its own, whose
//! packets meet the same rules as a stranger's. The rules that are proposed come from the real listeners and always keep the
//! port that SSH is really on.

mod docker;
mod error;
pub mod limits;
mod listeners;
mod outside;
mod plan;
mod report;
mod ssh;

pub use docker::Published;
pub use error::Error;
pub use listeners::{Listener, listeners};
pub use outside::{Reached, scan, scan_from_outside};
pub use plan::{Plan, Tool, apply, print};
pub use report::{Exposure, Facts, Firewall, Verdict, look};
pub use ssh::ports as ssh_ports;
