//! `OPTIONS` without a browser's preflight: what may be done with a relation, a function or the root.
//!
//! Invariant: answered from the catalog alone, without a transaction.

use std::sync::Arc;

use data::ask::{Arguments, CallAsk, Level, Name, Terms};
use data::catalog::{Relation, Volatility};
use data::query::Reading;
use http::StatusCode;
use web::{Answer, Ask, Cx, Handled, Reply};

use super::Rest;
use super::error::Refusal;
use super::request::Heading;
use super::respond::Draft;

/// Of the root.
pub(super) fn root(rest: Arc<Rest>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move { rest.finish(&ask, Ok(allow("OPTIONS,GET,HEAD")), rest.voice(&cx)) })
}

/// Of a relation.
pub(super) fn relation(rest: Arc<Rest>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let answered = of_relation(&rest, &ask);
        rest.finish(&ask, answered, rest.voice(&cx))
    })
}

/// Of a function.
pub(super) fn function(rest: Arc<Rest>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let answered = of_function(&rest, &ask);
        rest.finish(&ask, answered, rest.voice(&cx))
    })
}

fn of_relation(rest: &Rest, ask: &Ask) -> Result<Reply<Answer>, Refusal> {
    let heading = Heading::read(&rest.config, ask, Reading::Filters)?;
    let catalog = rest.data.catalog();
    let relation = data::plan::relation(&catalog, &heading.schema, ask.params.get("relation"))?;
    Ok(allow(&methods(relation)))
}

fn methods(relation: &Relation) -> String {
    let has_key = !relation.primary_key.is_empty();
    let all = [
        (relation.insertable, "POST"),
        (relation.insertable && relation.updatable && has_key, "PUT"),
        (relation.updatable, "PATCH"),
        (relation.deletable, "DELETE"),
    ];
    let more = all.into_iter().filter_map(|(may, method)| may.then_some(method));
    std::iter::once("OPTIONS,GET,HEAD").chain(more).collect::<Vec<_>>().join(",")
}

fn of_function(rest: &Rest, ask: &Ask) -> Result<Reply<Answer>, Refusal> {
    let heading = Heading::read(&rest.config, ask, Reading::Arguments)?;
    let catalog = rest.data.catalog();
    let data_ask = CallAsk {
        function: Name::new(&heading.schema, ask.params.get("function")),
        arguments: Arguments::Texts(heading.query.arguments.clone()),
        read_only: true,
        level: Level::default(),
        terms: Terms::default(),
    };
    let found = data::plan::function(&data_ask, &catalog)?;
    Ok(allow(match found.volatility {
        Volatility::Volatile => "OPTIONS,POST",
        Volatility::Stable | Volatility::Immutable => "OPTIONS,GET,HEAD,POST",
    }))
}

fn allow(methods: &str) -> Reply<Answer> {
    Reply::untouched(Draft::new(StatusCode::OK).with("allow", methods).plain(), "answered from the catalog")
}
