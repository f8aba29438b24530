//! The page that asks for consent when no application of the operator's does. It works without a script, but for passkeys,
//! security keys and CAPTCHAs, which are nothing but scripts: sign in, show a second factor, say yes or no. Every form carries the token of the double submit (control 75), which the edge checks.
//!
//! Invariant: what a program says about itself is text here, and no picture of its is loaded.

mod keys;
mod others;
mod ways;

pub use others::{sso, text};
pub use ways::{code, mail, passkey, reason};

use std::sync::Arc;

use ::auth::mfa::Answer as Shown;
use ::auth::server::{Looked, Question};
use ::auth::{Error, Grant, Redirect, Scope, ServerError, User, Visit};
use base::{Failure, Fault, Owed, Secret};
use http::header::{REFRESH, SET_COOKIE};
use http::{Method, StatusCode};
use uuid::Uuid;
use web::csrf::form_field;
use web::{Answer, Ask, Cx, Handled, Reply};

use super::super::browser::{Browser, go, html, html_to, is_https};
use super::super::page::escape;
use super::super::{State, envelope, visit};

type Answered = Result<Reply<Answer>, Failure>;

/// The request that a page is about: in its address, or in its form.
fn request_of(ask: &Ask) -> String {
    let named = match ask.parts.method {
        Method::POST => form_field(&ask.body, "authorization_id"),
        _ => ask.query_param("authorization_id"),
    };
    named.unwrap_or_default()
}

/// The account that a form of the page is about, for its budget: by the field that is looked at, whatever else is filled in.
pub fn by_mail(ask: &Ask) -> Option<String> {
    form_field(&ask.body, "email")
}

/// The same of a form about a telephone.
pub fn by_phone(ask: &Ask) -> Option<String> {
    form_field(&ask.body, "phone")
}

/// The same of a code, which is of a telephone where one is named.
pub fn by_either(ask: &Ask) -> Option<String> {
    by_phone(ask).filter(|phone| !phone.trim().is_empty()).or_else(|| by_mail(ask))
}

/// `GET /oauth/consent?authorization_id=…`
pub fn show(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let page = Page::of(&state, &cx, &ask)?;
        if cx.caller.signed_in().is_none() {
            if let Some(code) = ask.query_param("code").filter(|code| !code.is_empty()) {
                return others::arrive(page, &state, &Secret::new(code), &visit(&cx, &ask)).await;
            }
            let why = ask.query_param("refused").and_then(|what| ways::refusal(&what));
            return page.sign_in(&state, StatusCode::OK, why).await;
        }
        let looked = match cx.caller.owes {
            Some(Owed::SecondFactor) => Err(ServerError::SecondFactor.into()),
            Some(Owed::NewPassword) => Err(ServerError::PasswordExpired.into()),
            None => state.auth.oauth_look(&page.request, &visit(&cx, &ask)).await,
        };
        match looked {
            Ok(looked) => Ok(looked.map(|looked| match looked {
                Looked::Back(to) => page.browser.with(go(StatusCode::FOUND, &to)),
                Looked::Ask(question) => page.consent(&question),
            })),
            Err(Error::Server(ServerError::SecondFactor)) => {
                let user = state.auth.own_user(signed_in(&cx)?).await?.into_inner();
                page.factor(&state, &user, StatusCode::OK, None)
            }
            Err(Error::Server(error @ ServerError::SignInAgain)) => {
                page.sign_in(&state, StatusCode::OK, Some(&error.to_string())).await
            }
            Err(error) => page.refused(error),
        }
    })
}

/// `POST /oauth/consent`: `action` is the button that was pressed.
pub fn answer(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let page = Page::of(&state, &cx, &ask)?;
        let approve = super::read_action(form_field(&ask.body, "action").as_deref())?;
        match state.auth.oauth_answer(&page.request, approve, &visit(&cx, &ask)).await {
            Ok(back) => Ok(back.map(|back| onward(&back))),
            Err(
                Error::TokenRevoked
                | Error::Server(
                    ServerError::SecondFactor | ServerError::SignInAgain | ServerError::PasswordExpired,
                ),
            ) => page.again(),
            Err(error) => page.refused(error),
        }
    })
}

