//! `/authorize` and `/callback`: to somebody else's sign-in and back (wire/gotrue.md 1.8).

use std::sync::Arc;

use ::auth::oauth::{Landing, Returned, Start};
use ::auth::{Challenge, Error, OauthError, Redirect, Visit};
use base::{Failure, Fault, Secret};
use http::{Method, StatusCode};
use uuid::Uuid;
use web::csrf::form_field;
use web::{Answer, Ask, Cx, Handled, Limits, Reply, Route};

use super::browser::{Browser, go, html, html_to, source};
use super::page::escape;
use super::server::page as consent;
use super::{State, envelope, in_browser, visit};

pub(super) const ROUTES: [Route<State>; 7] = [
    in_browser(Method::GET, "/authorize", authorize).summary("Sends a browser to another sign-in"),
    in_browser(Method::GET, "/callback", callback).summary("Where the other sign-in sends it back to"),
    // No cookie comes with another site's form: what it brings waits until the browser comes by itself.
    Route::new(Method::POST, "/callback", web::Guard::Open, posted)
        .credentials(web::Credentials::None)
        .limits(Limits::SMALL)
        .from_elsewhere()
        .summary("The same, for providers that post"),
    in_browser(Method::GET, "/callback/link", ask_to_link)
        .summary("Asks whether an identity shall be linked"),
    in_browser(Method::POST, "/callback/link", link).summary("Links it"),
    in_browser(Method::GET, "/callback/confirm", ask_by_mail)
        .summary("The page of a mail that asks whether an identity is one's own; looking spends nothing"),
    in_browser(Method::POST, "/callback/confirm", confirm).summary("Says yes to it"),
];

/// What an application asks for with `/authorize` and `/user/identities/authorize`.
pub(super) fn start(state: &State, ask: &Ask) -> Result<Start, Error> {
    const READ: [&str; 9] = [
        "provider",
        "scopes",
        "redirect_to",
        "code_challenge",
        "code_challenge_method",
        "skip_http_redirect",
        "invite_token",
        "apikey",
        "flow",
    ];
    let query = |name: &str| ask.query_param(name).unwrap_or_default();
    Ok(Start {
        provider: query("provider").to_ascii_lowercase(),
        scopes: query("scopes"),
        back_to: back_to(state, ask),
        challenge: Challenge::read(
            ask.query_param("code_challenge").as_deref(),
            ask.query_param("code_challenge_method").as_deref(),
        )?,
        invite: ask.query_param("invite_token").filter(|token| !token.is_empty()).map(Secret::new),
        extra: ask.query_pairs().filter(|(name, _)| !READ.contains(&name.as_str())).collect(),
    })
}

fn back_to(state: &State, ask: &Ask) -> Redirect {
    let query = ask.query_param("redirect_to");
    let asked = [ask.header("redirect_to"), query.as_deref(), ask.header("referer")];
    state.auth.rules().redirects.choose(asked)
}

/// `GET /authorize?provider=…`, or `?flow=…` for what an application began.
fn authorize(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let browser = Browser::of(&state, &cx, &ask);
        let to = match ask.query_param("flow").filter(|flow| !flow.is_empty()) {
            Some(flow) => state.auth.oauth_take_up(read_id(&flow)?, &browser.value).await?,
            None => state.auth.oauth_begin(start(&state, &ask)?, &browser.value).await?,
        };
        Ok(to.map(|to| browser.with(go(StatusCode::FOUND, &to))))
    })
}

fn read_id(text: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(text).map_err(|_| OauthError::State.into())
}

/// `GET /callback?code&state`.
fn callback(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let returned = returned(&|name| ask.query_param(name));
        // Without a cookie the state cannot be of this browser.
        let browser = web::csrf::browser(&ask.parts.headers).unwrap_or_default();
        let visit = visit(&cx, &ask);
        let landing = state.auth.oauth_return(returned, &browser, &visit).await?;
        Ok(landing.map(|landing| land(&state, &landing, &visit)))
    })
}

/// `POST /callback`, as `response_mode=form_post` has it.
fn posted(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let returned = returned(&|name| form_field(&ask.body, name));
        let parked = state.auth.oauth_park(&returned).await?;
        let here = state.auth.rules().auth_url();
        Ok(parked.map(|flow| go(StatusCode::SEE_OTHER, &format!("{here}/callback?state={flow}"))))
    })
}

fn returned(field: &dyn Fn(&str) -> Option<String>) -> Returned {
    let filled = |name: &str| field(name).filter(|text| !text.is_empty());
    Returned {
        state: filled("state").unwrap_or_default(),
        code: filled("code"),
        error: filled("error"),
        error_description: filled("error_description"),
        iss: filled("iss"),
        user: filled("user"),
    }
}

