//! Controls 53, 55 and 59: the way to the database, how many use it, and what its pages are protected by.

use futures_util::future::join_all;

use crate::bench::{Bench, Trouble};
use crate::{Finding, limits};

/// 53: every session of ours came over the Unix socket or under TLS, and our own server listens on nothing else.
pub async fn database_traffic_is_protected(bench: &Bench) -> Result<Finding, Trouble> {
    // A request of ours first, so that there is a session to look at.
    bench.client("GET", "/rest/v1/").send().await?;
    let sql = bench.sql().await?;
    let sessions = sql
        .rows(
            "SELECT usename, coalesce(host(client_addr), 'socket'), coalesce(ssl, false), coalesce(version, '') \
             FROM pg_stat_activity LEFT JOIN pg_stat_ssl USING (pid) WHERE backend_type = 'client backend' \
             AND usename IN ('authenticator', 'palisade_system', 'palisade_hooks')",
        )
        .await?;
    let mut lines: Vec<(bool, String)> = Vec::new();
    let plain = sessions.iter().filter(|row| {
        let cell = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
        let is_local = cell(1) == "socket" || cell(1) == "127.0.0.1" || cell(1) == "::1";
        !is_local && cell(2) != "t"
    });
    let plain = plain.count();
    lines.push((
        !sessions.is_empty() && plain == 0,
        format!("{} sessions of ours, {plain} of them in the clear over a network", sessions.len()),
    ));
    if bench.place.embedded {
        let own = processes::listening(std::process::id());
        let database = sql.value("SELECT current_setting('port')").await?;
        let open: Vec<_> = own.iter().filter(|address| address.port().to_string() == database).collect();
        lines.push((open.is_empty(), format!("PostgreSQL listens on {} TCP addresses", open.len())));
        let listed = own.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        lines.push((true, format!("TCP listeners of this process and its children: {listed}")));
    }
    let remote = [("PALISADE_DATABASE_URL", "postgres://u:p@db.palisade.invalid/x?sslmode=disable")];
    let ended = bench.program(&["config", "check"], &remote).await?;
    lines.push((
        ended.code == Some(78),
        format!("a start with a plaintext database elsewhere ends with exit {:?}", ended.code),
    ));
    Ok(Finding::all(lines))
}

/// Times for statements that somebody gave a role of callers, where they are none or long. A number alone is milliseconds.
const ENDLESS: &str = "
SELECT coalesce(string_agg(r.rolname || ' ' || CASE WHEN t.much = interval '0' THEN 'no bound' ELSE g.given END, ', '
         ORDER BY r.rolname, g.given), '')
  FROM pg_db_role_setting s
  JOIN pg_roles r ON r.oid = s.setrole AND r.rolname IN ('anon', 'authenticated', 'service_role', 'readonly')
 CROSS JOIN unnest(s.setconfig) said
 CROSS JOIN LATERAL (SELECT substr(said, strpos(said, '=') + 1)) g(given)
 CROSS JOIN LATERAL (SELECT CASE WHEN g.given ~ '^[0-9.]+$' THEN g.given || 'ms' ELSE g.given END::interval) t(much)
 WHERE (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
   AND split_part(said, '=', 1) = 'statement_timeout'
   AND (t.much = interval '0' OR t.much > interval '5 minutes')";

/// 55: a burst from many clients never holds more than the cap, and no statement may run for ever.
pub async fn pool_is_capped(bench: &Bench) -> Result<Finding, Trouble> {
    let tenant = bench.tenant().await?;
    let sql = bench.sql().await?;
    let burst = join_all((0..limits::BURST_REQUESTS.value).map(|_| tenant.call(bench, "slow").send()));
    let watch = async {
        let mut most = 0_u64;
        for _ in 0..20 {
            let now = sql.value(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND usename IN ('authenticator', 'palisade_system', 'palisade_hooks') AND backend_type = 'client backend'",
            );
            most = most.max(now.await?.parse().unwrap_or(u64::MAX));
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Ok::<u64, Trouble>(most)
    };
    let (answers, most) = futures_util::future::join(burst, watch).await;
    let most = most?;
    let answered =
        answers.iter().filter(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)).count();
    let timeout = tenant.call(bench, "whoami").send().await?.json();
    let timeout = timeout.pointer("/statement_timeout").and_then(serde_json::Value::as_u64).unwrap_or(0);
    let endless = sql.value(ENDLESS).await?;
    let idle = sql.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'authenticator' \
         AND state LIKE 'idle in transaction%' AND state_change < now() - interval '1 minute'",
    );
    let idle = idle.await?;
    Ok(Finding::all([
        (most <= 50, format!("{} requests at once used at most {most} connections", answers.len())),
        (answered > 0, format!("{answered} of them were served")),
        (timeout > 0, format!("a request's statements are stopped after {timeout} ms")),
        (
            endless.is_empty(),
            match endless.as_str() {
                "" => "no role of callers was given more than five minutes for a statement".to_owned(),
                roles => format!(
                    "an administrator gave {roles} for a statement (ALTER ROLE … RESET statement_timeout)"
                ),
            },
        ),
        (idle == "0", format!("{idle} transactions have been idle for a minute")),
    ]))
}

/// 59: what PostgreSQL says its pages are written with. Integrity, not encryption.
pub async fn pages_have_checksums(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let state = sql.value("SHOW data_checksums").await?;
    let failures = sql.value("SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database").await?;
    let evidence = format!(
        "data_checksums: {state}; pages that failed their checksum: {failures}. This is integrity, not encryption."
    );
    Ok(match (state == "on", bench.place.embedded) {
        (true, _) => Finding::all([(failures == "0", evidence)]),
        (false, true) => Finding::failing(evidence),
        (false, false) => Finding::not_applicable(evidence),
    })
}
