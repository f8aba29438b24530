//! Steps about roles: what each is, what each may become, how long its statements may run.

use std::time::Duration;

use crate::admin::{quote_name, quote_text};

use super::step::{Needs, Rights, Scope, Step};
use super::{AUDITOR, AUTHENTICATOR, CALLER_ROLES, FOLLOWER, HOOKS, OWNER, SYSTEM, Wanted};

/// Who the administrator is.
pub(super) const RIGHTS: &str = "SELECT current_user::text, rolsuper, rolcreaterole, rolbypassrls,
       (SELECT pg_catalog.pg_has_role(datdba, 'USAGE') FROM pg_catalog.pg_database WHERE datname = current_database()),
       current_setting('server_version_num')::int
  FROM pg_catalog.pg_roles WHERE rolname = current_user";

/// Whether a login is there to be tried; `pg_roles` shows stars for a password to everybody.
pub(super) const HAS_PASSWORD: &str =
    "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1::text AND rolcanlogin";

struct Role {
    name: &'static str,
    login: bool,
    inherit: bool,
    bypass_rls: bool,
    why: &'static str,
}

const fn role(name: &'static str, why: &'static str) -> Role {
    Role { name, login: false, inherit: true, bypass_rls: false, why }
}

/// Whose rights the functions of hooks have: those that the operator grants it.
const HOOK_RIGHTS: &str = "supabase_auth_admin";

/// The last is a name that user migrations grant to.
const ROLES: &[Role] = &[
    role("anon", "callers who are not signed in"),
    role("authenticated", "callers who are signed in"),
    Role { bypass_rls: true, ..role("service_role", "callers with the sealed service key") },
    role("readonly", "callers who may only read"),
    Role { bypass_rls: true, ..role(OWNER, "owns user tables; nobody logs in as it") },
    Role {
        login: true,
        inherit: false,
        ..role(AUTHENTICATOR, "the login of callers; has no rights of its own")
    },
    Role { login: true, inherit: false, ..role(SYSTEM, "owns Palisade's own schemas") },
    role(AUDITOR, "owns the audit log; nobody can become it"),
    role(FOLLOWER, "lets user tables tell of their changes; nobody can become it"),
    Role {
        login: true,
        inherit: false,
        ..role(HOOKS, "the login of the operator's functions that auth asks; has no rights of its own")
    },
    role(HOOK_RIGHTS, "the operator's functions that auth asks run as it; user migrations grant to it"),
    role("dashboard_user", "a name that user migrations expect"),
];

impl Role {
    /// Only a superuser may spell the attributes that only a superuser may change, even to deny them.
    fn attributes(&self, rights: &Rights, bypass_rls: bool) -> String {
        let word = |on: bool, name: &str| if on { name.to_owned() } else { format!("NO{name}") };
        let mut words = vec![word(self.login, "LOGIN"), word(self.inherit, "INHERIT")];
        words.extend(["NOCREATEROLE".to_owned(), "NOCREATEDB".to_owned()]);
        if rights.superuser {
            words.extend([
                "NOSUPERUSER".to_owned(),
                "NOREPLICATION".to_owned(),
                word(bypass_rls, "BYPASSRLS"),
            ]);
        }
        words.join(" ")
    }

