//! The text that a wallet signs, read line by line (EIP-4361).
//!
//! ```text
//! app.example.com wants you to sign in with your Ethereum account:
//! 0x…
//!
//! A sentence, or none.
//!
//! URI: https://app.example.com/welcome
//! Version: 1
//! Chain ID: 1
//! Nonce: 32891756
//! Issued At: 2026-11-22T12:00:00Z
//! ```
//!
//! Its lines may stand in any order, each once: wallets differ. What is not understood is refused.

use jiff::{SignedDuration, Timestamp};

use super::Chain;
use crate::limits;

/// What it says.
#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct Text<'a> {
    pub domain: &'a str,
    pub address: &'a str,
    pub statement: Option<&'a str>,
    pub uri: &'a str,
    pub network: Option<&'a str>,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
}

/// The lines there may be. Those without a field of ours are read and asked for nothing.
const LINES: [&str; 9] = [
    "URI",
    "Version",
    "Chain ID",
    "Nonce",
    "Issued At",
    "Expiration Time",
    "Not Before",
    "Request ID",
    "Resources",
];

impl<'a> Text<'a> {
    pub(super) fn read(chain: Chain, text: &'a str) -> Result<Self, &'static str> {
        if text.chars().any(|c| c.is_control() && c != '\n') {
            return Err("Message contains control characters");
        }
        let whom = match chain {
            Chain::Ethereum => " wants you to sign in with your Ethereum account:",
            Chain::Solana => " wants you to sign in with your Solana account:",
        };
        let mut lines = text.lines().peekable();
        let domain = lines
            .next()
            .and_then(|line| line.strip_suffix(whom))
            .ok_or("Message first line does not match")?;
        let address = lines.next().unwrap_or_default();
        if chain == Chain::Ethereum && !seal::wallet::is_ethereum_address(address) {
            return Err("Message does not contain an address");
        }
        if lines.next() != Some("") {
            return Err("Message has no empty line after the address");
        }
        while lines.next_if_eq(&"").is_some() {}
        let is_field = |line: &&str| LINES.iter().any(|name| of(line, name).is_some());
        let statement = lines.next_if(|line| !is_field(line));
        if statement.is_some() && lines.next() != Some("") {
            return Err("Message statement is not one line");
        }
        while lines.next_if_eq(&"").is_some() {}
        let mut read = Text { domain, address, statement, ..Text::default() };
        read.fields(lines)?;
        if read.domain.is_empty() || authority(read.uri) != Some(read.domain) {
            return Err("Message domain and URI do not agree");
        }
        if chain == Chain::Ethereum
            && !read.network.is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Err("Message has no chain id");
        }
        Ok(read)
    }

    fn fields(&mut self, lines: impl Iterator<Item = &'a str>) -> Result<(), &'static str> {
        let mut seen = Vec::new();
        let mut lines = lines.peekable();
        while let Some(line) = lines.next() {
            let found = LINES.iter().find_map(|name| Some((*name, of(line, name)?)));
            let (name, value) = found.ok_or("Message has a line that is not understood")?;
            if seen.contains(&name) {
                return Err("Message says something twice");
            }
            seen.push(name);
            let time = || value.parse::<Timestamp>().map_err(|_| "Message has a time that is not one");
            match name {
                "URI" => self.uri = value,
                "Version" if value != "1" => return Err("Message version is not 1"),
                "Chain ID" if value.is_empty() => return Err("Message has no chain id"),
                "Chain ID" => self.network = Some(value),
                "Issued At" => self.issued_at = Some(time()?),
                "Expiration Time" => self.expires_at = Some(time()?),
                "Not Before" => self.not_before = Some(time()?),
                "Resources" => while lines.next_if(|line| line.starts_with("- ")).is_some() {},
                _ => {}
            }
        }
        let has = |name: &str| seen.contains(&name);
        if has("Version") && has("URI") && has("Issued At") { Ok(()) } else { Err("Message lacks a line") }
    }

    /// Until when it could be shown again, if it may be shown now.
    pub(super) fn require_now(&self, now: Timestamp, valid_seconds: i64) -> Result<Timestamp, &'static str> {
        let skew =
            SignedDuration::from_secs(i64::try_from(limits::CLOCK_SKEW_SECONDS_MAX.value).unwrap_or(0));
        let issued = self.issued_at.ok_or("Message lacks a line")?;
        let later = |at: Timestamp, by: SignedDuration| at.checked_add(by).unwrap_or(Timestamp::MAX);
        let until = later(issued, SignedDuration::from_secs(valid_seconds));
        if issued > later(now, skew) || self.not_before.is_some_and(|from| from > now) {
            return Err("Message is not valid yet");
        }
        if until <= now || self.expires_at.is_some_and(|end| end <= now) {
            return Err("Message is too old");
        }
        Ok(until)
    }

    /// Only this machine's own pages may be asked from without TLS.
    pub(super) fn require_secure(&self) -> Result<(), &'static str> {
        let host = self.domain.rsplit_once(':').map_or(self.domain, |(host, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { self.domain }
        });
        let is_here = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
        match self.uri.split_once("://") {
            Some(("https", _)) => Ok(()),
            Some(("http", _)) if is_here => Ok(()),
            _ => Err("Message URI is not https"),
        }
    }
}