/// `POST /oauth/consent/sign-in`.
pub fn sign_in(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let page = Page::of(&state, &cx, &ask)?;
        let tried = match ways::require_captcha(&state, &cx, &ask).await {
            Ok(()) => {
                let email = form_field(&ask.body, "email").unwrap_or_default();
                let password = Secret::new(form_field(&ask.body, "password").unwrap_or_default());
                state.auth.sign_in(email.trim(), &password, &visit(&cx, &ask)).await
            }
            Err(error) => Err(error),
        };
        page.entered(&state, tried).await
    })
}

/// `POST /oauth/consent/factor`: the six digits of an authenticator, the code of a text, what a security key signed, or a recovery
/// code. `action` asks for a text or for the key first.
pub fn factor(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let page = Page::of(&state, &cx, &ask)?;
        if cx.caller.signed_in().is_none() {
            return page.again();
        }
        let (visit, person) = (visit(&cx, &ask), signed_in(&cx)?);
        let chosen = form_field(&ask.body, "factor").and_then(|id| Uuid::try_parse(&id).ok());
        match (chosen, form_field(&ask.body, "action").as_deref()) {
            (Some(factor), Some("text")) => return page.text_factor(&state, factor, person, &visit).await,
            (Some(factor), Some("key")) => return page.ask_key(&state, factor, person, &visit).await,
            _ => {}
        }
        match show_factor(&state, chosen, &ask, &visit).await {
            Ok(granted) => {
                Ok(granted
                    .map(|grant| page.next().with(SET_COOKIE, &session_cookie(&grant, is_https(&state)))))
            }
            Err(error) => page.factor_refused(&state, person, error).await,
        }
    })
}

async fn show_factor(
    state: &State,
    chosen: Option<Uuid>,
    ask: &Ask,
    visit: &Visit,
) -> Result<Reply<Grant>, Error> {
    let asked = form_field(&ask.body, "challenge").and_then(|id| Uuid::try_parse(&id).ok());
    let credential = form_field(&ask.body, "credential").filter(|text| !text.is_empty());
    if let (Some(factor), Some(asked), Some(credential)) = (chosen, asked, credential) {
        let credential = serde_json::from_str(&credential);
        let credential = credential.map_err(|_| Error::invalid("credential is no JSON"))?;
        return state.auth.verify_factor(factor, asked, &Shown::Credential(credential), visit).await;
    }
    let code = form_field(&ask.body, "code").unwrap_or_default().trim().to_owned();
    let is_digits = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    let code = Secret::new(code);
    let Some(factor) = chosen.filter(|_| is_digits) else {
        return state.auth.use_recovery_code(&code, visit).await;
    };
    // A telephone's code belongs to the text that was sent; an app's to nothing.
    let asked = match asked {
        Some(asked) => asked,
        None => state.auth.challenge_factor(factor, visit).await?.into_inner().id,
    };
    state.auth.verify_factor(factor, asked, &Shown::Code(code), visit).await
}

/// `POST /oauth/consent/sign-out`: somebody else may answer.
pub fn sign_out(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let page = Page::of(&state, &cx, &ask)?;
        let forget = web::csrf::session_cookie("", 0, is_https(&state));
        let body = "<h1>Signed out</h1><p>Go back to the program and begin again.</p>";
        let answer = page.browser.with(html(StatusCode::OK, body)).with(SET_COOKIE, &forget);
        let Some(person) = cx.caller.signed_in() else {
            return Ok(Reply::untouched(answer, "nobody was signed in"));
        };
        let ended = state.auth.sign_out(person.user, person.session, Scope::Local, &visit(&cx, &ask)).await?;
        Ok(ended.map(|()| answer))
    })
}

fn signed_in(cx: &Cx) -> Result<Uuid, Failure> {
    Ok(cx.caller.signed_in().ok_or(web::Error::NotSignedIn)?.user)
}

/// As long as its token: whoever comes later signs in again.
fn session_cookie(grant: &Grant, https: bool) -> String {
    web::csrf::session_cookie(grant.access_token.expose(), grant.expires_in, https)
}

/// On to the page, signed in.
pub fn signed_in_at(state: &State, grant: &Grant, answer: Answer) -> Answer {
    let https = is_https(state);
    let answer = answer.with(SET_COOKIE, &session_cookie(grant, https));
    match &grant.device {
        Some(device) => {
            let cookie = web::set_cookie(&device.name, device.value.expose(), device.seconds, https);
            answer.with(SET_COOKIE, &cookie)
        }
        None => answer,
    }
}

