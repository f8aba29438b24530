//! Roles and the way to the database, each protection taken away by SQL or by a process.

use posture::{Bench, State};
use testkit::Database;

use crate::place::{Laid, lay, probe};
use crate::server::{Does, start};

async fn laid() -> (Database, Laid) {
    let database = Database::new(&[]).await;
    let laid = lay(start(Does::everything()).await, database.target(), "exit 78");
    // Roles are what is looked at here; the real table comes with the crate that owns it.
    sql(&database, "CREATE SCHEMA IF NOT EXISTS auth; CREATE TABLE IF NOT EXISTS auth.users (id uuid)").await;
    (database, laid)
}

async fn sql(database: &Database, statements: &str) {
    database
        .admin()
        .await
        .batch_execute(statements)
        .await
        .unwrap_or_else(|error| panic!("{statements}: {error:?}"));
}

/// Takes one protection away, sees the probe fail, and puts it back.
async fn mutant(database: &Database, bench: &Bench, control: u16, away: &str, back: &str) {
    sql(database, away).await;
    let without = probe(bench, control).await;
    sql(database, back).await;
    assert_eq!(without.state, State::Failing, "{away}: {}", without.evidence);
}

/// One test, because roles belong to the whole cluster: its steps would meet those of another.
#[tokio::test]
async fn a_login_role_that_could_do_something_is_seen() {
    let (database, mut laid) = laid().await;
    // The kit's day: which minor releases came out since then is the machine's affair.
    laid.bench.place.clock = testkit::mock_clock().clock();
    let bench = &laid.bench;
    let finding = probe(bench, 50).await;
    assert_eq!(finding.state, State::Proven, "{}", finding.evidence);

    for (away, back) in [
        ("ALTER ROLE authenticator INHERIT", "ALTER ROLE authenticator NOINHERIT"),
        ("ALTER ROLE anon BYPASSRLS", "ALTER ROLE anon NOBYPASSRLS"),
        ("ALTER ROLE authenticated CREATEROLE", "ALTER ROLE authenticated NOCREATEROLE"),
        ("GRANT palisade_owner TO authenticator", "REVOKE palisade_owner FROM authenticator"),
        ("GRANT palisade_system TO authenticator", "REVOKE palisade_system FROM authenticator"),
        ("GRANT service_role TO authenticated", "REVOKE service_role FROM authenticated"),
        (
            "GRANT USAGE ON SCHEMA auth TO anon; GRANT SELECT ON auth.users TO anon",
            "REVOKE SELECT ON auth.users FROM anon",
        ),
        (
            "GRANT pg_execute_server_program TO authenticator; ALTER ROLE authenticator INHERIT",
            "REVOKE pg_execute_server_program FROM authenticator; ALTER ROLE authenticator NOINHERIT",
        ),
        (
            "CREATE TABLE public.owned (x int); ALTER TABLE public.owned OWNER TO authenticator",
            "DROP TABLE public.owned",
        ),
    ] {
        mutant(&database, bench, 50, away, back).await;
    }
}

#[tokio::test]
async fn a_role_that_may_create_is_seen() {
    let (database, laid) = laid().await;
    let finding = probe(&laid.bench, 51).await;
    assert_eq!(finding.state, State::Proven, "{}", finding.evidence);
    for (away, back) in [
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
        ("GRANT CREATE ON SCHEMA public TO service_role", "REVOKE CREATE ON SCHEMA public FROM service_role"),
    ] {
        mutant(&database, &laid.bench, 51, away, back).await;
    }
    let database_name = database.name().to_owned();
    let grant = format!("GRANT CREATE ON DATABASE \"{database_name}\" TO authenticated");
    let revoke = format!("REVOKE CREATE ON DATABASE \"{database_name}\" FROM authenticated");
    mutant(&database, &laid.bench, 51, &grant, &revoke).await;
}

#[tokio::test]
async fn a_database_that_listens_on_tcp_is_seen() {
    let (database, laid) = laid().await;
    // A session of ours to look at.
    let pg = database.pg();
    pg.health().await.unwrap();
    let finding = probe(&laid.bench, 53).await;
    assert_eq!(finding.state, State::Proven, "{}", finding.evidence);

    let port: String =
        database.admin().await.query_one("SELECT current_setting('port')", &[]).await.unwrap().get(0);
    let listener = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    let finding = probe(&laid.bench, 53).await;
    drop(listener);
    drop(pg);
    assert_eq!(finding.state, State::Failing, "{}", finding.evidence);
}

#[tokio::test]
async fn checksums_are_looked_at_where_they_are() {
    let (_database, laid) = laid().await;
    let finding = probe(&laid.bench, 59).await;
    assert_eq!(finding.state, State::Proven, "{}", finding.evidence);
    assert!(finding.evidence.contains("data_checksums: on"), "{}", finding.evidence);
}
