//! What can be set about what leaves the house.

use std::path::PathBuf;

use base::Setting;
use base::setting::Definition;

use crate::Allow;

/// What may be reached besides the public internet.
pub static ALLOW: Setting<Allow> = Setting::new("outbound.allow", "").changes(
    "which private places our own requests may reach besides the public internet, also without TLS: networks (10.1.0.0/16), \
     addresses, or host names (idp.internal, or .internal for all below it), each with an optional :port",
);

/// A certificate authority of one's own.
pub static CA_FILE: Setting<Option<PathBuf>> = Setting::unset("outbound.ca_file")
    .changes("a PEM file with certificate authorities to trust for our own requests besides the system's");

/// This crate's settings.
pub const SETTINGS: &[&Definition] = &[&ALLOW.definition, &CA_FILE.definition];
