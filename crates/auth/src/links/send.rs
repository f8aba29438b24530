//! Asking for a link or code. The request says what is wanted and is answered; whom it reaches is found out behind it.
//!
//! Invariant: nothing about an account is looked up while somebody waits for the answer, so asking about a stranger and
//! asking about oneself are the same statements in the same time (control 126, attack row 19).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ::limits::{Budget, Window};
use audit::Event;
use base::{Caller, Secret};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jobs::{Attempt, Job, Trouble, Urgency};
use mail::Template;
use pg::{Reason, Reply, SystemTx};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::token::{Fresh, Purpose};
use crate::accounts::NewUser;
use crate::events::{self, LinkHappening};
use crate::flow::{Challenge, ChallengeMethod, NewFlow, Redirect};
use crate::hooks::{Asked, HookError, NewPerson};
use crate::post::Warning;
use crate::user::User;
use crate::{Auth, Error, Visit, sql};

/// What a request for a link brings along.
pub struct Along {
    /// Where the link leads in the end.
    pub back_to: Redirect,
    /// What the client showed, when it wants a code back instead of a session.
    pub challenge: Option<Challenge>,
    /// The language the person reads.
    pub locale: Option<String>,
}

/// What is wanted.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// A new account's address is to be confirmed, or its owner told that there is one.
    SignUp,
    /// A new account's number is to be confirmed.
    SignUpText { whatsapp: bool },
    /// A way in without a password, for a new account too if wanted.
    MagicLink { create: bool },
    /// A way back in.
    Recovery,
    /// The confirmation of a new account once more.
    ResendSignup,
    /// The confirmations of a change of address, for this account.
    EmailChange { user: Uuid },
    /// Those once more, for whoever has this address.
    ResendEmailChange,
    /// A code by telephone, for a new account too if wanted.
    Sms { create: bool, whatsapp: bool },
    /// The code for another number, for this account.
    PhoneChange { user: Uuid, whatsapp: bool },
    /// That once more, for whoever wants this number.
    ResendPhoneChange,
    /// A proof of presence, which is sent at once.
    Reauthentication,
    /// No link at all: sign-in to the account was paused.
    LockedOut,
}

impl Why {
    /// Whether it goes to a telephone.
    fn is_text(&self) -> bool {
        matches!(
            self,
            Why::SignUpText { .. } | Why::Sms { .. } | Why::PhoneChange { .. } | Why::ResendPhoneChange
        )
    }

    /// What is counted together.
    fn group(&self) -> &'static str {
        match self {
            Why::SignUp | Why::ResendSignup => "confirm",
            Why::MagicLink { .. } => "enter",
            Why::Recovery => "recover",
            Why::EmailChange { .. } | Why::ResendEmailChange => "change",
            Why::Reauthentication => "presence",
            Why::LockedOut => "lockout",
            // Whatever it says, a text costs money and rings: one number has one pause.
            Why::SignUpText { .. } | Why::Sms { .. } | Why::PhoneChange { .. } | Why::ResendPhoneChange => {
                "text"
            }
        }
    }
}

/// A link or code to be sent, sealed: an address and what somebody said about themselves are nobody else's business.
#[derive(Serialize, Deserialize)]
pub struct SendLink {
    sealed: String,
}

#[derive(Serialize, Deserialize)]
struct Wanted {
    why: Why,
    to: String,
    data: Map<String, Value>,
    back_to: String,
    challenge: Option<(String, bool)>,
    locale: Option<String>,
    from: Option<IpAddr>,
    request: String,
}

const PLACE: &str = "jobs: auth.send_link";

impl Job for SendLink {
    const NAME: &'static str = "auth.send_link";
    const WHAT: &'static str =
        "sends a link or code that somebody asked for, if there is somebody to send it to";
    const URGENCY: Urgency = Urgency::Account;
    const ATTEMPTS_MAX: u16 = 5;
    const TIME_MAX: Duration = Duration::from_secs(60);
    type Context = Auth;

    async fn run(&self, auth: &Auth, _: Attempt) -> Result<(), Trouble> {
        match auth.send_wanted(self).await {
            Err(error @ (Error::Seal(_) | Error::Trigger { .. })) => Err(Trouble::never(error)),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(()),
        }
    }

    /// Somebody waits at a screen.
    fn backoff(attempt: u16) -> Duration {
        Duration::from_secs(2 * 3_u64.saturating_pow(u32::from(attempt.min(5))))
    }
}

