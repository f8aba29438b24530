//! The door of this crate: one value that holds the snapshot of the catalog and carries out asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use base::{Caller, DbRole};
use bytes::Bytes;
use pg::{Claims, Param, Pg, Reason, Reply, Setup};

use crate::ask::{CallAsk, Count, MutateAsk, Name, Outcome, ReadAsk, Rules};
use crate::catalog::{self, Before, Catalog, Scope};
use crate::error::Error;
use crate::fields::{self, Report};
use crate::held::Held;
use crate::limits::FLOW_ROWS_MIN;
use crate::permitted;
use crate::plan::{self, Plan};
use crate::run;
use crate::sql::{self, Compiled};

/// Told of a caller and of the honey row that they read.
pub type OnBait = Arc<dyn Fn(&Caller, &str) + Send + Sync>;

/// The data API's state. Cheap to clone.
#[derive(Clone)]
pub struct Data(Arc<Inner>);

struct Inner {
    pg: Pg,
    scope: Scope,
    catalog: ArcSwap<Catalog>,
    version: AtomicU64,
    /// How long answers to writes that may come again are kept.
    retention: Duration,
    /// Large answers that are being sent.
    held: Held,
    /// Told of whoever reads a row that nobody has a reason to read, and of its name.
    on_bait: OnBait,
    /// Held while a snapshot is taken, so that an older one never replaces a newer.
    taking: tokio::sync::Mutex<()>,
}

/// A read that was planned and written for one snapshot of the catalog, with places for values.
pub struct Prepared {
    plan: Plan,
    compiled: Compiled,
    /// The parameter of each value.
    places: Vec<usize>,
    schema: String,
    version: u64,
}

impl Data {
    /// Without a snapshot yet: the first [`Data::reload`] takes it. `pg` is for the catalog; asks bring their own.
    pub fn new(pg: Pg, scope: Scope) -> Self {
        Data::keeping(pg, scope, RETENTION, Arc::new(|_, _| ()))
    }

    fn keeping(pg: Pg, scope: Scope, retention: Duration, on_bait: OnBait) -> Self {
        Data(Arc::new(Inner {
            retention,
            on_bait,
            pg,
            scope,
            catalog: ArcSwap::default(),
            version: AtomicU64::new(0),
            held: Held::default(),
            taking: tokio::sync::Mutex::new(()),
        }))
    }

    /// With its first snapshot.
    pub async fn open(pg: Pg, scope: Scope) -> Result<Self, Error> {
        Data::open_keeping(pg, scope, RETENTION, Arc::new(|_, _| ())).await
    }

    /// The same, with how long answers to writes that may come again are kept, and who is told of baits that are read.
    pub async fn open_keeping(
        pg: Pg,
        scope: Scope,
        retention: Duration,
        on_bait: OnBait,
    ) -> Result<Self, Error> {
        let data = Data::keeping(pg, scope, retention, on_bait);
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
        if let Before::Refused(refusal) = &raw.before {
            let (schema, name, fix) = (&*refusal.schema, &*refusal.name, refusal.fix.as_deref());
            tracing::error!(schema, name, fix, "{}", refusal.why.reason());
        }
        let catalog = catalog::build(raw, &inner.scope, version);
        inner.pg.nothing_prepares(!catalog.code_prepares);
        inner.catalog.store(Arc::new(catalog));
        Ok(version)
    }

    /// Looks whether something changed that nobody tells of, and then takes a new snapshot: settings and rights of roles, and where
    /// schema changes are not announced (no superuser, so no event trigger) the schema. Returns whether there was such a change.
    pub async fn look(&self) -> Result<bool, Error> {
        let catalog = self.catalog();
        if catalog.version == 0 {
            return Ok(false);
        }
        let mut tx = self.0.pg.begin_system(Reason::Catalog).await?;
        let mut same = catalog::roles(&mut tx).await? == catalog.roles;
        same = same && catalog::rights(&mut tx).await? == catalog.rights;
        if same && !catalog.is_heard {
            same = catalog::fingerprint(&mut tx).await? == catalog.fingerprint;
        }
        tx.commit(()).await?.into_inner();
        if same {
            return Ok(false);
        }
        self.reload().await.map(|_| true)
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
        let plan = self.planned(pg, caller, ask, rules, &catalog).await?;
        self.run(pg, caller, setup, &ask.relation.schema, (&plan, sql::compile(&plan)), &catalog).await
    }

    /// The plan of a read. A guess at the total is the planner's, who knows of rows that policies hide by their number and by the
    /// values that are frequent among them: whomever policies bind is told what they see, counted.
    async fn planned(
        &self,
        pg: &Pg,
        caller: &Caller,
        ask: &ReadAsk,
        rules: &Rules,
        catalog: &Catalog,
    ) -> Result<Plan, Error> {
        let mut plan = match plan::read(ask, catalog, rules) {
            Ok(plan) => plan,
            Err(error) => return Err(self.told(pg, caller, &ask.relation.schema, error).await),
        };
        if self.0.scope.gate && caller.role != DbRole::service() {
            plan.terms.count = plan.terms.count.map(|_| Count::Exact);
        }
        Ok(plan)
    }

