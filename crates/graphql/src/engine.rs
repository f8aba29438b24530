//! One request's way: text → document → measured → plan → statement → answer, each step kept for the next time.
//!
//! Invariant: limits are checked before a schema is looked at, cost before anything is planned, and both before the
//! database is asked. What is kept is keyed by role and by the catalog's version, so that nothing outlives a revoked right.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base::{Caller, Repeat};
use data::Data;
use data::catalog::Catalog;
use data::graph::{self, CompiledChange};
use gql::coerce::{Seen, Variables};
use gql::doc::{Document, Operation, OperationKind};
use gql::{Bounds, Schema};
use pg::{Param, Pg, Reply, Setup};
use quick_cache::sync::Cache;
use serde_json::{Map, Value as Json};

use crate::answer::{self, Problem, Told};
use crate::bind::Bind;
use crate::config::{Config, Introspection};
use crate::error::Error;
use crate::limits::{DOCUMENTS_CACHED_MAX, PLAN_VARIANTS_MAX, PLANS_CACHED_MAX, SCHEMAS_CACHED_MAX};
use crate::plan::{Plan, Planning, Unplanned, Weighed};
use crate::request::Request;
use crate::resolve::Tables;
use crate::values::Style;
use crate::world::{Broken, World};

/// The schema of a role, and what it was made of.
#[derive(Debug)]
pub struct RoleSchema {
    /// The schema.
    pub schema: Schema<Bind>,
    /// Tables by name.
    pub tables: Tables,
    /// The snapshot.
    pub catalog: Arc<Catalog>,
}

/// A schema, or why there is none.
pub type Made = Arc<Result<RoleSchema, Broken>>;

/// A hash of a text: 32 bytes that nobody can make another text for.
pub type Hash = [u8; 32];

/// What names a plan: document, operation, role, version of the catalog, and whether the schema may be read.
type PlanKey = (Hash, usize, Arc<str>, u64, bool);

/// Plans of one document for one role, by how its variables shape them.
#[derive(Default)]
struct Plans {
    seen: Seen,
    by_shape: HashMap<String, Arc<Plan>>,
}

/// One convention over the data.
pub struct Engine {
    /// Which.
    pub style: Style,
    /// How it is set.
    pub config: Config,
    data: Data,
    schemas: Cache<(Arc<str>, u64), Made>,
    documents: Cache<Hash, Arc<Document>>,
    plans: Cache<PlanKey, Arc<Mutex<Plans>>>,
}

/// Where a request runs.
pub struct Place<'a> {
    /// The door to the data.
    pub pg: &'a Pg,
    /// Who asks.
    pub caller: &'a Caller,
    /// Whether they are an administrator.
    pub admin: bool,
    /// What SQL sees of the request.
    pub setup: Setup,
    /// Whether it may change anything.
    pub may_change: bool,
    /// What makes changes that come again the same changes.
    pub repeat: Option<Repeat>,
}

impl Engine {
    /// A convention over `data`.
    pub fn new(style: Style, config: Config, data: Data) -> Self {
        Engine {
            style,
            config,
            data,
            schemas: Cache::new(SCHEMAS_CACHED_MAX.size()),
            documents: Cache::new(DOCUMENTS_CACHED_MAX.size()),
            plans: Cache::new(PLANS_CACHED_MAX.size()),
        }
    }

    /// The data below.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The schema of the caller's role.
    pub async fn schema(&self, pg: &Pg, caller: &Caller) -> Result<Made, Error> {
        let catalog = self.data.catalog();
        let key = (caller.role.shared(), catalog.version);
        if let Some(found) = self.schemas.get(&key) {
            return Ok(found);
        }
        let schemas = catalog.exposed().iter().map(ToString::to_string).collect();
        let rights = graph::rights::read(pg, caller, schemas).await?;
        let made = make(self.style, &catalog, &rights, self.config.aggregates);
        let made = Arc::new(made);
        self.schemas.insert(key, made.clone());
        Ok(made)
    }

