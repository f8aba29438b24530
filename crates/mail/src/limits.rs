//! The bounds of mail.

use base::Limit;

/// Text or HTML of one mail.
pub static BODY_BYTES: Limit = Limit::new("mail_body_bytes_max", 262_144, "our mails are a few kilobytes");
/// Its subject.
pub static SUBJECT_BYTES: Limit = Limit::new("mail_subject_bytes_max", 512, "a subject is one line");
/// One whole conversation with the mail server.
pub static SMTP_SECONDS: Limit = Limit::new(
    "mail_smtp_seconds_max",
    60,
    "a server that takes longer is tried again later; a worker must not hang",
);
/// One line of a transcript.
pub static TRANSCRIPT_LINE_BYTES: Limit = Limit::new(
    "mail_transcript_line_bytes_max",
    512,
    "an SMTP reply line is at most 512 bytes (RFC 5321 4.5.3.1.5)",
);
/// Mails on one page of the outbox.
pub static PAGE: Limit = Limit::new("mail_page_max", 200, "one screen of the outbox");
/// Mails the memory sender keeps.
pub static CAUGHT: Limit = Limit::new("mail_caught_max", 1_000, "for tests; the oldest go first");
/// One template.
pub static TEMPLATE_BYTES: Limit =
    Limit::new("mail_template_bytes_max", 262_144, "a mail is not longer than its template by much");
/// Steps of rendering one template.
pub static TEMPLATE_FUEL: Limit =
    Limit::new("mail_template_steps_max", 100_000, "ours take a hundred; a loop without end takes this");
