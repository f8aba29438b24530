//! Changes of tables (row 67): somebody hears of a row if, and only if, they could read it, as it was and as it is.

use serde_json::{Value, json};
use spec::{Person, Talk, TestApp};

/// Notes belong to people; `secret` is granted to nobody. The publication has them, and a table that is open to all who signed in.
pub(super) const TABLES: &str = "
    create table public.notes (id bigint primary key, owner uuid not null, body text, secret text default 's3cret');
    create policy own on public.notes for select to authenticated using (owner = (select auth.uid()));
    revoke all on public.notes from anon, authenticated;
    grant select (id, owner, body) on public.notes to anon, authenticated;
    create table public.news (id bigint primary key, body text);
    create policy all_read on public.news for select to authenticated using (true);
    create table public.apart (id bigint primary key);
    create policy all_read on public.apart for select to authenticated using (true);
    alter publication supabase_realtime add table public.notes, public.news";

pub(super) const TOPIC: &str = "realtime:any";

async fn app() -> TestApp {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(TABLES).await;
    app
}

pub(super) fn wants(changes: Value) -> Value {
    json!({ "postgres_changes": changes })
}

fn all_of(table: &str) -> Value {
    wants(json!([{ "event": "*", "schema": "public", "table": table }]))
}

/// Somebody who listens.
pub(super) async fn listens(app: &TestApp, person: &Person, config: Value) -> Talk {
    let mut talk = Talk::open(app).await;
    let answer = talk.join(TOPIC, config, Some(&person.access_token)).await;
    assert_eq!(answer["status"], "ok", "{answer}");
    talk
}

/// What is told of the next change.
pub(super) async fn told(talk: &mut Talk) -> Value {
    talk.wait("postgres_changes").await[4]["data"].clone()
}

/// Everything that was told up to a row that everybody hears of, and that nobody mentions otherwise.
pub(super) async fn told_until(talk: &mut Talk, mark: &str) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let next = told(talk).await;
        if next["record"]["body"] == mark {
            return all;
        }
        all.push(next);
    }
}

pub(super) async fn sql(app: &TestApp, text: &str) {
    app.database.admin().await.batch_execute(text).await.unwrap();
}

/// A row of `news`, which ends what was said before it.
pub(super) async fn mark(app: &TestApp, id: u32) -> String {
    let body = format!("mark {id}");
    sql(app, &format!("insert into public.news values ({id}, '{body}')")).await;
    body
}

pub(super) fn both() -> Value {
    wants(json!([
        { "event": "*", "schema": "public", "table": "notes" },
        { "event": "*", "schema": "public", "table": "news" },
    ]))
}

#[tokio::test]
async fn row_67_an_event_comes_to_whoever_could_read_the_row_and_to_nobody_else() {
    let app = app().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let mut to_ann = listens(&app, &ann, both()).await;
    let mut to_bob = listens(&app, &bob, both()).await;
    sql(
        &app,
        &format!(
            "insert into public.notes values (1, '{0}', 'one'), (2, '{1}', 'two');
         update public.notes set body = 'uno' where id = 1;
         update public.notes set owner = '{1}' where id = 1;
         update public.notes set owner = '{0}', body = 'eins' where id = 1;
         delete from public.notes",
            ann.id, bob.id
        ),
    )
    .await;
    let mark = mark(&app, 1).await;

    let seen = told_until(&mut to_ann, &mark).await;
    let kinds: Vec<_> =
        seen.iter().map(|one| (one["type"].as_str().unwrap(), one["record"]["body"].clone())).collect();
    assert_eq!(
        kinds,
        [
            ("INSERT", json!("one")),
            ("UPDATE", json!("uno")),
            // What went out of sight is not told; what came back is, without how it was meanwhile.
            ("UPDATE", json!("eins")),
            ("DELETE", Value::Null),
        ]
    );
    assert_eq!(seen[1]["old_record"], json!({ "id": 1 }), "the key, without replica identity full");
    assert_eq!(seen[2]["old_record"], json!({}), "it could not be read then");
    assert_eq!(seen[3]["old_record"], json!({ "id": 1 }));

    let seen = told_until(&mut to_bob, &mark).await;
    let kinds: Vec<_> = seen
        .iter()
        .map(|one| (one["type"].clone(), one["record"]["id"].clone(), one["old_record"].clone()))
        .collect();
    assert_eq!(
        kinds,
        [
            (json!("INSERT"), json!(2), Value::Null),
            (json!("UPDATE"), json!(1), json!({})),
            (json!("DELETE"), Value::Null, json!({ "id": 2 })),
        ]
    );
    for said in to_ann.heard.iter().chain(&to_bob.heard) {
        assert!(!said.to_string().contains("s3cret"), "{said}");
    }
}

