//! Controls 22-26: second factors can be had, only the listed kinds, by all who must, and what is sensitive asks again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::Finding;
use crate::bench::{Answer, Bench, Session, Trouble};

fn code_of(answer: &Answer) -> String {
    let body = answer.json();
    let code = body.pointer("/error_code").or(body.pointer("/code")).and_then(Value::as_str);
    code.unwrap_or("").to_owned()
}

fn said(answer: &Answer) -> String {
    format!("{} {}", answer.status, code_of(answer)).trim_end().to_owned()
}

fn level(token: &str) -> String {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value = claims.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    claims.get("aal").and_then(Value::as_str).unwrap_or("").to_owned()
}

fn session_of(answer: &Answer) -> Result<Session, Trouble> {
    Ok(Session { access: answer.field("/access_token")?, refresh: answer.field("/refresh_token")? })
}

/// 22: an authenticator app is enrolled and shown, each of its codes once; its secret and the recovery codes are not kept
/// in the clear.
pub async fn a_second_factor_can_be_had(bench: &Bench) -> Result<Finding, Trouble> {
    let (person, session) = bench.newcomer().await?;
    let enrolled = bench.try_enrol(&session).await?;
    let told = |at: &str| enrolled.field(at).unwrap_or_default();
    let app = bench.enrol(&session).await?;
    let of = format!(
        "SELECT coalesce(string_agg(secret, ' '), '') FROM auth.mfa_factors WHERE user_id = '{}'",
        person.id
    );
    let kept = bench.sql().await?.value(&of).await?;
    let right = app.code(bench, 0)?;
    let wrong: String = right.chars().map(|digit| if digit == '9' { '0' } else { '9' }).collect();
    let refused = bench.show(&session, &app, &wrong).await?;
    let shown = bench.show(&session, &app, &right).await?;
    let raised = session_of(&shown)?;
    let again = bench.show(&raised, &app, &right).await?;
    let codes = bench.client("POST", "/auth/v1/factors/recovery-codes").bearer(&raised.access);
    let codes = codes.json(&json!({})).send().await?.json();
    let code = codes.pointer("/codes/0").and_then(Value::as_str).unwrap_or("").to_owned();
    let low = bench.first_proof(&person).await?;
    let spend = async || {
        let at = "/auth/v1/factors/recovery-codes/verify";
        bench.client("POST", at).bearer(&low.access).json(&json!({ "code": code })).send().await
    };
    let (once, twice) = (spend().await?, spend().await?);
    let passkeys =
        bench.client("POST", "/auth/v1/passkeys/authentication/options").json(&json!({})).send().await?;
    let passkeys = match passkeys.status {
        200 => "passkeys sign in here".to_owned(),
        _ => format!("passkeys are not on here ({})", said(&passkeys)),
    };
    Ok(Finding::all([
        (told("/totp/qr_code").starts_with("<svg"), "enrolling gives a QR code".to_owned()),
        (told("/totp/secret").len() == 32, "and a secret of 160 bits".to_owned()),
        (
            !kept.contains(&app.secret) && !kept.is_empty(),
            "which the database does not hold in the clear".to_owned(),
        ),
        (refused.status == 422, format!("a wrong code: {}", said(&refused))),
        (level(&session.access) == "aal1", format!("before: {}", level(&session.access))),
        (level(&raised.access) == "aal2", format!("after the right code: {}", level(&raised.access))),
        (again.status == 422, format!("the same code again: {}", said(&again))),
        (once.status == 200, format!("a recovery code: {}", said(&once))),
        (
            twice.status == 422 || twice.status == 401 || twice.status == 403,
            format!("the same again: {}", said(&twice)),
        ),
        (true, passkeys),
    ]))
}

