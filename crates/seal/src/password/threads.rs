//! The threads that hash: as many as may hash at once, each behind everything else that the machine does.
//!
//! A hash keeps a core busy for milliseconds, a request for microseconds. Beside a thread of equal rank each request that comes
//! meanwhile waits until the scheduler takes the core away from the hash, and beside one that is only nicer it still waits for
//! the end of its slice. Linux has a class below all ranks (`SCHED_IDLE`, sched(7)) that gives the core up at once to who wakes, and a [`Pacer`] sees to it that it does so to who waits.
//!
//! Its price: on a machine whose cores are never idle it gets next to nothing, and nobody could sign in. So who waits for a
//! hash for much longer than hashes take has it made once more by a thread that is only nicer, and the first result counts;
//! for a while all hashes are made there.
//!
//! Invariant: a thread's rank is its own; nothing else of the process is lowered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::pacer::Pacer;
use crate::Error;

/// How much nicer the second threads are: a tenth of an equal's share.
const NICER: i32 = 10;

/// How many times what the longest hash needed of a core one may take, before it is made once more.
const PATIENCE: u64 = 8;

/// However short they are, no hash is made once more before this.
const PATIENCE_MS_MIN: u64 = 200;

/// How long no core is counted on to be idle, once none was.
const CROWDED_MS: u64 = 2_000;

type Work = Box<dyn FnOnce() + Send>;

/// Where work for them is put. They end when the last of these is gone.
#[derive(Clone)]
pub(super) struct Threads {
    /// Behind everything.
    idle: Sender<Work>,
    /// Only nicer.
    nicer: Sender<Work>,
    seen: Arc<Seen>,
}

/// What was seen of the machine.
struct Seen {
    began: Instant,
    /// The most that one piece of work needed of a core.
    longest_us: AtomicU64,
    /// Until when no core is counted on to be idle.
    crowded_until_ms: AtomicU64,
}

impl Seen {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_crowded(&self) -> bool {
        self.now_ms() < self.crowded_until_ms.load(Ordering::Relaxed)
    }

    fn crowded(&self) {
        self.crowded_until_ms.store(self.now_ms().saturating_add(CROWDED_MS), Ordering::Relaxed);
    }

    fn patience(&self) -> Duration {
        let longest = Duration::from_micros(self.longest_us.load(Ordering::Relaxed).saturating_mul(PATIENCE));
        longest.max(Duration::from_millis(PATIENCE_MS_MIN))
    }
}

impl Threads {
    /// Starts as many of both kinds.
    pub(super) fn start(count: usize) -> Result<Self, Error> {
        Ok(Threads {
            idle: start(count, "hash", |number| {
                // First: a new thread is of the class of the one that starts it.
                let pacer = Pacer::for_this_thread(number);
                fall_behind();
                pacer
            })?,
            nicer: start(count, "hash-nicer", |_| {
                be_nicer();
                Ok(None)
            })?,
            seen: Arc::new(Seen {
                began: Instant::now(),
                longest_us: AtomicU64::new(0),
                crowded_until_ms: AtomicU64::new(0),
            }),
        })
    }

    /// Runs `work` on one of them; on a second one too when the first does not come to it. It is then done twice, and the
    /// first result counts. It goes on when whoever asked has gone away.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<T, Error> {
        let (threads, work) = (self.clone(), Arc::new(work));
        let done = tokio::spawn(async move { threads.first_done(work).await });
        done.await.map_err(|_| Error::Library("hash task"))?
    }

    async fn first_done<T: Send + 'static>(
        &self,
        work: Arc<impl Fn() -> T + Send + Sync + 'static>,
    ) -> Result<T, Error> {
        if self.seen.is_crowded() {
            return told(self.give(&self.nicer, work)?.await);
        }
        let mut idle = self.give(&self.idle, work.clone())?;
        if let Ok(done) = timeout(self.seen.patience(), &mut idle).await {
            return told(done);
        }
        self.seen.crowded();
        let nicer = self.give(&self.nicer, work)?;
        tokio::select! {
            done = idle => told(done),
            done = nicer => told(done),
        }
    }

    fn give<T: Send + 'static>(
        &self,
        to: &Sender<Work>,
        work: Arc<impl Fn() -> T + Send + Sync + 'static>,
    ) -> Result<oneshot::Receiver<T>, Error> {
        let (tell, told) = oneshot::channel();
        let seen = self.seen.clone();
        let work = Box::new(move || {
            let before = core_time();
            let done = work();
            let needed = core_time().saturating_sub(before);
            seen.longest_us
                .fetch_max(u64::try_from(needed.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            // Whoever asked may have the other's result already.
            let _nobody_waits = tell.send(done);
        });
        to.send(work).map_err(|_| Error::Library("the threads for hashes"))?;
        Ok(told)
    }
}

fn told<T>(done: Result<T, oneshot::error::RecvError>) -> Result<T, Error> {
    done.map_err(|_| Error::Library("hash task"))
}

/// What the calling thread has had of a core.
fn core_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What a thread does first, by its number.
type Prepare = fn(usize) -> Result<Option<Pacer>, Error>;

fn start(count: usize, name: &str, prepare: Prepare) -> Result<Sender<Work>, Error> {
    let (give, take) = channel();
    let take = Arc::new(Mutex::new(take));
    for number in 0..count {
        let take = take.clone();
        std::thread::Builder::new()
            .name(name.to_owned())
            // Without a pacer it hashes all the same.
            .spawn(move || run(&take, prepare(number).ok().flatten()))
            .map_err(|_| Error::Library("a thread for hashes"))?;
    }
    Ok(give)
}

fn fall_behind() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle).is_err() {
        be_nicer();
    }
}

