//! `/{relation}`: rows read and written.
//!
//! Invariant: what is checked before the commit (one row, not too many, the right key) is checked by the data; here only
//! what came of it is worded.

use std::sync::Arc;

use base::Repeat;
use data::ask::{Change, Level, MutateAsk, Name, Outcome, ReadAsk, Returning, Shape};
use data::query::{LegacyNames, Page, Reading};
use data::{Begun, Stream};
use http::{Method, StatusCode};
use web::{Answer, Ask, Cx, Handled, Reply};

use super::Rest;
use super::body;
use super::error::{Refusal, RefusedWrite};
use super::negotiate::{Chosen, Subject};
use super::prefer::Applied;
use super::request::{Heading, setup};
use super::respond::{Draft, content_range, page_status};
use super::stages::Stages;

/// `GET` and `HEAD`.
pub(super) fn read(rest: Arc<Rest>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let voice = rest.voice(&cx);
        let answered = read_rows(&rest, &cx, &ask).await;
        rest.finish(&ask, answered, voice)
    })
}

/// `POST`, `PATCH`, `PUT` and `DELETE`.
pub(super) fn write(rest: Arc<Rest>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let voice = rest.voice(&cx);
        let repeat = web::repeat::read(&cx, &ask)?;
        let answered = write_rows(&rest, &cx, &ask, repeat).await;
        rest.finish(&ask, answered, voice)
    })
}

async fn read_rows(rest: &Rest, cx: &Cx, ask: &Ask) -> Result<Reply<Answer>, Refusal> {
    if let Some(answered) = super::recipes::answer(rest, cx, ask).await {
        return answered;
    }
    let mut stages = Stages::begin(rest, ask);
    let config = &rest.config;
    let heading = Heading::read(config, ask, Reading::Filters)?;
    let page = heading.query.page(heading.range)?;
    let name = Name::new(&heading.schema, ask.params.get("relation"));
    stages.parsed();
    let head = ask.parts.method == Method::HEAD;
    let (level, chosen, legacy) = rest.shaped(&heading, &name, page, rest.plans(cx))?;
    heading.prefer.check()?;
    let mut terms = heading.terms(config);
    terms.shape = if head { Shape::Nothing } else { chosen.shape.clone() };
    (terms.singular, terms.explain, terms.max_affected) = (chosen.singular, chosen.explain.clone(), None);
    let data_ask = ReadAsk { relation: name, level, terms };
    stages.planned();
    let surroundings = || setup(config, &rest.data.catalog(), ask, &heading);
    let begun = rest.data.stream(&cx.pg, &cx.caller, &data_ask, &config.rules, surroundings()).await?;
    let whole = match begun {
        None => rest.data.read(&cx.pg, &cx.caller, &data_ask, &config.rules, surroundings()).await?,
        Some(Begun::Whole(reply)) => reply,
        Some(Begun::Stream(rows)) => return Ok(flowing(rest, (&heading, &chosen, page, &legacy), ask, rows)),
    };
    stages.ran();
    whole.try_map(|outcome| {
        let draft = if chosen.explain.is_some() {
            Draft::new(StatusCode::OK).body(&heading, &chosen.media, outcome.body.clone())
        } else {
            let status = page_status(page.offset, outcome.rows, outcome.total);
            if status == StatusCode::RANGE_NOT_SATISFIABLE {
                return out_of_range(rest, &heading, &chosen, page, &outcome, &stages);
            }
            Draft::new(status)
                .with(
                    "content-range",
                    content_range(page.offset, page.offset + outcome.rows - 1, outcome.total),
                )
                .with(
                    "content-location",
                    content_location(ask.params.get("relation"), &heading.query.canonical),
                )
                .body(&heading, &chosen.media, outcome.body.clone())
                .with_some("preference-applied", heading.prefer.applied(Applied::Read))
        };
        rest.warned(draft, &legacy).with_some("server-timing", stages.header()).finish(&outcome)
    })
}

/// The answer whose rows are on their way.
fn flowing(
    rest: &Rest,
    (heading, chosen, page, legacy): (&Heading, &Chosen, Page, &LegacyNames),
    ask: &Ask,
    rows: Box<Stream>,
) -> Reply<Answer> {
    let draft = Draft::new(StatusCode::OK)
        .with("content-range", content_range(page.offset, page.offset - 1, None))
        .with("content-location", content_location(ask.params.get("relation"), &heading.query.canonical))
        .typed(heading, &chosen.media)
        .with_some("preference-applied", heading.prefer.applied(Applied::Read));
    let answer = rest.warned(draft, legacy).flowing(super::flowing::body(rows));
    Reply::untouched(answer, "a read that is not over: its rows are on their way")
}

