//! Servers that outlived their Palisade, and what they left behind.
//!
//! After a kill −9 of either side there may be a postmaster nobody owns, backends without a postmaster, or only a
//! stale `postmaster.pid` whose number may by now be somebody else's. What counts is which processes have the cluster
//! as their working directory: PostgreSQL's have, nobody else's do. The caller holds the lock of the data directory, so
//! none of them belongs to a living Palisade.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Error, SetupError, limits};

use super::files::failed;

/// Stops every process of `cluster` and removes its stale pid file. Nothing to do is the usual case.
pub fn stop(cluster: &Path) -> Result<(), Error> {
    let Ok(cluster) = fs::canonicalize(cluster) else { return Ok(()) };
    let found = processes(&cluster);
    if !found.is_empty() {
        tracing::warn!(processes = found.len(), "a PostgreSQL of an earlier run is still there; stopping it");
        let postmaster = postmaster(&cluster).filter(|pid| found.contains(pid));
        stop_running(&cluster, postmaster)?;
    }
    let pid_file = cluster.join("postmaster.pid");
    match fs::remove_file(&pid_file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&pid_file, &error)),
        _ => Ok(()),
    }
}

/// Asks politely, then firmly, then not at all. Backends without a postmaster end by themselves.
fn stop_running(cluster: &Path, postmaster: Option<Pid>) -> Result<(), Error> {
    let fast = Duration::from_millis(limits::FAST_STOP_MS_MAX.value);
    let immediate = Duration::from_millis(limits::IMMEDIATE_STOP_MS_MAX.value);
    if let Some(postmaster) = postmaster {
        for (signal, bound) in [(Signal::SIGINT, fast), (Signal::SIGQUIT, immediate)] {
            send(postmaster, signal)?;
            if gone(cluster, bound) {
                return Ok(());
            }
        }
    } else if gone(cluster, immediate) {
        return Ok(());
    }
    for process in processes(cluster) {
        send(process, Signal::SIGKILL)?;
    }
    if gone(cluster, immediate) {
        return Ok(());
    }
    let why = format!("processes {:?} did not end when killed", processes(cluster));
    Err(refused(&why, "Look at the kernel's log: their disk may be hanging"))
}

fn gone(cluster: &Path, bound: Duration) -> bool {
    let until = Instant::now() + bound;
    loop {
        if processes(cluster).is_empty() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        super::look_again();
    }
}

fn send(process: Pid, signal: Signal) -> Result<(), Error> {
    match kill(process, signal) {
        // Gone between looking and sending.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => {
            let why = format!("process {process} still runs it and may not be stopped by this user: {error}");
            Err(refused(&why, &format!("Run `kill {process}` as its owner, then start again")))
        }
    }
}

fn refused(why: &str, fix: &str) -> Error {
    SetupError::new("pg.server.orphan", "The earlier PostgreSQL was not stopped", why, fix).into()
}

/// The process in `postmaster.pid`.
fn postmaster(cluster: &Path) -> Option<Pid> {
    let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok().map(Pid::from_raw)
}

/// Processes whose working directory is `cluster`.
fn processes(cluster: &Path) -> Vec<Pid> {
    let found = processes::working_in(cluster).into_iter();
    found.filter_map(|process| process.try_into().ok().map(Pid::from_raw)).collect()
}