    /// Reads rows as they come, where the ask allows more than [`FLOW_ROWS_MIN`] and nothing needs to be known of them
    /// before; `None` for [`Data::read`].
    pub async fn stream(
        &self,
        pg: &Pg,
        caller: &Caller,
        ask: &ReadAsk,
        rules: &Rules,
        setup: Setup,
    ) -> Result<Option<run::Begun>, Error> {
        let catalog = self.taken()?;
        let most = [ask.level.limit, rules.max_rows].into_iter().flatten().min();
        if most.is_some_and(|most| most <= FLOW_ROWS_MIN.value as i64) {
            return Ok(None);
        }
        let plan = self.planned(pg, caller, ask, rules, &catalog).await?;
        let compiled = sql::compile(&plan);
        if !run::flows(&plan, &compiled, catalog.functions_answer) {
            return Ok(None);
        }
        let mut setup = self.fitted(caller, setup, &ask.relation.schema, &plan, &catalog)?;
        run::surround(&mut setup, &plan);
        Ok(Some(match run::flow(pg, caller, setup, &plan, compiled).await? {
            run::Begun::Whole(reply) => run::Begun::Whole(self.counted(reply, true)?),
            begun @ run::Begun::Stream(_) => begun,
        }))
    }

    /// A read whose ask has marks for values ([`crate::query::shape`]), ready for any values; `None` where some mark has
    /// no place of its own, or rows are to be explained or guessed at.
    pub fn prepare(&self, ask: &ReadAsk, rules: &Rules, values: usize) -> Result<Option<Prepared>, Error> {
        let catalog = self.taken()?;
        let plan = plan::read(ask, &catalog, rules)?;
        let compiled = sql::compile(&plan);
        let flows = run::flows(&plan, &compiled, catalog.functions_answer);
        if compiled.guess.is_some() || plan.terms.explain.is_some() || flows {
            return Ok(None);
        }
        let mut places = Vec::with_capacity(values);
        for index in 0..values {
            let mark = Param::from(crate::query::mark(index));
            let mut found = compiled.main.params.iter().enumerate().filter(|(_, param)| **param == mark);
            match (found.next(), found.next()) {
                (Some((at, _)), None) => places.push(at),
                _ => return Ok(None),
            }
        }
        let schema = ask.relation.schema.clone();
        Ok(Some(Prepared { plan, compiled, places, schema, version: catalog.version }))
    }

    /// Reads rows as prepared; `None` when the catalog is another by now.
    pub async fn read_prepared(
        &self,
        pg: &Pg,
        caller: &Caller,
        prepared: &Prepared,
        values: Vec<String>,
        setup: Setup,
    ) -> Result<Option<Reply<Outcome>>, Error> {
        let catalog = self.taken()?;
        if catalog.version != prepared.version || values.len() != prepared.places.len() {
            return Ok(None);
        }
        let mut compiled = prepared.compiled.clone();
        for (at, value) in prepared.places.iter().zip(values) {
            if let Some(param) = compiled.main.params.get_mut(*at) {
                *param = value.into();
            }
        }
        self.run(pg, caller, setup, &prepared.schema, (&prepared.plan, compiled), &catalog).await.map(Some)
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
        let plan = match plan::mutate(ask, &catalog, rules) {
            Ok(plan) => plan,
            Err(error) => {
                let error = self.told(pg, caller, &ask.relation.schema, error).await;
                return Err(self.told_of_a_field(pg, caller, &ask.relation, error).await);
            }
        };
        self.run(pg, caller, setup, &ask.relation.schema, (&plan, sql::compile(&plan)), &catalog).await
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
        let plan = match plan::call(ask, &catalog, rules) {
            Ok(plan) => plan,
            Err(error) => return Err(self.told(pg, caller, &ask.function.schema, error).await),
        };
        self.run(pg, caller, setup, &ask.function.schema, (&plan, sql::compile(&plan)), &catalog).await
    }

    /// A refusal without names of what its caller may use nothing of. Where everything is served, everything may be named.
    async fn told(&self, pg: &Pg, caller: &Caller, schema: &str, mut error: Error) -> Error {
        if let Error::AmbiguousRelationship { candidates, .. } = &mut error
            && self.0.scope.gate
        {
            let setup = Setup { search_path: Some(self.search_path(schema)), ..Setup::default() };
            let may = permitted::read(pg, caller, &self.catalog(), schema, setup).await.unwrap_or_default();
            candidates.retain(|one| one.relations.iter().all(|oid| may.relations.contains(oid)));
        }
        error
    }

