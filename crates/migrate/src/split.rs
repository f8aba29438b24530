//! Where statements begin and end, as psql sees it: quotes, dollar quotes, comments and SQL function bodies are not
//! cut. Only for line numbers and for what may not stand in a migration; PostgreSQL reads the file for itself.

/// One statement of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its text, without what comes before its first word.
    pub text: &'a str,
    /// The line its first word stands in, from 1.
    pub line: usize,
    /// Its first words in small letters, at most four.
    pub words: Vec<String>,
}

/// Cuts a file. Text that never ends (an open quote) is one statement to the end: PostgreSQL will say what is wrong.
pub fn statements(text: &str) -> Vec<Statement<'_>> {
    let mut cut = Cut { text, at: 0, begin: None, words: Vec::new(), depth: 0, found: Vec::new() };
    cut.run();
    cut.found
}

struct Cut<'a> {
    text: &'a str,
    at: usize,
    begin: Option<usize>,
    words: Vec<String>,
    /// Open BEGIN ATOMIC and CASE.
    depth: usize,
    found: Vec<Statement<'a>>,
}

impl<'a> Cut<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn run(&mut self) {
        while let Some(next) = self.rest().chars().next() {
            let rest = self.rest();
            if rest.starts_with("--") {
                self.skip_to("\n");
            } else if rest.starts_with("/*") {
                self.comment();
            } else if next == ';' && self.depth == 0 {
                self.end();
                self.at += 1;
            } else if next.is_whitespace() {
                self.at += next.len_utf8();
            } else {
                self.begin.get_or_insert(self.at);
                self.token(next);
            }
        }
        self.end();
    }

    fn token(&mut self, next: char) {
        match next {
            '\'' => self.quoted('\'', false),
            '"' => self.quoted('"', false),
            '$' => self.dollar(),
            _ if next.is_alphabetic() || next == '_' => self.word(),
            _ => self.at += next.len_utf8(),
        }
    }

    fn skip_to(&mut self, mark: &str) {
        self.at += self.rest().find(mark).map_or(self.rest().len(), |at| at + mark.len());
    }

    /// Comments nest in PostgreSQL.
    fn comment(&mut self) {
        let mut open = 0_usize;
        while !self.rest().is_empty() {
            let rest = self.rest();
            if rest.starts_with("/*") {
                (open, self.at) = (open + 1, self.at + 2);
            } else if rest.starts_with("*/") {
                (open, self.at) = (open - 1, self.at + 2);
                if open == 0 {
                    return;
                }
            } else {
                self.at += rest.chars().next().map_or(1, char::len_utf8);
            }
        }
    }

    fn quoted(&mut self, quote: char, escapes: bool) {
        self.at += 1;
        let mut escaped = false;
        while let Some(next) = self.rest().chars().next() {
            self.at += next.len_utf8();
            if escaped {
                escaped = false;
            } else if escapes && next == '\\' {
                escaped = true;
            } else if next == quote {
                // A doubled quote begins the next part of the same text.
                return;
            }
        }
    }

    fn dollar(&mut self) {
        let tag =
            self.rest().get(1..).and_then(|rest| rest.find('$')).and_then(|end| self.rest().get(..end + 2));
        let is_tag = |tag: &&str| {
            let name = tag.trim_matches('$');
            !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        let Some(tag) = tag.filter(is_tag) else {
            self.at += 1;
            return;
        };
        self.at += tag.len();
        self.skip_to(tag);
    }

    fn word(&mut self) {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default().to_lowercase();
        self.at += end;
        let last_was_begin = self.words.last().is_some_and(|word| word == "begin");
        match word.as_str() {
            "e" if self.rest().starts_with('\'') => return self.quoted('\'', true),
            "atomic" if last_was_begin => self.depth += 1,
            "case" if self.depth > 0 => self.depth += 1,
            "end" if self.depth > 0 => self.depth -= 1,
            _ => {}
        }
        self.words.push(word);
    }

    fn end(&mut self) {
        let words = std::mem::take(&mut self.words);
        let Some(begin) = self.begin.take() else { return };
        let before = self.text.get(..begin).unwrap_or_default();
        self.found.push(Statement {
            text: self.text.get(begin..self.at).unwrap_or_default().trim_end(),
            line: before.matches('\n').count() + 1,
            words: words.into_iter().take(4).collect(),
        });
    }
}

/// Why a statement may not stand in a migration.
pub fn forbidden(words: &[String]) -> Option<&'static str> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["begin" | "commit" | "end" | "rollback" | "abort", ..]
        | ["start" | "prepare", "transaction", ..] => Some(
            "each migration is one transaction already; put `-- palisade: no transaction` first for none",
        ),
        ["savepoint" | "release", ..] => {
            Some("a migration is applied wholly or not at all; a DO block may catch what fails")
        }
        ["set" | "reset", "role", ..]
        | ["set", "local" | "session", "role" | "authorization", ..]
        | ["reset", "session", "authorization", ..] => {
            Some("a migration runs as palisade_owner, who owns every table of the application")
        }
        ["create" | "drop" | "alter", "event", "trigger", ..] => {
            Some("the gate in front of every table is made of event triggers")
        }
        ["copy", ..] => Some("a file has no data of its own; use INSERT, or load data through the API"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        statements(sql).into_iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn semicolons_inside_quotes_bodies_and_comments_do_not_cut() {
        assert_eq!(texts("select ';' ; select \";\" -- ;\n;"), ["select ';'", "select \";\" -- ;"]);
        assert_eq!(texts("do $$ begin; end $$; select $1 ;"), ["do $$ begin; end $$", "select $1"]);
        assert_eq!(
            texts("do $x$ ; $$ ; $x$ /* ; /* ; */ ; */; select 1"),
            ["do $x$ ; $$ ; $x$ /* ; /* ; */ ; */", "select 1"]
        );
        assert_eq!(
            texts(r"select E'\';'; select 'a\'; select 2"),
            [r"select E'\';'", r"select 'a\'", "select 2"]
        );
        assert_eq!(texts("; ;\n;"), Vec::<&str>::new());
        assert_eq!(texts("select 'open; select 1").len(), 1);
    }

    #[test]
    fn the_body_of_an_sql_function_belongs_to_it() {
        let sql = "create function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3";
        assert_eq!(texts(sql).len(), 2);
    }

    #[test]
    fn lines_are_those_of_the_first_word() {
        let found = statements("-- a\n\nselect\n1;\n/* b\n*/ select 2;");
        assert_eq!(found.iter().map(|statement| statement.line).collect::<Vec<_>>(), [3, 6]);
    }

    #[test]
    fn what_would_leave_the_transaction_or_the_role_is_forbidden() {
        let refused =
            |sql: &str| statements(sql).iter().any(|statement| forbidden(&statement.words).is_some());
        for sql in [
            "COMMIT",
            "/* */ Begin;",
            "start transaction",
            "SET ROLE x",
            "set local role x",
            "set session authorization x",
            "reset role",
            "savepoint x",
            "copy t from stdin",
        ] {
            assert!(refused(sql), "{sql}");
        }
        for sql in [
            "create function f() returns void language plpgsql as $$ begin commit; end $$",
            "set search_path = x",
            "alter role x set y = 1",
        ] {
            assert!(!refused(sql), "{sql}");
        }
    }
}
