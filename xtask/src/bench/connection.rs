//! HTTP/1.1 as little as it takes: the bench talks to a server it started itself.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags};

/// One kept-alive connection.
pub struct Connection {
    stream: TcpStream,
    request: String,
    bytes: Vec<u8>,
    /// How many of them were heard.
    heard: usize,
}

/// A whole answer.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Connection { stream, request: String::new(), bytes: vec![0; 64 * 1024], heard: 0 })
    }

    /// `credential` goes as key and, when it is a token, as bearer.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        credential: &str,
        headers: &[&str],
        body: &str,
    ) -> Result<Answer> {
        self.ask(method, path, credential, headers, body)?;
        self.read()
    }

    /// Sends a request without waiting for its answer.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        credential: &str,
        headers: &[&str],
        body: &str,
    ) -> Result<()> {
        self.request.clear();
        write!(self.request, "{method} {path} HTTP/1.1\r\nHost: localhost\r\napikey: {credential}\r\n")?;
        if credential.matches('.').count() == 2 {
            write!(self.request, "Authorization: Bearer {credential}\r\n")?;
        }
        for header in headers {
            write!(self.request, "{header}\r\n")?;
        }
        if !body.is_empty() {
            write!(self.request, "Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())?;
        }
        write!(self.request, "\r\n{body}")?;
        Ok(self.stream.write_all(self.request.as_bytes())?)
    }

    fn read(&mut self) -> Result<Answer> {
        loop {
            if let Some(answer) = self.read_some()? {
                return Ok(answer);
            }
        }
    }

    /// Reads what is there, or waits for it; the answer once it is whole.
    pub fn read_some(&mut self) -> Result<Option<Answer>> {
        if self.heard == self.bytes.len() {
            self.bytes.resize(self.heard * 2, 0);
        }
        let room = self.bytes.get_mut(self.heard..).context("room")?;
        match self.stream.read(room)? {
            0 => bail!("the connection ended before the answer"),
            more => self.heard += more,
        }
        let answer = answer(self.bytes.get(..self.heard).context("what was heard")?)?;
        if answer.is_some() {
            self.heard = 0;
        }
        Ok(answer)
    }

    /// Until when [`Connection::read_some`] would wait.
    pub fn to_wait_for(&self) -> PollFd<'_> {
        PollFd::new(&self.stream, PollFlags::IN)
    }
}

/// The answer that `bytes` are; nothing while it is not whole.
fn answer(bytes: &[u8]) -> Result<Option<Answer>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = (bytes.get(..end).unwrap_or_default(), bytes.get(end + 4..).unwrap_or_default());
    let status = head.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
    let status = status.context("no status line")?;
    let field = |name: &str| {
        head.split(|byte| *byte == b'\n').find_map(|line| {
            let (before, value) = line.split_at_checked(name.len())?;
            before.eq_ignore_ascii_case(name.as_bytes()).then(|| String::from_utf8_lossy(value))
        })
    };
    if let Some(length) = field("content-length:") {
        let length: usize = length.trim().parse()?;
        return Ok(body.get(..length).map(|body| Answer { status, body: body.to_vec() }));
    }
    if field("transfer-encoding:").is_some() {
        return Ok(unchunked(body)?.map(|body| Answer { status, body }));
    }
    Ok(Some(Answer { status, body: Vec::new() }))
}

/// The chunks together, once the last one is there.
fn unchunked(bytes: &[u8]) -> Result<Option<Vec<u8>>> {
    let (mut rest, mut chunks) = (bytes, Vec::new());
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
        let length = std::str::from_utf8(rest.get(..end).unwrap_or_default())?;
        let length = usize::from_str_radix(length.trim(), 16)?;
        let from = end + 2;
        let (Some(chunk), Some(after)) = (rest.get(from..from + length), rest.get(from + length + 2..))
        else {
            return Ok(None);
        };
        if length == 0 {
            return Ok(Some(chunks.concat()));
        }
        chunks.push(chunk);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_at_its_last_byte() {
        let sized = "HTTP/1.1 201 Created\r\nx: y\r\nContent-Length: 5\r\n\r\n[{}]\n";
        let chunked =
            "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n3\r\n[{}\r\n2\r\n]\n\r\n0\r\n\r\n";
        for text in [sized, chunked] {
            for cut in 0..text.len() {
                assert!(answer(&text.as_bytes()[..cut]).unwrap().is_none(), "{cut} of {text}");
            }
            let whole = answer(text.as_bytes()).unwrap().unwrap();
            assert_eq!((whole.status, whole.body.as_slice()), (201, b"[{}]\n".as_slice()));
        }
        assert_eq!(answer(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body, b"");
        assert!(answer(b"what\r\n\r\n").is_err());
    }
}
