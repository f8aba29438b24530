//! What happens before rows are read: a write, or a call.

use std::sync::Arc;

use pg::Param;

use crate::plan::{Argument, Call, Change, Condition, Given, Mutation, Plan, Returned, Rows, Written};

use super::{Outer, Writer, bytes_param, condition, select};

/// The name of the rows given.
const BODY: &str = "pgrst_body";
/// The name of one element of them, where missing keys matter.
const ITEM: &str = "pgrst_item";

/// Counts a row that an insert updated instead. A setting, because views and partitioned tables have no `xmax`.
const COUNT_UPDATED: &str = "pg_catalog.set_config('palisade.updated', \
    (coalesce(nullif(pg_catalog.current_setting('palisade.updated', true), ''), '0')::int + 1)::text, true) IS NOT NULL";

/// What a mutation gives back.
pub(super) enum Give<'a> {
    /// Nothing.
    Nothing,
    /// The key.
    Key(&'a [Arc<str>]),
    /// What the root node selects.
    Items(Outer),
    /// Columns for the root node to read.
    Columns,
}

pub(super) fn mutation(w: &mut Writer, mutation: &Mutation, plan: &Plan, give: Give<'_>) {
    let alias = plan.root.alias.as_str();
    match &mutation.change {
        Change::Insert { rows, conflict, only } => {
            w.push("INSERT INTO ").name(&mutation.relation).push(" AS ").ident(alias);
            insert(w, rows, only);
            if let Some((keys, merge)) = conflict {
                on_conflict(w, rows, keys, *merge);
            }
        }
        Change::Update { rows } if rows.columns.is_empty() => {
            // There is nothing to set; what is given back still has its columns.
            return nothing(w, mutation, plan, give);
        }
        Change::Update { rows } => {
            w.push("UPDATE ").name(&mutation.relation).push(" AS ").ident(alias).push(" SET ");
            w.list(&rows.columns, ", ", |w, column: &Written| {
                w.ident(&column.name).push(" = ").column(BODY, &column.name);
            });
            w.push(" FROM (SELECT ");
            w.list(&rows.columns, ", ", |w, column: &Written| {
                written(w, rows, column);
                w.push(" AS ").ident(&column.name);
            });
            w.push(" FROM ");
            given(w, rows);
            if rows.many {
                w.push(" LIMIT 1");
            }
            w.push(") AS ").ident(BODY);
            conditions(w, alias, &mutation.conditions);
        }
        Change::Delete => {
            w.push("DELETE FROM ").name(&mutation.relation).push(" AS ").ident(alias);
            conditions(w, alias, &mutation.conditions);
        }
    }
    if !matches!(give, Give::Nothing) {
        w.push(" RETURNING ");
        what(w, mutation, plan, give);
    }
}

fn what(w: &mut Writer, mutation: &Mutation, plan: &Plan, give: Give<'_>) {
    let alias = plan.root.alias.as_str();
    match give {
        Give::Nothing => {
            w.push("1");
        }
        Give::Key(key) => w.list(key, ", ", |w, name: &Arc<str>| {
            w.column(alias, name);
        }),
        Give::Items(outer) => select::returning(w, &plan.root, outer),
        Give::Columns => match &mutation.returning {
            Returned::Columns(Some(names)) if !names.is_empty() => w.list(names, ", ", |w, name: &String| {
                w.column(alias, name);
            }),
            Returned::Columns(Some(_)) => {
                w.push("1");
            }
            Returned::Columns(None) | Returned::Items | Returned::Nothing | Returned::Key(_) => {
                w.ident(alias).push(".*");
            }
        },
    }
}

fn nothing(w: &mut Writer, mutation: &Mutation, plan: &Plan, give: Give<'_>) {
    w.push("SELECT ");
    what(w, mutation, plan, give);
    w.push(" FROM ").name(&mutation.relation).push(" AS ").ident(&plan.root.alias).push(" WHERE FALSE");
}

