//! Syslog: RFC 5424, over TCP (RFC 6587) and TLS (RFC 5425) with the length before each message, or one datagram each
//! over UDP (RFC 5426).
//!
//! Syslog has no answers. Over a stream a batch has a connection of its own: we end our side, and only when the receiver,
//! having read to that end, ends its own, is the batch delivered. A datagram is delivered when it has left; what becomes of
//! it nobody is told.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outbound::Outbound;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::record::{From, Record};
use crate::{Error, limits, settings};

/// Facilities: `log audit` for the audit log, `local0` for the program's own.
const LOG_AUDIT: u8 = 13;
const LOCAL0: u8 = 16;

/// A receiver.
pub(crate) struct Syslog {
    wire: Wire,
    /// `HOSTNAME`, `APP-NAME` and `PROCID`.
    host: String,
    tag: String,
    process: u32,
}

enum Wire {
    Udp { host: String, port: u16 },
    Stream { host: String, port: u16, secure: bool },
    Socket(PathBuf),
}

impl Syslog {
    /// `udp://host:514`, `tcp://host:514` or `tls://host:6514`.
    pub fn at(address: &str, tag: &str) -> Result<Self, Error> {
        let refuse = |what: &str| Error::Setting {
            setting: settings::SYSLOG_ADDRESS.definition.name,
            what: format!("`{address}` {what}: expected udp://host:514, tcp://host:514 or tls://host:6514"),
        };
        let (scheme, rest) = address.split_once("://").ok_or_else(|| refuse("has no scheme"))?;
        let rest = rest.trim_end_matches('/');
        if rest.contains('/') {
            return Err(refuse("has a path"));
        }
        let usual = match scheme {
            "udp" | "tcp" => 514,
            "tls" => 6514,
            _ => return Err(refuse("is neither udp, tcp nor tls")),
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| refuse("has no port that is a number"))?)
            }
            Some(_) | None => (rest, usual),
        };
        let host = host.to_owned();
        outbound::Target::parse(&format!("https://{host}:{port}/"))
            .map_err(|error| refuse(&error.to_string()))?;
        let wire = match scheme {
            "udp" => Wire::Udp { host, port },
            scheme => Wire::Stream { host, port, secure: scheme == "tls" },
        };
        Ok(Syslog { wire, host: this_host(), tag: tag.to_owned(), process: std::process::id() })
    }

    /// A socket in our own folder, as the probes have.
    pub fn socket(path: &Path) -> Self {
        let wire = Wire::Socket(path.to_owned());
        Syslog { wire, host: this_host(), tag: "palisade".to_owned(), process: std::process::id() }
    }

    /// Gives them to the receiver, in order.
    pub async fn deliver(&self, outbound: &Outbound, records: &[Record]) -> Result<(), Error> {
        let limit = Duration::from_secs(limits::ANSWER_SECONDS.value);
        tokio::time::timeout(limit, self.send(outbound, records)).await.map_err(|_| Error::Slow)?
    }

    async fn send(&self, outbound: &Outbound, records: &[Record]) -> Result<(), Error> {
        match &self.wire {
            Wire::Udp { host, port } => {
                let socket = outbound.datagrams("syslog", host, *port).await?;
                for record in records {
                    let message = self.message(record);
                    let end = message.floor_char_boundary(limits::DATAGRAM_BYTES.size());
                    socket
                        .send(message.get(..end).unwrap_or_default().as_bytes())
                        .await
                        .map_err(Error::Broken)?;
                }
                Ok(())
            }
            Wire::Stream { host, port, secure } => {
                let stream = outbound.stream("syslog", host, *port, *secure).await?;
                hand_over(stream, &self.framed(records)).await.map_err(Error::Broken)
            }
            Wire::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(Error::Broken)?;
                hand_over(stream, &self.framed(records)).await.map_err(Error::Broken)
            }
        }
    }

    fn framed(&self, records: &[Record]) -> Vec<u8> {
        let mut all = Vec::new();
        for record in records {
            let message = self.message(record);
            all.extend_from_slice(format!("{} ", message.len()).as_bytes());
            all.extend_from_slice(message.as_bytes());
        }
        all
    }

    /// One message. Its text is JSON; as the RFC has it for text that is not marked, any octets.
    fn message(&self, record: &Record) -> String {
        let (facility, kind) = match record.from {
            From::Audit => (LOG_AUDIT, "audit"),
            From::Log => (LOCAL0, "log"),
        };
        let priority = facility * 8 + record.severity as u8;
        let mut message = String::with_capacity(record.line.len() + 128);
        let _a_string_takes_everything = write!(
            message,
            "<{priority}>1 {:.6} {} {} {} {} [origin software=\"palisade\" swVersion=\"{}\"][meta language=\"en\"] {}",
            record.at,
            name(&self.host, 255),
            name(&self.tag, 48),
            self.process,
            name(&format!("{kind}.{}", record.name), 32),
            env!("CARGO_PKG_VERSION"),
            record.line,
        );
        message
    }
}

