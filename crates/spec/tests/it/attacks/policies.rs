//! Ways past row level security (rows 57, 58, 60, 62, 64, 66, 77), each with the neighbour that must go on working.

use serde_json::{Value, json};
use spec::{Client, Person, TestApp};

use crate::features::policies::palisade;

/// A table of notes that belong to people, with a column nobody is granted, and one note each.
pub(super) async fn notes(app: &TestApp) -> (Person, Person) {
    app.owner(
        "create table public.notes (id bigint generated always as identity primary key, user_id uuid not null default auth.uid() references auth.users,
           body text, extra jsonb default '{}', secret text default 's3cret', hidden jsonb default '{\"k\": \"s3cret\"}');
         create policy own on public.notes to authenticated using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
         create table public.lines (id bigint generated always as identity primary key, note bigint references public.notes, word text);
         create policy seen on public.lines for select to authenticated using (true);
         revoke select on public.notes from anon, authenticated;
         grant select (id, user_id, body, extra) on public.notes to anon, authenticated",
    )
    .await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    for person in [&ann, &bob] {
        person
            .client
            .post("/rest/v1/notes", json!({ "body": format!("of {}", person.email) }))
            .await
            .expect(201);
    }
    app.owner("INSERT INTO public.lines (note, word) select id, 'word' from public.notes").await;
    (ann, bob)
}

/// Nothing comes out: refused, unknown or empty.
async fn gives_nothing(client: &Client, path: &str) {
    let seen = client.get(path).await;
    let nothing = [400, 401, 403, 404].contains(&seen.status.as_u16()) || seen.value() == json!([]);
    assert!(nothing, "{path}: {} {}", seen.status, seen.text());
}

#[tokio::test]
async fn row_57_tables_of_extensions_imports_and_migrations_are_closed_from_their_first_moment() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    app.admin("create extension pg_buffercache schema public").await;
    app.admin(
        "create table public.imported (id int, word text); grant select on public.imported to anon, authenticated;
         insert into public.imported values (1, 'x'); create table public.wide (like public.imported including all); insert into public.wide values (1, 'x')",
    )
    .await;
    app.admin("create schema elsewhere; create table elsewhere.moved as select 1 as id; alter table elsewhere.moved set schema public").await;
    // Each other way by which a table comes to be, also where triggers are told not to fire.
    app.admin(
        "create table public.parted (id int primary key) partition by list (id); create table public.left_behind partition of public.parted for values in (1);
         insert into public.parted values (1); alter table public.parted detach partition public.left_behind;
         create type public.shape as (id int); create table public.typed of public.shape; insert into public.typed values (1);
         create unlogged table public.unlogged as select 1 as id;
         do $$ begin execute 'create table public.done as select 1 as id'; end $$;
         create function public.maker() returns void language sql as 'create table public.called as select 1 as id'; select public.maker();
         create schema other create table born (id int); insert into other.born values (1); alter table other.born set schema public;
         create table public.draft as select 1 as id; alter table public.draft rename to renamed;
         create table public.lower as select 1 as id; alter table public.lower set unlogged",
    )
    .await;
    app.admin("begin; set local session_replication_role = replica; create table public.replica as select 1 as id; commit").await;
    app.admin(
        "alter event trigger palisade_on_ddl disable; create table public.unseen as select 1 as id; alter event trigger palisade_on_ddl enable;
         grant select on all tables in schema public to anon, authenticated",
    )
    .await;
    for name in [
        "pg_buffercache",
        "imported",
        "wide",
        "moved",
        "left_behind",
        "typed",
        "unlogged",
        "done",
        "called",
        "born",
        "renamed",
        "lower",
        "replica",
        "unseen",
    ] {
        for client in [app.stranger(), ann.client.clone()] {
            gives_nothing(&client, &format!("/rest/v1/{name}?select=*")).await;
        }
    }
    gives_nothing(&ann.client, "/rest/v1/rpc/pg_buffercache_pages").await;
    app.admin("drop extension pg_buffercache").await;
    app.owner("create policy open on public.imported for select using (true)").await;
    assert_eq!(ann.client.get("/rest/v1/imported?select=id").await.value(), json!([{ "id": 1 }]));
}

