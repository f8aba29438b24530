//! Ways to sign in on the consent page that go through something else than this browser: a telephone, or an organisation's
//! identity provider (SAML).
//!
//! Invariant: what an organisation says signs in only the browser that asked: it comes back with a code, whose verifier is made
//! of that browser's own cookie.

use std::sync::Arc;

use ::auth::sso::{Start, Wanted};
use ::auth::{Along, Challenge, Error, User, Visit};
use base::{Fault, Secret};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use uuid::Uuid;
use web::csrf::form_field;
use web::{Ask, Cx, Handled, Reply};

use super::super::super::page::escape;
use super::super::super::{State, envelope, visit};
use super::ways::{SentTo, require_captcha};
use super::{Answered, Page, alert};

/// `POST /oauth/consent/text`: a code to a telephone.
pub fn text(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let page = Page::of(&state, &cx, &ask)?;
        let phone = form_field(&ask.body, "phone").unwrap_or_default().trim().to_owned();
        let asked = match require_captcha(&state, &cx, &ask).await {
            Ok(()) => {
                let back_to = state.auth.rules().redirects.site().clone();
                let along = Along { back_to, challenge: None, locale: None };
                let data = serde_json::Map::new();
                state.auth.ask_text(&phone, false, data, false, &along, &visit(&cx, &ask)).await
            }
            Err(error) => Err(error),
        };
        match asked {
            Ok(done) => Ok(done.map(|()| page.ask_code(&SentTo::Phone(phone), StatusCode::OK, None))),
            Err(error) if error.kind().is_ours() => Err(error.into()),
            Err(error) => page.sign_in(&state, envelope::of_auth(&error).0, Some(&error.message())).await,
        }
    })
}

/// `POST /oauth/consent/sso`: to the identity provider of an address's domain.
pub fn sso(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let page = Page::of(&state, &cx, &ask)?;
        let domain = form_field(&ask.body, "email").unwrap_or_default();
        let back_to = state.auth.rules().redirects.page(&page.request);
        let back_to = back_to.as_ref().map(|page| page.text());
        let challenge = Some(Challenge::of(&verifier(&page)));
        let start = Start { wanted: Wanted::Domain(domain), asked: &[back_to], challenge, by_browser: true };
        match state.sso.start(start).await {
            Ok(url) => Ok(url.map(|url| page.browser.with(super::onward(&url)))),
            Err(error) if error.kind().is_ours() => Err(error.into()),
            Err(error) => page.sign_in(&state, envelope::of_auth(&error).0, Some(&error.message())).await,
        }
    })
}

/// The browser is back from there.
pub(super) async fn arrive(page: Page, state: &State, code: &Secret<String>, visit: &Visit) -> Answered {
    match state.auth.exchange_code(code, &verifier(&page), visit).await {
        Ok(granted) => Ok(granted.map(|grant| super::signed_in_at(state, &grant, page.next()))),
        Err(error) if error.kind().is_ours() => Err(error.into()),
        Err(_) => {
            let to = state.auth.rules().redirects.page(&page.request);
            let answer = to.map_or_else(|| page.next(), |to| super::refused(&to, "provider"));
            Ok(Reply::untouched(answer, "the code was refused and nothing changed"))
        }
    }
}

/// Of this browser and this request, and nobody else's to know.
fn verifier(page: &Page) -> Secret<String> {
    let text = format!("consent page\n{}\n{}", page.browser.value, page.request);
    Secret::new(URL_SAFE_NO_PAD.encode(seal::sha256(text.as_bytes())))
}

/// The forms of both, where they are on.
pub(super) async fn ways(page: &Page, state: &State, proof: &str) -> Result<String, Error> {
    let mut body = String::new();
    if state.auth.signs_in_by_text() {
        body += "<h2>With a text</h2>";
        body += &page.form(
            "/text",
            &format!(
                "<p><label>Telephone:<br><input type=\"tel\" name=\"phone\" autocomplete=\"tel\" required></label></p>\
                 {proof}<p><button>Text me a code</button></p>"
            ),
        );
    }
    // Which organisations there are is told to nobody: the address says which one.
    if state.sso.is_offered().await? {
        body += "<h2>With your organisation</h2>";
        body += &page.form(
            "/sso",
            "<p><label>Your e-mail there:<br><input name=\"email\" autocomplete=\"email\" required></label></p>\
             <p><button>Go on there</button></p>",
        );
    }
    Ok(body)
}

/// A button for each telephone that is somebody's second factor.
pub(super) fn phones(page: &Page, user: &User) -> String {
    let button = |(id, name): &(Uuid, String)| {
        page.form(
            "/factor",
            &format!(
                "<input type=\"hidden\" name=\"factor\" value=\"{id}\"><p><button name=\"action\" value=\"text\">\
                 Text a code to {}</button></p>",
                escape(name)
            ),
        )
    };
    super::verified(user, "phone").iter().map(button).collect()
}

impl Page {
    /// Sends the text and asks for its code.
    pub(super) async fn text_factor(
        self,
        state: &State,
        factor: Uuid,
        person: Uuid,
        visit: &Visit,
    ) -> Answered {
        match state.auth.challenge_factor(factor, visit).await {
            Ok(asked) => Ok(asked.map(|asked| {
                let form = self.form(
                    "/factor",
                    &format!(
                        "<input type=\"hidden\" name=\"factor\" value=\"{factor}\">\
                         <input type=\"hidden\" name=\"challenge\" value=\"{}\"><p><label>The code in the text:<br>\
                         <input name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" required></label></p>\
                         <p><button>Go on</button></p>",
                        asked.id
                    ),
                );
                let body = format!("<h1>Look at your telephone</h1>{}{form}", alert(None));
                self.browser.with(super::html_to(StatusCode::OK, &body, None))
            })),
            Err(error) => self.factor_refused(state, person, error).await,
        }
    }
}
