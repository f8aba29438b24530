//! Our own OAuth 2.1 and OpenID Connect server on the wire (wire/gotrue.md 1.12, RFC 6749, 7009, 7591, 7636, 8414, 9207).
//!
//! Where programs and upstream's own clients read different words, both stand in the answer.

mod clients;
mod discovery;
mod grants;
pub(super) mod page;
mod token;

pub use discovery::openid;

use std::sync::Arc;

use ::auth::server::{Looked, Request, Step, Unread};
use ::auth::{Error, ServerError};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use web::{Answer, Ask, Cx, Handled, Rate, Route};

use super::browser::go;
use super::{ANY, State, account, for_admins, in_browser, open, signed_in, visit};

/// Below `/.well-known`.
pub(super) const DISCOVERY: [Route<State>; 2] = [
    open(Method::GET, "/oauth-authorization-server/auth/v1", discovery::oauth)
        .summary("Where what is of the OAuth server, as RFC 8414 looks for it"),
    open(Method::GET, "/openid-configuration/auth/v1", openid).summary("The same for OIDC clients"),
];

pub(super) const ROUTES: [Route<State>; 27] = [
    open(Method::GET, "/.well-known/oauth-authorization-server", discovery::oauth)
        .summary("Where what is of the OAuth server"),
    open(Method::POST, "/oauth/clients/register", clients::register)
        .rate(Rate::Signup)
        .summary("A program makes itself known, where that is allowed"),
    in_browser(Method::GET, "/oauth/authorize", authorize)
        .settles(ANY)
        .summary("A program's request: sends the browser to whoever asks for consent"),
    signed_in(Method::GET, "/oauth/authorizations/{id}", look)
        .summary("What a program asks of the caller, or where they go on to"),
    signed_in(Method::POST, "/oauth/authorizations/{id}/consent", answer)
        .summary("The caller's answer to a program's request"),
    open(Method::POST, "/oauth/token", token::token).summary("A program exchanges a code or refresh token"),
    open(Method::POST, "/oauth/revoke", token::revoke).summary("A program gives a token back"),
    signed_in(Method::GET, "/oauth/userinfo", userinfo)
        .settles(ANY)
        .for_clients()
        .summary("What a program may know of its person"),
    signed_in(Method::POST, "/oauth/userinfo", userinfo).settles(ANY).for_clients().summary("The same"),
    signed_in(Method::GET, "/user/oauth/grants", grants::list).summary("The programs that the caller let in"),
    signed_in(Method::DELETE, "/user/oauth/grants", grants::revoke)
        .summary("Takes back what the caller agreed to; the program's sessions end"),
    for_admins(Method::GET, "/admin/oauth/clients", clients::list).summary("Clients of the OAuth server"),
    for_admins(Method::POST, "/admin/oauth/clients", clients::create).summary("Makes a client"),
    for_admins(Method::GET, "/admin/oauth/clients/{id}", clients::get).summary("One of them"),
    for_admins(Method::PUT, "/admin/oauth/clients/{id}", clients::change).summary("Changes one"),
    for_admins(Method::DELETE, "/admin/oauth/clients/{id}", clients::remove)
        .summary("Removes one; its sessions end"),
    for_admins(Method::POST, "/admin/oauth/clients/{id}/regenerate_secret", clients::new_secret)
        .summary("Gives one another secret"),
    in_browser(Method::GET, "/oauth/consent", page::show)
        .settles(ANY)
        .summary("The page that asks whether a program may come in"),
    in_browser(Method::POST, "/oauth/consent", page::answer)
        .settles(ANY)
        .summary("Its answer, from the page itself"),
    in_browser(Method::POST, "/oauth/consent/sign-in", page::sign_in)
        .settles(ANY)
        .rate(Rate::Login)
        .account(page::by_mail)
        .summary("Signs in on that page"),
    in_browser(Method::POST, "/oauth/consent/mail", page::mail)
        .settles(ANY)
        .rate(Rate::PasswordReset)
        .account(page::by_mail)
        .summary("Asks for a mail that signs in on that page"),
    in_browser(Method::POST, "/oauth/consent/code", page::code)
        .settles(ANY)
        .rate(Rate::Login)
        .account(page::by_either)
        .summary("Signs in on that page with the code of a mail or a text"),
    in_browser(Method::POST, "/oauth/consent/text", page::text)
        .settles(ANY)
        .rate(Rate::PasswordReset)
        .account(page::by_phone)
        .summary("Asks for a text whose code signs in on that page"),
    in_browser(Method::POST, "/oauth/consent/sso", page::sso)
        .settles(ANY)
        .rate(Rate::Login)
        .summary("Goes on to the identity provider of an organisation, and back to that page"),
    in_browser(Method::POST, "/oauth/consent/passkey", page::passkey)
        .settles(ANY)
        .rate(Rate::Login)
        .summary("Signs in on that page with a passkey"),
    in_browser(Method::POST, "/oauth/consent/factor", page::factor)
        .settles(ANY)
        .rate(Rate::Login)
        .summary("Shows a second factor on that page"),
    in_browser(Method::POST, "/oauth/consent/sign-out", page::sign_out)
        .settles(ANY)
        .summary("Signs out on that page"),
];

