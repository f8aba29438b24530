//! Row level security as an operator works with it: lint, generate, try, explain, prove.

use std::process::Stdio;

use serde_json::Value;
use spec::{TestApp, program};

/// `palisade WORDS` against a running instance: its exit code and what it said.
pub async fn palisade(app: &TestApp, words: &[&str]) -> (i32, String) {
    let mut command = tokio::process::Command::new(program::binary());
    let output = command.args(words).arg("--data").arg(app.data()).current_dir("/").output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
}

const NOTES: &str = "create table public.notes (id bigint generated always as identity primary key,
    user_id uuid not null references auth.users, body text)";

#[tokio::test]
async fn what_each_role_may_do_is_printed_and_by_default_nothing_is_too_much() {
    let app = TestApp::start().await;
    app.owner(NOTES).await;
    app.owner(
        "revoke all on public.notes from anon, authenticated; grant select (id, body), insert on public.notes to authenticated;
         create function public.total() returns bigint language sql stable security definer as 'select count(*) from public.notes'",
    )
    .await;
    let (exit, said) = palisade(&app, &["db", "grants"]).await;
    assert_eq!(exit, 0, "{said}");
    assert!(!said.contains("no request needs"), "{said}");
    let of_anon = said
        .split("\nanon (")
        .nth(1)
        .or(said.strip_prefix("anon ("))
        .unwrap()
        .split("\nauth")
        .next()
        .unwrap();
    assert!(of_anon.starts_with("policies bind it") && !of_anon.contains("public.notes"), "{said}");
    assert!(said.contains("  table public.notes: INSERT; SELECT of id, body\n"), "{said}");
    assert!(said.contains("  calls public.total(), with its owner's rights"), "{said}");
    // What the command says is what PostgreSQL does.
    let ann = app.person("ann").await;
    ann.client.get("/rest/v1/notes?select=id,body").await.expect(200);
    ann.client.get("/rest/v1/notes?select=user_id").await.expect(403);

    app.admin("grant truncate on public.notes to anon").await;
    let (exit, said) = palisade(&app, &["db", "grants", "--role", "anon", "--json"]).await;
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{exit}: {said}"));
    assert_eq!(said["roles"].as_array().unwrap().len(), 1);
    assert_eq!(said["roles"][0]["beyond"], serde_json::json!(["TRUNCATE on public.notes"]));
}

#[tokio::test]
async fn what_is_generated_keeps_people_apart_and_the_linter_is_content() {
    let app = TestApp::start().await;
    app.owner(NOTES).await;
    let (exit, sql) = palisade(&app, &["policies", "generate"]).await;
    assert_eq!(exit, 0, "{sql}");
    app.owner(&sql).await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    for person in [&ann, &bob] {
        let body = serde_json::json!({ "user_id": person.id, "body": "mine" });
        person.client.post("/rest/v1/notes", body).await.expect(201);
    }
    let seen = ann.client.get("/rest/v1/notes?select=user_id").await.expect(200).value();
    assert_eq!(seen, serde_json::json!([{ "user_id": ann.id }]));
    let hop = ann.client.json(
        http::Method::PATCH,
        "/rest/v1/notes?id=gt.0",
        serde_json::json!({ "user_id": bob.id }),
    );
    hop.await.expect(403);
    let (exit, said) = palisade(&app, &["lint", "--json"]).await;
    assert_eq!(exit, 0, "{said}");
    let said: Value = serde_json::from_str(&said).unwrap();
    let about_notes = |finding: &&Value| finding["object"].as_str().unwrap().starts_with("public.notes");
    let rules: Vec<_> = said["findings"].as_array().unwrap().iter().filter(about_notes).collect();
    assert!(rules.iter().all(|finding| finding["level"] == "INFO"), "{rules:?}");
    // What a probe of a control makes for a moment is no finding, in either form.
    app.admin("create table public.palisade_probe_0123456789abcdef_x (id int); alter table public.palisade_probe_0123456789abcdef_x disable row level security")
        .await;
    for form in [&["lint"][..], &["lint", "--json"]] {
        let (exit, said) = palisade(&app, form).await;
        assert!(exit == 0 && !said.contains("palisade_probe"), "{form:?} {exit} {said}");
    }
}

#[tokio::test]
async fn row_59_half_a_policy_is_refused_by_the_generator_and_named_by_the_linter() {
    let app = TestApp::start().await;
    app.owner(NOTES).await;
    let using = "user_id = (select auth.uid())";
    let (exit, said) = palisade(&app, &["policies", "generate", "notes", "--using", using]).await;
    assert!(exit != 0 && said.contains("WITH CHECK"), "{exit} {said}");
    let both = ["policies", "generate", "notes", "--using", using, "--check", using];
    let (exit, said) = palisade(&app, &both).await;
    assert!(exit == 0 && said.contains("WITH CHECK"), "{exit} {said}");
    app.owner(&format!("create policy half on public.notes for update to authenticated using ({using})"))
        .await;
    let (exit, said) = palisade(&app, &["lint"]).await;
    assert!(exit == 1 && said.contains("P001 policy_without_check"), "{exit} {said}");
}

