//! Why a mail was not put or delivered.

use std::borrow::Cow;
use std::path::PathBuf;

use base::{Fault, Kind};

/// What can go wrong with a mail. No variant carries a body, a link or a password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The outbox could not be read or written.
    #[error("the outbox did not answer")]
    Database(#[from] pg::Error),
    /// A body could not be sealed or opened.
    #[error("the mail's body cannot be sealed or opened with this root key")]
    Seal(#[from] seal::Error),
    /// An address is not one.
    #[error("{field} is not an e-mail address")]
    Address {
        /// The recipient, or the setting.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: lettre::address::AddressError,
    },
    /// A user without a password, or a password without a user.
    #[error("{missing} is missing: the mail server is signed in to with both, or with neither")]
    HalfSignIn {
        /// The setting.
        missing: &'static str,
    },
    /// The mail is too long.
    #[error("the mail's {part} is longer than {max} bytes")]
    TooLong {
        /// Subject or body.
        part: &'static str,
        /// The limit.
        max: u64,
    },
    /// The parts do not make a mail.
    #[error("the mail cannot be put together")]
    Compose(#[from] lettre::error::Error),
    /// The mail server did not take it.
    #[error("the mail server did not take it at {step}")]
    Smtp {
        /// How far the conversation had come.
        step: &'static str,
        /// Whether trying again is pointless.
        permanent: bool,
        /// What it said.
        #[source]
        source: lettre::transport::smtp::Error,
    },
    /// The mail server took too long.
    #[error("the mail server did not answer in time at {step}")]
    Timeout {
        /// How far the conversation had come.
        step: &'static str,
    },
    /// The file could not be written or read.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A template that cannot be read or rendered.
    #[error("the mail template {file} is wrong")]
    Template {
        /// Which.
        file: String,
        /// What is wrong with it.
        #[source]
        source: minijinja::Error,
    },
    /// A file that is no template's.
    #[error("{file} has not the name of a mail template")]
    TemplateName {
        /// Which.
        file: String,
    },
    /// A template for text without a subject.
    #[error("the mail template {file} must begin with one line `Subject: …` and a blank line")]
    TemplateSubject {
        /// Which.
        file: String,
    },
    /// A template that names what there is not.
    #[error("the mail template {file} names {word}, which there is not")]
    TemplateWord {
        /// Which.
        file: String,
        /// What it names.
        word: String,
    },
    /// A template, or the directory of all, that cannot be read.
    #[error("email.templates_dir cannot be used: {}", path.display())]
    TemplateFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A template that is too long.
    #[error("the mail template {file} is longer than {max} bytes")]
    TemplateSize {
        /// Which.
        file: String,
        /// The limit.
        max: u64,
    },
    /// The language of those who want none has no templates.
    #[error("email.locale is {wanted}, in which there is no template")]
    Locale {
        /// Which.
        wanted: String,
    },
    /// There is no such mail.
    #[error("there is no such mail in the outbox")]
    NotFound,
    /// No way out is configured.
    #[error("no mail can be sent: no mail server is configured")]
    NoSender,
}

impl Error {
    /// Whether it is the operator's own words that cannot be sent: known before anything is opened.
    pub fn is_of_templates(&self) -> bool {
        match self {
            Error::Template { .. }
            | Error::TemplateName { .. }
            | Error::TemplateSubject { .. }
            | Error::TemplateWord { .. }
            | Error::TemplateSize { .. }
            | Error::TemplateFile { .. }
            | Error::Locale { .. } => true,
            Error::Database(_)
            | Error::Seal(_)
            | Error::Address { .. }
            | Error::HalfSignIn { .. }
            | Error::TooLong { .. }
            | Error::Compose(_)
            | Error::Smtp { .. }
            | Error::Timeout { .. }
            | Error::File { .. }
            | Error::NotFound
            | Error::NoSender => false,
        }
    }

    /// Whether trying again is pointless.
    pub fn is_permanent(&self) -> bool {
        match self {
            Error::Smtp { permanent, .. } => *permanent,
            Error::Address { .. }
            | Error::HalfSignIn { .. }
            | Error::TooLong { .. }
            | Error::Compose(_)
            | Error::Template { .. }
            | Error::TemplateName { .. }
            | Error::TemplateSubject { .. }
            | Error::TemplateWord { .. }
            | Error::TemplateSize { .. }
            | Error::TemplateFile { .. }
            | Error::Locale { .. }
            | Error::NotFound
            | Error::Seal(_) => true,
            Error::Database(_) | Error::Timeout { .. } | Error::File { .. } | Error::NoSender => false,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Database(error) => error.kind(),
            Error::Address { .. } | Error::HalfSignIn { .. } | Error::TooLong { .. } => Kind::Invalid,
            Error::NotFound => Kind::NotFound,
            Error::NoSender => Kind::Unsupported,
            Error::Timeout { .. } | Error::Smtp { .. } | Error::File { .. } => Kind::Unavailable,
            Error::Seal(_)
            | Error::Compose(_)
            | Error::Template { .. }
            | Error::TemplateName { .. }
            | Error::TemplateSubject { .. }
            | Error::TemplateWord { .. }
            | Error::TemplateSize { .. }
            | Error::TemplateFile { .. }
            | Error::Locale { .. } => Kind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Database(_) => "mail.database",
            Error::Seal(_) => "mail.seal",
            Error::Address { .. } => "mail.address",
            Error::HalfSignIn { .. } => "mail.half_sign_in",
            Error::TooLong { .. } => "mail.too_long",
            Error::Compose(_) => "mail.compose",
            Error::Smtp { .. } => "mail.smtp",
            Error::Timeout { .. } => "mail.timeout",
            Error::File { .. } => "mail.file",
            Error::Template { .. } => "mail.template.wrong",
            Error::TemplateName { .. } => "mail.template.name",
            Error::TemplateSubject { .. } => "mail.template.subject",
            Error::TemplateWord { .. } => "mail.template.word",
            Error::TemplateSize { .. } => "mail.template.size",
            Error::TemplateFile { .. } => "mail.template.file",
            Error::Locale { .. } => "mail.template.locale",
            Error::NotFound => "mail.not_found",
            Error::NoSender => "mail.no_sender",
        }
    }

    fn message(&self) -> Cow<'_, str> {
        match self.kind() {
            Kind::Invalid | Kind::NotFound | Kind::Unsupported => self.to_string().into(),
            _ => "The mail could not be sent".into(),
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Error::NoSender => Some("set email.smtp_host and email.from_address".into()),
            Error::Template { .. } => Some(
                "Write {{ .Token }} for a value and {% if Name %} … {% endif %} for a condition, as MiniJinja does; \
                 or take the file away, and ours is sent"
                    .into(),
            ),
            Error::TemplateName { .. } => {
                let kinds = crate::templates::known_kinds();
                Some(format!("Name it KIND.txt, KIND.LOCALE.txt, or the same with html. The kinds: {kinds}").into())
            }
            Error::TemplateSubject { .. } => Some("Begin it with `Subject: …` and a blank line".into()),
            Error::TemplateWord { .. } => {
                Some(format!("Write one of these: {}", crate::templates::known_words()).into())
            }
            Error::TemplateSize { .. } => Some("Shorten it, or link to what it shows".into()),
            Error::TemplateFile { .. } => {
                Some("Let the user that the server runs as read it, or leave email.templates_dir out".into())
            }
            Error::Locale { .. } => Some("Set email.locale to en or de, or put files of it into email.templates_dir".into()),
            _ => None,
        }
    }
}
