//! Links and codes: what a person asks for to prove an address, and what follows when they show it.
//!
//! Asking is [`send`], spending is [`verify`], another address is [`change`], another password [`reset`], what administrators
//! do is [`admin`].

mod admin;
mod change;
mod known;
mod reset;
mod send;
mod sent;
mod text;
mod token;
mod verify;

pub use admin::{Generated, LinkWanted};
pub use reset::Reset;
pub use send::{Along, SendLink};
pub use token::Purpose;
pub use verify::{Shown, Verified};

pub(crate) use known::KnownCodes;
pub(crate) use send::Why;
pub(crate) use sent::SentMax;

use base::Secret;
use pg::{Reason, Reply, SystemTx};
use serde_json::Map;
use uuid::Uuid;

use crate::accounts::{read_email, read_phone, require_small};
use crate::events::{self, LinkHappening};
use crate::user::User;
use crate::{Auth, Error, Visit, sql};

/// What is to be sent once more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    /// The confirmation of a new account.
    Signup,
    /// Those of a change of address.
    EmailChange,
    /// A code by telephone.
    Sms,
    /// The code of a change of number.
    PhoneChange,
}

impl Auth {
    /// A link and a code that sign in; for somebody new too, if wanted and sign-up is open.
    pub async fn ask_magic_link(
        &self,
        email: &str,
        create: bool,
        data: Map<String, serde_json::Value>,
        along: &Along,
        visit: &Visit,
    ) -> Result<Reply<()>, Error> {
        if !self.0.rules.magic_links {
            return Err(Error::disabled("email_provider_disabled", "Login with magic link is disabled"));
        }
        self.require_mail("Email logins are disabled: this server cannot send mail")?;
        require_small(&data)?;
        let email = read_email(email)?;
        self.ask_link(Why::MagicLink { create }, &email, data, along, visit).await
    }

    /// A link and a code that lead back in.
    pub async fn ask_recovery(&self, email: &str, along: &Along, visit: &Visit) -> Result<Reply<()>, Error> {
        self.require_email()?;
        if !self.0.rules.can_mail {
            return Err(Error::NoMail);
        }
        let email = read_email(email)?;
        self.ask_link(Why::Recovery, &email, Map::new(), along, visit).await
    }

    /// A code by telephone.
    pub async fn ask_text(
        &self,
        phone: &str,
        create: bool,
        data: Map<String, serde_json::Value>,
        whatsapp: bool,
        along: &Along,
        visit: &Visit,
    ) -> Result<Reply<()>, Error> {
        self.require_texts("Unsupported phone provider")?;
        require_small(&data)?;
        let phone = read_phone(phone)?;
        self.ask_link(Why::Sms { create, whatsapp }, &phone, data, along, visit).await
    }

    /// Once more.
    pub async fn ask_again(
        &self,
        what: Again,
        to: &str,
        along: &Along,
        visit: &Visit,
    ) -> Result<Reply<()>, Error> {
        let why = match what {
            Again::Signup => Why::ResendSignup,
            Again::EmailChange => Why::ResendEmailChange,
            Again::Sms => Why::SignUpText { whatsapp: false },
            Again::PhoneChange => Why::ResendPhoneChange,
        };
        let to = match what {
            Again::Signup | Again::EmailChange => {
                self.require_email()?;
                if !self.0.rules.can_mail {
                    return Err(Error::NoMail);
                }
                read_email(to)?
            }
            Again::Sms | Again::PhoneChange => {
                self.require_texts("Unsupported phone provider")?;
                read_phone(to)?
            }
        };
        self.ask_link(why, &to, Map::new(), along, visit).await
    }

    /// Sends a signed-in person a code that proves they are there.
    pub async fn ask_presence(&self, id: Uuid, along: &Along, visit: &Visit) -> Result<Reply<()>, Error> {
        let user = self.own_user(id).await?.into_inner();
        let (mailed, texted) = (user.email.is_some(), user.phone.is_some());
        if !mailed && !texted {
            return Err(Error::invalid(
                "Reauthentication requires the user to have an email or a phone number",
            ));
        }
        let by_mail = mailed && self.0.rules.can_mail;
        match by_mail {
            true if user.email_confirmed_at.is_none() => {
                return Err(Error::disabled("email_not_confirmed", "Please verify your email first."));
            }
            false if texted && user.phone_confirmed_at.is_none() => {
                return Err(Error::disabled("phone_not_confirmed", "Please verify your phone first."));
            }
            false if !texted => return Err(Error::NoMail),
            _ => {}
        }
        self.require_pause(&Why::Reauthentication, &id.to_string()).await?;
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        events::record_link(&mut tx, self, visit, LinkHappening::ReauthenticationAsked { user: id }).await?;
        match by_mail {
            true => self.send_link(&mut tx, &user, Purpose::Reauthentication, along, visit).await?,
            false => self.send_text(&mut tx, &user, Purpose::Reauthentication, false, visit).await?,
        }
        Ok(tx.commit(()).await?)
    }

    /// Spends the code that [`Auth::ask_presence`] sent, in the transaction that it allows.
    pub(crate) async fn take_nonce(
        &self,
        tx: &mut SystemTx,
        user: &User,
        nonce: &Secret<String>,
    ) -> Result<(), Error> {
        self.take_own_code(tx, user, nonce, Purpose::Reauthentication).await.map(|_| ())
    }

    /// Forgets everything pending of a person, in a transaction that changes their ways in: links, codes, changes, and flows
    /// whose code waits to be exchanged, but for the one that goes on.
    pub(crate) async fn drop_pending(
        &self,
        tx: &mut SystemTx,
        user: Uuid,
        flow: Option<Uuid>,
    ) -> Result<(), Error> {
        let now = self.0.clock.now();
        tx.execute(sql::DELETE_ONE_TIME_TOKENS, [user.into()]).await?;
        tx.execute(sql::links::DROP_FLOWS, [user.into(), flow.into()]).await?;
        tx.execute(sql::links::DROP_PENDING_CHANGES, [user.into(), now.into()]).await?;
        Ok(())
    }

    /// Refuses new accounts, and ways back in, by an e-mail address where the operator wants none.
    pub(crate) fn require_email(&self) -> Result<(), Error> {
        match self.0.rules.email {
            true => Ok(()),
            false => Err(Error::EmailOff),
        }
    }

    fn require_mail(&self, otherwise: &'static str) -> Result<(), Error> {
        match self.0.rules.can_mail {
            true => Ok(()),
            false => Err(Error::disabled("email_provider_disabled", otherwise)),
        }
    }

    pub(crate) fn require_texts(&self, otherwise: &'static str) -> Result<(), Error> {
        match self.0.rules.phone && self.takes_texts() {
            true => Ok(()),
            false => Err(Error::PhoneOff(otherwise)),
        }
    }
}
