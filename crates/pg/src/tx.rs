//! Several statements in one transaction.
//!
//! Nothing is sent until the first statement: BEGIN, the settings and that statement go out in one write. Whatever
//! fails poisons the transaction; what is not committed is rolled back, cleaned and proven idle by the connection's own
//! task before anybody else gets it. A statement whose result nobody reads can wait for the next one ([`Open::queue`]): a
//! round trip less for each.

use std::sync::Arc;

use crate::lanes::batch::{Batch, Cleaning, Ending, Opening, Outcome, State, Work};
use crate::lanes::pool::Lease;
use crate::{Error, Param, Reply, Rows, Statement, limits};

/// An open transaction, whoever it runs as. Dropped without a commit, it rolls back and its connection is cleaned by
/// its own task before anybody else gets it.
pub struct Open {
    lease: Option<Lease>,
    /// What goes in front of the first statement.
    opening: Option<Opening>,
    /// What goes in front of the next statement, in its round trip.
    queued: Vec<Statement>,
    role: Arc<str>,
    failed: bool,
    /// Whether the server has ended the transaction, one way or the other.
    over: bool,
    /// Whether an answer is awaited: true in a dropped transaction means its statement may still run.
    asking: bool,
}

impl Open {
    pub(crate) fn new(lease: Lease, opening: Opening, role: Arc<str>) -> Self {
        Open {
            lease: Some(lease),
            opening: Some(opening),
            queued: Vec::new(),
            role,
            failed: false,
            over: false,
            asking: false,
        }
    }

    /// Runs a statement and returns its rows. `sql` is kept prepared: give it constant text.
    pub async fn query<const N: usize>(&mut self, sql: &str, params: [Param; N]) -> Result<Rows, Error> {
        self.run(Statement::new(sql, params)).await
    }

    /// Runs a statement and returns how many rows it touched.
    pub async fn execute<const N: usize>(&mut self, sql: &str, params: [Param; N]) -> Result<u64, Error> {
        Ok(self.query(sql, params).await?.affected)
    }

    /// Has a statement run in front of the next one, or of the commit, in the same round trip. What it gives is not told;
    /// its failure is that of whatever it goes with: queue only in front of a statement whose failure means the same.
    pub fn queue<const N: usize>(&mut self, sql: &str, params: [Param; N]) {
        self.queued.push(Statement::new(sql, params));
    }

    /// Runs a statement.
    pub async fn run(&mut self, statement: Statement) -> Result<Rows, Error> {
        let mut answers = self.run_all(vec![statement]).await?;
        answers.pop().ok_or_else(|| Error::Bug("a statement without an answer".into()))
    }

    /// Runs several statements in one network round trip. The first that fails ends them all.
    pub async fn run_all(&mut self, statements: Vec<Statement>) -> Result<Vec<Rows>, Error> {
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        let before = self.queued.len();
        self.queued.extend(statements);
        let outcome = self.ask().await?;
        Ok(std::iter::once(outcome.first).chain(outcome.rest).skip(before).collect())
    }

    /// What is queued, as one piece of work.
    fn work(&mut self) -> Result<Work, Error> {
        let limit = limits::PIPELINE;
        if self.queued.len() > limit.size() {
            self.failed = true;
            return Err(Error::Refused(format!(
                "more than {} statements in one pipeline ({})",
                limit.value, limit.name
            )));
        }
        let mut queued = std::mem::take(&mut self.queued);
        Ok(match (queued.pop(), queued.is_empty()) {
            (None, _) => Work::Nothing,
            (Some(one), true) => Work::One(one),
            (Some(last), false) => {
                queued.push(last);
                Work::Many(queued)
            }
        })
    }

