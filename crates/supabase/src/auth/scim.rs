//! `GET /scim/v2/…`: what a provisioning service asks before anything else (RFC 7643 section 5, RFC 7644 section 4).
//!
//! As upstream has it, behind its experimental flag: the documents say truly that nothing is provisioned here yet. There are no
//! resource types, so there is nothing to create, and no operation is claimed.

use std::sync::Arc;

use ::auth::Error;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use web::{Answer, Ask, Cx, Handled, Reply, Route};

use super::{State, open};

pub(super) const ROUTES: [Route<State>; 3] = [
    open(Method::GET, "/scim/v2/ServiceProviderConfig", config).summary("What of SCIM is supported"),
    open(Method::GET, "/scim/v2/ResourceTypes", list)
        .summary("What could be provisioned by SCIM: nothing yet"),
    open(Method::GET, "/scim/v2/Schemas", list).summary("The schemas of what could be: none yet"),
];

fn config(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    let at = format!("{}/scim/v2/ServiceProviderConfig", state.auth.rules().auth_url());
    told(
        &state,
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": { "supported": false },
            "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
            "filter": { "supported": false, "maxResults": 0 },
            "changePassword": { "supported": false },
            "sort": { "supported": false },
            "etag": { "supported": false },
            "authenticationSchemes": [],
            "meta": { "resourceType": "ServiceProviderConfig", "location": at },
        }),
    )
}

fn list(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    told(
        &state,
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": [],
        }),
    )
}

fn told(state: &State, document: Value) -> Handled {
    let is_on = state.auth.rules().scim;
    Box::pin(async move {
        if !is_on {
            return Err(Error::disabled("feature_disabled", "SCIM is disabled").into());
        }
        let kind = HeaderValue::from_static("application/scim+json");
        let answer = Answer::bytes(StatusCode::OK, Some(kind), document.to_string().into());
        Ok(Reply::untouched(answer, "documents of the program, and of no account"))
    })
}
