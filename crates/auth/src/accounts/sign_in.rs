//! Signing in with a password.
//!
//! Invariant: until the password is known to be right, a stranger's guess and a wrong password cost the same statements,
//! the same hashes and the same counts, and are answered with the same words.

use audit::Event;
use base::Secret;
use pg::{Pg, Reason, Reply, Rows, Statement};
use seal::{Verdict, Work};
use uuid::Uuid;

use super::{read_email, read_phone};
use crate::events::{self, LinkHappening};
use crate::lockout::Taken;
use crate::session::{Grant, Opening, Way};
use crate::user::User;
use crate::{Auth, Error, Visit, sql};

/// What somebody calls themselves.
#[derive(Clone, Copy)]
enum Name<'a> {
    Email(&'a str),
    Phone(&'a str),
}

/// Whoever a statement finds, and what a password costs here: whoever was imported must not tell it by the time theirs takes.
pub(super) async fn found_and_work(pg: &Pg, find: Statement) -> Result<(Rows, Work), Error> {
    let mut tx = pg.begin_system(Reason::Identify).await?;
    let mut answers = tx.run_all(vec![find, Statement::new(sql::FOREIGN_HASHES, [])]).await?.into_iter();
    tx.commit(()).await?.into_inner();
    let (found, makes) = (answers.next().unwrap_or_default(), answers.next().unwrap_or_default());
    let makes = makes.iter().map(|row| row.get("make")).collect::<Result<Vec<String>, _>>()?;
    Ok((found, Work::of(makes.iter().map(String::as_str))))
}

impl<'a> Name<'a> {
    fn text(self) -> &'a str {
        match self {
            Name::Email(text) | Name::Phone(text) => text,
        }
    }
}

impl Auth {
    /// Signs in with an address and a password.
    pub async fn sign_in(
        &self,
        email: &str,
        password: &Secret<String>,
        visit: &Visit,
    ) -> Result<Reply<Grant>, Error> {
        if !self.0.rules.email {
            return Err(Error::disabled("email_provider_disabled", "Email logins are disabled"));
        }
        self.sign_in_as(Name::Email(email), password, visit).await
    }

    /// Signs in with a telephone number and a password.
    pub async fn sign_in_by_phone(
        &self,
        phone: &str,
        password: &Secret<String>,
        visit: &Visit,
    ) -> Result<Reply<Grant>, Error> {
        let rules = &self.0.rules;
        if !(rules.phone && (rules.phone_autoconfirm || self.takes_texts())) {
            return Err(Error::disabled("phone_provider_disabled", "Phone logins are disabled"));
        }
        self.sign_in_as(Name::Phone(phone), password, visit).await
    }

    async fn sign_in_as(
        &self,
        name: Name<'_>,
        password: &Secret<String>,
        visit: &Visit,
    ) -> Result<Reply<Grant>, Error> {
        let account = name.text();
        let taken = self.take_try(account, visit).await?;
        let signed_in = self.try_sign_in(name, password, visit, &taken).await;
        match &signed_in {
            Ok(_) => {}
            Err(error) => {
                events::refused(self, visit, Event::LoginFailed, error, account);
                match error {
                    Error::InvalidCredentials | Error::RejectedPassword(_) => {
                        self.was_wrong(&taken, account, visit).await
                    }
                    // The password was right, or nobody could say: neither is a guess.
                    _ => self.was_not_tried(&taken).await,
                }
            }
        }
        signed_in
    }

