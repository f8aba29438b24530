//! Mails as they left: read from the files that `email.file_dir` names, or from whatever else caught them.

use std::path::Path;

/// One mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Its subject.
    pub subject: String,
    /// Its plain text.
    pub text: String,
    /// Its HTML.
    pub html: String,
    /// Everything, as it left.
    pub whole: String,
}

impl Mail {
    /// Reads one as it left.
    pub fn read(whole: &str) -> Self {
        let unfolded = whole.replace("\r\n", "\n");
        let (head, _) = unfolded.split_once("\n\n").unwrap_or((&unfolded, ""));
        let subject = header(head, "Subject");
        let part = |kind: &str| {
            let from = unfolded.find(&format!("Content-Type: {kind}")).map_or("", |at| &unfolded[at..]);
            let (head, body) = from.split_once("\n\n").unwrap_or(("", ""));
            let body = body.split("\n--").next().unwrap_or_default();
            match header(head, "Content-Transfer-Encoding").as_str() {
                "quoted-printable" => quoted_printable(body),
                "base64" => base64(body),
                _ => body.to_owned(),
            }
        };
        Mail { subject, text: part("text/plain"), html: part("text/html"), whole: whole.to_owned() }
    }

    /// The first link in it.
    pub fn link(&self) -> String {
        let link = self.text.split_whitespace().find(|word| word.contains("?token="));
        link.unwrap_or_else(|| panic!("no link in {}", self.text)).to_owned()
    }

    /// The link without scheme and host: what a request asks.
    pub fn path(&self) -> String {
        let link = self.link();
        let rest = link.split_once("://").map_or(link.as_str(), |(_, rest)| rest);
        rest[rest.find('/').unwrap_or(0)..].to_owned()
    }

    /// A parameter of the link, decoded.
    pub fn parameter(&self, name: &str) -> String {
        let link = self.link();
        let query = link.split_once('?').map_or("", |(_, query)| query);
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        let text = pair.unwrap_or_else(|| panic!("no {name} in {link}")).replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
    }

    /// The code in it: a line of digits.
    pub fn code(&self) -> String {
        let is_code = |line: &&str| line.len() >= 6 && line.bytes().all(|byte| byte.is_ascii_digit());
        let code = self.text.lines().map(str::trim).find(is_code);
        code.unwrap_or_else(|| panic!("no code in {}", self.text)).to_owned()
    }
}

/// The mails to `to` in a directory, oldest first.
pub fn read_all(directory: &Path, to: &str) -> Vec<Mail> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort_by_key(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok());
    let read = |path: &std::path::PathBuf| std::fs::read_to_string(path).ok();
    let mails = files.iter().filter_map(read).filter(|mail| mail.ends_with('\n'));
    let is_to = |mail: &String| mail.lines().any(|line| line.trim_end() == format!("To: {to}"));
    mails.filter(is_to).map(|mail| Mail::read(&mail)).collect()
}

fn header(head: &str, name: &str) -> String {
    let start = format!("{}:", name.to_lowercase());
    let line = head.lines().find(|line| line.to_lowercase().starts_with(&start));
    line.and_then(|line| line.split_once(':')).map_or(String::new(), |(_, value)| value.trim().to_owned())
}

fn quoted_printable(text: &str) -> String {
    let mut bytes = Vec::new();
    let joined = text.replace("=\n", "");
    let mut rest = joined.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (byte, hex) {
            (b'=', Some(decoded)) => {
                bytes.push(decoded);
                rest = &tail[2..];
            }
            (byte, _) => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn base64(text: &str) -> String {
    use base64::Engine;
    let joined: String = text.split_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(joined).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
