//! Settings that belong to no crate below: the few of the whole program, and what the guides name before it is built.
//!
//! The second kind only shrinks. When a crate builds a capability it declares the setting in its own `settings.rs` and
//! the line here goes; the test of `docs/reference/not-yet-effective.md` keeps count.

mod storage;

use base::Setting;
use base::setting::{Alias, Definition, Guide};

/// Whether a variable under a foreign prefix that changes nothing stops the start.
pub static STRICT_ENV: Setting<bool> = Setting::new("strict_env", "false").changes(
    "whether variables of other products that change nothing here stop the start instead of being listed",
);

/// How much the program's own log says.
pub static LOGGING_LEVEL: Setting<String> = Setting::new("logging.level", "info")
    .also(&[Alias::same("GOTRUE_LOG_LEVEL", Guide::Other)])
    .choices(&["error", "warn", "info", "debug", "trace"])
    .changes("how much the program's own log says; the audit log is not affected")
    .proven_by(&[102])
    .live();

/// The settings of the whole program.
const PROGRAM: &[&Definition] = &[&STRICT_ENV.definition, &LOGGING_LEVEL.definition];

/// All that this module declares.
pub(super) const SETTINGS: &[&[&Definition]] = &[PROGRAM, storage::SETTINGS];

const fn appflowy(name: &'static str) -> Alias {
    Alias::same(name, Guide::AppFlowy)
}
