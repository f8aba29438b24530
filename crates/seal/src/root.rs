//! The root key: 32 bytes in a file only its owner can read. Everything sealed at rest hangs on it.
//!
//! Invariant: the file is never seen half written, and a key that others could read is never used.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use base::Secret;

use crate::{Error, keyed_mac};

const KEY_BYTES: usize = 32;
/// First byte of a sealed value, so that a later format can be told apart.
const FORMAT: u8 = 1;

/// Seals values at rest and derives keys for one purpose each.
pub struct RootKey {
    bytes: Secret<[u8; KEY_BYTES]>,
    sealing: LessSafeKey,
}

impl RootKey {
    /// Reads the key from `path`, making it on first use.
    ///
    /// Two processes that start at once end with the same key: the file is written beside its place and linked into it,
    /// which only one of them can do.
    pub fn load_or_create(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::RootKeyFile { path: path.to_owned(), source };
        match File::open(path) {
            Ok(file) => Self::load(path, file),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create(path).map_err(failed)?;
                Self::load(path, File::open(path).map_err(failed)?)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// From bytes kept elsewhere (a secret manager, a test).
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Result<Self, Error> {
        let sealing_key = Secret::new(keyed_mac(&bytes, b"palisade: seal, version 1"));
        let sealing =
            UnboundKey::new(&AES_256_GCM, sealing_key.expose()).map_err(|_| Error::Library("sealing key"))?;
        Ok(RootKey { bytes: Secret::new(bytes), sealing: LessSafeKey::new(sealing) })
    }

    /// A key for one purpose, always the same for the same words. Knowing it says nothing of the root key.
    pub fn derive(&self, purpose: &str) -> Secret<[u8; 32]> {
        Secret::new(keyed_mac(self.bytes.expose(), format!("palisade: derive: {purpose}").as_bytes()))
    }

    /// Encrypts `plain` so that it can be opened only with the same `context`: name the table, column and row, so that a
    /// sealed value moved to another place does not open there.
    pub fn seal(&self, plain: &[u8], context: &str) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| Error::Library("random nonce"))?;
        let mut body = plain.to_vec();
        let at = Nonce::assume_unique_for_key(nonce);
        self.sealing
            .seal_in_place_append_tag(at, Aad::from(context.as_bytes()), &mut body)
            .map_err(|_| Error::Library("seal"))?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what [`RootKey::seal`] made for the same `context`.
    pub fn open(&self, sealed: &[u8], context: &str) -> Result<Secret<Vec<u8>>, Error> {
        let (format, rest) = sealed.split_first().ok_or(Error::NotOurs)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Error::NotOurs)?;
        if *format != FORMAT {
            return Err(Error::NotOurs);
        }
        let mut body = body.to_vec();
        let at = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .sealing
            .open_in_place(at, Aad::from(context.as_bytes()), &mut body)
            .map_err(|_| Error::NotOurs)?
            .len();
        body.truncate(opened);
        Ok(Secret::new(body))
    }

    fn load(path: &Path, mut file: File) -> Result<Self, Error> {
        let failed = |source| Error::RootKeyFile { path: path.to_owned(), source };
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::RootKeyExposed { path: path.to_owned(), mode });
        }
        // One byte more than a key, so that a longer file is noticed.
        let mut read = Vec::with_capacity(KEY_BYTES + 1);
        Read::by_ref(&mut file).take(KEY_BYTES as u64 + 1).read_to_end(&mut read).map_err(failed)?;
        let read = Secret::new(read);
        let bytes = <[u8; KEY_BYTES]>::try_from(read.expose().as_slice());
        Self::from_bytes(bytes.map_err(|_| Error::RootKeyLength { path: path.to_owned() })?)
    }
}

/// Writes a new key beside `path` and links it into place. Losing that race is fine: the winner's key is read next.
fn create(path: &Path) -> std::io::Result<()> {
    let mut bytes = [0; KEY_BYTES];
    rand::fill(&mut bytes).map_err(|_| std::io::Error::other("no random bytes"))?;
    let bytes = Secret::new(bytes);
    let mut tag = [0; 8];
    rand::fill(&mut tag).map_err(|_| std::io::Error::other("no random bytes"))?;
    let beside = path.with_extension(format!("new-{}", hex::encode(tag)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = file.write_all(bytes.expose()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&beside, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    fs::remove_file(&beside)?;
    linked?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> RootKey {
        RootKey::from_bytes([byte; 32]).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_only_with_its_key_and_its_context() {
        let sealed = key(1).seal(b"secret", "auth.sessions:1").unwrap();
        assert_eq!(key(1).open(&sealed, "auth.sessions:1").unwrap().expose(), b"secret");
        assert!(key(1).open(&sealed, "auth.sessions:2").is_err());
        assert!(key(2).open(&sealed, "auth.sessions:1").is_err());
    }

    #[test]
    fn a_sealed_value_with_any_bit_changed_does_not_open() {
        let sealed = key(1).seal(b"secret", "here").unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(key(1).open(&changed, "here").is_err(), "byte {index}");
        }
        assert!(key(1).open(&[], "here").is_err());
        assert!(key(1).open(&sealed[..12], "here").is_err());
    }

    #[test]
    fn the_same_value_is_sealed_differently_each_time() {
        assert_ne!(key(1).seal(b"x", "c").unwrap(), key(1).seal(b"x", "c").unwrap());
    }

    #[test]
    fn a_new_root_key_is_private_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let made = RootKey::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let found = RootKey::load_or_create(&path).unwrap();
        assert_eq!(made.derive("x").expose(), found.derive("x").expose());
        assert_ne!(made.derive("x").expose(), made.derive("y").expose());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the key");
    }

    #[test]
    fn a_root_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        RootKey::load_or_create(&path).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(RootKey::load_or_create(&path), Err(Error::RootKeyExposed { .. })), "{mode:o}");
        }
    }

    #[test]
    fn a_root_key_of_another_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 31, 33] {
            let path = folder.path().join(format!("{length}.key"));
            fs::write(&path, vec![7; length]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(RootKey::load_or_create(&path), Err(Error::RootKeyLength { .. })), "{length}");
        }
    }

    #[test]
    fn processes_that_start_at_once_end_with_one_root_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || *RootKey::load_or_create(&path).unwrap().derive("x").expose())
            })
            .collect();
        let keys: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(keys.iter().all(|key| key == &keys[0]));
    }
}
