//! What is asked of a connection before its first request: who is really there, and how many they have open.
//!
//! A load balancer of the fourth layer cannot add headers; it says who it speaks for in a PROXY header in front of
//! everything else. It is read from trusted proxies only, and then it must be there: otherwise whoever reaches the port
//! directly chooses an address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base::Settings;
use base::address::customer;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::limits::{ADDRESS_CONNECTIONS_MAX, HEAD_MS_MAX, PROXY_HEADER_BYTES_MAX};
use crate::{Error, TrustedProxies, settings};

/// What is done with a connection before it is served. Cheap to clone.
#[derive(Clone, Default)]
pub struct Front {
    proxies: TrustedProxies,
    proxy_protocol: bool,
    open: Open,
}

impl Front {
    /// From the settings.
    pub fn from(given: &Settings) -> Result<Self, Error> {
        let proxies = TrustedProxies::from(given)?;
        let proxy_protocol = given.get(&settings::PROXY_PROTOCOL);
        if proxy_protocol && proxies.is_empty() {
            return Err(Error::Setting {
                setting: settings::PROXY_PROTOCOL.definition.name,
                what: "name the load balancers in server.trusted_proxies: nobody else may say who is calling"
                    .to_owned(),
            });
        }
        Ok(Front { proxies, proxy_protocol, open: Open::default() })
    }

    /// Who is at the other end, and their place among the connections; `None` where it is to be closed.
    pub(crate) async fn meet<S: AsyncRead + Unpin>(&self, stream: &mut S, peer: IpAddr) -> Option<Met> {
        let peer = peer.to_canonical();
        let is_proxy = self.proxies.trusts(peer);
        let said = if is_proxy && self.proxy_protocol {
            let bound = Duration::from_millis(HEAD_MS_MAX.value);
            match tokio::time::timeout(bound, read(stream)).await {
                Ok(Ok(said)) => said,
                Ok(Err(error)) => {
                    tracing::warn!(%error, %peer, "a trusted proxy sent no PROXY header (server.proxy_protocol)");
                    return None;
                }
                Err(_) => return None,
            }
        } else {
            Said::default()
        };
        let address = said.source.unwrap_or(peer);
        // Everybody behind a proxy has its address; their requests are counted by their own.
        let place = if is_proxy && said.source.is_none() {
            None
        } else {
            let place = self.open.enter(address);
            if place.is_none() {
                tracing::debug!(%address, limit = ADDRESS_CONNECTIONS_MAX.name, "too many connections of one address");
                return None;
            }
            place
        };
        Some(Met { address, secure: said.secure, _place: place })
    }
}

/// Somebody who may go on.
pub(crate) struct Met {
    pub(crate) address: IpAddr,
    /// The proxy says that TLS protected the way to it.
    pub(crate) secure: bool,
    _place: Option<PlaceOf>,
}

/// How many connections each address has open.
#[derive(Clone, Default)]
struct Open(Arc<Mutex<HashMap<IpAddr, u64>>>);

/// One connection's place; free again when dropped.
struct PlaceOf(Open, IpAddr);

impl Open {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u64>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn enter(&self, address: IpAddr) -> Option<PlaceOf> {
        let subject = customer(address);
        let mut open = self.lock();
        let count = open.entry(subject).or_default();
        if *count >= ADDRESS_CONNECTIONS_MAX.value {
            return None;
        }
        *count += 1;
        Some(PlaceOf(self.clone(), subject))
    }
}

impl Drop for PlaceOf {
    fn drop(&mut self) {
        let mut open = self.0.lock();
        if let Some(count) = open.get_mut(&self.1) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.1);
            }
        }
    }
}

/// What a PROXY header says. `source` is absent where the proxy speaks for itself (its health checks).
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    source: Option<IpAddr>,
    secure: bool,
}

const SECOND: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Reads exactly the header (the PROXY protocol, versions 1 and 2) and nothing behind it.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Said> {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    if &start == SECOND {
        let mut rest = [0; 4];
        stream.read_exact(&mut rest).await?;
        let [version, family, high, low] = rest;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > PROXY_HEADER_BYTES_MAX.size() {
            return Err(wrong("it is too long"));
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        return second(version, family, &body);
    }
    let mut line = start.to_vec();
    // The longest line of version 1 has 107 bytes.
    while !line.ends_with(b"\r\n") {
        if line.len() >= 107 {
            return Err(wrong("its line does not end"));
        }
        line.push(stream.read_u8().await?);
    }
    let line = std::str::from_utf8(&line).map_err(|_| wrong("it is not text"))?;
    first(line.trim_end_matches("\r\n"))
}

fn first(line: &str) -> std::io::Result<Said> {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(Said::default()),
        ["PROXY", family @ ("TCP4" | "TCP6"), source, target, from, to] => {
            let source: IpAddr = source.parse().map_err(|_| wrong("its source is no address"))?;
            let target: IpAddr = target.parse().map_err(|_| wrong("its target is no address"))?;
            let is_four = *family == "TCP4";
            if source.is_ipv4() != is_four || target.is_ipv4() != is_four {
                return Err(wrong("its addresses are not of its family"));
            }
            if from.parse::<u16>().is_err() || to.parse::<u16>().is_err() {
                return Err(wrong("its ports are no numbers"));
            }
            Ok(Said { source: Some(source.to_canonical()), secure: false })
        }
        _ => Err(wrong("it is not there")),
    }
}

