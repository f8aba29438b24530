//! What a URL names, read strictly: one that two programs could read differently is refused.

use std::net::IpAddr;

use url::{Host, Url};

use crate::{Error, limits};

/// A place to send a request to. Made from text only, and only when the text is unambiguous.
#[derive(Clone, Debug)]
pub struct Target {
    url: Url,
    host: String,
    port: u16,
    address: Option<IpAddr>,
}

impl Target {
    /// Reads a URL: http or https, no user name, no fragment, and its host written as it is compared.
    ///
    /// `0x7f000001`, `2130706433`, `127.1`, `①②⑦.0.0.1`, `%6c%6fcalhost` all mean another host after parsing than they
    /// show before; nobody honest writes them.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > limits::URL_BYTES.size() {
            return Err(Error::Url { why: "it is too long" });
        }
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        if !text.bytes().all(plain) {
            return Err(Error::Url { why: "it has spaces, backslashes or characters outside of ASCII" });
        }
        let url = Url::parse(text).map_err(|_| Error::Url { why: "it cannot be read" })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::Url { why: "only http and https are spoken" });
        }
        if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
            return Err(Error::Url { why: "a user name or password in a URL is not sent" });
        }
        if url.fragment().is_some() {
            return Err(Error::Url { why: "a fragment is never sent" });
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(Error::Url { why: "it names no host" });
        };
        let address = match host {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        let shown = url.host_str().unwrap_or_default().to_owned();
        let written = written_host(authority(text));
        // An IPv6 address has several honest spellings, and brackets to tell.
        let honest = written.eq_ignore_ascii_case(&shown) || written.starts_with('[');
        if !honest {
            return Err(Error::Host { host: written.to_owned(), why: "it is not written in its usual form" });
        }
        if address.is_none() && shown.ends_with('.') {
            return Err(Error::Host {
                host: shown,
                why: "a dot at its end is compared differently by every program",
            });
        }
        Ok(Target { host: shown, port, address, url })
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host, lower case; an IPv6 address has its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also when the URL leaves it out.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, when the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Whether TLS is spoken.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether `other` may see what was meant for this one: the same scheme, host and port.
    pub fn same_origin(&self, other: &Target) -> bool {
        (self.url.scheme(), &self.host, self.port) == (other.url.scheme(), &other.host, other.port)
    }

    /// What the `Host` header says.
    pub(crate) fn host_header(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

/// What stands between `//` and the path, as written.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The host in it, as written.
fn written_host(authority: &str) -> &str {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.starts_with('[') {
        return host.split_inclusive(']').next().unwrap_or_default();
    }
    host.split(':').next().unwrap_or_default()
}

/// Names that no resolver is asked for unless the operator allowed them: they are this machine's, or a cloud's.
pub(crate) fn is_local_name(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    matches!(last, "localhost" | "local" | "localdomain" | "internal" | "intranet" | "lan" | "home" | "corp")
        || name.ends_with(".home.arpa")
}
