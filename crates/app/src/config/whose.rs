//! Whose the settings file is, and each file with a secret. They name keys that are believed, hosts that are asked and programs
//! that are run: a file that somebody else could have written is not read, wherever it was found. Who may read the settings file
//! is deliberately not asked: it need not hold a secret. A secret that all may read is told.
//!
//! A program that is not root's reads a stranger's file when it is told which: containers are given files that belong to
//! whoever wrote them on the host.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::unistd::Uid;

use super::{Problem, ProblemKind, Problems, limits};

/// Write permission of anybody but the owner.
const WRITTEN_BY_OTHERS: u32 = 0o022;
/// Write permission of anybody at all.
const WRITTEN_BY_ANYBODY: u32 = 0o222;
/// Read permission of everybody.
const READ_BY_ALL: u32 = 0o004;

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

/// The content of a file with a secret: bounded, and of nobody else's making.
pub struct SecretFile {
    /// The content.
    pub text: String,
    /// Whether everybody on this machine may read it too. What a container is given as a secret, which is root's and cannot be
    /// written, is for the container alone.
    pub is_read_by_all: bool,
}

/// Reads a file with a secret; what it says for why it does not is a clause.
pub fn read_secret(path: &Path) -> Result<SecretFile, String> {
    let plain = |error: std::io::Error| error.to_string();
    let file = File::open(path).map_err(plain)?;
    // Of what is open, as above: where a link leads (Kubernetes mounts links) is what counts.
    let metadata = file.metadata().map_err(plain)?;
    if let Some(why) = distrusted_secret(&metadata, Uid::effective().as_raw()) {
        return Err(why);
    }
    let is_mounted_read_only = fstatvfs(&file).is_ok_and(|of| of.flags().contains(FsFlags::ST_RDONLY));
    let is_read_by_all = is_read_by_all(&metadata, is_mounted_read_only);
    let limit = limits::SECRET_FILE_BYTES_MAX;
    let mut text = String::new();
    file.take(limit.value + 1).read_to_string(&mut text).map_err(plain)?;
    if text.len() > limit.size() {
        return Err(format!("it is larger than {} bytes ({})", limit.value, limit.name));
    }
    Ok(SecretFile { text, is_read_by_all })
}

/// A pipe (`<(…)` of a shell) and a device hold what they are given; of a file counts who may write it.
fn distrusted_secret(metadata: &Metadata, us: u32) -> Option<String> {
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if metadata.is_file() && mode & WRITTEN_BY_OTHERS != 0 {
        return Some(format!("it can be written by others than its owner (mode {mode:04o}; chmod go-w)"));
    }
    // As of the settings file that is named: containers that are not root's are given files of whoever wrote them.
    let is_trusted = !metadata.is_file() || us != 0 || owner == 0;
    (!is_trusted)
        .then(|| format!("it belongs to another user (uid {owner}) and this program is root's (chown 0)"))
}

fn is_read_by_all(metadata: &Metadata, is_mounted_read_only: bool) -> bool {
    let is_given = metadata.uid() == 0 && (is_mounted_read_only || metadata.mode() & WRITTEN_BY_ANYBODY == 0);
    metadata.is_file() && metadata.mode() & READ_BY_ALL != 0 && !is_given
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
        if us != 0 {
            assert!(distrusted_secret(&metadata, 0).is_some(), "root reads nobody else's secret");
        }
        assert_eq!(distrusted_secret(&metadata, us + 1), None, "told to read it");
        let null = distrusted("/dev/null", &std::fs::metadata("/dev/null").unwrap(), us + 1, false);
        assert_eq!(null, None);
    }

    #[test]
    fn a_secret_that_others_may_write_is_not_read_and_one_that_all_may_read_is_told() {
        let place = tempfile::tempdir().unwrap();
        let (path, link) = (place.path().join("..data"), place.path().join("key"));
        std::fs::write(&path, "hunter2").unwrap();
        // As Kubernetes mounts them.
        std::os::unix::fs::symlink("..data", &link).unwrap();
        let us = Uid::effective().as_raw();
        for (mode, told) in [(0o600, false), (0o400, false), (0o440, false), (0o640, false), (0o644, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let read = read_secret(&link).unwrap();
            assert_eq!((read.text.as_str(), read.is_read_by_all), ("hunter2", told), "{mode:o}");
        }
        for mode in [0o660, 0o602, 0o666, 0o464] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let why = read_secret(&link).map(|read| read.text).unwrap_err();
            assert!(why.contains("chmod go-w") && !why.contains("hunter2"), "{mode:o}: {why}");
        }
        // What containers are given: root's, and nobody's to write, by its mode or by the mount.
        for (mode, read_only, told) in
            [(0o444, false, us != 0), (0o644, true, us != 0), (0o644, false, true), (0o440, false, false)]
        {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_read_by_all(&path.metadata().unwrap(), read_only), told, "{mode:o} {read_only}");
        }
        // A pipe is whoever's has it.
        assert_eq!(read_secret(Path::new("/dev/null")).map(|read| read.is_read_by_all), Ok(false));
    }
}