/// On to the page, signed in through a link or by somebody else's word.
pub fn arrived(state: &State, grant: &Grant, page: &Redirect) -> Answer {
    signed_in_at(state, grant, go(StatusCode::SEE_OTHER, page.text()))
}

/// On to the page with the reason why nobody is signed in: a word of ours, since what stands in an address may be anybody's.
pub fn refused(page: &Redirect, what: &str) -> Answer {
    go(StatusCode::SEE_OTHER, &page.with_query(&[("refused", what)]))
}

/// Back to the program. Not as a redirect: browsers hold a form to its policy through every redirect that follows, and where
/// a program sends its people next is not ours to know.
fn onward(to: &str) -> Answer {
    let body = format!("<h1>Going back</h1><p><a id=\"onward\" href=\"{}\">Go on</a></p>", escape(to));
    html(StatusCode::OK, &body).with(REFRESH, &format!("0;url={to}"))
}

/// One page about one request, in one browser.
struct Page {
    browser: Browser,
    request: String,
    /// The path of the page itself, as browsers see it.
    path: String,
}

impl Page {
    /// While the server is off there is no such page, and nobody signs in on it.
    fn of(state: &State, cx: &Cx, ask: &Ask) -> Result<Self, Error> {
        state.auth.oauth_server().ok_or(ServerError::Off)?;
        let origin = state.auth.rules().origin().len();
        let url = state.auth.rules().auth_url();
        let path = format!("{}/oauth/consent", url.get(origin..).unwrap_or_default());
        Ok(Page { browser: Browser::of(state, cx, ask), request: request_of(ask), path })
    }

    fn form(&self, action: &str, inside: &str) -> String {
        format!(
            "<form method=\"post\" action=\"{}{action}\">{}\
             <input type=\"hidden\" name=\"authorization_id\" value=\"{}\">{inside}</form>",
            escape(&self.path),
            self.browser.field(),
            escape(&self.request)
        )
    }

    fn shown(self, status: StatusCode, body: &str) -> Answered {
        Ok(Reply::untouched(self.browser.with(html_to(status, body, None)), "a page: no row is touched"))
    }

    async fn sign_in(self, state: &State, status: StatusCode, why: Option<&str>) -> Answered {
        let answer = ways::page(&self, state, status, why).await?;
        Ok(Reply::untouched(self.browser.with(answer), "a page: no row is touched"))
    }

    /// What comes of trying to sign in here.
    async fn entered(self, state: &State, tried: Result<Reply<Grant>, Error>) -> Answered {
        match tried {
            Ok(granted) => Ok(granted.map(|grant| signed_in_at(state, &grant, self.next()))),
            Err(error) if error.kind().is_ours() => Err(error.into()),
            Err(error) => self.sign_in(state, envelope::of_auth(&error).0, Some(&error.message())).await,
        }
    }

    /// The second factor was refused: the page that asks for one says why.
    async fn factor_refused(self, state: &State, person: Uuid, error: Error) -> Answered {
        if error.kind().is_ours() {
            return Err(error.into());
        }
        let user = state.auth.own_user(person).await?.into_inner();
        self.factor(state, &user, envelope::of_auth(&error).0, Some(&error.message()))
    }

    fn factor(self, state: &State, user: &User, status: StatusCode, why: Option<&str>) -> Answered {
        let apps = verified(user, "totp");
        if !user.has_factor() {
            let body = "<h1>A second factor is needed</h1><p role=\"alert\">This account must have a second factor. \
                        Enrol one in the application you use it with, then begin again.</p>";
            return self.shown(StatusCode::FORBIDDEN, body);
        }
        let choice = match apps.as_slice() {
            [(id, _)] => format!("<input type=\"hidden\" name=\"factor\" value=\"{id}\">"),
            [] => String::new(),
            many => {
                let options: Vec<String> = many
                    .iter()
                    .map(|(id, name)| format!("<option value=\"{id}\">{}</option>", escape(name)))
                    .collect();
                format!("<p><label>App:<br><select name=\"factor\">{}</select></label></p>", options.concat())
            }
        };
        let asked = match apps.is_empty() {
            true => "A recovery code",
            false => "The six digits of your authenticator app, or a recovery code",
        };
        let form = self.form(
            "/factor",
            &format!(
                "{choice}<p><label>{asked}:<br>\
                 <input name=\"code\" autocomplete=\"one-time-code\" required></label></p><p><button>Go on</button></p>"
            ),
        );
        let keys = keys::buttons(&self, state, user);
        let phones = others::phones(&self, user);
        let body = format!("<h1>Your second factor</h1>{}{keys}{phones}{form}", alert(why));
        self.shown(status, &body)
    }

