//! The linter: what in a schema is unsafe, slow or not what its author thinks.
//!
//! Rules 0001 to 0029 are those of Supabase's advisors, by their numbers; P001 to P006 are ours. Invariant: a rule is a
//! pure function of the facts, and each has a database that triggers it and a neighbour that does not
//! (`tests/it/lint.sql`).

mod exposure;
mod functions;
mod indexes;
mod policies;
mod recursion;
mod server;

pub(crate) use policies::{called_by, reached};
pub(crate) use recursion::{read_in, selects_from};

use serde::Serialize;

use crate::Facts;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Rows or rights are open to somebody they are not meant for.
    Error,
    /// It may be so, or it costs much.
    Warn,
    /// Worth knowing.
    Info,
}

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// `0013`, `P001`
    pub id: &'static str,
    /// `rls_disabled_in_public`
    pub name: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What it is about, in a sentence.
    pub about: &'static str,
    /// Finds what breaks it.
    pub find: fn(&Facts) -> Vec<Found>,
}

/// What breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `public.notes`, `public.notes: policy own`
    pub object: String,
    /// What is wrong with it.
    pub detail: String,
    /// The statement that mends it, when one does.
    pub fix: Option<String>,
}

impl Found {
    fn new(object: impl Into<String>, detail: impl Into<String>) -> Self {
        Found { object: object.into(), detail: detail.into(), fix: None }
    }

    fn fix(self, statement: impl Into<String>) -> Self {
        Found { fix: Some(statement.into()), ..self }
    }
}

/// A rule and what breaks it.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The rule's number.
    pub rule: &'static str,
    /// The rule's name.
    pub name: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What breaks it.
    pub object: String,
    /// What is wrong with it.
    pub detail: String,
    /// The statement that mends it, when one does.
    pub fix: Option<String>,
}

macro_rules! rules {
    ($($id:literal $name:ident $level:ident $find:path, $about:literal;)+) => {
        /// Every rule, in the order of the numbers.
        pub const RULES: &[Rule] = &[$(Rule {
            id: $id, name: stringify!($name), level: Level::$level, about: $about, find: $find,
        },)+];
    };
}

rules! {
    "0001" unindexed_foreign_keys Info indexes::unindexed_foreign_keys, "A foreign key without an index: deleting what it points at reads the whole table";
    "0002" auth_users_exposed Error exposure::auth_users_exposed, "A view shows auth.users to callers of the API";
    "0003" auth_rls_initplan Warn policies::auth_rls_initplan, "A policy asks who is calling once for each row instead of once";
    "0004" no_primary_key Info indexes::no_primary_key, "A table without a primary key: its rows cannot be addressed";
    "0005" unused_index Info indexes::unused_index, "An index that was never used costs every write";
    "0006" multiple_permissive_policies Warn policies::multiple_permissive, "Several policies let through where one could: each is tried for each row";
    "0007" policy_exists_rls_disabled Error exposure::policy_exists_rls_disabled, "Policies that do nothing, since row level security is off";
    "0008" rls_enabled_no_policy Info exposure::rls_enabled_no_policy, "Row level security without a policy: nobody sees anything";
    "0009" duplicate_index Warn indexes::duplicate_index, "Two indexes of the same shape";
    "0010" security_definer_view Error exposure::security_definer_view, "A view that reads with its owner's rights, past the policies of its caller";
    "0011" function_search_path_mutable Warn functions::search_path_mutable, "A function whose names the caller's search path decides";
    "0012" auth_allow_anonymous_sign_ins Info policies::anonymous_sign_ins, "A policy lets in accounts that nobody has said who they are";
    "0013" rls_disabled_in_public Error exposure::rls_disabled, "A table of the API without row level security";
    "0014" extension_in_public Warn server::extension_in_public, "An extension whose functions the API serves";
    "0015" rls_references_user_metadata Error policies::references_user_metadata, "A policy believes what users write about themselves";
    "0016" materialized_view_in_api Warn exposure::materialized_view, "A materialised view has no row level security and callers may read it";
    "0017" foreign_table_in_api Warn exposure::foreign_table, "A foreign table has no row level security and callers may read it";
    "0018" unsupported_reg_types Warn indexes::unsupported_reg_types, "A column of a type that the next major version of PostgreSQL cannot take over";
    "0019" insecure_queue_exposed_in_api Error exposure::insecure_queue, "A message queue that callers of the API reach without row level security";
    "0020" table_bloat Info indexes::table_bloat, "A table that is mostly empty space";
    "0021" fkey_to_auth_unique Warn server::fkey_to_auth_unique, "A foreign key to a column of auth that is not its primary key";
    "0022" extension_versions_outdated Warn server::extension_outdated, "An extension older than what is installed on the server";
    "0023" sensitive_columns_exposed Error exposure::sensitive_columns, "Passwords, tokens or numbers of documents in a table that callers read without row level security";
    "0024" permissive_rls_policy Warn policies::writes_anything, "A policy that lets anybody write any row";
    "0025" public_bucket_allows_listing Warn server::bucket_listing, "A policy lists the files of a public bucket";
    "0026" pg_graphql_anon_table_exposed Info exposure::described_to_anon, "Names and columns of a relation are told to anybody";
    "0027" pg_graphql_authenticated_table_exposed Info exposure::described_to_authenticated, "Names and columns of a relation are told to every account";
    "0028" anon_security_definer_function_executable Warn functions::definer_for_anon, "Anybody may call a function that runs with its owner's rights";
    "0029" authenticated_security_definer_function_executable Warn functions::definer_for_authenticated, "Every account may call a function that runs with its owner's rights";
    "P001" policy_without_check Error policies::without_check, "A policy says which rows may be changed and not what they may become";
    "P002" policy_shows_everything Warn policies::shows_everything, "A policy shows every row";
    "P003" policy_trusts_user_metadata Error policies::trusts_user_metadata, "A policy calls a function that believes what users write about themselves";
    "P004" policy_calls_for_each_row Warn policies::calls_for_each_row, "A policy calls a function that does not depend on the row once for each row";
    "P005" policy_column_unindexed Warn indexes::policy_column, "A policy compares a column that has no index";
    "P006" policy_recursion Error recursion::recursion, "Policies that ask each other for ever: every statement fails";
}

/// Everything that breaks a rule, what matters most first.
pub fn run(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| one(rule, facts)).collect();
    findings.sort_by(|a, b| (a.level, a.rule, &a.object).cmp(&(b.level, b.rule, &b.object)));
    findings
}

fn one(rule: &'static Rule, facts: &Facts) -> Vec<Finding> {
    let finding = |found: Found| Finding {
        rule: rule.id,
        name: rule.name,
        level: rule.level,
        object: found.object,
        detail: found.detail,
        fix: found.fix,
    };
    (rule.find)(facts).into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_one_number_and_one_name_each() {
        assert!(RULES.is_sorted_by(|a, b| a.id < b.id));
        let advisors = RULES.iter().filter(|rule| rule.id.starts_with('0')).count();
        assert_eq!(advisors, 29);
        assert!(RULES.iter().all(|rule| rule.about.len() > 20));
    }
}
