//! What a file may do is what the owner of the tables may, whatever it does to be somebody else.

use crate::world::{TEAMS, World, ask};

/// What only the administrator can: `loot` is there when somebody was.
const TAKE: &str = "execute 'create table public.loot as select count(*) from pg_catalog.pg_authid'";

/// A function that becomes the connection's own user and takes, wherever it is called from. What fails is passed over, so that the
/// file itself is applied.
fn thief() -> String {
    format!(
        "create table bag (n int); comment on table bag is 'x';
         create function public.take() returns int language plpgsql as $f$ begin
             begin perform set_config('role', 'none', true); {TAKE};
             exception when others then null; end;
             return 1; end $f$;
         create function public.taking() returns trigger language plpgsql as $f$ begin perform public.take(); return null; end $f$;
         create function public.later() returns trigger language plpgsql as $f$ begin
             if new.n < 3 then set constraints all deferred; insert into public.bag values (new.n + 1);
             else perform public.take(); end if; return null; end $f$;"
    )
}

const DEFERRED: &str = "create constraint trigger now after insert on bag deferrable initially deferred for each row execute function";

async fn is_taken(world: &World) -> bool {
    world.text("select to_regclass('public.loot')::text").await.is_some()
}

#[tokio::test]
async fn a_file_becomes_nobody_else_by_code_that_it_runs_or_leaves_for_later() {
    let none = "-- palisade: no transaction\n";
    let thief = thief();
    for (what, sql) in [
        ("EXECUTE", format!("do $$ begin execute 'reset role'; {TAKE}; end $$")),
        ("EXECUTE, the session", format!("do $$ begin execute 'reset session authorization'; {TAKE}; end $$")),
        ("a function of PostgreSQL's", format!("select set_config('role', 'none', true); do $$ begin {TAKE}; end $$")),
        (
            "a function's own setting",
            format!(
                "create function public.f() returns void language plpgsql set role = 'none' as $f$ begin {TAKE}; end $f$; select f()"
            ),
        ),
        ("called", format!("{thief} select public.take()")),
        ("a deferred trigger", format!("{thief} {DEFERRED} public.taking(); insert into bag values (1)")),
        ("one that defers itself again", format!("{thief} {DEFERRED} public.later(); insert into bag values (1)")),
        ("a cursor", format!("{thief} declare c cursor with hold for select public.take()")),
        ("what runs the file", format!(
            "{thief} create or replace function pg_temp.palisade_runs(text) returns void language plpgsql as $f$ begin
                 perform public.take(); end $f$; alter function pg_temp.palisade_runs(text) security invoker"
        )),
    ] {
        let heads: &[&str] = if what.len() < 10 { &["", none] } else { &[""] };
        for head in heads {
            let world = World::new().await;
            let sql = format!("{head}{sql}");
            let after = ("0003_after.sql", "create table after_it (a int); comment on table after_it is 'x'");
            // Some are refused, some do nothing: what follows is applied beside them all the same.
            let tried = world.migrations.up(&ask(&[TEAMS, ("0002_x.sql", &sql), after])).await;
            assert!(!is_taken(&world).await, "{what}, {head:?}: {tried:?}");
            let down = ask(&[TEAMS, ("0001_teams.down.sql", &sql)]);
            if head.is_empty() && tried.is_err() {
                let tried = world.migrations.down(&down).await;
                assert!(!is_taken(&world).await, "{what}, taken back: {tried:?}");
            }
        }
    }
}

/// What PostgreSQL works out while a table, a domain's value or an aggregate is only being made.
const FOLDED: &str = "create function public.folds(n int) returns int language plpgsql immutable as $f$ begin perform public.take(); return 1; end $f$;
     create domain public.bound as int check (public.folds(value) = 1);
     create table public.by_key (n int) partition by list ((n + public.folds(1)));
     create table public.by_bound (n public.bound) partition by list (n);
     create table public.of_one partition of public.by_bound for values in (1);
     create table public.by_row (n int);
     create function public.row_is(one public.by_row) returns boolean language sql immutable as 'select true';
     alter table public.by_row add constraint whole check (public.row_is(by_row.*) and public.folds(2) = 1);
     create index on public.by_row ((n + public.folds(3))) where public.folds(4) = 1;
     create function public.more(bound, int) returns bound language sql immutable as 'select $1';
     create aggregate public.most(int) (sfunc = public.more, stype = public.bound, initcond = '1');
     create view public.shows as select public.folds(5) as n;
     create table public.defaults (n int default public.folds(6), m int generated always as (public.folds(7)) stored);
     alter table public.defaults add constraint later check (public.folds(8) = 1) not valid;
     create statistics public.counted on (n + public.folds(9)), m from public.defaults;
     create policy folded on public.defaults using (public.folds(10) = 1);";

