//! A statement that the embedded server reported: by whom, of which class, and its text without what was typed in it.
//!
//! The classes are pgaudit's. Where that extension is not among the server's packages, the server's own `log_statement`
//! reports what clients send, and the class is told here from the first words; what functions run inside is then not seen.

/// pgaudit's classes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Class {
    /// SELECT, COPY FROM.
    Read,
    /// DISCARD, FETCH, CHECKPOINT, VACUUM, SET.
    Misc,
    /// Calls of functions, DO.
    Function,
    /// INSERT, UPDATE, DELETE, MERGE, TRUNCATE, COPY TO a table.
    Write,
    /// Everything that changes the schema, except [`Class::Role`].
    Ddl,
    /// GRANT, REVOKE, CREATE, ALTER and DROP ROLE.
    Role,
}

impl Class {
    /// Every class, the weightiest last.
    pub const ALL: [Class; 6] =
        [Class::Read, Class::Misc, Class::Function, Class::Write, Class::Ddl, Class::Role];

    /// As pgaudit and settings spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Read => "read",
            Class::Misc => "misc",
            Class::Function => "function",
            Class::Write => "write",
            Class::Ddl => "ddl",
            Class::Role => "role",
        }
    }

    /// The class of that name, however it is written.
    pub fn named(name: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.name().eq_ignore_ascii_case(name))
    }
}

/// Who reports statements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Witness {
    /// The extension: also what functions run inside, with the object's name.
    Pgaudit,
    /// The server's `log_statement`: what clients send.
    Server,
}

impl Witness {
    /// As entries spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Witness::Pgaudit => "pgaudit",
            Witness::Server => "log_statement",
        }
    }
}

/// Who is at the other end of a session, in the server's own words.
#[derive(Clone, Default, Debug)]
pub(super) struct Session {
    pub user: String,
    pub database: String,
    pub host: String,
}

/// A statement that ran.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The login that sent it.
    pub user: String,
    /// In which database.
    pub database: String,
    /// From where: an address, or `[local]`.
    pub host: String,
    /// What kind it is.
    pub class: Class,
    /// `CREATE TABLE`.
    pub command: String,
    /// What it was done to, where the witness says.
    pub object: Option<String>,
    /// The text, with literals and comments taken out.
    pub text: String,
    /// Who saw it.
    pub witness: Witness,
}

impl Ran {
    /// From pgaudit's line, a row of CSV; `None` for one that is none.
    pub(super) fn audited(session: &Session, line: &str) -> Option<Ran> {
        let cells = cells(line);
        let [_, _, _, class, command, _, object, text, ..] = &cells[..] else { return None };
        Some(Ran {
            user: session.user.clone(),
            database: session.database.clone(),
            host: session.host.clone(),
            class: Class::named(class)?,
            command: command.clone(),
            object: Some(object.clone()).filter(|name| !name.is_empty()),
            text: masked(text),
            witness: Witness::Pgaudit,
        })
    }

    /// From a line of `log_statement`: the outer `None` if it is none, the inner if its class is not wanted.
    pub(super) fn logged(session: &Session, said: &str, wanted: &[Class]) -> Option<Option<Ran>> {
        let (text, named) = match said.strip_prefix("statement: ") {
            Some(text) => (text, false),
            None => (said.strip_prefix("execute ")?.split_once(": ")?.1, true),
        };
        let (mut class, mut command, shown) = told(text);
        // The name of a prepared statement is its sender's choice, and may look like the end of it. Then the class is that of
        // the weightiest that could be meant; what is shown stays the whole, or a literal would be shown as a statement.
        let mut others = text.match_indices(": ").filter(|_| named).filter_map(|(at, _)| text.get(at + 2..));
        for other in others.by_ref().take(READINGS_MAX) {
            let found = told(other);
            if found.0 > class {
                (class, command) = (found.0, found.1);
            }
        }
        if others.next().is_some() {
            // Who writes so many is not let off for it: rather more is recorded than less.
            class = wanted.iter().copied().max().map_or(class, |most| most.max(class));
        }
        Some(wanted.contains(&class).then(|| Ran {
            user: session.user.clone(),
            database: session.database.clone(),
            host: session.host.clone(),
            class,
            command,
            object: None,
            text: shown,
            witness: Witness::Server,
        }))
    }
}

