//! Rows: listed, asked for in a body, inserted, changed, removed.
//!
//! Invariant: rows are changed and removed only where a filter chooses them.

use std::sync::Arc;

use base::Who;
use bytes::Bytes;
use data::ask::{
    Change, Count, Level, MutateAsk, Name, Outcome, ReadAsk, Resolution, Returning, SelectItem, Shape, Terms,
};
use data::catalog::types::{TypeKind, oid};
use data::catalog::{Catalog, Relation};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;
use web::{Answer, Ask, Cx, Handled, Reply};

use super::error::{Error, Refused};
use super::wish::{self, Kind, Wish};
use super::{Tables, Target, body, cut, one, setup};

/// `GET`: rows, or one row.
pub(super) fn list(state: Arc<Tables>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let catalog = state.data.catalog();
        let target = Target::of(&catalog, &ask);
        let answered = match target.key {
            Some(_) => one::found(&state, &cx, &ask, &target).await,
            None => {
                let kind_of = |column: &str| kind(&catalog, &target.relation, column);
                match wish::of_query(ask.query_pairs(), &kind_of) {
                    Ok(wish) => read(&state, &cx, &ask, target.relation.clone(), wish).await,
                    Err(error) => Err(error),
                }
            }
        };
        said(answered, &cx)
    })
}

/// `POST …/query`.
pub(super) fn query(state: Arc<Tables>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let catalog = state.data.catalog();
        let relation = Target::table_of(&catalog, &ask);
        let asked: wish::Body = ask.json()?;
        let kind_of = |column: &str| kind(&catalog, &relation, column);
        let answered = match wish::of_body(asked, &kind_of) {
            Ok(wish) => read(&state, &cx, &ask, relation.clone(), wish).await,
            Err(error) => Err(error),
        };
        said(answered, &cx)
    })
}

/// An answer, or a refusal worded for this caller.
pub(super) fn said(answered: Result<Reply<Answer>, Error>, cx: &Cx) -> Result<Reply<Answer>, base::Failure> {
    answered.map_err(|error| Refused { error, known: cx.caller.who != Who::Anonymous }.into())
}

async fn read(
    state: &Tables,
    cx: &Cx,
    ask: &Ask,
    relation: Name,
    wish: Wish,
) -> Result<Reply<Answer>, Error> {
    let catalog = state.data.catalog();
    let setup = setup(&catalog, ask);
    let page = wish.query.page(None)?;
    let (level, _) = wish.query.level(page, true)?;
    let texts = wish.cut.map(|length| (length, texts_of(&catalog, &relation)));
    let (level, terms) = match wish.total_only {
        true => total(level),
        false => (level, Terms { count: wish.count, ..Terms::default() }),
    };
    let asked = ReadAsk { relation, level, terms };
    let reply = state.data.read(&cx.pg, &cx.caller, &asked, &state.rules, setup).await.map_err(worded)?;
    reply.try_map(|outcome| match wish.total_only {
        true => Ok(Answer::json(&json!([{ "count": outcome.total.unwrap_or_default() }]))),
        false => {
            let cut = texts.and_then(|(length, columns)| cut::cut(&outcome.body, length, &columns));
            let rows = match cut {
                Some(cut) => state.data.hold(cut).map_err(worded)?,
                None => outcome.body,
            };
            let range = content_range(page.offset, outcome.rows, outcome.total);
            Ok(rows_answer(StatusCode::OK, rows).with(CONTENT_RANGE, &range))
        }
    })
}

/// Only how many there are: counted as a total is, so that no aggregate need be allowed.
fn total(level: Level) -> (Level, Terms) {
    let level = Level { limit: Some(0), offset: 0, order: Vec::new(), ..level };
    (level, Terms { count: Some(Count::Exact), ..Terms::default() })
}

/// `POST`: new rows, or an upsert.
pub(super) fn insert(state: Arc<Tables>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let relation = Target::table_of(&state.data.catalog(), &ask);
        let repeat = web::repeat::read(&cx, &ask)?;
        let answered = write(&state, &cx, &ask, (relation, Written::New), repeat).await;
        said(answered, &cx)
    })
}

