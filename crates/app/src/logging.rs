//! Logs: JSON lines on standard error in `serve`, short lines for people in `dev`, and in both JSON lines in `combined.log`
//! and `error.log` of the data folder. The level can change at run time, and the last lines are kept in memory for the
//! operator.
//!
//! Invariant: what is kept is what was written, after the level; nothing reaches the operator that the log does not say.
//! Lines below a warning are gathered for [`GATHER`] and written together; a warning is written at once, with all before it.

mod json;

use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use base::{Limit, Profile};
use native::Recent;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::LOGGING_LEVEL;
use json::JsonLines;

/// Lines kept for `palisade log`.
pub const LOG_LINES_MAX: Limit = Limit::new(
    "app_log_lines_max",
    1_000,
    "a few minutes of a busy server; the whole log is on standard error",
);
/// The longest of them; the rest of a longer one is on standard error only.
pub const LOG_LINE_BYTES_MAX: Limit =
    Limit::new("app_log_line_bytes_max", 4_096, "a thousand of them are four megabytes");

/// The longest field of a line, in JSON lines.
pub const LOG_FIELD_BYTES_MAX: Limit = Limit::new(
    "app_log_field_bytes_max",
    16 << 10,
    "a failure with its whole chain of reasons fits; what somebody else wrote does not push the rest of the log out of its files",
);

/// How long a line may wait for company on its way to standard error.
const GATHER: Duration = Duration::from_millis(5);
/// Bytes that may wait; whoever logs more writes them.
pub const LOG_WAITING_BYTES_MAX: Limit = Limit::new(
    "app_log_waiting_bytes_max",
    64 << 10,
    "a reader of the log that is slow slows the program down, it does not make it grow",
);

/// The log of the running program. Clones share it.
#[derive(Clone)]
pub struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    level: Arc<Mutex<String>>,
    kept: Kept,
}

impl native::Log for Log {
    fn levels(&self) -> &'static [&'static str] {
        LOGGING_LEVEL.definition.choices
    }

    fn level(&self) -> String {
        self.level.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, level: &str) -> bool {
        let mut current = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let is_set = self.levels().contains(&level) && self.filter.reload(filter(level)).is_ok();
        if is_set {
            level.clone_into(&mut current);
        }
        is_set
    }

    fn recent(&self, after: u64) -> Recent {
        self.kept.after(after)
    }
}

impl Log {
    /// Writes to these files too, beginning with what was said before there were any.
    pub fn write_to(&self, streams: logs::Streams) {
        self.kept.writing().files = Some(streams);
        self.kept.lines().has_files = true;
        self.kept.flush_all();
    }

    /// Writes what still waits. Called at the end of the program.
    pub fn finish(&self) {
        self.kept.flush_all();
    }
}

/// Starts logging. Called once, by the binary; tests that build the program in-process do without.
pub fn start(profile: Profile, level: &str) -> Option<Log> {
    let (filter, handle) = reload::Layer::new(filter(level));
    let registry = Registry::default().with(filter);
    let kept = Kept::default();
    let to = {
        let kept = kept.clone();
        move || kept.clone()
    };
    let started = match profile {
        Profile::Dev => {
            let lines = fmt::layer().compact().with_target(false).with_writer(to);
            let filed = JsonLines { kept: kept.clone(), to: To::Files };
            registry.with(lines.with_ansi(std::io::stderr().is_terminal())).with(filed).try_init()
        }
        Profile::Serve | Profile::Conformance => {
            registry.with(JsonLines { kept: kept.clone(), to: To::Everywhere }).try_init()
        }
    };
    if started.is_ok() {
        kept.gather();
    }
    let level = Arc::new(Mutex::new(level.to_owned()));
    started.is_ok().then_some(Log { filter: handle, level, kept })
}

/// Our level, with the libraries below us kept to warnings.
fn filter(level: &str) -> EnvFilter {
    EnvFilter::new(format!("{level},hyper=warn,h2=warn,tokio_postgres=warn,rustls=warn,redis=warn"))
}

/// Where a line goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    /// To standard error, into memory and into the files.
    Everywhere,
    /// To standard error and into memory: a line for people.
    People,
    /// Into the files: the same for programs.
    Files,
}

/// Writes each line to standard error and to the files, and keeps the last ones.
#[derive(Clone, Default)]
struct Kept(Arc<Shared>);

#[derive(Default)]
struct Shared {
    lines: Mutex<Lines>,
    /// Held by whoever writes, so that lines stay in order.
    writing: Mutex<Writing>,
    /// Somebody writes what is gathered.
    is_gathering: AtomicBool,
    waiting: Condvar,
}

#[derive(Default)]
struct Lines {
    /// How many there ever were: the number of the last one.
    written: u64,
    last: VecDeque<Vec<u8>>,
    /// Not written yet.
    batch: Batch,
    has_files: bool,
}

/// Lines for standard error, for the files, and which of those are errors.
#[derive(Default)]
struct Batch {
    gathered: Vec<u8>,
    filed: Vec<u8>,
    errors: Vec<u8>,
}

