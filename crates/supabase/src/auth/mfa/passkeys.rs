//! `/passkeys`: a first factor that a device keeps (wire/gotrue.md 1.11).

use std::sync::Arc;

use ::auth::Error;
use ::auth::mfa::{PasskeyChallenge, PasskeyInfo};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;
use web::{Answer, Ask, Cx, Handled};

use super::super::{State, fields, shape, visit};

/// `POST /passkeys/registration/options`.
pub fn begin(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let begun = state.auth.begin_passkey(&visit(&cx, &ask)).await?;
        Ok(begun.map(|challenge| Answer::json(&options(&challenge))))
    })
}

/// `POST /passkeys/authentication/options`.
pub fn begin_sign_in(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let begun = state.auth.begin_passkey_sign_in().await?;
        Ok(begun.map(|challenge| Answer::json(&options(&challenge))))
    })
}

fn options(challenge: &PasskeyChallenge) -> Value {
    json!({ "challenge_id": challenge.id, "options": challenge.options, "expires_at": challenge.expires_at })
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    challenge_id: String,
    #[serde(default)]
    credential: Value,
}

fn answered(ask: &Ask) -> Result<(Uuid, Value), base::Failure> {
    let asked: Answered = ask.object()?;
    let id =
        Uuid::try_parse(&asked.challenge_id).map_err(|_| Error::invalid("challenge_id must be an UUID"))?;
    if !asked.credential.is_object() {
        return Err(Error::invalid("credential is required").into());
    }
    Ok((id, asked.credential))
}

/// `POST /passkeys/registration/verify`.
pub fn finish(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let (challenge, credential) = answered(&ask)?;
        let made = state.auth.finish_passkey(challenge, &credential, &visit(&cx, &ask)).await?;
        Ok(made.map(|made| Answer::json(&shown(&made))))
    })
}

/// `POST /passkeys/authentication/verify`: a session of one proof.
pub fn sign_in(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let (challenge, credential) = answered(&ask)?;
        let granted = state.auth.sign_in_with_passkey(challenge, &credential, &visit(&cx, &ask)).await?;
        Ok(granted.map(|grant| shape::signed_in(&grant, &state.auth.rules().public_url)))
    })
}

fn shown(passkey: &PasskeyInfo) -> Value {
    let mut shown = json!({
        "id": passkey.id, "friendly_name": passkey.friendly_name, "created_at": passkey.created_at,
    });
    if let Some(at) = passkey.last_used_at {
        shown["last_used_at"] = json!(at);
    }
    shown
}

/// `GET /passkeys`.
pub fn list(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let listed = state.auth.list_passkeys(&visit(&cx, &ask)).await?;
        Ok(listed.map(|list| Answer::json(&list.iter().map(shown).collect::<Vec<_>>())))
    })
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    friendly_name: String,
}

/// `PATCH /passkeys/{id}`.
pub fn rename(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Change = ask.object()?;
        let id = passkey_id(&ask, "id")?;
        let renamed = state.auth.rename_passkey(id, &asked.friendly_name, &visit(&cx, &ask)).await?;
        Ok(renamed.map(|passkey| Answer::json(&shown(&passkey))))
    })
}

/// `DELETE /passkeys/{id}`: 204.
pub fn remove(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let id = passkey_id(&ask, "id")?;
        Ok(state.auth.remove_passkey(id, &visit(&cx, &ask)).await?.map(|()| Answer::no_content()))
    })
}

/// `GET /admin/users/{id}/passkeys`.
pub fn admin_list(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let listed = state.auth.admin_passkeys(fields::user_id(&ask)?).await?;
        Ok(listed.map(|list| Answer::json(&list.iter().map(shown).collect::<Vec<_>>())))
    })
}

/// `DELETE /admin/users/{id}/passkeys/{passkey}`: 204.
pub fn admin_remove(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let (user, id) = (fields::user_id(&ask)?, passkey_id(&ask, "passkey")?);
        let removed = state.auth.admin_remove_passkey(user, id, &visit(&cx, &ask)).await?;
        Ok(removed.map(|()| Answer::no_content()))
    })
}

fn passkey_id(ask: &Ask, name: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(ask.params.get(name)).map_err(|_| ::auth::mfa::Error::NoPasskey.into())
}
