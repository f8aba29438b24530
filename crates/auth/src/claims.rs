//! From verified claims to a caller, and from a session to its claims.
//!
//! Invariant: only claims of a token whose signature was checked come here, and a session's token must name this
//! project as issuer and audience: the same key in two projects opens only one (attack row 41).

use std::sync::Arc;

use base::{Acting, Caller, DbRole, KeyScope, Level, Method, Owed, SignedIn, Who};
use ipnet::IpNet;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::rules::Rules;
use crate::session::Proof;
use crate::user::User;
use crate::{Error, limits};

/// A caller as their credential describes them, before it is known where they call from.
pub(crate) struct Known {
    pub caller: Caller,
    /// The second from which the credential is dead.
    pub expires_at: Option<i64>,
    /// The session it belongs to, with its user.
    pub session: Option<(Uuid, Uuid)>,
    /// The API key it stands for.
    pub api_key: Option<Arc<str>>,
    /// Networks it may come from; empty for everywhere.
    pub addresses: Arc<[IpNet]>,
    /// It is a bait.
    pub bait: bool,
    /// Others have what it was signed with, and can write anything into it.
    pub shared: bool,
}

/// Reads the claims of a token that `kid` signed (`None`: the shared secret).
pub(crate) fn read(
    mut claims: Map<String, Value>,
    kid: Option<&str>,
    rules: &Rules,
    now: i64,
) -> Result<Known, Error> {
    let session = session_of(&claims)?;
    check_times(&claims, kid.is_none() && session.is_none(), now)?;
    check_project(&claims, session.is_some(), rules)?;
    let mut role: Arc<str> = match claims.get("role") {
        None | Some(Value::Null) => "anon".into(),
        Some(Value::String(role)) if role.is_empty() => "anon".into(),
        Some(Value::String(role)) => role.as_str().into(),
        Some(_) => return Err(Error::BadToken("role is not a text")),
    };
    // A program that somebody let in sees what people see: past row level security goes an administrator's own hand alone. Nor do
    // policies hear of the administrator's role, which many of them let through.
    let through_client = session.is_some() && claims.get("client_id").is_some_and(|id| !id.is_null());
    if through_client && is_administrators(&role) {
        role = DbRole::authenticated().shared();
        claims.insert("role".to_owned(), role.as_ref().into());
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let subject = Uuid::try_parse(text("sub")).ok();
    let user = match (session, subject) {
        (Some(session), Some(user)) => Some(SignedIn { user, session: Some(session) }),
        (Some(_), None) => return Err(Error::BadToken("a session without a user")),
        (None, Some(user)) => Some(SignedIn { user, session: None }),
        (None, None) => None,
    };
    let api_key: Option<Arc<str>> = claims.get("api_key").and_then(Value::as_str).map(Into::into);
    let who = match user {
        Some(person) => Who::User(person),
        None if &*role == "anon" => Who::Anonymous,
        None => Who::Service { key: api_key.clone().unwrap_or_else(|| "jwt".into()) },
    };
    let mut caller = Caller {
        who,
        role: role_of(&role),
        claimed_role: role,
        subject: text("sub").into(),
        email: text("email").into(),
        level: if text("aal") == Level::Aal2.name() { Level::Aal2 } else { Level::Aal1 },
        methods: methods_of(&claims),
        client: claims.get("client_id").and_then(Value::as_str).map(Into::into),
        acting: acting_of(&claims, session)?,
        scope: KeyScope::default(),
        owes: None,
        read_only: false,
        address: None,
        // Written anew, so that a claim given twice is read the same by us and by policies.
        claims: Value::Object(claims.clone()).to_string().into(),
    };
    if caller.acting.is_some() {
        if caller.is_administrator() {
            return Err(Error::BadToken("nobody acts in an administrator's name"));
        }
        if session.is_none() && caller.who != Who::Anonymous {
            return Err(Error::BadToken("nobody acts in a name without a session"));
        }
    }
    caller.owes = owed_by(&caller, rules);
    let session = session.zip(subject);
    Ok(Known {
        caller,
        expires_at: seconds(&claims, "exp")?,
        session,
        api_key,
        addresses: Arc::new([]),
        bait: false,
        shared: kid.is_none(),
    })
}

/// A session of one proof, of somebody who must give two (controls 24, 25). Administrators always must.
fn owed_by(caller: &Caller, rules: &Rules) -> Option<Owed> {
    let is_session = caller.signed_in().is_some_and(|person| person.session.is_some());
    // An administrator in their name has shown two of their own.
    let must = (rules.mfa.required && caller.acting.is_none()) || caller.is_administrator();
    (is_session && must && caller.level < Level::Aal2).then_some(Owed::SecondFactor)
}

/// The administrator who acts in the subject's name (RFC 8693, 4.1): ours alone names an impersonation. What an application
/// means by `act` in a token of its own is its own business.
fn acting_of(claims: &Map<String, Value>, session: Option<Uuid>) -> Result<Option<Acting>, Error> {
    let member = |name: &str| claims.get("act").and_then(|act| act.get(name));
    let Some(impersonation) = member("impersonation") else { return Ok(None) };
    let id =
        |value: Option<&Value>| value.and_then(Value::as_str).and_then(|text| Uuid::try_parse(text).ok());
    match (id(Some(impersonation)), id(member("sub"))) {
        (Some(impersonation), Some(admin)) if session.is_none_or(|session| session == impersonation) => {
            Ok(Some(Acting { admin, impersonation }))
        }
        _ => Err(Error::BadToken("act names no impersonation of its session")),
    }
}

/// Whether a `role` claim is an administrator's.
pub(crate) fn is_administrators(role: &str) -> bool {
    role_of(role) == DbRole::service() || role == "supabase_admin"
}

/// Control 47, the guide's map exactly.
fn role_of(claim: &str) -> DbRole {
    match claim {
        "service_role" | "dashboard_admin" => DbRole::service(),
        "anon" | "" => DbRole::anon(),
        _ => DbRole::authenticated(),
    }
}

fn session_of(claims: &Map<String, Value>) -> Result<Option<Uuid>, Error> {
    match claims.get("session_id") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(value) => match value.as_str().and_then(|text| Uuid::try_parse(text).ok()) {
            Some(session) => Ok(Some(session)),
            None => Err(Error::BadToken("session_id is not a UUID")),
        },
    }
}

fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, Error> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(at) if at.is_finite() && at.abs() < 1e15 => Ok(Some(at as i64)),
            Some(_) | None => Err(Error::BadToken("a time is not a number")),
        },
    }
}

/// Only tokens that somebody with the shared secret minted for a program may live for ever (AppFlowy does).
fn check_times(claims: &Map<String, Value>, may_be_endless: bool, now: i64) -> Result<(), Error> {
    let skew = i64::try_from(limits::CLOCK_SKEW_SECONDS_MAX.value).unwrap_or(0);
    match seconds(claims, "exp")? {
        Some(at) if at <= now => return Err(Error::TokenExpired),
        Some(_) => {}
        None if may_be_endless => {}
        None => return Err(Error::BadToken("it has no exp")),
    }
    if seconds(claims, "nbf")?.is_some_and(|at| at > now + skew) {
        return Err(Error::BadToken("it is not valid yet"));
    }
    if seconds(claims, "iat")?.is_some_and(|at| at > now + skew) {
        return Err(Error::BadToken("it was issued in the future"));
    }
    Ok(())
}

fn check_project(claims: &Map<String, Value>, has_session: bool, rules: &Rules) -> Result<(), Error> {
    let issuer = claims.get("iss").and_then(Value::as_str);
    // `supabase` is what keys in token form carry that were minted elsewhere with the operator's own secret.
    let known_issuer = match issuer {
        Some(issuer) if has_session => rules.is_ours(issuer),
        Some(issuer) => rules.is_ours(issuer) || issuer == "supabase",
        None => !has_session && claims.get("iss").is_none_or(Value::is_null),
    };
    if !known_issuer {
        return Err(Error::BadToken("it is of another issuer"));
    }
    let is_ours = |audience: &Value| audience.as_str() == Some(&rules.audience);
    let known_audience = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(is_ours),
        Some(Value::String(audience)) if audience.is_empty() => !has_session || rules.audience.is_empty(),
        Some(audience) => is_ours(audience),
        None => !has_session,
    };
    if known_audience { Ok(()) } else { Err(Error::BadToken("it is for another audience")) }
}

/// `amr`: objects as GoTrue writes them, or bare names (RFC 8176), which carry no time and so prove nothing recent.
fn methods_of(claims: &Map<String, Value>) -> Arc<[Method]> {
    let entries = claims.get("amr").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let read = |entry: &Value| {
        let name = entry.get("method").or(Some(entry)).and_then(Value::as_str)?;
        let at = entry.get("timestamp").and_then(Value::as_i64).unwrap_or(0);
        Some(Method { name: name.into(), at: Timestamp::from_second(at).ok()? })
    };
    entries.iter().filter_map(read).collect()
}

/// The claims of an access token (wire/gotrue.md 2.1).
pub(crate) fn of_session(
    user: &User,
    session: Uuid,
    level: Level,
    proofs: &[Proof],
    rules: &Rules,
    now: i64,
) -> Map<String, Value> {
    let expires_at = now + rules.access_seconds;
    let amr: Vec<_> = proofs
        .iter()
        .map(|proof| json!({ "method": proof.method, "timestamp": proof.at.as_second() }))
        .collect();
    let claims = json!({
        "iss": rules.issuer,
        "sub": user.id,
        "aud": rules.audience,
        "exp": expires_at,
        "iat": now,
        "email": user.email_or_empty(),
        "phone": user.phone_or_empty(),
        "app_metadata": user.app_metadata,
        "user_metadata": user.user_metadata,
        "role": user.role,
        "aal": level.name(),
        "amr": amr,
        "session_id": session,
        "is_anonymous": user.is_anonymous,
    });
    claims.as_object().cloned().unwrap_or_default()
}

