//! A log of its own for each test: a database, a data directory, a clock that moves only when told.

use audit::{Audit, Entry, Event, Filter, Keys, Parts, Recorded, Sequencer, Tasks, Verdict};
use base::{Caller, Clock, DbRole, MockClock, Rng, SignedIn, Who};
use pg::Reason;
use tempfile::TempDir;
use testkit::Database;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A log, and everything around it.
pub struct House {
    pub db: Database,
    pub dir: TempDir,
    pub clock: MockClock,
    pub audit: Audit,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// Settings a test changes.
pub type Given<'a> = &'a [(&'static str, &'a str)];

pub fn mock_clock() -> MockClock {
    MockClock::at("2026-11-21T12:00:00Z".parse().expect("a time"))
}

pub async fn open(
    db: &Database,
    dir: &TempDir,
    clock: Clock,
    given: Given<'_>,
) -> Result<(Audit, Tasks), audit::Error> {
    open_with_root(db, dir, clock, given, 7).await
}

pub async fn open_with_root(
    db: &Database,
    dir: &TempDir,
    clock: Clock,
    given: Given<'_>,
    root: u8,
) -> Result<(Audit, Tasks), audit::Error> {
    let settings =
        given.iter().fold(base::Settings::default(), |settings, (name, value)| settings.with(name, value));
    let root = seal::RootKey::from_bytes([root; 32]).expect("a key");
    Audit::open(Parts {
        pg: db.pg(),
        settings,
        data_dir: dir.path().to_owned(),
        node: "test".into(),
        keys: Keys::from_root(&root),
        clock,
        rng: Rng::system(),
    })
    .await
}

impl House {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With both tasks running.
    pub async fn with(given: Given<'_>) -> Self {
        Self::around(Database::new(audit::MIGRATIONS).await, tempfile::tempdir().expect("a directory"), given)
            .await
    }

    pub async fn around(db: Database, dir: TempDir, given: Given<'_>) -> Self {
        let clock = mock_clock();
        let (audit, tasks) = open(&db, &dir, clock.clock(), given).await.expect("the log opens");
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(&tracker, stop.clone());
        tracker.close();
        House { db, dir, clock, audit, tracker, stop }
    }

    /// Records `count` sign-ins, chained in batches of three.
    pub async fn sign_ins(&self, count: usize) {
        for n in 0..count {
            let entry = Entry::named(format!("user:{n}"), Event::Login).about(format!("user:{n}"));
            self.audit.record_alone(entry).await.expect("recorded");
            if n % 3 == 2 {
                self.audit.settle().await.expect("chained");
            }
        }
        self.audit.settle().await.expect("chained");
    }

    pub async fn verify(&self) -> Verdict {
        self.audit.verify().await.expect("verified")
    }

    pub async fn all(&self) -> Vec<Recorded> {
        self.audit.export(&Filter::default(), 0).await.expect("read")
    }

    pub async fn superuser(&self, sql: &str) {
        self.db.admin().await.batch_execute(sql).await.expect(sql);
    }

    /// Stops both tasks and waits for them.
    pub async fn stop(self) -> (Database, TempDir) {
        self.stop.cancel();
        self.tracker.wait().await;
        (self.db, self.dir)
    }
}

/// Rounds by hand, for tests that stand between append and chain.
pub async fn round(sequencer: &mut Sequencer) -> usize {
    sequencer.round().await.expect("a round")
}

pub fn person() -> Caller {
    let user = "00000000-0000-4000-8000-000000000001".parse().expect("an id");
    Caller { who: Who::User(SignedIn { user, session: None }), ..as_role("authenticated") }
}

pub fn as_role(role: &str) -> Caller {
    Caller { role: DbRole::named(role), claimed_role: role.into(), ..Caller::anonymous() }
}

pub const AUDIT: Reason = Reason::Audit;