#[tokio::test]
async fn making_a_copy_runs_nothing_as_the_administrator() {
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let file = place.path().join("taken").display().to_string();
    let world = World::new().await;
    world.migrations.up(&ask(&[TEAMS])).await.unwrap();
    let sql = format!(
        "create function public.take() returns int language plpgsql as $f$ begin
           begin perform set_config('role', 'none', true); exception when others then null; end;
           begin perform set_config('session_authorization', session_user, true); exception when others then null; end;
           execute $x$copy (select current_user) to '{file}'$x$; return 1; exception when others then return 0; end $f$;
         {FOLDED}"
    );
    world.database.owner().await.batch_execute(&sql).await.unwrap();
    let kept = "select string_agg(relname || ' ' || relowner::regrole, ', ' order by relname) from pg_class
                 where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v')";
    let here = world.text(kept).await.unwrap();
    let look = format!(
        "do $$ begin assert ({kept}) = '{here}', ({kept}); end $$; create table public.next (a int); comment on table next is 'x'"
    );
    for schema_only in [false, true] {
        let files = ask(&[TEAMS, ("0002_look.sql", &look)]);
        let shown = world.migrations.rehearse(&migrate::Ask { schema_only, ..files }).await.unwrap();
        assert_eq!(shown.applied.len(), 1);
        assert!(!place.path().join("taken").exists(), "schema only: {schema_only}");
    }
    world.migrations.on_schema(async |_| Ok::<_, migrate::Error>(())).await.unwrap();
    assert!(!place.path().join("taken").exists(), "a copy for the prover");
}

/// Otherwise whoever asks meanwhile who is not reported (control 56) is told of a login that soon is gone.
#[tokio::test]
async fn a_copys_login_is_unreported_in_its_copy_alone() {
    let world = World::new().await;
    world.migrations.up(&ask(&[TEAMS])).await.unwrap();
    // A setting of all databases has 0 for the database.
    let look = (
        "0002_look.sql",
        "do $$ begin
           assert current_setting('log_statement') = 'none' and current_setting('pgaudit.log') = 'none', 'here';
           assert (select array_agg(s.setdatabase = d.oid) from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
                     join pg_database d on d.datname = r.rolname where r.rolname = current_database()) = array[true], 'elsewhere';
         end $$; create table looked (a int); comment on table looked is 'x'",
    );
    let shown = world.migrations.rehearse(&ask(&[TEAMS, look])).await.unwrap();
    assert_eq!(shown.applied.len(), 1);
}