#[tokio::test]
async fn row_58_what_is_badly_made_is_found_by_its_number_and_not_served_where_it_matters() {
    let app = TestApp::start().await;
    let (ann, _) = notes(&app).await;
    // Only an administrator can make these: the event trigger would close them.
    for sql in [
        "create view public.people with (security_invoker = false) as select id, email from auth.users; grant select on public.people to authenticated",
        "create table public.off (id int); alter table public.off disable row level security; create policy p on public.off using (id > 0)",
        "create materialized view public.copied as select id from public.notes; grant select on public.copied to anon",
        "create extension file_fdw schema extensions; create server files foreign data wrapper file_fdw; create foreign table public.far (line text) server files options (filename '/etc/hostname'); grant select on public.far to anon",
        "create function public.all_notes() returns setof public.notes language sql security definer set search_path = '' as 'select * from public.notes'; grant execute on function public.all_notes() to anon, authenticated",
        "create function public.loose() returns int language sql as 'select 1'",
        "create extension fuzzystrmatch schema public",
        "create table public.ask (id int, owner uuid); create policy u on public.ask using ((auth.jwt() -> 'user_metadata' ->> 'x') = 'y'); create policy w on public.ask for insert with check (true)",
    ] {
        app.admin(sql).await;
    }
    let (exit, said) = palisade(&app, &["lint", "--json"]).await;
    assert_eq!(exit, 1, "{said}");
    let said: Value = serde_json::from_str(&said).unwrap();
    let found = |rule: &str, object: &str| {
        said["findings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["rule"] == rule && one["object"].as_str().unwrap().contains(object))
    };
    for (rule, object) in [
        ("0002", "people"),
        ("0007", "off"),
        ("0008", "lines"),
        ("0010", "people"),
        ("0011", "loose"),
        ("0013", "off"),
        ("0015", "ask"),
        ("0016", "copied"),
        ("0017", "far"),
        ("0024", "ask"),
        ("0026", "copied"),
        ("0027", "people"),
        ("0028", "all_notes"),
        ("0029", "all_notes"),
    ] {
        // A table with a policy is not 0008's business: `lines` has one.
        assert_eq!(found(rule, object), rule != "0008", "{rule} {object}: {said}");
    }
    for path in ["people", "off", "copied", "far", "rpc/all_notes"] {
        let refused = ann.client.get(&format!("/rest/v1/{path}")).await;
        assert_eq!(refused.status, 404, "{path}: {}", refused.text());
        assert!(
            !refused.text().contains("security") && !refused.text().contains("owner"),
            "{}",
            refused.text()
        );
    }
    ann.client.get("/rest/v1/rpc/loose").await.expect(200);
    let (_, told) = palisade(&app, &["gate"]).await;
    for name in ["public.people", "public.off", "public.copied", "public.far", "public.all_notes"] {
        assert!(told.contains(&format!("{name}: not served")), "{name}: {told}");
    }
}

#[tokio::test]
async fn row_60_copies_foreign_tables_and_partitions_are_no_way_around() {
    let app = TestApp::start().await;
    let (ann, _) = notes(&app).await;
    app.admin(
        "create table public.events (id int, user_id uuid) partition by list (id); create table public.events_1 partition of public.events for values in (1);
         create policy own on public.events using (user_id = (select auth.uid()));
         grant select on public.events, public.events_1 to anon, authenticated",
    )
    .await;
    app.admin(&format!("INSERT INTO public.events values (1, gen_random_uuid()), (1, '{}')", ann.id)).await;
    app.admin(
        "create extension file_fdw schema extensions; create server files foreign data wrapper file_fdw;
         create foreign table public.far (line text) server files options (filename '/etc/hostname'); grant select on public.far to anon, authenticated;
         create materialized view public.frozen as select id, body from public.notes; grant select on public.frozen to anon, authenticated;
         create view public.twice as select * from public.frozen; grant select on public.twice to anon, authenticated",
    )
    .await;
    for client in [app.stranger(), ann.client.clone()] {
        for path in ["events_1", "far", "frozen", "twice"] {
            gives_nothing(&client, &format!("/rest/v1/{path}?select=*")).await;
        }
    }
    let own = ann.client.get("/rest/v1/events?select=user_id").await.expect(200).value();
    assert_eq!(own, json!([{ "user_id": ann.id }]));
    app.admin("comment on materialized view public.frozen is '@palisade serve: shown on purpose'").await;
    app.eventually(async || ann.client.get("/rest/v1/frozen?select=id").await.status == 200).await;
    let frozen = ann.client.get("/rest/v1/frozen?select=id").await.value();
    assert_eq!(frozen.as_array().unwrap().len(), 2);
    let (_, told) = palisade(&app, &["gate"]).await;
    assert!(told.contains("served on its owner's word (shown on purpose)"), "{told}");
}

/// A function that is not served is not reached as a field of a row either, nor through a view that calls it.
#[tokio::test]
async fn row_60_what_a_function_sees_past_the_policies_comes_out_by_no_view_and_no_field() {
    let app = TestApp::start().await;
    let (ann, bob) = notes(&app).await;
    // As a superuser makes them, whom no policy binds.
    app.admin(
        "create function public.all_bodies(public.lines) returns text language sql stable security definer set search_path = '' as
           'select string_agg(body, '','') from public.notes';
         create function public.any_bodies(anyelement) returns text language sql stable security definer set search_path = '' as
           'select string_agg(body, '','') from public.notes';
         create function public.loud(public.lines) returns text language sql stable as 'select upper($1.word)';
         create schema private; grant usage on schema private to authenticated;
         create function private.all_notes() returns setof public.notes language sql stable security definer set search_path = '' as
           'select * from public.notes';
         create view public.called with (security_invoker) as select id, body from private.all_notes();
         create view public.called_above with (security_invoker) as select * from public.called;
         create view public.counted with (security_invoker) as select id from public.notes where (select count(*) from private.all_notes()) > 0;
         grant select on public.called, public.called_above, public.counted to authenticated;
         grant execute on all functions in schema public, private to authenticated",
    )
    .await;
    let told = |seen: &spec::Seen| assert!(!seen.text().contains(&bob.email), "{}", seen.text());
    for field in ["all_bodies", "any_bodies"] {
        for query in [
            format!("select=id,{field}"),
            format!("select=id,x:{field}::text"),
            format!("select={field}.count()"),
            format!("select=id&order={field}"),
            format!("select=id&{field}=like.*bob*"),
            format!("select=id&or=(id.eq.0,{field}.like.*bob*)"),
            format!("select=id&{field}->>x=eq.1"),
        ] {
            let seen = ann.client.get(&format!("/rest/v1/lines?{}", query.replace('>', "%3E"))).await;
            told(&seen);
            assert_eq!(seen.status, 400, "{query}: {}", seen.text());
        }
        // As PostgreSQL says it of a name that is nothing.
        let nothing = ann.client.get("/rest/v1/lines?select=nosuch").await.text();
        let seen = ann.client.get(&format!("/rest/v1/lines?select={field}")).await;
        assert_eq!(seen.text(), nothing.replace("nosuch", field));
        let seen = ann.client.get(&format!("/rest/v1/notes?select=body,lines({field})")).await;
        told(&seen);
        assert_eq!(seen.status, 400, "{}", seen.text());
        let seen = ann.client.get(&format!("/api/v1/tables/lines?select=id,{field}")).await;
        told(&seen);
        assert_eq!(seen.status, 400, "{}", seen.text());
        let path = format!("/rest/v1/lines?select={field}&id=gt.0");
        let body = json!({ "word": "x" });
        let prefer = [("prefer", "return=representation"), ("content-type", "application/json")];
        let seen = ann.client.send(http::Method::PATCH, &path, &prefer, body.to_string().into()).await;
        told(&seen);
        assert_eq!(seen.status, 400, "{}", seen.text());
    }
    let loud = ann.client.get("/rest/v1/lines?select=loud&limit=1").await.expect(200).value();
    assert_eq!(loud, json!([{ "loud": "WORD" }]));
    for view in ["called", "called_above", "counted"] {
        gives_nothing(&ann.client, &format!("/rest/v1/{view}?select=id")).await;
    }
    let (_, said) = palisade(&app, &["gate"]).await;
    assert!(said.contains("public.called: not served: the view calls a function"), "{said}");
    // The owner of the view or of the function may take it on.
    app.admin("comment on view public.counted is '@palisade serve: a number at most'").await;
    ann.client.get("/rest/v1/counted?select=id").await.expect(200);
    app.admin("comment on function private.all_notes() is '@palisade serve: everybody may know'").await;
    let all = ann.client.get("/rest/v1/called_above?select=id").await.expect(200).value();
    assert_eq!(all.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn row_62_a_hidden_column_is_no_oracle_by_any_way_to_ask() {
    let app = TestApp::start().await;
    let (ann, _) = notes(&app).await;
    for query in [
        "notes?select=body&secret=fts.s3cret",
        "notes?select=body&hidden->>k=eq.s3cret",
        "notes?select=body&order=hidden->>k",
        "notes?select=alias:secret",
        "notes?select=body,secret::text",
        "notes?select=body&and=(id.gt.0,or(secret.like.s*,id.eq.0))",
        "notes?select=body&not.or=(secret.is.null)",
        "lines?select=word,notes(secret)",
        "lines?select=word,notes!inner(id)&notes.secret=eq.s3cret",
        "lines?select=word,notes(id)&order=notes(secret)",
        "lines?select=word,...notes(secret)",
        "notes?select=secret.count()",
        "notes?select=*",
    ] {
        let seen = ann.client.get(&format!("/rest/v1/{}", query.replace('>', "%3E"))).await;
        assert!(
            [400, 401, 403, 404].contains(&seen.status.as_u16()),
            "{query}: {} {}",
            seen.status,
            seen.text()
        );
        assert!(!seen.text().contains("s3cret"), "{query}: {}", seen.text());
    }
    // A write cannot ask either.
    let patched =
        ann.client.json(http::Method::PATCH, "/rest/v1/notes?secret=eq.s3cret", json!({ "body": "x" })).await;
    assert!([400, 401, 403].contains(&patched.status.as_u16()), "{}", patched.text());
    for query in [
        "notes?select=body&extra->>k=is.null",
        "lines?select=word,notes(body)&order=id",
        "notes?select=alias:body&order=body",
    ] {
        ann.client.get(&format!("/rest/v1/{}", query.replace('>', "%3E"))).await.expect(200);
    }
}

/// CVE-2024-10976: a plan made for one role was used for another. CVE-2025-8713: statistics told of hidden rows.
#[tokio::test]
async fn row_64_plans_and_statistics_of_one_role_serve_no_other() {
    let app = TestApp::builder().unlimited().start().await;
    let (ann, bob) = notes(&app).await;
    app.owner(
        "create function public.mine() returns setof bigint language sql stable as
           'with mine as (select id from public.notes) select id from mine where exists (select from public.lines l where l.note = mine.id)';
         grant execute on function public.mine() to authenticated; analyze public.notes",
    )
    .await;
    let ids = |value: Value| value.as_array().unwrap().len();
    for _ in 0..20 {
        for person in [&ann, &bob] {
            assert_eq!(ids(person.client.get("/rest/v1/rpc/mine").await.expect(200).value()), 1);
        }
        assert_eq!(ids(app.service().get("/rest/v1/rpc/mine").await.expect(200).value()), 2);
    }
    // Statistics are read through a view that knows row level security.
    let stranger = app.database.acting("authenticated").await;
    let seen: i64 = stranger
        .query_one("select count(*) from pg_stats where tablename = 'notes'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(seen, 0, "statistics of a table with policies");
    assert!(stranger.query("select 1 from pg_statistic limit 1", &[]).await.is_err());
    let version: String =
        app.database.admin().await.query_one("show server_version_num", &[]).await.unwrap().get(0);
    assert!(version.parse::<u32>().unwrap() >= 150_000);
}

#[tokio::test]
async fn row_66_rest_and_rpc_give_the_rows_that_sql_gives_as_the_same_person() {
    let app = TestApp::start().await;
    let (ann, bob) = notes(&app).await;
    app.owner(
        "create function public.found() returns setof public.lines language sql stable as 'select * from public.lines where note in (select id from public.notes)';
         grant execute on function public.found() to authenticated",
    )
    .await;
    let admin = app.database.admin().await;
    for person in [&ann, &bob] {
        let claims = json!({ "sub": person.id, "role": "authenticated" });
        admin
            .batch_execute(&format!(
                "begin; set local role authenticated; set local request.jwt.claims = '{claims}'"
            ))
            .await
            .unwrap();
        let ids = |rows: Vec<tokio_postgres::Row>| rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>();
        let of_notes = ids(admin.query("select id from public.notes order by id", &[]).await.unwrap());
        let of_lines = ids(admin.query("select id from public.found() order by id", &[]).await.unwrap());
        admin.batch_execute("rollback").await.unwrap();
        let over = async |path: &str| {
            let rows = person.client.get(path).await.expect(200).value();
            rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect::<Vec<i64>>()
        };
        assert_eq!(over("/rest/v1/notes?select=id&order=id").await, of_notes);
        assert_eq!(over("/rest/v1/rpc/found?select=id&order=id").await, of_lines);
        assert_eq!((of_notes.len(), of_lines.len()), (1, 1));
    }
}

#[tokio::test]
async fn row_77_a_changed_policy_and_a_revoked_function_are_so_with_the_next_request() {
    let app = TestApp::start().await;
    let (ann, _) = notes(&app).await;
    let count = async || {
        ann.client.get("/rest/v1/notes?select=id").await.expect(200).value().as_array().unwrap().len()
    };
    assert_eq!(count().await, 1);
    let admin = app.database.admin().await;
    admin.batch_execute("alter policy own on public.notes using (false)").await.unwrap();
    assert_eq!(count().await, 0);
    admin
        .batch_execute("alter policy own on public.notes using (user_id = (select auth.uid()))")
        .await
        .unwrap();
    assert_eq!(count().await, 1);
    app.admin(
        "create function public.total() returns bigint language sql security definer set search_path = '' as 'select count(*) from public.notes';
         alter function public.total() owner to palisade_owner; grant execute on function public.total() to authenticated;
         comment on function public.total() is '@palisade serve: a number'",
    )
    .await;
    app.eventually(async || ann.client.get("/rest/v1/rpc/total").await.status == 200).await;
    admin
        .batch_execute("revoke execute on function public.total() from public, authenticated")
        .await
        .unwrap();
    ann.client.get("/rest/v1/rpc/total").await.expect(403);
    app.admin("grant execute on function public.total() to authenticated; comment on function public.total() is null").await;
    app.eventually(async || ann.client.get("/rest/v1/rpc/total").await.status == 404).await;
}

/// Word for word as the guide has it, for the table the guide implies.
const GUIDE: &str = "
ALTER TABLE public.user_data ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.user_data FORCE ROW LEVEL SECURITY;
-- Create isolation policy
CREATE POLICY user_isolation ON public.user_data
FOR ALL
USING (user_id = auth.uid())
WITH CHECK (user_id = auth.uid());
";

/// The same of its posts, which it asks for by GraphQL.
pub const GUIDES_POSTS: &str = "
ALTER TABLE public.posts ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.posts FORCE ROW LEVEL SECURITY;
-- Create appropriate policies
CREATE POLICY posts_select ON public.posts
FOR SELECT
USING (user_id = auth.uid() OR is_public = true);
-- Use JWT claims for fine-grained access
CREATE POLICY admin_full_access ON public.posts
FOR ALL
USING (
current_setting('request.jwt.claims', true)::jsonb->>'role' = 'admin'
);
";

#[tokio::test]
async fn row_59_the_guides_policies_run_unedited_and_keep_people_apart() {
    let app = TestApp::start().await;
    app.owner(
        "create table public.user_data (id bigint generated always as identity primary key, user_id uuid not null references auth.users, word text);
         create table public.posts (id bigint generated always as identity primary key, user_id uuid not null references auth.users, is_public boolean)",
    )
    .await;
    app.owner(&format!("{GUIDE}{GUIDES_POSTS}")).await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    ann.client.post("/rest/v1/user_data", json!({ "user_id": ann.id, "word": "mine" })).await.expect(201);
    assert_eq!(bob.client.get("/rest/v1/user_data").await.expect(200).value(), json!([]));
    bob.client.post("/rest/v1/user_data", json!({ "user_id": ann.id })).await.expect(403);
    ann.client
        .json(http::Method::PATCH, "/rest/v1/user_data?id=gt.0", json!({ "user_id": bob.id }))
        .await
        .expect(403);
    ann.client
        .json(http::Method::PATCH, "/rest/v1/user_data?id=gt.0", json!({ "word": "still" }))
        .await
        .expect(204);
    app.admin(&format!(
        "INSERT INTO public.posts (user_id, is_public) VALUES ('{0}', true), ('{0}', false), ('{1}', false)",
        ann.id, bob.id
    ))
    .await;
    let seen = async |client: &Client| {
        client.get("/rest/v1/posts?select=id").await.expect(200).value().as_array().unwrap().len()
    };
    assert_eq!((seen(&ann.client).await, seen(&bob.client).await, seen(&app.stranger()).await), (2, 2, 1));
    // The claim `role: admin` is the server's to give; the database role stays authenticated.
    let admin = json!({ "role": "admin" });
    app.service()
        .json(http::Method::PUT, &format!("/auth/v1/admin/users/{}", bob.id), admin)
        .await
        .expect(200);
    let session = Person::sign_in(&app.stranger(), &bob.email, &bob.password).await.expect(200);
    let bob = Person::from(&app.stranger(), &bob.email, &session.value());
    assert_eq!(seen(&bob.client).await, 3);
}
