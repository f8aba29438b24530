//! From an ask to SQL: levels of rows, each a page with its joins.
//!
//! A level is written page first: its rows are found, ordered and cut before anything is joined to them, so that what is
//! nested is looked up for the rows of the answer and no others. To-one rows are joined laterally without a limit, which
//! PostgreSQL flattens; to-many rows are aggregated to json (never jsonb) before they are joined.
//!
//! Invariant: a name reaches the text only through [`ident`] or as the catalog's own, a value only as a parameter.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use pg::statement::array_literal;
use pg::{Param, Statement};

use super::ask::{Call, Logic, Object, Page, Rows, Shape, Shown, Source, Term, Test, Text, Value};
use crate::ask::Name;
use crate::catalog::check::Check;
use crate::catalog::{Catalog, Function, Relation};
use crate::error::{Called, Error};
use crate::gate::is_taken_for_closed;
use crate::plan;
use crate::sql::{bait, ident};

/// The longest name PostgreSQL does not cut.
const NAME_BYTES: usize = 63;
/// The whole row of a level, where a function needs it.
pub(super) const ROW: &str = "~row";
/// An object that could not be columns.
const WHOLE: &str = "~";

/// A parameter of a compiled statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Always the same.
    Fixed(Param),
    /// Known when it runs.
    Slot(usize),
    /// On its way into a column of whose values more is asked.
    Checked {
        /// The value.
        part: Box<Part>,
        /// The column.
        column: Arc<str>,
        /// What is asked.
        check: Arc<Check>,
    },
}

impl Part {
    fn param(&self, slots: &[Param]) -> Result<Param, Error> {
        match self {
            Part::Fixed(param) => Ok(param.clone()),
            Part::Slot(at) => Ok(slots.get(*at).cloned().unwrap_or(Param::NULL)),
            Part::Checked { part, column, check } => {
                let param = part.param(slots)?;
                let Some(bytes) = &param.0 else { return Ok(param) };
                let text = std::str::from_utf8(bytes).map_err(|_| Error::Bug("a value that is no text"))?;
                Ok(crate::clean::text(column, check, text)?.map_or(param, Param::from))
            }
        }
    }
}

/// A statement whose slots are still open.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Its text.
    pub sql: Arc<str>,
    /// Its parameters.
    pub params: Vec<Part>,
    /// Whether it calls functions at its root, which may take long.
    pub calls: bool,
    /// Whether honey rows that it reads leave their names.
    pub baited: bool,
}

impl Compiled {
    /// The statement with its slots filled; a slot that is missing is null.
    pub fn statement(&self, slots: &[Param]) -> Result<Statement, Error> {
        let params = self.params.iter().map(|part| part.param(slots)).collect::<Result<Vec<_>, _>>()?;
        Ok(Statement::new(Arc::clone(&self.sql), params))
    }
}

/// Compiles what several root fields read into one statement: one row with a JSON value for each.
pub fn read(roots: &[Value], catalog: &Catalog) -> Result<Compiled, Error> {
    let mut build = Build::new(catalog);
    let mut list = Vec::new();
    for (at, root) in roots.iter().enumerate() {
        let value = build.root(root)?;
        list.push(format!("{value} AS {}", ident(&format!("c{at}"))));
    }
    let calls = roots.iter().any(|root| match root {
        Value::Call { .. } => true,
        Value::Rows(rows) => matches!(rows.source, Source::Call(_)),
        _ => false,
    });
    let sql = format!("SELECT {}", list.join(", ")).into();
    Ok(Compiled { sql, params: build.params, calls, baited: build.baited })
}

/// One level while it is written: what its page must hold, and what is joined to it.
pub(super) struct Level<'a> {
    pub(super) alias: String,
    pub(super) relation: &'a Relation,
    pub(super) needs: BTreeSet<Arc<str>>,
    pub(super) row: bool,
    pub(super) joins: String,
}

impl<'a> Level<'a> {
    /// A column of the level, quoted; it becomes part of the page.
    pub(super) fn column(&mut self, name: &str) -> Result<String, Error> {
        let column = self.relation.column(name).ok_or_else(|| Error::NoColumn {
            relation: self.relation.name.to_string(),
            column: name.to_owned(),
        })?;
        self.needs.insert(column.name.clone());
        Ok(format!("{}.{}", ident(&self.alias), ident(name)))
    }
}

/// A select list that is a JSON object: columns, or the object itself.
pub(super) struct Listed {
    pub(super) text: String,
    whole: bool,
}

