//! The endpoints: one path for each convention, POST for everything, GET for queries.
//!
//! Invariant: a refusal inside a document is an answer with status 200, as GraphQL over HTTP has it; everything else is
//! worded in the same form with its own status.

use std::sync::Arc;

use base::{Failure, Repeat};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use pg::Setup;
use serde_json::json;
use web::{
    Answer, Area, Ask, Cx, Guard, Handled, Limits, Mount, Refused, Reply, Route, RouteInfo, status_of,
};

use crate::answer::{self, Told};
use crate::engine::{Engine, Place};
use crate::error::Error;
use crate::request::{self, Request, Requests};

/// A request with a document and its variables.
const LIMITS: Limits = Limits { body_bytes_max: 1024 * 1024, duration_ms_max: 60_000 };

impl Engine {
    /// Its routes at `prefix`, for callers that `guard` admits.
    pub fn mount(self, prefix: &str, guard: Guard) -> Mount {
        Mount::new(prefix, envelope, Arc::new(self), &routes(guard)).area(Area::Data)
    }
}

/// What the reference says of the routes, at `prefix`.
pub fn table(prefix: &str, guard: Guard) -> Vec<RouteInfo> {
    routes(guard).iter().map(|route| route.info(prefix)).collect()
}

fn routes(guard: Guard) -> Vec<Route<Engine>> {
    vec![
        Route::new(Method::POST, "", guard, answer)
            .limits(LIMITS)
            .counts_as(request::operations)
            .summary("Queries and mutations"),
        Route::new(Method::GET, "", guard, answer).limits(LIMITS).summary("Queries only"),
    ]
}

/// Both conventions, for the operator.
pub struct Described {
    /// The guide's.
    pub plain: Engine,
    /// pg_graphql's.
    pub relay: Engine,
}

impl Described {
    /// Its routes on the control socket.
    pub fn mount(self) -> Mount {
        Mount::new("", web::plain, Arc::new(self), OPERATOR)
    }
}

/// What the reference says of the control socket's routes.
pub fn operator_table() -> Vec<RouteInfo> {
    OPERATOR.iter().map(|route| route.info("")).collect()
}

const OPERATOR: &[Route<Described>] =
    &[Route::new(Method::GET, "/graphql/{form}", Guard::Operator, describe)
        .rate(web::Rate::Exempt)
        .summary("A role's schema as text: `palisade graphql sdl`, `palisade graphql types`")];

/// `?convention=plain|relay&role=…`: the schema as one of the roles sees it.
fn describe(described: Arc<Described>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let engine = match ask.query_param("convention").as_deref() {
            Some("relay") => &described.relay,
            None | Some("plain") => &described.plain,
            Some(_) => return Err(Error::Malformed("The conventions are plain and relay".to_owned()).into()),
        };
        let role = ask.query_param("role").unwrap_or_else(|| "authenticated".to_owned());
        if !["anon", "authenticated", "service_role"].contains(&&*role) {
            return Err(
                Error::Malformed("The roles are anon, authenticated and service_role".to_owned()).into()
            );
        }
        let caller = base::Caller { role: base::DbRole::named(&role), ..base::Caller::anonymous() };
        let made = engine.schema(&cx.pg, &caller).await.map_err(Failure::from)?;
        let role = match &*made {
            Ok(role) => role,
            Err(broken) => return Err(Error::Malformed(broken.0.clone()).into()),
        };
        let text = match ask.params.get("form") {
            "types" => gql::typescript::print(&role.schema),
            _ => gql::sdl::print(&role.schema),
        };
        Ok(Reply::untouched(Answer::json(&json!({ "text": text })), "rights were read, nothing else"))
    })
}

fn answer(engine: Arc<Engine>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let requests = request::read(&ask).map_err(Failure::from)?;
        let repeat = web::repeat::read(&cx, &ask)?;
        let mut spent = 0;
        match requests {
            Requests::One(request) => {
                let reply =
                    one(&engine, &cx, &ask, (&request, repeat), &mut spent).await.map_err(Failure::from)?;
                Ok(reply.map(|told| json_answer(told.body).refusing(told.refused)))
            }
            Requests::Several(all) => {
                let mut bodies: Vec<Bytes> = Vec::with_capacity(all.len());
                let mut refused = Vec::new();
                for (at, request) in all.iter().enumerate() {
                    let repeat = repeat.map(|repeat| web::repeat::nth(repeat, at));
                    let told = match one(&engine, &cx, &ask, (request, repeat), &mut spent).await {
                        Ok(reply) => reply.into_inner(),
                        // Its neighbours may have changed something: their answers are given.
                        Err(error @ Error::Data(data::Error::Full)) => answer::refused(error.into()),
                        Err(error) => return Err(error.into()),
                    };
                    bodies.push(told.body);
                    refused.extend(told.refused);
                }
                let body = [b"[", bodies.join(&b","[..]).as_slice(), b"]"].concat();
                // Each was let in by itself; together they take the place of all.
                drop(bodies);
                let answer = json_answer(engine.data().hold_written(body.into())).refusing(refused);
                Ok(Reply::untouched(answer, "each operation was a transaction of its own"))
            }
        }
    })
}

async fn one(
    engine: &Engine,
    cx: &Cx,
    ask: &Ask,
    (request, repeat): (&Request, Option<Repeat>),
    spent: &mut u64,
) -> Result<Reply<Told>, Error> {
    let place = Place {
        pg: &cx.pg,
        caller: &cx.caller,
        admin: Guard::Admin.admit(&cx.caller, true, &cx.clock).is_ok(),
        setup: setup(engine, ask),
        may_change: ask.parts.method == Method::POST,
        repeat,
    };
    engine.answer(request, place, spent).await
}

/// What SQL sees of the request, where any code of the database looks at it.
fn setup(engine: &Engine, ask: &Ask) -> Setup {
    let mut setup = Setup::default();
    if engine.data().catalog().request_is_read {
        setup.more.extend(web::told::all(ask, ask.parts.uri.path(), false));
    }
    setup
}

fn json_answer(body: Bytes) -> Answer {
    Answer::bytes(StatusCode::OK, Some(HeaderValue::from_static("application/json")), body)
}

/// Words a failure in GraphQL's form.
pub fn envelope(failure: &Failure, refused: &Refused<'_>) -> Answer {
    let fault = failure.fault();
    let status = match fault.code() {
        "graphql.content_type" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => status_of(fault.kind()),
    };
    let mut extensions = json!({ "code": web::code_of(fault), "request_id": &*refused.request_id.0 });
    if let Some(hint) = fault.hint() {
        extensions["hint"] = hint.into();
    }
    let body = json!({ "errors": [{ "message": fault.message(), "extensions": extensions }] });
    let answer = Answer::json_with(status, &body);
    if fault.code() == "graphql.method" { answer.with(http::header::ALLOW, "POST") } else { answer }
}
