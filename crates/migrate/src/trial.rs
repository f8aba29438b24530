//! The login that a copy is filled and asked with: of that copy alone, under the copy's own name.
//!
//! Code of the application takes part there (policies, checks, columns that are computed), in the session that fills and asks, and
//! may give back whatever role was lent to it. So the session's own user has nothing worth coming back to: it makes what the
//! application owns, fills and empties the copy's tables, becomes whom policies are asked about, and may otherwise do what the owner of the tables may.

use pg::Login;
use pg::admin::{Target, quote_name, quote_text, scram_verifier};
use pg::bootstrap::OWNER;

use crate::error::Error;
use crate::{Parts, sql};

/// Whether the administrator is a superuser. Where not, code that gives back its role comes back to somebody who may do no more
/// than administer this database, and who can make no login such as this.
pub(crate) async fn is_superuser(copy: &Target) -> Result<bool, Error> {
    Ok(copy.connect().await?.query_one(sql::IS_SUPERUSER, &[]).await?.try_get(0)?)
}

/// Makes the login.
pub(crate) async fn admit(parts: &Parts, copy: &Target) -> Result<Target, Error> {
    let name = copy.database.clone();
    let password = base::Secret::new(hex::encode(parts.rng.bytes::<32>()));
    let client = copy.connect().await?;
    let (role, verifier) = (quote_name(&name), quote_text(&scram_verifier(&password)));
    client
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN BYPASSRLS PASSWORD {verifier};
             GRANT {OWNER}, anon, authenticated TO {role};
             GRANT SET ON PARAMETER session_replication_role TO {role};
             GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {role} TO {role}"
        ))
        .await?;
    // In the copy alone: anywhere else it is reported as anybody is.
    if copy.unreported {
        let quiet = format!("ALTER ROLE {role} IN DATABASE {role} SET");
        client
            .batch_execute(&format!("{quiet} log_statement = 'none'; {quiet} pgaudit.log = 'none'"))
            .await?;
    }
    Ok(copy.login(&Login { name, password: Some(password) }))
}

/// Lets what it makes name what is there.
pub(crate) async fn let_refer(copy: &Target) -> Result<(), Error> {
    let role = quote_name(&copy.database);
    in_each_schema(copy, |schema| {
        format!(
            "GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT REFERENCES ON ALL TABLES IN SCHEMA {schema} TO {role}"
        )
    })
    .await
}

/// What it made belongs to the owner of the tables.
pub(crate) async fn hand_over(copy: &Target) -> Result<(), Error> {
    let sql = format!("REASSIGN OWNED BY {} TO {OWNER}", quote_name(&copy.database));
    Ok(copy.connect().await?.batch_execute(&sql).await?)
}

/// Lets it fill and empty tables.
pub(crate) async fn let_fill(copy: &Target) -> Result<(), Error> {
    let role = quote_name(&copy.database);
    in_each_schema(copy, |schema| {
        format!(
            "GRANT USAGE ON SCHEMA {schema} TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA {schema} TO {role};
             GRANT USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
        )
    })
    .await?;
    let client = copy.connect().await?;
    for object in client.query(sql::LARGE_OBJECTS, &[]).await? {
        let object: &str = object.try_get(0)?;
        client.batch_execute(&format!("GRANT SELECT, UPDATE ON LARGE OBJECT {object} TO {role}")).await?;
    }
    Ok(())
}

async fn in_each_schema(copy: &Target, statements: impl Fn(&str) -> String) -> Result<(), Error> {
    let client = copy.connect().await?;
    for schema in client.query(sql::SCHEMAS, &[]).await? {
        client.batch_execute(&statements(&quote_name(schema.try_get(0)?))).await?;
    }
    Ok(())
}

/// Asks again for what is kept of queries: they were asked while no rows were there. Each after those that it looks into.
pub(crate) async fn ask_again(copy: &Target) -> Result<(), Error> {
    let client = copy.connect().await?;
    for view in client.query(sql::MATERIALIZED, &[]).await? {
        let view: &str = view.try_get(0)?;
        client.batch_execute(&format!("REFRESH MATERIALIZED VIEW {view}")).await?;
    }
    Ok(())
}

/// Ends the login of a copy that is gone.
pub(crate) async fn dismiss(admin: &Target, name: &str) -> Result<(), Error> {
    let client = admin.connect().await?;
    if client.query_opt(sql::HAS_LOGIN, &[&name]).await?.is_some() {
        let role = quote_name(name);
        let end = format!("REVOKE SET ON PARAMETER session_replication_role FROM {role}; DROP ROLE {role}");
        client.batch_execute(&end).await?;
    }
    Ok(())
}
