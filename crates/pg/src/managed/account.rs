//! Whose process the server is. PostgreSQL refuses to run as root, so root starts it as somebody else.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Uid, User};

use crate::{Error, SetupError};

/// Tried in this order when root has no cluster yet: Debian's package makes the first, an operator the second; the
/// last exists everywhere, and is shared with whatever else runs as it.
const CANDIDATES: &[&str] = &["postgres", "palisade", "nobody"];

/// The user PostgreSQL runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// User id, never 0.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Whether that is somebody else than us: only root can do that.
    pub other: bool,
}

impl Account {
    /// Ourselves; or, as root, the owner of an existing cluster, else the first candidate this machine has.
    pub fn choose(cluster: &Path) -> Result<Account, Error> {
        let ours = Uid::effective();
        let owner = fs::metadata(cluster).ok().map(|metadata| (metadata.uid(), metadata.gid()));
        match owner {
            _ if !ours.is_root() && owner.is_none_or(|(uid, _)| uid == ours.as_raw()) => {
                Ok(Account { uid: ours.as_raw(), gid: nix::unistd::Gid::effective().as_raw(), other: false })
            }
            Some((uid, gid)) if ours.is_root() && uid != 0 => Ok(Account { uid, gid, other: true }),
            Some((uid, _)) => Err(foreign_cluster(cluster, uid)),
            None => first_candidate(),
        }
    }

    /// Makes `command` run as this user, without root's groups, outside our terminal's process group: Ctrl-C is for
    /// us, and we tell the server when everything else is done with it.
    pub fn apply(self, command: &mut Command) {
        command.env_clear().env("PATH", processes::PATH).env("LC_ALL", "C").process_group(0);
        if self.other {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Gives a path of ours to it.
    pub fn own(self, path: &Path) -> std::io::Result<()> {
        if self.other { std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid)) } else { Ok(()) }
    }

    /// The directory, `path` or above it, that this user cannot enter.
    pub fn stopped_at(self, path: &Path) -> Option<&Path> {
        if !self.other {
            return None;
        }
        let closed = |dir: &&Path| fs::metadata(dir).is_ok_and(|metadata| !self.enters(&metadata));
        path.ancestors().filter(|dir| !dir.as_os_str().is_empty()).filter(closed).last()
    }

    /// By the permission bits; a directory opened by an ACL alone is taken for closed, which is the safe mistake.
    fn enters(self, metadata: &fs::Metadata) -> bool {
        let mode = metadata.permissions().mode();
        if metadata.uid() == self.uid {
            mode & 0o100 != 0
        } else if metadata.gid() == self.gid {
            mode & 0o010 != 0
        } else {
            mode & 0o001 != 0
        }
    }
}

fn first_candidate() -> Result<Account, Error> {
    let found = CANDIDATES.iter().find_map(|name| User::from_name(name).ok().flatten());
    match found.filter(|user| !user.uid.is_root()) {
        Some(user) => Ok(Account { uid: user.uid.as_raw(), gid: user.gid.as_raw(), other: true }),
        None => Err(SetupError::new(
            "pg.server.account",
            "PostgreSQL was not started",
            "it refuses to run as root and this machine has no user `postgres`, `palisade` or `nobody`",
            "Run `useradd --system palisade`, or start Palisade as an ordinary user",
        )
        .into()),
    }
}

fn foreign_cluster(cluster: &Path, uid: u32) -> Error {
    let name = User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or(uid.to_string(), |user| user.name);
    SetupError::new(
        "pg.server.foreign",
        format!("{} was not started", cluster.display()),
        format!("it belongs to `{name}`"),
        match uid {
            0 => format!("Run `chown -R postgres {}`: PostgreSQL refuses to run as root", cluster.display()),
            _ => format!("Start Palisade as `{name}` or as root, or give it a data directory of its own"),
        },
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_parent_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let closed = dir.path().join("closed");
        let inside = closed.join("inside");
        fs::create_dir_all(&inside).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        let nobody = Account { uid: 65534, gid: 65534, other: true };
        assert_eq!(nobody.stopped_at(&inside), Some(closed.as_path()));
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(nobody.stopped_at(&inside), None);
    }
}
