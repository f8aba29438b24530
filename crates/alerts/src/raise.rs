//! Judging what the log has grown by: one node at a time, each entry once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use audit::{Entry, Event, Recorded};
use jiff::{SignedDuration, Timestamp};
use pg::{Reason, Row, Statement, SystemTx};
use serde::Deserialize;

use crate::keep::Alerts;
use crate::rules::{Action, By, Rule};
use crate::{Error, limits, sql};

/// An entry, as far as rules look at it.
#[derive(Clone, Debug, Deserialize)]
struct Seen {
    #[serde(default)]
    seq: i64,
    at: Timestamp,
    event: String,
    actor: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    address: Option<IpAddr>,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default = "one")]
    count: i64,
}

fn one() -> i64 {
    1
}

impl Seen {
    fn read(seq: i64, body: &str) -> Option<Self> {
        serde_json::from_str::<Seen>(body).ok().map(|seen| Seen { seq, ..seen })
    }

    fn is_sealed(&self) -> bool {
        self.address.is_some_and(is_sealed)
    }

    fn key(&self, by: Option<By>) -> String {
        let key = match by {
            None => None,
            Some(By::Address) => self.address.map(|address| address.to_string()),
            Some(By::Actor) => Some(self.actor.clone()),
            Some(By::Subject) => self.subject.clone(),
        };
        key.unwrap_or_default()
    }

    /// In a sentence.
    fn words(&self) -> String {
        let mut words = format!("{} by {}", self.event, self.actor);
        let mut add = |name: &str, what: Option<String>| {
            if let Some(what) = what {
                words.push_str(&format!(" {name} {what}"));
            }
        };
        add("about", self.subject.clone());
        add("from", self.address.map(|address| address.to_string()));
        add("because of", self.reason.clone());
        add("times", (self.count > 1).then(|| self.count.to_string()));
        words
    }
}

/// Addresses of this machine that only the probes use: they bind one of 127/8 each, which nobody has by accident.
pub(crate) fn is_sealed(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() && address != std::net::Ipv4Addr::LOCALHOST,
        IpAddr::V6(_) => false,
    }
}

/// An alert to be written down.
struct Found {
    sealed: bool,
    key: String,
    last: Seen,
    count: i64,
    what: String,
}

