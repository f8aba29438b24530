//! What people do with their own account: sign in, look, change. How they make it is [`sign_up`].
//!
//! Invariant: whether an account exists costs nothing and tells nothing: the same statements, the same hashes and the
//! same words for a stranger's guess and a wrong password (control 126, attack row 19).

mod anonymous;
mod email;
mod phone;
mod sign_in;
mod sign_up;

pub(crate) use email::read_email;
pub(crate) use phone::read_phone;
pub use sign_up::{SignUp, SignedUp};

use base::Secret;
use jiff::Timestamp;
use pg::{Param, Reason, Reply, SystemTx};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::events::{self, ChosenFor, Happening, LinkHappening};
use crate::hooks::Asked;
use crate::links::Along;
use crate::post::Warning;
use crate::session::ids;
use crate::user::User;
use crate::{Auth, Error, Visit, limits, mfa, sql};

/// What a person wants changed.
#[derive(Default)]
pub struct UserChange {
    /// Another address.
    pub email: Option<String>,
    /// Another number.
    pub phone: Option<String>,
    /// Another password.
    pub password: Option<Secret<String>>,
    /// A code that proves they are there, if they gave one.
    pub nonce: Option<Secret<String>>,
    /// Where the confirmation of another address leads.
    pub along: Option<Along>,
    /// Whether another number is reached through WhatsApp.
    pub whatsapp: bool,
    /// The one in force, if they gave it.
    pub current_password: Option<Secret<String>>,
    /// Merged into what they said about themselves; null removes.
    pub data: Option<Map<String, Value>>,
}

