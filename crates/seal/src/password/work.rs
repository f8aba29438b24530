//! What a password costs while hashes of other makes are stored: each of them, for everybody, so that the time of a refusal
//! does not say whose password is an imported one (attack row 19).
//!
//! Invariant: of two passwords that are judged by the same [`Work`], both cost the same, whatever they are compared with. Which
//! memory argon2id reads depends on the salt, and so does its time, a little: nobody's salts differ from name to name, and
//! stay what they are for each, as those of accounts do.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::Output;
use argon2::{Algorithm, Argon2, Params, Version};
use base::Secret;

use super::{Kind, firebase, within_bounds};
use crate::limits;

/// The makes of the hashes that are stored besides ours.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Work {
    /// The highest cost of bcrypt.
    bcrypt: Option<u32>,
    others: BTreeSet<Other>,
}

/// A make whose work cannot be topped up to another's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Other {
    Argon2 { is_id: bool, memory: u32, passes: u32, lanes: u32 },
    Scrypt { memory_bits: u8, rounds: u32, lanes: u32 },
}

/// What was computed for a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Done {
    Bcrypt(u32),
    Other(Other),
}

/// How much was computed since the start, make by make.
#[derive(Default, Debug)]
pub(super) struct Tally {
    argon2: AtomicU64,
    bcrypt: AtomicU64,
    scrypt: AtomicU64,
}

impl Tally {
    pub(super) fn add(&self, done: Done) {
        let (of, much) = match done {
            Done::Bcrypt(cost) => (&self.bcrypt, 1 << cost.min(63)),
            Done::Other(Other::Argon2 { memory, passes, .. }) => {
                (&self.argon2, u64::from(memory) * u64::from(passes))
            }
            Done::Other(Other::Scrypt { memory_bits, rounds, lanes }) => {
                (&self.scrypt, (u64::from(rounds) * u64::from(lanes)) << memory_bits.min(31))
            }
        };
        of.fetch_add(much, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> [u64; 3] {
        [&self.argon2, &self.bcrypt, &self.scrypt].map(|count| count.load(Ordering::Relaxed))
    }
}

impl Work {
    /// Of the beginnings of stored hashes: all before their salt. What nobody accepts costs what an unknown user does.
    pub fn of<'a>(beginnings: impl IntoIterator<Item = &'a str>) -> Self {
        let mut work = Work::default();
        for beginning in beginnings {
            match done_by(beginning) {
                Some(Done::Bcrypt(cost)) => work.bcrypt = work.bcrypt.max(Some(cost)),
                Some(Done::Other(other)) if work.others.len() < limits::HASH_MAKES_MAX.size() => {
                    work.others.insert(other);
                }
                Some(Done::Other(_)) | None => {}
            }
        }
        work
    }

    /// What is left to be done beside `done`, so that it comes to the same for everybody. Ours is never left out.
    pub(super) fn rest(&self, done: Option<Done>, ours: Other) -> Vec<Done> {
        let mut rest: Vec<Done> = self.others.iter().copied().map(Done::Other).collect();
        rest.push(Done::Other(ours));
        rest.retain(|one| Some(*one) != done);
        match (self.bcrypt, done) {
            // 2^c and then 2^c, 2^(c+1) and so on below the highest: together exactly the highest.
            (Some(most), Some(Done::Bcrypt(cost))) => rest.extend((cost..most).map(Done::Bcrypt)),
            (Some(most), _) => rest.push(Done::Bcrypt(most)),
            (None, _) => {}
        }
        rest
    }
}

/// What comparing with a hash that begins like this costs, if it is compared with at all.
fn done_by(beginning: &str) -> Option<Done> {
    if let Some(parameters) = beginning.strip_prefix("$fbscrypt$") {
        let parameters = parameters.split('$').next()?;
        return firebase::cost(parameters).map(Done::Other);
    }
    if beginning.starts_with("$argon2") {
        // The parameters of a whole hash are read by those who read hashes.
        return of_kind(&Kind::of(&format!("{beginning}$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0")), beginning);
    }
    of_kind(&Kind::of(beginning), beginning)
}

/// What comparing with a hash of this kind costs.
pub(super) fn of_kind(kind: &Kind, stored: &str) -> Option<Done> {
    match kind {
        Kind::Argon2(params) if within_bounds(params) => {
            let is_id = stored.starts_with("$argon2id$");
            let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
            Some(Done::Other(Other::Argon2 { is_id, memory, passes, lanes }))
        }
        Kind::Bcrypt { cost } if u64::from(*cost) <= limits::BCRYPT_COST_MAX.value => {
            Some(Done::Bcrypt(*cost))
        }
        Kind::Firebase(hash) if hash.is_within_bounds() => Some(Done::Other(hash.cost())),
        Kind::Argon2(_) | Kind::Bcrypt { .. } | Kind::Firebase(_) | Kind::Unknown => None,
    }
}

/// What names have in place of what is not stored for them.
#[derive(Clone)]
pub(super) struct Nobodys(Secret<[u8; 32]>);

impl Nobodys {
    pub(super) fn new(key: Secret<[u8; 32]>) -> Self {
        Nobodys(key)
    }

    /// A hash as one of ours would be. It is no password's: it was not made by hashing.
    pub(super) fn hash(&self, name: &str) -> Option<String> {
        super::phc(&self.salt(name, "hash"), Output::new(&self.mac(name, "output")).ok()?).ok()
    }

    fn salt(&self, name: &str, of: &str) -> [u8; 16] {
        let mut salt = [0; 16];
        salt.iter_mut().zip(self.mac(name, of)).for_each(|(to, from)| *to = from);
        salt
    }

    fn mac(&self, name: &str, of: &str) -> [u8; 32] {
        crate::keyed_mac(self.0.expose(), format!("{of}\0{name}").as_bytes())
    }
}

/// Does the work and forgets what it gave: the time it takes is the point.
pub(super) fn spend(password: &str, what: Done, nobodys: &Nobodys, name: &str) {
    let salt = nobodys.salt(name, &format!("{what:?}"));
    let bytes = password.as_bytes();
    match what {
        Done::Bcrypt(cost) => {
            let bytes = if bytes.is_empty() { b"x" } else { bytes };
            let most = bytes.get(..bytes.len().min(72)).unwrap_or(b"x");
            std::hint::black_box(bcrypt::bcrypt(cost, salt, most));
        }
        Done::Other(Other::Argon2 { is_id, memory, passes, lanes }) => {
            let algorithm = if is_id { Algorithm::Argon2id } else { Algorithm::Argon2i };
            if let Ok(params) = Params::new(memory, passes, lanes, None) {
                let argon2 = Argon2::new(algorithm, Version::V0x13, params);
                std::hint::black_box(super::apart(&argon2, bytes, &salt, Params::DEFAULT_OUTPUT_LEN));
            }
        }
        Done::Other(Other::Scrypt { memory_bits, rounds, lanes }) => {
            if let Ok(params) = scrypt::Params::new(memory_bits, rounds, lanes) {
                let mut derived = [0; 64];
                let _nobody_looks = scrypt::scrypt(bytes, &salt, &params, &mut derived);
                std::hint::black_box(derived);
            }
        }
    }
}
