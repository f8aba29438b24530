//! Telling people: by mail, webhook, chat and the system's log. The first alert of a rule at once, what follows within the
//! digest together, nothing of a rule that is silenced.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use audit::{Entry, Event};
use base::{Clock, Secret, Settings};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use jobs::{Attempt, Job, Trouble, Urgency};
use mail::Message;
use outbound::{Outbound, Request};
use pg::{Reason, Row, Statement, SystemTx};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::keep::{Alerts, Raised, silences};
use crate::{Error, limits, settings, sql};

/// The mailbox of the probes. Nothing below `.invalid` ever leaves (RFC 2606).
pub const PROBES_MAILBOX: &str = "alerts@probe.palisade.invalid";

/// Who is reached, and how.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Recipients {
    /// By mail; nobody when no mail can leave.
    pub mail: Vec<String>,
    /// Whether mail can leave at all.
    pub mail_leaves: bool,
    /// By a signed webhook.
    pub webhook: bool,
    /// In a chat.
    pub chat: bool,
    /// In the system's log.
    pub syslog: bool,
}

impl Recipients {
    /// Whether anybody is.
    pub fn anybody(&self) -> bool {
        !self.mail.is_empty() || self.webhook || self.chat || self.syslog
    }

    fn words(&self) -> String {
        let mut ways = Vec::new();
        if !self.mail.is_empty() {
            ways.push(format!("mail to {}", self.mail.len()));
        }
        let rest = [(self.webhook, "webhook"), (self.chat, "chat"), (self.syslog, "syslog")];
        ways.extend(rest.into_iter().filter(|(is_on, _)| *is_on).map(|(_, name)| name.to_owned()));
        ways.join(", ")
    }
}

/// The ways that need something secret: kept where they are used, not in the queue.
#[derive(Clone, Default)]
pub(crate) struct Ways {
    pub webhook: Option<(String, Secret<Vec<u8>>)>,
    pub chat: Option<Secret<String>>,
}

impl Ways {
    pub fn from(given: &Settings) -> Result<Self, Error> {
        let secret = given.get(&settings::WEBHOOK_SECRET).map(|text| read_secret(text.expose()));
        let webhook = match (given.get(&settings::WEBHOOK_URL), secret) {
            (None, _) => None,
            (Some(url), Some(Some(secret))) => Some((url, secret)),
            (Some(_), Some(None) | None) => {
                return Err(Error::Setting {
                    setting: settings::WEBHOOK_SECRET.definition.name,
                    what: "a webhook is signed: set v1,whsec_ and at least 24 random bytes in base64"
                        .to_owned(),
                });
            }
        };
        Ok(Ways { webhook, chat: given.get(&settings::SLACK_URL) })
    }
}

fn read_secret(text: &str) -> Option<Secret<Vec<u8>>> {
    let text = text.trim();
    let encoded = text.strip_prefix("v1,").unwrap_or(text).strip_prefix("whsec_")?;
    let bytes = STANDARD.decode(encoded).ok()?;
    (bytes.len() >= 24).then(|| Secret::new(bytes))
}

/// Posts one message to the webhook or the chat.
#[derive(Serialize, Deserialize)]
pub struct CallHook {
    /// `webhook` or `chat`.
    pub way: String,
    /// What is posted.
    pub body: String,
}

/// What the job works with.
#[derive(Clone)]
pub struct Hooks {
    ways: Ways,
    outbound: Outbound,
    clock: Clock,
}

impl Hooks {
    /// From the settings.
    pub fn from(settings: &Settings, outbound: Outbound, clock: Clock) -> Result<Self, Error> {
        Ok(Hooks { ways: Ways::from(settings)?, outbound, clock })
    }
}

impl Job for CallHook {
    const NAME: &'static str = "alerts.hook";
    const WHAT: &'static str = "posts an alert to alerts.webhook_url or alerts.slack_url";
    const URGENCY: Urgency = Urgency::Alert;
    type Context = Hooks;