    async fn try_sign_in(
        &self,
        name: Name<'_>,
        password: &Secret<String>,
        visit: &Visit,
        taken: &Taken,
    ) -> Result<Reply<Grant>, Error> {
        // What cannot be an address or number is looked up all the same, as nobody.
        let (by, account) = match name {
            Name::Email(email) => (sql::TRIED_BY_EMAIL, read_email(email).unwrap_or_default()),
            Name::Phone(phone) => (sql::TRIED_BY_PHONE, read_phone(phone).unwrap_or_default()),
        };
        let find = Statement::new(by, [(&account).into(), (&self.0.rules.audience).into()]);
        let (rows, work) = found_and_work(&self.0.pg, find).await?;
        let row = rows.first();
        let user = row.as_ref().map(|row| row.get::<Option<Uuid>>("id")).transpose()?.flatten();
        let stored =
            row.as_ref().map(|row| row.get::<Option<String>>("encrypted_password")).transpose()?.flatten();
        let named = if account.is_empty() { name.text() } else { &account };
        let verdict = match self.0.hasher.verify_alike(password, stored.as_deref(), named, &work).await {
            Err(seal::Error::PasswordTooLong) => Verdict::Wrong,
            other => other?,
        };
        let invented = self.invented_id(&account);
        let named = user.unwrap_or(invented);
        match (self.password_tried(named, verdict.is_right(), visit).await, verdict.is_right()) {
            (Ok(()), _) => {}
            (Err(refused @ Error::RejectedPassword(_)), _) | (Err(refused), true) => return Err(refused),
            // A hook that fails over a wrong password says nothing about whose it was.
            (Err(_), false) => return Err(Error::InvalidCredentials),
        }
        let (Some(user), Some(stored)) = (user, stored) else { return Err(Error::InvalidCredentials) };
        if !verdict.is_right() {
            return Err(Error::InvalidCredentials);
        }
        self.enter(user, name, password, (stored, verdict), visit, taken).await
    }

    /// Begins the session of somebody whose password was right, if they may have one.
    async fn enter(
        &self,
        user: Uuid,
        name: Name<'_>,
        password: &Secret<String>,
        (stored, verdict): (String, Verdict),
        visit: &Visit,
        taken: &Taken,
    ) -> Result<Reply<Grant>, Error> {
        let renewed = match verdict {
            Verdict::RightButOld => Some(self.0.hasher.hash(password).await?),
            Verdict::Right | Verdict::Wrong => None,
        };
        let known_to_thieves = self.is_known_to_thieves(password).await;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let now = self.0.clock.now();
        let rows = tx.query(sql::USER_BY_ID, [user.into()]).await?;
        let user = rows.first().map(User::read).transpose()?;
        let user = user.filter(|user| user.deleted_at.is_none()).ok_or(Error::InvalidCredentials)?;
        if user.is_banned(now) {
            return Err(Error::Banned);
        }
        match name {
            Name::Email(_) if user.email_confirmed_at.is_none() => return Err(Error::EmailNotConfirmed),
            Name::Phone(_) if user.phone_confirmed_at.is_none() => return Err(Error::PhoneNotConfirmed),
            Name::Email(_) | Name::Phone(_) => {}
        }
        let touched = [user.id.into(), now.into(), (&stored).into(), renewed.as_ref().into()];
        if tx.execute(sql::TOUCH_SIGN_IN, touched).await? == 0 {
            return Err(Error::InvalidCredentials);
        }
        if renewed.is_some() {
            events::record_link(&mut tx, self, visit, LinkHappening::PasswordRehashed { user: user.id })
                .await?;
        }
        let hashes = (stored.as_str(), renewed.as_deref().unwrap_or(&stored));
        let owes = self.note_sign_in_password(&mut tx, &user, known_to_thieves, hashes).await?;
        let opening = match name {
            Name::Email(_) => Opening { owes, ..Opening::by(Way::Password) },
            Name::Phone(_) => Opening { owes, ..Opening::through(Way::Password, "phone") },
        };
        let mut opened = self.open_session(&mut tx, user, opening, visit).await?;
        opened.weak_password = self.weakness(password, owes.is_some());
        let reply = self.commit_session(tx, opened).await?;
        self.was_right(taken).await;
        Ok(reply)
    }

    /// What to tell somebody who signed in with a password that would not be taken any more.
    fn weakness(&self, password: &Secret<String>, expired: bool) -> Option<(String, Vec<&'static str>)> {
        match (self.0.rules.password.require(password.expose()), expired) {
            (_, true) => {
                let message = "Your password has expired: choose another one before anything else";
                Some((message.to_owned(), vec!["expired"]))
            }
            (Err(Error::WeakPassword { message, reasons }), false) => Some((message, reasons)),
            (Ok(()) | Err(_), false) => None,
        }
    }
}
