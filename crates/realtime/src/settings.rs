//! What can be set of channels.

use base::Setting;
use base::setting::Definition;

/// Whether channels are served.
pub static ENABLED: Setting<bool> = Setting::new("realtime.enabled", "true")
    .changes("whether broadcast and presence are served at /realtime/v1; where they are not, nothing is");

/// Whether there are channels without policies.
pub static PUBLIC_CHANNELS: Setting<bool> = Setting::new("realtime.public_channels", "false").changes(
    "whether channels without `private: true` can be joined: whoever has the publishable key hears and speaks in all of them",
);

/// All of them.
pub const SETTINGS: &[&Definition] = &[&ENABLED.definition, &PUBLIC_CHANNELS.definition];