impl Alerts {
    /// Reads on, and raises what the rules find. True when there may be more.
    pub(crate) async fn judge(&self) -> Result<bool, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        let turn = tx.run(Statement::new(sql::TURN, [])).await?;
        let Some(from) = turn.first().map(|row| row.at::<i64>(0)).transpose()? else {
            tx.roll_back().await?;
            return Ok(false);
        };
        let entries = self.0.audit.export(&audit::Filter::default(), from).await?;
        let Some(last) = entries.last().map(|entry: &Recorded| entry.seq) else {
            tx.roll_back().await?;
            return Ok(false);
        };
        let seen: Vec<Seen> = entries.iter().filter_map(|entry| Seen::read(entry.seq, &entry.body)).collect();
        for rule in &self.0.rules {
            let found = self.found(&mut tx, rule, &seen, last).await?;
            for alert in found {
                self.raise(&mut tx, rule, &alert).await?;
            }
        }
        tx.run(Statement::new(sql::READ_TO, [last.into()])).await?;
        tx.commit(()).await?.into_inner();
        Ok(true)
    }

    async fn found(
        &self,
        tx: &mut SystemTx,
        rule: &Rule,
        seen: &[Seen],
        last: i64,
    ) -> Result<Vec<Found>, Error> {
        let own = self.0.own_doing.load_full();
        let is_own = |seen: &Seen| seen.request_id.is_some() && seen.request_id.as_ref() == own.as_deref();
        let is_its = |seen: &&Seen| rule.events.contains(&seen.event.as_str()) && !is_own(seen);
        let new: Vec<&Seen> = seen.iter().filter(is_its).collect();
        let Some(first) = new.first() else { return Ok(Vec::new()) };
        if rule.window.is_zero() || rule.threshold == 1 {
            let each = new.into_iter().map(|seen| Found {
                sealed: seen.is_sealed(),
                key: seen.key(rule.by),
                last: seen.clone(),
                count: seen.count,
                what: seen.words(),
            });
            return Ok(each.collect());
        }
        let begins = before(first.at, rule.window);
        let events: Vec<String> = rule.events.iter().map(|name| (*name).to_owned()).collect();
        let most = i64::try_from(limits::MATCHES.value).unwrap_or(i64::MAX);
        let params = [events.into(), begins.into(), last.into(), most.into()];
        let rows = tx.run(Statement::rare(sql::WINDOW, params)).await?;
        let mut all = rows.iter().map(entry_of).collect::<Result<Vec<_>, _>>()?;
        all.reverse();
        let rows = tx.run(Statement::new(sql::LAST, [rule.name.as_str().into(), begins.into()])).await?;
        let raised = rows.iter().map(raised_of).collect::<Result<HashMap<_, _>, _>>()?;
        Ok(slide(rule, all.into_iter().flatten(), raised))
    }

    async fn raise(&self, tx: &mut SystemTx, rule: &Rule, found: &Found) -> Result<(), Error> {
        let inner = &*self.0;
        let Found { sealed, key, last, count, what } = found;
        let what = what.get(..what.floor_char_boundary(1_000)).unwrap_or_default();
        let params = [
            inner.rng.uuid().into(),
            rule.name.as_str().into(),
            (*sealed).into(),
            key.as_str().into(),
            last.at.into(),
            last.seq.into(),
            (*count).into(),
            rule.action.name().into(),
            what.into(),
        ];
        tx.run(Statement::new(sql::RAISE, params)).await?;
        if rule.action == Action::LogAndNotify && !sealed {
            tracing::warn!(rule = rule.name, count, what, "alert");
        }
        if let (Action::RateLimit, Some(address)) = (rule.action, last.address)
            && last.event != Event::UnusualActivity.name()
        {
            self.slow(tx, &inner.subject_of(address), &rule.name).await?;
        }
        let entry = Entry::system(Event::AlertRaised)
            .about(format!("rule:{}", rule.name))
            .from_address(last.address)
            .detail("action", rule.action.name())
            .detail("count", *count)
            .detail("what", what);
        Ok(inner.audit.record(tx, entry).await?)
    }
}

fn entry_of(row: Row<'_>) -> Result<Option<Seen>, pg::Error> {
    let (seq, body): (i64, String) = (row.get("seq")?, row.get("body")?);
    Ok(Seen::read(seq, &body))
}

fn raised_of(row: Row<'_>) -> Result<((bool, String), i64), pg::Error> {
    Ok(((row.get("sealed")?, row.get("key")?), row.get("seq")?))
}

fn before(at: Timestamp, window: Duration) -> Timestamp {
    let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
    at.checked_sub(window).unwrap_or(Timestamp::MIN)
}

/// Goes along the entries, counting those within the window behind each. An alert uses up what it counted.
fn slide(
    rule: &Rule,
    seen: impl Iterator<Item = Seen>,
    mut raised: HashMap<(bool, String), i64>,
) -> Vec<Found> {
    let mut windows: HashMap<(bool, String), Vec<Seen>> = HashMap::new();
    let mut found = Vec::new();
    for entry in seen {
        let place = (entry.is_sealed(), entry.key(rule.by));
        if raised.get(&place).is_some_and(|used| entry.seq <= *used) {
            continue;
        }
        let window = windows.entry(place.clone()).or_default();
        let begins = before(entry.at, rule.window);
        window.retain(|earlier| earlier.at > begins);
        window.push(entry.clone());
        let count: i64 = window.iter().map(|earlier| earlier.count).sum();
        if count < rule.threshold {
            continue;
        }
        let what = summary(rule, window, count);
        raised.insert(place.clone(), entry.seq);
        windows.remove(&place);
        found.push(Found { sealed: place.0, key: place.1, last: entry, count, what });
    }
    found
}

