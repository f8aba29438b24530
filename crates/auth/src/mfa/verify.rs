//! A factor is challenged, and its answer makes the session one of two proofs.

use base::Secret;
use jiff::Timestamp;
use pg::{Param, Reason, Reply, SystemTx};
use serde_json::Value;
use uuid::Uuid;

use super::ceremony::{self, Relying, Waiting};
use super::{Error, Factor, FactorType, Held, limits, passkeys, sql, totp};
use crate::events::{self, Happening};
use crate::post::Warning;
use crate::{Auth, Error as AuthError, Grant, Visit};

/// A challenge that waits for its answer.
pub struct Challenge {
    /// Its row.
    pub id: Uuid,
    /// The factor's kind.
    pub kind: FactorType,
    /// The second from which it is dead.
    pub expires_at: i64,
    /// What the browser is asked, for security keys: `create` or `request`, and the options.
    pub webauthn: Option<(&'static str, Value)>,
}

/// What somebody shows.
pub enum Answer {
    /// A code.
    Code(Secret<String>),
    /// What the browser made of the challenge.
    Credential(Value),
}

/// A challenge as its row has it.
pub(super) struct Asked {
    pub id: Uuid,
    pub veiled: Option<String>,
    ceremony: Option<Value>,
}

impl Auth {
    /// Begins to verify a factor of whoever asks.
    pub async fn challenge_factor(&self, factor: Uuid, visit: &Visit) -> Result<Reply<Challenge>, AuthError> {
        let user = self.session_user(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let held = self.hold_known(&mut tx, user).await?;
        let known = held.showable(factor, visit.caller.level)?;
        let challenge = match known.kind {
            FactorType::Totp => self.insert_challenge(&mut tx, known, visit, None, None).await?,
            FactorType::WebAuthn => {
                let asked = self.ask_for_key(&held, known)?;
                self.insert_challenge(&mut tx, known, visit, None, Some(asked)).await?
            }
            FactorType::Phone => self.text_challenge(&mut tx, &held.user, known, visit).await?,
        };
        let happening = Happening::FactorChallenged { user, factor };
        events::record(&mut tx, self, visit, happening).await?;
        Ok(tx.commit(challenge).await?)
    }

    pub(super) async fn insert_challenge(
        &self,
        tx: &mut SystemTx,
        factor: &Factor,
        visit: &Visit,
        text: Option<(Uuid, String)>,
        asked: Option<ceremony::Asked>,
    ) -> Result<Challenge, AuthError> {
        let kept = asked.as_ref().map(|asked| asked.waiting.keep()).transpose()?;
        let (id, veiled) = text.map_or_else(|| (self.0.rng.uuid(), None), |(id, veiled)| (id, Some(veiled)));
        let now = self.0.clock.now();
        let row: [Param; 6] =
            [id.into(), factor.id.into(), now.into(), address_of(visit).into(), veiled.into(), kept.into()];
        tx.execute(sql::INSERT_CHALLENGE, row).await?;
        let dead = self.seconds_ago(limits::CHALLENGE_SECONDS_MAX);
        let most = limits::CHALLENGES_PER_FACTOR_MAX.value.to_string();
        tx.execute(sql::DROP_CHALLENGES, [factor.id.into(), dead.into(), most.into(), id.into()]).await?;
        tx.execute(sql::TOUCH_CHALLENGED, [factor.id.into(), now.into()]).await?;
        let life = i64::try_from(limits::CHALLENGE_SECONDS_MAX.value).unwrap_or(0);
        let webauthn = asked.map(|asked| match asked.waiting {
            Waiting::Create(_) => ("create", asked.options),
            Waiting::Request(_) | Waiting::Discover(_) => ("request", asked.options),
        });
        Ok(Challenge { id, kind: factor.kind, expires_at: now.as_second() + life, webauthn })
    }

    /// What the browser is asked: for a new credential, or for the one that this factor is.
    fn ask_for_key(&self, held: &Held, factor: &Factor) -> Result<ceremony::Asked, AuthError> {
        let relying = self.relying()?;
        let keys = held.factors.iter().filter_map(|factor| passkeys::read(factor.credential.clone()));
        match passkeys::read(factor.credential.clone()) {
            None => relying.create(held.user.id, &held.account(), &keys.collect::<Vec<_>>(), false),
            Some(known) => relying.request(&[known]),
        }
    }

    fn relying(&self) -> Result<&Relying, AuthError> {
        let relying = self.0.rules.mfa.relying.as_ref();
        Ok(relying.ok_or(Error::EnrolOff(FactorType::WebAuthn))?)
    }

    /// Takes the answer to a challenge. A right one raises the session; a wrong one is counted and told.
    pub async fn verify_factor(
        &self,
        factor: Uuid,
        challenge: Uuid,
        answer: &Answer,
        visit: &Visit,
    ) -> Result<Reply<Grant>, AuthError> {
        let user = self.session_user(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let held = self.hold_known(&mut tx, user).await?;
        let known = held.showable(factor, visit.caller.level)?;
        let guesses = match answer {
            Answer::Code(_) => Some(self.may_guess(&mut tx, user).await),
            // Nobody guesses a signature, and nobody's wrong codes lock out the owner's key.
            Answer::Credential(_) => None,
        };
        let guesses = match guesses {
            None => None,
            Some(Ok(guesses)) => Some(guesses),
            Some(Err(error)) => {
                events::refused_of(self, visit, audit::Event::FactorRefused, &error, user);
                return Err(error);
            }
        };
        let asked = self.find_challenge(&mut tx, known, challenge, visit).await?;
        if let Err(error) = self.check_answer(&mut tx, known, &asked, answer).await {
            if let AuthError::Mfa(Error::WrongCode(_) | Error::Ceremony(_)) = &error {
                match &guesses {
                    Some(guesses) => self.count_guess(&mut tx, guesses).await?,
                    // A ceremony is answered once, whatever the answer.
                    None => drop(tx.execute(sql::REMOVE_CHALLENGE, [asked.id.into()]).await?),
                }
                tx.commit(()).await?.into_inner();
                self.factor_tried(user, factor, known.kind.name(), false, visit).await?;
            }
            events::refused_of(self, visit, audit::Event::FactorRefused, &error, user);
            return Err(error);
        }
        if let Some(guesses) = &guesses {
            self.forget_guesses(&mut tx, guesses).await?;
        }
        tx.execute(sql::REMOVE_CHALLENGE, [asked.id.into()]).await?;
        if self.has_hook(crate::Hook::MfaVerificationAttempt) {
            // The code is spent; whether it counts is the operator's to say, while nothing is held.
            tx.commit(()).await?.into_inner();
            self.factor_tried(user, factor, known.kind.name(), true, visit).await?;
            tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
            // What was removed meanwhile raises nobody.
            let held = self.hold_known(&mut tx, user).await?;
            held.showable(factor, visit.caller.level)?;
            return self.shown(tx, held, factor, visit).await;
        }
        self.shown(tx, held, factor, visit).await
    }

    /// A factor was shown: it is verified from now on, and so is the session.
    async fn shown(
        &self,
        mut tx: SystemTx,
        held: Held,
        factor: Uuid,
        visit: &Visit,
    ) -> Result<Reply<Grant>, AuthError> {
        let session =
            visit.caller.signed_in().and_then(|person| person.session).ok_or(AuthError::TokenRevoked)?;
        let (user, known) = (held.user.id, held.factor(factor)?);
        if !known.verified {
            tx.execute(sql::VERIFY_FACTOR, [factor.into(), self.0.clock.now().into()]).await?;
            let others = [user.into(), known.kind.name().into(), factor.into()];
            tx.execute(sql::DROP_OTHER_UNVERIFIED, others).await?;
        }
        let rows = tx.query(crate::sql::USER_BY_ID, [user.into()]).await?;
        let now = rows.first().map(crate::User::read).transpose()?.ok_or(AuthError::UserGone)?;
        let way = known.kind.way();
        let opened = self.raise_session(&mut tx, session, now, way, Some(factor), visit).await?;
        let first = !known.verified;
        if first {
            self.notify(&mut tx, &held.user, Warning::FactorEnrolled(known.kind.name()), visit).await?;
        }
        let happening = Happening::FactorVerified { user, session, factor, kind: known.kind, first };
        events::record(&mut tx, self, visit, happening).await?;
        self.commit_session(tx, opened).await
    }

    async fn find_challenge(
        &self,
        tx: &mut SystemTx,
        factor: &Factor,
        challenge: Uuid,
        visit: &Visit,
    ) -> Result<Asked, AuthError> {
        let rows = tx.query(sql::CHALLENGE, [challenge.into(), factor.id.into()]).await?;
        let row = rows.first().ok_or(Error::NoChallenge)?;
        if row.get::<Timestamp>("created_at")? <= self.seconds_ago(limits::CHALLENGE_SECONDS_MAX) {
            return Err(Error::ChallengeExpired.into());
        }
        if row.get::<std::net::IpAddr>("ip_address")?.to_string() != address_of(visit) {
            return Err(Error::OtherAddress.into());
        }
        Ok(Asked {
            id: challenge,
            veiled: row.get("otp_code")?,
            ceremony: row.get("web_authn_session_data")?,
        })
    }

    async fn check_answer(
        &self,
        tx: &mut SystemTx,
        factor: &Factor,
        asked: &Asked,
        answer: &Answer,
    ) -> Result<(), AuthError> {
        match (factor.kind, answer) {
            (FactorType::Totp, Answer::Code(code)) => self.check_totp(tx, factor, code).await,
            (FactorType::WebAuthn, Answer::Credential(shown)) => {
                self.check_key(tx, factor, asked, shown).await
            }
            (FactorType::Phone, Answer::Code(code)) => self.check_text(asked, code),
            (kind, _) => Err(Error::WrongCode(kind).into()),
        }
    }

    /// The credential that was made or shown, kept as it is now.
    async fn check_key(
        &self,
        tx: &mut SystemTx,
        factor: &Factor,
        asked: &Asked,
        shown: &Value,
    ) -> Result<(), AuthError> {
        let relying = self.relying()?;
        let waiting = asked.ceremony.as_ref().and_then(Waiting::read).ok_or(Error::NoChallenge)?;
        let known = passkeys::read(factor.credential.clone());
        let key = match (waiting, known) {
            (Waiting::Create(state), None) => relying.created(&state, shown)?,
            (Waiting::Request(state), Some(known)) => relying.requested(&state, &[known], shown)?,
            (Waiting::Create(_) | Waiting::Request(_) | Waiting::Discover(_), _) => {
                return Err(Error::Ceremony("it is another ceremony").into());
            }
        };
        let kept = serde_json::to_value(&key).map_err(|_| Error::Ceremony("it cannot be written"))?;
        let row = [factor.id.into(), kept.into(), self.0.clock.now().into()];
        tx.execute(sql::SET_FACTOR_CREDENTIAL, row).await?;
        Ok(())
    }

    /// A code of a step that was not taken before.
    pub(super) async fn check_totp(
        &self,
        tx: &mut SystemTx,
        factor: &Factor,
        code: &Secret<String>,
    ) -> Result<(), AuthError> {
        let wrong = || AuthError::from(Error::WrongCode(FactorType::Totp));
        let secret = factor.secret(&self.0.root)?;
        let now = self.0.clock.now();
        let step = totp::step_of(secret.expose(), code.expose(), now.as_second()).ok_or_else(wrong)?;
        let taken = tx.execute(sql::TAKE_STEP, [factor.id.into(), step.into(), now.into()]).await?;
        if taken == 0 { Err(wrong()) } else { Ok(()) }
    }
}

/// Where somebody asks from; a fixed word when that is not known.
pub(super) fn address_of(visit: &Visit) -> String {
    visit.caller.address.map_or_else(|| "0.0.0.0".to_owned(), |address| address.to_string())
}