#[tokio::test]
async fn row_67_no_column_that_cannot_be_read_is_told_or_asked_for_and_old_rows_only_with_full_identity() {
    let app = app().await;
    let ann = app.person("ann").await;
    sql(&app, "alter table public.notes replica identity full").await;
    let mut talk = listens(&app, &ann, both()).await;
    sql(&app, &format!(
        "insert into public.notes values (1, '{0}', 'one'); update public.notes set body = 'uno'; delete from public.notes",
        ann.id
    )).await;
    let mark_1 = mark(&app, 1).await;
    let seen = told_until(&mut talk, &mark_1).await;
    let whole = |body: &str| json!({ "id": 1, "owner": ann.id, "body": body });
    assert_eq!(seen[0]["record"], whole("one"));
    assert_eq!(
        seen[0]["columns"],
        json!([
            { "name": "id", "type": "int8" }, { "name": "owner", "type": "uuid" }, { "name": "body", "type": "text" },
        ])
    );
    assert_eq!((&seen[1]["record"], &seen[1]["old_record"]), (&whole("uno"), &whole("one")));
    assert_eq!(seen[2]["old_record"], whole("uno"));
    assert!(!format!("{seen:?}").contains("s3cret"));

    // A filter on it would tell of it as well.
    for filter in ["secret=eq.s3cret", "nothing=eq.1", "id=eq.1,secret=neq.x"] {
        let config = wants(json!([{ "event": "*", "schema": "public", "table": "notes", "filter": filter }]));
        let answer = talk.join("realtime:other", config, Some(&ann.access_token)).await;
        let reason = answer["response"]["reason"].as_str().unwrap();
        assert!(reason.starts_with("Unauthorized: Unable to filter"), "{filter}: {answer}");
    }
    // A right that is taken counts for the next row.
    sql(&app, "revoke select (body) on public.notes from authenticated").await;
    sql(&app, &format!("insert into public.notes values (2, '{}', 'two')", ann.id)).await;
    assert_eq!(told(&mut talk).await["record"], json!({ "id": 2, "owner": ann.id }));
    sql(&app, "revoke select (id, owner) on public.notes from authenticated").await;
    sql(&app, &format!("insert into public.notes values (3, '{}', 'three')", ann.id)).await;
    let mark_2 = mark(&app, 2).await;
    assert!(told_until(&mut talk, &mark_2).await.is_empty());
}

#[tokio::test]
async fn row_67_a_policy_that_changes_and_a_table_that_is_taken_away_count_for_the_next_event() {
    let app = app().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let mut to_bob = listens(&app, &bob, both()).await;
    let insert = |id: u32| format!("insert into public.notes values ({id}, '{}', 'of ann')", ann.id);
    // In one transaction, so that nothing can have been heard of in between.
    for (nth, (change, sees)) in [
        ("select 1", false),
        ("create policy open on public.notes for select to authenticated using (true)", true),
        ("create policy stop on public.notes as restrictive for select to authenticated using (body <> 'of ann')", false),
        ("drop policy stop on public.notes", true),
        ("alter policy open on public.notes to service_role", false),
        ("alter policy open on public.notes to authenticated", true),
        ("alter table public.notes disable row level security", false),
        ("alter table public.notes enable row level security", true),
        ("alter table public.notes no force row level security", false),
        ("alter table public.notes force row level security", true),
        ("alter table public.notes rename column body to text; alter table public.notes rename column text to body", true),
        ("alter table public.notes add column more text", true),
        ("alter publication supabase_realtime drop table public.notes", false),
    ].into_iter().enumerate() {
        let nth = u32::try_from(nth).unwrap() + 1;
        sql(&app, &format!("begin; {change}; commit; {}", insert(nth))).await;
        let mark = mark(&app, nth).await;
        let seen = told_until(&mut to_bob, &mark).await;
        assert_eq!(!seen.is_empty(), sees, "{change}: {seen:?}");
    }
    // Published again, it is told of again, by itself.
    sql(&app, "alter publication supabase_realtime add table public.notes").await;
    app.eventually(async || {
        let admin = app.database.admin().await;
        let count = "select count(*) from pg_trigger where tgname = 'palisade_changes' and tgrelid = 'public.notes'::regclass";
        admin.query_one(count, &[]).await.unwrap().get::<_, i64>(0) == 1
    }).await;
    let answer = to_bob.join("realtime:again", all_of("notes"), Some(&bob.access_token)).await;
    assert_eq!(answer["status"], "ok", "{answer}");
    sql(&app, &insert(100)).await;
    assert_eq!(told(&mut to_bob).await["record"]["id"], 100);
}

