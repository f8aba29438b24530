//! HTTP as any client could speak it: raw, one request a connection, any header, any client address we may have.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::timeout;

use super::{Bench, Seat, Trouble, tls};
use crate::limits;

/// One request.
#[derive(Clone)]
pub struct Ask<'a> {
    bench: &'a Bench,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    from: Option<IpAddr>,
    over: Over,
}

/// What a request goes over.
#[derive(Clone)]
enum Over {
    /// The instance's address.
    Address,
    /// The operator's socket.
    Control,
    /// A seat, in clear.
    Clear(Seat),
    /// A seat, in TLS.
    Tls(Seat),
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// In the order sent, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Bench {
    /// A request of nobody, from an address of its own.
    pub fn ask(&self, method: &str, target: &str) -> Ask<'_> {
        let (method, target) = (method.to_owned(), target.to_owned());
        let (headers, body, from) = (Vec::new(), Vec::new(), self.own_address());
        Ask { bench: self, method, target, headers, body, from, over: Over::Address }
    }

    /// A request of the operator, over the control socket.
    pub fn operator(&self, method: &str, target: &str) -> Ask<'_> {
        Ask { over: Over::Control, ..self.ask(method, target) }
    }

    /// A request of nobody in TLS, wherever this instance speaks it.
    pub fn secured(&self, method: &str, target: &str) -> Ask<'_> {
        let (seat, name) = (self.place.encryption.tls.clone(), &self.place.encryption.name);
        Ask { over: Over::Tls(seat), ..self.ask(method, target) }.header("host", name)
    }

    /// A request of nobody in plain HTTP, where this instance refuses that.
    pub fn in_clear(&self, method: &str, target: &str) -> Ask<'_> {
        let (seat, name) = (self.place.encryption.plain.clone(), &self.place.encryption.name);
        Ask { over: Over::Clear(seat), ..self.ask(method, target) }.header("host", name)
    }

    /// Where the control socket lies.
    pub fn control_socket(&self) -> PathBuf {
        self.place.data.join("control.sock")
    }

    /// A request that breaks off in its head.
    pub async fn hang_up(&self) -> Result<(), Trouble> {
        let limit = Duration::from_secs(limits::STEP_SECONDS_MAX.value);
        let said = async {
            let stream = self.connect(self.own_address()).await?;
            if self.place.secure {
                return break_off(tls::shake(stream, &tls::any()?, "localhost").await?).await;
            }
            break_off(stream).await
        };
        // How the server takes its leave does not matter.
        timeout(limit, said).await.map(drop).map_err(|_| Trouble::Slow("hanging up".to_owned()))
    }

    /// A connection that nothing was sent over yet.
    pub async fn connect(&self, from: Option<IpAddr>) -> std::io::Result<TcpStream> {
        connect_from(self.place.address, from).await
    }

    /// The same with the key that every client of the instance carries.
    pub fn client(&self, method: &str, target: &str) -> Ask<'_> {
        self.ask(method, target).header("apikey", self.place.publishable_key.expose())
    }
}

/// Where a listener is met from this machine: one that takes every address, at loopback.
pub(super) fn met_at(address: SocketAddr) -> SocketAddr {
    let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    SocketAddr::new(ip, address.port())
}

pub(super) async fn connect_from(address: SocketAddr, from: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let address = met_at(address);
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    socket.connect(address).await
}

async fn break_off(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<usize> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: ").await?;
    stream.shutdown().await?;
    stream.read_to_end(&mut Vec::new()).await
}

