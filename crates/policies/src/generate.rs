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
    /// Rows belong to whoever a membership names: what the columns name is what its columns `tenants` name.
    Members { columns: Vec<String>, table: String, tenants: Vec<String>, user: String },
    /// Rows belong to whoever owns what a foreign key points at.
    Through { columns: Vec<String>, table: String, keys: Vec<String>, condition: String },
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
    if let Some((user, _)) = membership(facts, table) {
        return Some(Belongs::Membership { user: user.name.clone() });
    }
    if let Some(owner) = owner(facts, table) {
        return Some(Belongs::Owner(owner));
    }
    // Its own members, when it is what memberships point at.
    for member in facts.relations.iter().filter(|one| one.is_table()) {
        let Some((user, key)) = membership(facts, member).filter(|(_, key)| key.target == table.oid) else {
            continue;
        };
        return Some(Belongs::Members {
            columns: names(facts, table.oid, &key.target_columns)?,
            table: member.quoted(),
            tenants: names(facts, member.oid, &key.columns)?,
            user: user.name.clone(),
        });
    }
    if deep > 2 {
        return None;
    }
    facts.constraints_of(table.oid, "f").find_map(|key| through(facts, table, key, deep))
}

fn through(facts: &Facts, table: &Relation, key: &Constraint, deep: usize) -> Option<Belongs> {
    let parent = facts.relation(key.target).filter(|one| one.oid != table.oid && one.schema != "auth")?;
    let (columns, keys) =
        (names(facts, table.oid, &key.columns)?, names(facts, parent.oid, &key.target_columns)?);
    let here = |there: &String| columns.get(keys.iter().position(|one| one == there)?).cloned();
    Some(match belongs(facts, parent, deep + 1)? {
        // What the members are of stands in the row itself.
        Belongs::Members { columns: of, table, tenants, user } if of.iter().all(|one| keys.contains(one)) => {
            Belongs::Members { columns: of.iter().map(here).collect::<Option<_>>()?, table, tenants, user }
        }
        Belongs::Membership { .. } => return None,
        above => {
            let condition = condition(&above);
            Belongs::Through { columns, table: parent.quoted(), keys, condition }
        }
    })
}

fn names(facts: &Facts, relation: u32, numbers: &[i16]) -> Option<Vec<String>> {
    numbers.iter().map(|number| facts.column(relation, *number).map(|one| one.name.clone())).collect()
}

/// The column of a key of one column.
fn column<'a>(facts: &'a Facts, relation: u32, numbers: &[i16]) -> Option<&'a Column> {
    match numbers {
        [only] => facts.column(relation, *only),
        _ => None,
    }
}

/// The column that names a row's owner, the likeliest name first.
fn owner(facts: &Facts, table: &Relation) -> Option<String> {
    let mut columns = persons(facts, table, 0);
    let rank = |column: &Column| {
        let place = OWNERS.iter().position(|name| *name == column.name).unwrap_or(OWNERS.len());
        (place, !column.required, column.number)
    };
    columns.sort_by_key(|column| rank(column));
    columns.first().map(|column| column.name.clone())
}

/// Columns that name a person: foreign keys to `auth.users`; without one, what a key of several columns shares with a table
/// of people. `(org_id, user_id)` points at a membership, whose `user_id` names one.
fn persons<'a>(facts: &'a Facts, table: &Relation, deep: usize) -> Vec<&'a Column> {
    let users = facts.users();
    let keys = facts.constraints_of(table.oid, "f").filter(|key| Some(key.target) == users);
    let named: Vec<&Column> = keys.filter_map(|key| column(facts, key.relation, &key.columns)).collect();
    if !named.is_empty() || deep > 2 {
        return named;
    }
    let within = |key: &'a Constraint| -> Vec<&'a Column> {
        let target =
            facts.relation(key.target).filter(|one| one.oid != key.relation && key.columns.len() > 1);
        let there = target.map(|target| persons(facts, target, deep + 1)).unwrap_or_default();
        let pairs = key.columns.iter().zip(&key.target_columns);
        let shared = pairs.filter(|(_, number)| there.iter().any(|one| one.number == **number));
        shared.filter_map(|(here, _)| facts.column(key.relation, *here)).collect()
    };
    facts.constraints_of(table.oid, "f").flat_map(within).collect()
}

/// Of a table whose primary or unique key is a person and one more foreign key, of however many columns: who, and that key.
fn membership<'a>(facts: &'a Facts, table: &Relation) -> Option<(&'a Column, &'a Constraint)> {
    let users = facts.users()?;
    let is_unique = |one: &&Constraint| one.relation == table.oid && matches!(one.kind.as_str(), "p" | "u");
    let unique: Vec<&Constraint> = facts.constraints.iter().filter(is_unique).collect();
    let both = |user: i16, key: &Constraint| {
        unique.iter().any(|one| {
            one.columns.len() == key.columns.len() + 1
                && one.columns.iter().all(|column| *column == user || key.columns.contains(column))
        })
    };
    persons(facts, table, 0).into_iter().find_map(|user| {
        let of = |key: &&Constraint| {
            key.target != users
                && key.target != table.oid
                && !key.columns.contains(&user.number)
                && both(user.number, key)
        };
        Some((user, facts.constraints_of(table.oid, "f").find(of)?))
    })
}

fn condition(belongs: &Belongs) -> String {
    let name = pg::admin::quote_name;
    match belongs {
        Belongs::Owner(owner) | Belongs::Membership { user: owner } => format!("{} = {WHO}", name(owner)),
        Belongs::Members { columns, table, tenants, user } => {
            format!(
                "{} IN (SELECT {} FROM {table} WHERE {} = {WHO})",
                row(columns),
                listed(tenants),
                name(user)
            )
        }
        Belongs::Through { columns, table, keys, condition } => {
            format!("{} IN (SELECT {} FROM {table} WHERE {condition})", row(columns), listed(keys))
        }
    }
}

/// One column, or several as a row.
fn row(columns: &[String]) -> String {
    if columns.len() == 1 { listed(columns) } else { format!("({})", listed(columns)) }
}

fn listed(columns: &[String]) -> String {
    columns.iter().map(|one| pg::admin::quote_name(one)).collect::<Vec<_>>().join(", ")
}

/// How a column names a row's owner.
fn named(facts: &Facts, table: &Relation, owner: &str) -> String {
    let users = facts.users();
    let mut direct = facts.constraints_of(table.oid, "f").filter(|key| Some(key.target) == users);
    if direct.any(|key| column(facts, table.oid, &key.columns).is_some_and(|one| one.name == owner)) {
        format!("{owner} references auth.users")
    } else {
        format!("{owner} names a member")
    }
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
        Belongs::Owner(owner) => (vec![owner.clone()], named(facts, table, owner), true),
        Belongs::Membership { user } => (
            vec![user.clone()],
            "it says who belongs to what, so people read their own rows and write none".to_owned(),
            false,
        ),
        Belongs::Members { columns, table: members, .. } => {
            let is_all =
                |own: Vec<String>| own.len() == columns.len() && own.iter().all(|one| columns.contains(one));
            let whole = facts
                .constraints_of(table.oid, "p")
                .any(|key| names(facts, table.oid, &key.columns).is_some_and(is_all));
            (columns.clone(), format!("{members} says who belongs to it"), !whole)
        }
        Belongs::Through { columns, table: parent, .. } => {
            let lead = if columns.len() == 1 { "leads" } else { "lead" };
            (columns.clone(), format!("{} {lead} to {parent}", columns.join(" and ")), true)
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