#[tokio::test]
async fn row_67_another_token_is_another_person_and_one_that_is_over_hears_nothing() {
    let app = app().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let mut talk = listens(&app, &ann, both()).await;
    let mut of_bob = listens(&app, &bob, both()).await;
    sql(&app, &format!("insert into public.notes values (1, '{}', 'of ann')", ann.id)).await;
    assert_eq!(told(&mut talk).await["record"]["id"], 1);
    talk.say(TOPIC, "access_token", json!({ "access_token": bob.access_token })).await;
    talk.beat().await;
    sql(
        &app,
        &format!("insert into public.notes values (2, '{}', 'of ann'), (3, '{}', 'of bob')", ann.id, bob.id),
    )
    .await;
    let mark_1 = mark(&app, 1).await;
    let seen = told_until(&mut talk, &mark_1).await;
    assert_eq!(seen.iter().map(|one| one["record"]["id"].clone()).collect::<Vec<_>>(), [json!(3)]);
    told_until(&mut of_bob, &mark_1).await;

    // A service key reads everything; a person's token in its place does not (realtime#2008).
    let secret = app.running.keys.secret.expose().clone();
    let mut program = Talk::with(&app, &secret).await;
    assert_eq!(program.join(TOPIC, both(), None).await["status"], "ok");
    sql(&app, &format!("insert into public.notes values (4, '{}', 'of ann')", ann.id)).await;
    assert_eq!(told(&mut program).await["record"]["secret"], "s3cret");
    program.say(TOPIC, "access_token", json!({ "access_token": bob.access_token })).await;
    program.beat().await;
    sql(&app, &format!("insert into public.notes values (5, '{}', 'of ann')", ann.id)).await;
    let mark_2 = mark(&app, 2).await;
    assert!(told_until(&mut program, &mark_2).await.is_empty());

    // Signed out: nothing more, and the socket ends.
    bob.client.post("/auth/v1/logout?scope=global", json!({})).await.expect(204);
    sql(&app, &format!("insert into public.notes values (6, '{}', 'of bob')", bob.id)).await;
    let mut rest = Vec::new();
    while let Some(said) = of_bob.hear().await {
        rest.push(said);
    }
    assert!(!format!("{rest:?}").contains("of bob"), "{rest:?}");
}