#[tokio::test]
async fn rows_that_are_copied_for_a_rehearsal_run_nothing_as_the_administrator() {
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let world = World::new().await;
    world.migrations.up(&ask(&[TEAMS])).await.unwrap();
    let file = place.path().join("taken").display().to_string();
    // One check is made with its table, the other after it: what it calls takes the table's rows.
    let sql = format!(
        "create function public.take() returns int language plpgsql as $f$ begin
           begin perform set_config('role', 'none', true); exception when others then null; end;
           execute $x$copy (select current_user) to '{file}'$x$; return 1; exception when others then return 0; end $f$;
         create function public.fits(n int) returns boolean language plpgsql immutable as
           $f$ begin perform public.take(); return true; end $f$;
         create table public.bags (id bigint generated always as identity primary key, n int check (public.fits(n)),
           inner_of bigint references public.bags, twice int generated always as (n * 2) stored);
         create function public.row_fits(one public.bags) returns boolean language plpgsql immutable as
           $f$ begin perform public.take(); return true; end $f$;
         alter table public.bags add constraint whole check (public.row_fits(bags.*));
         create materialized view public.first as select n, public.take() from public.bags;
         create materialized view public.later as select count(*) as many from public.first;
         create view public.between as select many from public.later;
         create materialized view public.a_last as select many from public.between;
         insert into public.bags (n, inner_of) values (1, 2), (2, 1);
         refresh materialized view public.first; refresh materialized view public.later;
         refresh materialized view public.a_last; select lo_from_bytea(0, 'x')"
    );
    world.database.owner().await.batch_execute(&sql).await.unwrap();
    // What is there is there: the file fails otherwise.
    let look = (
        "0002_look.sql",
        "do $$ begin
           assert (select array_agg((n, inner_of, twice)::text order by n) from bags) = array['(1,2,2)', '(2,1,4)'], 'rows';
           insert into bags (n) values (3);
           assert (select max(id) from bags) = 3, 'the sequence';
           assert (select many from a_last) = 2, 'what is kept of queries';
           assert (select count(*) from pg_largeobject_metadata) = 1, 'large objects';
         end $$",
    );
    let shown = world.migrations.rehearse(&ask(&[TEAMS, look])).await.unwrap();
    assert_eq!(shown.applied.len(), 1);
    assert!(!place.path().join("taken").exists());
    let left = "select count(*)::text from pg_roles where rolname like 'palisade\\_copy\\_%' \
        and rolname like '%' || replace(current_database(), '_', '')";
    assert_eq!(world.text(left).await.as_deref(), Some("0"));
}

/// Operators that fit names and numbers of PostgreSQL's catalogs better than its own do, for whoever looks names up in `public`.
const BETTER_OPERATORS: &str = "do $do$ declare one text; other text; sign text; begin
    foreach one in array array['name', 'text', 'oid', '\"char\"', 'int2', 'int4', 'int8', 'regclass', 'regproc', 'regrole', 'oid[]', 'text[]'] loop
      foreach other in array array['name', 'text', 'oid', '\"char\"', 'int2', 'int4', 'int8', 'regclass', 'regproc', 'regrole', 'oid[]', 'text[]'] loop
        execute format('create function public.better(%s, %s) returns boolean language plpgsql as
                        $f$ begin perform public.take(); return true; end $f$', one, other);
        foreach sign in array array['=', '<>', '<', '>', '~', '!~', '~~'] loop
          execute format('create operator public.%s (leftarg = %s, rightarg = %s, function = public.better)', sign, one, other);
        end loop;
      end loop;
    end loop; end $do$;";

#[tokio::test]
async fn an_operator_of_the_owners_is_never_the_administrators() {
    let world = World::new().await;
    world.migrations.up(&ask(&[TEAMS])).await.unwrap();
    let path = "do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$";
    let owner = world.database.owner().await;
    owner.batch_execute(&format!("{} {BETTER_OPERATORS}", thief())).await.unwrap();
    let owned = owner.batch_execute(path).await.unwrap_err();
    assert_eq!(owned.code(), Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE));
    // An administrator may have said so: with it, every name is looked up there first.
    for says in ["select 1", path] {
        world.database.admin().await.batch_execute(says).await.unwrap();
        let files = [TEAMS, ("0002_next.sql", "create table next (a int); comment on table next is 'x'")];
        let status = world.migrations.status(&ask(&files).files).await;
        let rehearsed = world.migrations.rehearse(&ask(&files)).await;
        let difference = world.migrations.diff(&ask(&files).files).await;
        let went = world.migrations.up(&ask(&files)).await;
        let came = world.migrations.down(&ask(&files)).await;
        assert!(!is_taken(&world).await, "{says}");
        assert!(
            status.is_ok() && rehearsed.is_ok() && difference.is_ok(),
            "{status:?} {rehearsed:?} {:?}",
            difference.err()
        );
        assert!(went.is_ok() && came.is_err(), "{went:?} {came:?}");
        let back = "delete from migrate.applied where version = 2; drop table next";
        world.database.admin().await.batch_execute(back).await.unwrap();
    }
}
