//! What can be set about who is told of what: the guide's block as it is printed, rules of one's own, and the ways.

use std::path::PathBuf;
use std::time::Duration;

use base::setting::{Definition, Fields, Record, ValueError};
use base::{Secret, Setting};

/// How many failed logins within the window raise the alert.
pub static FAILED_LOGINS_THRESHOLD: Setting<u32> = Setting::new("alerts.failed_logins.threshold", "10")
    .range("1", "1000000")
    .changes("how many failed logins within the window raise the alert")
    .proven_by(&[107]);

/// The window in which failed logins are counted; 0s alerts on each.
pub static FAILED_LOGINS_WINDOW: Setting<Duration> = Setting::new("alerts.failed_logins.window", "5m")
    .range("0s", "24h")
    .changes("the window in which failed logins are counted; 0s alerts on each")
    .proven_by(&[107]);

/// What the alert on failed logins does.
pub static FAILED_LOGINS_ACTION: Setting<String> = Setting::new("alerts.failed_logins.action", "notify_admin")
    .choices(&["notify_admin", "rate_limit", "log_and_notify"])
    .changes("what the alert on failed logins does: tell administrators, slow the address down, or tell and write a line into the log")
    .proven_by(&[107]);

/// How many requests of one caller within the window raise the alert.
pub static UNUSUAL_THRESHOLD: Setting<u32> = Setting::new("alerts.unusual_api_activity.threshold", "1000")
    .range("1", "1000000")
    .changes("how many requests of one session, key or address within the window raise the alert, answered or refused")
    .proven_by(&[108]);

/// The window in which requests are counted.
pub static UNUSUAL_WINDOW: Setting<Duration> = Setting::new("alerts.unusual_api_activity.window", "1m")
    .range("0s", "24h")
    .changes("the window in which one caller's requests are counted; 0s alerts on each")
    .proven_by(&[108]);

/// What the alert on unusual activity does.
pub static UNUSUAL_ACTION: Setting<String> = Setting::new("alerts.unusual_api_activity.action", "rate_limit")
    .choices(&["notify_admin", "rate_limit", "log_and_notify"])
    .changes("what the alert on unusual activity does: tell administrators, slow that caller down for ten minutes, or tell and write a line into the log")
    .proven_by(&[108]);

/// How many administrators' actions within the window raise the alert.
pub static ADMIN_ACTIONS_THRESHOLD: Setting<u32> = Setting::new("alerts.admin_actions.threshold", "1")
    .range("1", "1000000")
    .changes("how many actions of administrators that change something raise the alert")
    .proven_by(&[109]);

/// The window in which administrators' actions are counted; 0s alerts on each.
pub static ADMIN_ACTIONS_WINDOW: Setting<Duration> = Setting::new("alerts.admin_actions.window", "0s")
    .range("0s", "24h")
    .changes("the window in which administrators' actions are counted; 0s alerts on each")
    .proven_by(&[109]);

/// What the alert on administrators' actions does.
pub static ADMIN_ACTIONS_ACTION: Setting<String> = Setting::new("alerts.admin_actions.action", "log_and_notify")
    .choices(&["notify_admin", "rate_limit", "log_and_notify"])
    .changes("what the alert on administrators' actions does: tell administrators, slow the address down, or tell and write a line into the log")
    .proven_by(&[109]);

/// Further rules.
pub static RULES: Setting<Vec<GivenRule>> = Setting::new("alerts.rules", "")
    .changes(
        "further rules: a list of name, events (names or groups of the audit log), threshold, window, action, and by \
         (address, actor or subject) to count each apart",
    )
    .proven_by(&[107]);

/// Whom to tell by mail besides administrators and the contacts' security team.
pub static EMAIL: Setting<Vec<String>> = Setting::new("alerts.email", "")
    .changes("addresses that are told by mail, besides administrators and the security team in contacts.file")
    .proven_by(&[107, 109]);

/// A webhook.
pub static WEBHOOK_URL: Setting<Option<String>> = Setting::unset("alerts.webhook_url")
    .changes("where alerts are posted as JSON, signed as Standard Webhooks are")
    .proven_by(&[107, 109]);

/// What the webhook's requests are signed with.
pub static WEBHOOK_SECRET: Setting<Option<Secret<String>>> = Setting::unset("alerts.webhook_secret")
    .changes("the secret that alerts to alerts.webhook_url are signed with: v1,whsec_ and at least 24 random bytes in base64")
    .proven_by(&[107, 109]);

/// A chat's incoming webhook.
pub static SLACK_URL: Setting<Option<Secret<String>>> = Setting::unset("alerts.slack_url")
    .changes("an incoming webhook of Slack, Mattermost or another chat that takes {\"text\": …}")
    .proven_by(&[107, 109]);

/// The system's log.
pub static SYSLOG: Setting<Option<PathBuf>> = Setting::unset("alerts.syslog_socket")
    .changes("the system log's socket (/dev/log) that each alert is written to as one line of RFC 5424")
    .proven_by(&[107, 109]);

/// How often one rule may tell.
pub static DIGEST: Setting<Duration> = Setting::new("alerts.digest", "15m")
    .range("0s", "24h")
    .changes("how long after telling of a rule's alert its next ones are collected into one message; 0s tells of each at once")
    .proven_by(&[109]);

/// The contacts.
pub static CONTACTS: Setting<Option<PathBuf>> = Setting::unset("contacts.file")
    .changes("a contacts.yaml with security_team and external_contacts: the team is told of alerts and stands in /.well-known/security.txt; changes of the file are followed")
    .proven_by(&[144, 149]);

/// The disclosure policy.
pub static POLICY_URL: Setting<Option<String>> = Setting::unset("contacts.policy_url")
    .changes("where your policy for reports of vulnerabilities is, for /.well-known/security.txt")
    .proven_by(&[149]);

/// This crate's settings.
pub const SETTINGS: &[&Definition] = &[
    &FAILED_LOGINS_THRESHOLD.definition,
    &FAILED_LOGINS_WINDOW.definition,
    &FAILED_LOGINS_ACTION.definition,
    &UNUSUAL_THRESHOLD.definition,
    &UNUSUAL_WINDOW.definition,
    &UNUSUAL_ACTION.definition,
    &ADMIN_ACTIONS_THRESHOLD.definition,
    &ADMIN_ACTIONS_WINDOW.definition,
    &ADMIN_ACTIONS_ACTION.definition,
    &RULES.definition,
    &EMAIL.definition,
    &WEBHOOK_URL.definition,
    &WEBHOOK_SECRET.definition,
    &SLACK_URL.definition,
    &SYSLOG.definition,
    &DIGEST.definition,
    &CONTACTS.definition,
    &POLICY_URL.definition,
];

/// A rule as it is given.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenRule {
    /// What it is called.
    pub name: String,
    /// What it counts.
    pub events: Vec<String>,
    /// How many raise it.
    pub threshold: u32,
    /// Within how long.
    pub window: Duration,
    /// What it does.
    pub action: String,
    /// What is counted apart.
    pub by: Option<String>,
}

impl Record for GivenRule {
    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        Ok(GivenRule {
            name: fields.required("name")?,
            events: fields.required("events")?,
            threshold: fields.optional("threshold")?.unwrap_or(1),
            window: fields.optional("window")?.unwrap_or_default(),
            action: fields.optional("action")?.unwrap_or_else(|| "notify_admin".to_owned()),
            by: fields.optional("by")?,
        })
    }
}
