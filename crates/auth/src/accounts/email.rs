//! What counts as an e-mail address, and as the same one.
//!
//! Addresses are compared in lower case and without blanks around them. Dots and `+tags` mean what the mail server makes
//! of them, so they are kept.

use crate::{Error, limits};

/// The address in the form it is stored, or why it is none.
pub(crate) fn read_email(text: &str) -> Result<String, Error> {
    let invalid = || Error::invalid("Unable to validate email address: invalid format");
    // Letters elsewhere that have a small one of ASCII, such as the sign for kelvin, would make one address of two mailboxes.
    let folds = |c: char| !c.is_ascii() && c.to_lowercase().any(|small| small.is_ascii());
    if text.chars().any(folds) {
        return Err(invalid());
    }
    let email = text.trim().to_lowercase();
    let (local, domain) = email.rsplit_once('@').ok_or_else(invalid)?;
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !"<>()[],;:\\\"@".contains(c);
    let local_is_fine = (1..=64).contains(&local.len())
        && local.chars().all(plain)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let label_is_fine = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c == '-' || c.is_alphanumeric())
    };
    let domain_is_fine =
        domain.contains('.') && domain.split('.').all(label_is_fine) || domain == "localhost";
    let short = email.len() <= limits::EMAIL_BYTES_MAX.size();
    if local_is_fine && domain_is_fine && short { Ok(email) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_one_whatever_their_case() {
        assert_eq!(read_email(" Ann.Lee+a@Example.COM ").unwrap(), "ann.lee+a@example.com");
        assert_eq!(read_email("ann@sub.example.co.uk").unwrap(), "ann@sub.example.co.uk");
        assert!(read_email("ann@localhost").is_ok());
        assert_eq!(
            read_email("\u{c4}nn@example.com").unwrap(),
            "\u{e4}nn@example.com",
            "another letter is another address"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann@example",
            "ann@@example.com",
            "a b@example.com",
            "ann@exa mple.com",
            "ann@example..com",
            ".ann@example.com",
            "ann.@example.com",
            "a..b@example.com",
            "ann@-example.com",
            "ann\0@example.com",
            "ann@example.com\nbcc: x@example.com",
            "\"ann\"@example.com",
            "ann@[127.0.0.1]",
            "<ann@example.com>",
            "ann,bob@example.com",
            "mi\u{212a}e@example.com",
            "m\u{130}ke@example.com",
            "mike@\u{212a}elvin.example",
        ] {
            assert!(read_email(text).is_err(), "{text:?}");
        }
        assert!(read_email(&format!("{}@example.com", "a".repeat(65))).is_err());
        assert!(read_email(&format!("a@{}.com", "b".repeat(64))).is_err());
    }
}
