//! Compares what the policies let through with whose rows they are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tokio_postgres::Client;

use super::claim::{Owner, of, tags};
use super::domain::{A, EMAIL_A};
use super::patience::End;
use super::replay::{Counterexample, Kind, Plan, write_first};
use super::scope::Scope;
use super::stage::{self, Actor, Said, Says};
use super::world::{Model, Value, Worlds};
use super::{Case, Verdict};
use crate::Error;
use crate::facts::Relation;
use crate::text::{self, Token};

/// How many of each kind are carried out before it is given up.
const TRIES: usize = 12;

/// Everything that one claim is judged with.
pub(crate) struct Court<'a> {
    pub scope: Scope<'a>,
    pub models: Vec<Model<'a>>,
    pub worlds: Worlds,
    /// The place of the claimed table among the models.
    pub target: usize,
    /// Candidate rows that everybody may see.
    pub shared: Vec<bool>,
    pub doubts: BTreeSet<String>,
}

impl<'a> Court<'a> {
    pub async fn new(client: &Client, Case { facts, table, claim, all }: Case<'a>) -> Result<Self, Error> {
        let scope = Scope::new(facts, table, claim, all);
        let mut doubts = scope.doubts.clone();
        let mut tables = scope.helpers.clone();
        if !scope.own_content {
            tables.push(table);
        }
        let mut models: Vec<Model<'a>> =
            tables.iter().map(|one| Model::new(&scope, one, &mut doubts)).collect();
        doubts.extend(stage::build(client, facts, &mut models).await?);
        let target = models.iter().position(|model| model.table.oid == table.oid).unwrap_or(0);
        // Rows of the table do not depend on each other unless its policies look into it: then each stands for itself.
        let played = if scope.own_content { models.len() } else { models.len() - 1 };
        let worlds = Worlds::new(models.get(..played).unwrap_or_default(), &mut doubts);
        let mut shared = vec![false; models.get(target).map_or(0, |model| model.rows.len())];
        if let Some(condition) = &claim.shared {
            let alias = pg::admin::quote_name(&table.name);
            let number = models.get(target).map_or("", |model| model.number.as_str());
            let sql = format!(
                "SELECT coalesce(({condition}), false) FROM palisade_stage.c{target} AS {alias} ORDER BY {number}"
            );
            let rows = client.query(&sql, &[]).await?;
            shared = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        }
        Ok(Court { scope, models, worlds, target, shared, doubts })
    }

    /// The rows of each table in a database.
    pub fn held(&self, world: usize) -> Vec<Vec<usize>> {
        (0..self.models.len()).map(|table| self.worlds.rows(world, table).to_vec()).collect()
    }

    /// Whether a row of the `table`th table belongs to the caller, in a database.
    fn owns(
        &self,
        table: usize,
        row: &[Value],
        owners: &[Owner],
        world: usize,
        actor: &Actor,
        deep: usize,
    ) -> bool {
        if actor.role == "anon" || deep > 5 {
            return false;
        }
        let Some(model) = self.models.get(table) else { return false };
        owners.iter().any(|owner| match owner {
            Owner::Column(column) => match model.value(row, column) {
                Some(Some(value)) => {
                    value == A || value == EMAIL_A || (value.starts_with('{') && value.contains(A))
                }
                _ => false,
            },
            Owner::Token { column, scope, key } => {
                let place = if scope.is_empty() { &actor.claims[key] } else { &actor.claims[scope][key] };
                model
                    .value(row, column)
                    .is_some_and(|value| value.is_some() && value.as_deref() == place.as_str())
            }
            Owner::Tenant { columns, members, tenants, person } => {
                let Some(wanted) = model.values(row, columns) else { return false };
                self.any(*members, world, |model, member| {
                    model.values(member, tenants).is_some_and(|values| values == wanted)
                        && model.value(member, person).is_some_and(|value| value.as_deref() == Some(A))
                })
            }
            Owner::Through { columns, parent, keys } => {
                let Some(wanted) = model.values(row, columns) else { return false };
                let above =
                    self.scope.facts.relation(*parent).and_then(|parent| of(self.scope.facts, parent));
                let (Some(above), Some(at)) =
                    (above, self.models.iter().position(|model| model.table.oid == *parent))
                else {
                    return false;
                };
                self.any(*parent, world, |model, found| {
                    model.values(found, keys).is_some_and(|values| values == wanted)
                        && self.owns(at, found, &above.owners, world, actor, deep + 1)
                })
            }
        })
    }