    async fn run(&self, hooks: &Hooks, attempt: Attempt) -> Result<(), Trouble> {
        let within = Duration::from_secs(limits::HOOK_SECONDS.value);
        let request = match (self.way.as_str(), &hooks.ways) {
            ("webhook", Ways { webhook: Some((url, secret)), .. }) => {
                let id = format!("msg_{}", attempt.id.simple());
                let time = hooks.clock.unix_seconds().to_string();
                let mac = seal::keyed_mac(secret.expose(), format!("{id}.{time}.{}", self.body).as_bytes());
                Request::post("alert", url)
                    .header("webhook-id", &id)
                    .header("webhook-timestamp", &time)
                    .header("webhook-signature", &format!("v1,{}", STANDARD.encode(mac)))
            }
            ("chat", Ways { chat: Some(url), .. }) => Request::post("alert", url.expose()),
            // Switched off since: there is nobody to tell any more.
            _ => return Ok(()),
        };
        let request = request.body("application/json", self.body.clone()).within(within);
        hooks.outbound.send(request).await.and_then(outbound::Answer::success).map_err(Error::from)?;
        Ok(())
    }
}

impl Alerts {
    /// Whoever is reached now.
    pub async fn recipients(&self) -> Result<Recipients, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        let recipients = self.reached(&mut tx).await?;
        tx.roll_back().await?;
        Ok(recipients)
    }

    async fn reached(&self, tx: &mut SystemTx) -> Result<Recipients, Error> {
        let inner = &*self.0;
        let mail_leaves = inner.outbox.takes_mail();
        let mut mail = BTreeSet::new();
        if mail_leaves {
            let rows = tx.run(Statement::new(sql::ADMINISTRATORS, [])).await?;
            mail.extend(rows.iter().filter_map(|row| row.get::<Option<String>>("email").ok().flatten()));
            mail.extend(inner.book.look().0.security_team.into_iter().map(|contact| contact.email));
            mail.extend(inner.email.iter().cloned());
        }
        let mail = mail.into_iter().take(limits::RECIPIENTS.size()).collect();
        let (webhook, chat, syslog) = (inner.webhook, inner.chat, inner.syslog.is_some());
        Ok(Recipients { mail, mail_leaves, webhook, chat, syslog })
    }

    /// Tells what is due.
    pub(crate) async fn tell(&self) -> Result<(), Error> {
        let inner = &*self.0;
        let now = inner.clock.now();
        let mut tx = inner.pg.begin_system(Reason::Detection).await?;
        // Whoever reads the log tells, so that nothing is told twice.
        if tx.run(Statement::new(sql::TURN, [])).await?.first().is_none() {
            tx.roll_back().await?;
            return Ok(());
        }
        let most = i64::try_from(limits::WAITING.value).unwrap_or(i64::MAX);
        let rows = tx.run(Statement::new(sql::UNTOLD, [most.into()])).await?;
        let untold = rows.iter().map(Raised::read).collect::<Result<Vec<_>, _>>()?;
        if untold.is_empty() {
            tx.roll_back().await?;
            return Ok(());
        }
        let (sealed, open): (Vec<_>, Vec<_>) = untold.into_iter().partition(|raised| raised.sealed);
        self.tell_probes(&mut tx, &sealed, now).await?;
        self.tell_people(&mut tx, open, now).await?;
        let days = i64::try_from(limits::MEMORY_DAYS.value).unwrap_or(i64::MAX);
        let old = now.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN);
        tx.run(Statement::new(sql::FORGET, [old.into()])).await?;
        tx.commit(()).await?.into_inner();
        Ok(())
    }

    /// The probes' own alerts go into their mailbox, which nobody is told of.
    async fn tell_probes(&self, tx: &mut SystemTx, sealed: &[Raised], now: Timestamp) -> Result<(), Error> {
        if sealed.is_empty() {
            return Ok(());
        }
        let told = if self.0.outbox.takes_mail() {
            let message = mail_of(PROBES_MAILBOX, sealed, 0, &self.0.url);
            self.0.jobs.post(tx, &self.0.outbox, &message, Urgency::Alert).await?;
            "the probes' mailbox"
        } else {
            "nobody: no mail can leave"
        };
        mark(tx, sealed.iter(), now, told).await
    }

    async fn tell_people(&self, tx: &mut SystemTx, open: Vec<Raised>, now: Timestamp) -> Result<(), Error> {
        if open.is_empty() {
            return Ok(());
        }
        let silent: BTreeSet<String> =
            silences(tx, now).await?.into_iter().map(|silence| silence.rule).collect();
        let (silenced, open): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|raised| silent.contains(&raised.rule));
        mark(tx, silenced.iter(), now, "silenced").await?;
        let rows = tx.run(Statement::new(sql::TOLD_LAST, [])).await?;
        let last = rows.iter().map(told_last).collect::<Result<HashMap<_, _>, _>>()?;
        let digest = SignedDuration::try_from(self.0.digest).unwrap_or(SignedDuration::MAX);
        let is_due =
            |raised: &Raised| last.get(&raised.rule).is_none_or(|at| at.duration_until(now) >= digest);
        let due: Vec<Raised> = open.into_iter().filter(is_due).collect();
        if due.is_empty() {
            return Ok(());
        }
        let recipients = self.reached(tx).await?;
        if !recipients.anybody() {
            tracing::error!(
                alerts = due.len(),
                "nobody can be told of an alert: set alerts.email and a mail server, alerts.webhook_url, alerts.slack_url or contacts.file"
            );
            let entry =
                Entry::system(Event::AlertUndelivered).failed("alerts.nobody").detail("alerts", due.len());
            self.0.audit.record(tx, entry).await?;
            mark(tx, due.iter(), now, "nobody").await?;
            return mark_rest(tx, &due, now, "nobody").await.map(drop);
        }
        let words = recipients.words();
        mark(tx, due.iter(), now, &words).await?;
        let more = mark_rest(tx, &due, now, &words).await?;
        self.send(tx, &due, more, &recipients).await
    }

    /// `more` are told as a number.
    async fn send(
        &self,
        tx: &mut SystemTx,
        due: &[Raised],
        more: usize,
        recipients: &Recipients,
    ) -> Result<(), Error> {
        let inner = &*self.0;
        for to in &recipients.mail {
            let message = mail_of(to, due, more, &inner.url);
            inner.jobs.post(tx, &inner.outbox, &message, Urgency::Alert).await?;
        }
        let shown = due.get(..due.len().min(limits::TOLD.size())).unwrap_or_default();
        if recipients.webhook {
            let body = json!({
                "type": "alert.raised",
                "timestamp": inner.clock.now(),
                "data": { "instance": inner.url, "alerts": shown, "count": due.len() + more },
            });
            inner.jobs.enqueue(tx, &CallHook { way: "webhook".to_owned(), body: body.to_string() }).await?;
        }
        if recipients.chat {
            let text = format!("{}\n{}", subject(due), lines(due, more).join("\n"));
            let body = json!({ "text": text }).to_string();
            inner.jobs.enqueue(tx, &CallHook { way: "chat".to_owned(), body }).await?;
        }
        if let Some(socket) = &inner.syslog {
            for line in lines(due, more) {
                write_syslog(socket, inner.clock.now(), &line);
            }
        }
        Ok(())
    }
}

