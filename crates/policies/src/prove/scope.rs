//! What a proof has to look into: tables that policies read, functions they call, columns that matter, and doubts.

use std::collections::BTreeSet;

use super::claim::{Claim, Owner, of};
use crate::facts::{Column, Facts, Function, Policy, Relation};
use crate::lint::{called_by, reached, read_in, selects_from};
use crate::text::{self, Token};

/// The scope of one claim.
pub(crate) struct Scope<'a> {
    pub facts: &'a Facts,
    pub table: &'a Relation,
    pub claim: &'a Claim,
    /// Those of every table: reading them takes a look at the whole schema, so it is done once.
    pub all: &'a [Claim],
    /// Tables whose contents matter, without `table` unless its own content does.
    pub helpers: Vec<&'a Relation>,
    /// Whether policies look into the table itself.
    pub own_content: bool,
    /// Columns of foreign keys whose other columns matter, here and where they point: a row is made only where they agree.
    keyed: Vec<(u32, i16)>,
    /// Tables of which a policy takes a row as a whole: whatever is named anywhere may be one of its columns.
    pub whole: Vec<u32>,
    /// Every text that is evaluated: policies and bodies of functions.
    pub texts: Vec<String>,
    /// Why the answer is no proof.
    pub doubts: BTreeSet<String>,
}

impl<'a> Scope<'a> {
    pub fn new(facts: &'a Facts, table: &'a Relation, claim: &'a Claim, all: &'a [Claim]) -> Self {
        let mut seen: Vec<u32> = vec![table.oid];
        let mut scope = Scope {
            facts,
            table,
            claim,
            all,
            helpers: Vec::new(),
            own_content: false,
            keyed: Vec::new(),
            whole: Vec::new(),
            texts: claim.shared.iter().cloned().collect(),
            doubts: BTreeSet::new(),
        };
        let mut read: Vec<u32> = scope.policies_of(table);
        read.extend(scope.claimed(claim, 0));
        read.extend(scope.keys());
        while let Some(oid) = read.pop() {
            scope.own_content |= oid == table.oid;
            if seen.contains(&oid) {
                continue;
            }
            seen.push(oid);
            let Some(relation) = facts.relation(oid) else { continue };
            if relation.kind == "v" || relation.kind == "m" {
                scope.doubts.insert(format!("a policy looks through the view {}", relation.title()));
                read.extend(relation.stands_on.iter().flatten());
            } else if relation.schema == "auth" {
                scope.doubts.insert(format!("a policy looks into {}", relation.title()));
            } else {
                scope.helpers.push(relation);
                read.extend(scope.policies_of(relation));
            }
        }
        if scope.own_content {
            scope.helpers.push(table);
        }
        scope.helpers.sort_by_key(|one| one.oid);
        scope.doubt();
        scope
    }

    /// Notes the texts of a table's policies, and returns what they read.
    fn policies_of(&mut self, table: &Relation) -> Vec<u32> {
        let mut read = Vec::new();
        for policy in self.facts.policies_of(table.oid) {
            self.texts.extend(policy.texts().map(str::to_owned));
            if policy.texts().any(|text| text::takes_row(text, &table.name)) {
                self.whole.push(table.oid);
            }
            read.extend(self.read_by(policy, table));
        }
        read
    }

    fn read_by(&mut self, policy: &Policy, table: &Relation) -> Vec<u32> {
        let mut read = policy.relations.clone();
        if policy.texts().any(|text| selects_from(text, table)) {
            read.push(table.oid);
        }
        let facts = self.facts;
        for function in reached(facts, policy) {
            self.note(function);
            read.extend(read_in(facts, &function.body).into_iter().map(|one| one.oid));
        }
        read
    }

    fn note(&mut self, function: &Function) {
        if self.texts.contains(&function.body) {
            return;
        }
        self.texts.push(function.body.clone());
        if !matches!(function.language.as_str(), "sql" | "plpgsql") {
            self.doubts.insert(format!("{} is written in {}", function.title(), function.language));
        }
        if text::names(&function.body, "execute") {
            self.doubts.insert(format!("{} makes statements as it runs", function.title()));
        }
        for oid in called_by(self.facts, &function.body) {
            if let Some(called) = self.facts.function(oid).filter(|one| one.schema != "auth") {
                self.note(called);
            }
        }
    }

    /// Tables that the claim itself reads.
    fn claimed(&self, claim: &Claim, deep: usize) -> Vec<u32> {
        let mut read = Vec::new();
        for owner in claim.owners.iter().chain(&claim.writers) {
            match owner {
                Owner::Column(_) | Owner::Token { .. } => {}
                Owner::Tenant { members, .. } => read.push(*members),
                Owner::Through { parent, .. } => {
                    read.push(*parent);
                    let above = self.facts.relation(*parent).and_then(|parent| of(self.facts, parent));
                    if let Some(above) = above.filter(|_| deep < 4) {
                        read.extend(self.claimed(&above, deep + 1));
                    }
                }
            }
        }
        read
    }

