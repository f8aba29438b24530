//! The program in this process, on a database of its own, with its clock in the test's hand.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use app::start::{self, Running, Start};
use app::{config, database};
use base::{MockClock, Profile, Rng, Settings};
use tempfile::TempDir;
use testkit::Database;

use crate::mail::Mail;
use crate::{Client, Person};

/// A running instance.
pub struct TestApp {
    /// Move it, and the instance's time moves.
    pub clock: MockClock,
    /// The instance.
    pub running: Running,
    /// Its database, as everybody who may look at it.
    pub database: Arc<Database>,
    data: TempDir,
}

/// How a test's instance differs from the usual one.
#[derive(Default)]
pub struct TestAppBuilder {
    written: Settings,
    settings: Vec<(&'static str, String)>,
    serving: bool,
    root_key: Option<std::path::PathBuf>,
    shared: Option<(Arc<Database>, MockClock)>,
}

impl TestAppBuilder {
    /// What an operator wrote: a settings file and variables, read as the program reads them.
    #[must_use]
    pub fn written(mut self, file: &str, variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let inputs = config::Inputs {
            file: Some(("palisade.yaml", file)),
            variables: &variables.collect(),
            flags: &[],
            read: &config::read_secret_file,
        };
        let loaded = config::load(&app::lists::settings(), &inputs);
        self.written = loaded.unwrap_or_else(|problems| panic!("{problems}")).settings;
        self
    }

    /// One setting.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    /// With rate limits that this test will not reach, and nobody kept out: for tests about something else that send much.
    #[must_use]
    pub fn unlimited(self) -> Self {
        self.with("rate_limiting.enabled", "false").with("detection.enabled", "false")
    }

    /// With a sender of texts, which stay in the outbox as they do in `dev`. No pause between them.
    #[must_use]
    pub fn texting(self) -> Self {
        self.with("sms.provider", "twilio")
            .with("sms.twilio_account_sid", "AC00000000000000000000000000000000")
            .with("sms.twilio_auth_token", "a-token-of-nobody")
            .with("sms.twilio_message_service_sid", "MG00000000000000000000000000000000")
            .with("sms.max_frequency", "0s")
    }

    /// As `serve` runs, with mail that is written to files: addresses have to be confirmed. No pause between mails.
    #[must_use]
    pub fn serving(mut self) -> Self {
        self.serving = true;
        self.with("auth.external_url", "https://palisade.example.com")
            .with("auth.site_url", "https://app.example.com")
            .with("auth.uri_allow_list", "https://app.example.com/**,myapp://**")
            .with("auth.mail_max_frequency", "0s")
            // One after the other: a test tells mails apart by their order.
            .with("jobs.workers", "1")
            .unlimited()
    }

    /// With the root key of another instance, as every node of one has it.
    #[must_use]
    pub fn beside(mut self, other: &TestApp) -> Self {
        self.root_key = Some(other.data().join("keys/root.key"));
        self
    }

    /// As another node of that instance: with its root key, on its database, at its time.
    #[must_use]
    pub fn node_of(self, other: &TestApp) -> Self {
        let shared = Some((other.database.clone(), other.clock.clone()));
        Self { shared, ..self.beside(other) }
    }

