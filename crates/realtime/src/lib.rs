//! Channels: people who are connected tell each other things (broadcast) and see who else is there (presence).
//!
//! [`Hub`] is the channels of this node, in memory: nothing of them is kept, and what is said reaches whoever is connected to the same
//! node. Who may be in a private channel is decided by PostgreSQL: policies on `realtime.messages`, tried as the caller in a
//! transaction that is rolled back ([`Realtime::rights`]).
//!
//! Deliberately absent: HTTP, WebSockets and anybody's wire format; changes of tables and messages from the database, which are
//! refused by name until they are built.
//!
//! Invariant: nobody is in a private channel whom no policy let in, and no reader makes anybody wait.

mod error;
mod hub;
pub mod limits;
mod queue;
mod rate;
mod rights;
pub mod settings;
mod sockets;
pub mod sql;

use std::sync::Arc;

use audit::{Audit, Entry, Event as AuditEvent};
use base::{Caller, Fault, Settings};
use pg::Pg;

pub use error::Error;
pub use hub::{Event, Hears, Hub, Made, Meta, Payload, Seat, State, Topic, What};
pub use queue::{Inbox, Outbox, queue};
pub use rate::Rate;
pub use rights::Rights;
pub use settings::SETTINGS;
pub use sockets::Place;

/// Schema `realtime`.
pub const MIGRATIONS: &[pg::Migration] = &[pg::Migration {
    owner: "realtime",
    version: 1,
    name: "schema",
    sql: include_str!("../migrations/0001_schema.sql"),
}];

/// Everything about channels. Cheap to clone.
#[derive(Clone)]
pub struct Realtime {
    /// The channels.
    pub hub: Hub,
    pg: Pg,
    audit: Audit,
    sockets: Arc<sockets::Sockets>,
    public_channels: bool,
}

impl Realtime {
    /// Nobody is in any channel yet.
    pub fn open(pg: Pg, audit: Audit, settings: &Settings) -> Self {
        let public_channels = settings.get(&settings::PUBLIC_CHANNELS);
        Realtime { hub: Hub::default(), pg, audit, sockets: Arc::default(), public_channels }
    }

    /// What `caller` may do in a channel. Whoever may neither hear nor see has no business there.
    pub async fn rights(&self, caller: &Caller, topic: &Topic) -> Result<Rights, Error> {
        let rights = self.tried(caller, topic).await?;
        if !rights.hears && !rights.sees {
            return Err(Error::NoEntry { topic: topic.name.to_string() });
        }
        Ok(rights)
    }

    /// Refuses whoever may not speak in a channel, in it or not.
    pub async fn require_voice(&self, caller: &Caller, topic: &Topic) -> Result<(), Error> {
        if self.tried(caller, topic).await?.speaks {
            return Ok(());
        }
        Err(Error::NoVoice { topic: topic.name.to_string(), verb: "broadcast" })
    }

    async fn tried(&self, caller: &Caller, topic: &Topic) -> Result<Rights, Error> {
        match topic.private {
            true => rights::tried(&self.pg, caller, &topic.name).await,
            false if self.public_channels => Ok(Rights::ALL),
            false => Err(Error::PrivateOnly),
        }
    }

    /// Records what was refused in a channel; the same within a while is one entry with a count.
    pub fn refused(&self, caller: &Caller, topic: &str, error: &Error) {
        let entry = Entry::by(caller, AuditEvent::RealtimeRefused)
            .from_address(caller.address)
            .refused(error.code())
            .detail("channel", topic.to_owned());
        self.audit.refused(entry);
    }
}
