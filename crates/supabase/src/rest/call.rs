//! `/rpc/{function}`: functions called by `GET`, `HEAD` and `POST`, and what is said when none fits.
//!
//! Invariant: a call by `GET` or `HEAD` promises a read, and is one, whatever the function does.

use std::sync::Arc;

use base::Repeat;
use data::Called;
use data::ask::{Arguments, CallAsk, Level, Name, Shape, Terms};
use data::catalog::{Catalog, Function};
use data::query::Reading;
use http::{Method, StatusCode};
use web::{Answer, Ask, Cx, Handled, Reply};

use super::Rest;
use super::body;
use super::error::Refusal;
use super::negotiate::{Chosen, Subject, relation_of};
use super::prefer::Applied;
use super::relation::out_of_range;
use super::request::{Heading, setup};
use super::respond::{Draft, content_range, page_status};
use super::stages::Stages;
use super::wording::Words;

/// `GET`, `HEAD` and `POST`.
pub(super) fn call(rest: Arc<Rest>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let voice = rest.voice(&cx);
        let function = ask.params.get("function").to_owned();
        let repeat = web::repeat::read(&cx, &ask)?;
        let answered = call_function(&rest, &cx, &ask, &function, repeat).await;
        rest.finish(&ask, answered, voice)
    })
}

/// Any other method.
pub(super) fn wrong_method(rest: Arc<Rest>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let refusal = Refusal::CallMethod(ask.parts.method.to_string());
        rest.finish(&ask, Err(refusal), rest.voice(&cx))
    })
}

pub(super) async fn call_function(
    rest: &Rest,
    cx: &Cx,
    ask: &Ask,
    function: &str,
    repeat: Option<Repeat>,
) -> Result<Reply<Answer>, Refusal> {
    let mut stages = Stages::begin(rest, ask);
    let config = &rest.config;
    let read_only = ask.parts.method != Method::POST;
    let reading = if read_only { Reading::Arguments } else { Reading::Filters };
    let heading = Heading::read(config, ask, reading)?;
    let page = heading.query.page(heading.range)?;
    let arguments = match read_only {
        true => Arguments::Texts(heading.query.arguments.clone()),
        false => body::arguments(&ask.body, &heading.content, heading.query.columns.as_ref())?,
    };
    stages.parsed();
    let function = Name::new(&heading.schema, function);
    let mut data_ask =
        CallAsk { function, arguments, read_only, level: Level::default(), terms: heading.terms(config) };
    let catalog = rest.data.catalog();
    // Of a function that is not there nothing is looked at: the data refuses it.
    let found = data::plan::function(&data_ask, &catalog).map_err(Refusal::Data)?;
    let (level, legacy) = heading.query.level(page, config.target_names)?;
    let chosen = choose(rest.plans(cx), &catalog, found, &level, &heading)?;
    heading.prefer.check()?;
    let head = ask.parts.method == Method::HEAD;
    data_ask.level = level;
    data_ask.terms = Terms {
        shape: if head { Shape::Nothing } else { chosen.shape.clone() },
        singular: chosen.singular,
        explain: chosen.explain.clone(),
        repeat,
        ..data_ask.terms
    };
    stages.planned();
    let reply = rest
        .data
        .call(&cx.pg, &cx.caller, &data_ask, &config.rules, setup(config, &catalog, ask, &heading))
        .await?;
    stages.ran();
    reply.try_map(|outcome| {
        let draft = if chosen.explain.is_some() {
            Draft::new(StatusCode::OK).body(&heading, &chosen.media, outcome.body.clone())
        } else {
            let status = page_status(page.offset, outcome.rows, outcome.total);
            if status == StatusCode::RANGE_NOT_SATISFIABLE {
                return out_of_range(rest, &heading, &chosen, page, &outcome, &stages);
            }
            let draft = Draft::new(if outcome.void { StatusCode::NO_CONTENT } else { status })
                .with(
                    "content-range",
                    content_range(page.offset, page.offset + outcome.rows - 1, outcome.total),
                )
                .with_some("preference-applied", heading.prefer.applied(Applied::Call));
            if outcome.void { draft } else { draft.body(&heading, &chosen.media, outcome.body.clone()) }
        };
        rest.warned(draft, &legacy).with_some("server-timing", stages.header()).finish(&outcome)
    })
}

fn choose(
    plans: bool,
    catalog: &Catalog,
    function: &Function,
    level: &Level,
    heading: &Heading,
) -> Result<Chosen, Refusal> {
    let subject = Subject {
        catalog,
        relation: relation_of(function),
        function: Some(function),
        whole_row: level.is_whole_row(),
        plans,
    };
    subject.choose(&heading.accept)
}

/// No function of that name takes these arguments.
pub(super) fn no_function(
    schema: &str,
    name: &str,
    arguments: &[String],
    called: Called,
    suggestion: Option<&str>,
) -> Words {
    let function = format!("{schema}.{name}");
    let list = arguments.join(", ");
    let with = match arguments.len() {
        0 => " without parameters".to_owned(),
        1 => format!(" with parameter {list}"),
        _ => format!(" with parameters {list}"),
    };
    let single = match called {
        Called::Body(data::ask::BodyKind::Text) => Some(" with a single unnamed text parameter"),
        Called::Body(data::ask::BodyKind::Xml) => Some(" with a single unnamed xml parameter"),
        Called::Body(data::ask::BodyKind::Bytes) => Some(" with a single unnamed bytea parameter"),
        Called::Texts | Called::Json => None,
    };
    let searched = match (single, called) {
        (Some(single), _) => single.to_owned(),
        (None, Called::Json) => format!("{with} or with a single unnamed json/jsonb parameter"),
        (None, _) => with,
    };
    let asked = match (single, arguments.len()) {
        (Some(_), _) => String::new(),
        (None, 0) => " without parameters".to_owned(),
        (None, _) => format!("({list})"),
    };
    let mut words = Words::of(
        404,
        "PGRST202",
        format!("Could not find the function {function}{asked} in the schema cache"),
    );
    words.details = format!(
        "Searched for the function {function}{searched}, but no matches were found in the schema cache."
    )
    .into();
    if let (Some(suggestion), None) = (suggestion, single) {
        words.hint = format!("Perhaps you meant to call the function {schema}.{suggestion}").into();
    }
    words
}
