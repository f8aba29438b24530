//! Why a ban could not be made, lifted or read.

use base::{Fault, Kind};
use ipnet::IpNet;

/// What can go wrong with bans.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an address, not a network.
    #[error("`{text}` is neither an address nor a network such as 198.51.100.0/24")]
    Network {
        /// What was given.
        text: String,
    },
    /// Too many strangers at once.
    #[error("{network} is more than one ban may keep out: at most a /{widest}")]
    TooWide {
        /// What was given.
        network: IpNet,
        /// The shortest prefix.
        widest: u8,
    },
    /// It is this machine's, a trusted proxy's, or allowed by the operator.
    #[error("{network} holds {exempt}, which is never kept out")]
    Exempt {
        /// What was given.
        network: IpNet,
        /// What it must not hold.
        exempt: IpNet,
    },
    /// It would be no canary.
    #[error("{what}")]
    Canary {
        /// Why.
        what: String,
    },
    /// Nothing is marked under that name.
    #[error("there is no canary {name}")]
    NoCanary {
        /// What was given.
        name: String,
    },
    /// A setting cannot be honoured.
    #[error("{setting}: {what}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// Why.
        what: String,
    },
    /// The table did not answer.
    #[error("the bans cannot be read or kept")]
    Database(#[from] pg::Error),
    /// It could not be recorded, so it was not done.
    #[error("the ban could not be recorded")]
    Audit(#[from] audit::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Network { .. }
            | Error::TooWide { .. }
            | Error::Exempt { .. }
            | Error::Canary { .. }
            | Error::Setting { .. } => Kind::Invalid,
            Error::NoCanary { .. } => Kind::NotFound,
            Error::Database(error) => error.kind(),
            Error::Audit(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Network { .. } => "detection.network",
            Error::TooWide { .. } => "detection.too_wide",
            Error::Exempt { .. } => "detection.exempt",
            Error::Canary { .. } => "detection.canary",
            Error::NoCanary { .. } => "detection.no_canary",
            Error::Setting { .. } => "detection.setting",
            Error::Database(_) => "detection.database",
            Error::Audit(_) => "detection.audit",
        }
    }
}
