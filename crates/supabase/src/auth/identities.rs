//! `/user/identities`: linking and unlinking the ways into one's own account.

use std::sync::Arc;

use ::auth::Error;
use http::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;
use web::{Answer, Ask, Cx, Handled, Route};

use super::browser::go;
use super::{State, oauth, signed_in, visit};

pub(super) const ROUTES: [Route<State>; 2] = [
    signed_in(Method::GET, "/user/identities/authorize", authorize)
        .summary("Begins linking another identity to the caller's account"),
    signed_in(Method::DELETE, "/user/identities/{id}", unlink)
        .summary("Unlinks an identity from the caller's account"),
];

/// `GET /user/identities/authorize?provider&redirect_to&skip_http_redirect`: the address is ours, where the flow is bound to
/// the browser that opens it.
fn authorize(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let person = cx.caller.signed_in().ok_or(web::Error::NotSignedIn)?;
        let begun = oauth::start(&state, &ask)?;
        let flow = state.auth.oauth_begin_link(begun, person, &visit(&cx, &ask)).await?;
        let here = state.auth.rules().auth_url();
        let skip = ask.query_param("skip_http_redirect").is_some_and(|skip| skip == "true");
        Ok(flow.map(|flow| {
            let url = format!("{here}/authorize?flow={flow}");
            if skip { Answer::json(&json!({ "url": url })) } else { go(StatusCode::FOUND, &url) }
        }))
    })
}

/// `DELETE /user/identities/{identity_id}`: `{}`.
fn unlink(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let person = cx.caller.signed_in().ok_or(web::Error::NotSignedIn)?;
        let id = Uuid::try_parse(ask.params.get("id"))
            .map_err(|_| Error::NotAnId("identity_id must be an UUID"))?;
        let unlinked = state.auth.unlink_identity(person, id, &visit(&cx, &ask)).await?;
        Ok(unlinked.map(|()| Answer::json(&json!({}))))
    })
}
