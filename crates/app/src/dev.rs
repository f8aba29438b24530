//! The demo application: loaded once, with accounts and passwords of this instance only.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Caller, Rng};
use uuid::Uuid;

use crate::demo;
use crate::error::StartError;
use crate::start::Running;

/// The loaded demo.
pub struct Demo {
    /// Its rows.
    pub rows: u64,
    /// Where its people's passwords lie.
    pub credentials: PathBuf,
    /// Somebody to sign in as.
    pub email: &'static str,
}

/// Loads the demo if it is not there yet.
pub async fn prepare(running: &Running, data: &Path) -> Result<Demo, StartError> {
    let credentials = data.join("keys/demo_people");
    let client = running.database.admin.connect().await?;
    let loaded: bool = client.query_one(demo::IS_LOADED, &[]).await.map_err(pg::Error::from)?.get(0);
    let people = demo::people(&Rng::system());
    let email = people.first().map_or("", |person| person.email);
    if !loaded {
        demo::write_credentials(&credentials, &people)
            .map_err(|source| StartError::File { path: credentials.clone(), source })?;
        let mut accounts = Vec::new();
        // Nobody has to be told that this program made the people it is about to show.
        let visit = visit(&Rng::system());
        running.services.alerts.expect(&visit.request_id);
        for person in &people {
            accounts.push(account(running, person, &visit).await?);
        }
        load(&client, &demo::steps(&people, &accounts)).await?;
        running.services.data.reload().await?;
    }
    Ok(Demo { rows: demo::rows(), credentials, email })
}

/// An account made as an administrator makes one, so that policy and audit apply. One that an interrupted first start
/// made already gets the new password.
async fn account(running: &Running, person: &demo::Person, visit: &auth::Visit) -> Result<Uuid, StartError> {
    let auth = &running.services.auth;
    let page = auth::Page { number: 1, size: 1, filter: person.email.to_owned(), ascending: true };
    let known = auth.admin_list(&page).await?.into_inner().users.into_iter().next();
    let name = serde_json::Map::from_iter([("name".to_owned(), person.name.into())]);
    let fields = auth::UserFields {
        email: Some(person.email.to_owned()),
        password: Some(person.password.clone()),
        email_confirm: Some(true),
        user_metadata: Some(name),
        ..auth::UserFields::default()
    };
    let user = match known {
        Some(user) => auth.admin_change(user.id, fields, visit).await?,
        None => auth.admin_create(fields, visit).await?,
    };
    Ok(user.into_inner().id)
}

/// This program on its own, under an id that no request of anybody has.
fn visit(rng: &Rng) -> auth::Visit {
    auth::Visit {
        caller: Arc::new(Caller::operator()),
        user_agent: None,
        devices: Vec::new(),
        request_id: format!("demo-{}", rng.uuid().simple()).into(),
        elsewhere: false,
    }
}

/// All of it in one transaction as the owner of user tables: an interrupted load leaves nothing.
async fn load(client: &tokio_postgres::Client, steps: &[demo::Step]) -> Result<(), StartError> {
    let run = async |sql: &str| client.batch_execute(sql).await.map_err(pg::Error::from);
    run(&format!(
        "begin; set local role {}; set local search_path = public, extensions",
        pg::bootstrap::OWNER
    ))
    .await?;
    demo::load(steps, async |sql: &str| client.batch_execute(sql).await.map_err(pg::Error::from)).await?;
    run("commit; analyze").await?;
    Ok(())
}
