//! What of the catalog a role may see, with the names a convention gives it: what both schemas are made of.
//!
//! Invariant: only what is served and what the role has a right on is in here.

use std::collections::HashMap;
use std::sync::Arc;

use data::ask::Name;
use data::catalog::{Catalog, Column, Function, LinkKind, Relation, RelationId, Returns};
use data::graph::Rights;
use gql::TypeRef;
use gql::schema::{Input, Longest, Type};
use serde_json::Value as Json;

use crate::bind::{Bind, Callable, Gives, Hop, Table};
use crate::names;
use crate::values::{self, Known, Style};

/// A comment's directive that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

/// Everything a schema is made of.
pub struct World<'a> {
    /// The snapshot.
    pub catalog: &'a Catalog,
    /// What the role may do.
    pub rights: &'a Rights,
    /// The convention.
    pub style: Style,
    /// Whether rows may be summed up where a comment says nothing.
    pub aggregates: bool,
    /// Relations in order of their names.
    pub entries: Vec<Entry<'a>>,
    /// Keys between them.
    pub keys: Vec<Key>,
    places: HashMap<RelationId, usize>,
    enums: HashMap<u32, Arc<str>>,
}

/// A relation of the schema.
pub struct Entry<'a> {
    /// In the catalog.
    pub relation: &'a Relation,
    /// Bound.
    pub table: Arc<Table>,
    /// What its comment says.
    pub directives: Json,
    /// Whether names in its schema are inflected.
    pub inflects: bool,
    /// Columns the role may see or write, with a valid name and type.
    pub columns: Vec<Field<'a>>,
}

/// A column of the schema.
pub struct Field<'a> {
    /// In the catalog.
    pub column: &'a Column,
    /// Its name here.
    pub name: String,
    /// Its type.
    pub known: Known,
    /// What it is for.
    pub description: Option<String>,
    /// May be read.
    pub sees: bool,
    /// May be given in an insert.
    pub inserts: bool,
    /// May be given in an update.
    pub updates: bool,
}

impl Entry<'_> {
    /// Whether rows can be inserted.
    pub fn inserts(&self) -> bool {
        self.relation.insertable && self.columns.iter().any(|known| known.inserts)
    }

    /// Whether rows can be updated.
    pub fn updates(&self) -> bool {
        self.relation.updatable && self.columns.iter().any(|known| known.updates)
    }
}

impl Field<'_> {
    /// What is given for it in a new or changed row.
    pub fn given(&self) -> Input<Bind> {
        let name = &self.column.name;
        let mut input = Input::new(&*self.name, self.known.of.clone(), Bind::Given(name.clone()));
        input.longest = self.column.max_length.map(|most| Longest { most, of: name.clone() });
        input
    }

    /// Its type as a column: never null when the column is not.
    pub fn of(&self) -> TypeRef {
        if self.column.required { self.known.of.clone().required() } else { self.known.of.clone() }
    }

    /// Whether it can be ordered by.
    pub fn is_ordered(&self) -> bool {
        !self.known.of.is_list() && !self.is_json()
    }

    /// Whether it is JSON, which has no equality.
    pub fn is_json(&self) -> bool {
        &**self.known.of.name() == "JSON"
    }
}

/// A foreign key, of the database or of a comment.
#[derive(Clone, Debug)]
pub struct Key {
    /// The place of the side that holds it.
    pub local: usize,
    /// The place of the side it points at.
    pub foreign: usize,
    /// Columns: held, pointed at.
    pub columns: Vec<(Arc<str>, Arc<str>)>,
    /// Whether at most one row holds each value.
    pub unique: bool,
    /// What the side pointed at calls the rows that hold it.
    pub local_name: Option<String>,
    /// What the side that holds it calls the row it points at.
    pub foreign_name: Option<String>,
}

impl<'a> World<'a> {
    /// Whether rows can be deleted.
    pub fn deletes(&self, entry: &Entry<'_>) -> bool {
        entry.relation.deletable && self.rights.deletes.contains(&entry.relation.oid)
    }

