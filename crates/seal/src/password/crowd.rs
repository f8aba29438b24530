//! Whether a hash is better off on its other core, by what the kernel tells of who runs and who waits.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use rustix::thread::Pid;

/// What is read of either file: a line.
const LINE_BYTES: usize = 128;

/// The hash, and the pacer who looks.
const WE: u64 = 2;

/// What is known of those beside one hashing thread.
pub(super) struct Crowd {
    /// proc(5): after three averages how many are ready to run, whether they do or wait, and of how many.
    ready: File,
    /// The hashing thread's: ns it ran, ns it waited.
    ran: File,
    ran_ns: u64,
    cores: u64,
}

impl Crowd {
    /// Beside the thread of this number, on as many cores. Nothing where the kernel does not tell.
    pub(super) fn of(hashing: Pid, cores: u64) -> Option<Self> {
        let ran = File::open(format!("/proc/self/task/{}/schedstat", hashing.as_raw_nonzero())).ok()?;
        let crowd = Crowd { ready: File::open("/proc/loadavg").ok()?, ran, ran_ns: 0, cores };
        crowd.ready()?;
        Some(crowd)
    }

    /// Whether anybody else is ready to run. How long the hash runs is counted from here.
    pub(super) fn is_there(&mut self) -> bool {
        self.ready().is_some_and(|ready| ready > WE) && self.ran_since().is_some()
    }

    /// Whether the hash, after as long, had its core while others wait: that is for another core than this one, where they would be first. Or
    /// whether it did not have it, though there are cores for everybody: then its other one is idle.
    pub(super) fn is_better_elsewhere(&mut self, since: Duration) -> bool {
        let (Some(ran), Some(ready)) = (self.ran_since(), self.ready()) else { return false };
        // The caller runs, and is in nobody's way.
        let others_wait = ready > self.cores.saturating_add(1);
        if others_wait { ran >= since / 2 } else { ready > WE && ran <= since / 8 }
    }

    fn ready(&self) -> Option<u64> {
        line(&self.ready, |line| line.split(' ').nth(3)?.split('/').next()?.parse().ok())
    }

    fn ran_since(&mut self) -> Option<Duration> {
        let ran_ns = line(&self.ran, |line| line.split(' ').next()?.parse().ok())?;
        let before = std::mem::replace(&mut self.ran_ns, ran_ns);
        Some(Duration::from_nanos(ran_ns.saturating_sub(before)))
    }
}

fn line<T>(file: &File, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let mut bytes = [0; LINE_BYTES];
    let length = file.read_at(&mut bytes, 0).ok()?;
    read(std::str::from_utf8(bytes.get(..length)?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHILE: Duration = Duration::from_micros(80);

    /// As many ready to run on two cores, of which the hash had one for so long.
    fn better_elsewhere(ready: u64, ran_us: u64) -> bool {
        let (says, ran) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let crowd = (says.try_clone().unwrap(), ran.try_clone().unwrap());
        let mut crowd = Crowd { ready: crowd.0, ran: crowd.1, ran_ns: 0, cores: 2 };
        says.write_all_at(format!("0.31 0.20 0.18 {ready}/113 4711\n").as_bytes(), 0).unwrap();
        ran.write_all_at(b"5000000 700 3\n", 0).unwrap();
        if !crowd.is_there() {
            return false;
        }
        ran.write_all_at(format!("{} 700 3\n", 5_000_000 + ran_us * 1_000).as_bytes(), 0).unwrap();
        crowd.is_better_elsewhere(WHILE)
    }

    #[test]
    fn a_hash_makes_way_for_who_waits_and_goes_where_nobody_is() {
        assert!(!better_elsewhere(2, 80), "there is nobody else");
        assert!(!better_elsewhere(2, 0));
        assert!(!better_elsewhere(3, 80), "one other has the other core");
        assert!(better_elsewhere(3, 0), "one other has this core, and the other core is idle");
        assert!(better_elsewhere(4, 80), "two take turns on the other core");
        assert!(!better_elsewhere(4, 0), "two are there, and one of them is here");
        assert!(!better_elsewhere(5, 20), "it has had little itself");
    }

    #[test]
    fn what_cannot_be_read_moves_nothing() {
        let (ready, ran) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        ready.write_all_at(b"odd", 0).unwrap();
        let mut crowd = Crowd { ready, ran, ran_ns: 0, cores: 2 };
        assert!(!crowd.is_there() && !crowd.is_better_elsewhere(WHILE));
    }
}
