//! Password hashes: made with argon2id, accepted as argon2i, argon2id, bcrypt and Firebase's scrypt, re-made when a better
//! one is due.
//!
//! Invariant: hashing never runs outside the permits, and one password costs the same whether the user exists or not, and
//! whatever their hash is made of.

mod crowd;
mod firebase;
mod pacer;
mod threads;
mod work;

pub use work::Work;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::{Ident, Output, ParamsString, PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base::{Rng, Secret};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, limits};
use threads::Threads;
use work::{Done, Nobodys, Other, Tally};

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane. About 12 ms of one core.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What a password turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Not the password, or there is none.
    Wrong,
    /// The password.
    Right,
    /// The password, but its hash is of an older kind: store [`Hasher::hash`] of it now, while it is known.
    RightButOld,
}

impl Verdict {
    /// Whether it is the password.
    pub fn is_right(self) -> bool {
        match self {
            Verdict::Wrong => false,
            Verdict::Right | Verdict::RightButOld => true,
        }
    }
}

/// Hashes passwords on threads of its own, a few at a time.
#[derive(Clone)]
pub struct Hasher {
    threads: Threads,
    permits: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    rng: Rng,
    nobodys: Nobodys,
    /// How many were computed.
    computed: Arc<AtomicU64>,
    /// How much work they were.
    tally: Arc<Tally>,
}

/// The work of a hash of ours.
const OURS: Other = Other::Argon2 { is_id: true, memory: MEMORY_KIB, passes: PASSES, lanes: LANES };

impl Hasher {
    /// At most `at_once` hashes run at the same time, each of 19 MiB. `nobodys` is what names without a hash are given another
    /// salt each by: keep it, a name's must not change.
    pub fn new(at_once: usize, rng: &Rng, nobodys: Secret<[u8; 32]>) -> Result<Self, Error> {
        let at_once = at_once.max(1);
        Ok(Hasher {
            threads: Threads::start(at_once)?,
            permits: Arc::new(Semaphore::new(at_once)),
            queue: Arc::new(Semaphore::new(limits::HASH_QUEUE_MAX.size())),
            rng: rng.clone(),
            nobodys: Nobodys::new(nobodys),
            computed: Arc::default(),
            tally: Arc::default(),
        })
    }

    /// How many hashes were computed since the start: the work that passwords cost.
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// How much was computed since the start: KiB of argon2 times passes, rounds of bcrypt, blocks of scrypt.
    pub fn work_done(&self) -> [u64; 3] {
        self.tally.read()
    }

    /// The stored form (PHC string) of a new password.
    pub async fn hash(&self, password: &Secret<String>) -> Result<String, Error> {
        require_length(password)?;
        let salt = self.rng.bytes();
        let password = password.clone();
        self.run(move || (make(salt, password.expose().as_bytes()), vec![Done::Other(OURS)])).await?
    }

    /// Compares a password with a stored hash. Without one (no password set, a kind nobody accepts) it does the same work and
    /// says [`Verdict::Wrong`].
    pub async fn verify(&self, password: &Secret<String>, stored: Option<&str>) -> Result<Verdict, Error> {
        self.verify_alike(password, stored, "", &Work::default()).await
    }

    /// The same for whoever calls themselves `name`, also when nobody does, and it costs `work` whatever is stored: a
    /// password does not tell by its time whether there is an account, nor what its hash is made of.
    pub async fn verify_alike(
        &self,
        password: &Secret<String>,
        stored: Option<&str>,
        name: &str,
        work: &Work,
    ) -> Result<Verdict, Error> {
        require_length(password)?;
        let (password, work, name) = (password.clone(), work.clone(), name.to_owned());
        let stored = stored.filter(|stored| Self::accepts(stored)).map(str::to_owned);
        // Made for everybody. Whoever has no hash is compared with this one, by the same steps.
        let (is_somebody, nobodys) = (stored.is_some(), self.nobodys.clone());
        let stored = stored.or(nobodys.hash(&name));
        self.run(move || {
            let password = password.expose();
            let tried = stored.as_deref().and_then(|stored| {
                let cost = work::of_kind(&Kind::of(stored), stored)?;
                Some((check(password, stored)?, cost))
            });
            let (verdict, done) =
                tried.map_or((Verdict::Wrong, None), |(verdict, done)| (verdict, Some(done)));
            // The answer is known; the time it takes is the point.
            let left = work.rest(done, OURS);
            left.iter().for_each(|left| work::spend(password, *left, &nobodys, &name));
            let verdict = if is_somebody { verdict } else { Verdict::Wrong };
            (verdict, done.into_iter().chain(left).collect())
        })
        .await
    }

