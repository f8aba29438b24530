//! Keeps the core of a hashing thread open to others.
//!
//! Linux decides who runs when somebody wakes on a core, and else only at its tick, up to 4 ms apart. A thread that was put
//! aside by another for a moment is therefore passed over when that other one sleeps: the hash is due by then, and keeps the
//! core to the next tick, whatever its class (measured on 6.18: reads beside a storm of sign-ins waited 3 ms in their slowest
//! hundredth, 0.7 ms with this). So while a thread hashes it stays on one core, and a second one wakes there every tenth of a
//! millisecond and sleeps again. Each time whoever waits is ahead of the hash. It takes about a fiftieth of that core.
//!
//! Nor does Linux look for another core for who wakes, once more than half of the machine is busy: beside a hash that had one
//! of two cores to itself everybody else took turns on the second. So when the pacer finds such a [`Crowd`] it moves the hash to
//! its other core, behind all who are there, and follows. The core they leave is idle, and an idle one takes over who waits
//! elsewhere. A hash that others keep from its core while the other one is idle is moved there, too.
//!
//! Invariant: nobody is woken while nothing is hashed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity};

use super::crowd::Crowd;
use crate::Error;

const BEAT: Duration = Duration::from_micros(100);

/// After how long it is decided who was in whose way.
const LOOK_AGAIN: Duration = Duration::from_micros(30);

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
    /// How often it moved the hash.
    moves: AtomicU64,
}

impl Pacer {
    /// Keeps the calling thread on a core that is its number's, and starts another there. Nothing where a system lets nobody
    /// choose a core.
    pub(super) fn for_this_thread(number: usize) -> Result<Option<Self>, Error> {
        let Ok(allowed) = sched_getaffinity(None) else { return Ok(None) };
        let Some(places) = Places::of(gettid(), &allowed, number) else { return Ok(None) };
        if sched_setaffinity(None, &places.here).is_err() {
            return Ok(None);
        }
        let crowd = places.there.and_then(|_| Crowd::of(gettid(), allowed.count().into()));
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let started = std::thread::Builder::new()
            .name("hash-pacer".to_owned())
            .spawn(move || run(&theirs, places, crowd))
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

/// Where a hashing thread and its pacer are, and where they may go.
struct Places {
    hashing: Pid,
    here: CpuSet,
    /// Nothing on a machine with one core.
    there: Option<CpuSet>,
}

impl Places {
    /// Two of the cores that the program may use: the first and the second, the third and the fourth. It begins on the former:
    /// systems that fill their cores in order put what wakes there, where it takes the core from a hash at once, and have the
    /// next one left for what comes meanwhile.
    fn of(hashing: Pid, allowed: &CpuSet, number: usize) -> Option<Self> {
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
        let only = |at: usize| {
            let mut one = CpuSet::new();
            one.set(*cores.get(at % cores.len().max(1))?);
            Some(one)
        };
        let (here, there) = (only(number * 2)?, only(number * 2 + 1)?);
        Some(Places { hashing, here, there: (here != there).then_some(there) })
    }

    /// The hash first: it does not run while its pacer does, and need not be stopped for it.
    fn change(&mut self) -> Result<(), Errno> {
        let Some(there) = self.there else { return Ok(()) };
        sched_setaffinity(Some(self.hashing), &there)?;
        self.there = Some(std::mem::replace(&mut self.here, there));
        sched_setaffinity(None, &there)
    }
}

fn run(shared: &Shared, mut places: Places, mut crowd: Option<Crowd>) {
    if sched_setaffinity(None, &places.here).is_err() {
        return;
    }
    while !shared.over.load(Ordering::Acquire) {
        if !shared.hashes.load(Ordering::Acquire) {
            // An unpark between the look and this one is kept.
            std::thread::park();
            continue;
        }
        shared.beats.fetch_add(1, Ordering::Relaxed);
        if let Some(crowd) = &mut crowd
            && crowd.is_there()
        {
            std::thread::park_timeout(LOOK_AGAIN);
            if crowd.is_better_elsewhere(LOOK_AGAIN) && places.change().is_ok() {
                shared.moves.fetch_add(1, Ordering::Relaxed);
            }
        }
        std::thread::park_timeout(BEAT);
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
    fn each_has_two_cores_of_those_allowed_and_there_are_never_too_few() {
        let cores = |cores: &[usize], number| {
            let mut allowed = CpuSet::new();
            cores.iter().for_each(|core| allowed.set(*core));
            let places = Places::of(gettid(), &allowed, number).unwrap();
            let the = |set: CpuSet| (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect::<Vec<_>>();
            (the(places.here), places.there.map(the))
        };
        assert_eq!(cores(&[2, 3, 5, 7], 0), (vec![2], Some(vec![3])));
        assert_eq!(cores(&[2, 3, 5, 7], 1), (vec![5], Some(vec![7])));
        assert_eq!(cores(&[2, 3, 5, 7], 2), (vec![2], Some(vec![3])), "more hashes than cores permit");
        assert_eq!(cores(&[2, 3, 5], 1), (vec![5], Some(vec![2])));
        assert_eq!(cores(&[4], 3), (vec![4], None), "nowhere else to go");
    }

    /// Others take turns on the second core while the hash has the first.
    #[test]
    fn the_hash_goes_behind_others_who_wait_elsewhere() {
        let allowed = sched_getaffinity(None).unwrap();
        let Some(second) = Places::of(gettid(), &allowed, 0).unwrap().there else { return };
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    sched_setaffinity(None, &second).unwrap();
                    while !over.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let (began, ended) = apart(|| {
                let pacer = Pacer::for_this_thread(0).unwrap().unwrap();
                let began = sched_getaffinity(None).unwrap();
                let moved = || pacer.shared.moves.load(Ordering::Relaxed) > 0;
                pacer.beside(|| while !moved() {});
                (began, sched_getaffinity(None).unwrap())
            });
            over.store(true, Ordering::Relaxed);
            assert!(began != second && ended == second);
        });
    }
}
