//! `SELECT` of a node, with everything embedded in it; and the same node counted.
//!
//! A to-one embed is a lateral join without a limit, which PostgreSQL flattens into a plain join. A to-many embed is
//! aggregated to json (never jsonb: it costs three times as much) before it is joined.

use crate::ask::{Aggregate, Direction, Nulls};
use crate::plan::{Act, Embedded, Item, Lifted, Node, Order, Output, Pair, Plan, Qualified, Source, Value};

use super::{ACT, Outer, Writer, act, condition};

/// What a to-many join gives its parent: the rows, or only that there are some.
const JOINED: &str = "pgrst_rows";

/// How a node is written.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// How its own values are written.
    pub outer: Outer,
    /// Whether what the act gave back was written before.
    pub shared: bool,
    /// What is selected before anything else.
    pub lead: Option<&'static str>,
    /// Whether embeds are made jsonb: user code that is handed rows may want to look into them.
    pub jsonb: bool,
}

impl How {
    const INNER: How = How { outer: Outer::Plain, shared: true, lead: None, jsonb: false };
}

/// A node and what joins it to its parent.
pub(super) fn node(
    w: &mut Writer,
    plan: &Plan,
    node: &Node,
    pairs: &[Pair],
    junction: Option<&(Qualified, String)>,
    how: How,
) {
    let grouped = is_grouped(node);
    w.push("SELECT ").push(how.lead.unwrap_or(""));
    let groups = items(w, node, how, grouped);
    w.push(" FROM ");
    source(w, plan, node, junction, how.shared);
    for embed in &node.embeds {
        join(w, plan, embed);
    }
    where_(w, node, pairs);
    if grouped && !groups.is_empty() {
        w.push(" GROUP BY ");
        w.list(groups, ", ", |w, at| {
            w.push(&at.to_string());
        });
    }
    order(w, node);
    if let Some(limit) = node.limit {
        w.push(" LIMIT ").param(limit);
    }
    if node.offset > 0 {
        w.push(" OFFSET ").param(node.offset);
    }
}

fn is_grouped(node: &Node) -> bool {
    let lifted_aggregate = |at: &usize| {
        let lifted = node.embeds.get(*at).and_then(|embed| embed.spread.as_ref());
        lifted.into_iter().flatten().any(|one| one.aggregate.is_some())
    };
    node.items.iter().any(|item| match item {
        Item::Value(output) => output.aggregate.is_some(),
        Item::Spread(at) => lifted_aggregate(at),
        Item::Star | Item::Embed(_) => false,
    })
}

/// Writes the select list; gives the places of what is not aggregated.
fn items(w: &mut Writer, node: &Node, how: How, grouped: bool) -> Vec<usize> {
    let mut groups = Vec::new();
    let mut at = 0_usize;
    let mut next = |w: &mut Writer| {
        if at > 0 {
            w.push(", ");
        }
        at += 1;
        at
    };
    for item in &node.items {
        match item {
            Item::Value(output) => {
                let place = next(w);
                if output.aggregate.is_none() {
                    groups.push(place);
                }
                value_item(w, &node.alias, output, how.outer, grouped);
            }
            Item::Star => {
                next(w);
                w.ident(&node.alias).push(".*");
            }
            Item::Embed(index) => {
                let Some(embed) = node.embeds.get(*index) else { continue };
                groups.push(next(w));
                embed_item(w, embed, grouped || how.jsonb);
            }
            Item::Spread(index) => {
                let Some(embed) = node.embeds.get(*index) else { continue };
                for lifted in embed.spread.iter().flatten() {
                    let place = next(w);
                    if lifted.aggregate.is_none() {
                        groups.push(place);
                    }
                    lifted_item(w, embed, lifted, how.outer, grouped);
                }
            }
        }
    }
    if at == 0 && !how.jsonb {
        // PostgreSQL allows an empty list, but a row of no columns has no place in json. User code may want just that.
        w.push("TRUE AS \"?\"");
    }
    groups
}

