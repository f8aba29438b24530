//! Controls 121 to 127: Validation and errors.

use super::{Control, Group};

pub(super) const ALL: &[Control] = &[
    Control {
        number: 121,
        group: Group::Validation,
        asks: "Input validation e-mail/name 2–100/age 0–150/URL (FX `validator`)",
        does: "per-column rules from CHECK + JSON-schema, enforced in DB and API",
        appflowy: false,
        fluxbase: true,
        issue: "rest",
    },
    Control {
        number: 122,
        group: Group::Validation,
        asks: "HTML sanitising (FX `DOMPurify`)",
        does: "column tag `html: sanitize` (ammonia) server-side",
        appflowy: false,
        fluxbase: true,
        issue: "rest",
    },
    Control {
        number: 123,
        group: Group::Validation,
        asks: "Upload type/5 MB (FX `validateUpload` jpeg/png/gif)",
        does: "bucket default: allow-list by magic bytes (not by the declared type), 5 MB, images re-encoded on request",
        appflowy: false,
        fluxbase: true,
        issue: "storage",
    },
    Control {
        number: 124,
        group: Group::Validation,
        asks: "Typed schemas (FX `zod`)",
        does: "generated zod/TypeScript from live schema",
        appflowy: false,
        fluxbase: true,
        issue: "rest",
    },
    Control {
        number: 125,
        group: Group::Validation,
        asks: "Debounce (FX `debounce` 1000)",
        does: "SDK option + `Idempotency-Key` server side",
        appflowy: false,
        fluxbase: true,
        issue: "rest",
    },
    Control {
        number: 126,
        group: Group::Validation,
        asks: "Generic auth errors (FX)",
        does: "identical body, status and timing (probe measures)",
        appflowy: false,
        fluxbase: true,
        issue: "auth",
    },
    Control {
        number: 127,
        group: Group::Validation,
        asks: "Global error handler, no details (FX)",
        does: "the guide's body plus a request id; details only in development; panic-safe",
        appflowy: false,
        fluxbase: true,
        issue: "foundation",
    },
];
