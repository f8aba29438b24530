//! What is given: filters by suffix, orders, new values.

use data::ask::Operator;
use gql::TypeRef;
use gql::schema::{EnumValue, Input, Kind, Type};

use super::named;
use crate::bind::{Bind, Op};
use crate::world::{Entry, Field};

fn input(name: &str, fields: Vec<Input<Bind>>) -> Type<Bind> {
    Type { name: name.into(), description: None, group: None, kind: Kind::Input(fields) }
}

/// The words of an order.
pub(super) fn directions() -> Type<Bind> {
    const WORDS: [&str; 6] =
        ["ASC", "DESC", "ASC_NULLS_FIRST", "ASC_NULLS_LAST", "DESC_NULLS_FIRST", "DESC_NULLS_LAST"];
    let value = |word: &&str| EnumValue { name: (*word).into(), means: (*word).into(), description: None };
    Type {
        name: "OrderDirection".into(),
        description: Some("Up or down, and where nulls go".into()),
        group: None,
        kind: Kind::Enum(WORDS.iter().map(value).collect()),
    }
}

/// All inputs of one relation.
pub(super) fn add(entry: &Entry<'_>, types: &mut Vec<Type<Bind>>) {
    let name = &*entry.table.type_name;
    types.push(input(&format!("{name}Filter"), filter_fields(entry)));
    let order = entry.columns.iter().filter(|known| known.sees && known.is_ordered()).map(|known| {
        Input::new(&*known.name, named("OrderDirection"), Bind::Given(known.column.name.clone()))
    });
    types.push(input(&format!("{name}OrderBy"), order.collect()));
    if entry.inserts() {
        let fields = entry.columns.iter().filter(|known| known.inserts).map(Field::given);
        types.push(input(&format!("{name}InsertInput"), fields.collect()));
    }
    if entry.updates() {
        let fields = entry.columns.iter().filter(|known| known.updates).map(Field::given);
        types.push(input(&format!("{name}UpdateInput"), fields.collect()));
    }
}

fn filter_fields(entry: &Entry<'_>) -> Vec<Input<Bind>> {
    let mut fields = Vec::new();
    for known in entry.columns.iter().filter(|known| known.sees) {
        let of = &known.known.of;
        let mut add = |suffix: &str, of: TypeRef, op: Op| {
            let bind = Bind::Tested(known.column.name.clone(), op);
            fields.push(Input::new(format!("{}_{suffix}", known.name), of, bind));
        };
        add("is_null", named("Boolean"), Op::IsNull);
        let compare = Op::Compare;
        if known.is_json() {
            add("contains", of.clone(), compare(Operator::Contains));
            add("contained_by", of.clone(), compare(Operator::ContainedBy));
            continue;
        }
        add("eq", of.clone(), compare(Operator::Equal));
        add("neq", of.clone(), compare(Operator::NotEqual));
        if of.is_list() {
            add("contains", of.clone(), compare(Operator::Contains));
            add("contained_by", of.clone(), compare(Operator::ContainedBy));
            add("overlaps", of.clone(), compare(Operator::Overlaps));
            continue;
        }
        add("in", of.clone().required().list(), Op::In);
        if &**of.name() != "Opaque" && &**of.name() != "Boolean" {
            add("gt", of.clone(), compare(Operator::Greater));
            add("gte", of.clone(), compare(Operator::GreaterOrEqual));
            add("lt", of.clone(), compare(Operator::Less));
            add("lte", of.clone(), compare(Operator::LessOrEqual));
        }
        if &**of.name() == "String" {
            add("like", of.clone(), compare(Operator::Like));
            add("ilike", of.clone(), compare(Operator::ILike));
        }
    }
    let own = named(&format!("{}Filter", entry.table.type_name));
    fields.push(Input::new("_and", own.clone().required().list(), Bind::And).about("All of these hold"));
    fields.push(Input::new("_or", own.clone().required().list(), Bind::Or).about("One of these holds"));
    fields.push(Input::new("_not", own, Bind::Not).about("This does not hold"));
    fields
}
