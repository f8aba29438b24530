//! Guests: logins of the database that are lent for a while and can only read (control 52).
//!
//! A guest is a role of its own in `readonly`: bound to row level security, with a password that PostgreSQL itself stops
//! taking at its time, few connections and short statements. It is made by the administrator, remembered in our table,
//! recorded, and taken back when its time is over or when somebody says so, together with its open sessions.
//!
//! What it sees: rows that policies let the role `readonly`, or everybody, see. A session of SQL can set any
//! `request.jwt.claims` it likes, so a policy for everybody that looks at claims does not hold a guest back; one that is
//! written `TO authenticated` never applies to it. Lend to those who may read all that policies for everybody show to
//! anybody.
//!
//! Invariant: no login is lent while something that it could write through is known to stand open.

mod error;
pub mod limits;
pub mod settings;
pub mod sql;

use std::sync::Arc;
use std::time::Duration;

use audit::{Audit, Entry, Event};
use base::{Caller, Clock, Failure, Rng, Secret, Settings};
use jiff::Timestamp;
use jobs::Reconciler;
use pg::admin::{Target, quote_name, quote_text, scram_verifier};
use pg::{Login, Pg, Reason, Row};

pub use error::Error;
pub use settings::SETTINGS;

/// Schema `guests`.
pub const MIGRATIONS: &[pg::Migration] = &[pg::Migration {
    owner: "guests",
    version: 1,
    name: "login",
    sql: include_str!("../migrations/0001_login.sql"),
}];

/// Reconcilers of this crate.
pub const RECONCILERS: &[jobs::Kept] = &[jobs::Kept::of::<KeepGuests>()];

/// What lending works with.
pub struct Parts {
    /// The administrator's way into the database.
    pub admin: Target,
    /// Our own table.
    pub pg: Pg,
    /// Where it is recorded.
    pub audit: Audit,
    /// What a login may be.
    pub settings: Settings,
    /// How a login's way in is written down.
    pub url: Arc<dyn Fn(&Login) -> Secret + Send + Sync>,
    /// The time.
    pub clock: Clock,
    /// Passwords and names.
    pub rng: Rng,
}

/// The logins that are lent. Cheap to clone.
#[derive(Clone)]
pub struct Guests(Arc<Parts>);

/// What is asked for.
pub struct Wanted {
    /// The login's name; one is made up where none is given.
    pub name: Option<String>,
    /// What it is for.
    pub purpose: String,
    /// For how long.
    pub lifetime: Duration,
}

/// A login that was lent just now. Its password is here and nowhere else.
pub struct Lent {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: Secret,
    /// Its way in, with the password.
    pub url: Secret,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A login that is lent.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Guest {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Who lent it.
    pub lent_by: String,
    /// Since when.
    pub lent_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// How many connections it may have.
    pub connections: i32,
    /// How long a statement of it may run.
    pub statement_ms: i64,
    /// How many connections it has.
    pub sessions: i64,
}

fn check_name(name: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = name.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    let ours = name.starts_with("pg_") || name.starts_with("palisade_");
    if begins && !ours && name.len() <= limits::GUEST_NAME_BYTES_MAX.size() && name.chars().all(plain) {
        return Ok(());
    }
    Err(Error::Name { name: name.to_owned() })
}

fn read(row: Row<'_>) -> Result<Guest, pg::Error> {
    Ok(Guest {
        name: row.get("name")?,
        purpose: row.get("purpose")?,
        lent_by: row.get("lent_by")?,
        lent_at: row.get("lent_at")?,
        expires_at: row.get("expires_at")?,
        connections: row.get("connections")?,
        statement_ms: row.get("statement_ms")?,
        sessions: row.get("sessions")?,
    })
}

impl Guests {
    /// Nothing is looked at before something is asked.
    pub fn new(parts: Parts) -> Self {
        Guests(Arc::new(parts))
    }

    /// Everything that is lent, the first to end first.
    pub async fn list(&self) -> Result<Vec<Guest>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let rows = tx.query(sql::LIST, []).await?;
        let guests = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(tx.commit(guests).await?.into_inner())
    }

