//! `/factors`: what people do with their own second factors.

use std::sync::Arc;

use ::auth::Error;
use ::auth::mfa::{Answer, Enrol, Enrolled, FactorType};
use base::Secret;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use web::{Answer as Said, Ask, Cx, Handled};

use super::super::{State, fields, shape, visit};
use super::factor_id;

#[derive(Deserialize)]
struct NewFactor {
    #[serde(default)]
    factor_type: String,
    #[serde(default)]
    friendly_name: Option<String>,
    #[serde(default, deserialize_with = "fields::filled")]
    issuer: Option<String>,
    #[serde(default, deserialize_with = "fields::filled")]
    phone: Option<String>,
}

/// `POST /factors`.
pub fn enrol(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: NewFactor = ask.object()?;
        let kind = FactorType::named(&asked.factor_type)
            .ok_or_else(|| Error::invalid("factor_type needs to be totp, phone, or webauthn"))?;
        let new = Enrol {
            kind,
            friendly_name: asked.friendly_name.unwrap_or_default(),
            issuer: asked.issuer,
            phone: asked.phone,
        };
        let enrolled = state.auth.enrol_factor(new, &visit(&cx, &ask)).await?;
        Ok(enrolled.map(|enrolled| Said::json(&enrolment(&enrolled))))
    })
}

fn enrolment(enrolled: &Enrolled) -> Value {
    let mut fields = Map::new();
    fields.insert("id".into(), json!(enrolled.id));
    fields.insert("type".into(), json!(enrolled.kind.name()));
    fields.insert("friendly_name".into(), json!(enrolled.friendly_name));
    if let Some(totp) = &enrolled.totp {
        let told =
            json!({ "qr_code": totp.qr_code, "secret": totp.secret.expose(), "uri": totp.uri.expose() });
        fields.insert("totp".into(), told);
    }
    if let Some(phone) = &enrolled.phone {
        fields.insert("phone".into(), json!(phone));
    }
    Value::Object(fields)
}

/// `POST /factors/{id}/challenge`. What an SDK says of the relying party is not read: that is configured.
pub fn challenge(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let factor = factor_id(&ask, "id")?;
        let challenge = state.auth.challenge_factor(factor, &visit(&cx, &ask)).await?;
        Ok(challenge.map(|challenge| {
            let mut answer = json!({
                "id": challenge.id, "type": challenge.kind.name(), "expires_at": challenge.expires_at,
            });
            if let Some((kind, options)) = challenge.webauthn {
                answer["webauthn"] = json!({ "type": kind, "credential_options": options });
            }
            Said::json(&answer)
        }))
    })
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    challenge_id: Option<String>,
    #[serde(default, deserialize_with = "fields::secret")]
    code: Option<Secret<String>>,
    #[serde(default)]
    webauthn: Option<ShownCredential>,
}

#[derive(Deserialize)]
struct ShownCredential {
    #[serde(default)]
    credential_response: Value,
}

/// `POST /factors/{id}/verify`: the session, at its new level.
pub fn verify(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let factor = factor_id(&ask, "id")?;
        let asked: Shown = ask.object()?;
        let challenge = asked.challenge_id.as_deref().and_then(|id| Uuid::try_parse(id).ok());
        let challenge = challenge.ok_or_else(|| Error::invalid("challenge_id must be an UUID"))?;
        let answer = match (asked.code, asked.webauthn) {
            (_, Some(shown)) => Answer::Credential(shown.credential_response),
            (Some(code), None) => Answer::Code(code),
            (None, None) => return Err(Error::invalid("Code needs to be non-empty").into()),
        };
        let granted = state.auth.verify_factor(factor, challenge, &answer, &visit(&cx, &ask)).await?;
        Ok(granted.map(|grant| shape::signed_in(&grant, &state.auth.rules().public_url)))
    })
}

/// `DELETE /factors/{id}`: its id.
pub fn remove(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let factor = factor_id(&ask, "id")?;
        let removed = state.auth.remove_factor(factor, &visit(&cx, &ask)).await?;
        Ok(removed.map(|id| Said::json(&json!({ "id": id }))))
    })
}
