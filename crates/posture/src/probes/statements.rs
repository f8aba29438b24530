//! Control 56: what is sent straight to the database is in the audit log, by pgaudit's classes.

use crate::Finding;
use crate::bench::{Bench, Trouble};

/// How long an entry may take: the server is listened to several times a second, and chained within one.
const SECONDS: u64 = 8;

/// 56: a table, a row and a role that an administrator makes past us are recorded with who did it, and no value is.
pub async fn what_is_sent_past_us_is_recorded(bench: &Bench) -> Result<Finding, Trouble> {
    if !bench.place.embedded {
        let why = "The database is on a server of its own, whose log Palisade cannot read: statements sent straight to it are \
                   recorded there and nowhere else. Have its operator load pgaudit with pgaudit.log = 'write, ddl, role' and \
                   pgaudit.log_catalog = off, and ALTER ROLE authenticator and palisade_system SET pgaudit.log = 'none'.";
        return Ok(Finding::needs_you(why));
    }
    let name = bench.random_name("palisade_probe_");
    let typed = bench.random_name("typed_");
    // As anybody with the administrator's password and psql.
    let psql = bench.sql_as_anybody().await?;
    let tried = [
        ("ddl", format!("CREATE TABLE public.{name} (note text)")),
        ("write", format!("INSERT INTO public.{name} VALUES ('{typed}')")),
        ("role", format!("CREATE ROLE {name} PASSWORD '{typed}'")),
        ("write", format!("SELECT 1; UPDATE public.{name} SET note = '{typed}'")),
    ];
    let mut sent = Ok(());
    for (_, statement) in &tried {
        sent = psql.run(statement).await;
        if sent.is_err() {
            break;
        }
    }
    // Whatever came of it, nothing of it stays.
    psql.run(&format!("DROP TABLE IF EXISTS public.{name}")).await?;
    psql.run(&format!("DROP ROLE IF EXISTS {name}")).await?;
    sent?;

    let sql = bench.sql().await?;
    let mut lines = Vec::new();
    let dropped = ("role", format!("DROP ROLE IF EXISTS {name}"));
    // The last one first: when it is there, the others are, and nobody waits for each that is missing.
    for (at, (class, statement)) in [&dropped].into_iter().chain(&tried).enumerate() {
        let seconds = if at == 0 { SECONDS } else { 1 };
        let command = statement.trim_start_matches("SELECT 1; ").split(' ').next().unwrap_or_default();
        let query = format!(
            "SELECT seq, actor, body::jsonb #>> '{{details,seen_by}}' FROM audit.log WHERE event = 'db.statement' \
             AND body LIKE '%{name}%' AND body::jsonb #>> '{{details,class}}' = '{class}' \
             AND body::jsonb #>> '{{details,statement}}' LIKE '%{command}%'"
        );
        let arrived =
            bench.within(seconds, "an entry", async || Ok(!sql.rows(&query).await?.is_empty())).await;
        let row = sql.rows(&query).await?.into_iter().next().unwrap_or_default();
        let cell = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
        let by = cell(1).strip_prefix("database:").unwrap_or_default();
        let said = match (arrived.is_ok(), by) {
            (true, "") => "recorded, and not by whom".to_owned(),
            (true, by) => format!("entry {} by {by}, seen by {}", cell(0), cell(2)),
            (false, _) => "not recorded".to_owned(),
        };
        lines.push((
            arrived.is_ok() && !by.is_empty(),
            format!("{class}: {}: {said}", statement.replace(&typed, "…")),
        ));
    }
    let holding = format!("SELECT count(*) FROM audit.log WHERE body LIKE '%{typed}%'");
    let holding = sql.value(&holding).await?;
    lines.push((holding == "0", format!("the values that were typed are in {holding} entries")));
    let log = std::fs::read_to_string(bench.place.data.join("postgres/postgres.log")).unwrap_or_default();
    lines.push((!log.contains(&typed), "and not in PostgreSQL's log".to_owned()));

    // What callers do is recorded where they are answered, not a second time here.
    let tenant = bench.tenant().await?;
    let called = tenant.call(bench, "whoami").send().await?.status;
    let twice = "SELECT count(*) FROM audit.log WHERE event = 'db.statement' \
                 AND actor IN ('database:authenticator', 'database:palisade_system')";
    let twice = sql.value(twice).await?;
    lines.push((called == 200 && twice == "0", format!("requests of callers made {twice} such entries")));
    Ok(Finding::all(lines))
}
