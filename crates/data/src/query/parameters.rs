//! From a raw query string to its meaning, parameter by parameter.
//!
//! Invariant: every parameter is either reserved, a filter, or (for functions called by `GET`) an argument; none is dropped
//! silently except one without a value, as upstream does.

use super::scan::{Scan, Scanned};
use super::{conditions, grammar, names};
use crate::ask::{Filter, Logic, OrderTerm, SelectItem};
use crate::limits::QUERY_PARAMETERS_MAX;

/// What parameters that are no operator expression mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A mistake.
    Filters,
    /// An argument of the function that is called by `GET` or `HEAD`.
    Arguments,
}

/// A query string that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {details}")]
pub struct Unreadable {
    /// Which part, and where in it.
    pub message: String,
    /// What stood there and what could have.
    pub details: String,
}

/// A wish for a range that no rows can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongRange {
    /// `limit=-1`
    #[error("Limit should be greater than or equal to zero.")]
    NegativeLimit,
    /// `Range: 5-2`
    #[error("The lower boundary must be lower than or equal to the upper boundary in the Range header.")]
    Reversed,
}

/// Rows wanted of the top level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Page {
    /// Most rows.
    pub limit: Option<i64>,
    /// Rows skipped.
    pub offset: i64,
}

/// The embeds on the way to a level, from the root.
pub(super) type Path = Vec<String>;

/// A query string, understood.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Query {
    /// All parameters sorted by name, encoded again: what `Content-Location` shows.
    pub canonical: String,
    /// Parameters that are arguments of a function.
    pub arguments: Vec<(String, String)>,
    /// `select`; all columns when absent or empty.
    pub select: Vec<SelectItem>,
    /// `columns`, each once.
    pub columns: Option<Vec<String>>,
    /// `on_conflict`.
    pub on_conflict: Option<Vec<String>>,
    pub(super) filters: Vec<(Path, Filter)>,
    pub(super) trees: Vec<(Path, Logic)>,
    pub(super) orders: Vec<(Path, Vec<OrderTerm>)>,
    pub(super) ranges: Vec<(Path, Page)>,
}

/// Reads a raw query string.
pub fn parse(raw: &str, reading: Reading) -> Result<Query, Unreadable> {
    let pairs: Vec<(String, Option<String>)> =
        raw.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
    if pairs.len() > QUERY_PARAMETERS_MAX.size() {
        let message = format!("more than {} parameters in the query string", QUERY_PARAMETERS_MAX.value);
        return Err(Unreadable { message, details: "send them as lists: in.(…), or=(…)".to_owned() });
    }
    let mut query = Query { canonical: canonical(&pairs), ..Query::default() };
    let mut select = None;
    for (key, value) in &pairs {
        let Some(value) = value else { continue };
        match key.as_str() {
            "select" if select.is_none() => {
                select = Some(scan("select parameter", value, value, grammar::select)?)
            }
            "columns" if query.columns.is_none() => {
                let mut columns = scan("columns parameter", value, value, names::columns)?;
                let mut seen = std::collections::HashSet::new();
                columns.retain(|column| seen.insert(column.clone()));
                query.columns = Some(columns);
            }
            "on_conflict" if query.on_conflict.is_none() => {
                query.on_conflict = Some(scan("on_conflict parameter", value, value, names::columns)?);
            }
            "select" | "columns" | "on_conflict" => {}
            _ => query.take(key, value, reading)?,
        }
    }
    let select = select.unwrap_or_default();
    query.select = if select.is_empty() { vec![SelectItem::All] } else { select };
    Ok(query)
}

