//! The values a column can have that anything can tell apart: two people, three keys of each table, every constant that
//! stands beside the column, one value more, and NULL.

use super::claim::{Claim, Owner};
use super::scope::Scope;
use crate::facts::{Column, Constraint, Relation};
use crate::text::{self, Token};

/// Who acts.
pub(crate) const A: &str = "00000000-0000-4000-8000-00000000000a";
/// Whose rows they must not reach.
pub(crate) const B: &str = "00000000-0000-4000-8000-00000000000b";
/// Their addresses.
pub(crate) const EMAIL_A: &str = "a@palisade.invalid";
/// Theirs.
pub(crate) const EMAIL_B: &str = "b@palisade.invalid";

/// Values, and a doubt where they are not all that matter.
pub(crate) type Domain = (Vec<Option<String>>, Option<String>);

/// Names of columns that hold people, whatever their keys say.
const PEOPLE: &[&str] = &[
    "user_id",
    "owner_id",
    "owner",
    "author_id",
    "author",
    "created_by",
    "profile_id",
    "person",
    "person_id",
    "uid",
    "sender",
    "sender_id",
    "recipient",
    "recipient_id",
    "receiver",
    "member",
    "member_id",
    "assignee",
    "assigned_to",
    "manager",
    "manager_id",
    "friend",
    "friend_id",
    "follower",
    "followed",
    "shared_with",
    "grantee",
    "viewer",
    "doctor",
    "patient",
    "buyer",
    "seller",
    "customer",
    "invitee",
    "updated_by",
    "reviewer",
    "teacher",
    "student",
    "holder",
    "first",
    "second",
    "supporter",
    "driver",
    "rider",
    "host",
    "guest",
    "who",
    "subject",
    "account",
];

/// The `n`th key of a table, in the column's type.
fn key(column: &Column, n: usize) -> Option<String> {
    Some(match column.type_name.as_str() {
        "uuid" => format!("00000000-0000-4000-9000-00000000000{n}"),
        "int2" | "int4" | "int8" | "numeric" => n.to_string(),
        "text" | "varchar" | "bpchar" | "citext" => format!("k{n}"),
        _ => return None,
    })
}

fn keys(column: &Column) -> Option<Vec<Option<String>>> {
    (1..=3).map(|n| key(column, n).map(Some)).collect()
}

fn is_text(column: &Column) -> bool {
    matches!(column.type_name.as_str(), "text" | "varchar" | "bpchar" | "citext")
}

/// The domain of a column that matters.
pub(crate) fn of(scope: &Scope<'_>, table: &Relation, column: &Column) -> Domain {
    let (mut values, doubt) = without_null(scope, table, column, 0);
    if !column.required {
        values.push(None);
    }
    (values, doubt)
}

