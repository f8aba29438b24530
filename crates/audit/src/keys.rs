//! The keys of the log and what is computed with them. All but the door key exist only outside the database.
//!
//! The door key lets a transaction append; its pads also lie in `audit.door`, so a database superuser could knock.
//! The origin, chain and head keys never enter the database: nobody with the database alone can make an entry, a
//! place in the chain or a head that verifies.

use base::Secret;
use jiff::Timestamp;
use seal::{RootKey, keyed_mac, sha256};
use uuid::Uuid;

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// What the first entry continues.
pub(crate) const GENESIS: Hash = [0; 32];

const BLOCK: usize = 64;

/// The four keys, derived from the root key.
#[derive(Clone)]
pub struct Keys {
    door: Secret<Hash>,
    origin: Secret<Hash>,
    chain: Secret<Hash>,
    head: Secret<Hash>,
}

impl Keys {
    /// Derives the keys. The same root key always gives the same four.
    pub fn from_root(root: &RootKey) -> Self {
        Keys {
            door: root.derive("audit.door.1"),
            origin: root.derive("audit.origin.1"),
            chain: root.derive("audit.chain.1"),
            head: root.derive("audit.head.1"),
        }
    }

    /// The inner and outer pad of HMAC for the door (RFC 2104), as the database holds them.
    pub(crate) fn pads(&self) -> (Secret<Vec<u8>>, Secret<Vec<u8>>) {
        let pad = |with: u8| {
            let mut pad = vec![with; BLOCK];
            pad.iter_mut().zip(self.door.expose()).for_each(|(byte, key)| *byte ^= key);
            Secret::new(pad)
        };
        (pad(0x36), pad(0x5c))
    }

    /// What makes an entry's content ours, whoever put it into the inbox.
    pub(crate) fn origin(&self, id: Uuid, salt: &[u8], body: &str) -> Hash {
        tag(&self.origin, &[id.as_bytes(), salt, body.as_bytes()])
    }

    /// The proof that lets one entry in.
    pub(crate) fn entry_proof(&self, id: Uuid, salt: &[u8], origin: &Hash, body: &str) -> Hash {
        tag(&self.door, &[id.as_bytes(), salt, origin, body.as_bytes()])
    }

    /// The proof that lets one batch be chained, once.
    pub(crate) fn batch_proof(&self, after: i64, after_hash: &Hash, last: &Hash) -> Hash {
        tag(&self.door, &[b"chain", &after.to_be_bytes(), after_hash, last])
    }

    /// What makes an entry's place in the chain ours.
    pub(crate) fn mac(&self, hash: &Hash) -> Hash {
        keyed_mac(self.chain.expose(), hash)
    }

    /// What makes a head ours.
    pub(crate) fn sign_head(&self, seq: i64, at: Timestamp, hash: &Hash, node: &str) -> Hash {
        tag(&self.head, &[&seq.to_be_bytes(), &at.as_microsecond().to_be_bytes(), hash, node.as_bytes()])
    }
}

fn tag(key: &Secret<Hash>, parts: &[&[u8]]) -> Hash {
    keyed_mac(key.expose(), &parts.concat())
}

/// Commits to an entry without telling it: with salt and body gone, the leaf still stands in the chain.
pub(crate) fn leaf(salt: &[u8], id: Uuid, body: &str) -> Hash {
    sha256(&[b"\x00", salt, id.as_bytes(), body.as_bytes()].concat())
}

/// One step of the chain.
pub(crate) fn link(before: &Hash, seq: i64, chained_at: Timestamp, leaf: &Hash) -> Hash {
    sha256(
        &[&b"\x01"[..], before, &seq.to_be_bytes(), &chained_at.as_microsecond().to_be_bytes(), leaf]
            .concat(),
    )
}

/// A stored hash, if it has the length of one.
pub(crate) fn read_hash(bytes: &[u8]) -> Option<Hash> {
    bytes.try_into().ok()
}
