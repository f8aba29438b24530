//! What to say, and to whom.

use base::Secret;

use crate::{Error, limits};

/// One mail to one person. Bodies are secrets: they hold links that sign people in.
#[derive(Clone)]
pub struct Message {
    /// What it is about, for the outbox: `confirmation`, `recovery`, …
    pub kind: &'static str,
    /// The recipient's address.
    pub to: String,
    /// The subject. Never put a code or link here: subjects are shown in lists.
    pub subject: String,
    /// The body as plain text.
    pub text: Secret<String>,
    /// The body as HTML, when there is one.
    pub html: Option<Secret<String>>,
}

impl Message {
    /// Refuses what could not be sent, before it is put anywhere.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.to
            .parse::<lettre::Address>()
            .map_err(|source| Error::Address { field: "the recipient", source })?;
        let longest = self.text.expose().len().max(self.html.as_ref().map_or(0, |html| html.expose().len()));
        if longest > limits::BODY_BYTES.size() {
            return Err(Error::TooLong { part: "body", max: limits::BODY_BYTES.value });
        }
        if self.subject.len() > limits::SUBJECT_BYTES.size() {
            return Err(Error::TooLong { part: "subject", max: limits::SUBJECT_BYTES.value });
        }
        Ok(())
    }

    /// Both bodies in one text, to be sealed: the length of the first, then both.
    pub(crate) fn bodies(&self) -> Secret<Vec<u8>> {
        let text = self.text.expose();
        let html = self.html.as_ref().map_or("", |html| html.expose());
        let length = (text.len() as u64).to_be_bytes();
        Secret::new([&length[..], text.as_bytes(), html.as_bytes()].concat())
    }
}

/// The two bodies of an opened seal.
pub(crate) fn split_bodies(opened: &[u8]) -> Option<(Secret<String>, Option<Secret<String>>)> {
    let (length, rest) = opened.split_first_chunk::<8>()?;
    let (text, html) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
    let secret = |bytes: &[u8]| Some(Secret::new(std::str::from_utf8(bytes).ok()?.to_owned()));
    let html = if html.is_empty() { None } else { Some(secret(html)?) };
    Some((secret(text)?, html))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(html: Option<&str>) -> Message {
        Message {
            kind: "test",
            to: "ann@example.org".into(),
            subject: "Hello".into(),
            text: "plain".into(),
            html: html.map(Into::into),
        }
    }

    #[test]
    fn both_bodies_survive_the_seal() {
        for html in [None, Some("<p>rich</p>")] {
            let packed = message(html).bodies();
            let (text, found) = split_bodies(packed.expose()).expect("two bodies");
            assert_eq!(text.expose(), "plain");
            assert_eq!(found.as_ref().map(|html| html.expose().as_str()), html);
        }
        assert!(split_bodies(&[0, 0, 0, 0, 0, 0, 0, 9, 1]).is_none());
    }

    #[test]
    fn a_line_break_in_an_address_is_refused() {
        let mut bad = message(None);
        bad.to = "ann@example.org\r\nBcc: eve@example.org".into();
        assert!(matches!(bad.check(), Err(Error::Address { .. })));
    }
}
