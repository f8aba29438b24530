//! The handle that everybody else holds, and the task behind it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use audit::{Audit, Entry, Event};
use base::address::customer;
use base::{Caller, Clock, Rng, Settings};
use jiff::{SignedDuration, Timestamp};
use jobs::Jobs;
use mail::Outbox;
use pg::notify::{Heard, Listener};
use pg::{Pg, Reason, Reply, Row, Statement, SystemTx};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::activity::Activity;
use crate::contacts::{self, Book, Contacts};
use crate::rules::{self, Action, Rule};
use crate::{CHANNEL, Error, limits, settings, sql, tell};

/// What alerting is built from.
pub struct Parts {
    /// The database.
    pub pg: Pg,
    /// The log that is read.
    pub audit: Audit,
    /// The merged settings.
    pub settings: Settings,
    /// Mail.
    pub outbox: Outbox,
    /// What sends it.
    pub jobs: Jobs,
    /// Whether anybody is slowed down: not where rate limits are switched off.
    pub slows: bool,
    /// Where the API answers, for messages.
    pub url: String,
    /// The time.
    pub clock: Clock,
    /// Randomness, for ids.
    pub rng: Rng,
}

/// Alerting. Cheap to clone.
#[derive(Clone)]
pub struct Alerts(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub pg: Pg,
    pub audit: Audit,
    pub outbox: Outbox,
    pub jobs: Jobs,
    pub url: String,
    pub clock: Clock,
    pub rng: Rng,
    pub rules: Vec<Rule>,
    pub digest: Duration,
    pub email: Vec<String>,
    pub webhook: bool,
    pub chat: bool,
    pub syslog: Option<PathBuf>,
    pub book: Book,
    policy: Option<String>,
    activity: Activity,
    slows: Option<Action>,
    slowed: ArcSwap<Slowed>,
    too_much: mpsc::Sender<String>,
    /// What this program does itself while nobody asked it to, by the id its entries have.
    pub own_doing: ArcSwapOption<String>,
}

/// The task behind it, not yet started.
pub struct Keeper {
    alerts: Alerts,
    too_much: mpsc::Receiver<String>,
}

/// An alert that was raised.
#[derive(Clone, Debug, Serialize)]
pub struct Raised {
    /// Its id.
    #[serde(skip)]
    pub id: uuid::Uuid,
    /// Which rule.
    pub rule: String,
    #[serde(skip)]
    pub(crate) sealed: bool,
    /// When what it is about happened.
    pub at: Timestamp,
    /// How many.
    pub count: i64,
    /// What it does.
    pub action: String,
    /// In a sentence.
    pub what: String,
    /// How people were told; nothing while they were not.
    pub told: Option<String>,
}

/// A rule that tells nobody for a while.
#[derive(Clone, Debug, Serialize)]
pub struct Silence {
    /// Which rule.
    pub rule: String,
    /// Until when.
    pub until: Timestamp,
    /// Who wanted that.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Raised {
    pub(crate) fn read(row: Row<'_>) -> Result<Self, pg::Error> {
        Ok(Raised {
            id: row.get("id")?,
            rule: row.get("rule")?,
            sealed: row.get("sealed")?,
            at: row.get("at")?,
            count: row.get("count")?,
            action: row.get("action")?,
            what: row.get("what")?,
            told: row.get("told")?,
        })
    }
}

impl Silence {
    fn read(row: Row<'_>) -> Result<Self, pg::Error> {
        Ok(Silence {
            rule: row.get("rule")?,
            until: row.get("until")?,
            by: row.get("by")?,
            reason: row.get("reason")?,
        })
    }
}

impl Alerts {
    /// Whether alerts could be raised and told with these settings, before anything is opened.
    pub fn check(settings: &Settings) -> Result<(), Error> {
        rules::from(settings)?;
        tell::Ways::from(settings).map(drop)
    }

    /// Whether the files they name can be read.
    pub fn check_files(settings: &Settings) -> Result<(), Error> {
        Book::open(settings.get(&settings::CONTACTS)).map(drop)
    }

