//! One normaliser for authorities, and the names this instance answers to.
//!
//! A page of a stranger whose name is made to resolve to this machine (DNS rebinding) and a link with a host of
//! somebody else's choosing both end here: a request for a name that is not ours is answered 421 and reaches nothing.

use std::net::IpAddr;
use std::sync::Arc;

use base::Settings;
use http::header::HOST;
use http::request::Parts;
use web::Error as WebError;

use crate::{Error, settings};

/// A host and perhaps a port, in the one form that is compared: lower case, without brackets and final dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// A name or an address.
    pub host: String,
    /// The port, where one was written.
    pub port: Option<u16>,
}

impl Authority {
    /// Reads one, or nothing where two programs could read two things.
    pub fn read(text: &str) -> Option<Authority> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']')?;
                let address: std::net::Ipv6Addr = address.parse().ok()?;
                let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
                (IpAddr::V6(address).to_canonical().to_string(), port)
            }
            None => {
                let (host, port) = match text.split_once(':') {
                    Some((host, port)) => (host, Some(port)),
                    None => (text, None),
                };
                (name(host.strip_suffix('.').unwrap_or(host))?, port)
            }
        };
        let port = match port {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
            None => None,
        };
        Some(Authority { host, port })
    }
}

fn name(host: &str) -> Option<String> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let good = host.len() <= 253
        && host
            .split('.')
            .all(|label| !label.is_empty() && label.len() <= 63 && label.bytes().all(is_letter));
    if !good {
        return None;
    }
    // 127.1, 2130706433 and 0x7f.1 are addresses to some and names to others.
    let last = host.rsplit('.').next().unwrap_or(host);
    let is_number = last.starts_with(|first: char| first.is_ascii_digit())
        && (last.bytes().all(|byte| byte.is_ascii_digit())
            || last.starts_with("0x")
            || last.starts_with("0X"));
    if is_number {
        return host.parse::<std::net::Ipv4Addr>().ok().map(|address| address.to_string());
    }
    Some(host.to_ascii_lowercase())
}

/// The names of the certificate in force: they can change while we run.
pub type CertificateNames = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// Which names this instance answers to.
#[derive(Clone)]
pub struct Hosts {
    names: Arc<[String]>,
    certificate: Option<CertificateNames>,
    any: bool,
}

impl Hosts {
    /// From `server.hosts`, and what else is known to be ours (`more`: the external URL, the certificate's names).
    pub fn from(
        given: &Settings,
        more: Vec<String>,
        certificate: Option<CertificateNames>,
    ) -> Result<Self, Error> {
        let mut names = Vec::new();
        for name in given.get(&settings::HOSTS) {
            names.push(read_pattern(&name).ok_or_else(|| Error::Setting {
                setting: settings::HOSTS.definition.name,
                what: format!("`{name}` is no host name, address, or name such as *.example.com"),
            })?);
        }
        names.extend(more.iter().filter_map(|name| read_pattern(name)));
        Ok(Hosts { names: names.into(), certificate, any: false })
    }

    /// Whatever is asked for: on the operator's socket, and for outside test-suites.
    pub fn any() -> Self {
        Hosts { names: Arc::default(), certificate: None, any: true }
    }

    /// Whether the request names us, once and the same everywhere.
    pub(crate) fn require_ours(&self, parts: &Parts, peer: IpAddr) -> Result<(), WebError> {
        if self.any {
            return Ok(());
        }
        let unclear = |what: &str| WebError::Malformed { what: what.to_owned() };
        let mut lines = parts.headers.get_all(HOST).iter();
        let line = lines.next();
        if lines.next().is_some() {
            return Err(unclear("Send the Host header once"));
        }
        let header = match line.map(|line| line.to_str().ok().and_then(Authority::read)) {
            Some(None) => return Err(unclear("The Host header is no host name")),
            Some(Some(read)) => Some(read),
            None => None,
        };
        let target = match parts.uri.authority().map(|authority| Authority::read(authority.as_str())) {
            Some(None) => return Err(unclear("The request's authority is no host name")),
            Some(Some(read)) => Some(read),
            None => None,
        };
        let asked = match (target, header) {
            (Some(target), Some(header)) if target.host != header.host => {
                return Err(unclear("The Host header and the request's authority name two hosts"));
            }
            (Some(asked), _) | (None, Some(asked)) => asked,
            (None, None) => return Err(unclear("The request names no host")),
        };
        if self.is_ours(&asked.host, peer) { Ok(()) } else { Err(WebError::Misdirected) }
    }

