//! Canaries: what nobody has a reason to touch. Whoever asks for such a path, or is answered with the mark of such a row,
//! is told of at once; keys that open nothing are `auth`'s, and are told of in the same words.
//!
//! A row is known by a mark that stands in it and nowhere else. Looking for the mark in what leaves catches every way that
//! leads to the row (tables, views, functions, whatever dialect), and none that does not show it; PostgreSQL itself tells
//! nobody of a read. Of changes its table tells, where it is named: see [`crate::touches`]. Invariant: an answer is never changed or held back by being looked through.

use std::collections::HashMap;
use std::sync::Arc;

use audit::{Entry, Event};
use base::{Caller, Settings};
use jiff::Timestamp;
use pg::admin::Target;
use pg::{Reason, Reply, Row, Statement};
use regex::bytes::Regex;
use serde::Serialize;

use crate::keep::Detection;
use crate::pattern::Patterns;
use crate::touches::{self, Watched};
use crate::{Error, limits, settings, sql};

/// What an audit entry of a touch gives as its reason, by kind.
pub(crate) const KINDS: [(&str, &str); 3] =
    [("path", "canary.path"), ("key", "canary.key"), ("row", "canary.row")];

/// Paths that look like this program's own secrets. Scanners for other software do not ask for them, nobody links to them:
/// whoever asks has read about this program and looks for its keys and copies.
pub const PATHS: &[&str] = &[
    "/admin/v1/backups/latest*",
    "/admin/v1/keys/export*",
    "/admin/v1/root-key*",
    "/admin/v1/secrets*",
    "/auth/v1/admin/export*",
    "*/palisade.yaml*",
    "*/palisade/root.key",
    "*/service_role_key*",
];

/// A row's mark.
#[derive(Clone, Debug, Serialize)]
pub struct Canary {
    /// What it is called.
    pub name: String,
    /// What stands in the row, and nowhere else.
    pub mark: String,
    /// The table that tells of changes of the row, where it is known.
    pub table: Option<String>,
    /// Who made it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The marks in force.
#[derive(Default)]
pub(crate) struct Marks {
    finder: Option<Regex>,
    names: HashMap<Vec<u8>, Arc<str>>,
    longest: usize,
}

impl Marks {
    fn new(canaries: &[Canary]) -> Result<Self, regex::Error> {
        if canaries.is_empty() {
            return Ok(Marks::default());
        }
        let any = canaries.iter().map(|one| regex::escape(&one.mark)).collect::<Vec<_>>().join("|");
        let names =
            canaries.iter().map(|one| (one.mark.clone().into_bytes(), one.name.as_str().into())).collect();
        let longest = canaries.iter().map(|one| one.mark.len()).max().unwrap_or(0);
        Ok(Marks { finder: Some(Regex::new(&any)?), names, longest })
    }
}

/// Looks through one answer.
pub struct Look {
    detection: Detection,
    marks: Arc<Marks>,
    caller: Caller,
    path: String,
    told: Vec<Arc<str>>,
    /// The end of the last piece, where half a mark may stand.
    end: Vec<u8>,
}

impl Look {
    /// Looks through the next piece.
    pub fn at(&mut self, piece: &[u8]) {
        let Some(finder) = &self.marks.finder else { return };
        let keep = self.marks.longest.saturating_sub(1);
        let mut found: Vec<Arc<str>> = Vec::new();
        let mut name = |text: &[u8]| found.extend(self.marks.names.get(text).cloned());
        if !self.end.is_empty() {
            // Only what begins in the last piece: the rest is found below.
            let seam = piece.get(..piece.len().min(keep)).unwrap_or_default();
            let joined = [self.end.as_slice(), seam].concat();
            finder
                .find_iter(&joined)
                .filter(|hit| hit.start() < self.end.len())
                .for_each(|hit| name(hit.as_bytes()));
        }
        finder.find_iter(piece).for_each(|hit| name(hit.as_bytes()));
        self.end.extend_from_slice(piece.get(piece.len().saturating_sub(keep)..).unwrap_or_default());
        let over = self.end.len().saturating_sub(keep);
        self.end.drain(..over);
        for name in found {
            if !self.told.contains(&name) {
                self.tell(&name);
                self.told.push(name);
            }
        }
    }

