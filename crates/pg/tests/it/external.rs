//! Somebody else's server: asked first, changed as agreed, and used with less where we may do less.

use base::{Caller, Rng};
use pg::admin::Target;
use pg::bootstrap::{self, Exposed, Logins, Scope, Wanted};
use pg::managed::{Durability, ManagedConfig, Server};
use pg::{Config, Login, Migration, Once, Pg, Reason, Statement, migrate};

/// A server with a database `shop`, owned by its administrator, with a table in it. Roles belong to a whole server,
/// so each of these tests has one of its own.
struct Foreign {
    server: Server,
    dir: tempfile::TempDir,
}

impl Foreign {
    async fn start() -> Foreign {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
        let config = ManagedConfig::new(dir.path().join("data"), Rng::system());
        let config = ManagedConfig { durability: Durability::Throwaway, max_connections: 40, ..config };
        let server = Server::start(config).await.unwrap();
        let superuser = server.admin("postgres").connect().await.unwrap();
        let sql =
            "CREATE ROLE boss LOGIN CREATEROLE PASSWORD 'boss'; ALTER SYSTEM SET log_min_messages = fatal";
        for sql in sql.split(';').chain(["CREATE DATABASE shop OWNER boss"]) {
            superuser.batch_execute(sql).await.unwrap();
        }
        let foreign = Foreign { server, dir };
        let boss = foreign.boss().connect().await.unwrap();
        boss.batch_execute("CREATE TABLE public.orders (id int); INSERT INTO public.orders VALUES (1)")
            .await
            .unwrap();
        foreign
    }

    fn superuser(&self) -> Target {
        self.server.admin("shop")
    }

    fn boss(&self) -> Target {
        self.superuser().login(&Login { name: "boss".to_owned(), password: Some("boss".into()) })
    }

    fn wanted(&self) -> Wanted {
        let logins = Logins::load_or_create(self.dir.path(), &Rng::system()).unwrap();
        Wanted {
            database: "shop".to_owned(),
            embedded: false,
            exposed: vec![Exposed::guarded("public"), Exposed::guarded("api")],
            ..Wanted::embedded(logins)
        }
    }

    fn pg(&self) -> Pg {
        let Logins { authenticator, system, .. } = self.wanted().logins;
        Pg::connect(Config::new(self.server.address(), "shop", authenticator, Some(system))).unwrap()
    }
}

const NOTES: Migration = Migration {
    owner: "notes",
    version: 1,
    name: "schema",
    sql: "CREATE SCHEMA notes; CREATE TABLE notes.note (id int); INSERT INTO notes.note VALUES (1)",
};

#[tokio::test]
async fn a_preview_says_everything_and_does_nothing() {
    let foreign = Foreign::start().await;
    let wanted = foreign.wanted();
    let count = "SELECT (SELECT count(*) FROM pg_roles) + (SELECT count(*) FROM pg_class) + (SELECT count(*) FROM pg_proc)";
    let client = foreign.superuser().connect().await.unwrap();
    let before: i64 = client.query_one(count, &[]).await.unwrap().get(0);
    let preview = bootstrap::preview(&foreign.superuser(), &wanted).await.unwrap();
    let after: i64 = client.query_one(count, &[]).await.unwrap().get(0);
    assert_eq!(before, after);
    let told: Vec<&str> = preview.changes.iter().map(|change| change.what.as_str()).collect();
    for expected in [
        "Create role `anon` (callers who are not signed in)",
        "Set the password of `palisade_system` (its scram verifier)",
        "Create schema `api`",
        "Create event trigger `palisade_on_ddl`",
        "Guard the tables that are there already (row level security on and forced, owner `palisade_owner`): public.orders",
    ] {
        assert!(told.contains(&expected), "{expected}: {told:#?}");
    }
    assert_eq!(preview.degraded, []);
    let done = bootstrap::run(&foreign.superuser(), &wanted).await.unwrap();
    let done: Vec<&str> = done.changes.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(told, done, "something else was done than agreed to");
    assert_eq!(bootstrap::preview(&foreign.superuser(), &wanted).await.unwrap(), Default::default());
    let closed =
        client.query_one("SELECT has_database_privilege('anon', 'postgres', 'CONNECT')", &[]).await.unwrap();
    assert!(closed.get::<_, bool>(0), "a database that is none of our business was closed");
    foreign.server.stop().await.unwrap();
}

