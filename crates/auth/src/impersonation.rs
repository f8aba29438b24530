//! An administrator in somebody else's name: to see what that person sees, or what everybody may, for a quarter of an hour.
//!
//! In a person's name it is a session of that person, in their list and theirs to end, of one factor whatever they have. Its token
//! names the administrator (`act`, RFC 8693), is not renewed, and opens the person's data only: nothing of their account, whose
//! proofs it does not have. It ends with the session of the administrator that it was begun in, whatever ends that. Its
//! beginning and end are entries of the audit log, and every entry between names both.
//!
//! Invariant: nobody becomes an administrator this way, whoever they are, and no program's rights are lent (control 47).

pub mod sql;

use std::net::IpAddr;

use audit::{Entry, Event};
use base::{Acting, Secret};
use jiff::{SignedDuration, Timestamp};
use pg::{Param, Reason, Reply, Row, SystemTx};
use uuid::Uuid;

use crate::session::{Opening, Way, agent_of, ids};
use crate::user::User;
use crate::{Auth, Error, Visit, claims, limits, sql as auth_sql};

/// One of them.
#[derive(Clone, Debug)]
pub struct Impersonation {
    /// Its id: in a person's name, the session of theirs that it is.
    pub id: Uuid,
    /// Who.
    pub admin: Uuid,
    /// In whose name, or in nobody's.
    pub target: Option<Uuid>,
    /// Why, in the administrator's words.
    pub reason: String,
    /// With which program.
    pub user_agent: Option<String>,
    /// From where.
    pub address: Option<IpAddr>,
    /// From when.
    pub started_at: Timestamp,
    /// Until when at most.
    pub ends_at: Timestamp,
    /// When it was stopped before that.
    pub stopped_at: Option<Timestamp>,
    /// Whether it goes on.
    pub is_active: bool,
}

/// One that was begun.
pub struct Impersonated {
    /// What is kept of it.
    pub impersonation: Impersonation,
    /// In whose name.
    pub target: Option<User>,
    /// What acts in it. There is nothing to renew it with.
    pub access_token: Secret<String>,
    /// Seconds it lives.
    pub expires_in: i64,
}

/// An administrator with a session.
pub struct Impersonator {
    admin: Uuid,
    session: Uuid,
}

/// Which to list.
#[derive(Default)]
pub struct ImpersonationFilter {
    /// Of this administrator.
    pub admin: Option<Uuid>,
    /// In this person's name.
    pub target: Option<Uuid>,
    /// That go on, or do not.
    pub is_active: Option<bool>,
    /// `user` or `anon`.
    pub kind: Option<String>,
    /// How many.
    pub limit: i64,
    /// After how many.
    pub offset: i64,
}