    fn consent(self, question: &Question) -> Answer {
        let client = &question.client;
        let name =
            escape(client.name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or("A program"));
        let wishes: Vec<String> =
            question.scope.split(' ').map(|scope| format!("<li>{}</li>", escape(wish(scope)))).collect();
        let itself = match client.is_dynamic {
            true => {
                "<p role=\"alert\">This program registered itself. Nobody here checked that it is who it says.</p>"
            }
            false => "",
        };
        let buttons = "<p><button name=\"action\" value=\"approve\">Let it in</button> \
                       <button name=\"action\" value=\"deny\">No</button></p>";
        let body = format!(
            "<h1><bdi>{name}</bdi> wants to sign you in</h1>{itself}\
             <p>You are <strong>{}</strong>. It will be able to act in your name on this server's data, and to see:</p><ul>{}</ul>\
             <p>You go back to <strong>{}</strong>.</p>{}{}",
            escape(&question.email),
            wishes.concat(),
            escape(&place(&question.redirect_uri)),
            self.form("", buttons),
            self.form("/sign-out", "<p><button>This is not me</button></p>"),
        );
        self.browser.with(html_to(StatusCode::OK, &body, None))
    }

    /// The page once more, as it is for this browser now.
    fn again(self) -> Answered {
        Ok(Reply::untouched(self.next(), "nothing changed"))
    }

    fn next(&self) -> Answer {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let request: String =
            self.request.chars().filter(|letter| u8::try_from(*letter).is_ok_and(plain)).collect();
        go(StatusCode::SEE_OTHER, &format!("{}?authorization_id={request}", self.path))
    }

    fn refused(self, error: Error) -> Answered {
        if error.kind().is_ours() {
            return Err(error.into());
        }
        let body = format!("<h1>That did not work</h1>{}", alert(Some(&error.message())));
        self.shown(envelope::of_auth(&error).0, &body)
    }
}

fn alert(why: Option<&str>) -> String {
    why.map(|why| format!("<p role=\"alert\">{}</p>", escape(why))).unwrap_or_default()
}

/// A scope in a person's words.
fn wish(scope: &str) -> &str {
    match scope {
        "openid" => "who you are",
        "email" => "your e-mail address",
        "profile" => "your name and picture",
        "phone" => "your telephone number",
        "offline_access" => "all this also while you are away",
        other => other,
    }
}

/// Where a program is, as far as a person can judge it.
fn place(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once(':') else { return String::new() };
    match scheme {
        "https" | "http" => {
            rest.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default().to_owned()
        }
        _ => format!("an application on this machine ({scheme})"),
    }
}

/// The verified factors of one kind, with what their owner calls them.
fn verified(user: &User, kind: &str) -> Vec<(Uuid, String)> {
    let read = |factor: &serde_json::Map<String, serde_json::Value>| {
        let text =
            |name: &str| factor.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let is_one = text("factor_type") == kind && text("status") == "verified";
        let id = Uuid::try_parse(&text("id")).ok().filter(|_| is_one)?;
        let name = text("friendly_name");
        let otherwise = match kind {
            "phone" => "Telephone",
            "webauthn" => "Security key",
            _ => "Authenticator",
        };
        Some((id, if name.is_empty() { otherwise.to_owned() } else { name }))
    };
    user.factors.iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_where_they_go_back_to() {
        assert_eq!(place("https://app.example:8443/cb?x=https://evil.example"), "app.example:8443");
        assert_eq!(place("http://127.0.0.1:5/cb"), "127.0.0.1:5");
        assert_eq!(place("cursor://x/y"), "an application on this machine (cursor)");
    }

    #[test]
    fn going_back_is_a_page_of_its_own_and_keeps_the_address_in_its_place() {
        let answer = onward("https://app.example/cb?code=x&state=%22%3E");
        assert_eq!(answer.0.headers()[REFRESH], "0;url=https://app.example/cb?code=x&state=%22%3E");
        let web::Body::Whole(body) = answer.0.into_body() else { panic!("a stream") };
        assert!(
            String::from_utf8_lossy(&body)
                .contains("href=\"https://app.example/cb?code=x&amp;state=%22%3E\"")
        );
    }
}