/// How many readings of one line are tried.
const READINGS_MAX: usize = 16;

/// Class, command and text of what was sent. What a backslash in a literal means is the session's choice
/// (`standard_conforming_strings`), so both meanings are tried; what only one of them shows is not shown.
fn told(sql: &str) -> (Class, String, String) {
    let (usual, other) = (masked(sql), masked_as(sql, true));
    let (class, command) = classify(&usual);
    if usual == other {
        return (class, command, usual);
    }
    let same: String = usual
        .chars()
        .zip(other.chars())
        .take_while(|(one, other)| one == other)
        .map(|(one, _)| one)
        .collect();
    let (again, its_command) = classify(&other);
    let (class, command) = if again > class { (again, its_command) } else { (class, command) };
    (class, command, format!("{same}…"))
}

/// The weightiest class among the statements of a text without literals, and its command.
fn classify(text: &str) -> (Class, String) {
    let mut weightiest = (Class::Read, String::new());
    for (at, statement) in text.split(';').map(str::trim).filter(|text| !text.is_empty()).enumerate() {
        let words: Vec<String> = statement
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| !word.is_empty())
            .map(str::to_uppercase)
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let found = (class_of(&words), command_of(&words));
        if at == 0 || found.0 > weightiest.0 {
            weightiest = found;
        }
    }
    weightiest
}

fn class_of(words: &[&str]) -> Class {
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    let is_role = |word: &&str| matches!(*word, "ROLE" | "USER" | "GROUP");
    match words {
        ["GRANT" | "REVOKE" | "REASSIGN", ..] | ["ALTER", "DEFAULT", "PRIVILEGES", ..] => Class::Role,
        ["CREATE" | "ALTER" | "DROP", second, ..] if is_role(second) && words.get(2) != Some(&"MAPPING") => {
            Class::Role
        }
        ["DROP", "OWNED", ..] => Class::Role,
        ["CREATE" | "ALTER" | "DROP" | "COMMENT" | "SECURITY" | "IMPORT" | "REFRESH" | "REINDEX", ..] => {
            Class::Ddl
        }
        ["INSERT" | "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE", ..] => Class::Write,
        ["COPY", what, ..]
            if has(&["FROM"])
                && (has(&["STDIN"]) || !matches!(*what, "SELECT" | "WITH" | "VALUES" | "TABLE")) =>
        {
            Class::Write
        }
        // What they make they make, whoever else is asked to explain it.
        ["WITH" | "EXPLAIN" | "PREPARE", ..]
            if has(&["CREATE", "REFRESH", "INTO"]) && !has(&["INSERT", "MERGE"]) =>
        {
            Class::Ddl
        }
        // What they carry or run is in the text, or was reported when it was prepared: rather more than less.
        ["WITH" | "EXPLAIN" | "PREPARE" | "EXECUTE" | "COPY" | "DECLARE", ..] => {
            if has(&["INSERT", "UPDATE", "DELETE", "MERGE", "EXECUTE"]) { Class::Write } else { Class::Read }
        }
        ["SELECT", ..] if has(&["INTO"]) => Class::Ddl,
        ["SELECT" | "TABLE" | "VALUES", ..] => Class::Read,
        ["DO" | "CALL", ..] => Class::Function,
        _ => Class::Misc,
    }
}

fn command_of(words: &[&str]) -> String {
    let two = matches!(words, ["CREATE" | "ALTER" | "DROP" | "REFRESH" | "COMMENT", ..]);
    let skipped =
        words.iter().filter(|word| !matches!(**word, "OR" | "REPLACE" | "UNIQUE" | "TEMP" | "TEMPORARY"));
    skipped.take(if two { 2 } else { 1 }).copied().collect::<Vec<_>>().join(" ")
}

/// A row of CSV with doubled quotes.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = line.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            _ => cell.push(next),
        }
    }
    cells.push(cell);
    cells
}

/// What names are made of, as PostgreSQL reads them: whatever is not ASCII too.
fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$') || !letter.is_ascii()
}

