//! GoTrue's JSON: the user, its identities, the session (wire/gotrue.md 0.7).
//!
//! `aud`, `role`, `email` and `phone` are always texts; what is unset is left out, never null, but in identities.

use ::auth::{Grant, Identity, User};
use http::HeaderName;
use http::header::SET_COOKIE;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use web::Answer;

/// The user object.
pub fn user(user: &User) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    put("id", json!(user.id));
    put("aud", json!(user.aud));
    put("role", json!(user.role));
    put("email", json!(user.email_or_empty()));
    put("phone", json!(user.phone_or_empty()));
    for (name, at) in [
        ("email_confirmed_at", user.email_confirmed_at),
        ("invited_at", user.invited_at),
        ("phone_confirmed_at", user.phone_confirmed_at),
        ("confirmation_sent_at", user.confirmation_sent_at),
        ("confirmed_at", user.confirmed_at),
        ("recovery_sent_at", user.recovery_sent_at),
        ("email_change_sent_at", user.email_change_sent_at),
        ("phone_change_sent_at", user.phone_change_sent_at),
        ("reauthentication_sent_at", user.reauthentication_sent_at),
        ("last_sign_in_at", user.last_sign_in_at),
        ("banned_until", user.banned_until),
        ("deleted_at", user.deleted_at),
    ] {
        if let Some(at) = at {
            put(name, json!(at));
        }
    }
    for (name, text) in [("new_email", &user.new_email), ("new_phone", &user.new_phone)] {
        if let Some(text) = text {
            put(name, json!(text));
        }
    }
    put("app_metadata", Value::Object(user.app_metadata.clone()));
    put("user_metadata", Value::Object(user.user_metadata.clone()));
    if !user.factors.is_empty() {
        put("factors", factors(user));
    }
    put("identities", user.identities.iter().map(identity).collect());
    put("created_at", json!(user.created_at.unwrap_or(Timestamp::UNIX_EPOCH)));
    put("updated_at", json!(user.updated_at.unwrap_or(Timestamp::UNIX_EPOCH)));
    put("is_anonymous", json!(user.is_anonymous));
    Value::Object(fields)
}

/// The factors of a user.
pub fn factors(user: &User) -> Value {
    user.factors.iter().cloned().map(|fields| factor(Value::Object(fields))).collect()
}

/// One factor: what is unset is left out.
pub fn factor(fields: Value) -> Value {
    match fields {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
}

fn identity(identity: &Identity) -> Value {
    json!({
        "identity_id": identity.identity_id,
        "id": identity.id,
        "user_id": identity.user_id,
        "identity_data": identity.identity_data,
        "provider": identity.provider,
        "last_sign_in_at": identity.last_sign_in_at.or(identity.created_at),
        "created_at": identity.created_at,
        "updated_at": identity.updated_at,
        "email": identity.email,
    })
}

/// The session as the answer to a sign-in, with what makes the device known next time.
pub fn signed_in(grant: &Grant, public_url: &str) -> Answer {
    let answer = Answer::json(&session(grant))
        .with(HeaderName::from_static("sb-auth-user-id"), &grant.user.id.to_string())
        .with(HeaderName::from_static("sb-auth-session-id"), &grant.session.to_string());
    match &grant.device {
        Some(device) => {
            let https = public_url.starts_with("https:");
            let cookie = web::set_cookie(&device.name, device.value.expose(), device.seconds, https);
            answer.with(SET_COOKIE, &cookie)
        }
        None => answer,
    }
}

/// The session object.
pub fn session(grant: &Grant) -> Value {
    let mut session = json!({
        "access_token": grant.access_token.expose(),
        "token_type": "bearer",
        "expires_in": grant.expires_in,
        "expires_at": grant.expires_at,
        "refresh_token": grant.refresh_token.expose(),
        "user": user(&grant.user),
    });
    if let Some((token, refresh)) = &grant.provider_tokens {
        session["provider_token"] = json!(token);
        if let Some(refresh) = refresh {
            session["provider_refresh_token"] = json!(refresh);
        }
    }
    if let Some((message, reasons)) = &grant.weak_password {
        session["weak_password"] = json!({ "message": message, "reasons": reasons });
    }
    if grant.owes == Some(base::Owed::NewPassword) {
        session["password_expired"] = json!(true);
    }
    session
}
