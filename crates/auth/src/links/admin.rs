//! Links that an administrator sends or asks for.
//!
//! Invariant: whoever gets such a link gets what the administrator gave the account and nothing that the request for it
//! says: its role is the account's (attack row 32).

use base::Secret;
use pg::{Reason, Reply, SystemTx};
use serde_json::{Map, Value};

use super::send::Along;
use super::token::{Fresh, Purpose};
use crate::accounts::{NewUser, merge, read_email, require_small};
use crate::admin::require_reach;
use crate::events::{self, ChosenFor, LinkHappening};
use crate::flow::Redirect;
use crate::hooks::{Asked, HookError, NewPerson};
use crate::user::User;
use crate::{Auth, Error, Visit, sql};

/// A link that an administrator wants.
pub struct LinkWanted {
    /// For what.
    pub purpose: Purpose,
    /// For whom.
    pub email: String,
    /// Their address to be, for a change.
    pub new_email: Option<String>,
    /// Their password, for a new account.
    pub password: Option<Secret<String>>,
    /// What is said about a new account.
    pub data: Map<String, Value>,
}

/// A link as the administrator gets it: it is not sent to anybody.
pub struct Generated {
    /// Whose it is.
    pub user: User,
    /// What it turned out to be for.
    pub purpose: Purpose,
    /// The link.
    pub link: Secret<String>,
    /// Its code.
    pub code: Secret<String>,
    /// Its token.
    pub token: Secret<String>,
    /// Where it leads in the end.
    pub back_to: Redirect,
}

