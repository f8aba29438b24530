//! The root: the API describes itself, to each caller only what that caller may use.
//!
//! Invariant: a name stands in the description only if PostgreSQL, asked as the caller, grants some right on it. Only the
//! conformance profile can ask for more.

use std::sync::Arc;

use data::permitted::{self, Permitted};
use data::query::Reading;
use http::{Method, StatusCode};
use web::{Answer, Ask, Cx, Handled, Reply};

use super::Rest;
use super::config::Describe;
use super::error::Refusal;
use super::media::Media;
use super::openapi;
use super::request::{Heading, setup};
use super::respond::Draft;
use super::stages::Stages;

/// `GET` and `HEAD`.
pub(super) fn describe(rest: Arc<Rest>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let voice = rest.voice(&cx);
        let answered = match (rest.config.describe, &rest.config.root_function) {
            (Describe::Disabled, _) => Err(Refusal::NoDescription),
            (_, Some(function)) => super::call::call_function(&rest, &cx, &ask, &function.name, None).await,
            (_, None) => description(&rest, &cx, &ask).await,
        };
        rest.finish(&ask, answered, voice)
    })
}

/// Any other method.
pub(super) fn wrong_method(rest: Arc<Rest>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let refusal = Refusal::Method(ask.parts.method.to_string());
        rest.finish(&ask, Err(refusal), rest.voice(&cx))
    })
}

async fn description(rest: &Rest, cx: &Cx, ask: &Ask) -> Result<Reply<Answer>, Refusal> {
    let mut stages = Stages::begin(rest, ask);
    let heading = Heading::read(&rest.config, ask, Reading::Filters)?;
    stages.parsed();
    let takes = |media: &Media| matches!(media, Media::OpenApi | Media::Json | Media::Any);
    if !heading.accept.iter().any(takes) {
        return Err(Refusal::Media(heading.accept.iter().map(Media::name).collect()));
    }
    stages.planned();
    let catalog = rest.data.catalog();
    let permitted = match rest.config.describe {
        Describe::Everything => None,
        Describe::Permitted | Describe::Disabled => Some(
            permitted::read(
                &cx.pg,
                &cx.caller,
                &catalog,
                &heading.schema,
                setup(&rest.config, &catalog, ask, &heading),
            )
            .await?,
        ),
    };
    stages.ran();
    let may = |permitted: Option<&Permitted>| openapi::Scope {
        catalog: &catalog,
        schema: heading.schema.clone(),
        permitted: permitted.cloned(),
        search_path: std::iter::once(heading.schema.clone())
            .chain(rest.config.extra_search_path.iter().cloned())
            .collect(),
        at: openapi::at(rest.config.describe_at.as_deref(), ask),
        security: rest.config.describe_security,
        fully: !rest.config.outspoken,
        plans: rest.plans(cx),
    };
    let body = match ask.parts.method == Method::HEAD {
        true => String::new(),
        false => openapi::document(&may(permitted.as_ref())).to_string(),
    };
    let draft = Draft::new(StatusCode::OK).body(&heading, &Media::OpenApi, body.into());
    Ok(Reply::untouched(
        draft.with_some("server-timing", stages.header()).plain(),
        "rights were read, nothing else",
    ))
}