/// What stands after the name of a line. auth-js writes `Resources` for Solana without its colon.
fn of<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(name)?;
    if rest.is_empty() && name == "Resources" {
        return Some(rest);
    }
    let value = rest.strip_prefix(':')?;
    if value.is_empty() { Some(value) } else { value.strip_prefix(' ') }
}

/// `host:port` of an address, unless somebody's name stands before it.
fn authority(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    (!authority.contains('@')).then_some(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23";

    fn usual() -> String {
        format!(
            "app.example.com wants you to sign in with your Ethereum account:\n{ADDRESS}\n\nCome in.\n\n\
             URI: https://app.example.com/welcome\nVersion: 1\nChain ID: 1\nNonce: 12345678\nIssued At: 2026-11-22T12:00:00Z"
        )
    }

    fn read(text: &str) -> Result<Text<'_>, &'static str> {
        Text::read(Chain::Ethereum, text)
    }

    #[test]
    fn what_wallets_write_is_read() {
        let text = usual();
        let read_text = read(&text).unwrap();
        assert_eq!((read_text.domain, read_text.address), ("app.example.com", ADDRESS));
        assert_eq!((read_text.statement, read_text.network), (Some("Come in."), Some("1")));
        for other in [
            text.replace("Come in.\n\n", ""),
            text.replace("Come in.\n", ""),
            text.replace("Nonce: 12345678\n", ""),
            format!(
                "{text}\nExpiration Time: 2026-11-22T13:00:00Z\nNot Before: 2026-11-22T11:00:00Z\nRequest ID: x\nResources:\n- https://a\n- ipfs://b"
            ),
        ] {
            assert!(read(&other).is_ok(), "{other}");
        }
        // As auth-js writes it for Solana.
        let solana = "localhost:3000 wants you to sign in with your Solana account:\nabc\n\nHi\n\nVersion: 1\nURI: http://localhost:3000/\nIssued At: 2026-11-22T12:00:00.000Z";
        assert!(Text::read(Chain::Solana, solana).unwrap().require_secure().is_ok());
        assert!(Text::read(Chain::Ethereum, solana).is_err());
        let more = format!("{solana}\nResources\n- https://a");
        assert!(Text::read(Chain::Solana, &more).is_ok());
        assert!(Text::read(Chain::Solana, &format!("{more}\nResources:\n- https://b")).is_err());
    }

    #[test]
    fn what_is_not_understood_or_said_twice_or_says_two_things_is_refused() {
        let text = usual();
        for (from, to) in [
            ("URI: https://app.example.com/welcome\n", ""),
            ("Version: 1\n", ""),
            ("Chain ID: 1\n", ""),
            ("Issued At: 2026-11-22T12:00:00Z", ""),
            ("Version: 1", "Version: 2"),
            ("Chain ID: 1", "Chain ID: main"),
            ("2026-11-22T12:00:00Z", "yesterday"),
            ("Nonce", "Nounce"),
            ("Come in.\n", "Come in.\nNow.\n"),
            ("Come in.", "URI: https://evil.example/"),
            ("Version: 1", "Version: 1\nURI: https://evil.example/"),
            ("https://app.example.com/", "https://app.example.com@evil.example/"),
            ("https://app.example.com/", "https://app.example.com.evil.example/"),
            ("https://app.example.com/", "https://app.example.com:444/"),
            ("app.example.com wants", "evil.example wants"),
            ("app.example.com wants", " wants"),
            ("Ethereum account", "Solana account"),
            (ADDRESS, "0x2c7536e3605d9c16a7a3d7b1898e529396a65c2"),
            ("\n\nCome", "\nCome"),
            ("Come in.", "Come\rin."),
            ("Come in.", "Come\u{7f}in."),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(read(&changed).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn it_is_good_from_when_it_says_and_not_for_long() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let text =
            format!("{}\nExpiration Time: 2026-11-22T12:05:00Z\nNot Before: 2026-11-22T12:01:00Z", usual());
        let read = read(&text).unwrap();
        for (now, good) in [
            ("2026-11-22T12:00:59Z", false),
            ("2026-11-22T12:01:00Z", true),
            ("2026-11-22T12:04:59Z", true),
            ("2026-11-22T12:05:00Z", false),
        ] {
            assert_eq!(read.require_now(at(now), 600).is_ok(), good, "{now}");
        }
        assert!(read.require_now(at("2026-11-22T12:03:00Z"), 120).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in "\\PC{0,200}", lines in proptest::collection::vec("(URI|Version|Chain ID|Issued At|Resources|x)?:? ?[a-z0-9:/@.-]{0,20}", 0..12)) {
            let _either_way = read(&text);
            let whole = format!("a.b wants you to sign in with your Solana account:\n{text}\n\n{}", lines.join("\n"));
            let _either_way = Text::read(Chain::Solana, &whole);
        }
    }
}