    fn is_ours(&self, host: &str, peer: IpAddr) -> bool {
        if peer.to_canonical().is_loopback() && is_this_machine(host) {
            return true;
        }
        let matches = |pattern: &str| match pattern.strip_prefix("*.") {
            Some(below) => host.split_once('.').is_some_and(|(_, rest)| rest == below),
            None => host == pattern,
        };
        self.names.iter().any(|name| matches(name))
            || self.certificate.as_ref().is_some_and(|names| {
                names().iter().filter_map(|name| read_pattern(name)).any(|name| matches(&name))
            })
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A name, an address (with or without brackets), or `*.` and a name; a URL's authority too.
fn read_pattern(text: &str) -> Option<String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical().to_string());
    }
    match text.strip_prefix("*.") {
        Some(below) => Some(format!("*.{}", Authority::read(below)?.host)),
        None => Some(Authority::read(text)?.host),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn an_authority_is_read_in_one_form() {
        for (text, host, port) in [
            ("API.Example.com", "api.example.com", None),
            ("api.example.com.:8443", "api.example.com", Some(8443)),
            ("[2001:DB8:0:0::1]:443", "2001:db8::1", Some(443)),
            ("[::ffff:127.0.0.1]", "127.0.0.1", None),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("my_service", "my_service", None),
        ] {
            assert_eq!(Authority::read(text), Some(Authority { host: host.to_owned(), port }), "{text}");
        }
        for text in [
            "",
            ".",
            "a..b",
            "a@b",
            "a b",
            "a%2eb",
            "[::1",
            "::1",
            "a:b",
            "a:80:80",
            "a:+80",
            "a:99999",
            "127.1",
            "2130706433",
            "0x7f.1",
            "a/b",
            "a\\b",
            "ä.example",
            "a,b",
        ] {
            assert_eq!(Authority::read(text), None, "{text:?}");
        }
    }

    #[track_caller]
    fn check(peer: &str, uri: &str, host: &[&str], expected: Result<(), &str>) {
        let given = Settings::default().with("server.hosts", "api.example.com,*.tenants.example");
        let hosts = Hosts::from(&given, vec!["203.0.113.5".to_owned()], None).unwrap();
        let mut request = Request::builder().uri(uri);
        for line in host {
            request = request.header("host", *line);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let told = hosts.require_ours(&parts, peer.parse().unwrap());
        let code = told.as_ref().map_err(|error| base::Fault::code(error)).copied();
        assert_eq!(code, expected, "{uri} {host:?}");
    }

    #[test]
    fn only_our_names_reach_us() {
        let (far, near) = ("198.51.100.1", "127.0.0.1");
        check(far, "/", &["api.example.com"], Ok(()));
        check(far, "/", &["API.example.com.:443"], Ok(()));
        check(far, "/", &["a.tenants.example"], Ok(()));
        check(far, "/", &["203.0.113.5:8443"], Ok(()));
        check(far, "/", &["a.b.tenants.example"], Err("web.misdirected"));
        check(far, "/", &["evil.example"], Err("web.misdirected"));
        check(far, "/", &["localhost"], Err("web.misdirected"));
        check(near, "/", &["localhost:8443"], Ok(()));
        check(near, "/", &["127.0.0.1"], Ok(()));
        check(near, "/", &["rebound.evil.example"], Err("web.misdirected"));
    }

    #[test]
    fn a_request_that_names_two_hosts_or_none_is_unclear() {
        let far = "198.51.100.1";
        check(far, "/", &[], Err("web.malformed"));
        check(far, "/", &["api.example.com", "api.example.com"], Err("web.malformed"));
        check(far, "http://api.example.com/", &["evil.example"], Err("web.malformed"));
        check(far, "http://api.example.com/", &["api.example.com"], Ok(()));
        check(far, "http://evil.example/", &["api.example.com"], Err("web.malformed"));
    }
}
