//! Controls 92, 95, 97 and 98: what is recorded, and that nobody can write or unwrite it.

use std::os::unix::fs::PermissionsExt as _;

use crate::bench::sql::Sql;
use crate::bench::{Bench, Trouble};
use crate::{Finding, State};

/// Waits for an entry about `subject` or by it, and returns its body.
pub(super) async fn entry(
    bench: &Bench,
    sql: &Sql,
    event: &str,
    about: &str,
) -> Result<Option<String>, Trouble> {
    let (event, about) = (event.replace('\'', "''"), about.replace('\'', "''"));
    let query = format!(
        "SELECT body FROM audit.log WHERE event = '{event}' AND (actor LIKE '%{about}%' OR subject LIKE '%{about}%' OR body LIKE '%{about}%') \
         ORDER BY seq DESC LIMIT 1"
    );
    let found = async || Ok(!sql.rows(&query).await?.is_empty());
    // Refusals arrive through a lane of their own, and the sequencer chains within a second.
    if bench.within(5, "an audit entry", found).await.is_err() {
        return Ok(None);
    }
    sql.value(&query).await.map(Some)
}

/// 92.
pub async fn the_chain_holds_and_nobody_writes_it(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let (person, _) = bench.guest().await?;
    let recorded = entry(bench, &sql, "auth.login", &person.id).await?;
    let mut lines = vec![(recorded.is_some(), "a sign-in of a moment ago is in the chain".to_owned())];
    let forged = "INSERT INTO audit.log (seq, id, chained_at, at, event, actor, salt, body, leaf, hash, mac) \
                  SELECT seq + 1000000, gen_random_uuid(), chained_at, at, event, actor, salt, body, leaf, hash, mac FROM audit.log LIMIT 1";
    for role in ["authenticator", "authenticated", "service_role"] {
        lines.push(sql.refuses(role, "SELECT count(*) FROM audit.log").await?);
        lines.push(sql.refuses(role, forged).await?);
        lines.push(sql.refuses(role, "DELETE FROM audit.log").await?);
    }
    for statement in ["UPDATE audit.log SET event = event", "DELETE FROM audit.log", "TRUNCATE audit.log"] {
        lines.push(sql.refuses("palisade_system", statement).await?);
    }
    match &bench.place.audit {
        None => lines.push((false, "the audit log cannot be verified from here".to_owned())),
        Some(audit) => match audit.verify().await {
            Err(error) => lines.push((false, format!("the audit log cannot be verified: {error}"))),
            Ok(verdict) => {
                let bad = verdict
                    .first_bad
                    .as_ref()
                    .map_or(String::new(), |bad| format!("; first bad entry: {}", bad.seq));
                lines.push((verdict.holds(), format!("{} entries verified{bad}", verdict.entries)));
                lines.push((
                    verdict.heads_outside > 0,
                    format!("{} signed heads outside the database agree", verdict.heads_outside),
                ));
            }
        },
    }
    Ok(Finding::all(lines))
}

/// 93: no level keeps a refusal out of the chain, and a level that would is none.
pub async fn no_level_drops_security_events(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let (person, _) = bench.guest().await?;
    let wrong = bench.try_sign_in(&person.email, "wrong password").await?;
    let refused =
        entry(bench, &sql, "auth.login_failed", wrong.header("x-request-id").unwrap_or("(missing)")).await?;
    let allowed = entry(bench, &sql, "auth.login", &person.id).await?;
    let mut lines = vec![
        (refused.is_some(), "at the level of this instance a refused sign-in is in the chain".to_owned()),
        (allowed.is_some(), "and one that succeeded".to_owned()),
    ];
    for level in ["off", "none", "critical"] {
        let ended = bench.program(&["config", "check"], &[("AUDIT_LOG_LEVEL", level)]).await?;
        lines.push((
            ended.code == Some(78),
            format!("a start with AUDIT_LOG_LEVEL={level}: exit {:?}", ended.code),
        ));
    }
    Ok(Finding::all(lines))
}

/// 94: the file has the entry of a moment ago, others cannot write it, and no request moves it.
pub async fn the_file_gets_every_entry(bench: &Bench) -> Result<Finding, Trouble> {
    let mut lines = no_request_moves_it(bench).await?;
    let Some(file) = &bench.place.audit_file else {
        let moved = Finding::all(lines);
        let why =
            "No file is named: set logging.audit_log_file where a copy is wanted. The log itself is kept.";
        let kept = moved.state == State::Proven;
        return Ok(if kept { Finding::needs_you(format!("{}\n{why}", moved.evidence)) } else { moved });
    };
    let (person, _) = bench.guest().await?;
    let wrong = bench.try_sign_in(&person.email, "wrong password").await?;
    let id = wrong.header("x-request-id").unwrap_or("(missing)").to_owned();
    let written = async || Ok(std::fs::read_to_string(file).is_ok_and(|text| text.contains(&id)));
    let arrived = bench.within(5, "the entry in the file", written).await.is_ok();
    let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    let text = std::fs::read_to_string(file).unwrap_or_default();
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    let open = std::fs::metadata(file)
        .map_or(WRITABLE_BY_OTHERS, |found| found.permissions().mode() & WRITABLE_BY_OTHERS);
    lines.push((arrived, format!("a refused sign-in of a moment ago is in {}", file.display())));
    lines.push((!text.is_empty() && text.lines().all(is_json), "each line is a JSON object".to_owned()));
    lines.push((open == 0, "only its owner may write it".to_owned()));
    Ok(Finding::all(lines))
}

