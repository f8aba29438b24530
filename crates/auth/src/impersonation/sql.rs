//! The statements of impersonation. A test prepares each against a migrated database.

macro_rules! columns {
    () => {
        "i.id, i.admin_id, i.target_id, i.reason, i.user_agent, host(i.ip) as ip, i.started_at, i.ends_at, i.stopped_at, \
         case when i.target_id is null then 'anon' else 'user' end as kind, \
         (i.stopped_at is null and i.ends_at > $1 and exists (select 1 from auth.sessions a where a.id = i.admin_session_id) \
             and (i.target_id is null or exists (select 1 from auth.sessions s where s.id = i.id))) as is_active"
    };
}

/// The session that an administrator begins one in, which nobody ends meanwhile, with the role of its person.
pub(super) const STAND: &str = "select u.role from auth.sessions s join auth.users u on u.id = s.user_id \
     where s.id = $1 and s.user_id = $2 and (s.not_after is null or s.not_after > $3) and u.deleted_at is null \
     and (u.banned_until is null or u.banned_until <= $3) for key share of s";

pub(super) const INSERT: &str = "insert into palisade.impersonations (id, admin_id, admin_session_id, target_id, reason, user_agent, \
     ip, started_at, ends_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// With the role of whoever acts in it, if it goes on and they may.
pub(crate) const LIVES: &str = "select w.role from palisade.impersonations i \
     join auth.sessions a on a.id = i.admin_session_id and a.user_id = i.admin_id join auth.users w on w.id = a.user_id \
     where i.id = $1 and i.admin_id = $2 and i.target_id is not distinct from $3 and i.stopped_at is null and i.ends_at > $4 \
     and (a.not_after is null or a.not_after > $4) and w.deleted_at is null and (w.banned_until is null or w.banned_until <= $4)";

/// The one of an administrator that goes on.
pub(super) const CURRENT: &str = concat!(
    "select * from (select ",
    columns!(),
    " from palisade.impersonations i where i.admin_id = $2 and i.ends_at > $1) l where l.is_active order by l.started_at desc limit 1"
);

/// Those of an administrator that go on, and those that these sessions are or that were begun in them.
pub(super) const OPEN: &str = "select i.id from palisade.impersonations i where i.ends_at > $1 and i.stopped_at is null \
     and (i.admin_id = $2 or i.admin_session_id = any($3::uuid[]) or i.id = any($3::uuid[]))";

/// The sessions that they are.
pub(super) const END: &str = "delete from auth.sessions where id = any($1::uuid[]) returning id";

pub(super) const STOP: &str = "update palisade.impersonations set stopped_at = $2 where id = any($1::uuid[]) and stopped_at is null \
     returning id, admin_id, target_id";

/// The sessions of those that are over by themselves.
pub(super) const END_OVER: &str = "delete from auth.sessions s using palisade.impersonations i where s.id = i.id and i.ends_at <= $1 returning s.id";

pub(super) const FORGET: &str = "delete from palisade.impersonations where ends_at < $1";

/// Newest first; a filter that is null filters nothing.
pub(super) const LIST: &str = concat!(
    "select l.*, count(*) over () as total from (select ",
    columns!(),
    " from palisade.impersonations i where ($2::uuid is null or i.admin_id = $2) and ($3::uuid is null or i.target_id = $3)) l \
      where ($4::boolean is null or l.is_active = $4) and ($5::text is null or l.kind = $5) \
      order by l.started_at desc, l.id limit $6 offset $7"
);

/// Every statement, for the test that prepares them.
pub const ALL: &[&str] = &[STAND, INSERT, LIVES, CURRENT, OPEN, END, STOP, END_OVER, FORGET, LIST];
