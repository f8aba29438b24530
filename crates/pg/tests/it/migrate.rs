//! Migrations: once, in order, whole, by the right role, and never on a database nobody knows.

use pg::{Error, Migration, migrate};
use testkit::Database;

const ONE: Migration = Migration {
    owner: "shop",
    version: 1,
    name: "schema",
    sql: "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY); GRANT USAGE ON SCHEMA shop TO anon",
};
const TWO: Migration = Migration {
    owner: "shop",
    version: 2,
    name: "price",
    sql: "ALTER TABLE shop.item ADD price int NOT NULL DEFAULT 0",
};
const OTHER: Migration = Migration {
    owner: "mail",
    version: 1,
    name: "schema",
    sql: "CREATE SCHEMA mail; CREATE TABLE mail.box (id int)",
};

async fn run(db: &Database, migrations: &[Migration]) -> Result<usize, Error> {
    Ok(migrate::run(&mut db.admin().await, migrations).await?.len())
}

#[tokio::test]
async fn each_is_applied_once_and_belongs_to_the_system() {
    let db = Database::new(&[]).await;
    assert_eq!(run(&db, &[ONE, OTHER]).await.unwrap(), 2);
    assert_eq!(run(&db, &[ONE, OTHER]).await.unwrap(), 0);
    assert_eq!(run(&db, &[ONE, OTHER, TWO]).await.unwrap(), 1);
    let admin = db.admin().await;
    let sql = "SELECT string_agg(DISTINCT relowner::regrole::text, ',') FROM pg_class
                WHERE relnamespace IN ('shop'::regnamespace, 'mail'::regnamespace) OR oid = 'palisade.migrations'::regclass";
    assert_eq!(admin.query_one(sql, &[]).await.unwrap().get::<_, &str>(0), "palisade_system");
}

#[tokio::test]
async fn the_audit_log_belongs_to_a_role_that_nobody_can_become() {
    let db = Database::new(&[]).await;
    let audit = Migration {
        owner: "audit",
        version: 1,
        name: "schema",
        sql: "CREATE SCHEMA audit; CREATE TABLE audit.log (id int)",
    };
    run(&db, &[audit]).await.unwrap();
    let sql = "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'audit.log'::regclass";
    assert_eq!(db.admin().await.query_one(sql, &[]).await.unwrap().get::<_, &str>(0), "palisade_audit");
    let system = db.login(&db.logins().system).await;
    assert!(system.batch_execute("TABLE audit.log").await.is_err());
    assert!(system.batch_execute("SET ROLE palisade_audit").await.is_err());
}

#[tokio::test]
async fn one_that_fails_leaves_nothing_and_says_which() {
    let db = Database::new(&[]).await;
    let broken = Migration { sql: "ALTER TABLE shop.item ADD x int; SELECT 1/0", ..TWO };
    let error = run(&db, &[ONE, broken]).await.unwrap_err().to_string();
    assert!(error.contains("Migration shop 2 (price)") && error.contains("division by zero"), "{error}");
    let admin = db.admin().await;
    let sql = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'shop.item'::regclass AND attname = 'x'";
    assert_eq!(admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0);
    // The first was kept, the lock was not.
    assert_eq!(run(&db, &[ONE, TWO]).await.unwrap(), 1);
}

