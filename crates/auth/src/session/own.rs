//! The sessions of a person, to look through and to end: their own, or by an administrator.

use std::net::IpAddr;

use jiff::Timestamp;
use pg::{Reason, Reply, Row};
use uuid::Uuid;

use super::ids;
use crate::events::{self, Happening};
use crate::{Auth, Error, Visit, limits, sql};

/// One session.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Its id, as `session_id` in its tokens.
    pub id: Uuid,
    /// When it began.
    pub created_at: Option<Timestamp>,
    /// When its tokens were last renewed.
    pub refreshed_at: Option<Timestamp>,
    /// `aal1` or `aal2`.
    pub level: String,
    /// How its person proved who they are, newest first.
    pub methods: Vec<String>,
    /// The program it was last used with.
    pub user_agent: Option<String>,
    /// The address it was last used from.
    pub address: Option<IpAddr>,
    /// The OAuth client it is for.
    pub client: Option<Uuid>,
    /// When it must end.
    pub not_after: Option<Timestamp>,
}

impl SessionInfo {
    fn read(row: Row<'_>) -> Result<Self, Error> {
        let address: Option<String> = row.get("ip")?;
        let methods: String = row.get("methods")?;
        Ok(SessionInfo {
            id: row.get("id")?,
            created_at: row.get("created_at")?,
            refreshed_at: row.get("refreshed_at")?,
            level: row.get::<Option<String>>("aal")?.unwrap_or_else(|| "aal1".to_owned()),
            methods: methods.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            user_agent: row.get("user_agent")?,
            address: address.and_then(|text| text.parse().ok()),
            client: row.get("oauth_client_id")?,
            not_after: row.get("not_after")?,
        })
    }
}

impl Auth {
    /// The sessions of a signed-in person, newest first.
    pub async fn own_sessions(&self, user: Uuid) -> Result<Reply<Vec<SessionInfo>>, Error> {
        self.sessions_of(user, Reason::OwnAccount).await
    }

    /// The sessions of an account, newest first.
    pub async fn admin_sessions(&self, user: Uuid) -> Result<Reply<Vec<SessionInfo>>, Error> {
        self.admin_get(user).await?.into_inner();
        self.sessions_of(user, Reason::Administer).await
    }

    async fn sessions_of(&self, user: Uuid, reason: Reason) -> Result<Reply<Vec<SessionInfo>>, Error> {
        let mut tx = self.0.pg.begin_system(reason).await?;
        let most = i64::try_from(limits::SESSIONS_PER_USER_MAX.value).unwrap_or(i64::MAX);
        let rows = tx.query(sql::SESSIONS_OF_USER, [user.into(), most.into()]).await?;
        let sessions = rows.iter().map(SessionInfo::read).collect::<Result<_, _>>()?;
        Ok(tx.commit(sessions).await?)
    }

    /// Ends one session of a signed-in person. Somebody else's is not found.
    pub async fn end_own_session(
        &self,
        user: Uuid,
        session: Uuid,
        visit: &Visit,
    ) -> Result<Reply<()>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let ended = ids(&tx.query(sql::END_SESSION_OF_USER, [user.into(), session.into()]).await?)?;
        if ended.is_empty() {
            return Err(Error::SessionNotFound);
        }
        events::record(&mut tx, self, visit, Happening::Logout { user, sessions: ended.len() }).await?;
        self.commit_ended(tx, ended, ()).await
    }

    /// Ends one session of an account, or all of them.
    pub async fn admin_end_sessions(
        &self,
        user: Uuid,
        session: Option<Uuid>,
        visit: &Visit,
    ) -> Result<Reply<()>, Error> {
        self.require_admin_step_up(visit)?;
        self.admin_get(user).await?.into_inner();
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let rows = match session {
            Some(session) => tx.query(sql::END_SESSION_OF_USER, [user.into(), session.into()]).await?,
            None => tx.query(sql::END_SESSIONS_OF_USER, [user.into()]).await?,
        };
        let ended = ids(&rows)?;
        if ended.is_empty() && session.is_some() {
            return Err(Error::SessionNotFound);
        }
        let what = (audit::Event::SessionsEnd, user);
        events::record_of(&mut tx, self, visit, what, Some(ended.len())).await?;
        self.commit_ended(tx, ended, ()).await
    }
}
