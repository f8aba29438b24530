//! Putting a dump's objects into a copy, each as somebody whom its code may be run by.
//!
//! PostgreSQL runs code while things are only being made: it works out constants in keys of partitions and checks, turns a
//! partition's bound into its domain's value, reads an aggregate's first one. Of what the application owns that is the
//! application's code, so the copy's own login makes it ([`crate::trial`]); what is the superuser's or ours is made by the
//! administrator. The dump's order tells what must be there first, so the two take turns.
//!
//! Invariant: what the administrator makes for the application is of a kind that PostgreSQL runs no code for: schemas,
//! extensions (their scripts are the machine's), rights, comments and triggers.

use std::collections::HashSet;
use std::path::Path;

use pg::admin::Target;
use pg::bootstrap::{AUDITOR, FOLLOWER, SYSTEM};

use crate::copy::{Way, run, said};
use crate::error::Error;
use crate::{Parts, sql, trial};

/// Where a dump is and what brings it back.
pub(crate) struct Dump<'a> {
    /// The program `pg_restore`.
    pub(crate) program: &'a Path,
    /// The dump.
    pub(crate) file: &'a Path,
    /// A folder that only we can read.
    pub(crate) place: &'a Path,
    /// How the administrator enters.
    pub(crate) way: &'a Way,
}

impl Dump<'_> {
    /// Makes everything but the rows, and returns the way in of the copy's own login.
    pub(crate) async fn objects(&self, parts: &Parts, copy: &Target) -> Result<Target, Error> {
        let trusted = trusted(copy).await?;
        let contents = self.contents().await?;
        let login = trial::admit(parts, copy).await?;
        let entering = self.way_of(&login, "objects")?;
        let turns = turns(&contents, &trusted);
        let made = turns.iter().take_while(|turn| turn.when < When::Rights).count();
        for (count, turn) in turns.iter().enumerate() {
            if count == made {
                trial::hand_over(copy).await?;
            }
            let list = self.place.join("turn");
            std::fs::write(&list, turn.lines.join("\n")).map_err(|error| said(&error))?;
            let way = if turn.by == By::Login { &entering } else { self.way };
            let mut restore = way.command(self.program);
            restore.args(["--exit-on-error", "--no-password", "--section=pre-data", "--section=post-data"]);
            // Whom it belongs to is said once all of it is there.
            restore.args((turn.by == By::Login).then_some("--no-owner"));
            restore.arg("--use-list").arg(&list).arg("--dbname").arg(&copy.database).arg(self.file);
            run(restore).await?;
            if turn.by == By::Administrator {
                trial::let_refer(copy).await?;
            }
        }
        if made == turns.len() {
            trial::hand_over(copy).await?;
        }
        Ok(login)
    }

    /// Puts the rows in, as the copy's login.
    pub(crate) async fn rows(&self, login: &Target) -> Result<(), Error> {
        let mut restore = self.way_of(login, "rows")?.command(self.program);
        restore.args(["--exit-on-error", "--no-password", "--section=data"]);
        restore.arg("--dbname").arg(&login.database).arg(self.file);
        // Rows that refer to each other come in any order, and what triggers made of them is among them.
        restore.env("PGOPTIONS", "-c session_replication_role=replica");
        run(restore).await.map(drop)
    }

    fn way_of(&self, login: &Target, what_for: &str) -> Result<Way, Error> {
        let folder = self.place.join(what_for);
        std::fs::create_dir(&folder).map_err(|error| said(&error))?;
        Way::to(login, &folder)
    }

    async fn contents(&self) -> Result<String, Error> {
        let mut list = tokio::process::Command::new(self.program);
        list.env_clear().env("LC_ALL", "C.UTF-8").arg("--list").arg(self.file);
        run(list).await
    }
}

/// Whose code is the administrator's own business: superusers', and the roles that only our migrations act as.
async fn trusted(copy: &Target) -> Result<HashSet<String>, Error> {
    let ours = [SYSTEM, AUDITOR, FOLLOWER].as_slice();
    let rows = copy.connect().await?.query(sql::TRUSTED, &[&ours]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Administrator,
    Login,
}

#[derive(PartialEq, Eq, Debug)]
struct Turn<'a> {
    when: When,
    by: By,
    lines: Vec<&'a str>,
}

