//! A request as GraphQL over HTTP has it: JSON by POST, parameters by GET.
//!
//! Invariant: only JSON is taken by POST, which no page of another site can send without asking first.

use std::sync::Arc;

use http::Method;
use serde_json::Value as Json;
use web::Ask;

use crate::error::Error;
use crate::limits::BATCH_MAX;

/// One operation as it was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The document.
    pub query: Option<Arc<str>>,
    /// Its hash, instead of it or beside it.
    pub hash: Option<String>,
    /// Which operation.
    pub operation: Option<String>,
    /// Its variables.
    pub variables: Option<Json>,
    /// Whether what it costs should be in the answer.
    pub wants_cost: bool,
}

/// What was sent.
#[derive(Debug, PartialEq)]
pub enum Requests {
    /// One operation.
    One(Request),
    /// Several in an array.
    Several(Vec<Request>),
}

/// Reads what was sent.
pub fn read(ask: &Ask) -> Result<Requests, Error> {
    if ask.parts.method == Method::GET {
        return by_parameters(ask).map(Requests::One);
    }
    let content = ask.header("content-type").unwrap_or_default();
    let essence = content.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && essence != "application/graphql-response+json" {
        return Err(Error::ContentType);
    }
    let json: Json = serde_json::from_slice(&ask.body)
        .map_err(|error| Error::Malformed(format!("The body is not JSON: {error}")))?;
    match json {
        Json::Array(items) => {
            let allowed = BATCH_MAX.size();
            if items.len() > allowed {
                return Err(Error::Batch { measured: items.len(), allowed });
            }
            if items.is_empty() {
                return Err(Error::Malformed("The array holds no operation".to_owned()));
            }
            items.into_iter().map(object).collect::<Result<_, Error>>().map(Requests::Several)
        }
        other => object(other).map(Requests::One),
    }
}

/// How many operations a body holds, for the rate limits: a batch is as many requests as it has operations. More than
/// are carried out need not be told apart, and what is no array is one, however wrong.
pub fn operations(ask: &Ask) -> u32 {
    if ask.body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        return 1;
    }
    let items = serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(&ask.body);
    items.map_or(1, |items| items.len().clamp(1, BATCH_MAX.size())).try_into().unwrap_or(1)
}

fn object(json: Json) -> Result<Request, Error> {
    let Json::Object(mut fields) = json else {
        return Err(Error::Malformed("An operation is an object with `query`".to_owned()));
    };
    let mut text = |name: &str| match fields.remove(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::Malformed(format!("`{name}` must be a text"))),
    };
    let (query, operation) = (text("query")?, text("operationName")?);
    let extensions = fields.remove("extensions").unwrap_or_default();
    Ok(Request {
        query: query.map(Arc::from),
        operation,
        variables: fields.remove("variables"),
        ..extended(&extensions)
    })
}

fn extended(extensions: &Json) -> Request {
    let hash = extensions.pointer("/persistedQuery/sha256Hash").and_then(Json::as_str);
    Request {
        hash: hash.map(str::to_owned),
        wants_cost: extensions.get("cost").and_then(Json::as_bool).unwrap_or(false),
        ..Request::default()
    }
}

fn by_parameters(ask: &Ask) -> Result<Request, Error> {
    let json = |name: &str| match ask.query_param(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => serde_json::from_str::<Json>(&text)
            .map(Some)
            .map_err(|error| Error::Malformed(format!("`{name}` is not JSON: {error}"))),
    };
    let extensions = json("extensions")?.unwrap_or_default();
    Ok(Request {
        query: ask.query_param("query").filter(|text| !text.is_empty()).map(Arc::from),
        operation: ask.query_param("operationName").filter(|text| !text.is_empty()),
        variables: json("variables")?,
        ..extended(&extensions)
    })
}
