//! A browser as far as sign-in needs one: it keeps cookies per host and port, follows redirects, and sends forms.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::Method;

use crate::{Client, Seen};

/// Somebody's browser.
#[derive(Clone)]
pub struct Browser {
    /// Where it connects from.
    pub from: IpAddr,
    /// What it keeps, by host and port.
    pub jar: BTreeMap<String, BTreeMap<String, String>>,
}

impl Browser {
    /// A fresh one.
    pub fn new(from: IpAddr) -> Self {
        Browser { from, jar: BTreeMap::new() }
    }

    /// Opens an address, without following anything.
    pub async fn open(&mut self, url: &str) -> Seen {
        self.send(Method::GET, url, &[], Bytes::new()).await
    }

    /// Sends a form as a page at the same place would.
    pub async fn submit(&mut self, url: &str, fields: &[(&str, &str)]) -> Seen {
        let (origin, _) = split(url);
        let origin = format!("http://{origin}");
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "navigate"),
        ];
        self.send(Method::POST, url, &headers, form(fields).into()).await
    }

    /// Anything, with the cookies it has for that place.
    pub async fn send(&mut self, method: Method, url: &str, headers: &[(&str, &str)], body: Bytes) -> Seen {
        let (authority, path) = split(url);
        let server: SocketAddr = authority.replace("localhost", "127.0.0.1").parse().unwrap();
        let kept = self.jar.entry(authority.to_owned()).or_default();
        let cookie =
            kept.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut headers = headers.to_vec();
        if !cookie.is_empty() && !headers.iter().any(|(name, _)| *name == "cookie") {
            headers.push(("cookie", &cookie));
        }
        let seen = Client::new(server, self.from).send(method, path, &headers, body).await;
        let kept = self.jar.entry(authority.to_owned()).or_default();
        for line in seen.headers.get_all("set-cookie") {
            let pair = line.to_str().unwrap().split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                kept.insert(name.trim().to_owned(), value.to_owned());
            }
        }
        seen
    }

    /// Opens an address and goes wherever it is sent, until an address that begins with `until`, which is returned unopened.
    pub async fn follow(&mut self, url: &str, until: &str) -> String {
        let mut at = url.to_owned();
        for _ in 0..20 {
            if at.starts_with(until) {
                return at;
            }
            let seen = self.open(&at).await;
            let to = seen.header("location");
            assert!(!to.is_empty(), "{} at {at}: {}", seen.status, seen.text());
            at = absolute(&at, to);
        }
        panic!("still going round at {at}");
    }
}

/// `host:port`, and the rest.
fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("not http: {url}"));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    (authority, if path.is_empty() { "/" } else { path })
}

/// An address as the page at `base` means it.
pub fn absolute(base: &str, to: &str) -> String {
    if to.contains("://") {
        return to.to_owned();
    }
    let (authority, path) = split(base);
    if to.starts_with('/') {
        return format!("http://{authority}{to}");
    }
    let path = path.split('?').next().unwrap_or_default();
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("http://{authority}{folder}/{to}")
}

/// Fields as a form encodes them.
pub fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect::<String>()
    };
    fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// A parameter of an address's query or fragment.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let rest = url.split_once(['?', '#']).map_or("", |(_, rest)| rest);
    rest.split(['&', '#', '?']).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let spaced = value.replace('+', " ");
        let mut bytes = Vec::new();
        let mut rest = spaced.as_bytes();
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            match (byte, tail.get(..2).and_then(|two| std::str::from_utf8(two).ok())) {
                (b'%', Some(two)) if u8::from_str_radix(two, 16).is_ok() => {
                    bytes.push(u8::from_str_radix(two, 16).unwrap());
                    rest = &tail[2..];
                }
                _ => bytes.push(byte),
            }
        }
        (key == name).then(|| String::from_utf8_lossy(&bytes).into_owned())
    })
}

/// The value of a hidden field of a page.
pub fn hidden(page: &str, name: &str) -> String {
    let marker = format!("name=\"{name}\" value=\"");
    let at = page.find(&marker).unwrap_or_else(|| panic!("no field {name} in {page}"));
    page[at + marker.len()..].split('"').next().unwrap_or_default().to_owned()
}