impl Query {
    fn take(&mut self, key: &str, value: &str, reading: Reading) -> Result<(), Unreadable> {
        match key.rsplit('.').next().unwrap_or(key) {
            "order" => {
                let (path, _) = scan("tree path", key, key, names::tree_path)?;
                let terms = scan("order", value, value, grammar::order)?;
                if !self.orders.iter().any(|(known, _)| *known == path) {
                    self.orders.push((path, terms));
                }
            }
            "limit" => {
                let limit = value.trim().parse().ok();
                self.range_at(key)?.limit = limit;
            }
            "offset" => {
                let offset = value.trim().parse().unwrap_or(0);
                self.range_at(key)?.offset = offset;
            }
            "and" | "or" => {
                let (path, connective) = scan("logic path", key, key, names::logic_path)?;
                let tree = scan("logic tree", value, &format!("{connective}{value}"), conditions::logic)?;
                self.trees.push((path, tree));
            }
            _ => {
                let (path, field) = scan("tree path", key, key, names::tree_path)?;
                let whole = |scan: &mut Scan| match reading {
                    Reading::Filters => conditions::operation(scan, conditions::whole_value).map(Some),
                    Reading::Arguments => {
                        scan.maybe(|scan| conditions::operation(scan, conditions::whole_value))
                    }
                };
                match scan("filter", value, value, whole)? {
                    Some((negated, test)) => self.filters.push((path, Filter { field, negated, test })),
                    None => self.arguments.push((field.name, value.to_owned())),
                }
            }
        }
        Ok(())
    }

    fn range_at(&mut self, key: &str) -> Result<&mut Page, Unreadable> {
        let (path, _) = scan("tree path", key, key, names::tree_path)?;
        let index = match self.ranges.iter().position(|(known, _)| *known == path) {
            Some(index) => index,
            None => {
                self.ranges.push((path, Page::default()));
                self.ranges.len() - 1
            }
        };
        match self.ranges.get_mut(index) {
            Some((_, page)) => Ok(page),
            None => Err(Unreadable { message: key.to_owned(), details: String::new() }),
        }
    }

    /// Whether the top level has a limit or an offset of its own.
    pub fn has_page(&self) -> bool {
        self.ranges.iter().any(|(path, page)| path.is_empty() && *page != Page::default())
    }

    /// The rows wanted of the top level: `limit` and `offset`, narrowed by a `Range` header's first and last row.
    pub fn page(&self, header: Option<(i64, Option<i64>)>) -> Result<Page, WrongRange> {
        let asked =
            self.ranges.iter().find(|(path, _)| path.is_empty()).map(|(_, page)| *page).unwrap_or_default();
        if let Some((first, Some(last))) = header
            && first > last
        {
            return Err(WrongRange::Reversed);
        }
        if asked.limit == Some(0) {
            return Ok(Page { limit: Some(0), offset: 0 });
        }
        if asked.limit.is_some_and(|limit| limit < 0) {
            return Err(WrongRange::NegativeLimit);
        }
        let last_asked = asked.limit.map(|limit| asked.offset.saturating_add(limit).saturating_sub(1));
        let (first_header, last_header) = header.unwrap_or((0, None));
        let offset = asked.offset.max(first_header).max(0);
        let last = match (last_asked, last_header) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let limit = last.map(|last| last.saturating_sub(offset).saturating_add(1));
        if limit.is_some_and(|limit| limit <= 0) {
            return Err(WrongRange::NegativeLimit);
        }
        Ok(Page { limit, offset })
    }
}

fn scan<T>(
    part: &str,
    shown: &str,
    text: &str,
    rule: impl FnMut(&mut Scan) -> Scanned<T>,
) -> Result<T, Unreadable> {
    Scan::over(text, rule).map_err(|failed| {
        let (line, column) = failed.place(text);
        Unreadable {
            message: format!("\"failed to parse {part} ({shown})\" (line {line}, column {column})"),
            details: failed.sentence(),
        }
    })
}

fn pair(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((key, value)) => (decode(key), Some(decode(value))),
        None => (decode(text), None),
    }
}

/// Percent-decoding as browsers write queries: `+` is a space, a stray `%` stays as it is.
pub(super) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (*first, tail) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = after;
                }
                _ => out.push(b'%'),
            },
            (other, _) => out.push(other),
        }
    }
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn canonical(pairs: &[(String, Option<String>)]) -> String {
    let mut sorted: Vec<&(String, Option<String>)> = pairs.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut out = String::new();
    let mut last: Option<&str> = None;
    for (key, value) in sorted {
        if last == Some(key) {
            out.push(',');
        } else {
            if last.is_some() {
                out.push('&');
            }
            encode(key, &mut out);
            out.push('=');
        }
        encode(value.as_deref().unwrap_or_default(), &mut out);
        last = Some(key);
    }
    out
}

pub(super) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            other => {
                out.push('%');
                for half in [other >> 4, other & 15] {
                    out.push(char::from(b"0123456789ABCDEF".get(usize::from(half)).copied().unwrap_or(b'0')));
                }
            }
        }
    }
}
