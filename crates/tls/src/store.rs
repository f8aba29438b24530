//! What is kept of certificates in the data folder: chains readable, keys sealed or for their owner only.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use seal::RootKey;

use crate::material::read;
use crate::{Error, Material};

/// The folder `tls` of the data folder.
pub(crate) struct Store {
    pub(crate) folder: PathBuf,
}

fn refused(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}

/// Written beside and put in place at once, so that a crash leaves the old one.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let beside = path.with_extension("new");
    let _none_left_by_a_crash = std::fs::remove_file(&beside);
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside);
    let mut file = opened.map_err(refused(&beside))?;
    std::io::Write::write_all(&mut file, bytes).map_err(refused(&beside))?;
    file.sync_all().map_err(refused(&beside))?;
    std::fs::rename(&beside, path).map_err(refused(path))
}

pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write(path, bytes, 0o600)
}

pub(crate) fn write_public(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write(path, bytes, 0o644)
}

pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let why = || Error::Content { path: path.to_owned(), why: "it is not text".to_owned() };
    String::from_utf8(read(path)?).map_err(|_| why())
}

impl Store {
    pub(crate) fn open(data: &Path) -> Result<Store, Error> {
        let folder = data.join("tls");
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(refused(&folder))?;
        Ok(Store { folder })
    }

    /// Keeps a certificate that an authority gave. The key is sealed with the root key.
    pub(crate) fn keep(&self, root: &RootKey, chain: &str, key: &str) -> Result<(), Error> {
        let sealed = root.seal(key.as_bytes(), KEY)?;
        write_private(&self.folder.join("acme.key.sealed"), &sealed)?;
        write_public(&self.folder.join("acme.pem"), chain.as_bytes())
    }

    /// The certificate that was kept last, if there is one.
    pub(crate) fn kept(&self, root: &RootKey) -> Result<Option<(Material, String)>, Error> {
        let path = self.folder.join("acme.pem");
        if !path.exists() {
            return Ok(None);
        }
        let chain = read_text(&path)?;
        let key = root.open(&read(&self.folder.join("acme.key.sealed"))?, KEY)?;
        let material = Material::from_pem(chain.as_bytes(), key.expose());
        // Killed between the two files: the key is the new one's and the chain the old one's. It is got again.
        Ok(material.ok().map(|material| (material, chain)))
    }

    /// An account at an authority.
    pub(crate) fn account(&self, root: &RootKey, directory: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.account_path(directory);
        if !path.exists() {
            return Ok(None);
        }
        Ok(Some(root.open(&read(&path)?, &account(directory))?.expose().clone()))
    }

    pub(crate) fn keep_account(&self, root: &RootKey, directory: &str, text: &[u8]) -> Result<(), Error> {
        write_private(&self.account_path(directory), &root.seal(text, &account(directory))?)
    }

    fn account_path(&self, directory: &str) -> PathBuf {
        let name = seal::sha256(directory.as_bytes());
        let name: String = name.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("account-{name}.sealed"))
    }
}

const KEY: &str = "tls: the certificate's key";

fn account(directory: &str) -> String {
    format!("tls: account at {directory}")
}