impl Auth {
    /// The account of a signed-in person.
    pub async fn own_user(&self, id: Uuid) -> Result<Reply<User>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let rows = tx.query(sql::USER_BY_ID, [id.into()]).await?;
        let user = rows.first().map(User::read).transpose()?;
        let user = user.filter(|user| user.deleted_at.is_none()).ok_or(Error::UserGone)?;
        if user.is_banned(self.0.clock.now()) {
            return Err(Error::Banned);
        }
        Ok(tx.commit(user).await?)
    }

    /// Changes the account of a signed-in person. A new password ends every other session.
    pub async fn change_own(
        &self,
        id: Uuid,
        change: UserChange,
        visit: &Visit,
    ) -> Result<Reply<User>, Error> {
        let changed = self.try_change_own(id, change, visit).await;
        events::note_choice(self, visit, &changed, ChosenFor::User(id));
        changed
    }

    async fn try_change_own(
        &self,
        id: Uuid,
        change: UserChange,
        visit: &Visit,
    ) -> Result<Reply<User>, Error> {
        let user = self.own_user(id).await?.into_inner();
        let email = self.check_own_change(&user, &change, visit)?;
        if change.password.is_some() || email.is_some() || change.phone.is_some() {
            let current = change.current_password.as_ref();
            match (self.require_step_up_or_password(&user, current, visit).await, &change.nonce) {
                // A code that was just sent is a proof too; it is spent with the change.
                (Err(Error::Mfa(mfa::Error::ReauthenticationNeeded)), Some(_)) => {}
                (answer, _) => answer?,
            }
        }
        let hash = match &change.password {
            Some(password) => {
                self.require_password(password).await?;
                Some(self.new_password(&user, password, change.current_password.as_ref(), visit).await?)
            }
            None => None,
        };
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let locked = tx.query(sql::USER_BY_ID_LOCKED, [id.into()]).await?;
        let mut user = locked.first().map(User::read).transpose()?.ok_or(Error::UserGone)?;
        if let Some(nonce) = &change.nonce {
            self.take_nonce(&mut tx, &user, nonce).await?;
        }
        let mut fields = Vec::new();
        let mut ended = Vec::new();
        if let Some(data) = change.data {
            merge(&mut user.user_metadata, data);
            require_small(&user.user_metadata)?;
            fields.push("user_metadata".to_owned());
        }
        let mut lifted = false;
        if let Some(hash) = hash {
            lifted = self.set_password(&mut tx, &mut user, hash).await?;
            let session = visit.caller.signed_in().and_then(|person| person.session);
            ended = ids(&tx.query(sql::END_OTHER_SESSIONS, [id.into(), session.into()]).await?)?;
            self.drop_pending(&mut tx, id, None).await?;
            let happening = LinkHappening::PasswordChanged { user: id, sessions_ended: ended.len() };
            events::record_link(&mut tx, self, visit, happening).await?;
            self.notify(&mut tx, &user, Warning::PasswordChanged, visit).await?;
        }
        let along = change.along.unwrap_or_else(|| self.along_to_site());
        match email {
            Some(email) if self.0.rules.autoconfirm => {
                self.move_at_once(&mut tx, &user, &email, visit).await?;
                self.move_to(&mut tx, &mut user, email).await?;
                self.drop_pending(&mut tx, id, None).await?;
                events::record_link(&mut tx, self, visit, LinkHappening::AddressChanged { user: id }).await?;
            }
            Some(email) => self.ask_email_change(&mut tx, &mut user, email, &along, visit).await?,
            None => {}
        }
        if let Some(phone) = change.phone.as_deref().map(read_phone).transpose()?
            && user.phone.as_ref() != Some(&phone)
        {
            self.ask_phone_change(&mut tx, &mut user, phone, &along, change.whatsapp, visit).await?;
        }
        if !fields.is_empty() {
            events::record(&mut tx, self, visit, Happening::UserUpdated { user: id, fields }).await?;
        }
        let user = self.save(&mut tx, &user).await?;
        let changed = self.commit_ended(tx, ended, user).await?;
        if lifted {
            // Their next request may be here before the notification that tells it to every node.
            self.forget_tokens();
        }
        Ok(changed)
    }

    fn check_own_change(
        &self,
        user: &User,
        change: &UserChange,
        visit: &Visit,
    ) -> Result<Option<String>, Error> {
        if let Some(password) = &change.password {
            // What costs nothing first; the lists come with the hash.
            self.0.rules.password.require(password.expose())?;
        }
        if change.password.is_some() && user.is_anonymous && user.email.is_none() && user.phone.is_none() {
            return Err(Error::AnonymousPassword);
        }
        let email = change.email.as_deref().map(read_email).transpose()?;
        let email = email.filter(|email| user.email.as_deref() != Some(email));
        let sensitive = change.password.is_some() || email.is_some() || change.phone.is_some();
        if sensitive && user.is_sso_user {
            let why = "Updating email, phone or password of an SSO account is only possible at its identity provider";
            return Err(Error::disabled("user_sso_managed", why));
        }
        if sensitive && user.has_factor() && visit.caller.level < base::Level::Aal2 {
            return Err(Error::InsufficientLevel);
        }
        if change.phone.is_some() {
            self.require_texts("Phone signups are disabled")?;
        }
        if email.is_some() && !self.0.rules.autoconfirm && !self.0.rules.can_mail {
            return Err(Error::disabled(
                "email_provider_disabled",
                "Email changes are disabled: this server cannot send mail to confirm an address",
            ));
        }
        Ok(email)
    }

    /// The hash of a new password, after the old one was proven where it was given or must be.
    async fn new_password(
        &self,
        user: &User,
        password: &Secret<String>,
        current: Option<&Secret<String>>,
        visit: &Visit,
    ) -> Result<String, Error> {
        let stored = user.password_hash.as_deref();
        match current {
            Some(current) if stored.is_some() => self.require_current(user, current, visit).await?,
            None if stored.is_some() && self.0.rules.current_password && !came_by_code(visit) => {
                return Err(Error::CurrentPasswordMissing);
            }
            Some(_) | None => {}
        }
        if self.0.hasher.verify(password, stored).await?.is_right() {
            return Err(Error::SamePassword);
        }
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        self.require_unused(&mut tx, user, password).await?;
        tx.commit(()).await?.into_inner();
        Ok(self.0.hasher.hash(password).await?)
    }

    /// Whoever holds a session may not guess the password with it: these tries are the account's too.
    async fn require_current(
        &self,
        user: &User,
        current: &Secret<String>,
        visit: &Visit,
    ) -> Result<(), Error> {
        let account = user.email.as_deref().unwrap_or(user.phone_or_empty());
        let taken = self.take_try(account, visit).await?;
        match self.0.hasher.verify(current, user.password_hash.as_deref()).await {
            Ok(verdict) if verdict.is_right() => {
                self.was_right(&taken).await;
                Ok(())
            }
            Ok(_) | Err(seal::Error::PasswordTooLong) => {
                self.was_wrong(&taken, account, visit).await;
                Err(Error::CurrentPassword)
            }
            Err(other) => {
                self.was_not_tried(&taken).await;
                Err(other.into())
            }
        }
    }

    /// Gives an account another confirmed address.
    pub(crate) async fn move_to(
        &self,
        tx: &mut SystemTx,
        user: &mut User,
        email: String,
    ) -> Result<(), Error> {
        let taken = tx.query(sql::USER_BY_EMAIL, [(&email).into(), (&self.0.rules.audience).into()]).await?;
        if !taken.is_empty() {
            return Err(Error::EmailExists);
        }
        let now = self.0.clock.now();
        tx.execute(sql::UPDATE_IDENTITY_EMAIL, [user.id.into(), (&email).into(), now.into(), true.into()])
            .await?;
        user.email = Some(email);
        user.email_confirmed_at = Some(user.email_confirmed_at.unwrap_or(now));
        Ok(())
    }

    /// Writes an account back and reads it again, with what triggers made of it.
    pub(crate) async fn save(&self, tx: &mut SystemTx, user: &User) -> Result<User, Error> {
        let object = |fields: &Map<String, Value>| Value::Object(fields.clone());
        let row: [Param; 11] = [
            user.id.into(),
            user.email.as_ref().into(),
            user.phone.as_ref().into(),
            user.password_hash.as_ref().into(),
            object(&user.app_metadata).into(),
            object(&user.user_metadata).into(),
            (&user.role).into(),
            user.banned_until.into(),
            user.email_confirmed_at.into(),
            user.phone_confirmed_at.into(),
            self.0.clock.now().into(),
        ];
        tx.execute(sql::UPDATE_USER, row).await.map_err(not_moved)?;
        let rows = tx.query(sql::USER_BY_ID, [user.id.into()]).await?;
        rows.first().map(User::read).transpose()?.ok_or(Error::UserGone)
    }

    /// Inserts an account with its identity and reads it back.
    pub(crate) async fn insert_user(
        &self,
        tx: &mut SystemTx,
        new: NewUser,
        _asked: Asked,
        visit: &Visit,
    ) -> Result<User, Error> {
        let now = self.0.clock.now();
        let subject = new.id.to_string();
        let names = (new.email.as_deref(), new.phone.as_deref());
        let proven = (new.email_confirmed_at.is_some(), new.phone_confirmed_at.is_some());
        let known = said_of(new.id, names, proven, new.user_metadata.clone());
        let mut said = new.user_metadata;
        if let Some(email) = &new.email {
            said.insert("sub".into(), subject.as_str().into());
            said.insert("email".into(), email.as_str().into());
            said.insert("email_verified".into(), new.email_confirmed_at.is_some().into());
            said.insert("phone_verified".into(), new.phone_confirmed_at.is_some().into());
        }
        let said = Value::Object(said);
        let row: [Param; 12] = [
            new.id.into(),
            (&self.0.rules.audience).into(),
            new.role.into(),
            new.email.as_ref().into(),
            new.phone.as_ref().into(),
            new.hash.as_ref().into(),
            new.email_confirmed_at.into(),
            new.phone_confirmed_at.into(),
            Value::Object(email_provider(new.app_metadata)).into(),
            (&said).into(),
            new.banned_until.into(),
            now.into(),
        ];
        tx.execute(sql::INSERT_USER, row).await.map_err(|error| match error.database() {
            Some(refused) if refused.constraint.as_deref() == Some("users_email_partial_key") => {
                Error::UserExists
            }
            Some(refused) if refused.constraint.as_deref() == Some("users_phone_key") => Error::PhoneExists,
            _ => trigger(error, "saving new user"),
        })?;
        if let Some(hash) = &new.hash {
            self.note_password(tx, new.id, hash).await?;
        }
        let provider = if new.email.is_some() { "email" } else { "phone" };
        let identity: [Param; 6] = [
            self.0.rng.uuid().into(),
            subject.into(),
            new.id.into(),
            Value::Object(known).into(),
            provider.into(),
            now.into(),
        ];
        tx.execute(sql::INSERT_IDENTITY, identity).await?;
        self.tell_of_account(tx, new.id, visit).await?;
        let rows = tx.query(sql::USER_BY_ID, [new.id.into()]).await?;
        rows.first().map(User::read).transpose()?.ok_or(Error::UserGone)
    }
}

