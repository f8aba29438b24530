//! Steps about the database: who may enter, which schemas there are, what callers may do in them.
//!
//! Callers get table rights by default privileges, as Supabase's users expect; which rows those mean is decided by row
//! level security, which the gate switches on for every table. The owner's and the superuser's tables both count.

use crate::admin::{quote_name, quote_text};

use super::step::{Needs, Rights, Scope, Step};
use super::{AUDITOR, AUTHENTICATOR, CALLER_ROLES, HOOKS, OWNER, SYSTEM, Wanted};

/// Who may enter a database, and its search path. These belong to the database's entry in the shared catalog, so a
/// copy made with `CREATE DATABASE … TEMPLATE` needs them anew.
pub fn entry_sql(database: &str) -> String {
    let name = quote_name(database);
    format!(
        "REVOKE ALL ON DATABASE {name} FROM PUBLIC;
         GRANT CONNECT ON DATABASE {name} TO {AUTHENTICATOR}, {SYSTEM}, {HOOKS};
         GRANT CREATE ON DATABASE {name} TO {SYSTEM}, {OWNER}, {AUDITOR};
         GRANT TEMPORARY ON DATABASE {name} TO authenticated, service_role, {OWNER};
         ALTER DATABASE {name} SET search_path = {SEARCH_PATH}"
    )
}

const SEARCH_PATH: &str = "public, extensions";

/// Everything inside the one database but the gate.
pub(super) fn steps(wanted: &Wanted, rights: &Rights) -> Vec<Step> {
    let mut steps: Vec<Step> = wanted.embedded.then(public_schema).into_iter().collect();
    if rights.superuser {
        steps.push(own_database(wanted));
    }
    steps.extend([entry(wanted), palisade_schema(), extensions_schema()]);
    steps.extend(["pgcrypto", "uuid-ossp"].map(extension));
    steps.push(close_public());
    for exposed in &wanted.exposed {
        steps.push(schema_exists(&exposed.name));
        steps.push(schema_usage(&exposed.name));
        let creators = [OWNER, rights.user.as_str()];
        steps.extend(creators.into_iter().flat_map(|creator| defaults(&exposed.name, creator)));
    }
    steps
}

fn step(what: impl Into<String>, check: String, sql: String) -> Step {
    Step {
        scope: Scope::Database,
        what: what.into(),
        check,
        sql,
        touches: None,
        needs: Needs::Ownership,
        without: None,
    }
}

/// A migration may change what is in `public`, and the schema itself, as if the database were its owner's.
fn public_schema() -> Step {
    step(
        format!("Give schema `public` to `{OWNER}`"),
        format!(
            "SELECT NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public' AND nspowner = 'pg_database_owner'::regrole)
                 OR to_regrole({}) IS NULL",
            quote_text(OWNER)
        ),
        format!("ALTER SCHEMA public OWNER TO {OWNER}"),
    )
}

/// Whoever owns a database sets what everybody's sessions there begin with, the administrator's too, and may drop it.
fn own_database(wanted: &Wanted) -> Step {
    let owned = step(
        format!("Take database `{}` from `{OWNER}`, who owns its tables", wanted.database),
        format!(
            "SELECT NOT EXISTS (SELECT FROM pg_database JOIN pg_roles r ON r.oid = datdba
                                 WHERE datname = {} AND rolname = {})",
            quote_text(&wanted.database),
            quote_text(OWNER)
        ),
        format!("ALTER DATABASE {} OWNER TO CURRENT_USER", quote_name(&wanted.database)),
    );
    Step { needs: Needs::DatabaseOwner, ..owned }
}

fn entry(wanted: &Wanted) -> Step {
    let database = quote_text(&wanted.database);
    let may = |role: &str, right: &str| format!("has_database_privilege('{role}', {database}, '{right}')");
    let mut conditions = vec![
        format!(
            "NOT EXISTS (SELECT FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) a
                          WHERE datname = {database} AND a.grantee = 0)"
        ),
        format!(
            "EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
                      WHERE s.setrole = 0 AND d.datname = {database} AND {} = ANY (s.setconfig))",
            quote_text(&format!("search_path={SEARCH_PATH}"))
        ),
    ];
    conditions.extend([AUTHENTICATOR, SYSTEM, HOOKS].map(|role| may(role, "CONNECT")));
    conditions.extend([
        may(SYSTEM, "CREATE"),
        may(OWNER, "CREATE"),
        may(AUDITOR, "CREATE"),
        may("authenticated", "TEMPORARY"),
    ]);
    let opened = step(
        format!("Open database `{}` to Palisade's logins and close it to everybody else", wanted.database),
        format!("SELECT {}", conditions.join(" AND ")),
        entry_sql(&wanted.database),
    );
    Step { needs: Needs::DatabaseOwner, ..opened }
}

/// The administrator's, so that the gate's functions in it, which run with the administrator's rights, cannot be
/// replaced by the system login; that may add tables of its own.
fn palisade_schema() -> Step {
    step(
        "Create schema `palisade` for Palisade's bookkeeping",
        format!(
            "SELECT coalesce((SELECT has_schema_privilege({}, oid, 'CREATE') FROM pg_namespace
                               WHERE nspname = 'palisade' AND nspowner <> {}::regrole), false)",
            quote_text(SYSTEM),
            quote_text(SYSTEM)
        ),
        format!(
            "CREATE SCHEMA IF NOT EXISTS palisade; ALTER SCHEMA palisade OWNER TO CURRENT_USER;
             REVOKE ALL ON SCHEMA palisade FROM PUBLIC; GRANT USAGE, CREATE ON SCHEMA palisade TO {SYSTEM}"
        ),
    )
}