/// `PATCH`: what its filters choose, or one row.
pub(super) fn update(state: Arc<Tables>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let target = Target::of(&state.data.catalog(), &ask);
        let repeat = web::repeat::read(&cx, &ask)?;
        let answered = match target.key {
            Some(_) => one::changed(&state, &cx, &ask, &target, repeat).await,
            None => write(&state, &cx, &ask, (target.relation, Written::Changed), repeat).await,
        };
        said(answered, &cx)
    })
}

/// `DELETE`: what its filters choose, or one row.
pub(super) fn delete(state: Arc<Tables>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let target = Target::of(&state.data.catalog(), &ask);
        let repeat = web::repeat::read(&cx, &ask)?;
        let answered = match target.key {
            Some(_) => one::removed(&state, &cx, &ask, &target, repeat).await,
            None => write(&state, &cx, &ask, (target.relation, Written::Gone), repeat).await,
        };
        said(answered, &cx)
    })
}

/// What becomes of rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    New,
    Changed,
    Gone,
}

/// `Prefer`, as far as it is heard.
struct Prefer {
    resolution: Option<Resolution>,
    missing_as_default: bool,
    minimal: bool,
    headers_only: bool,
}

impl Prefer {
    fn of(ask: &Ask) -> Self {
        let lines: Vec<&str> =
            ask.parts.headers.get_all("prefer").iter().filter_map(|v| v.to_str().ok()).collect();
        let wishes: Vec<&str> = lines.iter().flat_map(|line| line.split(',')).map(str::trim).collect();
        let has = |wish: &str| wishes.contains(&wish);
        let resolution = match (has("resolution=merge-duplicates"), has("resolution=ignore-duplicates")) {
            (_, true) => Some(Resolution::Ignore),
            (true, false) => Some(Resolution::Merge),
            (false, false) => None,
        };
        Prefer {
            resolution,
            missing_as_default: has("missing=default"),
            minimal: has("return=minimal"),
            headers_only: has("return=headers-only"),
        }
    }
}

async fn write(
    state: &Tables,
    cx: &Cx,
    ask: &Ask,
    (relation, written): (Name, Written),
    repeat: Option<base::Repeat>,
) -> Result<Reply<Answer>, Error> {
    let catalog = state.data.catalog();
    let kind_of = |column: &str| kind(&catalog, &relation, column);
    let wish = wish::of_query(ask.query_pairs(), &kind_of)?;
    let prefer = Prefer::of(ask);
    let (level, filters, _) = wish.query.level_and_filters(true)?;
    // What is said of an embed, or by a word of the grammar (`x.limit`), chooses no row.
    if written != Written::New && filters.is_empty() {
        return Err(Error::NoFilter);
    }
    let change = match written {
        Written::Gone => Change::Delete,
        Written::Changed => Change::Update {
            payload: body::payload(&ask.body)?,
            missing_as_default: prefer.missing_as_default,
        },
        Written::New => Change::Insert {
            payload: body::payload(&ask.body)?,
            resolution: prefer.resolution,
            on_conflict: wish.query.on_conflict.clone(),
            missing_as_default: prefer.missing_as_default,
        },
    };
    let one = matches!(&change, Change::Insert { payload, .. } if !payload.many);
    let returning = if prefer.minimal || prefer.headers_only { Returning::Minimal } else { Returning::Rows };
    let shape = match (returning, one) {
        (Returning::Rows, true) => Shape::Object { strip_nulls: false },
        (Returning::Rows, false) => Shape::Json { strip_nulls: false },
        (Returning::Minimal | Returning::Key, _) => Shape::Nothing,
    };
    let setup = setup(&catalog, ask);
    let terms = Terms { shape, repeat, ..Terms::default() };
    let asked = MutateAsk { relation, change, filters, returning, level, terms };
    let reply = match state.data.mutate(&cx.pg, &cx.caller, &asked, &state.rules, setup).await {
        Ok(reply) => reply,
        Err(error) => return Err(refused(&state.data, cx, &asked, error).await),
    };
    Ok(reply.map(|outcome| {
        let (affected, again) = (outcome.rows, outcome.replayed);
        replayed(shown(&state.data, written, &prefer, outcome).with(AFFECTED, &affected.to_string()), again)
    }))
}

