//! Row level security that can be trusted: a linter, a generator of isolation policies, a tester as anybody, the reasons
//! why somebody can or cannot reach a row, and a prover over small databases.
//!
//! Knows no HTTP, and whom to ask about is told by whoever calls. Invariant: nothing here changes the database; what
//! writes runs in a transaction that is rolled back.

pub mod error;
pub mod facts;
pub mod generate;
pub mod limits;
pub mod lint;
pub mod sql;
pub mod text;

use std::sync::Arc;

use pg::{Pg, Reason};

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
}
