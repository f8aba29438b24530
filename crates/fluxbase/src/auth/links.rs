//! `password/reset`, `magiclink`, `otp`, `verify-email`, `reauthenticate`, `signin/anonymous`: what is sent to people, and
//! what they bring back.
//!
//! Whoever asks for something to be sent learns nothing of who has an account; the SDK reads `user` and `session`, which
//! are null then.

use std::sync::Arc;

use ::auth::{Again, Along, Error, Grant, Reset, Shown, Verified};
use base::{Failure, Secret};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use web::{Answer, Ask, Cx, Handled, Rate, Reply, Route};

use super::{State, open, person, shape, signed_in, visit};

pub(super) const ROUTES: [Route<State>; 12] = [
    open(Method::POST, "/password/reset", ask_reset)
        .rate(Rate::PasswordReset)
        .account(account_of)
        .summary("Sends a link that leads to another password"),
    open(Method::POST, "/password/reset/verify", is_reset)
        .rate(Rate::Login)
        .summary("Whether such a link is still good; looking spends nothing"),
    open(Method::POST, "/password/reset/confirm", reset)
        .rate(Rate::Login)
        .summary("Spends such a link, for another password"),
    open(Method::POST, "/magiclink", ask_magic_link)
        .rate(Rate::PasswordReset)
        .account(account_of)
        .summary("Sends a link and a code that sign in"),
    open(Method::POST, "/magiclink/verify", magic_link).rate(Rate::Login).summary("Spends such a link"),
    open(Method::POST, "/otp/signin", ask_code)
        .rate(Rate::PasswordReset)
        .account(account_of)
        .summary("Sends a code that signs in, by mail or telephone"),
    open(Method::POST, "/otp/verify", code)
        .rate(Rate::Login)
        .account(account_of)
        .summary("Spends such a code"),
    open(Method::POST, "/otp/resend", ask_again)
        .rate(Rate::PasswordReset)
        .account(account_of)
        .summary("Sends a code once more"),
    open(Method::POST, "/verify-email", confirm)
        .rate(Rate::Login)
        .summary("Spends the link that confirms a new account's address"),
    open(Method::POST, "/verify-email/resend", confirm_again)
        .rate(Rate::PasswordReset)
        .account(account_of)
        .summary("Sends that link once more"),
    open(Method::POST, "/signin/anonymous", anonymous)
        .rate(Rate::Signup)
        .summary("Makes an account for somebody who says nothing of themselves"),
    signed_in(Method::POST, "/reauthenticate", reauthenticate)
        .rate(Rate::PasswordReset)
        .summary("Sends the caller a code that proves they are there"),
];

/// Everything these endpoints take, each its part.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    email: Option<String>,
    phone: Option<String>,
    token: Option<String>,
    new_password: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    redirect_to: Option<String>,
    options: Option<Options>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Options {
    #[serde(alias = "emailRedirectTo", alias = "email_redirect_to", alias = "redirectTo")]
    redirect_to: Option<String>,
    #[serde(alias = "shouldCreateUser")]
    should_create_user: Option<bool>,
    data: Option<Map<String, Value>>,
    channel: Option<String>,
}

/// The account a request is about, for its budget.
fn account_of(ask: &Ask) -> Option<String> {
    let asked: Asked = ask.object().ok()?;
    filled(asked.email).or(filled(asked.phone))
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Where a link leads in the end: what the body names, if it is allowed, else the site.
pub(super) fn along(state: &State, ask: &Ask, places: &[Option<&str>]) -> Along {
    let referer = [ask.header("referer")];
    let back_to = state.auth.rules().redirects.choose(places.iter().chain(&referer).copied());
    let first = ask.header("accept-language").and_then(|line| line.split([',', ';']).next()).map(str::trim);
    let is_tag = |text: &&str| {
        (2..=35).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    Along { back_to, challenge: None, locale: first.filter(is_tag).map(str::to_owned) }
}

impl Asked {
    fn along(&self, state: &State, ask: &Ask) -> Along {
        let options = self.options.as_ref().and_then(|options| options.redirect_to.as_deref());
        along(state, ask, &[self.redirect_to.as_deref(), options])
    }

    fn email(&self) -> Result<String, Error> {
        filled(self.email.clone()).ok_or_else(|| Error::invalid("email is required"))
    }

    fn token(&self) -> Result<Secret<String>, Error> {
        filled(self.token.clone()).map(Secret::new).ok_or_else(|| Error::invalid("token is required"))
    }
}

/// What is said when something was sent, or would have been.
fn sent(message: &str) -> Answer {
    Answer::json(&json!({ "user": null, "session": null, "message": message }))
}

fn ask_reset(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        let done =
            state.auth.ask_recovery(&asked.email()?, &asked.along(&state, &ask), &visit(&cx, &ask)).await?;
        Ok(done.map(|()| sent("If an account with that email exists, a password reset link has been sent")))
    })
}

fn is_reset(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        let good = state.auth.is_reset_link(&asked.token()?).await?;
        Ok(good.map(|valid| {
            let message = if valid { "Token is valid" } else { "Invalid or expired token" };
            Answer::json(&json!({ "valid": valid, "message": message }))
        }))
    })
}

