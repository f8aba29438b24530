//! The machine below: what a crash or a full memory would leave on disk (control 101), whose clock is right (27), and
//! authorities whose time is over (3).

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::bench::{Bench, Trouble};
use crate::{Finding, limits};

/// A crash of this program, or of the database it started, writes no memory anywhere: not to a file, and not to a program
/// that the kernel hands it to (`kernel.core_pattern`), which is given what the filter lets through.
pub fn crashes_leave_nothing() -> Finding {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let own = Path::new("/proc/self");
    let Some(most) = core_bytes(own) else {
        return Finding::all([(true, "this system does not say what a crash leaves behind".to_owned())]);
    };
    let kept = std::fs::read_to_string(own.join("coredump_filter")).ok();
    let kept = kept.as_deref().map_or("none", str::trim);
    let is_empty = kept.bytes().all(|digit| digit == b'0') || kept == "none";
    Finding::all([(
        most == "0" && is_empty,
        format!(
            "a crash of this program writes at most {most} bytes of memory, of the kinds {kept} (kernel.core_pattern: {})",
            pattern.trim()
        ),
    )])
}

/// The soft limit of core files, as the kernel prints it.
fn core_bytes(process: &Path) -> Option<String> {
    let limits = std::fs::read_to_string(process.join("limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size"))?;
    line.split_whitespace().next().map(str::to_owned)
}

/// Memory is written to no disk in clear: there is no swap, it is encrypted or in memory itself, or this program may not use it.
pub fn memory_is_not_swapped() -> Finding {
    let clear = clear_swaps(Path::new("/"));
    if clear.is_empty() {
        return Finding::proven("no memory is swapped to a disk in clear");
    }
    let clear = clear.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    if may_not_swap(Path::new("/")) {
        return Finding::proven(format!(
            "{clear} is not encrypted, and this program may not use it (memory.swap.max)"
        ));
    }
    Finding::needs_you(format!(
        "memory may be written to {clear}, which is not encrypted: run `swapoff -a`, encrypt it, or give the service MemorySwapMax=0"
    ))
}

/// Swap that is on a disk and in clear.
fn clear_swaps(root: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_to_string(root.join("proc/swaps")).unwrap_or_default();
    let places = listed.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    places.filter(|place| !is_safe(root, place)).map(PathBuf::from).collect()
}

/// Compressed memory is memory; what dm-crypt made says so in its id.
fn is_safe(root: &Path, place: &str) -> bool {
    let name = place.rsplit('/').next().unwrap_or_default();
    let id = std::fs::read_to_string(root.join("sys/class/block").join(name).join("dm/uuid"));
    name.starts_with("zram") || id.is_ok_and(|id| id.starts_with("CRYPT-"))
}

/// Whether a control group of this process, or one around it, keeps it in memory.
fn may_not_swap(root: &Path) -> bool {
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let Some(own) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else { return false };
    let top = root.join("sys/fs/cgroup");
    let mut around = top.join(own);
    loop {
        if std::fs::read_to_string(around.join("memory.swap.max")).is_ok_and(|most| most.trim() == "0") {
            return true;
        }
        if around == top || !around.pop() {
            return false;
        }
    }
}

/// How far the machine's clock is from the database's, and from the store's that nodes share: sessions, tokens and jobs of
/// several machines end by one another's time.
pub async fn clocks_agree(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let mut lines = Vec::new();
    let most = i64::try_from(limits::SKEW_SECONDS_MAX.value).unwrap_or(i64::MAX);
    let mut compare = |whose: &str, between: (i64, i64), theirs: f64| {
        // The answer was made at some moment in between.
        let (before, after) = (between.0 as f64 - theirs * 1_000.0, theirs * 1_000.0 - between.1 as f64);
        let skew = (before.max(after).max(0.0) / 1_000.0).round() as i64;
        lines.push((
            skew <= most,
            format!("this machine's clock and {whose} are {skew} s apart (at most {most})"),
        ));
    };
    let before = machine_ms(bench)?;
    let theirs = sql.value("SELECT extract(epoch FROM clock_timestamp())").await?;
    let read = |text: &str| {
        text.parse::<f64>().map_err(|_| Trouble::Unexpected(format!("a clock that says {text}")))
    };
    compare("the database's", (before, machine_ms(bench)?), read(&theirs)?);
    if let Some(place) = &bench.place.redis {
        let mut store = bench.store(place).await?;
        let before = machine_ms(bench)?;
        let said = store.run(&["TIME"]).await?;
        compare("the store's", (before, machine_ms(bench)?), read(said.first().map_or("", String::as_str))?);
    }
    Ok(Finding::all(lines))
}

