//! Whose the settings file is. It names keys that are believed, hosts that are asked and programs that are run: a file that
//! somebody else could have written is not read, wherever it was found. That deliberately says nothing of who may read it.
//!
//! A program that is not root's reads a stranger's file when it is told which: containers are given files that belong to
//! whoever wrote them on the host.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use nix::unistd::Uid;

use super::{Problem, ProblemKind, Problems, limits};

/// Write permission of anybody but the owner.
const WRITTEN_BY_OTHERS: u32 = 0o022;

/// The text of the settings file; `None` when it is not there. `is_named`: it was told, not found in the current folder.
pub fn read(path: &str, is_named: bool) -> Result<Option<String>, Problems> {
    let unreadable = |error: std::io::Error| Problems::of_file(path, &error.to_string());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    // Of what is open, so that nobody exchanges it in between.
    let metadata = file.metadata().map_err(unreadable)?;
    if let Some(problem) = distrusted(path, &metadata, Uid::effective().as_raw(), is_named) {
        return Err(Problems { all: vec![problem] });
    }
    let mut text = String::new();
    file.take(limits::FILE_BYTES_MAX.value + 1).read_to_string(&mut text).map_err(unreadable)?;
    Ok(Some(text))
}

fn distrusted(path: &str, metadata: &Metadata, us: u32, is_named: bool) -> Option<Problem> {
    // A device such as /dev/null is everybody's and keeps nothing that is written to it.
    if metadata.file_type().is_char_device() {
        return None;
    }
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    let problem = |what: String| {
        Problem::new(ProblemKind::Unsafe, path, path, what).why(
            "Whoever writes it decides which keys are believed, what is served and which programs are run.",
        )
    };
    if mode & WRITTEN_BY_OTHERS != 0 {
        let what = format!("The settings file can be written by others than its owner (mode {mode:04o}).");
        return Some(problem(what).fix(format!("Run `chmod go-w {path}`.")));
    }
    let is_trusted = owner == 0 || owner == us || (is_named && us != 0);
    (!is_trusted).then(|| {
        problem(format!(
            "The settings file belongs to another user (uid {owner}; this program runs as uid {us})."
        ))
        .fix(match us {
            0 => format!("Run `chown 0 {path}`, or name a file of root's with --config."),
            _ => format!("Run `chown {us} {path}`, or name the file that is meant with --config."),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_of_somebody_else_or_that_somebody_else_may_write_is_distrusted() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("palisade.yaml");
        std::fs::write(&path, "").unwrap();
        let us = Uid::effective().as_raw();
        for (mode, is_trusted) in
            [(0o600, true), (0o644, true), (0o444, true), (0o664, false), (0o646, false), (0o620, false)]
        {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let found = distrusted("f", &path.metadata().unwrap(), us, true);
            assert_eq!(found.is_none(), is_trusted, "{mode:o}: {found:?}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        // Whose it is cannot be changed by ordinary users: ours is somebody else's to another, unless it is root's.
        let metadata = path.metadata().unwrap();
        let found = distrusted("f", &metadata, us + 1, false);
        assert_eq!(found.is_none(), us == 0, "{found:?}");
        assert_eq!(distrusted("f", &metadata, us + 1, true), None, "told to read it");
        if us != 0 {
            assert!(distrusted("f", &metadata, 0, true).is_some(), "root reads nobody else's");
        }
        let null = distrusted("/dev/null", &std::fs::metadata("/dev/null").unwrap(), us + 1, false);
        assert_eq!(null, None);
    }
}
