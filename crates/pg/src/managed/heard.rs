//! What the embedded server says: its log is written for people, statements it was told to report go to whoever asks.
//!
//! The server writes into a file that has no name and lies in memory, so what somebody typed never reaches a disk; a
//! message is one write and comes whole, however long. What is in it is read by the thread that watches the server, and
//! given back to the machine.
//!
//! Who a line is about is taken from the server's own words when the session began, by its process, never from a prefix: a
//! name that a stranger sends may hold line breaks, and would forge whole entries. Inside a message PostgreSQL puts a tab
//! behind each line break, so a line that begins without one is a message of its own.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use tokio::sync::broadcast;

use super::ran::{Class, Ran, Session, Witness};
use crate::{Error, limits};

/// Reads what the server says.
pub struct Ear {
    said: File,
    /// Up to where it was read.
    at: u64,
    /// Up to where its memory was given back.
    given_back: u64,
    message: Vec<u8>,
    at_line_start: bool,
    log: PathBuf,
    sessions: HashMap<u32, Session>,
    wanted: Vec<Class>,
    ran: broadcast::Sender<Arc<Ran>>,
}

impl Ear {
    /// One for a server whose log is at `log`.
    pub fn open(log: PathBuf, wanted: Vec<Class>, ran: broadcast::Sender<Arc<Ran>>) -> Result<Ear, Error> {
        let refused = |error: nix::Error| Error::Bug(format!("no memory for what PostgreSQL says: {error}"));
        let said = memfd_create("palisade-postgres", MFdFlags::MFD_CLOEXEC).map_err(refused)?;
        // Every backend writes at the end, whoever wrote before it.
        fcntl(&said, FcntlArg::F_SETFL(OFlag::O_APPEND)).map_err(refused)?;
        Ok(Ear {
            said: File::from(said),
            at: 0,
            given_back: 0,
            message: Vec::new(),
            at_line_start: true,
            log,
            sessions: HashMap::new(),
            wanted,
            ran,
        })
    }

    /// Where the server is to write.
    pub fn mouth(&self) -> std::io::Result<File> {
        self.said.try_clone()
    }

    /// Takes what came since the last look. The newest message is complete when nothing came behind it for a while, or
    /// when there is nobody left to write: `all`.
    pub fn listen(&mut self, all: bool) {
        let mut buffer = vec![0; limits::LOG_READ_BYTES.size()];
        let mut for_people = String::new();
        let before = self.at;
        loop {
            match self.said.read_at(&mut buffer, self.at) {
                Ok(0) => break,
                Ok(read) => {
                    self.at += read as u64;
                    self.take(buffer.get(..read).unwrap_or_default(), &mut for_people);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "what PostgreSQL says could not be read");
                    break;
                }
            }
        }
        if all || before == self.at {
            self.finish(&mut for_people);
        }
        self.give_back();
        if !for_people.is_empty() {
            let opened = File::options().create(true).append(true).open(&self.log);
            if let Err(error) = opened.and_then(|mut log| log.write_all(for_people.as_bytes())) {
                tracing::error!(%error, log = %self.log.display(), "PostgreSQL's log could not be written");
            }
        }
    }

    /// A hole costs no memory.
    fn give_back(&mut self) {
        if self.given_back == self.at {
            return;
        }
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let (from, bytes) = (self.given_back, self.at - self.given_back);
        let (Ok(from), Ok(bytes)) = (i64::try_from(from), i64::try_from(bytes)) else { return };
        match fallocate(&self.said, flags, from, bytes) {
            Ok(()) => self.given_back = self.at,
            Err(error) => tracing::warn!(%error, "memory of PostgreSQL's messages was not given back"),
        }
    }

    fn take(&mut self, bytes: &[u8], for_people: &mut String) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.at_line_start && !line.starts_with(b"\t") {
                self.finish(for_people);
            }
            let room = limits::LOG_MESSAGE_BYTES.size().saturating_sub(self.message.len());
            self.message.extend_from_slice(line.get(..room).unwrap_or(line));
            self.at_line_start = line.ends_with(b"\n");
        }
    }

    fn finish(&mut self, for_people: &mut String) {
        if self.message.is_empty() {
            return;
        }
        let message = std::mem::take(&mut self.message);
        let message = String::from_utf8_lossy(&message);
        let message = message.trim_end_matches('\n');
        if let Some(line) = self.understand(message) {
            for_people.push_str(&line);
            for_people.push('\n');
        }
    }

    /// What of a message people should read; reports are passed on instead.
    fn understand(&mut self, message: &str) -> Option<String> {
        let Some((pid, head, rest)) = split_prefix(message) else { return Some(message.to_owned()) };
        if let Some(said) = rest.strip_prefix("LOG:  ") {
            // Only behind what this session itself reports: nobody else can make such a line.
            let said = said.replace("\n\t", "\n");
            if self.meet(pid, &said) {
                return None;
            }
            let nobody = Session::default();
            let session = self.sessions.get(&pid).unwrap_or(&nobody);
            let ran = match said.strip_prefix("AUDIT: ") {
                Some(audited) => Some(Ran::audited(session, audited)),
                None => Ran::logged(session, &said, &self.wanted),
            };
            if let Some(ran) = ran {
                if let Some(ran) = ran {
                    // Without anybody who asks it is not kept.
                    let _ = self.ran.send(Arc::new(ran));
                }
                return None;
            }
        }
        let who = self.sessions.get(&pid).map(|session| format!("{}@{} ", session.user, session.database));
        Some(format!("{head}{}{rest}", who.unwrap_or_default()))
    }

    /// Whether it is about a session that comes or goes, which is remembered.
    fn meet(&mut self, pid: u32, said: &str) -> bool {
        if let Some(received) = said.strip_prefix("connection received: host=") {
            let host = received.split(' ').next().unwrap_or_default();
            if self.sessions.len() < limits::LOG_SESSIONS.size() {
                self.sessions.insert(pid, Session { host: host.to_owned(), ..Session::default() });
            }
        } else if let Some(who) =
            said.strip_prefix("replication ").unwrap_or(said).strip_prefix("connection authorized: user=")
        {
            let (user, rest) = who.split_once(" database=").unwrap_or((who, ""));
            let end = [" application_name=", " SSL enabled", " GSS "]
                .iter()
                .filter_map(|mark| rest.find(mark))
                .min();
            let session = self.sessions.entry(pid).or_default();
            session.user = user.to_owned();
            session.database = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default().to_owned();
        } else if said.starts_with("disconnection: ") {
            self.sessions.remove(&pid);
        } else {
            return said.starts_with("connection authenticated: ");
        }
        true
    }
}

