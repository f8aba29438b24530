//! What can be set about mail.

use std::path::PathBuf;
use std::time::Duration;

use base::setting::{Alias, Definition, Guide};
use base::{Secret, Setting};

use crate::Template;

/// The mail server.
pub static SMTP_HOST: Setting<Option<String>> = Setting::unset("email.smtp_host")
    .also(&[Alias::same("GOTRUE_SMTP_HOST", Guide::Other)])
    .changes("which server takes our mail; without one no mail is sent");

/// Its port.
pub static SMTP_PORT: Setting<u16> = Setting::new("email.smtp_port", "587")
    .also(&[Alias::same("GOTRUE_SMTP_PORT", Guide::Other)])
    .range("1", "65535")
    .changes("the mail server's port; 465 speaks TLS from the first byte, others after STARTTLS");

/// Who we are there.
pub static SMTP_USER: Setting<Option<String>> = Setting::unset("email.smtp_user")
    .also(&[Alias::same("GOTRUE_SMTP_USER", Guide::Other), Alias::same("email.smtp_username", Guide::Other)])
    .changes("the name we sign in with at the mail server");

/// And the proof.
pub static SMTP_PASSWORD: Setting<Option<Secret<String>>> = Setting::unset("email.smtp_password")
    .also(&[Alias::same("GOTRUE_SMTP_PASS", Guide::Other)])
    .changes("the password we sign in with at the mail server")
    .proven_by(&[101, 115]);

/// How the connection is protected. There is no way to have none.
pub static SMTP_SECURITY: Setting<String> = Setting::new("email.smtp_security", "auto")
    .choices(&["auto", "starttls", "tls"])
    .changes("tls from the first byte or after STARTTLS; auto takes tls on port 465; a server with neither gets no mail");

/// A certificate authority of one's own.
pub static SMTP_CA_FILE: Setting<Option<PathBuf>> = Setting::unset("email.smtp_ca_file")
    .changes("a PEM file with certificate authorities to trust for the mail server besides the system's");

/// The sender.
pub static FROM_ADDRESS: Setting<Option<String>> = Setting::unset("email.from_address")
    .also(&[Alias::same("GOTRUE_SMTP_ADMIN_EMAIL", Guide::Other)])
    .changes("the address our mail comes from");

/// The sender's name.
pub static FROM_NAME: Setting<String> = Setting::new("email.from_name", "Palisade")
    .also(&[Alias::same("GOTRUE_SMTP_SENDER_NAME", Guide::Other)])
    .changes("the name our mail comes from");

/// A directory instead of a server.
pub static FILE_DIR: Setting<Option<PathBuf>> = Setting::unset("email.file_dir")
    .changes("mail is written to this directory as .eml files instead of being sent");

/// How long the outbox remembers.
pub static OUTBOX_RETENTION: Setting<Duration> = Setting::new("email.outbox_retention", "30d")
    .range("1h", "365d")
    .changes("how long recipient, subject and transcript of a settled mail are kept");

/// Texts of one's own.
pub static TEMPLATES_DIR: Setting<Option<PathBuf>> = Setting::unset("email.templates_dir")
    .changes("a directory of files that take the place of our mails: KIND.txt, KIND.LOCALE.txt, and the same with html");

/// The language of those who want none.
pub static LOCALE: Setting<String> =
    Setting::new("email.locale", "en").changes("the language of mails to people who have none of their own");

/// Its subject.
pub static SUBJECT_CONFIRMATION: Setting<Option<String>> = Setting::unset("email.subject_confirmation")
    .also(&[Alias::same("GOTRUE_MAILER_SUBJECTS_CONFIRMATION", Guide::Other)])
    .changes("the subject of mails of the kind confirmation, in every language; a template");

/// Its subject.
pub static SUBJECT_RECOVERY: Setting<Option<String>> = Setting::unset("email.subject_recovery")
    .also(&[Alias::same("GOTRUE_MAILER_SUBJECTS_RECOVERY", Guide::Other)])
    .changes("the subject of mails of the kind recovery, in every language; a template");

/// Its subject.
pub static SUBJECT_MAGIC_LINK: Setting<Option<String>> = Setting::unset("email.subject_magic_link")
    .also(&[Alias::same("GOTRUE_MAILER_SUBJECTS_MAGIC_LINK", Guide::Other)])
    .changes("the subject of mails of the kind magic_link, in every language; a template");

/// Its subject.
pub static SUBJECT_INVITE: Setting<Option<String>> = Setting::unset("email.subject_invite")
    .also(&[Alias::same("GOTRUE_MAILER_SUBJECTS_INVITE", Guide::Other)])
    .changes("the subject of mails of the kind invite, in every language; a template");

/// Its subject.
pub static SUBJECT_EMAIL_CHANGE: Setting<Option<String>> = Setting::unset("email.subject_email_change")
    .also(&[Alias::same("GOTRUE_MAILER_SUBJECTS_EMAIL_CHANGE", Guide::Other)])
    .changes("the subject of mails of the kind email_change, in every language; a template");

/// Its subject.
pub static SUBJECT_REAUTHENTICATION: Setting<Option<String>> =
    Setting::unset("email.subject_reauthentication")
        .also(&[Alias::same("GOTRUE_MAILER_SUBJECTS_REAUTHENTICATION", Guide::Other)])
        .changes("the subject of mails of the kind reauthentication, in every language; a template");

