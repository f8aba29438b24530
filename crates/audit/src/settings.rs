//! What can be set about the audit log, and what cannot be unset.

use std::path::PathBuf;

use base::Setting;
use base::setting::{Alias, Definition, Guide, Refused};

/// The log itself. Always on.
pub static AUDIT_ENABLED: Setting<bool> = Setting::new("logging.audit_enabled", "true")
    .also(&[Alias::same("ENABLE_AUDIT_LOG", Guide::AppFlowy)])
    .refuses(&[Refused { value: "false", control: 92, why: "the audit log is always on" }])
    .changes("nothing: the audit log is always on, and false is refused")
    .proven_by(&[92]);

/// How much detail is recorded.
pub static AUDIT_LOG_LEVEL: Setting<String> = Setting::new("logging.audit_log_level", "info")
    .also(&[Alias::same("AUDIT_LOG_LEVEL", Guide::AppFlowy)])
    .choices(&["debug", "info", "warn", "error"])
    .changes("debug also records detail such as each use of a key; warn and error keep ordinary events out of the file, never a security event and never the chain")
    .proven_by(&[93]);

/// The file sink.
pub static AUDIT_LOG_FILE: Setting<Option<PathBuf>> = Setting::unset("logging.audit_log_file")
    .also(&[Alias::same("AUDIT_LOG_FILE", Guide::AppFlowy)])
    .changes("every chained entry is also written to this file, one JSON object a line")
    .proven_by(&[94]);

/// Which events the file sink takes.
pub static AUDIT_EVENTS: Setting<Vec<String>> = Setting::new("logging.audit_events", "")
    .changes("which events go to the file, by name or group (auth, admin); empty takes all; the chain keeps everything")
    .proven_by(&[98]);

/// Sign-ins and the like. Always recorded.
pub static LOG_AUTH_EVENTS: Setting<bool> = Setting::new("logging.log_auth_events", "true")
    .also(&[Alias::same("LOG_AUTH_EVENTS", Guide::AppFlowy)])
    .refuses(&[Refused {
        value: "false",
        control: 95,
        why: "sign-ins, successful or not, are always recorded",
    }])
    .changes("nothing: sign-ins, sign-outs and refusals are always recorded, and false is refused")
    .proven_by(&[95]);

/// Administrators' actions. Always recorded.
pub static LOG_ADMIN_ACTIONS: Setting<bool> = Setting::new("logging.log_admin_actions", "true")
    .also(&[Alias::same("LOG_ADMIN_ACTIONS", Guide::AppFlowy)])
    .refuses(&[Refused { value: "false", control: 97, why: "what administrators do is always recorded" }])
    .changes("nothing: what administrators do is always recorded with before and after, and false is refused")
    .proven_by(&[97]);

/// Reads of tagged columns: a later issue.
pub static LOG_DATA_ACCESS: Setting<bool> = Setting::new("logging.log_data_access", "false")
    .also(&[Alias::same("LOG_DATA_ACCESS", Guide::AppFlowy)])
    .changes("reads of tagged columns are recorded")
    .proven_by(&[96])
    .not_yet("protection");

/// This crate's settings.
pub const SETTINGS: &[&Definition] = &[
    &AUDIT_ENABLED.definition,
    &AUDIT_LOG_LEVEL.definition,
    &AUDIT_LOG_FILE.definition,
    &AUDIT_EVENTS.definition,
    &LOG_AUTH_EVENTS.definition,
    &LOG_ADMIN_ACTIONS.definition,
    &LOG_DATA_ACCESS.definition,
];
