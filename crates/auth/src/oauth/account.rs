//! Whose account an outside identity opens: the one it belongs to, the one whose proven address it proves, or a new one.
//!
//! Invariants: only an address that the provider vouches for ever leads to an account that is there already, and an account
//! whose own address was never proven keeps nothing of whoever made it (attack rows 3, 4).

use jiff::Timestamp;
use pg::{Param, Reason, SystemTx};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::callback::Link;
use super::profile::Profile;
use super::provider::Provider;
use super::{OauthError, sql as own};
use crate::accounts::{require_small, trigger};
use crate::events::{self, Happening, Outside};
use crate::hooks::{Asked, HookError, NewPerson};
use crate::post::Warning;
use crate::reclaim::ProvenBy;
use crate::user::User;
use crate::{Auth, Error, Visit, sql};

/// How a sign-in ended.
pub(super) enum Settled {
    /// As this account; these sessions of it end.
    In { user: Box<User>, ended: Vec<Uuid> },
    /// With a mail to an address that the provider does not vouch for.
    Unverified,
}

/// Refuses another way into an account that an identity provider owns: it would stay open once the provider closes its own.
pub(super) fn require_own(user: &User) -> Result<(), Error> {
    match user.is_sso_user {
        true => Err(Error::disabled(
            "user_sso_managed",
            "An SSO account is signed in to through its identity provider alone",
        )),
        false => Ok(()),
    }
}

impl Auth {
    /// Finds, links or makes the account of `profile`.
    pub(super) async fn settle(
        &self,
        tx: &mut SystemTx,
        provider: &Provider,
        profile: &Profile,
        asked: Option<Asked>,
        visit: &Visit,
    ) -> Result<Settled, Error> {
        self.lock_names(tx, &provider.id, profile).await?;
        if let Some(owner) = self.owner(tx, &provider.id, &profile.subject).await? {
            self.renew(tx, &provider.id, profile, owner).await?;
            let user = self.user(tx, owner).await?;
            return match user.email.is_some() && user.confirmed_at.is_none() && !provider.email_optional {
                // Made by this identity, and the address was never proven. The provider's word is about the address that it
                // says today, which may be another one.
                true if !profile.verified || profile.email != user.email => {
                    self.ask_by_mail(tx, provider, profile, &user, visit).await
                }
                true => {
                    let by = ProvenBy::Identity { provider: &provider.id, subject: &profile.subject };
                    let (user, ended) = self.reclaim(tx, &user, by, visit).await?;
                    Ok(Settled::In { user: Box::new(user), ended })
                }
                false => Ok(Settled::In { user: Box::new(user), ended: Vec::new() }),
            };
        }
        let known = match &profile.email {
            Some(email) => {
                let rows =
                    tx.query(sql::USER_BY_EMAIL, [email.into(), (&self.0.rules.audience).into()]).await?;
                rows.first().map(User::read).transpose()?
            }
            None if provider.email_optional => None,
            None => return Err(OauthError::NoEmail.into()),
        };
        match known {
            Some(user) if !profile.verified => self.ask_by_mail(tx, provider, profile, &user, visit).await,
            Some(user) if user.email_confirmed_at.is_none() => {
                let (user, ended) = self.reclaim(tx, &user, ProvenBy::NewIdentity, visit).await?;
                let user = self.attach(tx, user, &provider.id, profile, visit).await?;
                Ok(Settled::In { user: Box::new(user), ended })
            }
            Some(user) => {
                let user = self.attach(tx, user, &provider.id, profile, visit).await?;
                self.notify(tx, &user, Warning::IdentityLinked(&provider.id), visit).await?;
                Ok(Settled::In { user: Box::new(user), ended: Vec::new() })
            }
            None => {
                // It was there a moment ago, when nobody had to be asked.
                let asked = asked.ok_or(HookError::TimeoutAfterRetry)?;
                self.make(tx, provider, profile, asked, visit).await
            }
        }
    }