impl Listed {
    /// The object made of a row of this list.
    pub(super) fn object(&self, alias: &str) -> String {
        if self.whole {
            format!("{}.{}", ident(alias), ident(WHOLE))
        } else {
            format!("pg_catalog.row_to_json({}.*)", ident(alias))
        }
    }

    /// The list of all of them.
    pub(super) fn objects(&self, alias: &str) -> String {
        let inside = if self.whole {
            format!("{}.{}", ident(alias), ident(WHOLE))
        } else {
            format!("{}.*", ident(alias))
        };
        format!("coalesce(pg_catalog.json_agg({inside}), '[]')")
    }
}

/// What grows while an ask is compiled.
pub(super) struct Build<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) params: Vec<Part>,
    pub(super) baited: bool,
    aliases: u32,
}

impl<'a> Build<'a> {
    pub(super) fn new(catalog: &'a Catalog) -> Self {
        Build { catalog, params: Vec::new(), baited: false, aliases: 0 }
    }

    pub(super) fn alias(&mut self, kind: &str) -> String {
        self.aliases += 1;
        format!("{kind}{}", self.aliases)
    }

    pub(super) fn fixed(&mut self, param: impl Into<Param>) -> String {
        self.params.push(Part::Fixed(param.into()));
        format!("${}", self.params.len())
    }

    pub(super) fn text(&mut self, text: &Text) -> String {
        match text {
            Text::Given(text) => self.fixed(text),
            Text::Slot(at) => {
                self.params.push(Part::Slot(*at));
                format!("${}", self.params.len())
            }
        }
    }

    /// JSON that is known already.
    pub(super) fn known(&mut self, json: &str) -> String {
        format!("{}::json", self.fixed(json))
    }

