//! Channels: people who are connected tell each other things (broadcast) and see who else is there (presence).
//!
//! [`Hub`] is the channels of this node, in memory: nothing of them is kept, and what is said reaches whoever is connected to the same
//! node. Who may be in a private channel is decided by PostgreSQL: policies on `realtime.messages`, tried as the caller in a
//! transaction that is rolled back ([`Realtime::rights`]).
//!
//! [`Changes`] tells who wants to know what changed in tables, if they could read the row.
//!
//! Deliberately absent: HTTP, WebSockets and anybody's wire format; messages from the database, which are refused by name until
//! they are built.
//!
//! Invariant: nobody is in a private channel whom no policy let in, nobody hears of a row they could not read, and no reader makes
//! anybody wait.

pub mod changes;
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
use std::time::Duration;

use audit::{Audit, Entry, Event as AuditEvent};
use base::{Caller, Fault, Settings};
use pg::notify::Listener;
use pg::{Pg, Reason};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub use changes::{Change, Changes, Feed, Surroundings};
pub use error::Error;
pub use hub::{Event, Hears, Hub, Made, Meta, Payload, Seat, State, Topic, What};
pub use queue::{Inbox, Outbox, queue};
pub use rate::Rate;
pub use rights::Rights;
pub use settings::SETTINGS;
pub use sockets::Place;

/// Schemas `realtime`, which is the application's, and `palisade_changes`, which is ours.
pub const MIGRATIONS: &[pg::Migration] = &[
    pg::Migration {
        owner: "realtime",
        version: 1,
        name: "schema",
        sql: include_str!("../migrations/0001_schema.sql"),
    },
    pg::Migration {
        owner: "realtime",
        version: 2,
        name: "changes",
        sql: include_str!("../migrations/0002_changes.sql"),
    },
    pg::Migration {
        owner: "realtime",
        version: 3,
        name: "snapshots",
        sql: include_str!("../migrations/0003_snapshots.sql"),
    },
    // Of another owner, and so of another role: what is read and called as ourselves.
    pg::Migration {
        owner: "changes",
        version: 4,
        name: "changes",
        sql: include_str!("../migrations/0004_changes.sql"),
    },
    pg::Migration {
        owner: "realtime",
        version: 5,
        name: "capture",
        sql: include_str!("../migrations/0005_capture.sql"),
    },
];

/// Everything about channels. Cheap to clone.
#[derive(Clone)]
pub struct Realtime {
    /// The channels.
    pub hub: Hub,
    /// Changes of tables.
    pub changes: Changes,
    pg: Pg,
    audit: Audit,
    sockets: Arc<sockets::Sockets>,
    doubts: Arc<watch::Sender<u64>>,
    asking: Arc<Semaphore>,
    enabled: bool,
    public_channels: bool,
}

impl Realtime {
    /// Nobody is in any channel yet.
    pub fn open(pg: Pg, audit: Audit, settings: &Settings, around: Surroundings) -> Self {
        let public_channels = settings.get(&settings::PUBLIC_CHANNELS);
        let enabled = settings.get(&settings::ENABLED);
        let doubts = Arc::new(watch::Sender::new(0));
        let asking = Arc::new(Semaphore::new(limits::ASKED_AGAIN_MAX.size()));
        let changes = Changes::new(pg.clone(), around);
        Realtime {
            hub: Hub::default(),
            changes,
            pg,
            audit,
            sockets: Arc::default(),
            doubts,
            asking,
            enabled,
            public_channels,
        }
    }

    /// Tells what changes in tables, until `stop`; where channels are not served, nothing.
    pub async fn run(self, listener: Listener, stop: CancellationToken) {
        if self.enabled {
            let policies = stop.run_until_cancelled(self.follow_policies());
            tokio::join!(self.changes.clone().run(listener, stop.clone()), policies);
        }
    }

    /// Looks twice a second, while sockets are open, whether what decides about private channels is still the same.
    async fn follow_policies(&self) {
        // As it is before anybody is in a channel; what changes before the next look is seen by that.
        let mut known = self.policies().await.ok();
        loop {
            tokio::time::sleep(Duration::from_millis(limits::LOOK_MS.value / 2)).await;
            if self.sockets() == 0 {
                continue;
            }
            match self.policies().await {
                Ok(now) if known.as_ref() == Some(&now) => {}
                Ok(now) => {
                    known = Some(now);
                    self.doubts.send_modify(|count| *count += 1);
                }
                Err(error) => {
                    let error = base::fault::chain(&error);
                    tracing::warn!(%error, "it cannot be seen whether policies about channels changed");
                }
            }
        }
    }

    async fn policies(&self) -> Result<String, Error> {
        let mut tx = self.pg.begin_system(Reason::Catalog).await.map_err(Error::Database)?;
        let rows = tx.query(sql::POLICIES, []).await.map_err(Error::Database)?;
        tx.commit(()).await.map_err(Error::Database)?.into_inner();
        rows.first().map_or(Ok(String::new()), |row| row.at(0)).map_err(Error::Database)
    }

    /// Changes whenever policies about channels are others than they were.
    pub fn doubts(&self) -> watch::Receiver<u64> {
        self.doubts.subscribe()
    }

    /// The same as [`Realtime::rights`], when everybody asks at once.
    pub async fn rights_again(&self, caller: &Caller, topic: &Topic) -> Result<Rights, Error> {
        let _place = self.asking.acquire().await;
        self.rights(caller, topic).await
    }

    /// What `caller` may do in a channel. Whoever may neither hear nor see has no business there.
    pub async fn rights(&self, caller: &Caller, topic: &Topic) -> Result<Rights, Error> {
        let rights = self.tried(caller, topic).await?;
        if !rights.hears && !rights.sees {
            return Err(Error::NoEntry { topic: topic.name.to_string() });
        }
        Ok(rights)
    }

    /// The same of a channel that is there to tell of changes: in one without policies nobody hears, sees or speaks where those are not
    /// served, and changes are told by the policies of their tables.
    pub async fn rights_beside_changes(&self, caller: &Caller, topic: &Topic) -> Result<Rights, Error> {
        match self.rights(caller, topic).await {
            Err(Error::PrivateOnly) => Ok(Rights::NONE),
            other => other,
        }
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
