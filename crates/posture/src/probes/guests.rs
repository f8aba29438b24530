//! Control 52: a read-only login of the database, lent by the operator's command and tried from outside.

use std::time::Duration;

use pg::Login;
use pg::admin::Target;
use serde_json::Value;

use crate::Finding;
use crate::bench::{Bench, Trouble};

/// Looks at a login that should stop working; its time is two seconds.
const LOOKS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(200);

/// 52: it reads what policies show, changes nothing by any way, ends at its time and when it is revoked.
pub async fn readers_read_and_end(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let table = bench.random_name("palisade_probe_");
    // A row that everybody may see, and one that nobody may; rights as any new table has them.
    sql.run(&format!(
        "CREATE TABLE public.{table} (id int PRIMARY KEY, shown boolean NOT NULL);
         ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY; ALTER TABLE public.{table} FORCE ROW LEVEL SECURITY;
         CREATE POLICY shown ON public.{table} FOR SELECT USING (shown);
         CREATE POLICY made ON public.{table} FOR INSERT WITH CHECK (true);
         INSERT INTO public.{table} VALUES (1, true), (2, false)"
    ))
    .await?;
    let tried = lend_and_try(bench, &table).await;
    // Whatever was found, nothing of it stays.
    sql.run(&format!("DROP TABLE public.{table}")).await?;
    tried
}

