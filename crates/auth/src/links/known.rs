//! Numbers whose code is known beforehand (`sms.test_otp`), for tests and for the reviewers of app shops: no text leaves for
//! them, and everything else about their codes is as for all: they are good once, for as long, and wrong ones count.
//!
//! Invariant: outside of `dev` they have an end, after which the number is one like any other.

use std::collections::BTreeMap;

use base::{Profile, Secret, Settings};
use jiff::Timestamp;

use crate::Error;
use crate::accounts::read_phone;

/// What is known, and until when.
#[derive(Default)]
pub(crate) struct KnownCodes {
    codes: BTreeMap<String, Secret<String>>,
    until: Option<Timestamp>,
}

impl KnownCodes {
    /// From the settings.
    pub(crate) fn from_settings(given: &Settings, profile: Profile) -> Result<Self, Error> {
        let Some(list) = given.get(&texts::settings::TEST_OTP) else { return Ok(KnownCodes::default()) };
        let refused = |what, fix| Err(Error::Unsafe { what, fix });
        let until = match given.get(&texts::settings::TEST_OTP_VALID_UNTIL).map(|text| text.parse()) {
            Some(Ok(until)) => Some(until),
            Some(Err(_)) => {
                return refused("sms.test_otp_valid_until is no time", "write it as 2026-12-31T00:00:00Z");
            }
            None if profile == Profile::Serve => {
                return refused(
                    "sms.test_otp has no end: whoever learns of it signs in with those numbers for ever",
                    "set sms.test_otp_valid_until, such as 2026-12-31T00:00:00Z",
                );
            }
            None => None,
        };
        let mut codes = BTreeMap::new();
        for pair in list.expose().split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let known = pair.split_once([':', '=']).and_then(|(phone, code)| {
                let is_code =
                    (6..=10).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
                Some((read_phone(phone).ok()?, Secret::from(code))).filter(|_| is_code)
            });
            let Some((phone, code)) = known else {
                return refused(
                    "sms.test_otp is not a list of numbers and codes",
                    "write 4915550100:123456,4915550101:654321: codes have six to ten digits",
                );
            };
            codes.insert(phone, code);
        }
        Ok(KnownCodes { codes, until })
    }

    /// The code of a number, while it is good.
    pub(crate) fn of(&self, phone: &str, now: Timestamp) -> Option<&Secret<String>> {
        self.codes.get(phone).filter(|_| self.until.is_none_or(|until| now < until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str, until: Option<&str>, profile: Profile) -> Result<KnownCodes, Error> {
        let given = Settings::default().with("sms.test_otp", list);
        let given = match until {
            Some(until) => given.with("sms.test_otp_valid_until", until),
            None => given,
        };
        KnownCodes::from_settings(&given, profile)
    }

    #[test]
    fn a_known_code_has_an_end() {
        let codes =
            read("+4915550100:123456, 4915550101=0123456", Some("2026-01-02T00:00:00Z"), Profile::Serve)
                .unwrap();
        let (before, after) =
            ("2026-01-01T23:59:59Z".parse().unwrap(), "2026-01-02T00:00:00Z".parse().unwrap());
        assert_eq!(codes.of("4915550100", before).unwrap().expose(), "123456");
        assert_eq!(codes.of("4915550101", before).unwrap().expose(), "0123456");
        assert!(codes.of("4915550100", after).is_none() && codes.of("4915550102", before).is_none());
        assert!(read("4915550100:123456", None, Profile::Serve).is_err(), "for ever");
        assert!(read("4915550100:123456", None, Profile::Dev).is_ok());
        for odd in
            ["4915550100", "4915550100:12345", "4915550100:12345a", "x:123456", "4915550100:12345678901"]
        {
            assert!(read(odd, Some("2026-01-02T00:00:00Z"), Profile::Serve).is_err(), "{odd}");
        }
        assert!(read("4915550100:123456", Some("tomorrow"), Profile::Serve).is_err());
    }
}
