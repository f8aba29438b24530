//! The application's migrations as files: `0001_teams.sql`, and `0001_teams.down.sql` for the way back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::{limits, split};

/// A file as the operator's command sends it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name, without folders.
    pub file: String,
    /// What it says.
    pub sql: String,
}

/// One migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub version: i64,
    /// What follows the number.
    pub name: String,
    /// The file's name.
    pub file: String,
    /// The way there.
    pub up: String,
    /// The way back.
    pub down: Option<String>,
}

impl Step {
    /// What it is compared by: an applied migration is never edited.
    pub fn checksum(&self) -> String {
        hex::encode(seal::sha256(self.up.as_bytes()))
    }
}

/// Reads the files, in the order of their numbers.
pub fn read(files: &[File]) -> Result<Vec<Step>, Error> {
    if files.len() as u64 > limits::FILES_MAX.value {
        let (limit, name) = (limits::FILES_MAX.value, limits::FILES_MAX.name);
        return Err(Error::TooMuch { what: format!("{} files", files.len()), limit, name });
    }
    let mut steps: BTreeMap<i64, Step> = BTreeMap::new();
    let mut backs = Vec::new();
    for given in files {
        if given.sql.len() as u64 > limits::FILE_BYTES_MAX.value {
            let (limit, name) = (limits::FILE_BYTES_MAX.value, limits::FILE_BYTES_MAX.name);
            return Err(Error::TooMuch {
                what: format!("{} bytes in {}", given.sql.len(), given.file),
                limit,
                name,
            });
        }
        let Name { version, name, is_back } = name_of(&given.file)?;
        check(&given.file, &given.sql)?;
        if is_back {
            backs.push((version, given));
            continue;
        }
        let step = Step { version, name, file: given.file.clone(), up: given.sql.clone(), down: None };
        if let Some(first) = steps.insert(version, step) {
            return Err(Error::Twice { first: first.file, second: given.file.clone() });
        }
    }
    for (version, given) in backs {
        let step = steps.get_mut(&version).ok_or_else(|| Error::NoWayThere { file: given.file.clone() })?;
        if step.down.replace(given.sql.clone()).is_some() {
            return Err(Error::Twice {
                first: format!("{version}_….down.sql"), second: given.file.clone()
            });
        }
    }
    Ok(steps.into_values().collect())
}

struct Name {
    version: i64,
    name: String,
    is_back: bool,
}

fn name_of(file: &str) -> Result<Name, Error> {
    let wrong = || Error::FileName { file: file.to_owned() };
    let stem = file.strip_suffix(".sql").ok_or_else(wrong)?;
    let (stem, is_back) = match stem.strip_suffix(".down") {
        Some(stem) => (stem, true),
        None => (stem.strip_suffix(".up").unwrap_or(stem), false),
    };
    let (number, name) = stem.split_once('_').ok_or_else(wrong)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(plain) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let version = number.parse().ok().filter(|version| *version > 0).ok_or_else(wrong)?;
    Ok(Name { version, name: name.to_owned(), is_back })
}

fn check(file: &str, sql: &str) -> Result<(), Error> {
    for statement in split::statements(sql) {
        if let Some(why) = split::forbidden(&statement.words) {
            return Err(Error::Forbidden {
                file: file.to_owned(),
                line: statement.line,
                statement: statement.words.join(" ").to_uppercase(),
                why,
            });
        }
    }
    Ok(())
}

/// Whether a file asks for no transaction: its first comment says so, for `CREATE INDEX CONCURRENTLY` and its like.
pub fn wants_no_transaction(sql: &str) -> bool {
    let comments = sql.lines().map(str::trim).take_while(|line| line.is_empty() || line.starts_with("--"));
    comments.into_iter().any(|line| line.trim_start_matches('-').trim() == "palisade: no transaction")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, sql: &str) -> File {
        File { file: name.to_owned(), sql: sql.to_owned() }
    }

    #[test]
    fn files_are_taken_in_the_order_of_their_numbers() {
        let files = [
            file("10_b.sql", "select 2"),
            file("0009_a.up.sql", "select 1"),
            file("0009_a.down.sql", "select 0"),
        ];
        let steps = read(&files).unwrap();
        assert_eq!(steps.iter().map(|step| step.version).collect::<Vec<_>>(), [9, 10]);
        assert_eq!(steps[0].down.as_deref(), Some("select 0"));
        assert_eq!(steps[1].down, None);
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        for name in [
            "a.sql",
            "1.sql",
            "1_.sql",
            "0_a.sql",
            "1_a.txt",
            "1_../x.sql",
            "-1_a.sql",
            "99999999999999999999_a.sql",
        ] {
            assert!(matches!(read(&[file(name, "")]), Err(Error::FileName { .. })), "{name}");
        }
        assert!(matches!(read(&[file("1_a.sql", ""), file("01_b.sql", "")]), Err(Error::Twice { .. })));
        assert!(matches!(read(&[file("1_a.down.sql", "")]), Err(Error::NoWayThere { .. })));
    }

    #[test]
    fn a_first_comment_asks_for_no_transaction() {
        assert!(wants_no_transaction(
            "-- why\n-- palisade: no transaction\ncreate index concurrently on t (a)"
        ));
        assert!(!wants_no_transaction("select 1;\n-- palisade: no transaction"));
    }
}