    /// Reads the settings and who is slowed down.
    pub async fn open(parts: Parts) -> Result<(Alerts, Keeper), Error> {
        let Parts { pg, audit, settings, outbox, jobs, slows, url, clock, rng } = parts;
        let rules = rules::from(&settings)?;
        let action = rules.iter().find(|rule| rule.name == "unusual_api_activity").map(|rule| rule.action);
        let ways = tell::Ways::from(&settings)?;
        let threshold = settings.get(&settings::UNUSUAL_THRESHOLD);
        let (sender, too_much) = mpsc::channel(1_024);
        let alerts = Alerts(Arc::new(Inner {
            pg,
            audit,
            outbox,
            jobs,
            url,
            clock,
            rng,
            rules,
            digest: settings.get(&settings::DIGEST),
            email: settings.get(&settings::EMAIL),
            webhook: ways.webhook.is_some(),
            chat: ways.chat.is_some(),
            syslog: settings.get(&settings::SYSLOG),
            book: Book::open(settings.get(&settings::CONTACTS))?,
            policy: settings.get(&settings::POLICY_URL),
            activity: Activity::new(threshold, settings.get(&settings::UNUSUAL_WINDOW)),
            slows: action.filter(|_| slows),
            slowed: ArcSwap::default(),
            too_much: sender,
            own_doing: ArcSwapOption::empty(),
        }));
        alerts.read_slowed().await?;
        let keeper = Keeper { alerts: alerts.clone(), too_much };
        Ok((alerts, keeper))
    }

    /// From here on entries with this request's id alarm nobody: the program does that itself, such as preparing its demo. The id has
    /// to be one that nobody can guess; the log has the entries all the same.
    pub fn expect(&self, request_id: &str) {
        self.0.own_doing.store(Some(Arc::new(request_id.to_owned())));
    }

    /// Counts a request of `caller` (a session, a key or an address). Says how long they have to wait, if they did too much.
    pub fn saw(&self, caller: &str, address: Option<IpAddr>) -> Option<Duration> {
        let inner = &self.0;
        let now = inner.clock.now();
        let until = inner.slowed.load().until(caller, address);
        if let Some(left) = until.map(|until| now.duration_until(until)).filter(|left| left.is_positive()) {
            return Some(left.unsigned_abs());
        }
        if !inner.activity.count(caller, now.as_millisecond()) {
            return None;
        }
        let entry = Entry::named(caller, Event::UnusualActivity).from_address(address).about(caller);
        inner.audit.refused(entry.because("edge.unusual_activity"));
        if inner.slows != Some(Action::RateLimit) {
            return None;
        }
        let until = inner.until(now);
        inner.remember(caller, until);
        if inner.too_much.try_send(caller.to_owned()).is_err() {
            tracing::error!(
                caller,
                "more callers to slow down than can be written down: this one is, on this node only"
            );
        }
        Some(Duration::from_secs(limits::SLOWED_SECONDS.value))
    }

    /// The rules in force.
    pub fn rules(&self) -> &[Rule] {
        &self.0.rules
    }

    /// The newest alerts.
    pub async fn list(&self, limit: u32) -> Result<Vec<Raised>, Error> {
        let limit = i64::try_from(u64::from(limit).min(limits::PAGE.value)).unwrap_or(0);
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        let rows = tx.run(Statement::new(sql::LIST, [limit.into()])).await?;
        tx.roll_back().await?;
        Ok(rows.iter().map(Raised::read).collect::<Result<_, _>>()?)
    }

