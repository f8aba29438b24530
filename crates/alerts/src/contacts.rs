//! `contacts.yaml` as the guide prints it: who is responsible here, and who helps (controls 144, 149).
//!
//! The file is looked at whenever somebody asks, so that a change needs no restart. One that cannot be read any more is
//! reported, and what it said before stays in force.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Error, limits};

/// Somebody who can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Who, or in what role.
    pub name: String,
    /// Their address.
    pub email: String,
    /// Their telephone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Contacts {
    /// Who is told of alerts, and stands in `security.txt`.
    #[serde(default)]
    pub security_team: Vec<Contact>,
    /// Who else matters in an incident.
    #[serde(default)]
    pub external_contacts: Vec<Contact>,
}

/// Where they are read from.
pub(crate) struct Book {
    path: Option<PathBuf>,
    read: Mutex<Read>,
}

#[derive(Clone, Default)]
struct Read {
    stamp: Option<(SystemTime, u64)>,
    contacts: Contacts,
    problem: Option<String>,
}

impl Book {
    /// Reads the file for the first time: one that cannot be read stops the start.
    pub fn open(path: Option<PathBuf>) -> Result<Self, Error> {
        let book = Book { path, read: Mutex::default() };
        match (&book.path, book.look()) {
            (Some(path), (_, Some(what))) => Err(Error::Contacts { path: path.clone(), what }),
            _ => Ok(book),
        }
    }

    /// Who there is, and what is wrong with the file.
    pub fn look(&self) -> (Contacts, Option<String>) {
        let Some(path) = &self.path else { return Default::default() };
        let mut known = self.read.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let stamp = std::fs::metadata(path).and_then(|found| Ok((found.modified()?, found.len())));
        match stamp {
            Err(error) => known.problem = Some(format!("it cannot be read: {error}")),
            Ok(stamp) if known.stamp == Some(stamp) => {}
            Ok(stamp) => {
                known.stamp = Some(stamp);
                match read(path) {
                    Ok(contacts) => (known.contacts, known.problem) = (contacts, None),
                    Err(what) => known.problem = Some(what),
                }
            }
        }
        if let Some(problem) = &known.problem {
            // Once more when it is there again, whatever its time says.
            tracing::warn!(path = %path.display(), problem, "the contacts cannot be read; those known stay in force");
            known.stamp = None;
        }
        (known.contacts.clone(), known.problem.clone())
    }
}

fn read(path: &Path) -> Result<Contacts, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("it cannot be read: {error}"))?;
    if text.len() > limits::CONTACTS_BYTES.size() {
        return Err(format!("it is larger than {} bytes", limits::CONTACTS_BYTES.value));
    }
    parse(&text)
}

fn parse(text: &str) -> Result<Contacts, String> {
    let contacts: Contacts = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let all = contacts.security_team.iter().chain(&contacts.external_contacts);
    if all.clone().count() > limits::CONTACTS.size() {
        return Err(format!("more than {} contacts", limits::CONTACTS.value));
    }
    for contact in all {
        let odd = |letter: char| letter.is_control() || letter.is_whitespace() || "<>\"?#%".contains(letter);
        let is_address = contact
            .email
            .split_once('@')
            .is_some_and(|(local, host)| !local.is_empty() && host.contains('.'));
        if !is_address || contact.email.contains(odd) {
            return Err(format!("{} has no mail address: {}", contact.name, contact.email));
        }
    }
    Ok(contacts)
}

/// How long `security.txt` says that it can be believed. It is made anew from the contacts whenever it is asked for.
const GOOD_FOR_DAYS: i64 = 180;

/// `security.txt` (RFC 9116), when there is anybody to write to.
pub(crate) fn security_txt(
    contacts: &Contacts,
    url: &str,
    policy: Option<&str>,
    now: Timestamp,
) -> Option<String> {
    if contacts.security_team.is_empty() {
        return None;
    }
    let today = now.as_second() - now.as_second().rem_euclid(86_400);
    let until = Timestamp::from_second(today).unwrap_or(now);
    let until = until.checked_add(SignedDuration::from_secs(GOOD_FOR_DAYS * 86_400)).unwrap_or(now);
    let mut lines: Vec<String> =
        contacts.security_team.iter().map(|contact| format!("Contact: mailto:{}", contact.email)).collect();
    lines.push(format!("Expires: {until}"));
    if url.starts_with("https://") {
        lines.push(format!("Canonical: {url}/.well-known/security.txt"));
    }
    lines.extend(policy.map(|policy| format!("Policy: {policy}")));
    Some(lines.join("\r\n") + "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str = include_str!("../../../docs/guides/snippets/contacts.yaml");

    #[test]
    fn the_guides_file_is_read_as_it_is() {
        let contacts = parse(GUIDE).unwrap();
        assert_eq!(contacts.security_team.len(), 2);
        assert_eq!(contacts.security_team[0].phone.as_deref(), Some("+1-555-0100"));
        assert_eq!(contacts.external_contacts[0].phone, None);
    }

    #[test]
    fn a_slip_is_refused_with_what_it_is() {
        assert!(parse("security_teams: []").unwrap_err().contains("security_teams"));
        let no_address = "security_team:\n  - name: A\n    email: \"a\\r\\nExpires: never@x.y\"\n";
        assert!(parse(no_address).unwrap_err().contains("no mail address"));
    }

    #[test]
    fn security_txt_names_the_team_and_ends_within_a_year() {
        let now: Timestamp = "2026-01-15T12:00:00Z".parse().unwrap();
        let contacts = parse(GUIDE).unwrap();
        let text = security_txt(&contacts, "https://api.example.com", None, now).unwrap();
        let expected = "Contact: mailto:security@example.com\r\nContact: mailto:infra@example.com\r\n\
                        Expires: 2026-07-14T00:00:00Z\r\nCanonical: https://api.example.com/.well-known/security.txt\r\n";
        assert_eq!(text, expected);
        assert_eq!(security_txt(&Contacts::default(), "https://api.example.com", None, now), None);
    }
}
