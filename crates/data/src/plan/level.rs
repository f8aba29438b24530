//! One level of an ask and everything embedded in it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::ask::{
    Aggregate, Embed, Field, Filter, IsWord, Join, JsonStep, Level, Logic, Operator, OrderTerm, Rules,
    SelectField, SelectItem, Test,
};
use crate::catalog::types::oid;
use crate::catalog::{Catalog, Link, LinkKind, Relation, RelationKind};
use crate::error::Error;
use crate::limits::{EMBEDS_MAX, IDENTIFIER_BYTES_MAX};

use super::{
    ColumnValue, Condition, Embedded, Item, Lifted, Node, Order, Output, Pair, Qualified, Source, Value, link,
};

/// The longest name that PostgreSQL does not cut.
const NAME_BYTES: usize = 63;

/// What is known of the columns of a source.
#[derive(Clone)]
pub(super) struct Columns<'a> {
    /// The relation whose rows they are, when it is one.
    pub relation: Option<&'a Relation>,
    /// The name it goes by.
    pub name: Arc<str>,
    /// Names and types; `None` when nobody knows.
    pub known: Option<Vec<(Arc<str>, u32)>>,
}

impl<'a> Columns<'a> {
    /// The columns of a relation.
    pub(super) fn of(relation: &'a Relation) -> Self {
        let known = relation.columns.iter().map(|column| (column.name.clone(), column.type_oid)).collect();
        Columns { relation: Some(relation), name: relation.name.clone(), known: Some(known) }
    }

    fn type_of(&self, name: &str) -> Option<u32> {
        self.known.as_ref()?.iter().find(|(known, _)| &**known == name).map(|(_, found)| *found)
    }
}