    fn steps(&self, rights: &Rights) -> Vec<Step> {
        let (name, text) = (quote_name(self.name), quote_text(self.name));
        let exists = format!("EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {text})");
        let right = |condition: String| {
            format!(
                "SELECT NOT {exists} OR EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {text} AND {condition})"
            )
        };
        let plain = "NOT rolsuper AND NOT rolcreaterole AND NOT rolcreatedb AND NOT rolreplication";
        let shape = format!("{plain} AND rolcanlogin = {} AND rolinherit = {}", self.login, self.inherit);
        let mut steps = vec![
            Step {
                scope: Scope::Cluster,
                what: format!("Create role `{}` ({})", self.name, self.why),
                check: format!("SELECT {exists}"),
                sql: format!("CREATE ROLE {name} {}", self.attributes(rights, self.bypass_rls)),
                touches: None,
                needs: Needs::CreateRole,
                without: None,
            },
            Step {
                scope: Scope::Cluster,
                what: format!("Take from role `{}` what it does not need", self.name),
                check: right(shape),
                sql: format!("ALTER ROLE {name} {}", self.attributes(rights, self.bypass_rls)),
                touches: None,
                needs: Needs::CreateRole,
                without: Some((50, "a role of callers or of ours is more than it should be")),
            },
        ];
        steps.push(if self.bypass_rls {
            Step {
                scope: Scope::Cluster,
                what: format!("Let role `{}` pass row level security", self.name),
                check: if rights.superuser {
                    right("rolbypassrls".to_owned())
                } else {
                    format!("SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {text} AND rolbypassrls)")
                },
                sql: format!("ALTER ROLE {name} BYPASSRLS"),
                touches: None,
                needs: Needs::BypassRls,
                without: Some((41, "service keys and backups see only what policies let them see")),
            }
        } else {
            Step {
                scope: Scope::Cluster,
                what: format!("Bind role `{}` to row level security", self.name),
                check: right("NOT rolbypassrls".to_owned()),
                sql: format!("ALTER ROLE {name} NOBYPASSRLS"),
                touches: None,
                needs: Needs::BypassRls,
                without: Some((50, "a role that should be bound to row level security passes it")),
            }
        });
        steps
    }
}

/// Everything that is shared by all databases of the server.
pub(super) fn steps(wanted: &Wanted, rights: &Rights) -> Vec<Step> {
    let mut steps: Vec<Step> = ROLES.iter().flat_map(|role| role.steps(rights)).collect();
    steps.push(may_become(AUTHENTICATOR, &CALLER_ROLES));
    // A role is only lent: whatever code runs gives it back, and is the login then.
    steps.push(may_become(HOOKS, &[HOOK_RIGHTS]));
    steps.push(may_become(SYSTEM, &[]));
    steps.push(may_become(FOLLOWER, &[OWNER]));
    for role in ["anon", "authenticated", "readonly"] {
        steps.push(may_become(role, &[]));
    }
    if !rights.superuser {
        steps.push(Step {
            scope: Scope::Cluster,
            what: format!("Let `{}` act as `{OWNER}`, `{SYSTEM}`, `{AUDITOR}` and `{FOLLOWER}`", rights.user),
            check: format!(
                "SELECT count(*) = 4 FROM pg_catalog.pg_roles
                  WHERE rolname IN ({}, {}, {}, {}) AND pg_catalog.pg_has_role(oid, 'MEMBER')",
                quote_text(OWNER),
                quote_text(SYSTEM),
                quote_text(AUDITOR),
                quote_text(FOLLOWER)
            ),
            sql: format!("GRANT {OWNER}, {SYSTEM}, {AUDITOR}, {FOLLOWER} TO CURRENT_USER"),
            touches: None,
            needs: Needs::CreateRole,
            without: None,
        });
    }
    steps.extend(timeouts(wanted));
    if wanted.embedded {
        steps.extend([AUTHENTICATOR, SYSTEM, HOOKS].into_iter().flat_map(unreported));
        steps.push(create_database(wanted));
        steps.extend(["postgres", "template1"].map(close_database));
    }
    steps
}

/// Exactly these memberships: a missing one is granted, one more is taken away.
fn may_become(member: &str, roles: &[&str]) -> Step {
    let listed = roles.iter().map(|role| quote_text(role)).collect::<Vec<_>>().join(", ");
    let held = format!(
        "SELECT r.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
           JOIN pg_catalog.pg_roles u ON u.oid = m.member WHERE u.rolname = {}",
        quote_text(member)
    );
    let wanted = format!("ARRAY[{listed}]::name[]");
    let grants: String =
        roles.iter().map(|role| format!("GRANT {} TO {};\n", quote_name(role), quote_name(member))).collect();
    let what = match roles {
        [] => format!("Let `{member}` become no other role"),
        _ => format!("Let `{member}` become {} and nothing else", roles.join(", ")),
    };
    Step {
        scope: Scope::Cluster,
        what,
        check: format!(
            "SELECT coalesce((SELECT array_agg(DISTINCT h.rolname ORDER BY h.rolname) FROM ({held}) h), '{{}}')
                  = (SELECT coalesce(array_agg(w ORDER BY w), '{{}}') FROM unnest({wanted}) w)"
        ),
        sql: format!(
            "{grants}DO $bootstrap$ DECLARE extra name; BEGIN
               FOR extra IN SELECT h.rolname FROM ({held}) h WHERE h.rolname <> ALL ({wanted}) LOOP
                 EXECUTE pg_catalog.format('REVOKE %I FROM %I', extra, {});
               END LOOP; END $bootstrap$",
            quote_text(member)
        ),
        touches: None,
        needs: Needs::CreateRole,
        without: None,
    }
}