/// The statement with every literal as `…` and without comments: what was done, not what was typed.
pub(super) fn masked(sql: &str) -> String {
    masked_as(sql, false)
}

/// The same where a backslash means something in every literal (`escapes_all`), or in those that say so (`E'…'`).
fn masked_as(sql: &str, escapes_all: bool) -> String {
    let mut out = String::new();
    let (mut at, mut taken_out) = (0, 0);
    while let Some(next) = sql.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = sql.get(at..).unwrap_or_default();
        // What stands in front, as it was sent, behind the last thing that was taken out.
        let before = sql.get(taken_out..at).unwrap_or_default();
        let begins_word = !before.ends_with(is_of_name);
        let taken = match next {
            '-' if rest.starts_with("--") => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment(rest),
            '\'' => {
                let says_so =
                    before.strip_suffix(['e', 'E']).is_some_and(|before| !before.ends_with(is_of_name));
                out.push_str("'…'");
                let taken = quoted(rest, '\'', escapes_all || says_so);
                taken_out = at + taken;
                taken
            }
            '"' => {
                let taken = quoted(rest, '"', false);
                out.push_str(rest.get(..taken).unwrap_or_default());
                taken
            }
            '$' if begins_word => match dollar(rest) {
                Some(taken) => {
                    out.push_str("'…'");
                    taken_out = at + taken;
                    taken
                }
                None => {
                    let digits =
                        rest.get(1..).map_or(0, |rest| rest.chars().take_while(char::is_ascii_digit).count());
                    out.push_str(rest.get(..=digits).unwrap_or("$"));
                    1 + digits
                }
            },
            _ if next.is_ascii_digit() && begins_word => {
                out.push('…');
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'));
                let taken = end.unwrap_or(rest.len());
                taken_out = at + taken;
                taken
            }
            _ if next.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
                next.len_utf8()
            }
            _ => {
                out.push(next);
                next.len_utf8()
            }
        };
        at += taken.max(1);
    }
    out.trim().to_owned()
}

/// How long a quoted text is, to the end where it has none.
fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, next)) = letters.next() {
        if escapes && next == '\\' {
            letters.next();
        } else if next == quote {
            match letters.peek() {
                Some((_, doubled)) if *doubled == quote => {
                    letters.next();
                }
                _ => return at + next.len_utf8(),
            }
        }
    }
    text.len()
}

/// How long a text in dollar quotes is; none where none begins.
fn dollar(text: &str) -> Option<usize> {
    let end = text.get(1..)?.find('$')?;
    let tag = text.get(..end + 2)?;
    let name = tag.trim_matches('$');
    let is_tag =
        !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(|c| c != '$' && is_of_name(c));
    let body = text.get(tag.len()..).filter(|_| is_tag)?;
    Some(body.find(tag).map_or(text.len(), |at| tag.len() + at + tag.len()))
}