impl Auth {
    /// Sees to it that a link or code is sent. Says the same whoever is there.
    pub(crate) async fn ask_link(
        &self,
        why: Why,
        to: &str,
        data: Map<String, Value>,
        along: &Along,
        visit: &Visit,
    ) -> Result<Reply<()>, Error> {
        self.require_pause(&why, to).await?;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        self.enqueue_link(&mut tx, why, to, data, along, visit).await?;
        Ok(tx.commit(()).await?)
    }

    /// The same in a transaction that does more.
    pub(crate) async fn enqueue_link(
        &self,
        tx: &mut SystemTx,
        why: Why,
        to: &str,
        data: Map<String, Value>,
        along: &Along,
        visit: &Visit,
    ) -> Result<(), Error> {
        let challenge = along
            .challenge
            .as_ref()
            .map(|challenge| (challenge.text.clone(), challenge.method == ChallengeMethod::Plain));
        let wanted = Wanted {
            why,
            to: to.to_owned(),
            data,
            back_to: along.back_to.text().to_owned(),
            challenge,
            locale: along.locale.clone(),
            from: visit.caller.address,
            request: visit.request_id.to_string(),
        };
        let plain = serde_json::to_vec(&wanted).map_err(|_| Error::invalid("The request cannot be kept"))?;
        let sealed = URL_SAFE_NO_PAD.encode(self.0.root.seal(&plain, PLACE)?);
        Ok(self.0.post.jobs.enqueue(tx, &SendLink { sealed }).await?)
    }

    /// So often, for one address, whoever has it: the answer says nothing about an account.
    pub(crate) async fn require_pause(&self, why: &Why, to: &str) -> Result<(), Error> {
        let is_text = why.is_text();
        self.require_room(is_text).await?;
        let (name, length) = match is_text {
            true => ("text_pause", self.0.rules.text_pause),
            false => ("mail_pause", self.0.rules.mail_pause),
        };
        if length.is_zero() {
            return Ok(());
        }
        let budget = Budget::sliding(name, vec![Window { tries_max: 1, length }]);
        let subject = format!("{}:{to}", why.group());
        // A refused request does not make the pause longer.
        let seen = self.0.limiter.peek(&budget, &subject).await;
        let verdict = match seen.allowed && seen.remaining > 0 {
            true => self.0.limiter.hit(&budget, &subject).await,
            false => seen,
        };
        match verdict.allowed && (seen.remaining > 0) {
            true => Ok(()),
            false => Err(Error::TooSoon { is_text, wait: verdict.retry_after }),
        }
    }

    async fn send_wanted(&self, job: &SendLink) -> Result<(), Error> {
        let sealed = URL_SAFE_NO_PAD.decode(&job.sealed).unwrap_or_default();
        let plain = self.0.root.open(&sealed, PLACE)?;
        let Ok(wanted) = serde_json::from_slice::<Wanted>(plain.expose()) else {
            return Err(Error::invalid("The request cannot be read"));
        };
        let visit = Visit {
            caller: Arc::new(Caller { address: wanted.from, ..Caller::anonymous() }),
            user_agent: None,
            devices: Vec::new(),
            request_id: wanted.request.as_str().into(),
            elsewhere: false,
        };
        let along = Along {
            back_to: self.0.rules.redirects.choose([Some(wanted.back_to.as_str())]),
            challenge: wanted.challenge.as_ref().map(|(text, plain)| Challenge {
                text: text.clone(),
                method: if *plain { ChallengeMethod::Plain } else { ChallengeMethod::S256 },
            }),
            locale: wanted.locale.clone(),
        };
        let asked = match self.ask_about_addressee(&wanted, &visit).await {
            Err(refused @ Error::Hook(HookError::Refused { .. })) => {
                events::refused(self, &visit, Event::SignupRefused, &refused, &wanted.to);
                return Ok(());
            }
            other => other?,
        };
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let mut found = self.addressee(&mut tx, &wanted).await?;
        if found.is_none() && self.makes_accounts(&wanted) {
            let asked = asked.ok_or(HookError::TimeoutAfterRetry)?;
            found = Some(self.make_addressee(&mut tx, &wanted, asked, &visit).await?);
        }
        let Some(user) = found.filter(|user| !user.is_banned(self.0.clock.now()) && !user.is_sso_user) else {
            tx.roll_back().await?;
            return Ok(());
        };
        self.send_to(&mut tx, &wanted, user, &along, &visit).await?;
        tx.commit(()).await?.into_inner();
        Ok(())
    }

    /// Whether somebody who has no account gets one.
    fn makes_accounts(&self, wanted: &Wanted) -> bool {
        match wanted.why {
            Why::MagicLink { create } | Why::Sms { create, .. } => create && self.0.rules.signup,
            _ => false,
        }
    }

