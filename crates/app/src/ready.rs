//! The ready file: how scripts learn where the server is. Written whole, readable by its owner only, gone at the end.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base::Secret;
use serde_json::json;

/// What the file says.
pub struct Ready {
    /// The API.
    pub url: String,
    /// The key that browsers use.
    pub publishable_key: String,
    /// The key that programs use.
    pub secret_key: Secret,
    /// An administrator's way into the database, over its socket.
    pub database_url: Secret,
}

/// The written file; removed when dropped, so that it never names a server that is gone.
pub struct ReadyFile(PathBuf);

impl Ready {
    /// Writes it beside its place and moves it there, so that nobody reads half of it.
    pub fn write(&self, path: &Path) -> std::io::Result<ReadyFile> {
        let content = json!({
            "url": self.url,
            "publishable_key": self.publishable_key,
            "secret_key": self.secret_key.expose(),
            "jwks_url": format!("{}/auth/v1/.well-known/jwks.json", self.url),
            "database_url": self.database_url.expose(),
            "version": env!("CARGO_PKG_VERSION"),
        });
        write_private(path, format!("{content:#}\n").as_bytes())?;
        Ok(ReadyFile(path.to_owned()))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "the ready file was gone already");
        }
    }
}

/// Writes a 0600 file in one step.
pub fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    if let Err(error) = std::fs::remove_file(&beside)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}