    /// Answers one operation. `spent` is what others of the same request cost already.
    pub async fn answer(
        &self,
        request: &Request,
        place: Place<'_>,
        spent: &mut u64,
    ) -> Result<Reply<Told>, Error> {
        let refused = |problem: Problem| Ok(Reply::untouched(answer::refused(problem), "nothing was asked"));
        // Before it is hashed: what is too long is not worth that.
        let bytes = request.query.as_ref().map_or(0, |query| query.len()) as u64;
        if let Err(error) = gql::Error::within("document_bytes_max", bytes, self.config.bounds.bytes) {
            return refused(error.into());
        }
        let text = match self.config.persisted.text(request) {
            Ok(text) => text,
            Err(problem) => return refused(problem),
        };
        let hash = crate::persisted::hash(&text);
        let document = match self.document(&text, hash) {
            Ok(document) => document,
            Err(error) => return refused(error.into()),
        };
        let none = Map::new();
        let given = match &request.variables {
            None | Some(Json::Null) => &none,
            Some(Json::Object(given)) => given,
            Some(_) => return refused(Problem::words("variables must be an object")),
        };
        let (at, operation) = match choose(&document, request.operation.as_deref()) {
            Ok(found) => found,
            Err(problem) => return refused(problem),
        };
        match operation.kind {
            OperationKind::Subscription => {
                return refused(Error::Subscription.into());
            }
            OperationKind::Mutation if !place.may_change => return Err(Error::Method),
            OperationKind::Mutation | OperationKind::Query => {}
        }
        let measured = match gql::measure(&document, operation, &self.config.bounds) {
            Ok(measured) => measured,
            Err(error) => return refused(error.into()),
        };
        let schema = self.schema(place.pg, place.caller).await?;
        let role = match &*schema {
            Ok(role) => role,
            Err(Broken(why)) => {
                let words = format!("Error while loading schema, check comment directives. {why}");
                return refused(Problem::words(&words));
            }
        };
        let reads_schema = self.config.introspection != Introspection::Administrators || place.admin;
        let key = (hash, at, place.caller.role.shared(), role.catalog.version, reads_schema);
        let variables = Variables { declared: &operation.variables, given };
        let plans = self.plans_of(&key);
        let plan = match found(&plans, &variables) {
            Some(plan) => plan,
            None => {
                let hidden = |_: &str| true;
                let by_comment = |group: &str| says_introspection(&role.catalog, group);
                let planning = Planning {
                    role,
                    document: &document,
                    operation,
                    variables,
                    shows: self.shows(place.admin, &role.catalog, &hidden, &by_comment),
                    max_rows: self.config.max_rows,
                };
                let mut seen = Seen::default();
                let complexity = planning.complexity(&mut seen);
                let weighed = Weighed { measured, complexity };
                if let Err(error) = self.affords(complexity, *spent) {
                    return refused(error.into());
                }
                match planning.plan(weighed, seen) {
                    Ok(plan) if plan.errors.is_empty() => keep(&plans, Arc::new(plan), &variables),
                    // What is wrong with the values of one request is wrong with no other's.
                    Ok(plan) => Arc::new(plan),
                    Err(Unplanned::Document(error)) => return refused(error.into()),
                    Err(Unplanned::Data(error)) => return Err(error.into()),
                }
            }
        };
        let complexity = plan.weighed.complexity;
        if let Err(error) = self.affords(complexity, *spent) {
            return refused(error.into());
        }
        *spent = spent.saturating_add(complexity);
        self.run(&plan, role, &variables, place, request.wants_cost).await
    }

    fn affords(&self, complexity: u64, spent: u64) -> Result<(), gql::Error> {
        let all = complexity.saturating_add(spent);
        gql::Error::within("max_complexity", all, self.config.bounds.complexity)
    }

    /// Which types may be read about; nothing when none.
    fn shows<'s>(
        &self,
        admin: bool,
        catalog: &Catalog,
        all: &'s dyn Fn(&str) -> bool,
        by_comment: &'s dyn Fn(&str) -> bool,
    ) -> Option<&'s dyn Fn(&str) -> bool> {
        match self.config.introspection {
            Introspection::Everyone => Some(all),
            Introspection::Administrators => admin.then_some(all),
            Introspection::ByComment => {
                let any = catalog.exposed().iter().any(|schema| says_introspection(catalog, schema));
                any.then_some(by_comment)
            }
        }
    }

    fn document(&self, text: &str, hash: Hash) -> Result<Arc<Document>, gql::Error> {
        if let Some(found) = self.documents.get(&hash) {
            return Ok(found);
        }
        let bounds: &Bounds = &self.config.bounds;
        let document = Arc::new(gql::parse(text, bounds)?);
        self.documents.insert(hash, document.clone());
        Ok(document)
    }

    fn plans_of(&self, key: &PlanKey) -> Arc<Mutex<Plans>> {
        if let Some(found) = self.plans.get(key) {
            return found;
        }
        let made = Arc::new(Mutex::new(Plans::default()));
        self.plans.insert(key.clone(), made.clone());
        made
    }

    async fn run(
        &self,
        plan: &Plan,
        role: &RoleSchema,
        variables: &Variables<'_>,
        place: Place<'_>,
        wants_cost: bool,
    ) -> Result<Reply<Told>, Error> {
        let mut slots: Vec<Param> = Vec::with_capacity(plan.slots.len());
        for leaf in &plan.slots {
            match variables.leaf(leaf) {
                Ok(plain) => slots.push(plain.text().into()),
                Err(error) => {
                    return Ok(Reply::untouched(answer::refused(error.into()), "a variable was refused"));
                }
            }
        }
        let cost = wants_cost.then_some((&plan.weighed, &self.config.bounds));
        let mut setup = place.setup;
        setup.search_path = Some(search_path(self.data.scope()));
        let outcome = if !plan.changes.is_empty() {
            let changes: Vec<(CompiledChange, Vec<Param>)> =
                plan.changes.iter().map(|(change, _)| (change.clone(), slots.clone())).collect();
            let repeat = place.repeat.as_ref().map(|repeat| (repeat, self.data.retention()));
            graph::run_write(place.pg, place.caller, &role.catalog, setup, &changes, repeat).await
        } else if let Some(read) = &plan.read {
            graph::run_read(&self.data, place.pg, place.caller, &role.catalog, setup, read, &slots).await
        } else {
            Ok(Reply::untouched(Vec::new(), "everything was known"))
        };
        match outcome {
            Ok(reply) => reply.try_map(|values| {
                let told = answer::put(plan, &values, cost);
                let body = match plan.changes.is_empty() {
                    true => self.data.hold(told.body)?,
                    false => self.data.hold_written(told.body),
                };
                Ok(Told { body, ..told })
            }),
            Err(error) => {
                let report = answer::reported(plan, &slots, &error, &role.catalog);
                let report = self.data.within(place.pg, place.caller, report).await;
                answer::failed(plan, error, report, self.config.outspoken, &role.catalog)
                    .map(|told| Reply::untouched(told, "the database refused, and rolled back"))
            }
        }
    }
}

