//! `/signup`, `/user`, `/logout`: what people do with their own account.

use std::sync::Arc;

use ::auth::{Challenge, Error, Scope, SignUp, UserChange};
use base::{Failure, SignedIn};
use web::{Answer, Ask, Cx, Handled};

use super::{State, fields, shape, visit};

/// `POST /signup`: the session, since accounts are confirmed at once or not made at all.
pub fn sign_up(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: fields::Credentials = ask.json()?;
        Challenge::read(asked.code_challenge.as_deref(), asked.code_challenge_method.as_deref())?;
        if asked.email.is_none() && asked.phone.is_none() {
            let data = asked.data.unwrap_or_default();
            let made = state.auth.sign_up_anonymously(data, &visit(&cx, &ask)).await?;
            return Ok(made.map(|grant| shape::signed_in(&grant, &state.auth.rules().public_url)));
        }
        let new = SignUp {
            email: asked.email,
            phone: asked.phone,
            password: asked.password,
            data: asked.data.unwrap_or_default(),
        };
        let signed_up = state.auth.sign_up(new, &visit(&cx, &ask)).await?;
        Ok(signed_up.map(|grant| shape::signed_in(&grant, &state.auth.rules().public_url)))
    })
}

/// `GET /user`.
pub fn get_user(state: Arc<State>, cx: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let person = person(&cx)?;
        Ok(state.auth.own_user(person.user).await?.map(|user| Answer::json(&shape::user(&user))))
    })
}

/// `PUT /user`.
pub fn put_user(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let person = person(&cx)?;
        let asked: fields::Change = ask.json()?;
        if asked.app_metadata.is_some() {
            return Err(Error::NotAdmin("Updating app_metadata requires admin privileges").into());
        }
        let change = UserChange {
            email: asked.email,
            phone: asked.phone,
            password: asked.password,
            current_password: asked.current_password,
            data: asked.data,
        };
        let changed = state.auth.change_own(person.user, change, &visit(&cx, &ask)).await?;
        Ok(changed.map(|user| Answer::json(&shape::user(&user))))
    })
}

/// `POST /logout?scope=global|local|others`: 204.
pub fn log_out(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let person = person(&cx)?;
        let scope = match ask.query_param("scope").as_deref() {
            None | Some("" | "global") => Scope::Global,
            Some("local") => Scope::Local,
            Some("others") => Scope::Others,
            Some(other) => return Err(Error::invalid(format!("Unsupported logout scope {other:?}")).into()),
        };
        let ended = state.auth.sign_out(person.user, person.session, scope, &visit(&cx, &ask)).await?;
        Ok(ended.map(|()| Answer::no_content()))
    })
}

pub(super) fn person(cx: &Cx) -> Result<SignedIn, Failure> {
    cx.caller.signed_in().cloned().ok_or_else(|| web::Error::NotSignedIn.into())
}