    /// Sends a batch that leaves the transaction open.
    async fn ask(&mut self) -> Result<Outcome, Error> {
        // An abandoned question means nobody knows how far this transaction is.
        if self.failed || self.asking {
            return Err(Error::Poisoned);
        }
        let work = self.work()?;
        let opening = self.opening.take().unwrap_or(Opening::Nothing);
        let outcome = match self.send(opening, work, Ending::Stay).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.failed = true;
                return Err(error);
            }
        };
        if outcome.state != State::Open {
            self.failed = true;
            return Err(Error::Bug("a statement ended the transaction it ran in".into()));
        }
        Ok(outcome)
    }

    async fn send(&mut self, opening: Opening, work: Work, ending: Ending) -> Result<Outcome, Error> {
        let Some(lease) = &self.lease else { return Err(Error::Poisoned) };
        let then = if ending == Ending::Stay { Cleaning::None } else { Cleaning::Full };
        let batch =
            Batch { opening, work, ending, role: Arc::clone(&self.role), then, reply: None, sink: None };
        self.asking = true;
        let answer = lease.send(batch).await;
        self.asking = false;
        answer
    }

    /// Gives the connection back: at once when nothing was sent, cleaned when something was.
    fn close(&mut self) {
        if let Some(lease) = self.lease.take() {
            match self.opening {
                Some(_) => lease.give_back(),
                None => lease.abandon(!self.over),
            }
        }
    }

    async fn commit(&mut self) -> Result<(), Error> {
        if self.failed || self.asking {
            return Err(Error::Poisoned);
        }
        if self.opening.is_some() {
            if self.queued.is_empty() {
                return Ok(());
            }
            // Apart from the commit, so that it can be sent again when its plans were of another schema.
            self.ask().await?;
        }
        let work = self.work()?;
        // A refused COMMIT (a deferred constraint) is a rollback. Behind a statement that fails it is not read, nor is what
        // cleans the session: that connection is closed.
        let alone = matches!(work, Work::Nothing);
        let outcome = self.send(Opening::Nothing, work, Ending::Commit).await;
        self.failed = true;
        self.over =
            outcome.is_ok() || alone && outcome.as_ref().is_err_and(|error| error.database().is_some());
        let outcome = outcome?;
        // PostgreSQL answers ROLLBACK to the COMMIT of a transaction that had failed.
        if outcome.tag.as_deref() != Some(b"COMMIT\0") || outcome.state != State::Idle {
            return Err(Error::Poisoned);
        }
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
        Ok(())
    }

    async fn roll_back(&mut self) -> Result<(), Error> {
        if self.opening.is_some() || self.asking {
            return Ok(());
        }
        let outcome = self.send(Opening::Nothing, Work::Nothing, Ending::RollBack).await?;
        if outcome.state == State::Idle
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
        Ok(())
    }
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("role", &self.role).field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close();
    }
}

/// A transaction on user data, as a caller.
#[derive(Debug)]
#[must_use = "a transaction that is not committed rolls back"]
pub struct Tx(pub(crate) Open);

/// A transaction on our own tables, for a [`crate::Reason`].
#[derive(Debug)]
#[must_use = "a transaction that is not committed rolls back"]
pub struct SystemTx(pub(crate) Open);

macro_rules! transaction {
    ($name:ident) => {
        impl std::ops::Deref for $name {
            type Target = Open;
            fn deref(&self) -> &Open {
                &self.0
            }
        }
        impl std::ops::DerefMut for $name {
            fn deref_mut(&mut self) -> &mut Open {
                &mut self.0
            }
        }
        impl $name {
            /// Commits, and makes the reply. An error here means nothing happened, or (when the connection broke)
            /// that it is not known whether it happened.
            pub async fn commit<T>(mut self, value: T) -> Result<Reply<T>, Error> {
                self.0.commit().await?;
                Ok(Reply::committed(value))
            }

            /// Rolls back now, instead of when dropped.
            pub async fn roll_back(mut self) -> Result<(), Error> {
                self.0.roll_back().await
            }
        }
    };
}
transaction!(Tx);
transaction!(SystemTx);
