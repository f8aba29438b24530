//! The file sink: every chained entry, one JSON object a line, for whoever ships logs (control 94).
//!
//! Its path comes from the configuration only; there is no API for it, since a log that can be told where to write
//! is a way to write files (CVE-2025-6000). What was written is remembered in `audit/sink.cursor`, so that nothing is
//! left out over a restart; after a crash a few lines may come twice, each with its `seq`.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use base::Settings;
use pg::Rows;

use crate::event::{Event, Severity};
use crate::heads::{apart, private_append};
use crate::query::Recorded;
use crate::{Error, settings};

/// Endings a log may have. Anything else could be read by something as configuration or code.
const ENDINGS: &[&str] = &["log", "jsonl", "json", "ndjson"];

/// Directories of programs and their configuration.
const FOREIGN: &[&str] =
    &["/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr"];

pub(crate) struct Sink {
    path: PathBuf,
    cursor_path: PathBuf,
    cursor: i64,
    level: Severity,
    events: Vec<String>,
}

impl Sink {
    /// Opens the sink if one is configured, and refuses a path it must not have.
    pub fn open(settings: &Settings, data_dir: &Path) -> Result<Option<Self>, Error> {
        let Some(path) = settings.get(&settings::AUDIT_LOG_FILE) else { return Ok(None) };
        let path = checked_path(&path, data_dir)?;
        private_append(&path).map_err(|source| Error::Unwritable { path: path.clone(), source })?;
        let cursor_path = data_dir.join("audit").join("sink.cursor");
        // No cursor, or one that cannot be read, means from the beginning: rather twice than not at all.
        let cursor = std::fs::read_to_string(&cursor_path).ok().and_then(|text| text.trim().parse().ok());
        let level = match settings.get(&settings::AUDIT_LOG_LEVEL).as_str() {
            "debug" => Severity::Debug,
            "warn" => Severity::Warn,
            "error" => Severity::Critical,
            _ => Severity::Info,
        };
        let events = settings.get(&settings::AUDIT_EVENTS);
        Ok(Some(Sink { path, cursor_path, cursor: cursor.unwrap_or(0), level, events }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last entry that is in the file.
    pub fn cursor(&self) -> i64 {
        self.cursor
    }

    /// Writes entries read from the chain. The file is opened each time, so that log rotation needs no signal.
    pub async fn write(&mut self, rows: &Rows) -> Result<(), Error> {
        let mut text = String::new();
        let mut last = self.cursor;
        for row in rows.iter() {
            let entry = Recorded::read(row)?;
            last = entry.seq;
            if self.wants(&entry.body) {
                text.push_str(&entry.line());
                text.push('\n');
            }
        }
        let path = self.path.clone();
        apart(move || private_append(&path)?.write_all(text.as_bytes()))
            .await
            .map_err(|source| Error::Unwritable { path: self.path.clone(), source })?;
        let cursor = self.cursor_path.clone();
        let keep = move || {
            let next = cursor.with_extension("next");
            std::fs::write(&next, last.to_string())?;
            std::fs::rename(&next, &cursor)
        };
        apart(keep).await.map_err(|source| Error::Unwritable { path: self.cursor_path.clone(), source })?;
        self.cursor = last;
        Ok(())
    }

    fn wants(&self, body: &str) -> bool {
        #[derive(serde::Deserialize)]
        struct Name {
            event: String,
        }
        let Ok(Name { event: name }) = serde_json::from_str(body) else { return true };
        let listed = self.events.is_empty()
            || self.events.iter().any(|wanted| {
                name.strip_prefix(wanted.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
        let loud =
            Event::named(&name).is_none_or(|event| event.is_security() || event.severity() >= self.level);
        listed && loud
    }
}

/// The path with its directory resolved, or why it may not be.
pub(crate) fn checked_path(path: &Path, data_dir: &Path) -> Result<PathBuf, Error> {
    let refuse = |why: &'static str| Error::SinkPath { path: path.to_owned(), why };
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !path.is_absolute() || !plain {
        return Err(refuse("it must be absolute and without .."));
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(refuse("it must name a file"));
    };
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if !ENDINGS.contains(&ending) {
        return Err(refuse("it must end in .log, .json, .jsonl or .ndjson"));
    }
    // Judged before anything is made, then again as resolved: a link must not lead where the name could not.
    judge_directory(directory, data_dir).map_err(refuse)?;
    let make = std::fs::DirBuilder::new().recursive(true).mode(0o750).create(directory);
    let resolved = make.and_then(|()| directory.canonicalize());
    let resolved = resolved.map_err(|source| Error::Unwritable { path: path.to_owned(), source })?;
    judge_directory(&resolved, data_dir).map_err(refuse)?;
    let path = resolved.join(name);
    match std::fs::symlink_metadata(&path) {
        Ok(found) if !found.is_file() => Err(refuse("it exists and is not a plain file")),
        Ok(found) if found.permissions().mode() & 0o111 != 0 => Err(refuse("it exists and can be executed")),
        Ok(_) | Err(_) => Ok(path),
    }
}

fn judge_directory(directory: &Path, data_dir: &Path) -> Result<(), &'static str> {
    if FOREIGN.iter().any(|foreign| directory.starts_with(foreign)) {
        return Err("programs and their configuration live there");
    }
    let data = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
    let ours = [data_dir, &data].into_iter().find_map(|root| directory.strip_prefix(root).ok());
    match ours {
        Some(inside) if !inside.starts_with("logs") => {
            Err("inside the data directory only logs/ takes files")
        }
        Some(_) | None => Ok(()),
    }
}