    /// Asks the operator's own code about an account to be. `None`: there will be none, or it is there.
    async fn ask_about_addressee(&self, wanted: &Wanted, visit: &Visit) -> Result<Option<Asked>, Error> {
        if let Some(nobody) = self.nobody_to_ask() {
            return Ok(Some(nobody));
        }
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let found = self.addressee(&mut tx, wanted).await?;
        let known = tx.commit(found.is_some()).await?.into_inner();
        if known || !self.makes_accounts(wanted) {
            return Ok(None);
        }
        let address = Some(wanted.to.as_str());
        let (email, phone) = if wanted.why.is_text() { (None, address) } else { (address, None) };
        let person = NewPerson { email, phone, data: Some(&wanted.data), ..NewPerson::default() };
        self.before_user_created(&person, visit).await.map(Some)
    }

    async fn make_addressee(
        &self,
        tx: &mut SystemTx,
        wanted: &Wanted,
        asked: Asked,
        visit: &Visit,
    ) -> Result<User, Error> {
        let is_text = wanted.why.is_text();
        let new = NewUser {
            id: self.0.rng.uuid(),
            email: (!is_text).then(|| wanted.to.clone()),
            phone: is_text.then(|| wanted.to.clone()),
            hash: None,
            role: self.0.rules.default_role.clone(),
            email_confirmed_at: None,
            phone_confirmed_at: None,
            app_metadata: Map::new(),
            user_metadata: wanted.data.clone(),
            banned_until: None,
        };
        self.insert_user(tx, new, asked, visit).await
    }

    /// Who is meant, if there is such an account.
    async fn addressee(&self, tx: &mut SystemTx, wanted: &Wanted) -> Result<Option<User>, Error> {
        let audience = &self.0.rules.audience;
        let rows = match &wanted.why {
            Why::EmailChange { user } | Why::PhoneChange { user, .. } => {
                tx.query(sql::USER_BY_ID, [(*user).into()]).await?
            }
            Why::Sms { .. } | Why::SignUpText { .. } => {
                tx.query(sql::links::USER_BY_PHONE, [(&wanted.to).into(), audience.into()]).await?
            }
            Why::ResendPhoneChange => {
                tx.query(sql::links::USER_BY_PHONE_CHANGE, [(&wanted.to).into(), audience.into()]).await?
            }
            Why::SignUp
            | Why::MagicLink { .. }
            | Why::Recovery
            | Why::ResendSignup
            | Why::ResendEmailChange
            | Why::Reauthentication
            | Why::LockedOut => tx.query(sql::USER_BY_EMAIL, [(&wanted.to).into(), audience.into()]).await?,
        };
        let found = rows.first().map(User::read).transpose()?;
        Ok(found.filter(|user| user.deleted_at.is_none()))
    }

    async fn send_to(
        &self,
        tx: &mut SystemTx,
        wanted: &Wanted,
        user: User,
        along: &Along,
        visit: &Visit,
    ) -> Result<(), Error> {
        let confirmed = user.email_confirmed_at.is_some();
        let has_password = user.password_hash.is_some();
        match wanted.why {
            Why::SignUp if confirmed => {
                let to = wanted.to.clone();
                let template = Template::AccountExists;
                self.write_to(tx, &user, &to, template, Map::new(), along.locale.as_deref(), visit).await
            }
            Why::SignUp => {
                let purpose = self.confirming(tx, &user).await?;
                self.send_link(tx, &user, purpose, along, visit).await
            }
            Why::ResendSignup if confirmed => Ok(()),
            Why::ResendSignup => {
                let purpose = self.confirming(tx, &user).await?;
                self.send_link(tx, &user, purpose, along, visit).await
            }
            // What is mailed to a new account without a password confirms it; a password that somebody set before the
            // address was proven is not believed (attack row 4).
            Why::MagicLink { .. } if !confirmed && !has_password => {
                let purpose = self.confirming(tx, &user).await?;
                self.send_link(tx, &user, purpose, along, visit).await
            }
            Why::MagicLink { .. } => self.send_link(tx, &user, Purpose::MagicLink, along, visit).await,
            Why::Recovery => self.send_link(tx, &user, Purpose::Recovery, along, visit).await,
            Why::EmailChange { .. } | Why::ResendEmailChange => {
                self.send_email_change(tx, &user, along, visit).await
            }
            Why::SignUpText { .. } if user.phone_confirmed_at.is_some() => Ok(()),
            Why::SignUpText { whatsapp } => {
                self.send_text(tx, &user, Purpose::SmsSignup, whatsapp, visit).await
            }
            Why::Sms { whatsapp, .. } => self.send_text(tx, &user, Purpose::Sms, whatsapp, visit).await,
            Why::PhoneChange { whatsapp, .. } => {
                self.send_text(tx, &user, Purpose::PhoneChange, whatsapp, visit).await
            }
            Why::Reauthentication => Ok(()),
            Why::LockedOut => self.notify(tx, &user, Warning::LockedOut, visit).await,
            Why::ResendPhoneChange => self.send_text(tx, &user, Purpose::PhoneChange, false, visit).await,
        }
    }

