//! The door of this crate: one value that holds the snapshot of the catalog and carries out asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use base::Caller;
use pg::{Claims, Pg, Reason, Reply, Setup};

use crate::ask::{CallAsk, MutateAsk, Outcome, ReadAsk, Rules};
use crate::catalog::{self, Catalog, Scope};
use crate::error::Error;
use crate::plan::{self, Plan};
use crate::{run, sql};

/// The data API's state. Cheap to clone.
#[derive(Clone)]
pub struct Data(Arc<Inner>);

struct Inner {
    pg: Pg,
    scope: Scope,
    catalog: ArcSwap<Catalog>,
    version: AtomicU64,
    /// Held while a snapshot is taken, so that an older one never replaces a newer.
    taking: tokio::sync::Mutex<()>,
}

impl Data {
    /// Without a snapshot yet: the first [`Data::reload`] takes it. `pg` is for the catalog; asks bring their own.
    pub fn new(pg: Pg, scope: Scope) -> Self {
        Data(Arc::new(Inner {
            pg,
            scope,
            catalog: ArcSwap::default(),
            version: AtomicU64::new(0),
            taking: tokio::sync::Mutex::new(()),
        }))
    }

    /// With its first snapshot.
    pub async fn open(pg: Pg, scope: Scope) -> Result<Self, Error> {
        let data = Data::new(pg, scope);
        data.reload().await?;
        Ok(data)
    }

    /// Takes a new snapshot; on failure the old one stays. Called when the database says that something changed
    /// (`NOTIFY palisade_catalog`, `NOTIFY pgrst`), and whenever that may have been missed.
    pub async fn reload(&self) -> Result<u64, Error> {
        let inner = &self.0;
        let _taking = inner.taking.lock().await;
        let mut tx = inner.pg.begin_system(Reason::Catalog).await?;
        let raw = catalog::read(&mut tx, &inner.scope).await?;
        tx.commit(()).await?.into_inner();
        let version = inner.version.fetch_add(1, Ordering::Relaxed) + 1;
        inner.catalog.store(Arc::new(catalog::build(raw, &inner.scope, version)));
        Ok(version)
    }

    /// The snapshot; an empty one of version 0 before the first is taken.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.0.catalog.load_full()
    }

    /// What is looked at and served.
    pub fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// Reads rows.
    pub async fn read(
        &self,
        pg: &Pg,
        caller: &Caller,
        ask: &ReadAsk,
        rules: &Rules,
        setup: Setup,
    ) -> Result<Reply<Outcome>, Error> {
        let catalog = self.taken()?;
        let plan = plan::read(ask, &catalog, rules)?;
        self.run(pg, caller, setup, &ask.relation.schema, &plan, &catalog).await
    }

    /// Writes rows.
    pub async fn mutate(
        &self,
        pg: &Pg,
        caller: &Caller,
        ask: &MutateAsk,
        rules: &Rules,
        setup: Setup,
    ) -> Result<Reply<Outcome>, Error> {
        let catalog = self.taken()?;
        let plan = plan::mutate(ask, &catalog, rules)?;
        self.run(pg, caller, setup, &ask.relation.schema, &plan, &catalog).await
    }

    /// Calls a function.
    pub async fn call(
        &self,
        pg: &Pg,
        caller: &Caller,
        ask: &CallAsk,
        rules: &Rules,
        setup: Setup,
    ) -> Result<Reply<Outcome>, Error> {
        let catalog = self.taken()?;
        let plan = plan::call(ask, &catalog, rules)?;
        self.run(pg, caller, setup, &ask.function.schema, &plan, &catalog).await
    }

    fn taken(&self) -> Result<Arc<Catalog>, Error> {
        let catalog = self.catalog();
        if catalog.version == 0 { Err(Error::NoCatalog) } else { Ok(catalog) }
    }

    async fn run(
        &self,
        pg: &Pg,
        caller: &Caller,
        mut setup: Setup,
        schema: &str,
        plan: &Plan,
        catalog: &Catalog,
    ) -> Result<Reply<Outcome>, Error> {
        if setup.search_path.is_none() {
            setup.search_path = Some(self.search_path(schema));
        }
        if setup.before.is_none() {
            setup.leaves_nothing = matches!(plan.act, plan::Act::Read) && !catalog.reads_leave;
            if setup.leaves_nothing && !catalog.claims_are_read {
                setup.claims = Claims::Subject;
            }
            if !catalog.request_is_read {
                setup.more.retain(|(name, _)| !OF_THE_REQUEST.contains(&&**name));
            }
        }
        run::run(pg, caller, setup, plan, catalog.functions_answer).await
    }

    /// The schema asked for, then the extra path.
    fn search_path(&self, schema: &str) -> Arc<str> {
        let extra = self.0.scope.extra.iter().filter(|name| *name != schema);
        let all: Vec<String> =
            std::iter::once(schema).chain(extra.map(String::as_str)).map(sql::ident).collect();
        all.join(", ").into()
    }
}

/// Settings that only user code reads; each costs PostgreSQL about half a microsecond per request.
const OF_THE_REQUEST: [&str; 4] = ["request.method", "request.path", "request.headers", "request.cookies"];
