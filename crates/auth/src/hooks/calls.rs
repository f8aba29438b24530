//! What each hook is told, and what becomes of its answer.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Hook, HookError};
use crate::{Auth, Error, Visit, limits, sql};

/// What a token says of itself, which no hook changes.
const OURS: [&str; 10] =
    ["iss", "aud", "exp", "iat", "sub", "session_id", "aal", "amr", "client_id", "scope"];
/// What a token must have.
const NEEDED: [&str; 4] = ["email", "phone", "role", "is_anonymous"];
/// Roles that pass by row level security or administer: given by administrators, never by a hook.
const PRIVILEGED: [&str; 3] = ["service_role", "dashboard_admin", "supabase_admin"];

impl Auth {
    /// The claims of a token, as the operator's code wants them.
    pub(crate) async fn custom_claims(
        &self,
        claims: Map<String, Value>,
        method: &str,
        visit: &Visit,
    ) -> Result<Map<String, Value>, Error> {
        if !self.has_hook(Hook::CustomAccessToken) {
            return Ok(claims);
        }
        let payload = json!({
            "user_id": claims.get("sub"), "claims": claims, "authentication_method": method,
        });
        let answer = self.ask_hook(Hook::CustomAccessToken, object(payload), visit).await?;
        match answer.and_then(|mut answer| answer.remove("claims")) {
            Some(Value::Object(custom)) => accept(&claims, custom).map_err(Error::from),
            Some(_) | None => Err(HookError::Answer("The hook gave no claims.").into()),
        }
    }

    /// Whether the operator's code lets somebody have an account. Asked before the transaction that makes it.
    pub(crate) async fn before_user_created(
        &self,
        person: &NewPerson<'_>,
        visit: &Visit,
    ) -> Result<Asked, Error> {
        if !self.has_hook(Hook::BeforeUserCreated) {
            return Ok(Asked(()));
        }
        let payload = object(json!({ "user": self.announce(person) }));
        self.ask_hook(Hook::BeforeUserCreated, payload, visit).await?;
        Ok(Asked(()))
    }

    /// The same, where it is found out first whether there will be an account: nothing is found out where nobody is asked.
    pub(crate) fn nobody_to_ask(&self) -> Option<Asked> {
        (!self.has_hook(Hook::BeforeUserCreated)).then_some(Asked(()))
    }

    /// The account that is about to be made, as `before_user_created` is told of it.
    fn announce(&self, person: &NewPerson<'_>) -> Value {
        let provider = match (person.provider, person.email, person.phone) {
            (Some(provider), _, _) => json!({ "provider": provider, "providers": [provider] }),
            (None, Some(_), _) => json!({ "provider": "email", "providers": ["email"] }),
            (None, None, Some(_)) => json!({ "provider": "phone", "providers": ["phone"] }),
            (None, None, None) => json!({}),
        };
        let now = self.0.clock.now();
        json!({
            "id": person.id,
            "aud": self.0.rules.audience,
            "role": self.0.rules.default_role,
            "email": person.email.unwrap_or_default(),
            "phone": person.phone.unwrap_or_default(),
            "user_metadata": person.data,
            "app_metadata": provider,
            "identities": [],
            "created_at": now,
            "updated_at": now,
            "is_anonymous": person.provider.is_none() && person.email.is_none() && person.phone.is_none(),
        })
    }

    /// Whether the operator's code lets a password pass. `user` is an invented one for an unknown account, always the
    /// same, so that nobody can tell by the time it takes.
    pub(crate) async fn password_tried(&self, user: Uuid, valid: bool, visit: &Visit) -> Result<(), Error> {
        let payload = object(json!({ "user_id": user, "valid": valid }));
        let Some(answer) = self.ask_hook(Hook::PasswordVerificationAttempt, payload, visit).await? else {
            return Ok(());
        };
        let Some(message) = rejected(&answer)? else { return Ok(()) };
        if answer.get("should_logout_user").and_then(Value::as_bool) == Some(true) {
            self.end_by_hook(user).await?;
        }
        Err(Error::RejectedPassword(message))
    }

    /// Whether the operator's code lets a second factor pass. One that it rejects ends every session of its person.
    pub(crate) async fn factor_tried(
        &self,
        user: Uuid,
        factor: Uuid,
        kind: &str,
        valid: bool,
        visit: &Visit,
    ) -> Result<(), Error> {
        let payload = json!({ "user_id": user, "factor_id": factor, "factor_type": kind, "valid": valid });
        let Some(answer) = self.ask_hook(Hook::MfaVerificationAttempt, object(payload), visit).await? else {
            return Ok(());
        };
        let Some(message) = rejected(&answer)? else { return Ok(()) };
        self.end_by_hook(user).await?;
        Err(Error::RejectedFactor(message))
    }