/// Printable and without blanks, or nothing.
fn name(text: &str, chars_max: usize) -> String {
    let name: String = text.chars().filter(char::is_ascii_graphic).take(chars_max).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

fn this_host() -> String {
    name(&crate::host_name(), 255)
}

/// Writes everything, ends our side, and waits until the receiver has ended its own.
async fn hand_over(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    bytes: &[u8],
) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    // Whatever it says meanwhile: it is its end that counts.
    match tokio::io::copy(&mut stream, &mut tokio::io::sink()).await {
        Ok(_) => Ok(()),
        // An end of TLS without the alert for it: TCP says that everything was read before.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_talks_and_does_not_end_its_side_has_confirmed_nothing() {
        let (ours, mut theirs) = tokio::io::duplex(64 << 10);
        let talks = tokio::spawn(async move {
            theirs.write_all(&[b'x'; 10_000]).await.unwrap();
            theirs.read_to_end(&mut Vec::new()).await.unwrap();
            theirs
        });
        let limit = Duration::from_secs(limits::ANSWER_SECONDS.value);
        let mut handed = Box::pin(hand_over(ours, b"a batch"));
        assert!(tokio::time::timeout(limit, &mut handed).await.is_err());
        drop(talks.await.unwrap());
        handed.await.unwrap();
    }

    fn record(line: &str) -> Record {
        Record::of_line(line, "2026-11-22T07:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_message_is_as_rfc_5424_has_it() {
        let syslog = Syslog {
            host: "node 7\n".to_owned(),
            ..Syslog::at("tcp://logs.example.com", "app flowy").unwrap()
        };
        let line = r#"{"timestamp":"2026-11-22T07:15:06.5Z","level":"ERROR","message":"é","target":"palisade::error"}"#;
        let message = syslog.message(&record(line));
        let process = std::process::id();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            message,
            format!(
                "<131>1 2026-11-22T07:15:06.500000Z node7 appflowy {process} log.palisade::error [origin software=\"palisade\" swVersion=\"{version}\"][meta language=\"en\"] {line}"
            )
        );
        assert_eq!(syslog.framed(&[record(line)]), format!("{} {message}", message.len()).into_bytes());
    }

    #[test]
    fn addresses_are_read_as_the_guide_writes_them_or_refused() {
        for address in [
            "tcp://log-server.company.com:514",
            "udp://192.0.2.1",
            "tls://[2001:db8::1]",
            "tls://[2001:db8::1]:6514",
        ] {
            assert!(Syslog::at(address, "t").is_ok(), "{address}");
        }
        for address in [
            "logs.example.com:514",
            "http://logs.example.com",
            "tcp://",
            "tcp://host:port",
            "tcp://user@host",
            "tcp://host/path",
        ] {
            assert!(matches!(Syslog::at(address, "t"), Err(Error::Setting { .. })), "{address}");
        }
    }
}
