//! `palisade types`: what is served, as types for those who write against it.

use std::sync::Arc;

use ::data::typings::{self, Language};
use http::Method;
use serde_json::json;
use web::{Answer, Ask, Cx, Guard, Handled, Limits, Reply, Route};

use crate::State;

const SUMMARY: &str =
    "The types of what is served, as TypeScript or (`as=zod`) zod schemas: `palisade types`";

/// For administrators over HTTP, and for the operator's command.
pub const TYPES: Route<State> =
    Route::new(Method::GET, "/admin/v1/types", Guard::Admin, types).limits(Limits::SMALL).summary(SUMMARY);

fn types(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let language = match ask.query_param("as").as_deref() {
            Some("zod") => Language::Zod,
            _ => Language::TypeScript,
        };
        let text = typings::write(&state.data.catalog(), language, ask.query_param("probes").is_none());
        Ok(Reply::untouched(Answer::json(&json!({ "types": text })), "the snapshot of the catalog"))
    })
}
