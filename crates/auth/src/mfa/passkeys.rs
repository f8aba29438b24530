//! Passkeys: a first factor that a device keeps (wire/gotrue.md 1.11).
//!
//! Signing in with one is one proof, as upstream: whoever must give two gives another.

use audit::Event;
use base::Level;
use jiff::Timestamp;
use pg::{Param, Reason, Reply, SystemTx};
use serde_json::Value;
use uuid::Uuid;
use webauthn_rs::prelude::Passkey;

use super::ceremony::{self, Asked, Relying, Waiting};
use super::{Error, Held, limits, require_name, sql};
use crate::admin::require_reach;
use crate::events::{self, Happening};
use crate::post::Warning;
use crate::session::{Opening, Way};
use crate::user::User;
use crate::{Auth, Error as AuthError, Grant, Visit};

/// A passkey as its owner sees it.
#[derive(Clone, Debug)]
pub struct PasskeyInfo {
    /// Its row.
    pub id: Uuid,
    /// What its owner calls it.
    pub friendly_name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last signed somebody in.
    pub last_used_at: Option<Timestamp>,
}

/// A ceremony that waits for the browser.
pub struct PasskeyChallenge {
    /// Its row.
    pub id: Uuid,
    /// `PublicKeyCredentialCreationOptions` or `PublicKeyCredentialRequestOptions`.
    pub options: Value,
    /// The second from which it is dead.
    pub expires_at: i64,
}

impl Auth {
    /// Whether passkeys sign in here.
    pub fn has_passkeys(&self) -> bool {
        self.relying_for_passkeys().is_ok()
    }

    /// The domain of the passkeys that sign in on a page at `origin`, if any do.
    pub fn passkeys_at(&self, origin: &str) -> Option<&str> {
        let relying = self.relying_for_passkeys().ok()?;
        relying.takes(origin).then_some(relying.id.as_str())
    }

    /// The domain of the security keys that can be shown on a page at `origin`, if any can.
    pub fn keys_at(&self, origin: &str) -> Option<&str> {
        let relying = self.0.rules.mfa.relying.as_ref()?;
        relying.takes(origin).then_some(relying.id.as_str())
    }

    fn relying_for_passkeys(&self) -> Result<&Relying, Error> {
        let rules = &self.0.rules.mfa;
        rules.relying.as_ref().filter(|_| rules.passkeys).ok_or(Error::PasskeysOff)
    }

    /// Asks the browser of whoever asks for a new passkey.
    pub async fn begin_passkey(&self, visit: &Visit) -> Result<Reply<PasskeyChallenge>, AuthError> {
        let relying = self.relying_for_passkeys()?;
        let (mut tx, held) = self.hold_for_passkeys(visit).await?;
        let known = passkeys_of(&mut tx, held.user.id).await?;
        if known.len() >= limits::PASSKEYS_MAX.size() {
            return Err(Error::TooManyPasskeys.into());
        }
        let asked = relying.create(held.user.id, &held.account(), &known, true)?;
        let challenge = self.keep_ceremony(&mut tx, Some(held.user.id), "registration", asked).await?;
        Ok(tx.commit(challenge).await?)
    }