/// Plans the levels of one ask: remembers which aliases are taken.
pub(super) struct Planner<'a> {
    catalog: &'a Catalog,
    rules: &'a Rules,
    schema: &'a str,
    max_rows: Option<i64>,
    taken: HashSet<String>,
    embeds: usize,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        catalog: &'a Catalog,
        rules: &'a Rules,
        schema: &'a str,
        max_rows: Option<i64>,
    ) -> Self {
        Planner { catalog, rules, schema, max_rows, taken: HashSet::new(), embeds: 0 }
    }

    /// The outermost level.
    pub(super) fn root(
        &mut self,
        source: Source,
        columns: Columns<'a>,
        level: &Level,
    ) -> Result<Node, Error> {
        let alias = self.alias(&columns.name);
        let all = [SelectItem::All];
        let select = if level.select.is_empty() { &all[..] } else { &level.select };
        let mut node = self.level(source, alias, &columns, select, level, 0)?;
        node.limit = self.capped(level.limit);
        // One row at most is within any limit, and PostgreSQL has a node less to run.
        if node.limit.is_none_or(|most| most > 0) && node.offset == 0 && is_one_row(&node, &columns) {
            (node.limit, node.is_one_row) = (None, true);
        }
        Ok(node)
    }

    fn capped(&self, limit: Option<i64>) -> Option<i64> {
        match (limit, self.max_rows) {
            (Some(asked), Some(most)) => Some(asked.min(most)),
            (asked, most) => asked.or(most),
        }
    }

    /// A name nothing else in the statement goes by.
    fn alias(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        if name.len() > IDENTIFIER_BYTES_MAX.size() {
            name = format!("embed_{}", self.taken.len());
        }
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    fn level(
        &mut self,
        source: Source,
        alias: String,
        columns: &Columns<'a>,
        select: &[SelectItem],
        level: &Level,
        depth: usize,
    ) -> Result<Node, Error> {
        let mut items = Vec::new();
        let mut embeds = Vec::new();
        for item in select {
            match item {
                SelectItem::All => self.all(columns, &mut items),
                SelectItem::Field(field) => items.push(self.field(columns, field)?),
                SelectItem::Embed(embed) => {
                    let embedded = self.embed(columns, &alias, embed, depth + 1)?;
                    let at = embeds.len();
                    match (&embedded.spread, embedded.silent) {
                        (Some(_), _) => items.push(Item::Spread(at)),
                        (None, true) => {}
                        (None, false) => items.push(Item::Embed(at)),
                    }
                    embeds.push(embedded);
                }
            }
        }
        let labels: Vec<&str> = level.embeds().map(Embed::label).collect();
        let conditions = level
            .filters
            .iter()
            .map(|logic| self.condition(columns, &labels, logic))
            .collect::<Result<Vec<_>, _>>()?;
        let order = level
            .order
            .iter()
            .map(|term| self.order(columns, &labels, &embeds, term))
            .collect::<Result<Vec<_>, _>>()?;
        let baits = match (&source, columns.relation) {
            (Source::Relation(_), Some(relation)) => relation.baits.clone(),
            _ => Arc::default(),
        };
        Ok(Node {
            source,
            alias,
            items,
            embeds,
            conditions,
            order,
            limit: level.limit,
            offset: level.offset.max(0),
            is_one_row: false,
            baits,
        })
    }

    fn all(&self, columns: &Columns<'a>, items: &mut Vec<Item>) {
        let Some(known) = &columns.known else { return items.push(Item::Star) };
        for (name, type_oid) in known {
            let mut value = ColumnValue::plain(name);
            value.shown_by = self.shown_by(*type_oid);
            let server_json = value.shown_by.is_none() && self.catalog.types.needs_server_json(*type_oid);
            let name = name.to_string();
            items.push(Item::Value(Output {
                value: Value::Column(value),
                name,
                aggregate: None,
                server_json,
            }));
        }
    }

    /// The function that makes json of a domain.
    fn shown_by(&self, type_oid: u32) -> Option<Qualified> {
        self.catalog.representations.get(&(type_oid, oid::JSON)).cloned()
    }

    fn type_of(&self, columns: &Columns<'a>, name: &str) -> Option<u32> {
        let computed = |relation| self.catalog.computed_field(relation, name).map(|found| found.return_type);
        columns.type_of(name).or_else(|| columns.relation.and_then(computed))
    }

    fn column(&self, columns: &Columns<'a>, field: &Field) -> Result<(ColumnValue, Option<u32>), Error> {
        self.require_open(columns, &field.name)?;
        let found = self.type_of(columns, &field.name);
        let is_json =
            found.is_some_and(|found| matches!(self.catalog.types.base(found), oid::JSON | oid::JSONB));
        let value =
            ColumnValue { path: field.path.clone(), to_jsonb: !is_json, ..ColumnValue::plain(&field.name) };
        let type_oid = match field.path.last() {
            None => found,
            Some(JsonStep { as_text: true, .. }) => Some(oid::TEXT),
            Some(JsonStep { as_text: false, .. }) => Some(oid::JSONB),
        };
        Ok((value, type_oid))
    }

    /// PostgreSQL would take a name that is no column for a call with the row. Of a function that is not served it is told what
    /// PostgreSQL says of a name that is nothing. A name that PostgreSQL would read as another is none either: cut, it could be
    /// that of such a function.
    fn require_open(&self, columns: &Columns<'a>, name: &str) -> Result<(), Error> {
        let open = || is_read_as_written(name) && self.catalog.is_open_field(columns.relation, name);
        if columns.type_of(name).is_some() || open() { Ok(()) } else { Err(no_column(&columns.name, name)) }
    }

    fn field(&self, columns: &Columns<'a>, field: &SelectField) -> Result<Item, Error> {
        if field.aggregate.is_some() && !self.rules.aggregates {
            return Err(Error::AggregatesOff);
        }
        let aggregate_cast = field.aggregate_cast.as_deref().map(|words| self.cast(words)).transpose()?;
        let default_name = |field: &SelectField| {
            let of_aggregate = field.aggregate.map(|aggregate| aggregate.name().to_owned());
            let of_field = || field.field.as_ref().map(|field| field.default_alias().to_owned());
            of_aggregate.or_else(of_field).unwrap_or_default()
        };
        let name = field.alias.clone().unwrap_or_else(|| default_name(field));
        let (value, mut type_oid) = match &field.field {
            None => (Value::Row, Some(20)),
            Some(column) => {
                let (mut value, mut type_oid) = self.column(columns, column)?;
                // A cast is of the value itself, not of how it is shown.
                if field.aggregate.is_none()
                    && column.path.is_empty()
                    && let Some(shown_by) = type_oid.and_then(|found| self.shown_by(found))
                {
                    value.shown_by = Some(shown_by);
                    type_oid = Some(oid::JSON);
                }
                if let Some(words) = &field.cast {
                    let (sql, cast) = self.cast(words)?;
                    value.cast = Some(sql);
                    type_oid = Some(cast);
                }
                (Value::Column(value), type_oid)
            }
        };
        if let Some((_, cast)) = &aggregate_cast {
            type_oid = Some(*cast);
        } else if field.aggregate == Some(Aggregate::Count) {
            type_oid = Some(20);
        }
        let server_json = type_oid.is_none_or(|found| self.catalog.types.needs_server_json(found));
        let aggregate = field.aggregate.map(|aggregate| (aggregate, aggregate_cast.map(|(sql, _)| sql)));
        Ok(Item::Value(Output { value, name, aggregate, server_json }))
    }

    fn cast(&self, words: &str) -> Result<(String, u32), Error> {
        let exposed = self.catalog.exposed().iter().map(|schema| &**schema);
        let schemas: Vec<&str> = std::iter::once(self.schema).chain(exposed).collect();
        let missing = || Error::NoType { name: words.to_owned() };
        let found = self.catalog.types.for_cast(words, &schemas).ok_or_else(missing)?;
        Ok((self.catalog.types.sql(found.oid).ok_or_else(missing)?, found.oid))
    }

    fn embed(
        &mut self,
        parent: &Columns<'a>,
        parent_alias: &str,
        embed: &Embed,
        depth: usize,
    ) -> Result<Embedded, Error> {
        self.embeds += 1;
        if self.embeds > EMBEDS_MAX.size() {
            return Err(Error::TooMuch { limit: EMBEDS_MAX.name, value: EMBEDS_MAX.value });
        }
        let link = link::find(self.catalog, parent.relation, self.schema, &parent.name, embed)?;
        let target = self.catalog.relation(link.target).ok_or(Error::Bug("a link leads nowhere"))?;
        let to_one = link.to_one();
        let joined = self.join(link, target, parent, parent_alias, depth)?;
        let alias = self.alias(&format!("{}_{}_{depth}", parent.name, embed.label()));
        let columns = Columns::of(target);
        let level = &embed.level;
        let mut node = self.level(joined.source, joined.alias, &columns, &level.select, level, depth)?;
        if !to_one {
            node.limit = self.capped(level.limit);
        }
        let spread = embed.spread.then(|| lift(&mut node, to_one)).transpose()?;
        // A join for its own sake: nothing is selected at this level or below.
        let silent = spread.is_none() && node.items.is_empty();
        Ok(Embedded {
            alias,
            label: embed.label().to_owned(),
            to_one,
            spread,
            inner: embed.join == Join::Inner,
            silent,
            pairs: joined.pairs,
            junction: joined.junction,
            needs: joined.needs,
            needs_row: joined.needs_row,
            node,
        })
    }

    fn join(
        &mut self,
        link: &Link,
        target: &Relation,
        parent: &Columns<'a>,
        parent_alias: &str,
        depth: usize,
    ) -> Result<Joined, Error> {
        let source = Source::Relation((target.schema.clone(), target.name.clone()));
        let paired = |columns: &crate::catalog::Columns, alias: &str| {
            let pair = |(here, there): &(Arc<str>, Arc<str>)| {
                ((alias.to_owned(), there.clone()), (parent_alias.to_owned(), here.clone()))
            };
            columns.iter().map(pair).collect::<Vec<_>>()
        };
        let here = |columns: &crate::catalog::Columns| {
            columns.iter().map(|(here, _)| here.clone()).collect::<Vec<_>>()
        };
        match &link.kind {
            LinkKind::OneToMany { columns, .. }
            | LinkKind::ManyToOne { columns, .. }
            | LinkKind::OneToOne { columns, .. } => {
                let alias = self.alias(&format!("{}_{depth}", target.name));
                let pairs = paired(columns, &alias);
                Ok(Joined { source, alias, pairs, junction: None, needs: here(columns), needs_row: false })
            }
            LinkKind::ManyToMany { junction, source: to_here, target: to_there, .. } => {
                let junction =
                    self.catalog.relation(*junction).ok_or(Error::Bug("a junction leads nowhere"))?;
                let alias = self.alias(&format!("{}_{depth}", target.name));
                let between = self.alias(&format!("{}_{depth}", junction.name));
                let mut pairs = paired(to_here, &between);
                pairs.extend(to_there.iter().map(|(there, in_junction)| {
                    ((alias.clone(), there.clone()), (between.clone(), in_junction.clone()))
                }));
                let junction = Some(((junction.schema.clone(), junction.name.clone()), between));
                Ok(Joined { source, alias, pairs, junction, needs: here(to_here), needs_row: false })
            }
            LinkKind::Computed { schema, name, .. } => {
                let row = parent.relation.ok_or(Error::Bug("a computed link of no relation"))?;
                let source = Source::Computed {
                    function: (schema.clone(), name.clone()),
                    parent: parent_alias.to_owned(),
                    row_type: (row.schema.clone(), row.name.clone()),
                };
                let alias = self.alias(&format!("{name}_{depth}"));
                Ok(Joined {
                    source,
                    alias,
                    pairs: Vec::new(),
                    junction: None,
                    needs: Vec::new(),
                    needs_row: true,
                })
            }
        }
    }

    /// A condition; `labels` are those of the embeds of the same level.
    fn condition(&self, columns: &Columns<'a>, labels: &[&str], logic: &Logic) -> Result<Condition, Error> {
        match logic {
            Logic::Group { negated, how, parts } => {
                let parts = parts.iter().map(|part| self.condition(columns, labels, part)).collect::<Result<
                    Vec<_>,
                    _,
                >>(
                )?;
                Ok(Condition::Group { negated: *negated, how: *how, parts })
            }
            Logic::Filter(filter) => self.filter(columns, labels, filter),
        }
    }

    /// Conditions on a relation whose rows are not embedded in.
    pub(super) fn conditions(
        &self,
        columns: &Columns<'a>,
        filters: &[Logic],
    ) -> Result<Vec<Condition>, Error> {
        filters.iter().map(|logic| self.condition(columns, &[], logic)).collect()
    }

    fn filter(&self, columns: &Columns<'a>, labels: &[&str], filter: &Filter) -> Result<Condition, Error> {
        let word = match filter.test {
            Test::Is(word @ (IsWord::Null | IsWord::NotNull)) if filter.field.path.is_empty() => Some(word),
            _ => None,
        };
        let embed = labels.iter().position(|label| *label == filter.field.name);
        if let (Some(word), Some(embed)) = (word, embed) {
            return Ok(Condition::Related { embed, present: (word == IsWord::NotNull) != filter.negated });
        }
        let (value, type_oid) = self.column(columns, &filter.field)?;
        let reader = |found: u32| self.catalog.representations.get(&(oid::TEXT, found)).cloned();
        let is_vector = type_oid.is_some_and(|found| self.catalog.types.base(found) == oid::TSVECTOR);
        Ok(Condition::Test {
            value,
            negated: filter.negated,
            read_by: type_oid.filter(|_| filter.field.path.is_empty()).and_then(reader),
            to_vector: matches!(filter.test, Test::Search { .. }) && !is_vector,
            test: filter.test.clone(),
        })
    }

    fn order(
        &self,
        columns: &Columns<'a>,
        labels: &[&str],
        embeds: &[Embedded],
        term: &OrderTerm,
    ) -> Result<Order, Error> {
        let (direction, nulls) = (term.direction, term.nulls);
        let Some(relation) = &term.relation else {
            let (value, _) = self.column(columns, &term.field)?;
            return Ok(Order { embed: None, value, direction, nulls });
        };
        let at = labels.iter().position(|label| label == relation);
        let embed =
            at.and_then(|at| embeds.get(at)).ok_or_else(|| Error::NotEmbedded { name: relation.clone() })?;
        if !embed.to_one {
            return Err(Error::OrderNotToOne {
                source_name: columns.name.to_string(),
                target: relation.clone(),
            });
        }
        // Its rows are a record here: a name that it does not give would call whatever function takes any record.
        if !embed.gives(&term.field.name) {
            return Err(no_column(&embed.alias, &term.field.name));
        }
        let value = ColumnValue {
            path: term.field.path.clone(),
            to_jsonb: true,
            ..ColumnValue::plain(&term.field.name)
        };
        Ok(Order { embed: Some(embed.alias.clone()), value, direction, nulls })
    }
}

