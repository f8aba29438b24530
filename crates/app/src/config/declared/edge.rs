//! TLS and metrics: named by the guides, built by the issue "edge".

use base::Setting;
use base::setting::{Definition, Value};

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
    &MONITORING_ENABLED.definition,
    &MONITORING_PORT.definition,
    &MONITORING_PATH.definition,
    &METRICS.definition,
];