    /// Keeps the passkey that the browser made.
    pub async fn finish_passkey(
        &self,
        challenge: Uuid,
        credential: &Value,
        visit: &Visit,
    ) -> Result<Reply<PasskeyInfo>, AuthError> {
        let relying = self.relying_for_passkeys()?;
        let (mut tx, held) = self.hold_for_passkeys(visit).await?;
        let user = held.user.id;
        let waiting = match self.take_ceremony(&mut tx, challenge, Some(user), "registration").await? {
            Ok(waiting) => waiting,
            Err(refused) => return self.refuse_ceremony(tx, refused, Some(user), visit).await,
        };
        let made = match &waiting {
            Waiting::Create(state) => relying.created(state, credential),
            Waiting::Request(_) | Waiting::Discover(_) => {
                Err(Error::Ceremony("it is another ceremony").into())
            }
        };
        let passkey = match made {
            Ok(passkey) => passkey,
            Err(AuthError::Mfa(refused)) => {
                return self.refuse_ceremony(tx, refused, Some(user), visit).await;
            }
            Err(other) => return Err(other),
        };
        if !tx.query(sql::PASSKEY_BY_CREDENTIAL, [credential_id(&passkey).into()]).await?.is_empty() {
            return self.refuse_ceremony(tx, Error::PasskeyThere, Some(user), visit).await;
        }
        let (id, now) = (self.0.rng.uuid(), self.0.clock.now());
        let kept = serde_json::to_value(&passkey).map_err(|_| Error::Ceremony("it cannot be written"))?;
        let flag = |name: &str| kept["cred"][name].as_bool().unwrap_or(false);
        let row: [Param; 10] = [
            id.into(),
            user.into(),
            credential_id(&passkey).into(),
            kept["cred"]["cred"].to_string().as_bytes().into(),
            i64::from(ceremony::counter_of(&passkey)).into(),
            flag("backup_eligible").into(),
            flag("backup_state").into(),
            PASSKEY_NAME.into(),
            now.into(),
            (&kept).into(),
        ];
        tx.execute(sql::INSERT_PASSKEY, row).await?;
        events::record(&mut tx, self, visit, spare(user, Event::FactorEnrolled, id)).await?;
        self.notify(&mut tx, &held.user, Warning::FactorEnrolled("passkey"), visit).await?;
        let info =
            PasskeyInfo { id, friendly_name: PASSKEY_NAME.to_owned(), created_at: now, last_used_at: None };
        Ok(tx.commit(info).await?)
    }

