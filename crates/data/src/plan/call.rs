//! Calling a function.
//!
//! Arguments are bound one by one, each as its parameter's type, so that PostgreSQL plans the call as if it were written
//! out; a document is taken apart by the server only where a parameter's type needs that (composites and their arrays).

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::ask::{Arguments, CallAsk, Rules, Shape};
use crate::catalog::arguments::Asks;
use crate::catalog::types::oid;
use crate::catalog::{Catalog, Function, Parameter, Returns, TypeKind, Volatility};
use crate::clean;
use crate::error::Error;

use super::json::{array_literal_of, scalar_text};
use super::level::{Columns, Planner};
use super::{Act, Argument, BodyShape, Call, Given, Item, Output, Plan, Source, Value, body, function};

/// The name of the one column of a function that does not return rows.
pub(crate) const SCALAR: &str = "pgrst_scalar";

/// Settings of a function that hold for the whole transaction, because inside the function they come too late.
const HOISTED: [&str; 3] =
    ["statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation"];

pub(super) fn plan(ask: &CallAsk, catalog: &Catalog, rules: &Rules) -> Result<Plan, Error> {
    let function = function::find(ask, catalog)?;
    if ask.terms.max_affected.is_some() && function.is_single() {
        return Err(Error::MaxAffectedSingle);
    }
    let arguments = match &ask.arguments {
        Arguments::Texts(pairs) => from_texts(catalog, function, pairs)?,
        Arguments::Json { raw, many, .. } => from_json(catalog, function, raw, *many)?,
        Arguments::Body { raw, .. } => from_body(catalog, function, raw)?,
    };
    let columns = columns(catalog, function, &ask.function.schema);
    let scalar = columns.is_none();
    let known = columns.unwrap_or_else(|| Columns {
        relation: None,
        name: function.name.clone(),
        known: Some(vec![(SCALAR.into(), function.return_type)]),
    });
    let mut planner = Planner::new(catalog, rules, &ask.function.schema, rules.max_rows);
    let row_type = known.relation.map(|relation| (relation.schema.clone(), relation.name.clone()));
    let mut root = planner.root(Source::Act, known, &ask.level)?;
    if scalar && ask.level.is_whole_row() {
        // A record nobody described can only be made JSON by the server.
        let plain = matches!(function.returns, Returns::Scalar { .. } | Returns::Void);
        for item in &mut root.items {
            if let Item::Value(Output { server_json, value: Value::Column(_), .. }) = item {
                *server_json |= !plain;
            }
        }
    }
    let writes = !ask.read_only && function.volatility == Volatility::Volatile;
    let hoisted = function.settings.iter().filter(|(name, _)| HOISTED.contains(&&**name)).cloned().collect();
    Ok(Plan {
        act: Act::Call(Call {
            function: (function.schema.clone(), function.name.clone()),
            arguments,
            scalar,
            single: function.is_single(),
        }),
        root,
        body: shape(&ask.terms.shape, catalog, function, scalar, row_type),
        terms: ask.terms.clone(),
        max_rows: rules.max_rows,
        writes,
        settings: hoisted,
        void: matches!(function.returns, Returns::Void),
        resolved: false,
    })
}

fn shape(
    asked: &Shape,
    catalog: &Catalog,
    function: &Function,
    scalar: bool,
    row_type: Option<super::Qualified>,
) -> BodyShape {
    match (asked, scalar) {
        (Shape::Json { .. }, true) if function.set => BodyShape::Values,
        (Shape::Json { .. } | Shape::Object { .. }, true) => BodyShape::Value,
        (Shape::Json { strip_nulls }, false) if function.is_single() => {
            BodyShape::Object { strip_nulls: *strip_nulls }
        }
        (Shape::Csv, scalar) => BodyShape::Csv { scalar },
        (other, _) => body(other, catalog, row_type),
    }
}

/// The columns of the rows a function returns; `None` when it returns none.
fn columns<'a>(catalog: &'a Catalog, function: &Function, schema: &str) -> Option<Columns<'a>> {
    match &function.returns {
        Returns::Void | Returns::Scalar { .. } | Returns::Record => None,
        Returns::Row { relation, name, columns, domain: _ } => {
            // Only a served relation of the same schema can be embedded in.
            let relation = relation.and_then(|id| catalog.relation(id));
            let relation =
                relation.or_else(|| catalog.find(schema, name)).filter(|one| &*one.schema == schema);
            Some(Columns { relation, name: name.clone(), known: Some(columns.clone()) })
        }
    }
}

