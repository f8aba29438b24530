//! Small files that must be whole and private.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base::{Rng, Secret};

use crate::{Error, SetupError};

/// Reads a password from `path`, or makes one there: 0600, written whole or not at all.
pub fn load_or_create_secret(path: &Path, rng: &Rng) -> Result<Secret, Error> {
    match fs::read_to_string(path) {
        Ok(text) => {
            require_private(path)?;
            let secret = text.trim();
            if secret.is_empty() {
                return Err(refused(path, "it is empty", "Restore it from a copy"));
            }
            Ok(Secret::from(secret))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = Secret::new(hex::encode(rng.bytes::<24>()));
            write(path, secret.expose(), 0o600).map_err(|error| failed(path, &error))?;
            Ok(secret)
        }
        Err(error) => Err(failed(path, &error)),
    }
}

/// A secret others may read is no secret: refused, rather than quietly repaired, because it may have been read.
fn require_private(path: &Path) -> Result<(), Error> {
    let mode = fs::metadata(path).map_err(|error| failed(path, &error))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let fix =
        format!("Run `chmod 600 {}`, and replace the secret if others use this machine", path.display());
    Err(refused(path, &format!("others may read it (mode {:o})", mode & 0o777), &fix))
}

/// Replaces a file with `text`, so that a crash leaves the old one or the new one.
pub fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let temporary = path.with_extension("new");
    if let Err(error) = fs::remove_file(&temporary)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    // The umask may have taken bits that PostgreSQL's user needs.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Makes a directory with `mode`, its parents as the umask has them; an existing one is left as it is.
pub fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether `path` is a directory (not a link to one) that only `uid` can use.
pub fn is_private_dir(path: &Path, uid: u32) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == uid && metadata.permissions().mode() & 0o077 == 0
    })
}

fn refused(path: &Path, why: &str, fix: &str) -> Error {
    SetupError::new("pg.server.secret", format!("{} was not used", path.display()), why, fix).into()
}

/// A file operation that did not work.
pub fn failed(path: &Path, error: &io::Error) -> Error {
    let what = format!("{} cannot be used", path.display());
    let fix = "Check that its file system is writable, has room, and that this user may use it";
    SetupError::new("pg.server.file", what, error.to_string(), fix).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.password");
        let made = load_or_create_secret(&path, &Rng::seeded(1)).unwrap();
        let read = load_or_create_secret(&path, &Rng::seeded(2)).unwrap();
        assert_eq!(made.expose(), read.expose());
        assert_eq!(made.expose().len(), 48);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_secret_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.password");
        write(&path, "hunter2", 0o644).unwrap();
        let error = load_or_create_secret(&path, &Rng::seeded(1)).err().unwrap().to_string();
        assert!(
            error.contains("mode 644") && error.contains("chmod 600") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn an_unfinished_write_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.conf");
        fs::write(dir.path().join("a.new"), "half").unwrap();
        write(&path, "whole", 0o600).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
    }
}
