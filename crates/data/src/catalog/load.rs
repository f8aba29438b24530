//! Reading the catalog, and building the snapshot from what was read.
//!
//! Invariant: [`read`] only asks and [`build`] only computes, so that building is tested without a server.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use pg::{Error, FromText, Open, Param, Row, Rows, Statement};

use super::arguments::{self, Told};
use super::before::{self, Before};
use super::bounds::{self, Bound};
use super::check::{self, Asked};
use super::function::{Function, Handler, HandlerTarget, Parameter, Returns, Volatility};
use super::relation::{Bait, Column, Relation, RelationId, RelationKind, Served};
use super::ruled::{self, Ruling};
use super::types::{Type, TypeKind, Types, oid};
use super::view::{self, Source};
use super::{Catalog, Roles, Scope, effects, links, sql};
use crate::gate;

/// A key as `pg_constraint` has it.
#[derive(Clone, Debug)]
pub struct RawKey {
    /// Its name.
    pub name: Arc<str>,
    /// `p`, `u` or `f`.
    pub kind: char,
    /// The relation that has it.
    pub relation: u32,
    /// Its columns.
    pub columns: Vec<i16>,
    /// The relation it points at.
    pub referenced_relation: u32,
    /// Columns there.
    pub referenced: Vec<i16>,
    /// What its comment says.
    pub comment: Option<Arc<str>>,
}

/// A CHECK as `pg_constraint` has it.
#[derive(Clone, Debug)]
pub struct RawCheck {
    /// The table; 0 of a domain.
    pub relation: u32,
    /// The domain; 0 of a table.
    pub domain: u32,
    /// Its name.
    pub name: Arc<str>,
    /// Its columns.
    pub columns: Vec<i16>,
    /// What it says of its only column, or of the domain's value.
    pub bounds: Vec<Bound>,
}

/// A function before its return type is understood.
#[derive(Clone, Debug)]
pub struct RawFunction {
    /// What is known already; `returns` is a placeholder.
    pub function: Function,
    /// Output columns of `TABLE` or `OUT` parameters, when there are any.
    pub outputs: Vec<(Arc<str>, u32)>,
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    /// Relations, without columns.
    pub relations: Vec<Relation>,
    /// Columns by `pg_class.oid`, composites included.
    pub columns: HashMap<u32, Vec<Column>>,
    /// Keys.
    pub keys: Vec<RawKey>,
    /// What views' columns show.
    pub views: HashMap<u32, Vec<Source>>,
    /// What is asked of columns, by `pg_class.oid` and number.
    pub asked: HashMap<(u32, i16), Asked>,
    /// CHECKs.
    pub checks: Vec<RawCheck>,
    /// What views stand on, and call.
    pub made: gate::Made,
    /// Types.
    pub types: Vec<Type>,
    /// Functions.
    pub functions: Vec<RawFunction>,
    /// Casts between domains and json or text.
    pub representations: HashMap<(u32, u32), (Arc<str>, Arc<str>)>,
    /// Media type handlers, with the argument's type.
    pub handlers: Vec<(Handler, u32)>,
    /// Comments of schemas.
    pub comments: HashMap<Arc<str>, Arc<str>>,
    /// Whether any function could set the answer's headers or status.
    pub functions_answer: bool,
    /// Whether code that a read reaches may leave something in the session.
    pub reads_leave: bool,
    /// Whether any code looks at the request's method, path, headers or cookies.
    pub request_is_read: bool,
    /// Whether code that a read reaches looks at more of the claims than the subject.
    pub claims_are_read: bool,
    /// Whether a trigger tells of changes of a row that nobody has a reason to touch.
    pub writes_are_watched: bool,
    /// Whether any code may prepare a statement.
    pub code_prepares: bool,
    /// What every request calls first.
    pub before: Before,
    /// Settings of the roles that callers become.
    pub roles: Roles,
    /// Who passes by policies, and who is whose member.
    pub rights: String,
    /// Whether changes are announced.
    pub is_heard: bool,
    /// What to compare with, where they are not.
    pub fingerprint: String,
}