/// Why some of them end.
#[derive(Clone, Copy)]
pub(crate) enum Behind<'a> {
    /// Their administrator wants it.
    Admin(Uuid, &'a Visit),
    /// These sessions have ended: they were begun in one, or are one.
    Sessions(&'a [Uuid]),
}

impl Impersonation {
    fn read(row: Row<'_>) -> Result<Self, Error> {
        let address: Option<String> = row.get("ip")?;
        Ok(Impersonation {
            id: row.get("id")?,
            admin: row.get("admin_id")?,
            target: row.get("target_id")?,
            reason: row.get("reason")?,
            user_agent: row.get("user_agent")?,
            address: address.and_then(|text| text.parse().ok()),
            started_at: row.get("started_at")?,
            ends_at: row.get("ends_at")?,
            stopped_at: row.get("stopped_at")?,
            is_active: row.get("is_active")?,
        })
    }
}

impl Auth {
    /// The administrator who asks, with a proof that is fresh enough to act in others' names.
    pub fn require_impersonator(&self, visit: &Visit) -> Result<Impersonator, Error> {
        let found = impersonator(visit)?;
        self.require_admin_step_up(visit)?;
        Ok(found)
    }

    /// Begins one in a person's name, or in nobody's, and stops the administrator's last one. Never as a program: `service_role`
    /// passes by every policy, and its keys stay where no browser is (control 47).
    pub async fn impersonate(
        &self,
        by: Impersonator,
        target: Option<Uuid>,
        reason: &str,
        visit: &Visit,
    ) -> Result<Reply<Impersonated>, Error> {
        let Impersonator { admin, session } = by;
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > limits::IMPERSONATION_REASON_CHARS_MAX.size() {
            return Err(Error::invalid("reason: say why, in 1 to 500 characters"));
        }
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let now = self.0.clock.now();
        let standing = tx.query(sql::STAND, [session.into(), admin.into(), now.into()]).await?;
        if !is_administrators(standing.first())? {
            return Err(Error::TokenRevoked);
        }
        let ended = self.end_impersonations(&mut tx, Behind::Admin(admin, visit)).await?;
        self.forget_impersonations(&mut tx, now).await?;
        let mut made = Impersonation {
            id: self.0.rng.uuid(),
            admin,
            target,
            reason: reason.to_owned(),
            user_agent: agent_of(visit),
            address: visit.caller.address,
            started_at: now,
            ends_at: now.checked_add(self.impersonation_lives()).unwrap_or(now),
            stopped_at: None,
            is_active: true,
        };
        let Some(target) = target else {
            self.insert_impersonation(&mut tx, &made, session, visit).await?;
            let reply = self.commit_ended(tx, ended, made).await?;
            return reply.try_map(|made| self.as_nobody(made));
        };
        let rows = tx.query(auth_sql::USER_BY_ID_LOCKED, [target.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.filter(|user| user.deleted_at.is_none());
        let user = user.ok_or(Error::UserNotFound)?;
        if claims::is_administrators(&user.role) {
            return Err(Error::NotAdmin("Nobody acts in an administrator's name"));
        }
        let opening = Opening {
            not_after: Some(made.ends_at),
            acting: Some((admin, made.ends_at)),
            ..Opening::through(Way::Impersonation, "")
        };
        let mut opened = self.open_session(&mut tx, user, opening, visit).await?;
        opened.also_ended(ended);
        made.id = opened.session();
        self.insert_impersonation(&mut tx, &made, session, visit).await?;
        Ok(self.commit_session(tx, opened).await?.map(|grant| Impersonated {
            impersonation: made,
            target: Some(grant.user),
            access_token: grant.access_token,
            expires_in: grant.expires_in,
        }))
    }

    /// The caller's own that goes on, with whose name it is in.
    pub async fn impersonation(
        &self,
        visit: &Visit,
    ) -> Result<Reply<Option<(Impersonation, Option<User>)>>, Error> {
        let Impersonator { admin, .. } = impersonator(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let rows = tx.query(sql::CURRENT, [self.0.clock.now().into(), admin.into()]).await?;
        let Some(found) = rows.first().map(Impersonation::read).transpose()? else {
            return Ok(tx.commit(None).await?);
        };
        let rows = tx.query(auth_sql::USER_BY_ID, [found.target.into()]).await?;
        let user = rows.first().map(User::read).transpose()?;
        Ok(tx.commit(Some((found, user))).await?)
    }

    /// Stops the caller's own, at once. Says whether there was one.
    pub async fn stop_impersonation(&self, visit: &Visit) -> Result<Reply<bool>, Error> {
        let Impersonator { admin, .. } = impersonator(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let ended = self.end_impersonations(&mut tx, Behind::Admin(admin, visit)).await?;
        let any = !ended.is_empty();
        self.commit_ended(tx, ended, any).await
    }

    /// All of them, newest first, and how many there are.
    pub async fn impersonations(
        &self,
        filter: &ImpersonationFilter,
        visit: &Visit,
    ) -> Result<Reply<(Vec<Impersonation>, i64)>, Error> {
        impersonator(visit)?;
        let most = i64::try_from(limits::IMPERSONATIONS_PER_PAGE_MAX.value).unwrap_or(i64::MAX);
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let row: [Param; 7] = [
            self.0.clock.now().into(),
            filter.admin.into(),
            filter.target.into(),
            filter.is_active.into(),
            filter.kind.as_deref().into(),
            filter.limit.clamp(1, most).into(),
            filter.offset.max(0).into(),
        ];
        let rows = tx.query(sql::LIST, row).await?;
        let total = rows.first().map_or(Ok(0), |row| row.get::<i64>("total"))?;
        let found = rows.iter().map(Impersonation::read).collect::<Result<_, _>>()?;
        Ok(tx.commit((found, total)).await?)
    }

    /// Ends some of them in a transaction, and gives the ids that must be told of with its commit. The sessions go first, as
    /// they do wherever else sessions end, so that two who end the same one do not wait for each other in a ring.
    pub(crate) async fn end_impersonations(
        &self,
        tx: &mut SystemTx,
        behind: Behind<'_>,
    ) -> Result<Vec<Uuid>, Error> {
        let (admin, sessions) = match behind {
            Behind::Admin(admin, _) => (Some(admin), &[][..]),
            Behind::Sessions(sessions) => (None, sessions),
        };
        let now = self.0.clock.now();
        let open = tx.query(sql::OPEN, [now.into(), admin.into(), texts(sessions).into()]).await?;
        let open = ids(&open)?;
        if open.is_empty() {
            return Ok(open);
        }
        tx.query(sql::END, [texts(&open).into()]).await?;
        for row in tx.query(sql::STOP, [texts(&open).into(), now.into()]).await?.iter() {
            let (id, admin): (Uuid, Uuid) = (row.get("id")?, row.get("admin_id")?);
            let entry = match behind {
                Behind::Admin(_, visit) => {
                    Entry::by(&visit.caller, Event::ImpersonationStopped).request(&visit.request_id)
                }
                Behind::Sessions(_) => {
                    Entry::system(Event::ImpersonationStopped).because("auth.session.ended")
                }
            };
            let entry = entry.about(subject(row.get("target_id")?)).detail("impersonation", id);
            self.0.audit.record(tx, entry.detail("admin", subject(Some(admin)))).await?;
        }
        Ok(open)
    }

    /// Refuses when an impersonation is over, or its administrator is none any more.
    pub(crate) async fn require_acting(
        &self,
        acting: &Acting,
        target: Option<Uuid>,
        at: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.0.pg.begin_system(Reason::Revocation).await?;
        let asked: [Param; 4] = [acting.impersonation.into(), acting.admin.into(), target.into(), at.into()];
        let rows = tx.query(sql::LIVES, asked).await?;
        tx.commit(()).await?.into_inner();
        if is_administrators(rows.first())? { Ok(()) } else { Err(Error::TokenRevoked) }
    }

    /// Never longer than an access token: for so long its end is remembered.
    fn impersonation_lives(&self) -> SignedDuration {
        let most = i64::try_from(limits::IMPERSONATION_SECONDS_MAX.value).unwrap_or(0);
        SignedDuration::from_secs(self.0.rules.access_seconds.min(most))
    }

    async fn insert_impersonation(
        &self,
        tx: &mut SystemTx,
        made: &Impersonation,
        session: Uuid,
        visit: &Visit,
    ) -> Result<(), Error> {
        let row: [Param; 9] = [
            made.id.into(),
            made.admin.into(),
            session.into(),
            made.target.into(),
            (&made.reason).into(),
            made.user_agent.as_deref().into(),
            made.address.map(|address| address.to_string()).into(),
            made.started_at.into(),
            made.ends_at.into(),
        ];
        tx.execute(sql::INSERT, row).await?;
        let entry = Entry::by(&visit.caller, Event::ImpersonationStarted).request(&visit.request_id);
        let entry = entry.about(subject(made.target)).because(&made.reason).detail("impersonation", made.id);
        Ok(self.0.audit.record(tx, entry.detail("ends_at", made.ends_at)).await?)
    }

    /// A token of what everybody may, which is known to be this administrator's.
    fn as_nobody(&self, made: Impersonation) -> Result<Impersonated, Error> {
        let now = self.0.clock.unix_seconds();
        let mut claims = claims::of_nobody(&self.0.rules, now);
        let acting = Acting { admin: made.admin, impersonation: made.id };
        claims::add_actor(&mut claims, &acting, made.ends_at.as_second());
        let access_token = Secret::new(self.0.keys.load().sign(&claims)?);
        let expires_in = made.ends_at.as_second() - now;
        Ok(Impersonated { impersonation: made, target: None, access_token, expires_in })
    }

    /// Ends the sessions of those that are over by themselves, and forgets old ones.
    async fn forget_impersonations(&self, tx: &mut SystemTx, now: Timestamp) -> Result<(), Error> {
        tx.query(sql::END_OVER, [now.into()]).await?;
        let days = i64::try_from(limits::IMPERSONATIONS_KEPT_DAYS.value).unwrap_or(i64::MAX);
        let oldest = now.checked_sub(SignedDuration::from_hours(days.saturating_mul(24)));
        tx.execute(sql::FORGET, [oldest.unwrap_or(Timestamp::MIN).into()]).await?;
        Ok(())
    }
}

/// The administrator who asks, and their session: a person, since a program has no name to be recorded by, and never somebody
/// in another's name.
fn impersonator(visit: &Visit) -> Result<Impersonator, Error> {
    let caller = &visit.caller;
    let person = caller.signed_in().filter(|_| caller.is_administrator() && caller.is_themself());
    let found = person.and_then(|person| Some(Impersonator { admin: person.user, session: person.session? }));
    found.ok_or(Error::NotAdmin("Sign in as an administrator to act in somebody's name"))
}

fn is_administrators(row: Option<Row<'_>>) -> Result<bool, Error> {
    let role: Option<String> = row.map(|row| row.get("role")).transpose()?.flatten();
    Ok(role.is_some_and(|role| claims::is_administrators(&role)))
}

fn subject(user: Option<Uuid>) -> String {
    user.map_or_else(|| "role:anon".to_owned(), |user| format!("user:{user}"))
}

fn texts(ids: &[Uuid]) -> Vec<String> {
    ids.iter().map(Uuid::to_string).collect()
}