/// How many, of what, and who did most of it.
fn summary(rule: &Rule, window: &[Seen], count: i64) -> String {
    let mut by_address: HashMap<IpAddr, i64> = HashMap::new();
    let mut by_subject: HashMap<&str, i64> = HashMap::new();
    for entry in window {
        if let Some(address) = entry.address {
            *by_address.entry(address).or_default() += entry.count;
        }
        if let Some(subject) = entry.subject.as_deref() {
            *by_subject.entry(subject).or_default() += entry.count;
        }
    }
    let most = |text: &str, found: Option<(String, i64)>, of: usize| match found {
        Some((who, many)) => format!("; {of} {text}, most {who} ({many})"),
        None => String::new(),
    };
    let address =
        by_address.iter().max_by_key(|(_, many)| **many).map(|(who, many)| (who.to_string(), *many));
    let subject =
        by_subject.iter().max_by_key(|(_, many)| **many).map(|(who, many)| ((*who).to_owned(), *many));
    let events: std::collections::BTreeSet<&str> = window.iter().map(|entry| entry.event.as_str()).collect();
    format!(
        "{count} of {} within {} s{}{}",
        events.into_iter().collect::<Vec<_>>().join(", "),
        rule.window.as_secs(),
        most("address(es)", address, by_address.len()),
        most("account(s)", subject, by_subject.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(by: Option<By>) -> Rule {
        Rule {
            name: "test".to_owned(),
            events: vec!["auth.login_failed"],
            threshold: 3,
            window: Duration::from_secs(60),
            action: Action::NotifyAdmin,
            by,
        }
    }

    fn seen(seq: i64, second: i64, address: &str, count: i64) -> Seen {
        Seen {
            seq,
            at: Timestamp::from_second(second).unwrap(),
            event: "auth.login_failed".to_owned(),
            actor: "anonymous".to_owned(),
            subject: None,
            address: Some(address.parse().unwrap()),
            request_id: None,
            reason: None,
            count,
        }
    }

    #[test]
    fn three_within_a_minute_raise_one_alert_and_are_used_up() {
        let entries = [(1, 0), (2, 50), (3, 70), (4, 80), (5, 90), (6, 100)];
        let entries = entries.map(|(seq, second)| seen(seq, second, "198.51.100.7", 1));
        let found = slide(&rule(None), entries.into_iter(), HashMap::new());
        assert_eq!(found.iter().map(|found| found.last.seq).collect::<Vec<_>>(), [4]);
        assert!(
            found[0]
                .what
                .starts_with("3 of auth.login_failed within 60 s; 1 address(es), most 198.51.100.7 (3)")
        );
    }

    #[test]
    fn folded_entries_count_as_many_and_the_probes_count_apart() {
        let entries =
            [seen(1, 0, "198.51.100.7", 1), seen(2, 1, "127.99.1.1", 2), seen(3, 2, "198.51.100.8", 2)];
        let found = slide(&rule(None), entries.clone().into_iter(), HashMap::new());
        assert_eq!(
            found.iter().map(|found| (found.last.seq, found.sealed)).collect::<Vec<_>>(),
            [(3, false)]
        );
        assert!(slide(&rule(Some(By::Address)), entries.into_iter(), HashMap::new()).is_empty());
    }

    #[test]
    fn this_machines_own_address_is_nobodys_probe() {
        assert!(is_sealed("127.99.1.1".parse().unwrap()) && is_sealed("::ffff:127.99.1.1".parse().unwrap()));
        for open in ["127.0.0.1", "::1", "198.51.100.7"] {
            assert!(!is_sealed(open.parse().unwrap()), "{open}");
        }
    }
}
