//! What an authenticator app shows, made from the secret as a person would type it.

use totp_rs::{Builder, Secret};

/// The code of `secret` (base32) at a second since 1970.
pub fn totp(secret: &str, at: i64) -> String {
    let secret = Secret::try_from_base32(secret).expect("base32");
    let totp = Builder::new().with_secret(secret).build().expect("a secret of twenty bytes");
    totp.generate(u64::try_from(at).expect("after 1970")).to_string()
}

/// A code that is wrong at `at`, and the steps around it.
pub fn wrong_totp(secret: &str, at: i64) -> String {
    let right: Vec<String> = [-30, 0, 30].iter().map(|step| totp(secret, at + step)).collect();
    let codes = (0..10).map(|digit: u32| digit.to_string().repeat(6));
    codes.into_iter().find(|code| !right.contains(code)).expect("ten codes, three are right")
}
