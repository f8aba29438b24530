//! The fail-closed gate (controls 40, 41): a table in an exposed schema has row level security from its first moment.
//!
//! Event triggers run [`ENFORCE`] after every DDL command. It enables and forces row level security in one ALTER and
//! hands the table to `palisade_owner`, who passes row level security, so foreign key checks and backups still work.
//! What has no row level security (foreign tables, materialized views) loses its grants to callers; a view asks as its
//! caller. Switching protection off afterwards is the owner's word: the table is reported, listed in
//! `palisade.unprotected`, and not served.
//!
//! The functions run as the administrator who made them, but for the one that asks who changes the schema. They live in a schema of the administrator, name every table
//! with its schema, and call nothing that another role could replace.

use crate::admin::quote_text;

use super::step::{Needs, Scope, Step};
use super::{CALLER_ROLES, SYSTEM, Wanted};

/// Where the gate says which relation lost its protection.
pub const GATE_CHANNEL: &str = "palisade_gate";
/// Where every change of the schema is announced, so that the catalog is read again.
pub const CATALOG_CHANNEL: &str = "palisade_catalog";

const ENFORCE: &str = include_str!("gate/enforce.sql");
const ON_DDL: &str = include_str!("gate/on_ddl.sql");
const ON_PROBE: &str = include_str!("gate/on_probe.sql");
const ON_DROP: &str = include_str!("gate/on_drop.sql");
const ON_EXPOSED: &str = include_str!("gate/on_exposed.sql");
const UNPROTECTED: &str = include_str!("gate/unprotected.sql");

const NO_GATE: (u16, &str) =
    (40, "new tables do not get row level security by themselves; those without it are not served");
const NO_NEWS: (u16, &str) = (40, "schema changes are noticed by looking, not by being told");

const NO_PROBES: (u16, &str) =
    (50, "whoever owns the application's tables can have its code run by the administrator's probes");

/// In order: tables, the view, functions, triggers, the list of schemas, and one sweep over what is already there.
pub(super) fn steps(wanted: &Wanted) -> Vec<Step> {
    let mut steps = vec![tables(), view()];
    steps.push(function("enforce_gate", "void", ENFORCE, "DEFINER", NO_GATE));
    steps.push(function("on_ddl", "event_trigger", ON_DDL, "DEFINER", NO_GATE));
    steps.push(function("on_drop", "event_trigger", ON_DROP, "DEFINER", NO_NEWS));
    steps.push(function("on_exposed", "trigger", ON_EXPOSED, "DEFINER", NO_GATE));
    steps.push(function("on_probe", "event_trigger", ON_PROBE, "INVOKER", NO_PROBES));
    steps.push(event_trigger("palisade_on_ddl", "ddl_command_end", "on_ddl", NO_GATE));
    steps.push(event_trigger("palisade_on_probe", "ddl_command_end", "on_probe", NO_PROBES));
    steps.push(event_trigger("palisade_on_drop", "sql_drop", "on_drop", NO_NEWS));
    steps.push(exposed_trigger());
    steps.push(exposed_rows(wanted));
    steps.push(sweep(wanted));
    steps
}

fn step(what: &str, check: String, sql: String) -> Step {
    Step {
        scope: Scope::Database,
        what: what.to_owned(),
        check,
        sql,
        touches: None,
        needs: Needs::Ownership,
        without: None,
    }
}

/// The names and shapes of a released version change only by a step of their own.
fn tables() -> Step {
    step(
        "Create the gate's tables in schema `palisade`",
        "SELECT to_regclass('palisade.exposed_schemas') IS NOT NULL AND to_regclass('palisade.guarded') IS NOT NULL"
            .to_owned(),
        format!(
            "CREATE TABLE IF NOT EXISTS palisade.exposed_schemas (
               position int NOT NULL, name name PRIMARY KEY, guarded boolean NOT NULL DEFAULT true);
             CREATE TABLE IF NOT EXISTS palisade.guarded (
               relation oid PRIMARY KEY, schema name NOT NULL, name name NOT NULL);
             GRANT SELECT ON palisade.exposed_schemas TO {SYSTEM}"
        ),
    )
}

/// `pg_get_viewdef` reprints a view its own way, so a comment carries the text it was made from.
fn view() -> Step {
    let mark = format!("sha256 {}", hex::encode(seal::sha256(UNPROTECTED.as_bytes())));
    step(
        "Create the list of unprotected relations",
        format!(
            "SELECT coalesce(obj_description(to_regclass('palisade.unprotected'), 'pg_class') = {}, false)",
            quote_text(&mark)
        ),
        format!(
            "CREATE OR REPLACE VIEW palisade.unprotected AS {UNPROTECTED};
             COMMENT ON VIEW palisade.unprotected IS {}; GRANT SELECT ON palisade.unprotected TO {SYSTEM}",
            quote_text(&mark)
        ),
    )
}

