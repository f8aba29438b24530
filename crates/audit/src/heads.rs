//! Heads: signed statements "at this time the chain ended here", kept in the database and in a file outside it.
//!
//! The file is the anchor: it is what shows a cut tail or a database put back to an older state. Invariant: a head is
//! on disk (fsync) before the next batch is chained, and lines are only ever appended while the server runs.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pg::Row;
use serde::{Deserialize, Serialize};

use crate::keys::{Hash, Keys, read_hash};
use crate::{Error, limits};

/// Where the chain ended at one time, signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last entry's place.
    pub seq: i64,
    /// When it was chained.
    pub at: Timestamp,
    /// Its hash, which covers everything before.
    pub hash: Hash,
    /// Which node chained it.
    pub node: String,
    signature: Hash,
}

/// A head as one line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    seq: i64,
    at: Timestamp,
    hash: String,
    node: String,
    signature: String,
}

impl Head {
    pub(crate) fn sign(keys: &Keys, seq: i64, at: Timestamp, hash: Hash, node: &str) -> Self {
        Head { seq, at, hash, node: node.to_owned(), signature: keys.sign_head(seq, at, &hash, node) }
    }

    pub(crate) fn read(row: Row<'_>) -> Result<Self, pg::Error> {
        let hash = |name: &'static str| {
            let bytes: Vec<u8> = row.get(name)?;
            read_hash(&bytes).ok_or(pg::Error::Shape { column: name.to_owned(), expected: "hash" })
        };
        Ok(Head {
            seq: row.get("seq")?,
            at: row.get("at")?,
            hash: hash("hash")?,
            node: row.get("node")?,
            signature: hash("signature")?,
        })
    }

    pub(crate) fn signature(&self) -> &Hash {
        &self.signature
    }

    /// Whether it was made with our key.
    pub(crate) fn is_ours(&self, keys: &Keys) -> bool {
        seal::same(&self.signature, &keys.sign_head(self.seq, self.at, &self.hash, &self.node))
    }

    fn line(&self) -> Result<String, serde_json::Error> {
        let line = Line {
            seq: self.seq,
            at: self.at,
            hash: hex::encode(self.hash),
            node: self.node.clone(),
            signature: hex::encode(self.signature),
        };
        Ok(serde_json::to_string(&line)? + "\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let line: Line = serde_json::from_str(text).ok()?;
        let hash = |text: &str| read_hash(&hex::decode(text).ok()?);
        let (hash, signature) = (hash(&line.hash)?, hash(&line.signature)?);
        Some(Head { seq: line.seq, at: line.at, hash, node: line.node, signature })
    }
}

/// `audit/head.jsonl` below the data directory.
pub(crate) struct HeadFile {
    path: PathBuf,
    last: Option<Head>,
}

impl HeadFile {
    pub fn open(data_dir: &Path) -> Result<Self, Error> {
        let directory = data_dir.join("audit");
        let path = directory.join("head.jsonl");
        let unwritable = |source| Error::Unwritable { path: path.clone(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(unwritable)?;
        end_at_a_whole_line(&path).map_err(unwritable)?;
        thin(&path).map_err(unwritable)?;
        let mut last = None;
        read_lines(&path, |head| last = Some(head))?;
        Ok(HeadFile { path, last })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The newest head this node has seen.
    pub fn last(&self) -> Option<&Head> {
        self.last.as_ref()
    }

    /// Adds a head, on the disk when this returns. Opened each time, so that a file moved away is made anew and a full disk is
    /// noticed.
    pub async fn append(&mut self, head: &Head) -> Result<(), Error> {
        let unwritable = |source| Error::Unwritable { path: self.path.clone(), source };
        let line = head.line().map_err(|error| unwritable(error.into()))?;
        let path = self.path.clone();
        let write = move || {
            let mut file = private_append(&path)?;
            file.write_all(line.as_bytes())?;
            file.sync_data()
        };
        apart(write).await.map_err(unwritable)?;
        self.last = Some(head.clone());
        Ok(())
    }
}

/// Waits for a disk on a thread of its own: requests are not to wait with it.
pub(crate) async fn apart(
    write: impl FnOnce() -> std::io::Result<()> + Send + 'static,
) -> std::io::Result<()> {
    tokio::task::spawn_blocking(write).await.map_err(std::io::Error::other)?
}

/// Opens a file of ours to append to: 0600, and never through a symbolic link.
pub(crate) fn private_append(path: &Path) -> std::io::Result<File> {
    let no_follow = nix::fcntl::OFlag::O_NOFOLLOW.bits();
    OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(no_follow).open(path)
}

/// Calls `each` for every head in the file, in order. A file that is not there has none.
pub(crate) fn read_lines(path: &Path, mut each: impl FnMut(Head)) -> Result<(), Error> {
    let unreadable = |source| Error::Unwritable { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(error)),
    };
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(unreadable)?;
        let head = Head::parse(&line);
        each(head.ok_or_else(|| Error::HeadFile { path: path.to_owned(), line: index + 1 })?);
    }
    Ok(())
}

/// A kill in the middle of a write leaves half a line; it says nothing and goes.
fn end_at_a_whole_line(path: &Path) -> std::io::Result<()> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let from = length.saturating_sub(4_096);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
    if from + whole < length { file.set_len(from + whole).and_then(|()| file.sync_all()) } else { Ok(()) }
}

/// Keeps every 64th of the older lines once the file is large: a later head proves what the earlier ones did.
fn thin(path: &Path) -> std::io::Result<()> {
    const RECENT: usize = 4_096;
    let length = match std::fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if length <= limits::HEAD_FILE_BYTES.value {
        return Ok(());
    }
    let text = std::fs::read_to_string(path)?;
    let older = text.lines().count().saturating_sub(RECENT);
    let kept = text.lines().enumerate().filter(|(index, _)| *index >= older || index % 64 == 0);
    let next = path.with_extension("jsonl.next");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    for (_, line) in kept {
        writeln!(file, "{line}")?;
    }
    file.sync_all()?;
    std::fs::rename(next, path)
}