fn second(version: u8, family: u8, body: &[u8]) -> std::io::Result<Said> {
    match version {
        // LOCAL: the proxy itself, asking how we are.
        0x20 => return Ok(Said::default()),
        0x21 => {}
        _ => return Err(wrong("its version or command is unknown")),
    }
    let (source, addresses) = match family {
        0x11 => {
            let bytes: [u8; 4] = body.get(..4).and_then(|four| four.try_into().ok()).ok_or_else(short)?;
            (IpAddr::V4(Ipv4Addr::from(bytes)), 12)
        }
        0x21 => {
            let bytes: [u8; 16] = body.get(..16).and_then(|six| six.try_into().ok()).ok_or_else(short)?;
            (IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical(), 36)
        }
        _ => return Ok(Said::default()),
    };
    let more = body.get(addresses..).ok_or_else(short)?;
    Ok(Said { source: Some(source), secure: says_tls(more) })
}

/// The entry PP2_TYPE_SSL with PP2_CLIENT_SSL in its first byte.
fn says_tls(mut entries: &[u8]) -> bool {
    while let [kind, high, low, rest @ ..] = entries {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((value, after)) = rest.split_at_checked(length) else { return false };
        if *kind == 0x20 {
            return value.first().is_some_and(|flags| flags & 1 == 1);
        }
        entries = after;
    }
    false
}

fn short() -> std::io::Error {
    wrong("it is too short")
}

fn wrong(why: &'static str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn said(bytes: &[u8]) -> Result<(Said, Vec<u8>), String> {
        let mut rest = bytes;
        let said = read(&mut rest).await.map_err(|error| error.to_string())?;
        Ok((said, rest.to_vec()))
    }

    fn of(address: &str, secure: bool) -> Said {
        Said { source: Some(address.parse().unwrap()), secure }
    }

    #[tokio::test]
    async fn both_versions_are_read_to_their_last_byte_and_no_further() {
        let one = b"PROXY TCP4 198.51.100.7 10.0.0.1 5555 443\r\nGET /";
        assert_eq!(said(one).await.unwrap(), (of("198.51.100.7", false), b"GET /".to_vec()));
        let six = b"PROXY TCP6 2001:db8::7 2001:db8::1 5555 443\r\n\x16";
        assert_eq!(said(six).await.unwrap(), (of("2001:db8::7", false), b"\x16".to_vec()));
        assert_eq!(said(b"PROXY UNKNOWN\r\nx").await.unwrap(), (Said::default(), b"x".to_vec()));

        let two = |command: u8, family: u8, body: &[u8]| {
            let length = u16::try_from(body.len()).unwrap().to_be_bytes();
            [SECOND.as_slice(), &[command, family], &length, body, b"x"].concat()
        };
        let four = [198, 51, 100, 7, 10, 0, 0, 1, 1, 1, 1, 187];
        assert_eq!(said(&two(0x21, 0x11, &four)).await.unwrap(), (of("198.51.100.7", false), b"x".to_vec()));
        let tls = [four.as_slice(), &[0x04, 0, 1, 9], &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
        assert_eq!(said(&two(0x21, 0x11, &tls)).await.unwrap().0, of("198.51.100.7", true));
        assert_eq!(said(&two(0x20, 0x00, &[])).await.unwrap().0, Said::default());
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        for bytes in [
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(),
            b"PROXY TCP4 198.51.100.7 10.0.0.1 5555\r\n",
            b"PROXY TCP4 2001:db8::1 10.0.0.1 1 1\r\n",
            b"PROXY TCP4 198.51.100.7 10.0.0.1 1 99999\r\n",
            b"PROXY  TCP4 198.51.100.7 10.0.0.1 1 1\r\n",
            b"PROXY TCP4 198.51.100.7 10.0.0.1 11111111111111111111111111111111111111111111111111111111111111111111 1\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x00",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x02ab",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        ] {
            assert!(said(bytes).await.is_err(), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[tokio::test]
    async fn one_address_cannot_have_every_connection() {
        let front = Front::default();
        let met = async |address: &str| front.meet(&mut b"".as_slice(), address.parse().unwrap()).await;
        let mut open = Vec::new();
        for _ in 0..ADDRESS_CONNECTIONS_MAX.value {
            open.push(met("2001:db8::1").await.unwrap());
        }
        assert!(met("2001:db8::2").await.is_none(), "the same /64");
        assert!(met("2001:db8:0:1::2").await.is_some());
        open.pop();
        assert!(met("2001:db8::2").await.is_some(), "a closed one makes room");
    }
}