fn without_null(scope: &Scope<'_>, table: &Relation, column: &Column, deep: usize) -> Domain {
    let facts = scope.facts;
    let some = |values: &[&str]| values.iter().map(|value| Some((*value).to_owned())).collect::<Vec<_>>();
    let sure = |values: Vec<Option<String>>| (values, None);
    if column.type_name == "bool" {
        return sure(some(&["true", "false"]));
    }
    let alone = facts.constraints_of(table.oid, "f").find(|key| key.columns == [column.number]);
    let points = alone.or_else(|| several(scope, table, column));
    if let Some(points) = points.filter(|_| deep < 4) {
        if facts.users() == Some(points.target) {
            return sure(some(&[A, B]));
        }
        let place = points.columns.iter().position(|number| *number == column.number);
        let number = place.and_then(|place| points.target_columns.get(place));
        if let (Some(target), Some(number)) = (facts.relation(points.target), number)
            && let Some(there) = facts.column(target.oid, *number)
            && target.oid != table.oid
        {
            return without_null(scope, target, there, deep + 1);
        }
    }
    // Without a key to say it, a column may hold people, keys of any table, or both.
    let holds_people = PEOPLE.contains(&column.name.as_str()) || names_people(scope, table, column);
    let first_key = key(column, 1);
    if is_text(column) && column.name.contains("email") {
        return sure(some(&[EMAIL_A, EMAIL_B, "other"]));
    }
    if holds_people && (is_text(column) || column.type_name == "uuid") {
        return sure([some(&[A, B]), vec![first_key]].concat());
    }
    if let Some(domain) = array(column) {
        return domain;
    }
    let is_key = facts.constraints_of(table.oid, "p").any(|key| key.columns == [column.number]);
    let asked = near(scope, &column.name).iter().any(|token| token.is("uid") || token.is("jwt"));
    let of_several = is_pointed_at(scope, table, column);
    if column.type_name == "uuid" && (asked || !(is_key || of_several)) {
        return sure([some(&[A, B]), keys(column).unwrap_or_default()].concat());
    }
    if (is_key || of_several || column.name.ends_with("_id") || is_tenant(scope, column))
        && !asked
        && let Some(mut values) = keys(column)
    {
        // Two of each are four keys already.
        values.truncate(if of_several { 2 } else { values.len() });
        return sure(values);
    }
    let (mut values, doubt) = scalar(scope, column);
    let people = if is_text(column) && asked { some(&[A, B]) } else { Vec::new() };
    let keys = if column.labels.is_none() {
        (1..=2).filter_map(|n| key(column, n)).map(Some).collect()
    } else {
        Vec::new()
    };
    for more in people.into_iter().chain::<Vec<Option<String>>>(keys) {
        if !values.contains(&more) {
            values.push(more);
        }
    }
    (values, doubt)
}

/// A foreign key of several columns that it is one of.
fn several<'a>(scope: &Scope<'a>, table: &Relation, column: &Column) -> Option<&'a Constraint> {
    let mut keys = scope.facts.constraints_of(table.oid, "f");
    keys.find(|key| key.columns.len() > 1 && key.columns.contains(&column.number))
}

/// Whether a foreign key of several columns points at it.
fn is_pointed_at(scope: &Scope<'_>, table: &Relation, column: &Column) -> bool {
    scope.facts.constraints.iter().any(|key| {
        key.kind == "f"
            && key.target == table.oid
            && key.columns.len() > 1
            && key.target_columns.contains(&column.number)
    })
}

/// Whether a claim says that the column holds people.
fn names_people(scope: &Scope<'_>, table: &Relation, column: &Column) -> bool {
    let in_claim = |claim: &Claim| {
        claim.owners.iter().chain(&claim.writers).any(|owner| match owner {
            Owner::Column(name) => claim.table == table.oid && *name == column.name,
            Owner::Tenant { members, person, .. } => *members == table.oid && *person == column.name,
            Owner::Token { .. } | Owner::Through { .. } => false,
        })
    };
    in_claim(scope.claim) || scope.all.iter().any(in_claim)
}

fn is_tenant(scope: &Scope<'_>, column: &Column) -> bool {
    let owners = scope.all.iter().chain([scope.claim]).flat_map(|claim| &claim.owners);
    owners.into_iter().any(|owner| match owner {
        Owner::Tenant { columns, tenants, .. } => {
            columns.contains(&column.name) || tenants.contains(&column.name)
        }
        Owner::Token { .. } | Owner::Through { .. } => owner.columns().contains(&column.name),
        Owner::Column(_) => false,
    })
}

fn array(column: &Column) -> Option<Domain> {
    matches!(column.type_name.as_str(), "_uuid" | "_text").then(|| {
        let values = ["{}".to_owned(), format!("{{{A}}}"), format!("{{{B}}}"), format!("{{{A},{B}}}")];
        (values.into_iter().map(Some).collect(), None)
    })
}

