//! What a query or a body asks for: Fluxbase's spellings, turned into the data API's own grammar.
//!
//! Both are lists of parameters first. What only Fluxbase has (`count=`, `group_by=`, `sum(x)`, arrays in parentheses, the
//! older `age.gt=5`) is taken out or rewritten; the rest is the same grammar as at `/rest/v1`, read by the same parser.
//!
//! Invariant: pure. A value of a body reaches the grammar quoted, or as the whole of a value, so that no text of it is read
//! as anything else.

mod values;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use data::ask::{Aggregate, Count, SelectItem};
use data::query::{Query, Reading};
use serde::Deserialize;
use serde_json::Value;

use super::error::Error;
pub(super) use values::Kind;
use values::{all_operators, operand, spelled, text};

/// What is asked for.
pub(super) struct Wish {
    /// The part that is the data API's.
    pub(super) query: Query,
    /// How the total is found.
    pub(super) count: Option<Count>,
    /// Texts are cut to so many characters.
    pub(super) cut: Option<usize>,
    /// Only the number of rows is wanted: `select=count(*)`.
    pub(super) total_only: bool,
}

/// What kind of values a column has.
pub(super) type KindOf<'a> = &'a dyn Fn(&str) -> Kind;

/// The parameters being put together.
#[derive(Default)]
struct Draft {
    pairs: Vec<(String, String)>,
    select: Option<String>,
    group_by: Vec<String>,
    count: Option<Count>,
    cut: Option<usize>,
    cursor: Option<String>,
    cursor_column: Option<String>,
}

/// Names that are no columns in the data API's grammar.
const RESERVED: [&str; 8] = ["select", "columns", "on_conflict", "order", "limit", "offset", "and", "or"];

/// From the parameters of an address.
pub(super) fn of_query(
    pairs: impl Iterator<Item = (String, String)>,
    kind_of: KindOf<'_>,
) -> Result<Wish, Error> {
    let mut draft = Draft::default();
    for (name, value) in pairs {
        draft.take(name, value, kind_of)?;
    }
    draft.finish()
}