    /// Asks the operator's own code about somebody who comes for the first time. `None`: they have an account.
    pub(super) async fn ask_about_profile(
        &self,
        provider: &Provider,
        profile: &Profile,
        visit: &Visit,
    ) -> Result<Option<Asked>, Error> {
        if let Some(nobody) = self.nobody_to_ask() {
            return Ok(Some(nobody));
        }
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let mut known = self.owner(&mut tx, &provider.id, &profile.subject).await?.is_some();
        if let Some(email) = profile.email.as_ref().filter(|_| !known) {
            let rows = tx.query(sql::USER_BY_EMAIL, [email.into(), (&self.0.rules.audience).into()]).await?;
            known = !rows.is_empty();
        }
        if tx.commit(known).await?.into_inner() {
            return Ok(None);
        }
        let person = NewPerson {
            email: profile.email.as_deref(),
            provider: Some(&provider.id),
            data: Some(&profile.said),
            ..NewPerson::default()
        };
        self.before_user_created(&person, visit).await.map(Some)
    }

    /// Two first sign-ins at once wait for each other.
    pub(super) async fn lock_names(
        &self,
        tx: &mut SystemTx,
        provider: &str,
        profile: &Profile,
    ) -> Result<(), Error> {
        tx.query(own::LOCK_NAME, [format!("identity:{provider}:{}", profile.subject).into()]).await?;
        if let Some(email) = &profile.email {
            tx.query(own::LOCK_NAME, [format!("email:{email}").into()]).await?;
        }
        Ok(())
    }

    pub(super) async fn owner(
        &self,
        tx: &mut SystemTx,
        provider: &str,
        subject: &str,
    ) -> Result<Option<Uuid>, Error> {
        let rows = tx.query(own::IDENTITY_OWNER, [provider.into(), subject.into()]).await?;
        Ok(rows.first().map(|row| row.get("user_id")).transpose()?)
    }

    pub(super) async fn user(&self, tx: &mut SystemTx, id: Uuid) -> Result<User, Error> {
        let rows = tx.query(sql::USER_BY_ID_LOCKED, [id.into()]).await?;
        let user = rows.first().map(User::read).transpose()?;
        user.filter(|user| user.deleted_at.is_none()).ok_or(Error::UserGone)
    }

    /// What the provider says today.
    pub(super) async fn renew(
        &self,
        tx: &mut SystemTx,
        provider: &str,
        profile: &Profile,
        user: Uuid,
    ) -> Result<(), Error> {
        require_small(&profile.said)?;
        let now = self.0.clock.now();
        let said = Value::Object(profile.said.clone());
        let row: [Param; 4] = [provider.into(), (&profile.subject).into(), (&said).into(), now.into()];
        tx.execute(own::RENEW_IDENTITY, row).await?;
        tx.execute(own::MERGE_USER_METADATA, [user.into(), said.into(), now.into()])
            .await
            .map_err(|error| trigger(error, "updating user"))?;
        Ok(())
    }

    /// Adds an identity to an account.
    pub(super) async fn attach(
        &self,
        tx: &mut SystemTx,
        user: User,
        provider: &str,
        profile: &Profile,
        visit: &Visit,
    ) -> Result<User, Error> {
        self.insert_identity(tx, user.id, provider, profile).await?;
        let said = Value::Object(profile.said.clone());
        let now = self.0.clock.now();
        tx.execute(own::MERGE_USER_METADATA, [user.id.into(), said.into(), now.into()])
            .await
            .map_err(|error| trigger(error, "updating user"))?;
        tx.execute(own::SET_PROVIDERS, [user.id.into(), now.into()]).await?;
        events::record(
            tx,
            self,
            visit,
            Happening::Outside(Outside::IdentityLinked { user: user.id, provider }),
        )
        .await?;
        self.user(tx, user.id).await
    }

    async fn insert_identity(
        &self,
        tx: &mut SystemTx,
        user: Uuid,
        provider: &str,
        profile: &Profile,
    ) -> Result<(), Error> {
        require_small(&profile.said)?;
        let row: [Param; 6] = [
            self.0.rng.uuid().into(),
            (&profile.subject).into(),
            user.into(),
            Value::Object(profile.said.clone()).into(),
            provider.into(),
            self.0.clock.now().into(),
        ];
        tx.execute(sql::INSERT_IDENTITY, row).await?;
        Ok(())
    }

