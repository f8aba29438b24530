//! Whatever the owner of the application's tables lays in the way of what Palisade does as the administrator runs as nobody who could
//! be the superuser: everything the owner can make, under everything the administrator does.
//!
//! Each part that is laid says under its name that it ran, and takes, in every way there is, what only a superuser can: a file of the
//! server is there when it did. So a way that nobody has thought of is noticed, too, where a part of this lies in it.

use std::path::Path;

use spec::TestApp;

use super::super::features::policies::palisade;

/// `public.a_spy(what)` remembers what ran, and takes: as it comes, and as whoever the session was before. What it became it gives back, so
/// that nothing else is changed by it.
fn spy(place: &Path) -> String {
    let copy = |way: &str| {
        let file = place.join(way).display().to_string();
        format!(
            "execute format($x$copy (select current_user, session_user, %L) to %L$x$, what, '{file} ' || what)"
        )
    };
    let become_and = |setting: &str, value: &str, way: &str| {
        format!(
            "begin perform set_config('{setting}', {value}, true);
                begin {}; exception when others then null; end; raise exception 'back';
             exception when others then null; end;",
            copy(way)
        )
    };
    format!(
        "create function public.a_spy(what text) returns boolean language plpgsql as $f$ begin
             begin {}; exception when others then null; end;
             {} {} {}
             begin perform setval('public.ran_' || what, 1); exception when others then null; end;
             return true; end $f$;",
        copy("as it comes"),
        become_and("role", "'none'", "come back"),
        become_and("role", "(select rolname from pg_roles where rolsuper limit 1)", "asked for"),
        become_and("session_authorization", "session_user", "session"),
    )
}

/// What is laid, each with a name. `public.pages` is listened to, cleaned, proven, copied and read.
const PARTS: [&str; 19] = [
    "statement",
    "row",
    "deferred",
    "policy",
    "check",
    "domain",
    "computed",
    "index",
    "cast_kind",
    "cast_row",
    "default",
    "rule",
    "view",
    "kept",
    "partition",
    "account_statement",
    "account_row",
    "account_deferred",
    "operator",
];

const LAID: &str = "
    create function public.says(what text) returns boolean language plpgsql immutable as $f$ begin return public.a_spy(what); end $f$;
    create function public.on_change() returns trigger language plpgsql as
      $f$ begin perform public.a_spy(tg_argv[0]); return coalesce(new, old); end $f$;
    create domain public.html as text check (public.says('domain') or value = '');
    comment on domain public.html is '@palisade html: sanitize';
    create type public.kind as enum ('one', 'two');
    create function public.kind_text(public.kind) returns text language plpgsql as $f$ begin perform public.a_spy('cast_kind'); return 'one'; end $f$;
    create cast (public.kind as text) with function public.kind_text(public.kind);
    create table public.pages (id bigint generated always as identity primary key, user_id uuid references auth.users on delete cascade,
      body public.html, kind public.kind default 'one', plain text default public.says('default')::text,
      twice text generated always as (public.says('computed')::text || plain) stored,
      check (public.says('check') or id > 0));
    create index on public.pages ((public.says('index')::text || plain));
    create table public.lines (id int primary key, body text);
    comment on column public.lines.body is '@palisade html: sanitize';
    create function public.line_text(public.lines) returns text language plpgsql as $f$ begin perform public.a_spy('cast_row'); return ''; end $f$;
    create cast (public.lines as text) with function public.line_text(public.lines);
    create policy own on public.pages to authenticated using (public.a_spy('policy') and user_id = (select auth.uid()))
      with check (public.a_spy('policy') and user_id = (select auth.uid()));
    create trigger a after insert or update or delete on public.pages for each statement execute function public.on_change('statement');
    create trigger b before insert or update or delete on public.pages for each row execute function public.on_change('row');
    create constraint trigger c after insert or update or delete on public.pages deferrable initially deferred
      for each row execute function public.on_change('deferred');
    create table public.ruled (id int primary key, body text);
    comment on column public.ruled.body is '@palisade html: sanitize';
    create rule also as on update to public.ruled do also select public.a_spy('rule');
    create view public.shown as select id, body, public.a_spy('view') as seen from public.pages;
    create materialized view public.kept as select id, public.a_spy('kept') as seen from public.pages;
    create table public.parted (n int) partition by list ((n + public.says('partition')::int));
    create trigger a after insert or update or delete on auth.users for each statement execute function public.on_change('account_statement');
    create trigger b before insert or update or delete on auth.users for each row execute function public.on_change('account_row');
    create constraint trigger c after insert or update or delete on auth.users deferrable initially deferred
      for each row execute function public.on_change('account_deferred');
    alter publication supabase_realtime add table public.pages, public.lines;";

