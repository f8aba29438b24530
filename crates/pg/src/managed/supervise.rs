//! The thread that owns the server's process.
//!
//! A thread and not a task, for two reasons: the kernel ties a child's "your parent died" signal to the *thread* that
//! made it, and a test's cluster outlives the runtime of the test that happened to start it.

use std::cell::RefCell;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::{broadcast, oneshot, watch};

use crate::binaries::Binaries;
use crate::{Error, SetupError, limits};

use super::config::ManagedConfig;
use super::files::failed;
use super::heard::Ear;
use super::layout::Layout;
use super::ran::Ran;
use super::{cluster, orphans};

/// What the supervisor sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It accepts connections.
    Running {
        /// Its process.
        pid: u32,
        /// How many times it was started again since we were.
        restarts: u32,
    },
    /// It died and is being started again.
    Down {
        /// How many times in a row that did not work.
        failures: u32,
    },
    /// It was told to stop and did.
    Stopped,
}

/// What the supervisor can be told. Hanging up means stop, too.
pub enum Command {
    /// Stop, and say when done.
    Stop(oneshot::Sender<Result<(), Error>>),
}

/// Owns the process, and the data directory's lock for as long as the process may live.
pub struct Supervisor {
    config: ManagedConfig,
    layout: Layout,
    binaries: Binaries,
    dies_with_us: bool,
    ear: RefCell<Ear>,
    state: watch::Sender<State>,
    commands: mpsc::Receiver<Command>,
    _lock: File,
}

impl Supervisor {
    /// Starts the server on a thread of its own and returns when it accepts connections.
    pub fn start(
        config: &ManagedConfig,
        layout: &Layout,
        binaries: &Binaries,
        lock: File,
        ran: broadcast::Sender<Arc<Ran>>,
    ) -> Result<(mpsc::Sender<Command>, watch::Receiver<State>), Error> {
        let (command, commands) = mpsc::channel();
        let (state, watched) = watch::channel(State::Down { failures: 0 });
        let supervisor = Supervisor {
            config: config.clone(),
            layout: layout.clone(),
            binaries: binaries.clone(),
            dies_with_us: can_die_with_us(),
            ear: RefCell::new(Ear::open(layout.log(), config.reported.clone(), ran)?),
            state,
            commands,
            _lock: lock,
        };
        let (started, first) = mpsc::channel();
        let thread = std::thread::Builder::new().name("postgres".to_owned());
        let spawned = thread.spawn(move || supervisor.run(&started));
        spawned.map_err(|error| Error::Bug(format!("no thread for the server: {error}")))?;
        first.recv().map_err(|_| Error::Bug("the server's thread ended early".to_owned()))??;
        Ok((command, watched))
    }

    fn run(self, started: &mpsc::Sender<Result<(), Error>>) {
        let mut child = match self.launch() {
            Ok(child) => child,
            Err(error) => {
                // The caller gave up waiting: then there is nobody to tell, and nothing runs.
                let _ = started.send(Err(error));
                return;
            }
        };
        let (mut restarts, mut short_lives) = (0, 0);
        let mut since = Instant::now();
        self.state.send_replace(State::Running { pid: child.id(), restarts });
        // As above; the hang-up of `commands` stops the server.
        let _ = started.send(Ok(()));
        loop {
            if let Some(answer) = self.watch_child(&mut child) {
                self.finish(&mut child, answer);
                return;
            }
            tracing::error!(log = %self.layout.log().display(), "PostgreSQL ended unasked; starting it again");
            // One that gets ready and dies at once, again and again, waits as long as one that does not get ready.
            let was_short = since.elapsed() < Duration::from_millis(limits::RESTART_MS_MAX.value);
            short_lives = if was_short { short_lives + 1 } else { 0 };
            match self.relaunch(short_lives) {
                Ok(again) => child = again,
                Err(answer) => return self.finish(&mut child, answer),
            }
            since = Instant::now();
            restarts += 1;
            self.state.send_replace(State::Running { pid: child.id(), restarts });
            tracing::info!(restarts, "PostgreSQL is back");
        }
    }

