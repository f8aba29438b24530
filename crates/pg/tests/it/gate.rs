//! The fail-closed gate, tried with every way a table comes to be (attack 57): `anon` reads no row in any of them.

use testkit::Database;
use tokio_postgres::Client;

/// Runs `make` as `role` and looks at `public.t` from all sides.
#[track_caller]
fn check(role: &'static str, make: &'static str) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let db = Database::new(&[]).await;
        let maker = if role == "postgres" { db.admin().await } else { db.acting(role).await };
        maker.batch_execute(make).await.unwrap_or_else(|error| panic!("{make}: {error:?}"));
        let admin = db.admin().await;
        let row = "SELECT relrowsecurity, relforcerowsecurity, relowner::regrole::text FROM pg_class
                    WHERE oid = 'public.t'::regclass";
        let row = admin.query_one(row, &[]).await.unwrap();
        let said: (bool, bool, &str) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(said, (true, true, "palisade_owner"), "{place}: {make}");
        admin.batch_execute("GRANT SELECT ON public.t TO anon, authenticated").await.unwrap();
        assert!(count(&admin, "t").await > 0, "{place}: nothing to hide");
        for caller in ["anon", "authenticated", "readonly"] {
            assert_eq!(count(&db.acting(caller).await, "t").await, 0, "{place}: {caller} reads {make}");
        }
        assert!(
            count(&db.acting("service_role").await, "t").await > 0,
            "{place}: service_role reads nothing"
        );
        assert_eq!(unprotected(&admin).await, Vec::<String>::new(), "{place}");
    }
}

async fn count(client: &Client, table: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM public.{table}"), &[]).await.unwrap().get(0)
}