#[derive(Default)]
struct Writing {
    /// None until the data folder is known to be ours.
    files: Option<logs::Streams>,
    /// What is being written; its memory is gathered into again.
    batch: Batch,
}

impl Lines {
    /// Whether somebody has to write. What waits for files that are not there yet is written with the first line after.
    fn waiting(&self) -> bool {
        !self.batch.gathered.is_empty() || self.has_files && !self.batch.filed.is_empty()
    }

    fn keep(&mut self, line: &[u8]) {
        let line = line.get(..LOG_LINE_BYTES_MAX.size().min(line.len())).unwrap_or_default();
        let is_full = self.last.len() >= LOG_LINES_MAX.size();
        let mut kept = if is_full { self.last.pop_front() } else { None }.unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(line.trim_ascii_end());
        self.last.push_back(kept);
        self.written += 1;
    }
}

impl Kept {
    /// Takes one whole line.
    fn line(&self, line: &[u8], level: Level, to: To) {
        let (is_first, is_full) = {
            let mut lines = self.lines();
            let waited = lines.waiting();
            if to != To::Files {
                lines.keep(line);
                lines.batch.gathered.extend_from_slice(line);
            }
            // Before there are files no more than the beginning is kept for them.
            let has_room = lines.has_files || lines.batch.filed.len() < LOG_WAITING_BYTES_MAX.size();
            let batch = &mut lines.batch;
            if to != To::People && has_room {
                batch.filed.extend_from_slice(line);
                if level == Level::ERROR {
                    batch.errors.extend_from_slice(line);
                }
            }
            (!waited, batch.gathered.len().max(batch.filed.len()) > LOG_WAITING_BYTES_MAX.size())
        };
        if level <= Level::WARN || is_full || !self.0.is_gathering.load(Ordering::Relaxed) {
            self.flush_all();
        } else if is_first {
            self.0.waiting.notify_one();
        }
    }

    fn flush_all(&self) {
        let mut writing = self.writing();
        let Writing { files, batch } = &mut *writing;
        {
            let mut lines = self.lines();
            std::mem::swap(&mut lines.batch.gathered, &mut batch.gathered);
            if files.is_some() {
                std::mem::swap(&mut lines.batch.filed, &mut batch.filed);
                std::mem::swap(&mut lines.batch.errors, &mut batch.errors);
            }
        }
        // There is nowhere to tell that standard error is gone.
        let _unsaid = std::io::stderr().lock().write_all(&batch.gathered);
        if let Some(trouble) = files.as_mut().and_then(|streams| streams.write(&batch.filed, &batch.errors)) {
            // Not by the log: it is the log that cannot be written.
            let _unsaid = writeln!(std::io::stderr().lock(), "{trouble}");
        }
        for written in [&mut batch.gathered, &mut batch.filed, &mut batch.errors] {
            written.clear();
        }
    }

    fn writing(&self) -> std::sync::MutexGuard<'_, Writing> {
        self.0.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to gather lines, and to write them from a thread of its own.
    fn gather(&self) {
        let kept = self.clone();
        let write = move || {
            loop {
                let lines = kept.lines();
                let waited = kept.0.waiting.wait_while(lines, |lines| !lines.waiting());
                let lines = waited.unwrap_or_else(PoisonError::into_inner);
                // Nobody calls while something is gathered: this is the time others have to join.
                drop(kept.0.waiting.wait_timeout(lines, GATHER));
                kept.flush_all();
            }
        };
        let is_gathering = std::thread::Builder::new().name("log".to_owned()).spawn(write).is_ok();
        self.0.is_gathering.store(is_gathering, Ordering::Relaxed);
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn after(&self, after: u64) -> Recent {
        let lines = self.lines();
        let new = usize::try_from(lines.written.saturating_sub(after)).unwrap_or(usize::MAX);
        let skipped = lines.last.len().saturating_sub(new);
        let text = |line: &Vec<u8>| String::from_utf8_lossy(line).into_owned();
        Recent { written: lines.written, lines: lines.last.iter().skip(skipped).map(text).collect() }
    }
}

impl Write for Kept {
    /// The formatter hands over one whole line.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.line(line, Level::WARN, To::People);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_those_after_a_number_are_given() {
        let kept = Kept::default();
        (1..=LOG_LINES_MAX.value + 5)
            .for_each(|number| kept.lines().keep(format!("line {number}\n").as_bytes()));
        let all = kept.after(0);
        assert_eq!((all.written, all.lines.len()), (LOG_LINES_MAX.value + 5, LOG_LINES_MAX.size()));
        assert_eq!(all.lines.first().map(String::as_str), Some("line 6"));
        assert_eq!(kept.after(all.written - 1).lines, [format!("line {}", all.written)]);
        assert!(kept.after(all.written).lines.is_empty());
    }

    #[test]
    fn a_long_line_is_cut() {
        let kept = Kept::default();
        kept.lines().keep(&vec![b'x'; LOG_LINE_BYTES_MAX.size() + 1]);
        assert_eq!(kept.after(0).lines.first().map(String::len), Some(LOG_LINE_BYTES_MAX.size()));
    }
}
