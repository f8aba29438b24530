//! A browser for clients that are pages: GraphiQL, passkeys. Palisade itself needs none.

use anyhow::Result;

use super::{debian, link};
use crate::workspace::Workspace;

/// The machine's Chromium, or the system's package; the tests find it as `target/tools/bin/browser`.
pub fn find_or_install(workspace: &Workspace) -> Result<()> {
    let browser = debian::find_or_install(workspace, &debian::CHROMIUM)?;
    link(&browser, &workspace.tools().join("bin/browser"))
}