#[tokio::test]
async fn two_nodes_preparing_at_once_do_not_collide() {
    let foreign = Foreign::start().await;
    let (admin, wanted) = (foreign.superuser(), foreign.wanted());
    let run = async || bootstrap::run(&admin, &wanted).await.map(drop);
    let (a, b, c) = tokio::join!(run(), run(), run());
    for done in [a, b, c] {
        done.unwrap();
    }
    assert_eq!(bootstrap::preview(&admin, &wanted).await.unwrap(), Default::default());
    foreign.server.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_not_agreed_to_is_not_done() {
    let foreign = Foreign::start().await;
    let (admin, wanted) = (foreign.superuser(), foreign.wanted());
    let mut plan = bootstrap::preview(&admin, &wanted).await.unwrap();
    plan.changes.retain(|change| change.what.starts_with("Create role `anon`"));
    bootstrap::apply(&admin, &wanted, &plan).await.unwrap();
    let sql = "SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'palisade_owner')";
    let made = admin.connect().await.unwrap().query_one(sql, &[]).await.unwrap();
    assert_eq!(made.get::<_, &str>(0), "anon");
    foreign.server.stop().await.unwrap();
}

#[tokio::test]
async fn without_a_superuser_it_works_with_less_and_says_what_is_lost() {
    let foreign = Foreign::start().await;
    let wanted = foreign.wanted();
    let plan = bootstrap::run(&foreign.boss(), &wanted).await.unwrap();
    let lost: Vec<(u16, &str)> =
        plan.degraded.iter().map(|lost| (lost.control, lost.step.as_str())).collect();
    for expected in [
        (41, "Let role `service_role` pass row level security"),
        (40, "Create event trigger `palisade_on_ddl`"),
        (40, "Create function `palisade.enforce_gate`"),
    ] {
        assert!(lost.contains(&expected), "{expected:?}: {lost:#?}");
    }
    // Again: nothing more to do, and the same is still lost.
    let again = bootstrap::preview(&foreign.boss(), &wanted).await.unwrap();
    assert_eq!((again.changes, again.degraded.len()), (vec![], plan.degraded.len()));

    migrate::run(&mut foreign.boss().connect().await.unwrap(), &[NOTES]).await.unwrap();
    let pg = foreign.pg();
    let mut tx = pg.begin_system(Reason::Jobs).await.unwrap();
    assert_eq!(tx.query("SELECT id FROM notes.note", []).await.unwrap().len(), 1);
    tx.roll_back().await.unwrap();
    // The table without protection is listed, for the data gate to refuse.
    let client = foreign.boss().connect().await.unwrap();
    let listed =
        client.query_one("SELECT name::text || ': ' || why FROM palisade.unprotected", &[]).await.unwrap();
    assert_eq!(listed.get::<_, &str>(0), "orders: row level security is off");
    let ask = Once::read(Statement::new("SELECT id FROM public.orders", []));
    assert!(pg.once(&Caller::anonymous(), ask).await.err().unwrap().is("42501"));
    foreign.server.stop().await.unwrap();
}

#[tokio::test]
async fn an_administrator_without_the_needed_rights_is_told_what_to_run() {
    let foreign = Foreign::start().await;
    let superuser = foreign.superuser().connect().await.unwrap();
    superuser.batch_execute("ALTER ROLE boss NOCREATEROLE").await.unwrap();
    let error = bootstrap::preview(&foreign.boss(), &foreign.wanted()).await.unwrap_err().to_string();
    assert!(
        error.contains("`boss` is not allowed to create roles") && error.contains("CREATE ROLE \"anon\""),
        "{error}"
    );
    superuser
        .batch_execute("ALTER ROLE boss CREATEROLE; ALTER DATABASE shop OWNER TO postgres")
        .await
        .unwrap();
    let error = bootstrap::preview(&foreign.boss(), &foreign.wanted()).await.unwrap_err().to_string();
    assert!(error.contains("is not the owner of the database") && error.contains("GRANT CONNECT"), "{error}");
    foreign.server.stop().await.unwrap();
}

#[tokio::test]
async fn too_strong_roles_of_an_earlier_life_are_cut_down() {
    let foreign = Foreign::start().await;
    let superuser = foreign.superuser().connect().await.unwrap();
    let sql = "CREATE ROLE anon LOGIN SUPERUSER; CREATE ROLE authenticator LOGIN INHERIT BYPASSRLS; GRANT boss TO authenticator";
    superuser.batch_execute(sql).await.unwrap();
    bootstrap::run(&foreign.superuser(), &foreign.wanted()).await.unwrap();
    let sql = "SELECT count(*) FROM pg_roles WHERE rolname IN ('anon', 'authenticator') AND NOT rolsuper AND NOT rolbypassrls
                AND (rolcanlogin AND NOT rolinherit OR rolname = 'anon' AND NOT rolcanlogin)
                AND NOT pg_has_role(oid, 'boss', 'MEMBER')";
    assert_eq!(superuser.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 2);
    let plan = bootstrap::plan(&foreign.superuser(), &foreign.wanted(), Scope::Cluster).await.unwrap();
    assert_eq!(plan, Default::default());
    foreign.server.stop().await.unwrap();
}