/// Whether the conditions name one value for each column of a table's primary key.
fn is_one_row(node: &Node, columns: &Columns<'_>) -> bool {
    let (Source::Relation(_), Some(relation)) = (&node.source, columns.relation) else { return false };
    let is_fixed = |key: &Arc<str>| {
        node.conditions.iter().any(|condition| match condition {
            Condition::Test { value, negated: false, test, .. } => {
                let equals =
                    matches!(test, Test::Compare { operator: Operator::Equal, quantifier: None, .. });
                equals && value.path.is_empty() && *value.name == **key
            }
            Condition::Test { .. }
            | Condition::Related { .. }
            | Condition::Group { .. }
            | Condition::Never => false,
        })
    };
    let is_table = matches!(relation.kind, RelationKind::Table | RelationKind::Partitioned);
    is_table && !relation.primary_key.is_empty() && relation.primary_key.iter().all(is_fixed)
}

/// Whether PostgreSQL takes a quoted name for itself: it cuts longer ones, and a NUL does not reach it.
fn is_read_as_written(name: &str) -> bool {
    name.len() <= NAME_BYTES && !name.contains('\0')
}

/// As PostgreSQL says it.
fn no_column(of: &str, name: &str) -> Error {
    let said = pg::DbError {
        sqlstate: "42703".to_owned(),
        severity: "ERROR".to_owned(),
        message: format!("column {of}.{name} does not exist"),
        ..pg::DbError::default()
    };
    Error::Database(pg::Error::Database(Box::new(said)))
}