    /// Looks around.
    pub fn new(
        catalog: &'a Catalog,
        rights: &'a Rights,
        style: Style,
        aggregates: bool,
    ) -> Result<Self, Broken> {
        let (entries, keys, places) = (Vec::new(), Vec::new(), HashMap::new());
        let crate::called::Called { relations: called, enums } =
            crate::called::all(catalog, style, aggregates);
        let mut world = World { catalog, rights, style, aggregates, entries, keys, places, enums };
        for schema in catalog.exposed() {
            for relation in catalog.relations.iter().filter(|one| one.schema == *schema) {
                let Some(type_name) = called.get(&relation.id) else { continue };
                if let Some(entry) = world.entry(relation, type_name.clone())? {
                    world.places.insert(relation.id, world.entries.len());
                    world.entries.push(entry);
                }
            }
        }
        world.keys = world.all_keys()?;
        Ok(world)
    }

    /// What an enum is called, where it is a type of the schema.
    fn enum_called(&self, oid: u32) -> Option<Arc<str>> {
        self.enums.get(&oid).filter(|_| self.rights.uses.contains(&oid)).cloned()
    }

    /// The GraphQL type of a type of values.
    pub fn known(&self, oid: u32) -> Option<Known> {
        values::known(self.catalog, oid, self.style, &|oid| self.enum_called(oid))
    }

    /// Enums of the schema.
    pub fn enums(&self) -> Vec<(u32, Type<Bind>)> {
        let mut all: Vec<(u32, Arc<str>)> =
            self.rights.uses.iter().filter_map(|oid| Some((*oid, self.enum_called(*oid)?))).collect();
        all.sort_unstable();
        all.into_iter()
            .filter_map(|(oid, name)| Some((oid, values::enumeration(self.catalog, oid, &name)?)))
            .collect()
    }

