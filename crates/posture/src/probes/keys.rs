//! Control 150: what a program's key is good for, and that its use is seen.

use serde_json::{Value, json};

use super::audit::entry;
use crate::Finding;
use crate::bench::{Answer, Bench, Tenant, Trouble};

/// An address that no request of this probe comes from: it is for documentation (RFC 5737).
const NOWHERE: &str = "192.0.2.1";

/// A key made for this probe.
struct Key {
    id: String,
    text: String,
}

/// 150: keys that may only read write through nothing; one for another address, one that has had its time and one in a
/// browser open nothing; every use is recorded by key.
pub async fn programs_have_no_more_than_they_need(bench: &Bench) -> Result<Finding, Trouble> {
    let tenant = bench.tenant().await?;
    let mut made = Vec::new();
    let tried = tries(bench, tenant, &mut made).await;
    // Whatever was seen, no key of a probe stays.
    for key in &made {
        bench.operator("DELETE", &format!("/keys/{}", key.id)).send().await?;
    }
    Ok(Finding::all(tried?))
}

async fn tries(bench: &Bench, tenant: &Tenant, made: &mut Vec<Key>) -> Result<Vec<(bool, String)>, Trouble> {
    let table = format!("/rest/v1/{}_rows", tenant.name);
    let reader = make(bench, json!({ "name": "probe_reader", "scope": ["data:read"] }), made).await?;
    // A change of the schema a moment ago may still be on its way to the catalog.
    let served = async || Ok(with(bench, &reader, "GET", &table, None).await?.status != 404);
    let _seen_below = bench.within(5, "the tenant's table to be served", served).await;
    let read = with(bench, &reader, "GET", &table, None).await?.status;
    let row = json!({ "id": 3, "owner": tenant.person.id });
    let written = with(bench, &reader, "POST", &table, Some(row)).await?.status;
    let count = format!("SELECT count(*) FROM public.{}_rows", tenant.name);
    let rows = bench.sql().await?.value(&count).await?;
    let accounts = with(bench, &reader, "GET", "/auth/v1/admin/users", None).await?.status;

    let elsewhere = make(bench, json!({ "name": "probe_elsewhere", "addresses": [NOWHERE] }), made).await?;
    let elsewhere = with(bench, &elsewhere, "GET", &table, None).await?.status;
    let late = make(bench, json!({ "name": "probe_late", "lives_seconds": 0 }), made).await?;
    let late = with(bench, &late, "GET", &table, None).await?.status;
    let ask = bench.ask("GET", &table).header("apikey", &reader).header("origin", "https://page.example");
    let browser = ask.from(bench.own_address()).send().await?.status;

    let actor = made.first().map(|key| format!("key:{}", key.id)).unwrap_or_default();
    let sql = bench.sql().await?;
    let used = entry(bench, &sql, "key.used", &actor).await?.is_some();
    Ok(vec![
        (read == 200, format!("a key that may read rows is answered {read}")),
        (
            (400..500).contains(&written) && rows == "2",
            format!("writing with it is answered {written}, and there are still {rows} of 2 rows"),
        ),
        (accounts == 403, format!("accounts are closed to it ({accounts})")),
        (elsewhere == 401, format!("a key for {NOWHERE} only is answered {elsewhere} from here")),
        (late == 401, format!("a key that has had its time is answered {late}")),
        (browser == 403, format!("a key that a web page sends is answered {browser}")),
        (used, format!("key.used is recorded for {actor}")),
    ])
}

async fn make(bench: &Bench, wanted: Value, made: &mut Vec<Key>) -> Result<String, Trouble> {
    let answer = bench.operator("POST", "/keys").json(&wanted).send().await?;
    let key = Key { id: answer.field("/id")?, text: answer.field("/key")? };
    let text = key.text.clone();
    made.push(key);
    Ok(text)
}

async fn with(
    bench: &Bench,
    key: &str,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> Result<Answer, Trouble> {
    let ask = bench.ask(method, path).header("apikey", key).from(bench.own_address());
    match body {
        Some(body) => ask.json(&body).send().await,
        None => ask.send().await,
    }
}
