//! What administrators do with accounts. Every change ends in the audit log with its before and after (control 97).
//!
//! Invariant: roles are set here and nowhere else (control 47), and whoever loses a right loses their sessions. A key with limits
//! makes no administrator and changes none: as one it would be past its limits with the next sign-in.

use std::time::Duration;

use base::Secret;
use base::setting::parse_duration;
use jiff::{SignedDuration, Timestamp};
use pg::{Reason, Reply, SystemTx};
use seal::{Hasher, sha256};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::accounts::{NewUser, merge, read_email, read_phone, require_small, trigger};
use crate::events::{self, ChosenFor, Happening};
use crate::hooks::NewPerson;
use crate::session::ids;
use crate::user::User;
use crate::{Auth, Error, Visit, claims, limits, sql};

/// What an administrator says about an account. `None` leaves a field as it is.
#[derive(Default)]
pub struct UserFields {
    /// A chosen id; only for new accounts.
    pub id: Option<Uuid>,
    /// The role claim.
    pub role: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// A password, which must meet the policy.
    pub password: Option<Secret<String>>,
    /// A hash made elsewhere.
    pub password_hash: Option<String>,
    /// Whether the address is confirmed.
    pub email_confirm: Option<bool>,
    /// Whether the number is confirmed.
    pub phone_confirm: Option<bool>,
    /// Merged into what the user said; null removes.
    pub user_metadata: Option<Map<String, Value>>,
    /// Merged into what we say; null removes.
    pub app_metadata: Option<Map<String, Value>>,
    /// `none`, or how long from now.
    pub ban_duration: Option<String>,
}

/// Which accounts to list.
pub struct Page {
    /// From 1.
    pub number: u64,
    /// How many.
    pub size: u64,
    /// Part of an address or name.
    pub filter: String,
    /// Oldest first.
    pub ascending: bool,
}

/// A page of accounts.
pub struct Pages {
    /// The accounts.
    pub users: Vec<User>,
    /// How many there are on all pages.
    pub total: u64,
}

/// Refuses a key with limits where an account of this role is, or is to be, an administrator's.
pub(crate) fn require_reach(visit: &Visit, role: Option<&str>) -> Result<(), Error> {
    if visit.caller.scope.is_limited() && role.is_some_and(claims::is_administrators) {
        return Err(Error::NotAdmin("A key with limits neither makes an administrator nor changes one"));
    }
    Ok(())
}

impl Auth {
    /// Makes an account. No mail is sent.
    pub async fn admin_create(&self, fields: UserFields, visit: &Visit) -> Result<Reply<User>, Error> {
        self.require_admin_step_up(visit)?;
        require_reach(visit, fields.role.as_deref())?;
        let mut tx_fields = self.check_fields(&fields)?;
        if tx_fields.email.is_none() && tx_fields.phone.is_none() {
            return Err(Error::invalid("Cannot create a user without either an email or phone"));
        }
        let id = match fields.id {
            Some(id) if id.is_nil() => return Err(Error::invalid("ID cannot be a nil uuid")),
            Some(id) => id,
            None => self.0.rng.uuid(),
        };
        let named = tx_fields.email.as_deref().or(tx_fields.phone.as_deref()).unwrap_or_default();
        let hash = match self.hash_of(&fields, ChosenFor::Account(named), visit).await? {
            Some(hash) => hash,
            // Nobody knows it: the account is entered by another way until a password is set.
            None => self.0.hasher.hash(&seal::random_token(&self.0.rng)).await?,
        };
        let now = self.0.clock.now();
        let person = NewPerson {
            id: Some(id),
            email: tx_fields.email.as_deref(),
            phone: tx_fields.phone.as_deref(),
            data: fields.user_metadata.as_ref(),
            ..NewPerson::default()
        };
        let asked = self.before_user_created(&person, visit).await?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let new = NewUser {
            id,
            email: tx_fields.email.take(),
            phone: tx_fields.phone.take(),
            hash: Some(hash),
            role: fields.role.unwrap_or_else(|| self.0.rules.default_role.clone()),
            email_confirmed_at: fields.email_confirm.unwrap_or(false).then_some(now),
            phone_confirmed_at: fields.phone_confirm.unwrap_or(false).then_some(now),
            app_metadata: fields.app_metadata.unwrap_or_default(),
            user_metadata: fields.user_metadata.unwrap_or_default(),
            banned_until: tx_fields.ban.and_then(|ban| ban),
        };
        let user = self.insert_user(&mut tx, new, asked, visit).await.map_err(|error| match error {
            Error::UserExists => Error::EmailExists,
            other => other,
        })?;
        events::record(&mut tx, self, visit, Happening::AdminCreated { user: &user }).await?;
        if user.role != self.0.rules.default_role {
            let before = &self.0.rules.default_role;
            let happening = Happening::AdminRole { user: user.id, before, after: &user.role };
            events::record(&mut tx, self, visit, happening).await?;
        }
        Ok(tx.commit(user).await?)
    }