struct Name(Arc<str>);

impl FromText for Name {
    const NAME: &'static str = "name";
    fn from_text(text: &str) -> Option<Self> {
        Some(Name(text.into()))
    }
}

fn name(row: Row<'_>, at: usize) -> Result<Arc<str>, Error> {
    Ok(row.at::<Name>(at)?.0)
}

fn maybe_name(row: Row<'_>, at: usize) -> Result<Option<Arc<str>>, Error> {
    Ok(row.at::<Option<Name>>(at)?.map(|found| found.0))
}

fn flag(row: Row<'_>, at: usize) -> Result<bool, Error> {
    row.at(at)
}

/// A JSON array, as [`pg_catalog.to_json`] writes arrays; numbers may come as strings. NULL is empty.
fn array<T: FromText>(row: Row<'_>, at: usize) -> Result<Vec<T>, Error> {
    let Some(serde_json::Value::Array(items)) = row.at::<Option<serde_json::Value>>(at)? else {
        return Ok(Vec::new());
    };
    let read = |item: serde_json::Value| match item {
        serde_json::Value::String(text) => T::from_text(&text),
        other => T::from_text(&other.to_string()),
    };
    let shape = || Error::Shape { column: format!("#{at}"), expected: T::NAME };
    items.into_iter().map(|item| read(item).ok_or_else(shape)).collect()
}

/// Reads everything in the transaction it is given.
pub async fn read(open: &mut Open, scope: &Scope) -> Result<Raw, Error> {
    open.run(Statement::rare(sql::SURROUNDINGS, [])).await?;
    let schemas: Param = scope.schemas().into();
    let mut raw = Raw::default();
    if let Some(row) = ask_all(open, sql::HEARD).await?.first() {
        raw.is_heard = flag(row, 0)?;
    }
    raw.rights = rights(open).await?;
    if !raw.is_heard {
        // Before everything else, as rights are: what changes while the rest is read is another fingerprint at the next look.
        raw.fingerprint = fingerprint(open).await?;
    }
    for row in ask(open, sql::RELATIONS, &schemas).await?.iter() {
        read_relation(row, &mut raw)?;
    }
    for row in ask(open, sql::COLUMNS, &schemas).await?.iter() {
        let (relation, column) = read_column(row)?;
        raw.columns.entry(relation).or_default().push(column);
    }
    for row in ask_all(open, sql::KEYS).await?.iter() {
        raw.keys.push(RawKey {
            name: name(row, 0)?,
            kind: row.at::<String>(1)?.chars().next().unwrap_or('?'),
            relation: row.at(2)?,
            referenced_relation: row.at(3)?,
            columns: array(row, 4)?,
            referenced: array(row, 5)?,
            comment: maybe_name(row, 6)?,
        });
    }
    for row in ask(open, sql::VIEWS, &schemas).await?.iter() {
        raw.views.insert(row.at(0)?, view::sources(&row.at::<String>(1)?));
    }
    for row in ask_all(open, sql::ASKED).await?.iter() {
        if let Some(asked) = Asked::read(&row.at::<String>(2)?) {
            raw.asked.entry((row.at(0)?, row.at(1)?)).or_default().join(&asked);
        }
    }
    if !raw.asked.is_empty() {
        for row in ask(open, sql::VIEWS_ELSEWHERE, &schemas).await?.iter() {
            raw.views.entry(row.at(0)?).or_insert(view::sources(&row.at::<String>(1)?));
        }
    }
    for row in ask_all(open, sql::CHECKS).await?.iter() {
        raw.checks.push(read_check(row)?);
    }
    for row in ask_all(open, sql::VIEW_SOURCES).await?.iter() {
        raw.made.sources.entry(row.at(0)?).or_default().push(row.at(1)?);
    }
    for row in ask_all(open, sql::VIEW_CALLS).await?.iter() {
        if gate::read_comment(maybe_name(row, 1)?).0.is_none() {
            raw.made.calls_past.insert(row.at(0)?);
        }
    }
    for row in ask(open, sql::TYPES, &schemas).await?.iter() {
        raw.types.push(read_type(row)?);
    }
    for row in ask(open, sql::FUNCTIONS, &schemas).await?.iter() {
        raw.functions.push(read_function(row)?);
    }
    for row in ask_all(open, sql::REPRESENTATIONS).await?.iter() {
        raw.representations.insert((row.at(0)?, row.at(1)?), (name(row, 2)?, name(row, 3)?));
    }
    for row in ask(open, sql::HANDLERS, &schemas).await?.iter() {
        raw.handlers.extend(read_handler(row)?);
    }
    for row in ask(open, sql::SCHEMAS, &schemas).await?.iter() {
        if let Some(comment) = maybe_name(row, 1)? {
            raw.comments.insert(name(row, 0)?, comment);
        }
        raw.functions_answer |= flag(row, 2)?;
    }
    if let Some(name) = &scope.pre_request {
        let named = [name.schema.as_str().into(), name.name.as_str().into()];
        raw.before = before::read(name, &open.run(Statement::rare(sql::BEFORE, named)).await?)?;
    }
    raw.roles = roles(open).await?;
    let effects = effects::read(&ask_all(open, sql::CODE).await?, &ask_all(open, sql::WRITTEN).await?)?;
    (raw.reads_leave, raw.request_is_read) = (effects.reads_leave, effects.request_is_read);
    raw.claims_are_read = effects.claims_are_read;
    raw.writes_are_watched = effects.writes_are_watched;
    raw.code_prepares = effects.code_prepares;
    Ok(raw)
}