    fn tell(&self, name: &str) {
        let entry = Entry::by(&self.caller, Event::CanaryTouched).about(format!("canary:{name}"));
        self.detection.0.audit.refused(entry.because("canary.row").detail("path", self.path.as_str()));
    }
}

/// Paths of canaries: ours and the operator's.
pub(crate) fn paths(given: &Settings) -> Result<Patterns, Error> {
    let own = given.get(&settings::CANARY_PATHS);
    let refuse = |what| Err(Error::Setting { setting: settings::CANARY_PATHS.definition.name, what });
    if own.len() > limits::PATTERNS.size() {
        return refuse(format!("more than {} paths", limits::PATTERNS.value));
    }
    if let Some(odd) =
        own.iter().find(|path| !path.starts_with(['/', '*']) || path.trim_matches(['/', '*']).is_empty())
    {
        return refuse(format!("`{odd}` is no path: it begins with / or *, and is not everything"));
    }
    let all: Vec<&str> = PATHS.iter().copied().chain(own.iter().map(String::as_str)).collect();
    Patterns::new(&all).or_else(|error| refuse(error.to_string()))
}

/// Which touches keep their address out.
pub(crate) fn banned_kinds(given: &Settings) -> Result<Vec<&'static str>, Error> {
    let read = |text: String| {
        let known = KINDS.iter().find(|(kind, _)| *kind == text).map(|(_, reason)| *reason);
        let what = || format!("`{text}` is none of path, key and row");
        known.ok_or_else(|| Error::Setting { setting: settings::CANARY_BANS.definition.name, what: what() })
    };
    given.get(&settings::CANARY_BANS).into_iter().map(read).collect()
}

impl Detection {
    /// Tells of a path that nobody has a reason to ask for. `elsewhere` is whether a page of another site made a browser ask:
    /// that is told of, and keeps nobody out.
    pub(crate) fn touched_path(&self, address: std::net::IpAddr, path: &str, elsewhere: bool) {
        let mut path = path.to_owned();
        path.truncate(path.floor_char_boundary(200));
        let entry = Entry::by(&Caller::anonymous(), Event::CanaryTouched).from_address(Some(address));
        let entry = entry.about(format!("path:{path}")).refused("canary.path");
        self.0.audit.refused(if elsewhere { entry.detail("asked_by", "another site") } else { entry });
    }

    /// Tells of a row that was read without being shown: counted, summed up, or without the column that the mark stands in.
    pub fn read_row(&self, caller: &Caller, name: &str) {
        let entry = Entry::by(caller, Event::CanaryTouched).about(format!("canary:{name}"));
        self.0.audit.refused(entry.because("canary.row").detail("act", "read"));
    }

    /// Every path that nobody has a reason to ask for.
    pub fn canary_paths(&self) -> Vec<String> {
        PATHS.iter().map(|path| (*path).to_owned()).chain(self.0.own_paths.iter().cloned()).collect()
    }

    /// Whoever looks through what `caller` is answered with at `path`; nobody while no row is marked.
    pub fn look(&self, caller: &Caller, path: &str) -> Option<Look> {
        let marks = self.0.marks.load();
        marks.finder.as_ref()?;
        Some(Look {
            detection: self.clone(),
            marks: marks.clone(),
            caller: caller.clone(),
            path: path.to_owned(),
            told: Vec::new(),
            end: Vec::new(),
        })
    }

