//! The bounds of second factors and passkeys.

use base::Limit;

/// Factors one person may have, of all kinds, verified or not.
pub const FACTORS_MAX: Limit = Limit::new("factors_max", 10, "upstream's number");

/// Wrong codes of one person that are looked at before a pause, over all factors, sessions, addresses and endpoints.
pub const WRONG_CODES_MAX: Limit = Limit::new(
    "wrong_codes_max",
    5,
    "three of a million codes are right at a time: five guesses a pause find one in some 180 years",
);

/// First pause after too many wrong codes, in seconds. Each further wrong code doubles it.
pub const WRONG_CODES_PAUSE_SECONDS: Limit =
    Limit::new("wrong_codes_pause_seconds", 900, "the guides' lockout: fifteen minutes");

/// Longest pause after wrong codes, in seconds.
pub const WRONG_CODES_PAUSE_SECONDS_MAX: Limit = Limit::new(
    "wrong_codes_pause_seconds_max",
    86_400,
    "the owner is let in again after a day at the latest",
);

/// Life of a challenge, in seconds.
pub const CHALLENGE_SECONDS_MAX: Limit =
    Limit::new("challenge_seconds_max", 300, "upstream's: long enough to fetch a telephone");

/// Challenges of one factor that wait for their answer; the oldest gives way.
pub const CHALLENGES_PER_FACTOR_MAX: Limit =
    Limit::new("challenges_per_factor_max", 10, "more tabs than anybody has open");

/// Life of a factor that was never verified, in seconds.
pub const UNVERIFIED_FACTOR_SECONDS_MAX: Limit =
    Limit::new("unverified_factor_seconds_max", 300, "a QR code that nobody scanned");

/// Longest name of a factor or passkey, in characters.
pub const FACTOR_NAME_CHARS_MAX: Limit = Limit::new("factor_name_chars_max", 120, "upstream's number");

/// How old a proof may be for what is sensitive, in seconds (control 26).
pub const STEP_UP_SECONDS_MAX: Limit = Limit::new("step_up_seconds_max", 300, "five minutes");

/// Recovery codes of one person.
pub const RECOVERY_CODES: Limit = Limit::new("recovery_codes", 10, "as many as fit a slip of paper");

/// Passkeys of one person.
pub const PASSKEYS_MAX: Limit = Limit::new("passkeys_max", 10, "upstream's number");

/// Passkey ceremonies that wait for their answer, of everybody; the oldest give way.
pub const PASSKEY_CEREMONIES_MAX: Limit =
    Limit::new("passkey_ceremonies_max", 10_000, "anybody may begin one: about 1 KB each");

/// Longest code that is looked at, in bytes.
pub const CODE_BYTES_MAX: Limit = Limit::new("code_bytes_max", 64, "codes are six to twelve characters");
