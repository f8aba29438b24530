//! What the embedded server says: its log is written for people, statements it was told to report go to whoever asks.
//!
//! The server writes into a file that has no name and lies in memory, so what somebody typed never reaches a disk; a
//! message is one write and comes whole, however long. What is in it is read by the thread that watches the server, and
//! given back to the machine.
//!
//! Who a line is about is taken from the server's own words when the session began, never from a prefix: a name that a
//! stranger sends may hold line breaks, and would forge whole entries. Inside a message PostgreSQL puts a tab behind each
//! line break, so a line that begins without one is a message of its own. What a session writes itself later (`RAISE LOG`)
//! may be worded like anything; the server's number of the session and of the line tell it from the session's beginning,
//! so whoever does that says untrue things of themselves only.

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

/// A session that began.
#[derive(Default)]
struct Met {
    session: Session,
    /// It says that it ended. Kept until there is no room: what it says afterwards all the same is its own.
    gone: bool,
}

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
    sessions: HashMap<String, Met>,
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
                    // As it goes: a server that does not stop talking must not fill memory, neither its nor ours.
                    self.give_back();
                    self.pass_on(&mut for_people);
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
            self.pass_on(&mut for_people);
        }
    }

    /// Writes the log for people.
    fn pass_on(&self, for_people: &mut String) {
        if for_people.is_empty() {
            return;
        }
        let opened = File::options().create(true).append(true).open(&self.log);
        if let Err(error) = opened.and_then(|mut log| log.write_all(for_people.as_bytes())) {
            tracing::error!(%error, log = %self.log.display(), "PostgreSQL's log could not be written");
        }
        for_people.clear();
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
        let Some(Said { head, by, number, text }) = Said::read(message) else {
            return Some(message.to_owned());
        };
        if let Some(said) = text.strip_prefix("LOG:  ") {
            let said = said.replace("\n\t", "\n");
            if self.meet(by, number, &said) {
                return None;
            }
            let nobody = Session::default();
            let session = self.sessions.get(by).map_or(&nobody, |met| &met.session);
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
        let known = self.sessions.get(by).map(|met| &met.session).filter(|session| !session.user.is_empty());
        let who = known.map(|session| format!("{}@{} ", session.user, session.database));
        Some(format!("{head}{}{text}", who.unwrap_or_default()))
    }

    /// Whether it is about a session that comes or goes, which is remembered. How one begins is believed once.
    fn meet(&mut self, by: &str, number: u64, said: &str) -> bool {
        if let Some(received) = said.strip_prefix("connection received: host=") {
            if number == 1 && !self.sessions.contains_key(by) {
                self.make_room();
                let host = received.split(' ').next().unwrap_or_default().to_owned();
                let session = Session { host, ..Session::default() };
                self.sessions.insert(by.to_owned(), Met { session, gone: false });
            }
        } else if let Some(who) =
            said.strip_prefix("replication ").unwrap_or(said).strip_prefix("connection authorized: user=")
        {
            let met = self.sessions.get_mut(by).map(|met| &mut met.session);
            if let Some(session) = met.filter(|session| session.user.is_empty()) {
                let (user, rest) = who.split_once(" database=").unwrap_or((who, ""));
                let end = [" application_name=", " SSL enabled", " GSS "]
                    .iter()
                    .filter_map(|mark| rest.find(mark))
                    .min();
                session.user = user.to_owned();
                session.database = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default().to_owned();
            }
        } else if said.starts_with("disconnection: ") {
            if let Some(met) = self.sessions.get_mut(by) {
                met.gone = true;
            }
        } else {
            return said.starts_with("connection authenticated: ");
        }
        true
    }

    /// Forgets sessions that are over, and those that never got as far as a name: strangers may begin any number of them.
    fn make_room(&mut self) {
        if self.sessions.len() >= limits::LOG_SESSIONS.size() {
            self.sessions.retain(|_, met| !met.gone && !met.session.user.is_empty());
        }
    }
}

/// One message, as its prefix cuts it: `2026-01-15 12:00:00.123 UTC [4711] 6968d5a0.1267 3 LOG:  …`.
struct Said<'a> {
    /// Time and process, for people.
    head: &'a str,
    /// The session's number, which no other has, also when its process's comes again.
    by: &'a str,
    /// The message's number in it.
    number: u64,
    text: &'a str,
}

