//! Why a text was not sent.

use std::borrow::Cow;

use base::{Fault, Kind};

/// What can go wrong with a text. No variant carries its words or a credential.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No provider is configured.
    #[error("no text can be sent: no provider is configured")]
    NoProvider,
    /// A provider without a setting it needs.
    #[error("sms.provider is {provider}, which needs {missing}")]
    Missing {
        /// Which provider.
        provider: &'static str,
        /// The setting.
        missing: &'static str,
    },
    /// The template has no place for the code.
    #[error("sms.template must contain {{{{ .Code }}}}")]
    Template,
    /// Not a number.
    #[error("a telephone number is digits, at most fifteen")]
    Number,
    /// Too long a text.
    #[error("the text is longer than {max} bytes")]
    TooLong {
        /// The limit.
        max: u64,
    },
    /// The provider has no such channel.
    #[error("{provider} sends SMS only")]
    Channel {
        /// Which provider.
        provider: &'static str,
    },
    /// The provider said no.
    #[error("{provider} refused the text: {why}")]
    Refused {
        /// Which provider.
        provider: &'static str,
        /// Its status or code.
        why: String,
        /// Whether trying again is pointless.
        permanent: bool,
    },
    /// The provider could not be asked.
    #[error("the provider could not be asked")]
    Outbound(#[from] outbound::Error),
    /// The catcher did not take it.
    #[error("the catcher did not take the text")]
    Mail(#[from] mail::Error),
}

impl Error {
    /// Whether trying again is pointless.
    pub fn is_permanent(&self) -> bool {
        match self {
            Error::Refused { permanent, .. } => *permanent,
            Error::Outbound(_) | Error::Mail(_) => false,
            Error::NoProvider
            | Error::Missing { .. }
            | Error::Template
            | Error::Number
            | Error::TooLong { .. }
            | Error::Channel { .. } => true,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::NoProvider | Error::Channel { .. } => Kind::Unsupported,
            Error::Number | Error::TooLong { .. } => Kind::Invalid,
            Error::Refused { .. } => Kind::Unavailable,
            Error::Missing { .. } | Error::Template => Kind::Bug,
            Error::Outbound(error) => error.kind(),
            Error::Mail(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NoProvider => "texts.no_provider",
            Error::Missing { .. } => "texts.missing",
            Error::Template => "texts.template",
            Error::Number => "texts.number",
            Error::TooLong { .. } => "texts.too_long",
            Error::Channel { .. } => "texts.channel",
            Error::Refused { .. } => "texts.refused",
            Error::Outbound(error) => error.code(),
            Error::Mail(error) => error.code(),
        }
    }

    fn message(&self) -> Cow<'_, str> {
        match self.kind() {
            Kind::Invalid | Kind::Unsupported => self.to_string().into(),
            _ => "The text could not be sent".into(),
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        matches!(self, Error::NoProvider).then(|| "set sms.provider and its credentials".into())
    }
}
