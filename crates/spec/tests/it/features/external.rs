//! Somebody else's server, with an administrator who is no superuser: no event trigger says what changes.

use app::database::{Consent, From};
use app::start::{self, Running, Start};
use base::{Profile, Rng, Settings};
use pg::Login;
use pg::admin::Target;
use pg::managed::{Durability, ManagedConfig, Server};
use serde_json::json;
use spec::{Client, Person};
use tempfile::TempDir;

/// An instance on a server of its own, since roles belong to a whole server.
struct External {
    running: Running,
    boss: tokio_postgres::Client,
    server: Server,
    _data: TempDir,
}

impl External {
    async fn start() -> External {
        let data = tempfile::tempdir().unwrap();
        std::fs::set_permissions(data.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
        let config = ManagedConfig::new(data.path().join("server"), Rng::system());
        let config = ManagedConfig { durability: Durability::Throwaway, max_connections: 80, ..config };
        let server = Server::start(config).await.unwrap();
        let superuser = server.admin("postgres").connect().await.unwrap();
        for sql in ["CREATE ROLE boss LOGIN CREATEROLE PASSWORD 'boss'", "CREATE DATABASE shop OWNER boss"] {
            superuser.batch_execute(sql).await.unwrap();
        }
        let login = Login { name: "boss".to_owned(), password: Some("boss".into()) };
        let admin: Target = server.admin("shop").login(&login);
        let boss = admin.connect().await.unwrap();
        boss.batch_execute("SET search_path = public, extensions").await.unwrap();
        let running = start::start(Start {
            settings: Settings::default().with("rate_limiting.enabled", "false"),
            profile: Profile::Dev,
            data: data.path().join("data"),
            listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
            database: From::Given { admin, consent: Consent::Given },
            not_effective: Vec::new(),
            log: None,
            probe_hourly: false,
            clock: testkit::mock_clock().clock(),
            rng: Rng::system(),
        });
        let running = running.await.unwrap_or_else(|error| panic!("the instance did not start: {error}"));
        External { running, boss, server, _data: data }
    }

    fn stranger(&self) -> Client {
        Client::new(self.running.address, std::net::Ipv4Addr::LOCALHOST.into())
            .with("apikey", &self.running.keys.publishable)
    }

    async fn sql(&self, sql: &str) {
        self.boss.batch_execute(sql).await.unwrap_or_else(|error| panic!("{error:?} in {sql}"));
    }

    async fn end(self) {
        drop(self.boss);
        self.running.stop().await.unwrap();
        self.server.stop().await.unwrap();
    }
}

/// What `who` reads at `path`, as soon as it is `wanted`.
async fn comes_to_be(who: &Client, path: &str, wanted: (u16, &str)) {
    testkit::eventually(async || {
        let seen = who.get(path).await;
        ((seen.status.as_u16(), seen.text().contains(wanted.1)) == (wanted.0, true)).then_some(())
    })
    .await;
}

const NOTES: &str = "
CREATE TABLE public.notes (id int PRIMARY KEY, email text);
ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.notes FORCE ROW LEVEL SECURITY;
CREATE POLICY by_id ON public.notes USING (auth.uid() IS NULL AND id = 0);
CREATE POLICY boss ON public.notes TO boss USING (true);
INSERT INTO public.notes VALUES (1, 'ann@example.com'), (2, 'bob@example.com')";

#[tokio::test]
async fn a_policy_that_nobody_announced_reads_every_claim_at_once() {
    let external = External::start().await;
    external.sql(NOTES).await;
    let ann = Person::sign_up(&external.stranger(), "ann@example.com").await;
    comes_to_be(&ann.client, "/rest/v1/notes?select=id", (200, "[]")).await;
    assert!(!external.running.services.data.catalog().is_heard, "the event trigger could not be made");
    let known = external.running.services.data.catalog().version;
    // Each looks at another claim, and is in force for the very next request: nobody has looked at the catalog since.
    for (nth, policy) in [
        "current_setting('request.jwt.claim.email', true) = email",
        "coalesce(current_setting('request.jwt.claim.role', true), '') = 'authenticated' AND id = 1",
        "current_setting('request.jwt.claims', true) LIKE '%' || email || '%'",
        "email = (SELECT auth.jwt() ->> 'email')",
    ]
    .iter()
    .enumerate()
    {
        external.sql(&format!("CREATE POLICY p{nth} ON public.notes USING ({policy})")).await;
        let seen = ann.client.get("/rest/v1/notes?select=id").await.expect(200);
        assert_eq!(seen.value(), json!([{ "id": 1 }]), "{policy}");
        external.sql(&format!("DROP POLICY p{nth} ON public.notes")).await;
        let seen = ann.client.get("/rest/v1/notes?select=id").await.expect(200);
        assert_eq!(seen.value(), json!([]), "a dropped policy: {policy}");
    }
    assert!(external.running.services.data.catalog().version >= known);
    external.sql("REVOKE ALL ON public.notes FROM authenticated").await;
    assert_eq!(ann.client.get("/rest/v1/notes?select=id").await.status, 403, "a revoked right");
    external.end().await;
}

#[tokio::test]
async fn a_schema_that_nobody_announces_is_looked_at() {
    let external = External::start().await;
    let anyone = external.stranger();
    assert_eq!(anyone.get("/rest/v1/notes").await.status, 404);
    external.sql(NOTES).await;
    comes_to_be(&anyone, "/rest/v1/notes?select=id", (200, "[]")).await;
    external.sql("ALTER TABLE public.notes ADD COLUMN more text").await;
    comes_to_be(&anyone, "/rest/v1/notes?select=more", (200, "[]")).await;
    // Without its protection it is served no longer, although anon holds the grants.
    external.sql("ALTER TABLE public.notes DISABLE ROW LEVEL SECURITY").await;
    testkit::eventually(async || {
        (anyone.get("/rest/v1/notes?select=id").await.status.as_u16() >= 400).then_some(())
    })
    .await;
    external.sql("ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY").await;
    comes_to_be(&anyone, "/rest/v1/notes?select=id", (200, "[]")).await;
    external.end().await;
}
