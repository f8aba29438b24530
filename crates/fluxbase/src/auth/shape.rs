//! Fluxbase's JSON: the user (with the name its SDK's types have for metadata beside the one its server has) and the answer
//! to a sign-in.

use ::auth::{Grant, Identity, User};
use http::StatusCode;
use http::header::SET_COOKIE;
use serde_json::{Map, Value, json};
use web::Answer;

/// The user object.
pub fn user(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.email_or_empty(),
        "email_verified": user.email_confirmed_at.is_some(),
        "role": user.role,
        "user_metadata": user.user_metadata,
        "metadata": user.user_metadata,
        "app_metadata": user.app_metadata,
        "is_anonymous": user.is_anonymous,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    })
}

/// Tokens, and whose they are.
pub fn session(grant: &Grant) -> Value {
    let mut session = json!({
        "user": user(&grant.user),
        "access_token": grant.access_token.expose(),
        "refresh_token": grant.refresh_token.expose(),
        "expires_in": grant.expires_in,
        "token_type": "bearer",
    });
    if grant.owes == Some(base::Owed::NewPassword) {
        session["password_expired"] = json!(true);
    }
    session
}

/// The answer to a sign-in, with the cookie by which the device is known again.
pub fn signed_in(status: StatusCode, grant: &Grant, public_url: &str) -> Answer {
    with_device(Answer::json_with(status, &session(grant)), grant, public_url)
}

/// An answer with the cookie by which the device is known again.
pub fn with_device(answer: Answer, grant: &Grant, public_url: &str) -> Answer {
    match &grant.device {
        Some(device) => {
            let https = public_url.starts_with("https:");
            let cookie = web::set_cookie(&device.name, device.value.expose(), device.seconds, https);
            answer.with(SET_COOKIE, &cookie)
        }
        None => answer,
    }
}

/// One way in.
pub fn identity(identity: &Identity) -> Value {
    json!({
        "id": identity.identity_id,
        "user_id": identity.user_id,
        "provider": identity.provider,
        "provider_user_id": identity.id,
        "email": identity.email,
        "identity_data": identity.identity_data,
        "created_at": identity.created_at,
        "updated_at": identity.updated_at,
    })
}

/// A second factor, with the one word its SDK has for the kind.
pub fn factor(factor: &Map<String, Value>) -> Value {
    let field = |name: &str| factor.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "id": field("id"),
        "type": field("factor_type"),
        "status": field("status"),
        "friendly_name": field("friendly_name"),
        "created_at": field("created_at"),
        "updated_at": field("updated_at"),
    })
}
