//! What is given: pages, filters, orders, new values.

use std::sync::Arc;

use data::ask::Operator;
use gql::TypeRef;
use gql::schema::{EnumValue, Input, Kind, Type};

use crate::bind::{Bind, Op};
use crate::world::{Entry, Field};

fn named(name: &str) -> TypeRef {
    TypeRef::named(name)
}

fn input(name: &str, fields: Vec<Input<Bind>>, group: Option<&Arc<str>>) -> Type<Bind> {
    Type { name: name.into(), description: None, group: group.cloned(), kind: Kind::Input(fields) }
}

/// The arguments of a connection.
pub(super) fn page_arguments(type_name: &str) -> Vec<Input<Bind>> {
    let plain = |name: &str, of: TypeRef, about: &str| Input::new(name, of, Bind::None).about(about);
    vec![
        plain("first", named("Int"), "Query the first `n` records in the collection"),
        plain("last", named("Int"), "Query the last `n` records in the collection"),
        plain("before", named("Cursor"), "Query values in the collection before the provided cursor"),
        plain("after", named("Cursor"), "Query values in the collection after the provided cursor"),
        plain(
            "offset",
            named("Int"),
            "Skip n values from the after cursor. Alternative to cursor pagination. Backward pagination not supported.",
        ),
        plain(
            "filter",
            named(&format!("{type_name}Filter")),
            "Filters to apply to the results set when querying from the collection",
        ),
        plain(
            "orderBy",
            named(&format!("{type_name}OrderBy")).required().list(),
            "Sort order to apply to the collection",
        ),
    ]
}

const EQ: (&str, Op) = ("eq", Op::Compare(Operator::Equal));
const NEQ: (&str, Op) = ("neq", Op::Compare(Operator::NotEqual));
const IN: (&str, Op) = ("in", Op::In);
const IS: (&str, Op) = ("is", Op::Is);
const ORDERED: [(&str, Op); 4] = [
    ("gt", Op::Compare(Operator::Greater)),
    ("gte", Op::Compare(Operator::GreaterOrEqual)),
    ("lt", Op::Compare(Operator::Less)),
    ("lte", Op::Compare(Operator::LessOrEqual)),
];
const TEXTS: [(&str, Op); 5] = [
    ("startsWith", Op::StartsWith),
    ("like", Op::Compare(Operator::Like)),
    ("ilike", Op::Compare(Operator::ILike)),
    ("regex", Op::Compare(Operator::Match)),
    ("iregex", Op::Compare(Operator::IMatch)),
];
const LISTS: [(&str, Op); 4] = [
    ("contains", Op::Compare(Operator::Contains)),
    ("containedBy", Op::Compare(Operator::ContainedBy)),
    EQ,
    ("overlaps", Op::Compare(Operator::Overlaps)),
];

/// The tests of values of a type, by name.
fn tests(type_name: &str, of: &TypeRef, ops: &[(&str, Op)]) -> Type<Bind> {
    let mut fields: Vec<Input<Bind>> = ops
        .iter()
        .map(|(name, op)| {
            let of = match op {
                Op::In => of.clone().required().list(),
                Op::Is => named("FilterIs"),
                Op::Compare(_) | Op::StartsWith | Op::IsNull => of.clone(),
            };
            Input::new(*name, of, Bind::Test(*op))
        })
        .collect();
    fields.sort_by(|one, other| one.name.cmp(&other.name));
    let mut filter = input(&format!("{type_name}Filter"), fields, None);
    filter.description = Some(format!("Boolean expression comparing fields on type \"{type_name}\"").into());
    filter
}

