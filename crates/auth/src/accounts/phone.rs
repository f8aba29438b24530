//! What counts as a telephone number.

use std::borrow::Cow;

use crate::Error;

/// E.164 without the plus, as upstream stores it.
pub(crate) fn read_phone(text: &str) -> Result<String, Error> {
    let digits: Cow<'_, str> = text.trim().trim_start_matches('+').replace(' ', "").into();
    let is_number = (6..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && !digits.starts_with('0') {
        return Ok(digits.into_owned());
    }
    Err(Error::invalid("Invalid phone number format (E.164 required)"))
}
