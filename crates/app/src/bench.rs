//! What the bench compares us with, in our own server (feature `bench`, never in a release): the same row by a general
//! driver in four round trips, and the same page as `json_agg`; and what is too small to be measured from outside.
//!
//! Everything around them is the product's: listener, limits, log, credentials, guard.

use std::sync::{Arc, Mutex, PoisonError};

use auth::{Auth, Credentials};
use base::{Failure, Secret};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use pg::admin::Target;
use pg::{Once, Statement};
use tokio::sync::Semaphore;
use tokio_postgres::{Client, Statement as Ready};
use web::{Answer, Ask, Cx, Guard, Handled, Limits, Mount, Reply, Route};

/// Connections of the general driver: more were slower on two cores.
const CONNECTIONS: usize = 8;

const SET: &str = "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true), \
    set_config('request.jwt.claim.sub', $2, true), set_config('transaction_read_only', 'on', true)";
const ROW: &str =
    "select id, title, done, priority, tags, details::text, created_at::text from public.todos where id = $1";
const PAGE: &str = "select coalesce(json_agg(t), '[]')::text from (select id, title, done, priority, tags, details, created_at \
    from public.todos order by id desc limit 100) t";

struct Variants {
    auth: Auth,
    target: Target,
    idle: Mutex<Vec<Conn>>,
    permits: Semaphore,
}

struct Conn {
    client: Client,
    set: Ready,
    row: Ready,
}

/// Routes at `/bench/v1`.
pub fn mount(target: Target, auth: Auth) -> Mount {
    let state = Variants { auth, target, idle: Mutex::new(Vec::new()), permits: Semaphore::new(CONNECTIONS) };
    let route = |path, handler| {
        Route::new(Method::GET, path, Guard::Key, handler).limits(Limits::DATA).summary("For the bench")
    };
    Mount::new(
        "/bench/v1",
        web::plain,
        Arc::new(state),
        &[
            route("/four-trips/{id}", four),
            route("/json-agg", agg),
            route("/identify/{count}", identify),
            route("/hashes/{milliseconds}", hashes),
        ],
    )
}

fn four(state: Arc<Variants>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let id = ask.params.get("id").parse().unwrap_or(0);
        let body = state.row(&cx, id).await.map_err(Failure::from)?;
        Ok(Reply::untouched(json(body.into()), "committed by the general driver"))
    })
}

fn agg(_: Arc<Variants>, cx: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let mut ask = Once::read(Statement::new(PAGE, []));
        ask.setup.leaves_nothing = true;
        let rows = cx.pg.once(&cx.caller, ask).await.map_err(Failure::from)?;
        Ok(rows.map(|rows| {
            json(rows.first().and_then(|row| row.field(0).map(Bytes::copy_from_slice)).unwrap_or_default())
        }))
    })
}

/// Microseconds to know again whose token it is.
fn identify(state: Arc<Variants>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let count: u32 = ask.params.get("count").parse().unwrap_or(1);
        let shown =
            |name: &str| ask.header(name).map(|line| Secret::from(line.trim_start_matches("Bearer ")));
        let credentials =
            Credentials { apikey: shown("apikey"), bearer: shown("authorization"), ..Credentials::default() };
        let began = std::time::Instant::now();
        for _ in 0..count {
            std::hint::black_box(state.auth.identify(&credentials, cx.caller.address).await?);
        }
        Ok(number(began.elapsed().as_secs_f64() * 1e6 / f64::from(count)))
    })
}

/// Hashes a second, as many at once as the permits are by default.
fn hashes(_: Arc<Variants>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let length = std::time::Duration::from_millis(ask.params.get("milliseconds").parse().unwrap_or(1000));
        let permits = std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2).max(1);
        let hasher = seal::Hasher::new(permits, &cx.rng, Secret::new(cx.rng.bytes())).map_err(odd)?;
        let password = Secret::from("Bench-Password-1");
        let stored = hasher.hash(&password).await.map_err(odd)?;
        let began = std::time::Instant::now();
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..permits {
            let (hasher, password, stored) = (hasher.clone(), password.clone(), stored.clone());
            running.spawn(async move {
                let mut done = 0_u32;
                while began.elapsed() < length {
                    hasher.verify(&password, Some(&stored)).await?;
                    done += 1;
                }
                Ok::<u32, seal::Error>(done)
            });
        }
        let mut all = 0;
        while let Some(done) = running.join_next().await {
            all += done.map_err(odd)?.map_err(odd)?;
        }
        Ok(number(f64::from(all) / began.elapsed().as_secs_f64()))
    })
}

fn number(value: f64) -> Reply<Answer> {
    Reply::untouched(Answer::json(&serde_json::json!({ "value": value })), "measured here, of no row")
}

fn odd(error: impl std::fmt::Display) -> pg::Error {
    pg::Error::Bug(error.to_string())
}

fn json(body: Bytes) -> Answer {
    Answer::bytes(StatusCode::OK, Some(HeaderValue::from_static("application/json; charset=utf-8")), body)
}

impl Variants {
    /// BEGIN, settings, the row, COMMIT: each waits for the one before.
    async fn row(&self, cx: &Cx, id: i64) -> Result<Vec<u8>, pg::Error> {
        let _permit = self.permits.acquire().await.map_err(odd)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => self.connect().await?,
        };
        conn.client.batch_execute("BEGIN").await?;
        conn.client.execute(&conn.set, &[&&*cx.caller.claims, &&*cx.caller.subject]).await?;
        let rows = conn.client.query(&conn.row, &[&id]).await?;
        conn.client.batch_execute("COMMIT").await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        let rows = rows.iter().map(|row| {
            let details: Box<serde_json::value::RawValue> = serde_json::from_str(row.get(5)).map_err(odd)?;
            Ok(serde_json::json!({
                "id": row.get::<_, i64>(0), "title": row.get::<_, &str>(1), "done": row.get::<_, bool>(2),
                "priority": row.get::<_, i32>(3), "tags": row.get::<_, Vec<&str>>(4), "details": details,
                "created_at": row.get::<_, &str>(6)
            }))
        });
        let rows = rows.collect::<Result<Vec<_>, pg::Error>>()?;
        serde_json::to_vec(&rows).map_err(odd)
    }

    async fn connect(&self) -> Result<Conn, pg::Error> {
        let client = self.target.connect().await?;
        let set = client.prepare(SET).await?;
        client.batch_execute("set role authenticated").await?;
        let row = client.prepare(ROW).await?;
        client.batch_execute("reset role").await?;
        Ok(Conn { client, set, row })
    }
}
