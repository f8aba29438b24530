//! Pages with what surrounds them: edges, places, totals, aggregates.
//!
//! Invariant: what is not selected is not computed. A page is read once; each of the others is one look at the relation.

use super::ask::{Around, Edge, Info, Rows, Sum, Summed};
use super::build::{Build, Level, direction, json_object, order, place, where_};
use crate::ask::Aggregate;
use crate::error::Error;
use crate::sql::ident;

impl<'a> Build<'a> {
    /// A query of one row and one JSON value: the page with what was asked around it.
    pub(super) fn connection(
        &mut self,
        rows: &Rows,
        around: &[(String, Around)],
        mut parent: Option<&mut Level<'a>>,
    ) -> Result<String, Error> {
        let mut level = self.level(&rows.relation)?;
        let page = self.alias("p");
        let mut columns: Vec<String> = Vec::new();
        let mut laterals = String::new();
        let mut values = Vec::new();
        let mut reads_page = false;
        for (key, one) in around {
            let value = match one {
                Around::Known(json) => self.known(json),
                Around::Edges(edges) => {
                    reads_page = true;
                    let (lateral, value) = self.edges(edges, &mut level, &mut columns, &page)?;
                    laterals.push_str(&lateral);
                    value
                }
                Around::Info(infos) => {
                    reads_page = true;
                    self.info(rows, infos, &page, &mut parent)?
                }
                Around::Total => {
                    let count = vec![("count".to_owned(), Sum::Count)];
                    self.sums(rows, &count, &mut parent, |mut all| {
                        all.pop().map(|(_, value)| value).unwrap_or_default()
                    })?
                }
                Around::Aggregate(sums) => self.aggregate(rows, sums, &mut parent)?,
            };
            values.push((key, value));
        }
        if !reads_page {
            return Ok(format!("SELECT {} AS \"v\"", json_object(&values)));
        }
        columns.push(format!("{} AS \"c\"", cursor(rows, &mut level)?));
        let mut again = String::new();
        if rows.page.backward {
            let mut terms = Vec::new();
            for (at, term) in rows.order.iter().enumerate() {
                let name = ident(&format!("o{at}"));
                columns.push(format!("{} AS {name}", level.column(&term.column)?));
                terms.push(format!("{name}{}", direction(term, false)));
            }
            again = format!(" ORDER BY {}", terms.join(", "));
        }
        let query = self.query(rows, &mut level, &columns.join(", "), &mut parent)?;
        let query = if again.is_empty() { query } else { format!("SELECT * FROM ({query}) AS \"q\"{again}") };
        Ok(format!("SELECT {} AS \"v\" FROM ({query}) AS {}{laterals}", json_object(&values), ident(&page)))
    }

    /// The rows with their places: a join that makes each an object, and the list of them.
    fn edges(
        &mut self,
        edges: &[(String, Edge)],
        level: &mut Level<'a>,
        columns: &mut Vec<String>,
        page: &str,
    ) -> Result<(String, String), Error> {
        let mut parts = Vec::new();
        for (key, edge) in edges {
            let value = match edge {
                Edge::Known(json) => self.known(json),
                Edge::Cursor => format!("{}.\"c\"", ident(page)),
                Edge::Node(object) => {
                    let listed = self.list(level, object)?;
                    let node = self.alias("n");
                    level.joins.push_str(&format!(
                        " CROSS JOIN LATERAL (SELECT {}) AS {}",
                        listed.text,
                        ident(&node)
                    ));
                    columns.push(format!("{} AS {}", listed.object(&node), ident(&node)));
                    format!("{}.{}", ident(page), ident(&node))
                }
            };
            parts.push(format!("{value} AS {}", ident(key)));
        }
        let edge = ident(&self.alias("e"));
        let lateral = format!(" CROSS JOIN LATERAL (SELECT {}) AS {edge}", parts.join(", "));
        Ok((lateral, format!("coalesce(pg_catalog.json_agg({edge}.*), '[]')")))
    }

    fn info(
        &mut self,
        rows: &Rows,
        infos: &[(String, Info)],
        page: &str,
        parent: &mut Option<&mut Level<'a>>,
    ) -> Result<String, Error> {
        let cursors = format!("pg_catalog.array_agg({}.\"c\")", ident(page));
        let first = format!("({cursors})[1]");
        let last = format!("({cursors})[pg_catalog.count(*)::int]");
        let backward = rows.page.backward;
        let mut values = Vec::new();
        for (key, info) in infos {
            let value = match info {
                Info::Known(json) => self.known(json),
                Info::Start => first.clone(),
                Info::End => last.clone(),
                Info::HasNext if backward => self.is_not_outermost(rows, &last, true, parent)?,
                Info::HasNext => self.has_more(rows, parent)?,
                Info::HasPrevious if backward => self.has_more(rows, parent)?,
                Info::HasPrevious => self.is_not_outermost(rows, &first, false, parent)?,
            };
            values.push((key, value));
        }
        Ok(json_object(&values))
    }

