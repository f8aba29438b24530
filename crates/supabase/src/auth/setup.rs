//! The page of an administrator's one-time link: it works without a script, shows nothing until the form is sent, and
//! only the form spends the link.

use std::sync::Arc;

use ::auth::{Error, PasswordPolicy};
use base::{Fault, Secret};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use web::{Answer, Ask, Cx, Handled, Reply};

use super::{State, visit};

/// `GET /setup?token=…`
pub fn page(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    let token = ask.query_param("token").unwrap_or_default();
    let page = form(&token, &state.auth.rules().password, None);
    Box::pin(
        async move { Ok(Reply::untouched(html(StatusCode::OK, &page), "the form says nothing of the link")) },
    )
}

/// `POST /setup`, as the form sends it.
pub fn submit(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let (token, password) = read_form(&ask.body);
        match state.auth.use_admin_link(&token, &password, &visit(&cx, &ask)).await {
            Ok(done) => Ok(done.map(|_| html(StatusCode::OK, "<h1>Done</h1><p>You can sign in now.</p>"))),
            Err(error @ (Error::SetupLink | Error::WeakPassword { .. } | Error::Validation(_))) => {
                let page = form(&token, &state.auth.rules().password, Some(&error.message()));
                Ok(Reply::untouched(
                    html(StatusCode::BAD_REQUEST, &page),
                    "the link was refused and nothing changed",
                ))
            }
            Err(other) => Err(other.into()),
        }
    })
}

fn read_form(body: &[u8]) -> (String, Secret<String>) {
    let (mut token, mut password) = (String::new(), Secret::from(""));
    for pair in body.split(|byte| *byte == b'&') {
        let text = String::from_utf8_lossy(pair).replace('+', " ");
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
        match name {
            "token" => token = value,
            "password" => password = Secret::new(value),
            _ => {}
        }
    }
    (token, password)
}

fn form(token: &str, policy: &PasswordPolicy, refused: Option<&str>) -> String {
    let (token, min) = (escape(token), policy.length_min);
    let refused = refused.map(|why| format!("<p role=\"alert\">{}</p>", escape(why))).unwrap_or_default();
    let sets: Vec<_> =
        policy.sets.iter().map(|set| format!("<li><code>{}</code></li>", escape(set))).collect();
    let sets = sets.concat();
    format!(
        "<h1>Become an administrator</h1>{refused}<form method=\"post\" action=\"setup\">\
         <input type=\"hidden\" name=\"token\" value=\"{token}\">\
         <p><label>Password, at least {min} characters with one of each:<br>\
         <input type=\"password\" name=\"password\" autocomplete=\"new-password\" required></label></p>\
         <ul>{sets}</ul><p><button>Set password</button></p></form>"
    )
}

/// Text that came from outside is text in the page too.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn html(status: StatusCode, body: &str) -> Answer {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Palisade</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><body><main>{body}</main></body></html>"
    );
    Answer::text(status, "text/html; charset=utf-8", page)
        .with(CACHE_CONTROL, "no-store")
        .with(REFERRER_POLICY, "no-referrer")
        .with(
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_outside_cannot_leave_its_place_in_the_page() {
        let policy = PasswordPolicy { length_min: 12, length_max: 256, sets: vec!["<&>".into()] };
        let page = form("\"><script>alert(1)</script>", &policy, Some("<b>no</b>"));
        assert!(!page.contains("<script>") && !page.contains("<b>") && !page.contains("<&>"), "{page}");
    }

    #[test]
    fn the_form_is_read_back() {
        let (token, password) = read_form(b"token=abc-_1&password=Correct-horse%2A1+x&other=1");
        assert_eq!((token.as_str(), password.expose().as_str()), ("abc-_1", "Correct-horse*1 x"));
    }
}
