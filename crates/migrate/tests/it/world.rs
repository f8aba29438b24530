//! A database with our schemas in it, and an application's files.

use std::pin::Pin;
use std::sync::Arc;

use audit::Audit;
use base::{Rng, Settings};
use migrate::{Ask, File, Finding, Lint, Migrations, Parts};
use pg::bootstrap::Wanted;
use seal::RootKey;
use testkit::Database;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// What a test works with.
pub struct World {
    pub database: Database,
    pub migrations: Migrations,
    pub audit: Audit,
    _data: tempfile::TempDir,
    _stop: DropGuard,
}

fn ours() -> Vec<pg::Migration> {
    [audit::MIGRATIONS, migrate::MIGRATIONS].concat()
}

/// A table without a comment is what this linter of the tests does not like.
fn lint() -> Lint {
    Arc::new(|client| -> Pin<Box<dyn Future<Output = Result<Vec<Finding>, pg::Error>> + Send + '_>> {
        Box::pin(async move {
            let sql = "SELECT relname::text, relname LIKE 'bad%' FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
                        WHERE nspname = 'public' AND relkind = 'r' AND obj_description(pg_class.oid) IS NULL ORDER BY 1";
            let finding = |row: &tokio_postgres::Row| Finding {
                id: "no_comment".to_owned(),
                what: row.get(0),
                blocks: row.get(1),
            };
            Ok(client.query(sql, &[]).await?.iter().map(finding).collect())
        })
    })
}

impl World {
    pub async fn new() -> World {
        let database = Database::new(&ours()).await;
        let root = RootKey::from_bytes([9; 32]).unwrap();
        let stop = CancellationToken::new();
        let data = tempfile::tempdir().unwrap();
        let (audit, tasks) = Audit::open(audit::Parts {
            pg: database.pg(),
            settings: Settings::default(),
            data_dir: data.path().to_owned(),
            node: "test".into(),
            keys: audit::Keys::from_root(&root),
            clock: testkit::mock_clock().clock(),
            rng: Rng::system(),
        })
        .await
        .unwrap();
        tasks.spawn(&TaskTracker::new(), stop.clone());
        let migrations = Migrations::new(Parts {
            admin: database.target(),
            audit: audit.clone(),
            ours: ours(),
            wanted: Wanted::embedded(database.logins().clone()),
            programs: None,
            lint: lint(),
            rng: Rng::system(),
        });
        World { database, migrations, audit, _data: data, _stop: stop.drop_guard() }
    }

    /// The first column of the first row, as text.
    pub async fn text(&self, sql: &str) -> Option<String> {
        self.database.admin().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// How often an event stands in the audit log.
    pub async fn audited(&self, event: &str) -> usize {
        self.audit.settle().await.unwrap();
        let filter = audit::Filter { event: Some(event.to_owned()), ..audit::Filter::default() };
        self.audit.find(&filter, None, 50).await.unwrap().len()
    }
}

pub fn file(name: &str, sql: &str) -> File {
    File { file: name.to_owned(), sql: sql.to_owned() }
}

pub fn ask(files: &[(&str, &str)]) -> Ask {
    Ask { files: files.iter().map(|(name, sql)| file(name, sql)).collect(), ..Ask::default() }
}

pub const TEAMS: (&str, &str) = (
    "0001_teams.sql",
    "create table teams (id int primary key, name text not null);\ncomment on table teams is 'x';",
);
pub const TEAMS_DOWN: (&str, &str) = ("0001_teams.down.sql", "drop table teams;");
pub const NOTES: (&str, &str) = (
    "0002_notes.sql",
    "create table notes (id int primary key, team int references teams);\ncomment on table notes is 'y';",
);
pub const NOTES_DOWN: (&str, &str) = ("0002_notes.down.sql", "drop table notes;");