/// The selected values of an act's own rows, where nothing else is asked of them.
pub(super) fn returning(w: &mut Writer, node: &Node, outer: Outer) {
    items(w, node, How { outer, shared: false, lead: None, jsonb: false }, false);
}

fn value_item(w: &mut Writer, alias: &str, output: &Output, outer: Outer, grouped: bool) {
    wrapped(w, output.server_json, outer, grouped, |w| {
        aggregated(w, output.aggregate.as_ref(), |w| match &output.value {
            // Lifted out of a spread, each row counts as one; a row that is not there as none.
            Value::Row if output.aggregate.is_none() => {
                w.push("TRUE");
            }
            Value::Row => {
                w.push("*");
            }
            Value::Column(column) => {
                condition::value(w, alias, column);
                if grouped && column.shown_by.is_some() {
                    w.push("::jsonb");
                }
            }
        });
    });
    w.push(" AS ").ident(&output.name);
}

fn embed_item(w: &mut Writer, embed: &Embedded, jsonb: bool) {
    // json has no equality, so that groups need jsonb.
    let cast = if jsonb { "::jsonb" } else { "" };
    if embed.to_one {
        w.push("pg_catalog.row_to_json(").ident(&embed.alias).push(".*)").push(cast);
    } else {
        w.push("coalesce(").column(&embed.alias, JOINED).push(cast).push(", '[]')");
    }
    w.push(" AS ").ident(&embed.label);
}

fn lifted_item(w: &mut Writer, embed: &Embedded, lifted: &Lifted, outer: Outer, grouped: bool) {
    wrapped(w, lifted.server_json, outer, grouped, |w| {
        aggregated(w, lifted.aggregate.as_ref(), |w| {
            w.column(&embed.alias, &lifted.inner);
            if lifted.is_json && grouped {
                w.push("::jsonb");
            }
        });
    });
    w.push(" AS ").ident(&lifted.name);
}

fn wrapped(w: &mut Writer, server_json: bool, outer: Outer, grouped: bool, inside: impl FnOnce(&mut Writer)) {
    let wrap = server_json && outer == Outer::Json;
    if wrap {
        w.push(if grouped { "pg_catalog.to_jsonb(" } else { "pg_catalog.to_json(" });
    }
    inside(w);
    if wrap {
        w.push(")");
    }
}

fn aggregated(
    w: &mut Writer,
    aggregate: Option<&(Aggregate, Option<String>)>,
    inside: impl FnOnce(&mut Writer),
) {
    let Some((aggregate, cast)) = aggregate else { return inside(w) };
    if cast.is_some() {
        w.push("CAST(");
    }
    w.push("pg_catalog.").push(aggregate.name()).push("(");
    inside(w);
    w.push(")");
    if let Some(cast) = cast {
        w.push(" AS ").push(cast).push(")");
    }
}

fn source(w: &mut Writer, plan: &Plan, node: &Node, junction: Option<&(Qualified, String)>, shared: bool) {
    match &node.source {
        Source::Relation(name) => {
            w.name(name);
        }
        Source::Act => match &plan.act {
            Act::Call(call) if !shared => {
                act::call(w, call, &node.alias);
                return;
            }
            Act::Call(_) | Act::Mutate(_) | Act::Read => {
                w.ident(ACT);
            }
        },
        Source::Computed { function, parent, row_type } => {
            // Written out, the type tells overloads apart even where the parent is no table but what an act gave back.
            w.name(function).push("(").ident(parent).push("::").name(row_type).push(")");
        }
    }
    w.push(" AS ").ident(&node.alias);
    if let Some((name, alias)) = junction {
        w.push(", ").name(name).push(" AS ").ident(alias);
    }
}

