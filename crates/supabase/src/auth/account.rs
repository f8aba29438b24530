//! `/signup`, `/user`, `/logout`: what people do with their own account.

use std::sync::Arc;

use ::auth::{Error, Scope, SignUp, SignedUp, UserChange};
use base::{Failure, SignedIn};
use web::{Answer, Ask, Cx, Handled};

use super::{State, fields, links, shape, visit};

/// `POST /signup`: the session where addresses are believed, else the user who has to confirm theirs.
pub fn sign_up(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: fields::Credentials = ask.object()?;
        let challenge = (asked.code_challenge.as_deref(), asked.code_challenge_method.as_deref());
        let along = links::along(&state, &ask, challenge.0, challenge.1)?;
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
            along: Some(along),
            whatsapp: fields::is_whatsapp(asked.channel.as_deref())?,
        };
        let signed_up = state.auth.sign_up(new, &visit(&cx, &ask)).await?;
        let public_url = &state.auth.rules().public_url;
        Ok(signed_up.map(|signed_up| match signed_up {
            SignedUp::SignedIn(grant) => shape::signed_in(&grant, public_url),
            SignedUp::Waiting(user) => Answer::json(&shape::user(&user)),
        }))
    })
}

/// `GET /user`.
pub fn get_user(state: Arc<State>, cx: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let person = person(&cx)?;
        let user = state.auth.own_user(person.user).await?;
        Ok(user.map(|user| Answer::json(&shape::user(&::auth::server::told(user, &cx.caller)))))
    })
}

/// `PUT /user`.
pub fn put_user(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let person = person(&cx)?;
        let asked: fields::Change = ask.object()?;
        if asked.app_metadata.is_some() {
            return Err(Error::NotAdmin("Updating app_metadata requires admin privileges").into());
        }
        let challenge = (asked.code_challenge.as_deref(), asked.code_challenge_method.as_deref());
        let along = links::along(&state, &ask, challenge.0, challenge.1)?;
        let whatsapp = fields::is_whatsapp(asked.channel.as_deref())?;
        let change = UserChange {
            email: asked.email,
            phone: asked.phone,
            password: asked.password,
            current_password: asked.current_password,
            nonce: asked.nonce,
            along: Some(along),
            whatsapp,
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