/// Compared by its source, so that a changed function is drift and an older version is upgraded.
fn function(name: &str, returns: &str, body: &str, rights: &str, without: (u16, &'static str)) -> Step {
    let (source, callers) = (quote_text(body), CALLER_ROLES.join(", "));
    Step {
        touches: None,
        needs: Needs::Superuser,
        without: Some(without),
        ..step(
            &format!("Create function `palisade.{name}`"),
            format!(
                "SELECT coalesce((SELECT prosrc = {source} AND prosecdef = ('{rights}' = 'DEFINER') AND proowner <> {}::regrole
                                     AND NOT has_function_privilege('anon', oid, 'EXECUTE')
                                    FROM pg_proc WHERE oid = to_regprocedure('palisade.{name}()')), false)",
                quote_text(SYSTEM)
            ),
            format!(
                "CREATE OR REPLACE FUNCTION palisade.{name}() RETURNS {returns} LANGUAGE plpgsql SECURITY {rights}
                   SET search_path = pg_catalog, pg_temp AS {source};
                 REVOKE ALL ON FUNCTION palisade.{name}() FROM PUBLIC, {SYSTEM}, {callers}"
            ),
        )
    }
}

fn event_trigger(name: &str, event: &str, function: &str, without: (u16, &'static str)) -> Step {
    Step {
        touches: None,
        needs: Needs::Superuser,
        without: Some(without),
        ..step(
            &format!("Create event trigger `{name}`"),
            format!(
                "SELECT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = '{name}' AND evtevent = '{event}'
                   AND evtenabled = 'A' AND evttags IS NULL AND evtfoid = to_regprocedure('palisade.{function}()'))"
            ),
            // "Always": also in a session that plays a replica (`session_replication_role`), as some imports do.
            format!(
                "DROP EVENT TRIGGER IF EXISTS {name};
                 CREATE EVENT TRIGGER {name} ON {event} EXECUTE FUNCTION palisade.{function}();
                 ALTER EVENT TRIGGER {name} ENABLE ALWAYS"
            ),
        )
    }
}

fn exposed_trigger() -> Step {
    Step {
        touches: None,
        needs: Needs::Superuser,
        without: Some(NO_GATE),
        ..step(
            "Guard a schema from the moment it is exposed",
            "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('palisade.exposed_schemas')
               AND tgname = 'on_exposed' AND tgenabled = 'O')"
                .to_owned(),
            "CREATE OR REPLACE TRIGGER on_exposed AFTER INSERT OR UPDATE OR DELETE ON palisade.exposed_schemas
               FOR EACH STATEMENT EXECUTE FUNCTION palisade.on_exposed()"
                .to_owned(),
        )
    }
}

fn exposed_rows(wanted: &Wanted) -> Step {
    let rows = wanted.exposed.iter().enumerate();
    let rows = rows
        .map(|(position, schema)| format!("({position}, {}, {})", quote_text(&schema.name), schema.guarded));
    let rows = rows.collect::<Vec<_>>().join(", ");
    let table = "palisade.exposed_schemas";
    let names = wanted.exposed.iter().map(|schema| schema.name.as_str()).collect::<Vec<_>>().join(", ");
    step(
        &format!("Expose {names}"),
        format!(
            "SELECT coalesce(array_agg(x ORDER BY x.position), '{{}}')::text = (SELECT array_agg(w ORDER BY w.column1)::text
               FROM (VALUES {rows}) w) FROM {table} x"
        ),
        format!(
            "DELETE FROM {table} WHERE name NOT IN (SELECT column2 FROM (VALUES {rows}) w);
             INSERT INTO {table} (position, name, guarded) VALUES {rows}
               ON CONFLICT (name) DO UPDATE SET position = excluded.position, guarded = excluded.guarded"
        ),
    )
}

/// For tables that were there before the gate, or were restored past it.
fn sweep(wanted: &Wanted) -> Step {
    let guarded =
        wanted.exposed.iter().filter(|schema| schema.guarded).map(|schema| quote_text(&schema.name));
    let guarded = guarded.collect::<Vec<_>>().join(", ");
    Step {
        touches: Some(unguarded(&guarded)),
        needs: Needs::Superuser,
        without: Some(NO_GATE),
        ..step(
            "Guard the tables that are there already (row level security on and forced, owner `palisade_owner`)",
            "SELECT NOT EXISTS (
               SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 JOIN palisade.exposed_schemas e ON e.name = n.nspname AND e.guarded
                WHERE c.relkind IN ('r', 'p', 'f', 'm')
                  AND NOT EXISTS (SELECT FROM palisade.guarded g
                                   WHERE g.relation = c.oid AND g.schema = n.nspname AND g.name = c.relname))"
                .to_owned(),
            "SELECT palisade.enforce_gate()".to_owned(),
        )
    }
}

/// Without the gate's own tables, which may not be there when an operator is asked.
fn unguarded(schemas: &str) -> String {
    let schemas = if schemas.is_empty() { "NULL" } else { schemas };
    format!(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ({schemas}) AND c.relkind IN ('r', 'p', 'f', 'm')
            AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY 1"
    )
}