struct Joined {
    source: Source,
    alias: String,
    pairs: Vec<Pair>,
    junction: Option<(Qualified, String)>,
    needs: Vec<Arc<str>>,
    needs_row: bool,
}

impl Embedded {
    /// Whether its rows have a value of this name.
    fn gives(&self, name: &str) -> bool {
        self.node.items.iter().any(|item| match item {
            Item::Value(output) => output.name == name,
            Item::Embed(at) => self.node.embeds.get(*at).is_some_and(|inner| inner.label == name),
            Item::Spread(at) => {
                let lifted = self.node.embeds.get(*at).and_then(|inner| inner.spread.as_ref());
                lifted.into_iter().flatten().any(|one| one.name == name)
            }
            Item::Star => false,
        })
    }
}

impl ColumnValue {
    /// A column as it is.
    pub(super) fn plain(name: &str) -> Self {
        ColumnValue { name: name.to_owned(), path: Vec::new(), to_jsonb: false, shown_by: None, cast: None }
    }
}

/// What a spread node gives its parent. An aggregate in a to-one spread belongs to the parent: over the one row it would
/// mean nothing.
fn lift(node: &mut Node, to_one: bool) -> Result<Vec<Lifted>, Error> {
    let mut lifted: Vec<Lifted> = Vec::new();
    let mut add =
        |inner: &mut String, aggregate: Option<(Aggregate, Option<String>)>, server_json, is_json| {
            if aggregate.is_some() && !to_one {
                return Err(Error::NotImplemented {
                    what: "Aggregates are not implemented for one-to-many or many-to-many spreads.",
                });
            }
            let name = inner.clone();
            while lifted.iter().any(|other| other.inner == *inner) {
                inner.push('_');
            }
            // A list of values is JSON by the time it is lifted.
            let (server_json, is_json) = (server_json && to_one, is_json || !to_one);
            lifted.push(Lifted { inner: inner.clone(), name, aggregate, server_json, is_json });
            Ok(())
        };
    for item in &mut node.items {
        match item {
            Item::Value(output) => {
                let aggregate = output.aggregate.take();
                add(&mut output.name, aggregate, output.server_json, false)?;
            }
            Item::Star => {}
            Item::Embed(at) => {
                let Some(embed) = node.embeds.get_mut(*at) else { continue };
                add(&mut embed.label, None, false, true)?;
            }
            Item::Spread(at) => {
                let inside = node.embeds.get_mut(*at).and_then(|embed| embed.spread.as_mut());
                for one in inside.into_iter().flatten() {
                    let aggregate = one.aggregate.take();
                    add(&mut one.name, aggregate, one.server_json, one.is_json)?;
                }
            }
        }
    }
    Ok(lifted)
}
