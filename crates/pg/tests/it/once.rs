//! One statement in one round trip.

use base::Caller;
use pg::{Claims, Lane, Mode, Once, Param, Pg, Rows, Setup, Statement};

use crate::scene::{Database, person};

async fn read(pg: &Pg, caller: &Caller, sql: &str) -> Result<Rows, pg::Error> {
    Ok(pg.once(caller, Once::read(Statement::new(sql, []))).await?.into_inner())
}

async fn text(pg: &Pg, caller: &Caller, sql: &str) -> String {
    let rows = read(pg, caller, sql).await.unwrap();
    rows.first().unwrap().at::<Option<String>>(0).unwrap().unwrap_or_else(|| "NULL".into())
}

const WHO: &str = "select current_user || ' ' || coalesce(current_setting('request.jwt.claims', true), '') || ' ' ||
    coalesce(current_setting('request.jwt.claim.sub', true), '') || ' ' || coalesce(current_setting('request.jwt.claim.email', true), '')
    || ' ' || current_setting('transaction_read_only') || ' ' || current_setting('statement_timeout')";

#[tokio::test]
async fn a_statement_runs_as_its_caller_and_nobody_else() {
    let db = Database::new().await;
    let pg = db.pg();
    for _ in 0..3 {
        let ann = text(&pg, &person(1), WHO).await;
        assert_eq!(
            ann,
            r#"authenticated {"sub":"00000000-0000-4000-8000-000000000001","role":"authenticated"} 00000000-0000-4000-8000-000000000001 p1@example.com on 8s"#
        );
        assert_eq!(text(&pg, &Caller::anonymous(), WHO).await, r#"anon {"role":"anon"}   on 3s"#);
        assert_eq!(
            text(&pg, &Caller::operator(), WHO).await,
            r#"service_role {"role":"service_role"}   on 30s"#
        );
    }
}

#[tokio::test]
async fn a_request_is_one_round_trip_and_its_statement_is_parsed_once() {
    let db = Database::new().await;
    let mut config = db.config();
    config.caps.short = 1;
    let pg = Pg::connect(config).unwrap();
    for _ in 0..10 {
        text(&pg, &person(1), "select count(*) from notes").await;
    }
    let stats = pg.stats().short;
    assert_eq!((stats.round_trips, stats.parsed, stats.cache_hits, stats.connections), (10, 1, 9, 1));
    assert_eq!(pg.stats().own.round_trips, 0);
}

/// A short read that leaves nothing and needs the subject alone.
async fn brief(pg: &Pg, caller: &Caller, sql: &str) -> String {
    let setup = Setup { leaves_nothing: true, claims: Claims::Subject, ..Setup::default() };
    let ask = Once { setup, ..Once::read(Statement::new(sql, [])) };
    pg.once(caller, ask).await.unwrap().into_inner().first().unwrap().at(0).unwrap()
}

#[tokio::test]
async fn claims_that_were_not_sent_are_sent_to_whoever_looks_into_them() {
    let db = Database::new().await;
    let mut config = db.config();
    config.caps.short = 1;
    let pg = Pg::connect(config).unwrap();
    for n in 1..=3 {
        let person = person(n);
        assert_eq!(
            brief(&pg, &person, "select auth.uid()::text || ' ' || current_user").await,
            format!("{} authenticated", person.subject)
        );
        assert_eq!(pg.stats().short.retried, 2 * u64::from(n - 1));
        let json = "select current_setting('request.jwt.claims', true)::jsonb ->> 'sub'";
        assert_eq!(brief(&pg, &person, json).await, &*person.subject);
        let among = "select (current_setting('request.jwt.claims')::json ->> 'role') || current_setting('request.jwt.claim.email')";
        assert_eq!(brief(&pg, &person, among).await, format!("authenticated{}", person.email));
        assert_eq!(pg.stats().short.retried, 2 * u64::from(n));
    }
    // Nobody in particular is told everything at once.
    let json = "select current_setting('request.jwt.claims', true)::jsonb ->> 'role'";
    assert_eq!(brief(&pg, &Caller::anonymous(), json).await, "anon");
    assert_eq!(pg.stats().short.retried, 6);
}

#[tokio::test]
async fn each_person_reaches_only_their_own_rows() {
    let db = Database::new().await;
    let pg = db.pg();
    for n in 1..=3 {
        let insert = Statement::new(
            "insert into notes(owner, text) values ($1, $2) returning id, text",
            [Param::from(&*person(n).subject), Param::from("it's \\ \"quoted\" \u{1F980}")],
        );
        let rows = pg.once(&person(n), Once::write(insert)).await.unwrap().into_inner();
        assert_eq!((rows.affected, rows.len()), (1, 1));
        assert_eq!(
            rows.columns.iter().map(|column| (&*column.name, column.type_oid)).collect::<Vec<_>>(),
            [("id", 20), ("text", 25)]
        );
        assert_eq!(rows.first().unwrap().get::<String>("text").unwrap(), "it's \\ \"quoted\" \u{1F980}");
    }
    for n in 1..=3 {
        let rows = read(&pg, &person(n), "select owner from notes").await.unwrap();
        assert_eq!(
            rows.iter().map(|row| row.get::<String>("owner").unwrap()).collect::<Vec<_>>(),
            [&*person(n).subject]
        );
    }
    assert_eq!(text(&pg, &Caller::operator(), "select count(*) from notes").await, "3");
    assert!(read(&pg, &Caller::anonymous(), "select from notes").await.unwrap_err().is("42501"));
    let theirs =
        Statement::new("insert into notes(owner, text) values ($1, 'x')", [Param::from(&*person(2).subject)]);
    assert!(pg.once(&person(1), Once::write(theirs)).await.unwrap_err().is("42501"));
}

#[tokio::test]
async fn a_read_cannot_write_whichever_lane_it_takes() {
    let db = Database::new().await;
    let pg = db.pg();
    for lane in [Lane::Short, Lane::Own] {
        for sql in [
            "insert into notes(owner, text) values (auth.uid(), 'x')",
            "select set_config('transaction_read_only', 'off', true)",
            "set transaction read write",
        ] {
            let ask = Once { lane, ..Once::read(Statement::new(sql, [])) };
            let error = pg.once(&person(1), ask).await.unwrap_err();
            assert!(error.is("25006") || error.is("25001") || error.is("22023"), "{lane:?} {sql} {error}");
        }
    }
    assert_eq!(text(&pg, &Caller::operator(), "select count(*) from notes").await, "0");
}

#[tokio::test]
async fn an_error_undoes_everything_and_leaves_the_connection_usable() {
    let db = Database::new().await;
    let mut config = db.config();
    config.caps.short = 1;
    let pg = Pg::connect(config).unwrap();
    for _ in 0..3 {
        assert!(read(&pg, &person(1), "select 1/0").await.unwrap_err().is("22012"));
        assert!(read(&pg, &person(1), "selekt").await.unwrap_err().is("42601"));
        assert!(read(&pg, &person(1), "select nothing from nowhere").await.unwrap_err().is("42P01"));
        assert_eq!(
            text(&pg, &person(2), "select current_setting('request.jwt.claim.email')").await,
            "p2@example.com"
        );
    }
    assert_eq!(pg.stats().short.connects, 1);
}

#[tokio::test]
async fn a_commit_that_fails_late_is_an_error_not_a_reply() {
    let db = Database::new().await;
    let pg = db.pg();
    let orphan = Statement::new("insert into lab.children values (1, 99) returning id", []);
    assert!(pg.once(&person(1), Once::write(orphan)).await.unwrap_err().is("23503"));
    assert_eq!(text(&pg, &person(1), "select count(*) from lab.children").await, "0");
}

#[tokio::test]
async fn a_stale_plan_is_made_anew_without_anybody_noticing() {
    let db = Database::new().await;
    let mut config = db.config();
    config.caps.short = 1;
    let pg = Pg::connect(config).unwrap();
    db.admin()
        .batch_execute(
            "create table wide(a int); grant select on wide to authenticated; insert into wide values (1)",
        )
        .await
        .unwrap();
    let columns = async || {
        let rows = read(&pg, &person(1), "select * from wide").await.unwrap();
        rows.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(columns().await, ["a"]);
    db.admin().batch_execute("alter table wide add b text default 'b'").await.unwrap();
    assert_eq!(columns().await, ["a", "b"]);
    assert_eq!(columns().await, ["a", "b"]);
    db.admin().batch_execute("alter table wide drop a").await.unwrap();
    assert_eq!(columns().await, ["b"]);
    assert_eq!(pg.stats().short.retried, 2);
}

#[tokio::test]
async fn statements_that_somebody_deallocated_come_back() {
    let db = Database::new().await;
    let mut config = db.config();
    config.caps.short = 1;
    let pg = Pg::connect(config).unwrap();
    text(&pg, &person(1), "select 'x'").await;
    read(&pg, &person(1), "deallocate all").await.unwrap();
    assert_eq!(text(&pg, &person(1), "select 'x'").await, "x");
}

#[tokio::test]
async fn the_statement_cache_is_bounded() {
    let db = Database::new().await;
    let mut config = db.config();
    config.caps.short = 1;
    let pg = Pg::connect(config).unwrap();
    for n in 0..600 {
        assert_eq!(text(&pg, &person(1), &format!("select '{n}'")).await, n.to_string());
    }
    let prepared: u64 =
        text(&pg, &Caller::operator(), "select count(*) from pg_prepared_statements").await.parse().unwrap();
    let max = pg::limits::PREPARED.value;
    assert!(prepared > max / 2 && prepared <= max + 16, "{prepared}");
}

#[tokio::test]
async fn many_callers_on_few_connections_each_get_their_own_answer() {
    let db = Database::new().await;
    let pg = db.pg();
    let tasks: Vec<_> = (0..400)
        .map(|n| {
            let pg = pg.clone();
            tokio::spawn(async move {
                let sql = match n % 4 {
                    0 => "select 1/0",
                    1 => "select 'a' || current_setting('request.jwt.claim.email')",
                    2 => "select nothing",
                    _ => "select 'b' || current_setting('request.jwt.claim.email'), repeat('x', 20000)",
                };
                (n, read(&pg, &person(n), sql).await)
            })
        })
        .collect();
    for task in tasks {
        let (n, answer) = task.await.unwrap();
        match n % 4 {
            0 => assert!(answer.unwrap_err().is("22012")),
            2 => assert!(answer.unwrap_err().is("42703")),
            kind => {
                let head = if kind == 1 { "a" } else { "b" };
                assert_eq!(
                    answer.unwrap().first().unwrap().at::<String>(0).unwrap(),
                    format!("{head}p{n}@example.com")
                );
            }
        }
    }
    assert!(pg.stats().short.connections <= 4);
}

#[tokio::test]
async fn the_setup_surrounds_the_statement_and_ends_with_it() {
    let db = Database::new().await;
    let pg = db.pg();
    db.admin()
        .batch_execute("create schema api; grant usage on schema api to authenticated;
            create function public.check_request() returns void language plpgsql as
              $$ begin if current_setting('request.headers', true) = 'bad' then raise sqlstate 'PT403' using message = 'no'; end if;
                 perform set_config('app.checked', current_user, true); end $$")
        .await
        .unwrap();
    let ask = |headers: &str, sql: &str| {
        let mut ask = Once::read(Statement::new(sql, []));
        ask.setup = Setup {
            search_path: Some(r#""api", "public""#.into()),
            statement_timeout: Some(std::time::Duration::from_millis(1_234)),
            more: vec![("request.headers".into(), headers.into()), ("TimeZone".into(), "Asia/Tokyo".into())],
            before: Some(r#""public"."check_request""#.into()),
            ..Setup::default()
        };
        ask
    };
    let sql = "select concat_ws('|', current_setting('search_path'), current_setting('statement_timeout'),
        current_setting('request.headers', true), current_setting('TimeZone'), current_setting('app.checked', true))";
    let inside = pg.once(&person(1), ask("{}", sql)).await.unwrap().into_inner();
    assert_eq!(
        inside.first().unwrap().at::<String>(0).unwrap(),
        r#""api", "public"|1234ms|{}|Asia/Tokyo|authenticated"#
    );
    assert!(pg.once(&person(1), ask("bad", sql)).await.unwrap_err().is("PT403"));
    assert_eq!(text(&pg, &person(1), sql).await, r#""public", "extensions"|8s||UTC|"#);
}

#[tokio::test]
async fn a_slow_statement_is_stopped_by_the_roles_timeout() {
    let db = Database::new().await;
    let mut config = db.config();
    config.timeouts.anon = std::time::Duration::from_millis(50);
    let pg = Pg::connect(config).unwrap();
    let error = read(&pg, &Caller::anonymous(), "select pg_sleep(20)").await.unwrap_err();
    assert!(error.is("57014") && base::Fault::kind(&error) == base::Kind::Timeout);
}

#[tokio::test]
async fn copy_from_stdin_cannot_put_answers_out_of_step() {
    let db = Database::new().await;
    let pg = db.pg();
    let copy = Once { mode: Mode::Write, ..Once::read(Statement::rare("copy notes from stdin", [])) };
    assert!(pg.once(&person(1), copy).await.is_err());
    for n in 0..20 {
        assert_eq!(
            text(&pg, &person(n), "select current_setting('request.jwt.claim.email')").await,
            format!("p{n}@example.com")
        );
    }
}