#[tokio::test]
async fn row_67_what_cannot_be_told_is_refused_when_it_is_asked_for() {
    let app = app().await;
    let ann = app.person("ann").await;
    sql(&app, "create table public.closed (id int primary key); alter publication supabase_realtime add table public.closed;
               alter table public.closed disable row level security").await;
    let mut talk = Talk::open(&app).await;
    for (asked, code) in [
        (json!({ "event": "*", "schema": "public", "table": "apart" }), "Unauthorized"),
        (json!({ "event": "*", "schema": "public", "table": "nowhere" }), "Unauthorized"),
        (json!({ "event": "*", "schema": "public", "table": "closed" }), "Unauthorized"),
        (json!({ "event": "*", "schema": "auth", "table": "users" }), "Unauthorized"),
        (json!({ "event": "*", "schema": "realtime", "table": "changes" }), "Unauthorized"),
        (json!({ "event": "LOOK", "schema": "public", "table": "notes" }), "InvalidJoinPayload"),
        (
            json!({ "event": "*", "schema": "public", "table": "notes", "filter": "id=eq.seven" }),
            "InvalidJoinPayload",
        ),
        (
            json!({ "event": "*", "schema": "public", "table": "notes", "filter": "id=near.7" }),
            "InvalidJoinPayload",
        ),
        (
            json!({ "event": "*", "schema": "public", "table": "notes", "filter": "body=match.(" }),
            "InvalidJoinPayload",
        ),
        (
            json!({ "event": "*", "schema": "public", "table": "notes", "filter": "id=eq.1) or (true" }),
            "InvalidJoinPayload",
        ),
    ] {
        let answer = talk.join(TOPIC, wants(json!([asked])), Some(&ann.access_token)).await;
        let reason = answer["response"]["reason"].as_str().unwrap_or_default().to_owned();
        assert!(reason.starts_with(&format!("{code}: ")), "{asked}: {answer}");
    }
    assert!(app.audited("realtime.refused").await);
    // A visitor has no policy to read by; what they may not see they do not hear of.
    assert_eq!(talk.join(TOPIC, all_of("news"), None).await["status"], "ok");
    // A channel of changes is none to speak in where public ones are not served.
    let answer = talk.join(TOPIC, all_of("notes"), Some(&ann.access_token)).await;
    assert_eq!(answer["status"], "ok", "{answer}");
    let said = talk.wait("system").await;
    assert_eq!(said[4]["message"], "Subscribed to PostgreSQL");
    talk.say(TOPIC, "broadcast", json!({ "type": "broadcast", "event": "x", "payload": {} })).await;
    sql(&app, &format!("insert into public.notes values (1, '{}', 'x')", ann.id)).await;
    assert_eq!(told(&mut talk).await["record"]["id"], 1);
    // What lies in between is for nobody.
    for role in ["anon", "authenticated", "service_role"] {
        let acting = app.database.acting(role).await;
        for text in [
            "select * from palisade_changes.changes",
            "select * from palisade_changes.readers",
            "select * from palisade_changes.follow('{public}')",
            "insert into palisade_changes.changes (number, relation, kind, shape) values (1, 1, 'INSERT', '')",
        ] {
            assert!(acting.batch_execute(text).await.is_err(), "{role}: {text}");
        }
    }
}

/// Everything that is told of a table up to now, as numbers of rows by kind.
async fn numbers(app: &TestApp, talk: &mut Talk, mark_id: u32, kind: &str) -> Vec<i64> {
    let mark = mark(app, mark_id).await;
    let seen = told_until(talk, &mark).await;
    let of = |one: &Value| one["record"]["id"].as_i64().or_else(|| one["old_record"]["id"].as_i64());
    let mut all: Vec<i64> =
        seen.iter().filter(|one| one["type"] == kind).map(|one| of(one).unwrap()).collect();
    all.sort_unstable();
    all
}

/// What policies may say, of columns that may be null, of other tables, of whole rows and of the caller.
const SAYINGS: [&str; 14] = [
    "owner = auth.uid()",
    "owner is distinct from (select auth.uid())",
    "level > 2",
    "level is null or level < 3",
    "tags && array['red']",
    "doc ->> 'shown' = 'yes'",
    "doc is null",
    "doc = 'null'::jsonb",
    "exists (select from public.friends f where f.of = things.owner and f.who = auth.uid())",
    "id in (select thing from public.shares where shares.who = auth.uid())",
    "public.is_low(things)",
    "(auth.jwt() ->> 'role') = 'authenticated' and id % 2 = 0",
    "at > '2026-01-01 00:00:00+01'",
    "label like 'a%' or label = E'q\"u\\\\o, (t)e'",
];

const THINGS: &str = "
    create table public.friends (of uuid, who uuid);
    create policy own on public.friends for select using (who = auth.uid());
    create table public.shares (thing bigint, who uuid);
    create policy own on public.shares for select to authenticated using (who = auth.uid() and thing % 3 <> 0);
    create table public.things (id bigint primary key, owner uuid, level int, tags text[], doc jsonb, label text, at timestamptz, touched int default 0);
    create function public.is_low(thing public.things) returns boolean language sql stable as 'select coalesce(thing.level, 0) < 2';
    create table public.news (id bigint primary key, body text);
    create policy all_read on public.news for select using (true);
    alter publication supabase_realtime add table public.things, public.news";

#[tokio::test]
async fn row_66_the_rows_told_of_are_those_that_sql_and_rest_show_whatever_the_policies_say() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(THINGS).await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let (a, b) = (&ann.id, &bob.id);
    let rows = format!(
        "insert into public.friends values ('{a}', '{b}'), ('{b}', '{b}');
         insert into public.shares select g, '{a}' from generate_series(1, 12) g;
         insert into public.things select g, case g % 3 when 0 then '{a}'::uuid when 1 then '{b}'::uuid end,
           nullif(g % 5, 4), case g % 4 when 0 then array['red', 'b\"l,ue'] when 1 then '{{}}' end,
           case g % 5 when 0 then 'null'::jsonb when 1 then '{{\"shown\": \"yes\"}}' when 2 then '{{\"shown\": \"no\"}}' end,
           case g % 4 when 0 then 'abc' when 1 then E'q\"u\\\\o, (t)e' when 2 then '' end,
           timestamptz '2025-12-31 22:00:00+00' + g * interval '10 minutes' from generate_series(1, 24) g"
    );
    sql(&app, &rows).await;
    let config = || {
        wants(json!([
            { "event": "*", "schema": "public", "table": "things" }, { "event": "*", "schema": "public", "table": "news" },
        ]))
    };
    let mut callers = Vec::new();
    for person in [Some(&ann), Some(&bob), None] {
        let mut talk = Talk::open(&app).await;
        let token = person.map(|person| &*person.access_token);
        assert_eq!(talk.join(TOPIC, config(), token).await["status"], "ok");
        callers.push((person.map_or_else(|| app.stranger(), |person| person.client.clone()), person, talk));
    }
    let admin = app.database.admin().await;
    let mut dice: u64 = 0x2545_F491_4F6C_DD1D;
    let mut below = |most: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(dice >> 33).unwrap() % most
    };
    let (mut number, mut told_of) = (1000, 0);
    for round in 0..14 {
        let mut policies = String::from("begin;");
        for name in ["p0", "p1", "p2"] {
            policies += &format!("drop policy if exists {name} on public.things;");
        }
        for name in ["p0", "p1", "p2"].iter().take(1 + below(3)) {
            let form = ["permissive", "permissive", "restrictive"][below(3)];
            let role = ["public", "authenticated", "anon", "authenticated, anon"][below(4)];
            let command = ["all", "select"][below(2)];
            let saying = SAYINGS[below(SAYINGS.len())];
            policies += &format!(
                "create policy {name} on public.things as {form} for {command} to {role} using ({saying});"
            );
        }
        let policies = policies + "commit";
        admin.batch_execute(&policies).await.unwrap();
        let removes = round == 13;
        let shown = async |person: Option<&Person>| {
            let (role, claims) = match person {
                Some(person) => ("authenticated", json!({ "sub": person.id, "role": "authenticated" })),
                None => ("anon", json!({ "role": "anon" })),
            };
            let begin = format!("begin; set local role {role}; set local request.jwt.claims = '{claims}'");
            admin.batch_execute(&begin).await.unwrap();
            let rows = admin.query("select id from public.things order by id", &[]).await.unwrap();
            admin.batch_execute("rollback").await.unwrap();
            rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>()
        };
        let mut expected = Vec::new();
        for (client, person, _) in &callers {
            let by_sql = shown(*person).await;
            let by_rest = client.get("/rest/v1/things?select=id&order=id").await.expect(200).value();
            let by_rest: Vec<i64> =
                by_rest.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
            assert_eq!(by_rest, by_sql, "{policies}");
            expected.push(by_sql);
        }
        let change = if removes {
            "delete from public.things"
        } else {
            "update public.things set touched = touched + 1"
        };
        sql(&app, change).await;
        for (expected, (_, person, talk)) in expected.iter().zip(&mut callers) {
            number += 1;
            let kind = if removes { "DELETE" } else { "UPDATE" };
            let told = numbers(&app, talk, number, kind).await;
            let who = person.map_or("nobody", |person| &*person.email);
            assert_eq!(told, *expected, "{who} {change}\n{policies}");
            told_of += told.len();
        }
    }
    assert!(told_of > 100, "the policies let hardly anything through: {told_of}");
}

