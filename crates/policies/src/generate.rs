//! Proposes the policies that keep people's rows apart, from foreign keys to `auth.users` and the ways that lead there.
//!
//! Invariant: no proposal has USING for a change without WITH CHECK, and one that is asked for by hand is refused
//! (control 42, attack row 59).

use serde::Serialize;

use crate::facts::{Column, Constraint, Facts, Relation};
use crate::{Error, text};

/// What is proposed for one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// `public.notes`
    pub table: String,
    /// Why these.
    pub why: String,
    /// The statements, in order.
    pub statements: Vec<String>,
}

/// How a table's rows belong to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Belongs {
    /// A column names the owner.
    Owner(String),
    /// The table says who belongs to what: nobody may write themselves into it.
    Membership { user: String },
    /// Rows belong to whoever a membership names.
    Members { column: String, table: String, tenant: String, user: String },
    /// Rows belong to whoever owns what a foreign key points at.
    Through { column: String, table: String, key: String, condition: String },
    /// The same with a key of several columns.
    ThroughMany { columns: Vec<String>, table: String, keys: Vec<String>, condition: String },
}

/// Names that say who a row belongs to, the likeliest first.
const OWNERS: &[&str] =
    &["user_id", "owner_id", "owner", "account_id", "profile_id", "author_id", "created_by", "uid", "user"];

const WHO: &str = "(SELECT auth.uid())";

/// Proposals for every served table that has no policy yet, or for one table whatever it has.
pub fn propose(facts: &Facts, table: Option<&str>) -> Result<Vec<Proposal>, Error> {
    let chosen: Vec<&Relation> = match table {
        Some(name) => vec![find(facts, name)?],
        None => {
            let bare = |one: &&Relation| {
                one.exposed
                    && one.is_table()
                    && !one.partition
                    && !one.extension
                    && facts.policies_of(one.oid).next().is_none()
            };
            facts.relations.iter().filter(bare).collect()
        }
    };
    let proposals = chosen.into_iter().filter_map(|table| {
        let belongs = belongs(facts, table, 0)?;
        Some(word(facts, table, &belongs))
    });
    Ok(proposals.collect())
}

/// A policy for every verb with the operator's own expressions. USING without WITH CHECK is refused: it would say which
/// rows may be changed and not what they may become.
pub fn by_hand(facts: &Facts, table: &str, using: &str, check: Option<&str>) -> Result<Proposal, Error> {
    let table = find(facts, table)?;
    let Some(check) = check.filter(|check| !check.trim().is_empty()) else {
        return Err(Error::Asked(format!(
            "USING without WITH CHECK does not say what a row of {} may become: its owner could hand it to somebody else, or a later edit could open it. Give --check too",
            table.title()
        )));
    };
    if text::always_true(check) || text::always_true(using) {
        return Err(Error::Asked("an expression that is always true isolates nobody".to_owned()));
    }
    let statement = policy("user_isolation", table, "ALL", Some(using), Some(check));
    let why = "the expressions you gave".to_owned();
    Ok(Proposal { table: table.title(), why, statements: [secured(table), vec![statement]].concat() })
}

fn find<'a>(facts: &'a Facts, name: &str) -> Result<&'a Relation, Error> {
    let found = facts.named(name).filter(|one| one.is_table());
    found.ok_or_else(|| Error::NoTable { name: name.to_owned() })
}

/// Follows foreign keys, at most three deep.
pub(crate) fn belongs(facts: &Facts, table: &Relation, deep: usize) -> Option<Belongs> {
    if let Some(owner) = owner(facts, table) {
        let junction = other_key(facts, table).is_some();
        return Some(if junction { Belongs::Membership { user: owner } } else { Belongs::Owner(owner) });
    }
    // Its own members, when it is what memberships point at.
    for member in facts.relations.iter().filter(|one| one.is_table()) {
        let Some(key) = other_key(facts, member).filter(|key| key.target == table.oid) else { continue };
        let (tenant, user) = (column(facts, member.oid, &key.columns)?, owner(facts, member)?);
        let own = column(facts, table.oid, &key.target_columns)?;
        return Some(Belongs::Members {
            column: own.name.clone(),
            table: member.quoted(),
            tenant: tenant.name.clone(),
            user,
        });
    }
    if deep > 2 {
        return None;
    }
    facts.constraints_of(table.oid, "f").find_map(|key| through(facts, table, key, deep))
}