    pub(super) fn relation(&self, name: &Name) -> Result<&'a Relation, Error> {
        plan::relation(self.catalog, &name.schema, &name.name)
    }

    pub(super) fn level(&mut self, name: &Name) -> Result<Level<'a>, Error> {
        let relation = self.relation(name)?;
        Ok(Level {
            alias: self.alias("t"),
            relation,
            needs: BTreeSet::new(),
            row: false,
            joins: String::new(),
        })
    }

    fn root(&mut self, root: &Value) -> Result<String, Error> {
        match root {
            Value::Known(json) => Ok(self.known(json)),
            Value::Call { call, shown } => {
                let call = self.call(call)?;
                Ok(format!("(SELECT pg_catalog.to_json({}))", show(&call, shown)))
            }
            Value::Rows(rows) => Ok(format!("({})", self.rows(rows, None)?)),
            Value::Column { .. } | Value::Key(_) | Value::Computed { .. } => {
                Err(Error::Bug("a value of a row without a row"))
            }
        }
    }

    /// A query of one row and one JSON value.
    pub(super) fn rows(&mut self, rows: &Rows, parent: Option<&mut Level<'a>>) -> Result<String, Error> {
        match &rows.shape {
            Shape::One(object) => {
                let (query, listed) = self.objects(rows, object, parent)?;
                let limit = if rows.page.limit.is_some() { "" } else { " LIMIT 1" };
                Ok(format!("SELECT {} AS \"v\" FROM ({query}{limit}) AS \"r\"", listed.object("r")))
            }
            Shape::List(object) => {
                let (query, listed) = self.objects(rows, object, parent)?;
                Ok(format!("SELECT {} AS \"v\" FROM ({query}) AS \"r\"", listed.objects("r")))
            }
            Shape::Connection(around) => self.connection(rows, around, parent),
            Shape::Aggregate(sums) => {
                let mut parent = parent;
                let sums = self.aggregate(rows, sums, &mut parent)?;
                Ok(format!("SELECT {sums} AS \"v\""))
            }
        }
    }

    /// A query of objects, each a row.
    fn objects(
        &mut self,
        rows: &Rows,
        object: &Object,
        mut parent: Option<&mut Level<'a>>,
    ) -> Result<(String, Listed), Error> {
        let mut level = self.level(&rows.relation)?;
        let listed = self.list(&mut level, object)?;
        let query = self.query(rows, &mut level, &listed.text, &mut parent)?;
        Ok((query, listed))
    }

    /// The values of an object as a select list.
    pub(super) fn list(&mut self, level: &mut Level<'a>, object: &Object) -> Result<Listed, Error> {
        let mut values = Vec::with_capacity(object.len());
        for (key, value) in object {
            values.push((key, self.value(level, value)?));
        }
        if values.is_empty() {
            return Ok(Listed { text: format!("'{{}}'::json AS {}", ident(WHOLE)), whole: true });
        }
        if values.iter().all(|(key, _)| key.len() <= NAME_BYTES) {
            let list: Vec<String> =
                values.iter().map(|(key, value)| format!("{value} AS {}", ident(key))).collect();
            return Ok(Listed { text: list.join(", "), whole: false });
        }
        let text = format!("{} AS {}", json_object(&values), ident(WHOLE));
        Ok(Listed { text, whole: true })
    }

    fn value(&mut self, level: &mut Level<'a>, value: &Value) -> Result<String, Error> {
        match value {
            Value::Known(json) => Ok(self.known(json)),
            Value::Column { column, shown } => Ok(show(&level.column(column)?, shown)),
            Value::Key(columns) => {
                let (schema, name) = (level.relation.schema.clone(), level.relation.name.clone());
                let mut parts =
                    vec![format!("{}::text", self.fixed(&*schema)), format!("{}::text", self.fixed(&*name))];
                for column in columns {
                    parts.push(level.column(column)?);
                }
                Ok(place(&parts))
            }
            Value::Computed { function, shown } => {
                self.function(function)?;
                level.row = true;
                let call = format!(
                    "{}.{}({}.{})",
                    ident(&function.schema),
                    ident(&function.name),
                    ident(&level.alias),
                    ident(ROW)
                );
                Ok(show(&call, shown))
            }
            Value::Call { .. } => Err(Error::Bug("a call inside a row")),
            Value::Rows(rows) => self.nested(level, rows),
        }
    }

    /// Joins rows to a level; gives the expression that is their JSON.
    fn nested(&mut self, level: &mut Level<'a>, rows: &Rows) -> Result<String, Error> {
        let alias = self.alias("j");
        let (query, value) = match (&rows.shape, &rows.source) {
            // One row by its key: PostgreSQL flattens this into a plain join. A view promises no key.
            (Shape::One(object), Source::Link(_)) if !self.relation(&rows.relation)?.kind.is_view() => {
                let (query, listed) = self.objects(rows, object, Some(level))?;
                (query, listed.object(&alias))
            }
            _ => {
                let query = self.rows(rows, Some(level))?;
                (query, format!("{}.\"v\"", ident(&alias)))
            }
        };
        let _a_string_takes_everything =
            write!(level.joins, " LEFT JOIN LATERAL ({query}) AS {} ON TRUE", ident(&alias));
        Ok(value)
    }

    /// The rows of a level with a select list over them: the page first, then what is joined.
    pub(super) fn query(
        &mut self,
        rows: &Rows,
        level: &mut Level<'a>,
        list: &str,
        parent: &mut Option<&mut Level<'a>>,
    ) -> Result<String, Error> {
        let from = self.from(rows, &level.alias, parent)?;
        let mut conditions = self.conditions(rows, level, parent)?;
        conditions.extend(self.places(rows, level)?);
        let order = order(level, &rows.order, rows.page.backward)?;
        let filter = where_(&conditions);
        let page = self.page(&rows.page);
        let alias = ident(&level.alias);
        if !level.row && (level.joins.is_empty() || page.is_empty()) {
            return Ok(format!("SELECT {list} FROM {from}{}{filter}{order}{page}", level.joins));
        }
        let mut columns: Vec<String> =
            level.needs.iter().map(|name| format!("{alias}.{}", ident(name))).collect();
        if level.row {
            columns.push(format!("{alias} AS {}", ident(ROW)));
        }
        if columns.is_empty() {
            columns.push("1 AS \"~one\"".to_owned());
        }
        Ok(format!(
            "SELECT {list} FROM (SELECT {} FROM {from}{filter}{order}{page}) AS {alias}{}{order}",
            columns.join(", "),
            level.joins
        ))
    }

    /// `FROM`, without the word.
    pub(super) fn from(
        &mut self,
        rows: &Rows,
        alias: &str,
        parent: &mut Option<&mut Level<'a>>,
    ) -> Result<String, Error> {
        let relation = self.relation(&rows.relation)?;
        let source = match &rows.source {
            Source::Relation | Source::Link(_) => {
                format!("{}.{}", ident(&relation.schema), ident(&relation.name))
            }
            Source::Computed(function) => {
                self.function(function)?;
                let parent = parent.as_deref_mut().ok_or(Error::Bug("a function of no row"))?;
                parent.row = true;
                let row = format!("{}.{}", ident(&parent.alias), ident(ROW));
                format!("{}.{}({row})", ident(&function.schema), ident(&function.name))
            }
            Source::Call(call) => self.call(call)?,
        };
        Ok(format!("{source} AS {}", ident(alias)))
    }

    /// Everything but the place in the order.
    pub(super) fn conditions(
        &mut self,
        rows: &Rows,
        level: &mut Level<'a>,
        parent: &mut Option<&mut Level<'a>>,
    ) -> Result<Vec<String>, Error> {
        let mut all = Vec::new();
        match &rows.source {
            Source::Link(pairs) => {
                let parent = parent.as_deref_mut().ok_or(Error::Bug("a link from no row"))?;
                for (here, there) in pairs {
                    all.push(format!("{} = {}", level.column(here)?, parent.column(there)?));
                }
            }
            // A function that gives no row gives one of nulls.
            Source::Computed(_) | Source::Call(_) => {
                all.push(format!("NOT ({} IS NULL)", ident(&level.alias)));
            }
            Source::Relation => {}
        }
        for filter in &rows.filters {
            all.push(self.logic(filter, level)?);
        }
        if matches!(rows.source, Source::Relation | Source::Link(_)) {
            self.baited |= !level.relation.baits.is_empty();
            all.extend(level.relation.baits.iter().map(|one| bait(&level.alias, one)));
        }
        Ok(all)
    }

    /// Only rows behind, or before, a place of the order.
    pub(super) fn places(&mut self, rows: &Rows, level: &mut Level<'a>) -> Result<Vec<String>, Error> {
        let mut all = Vec::new();
        for (place, forward) in [(&rows.page.after, true), (&rows.page.before, false)] {
            if let Some(place) = place {
                all.push(self.beyond(&rows.order, place, forward, level)?);
            }
        }
        Ok(all)
    }

    fn beyond(
        &mut self,
        order: &[Term],
        place: &[Option<String>],
        forward: bool,
        level: &mut Level<'a>,
    ) -> Result<String, Error> {
        let mut ways: Vec<String> = Vec::new();
        let mut equal: Vec<String> = Vec::new();
        for (term, value) in order.iter().zip(place) {
            let column = level.column(&term.column)?;
            let operator = if term.descending == forward { "<" } else { ">" };
            // In the direction of travel, nulls lie ahead of every value, or behind it.
            let nulls_ahead = term.nulls_first != forward;
            let (further, same) = match value {
                None if nulls_ahead => ("FALSE".to_owned(), format!("{column} IS NULL")),
                None => (format!("{column} IS NOT NULL"), format!("{column} IS NULL")),
                Some(value) => {
                    let value = self.fixed(value);
                    let further = format!("{column} {operator} {value}");
                    let further =
                        if nulls_ahead { format!("({further} OR {column} IS NULL)") } else { further };
                    (further, format!("{column} = {value}"))
                }
            };
            let way = equal.iter().cloned().chain([further]).collect::<Vec<_>>().join(" AND ");
            ways.push(way);
            equal.push(same);
        }
        Ok(if ways.is_empty() { "TRUE".to_owned() } else { format!("({})", ways.join(" OR ")) })
    }

    /// `LIMIT` and `OFFSET`.
    pub(super) fn page(&mut self, page: &Page) -> String {
        let mut text = String::new();
        if let Some(limit) = page.limit {
            text = format!(" LIMIT {}", self.fixed(limit));
        }
        if page.offset > 0 {
            text.push_str(&format!(" OFFSET {}", self.fixed(page.offset)));
        }
        text
    }

    pub(super) fn logic(&mut self, logic: &Logic, level: &mut Level<'a>) -> Result<String, Error> {
        let several = |build: &mut Self, level: &mut Level<'a>, all: &[Logic], word: &str, none: &str| {
            let parts = all.iter().map(|one| build.logic(one, level)).collect::<Result<Vec<_>, Error>>()?;
            Ok(if parts.is_empty() { none.to_owned() } else { format!("({})", parts.join(word)) })
        };
        match logic {
            Logic::All(all) => several(self, level, all, " AND ", "TRUE"),
            Logic::Any(all) => several(self, level, all, " OR ", "FALSE"),
            Logic::Not(inner) => Ok(format!("NOT ({})", self.logic(inner, level)?)),
            Logic::Test { column, test } => {
                let column = level.column(column)?;
                Ok(match test {
                    Test::Compare(operator, value) => {
                        format!("{column} {} {}", operator.sql(), self.text(value))
                    }
                    Test::StartsWith(value) => format!("{column} ^@ {}", self.text(value)),
                    Test::In(values) => {
                        let list = array_literal(values.iter().map(String::as_str));
                        format!("{column} = ANY({})", self.fixed(list))
                    }
                    Test::IsNull(true) => format!("{column} IS NULL"),
                    Test::IsNull(false) => format!("{column} IS NOT NULL"),
                    Test::Unknown => "NULL::bool".to_owned(),
                })
            }
        }
    }

    fn function(&self, name: &Name) -> Result<&'a Function, Error> {
        let none = || Error::NoColumn { relation: name.schema.clone(), column: name.name.clone() };
        self.catalog.functions(&name.schema, &name.name).first().ok_or_else(none)
    }

    /// A call with its arguments by name.
    fn call(&mut self, call: &Call) -> Result<String, Error> {
        let function = self.function(&call.function)?;
        let given: Vec<&str> = call.arguments.iter().map(|(name, _)| &**name).collect();
        if is_taken_for_closed(&self.catalog.closed_functions, function, &given) {
            let (Name { schema, name }, called) = (call.function.clone(), Called::Json);
            let arguments = given.into_iter().map(str::to_owned).collect();
            return Err(Error::NoFunction { schema, name, arguments, called, suggestion: None });
        }
        let mut arguments = Vec::new();
        for (name, value) in &call.arguments {
            let parameter = function.parameters.iter().find(|one| *one.name == **name);
            let parameter = parameter.ok_or(Error::Bug("an argument without a parameter"))?;
            let type_sql = self
                .catalog
                .types
                .sql(parameter.type_oid)
                .ok_or(Error::Bug("a parameter of no known type"))?;
            let value = match value {
                Some(value) => self.argument(parameter, value)?,
                None => "NULL".to_owned(),
            };
            arguments.push(format!("{} => {value}::{type_sql}", ident(name)));
        }
        Ok(format!(
            "{}.{}({})",
            ident(&call.function.schema),
            ident(&call.function.name),
            arguments.join(", ")
        ))
    }
}

