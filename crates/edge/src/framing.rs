//! Where a request of HTTP/1.1 ends, read as strictly as it can be written (attack row 84).
//!
//! A proxy in front of us and the library that parses for us forgive different things: a line that ends without its
//! carriage return, two lengths that agree, a length beside chunks, an encoding before the last. What one of them forgives
//! hides a request from the other. So the lengths are read here as well, forgiving nothing, and a head that leaves a choice is
//! spoiled before the parser sees it: it answers 400 and closes.
//!
//! Invariant: what is clear is passed on as it came. Nothing here decides what a request means.

use crate::limits::HEAD_BYTES_MAX;

/// How far one connection has been read.
#[derive(Default)]
pub(crate) struct Framing {
    at: At,
    head: Head,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum At {
    #[default]
    Head,
    /// So many bytes of a body are left.
    Body(u64),
    /// A line with the length of a chunk.
    Size,
    /// So many bytes of a chunk are left, with the line's end behind it.
    Chunk(u64),
    /// Lines behind the last chunk.
    Trailer,
    /// It is HTTP/2, or the parser has refused it or will.
    Over,
}

/// What a head has said so far.
#[derive(Default)]
struct Head {
    has_begun: bool,
    length: Option<u64>,
    chunked: bool,
}

/// Two could read two things.
struct Unclear;

impl Framing {
    /// Reads on. Where two could read two things, says which byte is to be spoiled so that nobody reads either.
    pub(crate) fn unclear(&mut self, bytes: &[u8]) -> Option<usize> {
        // The parser looks for a head's end first, so that has to stay; what stands at its beginning need not.
        let (mut from, mut head_from) = (0, 0);
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
            match self.at {
                At::Over => return None,
                At::Body(left) | At::Chunk(left) => {
                    let taken = left.min(rest.len() as u64);
                    from += taken as usize;
                    head_from = from;
                    self.at = match (self.at, left - taken) {
                        (At::Chunk(_), 0) => At::Size,
                        (At::Chunk(_), left) => At::Chunk(left),
                        (_, 0) => At::Head,
                        (_, left) => At::Body(left),
                    };
                }
                At::Head | At::Size | At::Trailer => {
                    let Some(end) = memchr::memchr(b'\n', rest) else {
                        self.keep(rest);
                        return None;
                    };
                    let (line, was_head) = (rest.get(..end).unwrap_or_default(), self.at == At::Head);
                    if self.line_ended(line).is_err() {
                        self.at = At::Over;
                        return Some(if was_head { head_from } else { from + end });
                    }
                    from += end + 1;
                    if self.at != At::Head || !self.head.has_begun {
                        head_from = from;
                    }
                }
            }
        }
        None
    }

    fn keep(&mut self, part: &[u8]) {
        if self.line.len() + part.len() > HEAD_BYTES_MAX.size() {
            (self.at, self.line) = (At::Over, Vec::new());
        } else {
            self.line.extend_from_slice(part);
        }
    }

    /// A line came to its end, of which `last` is what had not come before.
    fn line_ended(&mut self, last: &[u8]) -> Result<(), Unclear> {
        if self.line.is_empty() {
            return self.whole_line(last.strip_suffix(b"\r").ok_or(Unclear)?);
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(last);
        self.whole_line(line.strip_suffix(b"\r").ok_or(Unclear)?)
    }

    fn whole_line(&mut self, line: &[u8]) -> Result<(), Unclear> {
        match self.at {
            At::Head => self.line_of_head(line),
            At::Size => {
                let digits =
                    line.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next().unwrap_or_default();
                let size =
                    std::str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
                self.at = match size.ok_or(Unclear)? {
                    0 => At::Trailer,
                    size => At::Chunk(size.saturating_add(2)),
                };
                Ok(())
            }
            At::Trailer => {
                if line.is_empty() {
                    (self.at, self.head) = (At::Head, Head::default());
                }
                Ok(())
            }
            At::Body(_) | At::Chunk(_) | At::Over => Ok(()),
        }
    }

    fn line_of_head(&mut self, line: &[u8]) -> Result<(), Unclear> {
        if line.is_empty() {
            return self.head_ended();
        }
        if !self.head.has_begun {
            self.head.has_begun = true;
            // HTTP/2 has lengths of its own in each frame; who says this and goes on otherwise is no client of either.
            if line == b"PRI * HTTP/2.0" {
                self.at = At::Over;
            }
            // A fragment is no part of what is asked for (RFC 9112 section 3.2): whoever drops it sees another path than whoever does not.
            return if memchr::memchr(b'#', line).is_some() { Err(Unclear) } else { Ok(()) };
        }
        let Some(colon) = memchr::memchr(b':', line) else { return Ok(()) };
        let (name, value) =
            (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
        let from = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
        let to = value.iter().rposition(|byte| !is_space(byte)).map_or(from, |last| last + 1);
        let value = value.get(from..to).unwrap_or_default();
        if name.eq_ignore_ascii_case(b"content-length") {
            let is_number = value.iter().all(u8::is_ascii_digit);
            let number =
                std::str::from_utf8(value).ok().filter(|_| is_number).and_then(|text| text.parse().ok());
            if self.head.length.is_some() || number.is_none() {
                return Err(Unclear);
            }
            self.head.length = number;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // Nothing else is decoded here, whatever stands before it.
            if self.head.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Unclear);
            }
            self.head.chunked = true;
        }
        Ok(())
    }

    fn head_ended(&mut self) -> Result<(), Unclear> {
        // Empty lines before a request are nothing (RFC 9112 section 2.2).
        if !self.head.has_begun {
            return Ok(());
        }
        let head = std::mem::take(&mut self.head);
        self.at = match (head.chunked, head.length) {
            (true, Some(_)) => return Err(Unclear),
            (true, None) => At::Size,
            (false, None | Some(0)) => At::Head,
            (false, Some(length)) => At::Body(length),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 7] = [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-LENGTH: \t 7 \r\n\r\na\nb\n\nc\n",
        "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n4;a=b\r\na\nb\n\r\n1 \r\nx\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n",
        "PUT / HTTP/1.1\r\nX-Content-Length: 5\r\n\r\n",
    ];

    /// Which byte is spoiled of what comes in pieces of so many bytes, counted from the beginning of everything.
    fn spoiled(said: &str, piece: usize) -> Option<usize> {
        let mut framing = Framing::default();
        let mut pieces = said.as_bytes().chunks(piece).enumerate();
        pieces.find_map(|(number, bytes)| framing.unclear(bytes).map(|at| number * piece + at))
    }

    #[test]
    fn what_is_clear_is_left_alone_in_whatever_pieces_and_however_many_it_comes() {
        let together = GOOD.concat().repeat(2);
        for said in GOOD.into_iter().chain([together.as_str()]) {
            for piece in [1, 2, 3, 7, 64, said.len()] {
                assert_eq!(spoiled(said, piece), None, "{said:?} in pieces of {piece}");
            }
        }
        assert_eq!(spoiled("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\n\0\0\nfoo\n", 5), None, "frames");
    }

    #[test]
    fn what_two_could_read_two_ways_is_spoiled_wherever_it_stands() {
        for bad in [
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\n",
            "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            "POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabc",
            "POST / HTTP/1.1\r\nContent-Length:\r\n\r\nabc",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n",
        ] {
            for before in [String::new(), GOOD.concat()] {
                let said = format!("{before}{bad}");
                for piece in [1, 2, 5, said.len()] {
                    let at = spoiled(&said, piece);
                    assert!(at.is_some_and(|at| at >= before.len()), "{bad:?} in pieces of {piece}: {at:?}");
                }
            }
        }
    }
}