/// 23: what is listed can be enrolled and nothing else; SMS is offered only with somebody to send it, and called what it is.
pub async fn only_listed_methods_are_offered(bench: &Bench) -> Result<Finding, Trouble> {
    let (_, session) = bench.newcomer().await?;
    let mut lines = Vec::new();
    let mut offered = 0;
    for kind in ["totp", "webauthn", "phone"] {
        let body = json!({ "factor_type": kind, "friendly_name": kind, "phone": "+15005550006" });
        let answer =
            bench.client("POST", "/auth/v1/factors").bearer(&session.access).json(&body).send().await?;
        let off = answer.status == 422 && code_of(&answer) == format!("mfa_{kind}_enroll_not_enabled");
        let note = match kind {
            "phone" if answer.status == 200 => {
                " (restricted by NIST SP 800-63B-4: numbers are stolen and messages read)"
            }
            _ => "",
        };
        offered += usize::from(answer.status == 200);
        lines.push((answer.status == 200 || off, format!("{kind}: {}{note}", said(&answer))));
    }
    let listed = bench.client("GET", "/auth/v1/user").bearer(&session.access).send().await?.json();
    let listed = listed.get("factors").and_then(Value::as_array).map_or(0, Vec::len);
    lines.push((listed == offered, format!("{listed} of them can be seen in the account")));
    for (methods, why) in [("totp,sms", "SMS without anybody to send it"), ("fax", "an unknown method")] {
        let ended = bench.program(&["config", "check", "--mfa.methods", methods], &[]).await?;
        let code = ended.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        lines.push((ended.code == Some(78), format!("starting with {why}: ends with {code}")));
    }
    Ok(Finding::all(lines))
}

/// What a session of one proof gets at several APIs, before and after a refresh.
async fn owes(bench: &Bench, session: &Session, lines: &mut Vec<(bool, String)>) -> Result<(), Trouble> {
    for (method, target) in [("GET", "/rest/v1/"), ("PUT", "/auth/v1/user"), ("GET", "/auth/v1/admin/users")]
    {
        let answer = bench.client(method, target).bearer(&session.access).json(&json!({})).send().await?;
        let closed = answer.status == 403 && code_of(&answer) == "insufficient_aal";
        lines.push((closed, format!("{method} {target}: {}", said(&answer))));
    }
    Ok(())
}

/// 24: who must have a second factor and showed one proof can enrol and show it, and nothing else.
pub async fn everybody_needs_a_second_factor(bench: &Bench) -> Result<Finding, Trouble> {
    let (_, session) = bench.newcomer().await?;
    let open = bench.client("GET", "/auth/v1/passkeys").bearer(&session.access).send().await?;
    if code_of(&open) != "insufficient_aal" {
        return Ok(Finding::needs_you(
            "a session of one proof is let in: people may have a second factor, and need none.\n\
             Set mfa.required (GOTRUE_MFA_REQUIRED) to true to have everybody enrol one",
        ));
    }
    let mut lines = Vec::new();
    owes(bench, &session, &mut lines).await?;
    let refreshed = bench.refresh(&session.refresh).await?;
    lines.push((true, "after a refresh:".to_owned()));
    owes(bench, &refreshed, &mut lines).await?;
    let app = bench.enrol(&refreshed).await?;
    let shown = bench.show(&refreshed, &app, &app.code(bench, 0)?).await?;
    lines.push((shown.status == 200, format!("enrolling and showing a factor: {}", said(&shown))));
    let raised = session_of(&shown)?;
    let answer = bench.client("GET", "/rest/v1/").bearer(&raised.access).send().await?;
    lines.push((code_of(&answer) != "insufficient_aal", format!("after it: {}", said(&answer))));
    Ok(Finding::all(lines))
}

