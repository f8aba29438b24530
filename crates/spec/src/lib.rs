//! The product from outside: a running instance, people who use it, the vendors' own clients, and what they see.
//!
//! `tests/it` holds the claims, named after the guides' and clients' words; this library holds what they share. Two
//! ways to run it: [`Palisade`] is the real binary, started as a user would start it; [`TestApp`] is the same program
//! in this process, with its clock in the test's hand. Neither reaches behind HTTP and SQL.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code: a failure here is the test's failure"
)]

pub mod acme;
pub mod app;
pub mod browser;
pub mod clients;
pub mod device;
pub mod factors;
pub mod http;
pub mod https;
pub mod idp;
pub mod issuer;
pub mod mail;
pub mod person;
pub mod program;
pub mod redis;
pub mod renewal;
pub mod s3;
pub mod syslog;
pub mod talk;

pub use app::{TestApp, TestAppBuilder};
pub use browser::Browser;
pub use device::Device;
pub use factors::Authenticator;
pub use http::{Client, Seen};
pub use idp::{Double, Idp};
pub use mail::Mail;
pub use person::Person;
pub use program::{Palisade, Ready};
pub use talk::Talk;

/// SHA-256 in hexadecimal: how a document is named.
pub fn sha256(text: &str) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()))
}

/// HMAC-SHA256, to forge tokens with.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    seal::keyed_mac(key, message)
}

/// An HS256 token over any secret.
pub fn hs256(secret: &[u8], claims: &serde_json::Value) -> String {
    use base64::Engine;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let body =
        format!("{}.{}", encode(br#"{"alg":"HS256","typ":"JWT"}"#), encode(claims.to_string().as_bytes()));
    let mac = encode(&hmac_sha256(secret, body.as_bytes()));
    format!("{body}.{mac}")
}