async fn lend_and_try(bench: &Bench, table: &str) -> Result<Finding, Trouble> {
    let reader = lend(bench, "5m").await?;
    let mut lines = Vec::new();
    let tried = try_one(bench, &reader, table, &mut lines).await;
    let revoked = palisade(bench, &["db", "readonly", "revoke", &reader.login.name]).await;
    tried?;
    revoked?;
    let (refused, said) = enters(&reader).await;
    lines.push((refused, format!("after it was revoked: {said}")));

    let brief = match lend(bench, "2s").await {
        Ok(brief) => brief,
        Err(trouble) => {
            lines.push((false, format!("another was not lent: {trouble}")));
            return Ok(Finding::all(lines));
        }
    };
    let mut last = enters(&brief).await;
    let was_in = !last.0;
    for _ in 0..LOOKS {
        if last.0 {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        last = enters(&brief).await;
    }
    // Gone by itself a moment later, or now.
    let _gone_already = palisade(bench, &["db", "readonly", "revoke", &brief.login.name]).await;
    lines.push((
        was_in && last.0,
        format!("lent for two seconds, it entered ({was_in}); after that: {}", last.1),
    ));
    Ok(Finding::all(lines))
}

pub(super) struct Reader {
    pub(super) target: Target,
    pub(super) login: Login,
}

pub(super) async fn lend(bench: &Bench, expires: &str) -> Result<Reader, Trouble> {
    let words =
        ["db", "readonly", "create", "--purpose", "probe of control 52", "--expires", expires, "--json"];
    let said = palisade(bench, &words).await?;
    let lent: Value = serde_json::from_str(said.trim())
        .map_err(|_| Trouble::Unexpected(format!("palisade db readonly create: {}", said.trim())))?;
    let (Some(name), Some(password)) = (lent["name"].as_str(), lent["password"].as_str()) else {
        return Err(Trouble::Unexpected("palisade db readonly create told no login".to_owned()));
    };
    let login = Login { name: name.to_owned(), password: Some(password.into()) };
    Ok(Reader { target: bench.place.database.login(&login), login })
}

pub(super) async fn palisade(bench: &Bench, words: &[&str]) -> Result<String, Trouble> {
    let data = bench.place.data.display().to_string();
    let words: Vec<&str> = words.iter().copied().chain(["--data", &data]).collect();
    let ended = bench.program(&words, &[]).await?;
    if ended.code == Some(0) {
        return Ok(ended.said);
    }
    Err(Trouble::Unexpected(format!("palisade {}: {}", words.join(" "), ended.said.trim())))
}

/// Whether the server refuses it, and how.
async fn enters(reader: &Reader) -> (bool, String) {
    match reader.target.connect().await {
        Ok(_) => (false, "it enters".to_owned()),
        Err(error) => {
            let refused = error.is("28P01") || error.is("28000");
            (refused, format!("refused: {error}"))
        }
    }
}

async fn try_one(
    bench: &Bench,
    reader: &Reader,
    table: &str,
    lines: &mut Vec<(bool, String)>,
) -> Result<(), Trouble> {
    let trouble = |error: pg::Error| Trouble::Database(error.to_string());
    let client = reader.target.connect().await.map_err(trouble)?;
    let read = client
        .query(format!("SELECT id FROM public.{table}").as_str(), &[])
        .await
        .map_err(|error| Trouble::Database(error.to_string()))?;
    let ids: Vec<i32> = read.iter().filter_map(|row| row.try_get(0).ok()).collect();
    lines.push((ids == [1], format!("of a row that policies show and one that they hide it sees {ids:?}")));
    // A session may switch its own read-only mode off: rights have to hold.
    client
        .batch_execute("SET default_transaction_read_only = off")
        .await
        .map_err(|error| Trouble::Database(error.to_string()))?;
    for statement in [
        format!("INSERT INTO public.{table} VALUES (3, true)"),
        format!("UPDATE public.{table} SET shown = true"),
        format!("DELETE FROM public.{table}"),
        format!("TRUNCATE public.{table}"),
        "CREATE TABLE public.palisade_probe_never (id int)".to_owned(),
        "CREATE TEMPORARY TABLE palisade_probe_never (id int)".to_owned(),
        "CREATE SCHEMA palisade_probe_never".to_owned(),
        "SELECT pg_catalog.lo_create(0)".to_owned(),
        "SELECT count(*) FROM auth.users".to_owned(),
        "SELECT count(*) FROM audit.inbox".to_owned(),
        "SET ROLE service_role".to_owned(),
        "SET ROLE palisade_owner".to_owned(),
        "COPY (SELECT 1) TO PROGRAM 'true'".to_owned(),
        format!("ALTER ROLE {} VALID UNTIL 'infinity'", reader.login.name),
    ] {
        let outcome = client.batch_execute(&statement).await;
        let code = outcome.as_ref().err().and_then(|error| error.code()).map(|code| code.code().to_owned());
        let refused = matches!(code.as_deref(), Some("42501" | "42P01"));
        lines.push((refused, format!("{statement}: {}", code.unwrap_or_else(|| "was allowed".to_owned()))));
    }
    // As it comes, before anything is switched off.
    let fresh = reader.target.connect().await.map_err(trouble)?;
    let shown = async |name: &str| {
        let row = fresh.query_one(format!("SHOW {name}").as_str(), &[]).await;
        row.ok().and_then(|row| row.try_get::<_, String>(0).ok()).unwrap_or_default()
    };
    let (mode, timeout) = (shown("default_transaction_read_only").await, shown("statement_timeout").await);
    lines.push((mode == "on", format!("its transactions are read-only from the start: {mode}")));
    lines.push((timeout != "0" && !timeout.is_empty(), format!("its statements end after {timeout}")));
    let mut more = Vec::new();
    let mut refused = None;
    for _ in 0..60 {
        match reader.target.connect().await {
            Ok(client) => more.push(client),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let is_bound = refused.as_ref().is_some_and(|error| error.is("53300"));
    let said = refused.map_or_else(|| "never refused".to_owned(), |error| error.to_string());
    lines.push((is_bound, format!("connection {}: {said}", more.len() + 3)));
    let inside = bench.sql().await?;
    let until = inside
        .value(&format!(
            "SELECT coalesce(rolvaliduntil::text, 'never') FROM pg_roles WHERE rolname = '{}'",
            reader.login.name
        ))
        .await?;
    lines.push((
        until != "never" && until != "infinity",
        format!("PostgreSQL takes its password until {until}"),
    ));
    Ok(())
}
