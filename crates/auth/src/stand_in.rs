//! Who somebody would be if they signed in now: for the operator's question why they can or cannot reach a row.
//!
//! Invariant: no session is begun and nothing is signed. Whoever asks records it.

use base::{Caller, Level};
use pg::Reason;
use uuid::Uuid;

use crate::user::User;
use crate::{Auth, Error, claims, sql};

impl Auth {
    /// The caller that `user` would be at `level`, with their claims as they are now.
    pub async fn stand_in(&self, user: Uuid, level: Level) -> Result<Caller, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let rows = tx.query(sql::USER_BY_ID, [user.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.ok_or(Error::UserNotFound)?;
        tx.commit(()).await?.into_inner();
        let now = self.0.clock.now().as_second();
        let rules = &self.0.rules;
        let claims = claims::of_session(&user, Uuid::nil(), level, &[], rules, now);
        Ok(claims::read(claims, Some("stand-in"), rules, now)?.caller)
    }
}
