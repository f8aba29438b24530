//! The lists are complete: what a crate exports as a list is joined in `crates/app/src/lists.rs`.

use super::Complaint;
use super::text::File;

const LISTS: &[&str] = &["SETTINGS", "CONTROLS", "JOBS", "RECONCILERS", "MIGRATIONS"];
const JOINED: &str = "crates/app/src/lists.rs";

pub fn check(files: &[File]) -> Vec<Complaint> {
    let exported: Vec<(&str, &str)> = files.iter().flat_map(exports).collect();
    let Some(joined) = files.iter().find(|file| file.path == JOINED) else {
        return vec![format!("{JOINED} is missing: it joins the lists of every crate")];
    };
    let lacks = |(owner, list): &&(&str, &str)| !joins(&joined.text, owner, list);
    let complain = |(owner, list): &(&str, &str)| format!("{JOINED} does not join {owner}::{list}");
    exported.iter().filter(lacks).map(complain).collect()
}

/// The lists a crate exports from its root, which is where `app` finds them.
fn exports(file: &File) -> Vec<(&str, &'static str)> {
    let root = file.path.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/src/lib.rs"));
    let Some(owner) = root.filter(|owner| !["app", "testkit", "spec"].contains(owner)) else {
        return Vec::new();
    };
    let is_public = |list: &&&str| {
        let names_it = |line: &str| line.trim_start().starts_with("pub ") && has_word(line, list);
        file.text.lines().any(names_it)
    };
    LISTS.iter().filter(is_public).map(|list| (owner, *list)).collect()
}

fn joins(text: &str, owner: &str, list: &str) -> bool {
    let names_both = |line: &str| has_word(line, owner) && has_word(line, list);
    text.lines().any(names_both)
}

/// Whether `word` stands in `line` on its own.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_list_that_nobody_joins_is_named() {
        let auth = file(
            "crates/auth/src/lib.rs",
            "pub const SETTINGS: &[&Definition] = &[];\npub use sql::MIGRATIONS;",
        );
        let lists = file(JOINED, "pub static SETTINGS: &[_] = &[\n    auth::SETTINGS,\n];");
        assert_eq!(check(&[auth, lists]), [format!("{JOINED} does not join auth::MIGRATIONS")]);
    }

    #[test]
    fn the_table_of_contents_itself_is_required() {
        assert_eq!(check(&[]).len(), 1);
    }
}