    /// Foreign keys that the claim reads columns of: notes all their columns, and returns what they point at.
    fn keys(&mut self) -> Vec<u32> {
        let (facts, table, claim) = (self.facts, self.table, self.claim);
        let named = |number: &i16| {
            facts.column(table.oid, *number).is_some_and(|one| claim.columns().any(|name| name == one.name))
        };
        let mut read = Vec::new();
        for key in facts.constraints_of(table.oid, "f") {
            let is_ours = facts.relation(key.target).is_some_and(|one| one.schema != "auth");
            if is_ours && key.target != table.oid && key.columns.iter().any(named) {
                self.keyed.extend(key.columns.iter().map(|number| (table.oid, *number)));
                self.keyed.extend(key.target_columns.iter().map(|number| (key.target, *number)));
                read.push(key.target);
            }
        }
        read
    }

    /// What small databases cannot show.
    fn doubt(&mut self) {
        const CANNOT: &[(&[&str], &str)] = &[
            (
                &[
                    "now",
                    "current_timestamp",
                    "current_date",
                    "current_time",
                    "localtimestamp",
                    "clock_timestamp",
                    "statement_timestamp",
                ],
                "a policy asks for the time",
            ),
            (&["random", "gen_random_uuid", "nextval"], "a policy throws dice"),
            (
                &[
                    "count",
                    "sum",
                    "avg",
                    "max",
                    "min",
                    "array_agg",
                    "bool_and",
                    "bool_or",
                    "every",
                    "string_agg",
                ],
                "a policy counts or sums",
            ),
            (
                &[
                    "like",
                    "ilike",
                    "similar",
                    "regexp_match",
                    "regexp_matches",
                    "position",
                    "strpos",
                    "starts_with",
                    "substring",
                    "left",
                    "right",
                    "split_part",
                ],
                "a policy looks into text",
            ),
            (&["limit", "offset", "over", "recursive"], "a policy chooses or walks rows"),
            (&["dblink", "pg_read_file"], "a policy looks outside"),
            (&["natural"], "a policy compares whatever columns are named alike"),
            (&["tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"], "a policy asks where a row is kept"),
        ];
        let tokens: Vec<Token> = self.texts.iter().flat_map(|text| text::tokens(text)).collect();
        for (words, why) in CANNOT {
            if tokens.iter().any(|token| words.iter().any(|word| token.is(word))) {
                self.doubts.insert((*why).to_owned());
            }
        }
        if !self.whole.is_empty() || tokens.windows(4).any(takes_all) {
            self.doubts.insert("a policy looks at whole rows".to_owned());
        }
        if tokens.iter().any(|token| token.sign('~')) {
            self.doubts.insert("a policy looks into text".to_owned());
        }
        let with_triggers = self.helpers.iter().chain([&self.table]);
        for table in with_triggers {
            if self.facts.triggers.iter().any(|trigger| trigger.relation == table.oid) {
                self.doubts.insert(format!("triggers of {} may change what is written", table.title()));
            }
        }
    }

    /// Whether a column makes a difference: a policy, a function, the claim or a relevant key names it.
    pub fn matters(&self, table: &Relation, column: &Column) -> bool {
        if self.keyed.contains(&(table.oid, column.number)) {
            return true;
        }
        if self.whole.contains(&table.oid) && self.texts.iter().any(|text| text::mentions(text, &column.name))
        {
            return true;
        }
        if table.oid == self.table.oid && !self.own_content {
            let by_policy =
                self.facts.policies_of(table.oid).any(|policy| policy.columns.contains(&column.number));
            let by_claim = self.claim.columns().any(|name| name == column.name);
            let by_shared = self.claim.shared.as_ref().is_some_and(|text| text::names(text, &column.name));
            return by_policy || by_claim || by_shared;
        }
        let claimed = self.claim_names(column, table.oid, self.claim, 0);
        claimed || self.texts.iter().any(|text| text::names(text, &column.name))
    }

    fn claim_names(&self, column: &Column, table: u32, claim: &Claim, deep: usize) -> bool {
        let here = claim.table == table && claim.columns().any(|name| name == column.name);
        here || claim.owners.iter().chain(&claim.writers).any(|owner| match owner {
            Owner::Tenant { members, tenants, person, .. } => {
                *members == table && (tenants.contains(&column.name) || *person == column.name)
            }
            Owner::Through { parent, keys, .. } => {
                let above = self.facts.relation(*parent).and_then(|parent| of(self.facts, parent));
                (*parent == table && keys.contains(&column.name))
                    || above
                        .filter(|_| deep < 4)
                        .is_some_and(|above| self.claim_names(column, table, &above, deep + 1))
            }
            Owner::Column(_) | Owner::Token { .. } => false,
        })
    }
}

/// `IN (SELECT *`: columns that nothing names. EXISTS asks for none.
fn takes_all(tokens: &[Token]) -> bool {
    matches!(tokens, [word, open, select, all]
        if !word.is("exists") && open.sign('(') && select.is("select") && all.sign('*'))
}
