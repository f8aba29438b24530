//! A batch: what goes to a connection in one write and ends with one Sync.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::PollSender;

use super::prelude::Prelude;
use crate::rows::Frames;
use crate::{Column, Error, Rows, Statement};

/// What goes in front of the statements.
pub(crate) enum Opening {
    /// The transaction is open already, or there is nothing to say.
    Nothing,
    /// Settings of an implicit transaction: it ends with this batch's Sync.
    Implicit(Prelude),
    /// BEGIN of a caller's transaction, then its settings.
    Begin(Prelude),
    /// BEGIN of a transaction that needs no settings.
    Plain,
}

/// The statements.
pub(crate) enum Work {
    Nothing,
    One(Statement),
    Many(Vec<Statement>),
}

impl Work {
    pub(crate) fn statements(&self) -> &[Statement] {
        match self {
            Work::Nothing => &[],
            Work::One(statement) => std::slice::from_ref(statement),
            Work::Many(statements) => statements,
        }
    }

    /// The text of the first one.
    pub(crate) fn first(&self) -> &str {
        self.statements().first().map_or("", |statement| &statement.sql)
    }
}

/// What goes behind the statements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Stay,
    Commit,
    RollBack,
}

/// How a batch ended: what each statement gave, the tag of a COMMIT, and the transaction state the server reported.
pub(crate) struct Outcome {
    pub(crate) first: Rows,
    pub(crate) rest: Vec<Rows>,
    /// The last command's tag, of a batch with an ending.
    pub(crate) tag: Option<bytes::Bytes>,
    pub(crate) state: State,
}

/// The transaction state in ReadyForQuery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Idle,
    Open,
    Failed,
}

/// An error, and where it left the transaction.
pub(crate) type Answer = Result<Outcome, Error>;

/// What cleans a session behind a batch, in the same write but a transaction of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cleaning {
    /// Nothing was or can be left.
    None,
    /// After a read-only transaction, which can make no temporary table and move no sequence.
    AfterRead,
    /// After anything else.
    Full,
}

/// Some rows of a result, with its columns.
pub(crate) type Chunk = (Arc<[Column]>, Frames);

/// A message to a connection's task.
pub(crate) struct Batch {
    pub(crate) opening: Opening,
    pub(crate) work: Work,
    pub(crate) ending: Ending,
    /// The role the statements are prepared under; empty for our own.
    pub(crate) role: Arc<str>,
    /// What cleans the session behind it.
    pub(crate) then: Cleaning,
    pub(crate) reply: Option<oneshot::Sender<Answer>>,
    /// Where its rows go as they come, when they are not held until the end.
    pub(crate) sink: Option<PollSender<Chunk>>,
}

impl Batch {
    /// Answers, if somebody still listens.
    pub(crate) fn answer(&mut self, answer: Answer) {
        if let Some(reply) = self.reply.take() {
            // The caller may be gone: then nobody wants to know.
            let _gone = reply.send(answer);
        }
    }

    /// Whether it opens a transaction, so that after a failure it can be sent again as a whole.
    pub(crate) fn is_whole(&self) -> bool {
        !matches!(self.opening, Opening::Nothing)
    }
}