/// `GET /oauth/authorize?response_type=code&client_id&redirect_uri&scope&state&code_challenge&code_challenge_method…`
fn authorize(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let visit = visit(&cx, &ask);
        let read = read_request(&ask);
        state.auth.oauth_note_unread(&read, Unread::Request, &visit);
        let request = read?;
        let step = state.auth.oauth_request(request, &visit).await?;
        let step = step.into_inner();
        let here = state.auth.rules().auth_url();
        match step {
            Step::Ask { id, silent: true, .. } => {
                let back = state.auth.oauth_answer_silently(&id, &visit).await?;
                Ok(back.map(|back| go(StatusCode::FOUND, &back)))
            }
            Step::Ask { id, page, silent: false } => {
                let page = page.unwrap_or_else(|| format!("{here}/oauth/consent?authorization_id={id}"));
                Ok(web::Reply::untouched(go(StatusCode::FOUND, &page), "the request was committed above"))
            }
            Step::Back(to) => {
                Ok(web::Reply::untouched(go(StatusCode::FOUND, &to), "nothing is kept of a refused request"))
            }
        }
    })
}

/// Each parameter once (RFC 6749 3.1): of two, client and server might read different ones.
fn read_request(ask: &Ask) -> Result<Request, Error> {
    let mut request = Request::default();
    for (name, value) in ask.query_pairs() {
        let place = match name.as_str() {
            "client_id" => &mut request.client_id,
            "redirect_uri" => &mut request.redirect_uri,
            "response_type" => &mut request.response_type,
            "response_mode" => &mut request.response_mode,
            "scope" => &mut request.scope,
            "state" => &mut request.state,
            "code_challenge" => &mut request.code_challenge,
            "code_challenge_method" => &mut request.code_challenge_method,
            "resource" => &mut request.resource,
            "nonce" => &mut request.nonce,
            "prompt" => &mut request.prompt,
            "max_age" => &mut request.max_age,
            "request" => &mut request.request,
            "request_uri" => &mut request.request_uri,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(ServerError::Request("a parameter is there twice").into());
        }
    }
    Ok(request)
}

/// `GET /oauth/authorizations/{id}`.
fn look(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let looked = state.auth.oauth_look(ask.params.get("id"), &visit(&cx, &ask)).await?;
        Ok(looked.map(|looked| match looked {
            Looked::Back(to) => Answer::json(&json!({ "redirect_url": to })),
            Looked::Ask(question) => Answer::json(&json!({
                "authorization_id": question.id,
                "redirect_uri": question.redirect_uri,
                "client": shown(&question.client),
                "user": { "id": question.user, "email": question.email },
                "scope": question.scope,
            })),
        }))
    })
}

fn shown(client: &::auth::server::Client) -> Value {
    json!({
        "id": client.id,
        "name": client.name.as_deref().unwrap_or_default(),
        "uri": client.uri.as_deref().unwrap_or_default(),
        "logo_uri": client.logo.as_deref().unwrap_or_default(),
    })
}

#[derive(Deserialize)]
struct Action {
    action: Option<String>,
}

/// `POST /oauth/authorizations/{id}/consent`: `{action}`.
fn answer(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Action = ask.object()?;
        let approve = read_action(asked.action.as_deref())?;
        let back = state.auth.oauth_answer(ask.params.get("id"), approve, &visit(&cx, &ask)).await?;
        Ok(back.map(|back| Answer::json(&json!({ "redirect_url": back }))))
    })
}

fn read_action(action: Option<&str>) -> Result<bool, Error> {
    match action {
        Some("approve") => Ok(true),
        Some("deny") => Ok(false),
        Some(_) | None => Err(Error::invalid("action must be 'approve' or 'deny'")),
    }
}

/// `GET` and `POST /oauth/userinfo`.
fn userinfo(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        account::person(&cx)?;
        let told = state.auth.oauth_userinfo(&visit(&cx, &ask)).await?;
        Ok(told.map(|told| Answer::json(&told)))
    })
}
