//! Hashes that Firebase Authentication exports, as upstream spells them:
//! `$fbscrypt$v=1,n=14,r=8,p=1,ss=SEPARATOR,sk=KEY$SALT$HASH`. They are scrypt, with the project's signer key encrypted under
//! what scrypt gives (AES-256 in counter mode, from zero).

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::work::Other;
use crate::limits;

/// One of them, read.
pub(super) struct Imported {
    memory_bits: u8,
    rounds: u32,
    lanes: u32,
    separator: Vec<u8>,
    signer_key: Vec<u8>,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// A parameter, in any order.
fn named<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// What comparing with a hash of these parameters costs, if they are within bounds.
pub(super) fn cost(parameters: &str) -> Option<Other> {
    let memory_bits: u8 = named(parameters, "n")?.parse().ok()?;
    let rounds: u32 = named(parameters, "r")?.parse().ok()?;
    let lanes: u32 = named(parameters, "p")?.parse().ok()?;
    is_bounded(memory_bits, rounds, lanes).then_some(Other::Scrypt { memory_bits, rounds, lanes })
}

fn is_bounded(memory_bits: u8, rounds: u32, lanes: u32) -> bool {
    u64::from(memory_bits) <= limits::SCRYPT_MEMORY_BITS_MAX.value
        && u64::from(rounds) <= limits::SCRYPT_ROUNDS_MAX.value
        && lanes == 1
        && memory_bits > 0
        && rounds > 0
}

impl Imported {
    pub(super) fn read(stored: &str) -> Option<Self> {
        let mut parts = stored.strip_prefix("$fbscrypt$")?.split('$');
        let (parameters, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let named = |name: &str| named(parameters, name);
        if named("v")? != "1" {
            return None;
        }
        let bytes = |text: &str| STANDARD.decode(text).ok();
        Some(Imported {
            memory_bits: named("n")?.parse().ok()?,
            rounds: named("r")?.parse().ok()?,
            lanes: named("p")?.parse().ok()?,
            separator: bytes(named("ss").unwrap_or_default())?,
            signer_key: bytes(named("sk")?)?,
            salt: bytes(salt)?,
            hash: bytes(hash)?,
        })
    }

    pub(super) fn is_within_bounds(&self) -> bool {
        is_bounded(self.memory_bits, self.rounds, self.lanes)
            && self.signer_key.len() == self.hash.len()
            && self.hash.len() >= 32
    }

    /// Whether it was made of `password`; nothing, where that cannot be said.
    pub(super) fn is_of(&self, password: &[u8]) -> Option<bool> {
        self.made_of(password).map(|made| crate::same(&made, &self.hash))
    }

    /// What comparing with it costs.
    pub(super) fn cost(&self) -> Other {
        Other::Scrypt { memory_bits: self.memory_bits, rounds: self.rounds, lanes: self.lanes }
    }

    fn made_of(&self, password: &[u8]) -> Option<Vec<u8>> {
        let params = scrypt::Params::new(self.memory_bits, self.rounds, self.lanes).ok()?;
        let salt = [self.salt.as_slice(), &self.separator].concat();
        let mut derived = [0; 64];
        scrypt::scrypt(password, &salt, &params, &mut derived).ok()?;
        let key = UnboundCipherKey::new(&AES_256, derived.get(..32)?).ok()?;
        let mut sealed = self.signer_key.clone();
        let zero = EncryptionContext::Iv128([0; 16].into());
        EncryptingKey::ctr(key).ok()?.less_safe_encrypt(&mut sealed, zero).ok()?;
        Some(sealed)
    }
}