impl Ask<'_> {
    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a header in place of every other of its name.
    pub fn replace(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.header(name, value)
    }

    /// As the holder of a token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With a JSON body.
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("content-type", "application/json")
    }

    /// With a body of a type.
    pub fn body(mut self, content_type: &str, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self.header("content-type", content_type)
    }

    /// With a form, as a browser sends it.
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let escape =
            |text: &str| text.replace('%', "%25").replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
        let pairs: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        self.body = pairs.join("&").into_bytes();
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// From this client address.
    pub fn from(mut self, address: Option<IpAddr>) -> Self {
        self.from = address;
        self
    }

    /// Sends it to the listener that everybody has, wherever it may be answered.
    pub async fn send_here(self) -> Result<Answer, Trouble> {
        self.send_once().await
    }

    /// Sends it; once more at the administrators' place, where the listener says that it is answered elsewhere.
    pub async fn send(self) -> Result<Answer, Trouble> {
        let aside = self.bench.place.admin_aside.clone().filter(|_| matches!(self.over, Over::Address));
        let Some(aside) = aside else { return self.send_once().await };
        let there = Ask { over: Over::Clear(Seat::Socket(aside)), ..self.clone() };
        let answer = self.send_once().await?;
        if answer.status == 421 { there.send_once().await } else { Ok(answer) }
    }

    async fn send_once(self) -> Result<Answer, Trouble> {
        let what = format!("{} {}", self.method, self.target);
        let limit = Duration::from_secs(limits::STEP_SECONDS_MAX.value);
        let exchanged = timeout(limit, self.exchange()).await.map_err(|_| Trouble::Slow(what.clone()))?;
        let bytes = exchanged.map_err(|source| Trouble::Network { what: what.clone(), source })?;
        parse(&bytes).ok_or_else(|| Trouble::Unexpected(format!("{what}: the answer is not HTTP")))
    }

    async fn exchange(self) -> std::io::Result<Vec<u8>> {
        match self.over.clone() {
            Over::Address => {}
            Over::Control => {
                let stream = UnixStream::connect(self.bench.control_socket()).await?;
                return self.converse(stream).await;
            }
            Over::Clear(seat) => {
                let stream = self.bench.reach(&seat).await.map_err(std::io::Error::other)?;
                return self.converse(stream).await;
            }
            Over::Tls(seat) => {
                let stream = self.bench.shake(&seat, &tls::any()?).await.map_err(std::io::Error::other)?;
                return self.converse(stream).await;
            }
        }
        let stream = self.bench.connect(self.from).await?;
        if self.bench.place.secure {
            let stream = tls::shake(stream, &tls::any()?, "localhost").await?;
            return self.converse(stream).await;
        }
        self.converse(stream).await
    }

    async fn converse(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<Vec<u8>> {
        let place = &self.bench.place;
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("host: {}\r\n", met_at(place.address)));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || self.method == "POST" {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("connection: close\r\n\r\n");
        let whole = [head.as_bytes(), &self.body].concat();
        let sent = stream.write_all(&whole).await;
        let mut bytes = Vec::new();
        let read = stream.take(limits::ANSWER_BYTES_MAX.value).read_to_end(&mut bytes).await;
        if bytes.is_empty() {
            sent?;
        }
        match read {
            // Whoever hangs up behind a whole answer without taking leave in TLS has answered, and so has who refuses
            // a head and does not read what follows it.
            Err(error) if !is_hung_up(&error) || bytes.is_empty() => Err(error),
            Ok(_) | Err(_) => Ok(bytes),
        }
    }
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text, as well as it goes.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, or nothing.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A text in the body's JSON.
    pub fn field(&self, pointer: &str) -> Result<String, Trouble> {
        let found = self.json().pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        found.ok_or_else(|| Trouble::Unexpected(format!("an answer {} without {pointer}", self.status)))
    }
}

fn is_hung_up(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset)
}

/// Reads one whole answer.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = bytes.split_at_checked(end)?;
    let body = rest.get(4..)?;
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| {
        line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<(String, String)> = lines.filter_map(header).collect();
    // An interim answer (103) is followed by the real one.
    if (100..200).contains(&status) {
        return parse(body);
    }
    let is_chunked =
        headers.iter().any(|(name, value)| name == "transfer-encoding" && value.contains("chunked"));
    let body = if is_chunked { unchunk(body)? } else { body.to_vec() };
    Some(Answer { status, headers, body })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..end)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let from = end + 2;
        body.extend_from_slice(rest.get(from..from.checked_add(size)?)?);
        rest = rest.get(from + size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whole_chunked_or_not() {
        let plain = parse(b"HTTP/1.1 404 Not Found\r\nX-Y:  z \r\ncontent-length: 2\r\n\r\nhi").unwrap();
        assert_eq!((plain.status, plain.header("x-y"), plain.text().as_str()), (404, Some("z"), "hi"));
        let chunked = parse(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
        )
        .unwrap();
        assert_eq!(chunked.text(), "abcde");
    }

    #[test]
    fn what_is_not_http_is_nothing() {
        assert!(parse(b"").is_none());
        assert!(parse(b"hello\r\n\r\n").is_none());
        assert!(
            parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n").is_none()
        );
    }
}
