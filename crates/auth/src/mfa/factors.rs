//! Factors: enrolled by their owner, removed by their owner or an administrator.

use base::{Level, Secret};
use pg::{Param, Reason, Reply, SystemTx};
use uuid::Uuid;

use super::{Error, FactorType, Held, limits, require_name, seal, secret_place, sql, totp};
use crate::admin::require_reach;
use crate::events::{self, Happening};
use crate::post::Warning;
use crate::session::ids;
use crate::{Auth, Error as AuthError, Visit};

/// What somebody wants to enrol.
pub struct Enrol {
    /// What kind.
    pub kind: FactorType,
    /// What they call it; may be empty.
    pub friendly_name: String,
    /// What the authenticator app shows, if not this instance's name.
    pub issuer: Option<String>,
    /// The number of a phone.
    pub phone: Option<String>,
}

/// A factor that waits for its first code.
pub struct Enrolled {
    /// Its row.
    pub id: Uuid,
    /// What kind.
    pub kind: FactorType,
    /// What its owner calls it.
    pub friendly_name: String,
    /// What the authenticator app needs, for that kind.
    pub totp: Option<TotpSecret>,
    /// The number, for that kind.
    pub phone: Option<String>,
}

/// What an authenticator app needs, told once.
pub struct TotpSecret {
    /// An SVG.
    pub qr_code: String,
    /// Base32 without padding.
    pub secret: Secret<String>,
    /// `otpauth://…`
    pub uri: Secret<String>,
    /// The bytes, to be sealed.
    pub(crate) raw: Secret<Vec<u8>>,
}

/// What an administrator changes of a factor.
#[derive(Default)]
pub struct FactorFields {
    /// Its name.
    pub friendly_name: Option<String>,
    /// Its number.
    pub phone: Option<String>,
}

