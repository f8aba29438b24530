//! Who writes migrations acts as the owner of the application's tables, and as nobody else: not as whom Palisade reads its own
//! tables as, whatever a file makes or changes.

use migrate::{Ask, File};
use spec::TestApp;
use testkit::Database;

use super::changes::{TABLES, both, listens, sql};

/// Who ran it is counted in a sequence, which no rollback takes back.
const SPY: &str = "
    create sequence public.ran_as_palisade_system minvalue 0 start 0;
    create sequence public.ran_as_palisade_owner minvalue 0 start 0;
    grant usage on schema public to public;
    grant all on all sequences in schema public to public;
    create function public.spy() returns boolean language plpgsql as $f$ begin
        perform nextval(format('public.ran_as_%s', current_user)); return true;
        exception when others then return true; end $f$;
    create function public.spying() returns trigger language plpgsql as $f$ begin
        perform public.spy(); return coalesce(new, old); end $f$;";

/// Everything that an owner can try with what is not in the application's schemas: triggers, rules, other code in functions, and other
/// things under the names of tables, views and sequences. `auth.users` has triggers of the application by design.
const TRIES: &str = "do $do$
    declare thing record; tried text; begin
    for thing in
        select c.oid, c.relkind as kind, n.nspname as schema, c.relname as name, null as arguments, null as result, 0 as rank
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'v', 'S') and n.nspname !~ '^pg_' and n.nspname not in ('public', 'extensions', 'information_schema')
           and c.oid <> 'auth.users'::regclass
        union all
        select p.oid, 'p', n.nspname, p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), 1
          from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where p.prokind = 'f' and n.nspname !~ '^pg_' and n.nspname not in ('public', 'extensions', 'information_schema')
         order by rank, oid
    loop
        foreach tried in array case thing.kind
            when 'p' then array[
                'alter function %1$I.%2$I(' || pg_get_function_identity_arguments(thing.oid) || ') security invoker set search_path = public',
                'create or replace function %1$I.%2$I(' || thing.arguments || ') returns ' || thing.result ||
                    ' language plpgsql as $f$ begin perform public.spy(); return' ||
                    case when thing.result ~ '^(TABLE|SETOF)' or thing.result = 'void' then '' else ' null' end || '; end $f$']
            when 'r' then array[
                'create trigger spies before insert or update or delete on %1$I.%2$I for each row execute function public.spying()',
                'create rule spies as on delete to %1$I.%2$I where public.spy() do also select 1',
                'alter table %1$I.%2$I alter column ' || (select quote_ident(attname) from pg_attribute where attrelid = thing.oid and attnum = 1)
                    || ' set default public.spy()::text',
                'create policy spies on %1$I.%2$I using (public.spy())',
                'create index on %1$I.%2$I ((public.spy()))']
            else array[
                'alter table %1$I.%2$I rename to ' || quote_ident('was_' || thing.oid)
                    || '; create view %1$I.%2$I as select * from %1$I.' || quote_ident('was_' || thing.oid) || ' where public.spy()',
                'drop table %1$I.%2$I cascade; create view %1$I.%2$I as select 1::int8 as last_value where public.spy()'] end
        loop
            begin
                execute format(tried, thing.schema, thing.name);
            exception when others then null; end;
        end loop;
        -- Whoever has to use them may, or what is there would only be refused.
        foreach tried in array array['schema', 'all tables in schema', 'all functions in schema'] loop
            begin
                execute format('grant all on ' || tried || ' %I to public', thing.schema);
            exception when others then null; end;
        end loop;
    end loop; end $do$;";

async fn ran_as(database: &Database, role: &str) -> i64 {
    let asked =
        format!("select case when is_called then last_value + 1 else 0 end from public.ran_as_{role}");
    database.admin().await.query_one(&asked, &[]).await.unwrap().get(0)
}

async fn up(app: &TestApp, file: &str, text: String) {
    let files = vec![File { file: file.to_owned(), sql: text }];
    let ask = Ask { files, allow: vec!["*".to_owned()], out_of_order: true, ..Ask::default() };
    app.running.services.migrations.up(&ask).await.unwrap();
}

#[tokio::test]
async fn what_a_migration_changes_outside_its_schemas_never_runs_as_the_system() {
    let app = TestApp::builder().unlimited().start().await;
    up(&app, "1_hostile.sql", format!("{TABLES}; {SPY} {TRIES}")).await;
    let ann = app.person("ann").await;
    // Who listens is entered, told or refused, and forgotten: all of it as the system.
    let talk = listens(&app, &ann, both()).await;
    sql(&app, &format!("insert into public.notes values (1, '{}', 'x')", ann.id)).await;
    app.eventually(async || {
        let entered =
            "select count(*) from palisade_changes.readers where upto > 0 or cardinality(tables) > 0";
        app.database.admin().await.query_one(entered, &[]).await.unwrap().get::<_, i64>(0) > 0
    })
    .await;
    drop(talk);
    let left = "select count(*) from palisade_changes.readers";
    app.eventually(async || {
        app.database.admin().await.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    assert_eq!(ran_as(&app.database, "palisade_system").await, 0);
    // The spy sees: a trigger on the accounts runs as whoever writes there, which is said.
    app.owner(
        "create trigger spies before insert on auth.users for each row execute function public.spying()",
    )
    .await;
    app.person("bob").await;
    assert!(ran_as(&app.database, "palisade_system").await > 0);
}

#[tokio::test]
async fn what_an_author_changed_where_the_system_looked_is_gone_with_the_upgrade() {
    let all = app::lists::migrations();
    let new = |one: &pg::Migration| one.owner == "changes" || (one.owner == "realtime" && one.version > 3);
    let before: Vec<pg::Migration> = all.iter().filter(|one| !new(one)).copied().collect();
    let (grown, fresh) = (Database::new(&before).await, Database::new(&all).await);
    let notes = "create table public.notes (id bigint primary key);
        alter publication supabase_realtime add table public.notes;";
    grown.owner().await.batch_execute(&format!("{notes} {SPY} {TRIES}")).await.unwrap();
    let system = grown.login(&grown.logins().system).await;
    system.batch_execute("select * from realtime.follow('{public}')").await.unwrap();
    let was = ran_as(&grown, "palisade_system").await;
    assert!(was > 0, "the tries reach what there was to be reached");
    pg::migrate::run(&mut grown.target().connect().await.unwrap(), &all).await.unwrap();
    let ours = ["palisade_changes"];
    assert_eq!(
        pg::migrate::schema_lines(&grown.admin().await, &ours).await.unwrap(),
        pg::migrate::schema_lines(&fresh.admin().await, &ours).await.unwrap()
    );
    // What was put under the old names is the owner's, and nothing of ours looks there.
    for asked in [
        "select * from palisade_changes.follow('{public}')",
        "insert into palisade_changes.readers select 'node', array[relation], pg_current_snapshot(), 0, now() + interval '1 hour'
           from palisade_changes.published",
    ] {
        system.batch_execute(asked).await.unwrap();
    }
    grown.owner().await.batch_execute("insert into public.notes values (1)").await.unwrap();
    let told = "select count(*) from palisade_changes.changes where new = '(1)'";
    assert_eq!(system.query_one(told, &[]).await.unwrap().get::<_, i64>(0), 1);
    assert_eq!(ran_as(&grown, "palisade_system").await, was);
}