    /// What a column asks for is told to whoever may use it.
    async fn told_of_a_field(&self, pg: &Pg, caller: &Caller, asked: &Name, mut error: Error) -> Error {
        if let Error::Field(fault) = &mut error
            && self.0.scope.gate
            && let Some(relation) = self.catalog().find(&asked.schema, &asked.name)
        {
            let may = permitted::columns(pg, caller, &[relation.oid]).await.unwrap_or_default();
            let column = relation.column(&fault.column).map(|column| (relation.oid, column.number));
            if !column.is_some_and(|column| may.contains(&column)) {
                "is not yours to write".clone_into(&mut fault.says);
            }
        }
        error
    }

    /// What is known of a refused write, without what its caller may use nothing of.
    pub async fn blamed(&self, pg: &Pg, caller: &Caller, ask: &MutateAsk, error: &Error) -> Option<Report> {
        let catalog = self.catalog();
        let report = fields::of(&catalog, ask, error)?;
        Some(self.within(pg, caller, report).await)
    }

    /// A report without what its caller may use nothing of. Where everything is served, everything may be named.
    pub async fn within(&self, pg: &Pg, caller: &Caller, report: Report) -> Report {
        if !self.0.scope.gate || !report.names() {
            return report;
        }
        let may = permitted::columns(pg, caller, &report.about).await.unwrap_or_default();
        report.within(&self.catalog(), &may)
    }

    fn taken(&self) -> Result<Arc<Catalog>, Error> {
        let catalog = self.catalog();
        if catalog.version == 0 { Err(Error::NoCatalog) } else { Ok(catalog) }
    }

    async fn run(
        &self,
        pg: &Pg,
        caller: &Caller,
        setup: Setup,
        schema: &str,
        (plan, compiled): (&Plan, Compiled),
        catalog: &Catalog,
    ) -> Result<Reply<Outcome>, Error> {
        let setup = self.fitted(caller, setup, schema, plan, catalog)?;
        let answers = catalog.functions_answer;
        let around =
            run::Around { answers, retention: self.0.retention, watched: catalog.writes_are_watched };
        let reply = run::run(pg, caller, setup, plan, compiled, around).await?.try_map(|outcome| {
            self.tell_of_reads(caller, outcome.touched.as_deref());
            Ok::<_, Error>(outcome)
        })?;
        self.counted(reply, !plan.writes)
    }

    /// Tells of honey rows whose names a read left.
    pub(crate) fn tell_of_reads(&self, caller: &Caller, names: Option<&str>) {
        let mut names: Vec<&str> = names.into_iter().flat_map(|names| names.split(',')).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().for_each(|name| (self.0.on_bait)(caller, name));
    }

    /// A large answer counts until it is sent; one that would be too much is refused, where nothing was written.
    fn counted(&self, reply: Reply<Outcome>, refuses: bool) -> Result<Reply<Outcome>, Error> {
        reply.try_map(|mut outcome| {
            outcome.body = self.0.held.keep(outcome.body, refuses)?;
            Ok(outcome)
        })
    }

    /// The same for an answer that was made of others' bytes: a read's, which is refused where it would be too much.
    pub fn hold(&self, body: Bytes) -> Result<Bytes, Error> {
        self.0.held.keep(body, true)
    }

    /// And for what has happened already: its answer is given.
    pub fn hold_written(&self, body: Bytes) -> Bytes {
        self.0.held.keep_written(body)
    }

    /// Bytes of large answers that are being sent.
    pub fn held_bytes(&self) -> u64 {
        self.0.held.now()
    }

    /// How long answers to writes that may come again are kept.
    pub fn retention(&self) -> Duration {
        self.0.retention
    }

    /// What surrounds any read of a caller's in a schema, for whoever asks PostgreSQL as them without a plan: the settings of their
    /// role, the path of names, the function that is called first.
    pub fn surroundings(&self, caller: &Caller, schema: &str) -> Result<Setup, Error> {
        let mut setup = Setup::default();
        self.taken()?.surround(&mut setup, caller)?;
        setup.search_path = Some(self.search_path(schema));
        Ok(setup)
    }

    /// What surrounds a plan, without what nobody there looks at.
    fn fitted(
        &self,
        caller: &Caller,
        mut setup: Setup,
        schema: &str,
        plan: &Plan,
        catalog: &Catalog,
    ) -> Result<Setup, Error> {
        catalog.surround(&mut setup, caller)?;
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
        Ok(setup)
    }

    /// The schema asked for, then the extra path.
    fn search_path(&self, schema: &str) -> Arc<str> {
        let extra = self.0.scope.extra.iter().filter(|name| *name != schema);
        let all: Vec<String> =
            std::iter::once(schema).chain(extra.map(String::as_str)).map(sql::ident).collect();
        all.join(", ").into()
    }
}

/// The setting's default, for those without settings.
const RETENTION: Duration = Duration::from_secs(24 * 3600);

/// Settings that only user code reads; each costs PostgreSQL about half a microsecond per request.
const OF_THE_REQUEST: [&str; 4] = ["request.method", "request.path", "request.headers", "request.cookies"];