    /// Whether a hash made elsewhere can be imported: of a kind [`Hasher::verify`] reads, within its bounds.
    pub fn accepts(stored: &str) -> bool {
        match Kind::of(stored) {
            Kind::Argon2(params) => within_bounds(&params) && is_whole_argon2(stored),
            Kind::Bcrypt { cost } => {
                u64::from(cost) <= limits::BCRYPT_COST_MAX.value && is_whole_bcrypt(stored)
            }
            Kind::Firebase(hash) => hash.is_within_bounds(),
            Kind::Unknown => false,
        }
    }

    /// Runs `work`, which also tells what it computed, on a thread for it. The permit travels with it: a request that goes
    /// away does not let another hash begin early. Work that a busy machine has done twice is counted once.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Fn() -> (T, Vec<Done>) + Send + Sync + 'static,
    ) -> Result<T, Error> {
        let place = self.queue.clone().try_acquire_owned().map_err(|_| Error::Crowded)?;
        let permit =
            self.permits.clone().acquire_owned().await.map_err(|_| Error::Library("hash permits"))?;
        let held: Mutex<Option<[OwnedSemaphorePermit; 2]>> = Mutex::new(Some([place, permit]));
        self.computed.fetch_add(1, Ordering::Relaxed);
        let tally = self.tally.clone();
        self.threads
            .run(move || {
                let (result, done) = work();
                let first = held.lock().unwrap_or_else(PoisonError::into_inner).take();
                if first.is_some() {
                    done.into_iter().for_each(|done| tally.add(done));
                }
                result
            })
            .await
    }
}

fn require_length(password: &Secret<String>) -> Result<(), Error> {
    if password.expose().len() > limits::PASSWORD_BYTES_MAX.size() {
        return Err(Error::PasswordTooLong);
    }
    Ok(())
}

fn make(salt: [u8; 16], password: &[u8]) -> Result<String, Error> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, ours()?);
    let output =
        apart(&argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN).ok_or(Error::Library("argon2"))?;
    phc(&salt, output)
}

fn ours() -> Result<Params, Error> {
    Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| Error::Library("argon2 parameters"))
}

