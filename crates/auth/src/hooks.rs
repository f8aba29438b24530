//! Hooks: what an operator's own code decides or does, over HTTP with Standard Webhooks signatures or as a function in the
//! database (wire/gotrue.md 2.8).
//!
//! A hook is asked outside of our transactions: one that hangs holds nothing but its own request.
//!
//! Invariant: a hook that fails refuses what it was asked about; and whatever it answers, a token says whose it is, which
//! session, which level and until when as we do.

mod calls;
mod letters;
mod target;

pub(crate) use calls::{Asked, NewPerson};
pub(crate) use letters::Carried;
pub use letters::SendByHook;
pub(crate) use target::Hooks;

use base::Secret;
use jiff::Timestamp;
use outbound::Request;
use pg::{Reason, Statement};
use serde_json::{Map, Value, json};

use crate::{Auth, Error, Visit, limits};
use target::Target;

/// What a hook is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hook {
    /// An access token is made.
    CustomAccessToken,
    /// An account is about to be made.
    BeforeUserCreated,
    /// A password was tried.
    PasswordVerificationAttempt,
    /// A second factor was tried.
    MfaVerificationAttempt,
    /// An account was made.
    AfterUserCreated,
    /// A mail is to be sent.
    SendEmail,
    /// A text is to be sent.
    SendSms,
}

impl Hook {
    /// Every one.
    const ALL: [Hook; 7] = [
        Hook::CustomAccessToken,
        Hook::BeforeUserCreated,
        Hook::PasswordVerificationAttempt,
        Hook::MfaVerificationAttempt,
        Hook::AfterUserCreated,
        Hook::SendEmail,
        Hook::SendSms,
    ];

    /// The one of this name.
    fn named(name: &str) -> Option<Hook> {
        Hook::ALL.into_iter().find(|hook| hook.name() == name)
    }

    /// As its settings spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Hook::CustomAccessToken => "custom_access_token",
            Hook::BeforeUserCreated => "before_user_created",
            Hook::PasswordVerificationAttempt => "password_verification_attempt",
            Hook::MfaVerificationAttempt => "mfa_verification_attempt",
            Hook::AfterUserCreated => "after_user_created",
            Hook::SendEmail => "send_email",
            Hook::SendSms => "send_sms",
        }
    }
}

/// Why a hook gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It said no, with a status and words of its own.
    #[error("{message}")]
    Refused {
        /// Its status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// It did not answer in time.
    #[error("Failed to reach hook within maximum time of {} seconds", limits::HOOK_SECONDS_MAX.value)]
    Timeout,
    /// It did not answer however often it was asked.
    #[error("Failed to reach hook after maximum retries")]
    TimeoutAfterRetry,
    /// Its answer is too long.
    #[error("Payload size exceeded size limit of {} bytes", limits::HOOK_ANSWER_BYTES_MAX.value)]
    TooLarge,
    /// Its answer is no JSON.
    #[error("Invalid JSON response. Received content-type: {0}")]
    ContentType(String),
    /// Its answer says something that may not be said, or nothing that can be read.
    #[error("{0}")]
    Answer(&'static str),
}

impl Auth {
    /// Whether anybody is asked about this.
    pub(crate) fn has_hook(&self, hook: Hook) -> bool {
        self.0.hooks.target(hook).is_some()
    }

    /// Asks a hook; nothing when there is none.
    pub(crate) async fn ask_hook(
        &self,
        hook: Hook,
        mut payload: Map<String, Value>,
        visit: &Visit,
    ) -> Result<Option<Map<String, Value>>, Error> {
        let Some(target) = self.0.hooks.target(hook) else { return Ok(None) };
        let now = self.0.clock.now();
        let id = self.0.rng.uuid();
        payload.insert(
            "metadata".to_owned(),
            json!({
                "uuid": id,
                "time": now,
                "name": hook.name().replace('_', "-"),
                "ip_address": visit.caller.address.map(|address| address.to_string()).unwrap_or_default(),
            }),
        );
        let answer = match target {
            Target::Http { url, secrets, clear_text } => {
                self.ask_http(url, secrets, *clear_text, &id.to_string(), &Value::Object(payload)).await?
            }
            // Its time is the whole transaction's: its statement's own limit is the function's to lift, and what it leaves for the
            // commit has none. Whoever is dropped in the middle is stopped, and its connection given back.
            Target::Function { call } => {
                let asked = self.ask_function(call, Value::Object(payload));
                tokio::time::timeout(time_max(), asked).await.map_err(|_| HookError::Timeout)??
            }
        };
        refusal(&answer)?;
        Ok(Some(answer))
    }

    async fn ask_http(
        &self,
        url: &str,
        secrets: &[Secret<Vec<u8>>],
        clear_text: bool,
        id: &str,
        payload: &Value,
    ) -> Result<Map<String, Value>, Error> {
        let tries = async {
            for tried in 0..limits::HOOK_TRIES_MAX.value {
                // Before a further try, not after the last one: that would be over the time of all.
                if tried > 0 {
                    tokio::time::sleep(limits::HOOK_PAUSE).await;
                }
                let body = payload.to_string();
                let request = signed(url, secrets, id, self.0.clock.now(), body).clear_text(clear_text);
                match self.0.outbound.send(request).await {
                    Ok(answer) if is_busy(&answer) => {}
                    Ok(answer) => return read_answer(&answer),
                    Err(outbound::Error::TooLarge { .. }) => return Err(HookError::TooLarge),
                    // What is refused on our side is refused the next time too.
                    Err(error) if error.is_refusal() => {
                        tracing::warn!(%error, "a hook was not reached");
                        return Err(HookError::TimeoutAfterRetry);
                    }
                    Err(error) => tracing::warn!(%error, "a hook was not reached"),
                }
            }
            Err(HookError::TimeoutAfterRetry)
        };
        let answer = tokio::time::timeout(time_max(), tries).await.map_err(|_| HookError::Timeout)?;
        Ok(answer?)
    }

    /// As `supabase_auth_admin`, which has the rights that the operator granted it and no other. A function can give a role back; the
    /// login that it gives it back to has no rights and becomes nobody else.
    async fn ask_function(&self, call: &str, payload: Value) -> Result<Map<String, Value>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Hook).await?;
        tx.query(crate::sql::BECOME_HOOK_ROLE, [limits::HOOK_FUNCTION_TIMEOUT.into()]).await?;
        let answered = tx.run(Statement::rare(call, [payload.into()])).await;
        let rows = match answered {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(error = %base::fault::chain(&error), "a hook's function failed");
                return Err(match error.database() {
                    Some(said) => of_function(&said.sqlstate, &said.message).into(),
                    None => error.into(),
                });
            }
        };
        let answer: Option<Value> = rows.first().map(|row| row.get("answer")).transpose()?.flatten();
        tx.commit(()).await?.into_inner();
        match answer {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(fields)) => Ok(fields),
            Some(_) => Err(HookError::Answer("Error unmarshaling JSON output.").into()),
        }
    }
}

