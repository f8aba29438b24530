//! One-time tokens: a link's secret and a code, made together, kept as hash and MAC, spent together.
//!
//! Invariant: neither survives its first right use, a newer one of its type, its time, or a change of password or address;
//! and how often a code may be guessed wrong is counted for the address, whatever is sent in between (attack row 15).

use std::time::Duration;

use ::limits::{Budget, Window};
use base::Secret;
use jiff::SignedDuration;
use mail::Template;
use pg::{Param, Row, Rows, SystemTx};
use seal::{keyed_mac, random_token, same, sha256};
use uuid::Uuid;

use crate::session::Way;
use crate::user::User;
use crate::{Auth, Error, limits, sql};

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Confirms a new account.
    Signup,
    /// Accepts an invitation.
    Invite,
    /// Signs in.
    MagicLink,
    /// Signs in to choose another password.
    Recovery,
    /// Agrees to another address, at the present one.
    EmailChangeCurrent,
    /// Agrees to another address, at that one.
    EmailChangeNew,
    /// Proves presence.
    Reauthentication,
    /// Signs in by telephone.
    Sms,
    /// Confirms the number of a new account.
    SmsSignup,
    /// Agrees to another number.
    PhoneChange,
}

impl Purpose {
    pub(crate) const ALL: [Purpose; 10] = [
        Purpose::Signup,
        Purpose::Invite,
        Purpose::MagicLink,
        Purpose::Recovery,
        Purpose::EmailChangeCurrent,
        Purpose::EmailChangeNew,
        Purpose::Reauthentication,
        Purpose::Sms,
        Purpose::SmsSignup,
        Purpose::PhoneChange,
    ];