/// A hash of ours as it is stored.
fn phc(salt: &[u8], output: Output) -> Result<String, Error> {
    let text = ParamsString::try_from(&ours()?).map_err(|_| Error::Library("argon2 parameters"))?;
    let encoded = SaltString::encode_b64(salt).map_err(|_| Error::Library("salt"))?;
    let hash = PasswordHash {
        algorithm: Ident::from(Algorithm::Argon2id),
        version: Some(Version::V0x13.into()),
        params: text,
        salt: Some(encoded.as_salt()),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// Whether `password` is what `hash` was made of.
fn is_it(password: &[u8], hash: &PasswordHash<'_>, params: Params) -> Option<bool> {
    let algorithm = Algorithm::try_from(hash.algorithm).ok()?;
    let version = hash.version.map_or(Ok(Version::V0x13), Version::try_from).ok()?;
    let mut salt = [0; 64];
    let salt = hash.salt?.decode_b64(&mut salt).ok()?;
    let expected = hash.hash?;
    let made = apart(&Argon2::new(algorithm, version, params), password, salt, expected.len())?;
    // `Output` compares in constant time.
    Some(made == expected)
}

/// Larger than what the C library ever keeps for the next allocation (32 MiB): such a block is the system's own again
/// when it is freed. Kept ones made 58 MiB per thread that ever hashed. Pages that are not touched cost nothing.
const APART_BLOCKS: usize = 40 * 1024;

/// Hashes in memory of its own.
fn apart(argon2: &Argon2<'_>, password: &[u8], salt: &[u8], length: usize) -> Option<Output> {
    let blocks = argon2.params().block_count();
    let mut memory = Vec::with_capacity(blocks.max(APART_BLOCKS));
    memory.resize(blocks, Block::default());
    let mut bytes = [0; 64];
    let out = bytes.get_mut(..length)?;
    argon2.hash_password_into_with_memory(password, salt, out, &mut memory).ok()?;
    Output::new(out).ok()
}

enum Kind {
    Argon2(Params),
    Bcrypt { cost: u32 },
    Firebase(firebase::Imported),
    Unknown,
}

impl Kind {
    fn of(stored: &str) -> Self {
        if stored.starts_with("$argon2id$") || stored.starts_with("$argon2i$") {
            let params = PasswordHash::new(stored).ok().and_then(|hash| Params::try_from(&hash).ok());
            return params.map_or(Kind::Unknown, Kind::Argon2);
        }
        if let Some(imported) = firebase::Imported::read(stored) {
            return Kind::Firebase(imported);
        }
        let cost = ["$2a$", "$2b$", "$2y$"]
            .iter()
            .find_map(|prefix| stored.strip_prefix(prefix)?.get(..2)?.parse().ok());
        cost.map_or(Kind::Unknown, |cost| Kind::Bcrypt { cost })
    }
}

/// The least that bcrypt is made with.
const BCRYPT_COST_MIN: u32 = 4;
/// Salt and result, in bcrypt's own letters.
const BCRYPT_LETTERS: usize = 53;
/// The least salt that argon2 takes.
const ARGON2_SALT_BYTES_MIN: usize = 8;

/// Whether a password can be compared with it: whoever is imported with half a hash would never get in.
fn is_whole_bcrypt(stored: &str) -> bool {
    let (Some(cost), Some(rest)) = (stored.get(4..6), stored.get(6..)) else { return false };
    let is_cost = cost.bytes().all(|byte| byte.is_ascii_digit());
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/';
    let is_body = |body: &str| body.len() == BCRYPT_LETTERS && body.bytes().all(is_letter);
    is_cost
        && cost.parse::<u32>().is_ok_and(|cost| cost >= BCRYPT_COST_MIN)
        && rest.strip_prefix('$').is_some_and(is_body)
}

/// The same of argon2.
fn is_whole_argon2(stored: &str) -> bool {
    let Ok(hash) = PasswordHash::new(stored) else { return false };
    let is_version = hash.version.is_none_or(|version| Version::try_from(version).is_ok());
    let mut bytes = [0; 64];
    let salt = hash.salt.and_then(|salt| salt.decode_b64(&mut bytes).ok().map(<[u8]>::len));
    is_version && hash.hash.is_some() && salt.is_some_and(|length| length >= ARGON2_SALT_BYTES_MIN)
}

fn within_bounds(params: &Params) -> bool {
    u64::from(params.m_cost()) <= limits::ARGON2_MEMORY_KIB_MAX.value
        && u64::from(params.t_cost()) <= limits::ARGON2_PASSES_MAX.value
        && u64::from(params.p_cost()) <= limits::ARGON2_LANES_MAX.value
}

/// Compares with a hash that [`Hasher::accepts`], on this thread. Nothing, and no work, for what cannot be compared.
fn check(password: &str, stored: &str) -> Option<Verdict> {
    let judged = |is_right: bool, right: Verdict| Some(if is_right { right } else { Verdict::Wrong });
    match Kind::of(stored) {
        Kind::Unknown => None,
        // bcrypt reads 72 bytes and stops at a NUL: two passwords that differ later would be one (attack row 24). No
        // product ever accepted such a password for a bcrypt hash, so nobody has one.
        Kind::Bcrypt { .. } if password.contains('\0') => None,
        Kind::Bcrypt { .. } => {
            judged(bcrypt::non_truncating_verify(password, stored).ok()?, Verdict::RightButOld)
        }
        Kind::Firebase(hash) => judged(hash.is_of(password.as_bytes())?, Verdict::RightButOld),
        Kind::Argon2(params) => {
            let hash = PasswordHash::new(stored).ok()?;
            let ours = (MEMORY_KIB, PASSES, LANES);
            let same = (params.m_cost(), params.t_cost(), params.p_cost()) == ours;
            let same = same && stored.starts_with("$argon2id$");
            let right = if same { Verdict::Right } else { Verdict::RightButOld };
            judged(is_it(password.as_bytes(), &hash, params)?, right)
        }
    }
}

#[cfg(test)]
mod tests;