/// `WHERE`, with the word.
pub(super) fn where_(conditions: &[String]) -> String {
    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
}

/// `ORDER BY`, with the words.
pub(super) fn order(level: &mut Level<'_>, terms: &[Term], backward: bool) -> Result<String, Error> {
    let mut all = Vec::new();
    for term in terms {
        all.push(format!("{}{}", level.column(&term.column)?, direction(term, backward)));
    }
    Ok(if all.is_empty() { String::new() } else { format!(" ORDER BY {}", all.join(", ")) })
}

/// Up or down, nulls first or last.
pub(super) fn direction(term: &Term, backward: bool) -> &'static str {
    match (term.descending != backward, term.nulls_first != backward) {
        (false, false) => " ASC NULLS LAST",
        (false, true) => " ASC NULLS FIRST",
        (true, false) => " DESC NULLS LAST",
        (true, true) => " DESC NULLS FIRST",
    }
}

/// What marks a place: the base64 of a JSON array.
pub(super) fn place(parts: &[String]) -> String {
    format!(
        "pg_catalog.translate(pg_catalog.encode(pg_catalog.convert_to(pg_catalog.jsonb_build_array({})::text, 'UTF8'), \
         'base64'), E'\\n', '')",
        parts.join(", ")
    )
}

fn show(value: &str, shown: &Shown) -> String {
    match shown {
        Shown::Json => value.to_owned(),
        Shown::Text => format!("{value}::text"),
        Shown::Texts => format!("{value}::text[]"),
        Shown::Mapped(pairs) => {
            let mut text = format!("CASE {value}::text");
            for (label, name) in pairs {
                let _a_string_takes_everything =
                    write!(text, " WHEN {} THEN {}", literal(label), literal(name));
            }
            text.push_str(&format!(" ELSE {value}::text END"));
            text
        }
    }
}

/// A name of the catalog, or a key, as a text in SQL.
pub(super) fn literal(name: &str) -> String {
    let plain = name.replace('\0', "").replace('\'', "''");
    if plain.contains('\\') { format!("E'{}'", plain.replace('\\', "\\\\")) } else { format!("'{plain}'") }
}

/// A JSON object by a call: PostgreSQL takes at most 100 arguments.
pub(super) fn json_object(values: &[(&String, String)]) -> String {
    let build = |some: &[(&String, String)]| {
        let parts: Vec<String> =
            some.iter().map(|(key, value)| format!("{}, {value}", literal(key))).collect();
        format!("pg_catalog.json_build_object({})", parts.join(", "))
    };
    if values.len() <= 50 {
        return build(values);
    }
    let all: Vec<String> = values.chunks(50).map(|some| format!("{}::jsonb", build(some))).collect();
    format!("({})::json", all.join(" || "))
}
