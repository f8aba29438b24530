//! What an operator can set about ways in that need no address of their own.

use base::setting::{Alias, Definition, Guide, Setting};

/// Accounts without an address.
pub static ANONYMOUS_USERS: Setting<bool> = Setting::new("auth.anonymous_users", "false")
    .also(&[Alias::same("GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED", Guide::Other)])
    .changes("anybody can have an account without an address, which its tokens say; an address or identity can follow");

/// Every setting of this module.
pub const WAY_SETTINGS: &[&Definition] = &[&ANONYMOUS_USERS.definition];