    /// One account.
    pub async fn admin_get(&self, id: Uuid) -> Result<Reply<User>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let rows = tx.query(sql::USER_BY_ID, [id.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.ok_or(Error::UserNotFound)?;
        Ok(tx.commit(user).await?)
    }

    /// A page of accounts.
    pub async fn admin_list(&self, page: &Page) -> Result<Reply<Pages>, Error> {
        let size = page.size.clamp(1, limits::USERS_PER_PAGE_MAX.value);
        let skip = page.number.saturating_sub(1).saturating_mul(size).min(i64::MAX as u64);
        let (audience, filter) = (&self.0.rules.audience, page.filter.replace('\0', ""));
        let direction = if page.ascending { "asc" } else { "desc" };
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let (size, skip) = (size.to_string(), skip.to_string());
        let wanted = [audience.into(), (&filter).into(), direction.into(), size.into(), skip.into()];
        let rows = tx.query(sql::USERS_PAGE, wanted).await?;
        let users = rows.iter().map(User::read).collect::<Result<Vec<_>, _>>()?;
        let total = match rows.first() {
            Some(row) => row.get::<u64>("total")?,
            None => {
                let counted = tx.query(sql::USERS_COUNT, [audience.into(), filter.into()]).await?;
                counted.first().map_or(Ok(0), |row| row.get("total"))?
            }
        };
        Ok(tx.commit(Pages { users, total }).await?)
    }

    /// Changes an account. Another password, a ban or another role ends its sessions.
    pub async fn admin_change(
        &self,
        id: Uuid,
        fields: UserFields,
        visit: &Visit,
    ) -> Result<Reply<User>, Error> {
        self.require_admin_step_up(visit)?;
        let checked = self.check_fields(&fields)?;
        let hash = self.hash_of(&fields, ChosenFor::User(id), visit).await?;
        let now = self.0.clock.now();
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let rows = tx.query(sql::USER_BY_ID_LOCKED, [id.into()]).await?;
        let mut user = rows.first().map(User::read).transpose()?.ok_or(Error::UserNotFound)?;
        require_reach(visit, Some(&user.role))?;
        require_reach(visit, fields.role.as_deref())?;
        let mut changed: Vec<&str> = Vec::new();
        let mut must_leave = false;
        if let Some(role) = fields.role.filter(|role| *role != user.role) {
            let before = std::mem::replace(&mut user.role, role);
            let happening = Happening::AdminRole { user: id, before: &before, after: &user.role };
            events::record(&mut tx, self, visit, happening).await?;
            must_leave = true;
        }
        if let Some(until) = checked.ban {
            user.banned_until = until;
            events::record(&mut tx, self, visit, Happening::AdminBanned { user: id, until }).await?;
            must_leave |= until.is_some();
        }
        if let Some(email) = checked.email.filter(|email| user.email.as_ref() != Some(email)) {
            self.move_to(&mut tx, &mut user, email).await?;
            changed.push("email");
        }
        if let Some(phone) = checked.phone.filter(|phone| user.phone.as_ref() != Some(phone)) {
            user.phone = Some(phone);
            changed.push("phone");
        }
        if let Some(hash) = hash {
            self.set_password(&mut tx, &mut user, hash).await?;
            must_leave = true;
            changed.push("password");
        }
        if fields.email_confirm == Some(true) && user.email_confirmed_at.is_none() {
            user.email_confirmed_at = Some(now);
            changed.push("email_confirm");
        }
        if fields.phone_confirm == Some(true) && user.phone_confirmed_at.is_none() {
            user.phone_confirmed_at = Some(now);
            changed.push("phone_confirm");
        }
        for (name, from, into) in [
            ("user_metadata", fields.user_metadata, &mut user.user_metadata),
            ("app_metadata", fields.app_metadata, &mut user.app_metadata),
        ] {
            if let Some(from) = from {
                merge(into, from);
                require_small(into)?;
                changed.push(name);
            }
        }
        if changed.contains(&"email") || changed.contains(&"password") {
            self.drop_pending(&mut tx, id, None).await?;
        }
        if !changed.is_empty() {
            let fields = changed.into_iter().map(str::to_owned).collect();
            events::record(&mut tx, self, visit, Happening::AdminUpdated { user: id, fields }).await?;
        }
        let ended = if must_leave { end_all(&mut tx, id).await? } else { Vec::new() };
        let user = self.save(&mut tx, &user).await?;
        self.commit_ended(tx, ended, user).await
    }

    /// Removes an account: wholly, or so that only its id is left for those who refer to it.
    pub async fn admin_delete(&self, id: Uuid, soft: bool, visit: &Visit) -> Result<Reply<()>, Error> {
        self.require_admin_step_up(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let rows = tx.query(sql::USER_BY_ID_LOCKED, [id.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.ok_or(Error::UserNotFound)?;
        require_reach(visit, Some(&user.role))?;
        let ended = end_all(&mut tx, id).await?;
        events::record(&mut tx, self, visit, Happening::AdminDeleted { user: id, soft }).await?;
        if soft {
            let now = self.0.clock.now();
            let veiled =
                |text: &Option<String>| text.as_ref().map(|text| hex::encode(sha256(text.as_bytes())));
            let params = [id.into(), now.into(), veiled(&user.email).into(), veiled(&user.phone).into()];
            tx.execute(sql::SOFT_DELETE_USER, params)
                .await
                .map_err(|error| trigger(error, "deleting user"))?;
            // Numbers of factors and earlier addresses are names too.
            tx.query(sql::reclaim::FORGET, [id.into(), "".into(), "".into(), pg::Param::NULL]).await?;
        } else {
            tx.execute(sql::DELETE_USER, [id.into()])
                .await
                .map_err(|error| trigger(error, "deleting user"))?;
        }
        self.commit_ended(tx, ended, ()).await
    }

    /// Takes one way in from an account, never the last one.
    pub async fn admin_remove_identity(
        &self,
        user: Uuid,
        identity: Uuid,
        visit: &Visit,
    ) -> Result<Reply<()>, Error> {
        self.require_admin_step_up(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let rows = tx.query(sql::USER_BY_ID_LOCKED, [user.into()]).await?;
        let account = rows.first().map(User::read).transpose()?.ok_or(Error::UserNotFound)?;
        require_reach(visit, Some(&account.role))?;
        if !account.identities.iter().any(|known| known.identity_id == identity) {
            return Err(Error::NoIdentity);
        }
        if account.identities.len() < 2 {
            return Err(Error::LastIdentity);
        }
        tx.query(sql::REMOVE_IDENTITY, [user.into(), identity.into()]).await?;
        let what = (audit::Event::IdentityUnlinked, user);
        events::record_of(&mut tx, self, visit, what, None).await?;
        // Whoever came in by it leaves.
        let ended = end_all(&mut tx, user).await?;
        self.commit_ended(tx, ended, ()).await
    }

    /// A page of the audit log, newest first, and how many entries there are (at least, where a filter is given).
    pub async fn admin_audit(
        &self,
        filter: audit::Filter,
        page: u64,
        size: u64,
        visit: &Visit,
    ) -> Result<Reply<(Vec<audit::Recorded>, u64)>, Error> {
        let most = limits::AUDIT_ENTRIES_MAX.value;
        let size = size.clamp(1, limits::USERS_PER_PAGE_MAX.value);
        let skip = page.saturating_sub(1).saturating_mul(size).min(most);
        let everything = filter.event.is_none() && filter.actor.is_none();
        self.0.audit.settle().await?;
        let mut found: Vec<audit::Recorded> = Vec::new();
        while (found.len() as u64) < (skip + size + 1).min(most) {
            let before = found.last().map(|entry| entry.seq);
            let more = self.0.audit.find(&filter, before, u32::MAX).await?;
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        let newest = found.first().and_then(|entry| u64::try_from(entry.seq).ok()).unwrap_or(0);
        let total = if everything { newest } else { found.len() as u64 };
        let (skip, size) = (usize::try_from(skip).unwrap_or(usize::MAX), usize::try_from(size).unwrap_or(1));
        let entries = found.into_iter().skip(skip).take(size).collect();
        let entry = audit::Entry::by(&visit.caller, audit::Event::AuditRead).request(&visit.request_id);
        self.0.audit.record_alone(entry).await?;
        Ok(Reply::untouched((entries, total), "the log closed its own transactions"))
    }

    fn check_fields(&self, fields: &UserFields) -> Result<Checked, Error> {
        if fields.password.is_some() && fields.password_hash.is_some() {
            return Err(Error::invalid("Only a password or a password hash should be provided"));
        }
        if fields.password_hash.as_deref().is_some_and(|hash| !Hasher::accepts(hash)) {
            return Err(Error::invalid(
                "Password hash is not of an accepted kind: bcrypt, argon2i, argon2id or $fbscrypt$",
            ));
        }
        if fields.role.as_ref().is_some_and(|role| role.len() > 255 || role.contains('\0')) {
            return Err(Error::invalid("Role is too long"));
        }
        for metadata in [&fields.user_metadata, &fields.app_metadata].into_iter().flatten() {
            require_small(metadata)?;
        }
        Ok(Checked {
            email: fields.email.as_deref().map(read_email).transpose()?,
            phone: fields.phone.as_deref().map(read_phone).transpose()?,
            ban: fields.ban_duration.as_deref().map(|text| self.read_ban(text)).transpose()?,
        })
    }

    /// `none` lifts a ban; anything else is a duration from now.
    fn read_ban(&self, text: &str) -> Result<Option<Timestamp>, Error> {
        if text == "none" {
            return Ok(None);
        }
        let invalid = |_| Error::invalid("invalid format for ban duration: such as 24h, or none");
        let duration: Duration = parse_duration(text).ok_or(()).map_err(invalid)?;
        let duration = SignedDuration::try_from(duration).map_err(|_| ()).map_err(invalid)?;
        let until = self.0.clock.now().checked_add(duration).map_err(|_| ()).map_err(invalid)?;
        Ok(Some(until))
    }

    async fn hash_of(
        &self,
        fields: &UserFields,
        of: ChosenFor<'_>,
        visit: &Visit,
    ) -> Result<Option<String>, Error> {
        match (&fields.password, &fields.password_hash) {
            (Some(password), _) => {
                let taken = self.require_password(password).await;
                events::note_choice(self, visit, &taken, of);
                taken?;
                Ok(Some(self.0.hasher.hash(password).await?))
            }
            (None, hash) => Ok(hash.clone()),
        }
    }
}

struct Checked {
    email: Option<String>,
    phone: Option<String>,
    /// Outer: said at all. Inner: until when.
    ban: Option<Option<Timestamp>>,
}

async fn end_all(tx: &mut SystemTx, user: Uuid) -> Result<Vec<Uuid>, Error> {
    ids(&tx.query(sql::END_SESSIONS_OF_USER, [user.into()]).await?)
}