async fn unprotected(admin: &Client) -> Vec<String> {
    let rows = admin
        .query("SELECT name::text || ': ' || why FROM palisade.unprotected ORDER BY 1", &[])
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn created_by_the_owner() {
    check("palisade_owner", "CREATE TABLE t (id int); INSERT INTO t VALUES (1)").await;
}

#[tokio::test]
async fn created_by_the_superuser() {
    check("postgres", "CREATE TABLE public.t (id serial PRIMARY KEY, x int); INSERT INTO t (x) VALUES (1)")
        .await;
}

#[tokio::test]
async fn created_as_a_query() {
    check("postgres", "CREATE TABLE t AS SELECT 1 AS id").await;
}

#[tokio::test]
async fn selected_into() {
    check("palisade_owner", "SELECT 1 AS id INTO t").await;
}

#[tokio::test]
async fn created_in_a_function() {
    check("postgres", "DO $$ BEGIN EXECUTE 'CREATE TABLE t AS SELECT 1 AS id'; END $$").await;
}

#[tokio::test]
async fn created_with_its_schema() {
    check("postgres", "DROP SCHEMA public; CREATE SCHEMA public CREATE TABLE t (id int);
        INSERT INTO public.t VALUES (1); GRANT USAGE ON SCHEMA public TO anon, authenticated, readonly, service_role;
        GRANT SELECT ON public.t TO readonly, service_role").await;
}

#[tokio::test]
async fn a_partitioned_table() {
    check(
        "palisade_owner",
        "CREATE TABLE t (id int) PARTITION BY RANGE (id);
        CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (9); INSERT INTO t VALUES (1)",
    )
    .await;
}

#[tokio::test]
async fn a_partition_by_itself() {
    check(
        "palisade_owner",
        "CREATE TABLE whole (id int) PARTITION BY RANGE (id);
        CREATE TABLE t PARTITION OF whole FOR VALUES FROM (0) TO (9); INSERT INTO whole VALUES (1)",
    )
    .await;
}

#[tokio::test]
async fn a_partition_attached() {
    check("postgres", "CREATE SCHEMA aside; CREATE TABLE aside.t (id int); INSERT INTO aside.t VALUES (1);
        CREATE TABLE whole (id int) PARTITION BY RANGE (id);
        ALTER TABLE whole ATTACH PARTITION aside.t FOR VALUES FROM (0) TO (9); ALTER TABLE aside.t SET SCHEMA public;
        GRANT SELECT ON public.t TO readonly, service_role").await;
}

#[tokio::test]
async fn an_inheriting_table() {
    check(
        "palisade_owner",
        "CREATE TABLE parent (id int); CREATE TABLE t () INHERITS (parent); INSERT INTO t VALUES (1)",
    )
    .await;
}

#[tokio::test]
async fn a_table_like_another_or_of_a_type() {
    check(
        "palisade_owner",
        "CREATE TABLE other (id int); CREATE TABLE t (LIKE other INCLUDING ALL); INSERT INTO t VALUES (1)",
    )
    .await;
    check("palisade_owner", "CREATE TYPE row AS (id int); CREATE TABLE t OF row; INSERT INTO t VALUES (1)")
        .await;
}

#[tokio::test]
async fn an_unlogged_table() {
    check("palisade_owner", "CREATE UNLOGGED TABLE t (id int); INSERT INTO t VALUES (1)").await;
}

#[tokio::test]
async fn moved_in_from_another_schema() {
    check(
        "postgres",
        "CREATE SCHEMA aside; CREATE TABLE aside.t (id int); INSERT INTO aside.t VALUES (1);
        ALTER TABLE aside.t SET SCHEMA public; GRANT SELECT ON public.t TO readonly, service_role",
    )
    .await;
}

#[tokio::test]
async fn a_schema_that_takes_the_exposed_name() {
    check(
        "postgres",
        "CREATE SCHEMA aside; CREATE TABLE aside.t (id int); INSERT INTO aside.t VALUES (1);
        ALTER SCHEMA public RENAME TO old; ALTER SCHEMA aside RENAME TO public;
        GRANT USAGE ON SCHEMA public TO anon, authenticated, readonly, service_role;
        GRANT SELECT ON public.t TO readonly, service_role",
    )
    .await;
}

#[tokio::test]
async fn renamed_into_place() {
    check("palisade_owner", "CREATE TABLE u (id int); INSERT INTO u VALUES (1); ALTER TABLE u RENAME TO t")
        .await;
}

#[tokio::test]
async fn created_while_the_session_plays_a_replica() {
    check(
        "postgres",
        "SET session_replication_role = replica; CREATE TABLE t (id int); INSERT INTO t VALUES (1)",
    )
    .await;
}

#[tokio::test]
async fn restored_by_psql_from_a_dump() {
    // What pg_dump writes: an owner, data by COPY, no row level security.
    check(
        "postgres",
        "SET search_path = ''; CREATE TABLE public.t (id integer); ALTER TABLE public.t OWNER TO postgres;
        INSERT INTO public.t VALUES (1); ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (id)",
    )
    .await;
}

#[tokio::test]
async fn a_schema_exposed_later_guards_what_is_in_it() {
    let db = Database::new(&[]).await;
    let admin = db.admin().await;
    admin.batch_execute("CREATE SCHEMA shop; CREATE TABLE shop.t (id int)").await.unwrap();
    admin.batch_execute("INSERT INTO palisade.exposed_schemas VALUES (1, 'shop')").await.unwrap();
    let row =
        admin.query_one("SELECT relforcerowsecurity FROM pg_class WHERE relname = 't'", &[]).await.unwrap();
    assert!(row.get::<_, bool>(0));
}

#[tokio::test]
async fn an_unguarded_schema_is_left_alone_and_listed() {
    let exposed = pg::bootstrap::Exposed { name: "public".to_owned(), guarded: false };
    let db = Database::exposing(&[exposed], &[]).await;
    db.owner().await.batch_execute("CREATE TABLE t (id int)").await.unwrap();
    assert_eq!(unprotected(&db.admin().await).await, ["t: row level security is off"]);
}

#[tokio::test]
async fn other_schemas_are_nobodys_business() {
    let db = Database::new(&[]).await;
    let owner = db.owner().await;
    owner
        .batch_execute("CREATE SCHEMA aside; CREATE TABLE aside.t (id int); CREATE TEMP TABLE tmp (id int)")
        .await
        .unwrap();
    let row = "SELECT count(*) FROM pg_class WHERE relname IN ('t', 'tmp') AND relrowsecurity";
    assert_eq!(db.admin().await.query_one(row, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_view_asks_as_its_caller_unless_its_owner_says_otherwise() {
    let db = Database::new(&[]).await;
    let owner = db.owner().await;
    let sql = "CREATE TABLE t (id int); INSERT INTO t VALUES (1);
               CREATE VIEW asks AS TABLE t;
               CREATE VIEW owns WITH (security_invoker = false) AS TABLE t";
    owner.batch_execute(sql).await.unwrap();
    let anon = db.acting("anon").await;
    assert_eq!(count(&anon, "asks").await, 0);
    assert_eq!(count(&anon, "owns").await, 1);
    let admin = db.admin().await;
    assert_eq!(unprotected(&admin).await, ["owns: the view reads as its owner, not as its caller"]);
    // Replacing a view forgets its options.
    owner.batch_execute("CREATE OR REPLACE VIEW asks AS SELECT * FROM t WHERE true").await.unwrap();
    assert_eq!(count(&anon, "asks").await, 0);
    // A superuser's view would pass every policy.
    admin.batch_execute("CREATE VIEW public.superviewed AS TABLE public.t").await.unwrap();
    assert_eq!(count(&anon, "superviewed").await, 0);
}

#[tokio::test]
async fn a_materialized_view_is_for_the_service_role_until_granted_on_purpose() {
    let db = Database::new(&[]).await;
    let owner = db.owner().await;
    owner
        .batch_execute("CREATE TABLE t (id int); CREATE MATERIALIZED VIEW m AS SELECT 1 AS id")
        .await
        .unwrap();
    let anon = db.acting("anon").await;
    assert!(anon.query("TABLE m", &[]).await.is_err());
    assert_eq!(count(&db.acting("service_role").await, "m").await, 1);
    let admin = db.admin().await;
    assert_eq!(unprotected(&admin).await, Vec::<String>::new());
    owner.batch_execute("GRANT SELECT ON m TO anon; REFRESH MATERIALIZED VIEW m").await.unwrap();
    assert_eq!(count(&anon, "m").await, 1);
    assert_eq!(unprotected(&admin).await, ["m: a materialized view has no row level security"]);
}

#[tokio::test]
async fn imported_foreign_tables_lose_their_grants() {
    let db = Database::new(&[]).await;
    let admin = db.admin().await;
    let sql = "CREATE EXTENSION file_fdw SCHEMA extensions; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
               CREATE FOREIGN TABLE public.passwd (line text) SERVER files OPTIONS (filename '/etc/hostname')";
    admin.batch_execute(sql).await.unwrap();
    for role in ["anon", "authenticated", "readonly"] {
        assert!(db.acting(role).await.query("TABLE passwd", &[]).await.is_err(), "{role}");
    }
    admin.batch_execute("CREATE SCHEMA far; CREATE TABLE far.t AS SELECT 1 AS id").await.unwrap();
    let sql = format!(
        "CREATE EXTENSION postgres_fdw SCHEMA extensions;
         CREATE SERVER near FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{}', dbname '{}');
         CREATE USER MAPPING FOR PUBLIC SERVER near OPTIONS (user 'postgres', password '{}');
         IMPORT FOREIGN SCHEMA far FROM SERVER near INTO public",
        db.socket_dir().display(),
        db.name(),
        db.target().login.password.as_ref().unwrap().expose()
    );
    admin.batch_execute(&sql).await.unwrap();
    assert_eq!(count(&admin, "t").await, 1);
    assert!(db.acting("anon").await.query("TABLE t", &[]).await.is_err());
}

#[tokio::test]
async fn what_an_extension_puts_into_public_is_guarded() {
    let db = Database::new(&[]).await;
    let admin = db.admin().await;
    // No extension of contrib makes a table; a view takes the same way through the gate.
    admin.batch_execute("CREATE EXTENSION pg_stat_statements SCHEMA public").await.unwrap();
    let row = "SELECT 'security_invoker=true' = ANY (reloptions), relowner::regrole::text FROM pg_class
                WHERE oid = 'public.pg_stat_statements'::regclass";
    let row = admin.query_one(row, &[]).await.unwrap();
    assert_eq!((row.get::<_, bool>(0), row.get::<_, &str>(1)), (true, "palisade_owner"));
    admin.batch_execute("DROP EXTENSION pg_stat_statements").await.unwrap();
}

#[tokio::test]
async fn switching_it_off_is_the_owners_word_and_is_told() {
    let db = Database::new(&[]).await;
    let (owner, admin) = (db.owner().await, db.admin().await);
    owner.batch_execute("CREATE TABLE t (id int)").await.unwrap();
    let listener = pg::notify::Listener::start(db.target(), &[pg::bootstrap::GATE_CHANNEL]);
    let mut heard = listener.subscribe();
    testkit::eventually(async || listener.connected().then_some(())).await;
    owner.batch_execute("ALTER TABLE t DISABLE ROW LEVEL SECURITY").await.unwrap();
    assert_eq!(unprotected(&admin).await, ["t: row level security is off"]);
    let told = testkit::eventually(async || match heard.try_recv() {
        Ok(pg::notify::Heard::Note { payload, .. }) => Some(payload),
        _ => None,
    });
    assert_eq!(&*told.await, "public.t: row level security is off");
    // Not fought over by later commands, and put right by hand.
    owner.batch_execute("CREATE TABLE u (id int)").await.unwrap();
    assert_eq!(unprotected(&admin).await, ["t: row level security is off"]);
    owner
        .batch_execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY")
        .await
        .unwrap();
    assert_eq!(unprotected(&admin).await, ["t: row level security is not forced on its owner"]);
    owner.batch_execute("DROP TABLE t; CREATE TABLE t (id int)").await.unwrap();
    assert_eq!(unprotected(&admin).await, Vec::<String>::new());
}

#[tokio::test]
async fn foreign_keys_and_the_owner_work_under_forced_security() {
    let db = Database::new(&[]).await;
    let owner = db.owner().await;
    let sql = "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int REFERENCES parent ON DELETE CASCADE);
               INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1); DELETE FROM parent";
    owner.batch_execute(sql).await.unwrap();
    assert_eq!(count(&owner, "child").await, 0);
}

#[tokio::test]
async fn every_schema_change_is_announced() {
    let db = Database::new(&[]).await;
    let owner = db.owner().await;
    let listener = pg::notify::Listener::start(db.target(), &["palisade_catalog"]);
    let mut heard = listener.subscribe();
    testkit::eventually(async || listener.connected().then_some(())).await;
    assert_eq!(heard.recv().await.unwrap(), pg::notify::Heard::Gap);
    for sql in [
        "CREATE TABLE t (id int PRIMARY KEY)",
        "ALTER TABLE t ADD x int",
        "CREATE POLICY p ON t USING (true)",
        "COMMENT ON TABLE t IS 'x'",
        "CREATE FUNCTION f() RETURNS int RETURN 1",
        "GRANT SELECT ON t TO anon",
        "DROP FUNCTION f()",
        "ALTER TABLE t DROP COLUMN x",
        "DROP TABLE t",
    ] {
        owner.batch_execute(sql).await.unwrap();
        let note = tokio::time::timeout(std::time::Duration::from_secs(5), heard.recv()).await;
        let note = note.unwrap_or_else(|_| panic!("nothing was heard of {sql}")).unwrap();
        assert!(matches!(note, pg::notify::Heard::Note { .. }), "{sql}: {note:?}");
    }
    owner
        .batch_execute("CREATE TEMP TABLE quiet (id int); DROP TABLE quiet; NOTIFY palisade_catalog, 'last'")
        .await
        .unwrap();
    let note = heard.recv().await.unwrap();
    let last = pg::notify::Heard::Note { channel: "palisade_catalog".into(), payload: "last".into() };
    assert_eq!(note, last, "a temporary table was announced");
}

#[tokio::test]
async fn what_probes_make_is_changed_by_administrators_alone() {
    let db = Database::new(&[]).await;
    let (admin, owner) = (db.admin().await, db.owner().await);
    let probe = "palisade_probe_0123456789abcdef_rows";
    let made = format!(
        "CREATE TABLE {probe} (id int PRIMARY KEY); CREATE POLICY own ON {probe} USING (true);
         CREATE FUNCTION palisade_probe_0123456789abcdef_find(int) RETURNS int LANGUAGE sql AS 'SELECT 1'"
    );
    admin.batch_execute(&made).await.unwrap();
    let neighbour = "CREATE TABLE own (id int PRIMARY KEY); CREATE POLICY own ON own USING (true);
        CREATE FUNCTION takes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE FUNCTION folds(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'";
    owner.batch_execute(neighbour).await.unwrap();
    for attempt in [
        "CREATE TRIGGER taken AFTER INSERT ON TABLE_OF FOR EACH ROW EXECUTE FUNCTION takes()",
        "CREATE TRIGGER palisade_changes AFTER INSERT ON TABLE_OF FOR EACH ROW EXECUTE FUNCTION takes()",
        "CREATE CONSTRAINT TRIGGER later AFTER INSERT ON TABLE_OF DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION takes()",
        "CREATE RULE taken AS ON INSERT TO TABLE_OF DO ALSO SELECT folds(1)",
        "CREATE INDEX ON TABLE_OF (folds(id))",
        "ALTER TABLE TABLE_OF ADD CHECK (folds(id) = 1)",
        "ALTER TABLE TABLE_OF ALTER id SET DEFAULT folds(1)",
        "ALTER TABLE TABLE_OF ADD more int GENERATED ALWAYS AS (folds(id)) STORED",
        "ALTER POLICY own ON TABLE_OF USING (folds(id) = 1)",
        "CREATE POLICY other ON TABLE_OF USING (folds(id) = 1)",
        "CREATE TABLE child () INHERITS (TABLE_OF)",
        "CREATE TABLE child (id int PRIMARY KEY); ALTER TABLE child INHERIT TABLE_OF",
        "CREATE TABLE cascades (id int REFERENCES TABLE_OF ON DELETE CASCADE)",
        "CREATE TABLE cascades (id int); ALTER TABLE cascades ADD FOREIGN KEY (id) REFERENCES TABLE_OF ON DELETE CASCADE",
        "ALTER TABLE TABLE_OF RENAME TO aside; CREATE TRIGGER taken AFTER INSERT ON aside FOR EACH ROW EXECUTE FUNCTION takes();
         ALTER TABLE aside RENAME TO TABLE_OF",
        "DROP TABLE TABLE_OF; CREATE VIEW TABLE_OF AS SELECT folds(1) AS id",
    ] {
        let (theirs, own) = (attempt.replace("TABLE_OF", probe), attempt.replace("TABLE_OF", "own"));
        owner.batch_execute("BEGIN").await.unwrap();
        let refused = owner.batch_execute(&theirs).await.map_err(|error| error.code().cloned());
        owner.batch_execute("ROLLBACK; BEGIN").await.unwrap();
        let passed = owner.batch_execute(&own).await;
        owner.batch_execute("ROLLBACK").await.unwrap();
        let code = tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE;
        assert_eq!(refused, Err(Some(code)), "{theirs}");
        passed.unwrap_or_else(|error| panic!("{own}: {error:?}"));
    }
    let better =
        "CREATE FUNCTION palisade_probe_0123456789abcdef_find(bigint) RETURNS int LANGUAGE sql AS 'SELECT 2'";
    assert!(owner.batch_execute(better).await.is_err());
    // The probes themselves go on, and whoever is named nearly so.
    let goes_on = format!(
        "CREATE INDEX ON {probe} (folds(id)); ALTER TABLE {probe} OWNER TO authenticated; DROP TABLE {probe}"
    );
    admin.batch_execute(&goes_on).await.unwrap();
    owner.batch_execute("CREATE TABLE palisade_probes (id int)").await.unwrap();
}
