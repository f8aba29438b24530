//! Controls 76 to 82: Security headers.

use super::{Control, Group};

pub(super) const ALL: &[Control] = &[
    Control {
        number: 76,
        group: Group::Headers,
        asks: "X-Frame-Options (AF `SAMEORIGIN`; FX `x_frame_options: \"DENY\"`)",
        does: "DENY (option SAMEORIGIN) + frame-ancestors",
        appflowy: true,
        fluxbase: true,
        issue: "foundation",
    },
    Control {
        number: 77,
        group: Group::Headers,
        asks: "`X-Content-Type-Options nosniff` (AF)",
        does: "always",
        appflowy: true,
        fluxbase: false,
        issue: "foundation",
    },
    Control {
        number: 78,
        group: Group::Headers,
        asks: "`X-XSS-Protection \"1; mode=block\"` (AF)",
        does: "sent as the AppFlowy guide asks by default; `0` in the `modern` header profile; the posture report explains the difference",
        appflowy: true,
        fluxbase: false,
        issue: "foundation",
    },
    Control {
        number: 79,
        group: Group::Headers,
        asks: "`Referrer-Policy strict-origin-when-cross-origin` (AF)",
        does: "same; no-referrer on token pages",
        appflowy: true,
        fluxbase: false,
        issue: "foundation",
    },
    Control {
        number: 80,
        group: Group::Headers,
        asks: "CSP (AF `default-src 'self'` + unsafe-*; FX `default-src 'self'`)",
        does: "strict: no unsafe-inline/eval anywhere, dashboard too (hash/nonce)",
        appflowy: true,
        fluxbase: true,
        issue: "foundation",
    },
    Control {
        number: 81,
        group: Group::Headers,
        asks: "`Permissions-Policy geolocation=(), microphone=(), camera=()` (AF)",
        does: "same",
        appflowy: true,
        fluxbase: false,
        issue: "foundation",
    },
    Control {
        number: 82,
        group: Group::Headers,
        asks: "`server_tokens off` (AF)",
        does: "no Server/version header or banner; error pages too",
        appflowy: true,
        fluxbase: false,
        issue: "foundation",
    },
];
