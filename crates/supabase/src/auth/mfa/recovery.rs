//! `/factors/recovery-codes`: for whoever lost their other factor (wire/gotrue.md 1.7).

use std::sync::Arc;

use ::auth::Error;
use ::auth::mfa::RecoveryCodes;
use base::Secret;
use serde::Deserialize;
use serde_json::{Value, json};
use web::{Answer, Ask, Cx, Handled};

use super::super::{State, fields, shape, visit};

const KIND: &str = "recovery_code";

/// `GET`.
pub fn state(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let left = state.auth.recovery_state(&visit(&cx, &ask)).await?;
        Ok(left.map(|left| {
            let (total, remaining) = (left.total, left.remaining);
            Answer::json(&json!({ "id": left.id, "type": KIND, "total": total, "remaining": remaining }))
        }))
    })
}

#[derive(Deserialize, Default)]
struct New {
    #[serde(default, deserialize_with = "fields::filled")]
    friendly_name: Option<String>,
}

/// `POST`.
pub fn make(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: New = if ask.body.is_empty() { New::default() } else { ask.object()? };
        let made = state.auth.make_recovery_codes(false, &visit(&cx, &ask)).await?;
        Ok(made.map(|made| Answer::json(&codes(&made, asked.friendly_name.as_deref()))))
    })
}

/// `POST …/regenerate`.
pub fn regenerate(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let made = state.auth.make_recovery_codes(true, &visit(&cx, &ask)).await?;
        Ok(made.map(|made| Answer::json(&codes(&made, None))))
    })
}

fn codes(made: &RecoveryCodes, name: Option<&str>) -> Value {
    let codes: Vec<&str> = made.codes.iter().map(|code| code.expose().as_str()).collect();
    let mut shape = json!({ "id": made.id, "type": KIND, "total": codes.len(), "codes": codes });
    if let Some(name) = name {
        shape["friendly_name"] = json!(name);
    }
    shape
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default, deserialize_with = "fields::secret")]
    code: Option<Secret<String>>,
}

/// `POST …/verify`: the session, at its new level.
pub fn verify(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Shown = ask.object()?;
        let code = asked.code.ok_or_else(|| Error::invalid("Code needs to be non-empty"))?;
        let granted = state.auth.use_recovery_code(&code, &visit(&cx, &ask)).await?;
        Ok(granted.map(|grant| shape::signed_in(&grant, &state.auth.rules().public_url)))
    })
}

/// `DELETE`: its id.
pub fn remove(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let removed = state.auth.remove_recovery_codes(&visit(&cx, &ask)).await?;
        Ok(removed.map(|id| Answer::json(&json!({ "id": id }))))
    })
}
