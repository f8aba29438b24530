//! Another address or number: asked for here, agreed to by whoever reads the mails, and taken back by the old address.
//!
//! Invariant: a change that is done ends every session and every other pending token; the old address is told and can take
//! it back once, and then nobody who came in between holds anything (attack rows 4, 30, 31).

use jiff::{SignedDuration, Timestamp};
use mail::Template;
use pg::{Reason, Reply, SystemTx};
use seal::{random_token, sha256};
use serde_json::{Map, json};
use uuid::Uuid;

use super::send::{Along, Why};
use super::token::{Fresh, Purpose, Taken};
use crate::accounts::{not_moved, read_email, trigger};
use crate::events::{self, LinkHappening};
use crate::hooks::Carried;
use crate::post::Warning;
use crate::session::ids;
use crate::user::User;
use crate::{Auth, Error, Visit, limits, sql};

impl Auth {
    /// Notes in `tx` that a person wants another address, and sees to the mails.
    pub(crate) async fn ask_email_change(
        &self,
        tx: &mut SystemTx,
        user: &mut User,
        email: String,
        along: &Along,
        visit: &Visit,
    ) -> Result<(), Error> {
        let now = self.0.clock.now();
        let why = Why::EmailChange { user: user.id };
        self.require_pause(&why, &user.id.to_string()).await?;
        // Many accounts that want one address are one flood of mail to it.
        self.require_pause(&why, &email).await?;
        tx.execute(sql::links::DROP_EMAIL_CHANGE_TOKENS, [user.id.into()]).await?;
        tx.execute(sql::links::ASK_EMAIL_CHANGE, [user.id.into(), (&email).into(), now.into()]).await?;
        events::record_link(tx, self, visit, LinkHappening::AddressChangeAsked { user: user.id }).await?;
        self.enqueue_link(tx, why, &email, Map::new(), along, visit).await?;
        user.new_email = Some(email);
        user.email_change_sent_at = Some(now);
        Ok(())
    }

    /// The mails of a pending change: to the new address, and to the present one where both must agree.
    pub(crate) async fn send_email_change(
        &self,
        tx: &mut SystemTx,
        user: &User,
        along: &Along,
        visit: &Visit,
    ) -> Result<(), Error> {
        let Some(new) = user.new_email.clone() else { return Ok(()) };
        let taken = tx.query(sql::USER_BY_EMAIL, [(&new).into(), (&self.0.rules.audience).into()]).await?;
        let owner = taken.first().map(User::read).transpose()?;
        let owner = owner.filter(|owner| owner.email_confirmed_at.is_some());
        match self.mails_by_hook() {
            true if owner.is_none() || self.both_agree(user) => {
                self.hook_email_change(tx, user, (&new, owner.is_some()), along, visit).await?;
                if owner.is_none() {
                    return Ok(());
                }
            }
            false if self.both_agree(user) => {
                self.send_link(tx, user, Purpose::EmailChangeCurrent, along, visit).await?;
            }
            true | false => {}
        }
        match owner {
            // Its owner is told, and whoever asked is not.
            Some(owner) => {
                let (template, locale) = (Template::AccountExists, along.locale.as_deref());
                self.write_to(tx, &owner, &new, template, Map::new(), locale, visit).await
            }
            None => self.send_link_to(tx, user, &new, Purpose::EmailChangeNew, along, visit).await,
        }
    }

    /// Both halves in one letter, as upstream's hook expects them.
    async fn hook_email_change(
        &self,
        tx: &mut SystemTx,
        user: &User,
        (new, is_taken): (&str, bool),
        along: &Along,
        visit: &Visit,
    ) -> Result<(), Error> {
        let own = user.email.clone().filter(|_| self.both_agree(user));
        let current = match own {
            Some(own) => {
                Some(self.fresh_link(tx, user, &own, Purpose::EmailChangeCurrent, along, visit).await?)
            }
            None => None,
        };
        let fresh = match is_taken {
            false => self.fresh_link(tx, user, new, Purpose::EmailChangeNew, along, visit).await?,
            // Whoever asked must not learn that it is somebody's: the letter is the same, and this half opens nothing.
            true => Fresh { token: random_token(&self.0.rng), code: self.make_code(Purpose::EmailChangeNew) },
        };
        let current = current.as_ref().map(|fresh| Carried { code: &fresh.code, token: &fresh.token });
        let new = Carried { code: &fresh.code, token: &fresh.token };
        self.mail_change_by_hook(tx, user, (current, new), along.back_to.text(), visit).await
    }