    /// Lends one.
    pub async fn lend(&self, wanted: Wanted, by: &Caller) -> Result<Lent, Error> {
        let Parts { settings, clock, rng, audit, pg, .. } = &*self.0;
        let name = wanted.name.unwrap_or_else(|| format!("reader_{}", hex::encode(rng.bytes::<6>())));
        check_name(&name)?;
        if wanted.purpose.trim().is_empty() || wanted.purpose.len() > limits::GUEST_PURPOSE_BYTES_MAX.size() {
            return Err(Error::Purpose);
        }
        let longest = settings.get(&settings::LIFETIME_MAX);
        if wanted.lifetime < Duration::from_secs(1) || wanted.lifetime > longest {
            return Err(Error::Lifetime { max: format!("{} s", longest.as_secs()) });
        }
        let (connections, statement) =
            (settings.get(&settings::CONNECTIONS), settings.get(&settings::STATEMENT_TIMEOUT));
        let admin = self.0.admin.connect().await?;
        if admin.query_one(sql::IS_SUPERUSER, &[]).await?.try_get(0)? {
            admin.batch_execute(sql::CLOSE_LARGE_OBJECTS).await?;
        }
        let ways = admin.query(sql::WAYS, &[]).await?;
        let ways: Vec<String> = ways
            .iter()
            .take(limits::WAYS_NAMED_MAX.size())
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>()?;
        if !ways.is_empty() {
            return Err(Error::Writes { ways });
        }
        if admin.query_one(sql::EXISTS, &[&name]).await?.try_get(0)? {
            return Err(Error::Taken { name });
        }
        let now = clock.now();
        let lifetime = jiff::SignedDuration::try_from(wanted.lifetime).unwrap_or(jiff::SignedDuration::ZERO);
        let expires_at = now.checked_add(lifetime).unwrap_or(now);
        let statement_ms = i64::try_from(statement.as_millis()).unwrap_or(i64::MAX);
        let mut tx = pg.begin_system(Reason::Administer).await?;
        let count: i64 = tx.query(sql::COUNT, []).await?.first().map_or(Ok(0), |row| row.at(0))?;
        if count >= i64::try_from(limits::GUESTS_MAX.value).unwrap_or(i64::MAX) {
            return Err(Error::TooMany);
        }
        let row = [
            name.as_str().into(),
            wanted.purpose.trim().into(),
            by.actor().into(),
            now.into(),
            expires_at.into(),
            i64::from(connections).into(),
            statement_ms.into(),
        ];
        if tx.execute(sql::REMEMBER, row).await? == 0 {
            return Err(Error::Taken { name });
        }
        let entry = Entry::by(by, Event::GuestLent)
            .about(format!("login:{name}"))
            .detail("purpose", wanted.purpose.trim())
            .detail("expires_at", expires_at)
            .detail("connections", connections);
        audit.record(&mut tx, entry).await?;
        tx.commit(()).await?.into_inner();

        let password = Secret::new(hex::encode(rng.bytes::<24>()));
        let made = self.make(&admin, &name, &password, wanted.lifetime, connections, statement_ms).await;
        if let Err(error) = made {
            // What is there of it is taken away with its row.
            self.end(&name, Entry::system(Event::GuestEnded).failed("guests.database")).await?;
            return Err(error);
        }
        let login = Login { name: name.clone(), password: Some(password.clone()) };
        Ok(Lent { name, password, url: (self.0.url)(&login), expires_at })
    }