    /// Returns when the child died (`None`) or we are to stop (whom to tell).
    fn watch_child(&self, child: &mut Child) -> Option<Option<Command>> {
        loop {
            match self.commands.recv_timeout(Duration::from_millis(limits::WATCH_MS.value)) {
                Ok(command) => return Some(Some(command)),
                Err(RecvTimeoutError::Disconnected) => return Some(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
            // An error means the kernel knows no such child: gone as well.
            if !matches!(child.try_wait(), Ok(None)) {
                self.ear.borrow_mut().listen(true);
                return None;
            }
            self.ear.borrow_mut().listen(false);
            keep_log_small(&self.layout.log());
        }
    }

    /// Tries again with growing pauses until it works or we are to stop. The first crash in a while has no pause.
    fn relaunch(&self, short_lives: u32) -> Result<Child, Option<Command>> {
        let mut failures = 0u32;
        self.state.send_replace(State::Down { failures });
        if short_lives > 1 {
            self.pause(short_lives)?;
        }
        loop {
            self.state.send_replace(State::Down { failures });
            let launched = orphans::stop(&self.layout.cluster).and_then(|()| self.launch());
            match launched {
                Ok(child) => return Ok(child),
                Err(error) => tracing::error!(%error, failures, "PostgreSQL does not come back"),
            }
            failures = failures.saturating_add(1);
            self.pause(failures)?;
        }
    }

    /// Twice as long each time, up to a bound; an error is the order to stop.
    fn pause(&self, times: u32) -> Result<(), Option<Command>> {
        let pause = limits::RESTART_MS_MIN.value.saturating_mul(1 << times.min(16));
        match self.commands.recv_timeout(Duration::from_millis(pause.min(limits::RESTART_MS_MAX.value))) {
            Ok(command) => Err(Some(command)),
            Err(RecvTimeoutError::Disconnected) => Err(None),
            Err(RecvTimeoutError::Timeout) => Ok(()),
        }
    }

    fn launch(&self) -> Result<Child, Error> {
        let mouth = || self.ear.borrow().mouth().map_err(|error| failed(&self.layout.log(), &error));
        let (log, second) = (mouth()?, mouth()?);
        let program = self.binaries.program("postgres");
        let mut command = if self.dies_with_us {
            // SIGINT is PostgreSQL's "fast shutdown".
            let mut command = std::process::Command::new("setpriv");
            command.args(["--pdeathsig", "INT", "--"]).arg(&program);
            command
        } else {
            std::process::Command::new(&program)
        };
        command.args(cluster::arguments(&self.config, &self.layout));
        self.layout.account.apply(&mut command);
        command.current_dir(&self.layout.place).stdin(Stdio::null()).stdout(log).stderr(second);
        let mut child = command.spawn().map_err(|error| failed(&program, &error))?;
        match self.wait_until_ready(&mut child) {
            Ok(()) => Ok(child),
            Err(error) => {
                end(&mut child)?;
                Err(error)
            }
        }
    }

    /// PostgreSQL says "ready" in the eighth line of its pid file; `pg_ctl` waits for the same.
    fn wait_until_ready(&self, child: &mut Child) -> Result<(), Error> {
        let pid_file = self.layout.cluster.join("postmaster.pid");
        let until = Instant::now() + Duration::from_millis(limits::START_MS_MAX.value);
        let pid = child.id().to_string();
        loop {
            let text = fs::read_to_string(&pid_file).unwrap_or_default();
            let mut lines = text.lines();
            let is_its_own = lines.next() == Some(pid.as_str());
            if is_its_own && lines.nth(6).is_some_and(|status| status.trim() == "ready") {
                return Ok(());
            }
            let ended = !matches!(child.try_wait(), Ok(None));
            if ended || Instant::now() >= until {
                let what =
                    if ended { "PostgreSQL ended while starting" } else { "PostgreSQL does not get ready" };
                let log = self.layout.log();
                self.ear.borrow_mut().listen(true);
                let fix = format!("Read {}", log.display());
                return Err(SetupError::new("pg.server.start", what, last_lines(&log), fix).into());
            }
            super::look_again();
        }
    }

    fn finish(&self, child: &mut Child, answer: Option<Command>) {
        let ended = end(child);
        self.ear.borrow_mut().listen(true);
        self.state.send_replace(State::Stopped);
        match (answer, ended) {
            // Whoever asked may have stopped listening; the server is down either way.
            (Some(Command::Stop(done)), ended) => drop(done.send(ended)),
            (None, Err(error)) => tracing::error!(%error, "PostgreSQL was not stopped"),
            (None, Ok(())) => {}
        }
    }
}

/// Fast, then immediate, then killed. A child that is gone already is fine.
fn end(child: &mut Child) -> Result<(), Error> {
    let steps = [
        (Signal::SIGINT, limits::FAST_STOP_MS_MAX.value),
        (Signal::SIGQUIT, limits::IMMEDIATE_STOP_MS_MAX.value),
        (Signal::SIGKILL, limits::IMMEDIATE_STOP_MS_MAX.value),
    ];
    for (signal, bound_ms) in steps {
        let until = Instant::now() + Duration::from_millis(bound_ms);
        let pid = i32::try_from(child.id()).map_err(|_| Error::Bug("a process id past i32".to_owned()))?;
        // Not reaped yet, so the number is still the child's; an error means it ended, which the wait below sees.
        if matches!(child.try_wait(), Ok(None)) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
        while Instant::now() < until {
            if !matches!(child.try_wait(), Ok(None)) {
                return Ok(());
            }
            super::look_again();
        }
    }
    let fix = "Look at the kernel's log: its disk may be hanging";
    Err(SetupError::new("pg.server.stop", "PostgreSQL did not stop", "it did not end when killed", fix)
        .into())
}

/// Whether `setpriv` of util-linux is here (busybox has one without the option).
fn can_die_with_us() -> bool {
    let mut probe = std::process::Command::new("setpriv");
    probe
        .env("PATH", processes::PATH)
        .args(["--pdeathsig", "INT", "--", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let can = probe.status().is_ok_and(|status| status.success());
    if !can {
        tracing::info!("no `setpriv` here: a killed Palisade leaves PostgreSQL running until the next start");
    }
    can
}

/// One log file and its predecessor. Copied and cut rather than renamed, so that somebody who follows it goes on.
fn keep_log_small(log: &Path) {
    let is_large = fs::metadata(log).is_ok_and(|metadata| metadata.len() > limits::LOG_BYTES_MAX.value);
    if !is_large {
        return;
    }
    let copied = fs::copy(log, log.with_extension("log.1"));
    let cut = copied.and_then(|_| File::options().write(true).open(log)?.set_len(0));
    if let Err(error) = cut {
        tracing::warn!(%error, "PostgreSQL's log could not be cut");
    }
}

fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.get(lines.len().saturating_sub(5)..).unwrap_or_default();
    if tail.is_empty() { "it said nothing".to_owned() } else { tail.join(" | ") }
}