/// Whoever came by a code or link cannot be asked for a password they forgot.
fn came_by_code(visit: &Visit) -> bool {
    visit
        .caller
        .methods
        .iter()
        .any(|method| ["otp", "magiclink", "recovery", "invite"].contains(&&*method.name))
}

/// An account to insert.
pub(crate) struct NewUser {
    pub id: Uuid,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub hash: Option<String>,
    pub role: String,
    pub email_confirmed_at: Option<Timestamp>,
    pub phone_confirmed_at: Option<Timestamp>,
    pub app_metadata: Map<String, Value>,
    pub user_metadata: Map<String, Value>,
    pub banned_until: Option<Timestamp>,
}

/// An account could not be given its address or number: somebody was first at it since it was looked up, or a trigger refused.
pub(crate) fn not_moved(source: pg::Error) -> Error {
    match source.database().and_then(|refused| refused.constraint.as_deref()) {
        Some("users_email_partial_key") => Error::EmailExists,
        Some("users_phone_key") => Error::PhoneExists,
        _ => trigger(source, "updating user"),
    }
}

/// A user's trigger or constraint refused; anything else is passed on as it is.
pub(crate) fn trigger(source: pg::Error, doing: &'static str) -> Error {
    match source.database() {
        Some(_) => Error::Trigger { doing, source },
        None => Error::Database(source),
    }
}