fn through(facts: &Facts, table: &Relation, key: &Constraint, deep: usize) -> Option<Belongs> {
    let parent = facts.relation(key.target).filter(|one| one.oid != table.oid && one.schema != "auth")?;
    let names = |relation: u32, numbers: &[i16]| {
        let name = |number: &i16| facts.column(relation, *number).map(|one| one.name.clone());
        numbers.iter().map(name).collect::<Option<Vec<String>>>()
    };
    let (columns, keys) = (names(table.oid, &key.columns)?, names(parent.oid, &key.target_columns)?);
    let ([here], [there]) = (columns.as_slice(), keys.as_slice()) else {
        let above = belongs(facts, parent, deep + 1)?;
        let open = !matches!(above, Belongs::Membership { .. });
        let condition = condition(&above);
        return open.then(|| Belongs::ThroughMany { columns, table: parent.quoted(), keys, condition });
    };
    let (here, there) = (here.clone(), there.clone());
    Some(match belongs(facts, parent, deep + 1)? {
        Belongs::Members { column, table, tenant, user } if column == there => {
            Belongs::Members { column: here, table, tenant, user }
        }
        Belongs::Membership { .. } => return None,
        above => {
            let condition = condition(&above);
            Belongs::Through { column: here, table: parent.quoted(), key: there, condition }
        }
    })
}

/// The column of a key of one column.
fn column<'a>(facts: &'a Facts, relation: u32, numbers: &[i16]) -> Option<&'a Column> {
    match numbers {
        [only] => facts.column(relation, *only),
        _ => None,
    }
}

/// The column that names a row's owner: a foreign key to `auth.users`, the likeliest name first.
fn owner(facts: &Facts, table: &Relation) -> Option<String> {
    let users = facts.users()?;
    let keys = facts.constraints_of(table.oid, "f").filter(|key| key.target == users);
    let mut columns: Vec<&Column> = keys.filter_map(|key| column(facts, table.oid, &key.columns)).collect();
    let rank = |column: &Column| {
        let place = OWNERS.iter().position(|name| *name == column.name).unwrap_or(OWNERS.len());
        (place, !column.required, column.number)
    };
    columns.sort_by_key(|column| rank(column));
    columns.first().map(|column| column.name.clone())
}

/// Of a table whose primary or unique key is an owner and one more foreign key: that other key.
fn other_key<'a>(facts: &'a Facts, table: &Relation) -> Option<&'a Constraint> {
    let users = facts.users()?;
    let keys: Vec<&Constraint> = facts.constraints_of(table.oid, "f").collect();
    let person = keys.iter().find(|key| key.target == users && key.columns.len() == 1)?;
    let other =
        keys.iter().find(|key| key.target != users && key.target != table.oid && key.columns.len() == 1)?;
    let (user, thing) = (person.columns.first()?, other.columns.first()?);
    let both = |one: &Constraint| {
        one.columns.len() == 2 && one.columns.contains(user) && one.columns.contains(thing)
    };
    let mut unique = facts
        .constraints
        .iter()
        .filter(|one| one.relation == table.oid && matches!(one.kind.as_str(), "p" | "u"));
    unique.any(both).then_some(*other)
}