impl Auth {
    /// Enrols a factor for whoever asks. It is worth nothing until a code of it was shown.
    pub async fn enrol_factor(&self, ask: Enrol, visit: &Visit) -> Result<Reply<Enrolled>, AuthError> {
        let user = self.session_user(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let stale = self.seconds_ago(limits::UNVERIFIED_FACTOR_SECONDS_MAX);
        tx.execute(sql::DROP_STALE_FACTORS, [user.into(), stale.into()]).await?;
        let held = self.hold_known(&mut tx, user).await?;
        self.check_enrol(&held, &ask, visit)?;
        let enrolled = match ask.kind {
            FactorType::Totp => self.enrol_totp(&held, ask)?,
            FactorType::WebAuthn if self.0.rules.mfa.relying.is_some() => Enrolled {
                id: self.0.rng.uuid(),
                kind: FactorType::WebAuthn,
                friendly_name: ask.friendly_name,
                totp: None,
                phone: None,
            },
            FactorType::Phone => self.enrol_phone(&mut tx, &held, ask).await?,
            FactorType::WebAuthn => return Err(Error::EnrolOff(ask.kind).into()),
        };
        self.insert_enrolled(&mut tx, user, &enrolled).await?;
        let happening = Happening::FactorEnrolled { user, factor: enrolled.id, kind: enrolled.kind };
        events::record(&mut tx, self, visit, happening).await?;
        Ok(tx.commit(enrolled).await?)
    }

    /// Whose session this is.
    pub(crate) fn session_user(&self, visit: &Visit) -> Result<Uuid, AuthError> {
        // Neither a program that somebody let in nor an administrator in their name shows a factor of theirs.
        let is_own = visit.caller.is_themself();
        let person = visit.caller.signed_in().filter(|person| is_own && person.session.is_some());
        person.map(|person| person.user).ok_or(AuthError::TokenRevoked)
    }

    fn check_enrol(&self, held: &Held, ask: &Enrol, visit: &Visit) -> Result<(), AuthError> {
        let rules = &self.0.rules.mfa;
        let allowed = rules.enabled || visit.caller.is_administrator();
        if !allowed || !rules.methods.contains(&ask.kind) {
            return Err(Error::EnrolOff(ask.kind).into());
        }
        let name = ask.friendly_name.trim();
        require_name(name)?;
        let is_taken = |factor: &super::Factor| factor.friendly_name.as_deref() == Some(&ask.friendly_name);
        if !name.is_empty() && held.factors.iter().any(is_taken) {
            return Err(Error::NameTaken(ask.friendly_name.clone()).into());
        }
        if held.factors.len() >= limits::FACTORS_MAX.size() {
            return Err(Error::TooMany.into());
        }
        if held.has_verified() && visit.caller.level < Level::Aal2 {
            return Err(Error::EnrolLevel.into());
        }
        self.require_step_up(held, visit)
    }

    fn enrol_totp(&self, held: &Held, ask: Enrol) -> Result<Enrolled, AuthError> {
        let issuer = ask.issuer.filter(|issuer| !issuer.is_empty());
        let issuer = issuer.unwrap_or_else(|| self.0.rules.mfa.issuer.clone());
        let account = held.account();
        let told = totp_secret(totp::new_secret(&self.0.rng), &issuer, &account)?;
        Ok(Enrolled {
            id: self.0.rng.uuid(),
            kind: FactorType::Totp,
            friendly_name: ask.friendly_name,
            totp: Some(told),
            phone: None,
        })
    }

    /// Adds a factor that was shown while it was enrolled.
    pub(crate) async fn insert_verified_totp(
        &self,
        tx: &mut SystemTx,
        user: Uuid,
        factor: Uuid,
        secret: &Secret<Vec<u8>>,
        step: i64,
    ) -> Result<(), AuthError> {
        let row: [Param; 9] = [
            factor.into(),
            user.into(),
            "".into(),
            FactorType::Totp.name().into(),
            "verified".into(),
            self.0.clock.now().into(),
            seal(&self.0.root, secret.expose(), &secret_place(factor))?.into(),
            Param::NULL,
            step.into(),
        ];
        tx.execute(sql::INSERT_FACTOR, row).await?;
        Ok(())
    }

    async fn insert_enrolled(
        &self,
        tx: &mut SystemTx,
        user: Uuid,
        enrolled: &Enrolled,
    ) -> Result<(), AuthError> {
        let secret = match &enrolled.totp {
            Some(totp) => Some(seal(&self.0.root, totp.raw.expose(), &secret_place(enrolled.id))?),
            None => None,
        };
        let row: [Param; 9] = [
            enrolled.id.into(),
            user.into(),
            (&enrolled.friendly_name).into(),
            enrolled.kind.name().into(),
            "unverified".into(),
            self.0.clock.now().into(),
            secret.into(),
            enrolled.phone.as_ref().into(),
            Param::NULL,
        ];
        tx.execute(sql::INSERT_FACTOR, row).await?;
        Ok(())
    }

    /// Removes a factor of whoever asks. What rested on it has one proof again.
    pub async fn remove_factor(&self, factor: Uuid, visit: &Visit) -> Result<Reply<Uuid>, AuthError> {
        let user = self.session_user(visit)?;
        let session = visit.caller.signed_in().and_then(|person| person.session);
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let held = self.hold_known(&mut tx, user).await?;
        if held.factor(factor)?.verified {
            if visit.caller.level < Level::Aal2 {
                return Err(Error::RemoveLevel.into());
            }
            self.require_step_up(&held, visit)?;
        }
        let ended = self.drop_factor(&mut tx, &held, factor, session, visit).await?;
        self.commit_ended(tx, ended, factor).await
    }

    /// An administrator removes somebody's factor. Every session that rests on it ends.
    pub async fn admin_remove_factor(
        &self,
        user: Uuid,
        factor: Uuid,
        visit: &Visit,
    ) -> Result<Reply<serde_json::Map<String, serde_json::Value>>, AuthError> {
        self.require_admin_step_up(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let held = self.hold_for_admin(&mut tx, user).await?;
        require_reach(visit, Some(&held.user.role))?;
        held.factor(factor)?;
        let shown = held.shown(factor);
        let ended = self.drop_factor(&mut tx, &held, factor, None, visit).await?;
        self.commit_ended(tx, ended, shown).await
    }

    /// An administrator renames somebody's factor.
    pub async fn admin_change_factor(
        &self,
        user: Uuid,
        factor: Uuid,
        fields: FactorFields,
        visit: &Visit,
    ) -> Result<Reply<serde_json::Map<String, serde_json::Value>>, AuthError> {
        self.require_admin_step_up(visit)?;
        require_name(fields.friendly_name.as_deref().unwrap_or_default())?;
        let phone = fields.phone.as_deref().map(crate::accounts::read_phone).transpose()?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let held = self.hold_for_admin(&mut tx, user).await?;
        require_reach(visit, Some(&held.user.role))?;
        let known = held.factor(factor)?;
        if let Some(name) = &fields.friendly_name
            && held
                .factors
                .iter()
                .any(|other| other.id != factor && other.friendly_name.as_ref() == Some(name))
        {
            return Err(Error::NameTaken(name.clone()).into());
        }
        if phone.is_some() && known.kind != FactorType::Phone {
            return Err(AuthError::invalid("Only a phone factor has a phone number"));
        }
        let row = [factor.into(), self.0.clock.now().into(), fields.friendly_name.into(), phone.into()];
        tx.execute(sql::RENAME_FACTOR, row).await?;
        let changed = Happening::FactorChanged { user, factor };
        events::record(&mut tx, self, visit, changed).await?;
        let held = self.hold_for_admin(&mut tx, user).await?;
        let shown = held.shown(factor);
        Ok(tx.commit(shown).await?)
    }

    /// The operator takes every factor from somebody who lost them, by their address. Their sessions end.
    pub async fn reset_factors(&self, email: &str, visit: &Visit) -> Result<Reply<usize>, AuthError> {
        let email = crate::accounts::read_email(email)?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let known = [(&email).into(), (&self.0.rules.audience).into()];
        let rows = tx.query(crate::sql::USER_BY_EMAIL, known).await?;
        let user = rows.first().map(crate::User::read).transpose()?.ok_or(AuthError::UserNotFound)?;
        let held = self.hold_for_admin(&mut tx, user.id).await?;
        for factor in &held.factors {
            let happening = Happening::FactorRemoved { user: user.id, factor: factor.id, kind: factor.kind };
            events::record(&mut tx, self, visit, happening).await?;
        }
        remove_all(&mut tx, user.id).await?;
        let ended = ids(&tx.query(crate::sql::END_SESSIONS_OF_USER, [user.id.into()]).await?)?;
        self.commit_ended(tx, ended, held.factors.len()).await
    }

    async fn hold_for_admin(&self, tx: &mut SystemTx, user: Uuid) -> Result<Held, AuthError> {
        self.hold(tx, user).await.map_err(|error| match error {
            AuthError::UserGone => AuthError::UserNotFound,
            other => other,
        })
    }

    /// Removes a factor and what rests on it. `keep` is the session that falls back to one proof instead of ending.
    async fn drop_factor(
        &self,
        tx: &mut SystemTx,
        held: &Held,
        factor: Uuid,
        keep: Option<Uuid>,
        visit: &Visit,
    ) -> Result<Vec<Uuid>, AuthError> {
        let (user, known) = (held.user.id, held.factor(factor)?);
        let ended = ids(&tx.query(sql::END_SESSIONS_OF_FACTOR, [factor.into(), keep.into()]).await?)?;
        tx.execute(sql::LOWER_SESSIONS, [user.into(), factor.into()]).await?;
        tx.execute(sql::DROP_SECOND_METHODS, [user.into()]).await?;
        tx.execute(sql::REMOVE_FACTOR, [factor.into()]).await?;
        tx.execute(sql::DROP_LONE_RECOVERY_CODES, [user.into()]).await?;
        let happening = Happening::FactorRemoved { user, factor, kind: known.kind };
        events::record(tx, self, visit, happening).await?;
        if known.verified {
            self.notify(tx, &held.user, Warning::FactorRemoved(known.kind.name()), visit).await?;
        }
        Ok(ended)
    }
}

impl Held {
    /// A factor as clients see it.
    fn shown(&self, factor: Uuid) -> serde_json::Map<String, serde_json::Value> {
        let id = factor.to_string();
        let is_it = |fields: &&serde_json::Map<String, serde_json::Value>| {
            fields.get("id").is_some_and(|known| *known == id)
        };
        self.user.factors.iter().find(is_it).cloned().unwrap_or_default()
    }
}

/// Takes every factor, passkey and recovery code of somebody, and what they guessed.
pub(crate) async fn remove_all(tx: &mut SystemTx, user: Uuid) -> Result<(), AuthError> {
    for sql in [sql::REMOVE_FACTORS, sql::REMOVE_RECOVERY_CODES, sql::REMOVE_PASSKEYS, sql::FORGET_GUESSES] {
        tx.execute(sql, [user.into()]).await?;
    }
    Ok(())
}

/// What an authenticator app needs to know.
pub(crate) fn totp_secret(
    secret: Secret<Vec<u8>>,
    issuer: &str,
    account: &str,
) -> Result<TotpSecret, AuthError> {
    let uri = totp::uri(secret.expose(), issuer, account);
    let qr_code = totp::qr_code(uri.expose())
        .ok_or_else(|| AuthError::invalid("The issuer is too long for a QR code"))?;
    Ok(TotpSecret { qr_code, secret: totp::spelled(secret.expose()), uri, raw: secret })
}