/// The browser's next address.
fn land(state: &State, landing: &Landing, visit: &Visit) -> Answer {
    let is_page = |back_to: &Redirect| state.auth.rules().redirects.is_page(back_to);
    match landing {
        Landing::Session { back_to, grant } if is_page(back_to) => consent::arrived(state, grant, back_to),
        Landing::Code { back_to, code } => {
            go(StatusCode::FOUND, &back_to.with_query(&[("code", code.expose())]))
        }
        Landing::Session { back_to, grant } => {
            let mut providers = Vec::new();
            if let Some((token, refresh)) = &grant.provider_tokens {
                providers.push(("provider_token", token.as_str()));
                providers.extend(refresh.as_deref().map(|refresh| ("provider_refresh_token", refresh)));
            }
            go(StatusCode::FOUND, &back_to.with_session(grant, &providers))
        }
        Landing::Refused { back_to, error } => {
            let to = envelope::in_address(back_to, error, true, visit);
            match is_page(back_to) {
                true => consent::refused(back_to, consent::reason(error)),
                false => go(StatusCode::FOUND, &to),
            }
        }
        Landing::Ask { flow } => go(StatusCode::FOUND, &format!("callback/link?flow={flow}")),
    }
}

/// `GET /callback/link?flow=…`, in the browser that the flow belongs to.
fn ask_to_link(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let flow = ask.query_param("flow").unwrap_or_default();
        let browser = Browser::of(&state, &cx, &ask);
        let asked = match read_id(&flow) {
            Ok(flow) => state.auth.link_question(flow, &browser.value).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(question) => {
                let elsewhere = source(state.auth.rules().redirects.site().text());
                Ok(question.map(|question| {
                    let fields = format!(
                        "{}<input type=\"hidden\" name=\"flow\" value=\"{}\">",
                        browser.field(),
                        escape(&flow)
                    );
                    html_to(StatusCode::OK, &form(&question, "link", &fields), Some(&elsewhere))
                }))
            }
            Err(error) => gone(error),
        }
    })
}

/// `GET /callback/confirm?flow&token`: a mail scanner that looks spends nothing.
fn ask_by_mail(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let (flow, token) =
            (ask.query_param("flow").unwrap_or_default(), ask.query_param("token").unwrap_or_default());
        let browser = Browser::of(&state, &cx, &ask);
        let asked = match read_id(&flow) {
            Ok(flow) => state.auth.link_question(flow, &token).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(question) => {
                let elsewhere = source(state.auth.rules().redirects.site().text());
                Ok(question.map(|question| {
                    let hidden = |name: &str, value: &str| {
                        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
                    };
                    let fields =
                        format!("{}{}{}", browser.field(), hidden("flow", &flow), hidden("token", &token));
                    let page =
                        html_to(StatusCode::OK, &form(&question, "confirm", &fields), Some(&elsewhere));
                    browser.with(page)
                }))
            }
            Err(error) => gone(error),
        }
    })
}

fn form(question: &::auth::oauth::Question, action: &str, fields: &str) -> String {
    let (provider, name, account) =
        (escape(&question.provider), escape(&question.name), escape(&question.account));
    format!(
        "<h1>Connect {provider}?</h1>\
         <p>The {provider} account <strong>{name}</strong> will be able to sign in as <strong>{account}</strong>.</p>\
         <p>If this is not yours, close this page: nothing happens.</p>\
         <form method=\"post\" action=\"{action}\">{fields}<p><button>Connect</button></p></form>"
    )
}

/// `POST /callback/link`, as the page sends it.
fn link(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let browser = web::csrf::browser(&ask.parts.headers).unwrap_or_default();
        finish(&state, &cx, &ask, &browser).await
    })
}

/// `POST /callback/confirm`, as the page sends it.
fn confirm(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let token = form_field(&ask.body, "token").unwrap_or_default();
        finish(&state, &cx, &ask, &token).await
    })
}

async fn finish(state: &State, cx: &Cx, ask: &Ask, proof: &str) -> Result<Reply<Answer>, Failure> {
    let flow = form_field(&ask.body, "flow").unwrap_or_default();
    let visit = visit(cx, ask);
    let linked = match read_id(&flow) {
        Ok(flow) => state.auth.link_confirmed(flow, proof, &visit).await,
        Err(error) => Err(error),
    };
    match linked {
        Ok(landing) => Ok(landing.map(|landing| land(state, &landing, &visit))),
        Err(error) => gone(error),
    }
}

/// A page for a person instead of a body for a program; what is ours to mend stays a failure.
fn gone(error: Error) -> Result<Reply<Answer>, Failure> {
    if error.kind().is_ours() {
        return Err(error.into());
    }
    let page = format!("<h1>That did not work</h1><p role=\"alert\">{}</p>", escape(&error.message()));
    Ok(Reply::untouched(html(envelope::of_auth(&error).0, &page), "nothing changed"))
}