fn be_nicer() {
    // On Linux this is the calling thread's alone. A system that refuses it hashes at the rank of everything else.
    let _refused = rustix::process::nice(NICER);
}

fn run(take: &Mutex<Receiver<Work>>, pacer: Option<Pacer>) {
    loop {
        // Held while waiting: the others wait for the lock instead.
        let next = take.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        // A hash that breaks is one request's failure; its sender is dropped, and the thread stays.
        let _broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match &pacer {
            Some(pacer) => pacer.beside(work),
            None => work(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use thread_priority::unix::thread_schedule_policy;

    use super::*;

    fn rank() -> (ThreadSchedulePolicy, i32) {
        (thread_schedule_policy().unwrap(), rustix::process::getpriority_process(None).unwrap())
    }

    /// The machine that runs the tests has busy minutes too.
    fn wait_for_an_idle_core(threads: &Threads) {
        threads.seen.longest_us.store(3_600_000_000, Ordering::Relaxed);
        threads.seen.crowded_until_ms.store(0, Ordering::Relaxed);
    }

    /// The scheduling policies of our threads of a name, as proc(5) numbers them.
    fn classes_of(name: &str) -> Vec<String> {
        let all = std::fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
        let named = all.filter_map(|thread| std::fs::read_to_string(thread.join("stat")).ok());
        let rests = named.filter_map(|stat| Some(stat.split_once(&format!("({name}) "))?.1.to_owned()));
        // The 41st field of all; two stand before.
        rests.map(|rest| rest.split(' ').nth(38).unwrap().to_owned()).collect()
    }

    fn name() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn hashing_stands_behind_everything_else_and_nothing_else_is_lowered() {
        let before = rank();
        let threads = Threads::start(2).unwrap();
        wait_for_an_idle_core(&threads);
        let (name, (class, _)) = threads.run(|| (name(), rank())).await.unwrap();
        assert_eq!(name, "hash");
        assert_eq!(
            class,
            ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle),
            "a class of its own"
        );
        assert_eq!(rank(), before, "ours is what it was");
        // The other tests of this process have some too.
        let pacers = classes_of("hash-pacer");
        assert!(
            !pacers.is_empty() && pacers.iter().all(|class| class == "0"),
            "of everybody's class: {pacers:?}"
        );
        let pool = tokio::task::spawn_blocking(rank).await.unwrap();
        assert_eq!(pool, before, "and that of the other threads");
    }

    /// The first thread is as one that gets nothing of any core.
    #[tokio::test]
    async fn who_waits_for_long_has_it_from_a_thread_that_is_only_nicer() {
        const LOWEST: i32 = 19;
        let (_, ours) = rank();
        let threads = Threads::start(1).unwrap();
        let (go_on, wait) = channel::<()>();
        let (wait, calls) = (Mutex::new(wait), Arc::new(AtomicUsize::new(0)));
        let called = calls.clone();
        let work = move || {
            if called.fetch_add(1, Ordering::SeqCst) == 0 {
                let _ended = wait.lock().unwrap().recv();
            }
            (name(), rank().1)
        };
        assert_eq!(threads.run(work).await.unwrap(), ("hash-nicer".to_owned(), (ours + NICER).min(LOWEST)));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        assert_eq!(threads.run(name).await.unwrap(), "hash-nicer", "nor is the next one kept waiting");
        drop(go_on);
        wait_for_an_idle_core(&threads);
        assert_eq!(threads.run(name).await.unwrap(), "hash", "it is counted on again");
    }

    #[tokio::test]
    async fn long_work_is_not_done_twice_for_being_long() {
        let threads = Threads::start(1).unwrap();
        assert_eq!(threads.seen.patience(), Duration::from_millis(PATIENCE_MS_MIN));
        let needed = threads
            .run(|| {
                let began = core_time();
                while core_time() < began + Duration::from_millis(60) {
                    std::hint::spin_loop();
                }
                core_time() - began
            })
            .await
            .unwrap();
        assert!(threads.seen.patience() >= needed * 8, "the longest counts");
    }

    #[tokio::test]
    async fn what_is_begun_is_done_also_when_nobody_waits_for_it_any_more() {
        let threads = Threads::start(1).unwrap();
        let (tell, told) = channel();
        let tell = Mutex::new(tell);
        let asked = tokio::spawn({
            let threads = threads.clone();
            async move { threads.run(move || tell.lock().unwrap().send(7).unwrap()).await }
        });
        tokio::task::yield_now().await;
        asked.abort();
        assert_eq!(tokio::task::spawn_blocking(move || told.recv()).await.unwrap(), Ok(7));
    }

    #[tokio::test]
    async fn work_that_breaks_fails_alone() {
        let threads = Threads::start(1).unwrap();
        let broken = threads.run(|| assert!(std::env::args().count() == usize::MAX, "on purpose")).await;
        assert!(matches!(broken, Err(Error::Library("hash task"))));
        assert_eq!(threads.run(|| 7).await.unwrap(), 7, "the thread is still there");
    }

    #[tokio::test]
    async fn the_threads_end_with_what_gives_them_work() {
        let Threads { idle, nicer, .. } = Threads::start(1).unwrap();
        for give in [idle, nicer] {
            let (last, ended) = channel::<()>();
            give.send(Box::new(move || drop(last))).unwrap();
            drop(give);
            assert!(ended.recv().is_err(), "what was given is still done, then nobody holds its end");
        }
    }
}
