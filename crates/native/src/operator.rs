//! What the operator's commands ask, over the control socket only.

use std::sync::Arc;

use audit::{Entry, Event, Filter};
use http::Method;
use posture::guides::Guide;
use serde::Deserialize;
use serde_json::{Value, json};
use web::{Answer, Ask, Credentials, Cx, Guard, Handled, Limits, Rate, Reply, Route};

use crate::{Error, State};

/// A route of the control socket.
pub(crate) const fn route(
    method: Method,
    path: &'static str,
    handler: web::Handler<State>,
    summary: &'static str,
) -> Route<State> {
    Route::new(method, path, Guard::Operator, handler)
        .credentials(Credentials::KeyAndBearer)
        .limits(Limits { body_bytes_max: 64 * 1024, duration_ms_max: 600_000 })
        .rate(Rate::Exempt)
        .summary(summary)
}

/// A route of administrators, over HTTP.
pub(crate) const fn for_admins(
    method: Method,
    path: &'static str,
    handler: web::Handler<State>,
    summary: &'static str,
) -> Route<State> {
    Route::new(method, path, Guard::Admin, handler).limits(Limits::SMALL).summary(summary)
}

/// What runs here.
pub const STATUS: Route<State> =
    route(Method::GET, "/status", status, "What runs here, and what its pools did");
/// Every probe.
pub const POSTURE: Route<State> =
    route(Method::GET, "/posture", posture, "Runs every probe: `palisade posture`");
/// One probe.
pub const CHECK: Route<State> =
    route(Method::GET, "/posture/{number}", check, "Runs one probe: `palisade check N`");
/// The chain.
pub const AUDIT_VERIFY: Route<State> =
    route(Method::GET, "/audit/verify", audit_verify, "Walks the chain: `palisade audit verify`");
/// Entries.
pub const AUDIT_LIST: Route<State> =
    route(Method::GET, "/audit", audit_list, "Entries, newest first: `palisade audit list`");
/// Entries in the order of the chain.
pub const AUDIT_EXPORT: Route<State> =
    route(Method::GET, "/audit/export", audit_export, "A stretch of the chain: `palisade audit export`");
/// An administrator's link.
pub const ADMIN_CREATE: Route<State> =
    route(Method::POST, "/admins", admin_create, "Makes a one-time link: `palisade admin create`");
/// Factors of whoever lost them.
pub const FACTORS_RESET: Route<State> = route(
    Method::POST,
    "/factors/reset",
    factors_reset,
    "Takes every second factor from somebody: `palisade admin reset-factors`",
);
/// API keys.
pub const KEYS_LIST: Route<State> =
    route(Method::GET, "/keys", keys_list, "API keys without their secrets: `palisade keys list`");
/// A key for one program.
pub const KEYS_CREATE: Route<State> =
    route(Method::POST, "/keys", keys_create, "Makes a secret key with limits: `palisade keys create`");
/// Another key that signs.
pub const KEYS_ROTATE: Route<State> =
    route(Method::POST, "/keys/rotate", keys_rotate, "The next signing key signs: `palisade keys rotate`");
/// The end of one.
pub const KEYS_REVOKE: Route<State> =
    route(Method::DELETE, "/keys/{id}", keys_revoke, "Ends a key at once: `palisade keys revoke`");
/// Closed tables.
pub const GATE: Route<State> =
    route(Method::GET, "/gate", gate, "What is not served, and why: `palisade gate`");

fn status(state: Arc<State>, cx: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let stats = cx.pg.stats();
        let answer = json!({
            "url": state.url,
            "version": env!("CARGO_PKG_VERSION"),
            "database": serde_json::to_value(stats).unwrap_or(Value::Null),
        });
        Ok(Reply::untouched(Answer::json(&answer), "counters of this process"))
    })
}

fn posture(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let proofs = state.posture.run().await?;
        let failing = proofs.iter().any(|proof| proof.state == posture::State::Failing);
        let text = posture::report::text(&proofs, &state.not_effective);
        let answer = json!({
            "report": posture::report::json(&proofs),
            "text": text,
            "appflowy": posture::guides::live(Guide::AppFlowy, &proofs),
            "fluxbase": posture::guides::live(Guide::Fluxbase, &proofs),
            "failing": failing,
        });
        Ok(Reply::untouched(Answer::json(&answer), "each probe closed its own transactions"))
    })
}

fn check(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked = ask.params.get("number");
        let number = asked.parse().map_err(|_| Error::NoControl { number: asked.to_owned() })?;
        let proof = state.posture.check(number).await?;
        let report = posture::report::json(std::slice::from_ref(&proof));
        let failing = proof.state == posture::State::Failing;
        let answer = json!({ "report": report, "text": posture::report::check(&proof), "failing": failing });
        Ok(Reply::untouched(Answer::json(&answer), "the probe closed its own transactions"))
    })
}

fn audit_verify(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        state.audit.settle().await?;
        let verdict = state.audit.verify().await?;
        state
            .audit
            .record_alone(Entry::named("operator", Event::AuditVerified).detail("holds", verdict.holds()))
            .await?;
        let first_bad = verdict
            .first_bad
            .as_ref()
            .map(|bad| json!({ "seq": bad.seq, "tampering": bad.tampering.name() }));
        let answer = json!({
            "holds": verdict.holds(),
            "entries": verdict.entries,
            "head": verdict.end.as_ref().map(|(seq, _)| json!({ "seq": seq, "hash": verdict.end_hash() })),
            "heads_outside": verdict.heads_outside,
            "waiting": verdict.waiting,
            "first_bad": first_bad,
        });
        Ok(Reply::untouched(Answer::json(&answer), "verifying closed its own transactions"))
    })
}

