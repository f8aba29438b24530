//! After a bootstrap nobody can do more than they need, and doing it again does nothing.

use pg::bootstrap::{self, Scope, Wanted};
use testkit::Database;
use tokio_postgres::Client;

/// The SQLSTATE of a refusal.
async fn refused(client: &Client, sql: &str) -> String {
    match client.batch_execute(sql).await {
        Ok(()) => "00000".to_owned(),
        Err(error) => error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned()),
    }
}

const FORBIDDEN: &str = "42501";

async fn with_notes() -> Database {
    let db = Database::new(&[]).await;
    let sql = "CREATE TABLE notes (id int PRIMARY KEY, text text);
               CREATE POLICY everybody ON notes FOR SELECT USING (true);
               INSERT INTO notes VALUES (1, 'private')";
    db.owner().await.batch_execute(sql).await.unwrap();
    db
}

fn wanted(db: &Database) -> Wanted {
    Wanted { database: db.name().to_owned(), ..Wanted::embedded(db.logins().clone()) }
}

#[tokio::test]
async fn the_login_of_callers_can_read_nothing_by_itself() {
    let db = with_notes().await;
    let login = db.login(&db.logins().authenticator).await;
    for sql in [
        "TABLE public.notes",
        "TABLE palisade.exposed_schemas",
        "CREATE TABLE public.mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE mine (id int)",
        "SET ROLE palisade_owner",
        "SET ROLE palisade_system",
        "SET ROLE postgres",
    ] {
        assert_eq!(refused(&login, sql).await, FORBIDDEN, "{sql}");
    }
    for role in bootstrap::CALLER_ROLES {
        assert_eq!(refused(&login, &format!("SET ROLE {role}; RESET ROLE")).await, "00000", "{role}");
    }
    assert_eq!(refused(&login, "SET ROLE authenticated; TABLE public.notes").await, "00000");
}

#[tokio::test]
async fn the_system_login_cannot_reach_user_tables() {
    let db = with_notes().await;
    let system = db.login(&db.logins().system).await;
    for sql in [
        "TABLE public.notes",
        "INSERT INTO public.notes VALUES (2, 'x')",
        "CREATE TABLE public.mine (id int)",
        "SET ROLE palisade_owner",
        "SET ROLE service_role",
        "DROP TABLE palisade.guarded",
        "DROP TABLE palisade.exposed_schemas",
        "CREATE OR REPLACE FUNCTION palisade.enforce_gate() RETURNS void LANGUAGE sql AS ''",
        "SELECT palisade.enforce_gate()",
        "DROP SCHEMA palisade CASCADE",
        "DROP EVENT TRIGGER palisade_on_ddl",
        "ALTER EVENT TRIGGER palisade_on_ddl DISABLE",
        "SET session_replication_role = replica",
    ] {
        assert_eq!(refused(&system, sql).await, FORBIDDEN, "{sql}");
    }
    assert_eq!(refused(&system, "CREATE SCHEMA jobs; CREATE TABLE jobs.job (id int)").await, "00000");
    assert_eq!(refused(&system, "TABLE palisade.unprotected").await, "00000");
}

#[tokio::test]
async fn callers_cannot_create_in_public() {
    let db = with_notes().await;
    for role in bootstrap::CALLER_ROLES {
        let caller = db.acting(role).await;
        for sql in [
            "CREATE TABLE public.mine (id int)",
            "CREATE FUNCTION public.f() RETURNS int RETURN 1",
            "CREATE SCHEMA x",
        ] {
            assert_eq!(refused(&caller, sql).await, FORBIDDEN, "{role}: {sql}");
        }
    }
}

#[tokio::test]
async fn readonly_reads_and_does_nothing_else() {
    let db = with_notes().await;
    let reader = db.acting("readonly").await;
    assert_eq!(reader.query("TABLE notes", &[]).await.unwrap().len(), 1);
    assert_eq!(refused(&reader, "INSERT INTO notes VALUES (2, 'x')").await, FORBIDDEN);
    assert_eq!(refused(&reader, "DELETE FROM notes").await, FORBIDDEN);
}

