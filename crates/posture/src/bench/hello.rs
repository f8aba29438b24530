//! The first message of TLS, made by hand: a client that offers what no library of today would, and hears what it gets.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// SSL 3.0 and TLS 1.0 to 1.3, as they are on the wire.
pub const SSL_3: u16 = 0x0300;
/// TLS 1.0.
pub const TLS_1_0: u16 = 0x0301;
/// TLS 1.1.
pub const TLS_1_1: u16 = 0x0302;
/// TLS 1.2.
pub const TLS_1_2: u16 = 0x0303;
/// TLS 1.3.
pub const TLS_1_3: u16 = 0x0304;

/// The elliptic curves that everybody has: P-256, P-384, X25519.
pub const CURVES: &[u16] = &[0x0017, 0x0018, 0x001d];
/// Finite fields (RFC 7919).
pub const FINITE_FIELDS: &[u16] = &[0x0100, 0x0101, 0x0102, 0x0103, 0x0104];

/// What is offered.
pub struct Hello<'a> {
    /// The newest version.
    pub version: u16,
    /// The suites, the most wanted first.
    pub suites: &'a [u16],
    /// The groups.
    pub groups: &'a [u16],
    /// Whether a session ticket would be taken.
    pub ticket: bool,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It would go on, like this.
    Goes {
        /// The version.
        version: u16,
        /// The suite.
        suite: u16,
        /// Whether a ticket was promised.
        ticket: bool,
    },
    /// An alert, by its number.
    Alert(u8),
    /// The connection was closed.
    Closed,
}

impl std::fmt::Display for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Heard::Goes { version, suite, .. } => {
                write!(f, "accepted: version {version:04x}, suite {suite:04x}")
            }
            Heard::Alert(40) => f.write_str("refused (handshake_failure)"),
            Heard::Alert(70) => f.write_str("refused (protocol_version)"),
            Heard::Alert(number) => write!(f, "refused (alert {number})"),
            Heard::Closed => f.write_str("refused (closed)"),
        }
    }
}

impl Hello<'_> {
    /// Says it over `stream` and hears the answer.
    pub async fn say(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<Heard> {
        stream.write_all(&self.bytes()).await?;
        hear(&mut stream).await
    }

    fn bytes(&self) -> Vec<u8> {
        let legacy = self.version.min(TLS_1_2);
        let mut body = legacy.to_be_bytes().to_vec();
        // Nothing is kept secret with it.
        body.extend((0..32).map(|n: u8| n.wrapping_mul(37)));
        body.push(0);
        let suites: Vec<u8> = self.suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
        body.extend(sized(&suites));
        body.extend([1, 0]);
        if self.version > SSL_3 {
            body.extend(sized(&self.extensions()));
        }
        let mut message = vec![1, 0];
        message.extend(sized(&body));
        let mut record = vec![22];
        record.extend(legacy.min(TLS_1_0).to_be_bytes());
        record.extend(sized(&message));
        record
    }

    fn extensions(&self) -> Vec<u8> {
        let list = |numbers: &[u16]| {
            sized(&numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>())
        };
        let name = b"localhost";
        let mut all = Vec::new();
        let mut add = |kind: u16, value: Vec<u8>| {
            all.extend(kind.to_be_bytes());
            all.extend(sized(&value));
        };
        add(0, sized(&[&[0][..], &sized(name)].concat()));
        add(10, list(self.groups));
        add(11, vec![1, 0]);
        // ECDSA, RSA-PSS and PKCS #1 with SHA-256 to SHA-512, and with SHA-1 for the old versions.
        add(
            13,
            list(&[0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201]),
        );
        add(23, Vec::new());
        if self.ticket {
            add(35, Vec::new());
        }
        if self.version == TLS_1_3 {
            add(43, vec![2, 3, 4]);
            // No key is offered, so that whoever agrees asks for one, and says with which suite.
            add(51, vec![0, 0]);
        }
        all
    }
}

/// Bytes behind their length, in two bytes. Nothing here is longer.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&length, bytes].concat()
}

async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Heard> {
    let mut head = [0; 5];
    if let Err(error) = stream.read_exact(&mut head).await {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Ok(Heard::Closed)
            }
            _ => Err(error),
        };
    }
    let [kind, _, _, high, low] = head;
    let mut body = vec![0; usize::from(u16::from_be_bytes([high, low]))];
    stream.read_exact(&mut body).await?;
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "an answer that is no TLS");
    match kind {
        21 => Ok(Heard::Alert(body.get(1).copied().unwrap_or_default())),
        22 => server_hello(&body).ok_or_else(strange),
        _ => Err(strange()),
    }
}

fn server_hello(message: &[u8]) -> Option<Heard> {
    if message.first() != Some(&2) {
        return None;
    }
    let body = message.get(4..)?;
    let two = |at: usize| Some(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
    let session = usize::from(*body.get(34)?);
    let (mut version, suite) = (two(0)?, two(35 + session)?);
    let mut ticket = false;
    let mut rest = body.get(35 + session + 5..).unwrap_or_default();
    while let [kind_high, kind_low, high, low, after @ ..] = rest {
        let (value, after) = after.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        match (u16::from_be_bytes([*kind_high, *kind_low]), value) {
            (43, [high, low]) => version = u16::from_be_bytes([*high, *low]),
            (35, _) => ticket = true,
            _ => {}
        }
        rest = after;
    }
    Some(Heard::Goes { version, suite, ticket })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_understood() {
        let (mut server, client) = tokio::io::duplex(4096);
        let offered = Hello { version: TLS_1_2, suites: &[0xc02b], groups: CURVES, ticket: true };
        let heard = tokio::spawn(async move { offered.say(client).await.unwrap() });
        let mut head = [0; 5];
        server.read_exact(&mut head).await.unwrap();
        assert_eq!(&head[..3], [22, 3, 1]);
        // A ServerHello of TLS 1.2 with a ticket's promise.
        let mut body = vec![3, 3];
        body.extend([0; 32]);
        body.extend([0, 0xc0, 0x2b, 0]);
        body.extend(sized(&[0, 35, 0, 0]));
        let mut message = vec![2, 0];
        message.extend(sized(&body));
        let record = [&[22, 3, 3][..], &sized(&message)].concat();
        server.write_all(&record).await.unwrap();
        assert_eq!(heard.await.unwrap(), Heard::Goes { version: TLS_1_2, suite: 0xc02b, ticket: true });
    }

    #[tokio::test]
    async fn an_alert_and_silence_are_refusals() {
        for (bytes, expected) in [(&[21, 3, 1, 0, 2, 2, 70][..], Heard::Alert(70)), (&[], Heard::Closed)] {
            assert_eq!(hear(&mut &*bytes).await.unwrap(), expected);
        }
    }
}
