//! Control 56: what is sent straight to the database is in the audit log, by pgaudit's classes.

use crate::Finding;
use crate::bench::{Bench, Trouble};

/// How long an entry may take: the server is listened to several times a second, and chained within one.
const SECONDS: u64 = 8;

/// Logins that can end the reports of their sessions, by `SET` or by an option of the connection (`PGOPTIONS`): superusers, and whoever may
/// become one, whom nothing in the database can bind; then others who were given that, or for whom it was done.
const UNHEARD: &str = "WITH unheard AS (
      SELECT l.rolname, EXISTS (SELECT FROM pg_catalog.pg_roles s WHERE s.rolsuper AND pg_catalog.pg_has_role(l.oid, s.oid, 'MEMBER')) AS is_super,
             EXISTS (SELECT FROM pg_catalog.unnest(known.names) name WHERE pg_catalog.has_parameter_privilege(l.oid, name, 'SET')) AS may,
             l.rolname NOT IN ('authenticator', 'palisade_system', 'palisade_hooks') AND EXISTS (
               SELECT FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) said
                WHERE s.setrole = l.oid AND pg_catalog.split_part(said, '=', 1) = ANY (known.names)
                  AND s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))) AS told
        FROM pg_catalog.pg_roles l, (SELECT ARRAY['log_statement', 'log_min_messages', 'pgaudit.log', 'pgaudit.log_level'] AS names) known
       WHERE l.rolcanlogin)
    SELECT coalesce(pg_catalog.string_agg(rolname, ', ' ORDER BY rolname) FILTER (WHERE is_super), 'nobody'),
           coalesce(pg_catalog.string_agg(rolname, ', ' ORDER BY rolname) FILTER (WHERE NOT is_super AND (may OR told)), 'nobody')
      FROM unheard";

/// 56: a table, a row and a role that an administrator makes past us are recorded with who did it, and no value is.
pub async fn what_is_sent_past_us_is_recorded(bench: &Bench) -> Result<Finding, Trouble> {
    if !bench.place.embedded {
        let why = "The database is on a server of its own, whose log Palisade cannot read: statements sent straight to it are \
                   recorded there and nowhere else. Have its operator load pgaudit with pgaudit.log = 'write, ddl, role' and \
                   pgaudit.log_catalog = off, and ALTER ROLE authenticator, palisade_system and palisade_hooks SET pgaudit.log = 'none'.";
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

    let unheard = sql.rows(UNHEARD).await?.into_iter().next().unwrap_or_default();
    let who = |at: usize| unheard.get(at).and_then(Option::as_deref).unwrap_or("?");
    lines.push((
        true,
        format!(
            "superusers ({}) can end the reports of a session of theirs: what they send then is not recorded",
            who(0)
        ),
    ));
    lines.push((who(1) == "nobody", format!("besides them, {} can, or is not reported", who(1))));

    // What callers do is recorded where they are answered, not a second time here.
    let tenant = bench.tenant().await?;
    let called = tenant.call(bench, "whoami").send().await?.status;
    let twice = "SELECT count(*) FROM audit.log WHERE event = 'db.statement' \
                 AND actor IN ('database:authenticator', 'database:palisade_system', 'database:palisade_hooks')";
    let twice = sql.value(twice).await?;
    lines.push((called == 200 && twice == "0", format!("requests of callers made {twice} such entries")));
    Ok(Finding::all(lines))
}
