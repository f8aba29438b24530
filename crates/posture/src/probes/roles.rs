//! Controls 50 and 51: what the database's own roles can do, tried as those roles.

use crate::bench::{Bench, Trouble};
use crate::{Finding, State, minors};

/// 50: the role that requests log in as owns nothing, reads nothing and can become nobody powerful.
pub async fn login_roles_can_do_nothing(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let strong = sql
        .rows(
            "SELECT rolname FROM pg_roles WHERE (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls) \
             AND rolname IN ('authenticator', 'anon', 'authenticated', 'readonly')",
        )
        .await?;
    let owned = sql.value("SELECT count(*) FROM pg_class WHERE relowner = 'authenticator'::regrole").await?;
    let inherits = sql.value("SELECT rolinherit FROM pg_roles WHERE rolname = 'authenticator'").await?;
    let mut lines = vec![
        (
            strong.is_empty(),
            format!("{} of the four roles of requests have an attribute of power", strong.len()),
        ),
        (owned == "0", format!("authenticator owns {owned} tables")),
        (
            inherits == "f",
            format!("authenticator inherits the rights of the roles it may become: {inherits}"),
        ),
    ];
    let superuser =
        sql.value("SELECT quote_ident(rolname) FROM pg_roles WHERE rolsuper ORDER BY oid LIMIT 1").await?;
    for statement in [
        "SELECT count(*) FROM auth.users".to_owned(),
        "SET ROLE palisade_owner".to_owned(),
        "SET ROLE palisade_system".to_owned(),
        format!("SET ROLE {superuser}"),
        "COPY (SELECT 1) TO PROGRAM 'true'".to_owned(),
        "SELECT pg_read_file('postgresql.conf')".to_owned(),
    ] {
        lines.push(sql.refuses("authenticator", &statement).await?);
    }
    let (patched, waiting) = patched(
        &sql.value("SELECT current_setting('server_version_num')").await?,
        &bench.place.clock.now().to_string(),
    );
    lines.push(patched);
    for role in ["anon", "authenticated"] {
        lines.push(sql.refuses(role, "SELECT count(*) FROM auth.users").await?);
        lines.push(sql.refuses(role, "SET ROLE service_role").await?);
    }
    let found = Finding::all(lines);
    Ok(match waiting {
        Some(waiting) if found.state == State::Proven => {
            Finding::needs_you(format!("{}\n{waiting}", found.evidence))
        }
        _ => found,
    })
}

/// Whether the server has no hole that a minor release closed more than a month ago: what enforces the rights has to be
/// whole itself. A month is what PCI DSS 6.3.3 gives; until it is over a newer release is the operator's to install.
fn patched(version: &str, now: &str) -> ((bool, String), Option<String>) {
    let Ok(number) = version.parse() else {
        return ((false, format!("PostgreSQL says its version is {version}")), None);
    };
    let told =
        |closed: &minors::Closed| format!("{}, closed on {} ({})", closed.what, closed.on, closed.source);
    let (overdue, waiting): (Vec<_>, Vec<_>) = minors::open(number)
        .filter(|closed| closed.on <= now)
        .partition(|closed| minors::due(closed).is_none_or(|due| due.as_str() <= now));
    let join = |all: &[&minors::Closed]| all.iter().map(|one| told(one)).collect::<Vec<_>>().join("; ");
    let said =
        if overdue.is_empty() { "has no listed hole older than a month".to_owned() } else { join(&overdue) };
    let waiting = (!waiting.is_empty())
        .then(|| format!("PostgreSQL {version} waits for a newer minor release: {}", join(&waiting)));
    ((overdue.is_empty(), format!("PostgreSQL {version}: {said}")), waiting)
}

/// 51: no role of requests makes anything in `public` or in the catalog.
pub async fn nobody_creates_in_public(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    // As an application's are called: names of probes are refused whoever may create.
    let name = bench.random_name("palisade_tried_");
    let mut lines = Vec::new();
    for role in ["authenticator", "anon", "authenticated", "service_role", "readonly"] {
        lines.push(sql.refuses(role, &format!("CREATE TABLE public.{name} (x int)")).await?);
        lines.push(sql.refuses(role, &format!("CREATE TABLE pg_catalog.{name} (x int)")).await?);
        lines.push(sql.refuses(role, &format!("CREATE SCHEMA {name}")).await?);
    }
    Ok(Finding::all(lines))
}