/// The schema of a convention for rights.
fn make(
    style: Style,
    catalog: &Arc<Catalog>,
    rights: &graph::Rights,
    aggregates: bool,
) -> Result<RoleSchema, Broken> {
    let world = World::new(catalog, rights, style, aggregates)?;
    let schema = match style {
        Style::Relay => crate::relay::schema(&world),
        Style::Plain => crate::plain::schema(&world),
    };
    let tables = world
        .entries
        .iter()
        .map(|entry| {
            let name = &entry.table.name;
            ((name.schema.clone(), name.name.clone()), entry.table.clone())
        })
        .collect();
    Ok(RoleSchema { schema, tables, catalog: catalog.clone() })
}

/// Exposed schemas, then the others that names may come from.
fn search_path(scope: &data::Scope) -> Arc<str> {
    scope.schemas().iter().map(|name| data::sql::ident(name)).collect::<Vec<_>>().join(", ").into()
}

fn says_introspection(catalog: &Catalog, schema: &str) -> bool {
    let said = crate::names::directives(catalog.comments.get(schema).map(|comment| &**comment));
    said.get("introspection").and_then(Json::as_bool).unwrap_or(false)
}

/// The operation meant.
fn choose<'d>(document: &'d Document, name: Option<&str>) -> Result<(usize, &'d Operation), Problem> {
    let operations = &document.operations;
    if operations.len() > 1 && operations.iter().any(|one| one.name.is_none()) {
        return Err(Problem::words("Anonymous operations must be the only defined operation"));
    }
    let mut names: Vec<&str> = operations.iter().filter_map(|one| one.name.as_deref()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(Problem::words("Operation names must be unique"));
    }
    let meant = |one: &&'d Operation| match name {
        Some(name) => one.name.as_deref() == Some(name),
        None => operations.len() == 1,
    };
    // A fragment that goes in circles is refused whatever is meant.
    let found = operations.iter().enumerate().find(|(_, one)| meant(one));
    found.ok_or_else(|| Problem::words("Operation not found"))
}

/// The plan that was made for variables of this shape.
fn found(plans: &Mutex<Plans>, variables: &Variables<'_>) -> Option<Arc<Plan>> {
    let plans = plans.lock().unwrap_or_else(PoisonError::into_inner);
    if plans.by_shape.is_empty() {
        return None;
    }
    plans.by_shape.get(&shape(&plans.seen, variables)).cloned()
}

fn keep(plans: &Mutex<Plans>, plan: Arc<Plan>, variables: &Variables<'_>) -> Arc<Plan> {
    let mut plans = plans.lock().unwrap_or_else(PoisonError::into_inner);
    let more = plans.seen.join(plan.seen.clone());
    if more || plans.by_shape.len() >= PLAN_VARIANTS_MAX.size() {
        plans.by_shape.clear();
    }
    let shape = shape(&plans.seen, variables);
    plans.by_shape.insert(shape, plan.clone());
    plan
}

/// Variables that shape the plan with their values, the others by whether they are there. Those that nobody declared, which upstream
/// takes, are among the first.
fn shape(seen: &Seen, variables: &Variables<'_>) -> String {
    let mut text = String::new();
    for name in seen.all() {
        text.push_str(&variables.exactly(name));
        text.push('\n');
    }
    for declared in variables.declared {
        text.push(variables.presence(&declared.name));
    }
    text
}
