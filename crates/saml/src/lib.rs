//! SAML 2.0 as a service provider: what we say to an identity provider, and which of its messages we believe.
//!
//! Pure: no network, no storage, no clock of its own. A message passes three gates, each of which alone would be enough
//! for an honest one: the text may hold only what a SAML message needs ([`mod@text`]), the tree must have exactly the
//! shape we read ([`mod@shape`]), and `saml-rs` must verify its signature with a pinned key and find every condition met.
//! Only then is anything read, from the tree that was checked, and both readers must have read the same.
//!
//! Deliberately absent: who may sign in, which provider is trusted, what was seen before. That is `auth`'s.
//!
//! Invariant: nothing leaves this crate as an [`Assertion`] that is not inside the one element that a pinned key signed.

mod clean;
mod error;
mod keys;
pub mod limits;
mod logout;
mod peer;
pub mod pretend;
mod response;
pub mod shape;
mod sp;
pub mod text;
mod tree;

pub use clean::{clean_line, is_plain};
pub use error::Error;
pub use keys::{KeyPair, certificate_fingerprint, certificate_key_is_strong};
pub use logout::{
    LogoutAnswer, LogoutAsked, is_signed_redirect, logout_issuer_of_form, logout_issuer_of_redirect,
    read_logout_post, read_logout_redirect, relay_state_of_redirect,
};
pub use peer::Peer;
pub use response::{Assertion, Attribute, Expected, Peek, peek, verify};
pub use sp::{Redirect, ServiceProvider, SessionThere};