    /// The passkeys of whoever asks.
    pub async fn list_passkeys(&self, visit: &Visit) -> Result<Reply<Vec<PasskeyInfo>>, AuthError> {
        self.relying_for_passkeys()?;
        let user = self.session_user(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let held = self.hold_known(&mut tx, user).await?;
        let list = list(&mut tx, held.user.id).await?;
        Ok(tx.commit(list).await?)
    }

    /// Renames a passkey of whoever asks.
    pub async fn rename_passkey(
        &self,
        passkey: Uuid,
        name: &str,
        visit: &Visit,
    ) -> Result<Reply<PasskeyInfo>, AuthError> {
        self.relying_for_passkeys()?;
        require_name(name)?;
        let user = self.session_user(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        self.hold_known(&mut tx, user).await?;
        let row = [passkey.into(), user.into(), name.into(), self.0.clock.now().into()];
        if tx.execute(sql::RENAME_PASSKEY, row).await? == 0 {
            return Err(Error::NoPasskey.into());
        }
        let info = list(&mut tx, user).await?.into_iter().find(|info| info.id == passkey);
        Ok(tx.commit(info.ok_or(Error::NoPasskey)?).await?)
    }

    /// Removes a passkey of whoever asks.
    pub async fn remove_passkey(&self, passkey: Uuid, visit: &Visit) -> Result<Reply<()>, AuthError> {
        self.relying_for_passkeys()?;
        let (mut tx, held) = self.hold_for_passkeys(visit).await?;
        self.notify(&mut tx, &held.user, Warning::FactorRemoved("passkey"), visit).await?;
        self.drop_passkey(tx, held.user.id, passkey, visit).await
    }

    /// Somebody's passkeys, for an administrator.
    pub async fn admin_passkeys(&self, user: Uuid) -> Result<Reply<Vec<PasskeyInfo>>, AuthError> {
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        if tx.query(crate::sql::USER_BY_ID, [user.into()]).await?.is_empty() {
            return Err(AuthError::UserNotFound);
        }
        let list = list(&mut tx, user).await?;
        Ok(tx.commit(list).await?)
    }

    /// An administrator removes somebody's passkey.
    pub async fn admin_remove_passkey(
        &self,
        user: Uuid,
        passkey: Uuid,
        visit: &Visit,
    ) -> Result<Reply<()>, AuthError> {
        self.require_admin_step_up(visit)?;
        if visit.caller.scope.is_limited() {
            require_reach(visit, Some(&self.admin_get(user).await?.into_inner().role))?;
        }
        let tx = self.0.pg.begin_system(Reason::Administer).await?;
        self.drop_passkey(tx, user, passkey, visit).await
    }

    async fn drop_passkey(
        &self,
        mut tx: SystemTx,
        user: Uuid,
        passkey: Uuid,
        visit: &Visit,
    ) -> Result<Reply<()>, AuthError> {
        if tx.execute(sql::REMOVE_PASSKEY, [passkey.into(), user.into()]).await? == 0 {
            return Err(Error::NoPasskey.into());
        }
        events::record(&mut tx, self, visit, spare(user, Event::FactorRemoved, passkey)).await?;
        Ok(tx.commit(()).await?)
    }

    /// Asks any browser for whichever passkey it has for us.
    pub async fn begin_passkey_sign_in(&self) -> Result<Reply<PasskeyChallenge>, AuthError> {
        let asked = self.relying_for_passkeys()?.discover()?;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let challenge = self.keep_ceremony(&mut tx, None, "authentication", asked).await?;
        Ok(tx.commit(challenge).await?)
    }

    /// Signs in with a passkey.
    pub async fn sign_in_with_passkey(
        &self,
        challenge: Uuid,
        credential: &Value,
        visit: &Visit,
    ) -> Result<Reply<Grant>, AuthError> {
        let relying = self.relying_for_passkeys()?;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let waiting = match self.take_ceremony(&mut tx, challenge, None, "authentication").await? {
            Ok(waiting) => waiting,
            Err(refused) => return self.refuse_ceremony(tx, refused, None, visit).await,
        };
        let shown = match self.check_passkey(&mut tx, relying, waiting, credential).await {
            Ok(shown) => shown,
            Err(AuthError::Mfa(refused)) => return self.refuse_ceremony(tx, refused, None, visit).await,
            Err(other) => return Err(other),
        };
        let (row, user, passkey) = shown;
        let now = self.0.clock.now();
        let kept = serde_json::to_value(&passkey).map_err(|_| Error::Ceremony("it cannot be written"))?;
        let counter = i64::from(ceremony::counter_of(&passkey));
        tx.execute(sql::TOUCH_PASSKEY, [row.into(), now.into(), counter.into(), kept.into()]).await?;
        let confirmed = user.email_confirmed_at.or(user.phone_confirmed_at).is_some();
        if user.email.is_some() && !confirmed {
            return Err(AuthError::EmailNotConfirmed);
        }
        let opened = self.open_session(&mut tx, user, Opening::by(Way::Passkey), visit).await?;
        self.commit_session(tx, opened).await
    }

    /// Whose passkey it is, if everything about it is right.
    async fn check_passkey(
        &self,
        tx: &mut SystemTx,
        relying: &Relying,
        waiting: Waiting,
        credential: &Value,
    ) -> Result<(Uuid, User, Passkey), AuthError> {
        let Waiting::Discover(state) = waiting else {
            return Err(Error::Ceremony("it is another ceremony").into());
        };
        let answer = ceremony::shown(credential)?;
        let rows = tx.query(sql::PASSKEY_BY_CREDENTIAL, [answer.get_credential_id().into()]).await?;
        let found = rows.first().ok_or(Error::Ceremony("nobody knows the credential"))?;
        let (row, owner): (Uuid, Uuid) = (found.get("id")?, found.get("user_id")?);
        let known =
            read(found.get("credential")?).ok_or(Error::Ceremony("it was kept by another program"))?;
        if ceremony::handle(&answer).is_some_and(|handle| handle != owner) {
            return Err(Error::Ceremony("it is for somebody else").into());
        }
        let passkey = relying.discovered(state, &known, &answer)?;
        let users = tx.query(crate::sql::USER_BY_ID, [owner.into()]).await?;
        let user = users.first().map(User::read).transpose()?.filter(|user| user.deleted_at.is_none());
        Ok((row, user.ok_or(Error::Ceremony("nobody knows the credential"))?, passkey))
    }

    /// Whoever asks, for what changes their passkeys: not anonymous, not owned by an identity provider, and fresh.
    async fn hold_for_passkeys(&self, visit: &Visit) -> Result<(SystemTx, Held), AuthError> {
        let user = self.session_user(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let held = self.hold_known(&mut tx, user).await?;
        if held.user.is_sso_user {
            return Err(Error::Anonymous.into());
        }
        if held.has_verified() && visit.caller.level < Level::Aal2 {
            return Err(Error::EnrolLevel.into());
        }
        self.require_step_up(&held, visit)?;
        Ok((tx, held))
    }

    async fn keep_ceremony(
        &self,
        tx: &mut SystemTx,
        user: Option<Uuid>,
        kind: &str,
        asked: Asked,
    ) -> Result<PasskeyChallenge, AuthError> {
        let (id, now) = (self.0.rng.uuid(), self.0.clock.now());
        let life = i64::try_from(limits::CHALLENGE_SECONDS_MAX.value).unwrap_or(0);
        let until = Timestamp::from_second(now.as_second() + life).unwrap_or(now);
        let most = limits::PASSKEY_CEREMONIES_MAX.value.to_string();
        tx.execute(sql::DROP_CEREMONIES, [now.into(), most.into()]).await?;
        let row =
            [id.into(), user.into(), kind.into(), asked.waiting.keep()?.into(), now.into(), until.into()];
        tx.execute(sql::INSERT_CEREMONY, row).await?;
        let options = asked.options.get("publicKey").cloned().unwrap_or_default();
        Ok(PasskeyChallenge { id, options, expires_at: until.as_second() })
    }

    /// Takes a ceremony out of the database: whatever becomes of it, nobody takes it again.
    async fn take_ceremony(
        &self,
        tx: &mut SystemTx,
        id: Uuid,
        user: Option<Uuid>,
        kind: &str,
    ) -> Result<Result<Waiting, Error>, AuthError> {
        let rows = tx.query(sql::TAKE_CEREMONY, [id.into(), user.into(), kind.into()]).await?;
        let Some(row) = rows.first() else { return Ok(Err(Error::NoCeremony)) };
        if row.get::<Timestamp>("expires_at")? <= self.0.clock.now() {
            return Ok(Err(Error::CeremonyExpired));
        }
        Ok(Waiting::read(&row.get("session_data")?).ok_or(Error::NoCeremony))
    }

    /// A ceremony that was refused is spent all the same.
    async fn refuse_ceremony<T>(
        &self,
        tx: SystemTx,
        refused: Error,
        user: Option<Uuid>,
        visit: &Visit,
    ) -> Result<Reply<T>, AuthError> {
        tx.commit(()).await?.into_inner();
        let error = AuthError::from(refused);
        match user {
            Some(user) => events::refused_of(self, visit, Event::FactorRefused, &error, user),
            None => events::refused(self, visit, Event::LoginFailed, &error, ""),
        }
        Err(error)
    }
}

fn spare(user: Uuid, event: Event, passkey: Uuid) -> Happening<'static> {
    Happening::Spare { user, event, kind: "passkey", what: passkey.to_string() }
}

/// What a passkey is called until its owner says more.
const PASSKEY_NAME: &str = "Passkey";

fn credential_id(passkey: &Passkey) -> &[u8] {
    passkey.cred_id().as_ref()
}

pub(super) fn read(kept: Option<Value>) -> Option<Passkey> {
    serde_json::from_value(kept?).ok()
}

async fn passkeys_of(tx: &mut SystemTx, user: Uuid) -> Result<Vec<Passkey>, AuthError> {
    let rows = tx.query(sql::PASSKEYS, [user.into()]).await?;
    let kept = rows.iter().map(|row| row.get::<Option<Value>>("credential"));
    Ok(kept.collect::<Result<Vec<_>, _>>()?.into_iter().filter_map(read).collect())
}

async fn list(tx: &mut SystemTx, user: Uuid) -> Result<Vec<PasskeyInfo>, AuthError> {
    let rows = tx.query(sql::PASSKEYS, [user.into()]).await?;
    let info = |row: pg::Row<'_>| -> Result<PasskeyInfo, pg::Error> {
        Ok(PasskeyInfo {
            id: row.get("id")?,
            friendly_name: row.get("friendly_name")?,
            created_at: row.get("created_at")?,
            last_used_at: row.get("last_used_at")?,
        })
    };
    Ok(rows.iter().map(info).collect::<Result<_, _>>()?)
}
