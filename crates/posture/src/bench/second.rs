//! The second factor of the probes' own people: an authenticator app, so that every other probe can look at an instance that
//! lets nobody do anything without one (controls 24, 25).

use serde_json::json;
use totp_rs::{Builder, Secret};

use super::{Answer, Bench, Session, Trouble};

/// An authenticator app.
pub struct App {
    /// The factor.
    pub id: String,
    /// What it was told, base32.
    pub secret: String,
}

impl App {
    /// What it shows now, and so many steps of thirty seconds later.
    pub fn code(&self, bench: &Bench, steps: i64) -> Result<String, Trouble> {
        let wrong = |_| Trouble::Unexpected("a secret that is no base32".to_owned());
        let secret = Secret::try_from_base32(&self.secret).map_err(wrong)?;
        let totp = Builder::new().with_secret(secret).build();
        let totp =
            totp.map_err(|error| Trouble::Unexpected(format!("a secret that is too short: {error}")))?;
        let at = bench.place.clock.unix_seconds() + 30 * steps;
        Ok(totp.generate(u64::try_from(at).unwrap_or(0)).to_string())
    }
}

impl Bench {
    /// Enrols an authenticator app: the raw answer.
    pub async fn try_enrol(&self, session: &Session) -> Result<Answer, Trouble> {
        let body = json!({ "factor_type": "totp", "friendly_name": self.random_name("app") });
        self.client("POST", "/auth/v1/factors").bearer(&session.access).json(&body).send().await
    }

    /// Enrols an authenticator app.
    pub async fn enrol(&self, session: &Session) -> Result<App, Trouble> {
        let answer = self.try_enrol(session).await?;
        if answer.status != 200 {
            return Err(Trouble::Unexpected(format!(
                "enrolling an authenticator app: {} {}",
                answer.status,
                answer.text()
            )));
        }
        Ok(App { id: answer.field("/id")?, secret: answer.field("/totp/secret")? })
    }

    /// Challenges a factor and sends a code: the raw answer.
    pub async fn show(&self, session: &Session, app: &App, code: &str) -> Result<Answer, Trouble> {
        let at = |what: &str| format!("/auth/v1/factors/{}/{what}", app.id);
        // A challenge is answered from where it was asked for.
        let from = self.own_address();
        let ask = |what: &str| self.client("POST", &at(what)).bearer(&session.access).from(from);
        let challenged = ask("challenge").json(&json!({})).send().await?;
        if challenged.status != 200 {
            return Ok(challenged);
        }
        let body = json!({ "challenge_id": challenged.field("/id")?, "code": code });
        ask("verify").json(&body).send().await
    }

    /// A session that may do what its person may: where a second factor is owed, one is enrolled and shown, or (its code
    /// of these thirty seconds being spent) a recovery code.
    pub(super) async fn settle(&self, session: Session, person: &str) -> Result<Session, Trouble> {
        let look = self.client("GET", "/auth/v1/passkeys").bearer(&session.access).send().await?;
        let owes =
            look.status == 403 && look.field("/error_code").is_ok_and(|code| code == "insufficient_aal");
        if !owes {
            return Ok(session);
        }
        let mut codes = self.codes.lock().await;
        let left = codes.entry(person.to_owned()).or_default();
        if let Some(code) = left.pop() {
            let at = "/auth/v1/factors/recovery-codes/verify";
            let body = json!({ "code": code });
            return Session::from(&self.client("POST", at).bearer(&session.access).json(&body).send().await?);
        }
        let app = self.enrol(&session).await?;
        let raised = Session::from(&self.show(&session, &app, &app.code(self, 0)?).await?)?;
        let made = self.client("POST", "/auth/v1/factors/recovery-codes").bearer(&raised.access);
        let made = made.json(&json!({})).send().await?.json();
        let told = made.get("codes").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
        left.extend(told.iter().filter_map(|code| code.as_str().map(str::to_owned)));
        Ok(raised)
    }
}
