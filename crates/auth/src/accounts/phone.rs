//! What counts as a telephone number.

use std::borrow::Cow;

use crate::Error;

/// E.164 without the plus, as upstream stores it.
pub(crate) fn read_phone(text: &str) -> Result<String, Error> {
    let text = text.trim();
    // What nobody writes so is no number: its spellings would be counted apart.
    let text = if text.len() <= 32 { text } else { "" };
    let digits: Cow<'_, str> = text.strip_prefix('+').unwrap_or(text).replace(' ', "").into();
    let is_number = (6..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && !digits.starts_with('0') {
        return Ok(digits.into_owned());
    }
    Err(Error::invalid("Invalid phone number format (E.164 required)"))
}