    /// Whether the present address has a say: it must be one, and proven.
    fn both_agree(&self, user: &User) -> bool {
        self.0.rules.secure_email_change && user.email.is_some() && user.email_confirmed_at.is_some()
    }

    /// One of the addresses agreed. `None` when the other one has to.
    pub(super) async fn agree_to_address(
        &self,
        tx: &mut SystemTx,
        user: User,
        taken: &Taken,
        visit: &Visit,
    ) -> Result<Option<(User, Vec<Uuid>)>, Error> {
        let new = user.new_email.clone().ok_or(Error::LinkInvalid)?;
        let fits = match taken.purpose {
            Purpose::EmailChangeNew => taken.sent_to == new,
            _ => user.email.as_ref() == Some(&taken.sent_to),
        };
        if !fits {
            return Err(Error::LinkInvalid);
        }
        // However often one address is asked, the other one still has to agree.
        let half: i64 = if taken.purpose == Purpose::EmailChangeNew { 1 } else { 2 };
        let half = [user.id.into(), self.0.clock.now().into(), half.into()];
        if self.both_agree(&user) && tx.execute(sql::links::CONFIRM_HALF, half).await? == 1 {
            return Ok(None);
        }
        let known = tx.query(sql::USER_BY_EMAIL, [(&new).into(), (&self.0.rules.audience).into()]).await?;
        let others = match known.first().map(User::read).transpose()? {
            Some(other) if other.email_confirmed_at.is_some() => return Err(Error::EmailExists),
            // An account that nobody ever confirmed does not keep an address from its owner.
            Some(other) => self.give_up_address(tx, &other).await?,
            None => Vec::new(),
        };
        let (user, mut ended) = self.finish_email_change(tx, user, new, taken.flow, visit).await?;
        ended.extend(others);
        Ok(Some((user, ended)))
    }

    /// Takes an address that was never proven from an account: with the account, or, where a number was proven, from it alone.
    /// Returns the sessions that end with it.
    async fn give_up_address(&self, tx: &mut SystemTx, other: &User) -> Result<Vec<Uuid>, Error> {
        let (doing, statement) = match other.confirmed_at {
            None => ("deleting user", sql::DELETE_USER),
            Some(_) => ("updating user", sql::links::LOSE_EMAIL),
        };
        let ended = ids(&tx.query(sql::END_SESSIONS_OF_USER, [other.id.into()]).await?)?;
        tx.execute(statement, [other.id.into()]).await.map_err(|error| trigger(error, doing))?;
        Ok(ended)
    }

