//! Digests, keyed MACs, comparison and random tokens: the small words everything else is spelled with.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use base::{Rng, Secret};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, bytes);
    first_32(digest.as_ref())
}

/// The left half of the SHA-2 hash of `bits` bits: what `at_hash` of an ID token is made of.
pub fn left_half(bits: u16, bytes: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match bits {
        256 => &digest::SHA256,
        384 => &digest::SHA384,
        512 => &digest::SHA512,
        _ => return None,
    };
    let digest = digest::digest(algorithm, bytes);
    let whole = digest.as_ref();
    Some(whole.get(..whole.len() / 2)?.to_vec())
}

/// SHA-1, for looking a password up in lists that are kept by it. It protects nothing.
pub fn sha1_for_lookup(bytes: &[u8]) -> [u8; 20] {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    let mut out = [0; 20];
    for (to, from) in out.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    out
}

/// HMAC-SHA256 of `message` under `key`.
pub fn keyed_mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    first_32(tag.as_ref())
}

/// Whether two values are equal, in a time that says nothing of where they differ.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    verify_slices_are_equal(left, right).is_ok()
}

/// 256 random bits as 43 characters that survive a URL.
pub fn random_token(rng: &Rng) -> Secret<String> {
    Secret::new(URL_SAFE_NO_PAD.encode(rng.bytes::<32>()))
}

/// The first 32 bytes of a SHA-256 sized value, which has exactly 32.
fn first_32(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_and_macs_are_the_published_ones() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(sha256(b"abc")), abc);
        // RFC 4231, test case 2.
        let mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(keyed_mac(b"Jefe", b"what do ya want for nothing?")), mac);
    }

    #[test]
    fn comparison_sees_every_difference() {
        assert!(same(b"one", b"one"));
        assert!(!same(b"one", b"onf"));
        assert!(!same(b"one", b"one "));
    }
}