fn shown(data: &data::Data, written: Written, prefer: &Prefer, outcome: Outcome) -> Answer {
    let status = if written == Written::New { StatusCode::CREATED } else { StatusCode::OK };
    if prefer.headers_only {
        return Answer::json_with(status, &json!({ "affected": outcome.rows }));
    }
    if prefer.minimal {
        return match written {
            Written::New => Answer::status(StatusCode::CREATED),
            Written::Changed | Written::Gone => Answer::no_content(),
        };
    }
    if written == Written::Gone {
        // The rows are JSON already, and pass as they are.
        let head = format!("{{\"affected\":{},\"records\":", outcome.rows);
        let body = [head.as_bytes(), &outcome.body, b"}"].concat();
        return rows_answer(status, data.hold_written(body.into()));
    }
    rows_answer(status, outcome.body)
}

pub(super) fn rows_answer(status: StatusCode, body: Bytes) -> Answer {
    Answer::bytes(status, Some(HeaderValue::from_static("application/json")), body)
}

/// A refused write, with what is known of it.
pub(super) async fn refused(data: &data::Data, cx: &Cx, ask: &MutateAsk, error: data::Error) -> Error {
    match data.blamed(&cx.pg, &cx.caller, ask, &error).await {
        Some(report) => Error::Write { error: Box::new(error), report },
        None => worded(error),
    }
}

/// An answer says when it was given before.
pub(crate) fn replayed(answer: Answer, again: bool) -> Answer {
    if again { answer.with(HeaderName::from_static(web::repeat::REPLAYED), "true") } else { answer }
}

/// What PostgREST's clients would not know is worded here.
pub(super) fn worded(error: data::Error) -> Error {
    match error {
        data::Error::AggregatesOff => Error::Aggregates,
        other => Error::Data(other),
    }
}

const CONTENT_RANGE: HeaderName = http::header::CONTENT_RANGE;
const AFFECTED: HeaderName = HeaderName::from_static("x-affected-count");

/// `first-last/total`.
fn content_range(first: i64, rows: i64, total: Option<i64>) -> String {
    let total = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    match rows {
        0 => format!("*/{total}"),
        rows => format!("{first}-{}/{total}", first + rows - 1),
    }
}

/// What kind of values a column has.
fn kind(catalog: &Catalog, relation: &Name, column: &str) -> Kind {
    let known: Option<&Relation> = catalog.find(&relation.schema, &relation.name);
    let Some(column) = known.and_then(|relation| relation.column(column)) else { return Kind::Other };
    let base = catalog.types.base(column.type_oid);
    match catalog.types.get(base) {
        _ if [oid::JSON, oid::JSONB].contains(&base) => Kind::Json,
        Some(found) if found.kind == TypeKind::Array => Kind::Array,
        _ => Kind::Other,
    }
}

/// Columns of text.
fn texts_of(catalog: &Catalog, relation: &Name) -> Vec<String> {
    // text, varchar, bpchar
    const TEXTS: [u32; 3] = [25, 1043, 1042];
    let known = catalog.find(&relation.schema, &relation.name);
    let columns = known.map_or(&[][..], |relation| &relation.columns);
    let is_text = |type_oid: u32| TEXTS.contains(&catalog.types.base(type_oid));
    columns.iter().filter(|column| is_text(column.type_oid)).map(|column| column.name.to_string()).collect()
}

/// The whole of a row.
pub(crate) fn whole_row() -> Level {
    Level { select: vec![SelectItem::All], ..Level::default() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_range_starts_where_the_page_does() {
        assert_eq!(super::content_range(10, 5, Some(123)), "10-14/123");
        assert_eq!(super::content_range(10, 0, None), "*/*");
    }
}
