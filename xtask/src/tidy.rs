//! `cargo xtask tidy`: the rules of the house that a compiler does not know.
//!
//! A rule that a review said twice becomes a check here. Each has tests that show it fail.

mod lists;
mod ranks;
mod ratchet;
mod source;
pub mod text;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

/// One broken rule, in words that say what to do.
pub type Complaint = String;

pub fn run() -> Result<()> {
    check(&Workspace::find()?)
}

/// Every rule over the whole workspace.
pub fn check(workspace: &Workspace) -> Result<()> {
    let files = text::read(workspace)?;
    let mut complaints = Vec::new();
    complaints.extend(ranks::check(&workspace.packages));
    complaints.extend(lists::check(&files));
    complaints.extend(ratchet::check(&files));
    complaints.extend(files.iter().flat_map(text::check));
    complaints.extend(files.iter().filter(|file| file.is_rust()).flat_map(source::check));
    complaints.extend(text::check_documents(&files));
    if complaints.is_empty() {
        println!("   {} files and {} crates are tidy", files.len(), workspace.packages.len());
        return Ok(());
    }
    for complaint in &complaints {
        println!("   {complaint}");
    }
    bail!("{} untidy", complaints.len())
}