#[tokio::test]
async fn no_migration_has_an_administrators_rights() {
    let db = Database::new(&[]).await;
    for sql in [
        "CREATE ROLE sneaky",
        "CREATE TABLE public.t (id int)",
        "ALTER SYSTEM SET fsync = off",
        "DROP TABLE palisade.guarded",
    ] {
        assert!(run(&db, &[Migration { sql, ..ONE }]).await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn an_edited_migration_stops_the_start() {
    let db = Database::new(&[]).await;
    run(&db, &[ONE]).await.unwrap();
    let edited = Migration { sql: "CREATE SCHEMA shop", ..ONE };
    let error = run(&db, &[edited, TWO]).await.unwrap_err().to_string();
    assert!(error.contains("migration shop 1 (schema) was applied with other text"), "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_palisade_stops_the_start() {
    let db = Database::new(&[]).await;
    run(&db, &[ONE, TWO]).await.unwrap();
    let error = run(&db, &[ONE]).await.unwrap_err().to_string();
    assert!(error.contains("it has migration shop 2"), "{error}");
}

#[tokio::test]
async fn a_list_out_of_order_is_our_mistake() {
    let db = Database::new(&[]).await;
    assert!(matches!(run(&db, &[TWO, ONE]).await, Err(Error::Bug(_))));
    assert!(matches!(run(&db, &[ONE, ONE]).await, Err(Error::Bug(_))));
}

#[tokio::test]
async fn two_nodes_at_once_apply_each_once() {
    let db = Database::new(&[]).await;
    let list = [ONE, OTHER, TWO];
    let (a, b, c) = tokio::join!(run(&db, &list), run(&db, &list), run(&db, &list));
    assert_eq!(a.unwrap() + b.unwrap() + c.unwrap(), 3);
}

#[tokio::test]
async fn up_from_empty_equals_up_from_each_version() {
    let (fresh, grown) = (Database::new(&[ONE, TWO]).await, Database::new(&[ONE]).await);
    let before = migrate::schema_fingerprint(&grown.admin().await, &["shop"]).await.unwrap();
    run(&grown, &[ONE, TWO]).await.unwrap();
    let lines = migrate::schema_lines(&fresh.admin().await, &["shop"]).await.unwrap();
    assert_eq!(lines, migrate::schema_lines(&grown.admin().await, &["shop"]).await.unwrap());
    let after = migrate::schema_fingerprint(&grown.admin().await, &["shop"]).await.unwrap();
    assert_eq!(after, migrate::schema_fingerprint(&fresh.admin().await, &["shop"]).await.unwrap());
    assert_ne!(before, after);
}

/// Each of these is a difference that some query could see.
#[tokio::test]
async fn the_fingerprint_sees_every_kind_of_difference() {
    let db = Database::new(&[ONE]).await;
    let admin = db.admin().await;
    let mut seen = vec![migrate::schema_fingerprint(&admin, &["shop"]).await.unwrap()];
    for sql in [
        "ALTER TABLE shop.item ADD note text",
        "ALTER TABLE shop.item ALTER note SET NOT NULL",
        "ALTER TABLE shop.item ALTER note SET DEFAULT 'x'",
        "ALTER TABLE shop.item ADD CHECK (id > 0)",
        "CREATE INDEX ON shop.item (note)",
        "ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON shop.item USING (true)",
        "ALTER POLICY p ON shop.item USING (id = 1)",
        "GRANT SELECT ON shop.item TO anon",
        "GRANT SELECT (note) ON shop.item TO authenticated",
        "CREATE FUNCTION shop.f() RETURNS int RETURN 1",
        "CREATE OR REPLACE FUNCTION shop.f() RETURNS int RETURN 2",
        "REVOKE EXECUTE ON FUNCTION shop.f FROM PUBLIC",
        "CREATE TYPE shop.mood AS ENUM ('good')",
        "ALTER TYPE shop.mood ADD VALUE 'bad'",
        "CREATE VIEW shop.v AS SELECT id FROM shop.item",
        "CREATE OR REPLACE VIEW shop.v AS SELECT id FROM shop.item WHERE id > 1",
        "CREATE SEQUENCE shop.s",
        "ALTER SEQUENCE shop.s INCREMENT 2",
        "CREATE FUNCTION shop.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER t AFTER INSERT ON shop.item EXECUTE FUNCTION shop.g()",
        "ALTER TABLE shop.item DISABLE TRIGGER t",
        "ALTER TABLE shop.item OWNER TO postgres",
        "GRANT USAGE ON SCHEMA shop TO authenticated",
    ] {
        admin.batch_execute(sql).await.unwrap();
        let now = migrate::schema_fingerprint(&admin, &["shop"]).await.unwrap();
        assert!(!seen.contains(&now), "{sql} was not seen");
        seen.push(now);
    }
}