/// 25: an administrator with one proof administers nothing, and the set-up link makes none without a factor. Where administrators
/// have a listener of their own, they are answered nowhere else.
pub async fn administrators_need_a_second_factor(bench: &Bench) -> Result<Finding, Trouble> {
    let person = bench.guest_with(json!({ "role": "dashboard_admin" })).await?;
    let mut lines = Vec::new();
    let session = bench.first_proof(&person).await?;
    owes(bench, &session, &mut lines).await?;
    let session = bench.refresh(&session.refresh).await?;
    lines.push((true, "after a refresh:".to_owned()));
    owes(bench, &session, &mut lines).await?;
    let app = bench.enrol(&session).await?;
    let shown = bench.show(&session, &app, &app.code(bench, 0)?).await?;
    let raised = session_of(&shown)?;
    let answer = bench.client("GET", "/auth/v1/admin/users").bearer(&raised.access).send().await?;
    lines.push((answer.status == 200, format!("with a second factor: {}", said(&answer))));
    let email = format!("{}@probe.palisade.invalid", bench.random_name("p"));
    let link =
        bench.operator("POST", "/admins").json(&json!({ "email": email })).send().await?.field("/link")?;
    let (_, token) =
        link.split_once("token=").ok_or_else(|| Trouble::Unexpected("a link without a token".to_owned()))?;
    let page = bench.client("GET", &format!("/auth/v1/setup?token={token}")).send().await?;
    lines.push((page.text().contains("<svg"), "a set-up link shows a QR code".to_owned()));
    let made = bench.sql().await?;
    let password = bench.random_name("Aa1!x");
    let sent = bench
        .client("POST", "/auth/v1/setup")
        .form(&[("token", token), ("password", &password)])
        .send()
        .await?;
    let made = made.value(&format!("SELECT count(*)::text FROM auth.users WHERE email = '{email}'")).await?;
    lines.push((
        sent.status == 400 && made == "0",
        format!("without its code: {}, {made} administrators", sent.status),
    ));
    lines.extend(super::administrators::stay_apart(bench).await?);
    Ok(Finding::all(lines))
}

/// 26: six minutes after the last proof, what is sensitive is refused; with a new one it is done.
pub async fn sensitive_operations_ask_again(bench: &Bench) -> Result<Finding, Trouble> {
    let (person, session) = bench.newcomer().await?;
    let body = json!({ "email": format!("{}@probe.palisade.invalid", bench.random_name("p")) });
    let age = async |session: &Session| {
        let then = bench.place.clock.unix_seconds() - 360;
        let aged = format!(
            "UPDATE auth.mfa_amr_claims SET created_at = to_timestamp({then}), updated_at = to_timestamp({then}) \
             WHERE session_id IN (SELECT id FROM auth.sessions WHERE user_id = '{}')",
            person.id
        );
        bench.sql().await?.run(&aged).await?;
        bench.refresh(&session.refresh).await
    };
    let ask = async |session: &Session, body: &Value| {
        bench.client("PUT", "/auth/v1/user").bearer(&session.access).json(body).send().await
    };
    let old = age(&session).await?;
    let (first, second) = (bench.random_name("Aa1!-"), bench.random_name("Aa1!-"));
    let password = json!({ "password": first });
    let (address, secret, factor) =
        (ask(&old, &body).await?, ask(&old, &password).await?, bench.try_enrol(&old).await?);
    let now = if secret.status == 200 { &first } else { &person.password };
    let password = json!({ "password": second });
    let renewed = bench.client("POST", "/auth/v1/reauthenticate").bearer(&old.access);
    let renewed = session_of(&renewed.json(&json!({ "password": now })).send().await?)?;
    let app = bench.enrol(&renewed).await?;
    let raised = session_of(&bench.show(&renewed, &app, &app.code(bench, 0)?).await?)?;
    let stale = age(&raised).await?;
    let with_factor = ask(&stale, &password).await?;
    let password = json!({ "password": bench.random_name("Aa1!-") });
    let fresh = session_of(&bench.show(&stale, &app, &app.code(bench, 1)?).await?)?;
    let done = ask(&fresh, &password).await?;
    let needed = |answer: &Answer| answer.status == 400 && code_of(answer) == "reauthentication_needed";
    // Without mail nobody's address can be changed at all: the new one could not be confirmed.
    let no_mail = address.status == 422 && code_of(&address) == "email_provider_disabled";
    Ok(Finding::all([
        (
            needed(&address) || no_mail,
            format!("another address, six minutes after the password: {}", said(&address)),
        ),
        (needed(&secret), format!("another password: {}", said(&secret))),
        (needed(&factor), format!("a second factor: {}", said(&factor))),
        (true, "the password again, and a second factor enrolled".to_owned()),
        (
            with_factor.status == 403 && code_of(&with_factor) == "insufficient_aal",
            format!("another password, six minutes after the second factor: {}", said(&with_factor)),
        ),
        (done.status == 200, format!("with the second factor shown again: {}", said(&done))),
    ]))
}
