//! The page of an administrator's one-time link: a password and a second factor, in one form that works without a script.
//! Only the form spends the link.

use std::sync::Arc;

use ::auth::mfa::RecoveryCodes;
use ::auth::{AdminSetup, Error, PasswordPolicy};
use base::{Failure, Fault, Secret};
use http::StatusCode;
use web::{Answer, Ask, Cx, Handled, Reply};

use super::browser::html;
use super::page::escape;
use super::{State, visit};

/// `GET /setup?token=…`
pub fn page(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let token = ask.query_param("token").unwrap_or_default();
        show(&state, &token, StatusCode::OK, None).await
    })
}

/// The form, if the link still works.
async fn show(
    state: &State,
    token: &str,
    status: StatusCode,
    refused: Option<&str>,
) -> Result<Reply<Answer>, Failure> {
    match state.auth.look_at_admin_link(token).await {
        Ok(seen) => {
            let policy = &state.auth.rules().password;
            Ok(seen.map(|setup| html(status, &form(token, &setup, policy, refused))))
        }
        Err(error @ Error::SetupLink) => {
            let page =
                format!("<h1>Become an administrator</h1><p role=\"alert\">{}</p>", escape(&error.message()));
            Ok(Reply::untouched(
                html(StatusCode::BAD_REQUEST, &page),
                "the link was refused and nothing changed",
            ))
        }
        Err(other) => Err(other.into()),
    }
}

/// `POST /setup`, as the form sends it.
pub fn submit(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let Form { token, password, code } = read_form(&ask.body);
        match state.auth.use_admin_link(&token, &password, &code, &visit(&cx, &ask)).await {
            Ok(done) => Ok(done.map(|codes| html(StatusCode::OK, &done_page(&codes)))),
            Err(
                error
                @ (Error::SetupLink | Error::WeakPassword { .. } | Error::Validation(_) | Error::Mfa(_)),
            ) => show(&state, &token, StatusCode::BAD_REQUEST, Some(&error.message())).await,
            Err(other) => Err(other.into()),
        }
    })
}

struct Form {
    token: String,
    password: Secret<String>,
    code: Secret<String>,
}

fn read_form(body: &[u8]) -> Form {
    let mut form = Form { token: String::new(), password: Secret::from(""), code: Secret::from("") };
    for pair in body.split(|byte| *byte == b'&') {
        let text = String::from_utf8_lossy(pair).replace('+', " ");
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
        match name {
            "token" => form.token = value,
            "password" => form.password = Secret::new(value),
            "code" => form.code = Secret::new(value.trim().to_owned()),
            _ => {}
        }
    }
    form
}

fn form(token: &str, setup: &AdminSetup, policy: &PasswordPolicy, refused: Option<&str>) -> String {
    let (token, email, min) = (escape(token), escape(&setup.email), policy.length_min);
    let refused = refused.map(|why| format!("<p role=\"alert\">{}</p>", escape(why))).unwrap_or_default();
    let sets: Vec<_> =
        policy.sets.iter().map(|set| format!("<li><code>{}</code></li>", escape(set))).collect();
    let sets = sets.concat();
    let (picture, secret) = (&setup.totp.qr_code, escape(setup.totp.secret.expose()));
    format!(
        "<h1>Become an administrator</h1><p>{email}</p>{refused}<form method=\"post\" action=\"setup\">\
         <input type=\"hidden\" name=\"token\" value=\"{token}\">\
         <p><label>Password, at least {min} characters with one of each:<br>\
         <input type=\"password\" name=\"password\" autocomplete=\"new-password\" required></label></p>\
         <ul>{sets}</ul>\
         <p>Second factor: scan this with an authenticator app, or type <code>{secret}</code> into it.</p>{picture}\
         <p><label>The six digits it shows:<br>\
         <input name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" required></label></p>\
         <p><button>Become an administrator</button></p></form>"
    )
}

fn done_page(codes: &RecoveryCodes) -> String {
    let codes: Vec<_> =
        codes.codes.iter().map(|code| format!("<li><code>{}</code></li>", escape(code.expose()))).collect();
    format!(
        "<h1>Done</h1><p>You can sign in now, with your password and your authenticator app.</p>\
         <p>Keep these recovery codes where you will find them without your phone. Each works once:</p><ul>{}</ul>",
        codes.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_read_back() {
        let form = read_form(b"token=abc-_1&password=Correct-horse%2A1+x&other=1&code=+123456+");
        assert_eq!((form.token.as_str(), form.password.expose().as_str()), ("abc-_1", "Correct-horse*1 x"));
        assert_eq!(form.code.expose(), "123456");
    }

    #[test]
    fn what_came_from_outside_is_text_in_the_page() {
        assert_eq!(escape("\"><script>'&"), "&quot;&gt;&lt;script&gt;&#39;&amp;");
    }
}