#[tokio::test]
async fn the_maintenance_databases_are_closed_to_logins() {
    let db = Database::new(&[]).await;
    for database in ["postgres", "template1"] {
        for login in [&db.logins().authenticator, &db.logins().system] {
            let error = db.target().login(login).database(database).connect().await.err();
            assert!(error.is_some_and(|error| error.is(FORBIDDEN)), "{} enters {database}", login.name);
        }
    }
}

#[tokio::test]
async fn who_owns_the_tables_does_not_own_the_database() {
    let db = Database::new(&[]).await;
    let name = pg::admin::quote_name(db.name());
    let to_database = [
        format!("ALTER DATABASE {name} SET search_path = public, pg_catalog"),
        format!("ALTER DATABASE {name} CONNECTION LIMIT 0"),
        format!("ALTER DATABASE {name} RENAME TO gone"),
        format!("GRANT CONNECT ON DATABASE {name} TO PUBLIC"),
    ];
    let owner = db.owner().await;
    for sql in &to_database[..3] {
        assert_eq!(refused(&owner, sql).await, FORBIDDEN, "{sql}");
    }
    // Of somebody without the right PostgreSQL grants nothing, and says so in a notice.
    owner.batch_execute(&to_database[3]).await.unwrap();
    let to_schema =
        "COMMENT ON SCHEMA public IS 'ours'; GRANT USAGE ON SCHEMA public TO anon; CREATE TABLE public.t ()";
    owner.batch_execute(to_schema).await.unwrap();
    // As it was made before, it is taken back at the next start.
    let before = format!(
        "ALTER SCHEMA public OWNER TO pg_database_owner; ALTER DATABASE {name} OWNER TO palisade_owner"
    );
    db.admin().await.batch_execute(&before).await.unwrap();
    owner.batch_execute(&to_database[0]).await.unwrap();
    bootstrap::run(&db.target(), &wanted(&db)).await.unwrap();
    assert_eq!(refused(&owner, &to_database[0]).await, FORBIDDEN);
    owner.batch_execute(to_schema.split(';').next().unwrap()).await.unwrap();
}