    /// Starts it.
    pub async fn start(self) -> TestApp {
        let (database, clock) = match self.shared {
            Some(shared) => shared,
            None => (Arc::new(Database::new(&app::lists::migrations()).await), testkit::mock_clock()),
        };
        let data = TempDir::new().unwrap();
        if let Some(key) = self.root_key {
            std::fs::create_dir(data.path().join("keys")).unwrap();
            std::fs::copy(key, data.path().join("keys/root.key")).unwrap();
        }
        let mails = data.path().join("mails");
        let files = self.written.with("email.file_dir", &mails.display().to_string());
        let settings = self.settings.iter().fold(
            if self.serving { files } else { self.written }.with("monitoring.port", "0"),
            |settings, (name, value)| settings.with(name, value),
        );
        let statements = Some(app::statements::Statements::of(database.statements(), database.name()));
        let from = database::From::Prepared {
            admin: database.target(),
            logins: database.logins().clone(),
            statements,
        };
        let running = start::start(Start {
            settings,
            profile: if self.serving { Profile::Serve } else { Profile::Dev },
            data: data.path().to_owned(),
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            database: from,
            not_effective: Vec::new(),
            log: None,
            probe_hourly: false,
            clock: clock.clock(),
            rng: Rng::system(),
        })
        .await
        .unwrap_or_else(|error| panic!("the instance did not start: {error}"));
        let app = TestApp { clock, running, database, data };
        // The listener reads the catalog once it hears: only after that does a new version mean a change of the test's.
        app.eventually(async || app.running.services.data.catalog().version >= 2).await;
        app
    }
}

/// Every stranger comes from an address of their own, so that one test's limits are nobody else's.
static STRANGERS: AtomicU32 = AtomicU32::new(1);

impl TestApp {
    /// The data directory.
    pub fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    /// The mails that left for `to`, oldest first, once there are `count`.
    pub async fn mails(&self, to: &str, count: usize) -> Vec<Mail> {
        let directory = self.data.path().join("mails");
        let mut found = Vec::new();
        self.eventually(async || {
            found = crate::mail::read_all(&directory, to);
            found.len() >= count
        })
        .await;
        assert_eq!(found.len(), count, "mails to {to}");
        found
    }

    /// The newest of `count` mails to `to`.
    pub async fn mail(&self, to: &str, count: usize) -> Mail {
        self.mails(to, count).await.pop().unwrap()
    }

    /// The usual instance: everything at its default, sign-ups confirmed at once.
    pub async fn start() -> TestApp {
        Self::builder().start().await
    }

    /// One that differs.
    pub fn builder() -> TestAppBuilder {
        TestAppBuilder::default()
    }

    /// Somebody with the publishable key, at an address nobody had before.
    pub fn stranger(&self) -> Client {
        let [_, b, c, d] = STRANGERS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let from = IpAddr::V4(Ipv4Addr::new(127, 100 + b, c, d));
        Client::new(self.running.address, from).with("apikey", &self.running.keys.publishable)
    }

    /// A program with the secret key.
    pub fn service(&self) -> Client {
        let mut client = self.stranger();
        client.headers.clear();
        client.with("apikey", self.running.keys.secret.expose())
    }

    /// Signs somebody up at `name@example.com`.
    pub async fn person(&self, name: &str) -> Person {
        Person::sign_up(&self.stranger(), &format!("{name}@example.com")).await
    }

    /// SQL as the owner of user tables. Returns when a schema it changed is served as it is now.
    pub async fn owner(&self, sql: &str) {
        self.run(self.database.owner().await, sql).await;
    }

    /// SQL as the superuser. Returns when a schema it changed is served as it is now.
    pub async fn admin(&self, sql: &str) {
        self.run(self.database.admin().await, sql).await;
    }

    async fn run(&self, client: tokio_postgres::Client, sql: &str) {
        let data = &self.running.services.data;
        let before = data.catalog().version;
        client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{error:?} in {sql}"));
        let is_ddl = ["create", "alter", "drop", "grant", "revoke", "into", "comment on"]
            .iter()
            .any(|word| sql.contains(word));
        if is_ddl {
            self.eventually(async || data.catalog().version > before).await;
        }
    }

    /// Whether the audit log holds an entry of this name.
    pub async fn audited(&self, event: &str) -> bool {
        let audit = &self.running.services.audit;
        audit.settle().await.unwrap();
        let filter = audit::Filter { event: Some(event.to_owned()), ..audit::Filter::default() };
        !audit.find(&filter, None, 1).await.unwrap().is_empty()
    }

    /// Waits, within a bound, until `condition` holds.
    pub async fn eventually(&self, mut condition: impl AsyncFnMut() -> bool) {
        for _ in 0..600 {
            if condition().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("it did not come true within fifteen seconds");
    }
}