    /// A new account. Its address counts as proven only where the provider vouches for it, or nobody has to prove any here.
    async fn make(
        &self,
        tx: &mut SystemTx,
        provider: &Provider,
        profile: &Profile,
        _asked: Asked,
        visit: &Visit,
    ) -> Result<Settled, Error> {
        let rules = &self.0.rules;
        if !rules.signup {
            return Err(Error::SignupDisabled);
        }
        let proven = profile.verified || rules.autoconfirm || profile.email.is_none();
        if !proven && !rules.can_mail {
            return Err(Error::NoMail);
        }
        let (id, now) = (self.0.rng.uuid(), self.0.clock.now());
        let confirmed: Option<Timestamp> = (proven && profile.email.is_some()).then_some(now);
        let mut app_metadata = Map::new();
        app_metadata.insert("provider".into(), provider.id.as_str().into());
        app_metadata.insert("providers".into(), vec![provider.id.clone()].into());
        require_small(&profile.said)?;
        let row: [Param; 12] = [
            id.into(),
            (&rules.audience).into(),
            (&rules.default_role).into(),
            profile.email.as_ref().into(),
            Param::NULL,
            Param::NULL,
            confirmed.into(),
            Param::NULL,
            Value::Object(app_metadata).into(),
            Value::Object(profile.said.clone()).into(),
            Param::NULL,
            now.into(),
        ];
        tx.execute(sql::INSERT_USER, row).await.map_err(|error| trigger(error, "saving new user"))?;
        self.insert_identity(tx, id, &provider.id, profile).await?;
        self.tell_of_account(tx, id, visit).await?;
        let user = self.user(tx, id).await?;
        events::record(tx, self, visit, Happening::Signup { user: &user }).await?;
        match proven {
            true => Ok(Settled::In { user: Box::new(user), ended: Vec::new() }),
            false => self.ask_by_mail(tx, provider, profile, &user, visit).await,
        }
    }

    /// Links what waited for a code or a yes, if the account and the session that asked still live.
    pub(super) async fn join_identity(
        &self,
        tx: &mut SystemTx,
        link: &Link,
        visit: &Visit,
    ) -> Result<(User, Vec<Uuid>), Error> {
        let profile = link.profile();
        self.lock_names(tx, &link.provider, &profile).await?;
        if let Some(session) = link.session
            && tx.query(own::SESSION_OF_USER, [session.into(), link.user.into()]).await?.is_empty()
        {
            return Err(Error::TokenRevoked);
        }
        let user = self.user(tx, link.user).await?;
        require_own(&user)?;
        // Whoever reads what comes to an address that was the account's says nothing for it any more (attack row 31).
        if link.by_mail && link.mailed_to != user.email {
            return Err(OauthError::LinkGone.into());
        }
        let owner = self.owner(tx, &link.provider, &profile.subject).await?;
        if owner.is_some_and(|owner| owner != user.id) {
            return Err(OauthError::Taken.into());
        }
        // The mail that brought the yes went to the account's own address.
        let (user, ended) = match link.by_mail && user.email_confirmed_at.is_none() {
            true => {
                let by = ProvenBy::Identity { provider: &link.provider, subject: &link.subject };
                self.reclaim(tx, &user, by, visit).await?
            }
            false => (user, Vec::new()),
        };
        if owner.is_some() {
            return Ok((user, ended));
        }
        let was_anonymous = user.is_anonymous;
        let user = self.attach(tx, user, &link.provider, &profile, visit).await?;
        if !was_anonymous {
            self.notify(tx, &user, Warning::IdentityLinked(&link.provider), visit).await?;
            return Ok((user, ended));
        }
        // The address is theirs only where the provider vouches for it, and nobody else has it.
        let taken = match profile.email.as_ref().filter(|_| profile.verified) {
            Some(email) => {
                let rows =
                    tx.query(sql::USER_BY_EMAIL, [email.into(), (&self.0.rules.audience).into()]).await?;
                !rows.is_empty()
            }
            None => true,
        };
        let now = self.0.clock.now();
        let email = profile.email.filter(|_| !taken);
        let confirmed = email.is_some().then_some(now);
        tx.execute(own::NAME_ANONYMOUS, [user.id.into(), email.into(), confirmed.into(), now.into()]).await?;
        Ok((self.user(tx, user.id).await?, ended))
    }

    /// Refuses an identity that is somebody's already.
    pub(super) async fn require_free(
        &self,
        tx: &mut SystemTx,
        provider: &Provider,
        profile: &Profile,
        user: Uuid,
    ) -> Result<(), Error> {
        match self.owner(tx, &provider.id, &profile.subject).await? {
            Some(owner) if owner != user => Err(OauthError::Taken.into()),
            Some(_) | None => Ok(()),
        }
    }
}
