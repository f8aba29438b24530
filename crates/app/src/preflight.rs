//! What can be known to be refused before anything is started: settings that parse and still cannot be.
//!
//! Whoever uses a setting checks it; here each of them is asked, by the loading of settings (all of them, with the places) and
//! by the start (which may be given settings that no file ever held).

use base::{Clock, Profile, Settings};
use edge::{Cors, Front, Hosts, Rates, SecurityHeaders};
use limits::Limiter;

use crate::error::StartError;
use crate::{database_url, settings};

/// Asks one of those who use settings.
pub type Check = fn(&Settings) -> Result<(), StartError>;

/// Everyone who has an opinion on merged settings. One line each.
pub const CHECKS: &[Check] = &[
    database,
    |given| Ok(auth::check_settings(given)?),
    |given| Ok(auth::sso::check_settings(given)?),
    |given| Ok(tls::Tls::check(given).map(drop)?),
    |given| Ok(SecurityHeaders::from(given).map(drop)?),
    |given| Ok(Cors::from(given).map(drop)?),
    |given| Ok(limits::Store::check(given)?),
    |given| Ok(logs::Shipping::check(given)?),
    |given| Ok(crate::monitoring::check(given)?),
    crate::administration::check,
    |given| Ok(detection::Detection::check(given)?),
    |given| Ok(alerts::Alerts::check(given)?),
    |given| Ok(Front::from(given).map(drop)?),
    |given| Ok(Hosts::from(given, Vec::new(), None).map(drop)?),
    |given| Ok(Rates::from(given, Limiter::in_memory(Clock::system())).map(drop)?),
];

/// The first refusal, if there is one.
pub fn check(given: &Settings) -> Result<(), StartError> {
    CHECKS.iter().try_for_each(|check| check(given))
}

/// The same, that the files which settings name can be used, and that mails and texts have their way out where they leave
/// the machine: before a start, and by `palisade config check`.
pub fn check_all(given: &Settings, profile: Profile) -> Result<(), StartError> {
    check(given)?;
    tls::Tls::check_files(given)?;
    alerts::Alerts::check_files(given)?;
    outbound::Outbound::check_files(given)?;
    graphql::Persisted::from_settings(given)?;
    auth::check_parts(given, profile)?;
    mail::Templates::check(given)?;
    if profile != Profile::Dev {
        mail::Outbox::check(given)?;
        texts::Texts::check(given)?;
    }
    Ok(())
}

/// `database.url` is read as the start reads it, and refused as a connection would be (control 53).
fn database(given: &Settings) -> Result<(), StartError> {
    let Some(url) = given.get(&settings::DATABASE_URL) else { return Ok(()) };
    let target = database_url::target(&url, given)?;
    Ok(pg::Config::new(target.server, target.database, target.login, None).check()?)
}
