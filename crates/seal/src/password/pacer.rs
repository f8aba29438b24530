//! Keeps the core of a hashing thread open to others.
//!
//! Linux decides who runs when somebody wakes on a core, and else only at its tick, up to 4 ms apart. A thread that was put
//! aside by another for a moment is therefore passed over when that other one sleeps: the hash is due by then, and keeps the
//! core to the next tick, whatever its class (measured on 6.18: reads beside a storm of sign-ins waited 3 ms in their slowest
//! hundredth, 0.7 ms with this). So while a thread hashes it stays on one core, and a second one wakes there every tenth of a
//! millisecond and sleeps again. Each time whoever waits is ahead of the hash. It takes about a fiftieth of that core.
//!
//! Invariant: nobody is woken while nothing is hashed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Error;

const BEAT: Duration = Duration::from_micros(100);

/// The one of a hashing thread.
pub(super) struct Pacer {
    thread: std::thread::Thread,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    hashes: AtomicBool,
    over: AtomicBool,
    /// How often it woke.
    beats: AtomicU64,
}

impl Pacer {
    /// Keeps the calling thread on the core that is its number's, and starts another there. Nothing where a system lets nobody
    /// choose a core.
    pub(super) fn for_this_thread(number: usize) -> Result<Option<Self>, Error> {
        let Some(core) = core(number) else { return Ok(None) };
        if sched_setaffinity(None, &core).is_err() {
            return Ok(None);
        }
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let started = std::thread::Builder::new()
            .name("hash-pacer".to_owned())
            .spawn(move || run(&theirs, &core))
            .map_err(|_| Error::Library("a thread for hashes"))?;
        Ok(Some(Pacer { thread: started.thread().clone(), shared }))
    }

    /// Runs `work`, and wakes meanwhile.
    pub(super) fn beside<T>(&self, work: impl FnOnce() -> T) -> T {
        let _until_done = Until(&self.shared.hashes);
        self.shared.hashes.store(true, Ordering::Release);
        self.thread.unpark();
        work()
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Also when the work breaks.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Every second one of the cores that the program may use, from the first. Systems that fill their cores in order put what wakes
/// there, where it takes the core from a hash at once, and have the next one left for what comes meanwhile; with the hash on the
/// last, everything else shared the first (measured: reads beside a storm waited 2.4 to 3.7 ms in their slowest hundredth, 2.4 to 2.5
/// with this).
fn core(number: usize) -> Option<CpuSet> {
    let allowed = sched_getaffinity(None).ok()?;
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let mut one = CpuSet::new();
    one.set(*cores.get((number * 2) % cores.len().max(1))?);
    Some(one)
}

fn run(shared: &Shared, core: &CpuSet) {
    if sched_setaffinity(None, core).is_err() {
        return;
    }
    while !shared.over.load(Ordering::Acquire) {
        if shared.hashes.load(Ordering::Acquire) {
            shared.beats.fetch_add(1, Ordering::Relaxed);
            std::thread::park_timeout(BEAT);
        } else {
            // An unpark between the look and this one is kept.
            std::thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(core: usize) -> CpuSet {
        let mut set = CpuSet::new();
        set.set(core);
        set
    }

    /// On a thread of its own: it stays on its core.
    fn apart<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(test).join().unwrap()
    }

    #[test]
    fn it_wakes_while_there_is_work_and_rests_when_it_is_done() {
        apart(|| {
            let pacer = Pacer::for_this_thread(0).unwrap().unwrap();
            let beats = || pacer.shared.beats.load(Ordering::Relaxed);
            assert_eq!(beats(), 0, "nobody hashes yet");
            pacer.beside(|| while beats() < 5 {});
            assert!(!pacer.shared.hashes.load(Ordering::Acquire));
            let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                pacer.beside(|| assert!(beats() == 0, "on purpose"))
            }));
            assert!(broken.is_err());
            assert!(!pacer.shared.hashes.load(Ordering::Acquire), "work that broke is over too");
        });
    }

    #[test]
    fn both_stay_on_one_core_and_others_stay_free() {
        let before = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|core| before.is_set(*core)).unwrap();
        let ours = apart(move || {
            let _pacer = Pacer::for_this_thread(0).unwrap().unwrap();
            sched_getaffinity(None).unwrap()
        });
        assert!(ours == only(first));
        assert!(sched_getaffinity(None).unwrap() == before);
    }

    #[test]
    fn each_second_core_has_one_and_there_are_never_too_few() {
        let allowed = sched_getaffinity(None).unwrap();
        for number in 0..CpuSet::MAX_CPU {
            let one = core(number).unwrap();
            assert_eq!(one.count(), 1);
            assert!((0..CpuSet::MAX_CPU).all(|core| !one.is_set(core) || allowed.is_set(core)));
        }
    }
}