impl Draft {
    fn take(&mut self, name: String, value: String, kind_of: KindOf<'_>) -> Result<(), Error> {
        let is_test =
            || value.split_once('.').is_some_and(|(first, _)| first == "not" || all_operators(first));
        match name.as_str() {
            // The edge's.
            "apikey" | "clientkey" => {}
            "select" => self.select = Some(value),
            "count" if !is_test() => self.count = Some(counted(&value)?),
            "truncate" if !is_test() => self.cut = Some(number("truncate", &value)?),
            "group_by" if !is_test() => self.group_by = columns(&value),
            "cursor" if !is_test() => self.cursor = Some(value),
            "cursor_column" if !is_test() => self.cursor_column = Some(value),
            "order" => self.pairs.push((name, ordered(value)?)),
            "limit" | "offset" | "on_conflict" | "columns" => self.pairs.push((name, value)),
            "or" | "and" | "not.or" | "not.and" => self.pairs.push((name, value)),
            _ => {
                let (column, test) = match name.rsplit_once('.') {
                    // The older spelling: `age.gt=5`.
                    Some((column, operator)) if all_operators(operator) && !is_test() => {
                        (column.to_owned(), format!("{operator}.{value}"))
                    }
                    _ => (name.clone(), value.clone()),
                };
                let test = operand(&test, kind_of(&column))?;
                self.pairs.push((column, test));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Wish, Error> {
        self.turn_page()?;
        let select = self.select.take().unwrap_or_default();
        let total_only = self.group_by.is_empty() && squeezed(&select) == "count(*)";
        if !total_only {
            let rewritten = rewritten(&select, &self.group_by);
            if !rewritten.is_empty() {
                self.pairs.insert(0, ("select".to_owned(), rewritten));
            }
        }
        let line = self.pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        let query = data::query::parse(&line.collect::<Vec<_>>().join("&"), Reading::Filters)?;
        require_grouped(&query, &self.group_by)?;
        let Draft { count, cut, .. } = self;
        Ok(Wish { query, count, cut, total_only })
    }

    /// A cursor names a column and the last value of it that was seen.
    fn turn_page(&mut self) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Cursor {
            c: String,
            v: Value,
            #[serde(default)]
            d: bool,
        }
        let Some(cursor) = self.cursor.take().filter(|cursor| !cursor.is_empty()) else { return Ok(()) };
        let wrong = || Error::Invalid("The cursor is none that was given out".to_owned());
        let bytes = URL_SAFE.decode(cursor.as_bytes()).map_err(|_| wrong())?;
        let cursor: Cursor = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        let column = self.cursor_column.take().unwrap_or(cursor.c);
        let operator = if cursor.d { "lt" } else { "gt" };
        self.pairs.push((named(&column), format!("{operator}.{}", text(&cursor.v))));
        Ok(())
    }
}

/// `POST …/query`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Body {
    select: Option<String>,
    filters: Vec<Test>,
    or_filters: Vec<String>,
    and_filters: Vec<String>,
    between_filters: Vec<Between>,
    order: Vec<Term>,
    limit: Option<u64>,
    offset: Option<u64>,
    count: Option<String>,
    group_by: Option<Vec<String>>,
    truncate: Option<usize>,
}

#[derive(Deserialize)]
struct Test {
    column: String,
    operator: String,
    #[serde(default)]
    value: Value,
}

#[derive(Deserialize)]
struct Between {
    column: String,
    min: Value,
    max: Value,
    #[serde(default)]
    negated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    column: String,
    #[serde(default)]
    direction: Option<String>,
    #[serde(default)]
    nulls: Option<String>,
    #[serde(default)]
    vector_op: Option<String>,
}

/// From the body of `POST …/query`.
pub(super) fn of_body(body: Body, kind_of: KindOf<'_>) -> Result<Wish, Error> {
    let mut draft = Draft {
        select: body.select,
        group_by: body.group_by.unwrap_or_default(),
        cut: body.truncate,
        count: body.count.as_deref().map(counted).transpose()?,
        ..Draft::default()
    };
    for test in body.filters {
        let value = spelled(&test.operator, &test.value, kind_of(&test.column))?;
        draft.pairs.push((named(&test.column), value));
    }
    for between in body.between_filters {
        let (min, max) = (text(&between.min), text(&between.max));
        let column = named(&between.column);
        match between.negated {
            false => {
                draft.pairs.extend([(column.clone(), format!("gte.{min}")), (column, format!("lte.{max}"))])
            }
            true => {
                let (min, max) = (values::quoted(&min), values::quoted(&max));
                draft.pairs.push(("or".to_owned(), format!("({column}.lt.{min},{column}.gt.{max})")));
            }
        }
    }
    let tree = |name: &str, inner: String| (name.to_owned(), format!("({inner})"));
    draft.pairs.extend(body.or_filters.into_iter().map(|inner| tree("or", inner)));
    draft.pairs.extend(body.and_filters.into_iter().map(|inner| tree("and", inner)));
    let terms = body.order.into_iter().map(order_term).collect::<Result<Vec<_>, _>>()?;
    if !terms.is_empty() {
        draft.pairs.push(("order".to_owned(), terms.join(",")));
    }
    draft.pairs.extend(body.limit.map(|limit| ("limit".to_owned(), limit.to_string())));
    draft.pairs.extend(body.offset.map(|offset| ("offset".to_owned(), offset.to_string())));
    draft.finish()
}

fn order_term(term: Term) -> Result<String, Error> {
    if term.vector_op.is_some() {
        return Err(no_vectors());
    }
    let direction = match term.direction.as_deref() {
        None | Some("asc") => "asc",
        Some("desc") => "desc",
        Some(other) => return Err(Error::Invalid(format!("Unknown direction {other:?}"))),
    };
    let nulls = match term.nulls.as_deref() {
        None => "",
        Some("first") => ".nullsfirst",
        Some("last") => ".nullslast",
        Some(other) => return Err(Error::Invalid(format!("Nulls cannot be {other:?}"))),
    };
    Ok(format!("{}.{direction}{nulls}", term.column))
}

fn ordered(value: String) -> Result<String, Error> {
    match [".vec_l2.", ".vec_cos.", ".vec_ip."].iter().any(|operator| value.contains(operator)) {
        true => Err(no_vectors()),
        false => Ok(value),
    }
}

fn no_vectors() -> Error {
    Error::Absent("Ordering by vectors is not offered here".to_owned())
}

/// A column's name as the grammar takes it: one that means something else there is quoted.
fn named(column: &str) -> String {
    match RESERVED.contains(&column) {
        true => values::quoted(column),
        false => column.to_owned(),
    }
}

fn columns(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn counted(text: &str) -> Result<Count, Error> {
    match text {
        "exact" => Ok(Count::Exact),
        "planned" => Ok(Count::Planned),
        "estimated" => Ok(Count::Estimated),
        other => Err(Error::Invalid(format!("count is exact, planned or estimated, not {other:?}"))),
    }
}

fn number(name: &str, text: &str) -> Result<usize, Error> {
    text.parse().map_err(|_| Error::Invalid(format!("{name} must be a number that is not negative")))
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// `count(*),sum(a)` and `group_by=b` as the data API spells them: `b,count(),sum_a:a.sum()`.
fn rewritten(select: &str, group_by: &[String]) -> String {
    let items = split(select);
    let named_already = |column: &String| items.iter().any(|item| item.trim() == column);
    let groups = group_by.iter().filter(|column| !named_already(column)).cloned();
    groups.chain(items.iter().map(|item| aggregate(item.trim()))).collect::<Vec<_>>().join(",")
}

fn aggregate(item: &str) -> String {
    let call = item.strip_suffix(')').and_then(|call| call.split_once('('));
    let Some((name, column)) = call else { return item.to_owned() };
    let column = column.trim();
    let is_name = !column.is_empty() && !column.contains(['(', ')', ',', ':', '.']);
    match name {
        "count" if column == "*" => "count()".to_owned(),
        "count" | "sum" | "avg" | "min" | "max" if is_name && column != "*" => {
            format!("{name}_{column}:{column}.{name}()")
        }
        _ => item.to_owned(),
    }
}

/// Items between commas that are in no parentheses and no quotes.
fn split(select: &str) -> Vec<String> {
    let (mut items, mut depth, mut in_quotes) = (vec![String::new()], 0_usize, false);
    for c in select.chars() {
        match c {
            '"' => in_quotes = !in_quotes,
            '(' if !in_quotes => depth += 1,
            ')' if !in_quotes => depth = depth.saturating_sub(1),
            _ => {}
        }
        match items.last_mut() {
            Some(last) if !(c == ',' && depth == 0 && !in_quotes) => last.push(c),
            _ => items.push(String::new()),
        }
    }
    items.retain(|item| !item.trim().is_empty());
    items
}

/// The data API groups by whatever is no aggregate; here that has to be said.
fn require_grouped(query: &Query, group_by: &[String]) -> Result<(), Error> {
    let is_aggregate = |item: &SelectItem| match item {
        SelectItem::Field(field) => field.aggregate.is_some_and(is_known),
        SelectItem::All | SelectItem::Embed(_) => false,
    };
    if !query.select.iter().any(is_aggregate) {
        return Ok(());
    }
    let plain = query.select.iter().find(|item| match item {
        SelectItem::Field(field) => {
            let column = field.field.as_ref().map(|field| field.name.as_str()).unwrap_or_default();
            field.aggregate.is_none() && !group_by.iter().any(|name| name == column)
        }
        SelectItem::All => true,
        SelectItem::Embed(_) => false,
    });
    match plain {
        None => Ok(()),
        Some(_) => Err(Error::Invalid("What is selected beside an aggregate must be in group_by".to_owned())),
    }
}

fn is_known(aggregate: Aggregate) -> bool {
    match aggregate {
        Aggregate::Sum | Aggregate::Avg | Aggregate::Max | Aggregate::Min | Aggregate::Count => true,
    }
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests;
