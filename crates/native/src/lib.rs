//! Our own API: what the operator's commands ask over the control socket, health for load balancers, and in `dev` the
//! page of caught mails. Translation only: no SQL, no policy.

mod alerts;
mod bans;
mod canaries;
mod cleaning;
mod clients;
mod error;
mod guests;
mod health;
mod html;
mod log;
mod migrations;
mod operator;
mod outbox;
mod policies;
mod roles;
mod templates;
mod tls;
mod types;

pub use error::Error;
pub use log::{Log, Recent};

use std::sync::Arc;

use audit::Audit;
use auth::Auth;
use data::Data;
use mail::Outbox;
use web::{Mount, Route, RouteInfo};

/// What the handlers work with.
pub struct State {
    /// People and keys.
    pub auth: Auth,
    /// The audit log.
    pub audit: Audit,
    /// The data API's core.
    pub data: Data,
    /// The application's own migrations.
    pub migrations: migrate::Migrations,
    /// The administrator's way into the database.
    pub admin: pg::admin::Target,
    /// Logins of the database that are lent.
    pub guests: ::guests::Guests,
    /// What is said about row level security.
    pub policies: ::policies::Policies,
    /// Who is kept out.
    pub detection: ::detection::Detection,
    /// Who is told.
    pub alerts: ::alerts::Alerts,
    /// Mail.
    pub outbox: Outbox,
    /// The controls and what their probes saw.
    pub posture: posture::Posture,
    /// The certificate; none where plain HTTP is served on loopback.
    pub tls: Option<::tls::Tls>,
    /// Variables of other products that change nothing here, for the report.
    pub not_effective: Vec<String>,
    /// The program's own log; none where it was built into another program.
    pub log: Option<Arc<dyn Log>>,
    /// Where the API answers, for links.
    pub url: String,
}

/// Routes that anybody may reach.
pub const PUBLIC: &[Route<State>] =
    &[health::HEALTH, health::READY, clients::WRITES_JS, alerts::SECURITY_TXT];

/// Routes of administrators.
pub const ADMIN: &[Route<State>] = &[
    roles::LIST,
    roles::PUT,
    roles::REMOVE,
    roles::GIVE,
    roles::TAKE,
    roles::OF,
    types::TYPES,
    alerts::LIST,
    alerts::SILENCE,
    alerts::SPEAK,
    alerts::CONTACTS,
    bans::LIST,
    bans::ADD,
    bans::REMOVE,
    canaries::LIST,
    canaries::MAKE,
    canaries::REMOVE,
    templates::LIST,
    templates::SHOW,
];

/// Routes of administrators about the database's own logins.
pub const DATABASE: &[Route<State>] = &[guests::LIST, guests::LEND, guests::REVOKE];

/// Routes that exist in `dev` only.
pub const DEV: &[Route<State>] = &[outbox::LIST, outbox::SHOW];

/// Routes of the control socket.
pub const OPERATOR: &[Route<State>] = &[
    operator::STATUS,
    operator::POSTURE,
    operator::CHECK,
    operator::AUDIT_VERIFY,
    operator::AUDIT_LIST,
    operator::AUDIT_EXPORT,
    operator::ADMIN_CREATE,
    operator::FACTORS_RESET,
    operator::KEYS_LIST,
    operator::KEYS_CREATE,
    operator::KEYS_ROTATE,
    operator::KEYS_REVOKE,
    operator::GATE,
    tls::STATUS,
    tls::RENEW,
    tls::REHEARSE,
    policies::LINT,
    policies::GENERATE,
    policies::EXPLAIN,
    policies::TRY,
    policies::PROVE,
    policies::GRANTS,
    cleaning::CLEAN,
    migrations::STATUS,
    migrations::UP,
    migrations::DOWN,
    migrations::REHEARSE,
    migrations::DIFF,
    log::READ,
    log::LEVEL,
];

/// Mounts `routes` at the root.
pub fn mount(state: Arc<State>, routes: &[Route<State>]) -> Mount {
    Mount::new("", web::plain, state, routes)
}

/// What the reference says of `routes`.
pub fn table(routes: &[Route<State>]) -> Vec<RouteInfo> {
    routes.iter().map(|route| route.info("")).collect()
}
