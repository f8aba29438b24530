//! The database's side: the rows that are asked for, and pgbench asking for them directly.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::load::Outcome;
use super::process;
use super::server::Server;
use crate::setup::Tools;
use crate::shell;

/// What every user of the bench signs in with; bcrypt with the lowest cost, as an import would bring it.
pub const PASSWORD: &str = "Bench-Password-1";
const PASSWORD_HASH: &str = "$2b$04$wELEthN1mXJhj4PxHg7WDe3z7bnVoEtWrwdY5gzVyG/gGXV0SpAWu";

const SEED: &str = include_str!("seed.sql");

/// The row by key, from a copy without policies.
pub const BARE: &str = "\
\\set id random(1, 90000)
select id, title, done, priority, tags, details, created_at from bench.plain where id = :id;
";

/// The same under row level security, the way the guide does it: four round trips.
pub const SEQUENCE: &str = "\
\\set id random(1, 90000)
\\set user (:id - 1) % 10000
BEGIN;
select set_config('role', 'authenticated', true), set_config('request.jwt.claims', '{\"sub\":\"00000000-0000-4000-8000-' || lpad((:user)::text, 12, '0') || '\",\"role\":\"authenticated\"}', true);
select id, title, done, priority, tags, details, created_at from public.todos where id = :id;
COMMIT;
";

/// What Palisade sends for the same row: the settings and the row, one Sync.
pub const PIPELINE: &str = "\
\\set id random(1, 90000)
\\set user (:id - 1) % 10000
\\startpipeline
select where set_config('role', 'authenticated', true) is null or set_config('request.jwt.claim.sub', '00000000-0000-4000-8000-' || lpad((:user)::text, 12, '0'), true) is null;
select id, title, done, priority, tags, details, created_at from public.todos where id = :id;
\\endpipeline
";

/// The id of the bench's nth user.
pub fn user_id(user: u64) -> String {
    format!("00000000-0000-4000-8000-{user:012}")
}

/// And their address.
pub fn user_email(user: u64) -> String {
    format!("bench-{user}@example.com")
}

/// The way in, as the administrator.
pub struct Database {
    url: String,
    programs: PathBuf,
    postmaster: u32,
}

impl Database {
    pub fn of(server: &Server, tools: &Tools) -> Result<Self> {
        let programs = tools.postgres().to_owned();
        let mut database = Database { url: server.database_url().to_owned(), programs, postmaster: 0 };
        let checkpointer =
            database.ask("select pid from pg_stat_activity where backend_type = 'checkpointer'")?;
        database.postmaster = process::parent_of(checkpointer.parse()?).context("no postmaster")?;
        Ok(database)
    }

    pub fn postmaster(&self) -> u32 {
        self.postmaster
    }

    /// 10,000 users, 100,000 rows of theirs, and a copy of those without policies.
    pub fn seed(&self) -> Result<()> {
        println!(" … loading 10,000 users and 100,000 rows");
        let file = std::env::temp_dir().join(format!("palisade-bench-{}.sql", std::process::id()));
        std::fs::write(&file, SEED.replace("$PASSWORD_HASH", PASSWORD_HASH))?;
        let outcome = shell::quiet(
            self.program("psql", &["-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f"]).arg(&file),
        );
        std::fs::remove_file(&file)?;
        outcome
    }

    /// What one statement says.
    pub fn ask(&self, sql: &str) -> Result<String> {
        shell::look(&mut self.program("psql", &["-Atqc", sql]))
            .with_context(|| format!("psql could not run: {sql}"))
    }

    fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = shell::program(self.programs.join(name), &[]);
        match name {
            "psql" => command.args(["-X", "-d", &self.url]).args(arguments),
            _ => command.args(arguments).arg(&self.url),
        };
        command
    }

    /// Runs a script with prepared statements; latencies are a sample, from pgbench's own log.
    pub fn pgbench(&self, script: &str, clients: usize, seconds: u64) -> Result<Outcome> {
        let place = std::env::temp_dir().join(format!("palisade-pgbench-{}", std::process::id()));
        std::fs::create_dir_all(&place)?;
        std::fs::write(place.join("script.sql"), script)?;
        let (clients, seconds) = (clients.to_string(), seconds.to_string());
        let mut arguments = vec!["-n", "-M", "prepared", "-f", "script.sql", "-c", &clients, "-T", &seconds];
        arguments.extend(["--log", "--log-prefix", "each", "--sampling-rate", "0.02"]);
        let began = std::time::Instant::now();
        let output =
            self.program("pgbench", &arguments).current_dir(&place).output().context("cannot run pgbench")?;
        let took = began.elapsed();
        if !output.status.success() {
            bail!("pgbench: {}", String::from_utf8_lossy(&output.stderr));
        }
        let mut latencies_us = Vec::new();
        for entry in std::fs::read_dir(&place)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("each")) {
                let text = std::fs::read_to_string(path)?;
                latencies_us
                    .extend(text.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<u32>().ok()));
            }
        }
        std::fs::remove_dir_all(&place)?;
        latencies_us.sort_unstable();
        let printed = String::from_utf8_lossy(&output.stdout);
        let requests =
            processed(&printed).with_context(|| format!("pgbench printed no count:\n{printed}"))?;
        Ok(Outcome { requests, took, latencies_us, ..Outcome::default() })
    }

    /// How often the backends had to wait. What ended is not in it: read it around work on connections that stay.
    pub fn waits(&self) -> u64 {
        process::children(self.postmaster).into_iter().filter_map(process::waits).sum()
    }

    pub fn proportional_mib(&self) -> f64 {
        let all = process::children(self.postmaster).into_iter().chain([self.postmaster]);
        all.filter_map(process::proportional_kib).sum::<u64>() as f64 / 1024.0
    }
}

/// The number in pgbench's summary.
fn processed(printed: &str) -> Option<u64> {
    let line =
        printed.lines().find_map(|line| line.strip_prefix("number of transactions actually processed: "))?;
    line.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::processed;

    #[test]
    fn the_count_is_read_from_the_summary() {
        let printed =
            "scaling factor: 1\nnumber of transactions actually processed: 1234\nlatency average = 0.1 ms\n";
        assert_eq!(processed(printed), Some(1234));
        assert_eq!(processed("number of transactions actually processed: 7/10\n"), Some(7));
        assert_eq!(processed("nothing"), None);
    }
}
