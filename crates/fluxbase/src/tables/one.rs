//! One row, by its key: read, changed, removed.

use std::sync::Arc;

use base::Repeat;
use data::ask::{
    Change, Field, Filter, Logic, MutateAsk, Operator, Outcome, ReadAsk, Returning, Shape, Terms, Test,
};
use http::StatusCode;
use web::{Answer, Ask, Cx, Handled, Reply};

use super::error::Error;
use super::rows::{refused, replayed, rows_answer, said, whole_row, worded};
use super::{Tables, Target, body, setup};

/// `GET`.
pub(super) fn get(state: Arc<Tables>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let target = Target::of(&state.data.catalog(), &ask);
        said(found(&state, &cx, &ask, &target).await, &cx)
    })
}

/// `PUT` and `PATCH`: what is not named stays as it was, with either.
pub(super) fn change(state: Arc<Tables>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let target = Target::of(&state.data.catalog(), &ask);
        let repeat = web::repeat::read(&cx, &ask)?;
        said(changed(&state, &cx, &ask, &target, repeat).await, &cx)
    })
}

/// `DELETE`: 204.
pub(super) fn remove(state: Arc<Tables>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let target = Target::of(&state.data.catalog(), &ask);
        let repeat = web::repeat::read(&cx, &ask)?;
        said(removed(&state, &cx, &ask, &target, repeat).await, &cx)
    })
}

pub(super) async fn found(
    state: &Tables,
    cx: &Cx,
    ask: &Ask,
    target: &Target,
) -> Result<Reply<Answer>, Error> {
    let mut level = whole_row();
    level.filters = vec![is_it(state, target)?];
    let asked = ReadAsk { relation: target.relation.clone(), level, terms: single() };
    let setup = setup(&state.data.catalog(), ask);
    let reply = state.data.read(&cx.pg, &cx.caller, &asked, &state.rules, setup).await.map_err(none)?;
    Ok(reply.map(|outcome| rows_answer(StatusCode::OK, outcome.body)))
}

pub(super) async fn changed(
    state: &Tables,
    cx: &Cx,
    ask: &Ask,
    target: &Target,
    repeat: Option<Repeat>,
) -> Result<Reply<Answer>, Error> {
    let payload = body::payload(&ask.body)?;
    if payload.many {
        return Err(Error::Invalid("The body must be a JSON object".to_owned()));
    }
    let change = Change::Update { payload, missing_as_default: false };
    let reply = write(state, cx, ask, target, (change, Returning::Rows), repeat).await?;
    Ok(reply.map(|outcome| replayed(rows_answer(StatusCode::OK, outcome.body), outcome.replayed)))
}

pub(super) async fn removed(
    state: &Tables,
    cx: &Cx,
    ask: &Ask,
    target: &Target,
    repeat: Option<Repeat>,
) -> Result<Reply<Answer>, Error> {
    let reply = write(state, cx, ask, target, (Change::Delete, Returning::Minimal), repeat).await?;
    Ok(reply.map(|outcome| replayed(Answer::no_content(), outcome.replayed)))
}

async fn write(
    state: &Tables,
    cx: &Cx,
    ask: &Ask,
    target: &Target,
    (change, returning): (Change, Returning),
    repeat: Option<Repeat>,
) -> Result<Reply<Outcome>, Error> {
    let mut terms = Terms { repeat, ..single() };
    if returning == Returning::Minimal {
        terms.shape = Shape::Nothing;
    }
    let filters = vec![is_it(state, target)?];
    let relation = target.relation.clone();
    let asked = MutateAsk { relation, change, filters, returning, level: whole_row(), terms };
    let setup = setup(&state.data.catalog(), ask);
    match state.data.mutate(&cx.pg, &cx.caller, &asked, &state.rules, setup).await {
        Err(data::Error::NotSingular { .. }) => Err(Error::NoRow),
        Err(other) => Err(refused(&state.data, cx, &asked, other).await),
        Ok(reply) => Ok(reply),
    }
}

fn single() -> Terms {
    Terms { shape: Shape::Object { strip_nulls: false }, singular: true, ..Terms::default() }
}

fn none(error: data::Error) -> Error {
    match error {
        data::Error::NotSingular { .. } => Error::NoRow,
        other => worded(other),
    }
}

/// The condition that it is this row.
fn is_it(state: &Tables, target: &Target) -> Result<Logic, Error> {
    let catalog = state.data.catalog();
    let relation = data::plan::relation(&catalog, &target.relation.schema, &target.relation.name)?;
    let [key] = relation.primary_key.as_slice() else { return Err(Error::NoKey) };
    let value = target.key.clone().unwrap_or_default();
    let test = Test::Compare { operator: Operator::Equal, quantifier: None, value };
    Ok(Logic::Filter(Filter { field: Field::column(key.to_string()), negated: false, test }))
}