fn reset(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        let password = Secret::new(asked.new_password.clone().unwrap_or_default());
        let done = state.auth.reset_password(&asked.token()?, &password, &visit(&cx, &ask)).await?;
        let url = state.auth.rules().public_url.clone();
        Ok(done.map(|done| match done {
            Reset::Done(grant) => shape::signed_in(StatusCode::OK, &grant, &url),
            Reset::FactorNeeded(grant) => super::two_factor::asked_for(&grant),
        }))
    })
}

fn ask_magic_link(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        let (email, along) = (asked.email()?, asked.along(&state, &ask));
        let done = state.auth.ask_magic_link(&email, true, Map::new(), &along, &visit(&cx, &ask)).await?;
        Ok(done.map(|()| sent("Magic link sent to your email")))
    })
}

fn magic_link(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        spend(&state, &cx, &ask, "magiclink", Shown::Token(asked.token()?)).await
    })
}

fn ask_code(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        let along = asked.along(&state, &ask);
        let options = asked.options.unwrap_or_default();
        let (create, data) = (options.should_create_user.unwrap_or(true), options.data.unwrap_or_default());
        let visit = visit(&cx, &ask);
        let done = match (filled(asked.email), filled(asked.phone)) {
            (Some(email), None) => state.auth.ask_magic_link(&email, create, data, &along, &visit).await?,
            (None, Some(phone)) => {
                let whatsapp = options.channel.as_deref() == Some("whatsapp");
                state.auth.ask_text(&phone, create, data, whatsapp, &along, &visit).await?
            }
            _ => return Err(Error::invalid("Either email or phone is required").into()),
        };
        Ok(done.map(|()| sent("OTP code sent")))
    })
}

fn code(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        let code = asked.token()?;
        let (kind, shown) = match (filled(asked.email), filled(asked.phone)) {
            (Some(email), None) => ("email", Shown::MailedCode { email, code }),
            (None, Some(phone)) => ("sms", Shown::TextedCode { phone, code }),
            _ => return Err(Error::invalid("Either email or phone is required").into()),
        };
        let kind = filled(asked.kind).unwrap_or_else(|| kind.to_owned());
        spend(&state, &cx, &ask, &kind, shown).await
    })
}

fn ask_again(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        let (along, visit) = (asked.along(&state, &ask), visit(&cx, &ask));
        let kind = asked.kind.as_deref().unwrap_or_default();
        let done = match (filled(asked.email), filled(asked.phone), kind) {
            (Some(email), None, "email_change") => {
                state.auth.ask_again(Again::EmailChange, &email, &along, &visit).await?
            }
            (Some(email), None, "signup") => {
                state.auth.ask_again(Again::Signup, &email, &along, &visit).await?
            }
            // Whoever signs in with codes is sent another one; nobody new is made by that.
            (Some(email), None, _) => {
                state.auth.ask_magic_link(&email, false, Map::new(), &along, &visit).await?
            }
            (None, Some(phone), "phone_change") => {
                state.auth.ask_again(Again::PhoneChange, &phone, &along, &visit).await?
            }
            (None, Some(phone), _) => state.auth.ask_again(Again::Sms, &phone, &along, &visit).await?,
            _ => return Err(Error::invalid("Either email or phone is required").into()),
        };
        Ok(done.map(|()| sent("OTP code sent")))
    })
}

fn confirm(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        spend(&state, &cx, &ask, "signup", Shown::Token(asked.token()?)).await
    })
}

fn confirm_again(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        let along = asked.along(&state, &ask);
        let done = state.auth.ask_again(Again::Signup, &asked.email()?, &along, &visit(&cx, &ask)).await?;
        Ok(done
            .map(|()| sent("If an account with that email waits for it, a verification link has been sent")))
    })
}

fn anonymous(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let made = state.auth.sign_up_anonymously(Map::new(), &visit(&cx, &ask)).await?;
        let url = state.auth.rules().public_url.clone();
        Ok(made.map(|grant| {
            let mut told = shape::session(&grant);
            told["is_anonymous"] = json!(true);
            shape::with_device(Answer::json(&told), &grant, &url)
        }))
    })
}

/// The code goes to the person, never into the answer: whoever holds a stolen token would prove nothing otherwise.
fn reauthenticate(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let along = along(&state, &ask, &[]);
        let done = state.auth.ask_presence(person(&cx)?.user, &along, &visit(&cx, &ask)).await?;
        let message = "A code was sent: it is the nonce of the change that needs it";
        Ok(done.map(|()| Answer::json(&json!({ "nonce": null, "message": message }))))
    })
}

/// Spends what was sent; whoever has a second factor is asked for it.
async fn spend(
    state: &State,
    cx: &Cx,
    ask: &Ask,
    kind: &str,
    shown: Shown,
) -> Result<Reply<Answer>, Failure> {
    let verified = state.auth.verify(kind, shown, false, &visit(cx, ask)).await?;
    let url = state.auth.rules().public_url.clone();
    Ok(verified.map(|verified| match verified {
        Verified::SignedIn(grant, _) => arrived(&grant, &url),
        Verified::Code(_) | Verified::Halfway { .. } => {
            sent("Accepted. Please confirm the link sent to the other address as well")
        }
    }))
}

/// A session, or the question for a second factor.
pub(super) fn arrived(grant: &Grant, public_url: &str) -> Answer {
    match super::two_factor::has_factor(&grant.user) {
        true => super::two_factor::asked_for(grant),
        false => shape::signed_in(StatusCode::OK, grant, public_url),
    }
}
