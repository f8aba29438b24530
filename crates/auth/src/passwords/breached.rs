//! A list of breached passwords on this machine: lines of SHA-1 digests in their order, as Have I Been Pwned's downloader
//! writes them. It is searched where it lies, so a list of 40 GB costs no memory and some forty short reads.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The list.
pub struct Breached {
    file: File,
    bytes: u64,
    line_bytes_max: usize,
}

const DIGITS: usize = 40;
/// At how many places it is looked whether its lines are in order.
const LOOKS: u64 = 256;

impl Breached {
    /// Opens it and looks whether it is one.
    pub fn open(path: &Path, line_bytes_max: usize) -> io::Result<Self> {
        let file = File::open(path)?;
        let list = Breached { bytes: file.metadata()?.len(), file, line_bytes_max };
        let mut last = match list.line_at(0)? {
            Some((_, first)) => first,
            None => return Err(wrong("it has no line of 40 hexadecimal digits")),
        };
        // In another order most of what it has would not be found, and nobody would know.
        for looked in 1..LOOKS {
            let Some((_, line)) = list.line_at(list.bytes.saturating_mul(looked) / LOOKS)? else {
                break;
            };
            if line < last {
                return Err(wrong("its lines are not in the order of their digests"));
            }
            last = line;
        }
        Ok(list)
    }

    /// Whether the list has this digest.
    pub fn has(&self, digest: &[u8; 20]) -> io::Result<bool> {
        let wanted = hex::encode_upper(digest);
        let (mut low, mut high) = (0, self.bytes);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.line_at(middle)? {
                // The first line that begins at or after `middle`.
                Some((at, found)) if at < high => match found.as_str().cmp(&wanted) {
                    std::cmp::Ordering::Equal => return Ok(true),
                    std::cmp::Ordering::Less => low = at + 1,
                    std::cmp::Ordering::Greater => high = middle,
                },
                Some(_) | None => high = middle,
            }
        }
        Ok(false)
    }

    /// The first line beginning at or after `from`: where, and its digest.
    fn line_at(&self, from: u64) -> io::Result<Option<(u64, String)>> {
        // One byte earlier tells whether `from` is where a line begins.
        let start = from.saturating_sub(1);
        let mut block = vec![0; 2 * self.line_bytes_max];
        let mut read = 0;
        while read < block.len() {
            let Some(rest) = block.get_mut(read..) else { break };
            match self.file.read_at(rest, start + read as u64)? {
                0 => break,
                more => read += more,
            }
        }
        block.truncate(read);
        let skip = match from {
            0 => 0,
            _ => match block.iter().position(|byte| *byte == b'\n') {
                Some(end) => end + 1,
                None if read == 2 * self.line_bytes_max => return Err(wrong("a line of it is too long")),
                None => return Ok(None),
            },
        };
        let Some(digits) = block.get(skip..skip + DIGITS) else { return Ok(None) };
        let goes_on = block.get(skip + DIGITS).is_some_and(u8::is_ascii_alphanumeric);
        if goes_on || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(wrong("a line of it does not begin with 40 hexadecimal digits, which SHA-1 has"));
        }
        Ok(Some((start + skip as u64, String::from_utf8_lossy(digits).to_uppercase())))
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(lines: &[String], end: &str) -> (tempfile::TempDir, io::Result<Breached>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        std::fs::write(&path, lines.join("\n") + end).unwrap();
        let list = Breached::open(&path, 128);
        (dir, list)
    }

    fn digest(n: u32) -> [u8; 20] {
        seal::sha1_for_lookup(format!("password {n}").as_bytes())
    }

    #[test]
    fn every_line_is_found_and_no_other() {
        for (count, end) in [(1, ""), (1, "\n"), (2, "\r\n"), (3, ""), (500, "\n")] {
            let mut lines: Vec<String> =
                (0..count).map(|n| format!("{}:{}", hex::encode_upper(digest(n)), n * 7919)).collect();
            lines.sort();
            let (_dir, list) = list(&lines, end);
            let list = list.unwrap();
            for n in 0..count {
                assert!(list.has(&digest(n)).unwrap(), "{n} of {count}");
            }
            for n in count..count + 200 {
                assert!(!list.has(&digest(n)).unwrap(), "{n} of {count}");
            }
            assert!(!list.has(&[0; 20]).unwrap() && !list.has(&[255; 20]).unwrap());
        }
    }

    #[test]
    fn what_is_no_such_list_is_refused_at_the_start() {
        let line = |byte: u8| hex::encode_upper([byte; 20]);
        for lines in [vec![String::new()], vec!["password".to_owned()], vec![line(9), line(1), line(2)]] {
            assert!(list(&lines, "\n").1.is_err(), "{lines:?}");
        }
        // As the same people offer it: by how often each was seen. And of another kind: each digest is longer.
        let mut by_count: Vec<String> = (0..500).map(|n| hex::encode_upper(digest(n))).collect();
        let first = by_count.iter().position(|line| line.starts_with('0')).unwrap();
        by_count.swap(0, first);
        assert!(
            list(&by_count, "\n").1.is_err(),
            "in no order, though the first is less than the one in the middle"
        );
        let longer: Vec<String> = (1..9).map(|n| format!("{}{}", line(n), "AB".repeat(12))).collect();
        assert!(list(&longer, "\n").1.is_err(), "SHA-256");
    }
}
