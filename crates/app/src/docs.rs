//! The generated pages of the documentation, and whether the ones in the folder are current.
//!
//! Pages that are read from the source instead of from the program's lists (errors, limits) are made by `cargo xtask docs`.

mod codes;
mod commands;
mod controls;
mod routes;

use std::path::Path;

use crate::config::exit::Exit;
use crate::welcome::complain;
use crate::{commands::say, config};

/// Every generated page: path below the documents' folder, and text.
pub fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> = Vec::new();
    pages.extend(config::docs::pages().into_iter().map(|(path, text)| (path.to_owned(), text)));
    pages.push(("reference/routes.md".to_owned(), routes::page()));
    pages.push(("reference/gotrue-codes.md".to_owned(), codes::page()));
    pages.push(("reference/commands.md".to_owned(), commands::page()));
    pages.push(("reference/controls.md".to_owned(), controls::page()));
    pages.push(("guides/appflowy.md".to_owned(), posture::guides::appflowy_page()));
    pages.push(("guides/fluxbase.md".to_owned(), posture::guides::fluxbase_page()));
    pages
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Writes the pages, or only compares them.
pub fn write(folder: &Path, check: bool) -> Exit {
    let mut stale = 0;
    for (path, text) in pages() {
        let path = folder.join(path);
        if std::fs::read_to_string(&path).is_ok_and(|now| now == text) {
            continue;
        }
        stale += 1;
        if check {
            complain(&format!("{} is not current: run `cargo xtask docs`", path.display()));
            continue;
        }
        let made =
            path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, &text));
        if let Err(error) = made {
            complain(&format!("{}: {error}", path.display()));
            return Exit::System;
        }
        say(&format!("wrote {}", path.display()));
    }
    if check && stale > 0 { Exit::Failed } else { Exit::Success }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_current() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for (path, text) in pages() {
            let held = std::fs::read_to_string(docs.join(&path)).unwrap_or_default();
            assert!(held == text, "docs/{path} is not current: run cargo xtask docs");
        }
    }
}