/// How long whoever asks a hook waits for it.
fn time_max() -> std::time::Duration {
    std::time::Duration::from_secs(limits::HOOK_SECONDS_MAX.value)
}

/// What whoever asked hears of a function that failed: what it says itself (`raise exception`). The database's own words name
/// tables and values of rows, and any stranger can make an account ask.
fn of_function(sqlstate: &str, message: &str) -> HookError {
    match sqlstate {
        "57014" => HookError::Timeout,
        "P0001" => {
            let message = message.chars().take(limits::HOOK_MESSAGE_CHARS_MAX.size()).collect();
            HookError::Refused { status: 500, message }
        }
        _ => HookError::Answer("The hook's function failed."),
    }
}

/// A request with the three headers of Standard Webhooks, signed with each secret.
fn signed(url: &str, secrets: &[Secret<Vec<u8>>], id: &str, now: Timestamp, body: String) -> Request {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let time = now.as_second().to_string();
    let text = format!("{id}.{time}.{body}");
    let sign = |secret: &Secret<Vec<u8>>| {
        format!("v1,{}", STANDARD.encode(seal::keyed_mac(secret.expose(), text.as_bytes())))
    };
    let signatures: Vec<String> = secrets.iter().map(sign).collect();
    Request::post("hook", url)
        .header("webhook-id", id)
        .header("webhook-timestamp", &time)
        .header("webhook-signature", &signatures.join(" "))
        .body("application/json", body)
        .within(time_max())
        .at_most(limits::HOOK_ANSWER_BYTES_MAX.value)
}

/// It asks to be asked again.
fn is_busy(answer: &outbound::Answer) -> bool {
    [429, 503].contains(&answer.status.as_u16()) && answer.header("retry-after").is_some()
}

fn read_answer(answer: &outbound::Answer) -> Result<Map<String, Value>, HookError> {
    match answer.status.as_u16() {
        204 => Ok(Map::new()),
        200 | 202 if answer.body.is_empty() => Ok(Map::new()),
        200 | 202 => {
            let kind = answer.header("content-type").unwrap_or_default();
            if !kind.to_ascii_lowercase().starts_with("application/json") {
                return Err(HookError::ContentType(kind.chars().take(100).collect()));
            }
            serde_json::from_slice(&answer.body)
                .map_err(|_| HookError::Answer("Error unmarshaling JSON output."))
        }
        400 => Err(HookError::Answer("Invalid payload sent to hook")),
        401 => Err(HookError::Answer("Hook requires authorization token")),
        _ => Err(HookError::Answer("Unexpected status code returned from hook")),
    }
}

/// `{"error": {"http_code": 403, "message": "…"}}`
fn refusal(answer: &Map<String, Value>) -> Result<(), HookError> {
    let Some(error) = answer.get("error").filter(|error| !error.is_null()) else { return Ok(()) };
    let said = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let status = error.get("http_code").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let status = status.filter(|status| (400..600).contains(status)).unwrap_or(500);
    if said.is_empty() && error.get("http_code").is_none() {
        return Ok(());
    }
    let message = said.chars().take(limits::HOOK_MESSAGE_CHARS_MAX.size()).collect();
    Err(HookError::Refused { status, message })
}