    async fn end_by_hook(&self, user: Uuid) -> Result<(), Error> {
        let mut tx = self.0.pg.begin_system(pg::Reason::Identify).await?;
        let ended = crate::session::ids(&tx.query(sql::END_SESSIONS_OF_USER, [user.into()]).await?)?;
        let entry = audit::Entry::system(audit::Event::SessionEnded)
            .about(format!("user:{user}"))
            .because("auth.hook.rejected")
            .detail("sessions", ended.len());
        self.0.audit.record(&mut tx, entry).await?;
        self.commit_ended(tx, ended, ()).await?.into_inner();
        Ok(())
    }

    /// The id that an unknown account has towards hooks.
    pub(crate) fn invented_id(&self, account: &str) -> Uuid {
        let key = self.0.root.derive("auth: ids of unknown accounts");
        let mac = seal::keyed_mac(key.expose(), account.as_bytes());
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// That the operator's code was asked about an account, or that there is none to ask. No account is made without one.
#[must_use]
#[derive(Clone, Copy)]
pub(crate) struct Asked(());

impl Asked {
    /// The operator's own hand makes it.
    pub(crate) const BY_THE_OPERATOR: Asked = Asked(());
}

/// Whom an account is about to be made for.
#[derive(Clone, Copy, Default)]
pub(crate) struct NewPerson<'a> {
    /// The id it will have, where that is known.
    pub id: Option<Uuid>,
    pub email: Option<&'a str>,
    pub phone: Option<&'a str>,
    /// Who vouches, when it is somebody else.
    pub provider: Option<&'a str>,
    /// What is said of them.
    pub data: Option<&'a Map<String, Value>>,
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The words of a rejection, if it is one.
fn rejected(answer: &Map<String, Value>) -> Result<Option<String>, HookError> {
    match answer.get("decision").and_then(Value::as_str) {
        Some("continue") => Ok(None),
        Some("reject") => {
            let said = answer.get("message").and_then(Value::as_str).unwrap_or_default();
            Ok(Some(said.chars().take(limits::HOOK_MESSAGE_CHARS_MAX.size()).collect()))
        }
        Some(_) | None => Err(HookError::Answer("The decision is continue or reject.")),
    }
}

/// Claims that may be signed.
fn accept(ours: &Map<String, Value>, custom: Map<String, Value>) -> Result<Map<String, Value>, HookError> {
    let same = OURS.iter().all(|name| ours.get(*name) == custom.get(*name));
    if !same {
        return Err(HookError::Answer("The hook changed a claim that says whose token it is."));
    }
    if NEEDED.iter().any(|name| custom.get(*name).is_none_or(Value::is_null)) {
        return Err(HookError::Answer("The hook took away a claim that every token has."));
    }
    let role = custom.get("role").and_then(Value::as_str).unwrap_or_default();
    if PRIVILEGED.contains(&role) && ours.get("role") != custom.get("role") {
        return Err(HookError::Answer("The hook gave a role that only administrators give."));
    }
    if Value::Object(custom.clone()).to_string().len() > limits::CLAIMS_BYTES_MAX.size() {
        return Err(HookError::Answer("The hook gave more claims than fit into a header."));
    }
    Ok(custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Map<String, Value> {
        object(json!({
            "iss": "i", "aud": "a", "exp": 2, "iat": 1, "sub": "s", "session_id": "x", "aal": "aal1", "amr": [],
            "email": "", "phone": "", "role": "authenticated", "is_anonymous": false,
        }))
    }

    #[test]
    fn a_hook_adds_claims_and_takes_none_of_ours() {
        let with = |name: &str, value: Value| {
            let mut custom = claims();
            custom.insert(name.to_owned(), value);
            accept(&claims(), custom)
        };
        assert!(with("plan", json!("pro")).is_ok());
        assert!(with("role", json!("editor")).is_ok());
        for (name, value) in [
            ("sub", json!("t")),
            ("exp", json!(9_999_999_999_i64)),
            ("session_id", json!(null)),
            ("aal", json!("aal2")),
            ("amr", json!([{ "method": "totp" }])),
            ("role", json!("service_role")),
            ("email", json!(null)),
            ("huge", json!("x".repeat(20_000))),
        ] {
            assert!(with(name, value).is_err(), "{name}");
        }
    }
}
