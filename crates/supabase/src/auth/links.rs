//! `/otp`, `/magiclink`, `/recover`, `/resend`, `/reauthenticate`, `/invite` and `/admin/generate_link`: asking for links
//! and codes (wire/gotrue.md 1.4, 1.10).

use std::sync::Arc;

use ::auth::{Again, Along, Challenge, Error, LinkWanted, Purpose};
use serde_json::{Value, json};
use web::{Answer, Ask, Cx, Handled};

use super::{State, fields, shape, visit};

/// Where the browser goes in the end, what the client showed, and what its person reads.
pub fn along(
    state: &State,
    ask: &Ask,
    challenge: Option<&str>,
    method: Option<&str>,
) -> Result<Along, Error> {
    Ok(Along {
        back_to: back_to(state, ask),
        challenge: Challenge::read(challenge, method)?,
        locale: locale(ask),
    })
}

/// Header, query, referer, site: the first that is there, if it is allowed (wire/gotrue.md 0.5).
pub fn back_to(state: &State, ask: &Ask) -> ::auth::Redirect {
    let asked = ask.query_param("redirect_to");
    state.auth.rules().redirects.choose([ask.header("redirect_to"), asked.as_deref(), ask.header("referer")])
}

/// The first language of `Accept-Language`.
fn locale(ask: &Ask) -> Option<String> {
    let first = ask.header("accept-language")?.split([',', ';']).next()?.trim();
    let is_tag = |text: &str| {
        (2..=35).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    is_tag(first).then(|| first.to_owned())
}

/// `POST /otp`.
pub fn otp(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: fields::Otp = ask.object()?;
        let challenge = (asked.code_challenge.as_deref(), asked.code_challenge_method.as_deref());
        let along = along(&state, &ask, challenge.0, challenge.1)?;
        let (visit, data) = (visit(&cx, &ask), asked.data.unwrap_or_default());
        let create = asked.create_user.unwrap_or(true);
        let done = match (asked.email, asked.phone) {
            (Some(email), None) => state.auth.ask_magic_link(&email, create, data, &along, &visit).await?,
            (None, Some(phone)) => {
                let whatsapp = fields::is_whatsapp(asked.channel.as_deref())?;
                state.auth.ask_text(&phone, create, data, whatsapp, &along, &visit).await?
            }
            (None, None) => return Err(Error::invalid("One of email or phone must be set").into()),
            (Some(_), Some(_)) => {
                return Err(Error::invalid("Only an email address or phone number should be provided").into());
            }
        };
        Ok(done.map(|()| Answer::json(&json!({}))))
    })
}

/// `POST /magiclink`.
pub fn magic_link(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: fields::Otp = ask.object()?;
        let challenge = (asked.code_challenge.as_deref(), asked.code_challenge_method.as_deref());
        let along = along(&state, &ask, challenge.0, challenge.1)?;
        let email = asked.email.ok_or_else(|| Error::invalid("Password recovery requires an email"))?;
        let data = asked.data.unwrap_or_default();
        let done = state.auth.ask_magic_link(&email, true, data, &along, &visit(&cx, &ask)).await?;
        Ok(done.map(|()| Answer::json(&json!({}))))
    })
}

/// `POST /recover`.
pub fn recover(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: fields::Otp = ask.object()?;
        let challenge = (asked.code_challenge.as_deref(), asked.code_challenge_method.as_deref());
        let along = along(&state, &ask, challenge.0, challenge.1)?;
        let email = asked.email.ok_or_else(|| Error::invalid("Password recovery requires an email"))?;
        let done = state.auth.ask_recovery(&email, &along, &visit(&cx, &ask)).await?;
        Ok(done.map(|()| Answer::json(&json!({}))))
    })
}

/// `POST /resend`.
pub fn resend(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: fields::Resend = ask.object()?;
        let challenge = (asked.code_challenge.as_deref(), asked.code_challenge_method.as_deref());
        let along = along(&state, &ask, challenge.0, challenge.1)?;
        let (what, to) = match (asked.kind.as_deref(), asked.email, asked.phone) {
            (Some("signup"), Some(email), None) => (Again::Signup, email),
            (Some("email_change"), Some(email), None) => (Again::EmailChange, email),
            (Some("sms"), None, Some(phone)) => (Again::Sms, phone),
            (Some("phone_change"), None, Some(phone)) => (Again::PhoneChange, phone),
            (Some("signup" | "email_change"), _, _) => {
                return Err(Error::invalid("Type provided requires an email address").into());
            }
            (Some("sms" | "phone_change"), _, _) => {
                return Err(Error::invalid("Type provided requires a phone number").into());
            }
            _ => {
                return Err(Error::invalid(
                    "Missing one of these types: signup, email_change, sms, phone_change",
                )
                .into());
            }
        };
        let done = state.auth.ask_again(what, &to, &along, &visit(&cx, &ask)).await?;
        Ok(done.map(|()| Answer::json(&json!({}))))
    })
}

/// `GET /reauthenticate`.
pub fn reauthenticate(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let person = super::account::person(&cx)?;
        let along = along(&state, &ask, None, None)?;
        let done = state.auth.ask_presence(person.user, &along, &visit(&cx, &ask)).await?;
        Ok(done.map(|()| Answer::json(&json!({}))))
    })
}

/// `POST /invite`.
pub fn invite(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: fields::Otp = ask.object()?;
        let along = along(&state, &ask, None, None)?;
        let email = asked.email.ok_or_else(|| Error::invalid("An email address is required"))?;
        let data = asked.data.unwrap_or_default();
        let invited = state.auth.invite(&email, data, &along, &visit(&cx, &ask)).await?;
        Ok(invited.map(|user| Answer::json(&shape::user(&user))))
    })
}

/// `POST /admin/generate_link`: the user's fields with the link's among them.
pub fn generate_link(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: fields::GenerateLink = ask.object()?;
        let purpose = match asked.kind.as_deref() {
            Some("signup") => Purpose::Signup,
            Some("invite") => Purpose::Invite,
            Some("magiclink") => Purpose::MagicLink,
            Some("recovery") => Purpose::Recovery,
            Some("email_change_current") => Purpose::EmailChangeCurrent,
            Some("email_change_new") => Purpose::EmailChangeNew,
            other => {
                let other = other.unwrap_or_default();
                return Err(
                    Error::invalid(format!("Invalid email action link type requested: {other}")).into()
                );
            }
        };
        let wanted = LinkWanted {
            purpose,
            email: asked.email.ok_or_else(|| Error::invalid("An email address is required"))?,
            new_email: asked.new_email,
            password: asked.password,
            data: asked.data.unwrap_or_default(),
        };
        let mut along = along(&state, &ask, None, None)?;
        if let Some(redirect) = &asked.redirect_to {
            along.back_to = state.auth.rules().redirects.choose([Some(redirect.as_str())]);
        }
        let made = state.auth.generate_link(wanted, &along, &visit(&cx, &ask)).await?;
        Ok(made.map(|made| {
            let mut body = shape::user(&made.user);
            if let Value::Object(fields) = &mut body {
                fields.insert("action_link".into(), json!(made.link.expose()));
                fields.insert("email_otp".into(), json!(made.code.expose()));
                fields.insert("hashed_token".into(), json!(made.token.expose()));
                fields.insert("verification_type".into(), json!(made.purpose.name()));
                fields.insert("redirect_to".into(), json!(made.back_to.text()));
            }
            Answer::json(&body)
        }))
    })
}
