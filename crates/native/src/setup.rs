//! The page behind an administrator's one-time link (attack row 35): a password field and a button, no script.
//!
//! Opening the page consumes nothing, so a scanner or a preview cannot use the link up; the button does.

use std::sync::Arc;

use base::Secret;
use http::{Method, StatusCode};
use web::{Ask, Credentials, Cx, Guard, Handled, Limits, Rate, Reply, Route};

use crate::State;
use crate::html::{escape, page};

/// Shows the form.
pub const PAGE: Route<State> = Route::new(Method::GET, "/_/setup", Guard::Open, show)
    .credentials(Credentials::None)
    .limits(Limits::NO_BODY)
    .rate(Rate::Login)
    .summary("The form behind an administrator's one-time link");

/// Uses the link.
pub const USE: Route<State> = Route::new(Method::POST, "/_/setup", Guard::Open, set_up)
    .credentials(Credentials::None)
    .limits(Limits::SMALL)
    .rate(Rate::Login)
    .summary("Uses an administrator's one-time link");

fn show(_: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let token = escape(&ask.query_param("token").unwrap_or_default());
        let body = format!(
            "<p>Choose the password of your administrator account.</p><form method=\"post\" action=\"/_/setup\">\
             <input type=\"hidden\" name=\"token\" value=\"{token}\">\
             <label>Password <input type=\"password\" name=\"password\" autocomplete=\"new-password\" required minlength=\"12\"></label> \
             <button>Set up</button></form>"
        );
        Ok(Reply::untouched(page(StatusCode::OK, "Set up an administrator", &body), "shows a form"))
    })
}

fn set_up(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let field = |name: &str| form_field(&ask.body, name).unwrap_or_default();
        let visit = auth::Visit {
            caller: cx.caller.clone(),
            user_agent: ask.header("user-agent").map(str::to_owned),
            request_id: cx.request_id.0.clone(),
        };
        let done =
            state.auth.use_admin_link(&field("token"), &Secret::new(field("password")), &visit).await?;
        let body = "<p>Done. Sign in with this password; a second factor is required for administrators as soon as you enrol one.</p>";
        Ok(done.map(|_| page(StatusCode::OK, "You are an administrator", body)))
    })
}

/// A field of `application/x-www-form-urlencoded`.
fn form_field(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    text.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(web::decode_form)
}
