//! The log that fail2ban and its like read: one line for each try that a jail counts, whether or not we keep anybody out.
//!
//! Nothing of a request stands in a line but its address: what somebody sends must not become a line of their making.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use base::Settings;
use jiff::Timestamp;

use crate::{Error, limits, settings};

/// One try.
#[derive(Clone, Debug)]
pub(crate) struct Try {
    pub at: Timestamp,
    pub jail: String,
    pub address: IpAddr,
    /// What the audit log calls it, or `request`.
    pub what: &'static str,
}

/// The file. The one before it is `.1`, and so on.
pub(crate) struct Told {
    path: PathBuf,
    /// Said once, and again when it is over.
    failed: bool,
}

impl Told {
    /// Opens it where it is set, and refuses a place it must not have.
    pub fn open(given: &Settings) -> Result<Option<Self>, Error> {
        let Some(path) = Self::place(given)? else { return Ok(None) };
        open(&path).map_err(|error| refuse(format!("{} cannot be written: {error}", path.display())))?;
        Ok(Some(Told { path, failed: false }))
    }

    /// Where it is set, unless that is a place it must not have.
    pub fn place(given: &Settings) -> Result<Option<PathBuf>, Error> {
        let Some(path) = given.get(&settings::LOG_FILE) else { return Ok(None) };
        let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !path.is_absolute() || !plain || path.extension().is_none_or(|end| end != "log") {
            return Err(refuse("a whole path without .. that ends in .log".to_owned()));
        }
        Ok(Some(path))
    }

    /// Writes what came. The file is opened each time, so that whoever moves it away needs to tell nobody.
    pub fn write(&mut self, tries: &[Try]) {
        let lines: String = tries.iter().map(line).collect();
        let written =
            self.make_room(lines.len()).and_then(|()| open(&self.path)?.write_all(lines.as_bytes()));
        let failed = written.is_err();
        match written {
            Err(error) if !self.failed => {
                tracing::error!(%error, path = %self.path.display(), "what fail2ban reads cannot be written");
            }
            Ok(()) if self.failed => tracing::info!("what fail2ban reads is written again"),
            Ok(()) | Err(_) => {}
        }
        self.failed = failed;
    }

    fn make_room(&self, bytes: usize) -> std::io::Result<()> {
        let there = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        if there == 0 || there + bytes as u64 <= limits::LOG_BYTES.value {
            return Ok(());
        }
        for number in (0..limits::LOGS_KEPT.value).rev() {
            let from = if number == 0 { self.path.clone() } else { numbered(&self.path, number) };
            if from.exists() {
                std::fs::rename(from, numbered(&self.path, number + 1))?;
            }
        }
        Ok(())
    }
}

fn refuse(what: String) -> Error {
    Error::Setting { setting: settings::LOG_FILE.definition.name, what }
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    PathBuf::from(format!("{}.{number}", path.display()))
}

fn open(path: &Path) -> std::io::Result<std::fs::File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

fn line(one: &Try) -> String {
    let at = one.at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("{at} palisade: {} {} {}\n", one.jail, one.address, one.what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_put_aside_when_it_is_full_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refused.log");
        let set = |path: &str| Told::open(&Settings::default().with("detection.log_file", path));
        let mut told = set(path.to_str().unwrap()).unwrap().unwrap();
        let one = Try {
            at: "2026-11-21T12:00:00.123Z".parse().unwrap(),
            jail: "probing".to_owned(),
            address: "2001:db8::7".parse().unwrap(),
            what: "request",
        };
        told.write(std::slice::from_ref(&one));
        let text = "2026-11-21T12:00:00Z palisade: probing 2001:db8::7 request\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        let many = vec![one; limits::LOG_BYTES.size() / text.len()];
        for _ in 0..limits::LOGS_KEPT.value + 3 {
            told.write(&many);
        }
        let sizes: Vec<u64> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(sizes.len() as u64, limits::LOGS_KEPT.value + 1);
        assert!(sizes.iter().all(|size| *size <= limits::LOG_BYTES.value));

        for odd in
            ["refused.log", "/etc/cron.d/refused", "/tmp/../etc/refused.log", "/nowhere/at/all/refused.log"]
        {
            assert!(set(odd).is_err(), "{odd}");
        }
        assert!(Told::open(&Settings::default()).unwrap().is_none());
    }
}
