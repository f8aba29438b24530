//! What is sent: a line of the log, or an entry of the audit log. Both are JSON already; only what a receiver sorts by is
//! looked at.

use audit::Recorded;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// Where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Log,
    Audit,
}

/// How bad it is, as syslog counts (RFC 5424, 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Critical = 2,
    Error = 3,
    Warning = 4,
    Informational = 6,
    Debug = 7,
}

/// One thing to send.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub from: From,
    pub at: Timestamp,
    pub severity: Severity,
    /// The event's name, or the part of the program.
    pub name: String,
    /// One object of JSON, without an end of line.
    pub line: String,
}

#[derive(Deserialize)]
struct Line {
    timestamp: Option<Timestamp>,
    level: Option<String>,
    target: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    at: Timestamp,
    event: String,
    severity: String,
}

impl Record {
    /// A line of `combined.log`.
    pub fn of_line(line: &str, now: Timestamp) -> Self {
        let read = serde_json::from_str(line).unwrap_or(Line { timestamp: None, level: None, target: None });
        let severity = match read.level.as_deref() {
            Some("ERROR") => Severity::Error,
            Some("WARN") => Severity::Warning,
            Some("DEBUG" | "TRACE") => Severity::Debug,
            Some(_) | None => Severity::Informational,
        };
        Record {
            from: From::Log,
            at: read.timestamp.unwrap_or(now),
            severity,
            name: read.target.unwrap_or_else(|| "log".to_owned()),
            line: line.to_owned(),
        }
    }

    /// An entry of the chain, with its place and hash: a gap can be seen where it arrives.
    pub fn of_entry(recorded: &Recorded) -> Self {
        let read: Option<Entry> = serde_json::from_str(&recorded.body).ok();
        let severity = match read.as_ref().map(|entry| entry.severity.as_str()) {
            Some("critical") => Severity::Critical,
            Some("error") => Severity::Error,
            Some("warn") => Severity::Warning,
            Some("debug") => Severity::Debug,
            Some(_) | None => Severity::Informational,
        };
        let (at, name) =
            read.map_or((recorded.chained_at, "audit".to_owned()), |entry| (entry.at, entry.event));
        Record { from: From::Audit, at, severity, name, line: recorded.line() }
    }

    /// Its members.
    pub fn fields(&self) -> serde_json::Map<String, Value> {
        serde_json::from_str(&self.line).unwrap_or_default()
    }
}