impl Auth {
    /// Makes an account for somebody, or finds one that nobody confirmed, and mails them a way in.
    pub async fn invite(
        &self,
        email: &str,
        data: Map<String, Value>,
        along: &Along,
        visit: &Visit,
    ) -> Result<Reply<User>, Error> {
        self.require_admin_step_up(visit)?;
        if !self.0.rules.can_mail {
            return Err(Error::NoMail);
        }
        let email = read_email(email)?;
        require_small(&data)?;
        let asked = self.ask_about_new(&email, &data, visit).await?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let user = self.unconfirmed(&mut tx, &email, None, data, asked, visit).await?;
        self.send_link(&mut tx, &user, Purpose::Invite, along, visit).await?;
        let rows = tx.query(sql::USER_BY_ID, [user.id.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.ok_or(Error::UserNotFound)?;
        Ok(tx.commit(user).await?)
    }

    /// Makes a link without sending it.
    pub async fn generate_link(
        &self,
        wanted: LinkWanted,
        along: &Along,
        visit: &Visit,
    ) -> Result<Reply<Generated>, Error> {
        self.require_admin_step_up(visit)?;
        let email = read_email(&wanted.email)?;
        require_small(&wanted.data)?;
        let new_email = wanted.new_email.as_deref().map(read_email).transpose()?;
        let hash = match (&wanted.password, wanted.purpose) {
            (None, Purpose::Signup) => {
                return Err(Error::invalid("Signup requires a valid password"));
            }
            (Some(password), Purpose::Signup) => {
                let taken = self.require_password(password).await;
                events::note_choice(self, visit, &taken, ChosenFor::Account(&email));
                taken?;
                Some(self.0.hasher.hash(password).await?)
            }
            _ => None,
        };
        let asked = match wanted.purpose {
            Purpose::Signup | Purpose::Invite | Purpose::MagicLink => {
                self.ask_about_new(&email, &wanted.data, visit).await?
            }
            _ => None,
        };
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let known = tx.query(sql::USER_BY_EMAIL, [(&email).into(), (&self.0.rules.audience).into()]).await?;
        let known = known.first().map(User::read).transpose()?;
        // A way in for somebody new is the confirmation of a new account.
        let purpose = match (wanted.purpose, &known) {
            (Purpose::MagicLink, None) => Purpose::Signup,
            (purpose, _) => purpose,
        };
        let user = match purpose {
            Purpose::Signup | Purpose::Invite => {
                self.unconfirmed(&mut tx, &email, hash, wanted.data, asked, visit).await?
            }
            _ => known.ok_or(Error::UserNotFound)?,
        };
        require_reach(visit, Some(&user.role))?;
        let fresh = self.generate(&mut tx, &user, purpose, new_email, visit).await?;
        events::record_link(&mut tx, self, visit, LinkHappening::LinkGenerated { user: user.id, purpose })
            .await?;
        let rows = tx.query(sql::USER_BY_ID, [user.id.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.ok_or(Error::UserNotFound)?;
        let link = self.link(&fresh.token, purpose, &along.back_to);
        let Fresh { token, code } = fresh;
        let generated = Generated { user, purpose, link, code, token, back_to: along.back_to.clone() };
        Ok(tx.commit(generated).await?)
    }

    async fn generate(
        &self,
        tx: &mut SystemTx,
        user: &User,
        purpose: Purpose,
        new_email: Option<String>,
        visit: &Visit,
    ) -> Result<Fresh, Error> {
        let own = user.email.clone().unwrap_or_default();
        let to = match purpose {
            Purpose::EmailChangeCurrent | Purpose::EmailChangeNew => {
                let new = new_email.ok_or_else(|| Error::invalid("An email change needs a new email"))?;
                let taken =
                    tx.query(sql::USER_BY_EMAIL, [(&new).into(), (&self.0.rules.audience).into()]).await?;
                if !taken.is_empty() {
                    return Err(Error::EmailExists);
                }
                // The two halves of one change are asked for one after the other.
                if user.new_email.as_ref() != Some(&new) {
                    let now = self.0.clock.now();
                    tx.execute(sql::links::DROP_EMAIL_CHANGE_TOKENS, [user.id.into()]).await?;
                    tx.execute(sql::links::ASK_EMAIL_CHANGE, [user.id.into(), (&new).into(), now.into()])
                        .await?;
                    events::record_link(tx, self, visit, LinkHappening::AddressChangeAsked { user: user.id })
                        .await?;
                }
                if purpose == Purpose::EmailChangeNew { new } else { own }
            }
            _ => own,
        };
        self.make_token(tx, user, purpose, &to, None).await
    }

    /// Asks the operator's own code about an address that has no account. `None`: it has one.
    pub(crate) async fn ask_about_new(
        &self,
        email: &str,
        data: &Map<String, Value>,
        visit: &Visit,
    ) -> Result<Option<Asked>, Error> {
        if let Some(nobody) = self.nobody_to_ask() {
            return Ok(Some(nobody));
        }
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let known = tx.query(sql::USER_BY_EMAIL, [email.into(), (&self.0.rules.audience).into()]).await?;
        let known = tx.commit(!known.is_empty()).await?.into_inner();
        if known {
            return Ok(None);
        }
        let person = NewPerson { email: Some(email), data: Some(data), ..NewPerson::default() };
        self.before_user_created(&person, visit).await.map(Some)
    }

    /// An account that waits for its owner: what the administrator says of it now counts, and the password of whoever was first
    /// at the address does not (attack row 4).
    async fn speak_for(
        &self,
        tx: &mut SystemTx,
        mut user: User,
        hash: Option<String>,
        data: Map<String, Value>,
    ) -> Result<User, Error> {
        match hash {
            Some(hash) => drop(self.set_password(tx, &mut user, hash).await?),
            // An invitation gives none, and nothing that is mailed while it waits may confirm a stranger's.
            None if user.is_doubtful() => user.password_hash = None,
            None => {}
        }
        merge(&mut user.user_metadata, data);
        require_small(&user.user_metadata)?;
        self.save(tx, &user).await
    }

    /// An account that nobody confirmed yet, made if there is none.
    async fn unconfirmed(
        &self,
        tx: &mut SystemTx,
        email: &str,
        hash: Option<String>,
        data: Map<String, Value>,
        asked: Option<Asked>,
        visit: &Visit,
    ) -> Result<User, Error> {
        let known = tx.query(sql::USER_BY_EMAIL, [email.into(), (&self.0.rules.audience).into()]).await?;
        match known.first().map(User::read).transpose()? {
            Some(user) if user.email_confirmed_at.is_some() => Err(Error::EmailExists),
            Some(user) => self.speak_for(tx, user, hash, data).await,
            None => {
                let new = NewUser {
                    id: self.0.rng.uuid(),
                    email: Some(email.to_owned()),
                    phone: None,
                    hash,
                    role: self.0.rules.default_role.clone(),
                    email_confirmed_at: None,
                    phone_confirmed_at: None,
                    app_metadata: Map::new(),
                    user_metadata: data,
                    banned_until: None,
                };
                // It was there a moment ago, when nobody had to be asked.
                let asked = asked.ok_or(HookError::TimeoutAfterRetry)?;
                self.insert_user(tx, new, asked, visit).await
            }
        }
    }
}
