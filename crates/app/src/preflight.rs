//! What can be known to be refused before anything is started: `serve` asks first, `config check` asks only.

use base::{Clock, Settings};
use edge::{Cors, Rates, SecurityHeaders, TrustedProxies};
use limits::Limiter;

use crate::error::StartError;
use crate::{database_url, settings};

/// Refuses settings that parse and still cannot be: a database in the clear, a published secret, an open policy.
pub fn check(given: &Settings) -> Result<(), StartError> {
    if let Some(url) = given.get(&settings::DATABASE_URL) {
        let target = database_url::target(&url, given)?;
        pg::Config::new(target.server, target.database, target.login, None).check()?;
    }
    auth::check_settings(given)?;
    SecurityHeaders::from(given)?;
    Cors::from(given)?;
    TrustedProxies::from(given)?;
    Rates::from(given, Limiter::in_memory(Clock::system()))?;
    Ok(())
}
