//! A security key as second factor on the consent page: a form asks for it, the page's script has it sign, the next form shows that.
//!
//! Invariant: a challenge is made by the form, for the session in this browser's cookie, and is spent by its answer.

use ::auth::{User, Visit};
use http::StatusCode;
use uuid::Uuid;

use super::super::super::State;
use super::super::super::browser::{Scripted, html_scripted};
use super::super::super::page::escape;
use super::{Answered, Page};

const SCRIPT: &str = concat!(include_str!("credential.js"), include_str!("key.js"));

/// A button for each key, where this page is of the domain that keys belong to.
pub(super) fn buttons(page: &Page, state: &State, user: &User) -> String {
    let keys = super::verified(user, "webauthn");
    if keys.is_empty() {
        return String::new();
    }
    if state.auth.keys_at(state.auth.rules().origin()).is_none() {
        return "<p>Your security key does not work at this address.</p>".to_owned();
    }
    let button = |(id, name): &(Uuid, String)| {
        page.form(
            "/factor",
            &format!(
                "<input type=\"hidden\" name=\"factor\" value=\"{id}\"><p><button name=\"action\" value=\"key\">\
                 Use {}</button></p>",
                escape(name)
            ),
        )
    };
    keys.iter().map(button).collect()
}

impl Page {
    /// Has the key sign.
    pub(super) async fn ask_key(self, state: &State, factor: Uuid, person: Uuid, visit: &Visit) -> Answered {
        let asked = match state.auth.challenge_factor(factor, visit).await {
            Ok(asked) => asked,
            Err(error) => return self.factor_refused(state, person, error).await,
        };
        let domain = state.auth.keys_at(state.auth.rules().origin()).unwrap_or_default();
        Ok(asked.map(|asked| {
            let Some((_, options)) = asked.webauthn else { return self.next() };
            let form = self.form(
                "/factor",
                &format!(
                    "<input type=\"hidden\" name=\"factor\" value=\"{factor}\">\
                     <input type=\"hidden\" name=\"challenge\" value=\"{}\"><input type=\"hidden\" name=\"credential\">\
                     <p><button type=\"button\" id=\"key\">Use it now</button></p>",
                    asked.id
                ),
            );
            let body = format!(
                "<h1>Use your security key</h1><p id=\"said\" role=\"alert\"></p>\
                 <noscript><p role=\"alert\">A security key needs the script of this page.</p></noscript>{form}\
                 <div id=\"asked\" data-domain=\"{}\" data-options=\"{}\"></div>",
                escape(domain),
                escape(&options["publicKey"].to_string()),
            );
            self.browser.with(html_scripted(StatusCode::OK, &body, &Scripted { script: SCRIPT, widget: None }))
        }))
    }
}
