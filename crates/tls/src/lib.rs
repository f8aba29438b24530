//! Certificates: got from an authority, read from files, or made for this machine; renewed and swapped while
//! connections go on.
//!
//! Invariant: what is shown was checked first (its key is its own, its chain complete, its names ours), and a renewal
//! that fails leaves the one in force, says so, and is tried again.

mod acme;
mod challenges;
pub mod database;
mod due;
mod error;
mod keep;
pub mod limits;
mod local;
mod material;
mod names;
mod ocsp;
mod server;
pub mod settings;
mod signed;
mod store;

pub use database::KeepDatabaseCertificate;
pub use error::Error;
pub use keep::{KeepCertificate, Parts, Source, Status, Tls};
pub use material::{Facts, Material};
pub use server::ACME_ALPN;
pub use settings::SETTINGS;

/// Reconcilers of this crate.
pub const RECONCILERS: &[jobs::Kept] =
    &[jobs::Kept::of::<KeepCertificate>(), jobs::Kept::of::<KeepDatabaseCertificate>()];