#[tokio::test]
async fn an_operator_learns_why_a_row_is_not_seen_and_asking_is_recorded() {
    let app = TestApp::start().await;
    app.owner(NOTES).await;
    app.owner("create policy own on public.notes to authenticated using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()))").await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let note = serde_json::json!({ "user_id": ann.id, "body": "mine" });
    ann.client.post("/rest/v1/notes", note).await.expect(201);
    let ask = async |user: &str, verb: &str, set: &str| {
        let row = "public.notes:1";
        palisade(&app, &["explain-access", "--user", user, "--row", row, "--verb", verb, "--set", set]).await
    };
    let (exit, said) = ask(&ann.id, "select", "{}").await;
    assert!(exit == 0 && said.contains("can select") && said.contains("policy own lets"), "{exit} {said}");
    let (exit, said) = ask(&bob.id, "select", "{}").await;
    assert!(exit == 1 && said.contains("cannot select"), "{exit} {said}");
    assert!(said.contains(&bob.id) && said.contains(&ann.id), "{said}");
    let (exit, said) = ask(&ann.id, "update", &format!("{{\"user_id\": \"{}\"}}", bob.id)).await;
    assert!(exit == 1 && said.contains("WITH CHECK") && said.contains("42501"), "{exit} {said}");
    let (exit, said) = palisade(&app, &["explain-access", "--row", "notes:1"]).await;
    assert!(exit == 1 && said.contains("role anon"), "{exit} {said}");
    let (exit, said) = palisade(&app, &["policies", "test", "notes", "--user", &ann.id]).await;
    assert!(exit == 0 && said.contains("select  1 rows, done"), "{exit} {said}");
    assert!(said.contains("delete  1 rows, done"), "{said}");
    assert!(app.audited("admin.access_tried").await);
    let left = ann.client.get("/rest/v1/notes?select=id").await.value();
    assert_eq!(left.as_array().unwrap().len(), 1, "nothing stayed");
}

#[tokio::test]
async fn isolation_is_proven_or_refuted_with_a_script() {
    let app = TestApp::start().await;
    app.owner(NOTES).await;
    let own = "using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()))";
    app.owner(&format!("create policy own on public.notes to authenticated {own}")).await;
    let (exit, said) = palisade(&app, &["policies", "prove"]).await;
    assert!(exit == 0 && said.contains("proven  public.notes"), "{exit} {said}");
    app.owner("create policy open on public.notes for select using (body is null)").await;
    let (exit, said) = palisade(&app, &["policies", "prove", "notes"]).await;
    assert!(exit == 1 && said.contains("REFUTED public.notes"), "{exit} {said}");
    // The script runs as it is printed.
    let script = said.split_once("rows:\n").unwrap().1;
    let admin = app.database.admin().await;
    let rows = admin.simple_query(script.split("ROLLBACK").next().unwrap()).await.unwrap();
    let seen = rows.iter().any(
        |row| matches!(row, tokio_postgres::SimpleQueryMessage::Row(row) if row.columns().iter().any(|column| column.name() == "user_id")),
    );
    admin.batch_execute("ROLLBACK").await.unwrap();
    assert!(seen, "{script}");
}