fn scalar(scope: &Scope<'_>, column: &Column) -> Domain {
    let constants = beside(scope, &column.name);
    let mut values: Vec<Option<String>> = Vec::new();
    let mut add = |value: String| {
        if !values.contains(&Some(value.clone())) {
            values.push(Some(value));
        }
    };
    if let Some(labels) = &column.labels {
        let named =
            |label: &&String| constants.iter().any(|one| matches!(one, Token::Text(text) if text == *label));
        labels.iter().filter(named).cloned().for_each(&mut add);
        labels.iter().find(|label| !named(label)).cloned().into_iter().for_each(&mut add);
        return (values, None);
    }
    if is_text(column) {
        let texts = constants.into_iter().filter_map(|one| match one {
            Token::Text(text) => Some(text),
            _ => None,
        });
        texts.for_each(&mut add);
        add("other".to_owned());
        return (values, None);
    }
    match column.type_name.as_str() {
        "int2" | "int4" | "int8" | "numeric" | "float4" | "float8" => {
            for constant in constants {
                let text = match constant {
                    Token::Number(text) | Token::Text(text) => text,
                    Token::Word(_) | Token::Sign(_) => continue,
                };
                let Ok(number) = text.parse::<i64>() else { continue };
                [number, number - 1, number + 1].iter().for_each(|one| add(one.to_string()));
            }
            add("0".to_owned());
            (values, None)
        }
        "timestamptz" | "timestamp" | "date" => {
            ["2001-01-01", "2101-01-01"].iter().for_each(|one| add((*one).to_owned()));
            (values, Some(format!("{} is a time", column.name)))
        }
        "json" | "jsonb" => {
            add("{}".to_owned());
            for constant in constants {
                if let Token::Text(path) = constant {
                    [A, B, "true"].iter().for_each(|value| add(format!("{{\"{path}\": \"{value}\"}}")));
                }
            }
            (values, Some(format!("{} is JSON", column.name)))
        }
        other => (vec![], Some(format!("{} is of type {other}", column.name))),
    }
}

/// The constants that stand near a column in any text.
fn beside(scope: &Scope<'_>, column: &str) -> Vec<Token> {
    let mut found = near(scope, column);
    found.retain(|token| matches!(token, Token::Text(_) | Token::Number(_)));
    found
}

/// What stands near a column in any text, up to the next AND, OR or FROM.
fn near(scope: &Scope<'_>, column: &str) -> Vec<Token> {
    const ENDS: &[&str] = &["and", "or", "from", "where"];
    let mut found = Vec::new();
    for tokens in scope.texts.iter().map(|text| text::tokens(text)) {
        for at in (0..tokens.len()).filter(|at| tokens.get(*at).is_some_and(|token| token.is(column))) {
            let ends = |token: &&Token| !ENDS.iter().any(|word| token.is(word));
            found.extend(tokens.iter().skip(at + 1).take(28).take_while(ends).cloned());
            found.extend(tokens.iter().take(at).rev().take(16).take_while(ends).cloned());
        }
    }
    found
}

/// A value for a column that makes no difference but must have one: different in each row.
pub(crate) fn filler(column: &Column, row: usize) -> Option<String> {
    Some(match column.type_name.as_str() {
        "uuid" => format!("00000000-0000-4000-a000-{row:012}"),
        "int2" | "int4" | "int8" | "numeric" | "float4" | "float8" => (1000 + row).to_string(),
        "text" | "varchar" | "bpchar" | "citext" | "name" => short(format!("x{row}"), row, &column.r#type),
        "bool" => "false".to_owned(),
        "timestamptz" | "timestamp" | "date" => "2001-01-01".to_owned(),
        "json" | "jsonb" => "{}".to_owned(),
        "bytea" => "\\x00".to_owned(),
        _ if column.type_name.starts_with('_') => "{}".to_owned(),
        _ => column.labels.as_ref()?.first()?.clone(),
    })
}

/// The text, or a shorter one where a type like `character(2)` has no place for it.
fn short(text: String, row: usize, r#type: &str) -> String {
    let places =
        r#type.split_once('(').and_then(|(_, rest)| rest.trim_end_matches(')').parse::<usize>().ok());
    match places {
        Some(places) if text.len() > places => {
            let digit = |at: usize| {
                let power = u32::try_from(at).ok().and_then(|at| 36_usize.checked_pow(at));
                char::from_digit(u32::try_from(row / power? % 36).ok()?, 36)
            };
            (0..places).rev().filter_map(digit).collect()
        }
        _ => text,
    }
}
