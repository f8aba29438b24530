//! Why a request did not leave, or brought nothing back.

use std::borrow::Cow;
use std::net::IpAddr;

use base::{Fault, Kind};

use crate::address::Class;

/// What can go wrong on the way out. No variant carries a body or a header.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is not one we send to.
    #[error("the URL is refused: {why}")]
    Url {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The host's name is refused before anybody is asked what it means.
    #[error("the host {host} is refused: {why}")]
    Host {
        /// As written.
        host: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The host is, or has, an address that is not public.
    #[error("{host} is at {address}, a {} address, which is not reached", class.name())]
    Address {
        /// As written.
        host: String,
        /// What it is.
        address: IpAddr,
        /// Which kind of address that is.
        class: Class,
    },
    /// Plain HTTP to a place that the operator did not allow.
    #[error("{host} is asked without TLS, which is refused")]
    ClearText {
        /// The host.
        host: String,
    },
    /// A redirect that is not followed.
    #[error("a redirect from {host} is not followed: {why}")]
    Redirect {
        /// Who sent it.
        host: String,
        /// Why not.
        why: &'static str,
    },
    /// The name means nothing, or nothing in time.
    #[error("{host} cannot be resolved")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: std::io::Error,
    },
    /// Nobody is there.
    #[error("{host} cannot be reached")]
    Connect {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The one who is there is not who the URL names.
    #[error("{host} cannot be spoken to over TLS")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What came back is not HTTP, or broke off.
    #[error("the exchange with {host} broke off")]
    Http {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The answer is not what was asked for.
    #[error("{host} answered {what}")]
    Answer {
        /// The host.
        host: String,
        /// What is wrong with it.
        what: String,
    },
    /// It took too long.
    #[error("{host} did not answer in time")]
    Timeout {
        /// The host.
        host: String,
    },
    /// Something is larger than it may be.
    #[error("the {part} to or from {host} is longer than {max} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// Which part.
        part: &'static str,
        /// The limit.
        max: u64,
    },
    /// Too much is under way.
    #[error("too many requests are leaving at once")]
    Busy,
    /// The certificate authorities cannot be read.
    #[error("outbound.ca_file {path} cannot be used: {why}")]
    CaFile {
        /// The file.
        path: String,
        /// Why not.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    TlsSetup(#[source] rustls::Error),
    /// A header that cannot be sent.
    #[error("a header cannot be sent")]
    Header,
}

impl Error {
    /// Whether we refused, as opposed to failed: these are recorded in the audit log.
    pub fn is_refusal(&self) -> bool {
        match self {
            Error::Url { .. }
            | Error::Host { .. }
            | Error::Address { .. }
            | Error::ClearText { .. }
            | Error::Redirect { .. }
            | Error::TooLarge { .. }
            | Error::Busy => true,
            Error::Resolve { .. }
            | Error::Connect { .. }
            | Error::Tls { .. }
            | Error::Http { .. }
            | Error::Answer { .. }
            | Error::Timeout { .. }
            | Error::CaFile { .. }
            | Error::TlsSetup(_)
            | Error::Header => false,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Url { .. }
            | Error::Host { .. }
            | Error::Address { .. }
            | Error::ClearText { .. }
            | Error::Redirect { .. } => Kind::Invalid,
            Error::TooLarge { .. } => Kind::TooLarge,
            Error::Timeout { .. } => Kind::Timeout,
            Error::Resolve { .. }
            | Error::Connect { .. }
            | Error::Tls { .. }
            | Error::Http { .. }
            | Error::Answer { .. }
            | Error::Busy => Kind::Unavailable,
            Error::CaFile { .. } | Error::TlsSetup(_) | Error::Header => Kind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Url { .. } => "outbound.url",
            Error::Host { .. } => "outbound.host",
            Error::Address { .. } => "outbound.address",
            Error::ClearText { .. } => "outbound.clear_text",
            Error::Redirect { .. } => "outbound.redirect",
            Error::Resolve { .. } => "outbound.resolve",
            Error::Connect { .. } => "outbound.connect",
            Error::Tls { .. } => "outbound.tls",
            Error::Http { .. } => "outbound.http",
            Error::Answer { .. } => "outbound.answer",
            Error::Timeout { .. } => "outbound.timeout",
            Error::TooLarge { .. } => "outbound.too_large",
            Error::Busy => "outbound.busy",
            Error::CaFile { .. } => "outbound.ca_file",
            Error::TlsSetup(_) => "outbound.tls_setup",
            Error::Header => "outbound.header",
        }
    }

    /// Whoever chose the URL does not learn what is behind it: no address, no resolver's or server's words.
    fn message(&self) -> Cow<'_, str> {
        match self {
            Error::Url { .. } | Error::Host { .. } | Error::ClearText { .. } => self.to_string().into(),
            Error::Address { .. } => "The URL's host is not one that may be reached".into(),
            Error::Redirect { .. } => "The URL redirects, which is not followed".into(),
            Error::Resolve { .. }
            | Error::Connect { .. }
            | Error::Tls { .. }
            | Error::Http { .. }
            | Error::Answer { .. }
            | Error::Timeout { .. }
            | Error::TooLarge { .. }
            | Error::Busy => "The other server did not answer as it should".into(),
            Error::CaFile { .. } | Error::TlsSetup(_) | Error::Header => {
                "The request could not be made".into()
            }
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        let private = matches!(self, Error::Host { .. } | Error::Address { .. } | Error::ClearText { .. });
        private.then(|| "if it is yours, name it in outbound.allow".into())
    }
}
