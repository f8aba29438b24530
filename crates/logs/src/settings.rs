//! What can be set about the log's files.

use base::Setting;
use base::setting::Definition;

/// When a file is put aside.
pub static FILE_MEGABYTES: Setting<u32> = Setting::new("logging.file_megabytes", "16")
    .range("1", "4096")
    .changes("how large combined.log and error.log in logs/ of the data folder grow before each is put aside and begun anew")
    .proven_by(&[100]);

/// How many are kept.
pub static FILES_KEPT: Setting<u32> = Setting::new("logging.files_kept", "8")
    .range("1", "1000")
    .changes("how many files that were put aside are kept of each of the two streams; the oldest goes first")
    .proven_by(&[100]);

/// This crate's settings.
pub const SETTINGS: &[&Definition] = &[&FILE_MEGABYTES.definition, &FILES_KEPT.definition];
