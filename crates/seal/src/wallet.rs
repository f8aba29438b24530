//! Signatures that wallets make over texts: Ethereum's (EIP-191) and Solana's (Ed25519).
//!
//! Invariant: of two signatures that say the same, only the one with the smaller `s` counts (EIP-2).

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::{Digest, Keccak256};

/// Whose Ethereum address signed `message`, lower case with `0x`, if anybody's.
pub fn ethereum_signer(message: &str, signature: &[u8; 65]) -> Option<String> {
    let (halves, id) = signature.split_at(64);
    let id = match id.first()? {
        id @ (0 | 1) => *id,
        id @ (27 | 28) => id - 27,
        _ => return None,
    };
    let signature = Signature::from_slice(halves).ok()?;
    if signature.normalize_s() != signature {
        return None;
    }
    let spoken = format!("\u{19}Ethereum Signed Message:\n{}{message}", message.len());
    let digest = Keccak256::digest(spoken.as_bytes());
    let key = VerifyingKey::recover_from_prehash(&digest, &signature, RecoveryId::from_byte(id)?).ok()?;
    let point = key.to_sec1_point(false);
    let hash = Keccak256::digest(point.as_bytes().get(1..)?);
    Some(format!("0x{}", hex::encode(hash.get(12..)?)))
}

/// Whether an Ethereum address that is written in both cases has them as EIP-55 says.
pub fn is_ethereum_address(text: &str) -> bool {
    let Some(digits) = text.strip_prefix("0x") else { return false };
    if digits.len() != 40 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return false;
    }
    let lower = digits.to_ascii_lowercase();
    if digits == lower || digits == digits.to_ascii_uppercase() {
        return true;
    }
    let hash = hex::encode(Keccak256::digest(lower.as_bytes()));
    digits
        .bytes()
        .zip(hash.bytes())
        .all(|(digit, mark)| digit.is_ascii_digit() || digit.is_ascii_uppercase() == (mark >= b'8'))
}

/// Whether `address` (the public key in base 58) signed `message`.
pub fn solana_signed(address: &str, message: &str, signature: &[u8; 64]) -> bool {
    let mut key = [0; 32];
    // As the key is written, and in no longer way: another text would be another person.
    let is_key = bs58::decode(address).onto(&mut key) == Ok(key.len());
    is_key
        && bs58::encode(key).into_string() == address
        && !is_everybodys(&key)
        && UnparsedPublicKey::new(&ED25519, key).verify(message.as_bytes(), signature).is_ok()
}

/// A point of small order: a signature can be made for it without a key.
fn is_everybodys(key: &[u8; 32]) -> bool {
    const SMALL: [&str; 7] = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    // The sign of x is the last byte's first bit; of these points it says nothing.
    let mut y = *key;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    SMALL.contains(&hex::encode(y).as_str())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use k256::ecdsa::SigningKey;

    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        hex::decode(hex).unwrap().try_into().unwrap()
    }

    /// The example of web3.js's documentation of `eth.accounts.sign`.
    #[test]
    fn ethereums_own_example_is_whose_it_says() {
        let signature = bytes(
            "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c",
        );
        let signer = ethereum_signer("Some data", &signature).unwrap();
        assert_eq!(signer, "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23");
        assert!(is_ethereum_address("0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"));
        assert!(!is_ethereum_address("0x2C7536E3605D9C16a7a3D7b1898e529396a65c23"));
        assert!(is_ethereum_address(&signer));
        for bad in [
            "",
            "2c7536e3605d9c16a7a3d7b1898e529396a65c23",
            "0x2c7536e3605d9c16a7a3d7b1898e529396a65c2",
            "0xzz7536e3605d9c16a7a3d7b1898e529396a65c23",
        ] {
            assert!(!is_ethereum_address(bad), "{bad}");
        }
        assert_ne!(ethereum_signer("Some datb", &signature), Some(signer.clone()));
        let mut other = signature;
        for id in [2, 3, 26, 29, 30, 255] {
            other[64] = id;
            assert_eq!(ethereum_signer("Some data", &other), None, "{id}");
        }
        other[64] = 1;
        assert_eq!(ethereum_signer("Some data", &other), Some(signer), "28 is 1");
    }

    #[test]
    fn mirrored_and_zero_signatures_of_ethereum_are_nobodys() {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let digest = Keccak256::digest(b"\x19Ethereum Signed Message:\n5hello");
        let (signature, id) = key.sign_prehash_recoverable(&digest);
        let whole = |signature: &Signature, id: u8| -> [u8; 65] {
            [signature.to_bytes().as_slice(), &[id]].concat().try_into().unwrap()
        };
        assert!(ethereum_signer("hello", &whole(&signature, id.to_byte())).is_some());
        let (r, s) = signature.split_scalars();
        let mirrored = Signature::from_scalars(r, -s).unwrap();
        for id in 0..4 {
            assert_eq!(ethereum_signer("hello", &whole(&mirrored, id)), None);
        }
        assert_eq!(ethereum_signer("hello", &[0; 65]), None);
        assert_eq!(ethereum_signer("hello", &[0xff; 65]), None);
    }

    #[test]
    fn solanas_signature_is_of_its_key_and_text_only() {
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let address = bs58::encode(key.public_key().as_ref()).into_string();
        let signature: [u8; 64] = key.sign(b"hello").as_ref().try_into().unwrap();
        assert!(solana_signed(&address, "hello", &signature));
        assert!(!solana_signed(&address, "hellp", &signature));
        assert!(!solana_signed(&format!("1{address}"), "hello", &signature));
        assert!(!solana_signed("", "hello", &signature));
        assert!(!solana_signed("0OIl", "hello", &signature));
        let mut other = signature;
        other[0] ^= 1;
        assert!(!solana_signed(&address, "hello", &other));
        assert!(!solana_signed(&address, "hello", &[0; 64]));
    }

    /// With the neutral point as key, (R, S) = (that point, 0) satisfies the equation for every text.
    #[test]
    fn nobody_signs_with_a_key_that_everybody_has() {
        let neutral: [u8; 32] = bytes("0100000000000000000000000000000000000000000000000000000000000000");
        let signature: [u8; 64] = [neutral, [0; 32]].concat().try_into().unwrap();
        let address = bs58::encode(neutral).into_string();
        assert!(!solana_signed(&address, "any text", &signature));
    }
}