    fn any(&self, table: u32, world: usize, holds: impl Fn(&Model<'a>, &[Value]) -> bool) -> bool {
        let Some(at) = self.models.iter().position(|model| model.table.oid == table) else { return false };
        let Some(model) = self.models.get(at) else { return false };
        self.worlds
            .rows(world, at)
            .iter()
            .any(|row| model.rows.get(*row).is_some_and(|row| holds(model, row)))
    }

    /// Whether the target's row may be seen by the caller, as the claim has it.
    pub fn may_see(&self, row: usize, world: usize, actor: &Actor) -> bool {
        let values = self.models.get(self.target).and_then(|model| model.rows.get(row));
        self.shared.get(row) == Some(&true)
            || values.is_some_and(|values| {
                self.owns(self.target, values, &self.scope.claim.owners, world, actor, 0)
            })
    }

    fn is_own(&self, row: usize, world: usize, actor: &Actor, owners: &[Owner]) -> bool {
        let values = self.models.get(self.target).and_then(|model| model.rows.get(row));
        values.is_some_and(|values| self.owns(self.target, values, owners, world, actor, 0))
    }

    /// Whether what a row points at is there.
    pub fn finds(&self, row: usize, world: usize) -> bool {
        let Some(model) = self.models.get(self.target) else { return false };
        let Some(values) = model.rows.get(row) else { return false };
        let others = if self.scope.own_content { self.models.len() } else { self.models.len() - 1 };
        let around = self.models.get(..others).unwrap_or_default();
        model.finds(values, around, |table| self.worlds.rows(world, table).to_vec())
    }
}

/// The answer for one table, and how many cases were looked at.
pub(crate) async fn look(client: &Client, case: Case<'_>, end: End) -> Result<(Verdict, u64), Error> {
    let court = Court::new(client, case).await?;
    let mut doubts = court.doubts.clone();
    let mut cases = 0_u64;
    for role in ["authenticated", "anon"] {
        stage::asking(client, case.facts, &court.models, role).await?;
        for actor in actors(&court, role) {
            let (said, all) = stage::ask(client, &court.models, &court.worlds, &actor, end).await?;
            let rows = court.models.get(court.target).map_or(0, |model| model.rows.len());
            cases += said.len() as u64 * rows as u64;
            let trial = Trial {
                court: &court,
                actor: &actor,
                said: &said,
                rights: rights(client, case.table, role).await?,
            };
            if let Some(found) = trial.run(client, &mut doubts).await? {
                return Ok((Verdict::Refuted(Box::new(found)), cases));
            }
            if !all {
                doubts.insert(end.because());
            }
        }
    }
    let verdict = match doubts.is_empty() {
        true => Verdict::Proven,
        false => Verdict::Tested { because: doubts.into_iter().collect() },
    };
    Ok((verdict, cases))
}

/// Columns that a role may update.
async fn rights(client: &Client, table: &Relation, role: &str) -> Result<Vec<String>, Error> {
    let rows = client.query(crate::sql::UPDATABLE, &[&table.oid, &role]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// Who asks: the claims that policies read vary, those that only the server writes stay those of an ordinary user.
pub(crate) fn actors(court: &Court<'_>, role: &'static str) -> Vec<Actor> {
    if role == "anon" {
        return vec![Actor { role, claims: json!({ "role": "anon" }) }];
    }
    let base = json!({
        "sub": A, "role": "authenticated", "aud": "authenticated", "email": EMAIL_A, "aal": "aal1",
        "app_metadata": {}, "user_metadata": {}, "is_anonymous": false,
    });
    let mut all = vec![base];
    for (scope, key) in paths(&court.scope.texts) {
        let mut values: Vec<serde_json::Value> = Vec::new();
        let columns =
            court.models.iter().flat_map(|model| model.columns.iter().map(move |column| (model, column)));
        for (model, column) in columns {
            let claimed = court.scope.claim.owners.iter().any(|owner| match owner {
                Owner::Token { column: named, key: of, .. } => *named == column.name && *of == key,
                _ => false,
            });
            if claimed || column.name == key {
                let held =
                    model.rows.iter().filter_map(|row| model.value(row, &column.name).cloned().flatten());
                values.extend(held.map(serde_json::Value::String));
            }
        }
        if scope == "user_metadata" {
            // Users write it themselves: any constant that a policy names, and the usual words.
            let constants = court.scope.texts.iter().flat_map(|text| text::tokens(text)).filter_map(
                |token| match token {
                    Token::Text(text) => Some(serde_json::Value::String(text)),
                    _ => None,
                },
            );
            values.extend(constants);
            values.extend(["true", "admin"].map(|word| json!(word)));
        }
        values.dedup();
        values.truncate(8);
        let vary = |claims: &serde_json::Value| {
            let mut several = vec![claims.clone()];
            several.extend(values.iter().map(|value| {
                let mut claims = claims.clone();
                if scope.is_empty() {
                    claims[&key] = value.clone();
                } else {
                    claims[&scope][&key] = value.clone();
                }
                claims
            }));
            several
        };
        all = all.iter().flat_map(vary).take(24).collect();
    }
    all.into_iter().map(|claims| Actor { role, claims }).collect()
}

/// The claims that texts read: `app_metadata.org`, `user_metadata.plan`.
fn paths(texts: &[String]) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for tokens in texts.iter().map(|text| text::tokens(text)) {
        for (at, token) in tokens.iter().enumerate() {
            let Token::Text(scope) = token else { continue };
            if scope != "app_metadata" && scope != "user_metadata" {
                continue;
            }
            let next = tokens.iter().skip(at + 1).take(9).find_map(|token| match token {
                Token::Text(key) => Some(key.clone()),
                _ => None,
            });
            found.extend(next.map(|key| (scope.clone(), key)));
        }
    }
    found
}

struct Trial<'a> {
    court: &'a Court<'a>,
    actor: &'a Actor,
    said: &'a [Said],
    rights: Vec<String>,
}

/// Something that should not be, in a database.
struct Suspect {
    kind: Kind,
    world: usize,
    row: usize,
    becomes: Option<usize>,
    first: Option<String>,
}

impl Trial<'_> {
    async fn run(
        &self,
        client: &Client,
        doubts: &mut BTreeSet<String>,
    ) -> Result<Option<Counterexample>, Error> {
        let fails = self.said.iter().filter_map(|said| match said {
            Said::Fails(error) => Some(error.as_str()),
            Said::Bits(_) => None,
        });
        let errors: BTreeSet<&str> = fails.collect();
        let mut suspects = Vec::new();
        if errors.iter().any(|error| error.starts_with("42P17") || error.starts_with("54001")) {
            let failing = self.said.iter().enumerate().filter(|(_, said)| matches!(said, Said::Fails(_)));
            let last = failing
                .map(|(world, _)| world)
                .max_by_key(|world| self.court.worlds.rows(*world, self.court.target).len());
            suspects.push(Suspect {
                kind: Kind::Fails,
                world: last.unwrap_or(0),
                row: 0,
                becomes: None,
                first: None,
            });
        } else if let Some(error) = errors.first() {
            doubts.insert(format!("a policy fails in some databases: {error}"));
        }
        let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
        for world in 0..self.said.len() {
            self.world(world, &mut |suspect: Suspect| {
                let count = counts.entry(suspect.kind).or_default();
                *count += 1;
                if *count <= TRIES {
                    suspects.push(suspect);
                }
            });
        }
        suspects.sort_by_key(|suspect| suspect.kind);
        let mut unconfirmed = None;
        for suspect in suspects {
            let plan = Plan {
                kind: suspect.kind,
                actor: self.actor,
                facts: self.court.scope.facts,
                models: &self.court.models,
                target: self.court.target,
                row: suspect.row,
                becomes: suspect.becomes,
                held: self.court.held(suspect.world),
                first: suspect.first,
            };
            match plan.try_out(client).await? {
                Some(found) => return Ok(Some(found)),
                None => unconfirmed = Some(suspect.kind),
            }
        }
        if let Some(kind) = unconfirmed {
            doubts.insert(format!(
                "policies alone would not stop it ({kind:?}); a key, check or trigger did where it was tried"
            ));
        }
        Ok(None)
    }

