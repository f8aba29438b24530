//! TLS, alerts and metrics: named by the guides, built by the issue "edge".

use std::time::Duration;

use base::Setting;
use base::setting::{Definition, Value};

use super::appflowy;

/// Whether the connection to Redis or Valkey needs TLS.
static REDIS_TLS_ENABLED: Setting<bool> = Setting::new("redis.tls_enabled", "true")
    .also(&[appflowy("REDIS_TLS_ENABLED")])
    .changes("whether the connection to Redis or Valkey needs TLS")
    .proven_by(&[64])
    .not_yet("edge");

/// How many failed logins within the window raise the alert.
static FAILED_LOGINS_THRESHOLD: Setting<u32> = Setting::new("alerts.failed_logins.threshold", "10")
    .range("1", "1000000")
    .changes("how many failed logins within the window raise the alert")
    .proven_by(&[107])
    .not_yet("edge");

/// The window in which failed logins are counted; 0s alerts on each.
static FAILED_LOGINS_WINDOW: Setting<Duration> = Setting::new("alerts.failed_logins.window", "5m")
    .range("0s", "24h")
    .changes("the window in which failed logins are counted; 0s alerts on each")
    .proven_by(&[107])
    .not_yet("edge");

/// What the alert on failed logins does.
static FAILED_LOGINS_ACTION: Setting<String> = Setting::new("alerts.failed_logins.action", "notify_admin")
    .choices(&["notify_admin", "rate_limit", "log_and_notify"])
    .changes("what the alert on failed logins does")
    .proven_by(&[107])
    .not_yet("edge");

/// How many unusual api activity within the window raise the alert.
static UNUSUAL_API_ACTIVITY_THRESHOLD: Setting<u32> =
    Setting::new("alerts.unusual_api_activity.threshold", "1000")
        .range("1", "1000000")
        .changes("how many unusual api activity within the window raise the alert")
        .proven_by(&[108])
        .not_yet("edge");

/// The window in which unusual api activity are counted; 0s alerts on each.
static UNUSUAL_API_ACTIVITY_WINDOW: Setting<Duration> =
    Setting::new("alerts.unusual_api_activity.window", "1m")
        .range("0s", "24h")
        .changes("the window in which unusual api activity are counted; 0s alerts on each")
        .proven_by(&[108])
        .not_yet("edge");

/// What the alert on unusual api activity does.
static UNUSUAL_API_ACTIVITY_ACTION: Setting<String> =
    Setting::new("alerts.unusual_api_activity.action", "rate_limit")
        .choices(&["notify_admin", "rate_limit", "log_and_notify"])
        .changes("what the alert on unusual api activity does")
        .proven_by(&[108])
        .not_yet("edge");

/// How many admin actions within the window raise the alert.
static ADMIN_ACTIONS_THRESHOLD: Setting<u32> = Setting::new("alerts.admin_actions.threshold", "1")
    .range("1", "1000000")
    .changes("how many admin actions within the window raise the alert")
    .proven_by(&[109])
    .not_yet("edge");

/// The window in which admin actions are counted; 0s alerts on each.
static ADMIN_ACTIONS_WINDOW: Setting<Duration> = Setting::new("alerts.admin_actions.window", "0s")
    .range("0s", "24h")
    .changes("the window in which admin actions are counted; 0s alerts on each")
    .proven_by(&[109])
    .not_yet("edge");

/// What the alert on admin actions does.
static ADMIN_ACTIONS_ACTION: Setting<String> = Setting::new("alerts.admin_actions.action", "log_and_notify")
    .choices(&["notify_admin", "rate_limit", "log_and_notify"])
    .changes("what the alert on admin actions does")
    .proven_by(&[109])
    .not_yet("edge");

/// Whether metrics are served.
static MONITORING_ENABLED: Setting<bool> = Setting::new("monitoring.enabled", "true")
    .changes("whether metrics are served")
    .proven_by(&[110])
    .not_yet("edge");

/// The loopback port that metrics are served on.
static MONITORING_PORT: Setting<u16> = Setting::new("monitoring.port", "9090")
    .changes("the loopback port that metrics are served on")
    .proven_by(&[110])
    .not_yet("edge");

/// The path that metrics are served on.
static MONITORING_PATH: Setting<String> = Setting::new("monitoring.path", "/metrics")
    .changes("the path that metrics are served on")
    .proven_by(&[110])
    .not_yet("edge");

/// Which metrics are served, as a list; or enabled, port and path as a mapping.
static METRICS: Setting<Value> = Setting::unset("metrics")
    .changes("which metrics are served, as a list; or enabled, port and path as a mapping")
    .proven_by(&[110])
    .not_yet("edge");

/// All of them.
pub(super) const SETTINGS: &[&Definition] = &[
    &REDIS_TLS_ENABLED.definition,
    &FAILED_LOGINS_THRESHOLD.definition,
    &FAILED_LOGINS_WINDOW.definition,
    &FAILED_LOGINS_ACTION.definition,
    &UNUSUAL_API_ACTIVITY_THRESHOLD.definition,
    &UNUSUAL_API_ACTIVITY_WINDOW.definition,
    &UNUSUAL_API_ACTIVITY_ACTION.definition,
    &ADMIN_ACTIONS_THRESHOLD.definition,
    &ADMIN_ACTIONS_WINDOW.definition,
    &ADMIN_ACTIONS_ACTION.definition,
    &MONITORING_ENABLED.definition,
    &MONITORING_PORT.definition,
    &MONITORING_PATH.definition,
    &METRICS.definition,
];