/// The file is named by configuration only: a log that can be told where to write is a way to write files.
async fn no_request_moves_it(bench: &Bench) -> Result<Vec<(bool, String)>, Trouble> {
    let elsewhere = bench.place.data.join(bench.random_name("probe-"));
    let wish = serde_json::json!({ "logging": { "audit_log_file": elsewhere }, "audit_log_file": elsewhere });
    let mut lines = Vec::new();
    for target in ["/auth/v1/settings", "/auth/v1/admin/settings", "/auth/v1/admin/audit"] {
        let answer = bench.server("PUT", target).json(&wish).send().await?;
        let taken = (200..300).contains(&answer.status) || elsewhere.exists();
        lines.push((!taken, format!("PUT {target} with another file: {}", answer.status)));
    }
    Ok(lines)
}

/// 95: success and failure, with the session.
pub async fn sign_ins_are_recorded(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let person = bench.person(serde_json::json!({})).await?;
    // The refusal names nobody, since nobody is known: it is found by the request's id.
    let wrong = bench.try_sign_in(&person.email, "wrong password").await?;
    bench.sign_in(&person).await?;
    let failed =
        entry(bench, &sql, "auth.login_failed", wrong.header("x-request-id").unwrap_or("(missing)")).await?;
    let succeeded = entry(bench, &sql, "auth.login", &person.id).await?;
    bench.forget(&person).await?;
    let has_session = succeeded.as_ref().is_some_and(|body| body.contains("session"));
    Ok(Finding::all([
        (failed.is_some(), "a wrong password is recorded as auth.login_failed".to_owned()),
        (succeeded.is_some(), "the right one as auth.login".to_owned()),
        (has_session, "with its session".to_owned()),
    ]))
}

/// 97: an administrator's change, with what was before and after.
pub async fn administration_is_recorded(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let person = bench.person(serde_json::json!({})).await?;
    let change = serde_json::json!({ "role": "manager" });
    let changed =
        bench.server("PUT", &format!("/auth/v1/admin/users/{}", person.id)).json(&change).send().await?;
    let body = entry(bench, &sql, "admin.role_change", &person.id).await?;
    bench.forget(&person).await?;
    let both = body.as_ref().is_some_and(|body| body.contains("authenticated") && body.contains("manager"));
    Ok(Finding::all([
        (
            changed.status == 200,
            format!("an administrator gives an account another role: {}", changed.status),
        ),
        (body.is_some(), "recorded as admin.role_change".to_owned()),
        (both, "with the role before and after".to_owned()),
    ]))
}

/// 98: the guide's seven names, each caused here.
pub async fn the_guides_events_are_recorded(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let person = bench.person(serde_json::json!({})).await?;
    let session = bench.sign_in(&person).await?;
    bench.client("POST", "/auth/v1/logout").bearer(&session.access).send().await?;
    let change = serde_json::json!({ "role": "manager" });
    bench.server("PUT", &format!("/auth/v1/admin/users/{}", person.id)).json(&change).send().await?;
    bench.forget(&person).await?;
    let mut lines = Vec::new();
    for event in ["auth.login", "auth.logout", "admin.user_create", "admin.role_change", "admin.user_delete"]
    {
        let found = entry(bench, &sql, event, &person.id).await?;
        lines.push((found.is_some(), format!("{event} is recorded")));
    }
    // Signing up by oneself is off where nobody could confirm the address; then there is nothing to record.
    let email = format!("{}@probe.palisade.invalid", bench.random_name("p"));
    let sign_up = serde_json::json!({ "email": email, "password": bench.random_name("Aa1!-") });
    let answer = bench.client("POST", "/auth/v1/signup").json(&sign_up).send().await?;
    if answer.status == 200 {
        let id = answer.field("/user/id").or_else(|_| answer.field("/id"))?;
        let found = entry(bench, &sql, "auth.signup", &id).await?;
        lines.push((found.is_some(), "auth.signup is recorded".to_owned()));
        sql.run_as(pg::bootstrap::SYSTEM, &format!("DELETE FROM auth.users WHERE email = '{email}'")).await?;
    } else {
        lines.push((true, format!("auth.signup: signing up oneself is off here ({})", answer.status)));
    }
    Ok(Finding::all(lines))
}
