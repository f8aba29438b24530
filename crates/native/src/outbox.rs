//! The mail catcher of `dev`: mails that would have been sent, on a page. Nothing leaves the machine.

use std::sync::Arc;

use http::{Method, StatusCode};
use uuid::Uuid;
use web::{Answer, Ask, Credentials, Cx, Guard, Handled, Limits, Reply, Route};

use crate::html::{escape, page};
use crate::{Error, State};

/// The newest mails.
pub const LIST: Route<State> = Route::new(Method::GET, "/_/outbox", Guard::Open, list)
    .credentials(Credentials::None)
    .limits(Limits::NO_BODY)
    .summary("Mails that `dev` caught");

/// One mail.
pub const SHOW: Route<State> = Route::new(Method::GET, "/_/outbox/{id}", Guard::Open, show)
    .credentials(Credentials::None)
    .limits(Limits::NO_BODY)
    .summary("One caught mail, as text");

const SHOWN: u32 = 100;

fn list(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let mails = state.outbox.list(None, SHOWN).await?;
        let line = |mail: &mail::Summary| {
            let (id, at, to, subject) = (mail.id, mail.created_at, escape(&mail.to), escape(&mail.subject));
            format!("<li><a href=\"/_/outbox/{id}\">{subject}</a> to {to}, {at}</li>")
        };
        let lines: String = mails.iter().map(line).collect();
        let body =
            if lines.is_empty() { "<p>No mail yet.</p>".to_owned() } else { format!("<ul>{lines}</ul>") };
        Ok(Reply::untouched(
            page(StatusCode::OK, "Caught mails", &body),
            "the outbox closed its own transaction",
        ))
    })
}

fn show(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let id: Uuid = ask.params.get("id").parse().map_err(|_| Error::NoMail)?;
        let letter = state.outbox.get(id).await?;
        let text = letter.text.as_ref().map_or_else(String::new, |text| escape(text.expose()));
        let (to, at) = (escape(&letter.summary.to), letter.summary.created_at);
        let body = format!("<p>To {to}, {at}</p><pre>{text}</pre><p><a href=\"/_/outbox\">All mails</a></p>");
        let answer: Answer = page(StatusCode::OK, &letter.summary.subject, &body);
        Ok(Reply::untouched(answer, "the outbox closed its own transaction"))
    })
}