    fn lets(&self, verb: &str) -> bool {
        self.court.scope.table.lets(self.actor.role, verb)
    }

    fn world(&self, world: usize, found: &mut impl FnMut(Suspect)) {
        let (court, target) = (self.court, self.court.target);
        let Some(model) = court.models.get(target) else { return };
        let Some(said) = self.said.get(world) else { return };
        let claim = court.scope.claim;
        let writers = if claim.writers.is_empty() { &claim.owners } else { &claim.writers };
        let says = |row: usize, what: Says| said.says(target, row, what);
        let there = |row: &usize| {
            court.finds(*row, world)
                && (!court.scope.own_content || court.worlds.rows(world, target).contains(row))
        };
        let rows: Vec<usize> = (0..model.rows.len()).collect();
        let foreign: Vec<usize> = rows
            .iter()
            .copied()
            .filter(|row| court.finds(*row, world) && !court.is_own(*row, world, self.actor, writers))
            .filter(|row| says(*row, Says::Makes) || says(*row, Says::Becomes))
            .collect();
        for row in rows.iter().copied().filter(there) {
            let (sees, own) = (says(row, Says::Sees), court.is_own(row, world, self.actor, &claim.owners));
            let mut add = |kind, becomes| found(Suspect { kind, world, row, becomes, first: None });
            if sees && self.lets("SELECT") && !court.may_see(row, world, self.actor) {
                add(Kind::Sees, None);
            }
            if !own && self.lets("DELETE") && says(row, Says::Removes) {
                add(Kind::Removes, None);
            }
            if self.lets("UPDATE") && says(row, Says::Changes) {
                if !own {
                    let into = rows
                        .iter()
                        .copied()
                        .filter(|into| says(*into, Says::Becomes) && court.finds(*into, world));
                    if let Some(into) =
                        into.filter(|into| self.reaches(row, *into)).max_by_key(|into| *into != row)
                    {
                        add(Kind::Changes, Some(into));
                    }
                } else if court.is_own(row, world, self.actor, writers) {
                    let mut into = foreign.iter().copied().filter(|into| says(*into, Says::Becomes));
                    if let Some(into) = into.find(|into| self.reaches(row, *into)) {
                        add(Kind::Hops, Some(into));
                    }
                }
            }
        }
        if self.lets("INSERT") {
            for row in foreign.iter().copied().filter(|row| says(*row, Says::Makes)) {
                // A row that is there already cannot be made again.
                if !court.scope.own_content || court.worlds.rows(world, target).len() < super::rows_max() {
                    found(Suspect { kind: Kind::Plants, world, row, becomes: None, first: None });
                }
            }
        }
        self.joins(world, said, found);
    }

