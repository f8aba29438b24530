//! Values of a row and tests of them.

use pg::statement::array_literal;

use crate::ask::{Connective, IsWord, JsonKey, Operator, Quantifier, SearchKind, Test};
use crate::plan::{ColumnValue, Condition, Qualified};

use super::Writer;

/// A column, the steps into it, and what is done to it.
pub(super) fn value(w: &mut Writer, alias: &str, column: &ColumnValue) {
    if column.cast.is_some() {
        w.push("CAST(");
    }
    if let Some(shown_by) = &column.shown_by {
        w.name(shown_by).push("(");
    }
    let to_jsonb = column.to_jsonb && !column.path.is_empty();
    if to_jsonb {
        w.push("pg_catalog.to_jsonb(");
    }
    w.column(alias, &column.name);
    if to_jsonb {
        w.push(")");
    }
    for step in &column.path {
        w.push(if step.as_text { "->>" } else { "->" });
        match &step.to {
            JsonKey::Key(key) => w.param(key),
            JsonKey::Index(index) => w.param(index).push("::int"),
        };
    }
    if column.shown_by.is_some() {
        w.push(")");
    }
    if let Some(cast) = &column.cast {
        w.push(" AS ").push(cast).push(")");
    }
}

/// A condition; `related` writes a test of an embed.
pub(super) fn condition(
    w: &mut Writer,
    alias: &str,
    condition: &Condition,
    related: &mut dyn FnMut(&mut Writer, usize, bool),
) {
    match condition {
        Condition::Never => {
            w.push("FALSE");
        }
        Condition::Related { embed, present } => related(w, *embed, *present),
        Condition::Group { negated, how, parts } => {
            w.push(if *negated { "NOT (" } else { "(" });
            if parts.is_empty() {
                w.push(if *how == Connective::And { "TRUE" } else { "FALSE" });
            }
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    w.push(if *how == Connective::And { " AND " } else { " OR " });
                }
                self::condition(w, alias, part, related);
            }
            w.push(")");
        }
        Condition::Test { value, negated, test, read_by, to_vector } => {
            w.push(if *negated { "NOT " } else { "" });
            subject(w, alias, value, *to_vector, test);
            operand(w, test, read_by.as_ref());
        }
    }
}

fn subject(w: &mut Writer, alias: &str, column: &ColumnValue, to_vector: bool, test: &Test) {
    if !to_vector {
        return value(w, alias, column);
    }
    w.push("to_tsvector(");
    if let Test::Search { config: Some(config), .. } = test {
        w.param(config).push(", ");
    }
    value(w, alias, column);
    w.push(")");
}

fn operand(w: &mut Writer, test: &Test, read_by: Option<&Qualified>) {
    match test {
        Test::Compare { operator, quantifier, value } => {
            w.push(" ").push(operator.sql()).push(" ");
            // A pattern is no value of the domain.
            let read_by = read_by.filter(|_| !matches!(operator, Operator::Like | Operator::ILike));
            match (quantifier, read_by) {
                (None, None) => w.param(value),
                (None, Some(reader)) => w.name(reader).push("(").param(value).push(")"),
                (Some(Quantifier::Any), _) => w.push("ANY(").param(value).push(")"),
                (Some(Quantifier::All), _) => w.push("ALL(").param(value).push(")"),
            };
        }
        Test::In(values) => {
            let nothing = values.iter().all(|value| value.is_empty()) && values.len() < 2;
            match (nothing, read_by) {
                (true, _) => w.push(" = ANY('{}')"),
                (false, None) => {
                    w.push(" = ANY(").param(array_literal(values.iter().map(String::as_str))).push(")")
                }
                (false, Some(reader)) => {
                    let list = array_literal(values.iter().map(String::as_str));
                    w.push(" = ANY(SELECT ").name(reader).push("(x) FROM pg_catalog.unnest(").param(list);
                    w.push("::text[]) AS x)")
                }
            };
        }
        Test::Is(word) => {
            w.push(match word {
                IsWord::Null => " IS NULL",
                IsWord::NotNull => " IS NOT NULL",
                IsWord::True => " IS TRUE",
                IsWord::False => " IS FALSE",
                IsWord::Unknown => " IS UNKNOWN",
            });
        }
        Test::IsDistinctFrom(value) => {
            w.push(" IS DISTINCT FROM ").param(value);
        }
        Test::Search { kind, config, query } => {
            w.push(match kind {
                SearchKind::Plain => " @@ to_tsquery(",
                SearchKind::Words => " @@ plainto_tsquery(",
                SearchKind::Phrase => " @@ phraseto_tsquery(",
                SearchKind::Web => " @@ websearch_to_tsquery(",
            });
            if let Some(config) = config {
                w.param(config).push(", ");
            }
            w.param(query).push(")");
        }
    }
}
