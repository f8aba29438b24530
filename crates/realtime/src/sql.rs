//! The statements, each prepared by a test.

/// What the caller may do in a channel: `$1` its name.
pub const RIGHTS: &str = "SELECT hears, sees, speaks, appears FROM realtime.rights($1)";
