//! Controls 62 and 64: the store that several nodes share, if there is one.

use serde_json::json;

use crate::Finding;
use crate::bench::redis::RedisPlace;
use crate::bench::{Bench, Trouble};

/// The store, or why there is nothing to protect: no connection of ours leads to one.
fn place(bench: &Bench) -> Result<&RedisPlace, Finding> {
    let none = || {
        Finding::not_applicable(
            "no Redis or Valkey is configured: limits are counted in memory, and nothing of this instance lies in a store like that",
        )
    };
    bench.place.redis.as_ref().ok_or_else(none)
}

/// 62: what lies in the store says nothing about anybody. Nothing else of ours is there.
pub async fn the_store_names_nobody(bench: &Bench) -> Result<Finding, Trouble> {
    let place = match place(bench) {
        Ok(place) => place,
        Err(finding) => return Ok(finding),
    };
    let email = format!("{}@probe.palisade.invalid", bench.random_name("nobody-"));
    let from = bench.own_address();
    let wrong = json!({ "email": email, "password": "wrong" });
    let tried =
        bench.client("POST", "/auth/v1/token?grant_type=password").json(&wrong).from(from).send().await?;
    let mut store = bench.store(place).await?;
    let keys = store.run(&["KEYS", "*"]).await?;
    let ours: Vec<&String> = keys.iter().filter(|key| key.starts_with("palisade:")).collect();
    let mut all: Vec<String> = keys.clone();
    for key in &ours {
        let kind = store.run(&["TYPE", key]).await?;
        let read: &[&str] = match kind.first().map(String::as_str) {
            Some("hash") => &["HGETALL", key],
            Some("string") => &["GET", key],
            _ => &["TYPE", key],
        };
        all.extend(store.run(read).await?);
    }
    let address = from.map(|address| address.to_string());
    let told = |text: &String| {
        text.contains(&email)
            || text.contains("@")
            || address.as_ref().is_some_and(|address| text.contains(address.as_str()))
    };
    let naming = all.iter().filter(|text| told(text)).count();
    let is_counted = !ours.is_empty();
    Ok(Finding::all([
        (
            is_counted,
            format!(
                "a sign-in as nobody ({}) is counted there: {} entries of ours",
                tried.status,
                ours.len()
            ),
        ),
        (naming == 0, format!("{naming} of {} names and values hold an address of anybody", all.len())),
    ]))
}

/// 64: the store is spoken to over TLS, and what is elsewhere is not spoken to without.
pub async fn the_store_is_reached_over_tls(bench: &Bench) -> Result<Finding, Trouble> {
    let place = match place(bench) {
        Ok(place) => place,
        Err(finding) => return Ok(finding),
    };
    let named = place.named()?;
    let mut lines = Vec::new();
    match named.scheme.as_str() {
        "rediss" => {
            let connected = bench.store(place).await;
            let agreed = connected.as_ref().ok().and_then(|connected| connected.version.clone());
            let modern =
                agreed.as_deref().is_some_and(|version| version == "TLSv1_3" || version == "TLSv1_2");
            let told = connected.map(drop).err().map(|trouble| trouble.to_string());
            lines.push((
                modern,
                format!("agreed on: {}", agreed.or(told).unwrap_or_else(|| "nothing".to_owned())),
            ));
            let clear = bench.store_in_clear(place).await?;
            lines.push((
                !clear.starts_with("+PONG"),
                format!("its port answers PING in clear with {clear:?}"),
            ));
        }
        scheme => {
            let near = scheme.contains("unix")
                || ["127.", "[::1]", "localhost"].iter().any(|start| named.at.starts_with(start));
            lines.push((near, format!("{scheme}: on this machine, no network is between")));
        }
    }
    for (name, value) in [
        ("PALISADE_RATE_LIMITING_REDIS_URL", "redis://10.255.255.1:6379"),
        ("PALISADE_RATE_LIMITING_REDIS_URL", "redis://store.probe.invalid:6379"),
        ("PALISADE_RATE_LIMITING_REDIS_URL", "rediss://store.probe.invalid:6379/#insecure"),
    ] {
        let refused = bench.program(&["config", "check"], &[(name, value)]).await?;
        lines.push((refused.code == Some(78), format!("{value}: exit {:?}", refused.code)));
    }
    Ok(Finding::all(lines))
}