fn told_last(row: Row<'_>) -> Result<(String, Timestamp), pg::Error> {
    Ok((row.get("rule")?, row.get("at")?))
}

/// What the same rules have to tell beyond `due`, which is as many as are looked at. How many that were.
async fn mark_rest(tx: &mut SystemTx, due: &[Raised], now: Timestamp, told: &str) -> Result<usize, Error> {
    let rules: BTreeSet<&str> = due.iter().map(|raised| raised.rule.as_str()).collect();
    let rules: Vec<String> = rules.into_iter().map(str::to_owned).collect();
    let marked = tx.run(Statement::new(sql::MARK_REST, [rules.into(), now.into(), told.into()])).await?;
    Ok(usize::try_from(marked.affected).unwrap_or(usize::MAX))
}

async fn mark(
    tx: &mut SystemTx,
    raised: impl Iterator<Item = &Raised>,
    now: Timestamp,
    told: &str,
) -> Result<(), Error> {
    let ids: Vec<String> = raised.map(|raised| raised.id.to_string()).collect();
    if !ids.is_empty() {
        tx.run(Statement::new(sql::MARK, [ids.into(), now.into(), told.into()])).await?;
    }
    Ok(())
}

/// One line for each, and how many more there are.
fn lines(due: &[Raised], more: usize) -> Vec<String> {
    let shown = due.iter().take(limits::TOLD.size());
    let mut lines: Vec<String> =
        shown.map(|raised| format!("{}  {}: {}", raised.at, raised.rule, raised.what)).collect();
    let left = due.len().saturating_sub(limits::TOLD.size()) + more;
    if left > 0 {
        lines.push(format!("… and {left} more: palisade alerts list"));
    }
    lines
}