#[tokio::test]
async fn row_67_a_policy_that_fails_or_never_ends_is_its_callers_own_trouble() {
    let app = app().await;
    let (ann, bob, eve) = (app.person("ann").await, app.person("bob").await, app.person("eve").await);
    sql(&app, &format!(
        "create function public.trouble() returns boolean language plpgsql stable as $$ begin
           if auth.uid() = '{}' then raise exception 'not today'; end if;
           if auth.uid() = '{}' then perform pg_sleep(30); end if; return true; end $$;
         create policy trouble on public.notes as restrictive for select to authenticated using (public.trouble())",
        bob.id, eve.id
    )).await;
    let mut to_ann = listens(&app, &ann, both()).await;
    let mut to_bob = listens(&app, &bob, both()).await;
    let mut to_eve = listens(&app, &eve, both()).await;
    for (id, person) in [(1, &ann), (2, &bob), (3, &eve)] {
        sql(&app, &format!("insert into public.notes values ({id}, '{}', 'x')", person.id)).await;
    }
    let mark_1 = mark(&app, 1).await;
    let seen = told_until(&mut to_ann, &mark_1).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(told_until(&mut to_bob, &mark_1).await.is_empty(), "who cannot read it does not hear of it");
    // Of hers nobody knows, and she is told so.
    let said = to_eve.wait("phx_error").await;
    assert_eq!(said[2], TOPIC);
    assert!(
        to_eve.heard.iter().any(|said| said[3] == "system" && said[4]["status"] == "error"),
        "{:?}",
        to_eve.heard
    );
    assert!(to_eve.heard.iter().all(|said| said[3] != "postgres_changes"));
}

