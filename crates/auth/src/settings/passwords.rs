//! What an operator can set about passwords: what they must be, how long they live, how often one may be wrong.

use std::path::PathBuf;
use std::time::Duration;

use base::setting::{Alias, Definition, Guide, Setting};

/// Shortest password.
pub static PASSWORD_MIN_LENGTH: Setting<u16> = Setting::new("auth.password_min_length", "12")
    .also(&[Alias::same("GOTRUE_PASSWORD_MIN_LENGTH", Guide::AppFlowy)])
    .range("6", "128")
    .changes("the shortest password taken, in characters")
    .proven_by(&[18]);

/// Characters a password must have, in AppFlowy's words or GoTrue's sets.
pub static PASSWORD_REQUIRED_CHARACTERS: Setting<Option<String>> = Setting::unset("auth.password_required_characters")
    .also(&[Alias::same("GOTRUE_PASSWORD_REQUIRED_CHARACTERS", Guide::AppFlowy)])
    .changes("words (lower,upper,number,special) or sets of characters separated by colons; a password needs one of each")
    .proven_by(&[19]);

/// An upper-case letter in every password.
pub static PASSWORD_REQUIRE_UPPERCASE: Setting<bool> =
    Setting::new("auth.password_require_uppercase", "true")
        .changes("a password needs an upper-case letter")
        .proven_by(&[19]);

/// A lower-case letter in every password.
pub static PASSWORD_REQUIRE_LOWERCASE: Setting<bool> =
    Setting::new("auth.password_require_lowercase", "true")
        .changes("a password needs a lower-case letter")
        .proven_by(&[19]);

/// A digit in every password.
pub static PASSWORD_REQUIRE_NUMBER: Setting<bool> =
    Setting::new("auth.password_require_number", "true").changes("a password needs a digit").proven_by(&[19]);

/// A special character in every password.
pub static PASSWORD_REQUIRE_SPECIAL: Setting<bool> = Setting::new("auth.password_require_special", "true")
    .changes("a password needs one of !@#$%^&*")
    .proven_by(&[19]);

/// Which standard the password rules follow where the guides and NIST SP 800-63B-4 disagree.
pub static PASSWORD_PROFILE: Setting<String> = Setting::new("password.profile", "guides")
    .choices(&["guides", "nist"])
    .changes(
        "which standard holds where none of the other password settings says otherwise: the guides (12 characters, four \
         classes, 90 days) or NIST SP 800-63B-4 (15 characters, no classes, no age)",
    )
    .proven_by(&[18, 19, 20]);

/// After how many days a password can only be used to change it.
pub static PASSWORD_MAX_AGE_DAYS: Setting<u32> = Setting::new("auth.password_max_age_days", "90")
    .range("1", "3650")
    .changes("after how many days a password can only be used to change it")
    .proven_by(&[20]);

/// Earlier passwords that may not come back.
pub static PASSWORD_HISTORY: Setting<u8> = Setting::new("auth.password_history", "5")
    .range("0", "24")
    .changes("how many earlier passwords a new one must differ from")
    .proven_by(&[20]);

/// A list of breached passwords on this machine.
pub static PASSWORD_BREACHED_FILE: Setting<Option<PathBuf>> = Setting::unset("auth.password_breached_file")
    .changes(
        "a file of SHA-1 digests of known passwords, one a line in their order as Have I Been Pwned publishes them (a count \
         after a colon is ignored): a password in it is refused, and has to be changed when somebody signs in with it",
    )
    .proven_by(&[20]);

/// Breached passwords by somebody else's list.
pub static PASSWORD_BREACHED_API: Setting<bool> = Setting::new("auth.password_breached_api", "false")
    .also(&[Alias::same("GOTRUE_PASSWORD_HIBP_ENABLED", Guide::Other)])
    .changes(
        "a new password, and one that signs in, is looked up at auth.password_breached_api_url: five hexadecimal digits of its \
         SHA-1 digest leave the house, and some 800 digests come back",
    )
    .proven_by(&[20]);

/// Where that list is.
pub static PASSWORD_BREACHED_API_URL: Setting<String> =
    Setting::new("auth.password_breached_api_url", "https://api.pwnedpasswords.com/range/").changes(
        "where breached passwords are looked up: five hexadecimal digits are added to it, in the form of Have I Been Pwned",
    );

/// Whether a new password waits for the list.
pub static PASSWORD_BREACHED_API_FAIL_CLOSED: Setting<bool> =
    Setting::new("auth.password_breached_api_fail_closed", "false")
        .also(&[Alias::same("GOTRUE_PASSWORD_HIBP_FAIL_CLOSED", Guide::Other)])
        .changes("a new password is refused while the list of breached ones does not answer")
        .proven_by(&[20]);

/// The password in force with every change.
pub static REQUIRE_CURRENT_PASSWORD: Setting<bool> = Setting::new("auth.require_current_password", "false")
    .also(&[Alias::same("GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD", Guide::Other)])
    .changes("a password is changed only with the one in force, but in a session begun by a code or link")
    .proven_by(&[26]);

/// After how many wrong passwords sign-in is paused.
pub static MAX_LOGIN_ATTEMPTS: Setting<u32> = Setting::new("auth.max_login_attempts", "5")
    .range("3", "20")
    .changes("after how many wrong passwords sign-in is paused")
    .proven_by(&[31]);

/// How long sign-in is paused after too many wrong passwords.
pub static LOCKOUT_DURATION: Setting<Duration> = Setting::new("auth.lockout_duration", "15m")
    .range("1m", "24h")
    .changes("how long sign-in is paused after too many wrong passwords, and within which time they count")
    .proven_by(&[31]);

/// What is paused: the address, the account, or the pair of both.
pub static LOCKOUT_TYPE: Setting<String> = Setting::new("auth.lockout_type", "ip_and_email")
    .choices(&["ip", "email", "ip_and_email"])
    .changes(
        "what is paused first: an address, an account, or an account at an address; the others follow at a multiple, and a \
         device that was signed in with before has a count of its own",
    )
    .proven_by(&[31]);

/// Passwords hashed at the same time.
pub static HASHING_PERMITS: Setting<Option<u8>> = Setting::unset("auth.hashing_permits")
    .range("1", "64")
    .changes(
        "how many passwords are hashed at once, each with 19 MiB and a core; the rest wait. Half of the cores when unset",
    );

/// Every setting of this module.
pub const PASSWORD_SETTINGS: &[&Definition] = &[
    &PASSWORD_MIN_LENGTH.definition,
    &PASSWORD_REQUIRED_CHARACTERS.definition,
    &PASSWORD_REQUIRE_UPPERCASE.definition,
    &PASSWORD_REQUIRE_LOWERCASE.definition,
    &PASSWORD_REQUIRE_NUMBER.definition,
    &PASSWORD_REQUIRE_SPECIAL.definition,
    &PASSWORD_PROFILE.definition,
    &PASSWORD_MAX_AGE_DAYS.definition,
    &PASSWORD_HISTORY.definition,
    &PASSWORD_BREACHED_FILE.definition,
    &PASSWORD_BREACHED_API.definition,
    &PASSWORD_BREACHED_API_URL.definition,
    &PASSWORD_BREACHED_API_FAIL_CLOSED.definition,
    &REQUIRE_CURRENT_PASSWORD.definition,
    &MAX_LOGIN_ATTEMPTS.definition,
    &LOCKOUT_DURATION.definition,
    &LOCKOUT_TYPE.definition,
    &HASHING_PERMITS.definition,
];
