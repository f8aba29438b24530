//! Changes of tables (row 67) that are easily lost: of transactions that were there before anybody listened, and of partitions.

use serde_json::{Value, json};
use spec::TestApp;

use super::changes::{TABLES, TOPIC, both, listens, mark, sql, told, told_until, wants};

async fn nobody_listens(app: &TestApp) {
    let readers = "select count(*) from palisade_changes.readers";
    let admin = app.database.admin().await;
    app.eventually(async || admin.query_one(readers, &[]).await.unwrap().get::<_, i64>(0) == 0).await;
}

#[tokio::test]
async fn row_67_what_a_transaction_from_before_the_first_listener_changes_is_told() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(TABLES).await;
    let ann = app.person("ann").await;
    for (nth, level) in ["repeatable read", "serializable"].into_iter().enumerate() {
        // Its snapshot is from before anybody listened, and what it changes from afterwards.
        let early = app.database.admin().await;
        early
            .batch_execute(&format!("begin isolation level {level}; select count(*) from public.notes"))
            .await
            .unwrap();
        let mut talk = listens(&app, &ann, both()).await;
        let insert = format!("insert into public.notes values ({nth}, '{}', 'early')", ann.id);
        early.batch_execute(&format!("{insert}; commit")).await.unwrap();
        assert_eq!(told(&mut talk).await["record"]["id"], nth, "{level}");
        drop(talk);
        nobody_listens(&app).await;
        // For nobody nothing is written down, of these neither.
        let alone = "begin isolation level repeatable read; update public.notes set body = 'alone'; commit";
        sql(&app, alone).await;
        let kept = "select count(*) from palisade_changes.changes where new like '%alone%'";
        assert_eq!(app.database.admin().await.query_one(kept, &[]).await.unwrap().get::<_, i64>(0), 0);
    }
}

#[tokio::test]
async fn row_67_who_begins_to_listen_while_somebody_writes_is_told_to_read_again_when_that_is_done() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(TABLES).await;
    let ann = app.person("ann").await;
    let early = app.database.admin().await;
    let insert = format!("begin; insert into public.notes values (1, '{}', 'early')", ann.id);
    early.batch_execute(&insert).await.unwrap();
    // Nothing of it was written down, and it is not to be seen yet.
    let mut talk = listens(&app, &ann, both()).await;
    let seen = ann.client.get("/rest/v1/notes?select=id").await.expect(200).value();
    assert_eq!(seen, json!([]));
    early.batch_execute("commit").await.unwrap();
    assert_eq!(talk.wait("phx_error").await[2], TOPIC);
    drop(talk);
    nobody_listens(&app).await;
    // Who is done soon is waited for.
    let insert = format!("begin; insert into public.notes values (2, '{}', 'early')", ann.id);
    early.batch_execute(&insert).await.unwrap();
    let (joined, ()) = tokio::join!(listens(&app, &ann, both()), async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        early.batch_execute("commit").await.unwrap();
    });
    let mut talk = joined;
    let seen = ann.client.get("/rest/v1/notes?select=id&order=id").await.expect(200).value();
    assert_eq!(seen, json!([{ "id": 1 }, { "id": 2 }]));
    let mark = mark(&app, 1).await;
    assert!(told_until(&mut talk, &mark).await.is_empty());
}

/// Partitions in which the columns stand otherwise, behind one that is gone, and two levels down.
const PARTED: &str = "
    create table public.logs (id bigint not null, owner uuid not null, day date not null, body text, secret text default 's3cret',
        primary key (id, day)) partition by range (day);
    create table public.logs_2025 partition of public.logs for values from ('2025-01-01') to ('2026-01-01');
    create table public.logs_2026 (secret text default 's3cret', gone int, body text, day date not null, owner uuid not null, id bigint not null);
    alter table public.logs_2026 drop column gone;
    alter table public.logs attach partition public.logs_2026 for values from ('2026-01-01') to ('2027-01-01');
    create table public.logs_2027 partition of public.logs for values from ('2027-01-01') to ('2028-01-01') partition by list (day);
    create table public.\"logs 2027 ü\" partition of public.logs_2027 default;
    create policy own on public.logs for select to authenticated using (owner = (select auth.uid()));
    revoke all on public.logs from anon, authenticated;
    grant select (id, owner, day, body) on public.logs to authenticated;
    create table public.news (id bigint primary key, body text);
    create policy all_read on public.news for select to authenticated using (true);
    alter publication supabase_realtime set (publish_via_partition_root = true);
    alter publication supabase_realtime add table public.logs (id, day, body, secret), public.news";

#[tokio::test]
async fn row_67_rows_of_partitions_are_those_of_their_table_whatever_the_order_of_their_columns() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(PARTED).await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let config = || {
        wants(
            json!([{ "event": "*", "schema": "public", "table": "logs" }, { "event": "*", "schema": "public", "table": "news" }]),
        )
    };
    let (mut to_ann, mut to_bob) = (listens(&app, &ann, config()).await, listens(&app, &bob, config()).await);
    // A partition is not listened to by itself.
    let mut alone = spec::Talk::open(&app).await;
    let config = wants(json!([{ "event": "*", "schema": "public", "table": "logs_2026" }]));
    let answer = alone.join(TOPIC, config, Some(&ann.access_token)).await;
    assert_eq!(answer["status"], "error", "{answer}");
    sql(
        &app,
        &format!(
            "insert into public.logs values (1, '{0}', '2025-05-05', 'one'), (2, '{0}', '2026-05-05', 'two'), (3, '{0}', '2027-05-05', 'three'),
                (4, '{1}', '2026-05-05', 'his');
             insert into public.logs_2026 (id, owner, day, body) values (5, '{0}', '2026-06-06', 'straight');
             update public.logs set body = 'zwei' where id = 2;
             update public.logs set day = '2026-07-07' where id = 1;
             delete from public.logs where id = 3",
            ann.id, bob.id
        ),
    )
    .await;
    let mark = mark(&app, 1).await;
    let seen = told_until(&mut to_ann, &mark).await;
    let short = |one: &Value| {
        json!([
            one["type"],
            one["table"],
            one["record"]["id"],
            one["record"]["body"],
            one["old_record"]["id"]
        ])
    };
    assert_eq!(
        seen.iter().map(short).collect::<Vec<_>>(),
        [
            json!(["INSERT", "logs", 1, "one", null]),
            json!(["INSERT", "logs", 2, "two", null]),
            json!(["INSERT", "logs", 3, "three", null]),
            json!(["INSERT", "logs", 5, "straight", null]),
            json!(["UPDATE", "logs", 2, "zwei", 2]),
            // From one partition into another.
            json!(["DELETE", "logs", null, null, 1]),
            json!(["INSERT", "logs", 1, "one", null]),
            json!(["DELETE", "logs", null, null, 3]),
        ]
    );
    // What was granted and what was published, and of that only what is both.
    let keys: Vec<&String> = seen[0]["record"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "day", "body"]);
    let seen = told_until(&mut to_bob, &mark).await;
    assert_eq!(seen.iter().map(short).collect::<Vec<_>>(), [json!(["INSERT", "logs", 4, "his", null])]);
}