/// `provider` and `providers`, which clients read, unless they are there.
fn email_provider(mut fields: Map<String, Value>) -> Map<String, Value> {
    fields.entry("provider").or_insert_with(|| "email".into());
    fields.entry("providers").or_insert_with(|| json!(["email"]));
    fields
}

/// What an account's own identity says: what its person said, below what we know. Nobody names an address there that is not
/// the account's, or says that it is proven.
fn said_of(
    id: Uuid,
    (email, phone): (Option<&str>, Option<&str>),
    (email_proven, phone_proven): (bool, bool),
    mut said: Map<String, Value>,
) -> Map<String, Value> {
    let known = [
        ("sub", Some(json!(id))),
        ("email", email.map(|email| json!(email))),
        ("phone", phone.map(|phone| json!(phone))),
        ("email_verified", Some(json!(email_proven))),
        ("phone_verified", Some(json!(phone_proven))),
    ];
    for (name, value) in known {
        match value {
            Some(value) => drop(said.insert(name.to_owned(), value)),
            None => drop(said.shift_remove(name)),
        }
    }
    said
}

/// Key by key; null removes.
pub(crate) fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (name, value) in from {
        match value {
            Value::Null => drop(into.shift_remove(&name)),
            value => drop(into.insert(name, value)),
        }
    }
}

/// Metadata travels in every token. PostgreSQL's jsonb has no NUL.
pub(crate) fn require_small(fields: &Map<String, Value>) -> Result<(), Error> {
    let text = Value::Object(fields.clone()).to_string();
    if text.len() > limits::METADATA_BYTES_MAX.size() {
        return Err(Error::invalid(format!(
            "Metadata cannot be larger than {} bytes",
            limits::METADATA_BYTES_MAX.value
        )));
    }
    if text.contains("\\u0000") {
        return Err(Error::invalid("Metadata cannot contain NUL characters"));
    }
    Ok(())
}