fn extensions_schema() -> Step {
    let users = CALLER_ROLES.into_iter().chain([OWNER, SYSTEM]).collect::<Vec<_>>();
    let usable = users.iter().map(|role| format!("has_schema_privilege('{role}', oid, 'USAGE')"));
    let usable = usable.collect::<Vec<_>>().join(" AND ");
    step(
        "Create schema `extensions`, where extensions live out of the API's sight",
        format!("SELECT coalesce((SELECT {usable} FROM pg_namespace WHERE nspname = 'extensions'), false)"),
        format!(
            "CREATE SCHEMA IF NOT EXISTS extensions; GRANT USAGE ON SCHEMA extensions TO {};
             GRANT CREATE ON SCHEMA extensions TO {OWNER}",
            users.join(", ")
        ),
    )
}

/// User migrations call `crypt`, `gen_salt` and `uuid_generate_v4`. A server without them is fine until one does.
fn extension(name: &str) -> Step {
    step(
        format!("Create extension `{name}` in schema `extensions`"),
        format!(
            "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = {0})
                 OR NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = {0})",
            quote_text(name)
        ),
        format!("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA extensions", quote_name(name)),
    )
}

/// Control 51. Since PostgreSQL 15 PUBLIC may not create there in a new database; an old one may have been upgraded.
fn close_public() -> Step {
    step(
        "Take every right on schema `public` from PUBLIC",
        "SELECT NOT EXISTS (SELECT FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a
                             WHERE nspname = 'public' AND a.grantee = 0)"
            .to_owned(),
        "REVOKE ALL ON SCHEMA public FROM PUBLIC".to_owned(),
    )
}

fn schema_exists(schema: &str) -> Step {
    step(
        format!("Create schema `{schema}`"),
        format!("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = {})", quote_text(schema)),
        format!("CREATE SCHEMA {} AUTHORIZATION {OWNER}", quote_name(schema)),
    )
}

fn schema_usage(schema: &str) -> Step {
    let name = quote_name(schema);
    let users = CALLER_ROLES.join(", ");
    let has = |role: &str, right: &str| format!("has_schema_privilege('{role}', oid, '{right}')");
    let mut conditions: Vec<String> = CALLER_ROLES.iter().map(|role| has(role, "USAGE")).collect();
    conditions.extend(CALLER_ROLES.iter().map(|role| format!("NOT {}", has(role, "CREATE"))));
    conditions.extend([has(OWNER, "USAGE"), has(OWNER, "CREATE")]);
    conditions.extend([AUTHENTICATOR, SYSTEM].map(|login| format!("NOT {}", has(login, "USAGE"))));
    step(
        format!("Let callers use, and `{OWNER}` build in, schema `{schema}`"),
        format!(
            "SELECT coalesce((SELECT {} FROM pg_namespace WHERE nspname = {}), false)",
            conditions.join(" AND "),
            quote_text(schema)
        ),
        format!(
            "REVOKE ALL ON SCHEMA {name} FROM PUBLIC, {users}, {AUTHENTICATOR}, {SYSTEM};
             GRANT USAGE ON SCHEMA {name} TO {users};
             GRANT USAGE, CREATE ON SCHEMA {name} TO {OWNER}"
        ),
    )
}

/// Default privileges, compared as the catalog writes them: kind of object, role, rights.
fn defaults(schema: &str, creator: &str) -> Vec<Step> {
    let wanted: [(&str, &str, &str, &[&str]); 4] = [
        ("TABLES", "r", "SELECT, INSERT, UPDATE, DELETE", &["anon", "authenticated", "service_role"]),
        ("TABLES", "r", "SELECT", &["readonly"]),
        ("SEQUENCES", "S", "USAGE, SELECT, UPDATE", &["anon", "authenticated", "service_role"]),
        ("FUNCTIONS", "f", "EXECUTE", &["anon", "authenticated", "service_role"]),
    ];
    let (schema_text, creator_text) = (quote_text(schema), quote_text(creator));
    let one = |(objects, kind, rights, roles): (&str, &str, &str, &[&str])| {
        let count = roles.len() * rights.split(',').count();
        let listed = |items: Vec<String>| items.join(", ");
        let rights_texts = listed(rights.split(", ").map(quote_text).collect());
        let roles_texts = listed(roles.iter().map(|role| quote_text(role)).collect());
        step(
            format!(
                "Grant {rights} on new {} of `{creator}` in `{schema}` to {}",
                objects.to_lowercase(),
                roles.join(", ")
            ),
            format!(
                "SELECT count(*) = {count} FROM pg_default_acl d, aclexplode(d.defaclacl) a
                  WHERE d.defaclnamespace = (SELECT oid FROM pg_namespace WHERE nspname = {schema_text})
                    AND d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = {creator_text})
                    AND d.defaclobjtype = '{kind}' AND a.privilege_type IN ({rights_texts})
                    AND a.grantee IN (SELECT oid FROM pg_roles WHERE rolname IN ({roles_texts}))"
            ),
            format!(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} GRANT {rights} ON {objects} TO {}",
                quote_name(creator),
                quote_name(schema),
                roles.join(", ")
            ),
        )
    };
    wanted.into_iter().map(one).collect()
}
