//! Controls 27-30: how long what a sign-in gives is worth anything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::Finding;
use crate::bench::{Answer, Bench, Trouble};

/// Above an hour the guides' own limit is passed, whatever the operator chose.
const ACCESS_SECONDS_MAX: i64 = 3_600;

fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn said(answer: &Answer) -> String {
    let code = answer.json().pointer("/error_code").and_then(Value::as_str).unwrap_or("").to_owned();
    format!("{} {code}", answer.status).trim_end().to_owned()
}

async fn own_account(bench: &Bench, token: &str) -> Result<Answer, Trouble> {
    bench.client("GET", "/auth/v1/user").bearer(token).send().await
}

/// 27: a token says when it ends, that is soon, and saying something else makes it worthless; and all agree what time it is.
pub async fn access_token_is_short_lived(bench: &Bench) -> Result<Finding, Trouble> {
    let (_, session) = bench.guest().await?;
    let claims = claims(&session.access)
        .ok_or_else(|| Trouble::Unexpected("an access token that is no JWT".to_owned()))?;
    let number = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or(0);
    let life = number("exp") - number("iat");
    let accepted = own_account(bench, &session.access).await?;
    let longer = own_account(bench, &with_longer_life(&session.access, claims.clone())).await?;
    let token = Finding::all([
        (life > 0 && life <= ACCESS_SECONDS_MAX, format!("an access token lives {life} s")),
        (accepted.status == 200, format!("it is accepted ({})", accepted.status)),
        (
            longer.status == 401 || longer.status == 403,
            format!("with a later end written into it, it is refused ({})", said(&longer)),
        ),
    ]);
    Ok(token.and(super::machine::clocks_agree(bench).await?))
}

/// The same token, saying it ends ten years later.
fn with_longer_life(token: &str, mut claims: Value) -> String {
    if let Some(end) = claims.get_mut("exp") {
        *end = Value::from(end.as_i64().unwrap_or(0) + 10 * 365 * 86_400);
    }
    let parts: Vec<&str> = token.split('.').collect();
    let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("{}.{payload}.{}", parts.first().unwrap_or(&""), parts.get(2).unwrap_or(&""))
}

/// 28: a session nobody used for longer than any setting allows is over, and so is one that is simply old.
pub async fn idle_session_ends(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let mut lines = Vec::new();
    for (what, age) in [
        (
            "unused for a year and a day",
            "refreshed_at = now() - interval '366 days', updated_at = now() - interval '366 days', created_at = now() - interval '366 days'",
        ),
        ("begun three years ago", "created_at = now() - interval '3 years'"),
    ] {
        let (_, session) = bench.guest().await?;
        let session = bench.refresh(&session.refresh).await?;
        let id = session_id(&session.access)?;
        sql.run(&format!("UPDATE auth.sessions SET {age} WHERE id = '{id}'")).await?;
        let answer = bench.try_refresh(&session.refresh).await?;
        lines.push((answer.status >= 400, format!("a session {what}: {}", said(&answer))));
    }
    let (_, fresh) = bench.guest().await?;
    let answer = bench.try_refresh(&fresh.refresh).await?;
    lines.push((answer.status == 200, format!("a fresh one: {}", said(&answer))));
    Ok(Finding::all(lines))
}

fn session_id(token: &str) -> Result<String, Trouble> {
    let id = claims(token).and_then(|claims| claims.get("session_id")?.as_str().map(str::to_owned));
    let id = id.filter(|id| id.chars().all(|c| c.is_ascii_hexdigit() || c == '-'));
    id.ok_or_else(|| Trouble::Unexpected("an access token without session_id".to_owned()))
}

/// 29: each use replaces the token; a token from before ends everything that came after it.
pub async fn reused_refresh_token_ends_the_family(bench: &Bench) -> Result<Finding, Trouble> {
    let (person, first) = bench.guest().await?;
    let second = bench.refresh(&first.refresh).await?;
    let third = bench.refresh(&second.refresh).await?;
    let replaced = first.refresh != second.refresh && second.refresh != third.refresh;
    // Past the grace of a lost answer: the probe does not wait for it, it moves the refreshes an hour back.
    let earlier = format!(
        "UPDATE palisade.session_marks SET superseded = (SELECT coalesce(jsonb_agg(at::bigint - 3600), '[]')
           FROM jsonb_array_elements_text(superseded) at)
          WHERE session_id IN (SELECT id FROM auth.sessions WHERE user_id = '{}')",
        person.id
    );
    bench.sql().await?.run(&earlier).await?;
    let reuse = bench.try_refresh(&first.refresh).await?;
    let newest = bench.try_refresh(&third.refresh).await?;
    let access = own_account(bench, &third.access).await?;
    Ok(Finding::all([
        (replaced, "each refresh gives another token".to_owned()),
        (reuse.status >= 400, format!("the first token again: {}", said(&reuse))),
        (newest.status >= 400, format!("after that the newest one: {}", said(&newest))),
        (access.status == 401 || access.status == 403, format!("and its access token: {}", said(&access))),
    ]))
}

/// 30: a second after signing out, the token opens nothing.
pub async fn signed_out_token_is_dead(bench: &Bench) -> Result<Finding, Trouble> {
    let tenant = bench.tenant().await?;
    let (_, session) = bench.guest().await?;
    let rest = || tenant.call(bench, "whoami").bearer(&session.access);
    let before = (own_account(bench, &session.access).await?.status, rest().send().await?.status);
    let out = bench.client("POST", "/auth/v1/logout").bearer(&session.access).send().await?;
    let dead = async || {
        let account = own_account(bench, &session.access).await?;
        Ok((account.status == 401 || account.status == 403) && rest().send().await?.status == 401)
    };
    let took = bench.within(1, "the token to be refused everywhere", dead).await;
    let refresh = bench.try_refresh(&session.refresh).await?;
    let after = (own_account(bench, &session.access).await?, rest().send().await?);
    Ok(Finding::all([
        (before == (200, 200), format!("before: account {}, REST {}", before.0, before.1)),
        (out.status == 204, format!("signing out: {}", out.status)),
        (
            took.is_ok(),
            match took {
                Ok(took) => format!(
                    "{} ms later: account {}, REST {}",
                    took.as_millis(),
                    said(&after.0),
                    said(&after.1)
                ),
                Err(_) => format!("a second later: account {}, REST {}", said(&after.0), said(&after.1)),
            },
        ),
        (refresh.status >= 400, format!("its refresh token: {}", said(&refresh))),
    ]))
}