/// Beyond the end: the error, with the headers of the page it would have been.
pub(super) fn out_of_range(
    rest: &Rest,
    heading: &Heading,
    chosen: &Chosen,
    page: Page,
    outcome: &Outcome,
    stages: &Stages,
) -> Result<Answer, Refusal> {
    let refusal = Refusal::OutOfRange { offset: page.offset, total: outcome.total.unwrap_or(0) };
    let body = super::wording::words(&refusal, Default::default()).body(rest.config.minimal_errors);
    Draft::new(StatusCode::RANGE_NOT_SATISFIABLE)
        .with("content-range", content_range(page.offset, page.offset + outcome.rows - 1, outcome.total))
        .body(heading, &chosen.media, body.into())
        .with_some("server-timing", stages.header())
        .finish(outcome)
}

fn content_location(relation: &str, canonical: &str) -> String {
    if canonical.is_empty() { format!("/{relation}") } else { format!("/{relation}?{canonical}") }
}

async fn write_rows(
    rest: &Rest,
    cx: &Cx,
    ask: &Ask,
    repeat: Option<Repeat>,
) -> Result<Reply<Answer>, Refusal> {
    let mut stages = Stages::begin(rest, ask);
    let config = &rest.config;
    let heading = Heading::read(config, ask, Reading::Filters)?;
    let name = Name::new(&heading.schema, ask.params.get("relation"));
    let page = heading.query.page(None)?;
    if ask.parts.method == Method::PUT && page != Page::default() {
        return Err(Refusal::PutLimit);
    }
    let change = change(&heading, ask)?;
    stages.parsed();
    let catalog = rest.data.catalog();
    let known = catalog.find(&name.schema, &name.name);
    let (mut level, filters, legacy) = match known {
        Some(_) => heading.query.level_and_filters(config.target_names)?,
        None => Default::default(),
    };
    (level.limit, level.offset) = (page.limit, page.offset);
    let subject = Subject {
        catalog: &catalog,
        relation: known.map(|relation| relation.id),
        function: None,
        whole_row: level.is_whole_row(),
        plans: rest.plans(cx),
    };
    let chosen = match known {
        Some(_) => subject.choose(&heading.accept)?,
        None => Chosen::default(),
    };
    heading.prefer.check()?;
    let returning = heading.prefer.returning.unwrap_or_default();
    let applied = match &change {
        Change::Insert { .. } => Applied::Insert { resolved: true },
        Change::Put { .. } => Applied::Put,
        Change::Update { .. } => Applied::Update,
        Change::Delete => Applied::Delete,
    };
    let mut terms = heading.terms(config);
    terms.shape = if returning == Returning::Rows { chosen.shape.clone() } else { Shape::Nothing };
    (terms.singular, terms.explain) = (chosen.singular && applied != Applied::Put, chosen.explain.clone());
    terms.repeat = repeat;
    if matches!(applied, Applied::Insert { .. } | Applied::Put) {
        terms.max_affected = None;
    }
    let data_ask = MutateAsk { relation: name, change, filters, returning, level, terms };
    stages.planned();
    let setup = setup(config, &rest.data.catalog(), ask, &heading);
    let reply = match rest.data.mutate(&cx.pg, &cx.caller, &data_ask, &config.rules, setup).await {
        Ok(reply) => reply,
        Err(error) => return Err(refused(rest, cx, &data_ask, error).await),
    };
    stages.ran();
    reply.try_map(|outcome| {
        let draft = if chosen.explain.is_some() {
            Draft::new(StatusCode::OK).body(&heading, &chosen.media, outcome.body.clone())
        } else {
            written(&heading, &chosen, applied, returning, &data_ask.relation.name, &outcome)
        };
        rest.warned(draft, &legacy).with_some("server-timing", stages.header()).finish(&outcome)
    })
}

