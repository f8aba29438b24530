//! Randomness as a parameter: the operating system's generator in the product, a seeded one where a test must repeat.

use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng, TryRngCore};
use uuid::{Builder, Uuid};

/// A source of random bytes. Cheap to clone.
#[derive(Clone)]
pub struct Rng(Source);

#[derive(Clone)]
enum Source {
    System,
    Seeded(Arc<Mutex<StdRng>>),
}

impl Rng {
    /// The operating system's generator.
    pub fn system() -> Self {
        Rng(Source::System)
    }

    /// Repeats itself: for tests only.
    pub fn seeded(seed: u64) -> Self {
        Rng(Source::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// Fills `bytes`.
    #[expect(
        clippy::panic,
        reason = "without randomness no key or token may be made; stopping is the safe answer"
    )]
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            Source::System => {
                if let Err(error) = rand::rngs::OsRng.try_fill_bytes(bytes) {
                    panic!("the operating system gives no random bytes: {error}");
                }
            }
            Source::Seeded(rng) => {
                rng.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).fill_bytes(bytes)
            }
        }
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A random (version 4) UUID.
    pub fn uuid(&self) -> Uuid {
        Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// A number below `bound`, without modulo bias.
    pub fn below(&self, bound: u32) -> u32 {
        debug_assert!(bound > 0);
        let zone = u32::MAX - u32::MAX % bound;
        loop {
            let drawn = u32::from_le_bytes(self.bytes());
            if drawn < zone {
                return drawn % bound;
            }
        }
    }
}