/// Settings of roles at the moment.
pub async fn roles(open: &mut Open) -> Result<Roles, Error> {
    super::roles::read(&ask_all(open, sql::ROLES).await?)
}

/// Who passes by policies and who is whose member at the moment, as one word.
pub async fn rights(open: &mut Open) -> Result<String, Error> {
    let rows = ask_all(open, sql::RIGHTS).await?;
    rows.first().map_or(Ok(String::new()), |row| row.at(0))
}

/// What the schema is at the moment, as one word.
pub async fn fingerprint(open: &mut Open) -> Result<String, Error> {
    let rows = ask_all(open, sql::FINGERPRINT).await?;
    rows.first().map_or(Ok(String::new()), |row| row.at(0))
}

async fn ask(open: &mut Open, sql: &'static str, schemas: &Param) -> Result<Rows, Error> {
    open.run(Statement::rare(sql, [schemas.clone()])).await
}

async fn ask_all(open: &mut Open, sql: &'static str) -> Result<Rows, Error> {
    open.run(Statement::rare(sql, [])).await
}

fn read_relation(row: Row<'_>, raw: &mut Raw) -> Result<(), Error> {
    let Some(kind) = RelationKind::from_relkind(&row.at::<String>(3)?) else { return Ok(()) };
    let writable: u32 = row.at(11)?;
    let partition = flag(row, 5)?;
    let (acknowledged, comment) = gate::read_comment(maybe_name(row, 12)?);
    // Bits as in PostgreSQL's CmdType: update 2, insert 3, delete 4.
    raw.relations.push(Relation {
        oid: row.at(0)?,
        schema: name(row, 1)?,
        name: name(row, 2)?,
        kind,
        row_type: row.at(4)?,
        row_security: flag(row, 6)?,
        row_security_forced: flag(row, 7)?,
        owner_bypasses: flag(row, 8)?,
        owner: name(row, 9)?,
        security_invoker: flag(row, 10)?,
        updatable: writable & 4 != 0,
        insertable: writable & 8 != 0,
        deletable: writable & 16 != 0,
        acknowledged,
        comment,
        policies: row.at(13)?,
        of_extension: flag(row, 14)?,
        baits: row.at::<Option<String>>(15)?.map(|text| Bait::read(&text)).unwrap_or_default(),
        served: if partition { Served::Partition } else { Served::NotExposed },
        ..Relation::default()
    });
    Ok(())
}