fn subject(due: &[Raised]) -> String {
    let mut by_rule: BTreeMap<&str, usize> = BTreeMap::new();
    due.iter().for_each(|raised| *by_rule.entry(&raised.rule).or_default() += 1);
    let rules = by_rule
        .into_iter()
        .map(|(rule, count)| if count > 1 { format!("{rule} ({count})") } else { rule.to_owned() });
    format!("Palisade: {}", rules.collect::<Vec<_>>().join(", "))
}

fn mail_of(to: &str, due: &[Raised], more: usize, url: &str) -> Message {
    let first = due.first().map_or("failed_logins", |raised| raised.rule.as_str());
    let text = format!(
        "{url}\n\n{}\n\nWhat led to it is in the audit log: palisade audit list\nMore alerts: palisade alerts list\n\
         Not now: palisade alerts silence {first} --for 2h\n",
        lines(due, more).join("\n")
    );
    let text = text.get(..text.floor_char_boundary(60_000)).unwrap_or_default().to_owned();
    let mut subject = subject(due);
    subject.truncate(subject.floor_char_boundary(120));
    Message { kind: "alert", to: to.to_owned(), subject, text: Secret::new(text), html: None }
}

/// RFC 5424, facility authpriv, severity warning. A log that nobody reads must stop nothing.
fn write_syslog(socket: &Path, now: Timestamp, line: &str) {
    const AUTHPRIV_WARNING: u8 = 10 * 8 + 4;
    let plain: String = line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let line = format!("<{AUTHPRIV_WARNING}>1 {now} - palisade {} alert - {plain}", std::process::id());
    let sent = UnixDatagram::unbound().and_then(|from| {
        from.set_nonblocking(true)?;
        from.send_to(line.as_bytes(), socket)
    });
    if let Err(error) = sent {
        tracing::warn!(%error, socket = %socket.display(), "an alert could not be written to the system's log");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_without_a_good_secret_is_refused_at_the_start() {
        let url = Settings::default().with("alerts.webhook_url", "https://hooks.example.com/");
        for secret in [None, Some("whsec_c2hvcnQ="), Some("secret")] {
            let given = secret.map_or(url.clone(), |secret| url.with("alerts.webhook_secret", secret));
            assert!(Ways::from(&given).is_err(), "{secret:?}");
        }
        let good = format!("v1,whsec_{}", STANDARD.encode([7; 24]));
        assert!(
            Ways::from(&url.with("alerts.webhook_secret", &good)).is_ok_and(|ways| ways.webhook.is_some())
        );
    }

    #[test]
    fn a_line_in_the_systems_log_is_one_line_of_rfc_5424() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        write_syslog(&path, "2026-01-15T12:00:00Z".parse().unwrap(), "failed_logins: 10\nforged line");
        let mut heard = [0; 1_000];
        let length = log.recv(&mut heard).unwrap();
        let text = String::from_utf8_lossy(&heard[..length]).into_owned();
        assert!(
            text.starts_with("<84>1 2026-01-15T12:00:00Z - palisade ")
                && text.ends_with(" alert - failed_logins: 10 forged line")
        );
    }
}