    /// Rules that tell nobody for now.
    pub async fn silences(&self) -> Result<Vec<Silence>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        let silences = silences(&mut tx, self.0.clock.now()).await?;
        tx.roll_back().await?;
        Ok(silences)
    }

    /// Makes a rule tell nobody for a while. What it finds is raised and recorded all the same.
    pub async fn silence(
        &self,
        rule: &str,
        lasts: Duration,
        reason: &str,
        by: &Caller,
    ) -> Result<Reply<Timestamp>, Error> {
        self.require(rule)?;
        let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::MAX);
        let until = self.0.clock.now().checked_add(lasts).unwrap_or(Timestamp::MAX);
        let reason = reason.get(..reason.floor_char_boundary(500)).unwrap_or_default();
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        let params = [rule.into(), until.into(), by.actor().into(), reason.into()];
        tx.run(Statement::new(sql::SILENCE, params)).await?;
        let entry = Entry::by(by, Event::AlertSilenced).about(format!("rule:{rule}")).because(reason);
        self.0.audit.record(&mut tx, entry.detail("until", until)).await?;
        Ok(tx.commit(until).await?)
    }

    /// Makes it tell again.
    pub async fn speak(&self, rule: &str, by: &Caller) -> Result<Reply<()>, Error> {
        self.require(rule)?;
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        tx.run(Statement::new(sql::SPEAK, [rule.into()])).await?;
        let entry = Entry::by(by, Event::AlertSilenced).about(format!("rule:{rule}")).detail("until", "now");
        self.0.audit.record(&mut tx, entry).await?;
        Ok(tx.commit(()).await?)
    }

    /// Whom there is, and what is wrong with the file that says so.
    pub fn contacts(&self) -> (Contacts, Option<String>) {
        self.0.book.look()
    }

    /// `security.txt` (RFC 9116), when there is anybody to write to.
    pub fn security_txt(&self) -> Option<String> {
        let (contacts, _) = self.0.book.look();
        contacts::security_txt(&contacts, &self.0.url, self.0.policy.as_deref(), self.0.clock.now())
    }

    fn require(&self, rule: &str) -> Result<(), Error> {
        match self.0.rules.iter().any(|known| known.name == rule) {
            true => Ok(()),
            false => Err(Error::NoRule { name: rule.to_owned() }),
        }
    }

    /// Slows somebody down, everywhere.
    pub(crate) async fn slow(&self, tx: &mut SystemTx, who: &str, rule: &str) -> Result<(), Error> {
        let now = self.0.clock.now();
        let until = self.0.until(now);
        let who = who.get(..who.floor_char_boundary(256)).unwrap_or_default();
        tx.run(Statement::new(sql::UNSLOW, [now.into()])).await?;
        tx.run(Statement::new(sql::SLOW, [who.into(), rule.into(), now.into(), until.into()])).await?;
        tx.run(Statement::new(sql::TELL, [])).await?;
        self.0.remember(who, until);
        Ok(())
    }

    async fn read_slowed(&self) -> Result<(), Error> {
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        let rows = tx.run(Statement::new(sql::SLOWED, [self.0.clock.now().into()])).await?;
        tx.roll_back().await?;
        let read = |row: Row<'_>| {
            Ok::<_, pg::Error>((row.get::<String>("subject")?, row.get::<Timestamp>("until")?))
        };
        let slowed = rows.iter().map(read).collect::<Result<HashMap<_, _>, _>>()?;
        self.0.slowed.store(Slowed::new(slowed).into());
        Ok(())
    }
}

/// Rules that tell nobody for now, in a transaction that is under way.
pub(crate) async fn silences(tx: &mut SystemTx, now: Timestamp) -> Result<Vec<Silence>, Error> {
    let rows = tx.run(Statement::new(sql::SILENCES, [now.into()])).await?;
    Ok(rows.iter().map(Silence::read).collect::<Result<_, _>>()?)
}

impl Inner {
    /// What limits count an address as: itself, or the /64 that one customer has.
    pub(crate) fn subject_of(&self, address: IpAddr) -> String {
        match customer(address) {
            address @ IpAddr::V4(_) => format!("ip:{address}"),
            address @ IpAddr::V6(_) => format!("ip:{address}/64"),
        }
    }

    fn until(&self, now: Timestamp) -> Timestamp {
        let seconds = i64::try_from(limits::SLOWED_SECONDS.value).unwrap_or(i64::MAX);
        now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
    }

    fn remember(&self, who: &str, until: Timestamp) {
        self.slowed.rcu(|slowed| slowed.with(who, until));
    }
}

/// Who is slowed down, and until when. Asked at every request, so that asking formats nothing and waits for nobody.
#[derive(Clone, Default)]
struct Slowed {
    /// Sessions, keys and whatever else has a name.
    named: HashMap<String, Timestamp>,
    /// Addresses, as [`customer`] has them.
    addresses: HashMap<IpAddr, Timestamp>,
}

