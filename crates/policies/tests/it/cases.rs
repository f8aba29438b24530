//! Test databases written as SQL in one file, each after a line `-- case: its name`.

use testkit::Database;
use tokio_postgres::Client;

/// One of them.
#[derive(Debug)]
pub struct Case {
    /// What stands after `-- case:`.
    pub name: String,
    /// `-- key: value` lines.
    pub notes: Vec<(String, String)>,
    /// The statements.
    pub sql: String,
}

impl Case {
    /// The values of a note.
    pub fn notes<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.notes.iter().filter(move |(found, _)| found == key).map(|(_, value)| value.as_str())
    }
}

/// The cases of a file. What stands before the first is put in front of each.
pub fn read(text: &str) -> Vec<Case> {
    let text = &short(text);
    let mut parts = text.split("-- case: ");
    let before = parts.next().unwrap_or_default();
    parts.map(|part| one(before, part)).collect()
}

/// The words that the corpus shortens.
fn short(text: &str) -> String {
    let text =
        text.replace("{uid}", "(SELECT auth.uid())").replace("{user}", "uuid NOT NULL REFERENCES auth.users");
    let mut parts = text.split("{own ");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (table, rest) = part.split_once('}').unwrap();
        let own = "(user_id = (SELECT auth.uid()))";
        whole.push_str(&format!("CREATE POLICY own ON {table} USING {own} WITH CHECK {own}{rest}"));
    }
    whole
}

fn one(before: &str, part: &str) -> Case {
    let (name, sql) = part.split_once('\n').unwrap();
    let note = |line: &str| {
        let (key, value) = line.strip_prefix("-- ")?.split_once(": ")?;
        (!key.contains(' ')).then(|| (key.to_owned(), value.trim().to_owned()))
    };
    Case {
        name: name.trim().to_owned(),
        notes: sql.lines().filter_map(note).collect(),
        sql: format!("{before}{sql}"),
    }
}

/// The schema `auth`, as its crate makes it: features do not depend on each other, not even to be tested.
pub const AUTH: &[pg::Migration] = &[pg::Migration {
    owner: "auth",
    version: 1,
    name: "schema",
    sql: include_str!("../../../auth/migrations/0001_schema.sql"),
}];

/// A superuser in a database with the schema `auth`, where nothing closes by itself what a case leaves open.
pub async fn administrator() -> (Database, Client) {
    let database = Database::new(AUTH).await;
    let admin = database.admin().await;
    admin
        .batch_execute(
            "ALTER EVENT TRIGGER palisade_on_ddl DISABLE; ALTER EVENT TRIGGER palisade_on_drop DISABLE;
             GRANT USAGE ON SCHEMA auth TO anon, authenticated",
        )
        .await
        .unwrap();
    (database, admin)
}
