//! The one way for everything that leaves the house: identity providers, hooks, SMS, metadata, breach lists over HTTP, and
//! logs as a stream or datagrams.
//!
//! A URL that somebody else may choose must not reach what only we can reach. So a name is resolved once, every
//! address it has is checked, and the connection goes to a checked address, not to the name again: what the name means
//! a moment later (DNS rebinding) changes nothing. Private, loopback, link-local, metadata, translated (mapped, 6to4,
//! NAT64, Teredo), multicast and reserved addresses are refused unless `outbound.allow` names them.
//!
//! There is no proxy, no cookie jar, no decompression and no connection kept open. Redirects are answers, not orders:
//! they are followed only when asked for, and each hop is checked like the first.
//!
//! Invariant: no byte leaves to an address that [`Allow`] and [`address::class`] did not both see.

pub mod address;
mod allow;
mod client;
mod connect;
mod error;
pub mod limits;
mod request;
pub mod settings;
mod shares;
mod stream;
mod target;
mod tls;

pub use allow::Allow;
pub use client::{Outbound, Parts, Refusal};
pub use connect::{Resolver, system_resolver};
pub use error::Error;
pub use request::{Answer, Request};
pub use settings::SETTINGS;
pub use stream::Stream;
pub use target::Target;
