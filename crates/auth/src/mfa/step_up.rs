//! How fresh a proof must be for what is sensitive (control 26): passwords, addresses, factors, keys, exports, deletion.
//!
//! Who has a second factor shows it again after five minutes; who has none, their password.

use base::{Caller, Level, Secret};
use pg::{Reason, Reply};
use uuid::Uuid;

use super::{Error, Held, limits};
use crate::events::{self, Happening};
use crate::session::Way;
use crate::user::User;
use crate::{Auth, Error as AuthError, Grant, Visit};

impl Auth {
    /// Refuses what is sensitive to a session whose proof is too old. Programs have no session and give no proof.
    pub(crate) fn require_step_up(&self, held: &Held, visit: &Visit) -> Result<(), AuthError> {
        self.require_fresh(held.has_verified(), visit)
    }

    /// The same, with the password in force sent along in place of a fresh proof by whoever has no second factor.
    pub(crate) async fn require_step_up_or_password(
        &self,
        user: &User,
        current: Option<&Secret<String>>,
        visit: &Visit,
    ) -> Result<(), AuthError> {
        match (self.require_fresh(user.has_factor(), visit), current) {
            (Err(AuthError::Mfa(Error::ReauthenticationNeeded)), Some(current)) => {
                self.prove_password(user.id, current, visit).await.map(drop)
            }
            (answer, _) => answer,
        }
    }

    /// What an administrator does to others. Administrators always have a second factor.
    pub fn require_admin_step_up(&self, visit: &Visit) -> Result<(), AuthError> {
        match visit.caller.signed_in() {
            Some(person) if person.session.is_some() => self.require_fresh(true, visit),
            Some(_) | None => Ok(()),
        }
    }

    /// What changes the ways into one's own account, or takes one away.
    pub(crate) fn require_fresh(&self, has_factor: bool, visit: &Visit) -> Result<(), AuthError> {
        let caller = &visit.caller;
        if caller.signed_in().is_none() {
            return Ok(());
        }
        // An administrator in somebody's name has given none of their proofs.
        if caller.acting.is_some() || (has_factor && caller.level < Level::Aal2) {
            return Err(AuthError::InsufficientLevel);
        }
        if !self.0.rules.mfa.step_up || self.is_fresh(caller, has_factor) {
            return Ok(());
        }
        Err(match has_factor {
            true => Error::Stale { minutes: limits::STEP_UP_SECONDS_MAX.value / 60 }.into(),
            false => Error::ReauthenticationNeeded.into(),
        })
    }

    /// Whether a proof of this session is young enough; only second factors count for who has one.
    fn is_fresh(&self, caller: &Caller, second: bool) -> bool {
        let oldest = self.seconds_ago(limits::STEP_UP_SECONDS_MAX).as_second();
        let is_second = |name: &str| Way::named(name).is_some_and(|way| way.level() == Level::Aal2);
        let counts = |name: &str| !second || is_second(name);
        caller.methods.iter().any(|method| counts(&method.name) && method.at.as_second() >= oldest)
    }

    /// The password again: the session is as fresh as a new one, at the level it had, and its tokens are replaced.
    pub async fn reauthenticate(
        &self,
        password: &Secret<String>,
        visit: &Visit,
    ) -> Result<Reply<Grant>, AuthError> {
        let person = visit.caller.signed_in().and_then(|person| Some((person.user, person.session?)));
        let (user, session) = person.ok_or(AuthError::TokenRevoked)?;
        let proven = self.prove_password(user, password, visit).await?;
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let held = self.hold(&mut tx, user).await?;
        if held.user.password_hash != proven {
            return Err(AuthError::InvalidCredentials);
        }
        let opened = self.raise_session(&mut tx, session, held.user, Way::Password, None, visit).await?;
        let happening = Happening::SteppedUp { user, session, method: "password" };
        events::record(&mut tx, self, visit, happening).await?;
        self.commit_session(tx, opened).await
    }

    /// Asks for the password of somebody who is signed in, and changes nothing.
    pub async fn check_password(
        &self,
        user: Uuid,
        password: &Secret<String>,
        visit: &Visit,
    ) -> Result<(), AuthError> {
        self.prove_password(user, password, visit).await.map(drop)
    }

    /// Refuses a wrong password of somebody who is known; wrong ones count with their wrong codes. Gives the hash it
    /// was right for.
    pub(crate) async fn prove_password(
        &self,
        user: Uuid,
        password: &Secret<String>,
        visit: &Visit,
    ) -> Result<Option<String>, AuthError> {
        // Counted before it is looked at: the hash takes long, and no lock is held meanwhile.
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let held = self.hold(&mut tx, user).await?;
        let guesses = self.may_guess(&mut tx, user).await?;
        self.count_guess(&mut tx, &guesses).await?;
        tx.commit(()).await?.into_inner();
        let stored = held.user.password_hash;
        let verdict = match self.0.hasher.verify(password, stored.as_deref()).await {
            Err(seal::Error::PasswordTooLong) => seal::Verdict::Wrong,
            other => other?,
        };
        if stored.is_none() || !verdict.is_right() {
            let error = AuthError::InvalidCredentials;
            events::refused_of(self, visit, audit::Event::LoginFailed, &error, user);
            return Err(error);
        }
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        tx.execute(super::sql::FORGET_GUESSES, [user.into()]).await?;
        tx.commit(()).await?.into_inner();
        Ok(stored)
    }
}