    /// The role. PostgreSQL counts its time by its own clock.
    async fn make(
        &self,
        admin: &tokio_postgres::Client,
        name: &str,
        password: &Secret,
        lifetime: Duration,
        connections: u32,
        statement_ms: i64,
    ) -> Result<(), Error> {
        let until = format!(
            "SELECT (pg_catalog.clock_timestamp() + interval '{} milliseconds')::text",
            lifetime.as_millis()
        );
        let until: String = admin.query_one(until.as_str(), &[]).await?.try_get(0)?;
        let (role, database) = (quote_name(name), quote_name(&self.0.admin.database));
        admin
            .batch_execute(&format!(
                "BEGIN;
                 CREATE ROLE {role} LOGIN INHERIT NOCREATEROLE NOCREATEDB CONNECTION LIMIT {connections}
                   PASSWORD {} VALID UNTIL {} IN ROLE readonly;
                 ALTER ROLE {role} SET default_transaction_read_only = on;
                 ALTER ROLE {role} SET statement_timeout = '{statement_ms}ms';
                 ALTER ROLE {role} SET idle_in_transaction_session_timeout = '{statement_ms}ms';
                 ALTER ROLE {role} SET lock_timeout = '5s';
                 GRANT CONNECT ON DATABASE {database} TO {role};
                 COMMIT",
                quote_text(&scram_verifier(password)),
                quote_text(&until),
            ))
            .await?;
        Ok(())
    }

    /// Takes one back at once, with its sessions.
    pub async fn revoke(&self, name: &str, by: &Caller) -> Result<(), Error> {
        if !self.list().await?.iter().any(|guest| guest.name == name) {
            return Err(Error::Unknown);
        }
        self.end(name, Entry::by(by, Event::GuestEnded).because("revoked")).await
    }

    /// First the way in, then who is inside, then the role, then our memory of it: stopped anywhere, it is done again.
    async fn end(&self, name: &str, entry: Entry) -> Result<(), Error> {
        let Parts { admin, pg, audit, .. } = &*self.0;
        let client = admin.connect().await?;
        if client.query_one(sql::EXISTS, &[&name]).await?.try_get(0)? {
            let (role, database) = (quote_name(name), quote_name(&admin.database));
            client.batch_execute(&format!("ALTER ROLE {role} NOLOGIN")).await?;
            client.query(sql::END_SESSIONS, &[&name]).await?;
            client
                .batch_execute(&format!(
                    "BEGIN; REVOKE CONNECT ON DATABASE {database} FROM {role}; DROP ROLE {role}; COMMIT"
                ))
                .await?;
        }
        let mut tx = pg.begin_system(Reason::Administer).await?;
        tx.execute(sql::FORGET, [name.into()]).await?;
        audit.record(&mut tx, entry.about(format!("login:{name}"))).await?;
        tx.commit(()).await?.into_inner();
        Ok(())
    }

    /// Whose time is over goes, and so do statements that take too long.
    pub async fn keep(&self) -> Result<(), Error> {
        let Parts { admin, pg, clock, .. } = &*self.0;
        let mut tx = pg.begin_system(Reason::Administer).await?;
        let over = tx.query(sql::OVER, [clock.now().into()]).await?;
        let over: Vec<String> = over.iter().map(|row| row.at(0)).collect::<Result<_, _>>()?;
        tx.commit(()).await?.into_inner();
        for name in over {
            self.end(&name, Entry::system(Event::GuestEnded).because("its time is over")).await?;
        }
        let here = self.list().await?;
        if here.iter().any(|guest| guest.sessions > 0) {
            let names: Vec<&str> = here.iter().map(|guest| guest.name.as_str()).collect();
            let bounds: Vec<i64> = here.iter().map(|guest| guest.statement_ms).collect();
            admin.connect().await?.query(sql::END_LATE, &[&names, &bounds]).await?;
        }
        Ok(())
    }
}

/// Keeps nobody longer than their time.
pub struct KeepGuests(pub Guests);

impl Reconciler for KeepGuests {
    const NAME: &'static str = "guests.keep";
    const WHAT: &'static str =
        "read-only logins end when their time is over, and so do their long statements";
    const EVERY: Duration = Duration::from_millis(limits::GUEST_LOOK_MS.value);

    async fn reconcile(&self) -> Result<(), Failure> {
        Ok(self.0.keep().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_needs_no_quotes_and_is_not_ours() {
        for good in ["readonly_user", "a", "report_2"] {
            check_name(good).unwrap_or_else(|error| panic!("{error}"));
        }
        for bad in ["", "2a", "A", "a-b", "a\"b", "pg_read", "palisade_system", &"a".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
