//! Controls 40, 41, 46 and 47: whose rows a request sees, and as whom it runs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Finding;
use crate::bench::{Bench, Tenant, Trouble};

/// 40: a table that nobody protected by hand is protected, and one whose protection is taken away is not served.
pub async fn new_tables_are_protected(bench: &Bench) -> Result<Finding, Trouble> {
    let tenant = bench.tenant().await?;
    let session = bench.sign_in(&tenant.person).await?;
    let sql = bench.sql().await?;
    let table = format!("public.{}_rows", tenant.name);
    let enabled =
        sql.value(&format!("SELECT relrowsecurity FROM pg_class WHERE oid = '{table}'::regclass")).await?;
    let own = rows(bench, tenant, Some(&session.access)).await?;
    let nobody = rows(bench, tenant, None).await?;

    sql.run(&format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")).await?;
    let closed = async || {
        Ok(rows(bench, tenant, Some(&session.access)).await?.0 != 200 || protected(bench, &table).await?)
    };
    let closed = bench.within(5, "an unprotected table to be refused", closed).await;
    let open = rows(bench, tenant, Some(&session.access)).await?;
    sql.run(&format!(
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
    ))
    .await?;

    let taken_on = sql.rows(TAKEN_ON).await?;
    let taken_on: Vec<String> = taken_on.into_iter().flatten().flatten().collect();
    let taken_on = if taken_on.is_empty() { "nothing".to_owned() } else { taken_on.join(", ") };
    Ok(Finding::all([
        (true, format!("past policies on its owner's word (`@palisade serve`): {taken_on}")),
        (enabled == "t", format!("a table made a moment ago has row level security: {enabled}")),
        (own == (200, Some(1)), format!("its reader sees {:?} of its 2 rows ({})", own.1, own.0)),
        (nobody.1.unwrap_or(0) == 0, format!("nobody in particular sees {:?} ({})", nobody.1, nobody.0)),
        (closed.is_ok(), format!("with the protection taken away, its reader is answered {}", open.0)),
    ]))
}

/// What its owner has the API serve although no policy binds it, with the reason they gave.
const TAKEN_ON: &str = "SELECT coalesce(c.relname, p.proname) || ': ' || btrim(split_part(split_part(d.description, '@palisade serve:', 2), E'\\n', 1))
    FROM pg_description d LEFT JOIN pg_class c ON d.classoid = 'pg_class'::regclass AND c.oid = d.objoid AND d.objsubid = 0
    LEFT JOIN pg_proc p ON d.classoid = 'pg_proc'::regclass AND p.oid = d.objoid
    WHERE d.description LIKE '%@palisade serve:%' ORDER BY 1";

async fn protected(bench: &Bench, table: &str) -> Result<bool, Trouble> {
    let sql = bench.sql().await?;
    Ok(sql.value(&format!("SELECT relrowsecurity FROM pg_class WHERE oid = '{table}'::regclass")).await?
        == "t")
}

/// Status and number of rows of the tenant's table for a caller.
async fn rows(bench: &Bench, tenant: &Tenant, token: Option<&str>) -> Result<(u16, Option<usize>), Trouble> {
    let ask = bench.client("GET", &format!("/rest/v1/{}_rows?select=id", tenant.name));
    let answer = match token {
        Some(token) => ask.bearer(token).send().await?,
        None => ask.send().await?,
    };
    Ok((answer.status, answer.json().as_array().map(Vec::len)))
}

/// 41: even the owner of a table obeys its policies, and the owner of ours is nobody who can log in.
pub async fn owners_obey_their_policies(bench: &Bench) -> Result<Finding, Trouble> {
    let tenant = bench.tenant().await?;
    let sql = bench.sql().await?;
    let table = format!("public.{}_rows", tenant.name);
    let facts = sql
        .rows(&format!(
            "SELECT relforcerowsecurity, rolname, rolcanlogin FROM pg_class JOIN pg_roles r ON r.oid = relowner WHERE pg_class.oid = '{table}'::regclass"
        ))
        .await?;
    let fact = |at: usize| facts.first().and_then(|row| row.get(at).cloned()).flatten().unwrap_or_default();
    // Rolled back: for a moment inside one transaction, an ordinary role owns the table.
    sql.run(&format!(
        "BEGIN; ALTER TABLE {table} OWNER TO authenticated; SET LOCAL SESSION AUTHORIZATION authenticated"
    ))
    .await?;
    let seen = sql.value(&format!("SELECT count(*) FROM {table}")).await;
    sql.run("ROLLBACK").await?;
    let seen = seen.unwrap_or_else(|trouble| trouble.to_string());
    Ok(Finding::all([
        (fact(0) == "t", format!("row level security is forced: {}", fact(0))),
        (fact(2) == "f", format!("its owner {} can log in: {}", fact(1), fact(2))),
        (seen == "0", format!("a role that owns it sees {seen} of its 2 rows without a claim")),
    ]))
}

/// 46: a request runs as its caller's role with its caller's claims, and as the login role without rights otherwise.
pub async fn requests_run_as_the_caller(bench: &Bench) -> Result<Finding, Trouble> {
    let tenant = bench.tenant().await?;
    let session = bench.sign_in(&tenant.person).await?;
    let person = tenant.call(bench, "whoami").bearer(&session.access).send().await?.json();
    let nobody = tenant.call(bench, "whoami").send().await?.json();
    let mut lines = vec![
        (
            text(&person, "/role") == "authenticated",
            format!("a signed-in request runs as {}", text(&person, "/role")),
        ),
        (
            text(&person, "/login") == "authenticator",
            format!("over a session of {}", text(&person, "/login")),
        ),
        (
            text(&person, "/claims/sub") == tenant.person.id,
            "request.jwt.claims has the caller's sub".to_owned(),
        ),
        (
            text(&nobody, "/role") == "anon",
            format!("an anonymous request runs as {}", text(&nobody, "/role")),
        ),
        (
            nobody.pointer("/claims/sub").is_none_or(Value::is_null),
            "and finds no claim of the request before it".to_owned(),
        ),
    ];
    lines.push(match told(bench, tenant, &session.access).await {
        Ok(line) => line,
        Err(trouble) => (false, format!("what changes could not be listened to: {trouble}")),
    });
    Ok(Finding::all(lines))
}

/// Whether a row that changes is told to whom it belongs, and a stranger's and nobody's to nobody.
async fn told(bench: &Bench, tenant: &Tenant, token: &str) -> Result<(bool, String), Trouble> {
    let (name, id) = (&tenant.name, &tenant.person.id);
    let sql = bench.sql().await?;
    let published = "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = 'supabase_realtime')";
    if sql.value(published).await? != "t" {
        return Ok((true, "nothing is published, so no change of a row is told".to_owned()));
    }
    sql.run(&format!(
        "CREATE TABLE public.{name}_heard (id int PRIMARY KEY, owner uuid NOT NULL);
         GRANT SELECT ON public.{name}_heard TO anon, authenticated;
         CREATE POLICY {name}_own ON public.{name}_heard TO authenticated USING (owner = auth.uid());
         ALTER PUBLICATION supabase_realtime ADD TABLE public.{name}_heard"
    ))
    .await?;
    let line = heard(
        bench,
        tenant,
        token,
        &format!("INSERT INTO public.{name}_heard VALUES (1, gen_random_uuid()), (2, '{id}')"),
    )
    .await;
    sql.run(&format!("DROP TABLE public.{name}_heard")).await?;
    line
}

async fn heard(bench: &Bench, tenant: &Tenant, token: &str, insert: &str) -> Result<(bool, String), Trouble> {
    let table = format!("{}_heard", tenant.name);
    let Some(mut owner) = bench.listen(&table, Some(token)).await? else {
        return Ok((true, "channels are not served, so no change of a row is told".to_owned()));
    };
    let Some(mut nobody) = bench.listen(&table, None).await? else {
        return Err(Trouble::Unexpected("channels are served to some".to_owned()));
    };
    bench.sql().await?.run_as(pg::bootstrap::OWNER, insert).await?;
    let first = owner.inserted(LISTENED).await.unwrap_or_default();
    // Both rows were told at once, to whomever they were told.
    let other = nobody.inserted(UNHEARD).await;
    let is_right = first.pointer("/id").and_then(Value::as_i64) == Some(2) && other.is_none();
    Ok((
        is_right,
        format!(
            "of two new rows, one theirs, a listener is told first of {}, and nobody in particular of {}",
            first.pointer("/id").unwrap_or(&Value::Null),
            other.map_or_else(|| "none".to_owned(), |row| row.to_string()),
        ),
    ))
}

/// How long a change may take to be told.
const LISTENED: Duration = Duration::from_secs(5);
/// How long it is listened to what should not be told.
const UNHEARD: Duration = Duration::from_millis(300);

/// 47: the guide's map, and nobody maps themselves.
pub async fn roles_map_as_the_guide_says(bench: &Bench) -> Result<Finding, Trouble> {
    let tenant = bench.tenant().await?;
    let mut lines = Vec::new();
    for (claim, role) in [("manager", "authenticated"), ("dashboard_admin", "service_role")] {
        let person = bench.person(json!({ "role": claim })).await?;
        let ran = async {
            let session = bench.sign_in(&person).await?;
            Ok::<Value, Trouble>(tenant.call(bench, "whoami").bearer(&session.access).send().await?.json())
        };
        let ran = ran.await;
        bench.forget(&person).await?;
        let ran = ran?;
        lines.push((
            text(&ran, "/role") == role,
            format!("the claim {claim} runs as {}", text(&ran, "/role")),
        ));
        lines.push((
            text(&ran, "/claims/role") == claim,
            format!("a policy reads the claim {}", text(&ran, "/claims/role")),
        ));
    }
    let (person, session) = bench.guest().await?;
    let wish = json!({ "role": "service_role", "data": { "role": "service_role" } });
    bench.client("PUT", "/auth/v1/user").bearer(&session.access).json(&wish).send().await?;
    let after = bench.sign_in(&person).await?;
    let wished = tenant.call(bench, "whoami").bearer(&after.access).send().await?.json();
    lines.push((
        text(&wished, "/role") == "authenticated",
        format!("somebody who asks for service_role runs as {}", text(&wished, "/role")),
    ));
    let whoami = format!("/rest/v1/rpc/{}_whoami", tenant.name);
    let key = || bench.server("POST", &whoami).json(&json!({}));
    let server = key().send().await?.json();
    lines.push((
        text(&server, "/role") == "service_role",
        format!("the secret key runs as {}", text(&server, "/role")),
    ));
    let browser =
        key().header("origin", "https://page.invalid").header("sec-fetch-site", "cross-site").send().await?;
    lines.push((
        browser.status >= 400,
        format!("the secret key from a browser's page is answered {}", browser.status),
    ));
    Ok(Finding::all(lines))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("(missing)")
}