#[tokio::test]
async fn an_administrator_looks_names_up_in_pg_catalog_whatever_database_or_role_say() {
    let db = Database::new(&[]).await;
    let (name, login) = (pg::admin::quote_name(db.name()), &db.logins().system);
    let sql = format!(
        "ALTER DATABASE {name} SET search_path = public, pg_catalog;
         ALTER ROLE {} IN DATABASE {name} SET search_path = public, pg_catalog",
        login.name
    );
    db.admin().await.batch_execute(&sql).await.unwrap();
    for target in [db.target(), db.target().reported(), db.target().login(login)] {
        let client = target.connect().await.unwrap();
        for also in ["RESET search_path", "RESET ALL", "DISCARD ALL"] {
            let path: String = client.query_one("SHOW search_path", &[]).await.unwrap().get(0);
            assert_eq!(path, "pg_catalog,pg_temp", "before {also}");
            client.batch_execute(also).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let db = Database::new(&[]).await;
    let mut login = db.logins().authenticator.clone();
    login.password = Some("wrong".into());
    let error = db.target().login(&login).connect().await.err();
    assert!(error.is_some_and(|error| error.is("28P01")));
}

#[tokio::test]
async fn a_second_bootstrap_finds_nothing_to_do() {
    let db = with_notes().await;
    for scope in [Scope::Cluster, Scope::Database] {
        let plan = bootstrap::plan(&db.target(), &wanted(&db), scope).await.unwrap();
        assert_eq!(plan.changes, [], "{scope:?}");
        assert_eq!(plan.degraded, [], "{scope:?}");
    }
}

/// Each line breaks one thing; the plan names it, and applying the plan mends it.
#[tokio::test]
async fn drift_is_named_and_mended() {
    let breakages = [
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "Take every right on schema `public` from PUBLIC"),
        ("GRANT CREATE ON SCHEMA public TO anon", "Let callers use"),
        ("GRANT USAGE ON SCHEMA public TO palisade_system", "Let callers use"),
        ("DROP EVENT TRIGGER palisade_on_ddl", "Create event trigger `palisade_on_ddl`"),
        ("ALTER EVENT TRIGGER palisade_on_ddl DISABLE", "Create event trigger `palisade_on_ddl`"),
        ("ALTER EVENT TRIGGER palisade_on_drop DISABLE", "Create event trigger `palisade_on_drop`"),
        (
            "CREATE OR REPLACE FUNCTION palisade.enforce_gate() RETURNS void LANGUAGE plpgsql AS 'BEGIN END'",
            "Create function `palisade.enforce_gate`",
        ),
        ("GRANT EXECUTE ON FUNCTION palisade.enforce_gate TO anon", "Create function `palisade.enforce_gate`"),
        ("DELETE FROM palisade.exposed_schemas", "Expose public"),
        ("DELETE FROM palisade.guarded", "Guard the tables that are there already"),
        ("CREATE OR REPLACE VIEW palisade.unprotected AS SELECT 0::oid AS relation, ''::name AS schema, ''::name AS name,
            'r'::\"char\" AS kind, ''::text AS why; COMMENT ON VIEW palisade.unprotected IS NULL", "list of unprotected"),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE palisade_owner IN SCHEMA public REVOKE SELECT ON TABLES FROM anon",
            "Grant SELECT, INSERT, UPDATE, DELETE on new tables of `palisade_owner`",
        ),
        ("ALTER SCHEMA palisade OWNER TO palisade_system", "Create schema `palisade`"),
    ];
    let mut breakages = Vec::from(breakages);
    let db = with_notes().await;
    let admin = db.admin().await;
    if has_pgcrypto(&admin).await {
        breakages.push(("DROP EXTENSION pgcrypto", "Create extension `pgcrypto`"));
    }
    for (sql, named) in breakages {
        admin.batch_execute(sql).await.unwrap();
        let plan = bootstrap::plan(&db.target(), &wanted(&db), Scope::Database).await.unwrap();
        let told: Vec<&str> = plan.changes.iter().map(|change| change.what.as_str()).collect();
        assert!(told.iter().any(|what| what.contains(named)), "{sql}: {told:?}");
        bootstrap::apply(&db.target(), &wanted(&db), &plan).await.unwrap();
        let plan = bootstrap::plan(&db.target(), &wanted(&db), Scope::Database).await.unwrap();
        assert_eq!(plan.changes, [], "after {sql}");
    }
    assert_eq!(db.acting("anon").await.query("TABLE notes", &[]).await.unwrap().len(), 1);
}

/// The wheel that a user without root gets is built without OpenSSL, and so without it.
async fn has_pgcrypto(admin: &Client) -> bool {
    let sql = "SELECT FROM pg_available_extensions WHERE name = 'pgcrypto'";
    !admin.query(sql, &[]).await.unwrap().is_empty()
}

#[tokio::test]
async fn user_migrations_find_their_extensions() {
    let db = Database::new(&[]).await;
    if !has_pgcrypto(&db.admin().await).await {
        return;
    }
    let sql = "SELECT crypt('x', gen_salt('bf')), uuid_generate_v4()";
    db.owner().await.batch_execute(sql).await.unwrap();
}

#[tokio::test]
async fn no_password_is_in_a_plan() {
    let db = Database::new(&[]).await;
    let mut wanted = wanted(&db);
    let other = "not the one the server has";
    wanted.logins.authenticator.password = Some(other.into());
    let plan = bootstrap::plan(&db.target(), &wanted, Scope::Cluster).await.unwrap();
    let change = plan.changes.first().unwrap();
    assert!(change.what.contains("Set the password of `authenticator`"), "{change:?}");
    assert!(change.sql.contains("SCRAM-SHA-256$") && !change.sql.contains(other), "{change:?}");
}
