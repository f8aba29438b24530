//! What is refused of channels.

use std::borrow::Cow;

use base::{Fault, Kind};

/// Why somebody does not get a socket, a channel or a message through.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// All sockets are taken.
    #[error("Too many connected users")]
    TooManySockets,
    /// This address has as many as one may have.
    #[error("Too many connections from one address")]
    TooManyAtAddress,
    /// A channel without a name.
    #[error("A channel has a name: realtime:<name>")]
    NoName,
    /// A name that is too long.
    #[error("The name of a {what} has at most {bytes_max} bytes")]
    NameTooLong {
        /// Of what.
        what: &'static str,
        /// How many.
        bytes_max: u64,
    },
    /// A join, or a message, that cannot be read.
    #[error("{what}")]
    Malformed {
        /// What is wrong with it.
        what: String,
    },
    /// Channels without policies are not served.
    #[error("This project only allows private channels")]
    PrivateOnly,
    /// No policy lets them in.
    #[error("You do not have permissions to read from this Channel topic: {topic}")]
    NoEntry {
        /// Which.
        topic: String,
    },
    /// No policy lets them speak, or appear.
    #[error("You do not have permissions to {verb} in this Channel topic: {topic}")]
    NoVoice {
        /// Which.
        topic: String,
        /// What.
        verb: &'static str,
    },
    /// More channels than a socket may have.
    #[error("Too many channels for one connection")]
    TooManyChannels,
    /// More joins than a socket may try.
    #[error("Too many joins per second")]
    TooManyJoins,
    /// More messages than a socket may send.
    #[error("Too many messages per second")]
    TooManyMessages,
    /// More deliveries than an address may cause: messages and presence, times whoever is in the channel.
    #[error("Too many messages per second to channels of this size")]
    TooManyDeliveries,
    /// More changes of presence than a socket may make.
    #[error("Client presence rate limit exceeded")]
    TooManyTracks,
    /// Nobody else can be shown to be here.
    #[error("Too many presences in this channel")]
    TooManyPresences,
    /// A payload that is too large.
    #[error("The payload has at most {bytes_max} bytes")]
    TooLarge {
        /// How many.
        bytes_max: u64,
    },
    /// Something of realtime that is not here.
    #[error("{what} is not available on this server")]
    NotHere {
        /// What.
        what: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// Changes of a table are not told to this caller, or to anybody.
    #[error(
        "Unable to subscribe to changes of {table}: it is not in the publication supabase_realtime, is not served, or cannot be read"
    )]
    NotTold {
        /// Of which.
        table: String,
    },
    /// A filter on a column that is not there, or cannot be read.
    #[error("Unable to filter changes by {column}: there is no such column, or it cannot be read")]
    NoColumn {
        /// Which.
        column: String,
    },
    /// A filter that PostgreSQL cannot carry out.
    #[error("Unable to filter changes: {what}")]
    Filter {
        /// Why.
        what: String,
    },
    /// More changes are wanted than one socket may want.
    #[error("Too many postgres_changes for one connection")]
    TooManyWanted,
    /// A policy failed.
    #[error("The policies on realtime.messages could not decide")]
    Policy(#[source] pg::Error),
    /// The database could not be asked.
    #[error("The database could not be asked about this channel")]
    Database(#[source] pg::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::TooManySockets
            | Error::TooManyAtAddress
            | Error::TooManyChannels
            | Error::TooManyJoins
            | Error::TooManyMessages
            | Error::TooManyDeliveries
            | Error::TooManyTracks
            | Error::TooManyWanted
            | Error::TooManyPresences => Kind::TooMany,
            Error::NoName | Error::NameTooLong { .. } | Error::Malformed { .. } | Error::Filter { .. } => {
                Kind::Invalid
            }
            Error::PrivateOnly
            | Error::NoEntry { .. }
            | Error::NoVoice { .. }
            | Error::NotTold { .. }
            | Error::NoColumn { .. }
            | Error::Policy(_) => Kind::Forbidden,
            Error::TooLarge { .. } => Kind::TooLarge,
            Error::NotHere { .. } => Kind::Unsupported,
            Error::Database(_) => Kind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::TooManySockets => "realtime.too_many_sockets",
            Error::TooManyAtAddress => "realtime.too_many_at_address",
            Error::NoName => "realtime.no_name",
            Error::NameTooLong { .. } => "realtime.name_too_long",
            Error::Malformed { .. } => "realtime.malformed",
            Error::PrivateOnly => "realtime.private_only",
            Error::NoEntry { .. } => "realtime.no_entry",
            Error::NoVoice { .. } => "realtime.no_voice",
            Error::TooManyChannels => "realtime.too_many_channels",
            Error::TooManyJoins => "realtime.too_many_joins",
            Error::TooManyMessages => "realtime.too_many_messages",
            Error::TooManyDeliveries => "realtime.too_many_deliveries",
            Error::TooManyTracks => "realtime.too_many_tracks",
            Error::TooManyPresences => "realtime.too_many_presences",
            Error::TooLarge { .. } => "realtime.too_large",
            Error::NotHere { .. } => "realtime.not_here",
            Error::NotTold { .. } => "realtime.not_told",
            Error::NoColumn { .. } => "realtime.no_column",
            Error::Filter { .. } => "realtime.filter",
            Error::TooManyWanted => "realtime.too_many_wanted",
            Error::Policy(_) => "realtime.policy",
            Error::Database(_) => "realtime.database",
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Error::PrivateOnly => Some(
                "join with config.private = true and write policies on realtime.messages, or set realtime.public_channels".into(),
            ),
            Error::NoEntry { .. } => {
                Some("a select policy on realtime.messages lets people in: docs/how-to/use-channels.md".into())
            }
            Error::NotTold { .. } => Some(
                "alter publication supabase_realtime add table …; grant select on it; a select policy says which rows: docs/how-to/use-channels.md".into(),
            ),
            Error::NotHere { instead, .. } => Some((*instead).into()),
            _ => None,
        }
    }
}
