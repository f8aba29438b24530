//! How many messages with links or codes leave for everybody together.
//!
//! Whoever asks is refused while the count is full, whoever is asked about: the answer says nothing of an account. Only what
//! really leaves is counted.

use std::time::Duration;

use ::limits::{Budget, Window};
use base::Settings;
use base::setting::{Setting, parse_duration};

use crate::{Auth, Error, settings};

/// The two counts of one start.
pub(crate) struct SentMax {
    mails: Option<Budget>,
    texts: Option<Budget>,
}

impl SentMax {
    /// From the settings; what cannot be read stops the start.
    pub(crate) fn from_settings(given: &Settings) -> Result<Self, Error> {
        Ok(SentMax {
            mails: read(given, &settings::MAIL_SENT_MAX, "mail_sent")?,
            texts: read(given, &settings::TEXTS_SENT_MAX, "texts_sent")?,
        })
    }

    fn of(&self, is_text: bool) -> Option<&Budget> {
        if is_text { self.texts.as_ref() } else { self.mails.as_ref() }
    }
}

/// `N`, or `N/TIME`.
fn read(
    given: &Settings,
    setting: &'static Setting<Option<String>>,
    name: &'static str,
) -> Result<Option<Budget>, Error> {
    let Some(text) = given.get(setting) else { return Ok(None) };
    let refuse = || Error::Setting {
        setting: setting.definition.name,
        what: format!("is {text:?}: write how many an hour (100), or how many in what time (100/30m)"),
    };
    let (number, time) = text.split_once('/').unwrap_or((&text, "1h"));
    let tries_max: u32 = number.trim().parse().map_err(|_| refuse())?;
    let length = parse_duration(time.trim()).ok_or_else(refuse)?;
    if length < Duration::from_secs(1) {
        return Err(refuse());
    }
    Ok(Some(Budget::sliding(name, vec![Window { tries_max, length }])))
}

const EVERYBODY: &str = "everybody";

impl Auth {
    /// Refuses what would be one too many. Counts nothing.
    pub(crate) async fn require_room(&self, is_text: bool) -> Result<(), Error> {
        let Some(budget) = self.0.sent_max.of(is_text) else { return Ok(()) };
        let seen = self.0.limiter.peek(budget, EVERYBODY).await;
        match seen.allowed && seen.remaining > 0 {
            true => Ok(()),
            false => Err(Error::SentMax { is_text, wait: seen.retry_after }),
        }
    }

    /// Counts one that leaves, or refuses it.
    pub(crate) async fn count_sent(&self, is_text: bool) -> Result<(), Error> {
        self.require_room(is_text).await?;
        let Some(budget) = self.0.sent_max.of(is_text) else { return Ok(()) };
        // Of several at once, each found room.
        let counted = self.0.limiter.hit(budget, EVERYBODY).await;
        match counted.allowed {
            true => Ok(()),
            false => Err(Error::SentMax { is_text, wait: counted.retry_after }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_two_spellings_are_read_and_nothing_else() {
        let read = |text: &str| {
            let given = Settings::default().with("auth.mail_sent_max", text);
            SentMax::from_settings(&given).map(|max| {
                let window = &max.mails.unwrap().windows[0];
                (window.tries_max, window.length.as_secs())
            })
        };
        assert_eq!(read("100").unwrap(), (100, 3_600));
        assert_eq!(read("30/1h").unwrap(), (30, 3_600));
        assert_eq!(read("5/10m").unwrap(), (5, 600));
        assert_eq!(read("0").unwrap(), (0, 3_600));
        for bad in ["", "x", "-1", "5/", "5/0s", "5/x", "1.5"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