fn read_column(row: Row<'_>) -> Result<(u32, Column), Error> {
    let type_oid: u32 = row.at(3)?;
    let modifier: i32 = row.at(5)?;
    // varchar(n) and char(n) keep n + 4.
    let sized = matches!(type_oid, 1042 | 1043) && modifier > 4;
    let identity: String = row.at(7)?;
    let generated: String = row.at(8)?;
    let column = Column {
        number: row.at(1)?,
        name: name(row, 2)?,
        type_oid,
        type_text: name(row, 4)?,
        max_length: sized.then(|| u32::try_from(modifier - 4).ok()).flatten(),
        required: flag(row, 6)?,
        default: maybe_name(row, 9)?,
        generated: identity == "a" || !generated.is_empty(),
        comment: maybe_name(row, 10)?.and_then(|comment| {
            if comment.contains(check::TAG) { check::shown(&comment) } else { Some(comment) }
        }),
        origin: (row.at(0)?, row.at(1)?),
        check: None,
        bounds: Vec::new(),
    };
    Ok((row.at(0)?, column))
}

fn read_check(row: Row<'_>) -> Result<RawCheck, Error> {
    let domain: u32 = row.at(1)?;
    let column = if domain == 0 { maybe_name(row, 5)? } else { Some("VALUE".into()) };
    let definition: String = row.at(4)?;
    Ok(RawCheck {
        relation: row.at(0)?,
        domain,
        name: name(row, 2)?,
        columns: array(row, 3)?,
        bounds: column.and_then(|column| bounds::read(&definition, &column)).unwrap_or_default(),
    })
}

fn read_type(row: Row<'_>) -> Result<Type, Error> {
    let present = |number: u32| (number != 0).then_some(number);
    let element = present(row.at(7)?);
    let kind = match row.at::<String>(3)?.as_str() {
        "b" if element.is_some() => TypeKind::Array,
        "c" => TypeKind::Composite,
        "d" => TypeKind::Domain,
        "e" => TypeKind::Enum,
        "r" | "m" => TypeKind::Range,
        "p" => TypeKind::Pseudo,
        _ => TypeKind::Base,
    };
    let comment = maybe_name(row, 12)?;
    let is_domain = kind == TypeKind::Domain;
    Ok(Type {
        asked: comment.as_deref().filter(|_| is_domain).and_then(Asked::read).map(Arc::new),
        oid: row.at(0)?,
        schema: name(row, 1)?,
        name: name(row, 2)?,
        kind,
        base: present(row.at(4)?),
        relation: present(row.at(5)?),
        required: flag(row, 6)?,
        element,
        text: name(row, 8)?,
        default: maybe_name(row, 9)?,
        labels: array::<Name>(row, 10)?.into_iter().map(|label| label.0).collect(),
        json_cast: flag(row, 11)?,
        comment: comment.filter(|_| !is_domain),
    })
}

