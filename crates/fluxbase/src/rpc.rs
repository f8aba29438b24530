//! `/api/v1/rpc`: functions of the database as the SDK calls procedures (wire/fluxbase.md 2.3).
//!
//! A namespace is a schema that is served; `default` is the first of them. A call is a transaction of its caller and is over
//! when it is answered: there is nothing to poll, and `async` is refused by name.
//!
//! Invariant: what may be called is what the data API would call, by the same plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::Who;
use data::ask::{Arguments, CallAsk, Name, Terms};
use data::catalog::{Catalog, Function};
use data::permitted;
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use web::{Answer, Ask, Cx, Guard, Handled, Limits, Reply, Route};

use crate::tables::error::Error;
use crate::tables::{Refused, Tables, replayed, setup, whole_row};

const ROUTES: [Route<Tables>; 2] = [
    Route::new(Method::GET, "/procedures", Guard::Key, procedures)
        .limits(Limits::NO_BODY)
        .summary("Functions the caller may call"),
    Route::new(Method::POST, "/{namespace}/{name}", Guard::Key, invoke)
        .limits(Limits::DATA)
        .summary("Calls a function"),
];

/// Its routes.
pub fn routes() -> Vec<Route<Tables>> {
    ROUTES.into_iter().collect()
}

fn refused(error: Error, cx: &Cx) -> base::Failure {
    Refused { error, known: cx.caller.who != Who::Anonymous }.into()
}

fn schema_of(catalog: &Catalog, namespace: &str) -> String {
    match namespace {
        "default" => catalog.exposed().first().map_or_else(String::new, ToString::to_string),
        other => other.to_owned(),
    }
}

/// `GET procedures?namespace=`.
fn procedures(state: Arc<Tables>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let catalog = state.data.catalog();
        let wanted = ask.query_param("namespace").unwrap_or_else(|| "default".to_owned());
        let schema = schema_of(&catalog, &wanted);
        if !catalog.exposed().iter().any(|name| **name == *schema) {
            return Ok(Reply::untouched(
                Answer::json(&json!({ "procedures": [], "count": 0 })),
                "no such schema",
            ));
        }
        let setup = setup(&catalog, &ask);
        let may = permitted::read(&cx.pg, &cx.caller, &catalog, &schema, setup)
            .await
            .map_err(|error| refused(error.into(), &cx))?;
        let all = catalog.functions.iter().filter(|((of, _), _)| **of == *schema).flat_map(|(_, all)| all);
        let listed: Vec<Value> = all
            .filter(|function| function.callable && may.functions.contains(&function.oid))
            .map(|function| summary(function, &wanted))
            .collect();
        let body = json!({ "count": listed.len(), "procedures": listed });
        Ok(Reply::untouched(Answer::json(&body), "rights were read in a transaction of their own"))
    })
}

fn summary(function: &Function, namespace: &str) -> Value {
    json!({
        "id": function.oid.to_string(),
        "name": function.name,
        "namespace": namespace,
        "description": function.comment,
        "enabled": true,
        "is_public": function.anybody,
        "input": function.parameters.iter().map(|one| &one.name).collect::<Vec<_>>(),
    })
}

#[derive(Deserialize)]
struct Invocation<'a> {
    #[serde(default, borrow)]
    params: Option<&'a RawValue>,
    #[serde(default, rename = "async")]
    later: Option<bool>,
}

/// `POST {namespace}/{name}` with `{params}`.
fn invoke(state: Arc<Tables>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let repeat = web::repeat::read(&cx, &ask)?;
        call(&state, &cx, &ask, repeat).await.map_err(|error| refused(error, &cx))
    })
}

async fn call(
    state: &Tables,
    cx: &Cx,
    ask: &Ask,
    repeat: Option<base::Repeat>,
) -> Result<Reply<Answer>, Error> {
    let body = if ask.body.is_empty() { &b"{}"[..] } else { &ask.body };
    let wrong = |_| Error::Invalid("The body must be a JSON object with params".to_owned());
    let asked: Invocation<'_> = serde_json::from_slice(body).map_err(wrong)?;
    if asked.later == Some(true) {
        return Err(Error::Absent(
            "A procedure is answered when it is done: async is not offered here".to_owned(),
        ));
    }
    let raw = asked.params.map_or("{}", RawValue::get);
    let raw = if raw == "null" { "{}" } else { raw };
    let keys: BTreeMap<String, IgnoredAny> =
        serde_json::from_str(raw).map_err(|_| Error::Invalid("params must be a JSON object".to_owned()))?;
    let catalog = state.data.catalog();
    let schema = schema_of(&catalog, ask.params.get("namespace"));
    let asked = CallAsk {
        function: Name::new(schema, ask.params.get("name")),
        arguments: Arguments::Json {
            raw: raw.to_owned().into(),
            keys: keys.into_keys().collect(),
            many: false,
            whole: false,
        },
        read_only: false,
        level: whole_row(),
        terms: Terms { repeat, ..Terms::default() },
    };
    let begun = cx.clock.now();
    let setup = setup(&catalog, ask);
    let reply = state.data.call(&cx.pg, &cx.caller, &asked, &state.rules, setup).await?;
    let took = cx.clock.now().duration_since(begun).as_millis();
    let id = &*cx.request_id.0;
    reply.try_map(|outcome| {
        let result = if outcome.body.is_empty() { "null" } else { text(&outcome.body)? };
        // What the function gave is JSON already, and passes as it is.
        let body = format!(
            "{{\"execution_id\":{},\"status\":\"completed\",\"result\":{result},\"rows_returned\":{},\"duration_ms\":{took}}}",
            json!(id),
            outcome.rows,
        );
        // The call is over, whatever it did.
        let body = state.data.hold_written(body.into());
        let answer = Answer::bytes(StatusCode::OK, Some(HeaderValue::from_static("application/json")), body);
        Ok(replayed(answer, outcome.replayed))
    })
}

fn text(body: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(body).map_err(|_| Error::Data(data::Error::Bug("JSON that is no text")))
}
