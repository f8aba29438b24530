//! The ways out: a mail server, a directory, memory, or nowhere.

use std::collections::VecDeque;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base::Settings;
use lettre::Message as Mail;
use uuid::Uuid;

use crate::smtp::{Smtp, Transcript};
use crate::{Error, limits, settings};

/// How a mail leaves.
#[derive(Clone)]
pub enum Sender {
    /// Through a mail server.
    Smtp(Box<Smtp>),
    /// As an `.eml` file in a directory.
    Files(PathBuf),
    /// Into memory, for tests.
    Memory(Caught),
    /// Not at all: the outbox keeps it for whoever may look. `dev` only.
    Catch,
    /// Not at all: nothing is configured, and putting a mail is refused.
    None,
}

/// What the memory sender was given, newest last. Clones share it.
#[derive(Clone, Default)]
pub struct Caught(Arc<Mutex<VecDeque<Vec<u8>>>>);

impl Caught {
    /// The mails as they would have been sent.
    pub fn mails(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        kept.iter().map(|mail| String::from_utf8_lossy(mail).into_owned()).collect()
    }

    fn keep(&self, mail: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if kept.len() >= limits::CAUGHT.size() {
            kept.pop_front();
        }
        kept.push_back(mail);
    }
}

impl Sender {
    /// The configured way out; `Sender::None` when there is none.
    pub fn configured(settings: &Settings) -> Result<Self, Error> {
        if let Some(directory) = settings.get(&settings::FILE_DIR) {
            return Ok(Sender::Files(directory));
        }
        Ok(Smtp::configured(settings)?.map_or(Sender::None, |smtp| Sender::Smtp(Box::new(smtp))))
    }

    pub(crate) async fn send(&self, id: Uuid, mail: &Mail, transcript: &mut Transcript) -> Result<(), Error> {
        match self {
            Sender::Smtp(server) => server.send(mail, transcript).await,
            Sender::Files(directory) => {
                let path = directory.join(format!("{id}.eml"));
                transcript.note(&format!("written to {}", path.display()));
                let (content, target) = (mail.formatted(), path.clone());
                let written = tokio::task::spawn_blocking(move || write_private(&target, &content)).await;
                written
                    .unwrap_or_else(|stopped| Err(stopped.into()))
                    .map_err(|source| Error::File { path, source })
            }
            Sender::Memory(caught) => {
                caught.keep(mail.formatted());
                transcript.note("kept in memory");
                Ok(())
            }
            Sender::Catch | Sender::None => Err(Error::NoSender),
        }
    }
}

/// Links in mails sign people in: nobody else on the machine may read them.
fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)
}
