//! Rules about what callers of the API reach at all.

use super::Found;
use crate::facts::{Facts, Relation};

const ROLES: [&str; 2] = ["anon", "authenticated"];

fn tables(facts: &Facts) -> impl Iterator<Item = &Relation> {
    facts.relations.iter().filter(|one| one.exposed && one.is_table() && !one.extension)
}

fn secure(relation: &Relation) -> String {
    format!("ALTER TABLE {} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", relation.quoted())
}

/// Whether a view reads past what its caller may: with its owner's rights, or from a copy.
fn reads_past(view: &Relation) -> bool {
    view.kind == "m" || (view.kind == "v" && !view.invoker)
}

pub(super) fn auth_users_exposed(facts: &Facts) -> Vec<Found> {
    let Some(users) = facts.users() else { return Vec::new() };
    let shows = |view: &&Relation| view.stands_on.as_ref().is_some_and(|on| on.contains(&users));
    let views = facts.relations.iter().filter(|one| one.exposed && reads_past(one) && one.readable());
    views
        .filter(shows)
        .map(|view| {
            Found::new(view.title(), "stands on auth.users and is readable by anon or authenticated")
                .fix(format!("REVOKE ALL ON {} FROM anon, authenticated", view.quoted()))
        })
        .collect()
}

pub(super) fn policy_exists_rls_disabled(facts: &Facts) -> Vec<Found> {
    tables(facts)
        .filter(|table| !table.secured)
        .filter_map(|table| {
            let names: Vec<&str> = facts.policies_of(table.oid).map(|policy| policy.name.as_str()).collect();
            (!names.is_empty()).then(|| {
                let detail = format!("row level security is off, so these do nothing: {}", names.join(", "));
                Found::new(table.title(), detail).fix(secure(table))
            })
        })
        .collect()
}

pub(super) fn rls_enabled_no_policy(facts: &Facts) -> Vec<Found> {
    let bare = |table: &&Relation| {
        table.secured && !table.partition && table.readable() && facts.policies_of(table.oid).next().is_none()
    };
    let detail = "has row level security and no policy: callers see nothing and change nothing";
    tables(facts).filter(bare).map(|table| Found::new(table.title(), detail)).collect()
}

pub(super) fn security_definer_view(facts: &Facts) -> Vec<Found> {
    let views = facts.relations.iter().filter(|one| one.exposed && one.kind == "v" && !one.invoker);
    views
        .filter(|view| view.readable() && !view.extension)
        .map(|view| {
            let detail = format!("reads with the rights of {}, whatever its caller may see", view.owner);
            Found::new(view.title(), detail)
                .fix(format!("ALTER VIEW {} SET (security_invoker = true)", view.quoted()))
        })
        .collect()
}

pub(super) fn rls_disabled(facts: &Facts) -> Vec<Found> {
    tables(facts)
        .filter(|table| !table.secured)
        .map(|table| {
            Found::new(table.title(), "has no row level security; it is not served").fix(secure(table))
        })
        .collect()
}

fn of_kind(facts: &Facts, kind: &str, what: &str) -> Vec<Found> {
    let reached = facts.relations.iter().filter(|one| one.exposed && one.kind == kind && one.readable());
    reached
        .map(|one| {
            Found::new(one.title(), format!("{what} has no row level security; it is not served"))
                .fix(format!("REVOKE ALL ON {} FROM anon, authenticated", one.quoted()))
        })
        .collect()
}

pub(super) fn materialized_view(facts: &Facts) -> Vec<Found> {
    of_kind(facts, "m", "a materialised view")
}

pub(super) fn foreign_table(facts: &Facts) -> Vec<Found> {
    of_kind(facts, "f", "a foreign table")
}

/// Tables `q_…` of pgmq are queues, reached by callers through the schema `pgmq_public` or where `pgmq` itself is served.
pub(super) fn insecure_queue(facts: &Facts) -> Vec<Found> {
    let served = ["pgmq", "pgmq_public"].iter().any(|name| facts.exposed.iter().any(|schema| schema == name));
    let queue = |one: &&Relation| one.schema == "pgmq" && one.name.starts_with("q_") && one.is_table();
    let open = |one: &&Relation| !one.secured && one.readable();
    let found = facts.relations.iter().filter(|_| served).filter(queue).filter(open);
    found
        .map(|queue| Found::new(queue.title(), "callers read and take its messages").fix(secure(queue)))
        .collect()
}

/// Parts of names that say what a column holds.
const SENSITIVE: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "api_key",
    "apikey",
    "private_key",
    "access_token",
    "refresh_token",
    "auth_token",
    "session_token",
    "jwt",
    "otp",
    "totp_secret",
    "mfa_secret",
    "recovery_code",
    "ssn",
    "social_security",
    "driver_license",
    "drivers_license",
    "passport_number",
    "national_id",
    "tax_id",
    "credit_card",
    "card_number",
    "cvv",
    "cvc",
    "bank_account",
    "account_number",
    "iban",
    "routing_number",
    "health_record",
    "medical_record",
    "diagnosis",
    "patient_id",
    "ssh_key",
    "pgp_key",
    "certificate",
    "fingerprint",
    "biometric",
    "face_embedding",
];

/// Whether a name has one of [`SENSITIVE`] as whole words.
fn is_sensitive(name: &str) -> bool {
    let name = format!("_{}_", name.to_lowercase());
    SENSITIVE.iter().any(|word| name.contains(&format!("_{word}_")))
}

pub(super) fn sensitive_columns(facts: &Facts) -> Vec<Found> {
    let open = facts.relations.iter().filter(|one| {
        let past = (one.is_table() && !one.secured) || reads_past(one) || one.kind == "f";
        one.exposed && past && one.readable()
    });
    open.filter_map(|relation| {
        let columns = facts.columns_of(relation.oid).filter(|column| is_sensitive(&column.name));
        let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
        let detail = || format!("callers may read without row level security: {}", names.join(", "));
        (!names.is_empty()).then(|| Found::new(relation.title(), detail()))
    })
    .collect()
}

/// What the description of the API (and introspection, where the operator allows it) tells a role: names and columns,
/// whatever the policies say about rows.
fn described_to(facts: &Facts, role: &str) -> Vec<Found> {
    let told = facts.relations.iter().filter(|one| one.exposed && one.lets(role, "SELECT") && !one.partition);
    told.map(|one| {
        let detail = format!("the description of the API tells {role} its name, columns and relationships");
        Found::new(one.title(), detail).fix(format!("REVOKE ALL ON {} FROM {role}", one.quoted()))
    })
    .collect()
}

pub(super) fn described_to_anon(facts: &Facts) -> Vec<Found> {
    described_to(facts, ROLES[0])
}

pub(super) fn described_to_authenticated(facts: &Facts) -> Vec<Found> {
    described_to(facts, ROLES[1])
}