    /// Marks a row: `mark` stands in it and nowhere else. Without one, one is made for whoever will write the row. A table
    /// that is named tells of every change of the row.
    pub async fn mark(
        &self,
        name: &str,
        mark: Option<String>,
        table: Option<(&Target, &str)>,
        by: &Caller,
    ) -> Result<Reply<Canary>, Error> {
        let mark = mark.unwrap_or_else(|| self.0.rng.uuid().to_string());
        // PostgreSQL writes an id in small letters, however it was given.
        let is_id =
            mark.len() == 36 && mark.bytes().all(|letter| letter.is_ascii_hexdigit() || letter == b'-');
        let mark = if is_id { mark.to_ascii_lowercase() } else { mark };
        let (by_whom, at) = (by.actor(), self.0.clock.now());
        let mut canary = Canary { name: name.to_owned(), mark, table: None, by: by_whom, at };
        check(&canary)?;
        let watched = match table {
            Some((admin, table)) => Some(Watched::begin(admin, table, &canary, by).await?),
            None => None,
        };
        canary.table = watched.as_ref().map(|watched| watched.table.clone());
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        let most = i64::try_from(limits::CANARIES.value).unwrap_or(i64::MAX);
        let params = [
            name.into(),
            canary.mark.as_str().into(),
            canary.by.as_str().into(),
            canary.at.into(),
            most.into(),
            canary.table.as_deref().into(),
        ];
        if tx.run(Statement::new(sql::MARK, params)).await?.first().is_none() {
            tx.roll_back().await?;
            return Err(Error::Canary {
                what: format!("there is a canary of this name or mark, or there are {most}"),
            });
        }
        let entry = Entry::by(by, Event::CanaryMade).about(format!("canary:{name}")).detail("kind", "row");
        let entry = match &canary.table {
            Some(table) => entry.detail("table", table.as_str()),
            None => entry,
        };
        self.0.audit.record(&mut tx, entry).await?;
        tx.run(Statement::new(sql::TELL, [])).await?;
        let done = tx.commit(canary).await?;
        self.reload().await?;
        if let Some(watched) = watched {
            watched.commit().await?;
        }
        Ok(done)
    }

    /// Every marked row, oldest first.
    pub async fn canaries(&self) -> Result<Vec<Canary>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        let rows = tx.run(Statement::new(sql::CANARIES, [])).await?;
        tx.roll_back().await?;
        let read = |row: Row<'_>| {
            Ok::<_, pg::Error>(Canary {
                name: row.get("name")?,
                mark: row.get("mark")?,
                table: row.get("table_name")?,
                by: row.get("by")?,
                at: row.get("at")?,
            })
        };
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Forgets a mark. The row itself is its owner's.
    pub async fn unmark(&self, name: &str, admin: &Target, by: &Caller) -> Result<Reply<()>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        let gone = tx.run(Statement::new(sql::UNMARK, [name.into()])).await?;
        let Some(table) = gone.first().map(|row| row.at::<Option<String>>(1)).transpose()? else {
            tx.roll_back().await?;
            return Err(Error::NoCanary { name: name.to_owned() });
        };
        if table.is_some() {
            touches::unwatch(admin, name, by).await?;
        }
        let entry = Entry::by(by, Event::CanaryRemoved).about(format!("canary:{name}")).detail("kind", "row");
        self.0.audit.record(&mut tx, entry).await?;
        tx.run(Statement::new(sql::TELL, [])).await?;
        let done = tx.commit(()).await?;
        self.reload().await?;
        Ok(done)
    }

    pub(crate) async fn read_marks(&self) -> Result<(), Error> {
        let canaries = self.canaries().await?;
        let marks = Marks::new(&canaries).map_err(|error| Error::Canary { what: error.to_string() })?;
        self.0.marks.store(marks.into());
        Ok(())
    }
}

fn check(canary: &Canary) -> Result<(), Error> {
    let plain =
        |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, b'-' | b'_');
    if !(1..=40).contains(&canary.name.len()) || !canary.name.bytes().all(plain) {
        return Err(Error::Canary { what: "a name is 1 to 40 small letters, digits, - and _".to_owned() });
    }
    let unescaped = |letter: u8| letter.is_ascii_alphanumeric() || b"@._-".contains(&letter);
    if !(12..=100).contains(&canary.mark.len()) || !canary.mark.bytes().all(unescaped) {
        let what = "a mark is 12 to 100 letters, digits, @, ., _ and -, such as an id or an address: that is how it leaves in every form of answer";
        return Err(Error::Canary { what: what.to_owned() });
    }
    Ok(())
}
