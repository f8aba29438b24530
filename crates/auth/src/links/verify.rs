//! Spending a link or code, and what follows from it.
//!
//! Invariant: whoever proves an address for the first time gets the account as if it were new: what somebody else set up
//! under that address before is gone (attack row 4). A sign-up's own confirmation alone keeps the password it came with.

use audit::Event;
use base::Secret;
use pg::{Reason, Reply, SystemTx};
use uuid::Uuid;

use super::token::{Purpose, Taken};
use crate::accounts::{read_email, read_phone};
use crate::events::{self, LinkHappening};
use crate::reclaim::ProvenBy;
use crate::session::{Grant, Opening, Way};
use crate::user::User;
use crate::{Auth, Error, Visit, sql};

/// What was shown.
pub enum Shown {
    /// The token of a link.
    Token(Secret<String>),
    /// A code, and the address it was sent to.
    MailedCode {
        /// To whom.
        email: String,
        /// What.
        code: Secret<String>,
    },
    /// A code, and the number it was sent to.
    TextedCode {
        /// To whom.
        phone: String,
        /// What.
        code: Secret<String>,
    },
}

/// What comes of it.
pub enum Verified {
    /// A session.
    SignedIn(Box<Grant>, Purpose),
    /// A code for the client that began the flow.
    Code(Secret<String>),
    /// One address agreed; the other one is asked still.
    Halfway {
        /// Whether a client waits for a code.
        of_flow: bool,
    },
}

/// What a spent token did.
pub(super) enum Accepted {
    Proven(Box<User>, Vec<Uuid>),
    Halfway,
}

/// Which tokens fit the type a client names. A client that knows a new account from an old one names `signup` or
/// `magiclink`; one that does not names `email`. What was sent decides what happens.
fn fitting(kind: &str) -> Result<&'static [Purpose], Error> {
    const MAILED: &[Purpose] = &[Purpose::Signup, Purpose::Invite, Purpose::MagicLink, Purpose::Recovery];
    match kind {
        "signup" | "invite" | "magiclink" | "email" => Ok(MAILED),
        // Whoever recovers an account throws out what is in it: a sign-up's own code would keep its password.
        "recovery" => Ok(&[Purpose::Recovery, Purpose::MagicLink]),
        "email_change" => Ok(&[Purpose::EmailChangeNew, Purpose::EmailChangeCurrent]),
        "sms" => Ok(&[Purpose::Sms, Purpose::SmsSignup]),
        "phone_change" => Ok(&[Purpose::PhoneChange]),
        "" => Err(Error::invalid("Verify requires a verification type")),
        _ => Err(Error::invalid("Invalid email verification type")),
    }
}

impl Auth {
    /// Spends what was shown. With `redirecting`, a client that began a flow is given a code instead of a session.
    pub async fn verify(
        &self,
        kind: &str,
        shown: Shown,
        redirecting: bool,
        visit: &Visit,
    ) -> Result<Reply<Verified>, Error> {
        let verified = self.try_verify(kind, &shown, redirecting, visit).await;
        if let Err(error) = &verified {
            let account = match &shown {
                Shown::Token(_) => "",
                Shown::MailedCode { email, .. } => email,
                Shown::TextedCode { phone, .. } => phone,
            };
            events::refused(self, visit, Event::CodeRefused, error, account);
        }
        verified
    }

    async fn try_verify(
        &self,
        kind: &str,
        shown: &Shown,
        redirecting: bool,
        visit: &Visit,
    ) -> Result<Reply<Verified>, Error> {
        let purposes = fitting(kind)?;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let taken = match shown {
            Shown::Token(token) => self.take_link(&mut tx, token, purposes).await?,
            Shown::MailedCode { email, code } => {
                let email = read_email(email)
                    .map_err(|_| Error::invalid("Unable to validate email address: invalid format"))?;
                self.take_code(&mut tx, &email, code, purposes).await?
            }
            Shown::TextedCode { phone, code } => {
                self.take_code(&mut tx, &read_phone(phone)?, code, purposes).await?
            }
        };
        let users = tx.query(sql::USER_BY_ID_LOCKED, [taken.user.into()]).await?;
        let user = users.first().map(User::read).transpose()?;
        let user = user.filter(|user| user.deleted_at.is_none()).ok_or(Error::LinkInvalid)?;
        if user.is_banned(self.0.clock.now()) {
            return Err(Error::Banned);
        }
        let (user, ended) = match self.accept(&mut tx, user, &taken, visit).await? {
            Accepted::Proven(user, ended) => (user, ended),
            Accepted::Halfway => {
                let of_flow = redirecting && taken.flow.is_some();
                return Ok(tx.commit(Verified::Halfway { of_flow }).await?);
            }
        };
        if let (true, Some(flow)) = (redirecting, taken.flow) {
            let way = taken.purpose.way().name();
            let code = self.issue_code(&mut tx, flow, user.id, way).await?;
            return self.commit_ended(tx, ended, Verified::Code(code)).await;
        }
        let opening = match taken.purpose.is_text() {
            true => Opening::through(Way::Otp, "phone"),
            false => Opening::by(Way::Otp),
        };
        let mut opened = self.open_session(&mut tx, *user, opening, visit).await?;
        opened.also_ended(ended);
        let grant = self.commit_session(tx, opened).await?;
        Ok(grant.map(|grant| Verified::SignedIn(Box::new(grant), taken.purpose)))
    }