    /// As the table spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Purpose::Signup => "signup",
            Purpose::Invite => "invite",
            Purpose::MagicLink => "magiclink",
            Purpose::Recovery => "recovery",
            Purpose::EmailChangeCurrent => "email_change_current",
            Purpose::EmailChangeNew => "email_change_new",
            Purpose::Reauthentication => "reauthentication",
            Purpose::Sms => "sms",
            Purpose::SmsSignup => "sms_signup",
            Purpose::PhoneChange => "phone_change",
        }
    }

    /// As links and clients spell it.
    pub const fn link_type(self) -> &'static str {
        match self {
            Purpose::EmailChangeCurrent | Purpose::EmailChangeNew => "email_change",
            Purpose::SmsSignup => "sms",
            other => other.name(),
        }
    }

    /// Upstream's type of token: there is one of each for a person.
    pub(crate) const fn token_type(self) -> &'static str {
        match self {
            Purpose::Signup | Purpose::Invite | Purpose::Sms | Purpose::SmsSignup => "confirmation_token",
            Purpose::MagicLink | Purpose::Recovery => "recovery_token",
            Purpose::EmailChangeCurrent => "email_change_token_current",
            Purpose::EmailChangeNew => "email_change_token_new",
            Purpose::Reauthentication => "reauthentication_token",
            Purpose::PhoneChange => "phone_change_token",
        }
    }

    /// How the session of a flow that ends with it was opened.
    pub(crate) const fn way(self) -> Way {
        match self {
            Purpose::Signup => Way::EmailSignup,
            Purpose::Invite => Way::Invite,
            Purpose::MagicLink => Way::MagicLink,
            Purpose::Recovery => Way::Recovery,
            Purpose::EmailChangeCurrent | Purpose::EmailChangeNew => Way::EmailChange,
            Purpose::Reauthentication | Purpose::Sms | Purpose::SmsSignup | Purpose::PhoneChange => Way::Otp,
        }
    }

    /// The mail that carries it.
    pub(crate) const fn template(self) -> Template {
        match self {
            Purpose::Signup => Template::Confirmation,
            Purpose::Invite => Template::Invite,
            Purpose::MagicLink => Template::MagicLink,
            Purpose::Recovery => Template::Recovery,
            Purpose::EmailChangeCurrent | Purpose::EmailChangeNew => Template::EmailChange,
            Purpose::Reauthentication | Purpose::Sms | Purpose::SmsSignup | Purpose::PhoneChange => {
                Template::Reauthentication
            }
        }
    }

    /// Whether it goes to a telephone.
    pub(crate) const fn is_text(self) -> bool {
        matches!(self, Purpose::Sms | Purpose::SmsSignup | Purpose::PhoneChange)
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// A token that was just made. Both halves leave the house once, in one message.
pub(crate) struct Fresh {
    /// For the link.
    pub token: Secret<String>,
    /// For people.
    pub code: Secret<String>,
}

/// A token that was just spent.
pub(crate) struct Taken {
    pub user: Uuid,
    pub purpose: Purpose,
    /// The address or number it was sent to.
    pub sent_to: String,
    pub flow: Option<Uuid>,
}

impl Taken {
    fn read(row: Row<'_>) -> Result<Self, Error> {
        let purpose: String = row.get("purpose")?;
        Ok(Taken {
            user: row.get("user_id")?,
            purpose: Purpose::named(&purpose).ok_or(Error::LinkInvalid)?,
            sent_to: row.get("relates_to")?,
            flow: row.get("flow_state_id")?,
        })
    }
}

impl Auth {
    /// Makes a token for `user`, which ends the older ones of its type.
    pub(crate) async fn make_token(
        &self,
        tx: &mut SystemTx,
        user: &User,
        purpose: Purpose,
        to: &str,
        flow: Option<Uuid>,
    ) -> Result<Fresh, Error> {
        let (rng, now) = (&self.0.rng, self.0.clock.now());
        let id = rng.uuid();
        let token = random_token(rng);
        // Upstream marks tokens of flows so; clients carry the mark along.
        let token = match flow {
            Some(_) => Secret::new(format!("pkce_{}", token.expose())),
            None => token,
        };
        let known = self.0.rules.known_codes.of(to, now).filter(|_| purpose.is_text());
        let code = known.cloned().unwrap_or_else(|| self.make_code(purpose));
        let life = match purpose.is_text() {
            true => self.0.rules.text_seconds,
            false => self.0.rules.link_seconds,
        };
        let until = now.checked_add(SignedDuration::from_secs(life)).unwrap_or(now);
        let row: [Param; 10] = [
            id.into(),
            user.id.into(),
            purpose.token_type().into(),
            token_hash(token.expose()).into(),
            to.into(),
            now.into(),
            purpose.name().into(),
            self.code_mac(id, code.expose()).into(),
            until.into(),
            flow.into(),
        ];
        tx.execute(sql::links::PUT_TOKEN, row).await?;
        let invited = purpose == Purpose::Invite;
        let sent = [user.id.into(), now.into(), purpose.token_type().into(), invited.into()];
        tx.execute(sql::links::NOTE_SENT, sent).await?;
        Ok(Fresh { token, code })
    }

    pub(super) fn make_code(&self, purpose: Purpose) -> Secret<String> {
        let digits = match purpose.is_text() {
            true => self.0.rules.text_digits,
            false => self.0.rules.code_digits,
        };
        let code: String = (0..digits).filter_map(|_| char::from_digit(self.0.rng.below(10), 10)).collect();
        Secret::new(code)
    }

    /// Under a key that the database does not have: six digits have no other protection from whoever reads a backup.
    fn code_mac(&self, id: Uuid, code: &str) -> String {
        let key = self.0.root.derive("auth: one-time codes");
        hex::encode(keyed_mac(key.expose(), format!("{id}:{code}").as_bytes()))
    }

    /// Spends the token of a link.
    pub(crate) async fn take_link(
        &self,
        tx: &mut SystemTx,
        token: &Secret<String>,
        purposes: &[Purpose],
    ) -> Result<Taken, Error> {
        let row = [token_hash(token.expose()).into(), self.0.clock.now().into(), names(purposes).into()];
        let rows = tx.query(sql::links::TAKE_TOKEN, row).await?;
        rows.first().map(Taken::read).transpose()?.ok_or(Error::LinkInvalid)
    }

    /// Whose link it is, while it is good. Looking spends nothing.
    pub(crate) async fn look_at_link(
        &self,
        tx: &mut SystemTx,
        token: &Secret<String>,
        purposes: &[Purpose],
    ) -> Result<Option<Uuid>, Error> {
        let row = [token_hash(token.expose()).into(), self.0.clock.now().into(), names(purposes).into()];
        let rows = tx.query(sql::links::LOOK_AT_TOKEN, row).await?;
        Ok(rows.first().map(|row| row.get("user_id")).transpose()?)
    }

    /// Spends a code that was sent to an address. Whether anybody is there makes no difference before it is right.
    pub(crate) async fn take_code(
        &self,
        tx: &mut SystemTx,
        to: &str,
        code: &Secret<String>,
        purposes: &[Purpose],
    ) -> Result<Taken, Error> {
        let may_guess = self.count_code_guess(to).await;
        let row = [to.into(), self.0.clock.now().into(), names(purposes).into()];
        let rows = tx.query(sql::links::TOKENS_TO, row).await?;
        let found = self.find_code(&rows, code)?.filter(|_| may_guess).ok_or(Error::CodeInvalid)?;
        self.take_found(tx, found, to).await
    }

    /// Spends a code that was sent to this person.
    pub(crate) async fn take_own_code(
        &self,
        tx: &mut SystemTx,
        user: &User,
        code: &Secret<String>,
        purpose: Purpose,
    ) -> Result<Taken, Error> {
        let subject = user.id.to_string();
        let may_guess = self.count_code_guess(&subject).await;
        let row = [user.id.into(), self.0.clock.now().into(), purpose.name().into()];
        let rows = tx.query(sql::links::TOKEN_OF_USER, row).await?;
        let found = self.find_code(&rows, code)?.filter(|_| may_guess).ok_or(Error::Nonce)?;
        self.take_found(tx, found, &subject).await
    }

    async fn take_found(&self, tx: &mut SystemTx, id: Uuid, subject: &str) -> Result<Taken, Error> {
        let rows = tx.query(sql::links::TAKE_TOKEN_BY_ID, [id.into()]).await?;
        let taken = rows.first().map(Taken::read).transpose()?.ok_or(Error::CodeInvalid)?;
        self.0.limiter.forgive(&guesses(), subject).await;
        Ok(taken)
    }

    /// Compares with every candidate, and as often where there are fewer than can be.
    fn find_code(&self, rows: &Rows, code: &Secret<String>) -> Result<Option<Uuid>, Error> {
        let mut found = None;
        for row in rows.iter() {
            let id: Uuid = row.get("id")?;
            let stored: String = row.get("code_mac")?;
            if same(stored.as_bytes(), self.code_mac(id, code.expose()).as_bytes()) {
                found = Some(id);
            }
        }
        for _ in rows.len()..CANDIDATES {
            let nobody = self.code_mac(Uuid::nil(), code.expose());
            std::hint::black_box(same(nobody.as_bytes(), nobody.as_bytes()));
        }
        Ok(found)
    }

    /// Counts a try before it is looked at, so that tries at once are all counted.
    async fn count_code_guess(&self, subject: &str) -> bool {
        self.0.limiter.hit(&guesses(), subject).await.allowed
    }
}

/// As many codes as one address can have at a time: one of each purpose that one type of a client's means.
const CANDIDATES: usize = 4;

/// Wrong codes, for one address or person. Asking for another code resets nothing.
fn guesses() -> Budget {
    let tries_max = u32::try_from(limits::CODE_GUESSES_MAX.value).unwrap_or(u32::MAX);
    let length = Duration::from_secs(limits::CODE_GUESS_SECONDS.value);
    Budget::sliding("code_guesses", vec![Window { tries_max, length }])
}

fn token_hash(token: &str) -> String {
    hex::encode(sha256(token.as_bytes()))
}

fn names(purposes: &[Purpose]) -> Vec<String> {
    purposes.iter().map(|purpose| purpose.name().to_owned()).collect()
}
