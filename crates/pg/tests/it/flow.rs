//! Results that are given as they come.

use pg::{Once, Pg, Statement};

use crate::scene::{Database, person};

fn ask(sql: &str) -> Once {
    Once::read(Statement::new(sql, []))
}

async fn own_connection() -> (Database, Pg) {
    let db = Database::new().await;
    let mut config = db.config();
    // One connection of its own for everybody, so that the next one gets the last one's.
    config.caps = pg::Caps { connections_max: 6, short: 1, system: 1, ..config.caps };
    assert_eq!(config.caps.own(), 1);
    let pg = Pg::connect(config).unwrap();
    (db, pg)
}

const MANY: &str = "select n, repeat('x', 1000) from generate_series(1, 100000) n";

#[tokio::test]
async fn every_row_comes_once_and_in_order() {
    let (_db, pg) = own_connection().await;
    for count in [0, 1, 30_000] {
        let sql = format!("select n, repeat('x', 100) from generate_series(1, {count}) n");
        let mut flow = pg.flow(&person(1), ask(&sql)).await.unwrap();
        let (mut next, mut columns) = (1, 0);
        while let Some(rows) = flow.next().await.unwrap() {
            columns = rows.columns.len();
            for row in rows.iter() {
                assert_eq!(row.at::<i64>(0).unwrap(), next);
                next += 1;
            }
        }
        assert_eq!((next, columns), (count + 1, 2));
    }
    assert_eq!(pg.stats().own.connects, 1);
}

#[tokio::test]
async fn whoever_reads_slowly_holds_postgresql_up() {
    let (db, pg) = own_connection().await;
    let mut flow = pg.flow(&person(1), ask(MANY)).await.unwrap();
    let first = flow.next().await.unwrap().unwrap();
    assert!(first.len() < 1_000, "{}", first.len());
    let waiting =
        "select count(*) from pg_stat_activity where wait_event = 'ClientWrite' and query like '%100000) n'";
    for round in 0.. {
        let count: i64 = db.admin().query_one(waiting, &[]).await.unwrap().get(0);
        if count == 1 {
            break;
        }
        assert!(round < 200, "the backend does not wait for us");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut all = first.len();
    while let Some(rows) = flow.next().await.unwrap() {
        all += rows.len();
    }
    assert_eq!(all, 100_000);
}

#[tokio::test]
async fn the_first_rows_come_at_once_and_the_others_many_together() {
    let (db, pg) = own_connection().await;
    let last_waits = "select n, repeat('x', 1000), case when n = 3000 then pg_advisory_xact_lock(47) end \
        from generate_series(1, 3000) n";
    db.admin().execute("select pg_advisory_lock(47)", &[]).await.unwrap();
    let mut flow = pg.flow(&person(1), ask(last_waits)).await.unwrap();
    let mut chunks = vec![flow.next().await.unwrap().unwrap().len()];
    db.admin().execute("select pg_advisory_unlock(47)", &[]).await.unwrap();
    while let Some(rows) = flow.next().await.unwrap() {
        chunks.push(rows.len());
    }
    assert_eq!(chunks.iter().sum::<usize>(), 3000);
    let (first, rest) = chunks.split_first().unwrap();
    let (_last, middle) = rest.split_last().unwrap();
    let together = pg::limits::FLOW_CHUNK_BYTES.size() / 1_024;
    assert!(*first < together, "the first waited for company: {chunks:?}");
    assert!(middle.len() > 10 && middle.iter().all(|rows| *rows >= together), "{chunks:?}");
}

#[tokio::test]
async fn whoever_goes_stops_the_statement_and_leaves_nothing() {
    let (_db, pg) = own_connection().await;
    for n in 1..4 {
        let sql = format!(
            "select set_config('app.left', 'by {n}', false), repeat('x', 1000) from generate_series(1, 100000)"
        );
        let mut flow = pg.flow(&person(n), ask(&sql)).await.unwrap();
        flow.next().await.unwrap().unwrap();
        drop(flow);
        let found = "select coalesce(current_setting('app.left', true), '') || current_setting('request.jwt.claim.sub')";
        let mut flow = pg.flow(&person(n + 1), ask(found)).await.unwrap();
        let rows = flow.next().await.unwrap().unwrap();
        assert_eq!(rows.first().unwrap().at::<String>(0).unwrap(), &*person(n + 1).subject);
    }
    assert_eq!(pg.stats().own.connects, 1);
}

#[tokio::test]
async fn an_error_between_rows_is_told() {
    let (_db, pg) = own_connection().await;
    let sql = "select 1 / (50000 - n), repeat('x', 100) from generate_series(1, 60000) n";
    let mut flow = pg.flow(&person(1), ask(sql)).await.unwrap();
    let error = loop {
        match flow.next().await {
            Ok(rows) => assert!(rows.is_some(), "it ended well"),
            Err(error) => break error,
        }
    };
    assert!(error.is("22012"), "{error}");
    assert!(pg.flow(&person(1), ask("select 1")).await.unwrap().next().await.unwrap().is_some());
}
