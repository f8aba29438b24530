//! What a lent login may be.

use std::time::Duration;

use base::Setting;
use base::setting::Definition;

/// The longest a login is lent.
pub static LIFETIME_MAX: Setting<Duration> = Setting::new("database.readonly.max_lifetime", "30d")
    .range("1m", "365d")
    .changes("the longest time for which a read-only login of the database is lent")
    .proven_by(&[52]);

/// Its connections.
pub static CONNECTIONS: Setting<u32> = Setting::new("database.readonly.max_connections", "3")
    .range("1", "50")
    .changes("how many connections a read-only login of the database may have at once")
    .proven_by(&[52]);

/// Its statements.
pub static STATEMENT_TIMEOUT: Setting<Duration> = Setting::new("database.readonly.statement_timeout", "60s")
    .range("1s", "1h")
    .changes("how long a statement of a read-only login may run; one that lifts the limit for itself is ended all the same")
    .proven_by(&[52]);

/// All of them.
pub const SETTINGS: &[&Definition] =
    &[&LIFETIME_MAX.definition, &CONNECTIONS.definition, &STATEMENT_TIMEOUT.definition];
