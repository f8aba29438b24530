//! Row level security that can be trusted: a linter, a generator of isolation policies, a tester as anybody, the reasons
//! why somebody can or cannot reach a row, and a prover over small databases.
//!
//! Knows no HTTP, and whom to ask about is told by whoever calls. Invariant: nothing here changes the database; what
//! writes runs in a transaction that is rolled back.

pub mod access;
pub mod error;
pub mod facts;
pub mod generate;
pub mod grants;
pub mod limits;
pub mod lint;
pub mod prove;
pub mod sql;
pub mod text;

use std::sync::Arc;

use base::Caller;
use pg::{Pg, Reason};
use serde_json::{Map, Value};

pub use error::Error;
pub use facts::Facts;

/// Judges the policies of one database. Cheap to clone.
#[derive(Clone)]
pub struct Policies {
    pg: Pg,
    exposed: Arc<[String]>,
}

impl Policies {
    /// Over the schemas that are served. Nothing is looked at before something is asked.
    pub fn new(pg: Pg, exposed: &[String]) -> Self {
        Policies { pg, exposed: exposed.into() }
    }

    /// Everything there is to be judged, as it is now.
    pub async fn facts(&self) -> Result<Facts, Error> {
        let mut tx = self.pg.begin_system(Reason::Catalog).await?;
        let facts = Facts::read(&mut tx, &self.exposed).await?;
        tx.roll_back().await?;
        Ok(facts)
    }

    /// What every role may do that a caller can be, or what one may do.
    pub async fn grants(&self, role: Option<&str>) -> Result<Vec<grants::Role>, Error> {
        grants::read(&self.pg, role).await
    }

    /// Why `caller` can or cannot do `verb` to a row: `public.notes:17`, or a table for an insert.
    pub async fn explain(
        &self,
        caller: &Caller,
        row: &str,
        verb: access::Verb,
        values: &Map<String, Value>,
    ) -> Result<access::Explanation, Error> {
        access::explain(&self.pg, caller, &self.facts().await?, row, verb, values).await
    }

    /// What `caller` reaches of a table by all four verbs.
    pub async fn try_all(
        &self,
        caller: &Caller,
        table: &str,
        new: &Map<String, Value>,
    ) -> Result<access::Trial, Error> {
        access::try_all(&self.pg, caller, &self.facts().await?, table, new).await
    }

    /// Proves or refutes that people never reach each other's rows, on `copy`: a way into a copy of the database
    /// without rows, as somebody who may fill it and do nothing elsewhere. Nothing stays there either.
    pub async fn prove_on(
        &self,
        copy: &pg::admin::Target,
        table: Option<&str>,
    ) -> Result<Vec<prove::Proof>, Error> {
        let client = copy.connect().await?;
        client.batch_execute("BEGIN").await?;
        let facts = Facts::read_as(&client, &self.exposed).await?;
        let proofs = prove::prove(&client, &facts, table).await;
        // When this fails the connection is gone, and with it the transaction.
        let ended = client.batch_execute("ROLLBACK").await;
        let proofs = proofs?;
        ended?;
        Ok(proofs)
    }
}
