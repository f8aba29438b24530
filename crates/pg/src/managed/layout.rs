//! Where things lie: what is ours in the data directory, what PostgreSQL must reach where it can.
//!
//! Usually both are the same directory. Two things may move, and a pointer file remembers where to: the cluster, when
//! root's data directory is somewhere PostgreSQL's user cannot enter (its home), and the socket, when its path would
//! not fit into the 107 bytes a Unix socket address has.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::binaries::Binaries;
use crate::{Error, SetupError, limits};

use super::account::Account;
use super::config::ManagedConfig;
use super::files::{self, failed};

/// The name PostgreSQL gives its socket, with the longer name of its lock.
const SOCKET_FILE: &str = ".s.PGSQL.65535.lock";

/// The directories of one embedded server.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The data directory: secrets, lock, log, pointers. Ours alone.
    pub home: PathBuf,
    /// What PostgreSQL reads but may not write: its configuration.
    pub place: PathBuf,
    /// PGDATA.
    pub cluster: PathBuf,
    /// The socket's directory: only PostgreSQL's user (and root) can use it.
    pub sockets: PathBuf,
    /// Who runs it.
    pub account: Account,
}

impl Layout {
    /// Makes the directories.
    pub fn prepare(config: &ManagedConfig, binaries: &Binaries) -> Result<Layout, Error> {
        let home = fs::canonicalize(&config.data_dir).map_err(|error| failed(&config.data_dir, &error))?;
        let pointer = home.join("postgres.location");
        let remembered = read_pointer(&pointer);
        let wanted = remembered.clone().unwrap_or_else(|| home.clone());
        let account = Account::choose(&wanted.join("cluster"))?;
        if let Some(closed) = account.stopped_at(&binaries.dir) {
            return Err(unreachable_programs(binaries, closed));
        }
        open_to_pass(&home, account).map_err(|error| failed(&home, &error))?;
        let place = match remembered {
            Some(place) => place,
            None => choose_place(&home, &pointer, account)?,
        };
        let sockets = choose_sockets(&home, &place, account, config)?;
        Ok(Layout { cluster: place.join("cluster"), home, place, sockets, account })
    }

    /// PostgreSQL's log. We open it and hand it over, so it may lie where only we can go.
    pub fn log(&self) -> PathBuf {
        self.home.join("postgres.log")
    }
}

/// Makes the data directory and takes its lock, which lasts as long as the returned file is open.
pub fn lock(data_dir: &Path) -> Result<File, Error> {
    files::make_dir(data_dir, 0o700).map_err(|error| failed(data_dir, &error))?;
    let path = data_dir.join("palisade.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| failed(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(SetupError::new(
            "pg.server.locked",
            "Palisade was not started",
            format!("another Palisade is using {}", data_dir.display()),
            "Stop it first, or give this one a data directory of its own",
        )
        .into()),
        Err(fs::TryLockError::Error(error)) => Err(failed(&path, &error)),
    }
}

/// Lets the other user pass through the data directory without being able to list it; the files in it stay 0600.
fn open_to_pass(home: &Path, account: Account) -> std::io::Result<()> {
    let mode = fs::metadata(home)?.permissions().mode() & 0o777;
    if account.other && mode & 0o001 == 0 {
        fs::set_permissions(home, fs::Permissions::from_mode(mode | 0o001))?;
    }
    Ok(())
}

fn choose_place(home: &Path, pointer: &Path, account: Account) -> Result<PathBuf, Error> {
    let Some(closed) = account.stopped_at(home) else { return Ok(home.to_owned()) };
    let place = Path::new("/var/lib/palisade").join(fingerprint(home));
    files::make_dir(&place, 0o711).map_err(|error| failed(&place, &error))?;
    if let Some(also) = account.stopped_at(&place) {
        let what = format!("The database was not placed for {}", home.display());
        let why = format!("PostgreSQL's user can enter neither {} nor {}", closed.display(), also.display());
        let fix =
            "Choose a data directory whose parents others may enter (`chmod o+x`), for example /srv/palisade";
        return Err(SetupError::new("pg.server.place", what, why, fix).into());
    }
    tracing::warn!(
        closed = %closed.display(), cluster = %place.display(),
        "PostgreSQL's user cannot enter the data directory; its cluster is kept elsewhere"
    );
    files::write(pointer, &place.to_string_lossy(), 0o600).map_err(|error| failed(pointer, &error))?;
    Ok(place)
}

fn choose_sockets(
    home: &Path,
    place: &Path,
    account: Account,
    config: &ManagedConfig,
) -> Result<PathBuf, Error> {
    let near = place.join("run");
    if fits(&near) {
        files::make_dir(&near, 0o700)
            .and_then(|()| account.own(&near))
            .and_then(|()| fs::set_permissions(&near, fs::Permissions::from_mode(0o700)))
            .map_err(|error| failed(&near, &error))?;
        return Ok(near);
    }
    let pointer = home.join("socket.location");
    if let Some(remembered) = read_pointer(&pointer).filter(|path| files::is_private_dir(path, account.uid)) {
        return Ok(remembered);
    }
    let name = format!("palisade-{}", hex::encode(config.rng.bytes::<6>()));
    let roots = [Path::new("/run"), Path::new("/tmp")];
    // `create_dir`, not `create_dir_all`: an existing directory in a public place is somebody else's.
    let made = roots.iter().map(|root| root.join(&name)).find(|path| fs::create_dir(path).is_ok());
    let Some(far) = made else {
        let why =
            format!("{} is too long for a Unix socket and neither /run nor /tmp can be used", near.display());
        let fix = "Choose a data directory with a shorter path";
        return Err(SetupError::new("pg.server.socket", "No place for the socket", why, fix).into());
    };
    fs::set_permissions(&far, fs::Permissions::from_mode(0o700))
        .and_then(|()| account.own(&far))
        .and_then(|()| files::write(&pointer, &far.to_string_lossy(), 0o600))
        .map_err(|error| failed(&far, &error))?;
    Ok(far)
}

fn fits(sockets: &Path) -> bool {
    sockets.join(SOCKET_FILE).as_os_str().as_bytes().len() <= limits::SOCKET_PATH_BYTES_MAX.size()
}

fn read_pointer(pointer: &Path) -> Option<PathBuf> {
    Some(PathBuf::from(fs::read_to_string(pointer).ok()?.trim()))
}

fn fingerprint(path: &Path) -> String {
    hex::encode(seal::sha256(path.as_os_str().as_bytes()).get(..8).unwrap_or_default())
}

fn unreachable_programs(binaries: &Binaries, closed: &Path) -> Error {
    SetupError::new(
        "pg.server.programs",
        format!("PostgreSQL was not started from {}", binaries.dir.display()),
        format!("its user cannot enter {}, and it refuses to run as root", closed.display()),
        "Install PostgreSQL from the system's packages, or start Palisade as an ordinary user",
    )
    .into()
}