    pub(super) async fn accept(
        &self,
        tx: &mut SystemTx,
        user: User,
        taken: &Taken,
        visit: &Visit,
    ) -> Result<Accepted, Error> {
        match taken.purpose {
            Purpose::Signup | Purpose::Invite | Purpose::MagicLink | Purpose::Recovery => {
                // The account moved on since it was sent.
                if user.email.as_ref() != Some(&taken.sent_to) {
                    return Err(Error::LinkInvalid);
                }
                self.accept_mailed(tx, user, taken, visit).await
            }
            Purpose::Sms | Purpose::SmsSignup => {
                if user.phone.as_ref() != Some(&taken.sent_to) {
                    return Err(Error::LinkInvalid);
                }
                let (user, ended) = match user.confirmed_at {
                    None => {
                        let own_sign_up = taken.purpose == Purpose::SmsSignup;
                        let by = ProvenBy::Message { what: "phone", flow: taken.flow, own_sign_up };
                        self.reclaim(tx, &user, by, visit).await?
                    }
                    Some(_) => (self.confirm(tx, &user, "phone", visit).await?, Vec::new()),
                };
                Ok(Accepted::Proven(Box::new(user), ended))
            }
            Purpose::EmailChangeCurrent | Purpose::EmailChangeNew => {
                match self.agree_to_address(tx, user, taken, visit).await? {
                    Some((user, ended)) => Ok(Accepted::Proven(Box::new(user), ended)),
                    None => Ok(Accepted::Halfway),
                }
            }
            Purpose::PhoneChange => {
                let (user, ended) = self.agree_to_number(tx, user, taken, visit).await?;
                Ok(Accepted::Proven(Box::new(user), ended))
            }
            Purpose::Reauthentication => Err(Error::LinkInvalid),
        }
    }

    async fn accept_mailed(
        &self,
        tx: &mut SystemTx,
        user: User,
        taken: &Taken,
        visit: &Visit,
    ) -> Result<Accepted, Error> {
        let (user, ended) = match user.is_doubtful() {
            true => {
                let own_sign_up = taken.purpose == Purpose::Signup;
                let by = ProvenBy::Message { what: "email", flow: taken.flow, own_sign_up };
                self.reclaim(tx, &user, by, visit).await?
            }
            false => (user, Vec::new()),
        };
        if taken.purpose == Purpose::Recovery {
            // Nothing that somebody else began is finished behind the owner's back.
            self.drop_pending(tx, user.id, taken.flow).await?;
        }
        if taken.purpose == Purpose::Invite {
            events::record_link(tx, self, visit, LinkHappening::InviteAccepted { user: user.id }).await?;
        }
        let user = match user.email_confirmed_at {
            None => self.confirm(tx, &user, "email", visit).await?,
            Some(_) => user,
        };
        Ok(Accepted::Proven(Box::new(user), ended))
    }

    /// A proven address or number, written down.
    pub(crate) async fn confirm(
        &self,
        tx: &mut SystemTx,
        user: &User,
        what: &'static str,
        visit: &Visit,
    ) -> Result<User, Error> {
        let now = self.0.clock.now();
        tx.execute(sql::links::CONFIRM_USER, [user.id.into(), now.into(), what.into()]).await?;
        let mark = if what == "email" { "email_verified" } else { "phone_verified" };
        let identity = [user.id.into(), now.into(), mark.into(), what.into()];
        tx.execute(sql::links::CONFIRM_IDENTITY, identity).await?;
        events::record_link(tx, self, visit, LinkHappening::AddressConfirmed { user: user.id, what }).await?;
        let rows = tx.query(sql::USER_BY_ID, [user.id.into()]).await?;
        rows.first().map(User::read).transpose()?.ok_or(Error::LinkInvalid)
    }
}
