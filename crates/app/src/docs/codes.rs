//! `docs/reference/gotrue-codes.md`: the error codes of GoTrue's that are never given here, and why.

use std::fmt::Write as _;

use supabase::auth::codes::NEVER;

use super::cell;

/// The page.
pub(super) fn page() -> String {
    let mut page = "# GoTrue's error codes\n\n\
         <!-- Generated from crates/supabase/src/auth/codes.rs: run cargo xtask docs. -->\n\n\
         Clients of GoTrue read `error_code` (or `code`, with `X-Supabase-Api-Version: 2024-01-01`). Every code that GoTrue gives is\n\
         given at `/auth/v1` too, where GoTrue gives it ([errors](errors.md) has them beside our own), except these:\n\n\
         | Code | Why it is never given |\n|---|---|\n"
        .to_owned();
    for (code, why) in NEVER {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{code}` | {}. |", cell(why));
    }
    page
}