    /// Whether there are rows behind the page, in the direction it was read.
    fn has_more(&mut self, rows: &Rows, parent: &mut Option<&mut Level<'a>>) -> Result<String, Error> {
        let Some(limit) = rows.page.limit else { return Ok("FALSE".to_owned()) };
        let mut level = self.level(&rows.relation)?;
        let from = self.from(rows, &level.alias, parent)?;
        let mut conditions = self.conditions(rows, &mut level, parent)?;
        conditions.extend(self.places(rows, &mut level)?);
        let skipped = self.fixed(rows.page.offset.saturating_add(limit));
        Ok(format!("EXISTS (SELECT 1 FROM {from}{} OFFSET {skipped})", where_(&conditions)))
    }

    /// Whether the end of the page is not the end of all rows.
    fn is_not_outermost(
        &mut self,
        rows: &Rows,
        end: &str,
        backward: bool,
        parent: &mut Option<&mut Level<'a>>,
    ) -> Result<String, Error> {
        let mut level = self.level(&rows.relation)?;
        let from = self.from(rows, &level.alias, parent)?;
        let conditions = where_(&self.conditions(rows, &mut level, parent)?);
        let cursor = cursor(rows, &mut level)?;
        let order = order(&mut level, &rows.order, backward)?;
        Ok(format!("coalesce({end} <> (SELECT {cursor} FROM {from}{conditions}{order} LIMIT 1), FALSE)"))
    }

    /// Aggregates over all pages, as an object.
    pub(super) fn aggregate(
        &mut self,
        rows: &Rows,
        sums: &[(String, Sum)],
        parent: &mut Option<&mut Level<'a>>,
    ) -> Result<String, Error> {
        self.sums(rows, sums, parent, |values| {
            let values: Vec<(&String, String)> =
                values.iter().map(|(key, value)| (*key, value.clone())).collect();
            json_object(&values)
        })
    }

    fn sums<'s>(
        &mut self,
        rows: &Rows,
        sums: &'s [(String, Sum)],
        parent: &mut Option<&mut Level<'a>>,
        make: impl FnOnce(Vec<(&'s String, String)>) -> String,
    ) -> Result<String, Error> {
        let mut level = self.level(&rows.relation)?;
        let mut values = Vec::new();
        for (key, sum) in sums {
            let value = match sum {
                Sum::Known(json) => self.known(json),
                Sum::Count => "pg_catalog.count(*)".to_owned(),
                Sum::Of(how, columns) => self.summed(*how, columns, &mut level)?,
            };
            values.push((key, value));
        }
        let from = self.from(rows, &level.alias, parent)?;
        let conditions = where_(&self.conditions(rows, &mut level, parent)?);
        Ok(format!("(SELECT {} FROM {from}{conditions})", make(values)))
    }

    fn summed(
        &mut self,
        how: Aggregate,
        columns: &[(String, Summed)],
        level: &mut Level<'a>,
    ) -> Result<String, Error> {
        let mut values = Vec::new();
        for (key, one) in columns {
            let value = match one {
                Summed::Known(json) => self.known(json),
                Summed::Column(column) => {
                    let column = level.column(column)?;
                    // PostgreSQL has no smallest truth value.
                    match how {
                        Aggregate::Min if self.is_boolean(level, &column) => {
                            format!("pg_catalog.bool_and({column})")
                        }
                        Aggregate::Max if self.is_boolean(level, &column) => {
                            format!("pg_catalog.bool_or({column})")
                        }
                        _ => format!("{}({column})", how.name()),
                    }
                }
            };
            values.push((key, value));
        }
        Ok(json_object(&values))
    }

    fn is_boolean(&self, level: &Level<'a>, quoted: &str) -> bool {
        level.relation.columns.iter().any(|column| {
            column.type_oid == crate::catalog::types::oid::BOOL
                && quoted == format!("{}.{}", ident(&level.alias), ident(&column.name))
        })
    }
}

/// Where a row lies in the order.
fn cursor(rows: &Rows, level: &mut Level<'_>) -> Result<String, Error> {
    let mut parts = Vec::new();
    for term in &rows.order {
        parts.push(level.column(&term.column)?);
    }
    Ok(place(&parts))
}