/// Filters of scalars and their lists, and the enums of tests and orders.
pub(super) fn constant() -> Vec<Type<Bind>> {
    let value = |name: &str, description: Option<&str>| EnumValue {
        name: name.into(),
        means: name.into(),
        description: description.map(Arc::from),
    };
    let words = |name: &str, description: Option<&str>, values: Vec<EnumValue>| Type {
        name: name.into(),
        description: description.map(Arc::from),
        group: None,
        kind: Kind::Enum(values),
    };
    let mut all = vec![
        words("FilterIs", None, vec![value("NULL", None), value("NOT_NULL", None)]),
        words(
            "OrderByDirection",
            Some("Defines a per-field sorting order"),
            vec![
                value("AscNullsFirst", Some("Ascending order, nulls first")),
                value("AscNullsLast", Some("Ascending order, nulls last")),
                value("DescNullsFirst", Some("Descending order, nulls first")),
                value("DescNullsLast", Some("Descending order, nulls last")),
            ],
        ),
        tests("ID", &named("ID"), &[EQ]),
        tests("UUID", &named("UUID"), &[EQ, NEQ, IN, IS]),
        tests("Boolean", &named("Boolean"), &[EQ, IS]),
        tests("Opaque", &named("Opaque"), &[EQ, IS]),
    ];
    let comparable = [[EQ, NEQ].as_slice(), &ORDERED, &[IN, IS]].concat();
    for name in ["Int", "Float", "BigInt", "Date", "Time", "Datetime", "BigFloat"] {
        all.push(tests(name, &named(name), &comparable));
    }
    all.push(tests("String", &named("String"), &[comparable.as_slice(), &TEXTS].concat()));
    let lists =
        ["Int", "Float", "String", "Boolean", "Date", "Time", "Datetime", "BigInt", "UUID", "BigFloat"];
    for name in lists {
        let of = named(name).required().list();
        all.push(tests(&format!("{name}List"), &of, &[LISTS.as_slice(), &[IS]].concat()));
    }
    all
}

/// The filter of an enum.
pub(super) fn enum_filter(one: &Type<Bind>) -> Type<Bind> {
    let mut filter = tests(&one.name, &TypeRef::named(one.name.clone()), &[EQ, NEQ, IN, IS]);
    filter.group.clone_from(&one.group);
    filter
}

/// All inputs of one relation.
pub(super) fn add(entry: &Entry<'_>, types: &mut Vec<Type<Bind>>) {
    let name = &*entry.table.type_name;
    let group = Some(&entry.relation.schema);
    types.push(input(&format!("{name}Filter"), filter_fields(entry), group));
    let order = entry.columns.iter().filter(|known| known.sees && known.is_ordered()).map(|known| {
        Input::new(&*known.name, named("OrderByDirection"), Bind::Given(known.column.name.clone()))
    });
    types.push(input(&format!("{name}OrderBy"), order.collect(), group));
    if entry.inserts() {
        let fields = entry.columns.iter().filter(|known| known.inserts).map(Field::given);
        types.push(input(&format!("{name}InsertInput"), fields.collect(), group));
    }
    if entry.updates() {
        let fields = entry.columns.iter().filter(|known| known.updates).map(Field::given);
        types.push(input(&format!("{name}UpdateInput"), fields.collect(), group));
    }
}

fn filter_fields(entry: &Entry<'_>) -> Vec<Input<Bind>> {
    let name = &*entry.table.type_name;
    let mut fields: Vec<Input<Bind>> = Vec::new();
    for known in entry.columns.iter().filter(|known| known.sees && !known.is_json()) {
        let of = known.known.of.name();
        let filter = match (known.known.of.is_list(), known.known.enumeration) {
            (false, _) => format!("{of}Filter"),
            // Lists of enums and of what is opaque have no tests.
            (true, Some(_)) => continue,
            (true, None) if matches!(&**of, "Opaque" | "JSON") => continue,
            (true, None) => format!("{of}ListFilter"),
        };
        fields.push(Input::new(&*known.name, named(&filter), Bind::Given(known.column.name.clone())));
    }
    let has = |fields: &[Input<Bind>], name: &str| fields.iter().any(|field| &*field.name == name);
    fields.push(Input::new("nodeId", named("IDFilter"), Bind::TestedNodeId));
    let own = named(&format!("{name}Filter"));
    let several = own.clone().required().list();
    // A column of that name comes before the operator.
    if !has(&fields, "and") {
        fields.push(
            Input::new("and", several.clone(), Bind::And)
                .about("Returns true only if all its inner filters are true, otherwise returns false"),
        );
    }
    if !has(&fields, "or") {
        fields.push(
            Input::new("or", several, Bind::Or)
                .about("Returns true if at least one of its inner filters is true, otherwise returns false"),
        );
    }
    if !has(&fields, "not") {
        fields.push(Input::new("not", own, Bind::Not).about("Negates a filter"));
    }
    fields
}
