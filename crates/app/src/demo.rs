//! The demo application of `palisade dev`: a real schema with row level security, and 116,000 rows in it.
//!
//! It knows no connection and no account: it says what to run, and who the demo people are. The caller makes the
//! people's accounts through `auth`, then runs [`steps`] as `palisade_owner` in one transaction, so that an
//! interrupted first start leaves nothing half loaded.
//!
//! Invariant: the same rows on every machine, and no password that two instances share.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base::{Rng, Secret};
use uuid::Uuid;

/// Whether the demo is there already: one row with one boolean.
pub const IS_LOADED: &str = "select to_regclass('public.task_tags') is not null";

/// Teams in the data set. Each brings 1,939 rows.
const TEAMS: u64 = 60;
const ROWS_PER_TEAM: u64 = 1 + 20 + 10 + 400 + 1000 + 8 + 500;

/// Rows of the whole data set.
pub const fn rows() -> u64 {
    TEAMS * ROWS_PER_TEAM
}

const SCHEMA: &str = include_str!("demo/schema.sql");
const DATA: &str = include_str!("demo/data.sql");
const FINISH: &str = include_str!("demo/finish.sql");

/// One of the demo's people: an account the caller makes before loading.
pub struct Person {
    /// What they are called.
    pub name: &'static str,
    /// What they sign in with.
    pub email: &'static str,
    /// Made for this instance alone.
    pub password: Secret,
    /// The numbers of their member rows: which teams they belong to, and as what.
    seats: &'static [u64],
}

/// Ann owns team 1 and is an editor of team 2; Bob owns team 2; Cleo only looks at team 3. Ann and Cleo share nothing.
pub fn people(rng: &Rng) -> Vec<Person> {
    let person = |name, email, seats| Person { name, email, password: password(rng), seats };
    vec![
        person("Ann", "ann@example.com", &[1, 22]),
        person("Bob", "bob@example.com", &[21]),
        person("Cleo", "cleo@example.com", &[60]),
    ]
}

/// Letters that cannot be taken for one another, and one of each kind that control 19 asks for.
fn password(rng: &Rng) -> Secret {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let bound = u32::try_from(LETTERS.len()).unwrap_or(1);
    let letter = |_| LETTERS.get(rng.below(bound) as usize).map_or('x', |letter| char::from(*letter));
    let drawn: String = (0..20).map(letter).collect();
    Secret::new(format!("{drawn}!aA7"))
}

/// Writes who may sign in and how, readable by this user alone.
pub fn write_credentials(path: &Path, people: &[Person]) -> std::io::Result<()> {
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "# The demo's people. Made for this instance; nobody else has these passwords.")?;
    for person in people {
        writeln!(file, "{}\t{}\t{}", person.name, person.email, person.password.expose())?;
    }
    Ok(())
}

/// A batch of SQL, and how many rows it brings.
pub struct Step {
    /// Several statements without parameters.
    pub sql: String,
    /// For the progress bar.
    pub rows: u64,
}

/// Everything to run, in order. `accounts` are the `auth.users.id` of [`people`], in the same order.
pub fn steps(people: &[Person], accounts: &[Uuid]) -> Vec<Step> {
    let mut steps = vec![Step { sql: SCHEMA.to_owned(), rows: 0 }];
    let team = |team: u64| Step { sql: DATA.replace("$TEAM", &team.to_string()), rows: ROWS_PER_TEAM };
    steps.extend((1..=TEAMS).map(team));
    steps.push(Step { sql: seats(people, accounts), rows: 0 });
    steps.push(Step { sql: FINISH.to_owned(), rows: 0 });
    steps
}

/// Gives the people their member rows. Ids and names are ours: nothing here was typed by a user.
fn seats(people: &[Person], accounts: &[Uuid]) -> String {
    let mut sql = String::new();
    for (person, account) in people.iter().zip(accounts) {
        let seats: Vec<String> = person.seats.iter().map(u64::to_string).collect();
        let (name, seats) = (person.name, seats.join(", "));
        sql += &format!(
            "update public.members set user_id = '{account}', name = '{name}' where id in ({seats});\n"
        );
    }
    sql
}

/// Runs the steps through `execute`, with a progress bar where somebody is looking.
pub async fn load<E>(steps: &[Step], mut execute: impl AsyncFnMut(&str) -> Result<(), E>) -> Result<u64, E> {
    let rows = steps.iter().map(|step| step.rows).sum();
    let bar = indicatif::ProgressBar::new(rows).with_message("demo data");
    let style = indicatif::ProgressStyle::with_template(
        " … {msg} [{bar:40}] {human_pos}/{human_len} rows, {elapsed}",
    );
    if let Ok(style) = style {
        bar.set_style(style);
    }
    for step in steps {
        execute(&step.sql).await?;
        bar.inc(step.rows);
    }
    bar.finish_and_clear();
    Ok(rows)
}

#[cfg(test)]
mod tests;
