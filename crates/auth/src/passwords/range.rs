//! Somebody else's list of breached passwords, asked by range: the first five hexadecimal digits of a SHA-1 digest leave the
//! house, and every known digest that begins so comes back (k-anonymity, as Have I Been Pwned answers it). Off by default.

use std::time::Duration;

use base::Settings;
use outbound::{Outbound, Request};

use crate::{Error, limits, settings};

/// Whom to ask.
pub(crate) struct Ranges {
    url: String,
    /// Whether a new password waits for the answer.
    pub fail_closed: bool,
}

impl Ranges {
    /// From the settings; an address that is not safe to ask stops the start.
    pub(crate) fn from_settings(given: &Settings) -> Result<Option<Self>, Error> {
        if !given.get(&settings::PASSWORD_BREACHED_API) {
            return Ok(None);
        }
        let url = given.get(&settings::PASSWORD_BREACHED_API_URL);
        if !url.starts_with("https://") && !is_local(&url) {
            return Err(Error::Setting {
                setting: settings::PASSWORD_BREACHED_API_URL.definition.name,
                what: "is not an https address: what is asked would be read on the way".to_owned(),
            });
        }
        let fail_closed = given.get(&settings::PASSWORD_BREACHED_API_FAIL_CLOSED);
        Ok(Some(Ranges { url, fail_closed }))
    }

    /// Whether the list has this digest.
    pub(crate) async fn has(&self, outbound: &Outbound, digest: &[u8; 20]) -> Result<bool, outbound::Error> {
        let digits = hex::encode_upper(digest);
        let (range, rest) = digits.split_at(5);
        let request = Request::get("breached passwords", format!("{}{range}", self.url))
            .unnamed()
            // The length of the answer tells a listener the range; padding hides it.
            .header("add-padding", "true")
            .header("user-agent", "palisade")
            .within(Duration::from_secs(limits::BREACHED_SECONDS_MAX.value))
            .at_most(limits::BREACHED_ANSWER_BYTES_MAX.value)
            .clear_text(is_local(&self.url));
        let answer = outbound.send(request).await?.success()?;
        let lines = String::from_utf8_lossy(&answer.body);
        // Padding comes with a count of nought.
        Ok(lines.lines().filter_map(|line| line.trim().split_once(':')).any(|(suffix, count)| {
            suffix.eq_ignore_ascii_case(rest) && !count.trim().trim_start_matches('0').is_empty()
        }))
    }
}

fn is_local(url: &str) -> bool {
    ["http://127.0.0.1:", "http://[::1]:"].iter().any(|place| url.starts_with(place))
}
