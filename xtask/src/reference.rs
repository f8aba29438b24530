//! The reference pages that are read from the source: every error code, every limit.
//!
//! Read as text, because what they list is private to its crate or a `match`, and copying it into a second list is what
//! these pages are against. Invariant: what cannot be read fails the page instead of being left out.

mod errors;
mod limits;
mod rust;
mod wire;

use anyhow::{Result, bail};

use crate::tidy::text;
use crate::workspace::Workspace;

/// Every page: path below `docs/`, and text.
pub fn pages(workspace: &Workspace) -> Result<Vec<(&'static str, String)>> {
    let mut files = text::read(workspace)?;
    files.retain(|file| file.is_rust() && owner(&file.path).is_some());
    Ok(vec![("reference/errors.md", errors::page(&files)?), ("reference/limits.md", limits::page(&files)?)])
}

/// The crate whose product code a file is: tests and what only tests are made of have none.
fn owner(path: &str) -> Option<&str> {
    let (owner, rest) = path.strip_prefix("crates/")?.split_once("/src/")?;
    let is_test = rest.ends_with("tests.rs") || rest.contains("tests/");
    (!is_test && !["testkit", "spec"].contains(&owner)).then_some(owner)
}

/// A file's code without its own tests.
fn product(code: &str) -> &str {
    code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// Nothing stands twice in `names`.
fn once<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            bail!("the {what} `{name}` stands twice");
        }
    }
    Ok(())
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
fn file(path: &str, text: &str) -> text::File {
    text::File { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_current() -> Result<()> {
        let workspace = Workspace::find()?;
        for (path, text) in pages(&workspace)? {
            let held = std::fs::read_to_string(workspace.root.join("docs").join(path)).unwrap_or_default();
            assert!(held == text, "docs/{path} is not current: run cargo xtask docs");
        }
        Ok(())
    }

    #[test]
    fn only_product_code_is_read() {
        assert_eq!(owner("crates/auth/src/error.rs"), Some("auth"));
        assert_eq!(owner("crates/auth/src/outside/tests.rs"), None);
        assert_eq!(owner("crates/auth/tests/it/main.rs"), None);
        assert_eq!(owner("crates/spec/src/app.rs"), None);
        assert_eq!(owner("xtask/src/main.rs"), None);
    }

    #[test]
    fn tests_in_a_file_of_their_own_hide_nothing_below() {
        assert_eq!(product("#[cfg(test)]\nmod tests;\nA"), "#[cfg(test)]\nmod tests;\nA");
        assert_eq!(product("A\n#[cfg(test)]\nmod tests {\nB"), "A\n");
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        assert!(once("code", ["a", "b"].into_iter()).is_ok());
        assert!(once("code", ["a", "b", "a"].into_iter()).is_err());
    }
}