impl Slowed {
    fn new(all: HashMap<String, Timestamp>) -> Self {
        let mut slowed = Slowed::default();
        all.into_iter().for_each(|(who, until)| slowed.add(who, until));
        slowed
    }

    fn with(&self, who: &str, until: Timestamp) -> Self {
        let mut slowed = self.clone();
        slowed.add(who.to_owned(), until);
        slowed
    }

    fn add(&mut self, who: String, until: Timestamp) {
        let address = who.strip_prefix("ip:").and_then(|text| text.split('/').next()?.parse().ok());
        match address {
            Some(address) => self.addresses.insert(customer(address), until),
            None => self.named.insert(who, until),
        };
    }

    fn until(&self, caller: &str, address: Option<IpAddr>) -> Option<Timestamp> {
        let named = if self.named.is_empty() { None } else { self.named.get(caller) };
        let by_address = address
            .filter(|_| !self.addresses.is_empty())
            .and_then(|address| self.addresses.get(&customer(address)));
        named.max(by_address).copied()
    }
}

/// How often the log is looked at for what other nodes wrote, and whether a collected message is due.
const TICK: Duration = Duration::from_secs(2);

impl Keeper {
    /// Judges and tells until `stop`.
    pub async fn run(mut self, listener: Listener, stop: CancellationToken) {
        let mut grown = self.alerts.0.audit.grown();
        let mut heard = listener.subscribe();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                changed = grown.changed() => match changed {
                    Ok(()) => self.work().await,
                    Err(_) => break,
                },
                _ = ticks.tick() => self.work().await,
                who = self.too_much.recv() => if let Some(who) = who { self.slow(&who).await },
                said = heard.recv() => match said {
                    Ok(Heard::Note { channel, .. }) if &*channel != CHANNEL => {}
                    Ok(Heard::Note { .. } | Heard::Gap) | Err(RecvError::Lagged(_)) => self.read_slowed().await,
                    Err(RecvError::Closed) => break,
                },
            }
        }
    }

    async fn work(&self) {
        loop {
            match self.alerts.judge().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(error = %base::fault::chain(&error), "the alert rules wait");
                    return;
                }
            }
        }
        if let Err(error) = self.alerts.tell().await {
            tracing::warn!(error = %base::fault::chain(&error), "alerts wait to be told");
        }
    }

    async fn slow(&self, who: &str) {
        let slowed = async {
            let mut tx = self.alerts.0.pg.begin_system(Reason::Detection).await?;
            self.alerts.slow(&mut tx, who, "unusual_api_activity").await?;
            tx.commit(()).await?.into_inner();
            Ok::<_, Error>(())
        };
        if let Err(error) = slowed.await {
            tracing::error!(error = %base::fault::chain(&error), who, "a caller is slowed down on this node only");
        }
    }

    async fn read_slowed(&self) {
        if let Err(error) = self.alerts.read_slowed().await {
            tracing::warn!(error = %base::fault::chain(&error), "who is slowed down could not be read again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_slowed_down_is_by_name_or_by_the_address_of_one_customer() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let all = [("ip:198.51.100.7", 10), ("ip:2001:db8:1:2::/64", 20), ("key:busy", 30)];
        let slowed = Slowed::new(all.map(|(who, second)| (who.to_owned(), at(second))).into());
        let until = |caller: &str, address: &str| {
            slowed.until(caller, address.parse().ok()).map(Timestamp::as_second)
        };
        assert_eq!(until("session:1", "198.51.100.7"), Some(10));
        assert_eq!(until("session:1", "::ffff:198.51.100.7"), Some(10));
        assert_eq!(until("session:1", "2001:db8:1:2:ffff::1"), Some(20));
        assert_eq!(until("key:busy", "198.51.100.7"), Some(30), "the longer one");
        assert_eq!(until("key:busy", ""), Some(30));
        assert_eq!(until("key:other", "2001:db8:1:3::1"), None);
        assert_eq!(until("key:other", "198.51.100.8"), None);
        assert_eq!(
            slowed.with("ip:198.51.100.8", at(40)).until("", "198.51.100.8".parse().ok()),
            Some(at(40))
        );
    }
}
