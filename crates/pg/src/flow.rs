//! A result as it comes.
//!
//! Invariant: a flow that did not end well says so; it never just stops.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::lanes::batch::{Answer, Chunk, State};
use crate::rows::Frames;
use crate::{Column, Error, Loan, Rows};

/// The rows of one read, some at a time. Dropped early, it stops the statement.
pub struct Flow {
    pub(crate) chunks: mpsc::Receiver<Chunk>,
    pub(crate) end: Option<oneshot::Receiver<Answer>>,
    pub(crate) loan: Loan,
    /// Until its connection is somebody else's.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

impl Flow {
    /// The next rows; `None` when that was all of them. The statement is over then.
    pub async fn next(&mut self) -> Result<Option<Rows>, Error> {
        if let Some((columns, frames)) = self.chunks.recv().await {
            return Ok(Some(rows(columns, frames)));
        }
        let Some(end) = self.end.take() else { return Ok(None) };
        let answer = end.await.unwrap_or_else(|_| Err(Error::gone()));
        self.loan.settle(&answer);
        self.place = None;
        let outcome = answer?;
        if outcome.state != State::Idle {
            return Err(Error::Bug("a statement left its own transaction open".into()));
        }
        // What came together with the end, and the columns even of no rows.
        Ok(Some(outcome.first))
    }
}

fn rows(columns: Arc<[Column]>, frames: Frames) -> Rows {
    Rows { columns, affected: frames.count() as u64, frames }
}
