//! The table of contents of the program: everything it serves, can be told, promises, does later and keeps.
//!
//! Each crate exports its own slices, one line per entry; here they are joined, in the order of the ranks. Tests walk
//! every list. Routes are joined in [`crate::mounts`], since they carry their dialect's state.

use base::setting::Definition;
use pg::Migration;

/// Schemas of ours, in the order they are made.
pub fn migrations() -> Vec<Migration> {
    [
        audit::MIGRATIONS,
        auth::MIGRATIONS,
        data::MIGRATIONS,
        jobs::MIGRATIONS,
        mail::MIGRATIONS,
        posture::MIGRATIONS,
        migrate::MIGRATIONS,
        detection::MIGRATIONS,
        guests::MIGRATIONS,
        alerts::MIGRATIONS,
        logs::MIGRATIONS,
        realtime::MIGRATIONS,
    ]
    .concat()
}

/// Settings of the crates. [`crate::config::registry`] adds what the guides name and is not built yet.
pub const SETTINGS: &[&[&Definition]] = &[
    audit::SETTINGS,
    auth::SETTINGS,
    auth::oauth::settings::SETTINGS,
    auth::server::settings::SETTINGS,
    auth::settings::PASSWORD_SETTINGS,
    auth::sso::settings::SETTINGS,
    auth::application::SETTINGS,
    auth::MFA_SETTINGS,
    auth::settings::WAY_SETTINGS,
    auth::settings::HOOK_SETTINGS,
    auth::settings::MESSAGE_SETTINGS,
    auth::settings::CAPTCHA_SETTINGS,
    data::SETTINGS,
    edge::SETTINGS,
    graphql::SETTINGS,
    guests::SETTINGS,
    jobs::SETTINGS,
    limits::SETTINGS,
    mail::SETTINGS,
    texts::SETTINGS,
    tls::SETTINGS,
    outbound::SETTINGS,
    detection::SETTINGS,
    alerts::SETTINGS,
    logs::SETTINGS,
    realtime::SETTINGS,
    crate::settings::SETTINGS,
    crate::monitoring::SETTINGS,
    crate::administration::SETTINGS,
];

/// Every setting, in the order of their names.
pub fn settings() -> Vec<&'static Definition> {
    crate::config::registry::all()
}

/// Jobs: things to do once, later. `crate::later::registry` gives each what it works with.
pub fn jobs() -> Vec<jobs::Definition> {
    [auth::JOBS, alerts::JOBS, jobs::JOBS].concat()
}

/// Reconcilers: what is kept as it should be. `crate::later::reconcilers` starts them.
pub fn reconcilers() -> Vec<jobs::Kept> {
    [jobs::RECONCILERS, auth::RECONCILERS, tls::RECONCILERS, data::RECONCILERS, guests::RECONCILERS].concat()
}
