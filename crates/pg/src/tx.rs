//! Several statements in one transaction.

use crate::{Error, Param, Reply, Rows, Statement};

/// An open transaction, whoever it runs as. Dropped without a commit, it rolls back and its connection is cleaned by
/// its own task before anybody else gets it.
pub struct Open {}

impl Open {
    /// Runs a statement and returns its rows. `sql` is kept prepared: give it constant text.
    pub async fn query<const N: usize>(&mut self, sql: &str, params: [Param; N]) -> Result<Rows, Error> {
        self.run(Statement::new(sql, params)).await
    }

    /// Runs a statement and returns how many rows it touched.
    pub async fn execute<const N: usize>(&mut self, sql: &str, params: [Param; N]) -> Result<u64, Error> {
        Ok(self.query(sql, params).await?.affected)
    }

    /// Runs a statement.
    pub async fn run(&mut self, statement: Statement) -> Result<Rows, Error> {
        let _ = statement;
        todo!()
    }
}

/// A transaction on user data, as a caller.
#[must_use = "a transaction that is not committed rolls back"]
pub struct Tx(Open);

/// A transaction on our own tables, for a [`crate::Reason`].
#[must_use = "a transaction that is not committed rolls back"]
pub struct SystemTx(Open);

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
            pub async fn commit<T>(self, value: T) -> Result<Reply<T>, Error> {
                let _ = value;
                todo!()
            }

            /// Rolls back now, instead of when dropped.
            pub async fn roll_back(self) -> Result<(), Error> {
                todo!()
            }
        }
    };
}
transaction!(Tx);
transaction!(SystemTx);