fn insert(w: &mut Writer, rows: &Rows, only: &[Condition]) {
    if rows.columns.is_empty() {
        if rows.many {
            // A row of no columns per element: each takes all its defaults.
            w.push(" SELECT FROM pg_catalog.json_array_elements(").param(bytes_param(&rows.json)).push(")");
        } else {
            w.push(" DEFAULT VALUES");
        }
        return;
    }
    w.push(" (");
    w.list(&rows.columns, ", ", |w, column: &Written| {
        w.ident(&column.name);
    });
    w.push(") SELECT ");
    w.list(&rows.columns, ", ", |w, column| written(w, rows, column));
    w.push(" FROM ");
    given(w, rows);
    conditions(w, BODY, only);
}

/// The value of a column in the rows given.
fn written(w: &mut Writer, rows: &Rows, column: &Written) {
    let default = column.default.as_ref().filter(|_| rows.missing_as_default);
    if let Some(default) = default {
        // A default is an expression of the catalog, printed by PostgreSQL with full names.
        w.push("CASE WHEN ")
            .column(ITEM, "j")
            .push("->")
            .param(&*column.name)
            .push(" IS NULL THEN ")
            .push(default);
        w.push(" ELSE ");
    }
    match &column.read_by {
        Some(reader) => w.name(reader).push("(").column(BODY, &column.name).push(")"),
        None => w.column(BODY, &column.name),
    };
    if default.is_some() {
        w.push(" END");
    }
}

/// The rows given, as a table with typed columns. One parameter, whatever their number.
fn given(w: &mut Writer, rows: &Rows) {
    let json = bytes_param(&rows.json);
    if rows.missing_as_default {
        if rows.many {
            w.push("pg_catalog.json_array_elements(").param(json).push(") AS ").ident(ITEM).push("(\"j\")");
        } else {
            w.push("(SELECT ").param(json).push("::json AS \"j\") AS ").ident(ITEM);
        }
        w.push(", LATERAL pg_catalog.json_to_record(").column(ITEM, "j").push(")");
    } else {
        let function = if rows.many { "pg_catalog.json_to_recordset(" } else { "pg_catalog.json_to_record(" };
        w.push(function).param(json).push(")");
    }
    w.push(" AS ").ident(BODY).push("(");
    w.list(&rows.columns, ", ", |w, column: &Written| {
        w.ident(&column.name).push(" ").push(&column.read_as);
    });
    w.push(")");
}

fn on_conflict(w: &mut Writer, rows: &Rows, keys: &[String], merge: bool) {
    w.push(" ON CONFLICT (");
    w.list(keys, ", ", |w, name: &String| {
        w.ident(name);
    });
    w.push(")");
    if !merge || rows.columns.is_empty() {
        w.push(" DO NOTHING");
        return;
    }
    w.push(" DO UPDATE SET ");
    w.list(&rows.columns, ", ", |w, column: &Written| {
        w.ident(&column.name).push(" = EXCLUDED.").ident(&column.name);
    });
    w.push(" WHERE ").push(COUNT_UPDATED);
}

fn conditions(w: &mut Writer, alias: &str, all: &[Condition]) {
    for (at, one) in all.iter().enumerate() {
        w.push(if at == 0 { " WHERE " } else { " AND " });
        // A write has no embeds to test.
        condition::condition(w, alias, one, &mut |w, _, _| {
            w.push("FALSE");
        });
    }
}

/// The function as a source of rows.
pub(super) fn call(w: &mut Writer, call: &Call, alias: &str) {
    if call.scalar {
        w.push("(SELECT ");
    }
    w.name(&call.function).push("(");
    w.list(&call.arguments, ", ", argument);
    w.push(")");
    if call.scalar {
        w.push(" AS ").ident(crate::plan::SCALAR).push(")");
    }
    w.push(" AS ").ident(alias);
}

fn argument(w: &mut Writer, argument: &Argument) {
    if argument.variadic {
        w.push("VARIADIC ");
    }
    if let Some(name) = &argument.name {
        w.ident(name).push(" => ");
    }
    match &argument.value {
        Given::Text(text) => {
            w.param(Param(text.clone())).push("::").push(&argument.type_sql);
        }
        Given::Json(json) => {
            w.push("(SELECT x.v FROM pg_catalog.json_to_record(").param(format!("{{\"v\":{json}}}"));
            w.push(") AS x(v ").push(&argument.type_sql).push("))");
        }
    }
}