    /// Whether an update can turn one row into the other: they differ in columns that the caller may write.
    fn reaches(&self, from: usize, into: usize) -> bool {
        let Some(model) = self.court.models.get(self.court.target) else { return false };
        let (Some(from), Some(into)) = (model.rows.get(from), model.rows.get(into)) else { return false };
        let differ = model.columns.iter().zip(from.iter().zip(into)).filter(|(_, (a, b))| a != b);
        differ.into_iter().all(|(column, _)| self.rights.contains(&column.name)) && !self.rights.is_empty()
    }

    /// One write into a table that policies look into, and what is seen then.
    fn joins(&self, world: usize, said: &Said, found: &mut impl FnMut(Suspect)) {
        let (court, target) = (self.court, self.court.target);
        let Some(here) = court.worlds.list.get(world) else { return };
        for table in 0..here.len() {
            let Some(model) = court.models.get(table) else { continue };
            let may = |verb: &str| model.table.lets(self.actor.role, verb);
            if tags(model.table, "joinable").next().is_some() || (table == target && court.scope.own_content)
            {
                continue;
            }
            let held = court.worlds.rows(world, table);
            let mut writes: Vec<(Option<usize>, Option<usize>)> = Vec::new();
            let all = 0..model.rows.len();
            if may("INSERT") {
                writes.extend(
                    all.clone()
                        .filter(|row| said.says(table, *row, Says::Makes))
                        .map(|row| (None, Some(row))),
                );
            }
            for old in held.iter().copied() {
                if may("DELETE") && said.says(table, old, Says::Removes) && said.says(table, old, Says::Sees)
                {
                    writes.push((Some(old), None));
                }
                if may("UPDATE") && said.says(table, old, Says::Changes) && said.says(table, old, Says::Sees)
                {
                    let into = all.clone().filter(|row| said.says(table, *row, Says::Becomes) && *row != old);
                    writes.extend(into.map(|row| (Some(old), Some(row))));
                }
            }
            for (old, new) in writes {
                let mut set: Vec<usize> =
                    held.iter().copied().filter(|row| Some(*row) != old).chain(new).collect();
                set.sort_unstable();
                let then =
                    court.worlds.contents.get(table).and_then(|sets| sets.iter().position(|one| *one == set));
                let Some(then) = then else { continue };
                let mut after = here.clone();
                if let Some(place) = after.get_mut(table) {
                    *place = then;
                }
                let Some(after) = court.worlds.places.get(&after) else { continue };
                let Some(later) = self.said.get(*after) else { continue };
                let rows = court.models.get(target).map_or(0, |model| model.rows.len());
                let sees = |row: &usize| {
                    later.says(target, *row, Says::Sees)
                        && court.finds(*row, world)
                        && !court.may_see(*row, world, self.actor)
                        && !said.says(target, *row, Says::Sees)
                        && (!court.scope.own_content || court.worlds.rows(world, target).contains(row))
                };
                if let Some(row) = (0..rows).find(sees).filter(|_| self.lets("SELECT")) {
                    let first = Some(write_first(model, old, new));
                    found(Suspect { kind: Kind::Joins, world, row, becomes: None, first });
                }
            }
        }
    }
}