fn timeouts(wanted: &Wanted) -> Vec<Step> {
    let bounds = &wanted.timeouts;
    let statement = [
        ("anon", bounds.anon),
        ("authenticated", bounds.authenticated),
        ("readonly", bounds.authenticated),
        ("service_role", bounds.service),
        (AUTHENTICATOR, bounds.service),
        (SYSTEM, bounds.system),
        (HOOKS, bounds.system),
    ];
    let idle = [AUTHENTICATOR, SYSTEM, HOOKS].map(|role| (role, bounds.idle));
    let statement = statement.map(|(role, bound)| role_setting(role, "statement_timeout", bound));
    let idle = idle.map(|(role, bound)| role_setting(role, "idle_in_transaction_session_timeout", bound));
    statement.into_iter().chain(idle).collect()
}

/// A time as only we write it, so that ours is told from an administrator's. PostgreSQL reads every unit.
fn ours(bound: Duration) -> String {
    format!("{}us", bound.as_micros())
}

/// Whether a time that was set to a role is one that we set.
pub fn is_our_time(value: &str) -> bool {
    value.strip_suffix("us").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Ours, where an administrator set none.
fn role_setting(role: &str, setting: &str, bound: Duration) -> Step {
    let value = ours(bound);
    Step {
        scope: Scope::Cluster,
        what: format!("Set {setting} of `{role}` to {}ms", bound.as_millis()),
        check: format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
              CROSS JOIN pg_catalog.unnest(s.setconfig) said
              WHERE s.setdatabase = 0 AND r.rolname = {} AND pg_catalog.split_part(said, '=', 1) = {}
                AND (said = {} OR said !~ '^[^=]*=[0-9]+us$'))",
            quote_text(role),
            quote_text(setting),
            quote_text(&format!("{setting}={value}"))
        ),
        sql: format!("ALTER ROLE {} SET {setting} = {}", quote_name(role), quote_text(&value)),
        touches: None,
        needs: Needs::CreateRole,
        without: Some((55, "a statement may run for as long as the server lets it")),
    }
}

/// What a login of ours sends is recorded where it is done; the server reports the rest (control 56).
fn unreported(role: &str) -> [Step; 2] {
    ["log_statement", "pgaudit.log"].map(|setting| Step {
        scope: Scope::Cluster,
        what: format!("Let the server not report what `{role}` sends by {setting}"),
        check: format!(
            "SELECT ({} LIKE 'pgaudit%' AND pg_catalog.current_setting({0}, true) IS NULL) OR EXISTS (
               SELECT FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
                WHERE s.setdatabase = 0 AND r.rolname = {} AND {} = ANY (s.setconfig))",
            quote_text(setting),
            quote_text(role),
            quote_text(&format!("{setting}=none"))
        ),
        sql: format!("ALTER ROLE {} SET {setting} = 'none'", quote_name(role)),
        touches: None,
        needs: Needs::Superuser,
        without: None,
    })
}

fn create_database(wanted: &Wanted) -> Step {
    let database = &wanted.database;
    Step {
        scope: Scope::Cluster,
        what: format!("Create database `{database}`"),
        check: format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {})",
            quote_text(database)
        ),
        sql: format!("CREATE DATABASE {}", quote_name(database)),
        touches: None,
        needs: Needs::Superuser,
        without: None,
    }
}

/// A login of ours has no business in the maintenance databases.
fn close_database(database: &str) -> Step {
    Step {
        scope: Scope::Cluster,
        what: format!("Close database `{database}` to everybody but the superuser"),
        check: format!(
            "SELECT NOT pg_catalog.has_database_privilege({}, {}, 'CONNECT')
               FROM pg_catalog.pg_roles WHERE rolname = {0}",
            quote_text(AUTHENTICATOR),
            quote_text(database)
        ),
        sql: format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", quote_name(database)),
        touches: None,
        needs: Needs::Superuser,
        without: None,
    }
}