fn read_function(row: Row<'_>) -> Result<RawFunction, Error> {
    let types: Vec<u32> = array(row, 12)?;
    let modes: Vec<String> = array(row, 13)?;
    let names: Vec<Name> = array(row, 14)?;
    let inputs = row.at::<u32>(8)? as usize;
    let defaults = row.at::<u32>(9)? as usize;
    let mut parameters = Vec::new();
    let mut outputs = Vec::new();
    for (at, type_oid) in types.iter().enumerate() {
        let mode = modes.get(at).map_or("i", String::as_str);
        let called: Arc<str> = names.get(at).map_or_else(|| "".into(), |name| name.0.clone());
        if matches!(mode, "i" | "b" | "v") {
            let required = parameters.len() + defaults < inputs;
            let variadic = mode == "v";
            parameters.push(Parameter {
                name: called.clone(),
                type_oid: *type_oid,
                required,
                variadic,
                asks: None,
            });
        }
        if matches!(mode, "o" | "b" | "t") {
            let called =
                if called.is_empty() { format!("column{}", outputs.len() + 1).into() } else { called };
            outputs.push((called, *type_oid));
        }
    }
    let settings = array::<String>(row, 15)?;
    let split = |setting: &String| setting.split_once('=').map(|(name, value)| (name.into(), value.into()));
    let unnamed = parameters.iter().filter(|parameter| parameter.name.is_empty()).count();
    let takes_body = |only: &Parameter| {
        matches!(only.type_oid, oid::BYTEA | oid::JSON | oid::JSONB | oid::TEXT | oid::XML)
    };
    let (acknowledged, comment) = gate::read_comment(maybe_name(row, 16)?);
    let function = Function {
        oid: row.at(0)?,
        schema: name(row, 1)?,
        name: name(row, 2)?,
        volatility: match row.at::<String>(3)?.as_str() {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        },
        security_definer: flag(row, 4)?,
        owner_bypasses: flag(row, 11)?,
        set: flag(row, 5)?,
        one_row: row.at::<f64>(6)? == 1.0,
        return_type: row.at(7)?,
        returns: Returns::Void,
        settings: settings.iter().filter_map(split).collect(),
        anybody: flag(row, 17)?,
        open_path: flag(row, 18)?,
        of_extension: flag(row, 20)?,
        acknowledged,
        comment,
        defaults: maybe_name(row, 19)?,
        callable: unnamed == 0
            || (unnamed == 1 && parameters.iter().find(|one| one.name.is_empty()).is_some_and(takes_body)),
        parameters,
    };
    Ok(RawFunction { function, outputs })
}

fn read_handler(row: Row<'_>) -> Result<Option<(Handler, u32)>, Error> {
    let aggregate = row.at::<String>(2)? == "a";
    let parameters: u32 = row.at(4)?;
    if (aggregate && parameters != 1) || (!aggregate && flag(row, 5)?) {
        return Ok(None);
    }
    let media: Arc<str> = name(row, 7)?.to_lowercase().into();
    let argument = if aggregate { row.at(3)? } else { 0 };
    let target = if aggregate { HandlerTarget::Anything } else { HandlerTarget::Itself };
    Ok(Some((Handler { schema: name(row, 0)?, name: name(row, 1)?, target, media }, argument)))
}

/// Builds the snapshot.
pub fn build(raw: Raw, scope: &Scope, version: u64) -> Catalog {
    let Raw { mut relations, mut columns, keys, views, made, types, functions, .. } = raw;
    let types = Types::new(types);
    for (at, relation) in relations.iter_mut().enumerate() {
        relation.id = RelationId(at);
        relation.columns = columns.remove(&relation.oid).unwrap_or_default();
        for column in &mut relation.columns {
            let domain = types.get(column.type_oid);
            if column.default.is_none() && !column.generated {
                column.default = domain.and_then(|domain| domain.default.clone());
            }
            column.required |= domain.is_some_and(|domain| domain.required);
        }
    }
    let domain_checks = ruled::domains(&raw.checks);
    ruled::columns(
        &mut relations,
        &types,
        &domain_checks,
        &Ruling { views: &views, asked: &raw.asked, checks: &raw.checks, composites: &columns },
    );
    let constraints = ruled::constraints(&keys, &raw.checks);
    gate::decide(&mut relations, &made, scope);
    let by_row_type: HashMap<u32, RelationId> =
        relations.iter().filter(|one| one.row_type != 0).map(|one| (one.row_type, one.id)).collect();
    let mut functions: Vec<Function> = functions
        .into_iter()
        .map(|raw| Function {
            returns: returns(&raw, &types, &relations, &by_row_type, &columns),
            ..raw.function
        })
        .collect();
    let told = Told { types: &types, relations: &relations, composites: &columns, asked: &raw.asked };
    arguments::fill(&mut functions, &told);
    // Relations took theirs: what is left are those of composite types.
    let composites = columns
        .into_iter()
        .map(|(oid, columns)| {
            (oid, columns.into_iter().map(|column| (column.name, column.type_oid)).collect())
        })
        .collect();
    let gate::Decided { served: functions, closed, beside: closed_functions, fields: closed_fields } =
        gate::decide_functions(functions, scope);
    let handlers = raw
        .handlers
        .into_iter()
        .filter_map(|(handler, argument)| {
            let target = match (&handler.target, argument) {
                (HandlerTarget::Itself, _) => HandlerTarget::Itself,
                (_, oid::ANYELEMENT) => HandlerTarget::Anything,
                (_, row_type) => HandlerTarget::Relation(*by_row_type.get(&row_type)?),
            };
            Some(Handler { target, ..handler })
        })
        .filter(|handler: &Handler| !closed.iter().any(|one| one.is(&handler.schema, &handler.name)))
        .collect();
    let computed: Vec<&Function> =
        functions.iter().filter(|function| function.parameters.len() == 1).collect();
    let links = links::derive(&mut relations, &keys, &views, &computed);
    Catalog {
        version,
        by_name: relations.iter().map(|one| ((one.schema.clone(), one.name.clone()), one.id)).collect(),
        by_row_type,
        relations,
        links,
        functions: by_function_name(functions, scope),
        types,
        composites,
        representations: raw.representations,
        handlers,
        closed,
        closed_functions,
        closed_fields,
        gate: scope.gate,
        constraints,
        domain_checks,
        comments: raw.comments,
        key_comments: keys
            .iter()
            .filter_map(|key| Some(((key.relation, key.name.clone()), key.comment.clone()?)))
            .collect(),
        functions_answer: raw.functions_answer,
        reads_leave: raw.reads_leave || !raw.is_heard,
        request_is_read: raw.request_is_read || !raw.is_heard || raw.before != Before::Nothing,
        before: raw.before,
        roles: raw.roles,
        rights: raw.rights,
        claims_are_read: raw.claims_are_read || !raw.is_heard,
        writes_are_watched: raw.writes_are_watched || !raw.is_heard,
        code_prepares: raw.code_prepares || !raw.is_heard,
        is_heard: raw.is_heard,
        fingerprint: raw.fingerprint,
        exposed: scope.exposed.iter().map(|name| name.as_str().into()).collect(),
    }
}