/// How long a comment is: they nest.
fn comment(text: &str) -> usize {
    let (mut open, mut at) = (0_usize, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            (open, at) = (open + 1, at + 2);
        } else if rest.starts_with("*/") {
            (open, at) = (open - 1, at + 2);
            if open == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_typed_is_left() {
        for (sql, expected) in [
            ("ALTER ROLE a PASSWORD 'secret'", "ALTER ROLE a PASSWORD '…'"),
            (r"SELECT E'it\'s secret', 'a''secret', x", "SELECT E'…', '…', x"),
            (r"SELECT type'a\', secret", r"SELECT type'…', secret"),
            ("DO $$ secret $$", "DO '…'"),
            ("DO $a_1$ secret $$ $a_1$ -- secret\n;", "DO '…' ;"),
            (
                "SELECT /* secret /* x */ secret */ 0x1F, 1.5e3, t1, $12, \"a'b\"",
                "SELECT …, …, t1, $12, \"a'b\"",
            ),
            ("DO $\u{1f600}$ secret $\u{1f600}$", "DO '…'"),
            ("SELECT 'open secret", "SELECT '…'"),
            ("SELECT a$b$c, $1", "SELECT a$b$c, $1"),
        ] {
            assert_eq!(masked(sql), expected, "{sql}");
        }
    }

    #[test]
    fn nothing_is_hidden_in_what_only_looks_like_a_literal_or_a_comment() {
        for sql in [
            "SELECT 1; --\rDROP TABLE t",
            "SELECT 1 AS \u{1f600}$$; DROP TABLE t; SELECT 1 AS \u{1f600}$$",
            "SELECT 1 AS a\u{2026}$$; DROP TABLE t; SELECT 1 AS a\u{2026}$$",
            r"SELECT _e'\'; DROP TABLE t; --'",
            r"SELECT e/**/'\'; DROP TABLE t; --'",
            // With `standard_conforming_strings` off.
            r"SELECT 'x\''; DROP TABLE t; SELECT '",
            r"SELECT 'x\'; DROP TABLE t; --'",
        ] {
            let session = Session::default();
            let ran = Ran::logged(&session, &format!("statement: {sql}"), &[Class::Ddl]).unwrap();
            assert_eq!(ran.map(|ran| ran.command).as_deref(), Some("DROP TABLE"), "{sql}");
        }
        let shown = |sql: &str| told(sql).2;
        assert_eq!(shown(r"UPDATE t SET a = 'x\' secret', b = 'y'"), "UPDATE t SET a = '…'…");
        for (sql, class) in [
            ("explain analyze create table t as select 1", Class::Ddl),
            ("with x as (select 1) select * into t from x", Class::Ddl),
            ("with x as (select 1) insert into t select * from x", Class::Write),
            ("copy t (\"select\") from stdin", Class::Write),
            ("copy (select 1 from t) to stdout", Class::Read),
        ] {
            assert_eq!(told(sql).0, class, "{sql}");
        }
    }

    #[test]
    fn a_literal_is_never_shown_as_a_statement_and_a_long_name_lets_nobody_off() {
        let session = Session::default();
        let said = "execute s1: INSERT INTO t VALUES ('note: UPDATE secret', 'more: DROP secret')";
        let ran = Ran::logged(&session, said, &[Class::Write, Class::Ddl]).unwrap().unwrap();
        assert_eq!(ran.text, "INSERT INTO t VALUES ('…', '…')");
        let said = format!("execute {}: DROP TABLE t", "x: ".repeat(100));
        let ran = Ran::logged(&session, &said, &[Class::Write, Class::Ddl]).unwrap().unwrap();
        assert_eq!(ran.class, Class::Ddl);
        assert!(Ran::logged(&session, &said, &[]).unwrap().is_none());
    }

    #[test]
    fn classes_are_told_from_the_weightiest_statement() {
        for (sql, class, command) in [
            ("select 1; drop table t", Class::Ddl, "DROP TABLE"),
            ("create or replace function f() returns int language sql as 'x'", Class::Ddl, "CREATE FUNCTION"),
            ("create user ann", Class::Role, "CREATE USER"),
            ("create user mapping for ann server s", Class::Ddl, "CREATE USER"),
            ("grant select on t to ann", Class::Role, "GRANT"),
            ("with x as (delete from t returning *) select * from x", Class::Write, "WITH"),
            ("explain analyze delete from t", Class::Write, "EXPLAIN"),
            ("copy t from stdin", Class::Write, "COPY"),
            ("copy (select 1 from t) to stdout", Class::Read, "COPY"),
            ("set role x", Class::Misc, "SET"),
            ("do $$ begin end $$", Class::Function, "DO"),
            ("select * from t", Class::Read, "SELECT"),
        ] {
            assert_eq!(classify(&masked(sql)), (class, command.to_owned()), "{sql}");
        }
    }

    #[test]
    fn the_name_of_a_prepared_statement_hides_nothing() {
        let session = Session::default();
        let said = "execute x: SELECT 1: DROP TABLE t";
        let ran = Ran::logged(&session, said, &[Class::Ddl]).unwrap().unwrap();
        assert_eq!(ran.command, "DROP TABLE");
        assert!(Ran::logged(&session, "statement: SELECT 1", &[Class::Ddl]).unwrap().is_none());
        assert!(Ran::logged(&session, "checkpoint complete", &[Class::Ddl]).is_none());
    }
}