    /// The relation whose rows these are, when it is in the schema.
    pub fn by_relation(&self, id: RelationId) -> Option<&Entry<'a>> {
        self.places.get(&id).and_then(|at| self.entries.get(*at))
    }

    fn entry(&self, relation: &'a Relation, type_name: Arc<str>) -> Result<Option<Entry<'a>>, Broken> {
        let directives = names::directives(relation.comment.as_deref());
        let inflects = self.style == Style::Plain || values::inflects(self.catalog, &relation.schema);
        let key = key(relation, &directives, self.style);
        let columns: Vec<Field<'a>> =
            relation.columns.iter().filter_map(|column| self.field(relation, column, inflects)).collect();
        let sees_key = key.iter().all(|name| relation.column(name).is_some());
        let visible = columns.iter().any(|field| field.sees)
            || relation.columns.iter().any(|one| self.rights.sees.contains(&(relation.oid, one.number)));
        let keyed = !key.is_empty() || self.style == Style::Plain;
        if !visible || !keyed || !sees_key {
            return Ok(None);
        }
        let table = Table {
            name: Name::new(&*relation.schema, &*relation.name),
            type_name,
            key,
            max_rows: self.max_rows(relation, &directives)?,
            // The owner's word about this table, else the operator's about all.
            aggregates: names::switched(&directives, "aggregate").unwrap_or(self.aggregates),
        };
        Ok(Some(Entry { relation, table: Arc::new(table), directives, inflects, columns }))
    }

    fn field(&self, relation: &Relation, column: &'a Column, inflects: bool) -> Option<Field<'a>> {
        let directives = names::directives(column.comment.as_deref());
        let name =
            names::said(&directives, "name").unwrap_or_else(|| names::field_name(&column.name, inflects));
        let known = self.known(column.type_oid)?;
        let at = (relation.oid, column.number);
        let serial = column.default.as_deref().is_some_and(|default| default.starts_with("nextval("));
        let given = !column.generated && (self.style == Style::Plain || !serial);
        names::is_valid(&name).then(|| Field {
            column,
            name,
            known,
            description: names::said(&directives, "description"),
            sees: self.rights.sees.contains(&at),
            inserts: given && relation.insertable && self.rights.inserts.contains(&at),
            updates: given && relation.updatable && self.rights.updates.contains(&at),
        })
    }

    /// Of the relation, its schema, or the convention.
    fn max_rows(&self, relation: &Relation, directives: &Json) -> Result<i64, Broken> {
        let of_schema =
            names::directives(self.catalog.comments.get(&relation.schema).map(|comment| &**comment));
        for said in [directives, &of_schema] {
            match said.get("max_rows") {
                None | Some(Json::Null) => {}
                Some(number) => {
                    return number
                        .as_u64()
                        .and_then(|number| i64::try_from(number).ok())
                        .ok_or_else(|| Broken(format!("invalid value: integer `{number}`, expected u64")));
                }
            }
        }
        Ok(match self.style {
            Style::Relay => 30,
            Style::Plain => i64::MAX,
        })
    }

    fn all_keys(&self) -> Result<Vec<Key>, Broken> {
        let mut all = Vec::new();
        for (local, entry) in self.entries.iter().enumerate() {
            for link in self.catalog.links_of(entry.relation.id) {
                let (constraint, columns, unique) = match &link.kind {
                    LinkKind::ManyToOne { constraint, columns } => (constraint, columns, false),
                    LinkKind::OneToOne { constraint, columns, parent: false } => (constraint, columns, true),
                    LinkKind::OneToOne { parent: true, .. }
                    | LinkKind::OneToMany { .. }
                    | LinkKind::ManyToMany { .. }
                    | LinkKind::Computed { .. } => continue,
                };
                let Some(foreign) = self.places.get(&link.target).copied() else { continue };
                let target = self.entries.get(foreign).map(|entry| entry.relation.kind.is_view());
                // Keys seen through views are the other convention's; pg_graphql asks for a comment.
                if self.style == Style::Relay && (entry.relation.kind.is_view() || target == Some(true)) {
                    continue;
                }
                let comment = self.catalog.key_comments.get(&(entry.relation.oid, constraint.clone()));
                let said = names::directives(comment.map(|comment| &**comment));
                all.push(Key {
                    local,
                    foreign,
                    columns: columns.clone(),
                    unique,
                    local_name: names::said(&said, "local_name"),
                    foreign_name: names::said(&said, "foreign_name"),
                });
            }
            self.keys_of_comment(local, entry, &mut all)?;
        }
        // A key over columns that the role may not see shows nothing.
        all.retain(|key| {
            key.columns
                .iter()
                .all(|(held, pointed)| self.sees(key.local, held) && self.sees(key.foreign, pointed))
        });
        Ok(all)
    }

    fn sees(&self, at: usize, column: &str) -> bool {
        self.entries.get(at).is_some_and(|entry| {
            let column = entry.relation.column(column);
            column.is_some_and(|one| self.rights.sees.contains(&(entry.relation.oid, one.number)))
        })
    }

    /// `@graphql({"foreign_keys": […]})`
    fn keys_of_comment(&self, local: usize, entry: &Entry<'a>, all: &mut Vec<Key>) -> Result<(), Broken> {
        let said = entry.directives.get("foreign_keys").and_then(Json::as_array);
        for one in said.into_iter().flatten() {
            let list = |name: &str| -> Result<Vec<Arc<str>>, Broken> {
                match one.get(name) {
                    Some(Json::Array(items)) => {
                        Ok(items.iter().filter_map(Json::as_str).map(Arc::from).collect())
                    }
                    Some(other) => Err(Broken(format!("invalid type: {}, expected a sequence", kind(other)))),
                    None => Err(Broken(format!("missing field `{name}`"))),
                }
            };
            let (here, there) = (list("local_columns")?, list("foreign_columns")?);
            let (schema, name) = (names::said(one, "foreign_schema"), names::said(one, "foreign_table"));
            let target = self.catalog.find(&schema.unwrap_or_default(), &name.unwrap_or_default());
            let foreign = target.and_then(|target| self.places.get(&target.id).copied());
            let Some(foreign) = foreign.filter(|_| here.len() == there.len() && !here.is_empty()) else {
                continue;
            };
            let whole_key =
                entry.table.key.iter().all(|name| here.contains(name)) && entry.table.key.len() == here.len();
            all.push(Key {
                local,
                foreign,
                columns: here.into_iter().zip(there).collect(),
                unique: whole_key,
                local_name: names::said(one, "local_name"),
                foreign_name: names::said(one, "foreign_name"),
            });
        }
        Ok(())
    }

    /// The way along a key.
    pub fn hop(&self, key: &Key, back: bool) -> Option<Hop> {
        let target = self.entries.get(if back { key.local } else { key.foreign })?;
        let pairs = key.columns.iter().map(|(held, pointed)| match back {
            true => (held.clone(), pointed.clone()),
            false => (pointed.clone(), held.clone()),
        });
        Some(Hop { table: target.table.clone(), pairs: pairs.collect() })
    }

    /// Functions of one row of a relation, by the schema's rules.
    pub fn row_functions(&self, entry: &Entry<'a>) -> Vec<(&'a Function, TypeRef, Callable)> {
        if !self.rights.sees_rows.contains(&entry.relation.oid) {
            return Vec::new();
        }
        let takes_row = |function: &&Function| {
            matches!(function.parameters.as_slice(), [only] if only.type_oid == entry.relation.row_type)
                && self.rights.calls.contains(&function.oid)
        };
        self.catalog
            .functions
            .values()
            .flatten()
            .filter(takes_row)
            .filter_map(|function| {
                let (of, gives) = self.gives(function)?;
                let name = Name::new(&*function.schema, &*function.name);
                Some((function, of, Callable { name, gives }))
            })
            .collect()
    }

    /// What a function gives, as a type and bound.
    pub fn gives(&self, function: &Function) -> Option<(TypeRef, Gives)> {
        let many = function.set && !function.one_row;
        match &function.returns {
            Returns::Row { relation: Some(relation), .. } => {
                let entry = self.by_relation(*relation)?;
                let name = &entry.table.type_name;
                Some(match (many, self.style) {
                    (false, _) => (TypeRef::named(name.clone()), Gives::One(entry.table.clone())),
                    (true, Style::Relay) => {
                        (TypeRef::named(format!("{name}Connection")), Gives::Many(entry.table.clone()))
                    }
                    (true, Style::Plain) => {
                        (TypeRef::named(name.clone()).required().list(), Gives::Many(entry.table.clone()))
                    }
                })
            }
            Returns::Scalar { type_oid } if !function.set => {
                let known = self.known(*type_oid)?;
                Some((known.of, Gives::Value(known.shown)))
            }
            Returns::Scalar { .. } | Returns::Row { .. } | Returns::Record | Returns::Void => None,
        }
    }
}

/// The columns that name a row.
fn key(relation: &Relation, directives: &Json, style: Style) -> Vec<Arc<str>> {
    let of_views = style == Style::Plain;
    if !relation.primary_key.is_empty() && (of_views || !relation.kind.is_view()) {
        let ordered = !relation.key_order.is_empty();
        return if ordered { relation.key_order.clone() } else { relation.primary_key.clone() };
    }
    let said = directives.get("primary_key_columns").and_then(Json::as_array);
    let names: Vec<Arc<str>> = said.into_iter().flatten().filter_map(Json::as_str).map(Arc::from).collect();
    if names.iter().all(|name| relation.column(name).is_some()) { names } else { Vec::new() }
}

/// A JSON value as an error names it.
fn kind(json: &Json) -> String {
    match json {
        Json::String(text) => format!("string {text:?}"),
        Json::Number(number) => format!("integer `{number}`"),
        Json::Bool(word) => format!("boolean `{word}`"),
        Json::Null => "null".to_owned(),
        Json::Array(_) => "sequence".to_owned(),
        Json::Object(_) => "map".to_owned(),
    }
}
