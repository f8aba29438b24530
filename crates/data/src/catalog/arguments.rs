//! What is asked of the arguments of functions: a type says the same of a value that is on its way into a function as of one
//! on its way into a column. Pure.
//!
//! Invariant: what is asked of any part of a value is in [`Asks`], or the argument is closed; it never means that nothing is asked.

use std::collections::HashMap;
use std::sync::Arc;

use super::check::{Asked, Check};
use super::ruled::VIEWS_DEEP;
use super::types::TypeKind;
use super::{Column, Function, Relation, Types};

/// What is asked of a value by its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Of text, JSON, or arrays of them.
    Value(Arc<Check>),
    /// Of fields of a row.
    Row(Vec<(Arc<str>, Asks)>),
    /// Of each of several rows.
    Rows(Box<Asks>),
}

/// What is known of types and of what comments say.
pub(super) struct Told<'a> {
    /// All types.
    pub types: &'a Types,
    /// Tables and views, whose columns know what is asked of them.
    pub relations: &'a [Relation],
    /// The fields of composite types.
    pub composites: &'a HashMap<u32, Vec<Column>>,
    /// What comments of columns and fields ask.
    pub asked: &'a HashMap<(u32, i16), Asked>,
}

/// Fills in what is asked of each parameter.
pub(super) fn fill(functions: &mut [Function], told: &Told<'_>) {
    for function in functions {
        for parameter in &mut function.parameters {
            parameter.asks = told.of(parameter.type_oid, Asked::default(), 0).map(Arc::new);
        }
    }
}

impl Told<'_> {
    /// What is asked of a value of this type, and by `asked` of it in this place.
    fn of(&self, type_oid: u32, mut asked: Asked, deep: usize) -> Option<Asks> {
        let mut kind = self.types.get(type_oid);
        while let Some(found) = kind {
            if let Some(here) = &found.asked {
                asked.join(here);
            }
            kind = found.base.and_then(|base| self.types.get(base));
        }
        let inside = match self.types.get(self.types.base(type_oid)).filter(|_| deep < VIEWS_DEEP) {
            Some(found) if found.kind == TypeKind::Array => {
                match found.element.and_then(|element| self.of(element, Asked::default(), deep + 1)) {
                    Some(Asks::Value(check)) => {
                        asked.join(&check.asked);
                        None
                    }
                    Some(rows) => Some(Asks::Rows(Box::new(rows))),
                    None => None,
                }
            }
            Some(found) => found.relation.and_then(|row| self.row(row, deep)),
            None => None,
        };
        match asked == Asked::default() {
            true => inside,
            // Of a row as a whole nothing can be asked, and that closes it.
            false => Some(Asks::Value(Arc::new(Check::of(asked, type_oid, self.types)))),
        }
    }

    fn row(&self, row: u32, deep: usize) -> Option<Asks> {
        let table = self.relations.iter().find(|relation| relation.oid == row);
        let columns = table.map(|table| &table.columns).or_else(|| self.composites.get(&row));
        let field = |column: &Column| {
            let asks = match &column.check {
                Some(check) => Some(Asks::Value(Arc::clone(check))),
                None => {
                    let here = self.asked.get(&(row, column.number)).cloned().unwrap_or_default();
                    self.of(column.type_oid, here, deep + 1)
                }
            };
            Some((column.name.clone(), asks?))
        };
        let fields: Vec<(Arc<str>, Asks)> = columns.into_iter().flatten().filter_map(field).collect();
        (!fields.is_empty()).then_some(Asks::Row(fields))
    }
}