/// Its subject.
pub static SUBJECT_PASSWORD_CHANGED: Setting<Option<String>> =
    Setting::unset("email.subject_password_changed_notification")
        .also(&[Alias::same("GOTRUE_MAILER_SUBJECTS_PASSWORD_CHANGED_NOTIFICATION", Guide::Other)])
        .changes(
            "the subject of mails of the kind password_changed_notification, in every language; a template",
        );

/// Its subject.
pub static SUBJECT_EMAIL_CHANGED: Setting<Option<String>> =
    Setting::unset("email.subject_email_changed_notification")
        .also(&[Alias::same("GOTRUE_MAILER_SUBJECTS_EMAIL_CHANGED_NOTIFICATION", Guide::Other)])
        .changes(
            "the subject of mails of the kind email_changed_notification, in every language; a template",
        );

/// Its subject.
pub static SUBJECT_PHONE_CHANGED: Setting<Option<String>> =
    Setting::unset("email.subject_phone_changed_notification")
        .also(&[Alias::same("GOTRUE_MAILER_SUBJECTS_PHONE_CHANGED_NOTIFICATION", Guide::Other)])
        .changes(
            "the subject of mails of the kind phone_changed_notification, in every language; a template",
        );

/// Its subject.
pub static SUBJECT_IDENTITY_LINKED: Setting<Option<String>> =
    Setting::unset("email.subject_identity_linked_notification")
        .also(&[Alias::same("GOTRUE_MAILER_SUBJECTS_IDENTITY_LINKED_NOTIFICATION", Guide::Other)])
        .changes(
            "the subject of mails of the kind identity_linked_notification, in every language; a template",
        );

/// Its subject.
pub static SUBJECT_IDENTITY_UNLINKED: Setting<Option<String>> =
    Setting::unset("email.subject_identity_unlinked_notification")
        .also(&[Alias::same("GOTRUE_MAILER_SUBJECTS_IDENTITY_UNLINKED_NOTIFICATION", Guide::Other)])
        .changes(
            "the subject of mails of the kind identity_unlinked_notification, in every language; a template",
        );

/// Its subject.
pub static SUBJECT_FACTOR_ENROLLED: Setting<Option<String>> = Setting::unset(
    "email.subject_mfa_factor_enrolled_notification",
)
.also(&[Alias::same("GOTRUE_MAILER_SUBJECTS_MFA_FACTOR_ENROLLED_NOTIFICATION", Guide::Other)])
.changes("the subject of mails of the kind mfa_factor_enrolled_notification, in every language; a template");

/// Its subject.
pub static SUBJECT_FACTOR_REMOVED: Setting<Option<String>> = Setting::unset(
    "email.subject_mfa_factor_unenrolled_notification",
)
.also(&[Alias::same("GOTRUE_MAILER_SUBJECTS_MFA_FACTOR_UNENROLLED_NOTIFICATION", Guide::Other)])
.changes(
    "the subject of mails of the kind mfa_factor_unenrolled_notification, in every language; a template",
);

/// Subjects of one's own.
pub(crate) const SUBJECTS: &[(Template, &Setting<Option<String>>)] = &[
    (Template::Confirmation, &SUBJECT_CONFIRMATION),
    (Template::Recovery, &SUBJECT_RECOVERY),
    (Template::MagicLink, &SUBJECT_MAGIC_LINK),
    (Template::Invite, &SUBJECT_INVITE),
    (Template::EmailChange, &SUBJECT_EMAIL_CHANGE),
    (Template::Reauthentication, &SUBJECT_REAUTHENTICATION),
    (Template::PasswordChanged, &SUBJECT_PASSWORD_CHANGED),
    (Template::EmailChanged, &SUBJECT_EMAIL_CHANGED),
    (Template::PhoneChanged, &SUBJECT_PHONE_CHANGED),
    (Template::IdentityLinked, &SUBJECT_IDENTITY_LINKED),
    (Template::IdentityUnlinked, &SUBJECT_IDENTITY_UNLINKED),
    (Template::FactorEnrolled, &SUBJECT_FACTOR_ENROLLED),
    (Template::FactorRemoved, &SUBJECT_FACTOR_REMOVED),
];

/// This crate's settings.
pub const SETTINGS: &[&Definition] = &[
    &SMTP_HOST.definition,
    &SMTP_PORT.definition,
    &SMTP_USER.definition,
    &SMTP_PASSWORD.definition,
    &SMTP_SECURITY.definition,
    &SMTP_CA_FILE.definition,
    &FROM_ADDRESS.definition,
    &FROM_NAME.definition,
    &FILE_DIR.definition,
    &OUTBOX_RETENTION.definition,
    &TEMPLATES_DIR.definition,
    &LOCALE.definition,
    &SUBJECT_CONFIRMATION.definition,
    &SUBJECT_RECOVERY.definition,
    &SUBJECT_MAGIC_LINK.definition,
    &SUBJECT_INVITE.definition,
    &SUBJECT_EMAIL_CHANGE.definition,
    &SUBJECT_REAUTHENTICATION.definition,
    &SUBJECT_PASSWORD_CHANGED.definition,
    &SUBJECT_EMAIL_CHANGED.definition,
    &SUBJECT_PHONE_CHANGED.definition,
    &SUBJECT_IDENTITY_LINKED.definition,
    &SUBJECT_IDENTITY_UNLINKED.definition,
    &SUBJECT_FACTOR_ENROLLED.definition,
    &SUBJECT_FACTOR_REMOVED.definition,
];
