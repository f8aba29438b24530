//! The bounds of texts.

use base::Limit;

/// Digits of a number (E.164).
pub static NUMBER_DIGITS: Limit = Limit::new("text_number_digits_max", 15, "no telephone has more (E.164)");
/// One text.
pub static TEXT_BYTES: Limit =
    Limit::new("text_bytes_max", 1_600, "what providers take in one request; ten parts of an SMS");
/// One request to a provider, in seconds.
pub static SECONDS: Limit = Limit::new("text_seconds_max", 10, "somebody waits for the code");
/// What a provider may answer.
pub static ANSWER_BYTES: Limit = Limit::new("text_answer_bytes_max", 65_536, "an id or a reason");