/// Those of the schemas that are looked at, fewest parameters first.
fn by_function_name(
    functions: Vec<Function>,
    scope: &Scope,
) -> BTreeMap<(Arc<str>, Arc<str>), Vec<Function>> {
    let schemas: HashSet<String> = scope.schemas().into_iter().collect();
    let mut named: BTreeMap<(Arc<str>, Arc<str>), Vec<Function>> = BTreeMap::new();
    for function in functions.into_iter().filter(|function| schemas.contains(&*function.schema)) {
        named.entry((function.schema.clone(), function.name.clone())).or_default().push(function);
    }
    for overloads in named.values_mut() {
        overloads.sort_by_key(|function| function.parameters.len());
    }
    named
}

fn returns(
    raw: &RawFunction,
    types: &Types,
    relations: &[Relation],
    by_row_type: &HashMap<u32, RelationId>,
    composites: &HashMap<u32, Vec<Column>>,
) -> Returns {
    let declared = raw.function.return_type;
    let base = types.base(declared);
    if !raw.outputs.is_empty() {
        return Returns::Row {
            relation: None,
            name: raw.function.name.clone(),
            columns: raw.outputs.clone(),
            domain: false,
        };
    }
    if base == oid::VOID {
        return Returns::Void;
    }
    if base == oid::RECORD {
        return Returns::Record;
    }
    let pairs =
        |columns: &[Column]| columns.iter().map(|column| (column.name.clone(), column.type_oid)).collect();
    let domain = base != declared;
    if let Some(relation) = by_row_type.get(&base).and_then(|id| relations.get(id.0)) {
        let columns = pairs(&relation.columns);
        return Returns::Row { relation: Some(relation.id), name: relation.name.clone(), columns, domain };
    }
    match types.get(base).and_then(|found| Some((found, found.relation?))) {
        Some((found, row)) => {
            let columns = composites.get(&row).map_or(&[][..], Vec::as_slice);
            Returns::Row { relation: None, name: found.name.clone(), columns: pairs(columns), domain }
        }
        None => Returns::Scalar { type_oid: declared },
    }
}
