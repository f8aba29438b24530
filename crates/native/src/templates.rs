//! `/admin/v1/mail-templates`: what our mails say, with made-up values, before anybody is sent one.

use std::sync::Arc;

use http::Method;
use serde_json::json;
use web::{Answer, Ask, Cx, Guard, Handled, Limits, Reply, Route};

use crate::{Error, State};

/// Every kind and language.
pub const LIST: Route<State> = Route::new(Method::GET, "/admin/v1/mail-templates", Guard::Admin, list)
    .limits(Limits::SMALL)
    .summary("The mails there are, and the languages they are written in: `palisade mails list`");

/// One, as it would be sent.
pub const SHOW: Route<State> = Route::new(Method::GET, "/admin/v1/mail-templates/{kind}", Guard::Admin, show)
    .limits(Limits::SMALL)
    .summary("A mail with made-up values, subject, text and HTML: `palisade mails preview`");

const READ: &str = "templates are read at the start";

fn list(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let (kinds, locales) = state.auth.mail_templates();
        Ok(Reply::untouched(Answer::json(&json!({ "kinds": kinds, "locales": locales })), READ))
    })
}

fn show(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let locale = ask.query_param("locale").unwrap_or_default();
        let mail = state.auth.preview_mail(ask.params.get("kind"), &locale)?.ok_or(Error::NoMail)?;
        // What stands in for secrets here is made up.
        let told = json!({ "subject": mail.subject, "text": mail.text.expose(), "html": mail.html.expose() });
        Ok(Reply::untouched(Answer::json(&told), READ))
    })
}