fn condition(belongs: &Belongs) -> String {
    let name = pg::admin::quote_name;
    match belongs {
        Belongs::Owner(owner) | Belongs::Membership { user: owner } => format!("{} = {WHO}", name(owner)),
        Belongs::Members { column, table, tenant, user } => {
            format!("{} IN (SELECT {} FROM {table} WHERE {} = {WHO})", name(column), name(tenant), name(user))
        }
        Belongs::Through { column, table, key, condition } => {
            format!("{} IN (SELECT {} FROM {table} WHERE {condition})", name(column), name(key))
        }
        Belongs::ThroughMany { columns, table, keys, condition } => {
            format!("({}) IN (SELECT {} FROM {table} WHERE {condition})", listed(columns), listed(keys))
        }
    }
}

fn listed(columns: &[String]) -> String {
    columns.iter().map(|one| pg::admin::quote_name(one)).collect::<Vec<_>>().join(", ")
}

/// Other columns that lead where this one does: whose rows those are nobody but the operator can say.
fn others(facts: &Facts, table: &Relation, columns: &[String]) -> String {
    let names = |key: &Constraint| -> Vec<String> {
        let name = |number: &i16| facts.column(table.oid, *number).map(|one| one.name.clone());
        key.columns.iter().filter_map(name).collect()
    };
    let keys: Vec<&Constraint> = facts.constraints_of(table.oid, "f").collect();
    let Some(chosen) = keys.iter().find(|key| names(key) == columns) else { return String::new() };
    let alike = keys.iter().filter(|key| key.target == chosen.target && names(key) != columns);
    let alike: Vec<String> = alike.map(|key| names(key).join(", ")).collect();
    match alike.as_slice() {
        [] => String::new(),
        some => format!(
            "; so does {}, whom this policy does not know: give --using and --check where they may see it too",
            some.join(" and ")
        ),
    }
}

fn policy(title: &str, table: &Relation, verb: &str, using: Option<&str>, check: Option<&str>) -> String {
    let using = using.map_or_else(String::new, |using| format!("\n  USING ({using})"));
    let check = check.map_or_else(String::new, |check| format!("\n  WITH CHECK ({check})"));
    format!("CREATE POLICY {title} ON {} FOR {verb} TO authenticated{using}{check}", table.quoted())
}

fn secured(table: &Relation) -> Vec<String> {
    if table.secured && table.forced {
        return Vec::new();
    }
    vec![format!("ALTER TABLE {} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", table.quoted())]
}

fn word(facts: &Facts, table: &Relation, belongs: &Belongs) -> Proposal {
    let condition = condition(belongs);
    let (columns, why, everything) = match belongs {
        Belongs::Owner(owner) => (vec![owner.clone()], format!("{owner} references auth.users"), true),
        Belongs::Membership { user } => (
            vec![user.clone()],
            "it says who belongs to what, so people read their own rows and write none".to_owned(),
            false,
        ),
        Belongs::Members { column, table: members, .. } => {
            let whole = facts.constraints_of(table.oid, "p").any(|key| {
                self::column(facts, table.oid, &key.columns).is_some_and(|own| own.name == *column)
            });
            (vec![column.clone()], format!("{members} says who belongs to it"), !whole)
        }
        Belongs::Through { column, table: parent, .. } => {
            (vec![column.clone()], format!("{column} leads to {parent}"), true)
        }
        Belongs::ThroughMany { columns, table: parent, .. } => {
            (columns.clone(), format!("{} lead to {parent}", columns.join(" and ")), true)
        }
    };
    let why = why + &others(facts, table, &columns);
    let mut statements = secured(table);
    statements.push(if everything {
        policy("user_isolation", table, "ALL", Some(&condition), Some(&condition))
    } else {
        policy("user_isolation", table, "SELECT", Some(&condition), None)
    });
    let first = columns.first().and_then(|first| facts.columns_of(table.oid).find(|one| one.name == *first));
    let leads = |number: i16| {
        facts
            .indexes
            .iter()
            .any(|index| index.relation == table.oid && index.columns.first() == Some(&number))
    };
    if first.is_some_and(|first| !leads(first.number)) {
        statements.push(format!("CREATE INDEX ON {} ({})", table.quoted(), listed(&columns)));
    }
    Proposal { table: table.title(), why, statements }
}