    /// What confirms a new account. Anybody may ask for it, and a newer confirmation ends the older one: where an invitation
    /// waits, what is mailed is another way in beside it, which keeps no password that came with a sign-up.
    async fn confirming(&self, tx: &mut SystemTx, user: &User) -> Result<Purpose, Error> {
        let row = [user.id.into(), self.0.clock.now().into()];
        match tx.query(sql::links::INVITATION_WAITS, row).await?.is_empty() {
            true => Ok(Purpose::Signup),
            false => Ok(Purpose::MagicLink),
        }
    }

    /// Mails a link and a code to the person's own address.
    pub(crate) async fn send_link(
        &self,
        tx: &mut SystemTx,
        user: &User,
        purpose: Purpose,
        along: &Along,
        visit: &Visit,
    ) -> Result<(), Error> {
        let Some(to) = user.email.clone() else { return Ok(()) };
        self.send_link_to(tx, user, &to, purpose, along, visit).await
    }

    /// The same to an address of theirs to be.
    pub(crate) async fn send_link_to(
        &self,
        tx: &mut SystemTx,
        user: &User,
        to: &str,
        purpose: Purpose,
        along: &Along,
        visit: &Visit,
    ) -> Result<(), Error> {
        let fresh = self.fresh_link(tx, user, to, purpose, along, visit).await?;
        let mut values = self.link_values(&fresh, purpose, &along.back_to);
        if let Some(new) = user.new_email.as_ref().filter(|_| purpose.link_type() == "email_change") {
            values.insert("NewEmail".to_owned(), json!(new));
        }
        self.write_to(tx, user, to, purpose.template(), values, along.locale.as_deref(), visit).await
    }

    /// A link and code for `to`, with the flow of whoever waits for it.
    pub(super) async fn fresh_link(
        &self,
        tx: &mut SystemTx,
        user: &User,
        to: &str,
        purpose: Purpose,
        along: &Along,
        visit: &Visit,
    ) -> Result<Fresh, Error> {
        self.count_sent(false).await?;
        let flow = self.flow_of(tx, user, purpose, along).await?;
        let fresh = self.make_token(tx, user, purpose, to, flow).await?;
        events::record_link(tx, self, visit, LinkHappening::LinkAsked { user: user.id, purpose }).await?;
        Ok(fresh)
    }

    async fn flow_of(
        &self,
        tx: &mut SystemTx,
        user: &User,
        purpose: Purpose,
        along: &Along,
    ) -> Result<Option<Uuid>, Error> {
        let Some(challenge) = &along.challenge else { return Ok(None) };
        let new = NewFlow {
            user: Some(user.id),
            challenge: Some(challenge),
            provider: "email",
            method: purpose.way().name(),
            back_to: Some(&along.back_to),
        };
        Ok(Some(self.begin_flow(tx, new).await?))
    }

    /// What a template says of a link.
    fn link_values(&self, fresh: &Fresh, purpose: Purpose, back_to: &Redirect) -> Map<String, Value> {
        Map::from_iter([
            ("Token".to_owned(), json!(fresh.code.expose())),
            ("TokenHash".to_owned(), json!(fresh.token.expose())),
            ("ConfirmationURL".to_owned(), json!(self.link(&fresh.token, purpose, back_to).expose())),
            ("RedirectTo".to_owned(), json!(back_to.text())),
            ("Minutes".to_owned(), json!(self.0.rules.link_seconds / 60)),
        ])
    }

    /// The address of a link: below the configured public address, whatever a request's headers say (attack row 5).
    pub(crate) fn link(
        &self,
        token: &Secret<String>,
        purpose: Purpose,
        back_to: &Redirect,
    ) -> Secret<String> {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token.expose())
            .append_pair("type", purpose.link_type())
            .append_pair("redirect_to", back_to.text())
            .finish();
        Secret::new(format!("{}?{query}", self.0.rules.verify_url))
    }
}