/// When: the lower comes first, and within one the dump's order holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum When {
    /// What scripts of extensions could meet is not there yet.
    First,
    InOrder,
    /// Rights of the application, and on what is yet to be made: owners do without some while they make things.
    Rights,
    Last,
}

/// The entries of a table of contents in turns.
fn turns<'a>(contents: &'a str, trusted: &HashSet<String>) -> Vec<Turn<'a>> {
    let entries = contents.lines().filter(|line| !line.starts_with(';'));
    let mut placed: Vec<(When, By, &str)> = entries.filter_map(|line| place(line, trusted)).collect();
    placed.sort_by_key(|(when, ..)| *when);
    let mut turns: Vec<Turn> = Vec::new();
    for (when, by, line) in placed {
        match turns.last_mut() {
            Some(turn) if (turn.when, turn.by) == (when, by) => turn.lines.push(line),
            _ => turns.push(Turn { when, by, lines: vec![line] }),
        }
    }
    turns
}

/// `215; 1259 16400 TABLE public notes palisade_owner`: two numbers, what it is, its schema, its name, its owner. Extensions and casts
/// have none.
fn place<'a>(line: &'a str, trusted: &HashSet<String>) -> Option<(When, By, &'a str)> {
    let what = line.splitn(4, ' ').nth(3)?;
    let owner = line.rsplit(' ').next()?;
    let is = |kind: &str| what.starts_with(kind);
    let by = if owner.is_empty() || trusted.contains(owner) { By::Administrator } else { By::Login };
    Some(match by {
        _ if is("SCHEMA ") || is("EXTENSION ") => (When::First, By::Administrator, line),
        _ if is("EVENT TRIGGER ") || is("MATERIALIZED VIEW DATA ") => (When::Last, by, line),
        _ if is("DEFAULT ACL ") => (When::Rights, By::Administrator, line),
        _ if is("ACL - SCHEMA ") || is("COMMENT ") || is("TRIGGER ") => {
            (When::InOrder, By::Administrator, line)
        }
        By::Login if is("ACL ") => (When::Rights, By::Administrator, line),
        by => (When::InOrder, by, line),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_application_s_is_made_by_the_login_and_in_order() {
        let contents = ";\n; Archive created at 2026-01-15\n\
            5; 2615 2200 SCHEMA - public palisade_owner\n\
            9; 1247 1 TYPE public early palisade_owner\n\
            2; 3079 16385 EXTENSION - pgcrypto \n\
            10; 1259 2 TABLE auth users palisade_system\n\
            11; 0 0 ACL auth TABLE users palisade_system\n\
            12; 1259 3 TABLE public a postgres palisade_owner\n\
            13; 0 0 ACL public TABLE a palisade_owner\n\
            14; 0 0 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES postgres\n\
            15; 3466 4 EVENT TRIGGER - on_ddl postgres\n\
            16; 2620 5 TRIGGER public a watch palisade_owner\n\
            17; 2606 6 CHECK CONSTRAINT public a whole somebody else\n";
        let trusted = ["postgres", "palisade_system"].map(str::to_owned).into();
        let made: Vec<(By, Vec<&str>)> = turns(contents, &trusted)
            .iter()
            .map(|turn| {
                let number = |line: &&'static str| line.split(';').next().unwrap();
                (turn.by, turn.lines.iter().map(number).collect())
            })
            .collect();
        assert_eq!(
            made,
            [
                (By::Administrator, vec!["5", "2"]),
                (By::Login, vec!["9"]),
                (By::Administrator, vec!["10", "11"]),
                (By::Login, vec!["12"]),
                (By::Administrator, vec!["16"]),
                (By::Login, vec!["17"]),
                (By::Administrator, vec!["13", "14"]),
                (By::Administrator, vec!["15"]),
            ]
        );
    }
}
