//! What an operator can set about ways in: which there are.

use base::setting::{Alias, Definition, Guide, Setting};

/// Accounts without an address.
pub static ANONYMOUS_USERS: Setting<bool> = Setting::new("auth.anonymous_users", "false")
    .also(&[Alias::same("GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED", Guide::Other)])
    .changes("anybody can have an account without an address, which its tokens say; an address or identity can follow");

/// Accounts by an e-mail address.
pub static EMAIL_ENABLED: Setting<bool> = Setting::new("auth.email_enabled", "true")
    .also(&[Alias::same("GOTRUE_EXTERNAL_EMAIL_ENABLED", Guide::Other)])
    .changes(
        "people sign up and in with an e-mail address, by password or link; false leaves the other ways in, for administrators too",
    );

/// Links that sign in.
pub static MAGIC_LINKS: Setting<bool> = Setting::new("auth.magic_links", "true")
    .also(&[Alias::same("GOTRUE_EXTERNAL_EMAIL_MAGIC_LINK_ENABLED", Guide::Other)])
    .changes("people sign in with a link or code that they get by mail, without a password");

/// Accounts by a telephone number.
pub static PHONE_ENABLED: Setting<bool> = Setting::new("auth.phone_enabled", "true")
    .also(&[Alias::same("GOTRUE_EXTERNAL_PHONE_ENABLED", Guide::Other)])
    .changes("people sign up and in with a telephone number, where a provider of texts is set; texts as a second factor stay");

/// Every setting of this module.
pub const WAY_SETTINGS: &[&Definition] = &[
    &ANONYMOUS_USERS.definition,
    &EMAIL_ENABLED.definition,
    &MAGIC_LINKS.definition,
    &PHONE_ENABLED.definition,
];
