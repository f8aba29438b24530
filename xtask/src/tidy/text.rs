//! What every tracked text must be like: no places of one machine, no registry hosts, no notes to self.

use anyhow::Result;

use super::Complaint;
use crate::workspace::Workspace;

/// A tracked file that is text.
pub struct File {
    /// Relative to the root, with `/`.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl File {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Reads every text file git knows or would add.
pub fn read(workspace: &Workspace) -> Result<Vec<File>> {
    let read =
        |path: String| Some(File { text: std::fs::read_to_string(workspace.root.join(&path)).ok()?, path });
    Ok(workspace.files()?.into_iter().filter_map(read).collect())
}

/// A text that must not stand anywhere, and why.
struct Banned {
    text: &'static str,
    why: &'static str,
}

const BANNED: &[Banned] = &[
    Banned { text: "/root/", why: "a place of one machine" },
    Banned { text: "/home/", why: "a place of one machine" },
    Banned {
        text: "\"resolved\": \"http",
        why: "a registry's host in a lock file: the user's configuration decides",
    },
    Banned { text: "--index-url", why: "a registry's host: the user's configuration decides" },
    Banned { text: concat!("TO", "DO"), why: "a note to self: do it, or open an issue" },
    Banned { text: concat!("FIX", "ME"), why: "a note to self: do it, or open an issue" },
    Banned { text: concat!("XX", "X "), why: "a note to self: do it, or open an issue" },
];

/// Names that say nothing, as a file's or a directory's.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

/// Files about a rule may spell what it forbids.
fn may_spell_it(path: &str) -> bool {
    path == "xtask/src/tidy/text.rs"
}

pub fn check(file: &File) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let found = |banned: &&Banned| !may_spell_it(&file.path) && file.text.contains(banned.text);
    for banned in BANNED.iter().filter(found) {
        let line = file.text.lines().position(|line| line.contains(banned.text)).unwrap_or_default() + 1;
        complaints.push(format!("{}:{line} has `{}`: {}", file.path, banned.text, banned.why));
    }
    for part in file.path.split('/') {
        let name = part.split('.').next().unwrap_or(part);
        if EMPTY_NAMES.contains(&name) {
            complaints.push(format!("{}: `{name}` says nothing: name what it holds", file.path));
        }
    }
    if file.path.ends_with(".sh") {
        complaints.push(format!("{}: no shell scripts, xtask is the tool", file.path));
    }
    complaints
}

/// Files that must be there, and those that must not.
pub fn check_documents(files: &[File]) -> Vec<Complaint> {
    const WANTED: &[&str] = &[
        "README.md",
        "ARCHITECTURE.md",
        "STYLE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
    ];
    let is_there = |path: &str| files.iter().any(|file| file.path == path && !file.text.trim().is_empty());
    let mut complaints: Vec<Complaint> =
        WANTED.iter().filter(|path| !is_there(path)).map(|path| format!("{path} is missing")).collect();
    if is_there("rust-toolchain.toml") {
        complaints.push("rust-toolchain.toml: `rust-version` in Cargo.toml says it".to_owned());
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        check(&File { path: path.to_owned(), text: text.to_owned() }).len()
    }

    #[test]
    fn places_hosts_and_notes_are_refused() {
        assert_eq!(complaints("a.md", "see /home/x"), 1);
        assert_eq!(complaints("lock.json", r#""resolved": "https://registry.example/x""#), 1);
        assert_eq!(complaints("a.rs", concat!("// TO", "DO later")), 1);
        assert_eq!(complaints("a.md", "a plain sentence"), 0);
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        assert_eq!(complaints("crates/utils/src/lib.rs", ""), 1);
        assert_eq!(complaints("crates/auth/src/helpers.rs", ""), 1);
        assert_eq!(complaints("crates/auth/src/sessions.rs", ""), 0);
    }

    #[test]
    fn shell_scripts_are_refused() {
        assert_eq!(complaints("backup.sh", ""), 1);
    }

    #[test]
    fn a_missing_document_is_named() {
        assert!(check_documents(&[]).iter().any(|said| said.contains("CHANGELOG.md")));
    }
}
