//! The threads that hash: as many as may hash at once, each behind everything else that the program does.
//!
//! A hash keeps a core busy for milliseconds, a request for microseconds. With threads of equal rank each request that comes
//! meanwhile waits until the scheduler takes the core away from the hash; beside a lower one it does not. Hashing loses
//! nothing by it that a request did not need.
//!
//! Invariant: a thread's rank is its own; nothing else of the process is lowered.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;

/// How much lower: a tenth of an equal's share. Less would let requests that never end keep everybody from signing in.
const BEHIND: i32 = 10;

type Work = Box<dyn FnOnce() + Send>;

/// Where work for them is put. They end when the last of these is gone.
#[derive(Clone)]
pub(super) struct Threads(Sender<Work>);

impl Threads {
    /// Starts them.
    pub(super) fn start(count: usize) -> Result<Self, Error> {
        let (give, take) = channel();
        let take = Arc::new(Mutex::new(take));
        for _ in 0..count {
            let take = take.clone();
            std::thread::Builder::new()
                .name("hash".to_owned())
                .spawn(move || run(&take))
                .map_err(|_| Error::Library("a thread for hashes"))?;
        }
        Ok(Threads(give))
    }

    /// Runs `work` on one of them.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (tell, told) = tokio::sync::oneshot::channel();
        let work = Box::new(move || {
            // Whoever asked may have gone away.
            let _nobody_waits = tell.send(work());
        });
        self.0.send(work).map_err(|_| Error::Library("the threads for hashes"))?;
        told.await.map_err(|_| Error::Library("hash task"))
    }
}

fn run(take: &Mutex<Receiver<Work>>) {
    // On Linux this is the calling thread's alone. A system that refuses it hashes at the rank of everything else.
    let _refused = rustix::process::nice(BEHIND);
    loop {
        // Held while waiting: the others wait for the lock instead.
        let next = take.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        // A hash that breaks is one request's failure; its sender is dropped, and the thread stays.
        let _broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOWEST: i32 = 19;

    fn rank() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[tokio::test]
    async fn hashing_stands_behind_everything_else_and_nothing_else_is_lowered() {
        let before = rank();
        let threads = Threads::start(2).unwrap();
        let (name, there) =
            threads.run(|| (std::thread::current().name().map(str::to_owned), rank())).await.unwrap();
        assert_eq!(name.as_deref(), Some("hash"));
        assert_eq!(there, (before + BEHIND).min(LOWEST), "a rank of its own");
        assert_eq!(rank(), before, "ours is what it was");
        let pool = tokio::task::spawn_blocking(rank).await.unwrap();
        assert_eq!(pool, before, "and that of the other threads");
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
        let threads = Threads::start(1).unwrap();
        let held = Arc::new(());
        let theirs = held.clone();
        threads.run(move || drop(theirs)).await.unwrap();
        let Threads(give) = threads;
        let (last, ended) = channel::<()>();
        give.send(Box::new(move || drop(last))).unwrap();
        drop(give);
        assert!(ended.recv().is_err(), "what was given is still done, then nobody holds its end");
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
