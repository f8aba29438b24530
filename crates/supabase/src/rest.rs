//! The data API as supabase-js and PostgREST's clients speak it: `/rest/v1`.
//!
//! Translation only: a request becomes a `data::ask`, an outcome becomes an answer, a fault becomes PostgREST's envelope.
//! Invariant: no SQL, no policy and no state but the configuration stand here.

mod body;
mod browsers;
mod call;
pub mod config;
pub mod error;
mod flowing;
mod media;
mod negotiate;
mod openapi;
mod options;
mod prefer;
pub mod recipes;
mod relation;
mod request;
mod respond;
mod root;
mod sqlstate;
mod stages;
mod wording;

use std::sync::Arc;

use auth::outside::Outside;
use base::{Clock, DbRole, Who};
use data::Data;
use data::ask::Shape;
use http::{HeaderName, HeaderValue, Method};
use web::{Answer, Area, Ask, Cx, Guard, Limits, Mount, Reply, Route, RouteInfo};

pub use config::{Describe, RestConfig, WrongVariable};
pub use error::{Refusal, Refused, Voice};
pub use wording::envelope;

use media::Media;
use negotiate::Chosen;

/// The data API: its configuration and the data.
pub struct Rest {
    config: RestConfig,
    data: Data,
    recipes: recipes::Recipes,
    /// Verifies outside tokens, where the conformance profile brings some.
    outside: Option<Arc<Outside>>,
    clock: Clock,
}

impl Rest {
    /// The data API over `data`.
    pub fn new(config: RestConfig, data: Data, clock: Clock) -> Self {
        Rest { config, data, recipes: recipes::Recipes::default(), outside: None, clock }
    }

    /// With the verifier of the conformance profile, whose time the answers tell.
    pub fn with_outside(mut self, outside: Arc<Outside>) -> Self {
        self.outside = Some(outside);
        self
    }

    /// Its routes at `prefix`, for callers that `guard` admits: [`Guard::Key`] in the product.
    pub fn mount(self, prefix: &str, guard: Guard) -> Mount {
        let envelope = if self.config.outspoken { wording::outspoken_envelope } else { envelope };
        Mount::new(prefix, envelope, Arc::new(self), &routes(guard)).area(Area::Data)
    }

    /// Whether this caller may see how their request would be carried out. A plan tells of rows that policies hide, by their
    /// number; the operator's programs, which no policy binds, learn nothing from it.
    fn plans(&self, cx: &Cx) -> bool {
        self.config.plans || (!self.config.outspoken && cx.caller.role == DbRole::service())
    }

    fn voice(&self, cx: &Cx) -> Voice {
        Voice {
            known: cx.caller.who != Who::Anonymous,
            outspoken: self.config.outspoken,
            minimal: self.config.minimal_errors,
        }
    }

    /// The last touch on every answer of a handler.
    fn finish(
        &self,
        ask: &Ask,
        answered: Result<Reply<Answer>, Refusal>,
        voice: Voice,
    ) -> Result<Reply<Answer>, base::Failure> {
        let reply = answered.map_err(|refusal| Refused { refusal: self.unnamed(refusal), voice })?;
        let reply = match &self.config.trace_header {
            None => reply,
            Some(name) => reply.map(|answer| traced(ask, answer, name)),
        };
        if !self.config.outspoken {
            return Ok(reply);
        }
        Ok(reply.map(|answer| browsers::allow(ask, answer, &self.config.origins)))
    }

    /// What is not served is not named by those who refuse it either.
    fn unnamed(&self, mut refusal: Refusal) -> Refusal {
        let error = match &mut refusal {
            Refusal::Data(data::Error::Database(error)) | Refusal::Database(error) => Some(error),
            Refusal::Write(refused) => match &mut refused.error {
                data::Error::Database(error) => Some(error),
                _ => None,
            },
            _ => None,
        };
        if let Some(pg::Error::Database(said)) = error
            && !self.config.outspoken
            && let Some(instead) = data::fields::unnamed(&self.data.catalog(), said)
        {
            said.message = instead.to_owned();
            if said.sqlstate == "22023" {
                // A role that is not there any more is one that nobody may become.
                said.sqlstate = "42501".to_owned();
            }
        }
        refusal
    }

    fn verify_again(&self, ask: &Ask) {
        if let Some(outside) = &self.outside {
            let bearer =
                ask.header("authorization").and_then(|line| line.split_once(' ')).map(|(_, token)| token);
            // Only its time matters here: who is calling was decided at the edge.
            let _ = outside.identify(bearer, None, &self.clock);
        }
    }
}

/// What the reference says of the routes, at `prefix`.
pub fn table(prefix: &str, guard: Guard) -> Vec<RouteInfo> {
    routes(guard).iter().map(|route| route.info(prefix)).collect()
}

/// Every route, for callers that `guard` admits.
fn routes(guard: Guard) -> Vec<Route<Rest>> {
    let route = |method: Method, path: &'static str, handler| {
        Route::new(method, path, guard, handler).limits(Limits::DATA)
    };
    let mut routes = Vec::new();
    for path in ["", "/"] {
        routes.push(route(Method::GET, path, root::describe).summary("What is served, as OpenAPI"));
        routes.push(route(Method::HEAD, path, root::describe).summary("What is served, headers only"));
        routes.push(route(Method::OPTIONS, path, options::root).summary("What may be done with the root"));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            routes.push(route(method, path, root::wrong_method).summary("Refused: the root takes no writes"));
        }
    }
    let relation = "/{relation}";
    routes.extend([
        route(Method::GET, relation, relation::read).summary("Rows"),
        route(Method::HEAD, relation, relation::read).summary("Their number, without rows"),
        route(Method::POST, relation, relation::write).summary("Insert or upsert rows"),
        route(Method::PATCH, relation, relation::write).summary("Update rows"),
        route(Method::PUT, relation, relation::write).summary("Make or replace one row"),
        route(Method::DELETE, relation, relation::write).summary("Delete rows"),
        route(Method::OPTIONS, relation, options::relation).summary("What may be done with a relation"),
    ]);
    let function = "/rpc/{function}";
    routes.extend([
        route(Method::GET, function, call::call).summary("Call a function that reads"),
        route(Method::HEAD, function, call::call).summary("Call a function, headers only"),
        route(Method::POST, function, call::call).summary("Call a function"),
        route(Method::OPTIONS, function, options::function).summary("How a function may be called"),
    ]);
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        routes.push(
            route(method, function, call::wrong_method)
                .summary("Refused: functions are called by GET and POST"),
        );
    }
    routes
}

fn traced(ask: &Ask, mut answer: Answer, name: &str) -> Answer {
    let value = ask.parts.headers.get(name).cloned().unwrap_or(HeaderValue::from_static(""));
    if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

impl Default for Chosen {
    fn default() -> Self {
        Chosen {
            shape: Shape::Json { strip_nulls: false },
            media: Media::Json,
            singular: false,
            explain: None,
        }
    }
}
