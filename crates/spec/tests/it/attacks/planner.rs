//! Faults of PostgreSQL's planner that showed somebody else's rows, tried on the server at hand and through the API.

use std::sync::{Arc, Mutex};

use serde_json::json;
use spec::TestApp;
use tokio_postgres::AsyncMessage;

/// A table with a policy for each role, reached in each of the ways that CVE-2024-10976 is about: a subquery, a WITH
/// query, a view that asks as its caller, and a function in SQL.
const BY_ROLE: &str = "
create table public.notes (id int primary key, owner uuid);
create policy nobody on public.notes for select to anon using (id = 0);
create policy own on public.notes for select to authenticated using (owner = (select auth.uid()));
create policy programs on public.notes for select to service_role using (id = 100);
insert into public.notes values (0, null), (100, null);
create view public.shown with (security_invoker = true) as select id from public.notes;
create view public.nested with (security_invoker = true) as
  with w as (select id from public.shown) select id from w where id in (select id from public.notes);
create function public.listed() returns setof int language sql stable as 'select id from public.notes order by id'";

/// CVE-2024-10976: a plan made for one role was used for the next one. Callers share few connections here, in turns.
#[tokio::test]
async fn row_64_a_plan_made_for_one_caller_never_serves_another() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(BY_ROLE).await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let rows = format!("insert into public.notes values (1, '{}'), (2, '{}')", ann.id, bob.id);
    app.database.admin().await.batch_execute(&rows).await.unwrap();
    let (anon, service) = (app.stranger(), app.service());
    for turn in 0..30 {
        for (who, client, id) in
            [("anon", &anon, 0), ("ann", &ann.client, 1), ("bob", &bob.client, 2), ("service", &service, 100)]
        {
            // The service's own key passes by policies altogether, wherever it asks.
            let expected = if who == "service" { json!([0, 1, 2, 100]) } else { json!([id]) };
            for path in ["/rest/v1/shown?select=id&order=id", "/rest/v1/nested?select=id&order=id"] {
                let seen = client.get(path).await.expect(200).value();
                let ids: Vec<_> = seen.as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
                assert_eq!(json!(ids), expected, "turn {turn}, {who}: {path}");
            }
            let seen = client.get("/rest/v1/rpc/listed").await.expect(200).value();
            assert_eq!(seen, expected, "turn {turn}, {who}: a function");
        }
    }
    // The same in one session of SQL with plans that PostgreSQL keeps.
    let session = app.database.admin().await;
    session
        .batch_execute(
            "SET plan_cache_mode = force_generic_plan; GRANT SELECT ON public.shown, public.nested TO readonly;
             PREPARE one AS SELECT count(*) FROM public.shown; PREPARE two AS SELECT count(*) FROM public.nested;
             PREPARE three AS WITH w AS (SELECT id FROM public.notes) SELECT count(*) FROM w WHERE id = (SELECT max(id) FROM public.notes)",
        )
        .await
        .unwrap();
    for turn in 0..10 {
        for (role, count) in [("anon", "1"), ("authenticated", "0"), ("anon", "1")] {
            session.batch_execute(&format!("SET ROLE {role}")).await.unwrap();
            for statement in ["one", "two", "three"] {
                let seen = session.simple_query(&format!("EXECUTE {statement}")).await.unwrap();
                let row = seen.iter().find_map(|message| match message {
                    tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                    _ => None,
                });
                assert_eq!(row.as_deref(), Some(count), "turn {turn}, {role}: {statement}");
            }
            session.batch_execute("RESET ROLE").await.unwrap();
        }
    }
}

/// CVE-2025-8713: an operator of the attacker's saw sampled values of rows that a view, a partition or a child table
/// hides. The attack needs an operator; callers cannot make one, and with one made for them they see nothing.
#[tokio::test]
async fn row_64_statistics_of_hidden_rows_reach_no_operator() {
    let app = TestApp::start().await;
    let schema = "
        create table public.salaries (id int primary key, owner text not null, pay int not null);
        alter table public.salaries enable row level security;
        create policy own on public.salaries for select using (owner = 'me');
        insert into public.salaries select i, case when i = 1 then 'me' else 'other' end, 70000 + i from generate_series(1, 300) i;
        create view public.payroll with (security_invoker = true) as select * from public.salaries;
        create table public.parts (id int not null, owner text not null, pay int not null) partition by range (id);
        create table public.part_one partition of public.parts for values from (0) to (1000);
        alter table public.parts enable row level security;
        create policy own on public.parts for select using (owner = 'me');
        insert into public.parts select * from public.salaries;
        analyze public.salaries; analyze public.parts; analyze public.part_one;
        create function public.tells(a int, b int) returns boolean language plpgsql cost 0.0001 as
          $$ begin raise notice 'saw %', a; return a < b; end $$;
        create operator public.<<< (function = public.tells, leftarg = int, rightarg = int, restrict = scalarltsel);
        grant select on public.salaries, public.payroll, public.parts to authenticated;
        grant execute on function public.tells to authenticated";
    app.database.admin().await.batch_execute(schema).await.unwrap();

    for forbidden in [
        "CREATE FUNCTION public.f(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "CREATE OPERATOR public.<<<< (FUNCTION = public.tells, LEFTARG = int, RIGHTARG = int)",
        "CREATE FUNCTION pg_temp.f(int, int) RETURNS boolean LANGUAGE c AS 'x'",
    ] {
        let error = app.database.acting("authenticated").await.batch_execute(forbidden).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501", "{forbidden}");
    }

    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let listen = move |message| {
        if let AsyncMessage::Notice(notice) = message {
            ears.lock().unwrap().push(notice.message().to_owned());
        }
    };
    let session = app.database.target().connect_with(listen).await.unwrap();
    session.batch_execute("SET ROLE authenticated").await.unwrap();
    for relation in ["salaries", "payroll", "parts"] {
        let sql = format!("SELECT count(*) FROM public.{relation} WHERE pay OPERATOR(public.<<<) 1000000");
        let count: i64 = session.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(count, 1, "{relation}: one's own row");
        let seen = heard.lock().unwrap().drain(..).collect::<Vec<String>>();
        assert!(seen.iter().all(|line| line == "saw 70001"), "{relation}: {seen:?}");
        assert!(!seen.is_empty(), "{relation}: the operator was not asked at all");
    }
}
