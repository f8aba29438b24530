//! `POST /reauthenticate`: the password once more, for a session whose proof is too old for what is sensitive. Ours, not
//! upstream's: whoever has it open on two devices need not sign in anew to change their address.

use std::sync::Arc;

use ::auth::Error;
use base::Secret;
use serde::Deserialize;
use web::{Ask, Cx, Handled};

use super::super::{State, fields, shape, visit};

#[derive(Deserialize)]
struct Proof {
    #[serde(default, deserialize_with = "fields::secret")]
    password: Option<Secret<String>>,
}

/// The endpoint: the session with new tokens.
pub fn reauthenticate(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Proof = ask.object()?;
        let password = asked.password.ok_or_else(|| Error::invalid("The password is missing"))?;
        let granted = state.auth.reauthenticate(&password, &visit(&cx, &ask)).await?;
        Ok(granted.map(|grant| shape::signed_in(&grant, &state.auth.rules().public_url)))
    })
}
