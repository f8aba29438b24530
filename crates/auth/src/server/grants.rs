//! What a person agreed to, to look through and to take back.

use audit::Event;
use jiff::Timestamp;
use pg::{Reason, Reply};
use uuid::Uuid;

use super::{ServerError, sql as own};
use crate::events::{self, Happening, Outside};
use crate::session::ids;
use crate::{Auth, Error, Visit};

/// A program that somebody let in.
pub struct GrantInfo {
    /// Its id.
    pub client: Uuid,
    /// Its name.
    pub name: Option<String>,
    /// Its page.
    pub uri: Option<String>,
    /// Its picture.
    pub logo: Option<String>,
    /// What it may know.
    pub scopes: Vec<String>,
    /// Since when.
    pub granted_at: Timestamp,
}

impl Auth {
    /// The programs that a person let in, newest first.
    pub async fn oauth_grants(&self, user: Uuid) -> Result<Reply<Vec<GrantInfo>>, Error> {
        self.require_server()?;
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let rows = tx.query(own::CONSENTS, [user.into()]).await?;
        let read = |row: pg::Row<'_>| -> Result<GrantInfo, Error> {
            let scopes: String = row.get("scopes")?;
            Ok(GrantInfo {
                client: row.get("id")?,
                name: row.get("client_name")?,
                uri: row.get("client_uri")?,
                logo: row.get("logo_uri")?,
                scopes: scopes.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
                granted_at: row.get("granted_at")?,
            })
        };
        let grants = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(tx.commit(grants).await?)
    }

    /// Takes back what was agreed to: the program's sessions end, and what waits to be exchanged is gone.
    pub async fn oauth_revoke_grant(
        &self,
        user: Uuid,
        client: Uuid,
        visit: &Visit,
    ) -> Result<Reply<()>, Error> {
        self.require_server()?;
        let revoked = self.try_revoke_grant(user, client, visit).await;
        self.note_refusal(&revoked, Event::ConsentRefused, Some(&client.to_string()), visit);
        revoked
    }

    async fn try_revoke_grant(&self, user: Uuid, client: Uuid, visit: &Visit) -> Result<Reply<()>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let row = [user.into(), client.into(), self.0.clock.now().into()];
        if tx.execute(own::REVOKE_CONSENT, row).await? == 0 {
            return Err(ServerError::NoConsent.into());
        }
        tx.execute(own::DROP_AUTHORIZATIONS, [user.into(), client.into()]).await?;
        let ended = ids(&tx.query(own::END_SESSIONS_OF_CLIENT, [client.into(), user.into()]).await?)?;
        let revoked = Outside::ConsentRevoked { user, client, sessions_ended: ended.len() };
        events::record(&mut tx, self, visit, Happening::Outside(revoked)).await?;
        self.commit_ended(tx, ended, ()).await
    }
}
