//! Tables that one probe makes and takes away.

use crate::bench::{Bench, Trouble};

/// Tables of one probe, gone when it ends; the sweep of the next round takes what was cut short.
pub struct Tables {
    /// What their names begin with.
    pub name: String,
    drop: String,
}

impl Tables {
    /// Makes them and waits until they are served. The first of `named` must be a table that anybody may ask for.
    pub async fn make(bench: &Bench, named: &[&str], sql: impl Fn(&str) -> String) -> Result<Self, Trouble> {
        let name = bench.tenant().await?.name.clone();
        let tables: Vec<String> = named.iter().map(|last| format!("public.{name}_{last}")).collect();
        let tables = Tables { drop: format!("DROP TABLE IF EXISTS {} CASCADE", tables.join(", ")), name };
        let db = bench.sql().await?;
        db.run(&tables.drop).await?;
        db.run(&sql(&tables.name)).await?;
        let path = format!("/rest/v1/{}_{}?limit=0", tables.name, named.first().unwrap_or(&""));
        let served = async || Ok(bench.client("GET", &path).send().await?.status != 404);
        bench.within(5, "the probe's tables to be served", served).await?;
        Ok(tables)
    }

    async fn drop(self, bench: &Bench) -> Result<(), Trouble> {
        bench.sql().await?.run(&self.drop).await
    }
}

/// Runs `look`, and drops the tables whatever came of it.
pub async fn with<T>(
    bench: &Bench,
    tables: Tables,
    look: impl AsyncFnOnce(&str) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let looked = look(&tables.name).await;
    tables.drop(bench).await?;
    looked
}
