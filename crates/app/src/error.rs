//! Why the program does not start, each with what to do about it.

use std::path::PathBuf;

use base::Fault as _;

use crate::config::exit::Exit;

/// A start that is refused or fails.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database could not be made ready.
    #[error("{0}")]
    Database(#[from] pg::Error),
    /// Keys could not be read or made.
    #[error("{0}")]
    Keys(#[from] seal::Error),
    /// Accounts and keys could not be opened.
    #[error("{0}")]
    Auth(#[from] auth::Error),
    /// The data API could not be opened.
    #[error("{0}")]
    Data(#[from] data::Error),
    /// The audit log could not be opened. Nothing starts without it.
    #[error("{0}")]
    Audit(#[from] audit::Error),
    /// The outbox could not be opened.
    #[error("{0}")]
    Mail(#[from] mail::Error),
    /// Texts cannot be sent.
    #[error("{0}")]
    Texts(#[from] texts::Error),
    /// The way out of the house could not be opened.
    #[error("{0}")]
    Outbound(#[from] outbound::Error),
    /// The certificate cannot be used, or none can be got.
    #[error("{0}")]
    Tls(#[from] tls::Error),
    /// A listener or a setting of the edge is refused.
    #[error("{0}")]
    Edge(#[from] edge::Error),
    /// Nobody could be kept out, or a jail cannot be what it is set to.
    #[error("{0}")]
    Detection(#[from] detection::Error),
    /// Nobody could be told of anything, or a rule cannot be what it is set to.
    #[error("{0}")]
    Alerts(#[from] alerts::Error),
    /// Logs cannot be sent where they are set to be.
    #[error("{0}")]
    Logs(#[from] logs::Error),
    /// A file or folder of ours.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody else's server would be changed.
    #[error(
        "database.url names a server that is not prepared yet. Palisade would make these changes there:\n{}\nSet database.consent to true to agree",
        changes.iter().map(|change| format!("  - {change}")).collect::<Vec<_>>().join("\n")
    )]
    Consent {
        /// In order.
        changes: Vec<String>,
    },
    /// The shared limiter.
    #[error("{0}")]
    Limits(#[from] limits::StoreError),
    /// The list of GraphQL documents cannot be read.
    #[error("{0}")]
    Documents(#[from] graphql::Unreadable),
    /// A profile asked for where it may not be.
    #[error("{0}")]
    Profile(String),
}

impl StartError {
    /// What an operator reads. Of words of their own: what, why and the one change that fixes it, as of a refused setting.
    pub fn told(&self) -> String {
        match self {
            StartError::Mail(error) if error.is_of_templates() => {
                let (what, fix) = (base::fault::chain(error), error.hint().unwrap_or_default());
                format!(
                    "{what}.\n     why  Whoever is sent such a mail waits in vain for its link or code; nothing was started.\n     \
                     fix  {fix}."
                )
            }
            other => other.to_string(),
        }
    }

    /// The exit code a script sees.
    pub fn exit(&self) -> Exit {
        match self {
            StartError::Edge(edge::Error::Listen { .. }) | StartError::File { .. } => Exit::System,
            StartError::Tls(
                tls::Error::Setting { .. }
                | tls::Error::Permissions { .. }
                | tls::Error::Content { .. }
                | tls::Error::Preflight { .. },
            ) => Exit::Configuration,
            StartError::Tls(_) => Exit::Unavailable,
            StartError::Edge(_)
            | StartError::Consent { .. }
            | StartError::Profile(_)
            | StartError::Outbound(_)
            | StartError::Documents(_)
            | StartError::Texts(_)
            | StartError::Mail(_)
            | StartError::Logs(_)
            | StartError::Limits(_) => Exit::Configuration,
            StartError::Detection(detection::Error::Setting { .. }) => Exit::Configuration,
            StartError::Alerts(alerts::Error::Setting { .. } | alerts::Error::Contacts { .. }) => {
                Exit::Configuration
            }
            StartError::Alerts(_) => Exit::Unavailable,
            StartError::Detection(_) => Exit::Unavailable,
            StartError::Auth(auth::Error::Unsafe { .. } | auth::Error::Setting { .. }) => Exit::Configuration,
            StartError::Database(pg::Error::Refused(_)) => Exit::Configuration,
            StartError::Database(_) | StartError::Data(_) => Exit::Unavailable,
            StartError::Keys(_) | StartError::Auth(_) | StartError::Audit(_) => Exit::Failed,
        }
    }
}