impl Said<'_> {
    fn read(message: &str) -> Option<Said<'_>> {
        let (before, rest) = message.split_once("] ")?;
        let head = message.get(..before.len() + 2)?;
        let (_, process) = before.split_once(" [")?;
        let is_time = head.starts_with(|first: char| first.is_ascii_digit());
        process.parse::<u32>().ok().filter(|_| is_time)?;
        let (by, rest) = rest.split_once(' ')?;
        let (number, text) = rest.split_once(' ')?;
        Some(Said { head, by, number: number.parse().ok()?, text })
    }
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

    /// For people, and as the server says it.
    const PEOPLES: &str = "2026-01-15 12:00:00.123 UTC [4711] ";
    const AT: &str = "2026-01-15 12:00:00.123 UTC [4711] 6968d5a0.1267 9 ";

    fn met() -> String {
        let at = |number: u32| AT.replace(" 9 ", &format!(" {number} "));
        format!(
            "{}LOG:  connection received: host=[local]\n\
             {}LOG:  connection authorized: user=ann database=shop application_name=psql\n",
            at(1),
            at(2)
        )
    }

    #[test]
    fn a_session_cannot_become_somebody_else_by_what_it_writes_into_the_log() {
        let forged = format!(
            "{AT}LOG:  connection authorized: user=boss database=shop\n\
             {AT}LOG:  disconnection: session time: 0:00:00.1 user=ann database=shop host=[local]\n\
             {AT}LOG:  connection received: host=192.0.2.1\n\
             {AT}LOG:  connection authorized: user=boss database=shop\n"
        );
        let (heard, log) =
            hear(&[&met(), &forged, &format!("{AT}LOG:  statement: DROP TABLE t\n{AT}ERROR:  no\n")]);
        let [ran] = &heard[..] else { panic!("{} statements", heard.len()) };
        assert_eq!((ran.user.as_str(), ran.host.as_str()), ("ann", "[local]"));
        assert_eq!(log, format!("{PEOPLES}ann@shop ERROR:  no\n"));
        // A process of the same number later is somebody else.
        let next = met().replace("6968d5a0", "6968d5ff").replace("ann", "eve");
        let dropped = format!("{AT}LOG:  statement: DROP TABLE t\n").replace("6968d5a0", "6968d5ff");
        let (heard, _) = hear(&[&met(), &next, &dropped]);
        assert_eq!(heard[0].user, "eve");
    }

    #[test]
    fn strangers_who_begin_sessions_without_end_make_nobody_nameless() {
        let (ran, mut told) = broadcast::channel(4);
        let folder = tempfile::tempdir().unwrap();
        let mut ear = Ear::open(folder.path().join("postgres.log"), vec![Class::Ddl], ran).unwrap();
        let mut nothing = String::new();
        ear.take(met().as_bytes(), &mut nothing);
        for number in 0..2 * limits::LOG_SESSIONS.value {
            let one = format!(
                "2026-01-15 12:00:00.123 UTC [4712] {number:x}.1268 1 LOG:  connection received: host=192.0.2.1 port=1\n"
            );
            ear.take(one.as_bytes(), &mut nothing);
        }
        let late = met().replace("6968d5a0", "6968d5ff").replace("ann", "eve");
        ear.take(late.as_bytes(), &mut nothing);
        assert!(ear.sessions.len() <= limits::LOG_SESSIONS.size());
        let dropped = format!("{AT}LOG:  statement: DROP TABLE t\n");
        ear.take(dropped.as_bytes(), &mut nothing);
        ear.take(dropped.replace("6968d5a0", "6968d5ff").as_bytes(), &mut nothing);
        ear.finish(&mut nothing);
        assert_eq!(
            [told.try_recv().unwrap().user.clone(), told.try_recv().unwrap().user.clone()],
            ["ann", "eve"]
        );
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
        assert_eq!(
            log,
            format!("{PEOPLES}ann@shop ERROR:  no\n{PEOPLES}ann@shop HINT:  yes\npostgres: cannot\n")
        );
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
