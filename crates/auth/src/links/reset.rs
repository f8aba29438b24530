//! Another password by a link that was sent: looking at the link, and spending it together with the password.
//!
//! Invariant: a password that is refused leaves the link as good as it was. A link proves the address and nothing more:
//! whoever has a second factor gets a session of one proof, and chooses the password once the other is shown (control 26).

use audit::Event;
use base::Secret;
use pg::{Reason, Reply};

use super::token::Purpose;
use super::verify::Accepted;
use crate::events::{self, LinkHappening};
use crate::post::Warning;
use crate::session::{Grant, Opening, Way, ids};
use crate::user::User;
use crate::{Auth, Error, Visit, sql};

const RESETS: &[Purpose] = &[Purpose::Recovery];

/// What came of a link and a password.
pub enum Reset {
    /// The password is the account's, and this is its only session.
    Done(Box<Grant>),
    /// The link is spent and nothing else happened: a second factor is asked for before the password can change.
    FactorNeeded(Box<Grant>),
}

impl Auth {
    /// Whether a link that leads back in could still be spent.
    pub async fn is_reset_link(&self, token: &Secret<String>) -> Result<Reply<bool>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let user = self.look_at_link(&mut tx, token, RESETS).await?;
        Ok(tx.commit(user.is_some()).await?)
    }

    /// Spends a link that leads back in, for another password. Every other session ends.
    pub async fn reset_password(
        &self,
        token: &Secret<String>,
        password: &Secret<String>,
        visit: &Visit,
    ) -> Result<Reply<Reset>, Error> {
        let reset = self.try_reset(token, password, visit).await;
        if let Err(error) = &reset {
            events::refused(self, visit, Event::CodeRefused, error, "");
        }
        reset
    }

    async fn try_reset(
        &self,
        token: &Secret<String>,
        password: &Secret<String>,
        visit: &Visit,
    ) -> Result<Reply<Reset>, Error> {
        self.require_password(password).await?;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let user = self.look_at_link(&mut tx, token, RESETS).await?.ok_or(Error::LinkInvalid)?;
        let rows = tx.query(sql::USER_BY_ID, [user.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.ok_or(Error::LinkInvalid)?;
        self.require_unused(&mut tx, &user, password).await?;
        tx.commit(()).await?.into_inner();
        // The work of hashing holds no lock.
        if self.0.hasher.verify(password, user.password_hash.as_deref()).await?.is_right() {
            return Err(Error::SamePassword);
        }
        let hash = self.0.hasher.hash(password).await?;
        self.spend_for(token, hash, visit).await
    }

    async fn spend_for(
        &self,
        token: &Secret<String>,
        hash: String,
        visit: &Visit,
    ) -> Result<Reply<Reset>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let taken = self.take_link(&mut tx, token, RESETS).await?;
        let users = tx.query(sql::USER_BY_ID_LOCKED, [taken.user.into()]).await?;
        let user = users.first().map(User::read).transpose()?;
        let user = user.filter(|user| user.deleted_at.is_none()).ok_or(Error::LinkInvalid)?;
        if user.is_banned(self.0.clock.now()) {
            return Err(Error::Banned);
        }
        let (mut user, mut ended) = match self.accept(&mut tx, user, &taken, visit).await? {
            Accepted::Proven(user, ended) => (*user, ended),
            Accepted::Halfway => return Err(Error::LinkInvalid),
        };
        if user.has_factor() {
            let mut opened = self.open_session(&mut tx, user, Opening::by(Way::Otp), visit).await?;
            opened.also_ended(ended);
            let grant = self.commit_session(tx, opened).await?;
            return Ok(grant.map(|grant| Reset::FactorNeeded(Box::new(grant))));
        }
        self.set_password(&mut tx, &mut user, hash).await?;
        ended.extend(ids(&tx.query(sql::END_SESSIONS_OF_USER, [user.id.into()]).await?)?);
        self.drop_pending(&mut tx, user.id, None).await?;
        let happening = LinkHappening::PasswordChanged { user: user.id, sessions_ended: ended.len() };
        events::record_link(&mut tx, self, visit, happening).await?;
        self.notify(&mut tx, &user, Warning::PasswordChanged, visit).await?;
        let user = self.save(&mut tx, &user).await?;
        let mut opened = self.open_session(&mut tx, user, Opening::by(Way::Otp), visit).await?;
        opened.also_ended(ended);
        let grant = self.commit_session(tx, opened).await?;
        Ok(grant.map(|grant| Reset::Done(Box::new(grant))))
    }
}