/// Which entries were asked for. A time that cannot be read is refused: an export that silently holds more or less
/// than asked for is worse than none.
fn audit_filter(ask: &Ask) -> Result<Filter, web::Error> {
    let time = |name: &'static str| {
        let given = ask.query_param(name).map(|text| text.parse());
        let what = || format!("{name} is not a time such as 2026-11-21T12:00:00Z");
        given.transpose().map_err(|_| web::Error::Malformed { what: what() })
    };
    Ok(Filter {
        event: ask.query_param("event"),
        actor: ask.query_param("actor"),
        subject: ask.query_param("subject"),
        from: time("from")?,
        to: time("to")?,
    })
}

fn audit_list(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let filter = audit_filter(&ask)?;
        let limit = ask.query_param("limit").and_then(|limit| limit.parse().ok()).unwrap_or(50);
        state.audit.settle().await?;
        let found = state.audit.find(&filter, None, limit).await?;
        let read = |entry: &audit::Recorded| {
            let body: Value = serde_json::from_str(&entry.body).unwrap_or(Value::Null);
            json!({ "seq": entry.seq, "chained_at": entry.chained_at, "entry": body })
        };
        let entries: Vec<Value> = found.iter().map(read).collect();
        record_read(&state, entries.len()).await?;
        Ok(Reply::untouched(Answer::json(&entries), "reading closed its own transactions"))
    })
}

fn audit_export(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let filter = audit_filter(&ask)?;
        let after = ask.query_param("after").and_then(|after| after.parse().ok()).unwrap_or(0);
        if after == 0 {
            state.audit.settle().await?;
        }
        let found = state.audit.export(&filter, after).await?;
        let read = |entry: &audit::Recorded| serde_json::from_str(&entry.line()).unwrap_or(Value::Null);
        let entries: Vec<Value> = found.iter().map(read).collect();
        // Once per export, at its begin: an entry per stretch would make the export follow its own trace.
        if after == 0 {
            record_read(&state, entries.len()).await?;
        }
        Ok(Reply::untouched(Answer::json(&entries), "reading closed its own transactions"))
    })
}

async fn record_read(state: &State, entries: usize) -> Result<(), audit::Error> {
    state
        .audit
        .record_alone(Entry::named("operator", Event::AuditRead).detail("entries", entries as u64))
        .await
}

#[derive(Deserialize)]
struct NewAdmin {
    email: String,
}

fn admin_create(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let NewAdmin { email } = ask.json()?;
        let token = state.auth.create_admin_link(&email, &visit(&cx)).await?;
        let link = |token: base::Secret| json!({ "link": format!("{}/auth/v1/setup?token={}", state.url, token.expose()), "minutes": 15 });
        Ok(token.map(|token| Answer::json(&link(token))))
    })
}

fn factors_reset(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let NewAdmin { email } = ask.json()?;
        let removed = state.auth.reset_factors(&email, &visit(&cx)).await?;
        Ok(removed.map(|count| Answer::json(&json!({ "removed": count }))))
    })
}

fn keys_list(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move { Ok(state.auth.list_api_keys().await?.map(|keys| Answer::json(&keys))) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedKey {
    name: String,
    #[serde(default)]
    scope: Vec<String>,
    #[serde(default)]
    addresses: Vec<String>,
    lives_seconds: Option<u64>,
}

fn keys_create(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let WantedKey { name, scope, addresses, lives_seconds } = ask.json()?;
        let lives = lives_seconds.map(std::time::Duration::from_secs);
        let new = auth::NewKey { name, scope, addresses, lives };
        let areas = web::Area::NAMED.map(web::Area::name);
        let made = state.auth.make_key(&new, &areas, &visit(&cx)).await?;
        Ok(made.map(|made| Answer::json(&json!({ "id": made.id, "key": made.text.expose() }))))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    #[serde(default)]
    compromised: bool,
}

fn keys_rotate(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let Rotation { compromised } = ask.json()?;
        let replaced = state.auth.replace_signing_keys(compromised, &visit(&cx)).await?;
        Ok(replaced.map(|auth::Replaced { refused, believed }| {
            Answer::json(&json!({ "refused": refused, "believed": believed }))
        }))
    })
}

fn keys_revoke(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let id = ask.params.get("id");
        Ok(state.auth.revoke_api_key(id, &visit(&cx)).await?.map(|()| Answer::json(&json!({ "id": id }))))
    })
}

/// Whoever asks, as auth and its log see them.
pub(crate) fn visit(cx: &Cx) -> auth::Visit {
    auth::Visit {
        caller: cx.caller.clone(),
        user_agent: None,
        devices: Vec::new(),
        request_id: cx.request_id.0.clone(),
        elsewhere: false,
    }
}

fn gate(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let catalog = state.data.catalog();
        let closed = data::gate::report(&catalog).into_iter().map(|one| {
            json!({ "schema": &*one.schema, "name": &*one.name, "reason": one.why.reason(), "fix": one.fix })
        });
        let taken_on = data::gate::acknowledged(&catalog).into_iter().map(|one| {
            json!({ "schema": &*one.schema, "name": &*one.name, "reason": one.why.reason(), "acknowledged": &*one.reason })
        });
        let lines: Vec<Value> = closed.chain(taken_on).collect();
        Ok(Reply::untouched(Answer::json(&lines), "reads the snapshot in memory"))
    })
}