#[tokio::test]
async fn what_a_policy_or_a_check_runs_while_it_is_proven_becomes_nobody_who_can_do_more() {
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let app = TestApp::start().await;
    let take = |name: &str| {
        let copy = |way: &str| {
            let file = place.path().join(format!("{name} {way}"));
            format!(
                "execute $x$copy (select current_user) to '{}'$x$; exception when others then null; end;",
                file.display()
            )
        };
        format!(
            "begin {} begin perform set_config('role', 'none', true); {}",
            copy("as it comes"),
            copy("come back")
        )
    };
    let (policy, check, computed) = (take("policy"), take("check"), take("computed"));
    app.owner(&format!(
        "create function public.own(who uuid) returns boolean language plpgsql as
           $f$ begin {policy} return who = (select auth.uid()); end $f$;
         create function public.fits(kind text) returns boolean language plpgsql immutable as
           $f$ begin perform public.check_it(); return kind <> ''; end $f$;
         create function public.check_it() returns int language plpgsql as $f$ begin {check} return 1; end $f$;
         create function public.shorten(kind text) returns text language plpgsql immutable as
           $f$ begin perform public.compute_it(); return kind; end $f$;
         create function public.compute_it() returns int language plpgsql as $f$ begin {computed} return 1; end $f$;
         create table public.plans (id bigint generated always as identity primary key, user_id uuid not null references auth.users,
           kind text not null check (public.fits(kind)), short text generated always as (public.shorten(kind)) stored)"
    ))
    .await;
    let own = "using (public.own(user_id)) with check (public.own(user_id))";
    app.owner(&format!("create policy own on public.plans to authenticated {own}")).await;
    let (exit, said) = palisade(&app, &["policies", "prove", "plans"]).await;
    assert!(exit == 0 && said.contains("tested  public.plans with"), "{exit} {said}");
    let taken: Vec<_> =
        std::fs::read_dir(place.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(taken.is_empty(), "{taken:?}");
    // The login of the copy went with it.
    let left = app.database.admin().await;
    let left = left
        .query("select rolname from pg_roles where rolname like 'palisade\\_copy\\_%' and rolname not in (select datname from pg_database)", &[])
        .await
        .unwrap();
    assert!(left.is_empty(), "{left:?}");
}

/// The copy that a proof is played on, as the session in it knows it.
async fn copy_of(app: &TestApp, mark: i32) -> Option<String> {
    let admin = app.database.admin().await;
    let sql = format!(
        "select d.datname from pg_locks l join pg_database d on d.oid = l.database
         where l.locktype = 'advisory' and l.objid = {mark} and d.datname like 'palisade\\_copy\\_%'"
    );
    admin.query(&sql, &[]).await.unwrap().first().map(|row| row.get(0))
}

/// Notes whose policy takes for ever, and a lock of this number while it does.
async fn with_slow_policy(mark: i32) -> TestApp {
    let app = TestApp::start().await;
    app.owner(NOTES).await;
    app.owner(&format!(
        "create function public.slow(who uuid) returns boolean language plpgsql as
           $f$ begin perform pg_advisory_lock_shared({mark}); perform pg_sleep(600); return who = (select auth.uid()); end $f$;
         create policy own on public.notes to authenticated using (public.slow(user_id)) with check (public.slow(user_id))"
    ))
    .await;
    app
}

#[tokio::test]
async fn a_copy_is_gone_when_whoever_asked_for_it_goes_away() {
    const MARK: i32 = 771_177;
    let app = with_slow_policy(MARK).await;
    let folder = tempfile::tempdir().unwrap();
    let slow = format!("do $$ begin perform pg_advisory_lock_shared({MARK}); perform pg_sleep(600); end $$;");
    std::fs::write(folder.path().join("0001_slow.sql"), slow).unwrap();
    let dir = folder.path().display().to_string();
    let admin = app.database.admin().await;
    let left =
        "select 1 from pg_database where datname = $1 union all select 1 from pg_roles where rolname = $1";
    for words in [
        ["policies", "prove", "notes"].as_slice(),
        &["migrate", "rehearse", "--dir", &dir],
        &["migrate", "diff", "--dir", &dir],
    ] {
        let mut command = tokio::process::Command::new(program::binary());
        command.args(words).arg("--data").arg(app.data()).current_dir("/");
        let mut asking =
            command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        app.eventually(async || copy_of(&app, MARK).await.is_some()).await;
        let copy = copy_of(&app, MARK).await.unwrap();
        asking.kill().await.unwrap();
        app.eventually(async || admin.query(left, &[&copy]).await.unwrap().is_empty()).await;
    }
}

#[tokio::test]
async fn no_more_copies_are_worked_on_at_once_than_there_may_be() {
    const MARK: i32 = 771_178;
    let app = with_slow_policy(MARK).await;
    let admin = app.database.admin().await;
    let copies =
        format!("select distinct database from pg_locks where locktype = 'advisory' and objid = {MARK}");
    let ask = || {
        let mut command = tokio::process::Command::new(program::binary());
        command.args(["policies", "prove", "notes"]).arg("--data").arg(app.data()).current_dir("/");
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap()
    };
    let mut asking = [ask(), ask()];
    app.eventually(async || admin.query(&copies, &[]).await.unwrap().len() == 2).await;
    let (exit, said) = palisade(&app, &["policies", "prove", "notes"]).await;
    assert!(exit != 0 && said.contains("migrate_copies_max"), "{exit} {said}");
    // There is room again when one of them is gone.
    asking[0].kill().await.unwrap();
    app.eventually(async || admin.query(&copies, &[]).await.unwrap().len() == 1).await;
    let mut third = ask();
    app.eventually(async || {
        if third.try_wait().unwrap().is_some() {
            third = ask();
        }
        admin.query(&copies, &[]).await.unwrap().len() == 2
    })
    .await;
}