fn join(w: &mut Writer, plan: &Plan, embed: &Embedded) {
    w.push(if embed.inner { " INNER JOIN LATERAL (" } else { " LEFT JOIN LATERAL (" });
    let many = !embed.to_one;
    match (&embed.spread, many) {
        (Some(lifted), true) => {
            // The subquery's order is the order of every list.
            w.push("SELECT pg_catalog.bool_or(TRUE) AS \"pgrst_rows\"");
            for one in lifted {
                w.push(", coalesce(pg_catalog.json_agg(")
                    .column("r", &one.inner)
                    .push("), '[]') AS ")
                    .ident(&one.inner);
            }
            w.push(" FROM (");
        }
        (None, true) => {
            w.push("SELECT pg_catalog.json_agg(\"r\".*) AS \"pgrst_rows\" FROM (");
        }
        (_, false) => {}
    }
    node(w, plan, &embed.node, &embed.pairs, embed.junction.as_ref(), How::INNER);
    if many {
        w.push(") AS \"r\"");
    }
    w.push(") AS ").ident(&embed.alias).push(" ON ");
    if many && embed.inner {
        w.column(&embed.alias, JOINED).push(" IS NOT NULL");
    } else {
        w.push("TRUE");
    }
}

fn where_(w: &mut Writer, node: &Node, pairs: &[Pair]) {
    let mut first = true;
    let mut and = |w: &mut Writer| {
        w.push(if std::mem::take(&mut first) { " WHERE " } else { " AND " });
    };
    for ((alias, column), (other_alias, other_column)) in pairs {
        and(w);
        w.column(alias, column).push(" = ").column(other_alias, other_column);
    }
    for one in &node.conditions {
        and(w);
        condition::condition(w, &node.alias, one, &mut |w, embed, present| {
            let Some(embed) = node.embeds.get(embed) else { return };
            related(w, embed, present);
        });
    }
    baits(w, node, and);
}

fn baits(w: &mut Writer, node: &Node, mut and: impl FnMut(&mut Writer)) {
    for one in node.baits.iter() {
        and(w);
        w.push(&super::bait(&node.alias, one)).baited = true;
    }
}

fn related(w: &mut Writer, embed: &Embedded, present: bool) {
    if embed.to_one {
        w.ident(&embed.alias).push(if present {
            " IS DISTINCT FROM NULL"
        } else {
            " IS NOT DISTINCT FROM NULL"
        });
    } else {
        w.column(&embed.alias, JOINED).push(if present { " IS NOT NULL" } else { " IS NULL" });
    }
}

fn order(w: &mut Writer, node: &Node) {
    if node.order.is_empty() {
        return;
    }
    w.push(" ORDER BY ");
    w.list(&node.order, ", ", |w, term: &Order| {
        let alias = term.embed.as_deref().unwrap_or(&node.alias);
        condition::value(w, alias, &term.value);
        w.push(match term.direction {
            None => "",
            Some(Direction::Ascending) => " ASC",
            Some(Direction::Descending) => " DESC",
        });
        w.push(match term.nulls {
            None => "",
            Some(Nulls::First) => " NULLS FIRST",
            Some(Nulls::Last) => " NULLS LAST",
        });
    });
}

/// The rows of a node without its page: what is counted. Inner embeds and tests of embeds become semi-joins.
pub(super) fn count(
    w: &mut Writer,
    plan: &Plan,
    node: &Node,
    pairs: &[Pair],
    junction: Option<&(Qualified, String)>,
) {
    w.push("SELECT 1 FROM ");
    source(w, plan, node, junction, true);
    let mut first = true;
    let mut and = |w: &mut Writer| {
        w.push(if std::mem::take(&mut first) { " WHERE " } else { " AND " });
    };
    for ((alias, column), (other_alias, other_column)) in pairs {
        and(w);
        w.column(alias, column).push(" = ").column(other_alias, other_column);
    }
    let exists = |w: &mut Writer, embed: &Embedded| {
        w.push("EXISTS (");
        count(w, plan, &embed.node, &embed.pairs, embed.junction.as_ref());
        w.push(")");
    };
    for one in &node.conditions {
        and(w);
        condition::condition(w, &node.alias, one, &mut |w, embed, present| {
            let Some(embed) = node.embeds.get(embed) else { return };
            w.push(if present { "" } else { "NOT " });
            exists(w, embed);
        });
    }
    for embed in node.embeds.iter().filter(|embed| embed.inner) {
        and(w);
        exists(w, embed);
    }
    baits(w, node, and);
}