/// `2026-01-15 12:00:00.123 UTC [4711] LOG:  …` cut behind the process.
fn split_prefix(message: &str) -> Option<(u32, &str, &str)> {
    let (_, rest) = message.split_once(" [")?;
    let (pid, rest) = rest.split_once("] ")?;
    let head = message.get(..message.len() - rest.len())?;
    let is_time = head.starts_with(|first: char| first.is_ascii_digit());
    Some((pid.parse().ok().filter(|_| is_time)?, head, rest))
}

/// Whether the server's packages bring pgaudit.
pub fn witness(programs: &std::path::Path) -> Witness {
    let places = ["../lib/pgaudit.so", "../lib/postgresql/pgaudit.so", "../lib64/pgaudit.so"];
    if places.iter().any(|place| programs.join(place).is_file()) { Witness::Pgaudit } else { Witness::Server }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(said: &[&str]) -> (Vec<Arc<Ran>>, String) {
        let folder = tempfile::tempdir().unwrap();
        let (ran, mut told) = broadcast::channel(64);
        let log = folder.path().join("postgres.log");
        let mut ear = Ear::open(log.clone(), vec![Class::Ddl, Class::Write, Class::Role], ran).unwrap();
        let mut mouth = ear.mouth().unwrap();
        for text in said {
            mouth.write_all(text.as_bytes()).unwrap();
            ear.listen(false);
        }
        ear.listen(true);
        let heard = std::iter::from_fn(|| told.try_recv().ok()).collect();
        (heard, std::fs::read_to_string(log).unwrap_or_default())
    }

    const AT: &str = "2026-01-15 12:00:00.123 UTC [4711] ";

    fn met() -> String {
        format!(
            "{AT}LOG:  connection received: host=[local]\n\
             {AT}LOG:  connection authorized: user=ann database=shop application_name=psql\n"
        )
    }

    #[test]
    fn a_statement_is_told_with_who_where_and_what_and_never_with_what_was_typed_in_it() {
        let audit = format!(
            "{AT}LOG:  AUDIT: SESSION,1,1,WRITE,INSERT,TABLE,public.t,\"INSERT INTO t\n\t VALUES ('sec,\"\"ret', 4711)\",<not logged>\n"
        );
        let (heard, log) = hear(&[&met(), &audit]);
        let [ran] = &heard[..] else { panic!("{} statements", heard.len()) };
        assert_eq!((ran.user.as_str(), ran.database.as_str(), ran.class), ("ann", "shop", Class::Write));
        assert_eq!((ran.command.as_str(), ran.object.as_deref()), ("INSERT", Some("public.t")));
        assert_eq!(ran.text, "INSERT INTO t VALUES ('…', …)");
        assert_eq!(log, "");
    }

    #[test]
    fn a_message_that_comes_in_pieces_is_one() {
        let (heard, _) = hear(&[&met(), &format!("{AT}LOG:  statement: DROP\n"), "\tTABLE t\n", "\t;\n"]);
        assert_eq!(heard.iter().map(|ran| ran.text.as_str()).collect::<Vec<_>>(), ["DROP TABLE t ;"]);
    }

    #[test]
    fn what_is_for_people_is_in_the_log_with_who_it_is_about() {
        let (heard, log) =
            hear(&[&met(), &format!("{AT}ERROR:  no\n{AT}HINT:  yes\n"), "postgres: cannot\n"]);
        assert!(heard.is_empty());
        assert_eq!(log, format!("{AT}ann@shop ERROR:  no\n{AT}ann@shop HINT:  yes\npostgres: cannot\n"));
    }

    #[test]
    fn a_strangers_name_cannot_be_taken_for_a_report() {
        let name = format!(
            "x\n\t{AT}LOG:  statement: DROP TABLE t\n\t{AT}LOG:  AUDIT: SESSION,1,1,DDL,DROP TABLE,,,x,"
        );
        let fatal = format!("{AT}FATAL:  password authentication failed for user \"{name}\"\n");
        let (heard, log) = hear(&[&met(), &fatal]);
        assert!(heard.is_empty() && log.contains("FATAL"), "{log}");
    }

    #[test]
    fn memory_is_given_back_and_a_message_without_end_is_cut() {
        let long = format!("{AT}LOG:  statement: DELETE FROM t WHERE x = '{}'\n", "y".repeat(4 << 20));
        let (heard, _) = hear(&[&met(), &long, &format!("{AT}LOG:  statement: DROP TABLE u\n")]);
        assert_eq!(
            heard.iter().map(|ran| ran.command.as_str()).collect::<Vec<_>>(),
            ["DELETE", "DROP TABLE"]
        );
        assert!(heard.iter().all(|ran| ran.text.len() < 100));
    }
}
