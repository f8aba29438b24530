//! Keys, signatures, encryption and password hashes: functions over [`base::Secret`].
//!
//! Everything here is a pure tool: no database, no HTTP, no clock. Who may use which key, and until when, is decided by
//! the features that call it.
//!
//! Invariant: the algorithm of a signature is the one of *our* key, never the one a token's header asks for.

mod error;
pub mod limits;
mod mac;
mod password;
mod root;
mod signing;
mod token;
pub mod wallet;

pub use error::Error;
pub use mac::{keyed_mac, left_half, random_token, same, sha1_for_lookup, sha256};
pub use password::{Hasher, Verdict, Work};
pub use root::RootKey;
pub use signing::{Algorithm, KeyRing, SigningKey, VerifyKey};
pub use token::{TokenError, Verified};
