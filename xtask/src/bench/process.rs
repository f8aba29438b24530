//! What processes used, as the kernel counts it.

use std::fs::read_to_string;
use std::path::Path;

use anyhow::{Context, Result};

/// The kernel's clock ticks a second in /proc (USER_HZ), fixed on Linux.
const MICROSECONDS_PER_TICK: u64 = 10_000;

/// CPU time so far.
pub struct Usage {
    pub palisade_us: u64,
    pub postgres_us: u64,
}

impl Usage {
    pub fn now(palisade: u32, postmaster: u32) -> Result<Self> {
        let own = Stat::of(palisade)?;
        Ok(Usage { palisade_us: own.own * MICROSECONDS_PER_TICK, postgres_us: family_us(postmaster)? })
    }

    pub fn since(&self, before: &Usage) -> Usage {
        Usage {
            palisade_us: self.palisade_us.saturating_sub(before.palisade_us),
            postgres_us: self.postgres_us.saturating_sub(before.postgres_us),
        }
    }
}

/// CPU of PostgreSQL's first process and of all that it started. A backend that ends while they are added up is missing
/// among the living and not yet among the ended: then they are added up again, as often as pgbench has clients to lose.
fn family_us(postmaster: u32) -> Result<u64> {
    const TRIES: usize = 100;
    for _ in 0..TRIES {
        let before = Stat::of(postmaster)?;
        let living: u64 =
            children(postmaster).into_iter().filter_map(|pid| Stat::of(pid).ok()).map(|stat| stat.own).sum();
        if Stat::of(postmaster)?.ended_children == before.ended_children {
            return Ok((before.own + before.ended_children + living) * MICROSECONDS_PER_TICK);
        }
    }
    anyhow::bail!("the processes of PostgreSQL came and went {TRIES} times while their CPU was added up")
}

/// CPU of one process so far; 0 when it is gone.
pub fn cpu_us(pid: u32) -> u64 {
    Stat::of(pid).map_or(0, |stat| stat.own * MICROSECONDS_PER_TICK)
}

/// The fields of /proc/PID/stat that count CPU.
struct Stat {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Stat {
    fn of(pid: u32) -> Result<Self> {
        let text =
            read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
        Self::read(&text).with_context(|| format!("/proc/{pid}/stat reads differently"))
    }

    /// The name in parentheses may hold spaces: fields are counted from behind it.
    fn read(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Stat {
            parent: u32::try_from(number(1)?).ok()?,
            own: number(11)? + number(12)?,
            ended_children: number(13)? + number(14)?,
        })
    }
}

/// Processes whose parent is `parent`.
pub fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

pub fn parent_of(pid: u32) -> Option<u32> {
    Stat::of(pid).ok().map(|stat| stat.parent)
}

/// Resident memory.
pub fn resident_kib(pid: u32) -> Result<u64> {
    kib(format!("/proc/{pid}/status"), "VmRSS:").context("no VmRSS")
}

/// The most memory it had since it started, or since [`forget_peak`].
pub fn peak_kib(pid: u32) -> Result<u64> {
    kib(format!("/proc/{pid}/status"), "VmHWM:").context("no VmHWM")
}

/// Counts the most memory from now on.
pub fn forget_peak(pid: u32) -> Result<()> {
    Ok(std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// Memory with what is shared divided among the sharers.
pub fn proportional_kib(pid: u32) -> Option<u64> {
    kib(format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// How often a process gave up the CPU because it had to wait.
pub fn waits(pid: u32) -> Option<u64> {
    kib(format!("/proc/{pid}/status"), "voluntary_ctxt_switches:")
}

/// The first number behind a label.
fn kib(path: impl AsRef<Path>, label: &str) -> Option<u64> {
    let text = read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(label)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::Stat;

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let text = "42 (postgres: a (b) c) S 7 42 42 0 -1 4194304 100 0 0 0 11 22 33 44 20 0 1 0 5 6 7";
        let stat = Stat::read(text).expect("readable");
        assert_eq!((stat.parent, stat.own, stat.ended_children), (7, 33, 77));
    }
}
