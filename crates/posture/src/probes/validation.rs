//! Controls 57, 121, 122, 124 and 125: what may be written, what becomes of it, and how often.

use serde_json::json;

use super::tables::{Tables, with};
use crate::Finding;
use crate::bench::{Answer, Bench, Trouble};

const EVERYBODY: &str = "anon, authenticated, service_role";

/// How many send the same write at once.
const AT_ONCE: usize = 20;

fn code(answer: &Answer) -> String {
    answer.json()["code"].as_str().unwrap_or_default().to_owned()
}

/// 125: the same write again is done once, also when many send it at once; another with its key is refused.
pub async fn a_write_that_comes_again_is_done_once(bench: &Bench) -> Result<Finding, Trouble> {
    let made = |name: &str| {
        format!(
            "CREATE TABLE public.{name}_clicks (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);
             GRANT ALL ON public.{name}_clicks TO {EVERYBODY};
             CREATE POLICY everybody ON public.{name}_clicks TO authenticated USING (true) WITH CHECK (true)"
        )
    };
    let tables = Tables::make(bench, &["clicks"], made).await?;
    with(bench, tables, async |name| clicks(bench, name).await).await
}

async fn clicks(bench: &Bench, name: &str) -> Result<Finding, Trouble> {
    let (_, session) = bench.guest().await?;
    let (_, other) = bench.guest().await?;
    let path = format!("/rest/v1/{name}_clicks");
    let click = |token: &str, key: &str, what: &str| {
        let ask = bench.client("POST", &path).bearer(token).header("prefer", "return=representation");
        ask.header("idempotency-key", key).json(&json!({ "what": what })).send()
    };
    let count = async |what: &str| -> Result<usize, Trouble> {
        let ask = bench.client("GET", &format!("{path}?select=id&what=eq.{what}")).bearer(&session.access);
        Ok(ask.send().await?.json().as_array().map_or(usize::MAX, Vec::len))
    };
    let key = bench.random_name("click-");
    let first = click(&session.access, &key, "one").await?;
    let again = click(&session.access, &key, "one").await?;
    let another = click(&session.access, &key, "two").await?;
    let once = (count("one").await?, count("two").await?);
    let hers = click(&other.access, &key, "one").await?;
    let both = count("one").await?;
    let many = bench.random_name("many-");
    let sent =
        futures_util::future::join_all((0..AT_ONCE).map(|_| click(&session.access, &many, "many"))).await;
    let sent = sent.into_iter().collect::<Result<Vec<_>, _>>()?;
    let told = sent.iter().filter(|one| one.status == 201 || one.status == 409).count();
    let rows = count("many").await?;
    let fresh = click(&session.access, &bench.random_name("new-"), "one").await?;
    let module = bench.ask("GET", "/client/v1/writes.js").send().await?;
    Ok(Finding::all([
        (first.status == 201, format!("a write with an Idempotency-Key: {}", first.status)),
        (
            again.status == 201 && again.json() == first.json(),
            format!(
                "the same again: {}, with the first one's answer: {}",
                again.status,
                again.json() == first.json()
            ),
        ),
        (another.status == 422, format!("another write with its key: {} {}", another.status, code(&another))),
        (once == (1, 0), format!("rows made by the three: {} and {}", once.0, once.1)),
        (
            hers.status == 201 && both == 2,
            format!("somebody else with the same key: {}, rows now {both}", hers.status),
        ),
        (
            rows == 1 && told == AT_ONCE,
            format!(
                "{AT_ONCE} at once: {rows} rows, {told} were answered with it or told that it is under way"
            ),
        ),
        (fresh.status == 201, format!("a new key is a new write: {}", fresh.status)),
        (
            module.status == 200 && module.text().contains("wait = 1000"),
            format!("the module for browsers debounces by 1000 ms: {}", module.status),
        ),
    ]))
}