fn change(heading: &Heading, ask: &Ask) -> Result<Change, Refusal> {
    let columns = heading.query.columns.as_ref();
    let missing_as_default = heading.prefer.missing_as_default == Some(true);
    match ask.parts.method {
        Method::DELETE => Ok(Change::Delete),
        Method::PUT => Ok(Change::Put { payload: body::payload(&ask.body, &heading.content, None)? }),
        Method::PATCH => Ok(Change::Update {
            payload: body::payload(&ask.body, &heading.content, columns)?,
            missing_as_default,
        }),
        _ => Ok(Change::Insert {
            payload: body::payload(&ask.body, &heading.content, columns)?,
            resolution: heading.prefer.resolution,
            on_conflict: heading.query.on_conflict.clone(),
            missing_as_default,
        }),
    }
}

/// With what is known of a refusal by the database.
async fn refused(rest: &Rest, cx: &Cx, ask: &MutateAsk, error: data::Error) -> Refusal {
    match rest.data.blamed(&cx.pg, &cx.caller, ask, &error).await {
        Some(report) => Refusal::Write(Box::new(RefusedWrite { error, report })),
        None => Refusal::Data(error),
    }
}

/// What was written, in words.
fn written(
    heading: &Heading,
    chosen: &Chosen,
    applied: Applied,
    returning: Returning,
    relation: &str,
    outcome: &Outcome,
) -> Draft {
    let rows = returning == Returning::Rows;
    let count = heading.prefer.counts_writes().then_some(outcome.rows);
    let updated_only = outcome.inserted.is_some_and(|inserted| inserted <= 0);
    let status = match applied {
        Applied::Insert { .. } => {
            let merges = heading.prefer.resolution == Some(data::ask::Resolution::Merge);
            if updated_only && merges { StatusCode::OK } else { StatusCode::CREATED }
        }
        _ if !rows => StatusCode::NO_CONTENT,
        Applied::Put if !updated_only => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    let applied = match applied {
        Applied::Insert { .. } => Applied::Insert { resolved: outcome.resolved },
        other => other,
    };
    let range = match applied {
        Applied::Put => None,
        Applied::Update => Some(content_range(0, outcome.rows - 1, count)),
        _ => Some(content_range(1, 0, count)),
    };
    let draft = Draft::new(status)
        .with_some("location", location(relation, &outcome.key))
        .with_some("content-range", range)
        .with_some("preference-applied", heading.prefer.applied(applied));
    if rows { draft.body(heading, &chosen.media, outcome.body.clone()) } else { draft }
}

/// The address of the one new row.
fn location(relation: &str, key: &[(String, Option<String>)]) -> Option<String> {
    const PLAIN: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    let encode = |text: &str| percent_encoding::utf8_percent_encode(text, PLAIN).to_string();
    let pair = |(name, value): &(String, Option<String>)| match value {
        Some(value) => format!("{}=eq.{}", encode(name), encode(value)),
        None => format!("{}=is.null", encode(name)),
    };
    let pairs: Vec<String> = key.iter().map(pair).collect();
    (!pairs.is_empty()).then(|| format!("/{relation}?{}", pairs.join("&")))
}

impl Rest {
    /// The level asked for and the shape of the answer. Of a relation that is not served nothing is looked at: the data
    /// refuses it.
    pub(super) fn shaped(
        &self,
        heading: &Heading,
        name: &Name,
        page: Page,
        plans: bool,
    ) -> Result<(Level, Chosen, LegacyNames), Refusal> {
        let catalog = self.data.catalog();
        let Some(relation) = catalog.find(&name.schema, &name.name) else { return Ok(Default::default()) };
        let (level, legacy) = heading.query.level(page, self.config.target_names)?;
        let subject = Subject {
            catalog: &catalog,
            relation: Some(relation.id),
            function: None,
            whole_row: level.is_whole_row(),
            plans,
        };
        let chosen = subject.choose(&heading.accept)?;
        Ok((level, chosen, legacy))
    }

    /// With a warning where an embed was named by its target although it has an alias.
    pub(super) fn warned(&self, draft: Draft, legacy: &[(String, String)]) -> Draft {
        if legacy.is_empty() {
            return draft;
        }
        let changes: Vec<String> =
            legacy.iter().map(|(name, alias)| format!("`{name}` to `{alias}`")).collect();
        let text = "Embedded resource was referenced by relation name even though it has an alias. This is deprecated and will stop working in a future release.";
        draft.with(
            "warning",
            format!(
                "299 - \"{text} Update {} in query string filters, orders or limits.\"",
                changes.join(", ")
            ),
        )
    }
}