fn argument(catalog: &Catalog, parameter: &Parameter, value: Given) -> Result<Argument, Error> {
    let value = match &parameter.asks {
        Some(asks) => looked_at(&parameter.name, asks, value)?,
        None => value,
    };
    let type_sql = catalog.types.sql(parameter.type_oid).ok_or(Error::Bug("a parameter of no known type"))?;
    let name = (!parameter.name.is_empty()).then(|| parameter.name.clone());
    Ok(Argument { name, value, type_sql, variadic: parameter.variadic })
}

/// A value of which its type asks something, as it may be passed on.
fn looked_at(name: &str, asks: &Asks, value: Given) -> Result<Given, Error> {
    match value {
        Given::Text(None) => Ok(value),
        Given::Text(Some(bytes)) => {
            let text = std::str::from_utf8(&bytes).map_err(|_| Error::NotJson)?;
            let made = clean::argument_text(name, asks, text)?;
            Ok(Given::Text(Some(made.map_or(bytes, Bytes::from))))
        }
        Given::Json(json) => Ok(Given::Json(clean::argument_json(name, asks, &json)?.unwrap_or(json))),
    }
}

fn from_texts(
    catalog: &Catalog,
    function: &Function,
    pairs: &[(String, String)],
) -> Result<Vec<Argument>, Error> {
    let mut arguments = Vec::new();
    for parameter in &function.parameters {
        let mut given =
            pairs.iter().filter(|(name, _)| *name == *parameter.name).map(|(_, value)| value.as_str());
        let value = if parameter.variadic {
            let all: Vec<&str> = given.collect();
            if all.is_empty() {
                continue;
            }
            pg::statement::array_literal(all)
        } else {
            match given.next_back() {
                None => continue,
                Some(last) => last.to_owned(),
            }
        };
        arguments.push(argument(catalog, parameter, Given::Text(Some(value.into())))?);
    }
    Ok(arguments)
}

fn from_body(catalog: &Catalog, function: &Function, raw: &Bytes) -> Result<Vec<Argument>, Error> {
    let [only] = function.parameters.as_slice() else { return Ok(Vec::new()) };
    let value = match only.type_oid {
        oid::BYTEA => match pg::Param::from(raw.as_ref()) {
            pg::Param(bytes) => Given::Text(bytes),
        },
        _ => Given::Text(Some(raw.clone())),
    };
    Ok(vec![argument(catalog, only, value)?])
}

fn from_json(
    catalog: &Catalog,
    function: &Function,
    raw: &Bytes,
    many: bool,
) -> Result<Vec<Argument>, Error> {
    if let [only] = function.parameters.as_slice()
        && only.name.is_empty()
    {
        return Ok(vec![argument(catalog, only, Given::Text(Some(raw.clone())))?]);
    }
    let values = first_object(raw, many);
    let mut arguments = Vec::new();
    for parameter in &function.parameters {
        let Some(value) = values.get(&*parameter.name) else { continue };
        let given = bind(catalog, parameter.type_oid, value.get());
        arguments.push(argument(catalog, parameter, given)?);
    }
    Ok(arguments)
}

/// The values of the object, or of the first object of an array. What is not JSON has none: the names of its arguments
/// were empty too, so that the function was refused or takes none.
fn first_object(raw: &Bytes, many: bool) -> HashMap<String, Box<RawValue>> {
    if many {
        let all: Vec<Box<RawValue>> = serde_json::from_slice(raw).unwrap_or_default();
        let first = all.first().and_then(|first| serde_json::from_str(first.get()).ok());
        return first.unwrap_or_default();
    }
    serde_json::from_slice(raw).unwrap_or_default()
}

/// How a JSON value reaches a parameter of this type.
fn bind(catalog: &Catalog, type_oid: u32, json: &str) -> Given {
    let types = &catalog.types;
    let base = types.base(type_oid);
    if json == "null" {
        return Given::Text(None);
    }
    if matches!(base, oid::JSON | oid::JSONB) {
        return Given::Text(Some(Bytes::copy_from_slice(json.as_bytes())));
    }
    if let Some(text) = scalar_text(json) {
        return Given::Text(Some(text.into()));
    }
    let found = types.get(base);
    let element = found.and_then(|found| found.element).map(|element| types.base(element));
    let plain_element = element.and_then(|element| types.get(element)).is_some_and(|element| {
        !matches!(element.kind, TypeKind::Composite | TypeKind::Pseudo)
            && !matches!(element.oid, oid::JSON | oid::JSONB)
    });
    if plain_element && let Some(literal) = array_literal_of(json) {
        return Given::Text(Some(literal.into()));
    }
    if found.is_some_and(|found| matches!(found.kind, TypeKind::Base | TypeKind::Enum | TypeKind::Range)) {
        return Given::Text(Some(Bytes::copy_from_slice(json.as_bytes())));
    }
    Given::Json(json.to_owned())
}
