//! `/admin/v1/bans`: who is kept out, for administrators over HTTP and for `palisade bans`.

use std::sync::Arc;
use std::time::Duration;

use detection::NewBan;
use http::Method;
use serde::Deserialize;
use serde_json::json;
use web::{Answer, Ask, Cx, Guard, Handled, Handler, Limits, Reply, Route};

use crate::{Error, State};

const fn route(method: Method, handler: Handler<State>, summary: &'static str) -> Route<State> {
    Route::new(method, "/admin/v1/bans", Guard::Admin, handler).limits(Limits::SMALL).summary(summary)
}

/// Everybody who is kept out.
pub const LIST: Route<State> = route(
    Method::GET,
    list,
    "Addresses and networks that are kept out, why, and until when: `palisade bans list`",
);
/// One more.
pub const ADD: Route<State> =
    route(Method::POST, add, "Keeps an address or network out for a while: `palisade bans add`");
/// One less.
pub const REMOVE: Route<State> = route(
    Method::DELETE,
    remove,
    "Lets the address or network in `network` in again: `palisade bans remove`",
);

fn list(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let bans = state.detection.list().await?;
        Ok(Reply::untouched(Answer::json(&bans), "listing closed its own transaction"))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    network: String,
    #[serde(default = "an_hour")]
    lasts_seconds: u64,
    #[serde(default)]
    reason: String,
}

fn an_hour() -> u64 {
    3_600
}

/// Longer is a firewall's work.
const LASTS_SECONDS_MAX: u64 = 365 * 86_400;

fn add(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let Wanted { network, lasts_seconds, reason } = ask.json()?;
        if !(1..=LASTS_SECONDS_MAX).contains(&lasts_seconds) {
            return Err(Error::BanTime { days: LASTS_SECONDS_MAX / 86_400 }.into());
        }
        let new = NewBan { network, lasts: Duration::from_secs(lasts_seconds), reason };
        let added = state.detection.add(&new, &cx.caller).await?;
        Ok(added.map(|network| Answer::json(&json!({ "network": network.to_string() }))))
    })
}

fn remove(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let network = ask.query_param("network").unwrap_or_default();
        let removed = state.detection.remove(&network, &cx.caller).await?;
        Ok(removed.map(|done| {
            Answer::json(&json!({ "network": network, "known": done.known, "still_in": done.still_in }))
        }))
    })
}