    async fn finish_email_change(
        &self,
        tx: &mut SystemTx,
        user: User,
        new: String,
        flow: Option<Uuid>,
        visit: &Visit,
    ) -> Result<(User, Vec<Uuid>), Error> {
        let (id, now) = (user.id, self.0.clock.now());
        if let (Some(old), Some(_)) = (&user.email, user.email_confirmed_at) {
            let revert = self.make_revert(tx, id, old, now).await?;
            let values = Map::from_iter([
                ("OldEmail".to_owned(), json!(old)),
                ("Email".to_owned(), json!(new)),
                ("RevertURL".to_owned(), json!(revert)),
                ("Days".to_owned(), json!(limits::REVERT_DAYS.value)),
            ]);
            self.write_to(tx, &user, old, Template::EmailChanged, values, None, visit).await?;
        }
        tx.execute(sql::links::SET_EMAIL, [id.into(), (&new).into(), now.into()]).await.map_err(not_moved)?;
        let identity = [id.into(), (&new).into(), now.into(), true.into()];
        tx.execute(sql::UPDATE_IDENTITY_EMAIL, identity).await?;
        let said = json!({ "sub": id, "email": new, "email_verified": true, "phone_verified": false });
        let row: [pg::Param; 6] = [
            self.0.rng.uuid().into(),
            id.to_string().into(),
            id.into(),
            said.into(),
            "email".into(),
            now.into(),
        ];
        tx.execute(sql::links::INSERT_IDENTITY_IF_NEW, row).await?;
        self.drop_pending(tx, id, flow).await?;
        let ended = ids(&tx.query(sql::END_SESSIONS_OF_USER, [id.into()]).await?)?;
        events::record_link(tx, self, visit, LinkHappening::AddressChanged { user: id }).await?;
        let rows = tx.query(sql::USER_BY_ID, [id.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.ok_or(Error::LinkInvalid)?;
        Ok((user, ended))
    }

    /// The link with which the old address takes a change back.
    async fn make_revert(
        &self,
        tx: &mut SystemTx,
        user: Uuid,
        old: &str,
        now: Timestamp,
    ) -> Result<String, Error> {
        let token = random_token(&self.0.rng);
        let days = i64::try_from(limits::REVERT_DAYS.value).unwrap_or(7);
        let until = now.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(now);
        let hash = sha256(token.expose().as_bytes());
        let row = [hash.into(), user.into(), old.into(), now.into(), until.into()];
        tx.execute(sql::links::INSERT_REVERT, row).await?;
        Ok(format!("{}?token={}", self.0.rules.revert_url, token.expose()))
    }

    /// Takes a change of address back, once: the account belongs to the old address again, whoever is in it is out, what
    /// they added is gone, and the old address is sent a way in.
    pub async fn revert_address(&self, token: &str, visit: &Visit) -> Result<Reply<()>, Error> {
        let now = self.0.clock.now();
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let rows = tx.query(sql::links::TAKE_REVERT, [sha256(token.as_bytes()).into(), now.into()]).await?;
        let Some(row) = rows.first() else {
            events::refused(self, visit, audit::Event::CodeRefused, &Error::LinkInvalid, "");
            return Err(Error::LinkInvalid);
        };
        let (id, old, since): (Uuid, String, Timestamp) =
            (row.get("user_id")?, row.get("old_email")?, row.get("changed_at")?);
        let users = tx.query(sql::USER_BY_ID_LOCKED, [id.into()]).await?;
        let user = users.first().map(User::read).transpose()?;
        user.filter(|user| user.deleted_at.is_none()).ok_or(Error::LinkInvalid)?;
        let known = tx.query(sql::USER_BY_EMAIL, [(&old).into(), (&self.0.rules.audience).into()]).await?;
        let mut ended = Vec::new();
        if let Some(other) = known.first().map(User::read).transpose()?.filter(|other| other.id != id) {
            // Somebody registered the address meanwhile: unless it is theirs by proof, it is given back.
            if other.email_confirmed_at.is_some() {
                return Err(Error::EmailExists);
            }
            ended = self.give_up_address(&mut tx, &other).await?;
        }
        let since_then = || [id.into(), since.into()];
        tx.execute(sql::links::DROP_FACTORS_SINCE, since_then()).await?;
        tx.execute(sql::links::DROP_PASSKEYS_SINCE, since_then()).await?;
        tx.execute(sql::links::DROP_IDENTITIES_SINCE, since_then()).await?;
        tx.execute(sql::links::DROP_PHONE_SINCE, since_then()).await?;
        tx.execute(sql::links::DROP_RECOVERY_CODES_SINCE, since_then()).await?;
        tx.execute(sql::links::DROP_CONSENTS_SINCE, since_then()).await?;
        tx.execute(sql::links::DROP_LATER_REVERTS, [id.into(), since.into(), now.into()]).await?;
        tx.execute(sql::links::CLEAR_PASSWORD, [id.into(), now.into()]).await?;
        tx.execute(sql::links::SET_EMAIL, [id.into(), (&old).into(), now.into()]).await.map_err(not_moved)?;
        let identity = [id.into(), (&old).into(), now.into(), true.into()];
        tx.execute(sql::UPDATE_IDENTITY_EMAIL, identity).await?;
        self.drop_pending(&mut tx, id, None).await?;
        ended.extend(ids(&tx.query(sql::END_SESSIONS_OF_USER, [id.into()]).await?)?);
        events::record_link(&mut tx, self, visit, LinkHappening::AddressReverted { user: id }).await?;
        let along = Along { back_to: self.0.rules.redirects.site().clone(), challenge: None, locale: None };
        self.enqueue_link(&mut tx, Why::Recovery, &old, Map::new(), &along, visit).await?;
        self.commit_ended(tx, ended, ()).await
    }

    /// Takes an address at once, where addresses are believed (`auth.autoconfirm`): the old one is told all the same.
    pub(crate) async fn move_at_once(
        &self,
        tx: &mut SystemTx,
        user: &User,
        email: &str,
        visit: &Visit,
    ) -> Result<(), Error> {
        let email = read_email(email)?;
        let Some(old) = user.email.clone().filter(|old| *old != email) else { return Ok(()) };
        let revert = self.make_revert(tx, user.id, &old, self.0.clock.now()).await?;
        let values = Map::from_iter([
            ("OldEmail".to_owned(), json!(old)),
            ("Email".to_owned(), json!(email)),
            ("RevertURL".to_owned(), json!(revert)),
            ("Days".to_owned(), json!(limits::REVERT_DAYS.value)),
        ]);
        self.write_to(tx, user, &old, Template::EmailChanged, values, None, visit).await
    }

    /// Notes in `tx` that a person wants another number, and sees to the code.
    pub(crate) async fn ask_phone_change(
        &self,
        tx: &mut SystemTx,
        user: &mut User,
        phone: String,
        along: &Along,
        whatsapp: bool,
        visit: &Visit,
    ) -> Result<(), Error> {
        let now = self.0.clock.now();
        let why = Why::PhoneChange { user: user.id, whatsapp };
        // Texts cost money: one account that names number after number waits as one that names one. It is asked about first, so
        // that what is refused keeps no text from a number.
        self.require_pause(&why, &user.id.to_string()).await?;
        self.require_pause(&why, &phone).await?;
        tx.execute(sql::links::ASK_PHONE_CHANGE, [user.id.into(), (&phone).into(), now.into()]).await?;
        events::record_link(tx, self, visit, LinkHappening::AddressChangeAsked { user: user.id }).await?;
        self.enqueue_link(tx, why, &phone, Map::new(), along, visit).await?;
        user.new_phone = Some(phone);
        user.phone_change_sent_at = Some(now);
        Ok(())
    }

    /// The new number agreed.
    pub(super) async fn agree_to_number(
        &self,
        tx: &mut SystemTx,
        user: User,
        taken: &Taken,
        visit: &Visit,
    ) -> Result<(User, Vec<Uuid>), Error> {
        if user.new_phone.as_ref() != Some(&taken.sent_to) {
            return Err(Error::LinkInvalid);
        }
        let now = self.0.clock.now();
        let named = [(&taken.sent_to).into(), (&self.0.rules.audience).into()];
        let known = tx.query(sql::links::USER_BY_PHONE, named).await?;
        let others = match known.first().map(User::read).transpose()? {
            // An account that never proved a number does not keep it from whoever does.
            Some(other) if other.id != user.id && other.phone_confirmed_at.is_none() => {
                self.give_up_number(tx, &other).await?
            }
            Some(_) | None => Vec::new(),
        };
        let row = [user.id.into(), (&taken.sent_to).into(), now.into()];
        tx.execute(sql::links::SET_PHONE, row).await.map_err(not_moved)?;
        // The first one too: it is a way in.
        self.notify(tx, &user, Warning::PhoneChanged, visit).await?;
        events::record_link(
            tx,
            self,
            visit,
            LinkHappening::AddressConfirmed { user: user.id, what: "phone" },
        )
        .await?;
        let rows = tx.query(sql::USER_BY_ID, [user.id.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.ok_or(Error::LinkInvalid)?;
        Ok((user, others))
    }

    /// Takes a number that was never proven from an account, with whoever is in it: with the account, where nothing else of it was
    /// proven nor anybody came another way; from it alone otherwise. Nothing of it goes to whoever proved the number.
    async fn give_up_number(&self, tx: &mut SystemTx, other: &User) -> Result<Vec<Uuid>, Error> {
        let own = |name: &str| ["email", "phone"].contains(&name);
        let came_otherwise = other.identities.iter().any(|identity| !own(&identity.provider));
        let is_all_there_is = other.confirmed_at.is_none() && other.email.is_none() && !came_otherwise;
        let (doing, statement) = match is_all_there_is {
            true => ("deleting user", sql::DELETE_USER),
            false => ("updating user", sql::links::LOSE_PHONE),
        };
        let ended = ids(&tx.query(sql::END_SESSIONS_OF_USER, [other.id.into()]).await?)?;
        tx.execute(statement, [other.id.into()]).await.map_err(|error| trigger(error, doing))?;
        Ok(ended)
    }
}