/// Operators that fit names and numbers of PostgreSQL's catalogs better than its own do, for whoever looks names up in `public`.
const OPERATORS: &str = "do $do$ declare one text; other text; sign text; begin
    foreach one in array array['name', 'text', 'oid', '\"char\"', 'int2', 'int4', 'int8', 'regclass', 'varchar', 'text[]'] loop
      foreach other in array array['name', 'text', 'oid', '\"char\"', 'int2', 'int4', 'int8', 'regclass', 'varchar', 'text[]'] loop
        execute format('create function public.better(%s, %s) returns boolean language plpgsql as
                        $f$ begin perform public.a_spy(''operator''); return true; end $f$', one, other);
        foreach sign in array array['=', '<>', '<', '>', '~', '!~', '~~'] loop
          execute format('create operator public.%s (leftarg = %s, rightarg = %s, function = public.better)', sign, one, other);
        end loop;
      end loop;
    end loop; end $do$;";

const ROWS: &str =
    "insert into public.pages (body, plain) select 'a<script>x</script>', 'b' from generate_series(1, 3);
    insert into public.ruled values (1, 'a<script>x</script>'); insert into public.lines values (1, 'a<script>x</script>')";

/// Of what is there each part runs once where it is counted.
const MORE: &str = "update public.pages set plain = 'c'; refresh materialized view public.kept;
    do $$ begin perform count(seen) from public.shown; perform l::text from public.lines l; assert 1::oid = 2::int2; end $$;";

fn taken(place: &Path) -> Vec<std::ffi::OsString> {
    std::fs::read_dir(place).unwrap().map(|file| file.unwrap().file_name()).collect()
}

/// Of these probes each looks into tables, makes some, or removes accounts, as the administrator.
const PROBES: [u16; 14] = [40, 41, 46, 48, 49, 50, 51, 52, 57, 92, 101, 122, 124, 125];

#[tokio::test]
async fn nothing_that_the_owner_lays_anywhere_runs_as_somebody_who_could_be_the_superuser() {
    everything_is_done(&PROBES).await;
}

#[tokio::test]
#[ignore = "long: every probe there is"]
async fn soak_nothing_that_the_owner_lays_runs_as_a_superuser_in_any_probe() {
    let all: Vec<u16> = (1..=150).collect();
    everything_is_done(&all).await;
}

async fn everything_is_done(controls: &[u16]) {
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let app = TestApp::start().await;
    let counted: String =
        PARTS.iter().map(|part| format!("create sequence public.ran_{part} minvalue 0 start 0;")).collect();
    let open =
        "grant usage on schema public to public; grant all on all sequences in schema public to public;
        grant execute on all functions in schema public to public";
    let folder = tempfile::tempdir().unwrap();
    let write =
        |name: &str, text: &str| std::fs::write(folder.path().join("migrations").join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("migrations")).unwrap();
    write("0001_laid.sql", &format!("{} {counted} {LAID} {open}; {ROWS}", spy(place.path())));
    let dir = folder.path().join("migrations").display().to_string();
    let run = async |words: &[&str]| {
        let (exit, said) = palisade(&app, words).await;
        assert!(taken(place.path()).is_empty(), "{words:?} ({exit}): {:?}\n{said}", taken(place.path()));
        (exit, said)
    };
    for words in [
        ["migrate", "rehearse", "--allow", "*", "--dir", &dir].as_slice(),
        &["migrate", "up", "--allow", "*", "--dir", &dir],
        &["migrate", "status", "--dir", &dir],
        &["migrate", "rehearse", "--allow", "*", "--dir", &dir],
        &["migrate", "up", "--allow", "*", "--dir", &dir],
        &["migrate", "diff", "--dir", &dir],
        &["migrate", "rehearse", "--allow", "*", "--schema-only", "--dir", &dir],
        &["policies", "prove", "pages"],
        &["policies", "test", "pages"],
        &["policies", "generate", "pages"],
        &["explain-access", "--row", "pages:1"],
        &["lint"],
        &["gate"],
        &["db", "grants"],
        &["db", "clean-html", "--dry-run"],
        &["db", "clean-html"],
        &["db", "readonly", "create", "reader", "--purpose", "looking"],
        &["db", "readonly", "revoke", "reader"],
        &["migrate", "down", "--dir", &dir],
    ] {
        if words.contains(&"status") {
            write("0002_more.sql", &format!("{OPERATORS} {MORE}"));
            write("0002_more.down.sql", "update public.pages set plain = 'd'");
        }
        let (exit, said) = run(words).await;
        assert!(!said.contains("palisade: "), "{words:?} was not done ({exit}): {said}");
    }
    let ann = app.person("ann").await;
    let page = serde_json::json!({ "user_id": ann.id, "plain": "x" });
    ann.client.post("/rest/v1/pages", page).await.expect(201);
    // Such a column is no text, which its cleaning refuses, and the probe looks all the same.
    app.owner("comment on column public.pages.kind is '@palisade html: sanitize'").await;
    for control in controls {
        app.running.services.posture.check(*control).await.unwrap();
        assert!(taken(place.path()).is_empty(), "probe {control}: {:?}", taken(place.path()));
    }
    let admin = app.database.admin().await;
    let mut silent = Vec::new();
    for part in PARTS {
        let ran = admin.query_one(&format!("select is_called from public.ran_{part}"), &[]).await.unwrap();
        if !ran.get::<_, bool>(0) {
            silent.push(part);
        }
    }
    assert!(silent.is_empty(), "these ran nowhere, so they show nothing: {silent:?}");
    // One that sees nothing would be content with anything.
    admin.batch_execute("set search_path = pg_catalog; select public.a_spy('check')").await.unwrap();
    assert!(!taken(place.path()).is_empty());
}
