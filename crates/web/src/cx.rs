//! What a handler works with.

use std::sync::Arc;

use base::{Caller, Clock, Rng};
use pg::{Error, Mode, Once, Pg, Reply, Rows, Setup, SystemTx, Tx};

/// The name of one request, in the answer's `X-Request-Id`, the log and the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

/// The context of one request: who, when, and the door to the data. Nothing else is stored on a request.
#[derive(Clone)]
pub struct Cx {
    /// The door.
    pub pg: Pg,
    /// Who.
    pub caller: Arc<Caller>,
    /// When.
    pub clock: Clock,
    /// Randomness.
    pub rng: Rng,
    /// The request's name.
    pub request_id: RequestId,
}

impl Cx {
    /// One statement as the caller, in one round trip.
    pub async fn once(&self, ask: Once) -> Result<Reply<Rows>, Error> {
        self.pg.once(&self.caller, ask).await
    }

    /// Several statements as the caller.
    pub async fn begin(&self, mode: Mode) -> Result<Tx, Error> {
        self.pg.begin(&self.caller, mode, Setup::default()).await
    }

    /// Several statements on our own tables.
    pub async fn begin_system(&self, reason: pg::Reason) -> Result<SystemTx, Error> {
        self.pg.begin_system(reason).await
    }
}