#[tokio::test]
async fn row_67_whoever_may_have_missed_something_is_told_so_and_nothing_is_kept_for_nobody() {
    let app = app().await;
    let ann = app.person("ann").await;
    let count =
        async |text: &str| -> i64 { app.database.admin().await.query_one(text, &[]).await.unwrap().get(0) };
    // Nobody listens: nothing is written.
    sql(&app, &format!("insert into public.notes values (1, '{}', 'x')", ann.id)).await;
    assert_eq!(count("select count(*) from palisade_changes.changes").await, 0);
    let mut talk = listens(&app, &ann, both()).await;
    sql(&app, &format!("insert into public.notes values (2, '{}', 'x')", ann.id)).await;
    assert_eq!(told(&mut talk).await["record"]["id"], 2);
    // What was told is forgotten.
    app.eventually(async || count("select count(*) from palisade_changes.changes").await == 0).await;
    // As a crash of the database leaves it, and as too much at once does.
    let far = "select setval('palisade_changes.numbers', nextval('palisade_changes.numbers') + 200000)";
    for (nth, lost) in
        ["truncate palisade_changes.readers, palisade_changes.changes", far].into_iter().enumerate()
    {
        sql(&app, lost).await;
        let insert =
            |id: usize, body: &str| format!("insert into public.notes values ({id}, '{}', '{body}')", ann.id);
        sql(&app, &insert(100 + nth, "lost")).await;
        assert_eq!(talk.wait("phx_error").await[2], TOPIC);
        assert_eq!(talk.join(TOPIC, both(), Some(&ann.access_token)).await["status"], "ok");
        sql(&app, &insert(200 + nth, "again")).await;
        assert_eq!(told(&mut talk).await["record"]["body"], "again");
    }
    // A row that is too large is told of as far as it is short, and one that is far too large not at all.
    sql(&app, &format!("insert into public.notes values (0, '{}', repeat('long', 400000)), (-1, '{0}', (select string_agg(md5(g::text), '') from generate_series(1, 300000) g))", ann.id)).await;
    let cut = told(&mut talk).await;
    assert_eq!(
        (&cut["record"], &cut["errors"]),
        (&json!({ "id": 0, "owner": ann.id }), &json!(["Error 413: Payload Too Large"]))
    );
    let mark_1 = mark(&app, 1).await;
    assert!(told_until(&mut talk, &mark_1).await.is_empty());
    drop(talk);
    app.eventually(async || count("select count(*) from palisade_changes.readers").await == 0).await;
}