/// The OAuth client a session is for, and what it was allowed: nothing else of its person is in what it can read.
pub(crate) fn add_client(claims: &mut Map<String, Value>, client: Option<(Uuid, String)>) {
    if let Some((id, scopes)) = client {
        crate::server::narrow(claims, &scopes);
        claims.insert("client_id".to_owned(), id.to_string().into());
        claims.insert("scope".to_owned(), scopes.into());
    }
}

/// The administrator who acts in it, and the second it is over.
pub(crate) fn add_actor(claims: &mut Map<String, Value>, acting: &Acting, ends_at: i64) {
    let act = json!({ "sub": acting.admin, "impersonation": acting.impersonation });
    claims.insert("act".to_owned(), act);
    claims.insert("exp".to_owned(), ends_at.into());
}

/// The claims of nobody in particular, as an administrator sees what everybody may.
pub(crate) fn of_nobody(rules: &Rules, now: i64) -> Map<String, Value> {
    let claims = json!({ "iss": rules.issuer, "aud": rules.audience, "iat": now, "role": "anon" });
    claims.as_object().cloned().unwrap_or_default()
}

/// What the session owes, so that whoever else reads the token knows.
pub(crate) fn add_duty(claims: &mut Map<String, Value>, owes: Option<Owed>) {
    match owes {
        Some(Owed::NewPassword) => drop(claims.insert("password_expired".to_owned(), true.into())),
        Some(Owed::SecondFactor) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn rules() -> Rules {
        Rules::for_tests()
    }

    fn session_claims() -> Value {
        json!({
            "iss": "https://ours.example/auth/v1", "aud": "authenticated", "exp": NOW + 60, "iat": NOW,
            "sub": "00000000-0000-0000-0000-000000000001", "session_id": "00000000-0000-0000-0000-000000000002",
            "role": "authenticated", "aal": "aal1", "email": "ann@example.com",
            "amr": [{ "method": "password", "timestamp": NOW }],
        })
    }

    #[track_caller]
    fn check(change: Value, kid: Option<&str>, expected: Result<&str, &str>) {
        let mut claims = session_claims().as_object().unwrap().clone();
        for (name, value) in change.as_object().unwrap() {
            claims.remove(name);
            if *value != json!("-") {
                claims.insert(name.clone(), value.clone());
            }
        }
        let read = read(claims, kid, &rules(), NOW).map(|known| known.caller.role.name().to_owned());
        let read = read.map_err(|error| error.to_string());
        match (read, expected) {
            (Ok(role), Ok(expected)) => assert_eq!(role, expected),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (read, expected) => panic!("{read:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_session_of_ours_is_a_signed_in_person() {
        let known = read(session_claims().as_object().unwrap().clone(), Some("k"), &rules(), NOW).unwrap();
        let person = known.caller.signed_in().unwrap();
        assert_eq!((person.user, person.session), (Uuid::from_u128(1), Some(Uuid::from_u128(2))));
        assert_eq!(known.caller.methods[0].at.as_second(), NOW);
        assert_eq!(known.expires_at, Some(NOW + 60));
    }

    /// Attack row 41.
    #[test]
    fn a_session_token_of_another_project_with_the_same_key_is_refused() {
        check(json!({ "iss": "https://theirs.example/auth/v1" }), Some("k"), Err("issuer"));
        check(json!({ "iss": "-" }), Some("k"), Err("issuer"));
        check(json!({ "iss": "supabase" }), Some("k"), Err("issuer"));
        check(json!({ "iss": 7 }), Some("k"), Err("issuer"));
        check(json!({ "aud": "theirs" }), Some("k"), Err("audience"));
        check(json!({ "aud": "-" }), Some("k"), Err("audience"));
        check(json!({ "aud": "" }), None, Err("audience"));
        check(json!({ "aud": ["theirs"] }), None, Err("audience"));
        check(json!({ "aud": ["theirs", "authenticated"] }), None, Ok("authenticated"));
        check(json!({ "session_id": "-", "iss": "https://theirs.example/auth/v1" }), None, Err("issuer"));
        check(json!({ "session_id": "-", "iss": "supabase-demo" }), None, Err("issuer"));
    }

    #[test]
    fn a_token_lives_from_its_first_to_its_last_second() {
        check(json!({ "exp": NOW }), Some("k"), Err("expired"));
        check(json!({ "exp": NOW + 1 }), Some("k"), Ok("authenticated"));
        check(json!({ "exp": "-" }), None, Err("no exp"));
        check(json!({ "exp": "soon" }), None, Err("not a number"));
        check(json!({ "exp": 1e300 }), None, Err("not a number"));
        check(json!({ "nbf": NOW + 31 }), Some("k"), Err("not valid yet"));
        check(json!({ "iat": NOW + 31 }), Some("k"), Err("future"));
        check(json!({ "iat": NOW + 29 }), Some("k"), Ok("authenticated"));
    }

    /// AppFlowy mints service tokens that are only a role.
    #[test]
    fn a_role_alone_is_enough_only_with_the_shared_secret() {
        let only_role = json!({
            "role": "service_role", "sub": "-", "session_id": "-", "exp": "-", "iss": "-", "aud": "-", "iat": "-",
        });
        check(only_role.clone(), None, Ok("service_role"));
        check(only_role, Some("k"), Err("no exp"));
    }

    /// Control 47.
    #[test]
    fn roles_are_mapped_as_the_guide_says() {
        for (claim, role) in [
            ("service_role", "service_role"),
            ("dashboard_admin", "service_role"),
            ("anon", "anon"),
            ("", "anon"),
            ("authenticated", "authenticated"),
            ("editor", "authenticated"),
            ("postgres", "authenticated"),
            ("palisade_system", "authenticated"),
            ("Service_Role", "authenticated"),
        ] {
            check(json!({ "role": claim }), Some("k"), Ok(role));
        }
        check(json!({ "role": "-" }), Some("k"), Ok("anon"));
        check(json!({ "role": ["service_role"] }), Some("k"), Err("role"));
    }

    /// What an administrator acts with is held to one session, and to no administrator's role.
    #[test]
    fn an_impersonation_is_of_its_session_and_never_an_administrators() {
        let (admin, id) = ("00000000-0000-0000-0000-000000000009", "00000000-0000-0000-0000-000000000002");
        let act = json!({ "sub": admin, "impersonation": id });
        check(json!({ "act": act }), Some("k"), Ok("authenticated"));
        for role in ["service_role", "dashboard_admin", "supabase_admin"] {
            check(json!({ "act": act, "role": role }), Some("k"), Err("administrator's name"));
        }
        check(json!({ "act": { "sub": admin, "impersonation": admin } }), Some("k"), Err("act names"));
        check(json!({ "act": { "sub": admin, "impersonation": 7 } }), Some("k"), Err("act names"));
        check(json!({ "act": { "impersonation": id } }), Some("k"), Err("act names"));
        check(json!({ "act": act, "session_id": "-" }), Some("k"), Err("without a session"));
        let nobody = json!({ "act": act, "session_id": "-", "sub": "-", "role": "anon" });
        check(nobody, Some("k"), Ok("anon"));
        // An application's own `act` is its own business.
        check(json!({ "act": { "sub": "a program" } }), None, Ok("authenticated"));

        let mut claims = session_claims().as_object().unwrap().clone();
        let mut strict = rules();
        strict.mfa.required = true;
        let owes =
            |claims: &Map<String, Value>| read(claims.clone(), Some("k"), &strict, NOW).unwrap().caller.owes;
        assert_eq!(owes(&claims), Some(Owed::SecondFactor));
        claims.insert("act".to_owned(), act);
        assert_eq!(owes(&claims), None, "the administrator has shown two");
    }

    /// Control 75: an administrator's consent lends a program no more than anybody's.
    #[test]
    fn a_program_that_somebody_let_in_is_never_the_service() {
        let client =
            json!({ "client_id": "00000000-0000-0000-0000-000000000003", "role": "dashboard_admin" });
        check(client, Some("k"), Ok("authenticated"));
        // What policies hear is no more than that.
        for role in ["service_role", "dashboard_admin", "supabase_admin"] {
            let mut claims = session_claims().as_object().unwrap().clone();
            claims.insert("client_id".to_owned(), json!("00000000-0000-0000-0000-000000000003"));
            claims.insert("role".to_owned(), json!(role));
            let caller = read(claims, Some("k"), &rules(), NOW).unwrap().caller;
            let told: Value = serde_json::from_str(&caller.claims).unwrap();
            assert_eq!((&*caller.claimed_role, &told["role"]), ("authenticated", &json!("authenticated")));
            assert!(!caller.is_administrator());
        }
        check(json!({ "client_id": null, "role": "dashboard_admin" }), Some("k"), Ok("service_role"));
    }

    #[test]
    fn broken_sessions_are_refused() {
        check(json!({ "session_id": 7 }), Some("k"), Err("session_id"));
        check(json!({ "session_id": "x" }), Some("k"), Err("session_id"));
        check(json!({ "sub": "ann" }), Some("k"), Err("without a user"));
    }
}
