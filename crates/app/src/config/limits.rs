//! The bounds of reading settings.

use base::Limit;

/// Largest settings file.
pub const FILE_BYTES_MAX: Limit = Limit::new(
    "config_file_bytes_max",
    1 << 20,
    "a settings file is written by hand; a thousand times the guides' is plenty",
);
/// Largest file that a secret is read from.
pub const SECRET_FILE_BYTES_MAX: Limit = Limit::new(
    "config_secret_file_bytes_max",
    64 << 10,
    "a key or a certificate chain fits; a device file does not",
);
/// Most YAML events in a settings file.
pub const FILE_EVENTS_MAX: Limit = Limit::new(
    "config_file_events_max",
    100_000,
    "bounds the work a hostile file can cause before it is refused",
);
/// Deepest nesting in a settings file.
pub const FILE_DEPTH_MAX: Limit =
    Limit::new("config_file_depth_max", 16, "our deepest setting lies four levels down");
