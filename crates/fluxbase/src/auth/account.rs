//! `signup`, `user`, `user/identities`.

use std::sync::Arc;

use ::auth::{SignUp, SignedUp, UserChange};
use base::Secret;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use web::{Answer, Ask, Cx, Handled};

use super::{State, person, shape, visit};

/// Who an account is about: sign-up and sign-in.
#[derive(Deserialize)]
pub struct Credentials {
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    user_metadata: Option<Map<String, Value>>,
    /// Where the confirmation leads.
    #[serde(default)]
    callback_url: Option<String>,
    /// The SDK's older name for it.
    #[serde(default)]
    options: Option<Options>,
}

#[derive(Deserialize)]
struct Options {
    #[serde(default, alias = "data")]
    user_metadata: Option<Map<String, Value>>,
}

impl Credentials {
    pub fn password(&self) -> Secret<String> {
        Secret::new(self.password.clone().unwrap_or_default())
    }
}

/// The account a request is about, for its budget.
pub fn email_of(ask: &Ask) -> Option<String> {
    ask.object::<Credentials>().ok()?.email
}

/// `POST signup`: 201.
pub fn sign_up(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Credentials = ask.object()?;
        let password = Some(asked.password());
        let along = super::links::along(&state, &ask, &[asked.callback_url.as_deref()]);
        let data = asked.user_metadata.or(asked.options.and_then(|options| options.user_metadata));
        let new = SignUp {
            email: asked.email,
            phone: None,
            password,
            data: data.unwrap_or_default(),
            along: Some(along),
            whatsapp: false,
        };
        let signed_up = state.auth.sign_up(new, &visit(&cx, &ask)).await?;
        let url = state.auth.rules().public_url.clone();
        Ok(signed_up.map(|signed_up| match signed_up {
            SignedUp::SignedIn(grant) => shape::signed_in(StatusCode::CREATED, &grant, &url),
            SignedUp::Waiting(user) => Answer::json_with(
                StatusCode::CREATED,
                &json!({
                    "user": shape::user(&user), "session": null, "requires_email_verification": true,
                    "message": "Please check your email to verify your account",
                }),
            ),
        }))
    })
}

/// `GET user`.
pub fn get_user(state: Arc<State>, cx: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let user = state.auth.own_user(person(&cx)?.user).await?;
        Ok(user.map(|user| Answer::json(&shape::user(&user))))
    })
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    current_password: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default, alias = "metadata", alias = "data")]
    user_metadata: Option<Map<String, Value>>,
}

/// `PATCH user`.
pub fn change_user(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Change = ask.object()?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let change = UserChange {
            email: filled(asked.email),
            password: filled(asked.password).map(Secret::new),
            current_password: filled(asked.current_password).map(Secret::new),
            nonce: filled(asked.nonce).map(Secret::new),
            data: asked.user_metadata,
            ..UserChange::default()
        };
        let changed = state.auth.change_own(person(&cx)?.user, change, &visit(&cx, &ask)).await?;
        Ok(changed.map(|user| Answer::json(&shape::user(&user))))
    })
}

/// `GET user/identities`.
pub fn identities(state: Arc<State>, cx: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let user = state.auth.own_user(person(&cx)?.user).await?;
        Ok(user.map(|user| {
            let all: Vec<Value> = user.identities.iter().map(shape::identity).collect();
            Answer::json(&json!({ "identities": all }))
        }))
    })
}