/// The machine's time in milliseconds, as it stands on a file written just now: not what the program takes for the time.
fn machine_ms(bench: &Bench) -> Result<i64, Trouble> {
    let path = bench.place.data.join(bench.random_name("probe-clock-"));
    let failed = |source| Trouble::Network { what: path.display().to_string(), source };
    let written = std::fs::write(&path, b"").and_then(|()| std::fs::metadata(&path)?.modified());
    // Whatever came of it, nothing is left behind.
    let removed = std::fs::remove_file(&path);
    let at = written.map_err(failed)?;
    removed.map_err(failed)?;
    let since = at.duration_since(std::time::UNIX_EPOCH);
    Ok(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}

/// Authorities that the operator named still hold for a while. One that has a successor in its file may end.
pub fn authorities_hold(bench: &Bench) -> Finding {
    let now = bench.place.clock.now();
    let judged = bench.place.authorities.iter().map(|(setting, path)| {
        let ends = ends_in(path);
        let Some(last) = ends.iter().max() else {
            return (false, format!("{setting}: no certificate can be read from {}", path.display()));
        };
        let hours = last.duration_since(now).as_hours();
        let holds = hours >= i64::try_from(limits::AUTHORITY_HOURS_MIN.value).unwrap_or(i64::MAX);
        let over = ends.iter().filter(|end| **end <= now).count();
        (holds, format!("{setting}: {} authorities, {over} of them over, the last until {last}", ends.len()))
    });
    Finding::all(std::iter::once((true, "authorities of the operator's:".to_owned())).chain(judged))
}

fn ends_in(path: &Path) -> Vec<Timestamp> {
    let found = CertificateDer::pem_file_iter(path).map(|found| found.flatten().collect::<Vec<_>>());
    let end = |der: &CertificateDer<'_>| {
        let (_, read) = X509Certificate::from_der(der).ok()?;
        Timestamp::from_second(read.validity().not_after.timestamp()).ok()
    };
    found.unwrap_or_default().iter().filter_map(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    const HEAD: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

    #[test]
    fn swap_on_a_disk_in_clear_is_found_and_encrypted_swap_is_not() {
        let listed = format!(
            "{HEAD}/dev/sda2 partition 2097148 0 -2\n/swapfile file 1048572 0 -3\n/dev/dm-1 partition 8 0 -4\n/dev/zram0 partition 8 0 100\n"
        );
        let root = root(&[
            ("proc/swaps", &listed),
            ("sys/class/block/dm-1/dm/uuid", "CRYPT-PLAIN-swap\n"),
            ("sys/class/block/sda2/size", "8"),
        ]);
        assert_eq!(clear_swaps(root.path()), [PathBuf::from("/dev/sda2"), PathBuf::from("/swapfile")]);
        std::fs::write(root.path().join("sys/class/block/dm-1/dm/uuid"), "LVM-swap\n").unwrap();
        assert_eq!(clear_swaps(root.path()).len(), 3, "a volume that only is one");
        std::fs::write(root.path().join("proc/swaps"), HEAD).unwrap();
        assert!(clear_swaps(root.path()).is_empty());
    }

    #[test]
    fn a_control_group_anywhere_around_keeps_a_program_in_memory() {
        let group = "sys/fs/cgroup/system.slice/palisade.service";
        let limit = format!("{group}/memory.swap.max");
        let root = root(&[("proc/self/cgroup", "0::/system.slice/palisade.service\n"), (&limit, "max\n")]);
        assert!(!may_not_swap(root.path()));
        std::fs::write(root.path().join("sys/fs/cgroup/system.slice/memory.swap.max"), "0\n").unwrap();
        assert!(may_not_swap(root.path()));
    }
}
