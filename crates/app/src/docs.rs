//! The generated pages of the documentation, and whether the ones in the folder are current.

use std::path::Path;

use crate::config::exit::Exit;
use crate::welcome::complain;
use crate::{commands::say, config};

/// Every generated page: path below the documents' folder, and text.
pub fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> = Vec::new();
    pages.extend(config::docs::pages().into_iter().map(|(path, text)| (path.to_owned(), text)));
    pages.push(("guides/appflowy.md".to_owned(), posture::guides::appflowy_page()));
    pages.push(("guides/fluxbase.md".to_owned(), posture::guides::fluxbase_page()));
    pages
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
