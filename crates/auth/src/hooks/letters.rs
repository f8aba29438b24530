//! Mails and texts that the operator's own code sends instead of us, and what it is told afterwards (`send_email`,
//! `send_sms`, `after_user_created`; wire/gotrue.md 2.8).
//!
//! A job asks it, behind the answer to whoever wanted the message: the code is somebody else's, and the time it takes tells
//! nobody whether there was anything to send. What travels lies sealed in the queue until then.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Caller, Secret};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jobs::{Attempt, Job, Trouble, Urgency};
use mail::Template;
use pg::{Reason, SystemTx};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Hook, HookError};
use crate::user::User;
use crate::{Auth, Error, Visit, sql};

/// A message for the operator's own code, sealed: codes and addresses are nobody else's business.
#[derive(Serialize, Deserialize)]
pub struct SendByHook {
    sealed: String,
}

#[derive(Serialize, Deserialize)]
struct Letter {
    hook: String,
    payload: Map<String, Value>,
    from: Option<IpAddr>,
    request: String,
}

const PLACE: &str = "jobs: auth.send_by_hook";

impl Job for SendByHook {
    const NAME: &'static str = "auth.send_by_hook";
    const WHAT: &'static str =
        "asks the operator's own code to send a mail or text, or tells it of a new account";
    const URGENCY: Urgency = Urgency::Account;
    const ATTEMPTS_MAX: u16 = 5;
    const TIME_MAX: Duration = Duration::from_secs(60);
    type Context = Auth;

    async fn run(&self, auth: &Auth, _: Attempt) -> Result<(), Trouble> {
        match auth.send_by_hook(self).await {
            // It said no, or what it should be told cannot be read: asking again changes nothing.
            Err(error @ (Error::Seal(_) | Error::Validation(_) | Error::Hook(HookError::Refused { .. }))) => {
                Err(Trouble::never(error))
            }
            Err(error) => Err(error.into()),
            Ok(()) => Ok(()),
        }
    }

    /// Somebody waits at a screen.
    fn backoff(attempt: u16) -> Duration {
        Duration::from_secs(2 * 3_u64.saturating_pow(u32::from(attempt.min(5))))
    }
}

/// What a mail of a link carries.
pub(crate) struct Carried<'a> {
    /// For people.
    pub code: &'a Secret<String>,
    /// For the link.
    pub token: &'a Secret<String>,
}

impl Auth {
    /// Whether the operator's own code sends the mails.
    pub(crate) fn mails_by_hook(&self) -> bool {
        self.has_hook(Hook::SendEmail)
    }

    /// Sees to it, in `tx`, that the operator's own code is asked to send a mail.
    pub(crate) async fn mail_by_hook(
        &self,
        tx: &mut SystemTx,
        user: &User,
        template: Template,
        values: &Map<String, Value>,
        visit: &Visit,
    ) -> Result<(), Error> {
        let text = |name: &str| values.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut data = json!({
            "token": text("Token"),
            "token_hash": text("TokenHash"),
            "redirect_to": text("RedirectTo"),
            "email_action_type": action(template),
            "site_url": self.0.rules.auth_url(),
            "token_new": "",
            "token_hash_new": "",
        });
        for (name, field) in [
            ("OldEmail", "old_email"),
            ("OldPhone", "old_phone"),
            ("Provider", "provider"),
            ("FactorType", "factor_type"),
            // Ours: what no mail of upstream's says.
            ("RevertURL", "revert_url"),
            ("Device", "device"),
            ("SendingTo", "sending_to"),
        ] {
            if !text(name).is_empty() {
                data[field] = json!(text(name));
            }
        }
        if template == Template::IdentityConfirm {
            data["confirmation_url"] = json!(text("ConfirmationURL"));
        }
        let payload = json!({ "user": told(user), "email_data": data });
        self.enqueue_letter(tx, Hook::SendEmail, payload, visit).await
    }

    /// A change of address is one call with both tokens. The names are upstream's: `token` and `token_hash_new` are for the
    /// present address, `token_new` and `token_hash` for the one to be; where the present one is not asked, the first pair
    /// is the one to be's.
    pub(crate) async fn mail_change_by_hook(
        &self,
        tx: &mut SystemTx,
        user: &User,
        (current, new): (Option<Carried<'_>>, Carried<'_>),
        back_to: &str,
        visit: &Visit,
    ) -> Result<(), Error> {
        let mut data = json!({
            "token": new.code.expose(),
            "token_hash": new.token.expose(),
            "redirect_to": back_to,
            "email_action_type": "email_change",
            "site_url": self.0.rules.auth_url(),
            "token_new": "",
            "token_hash_new": "",
        });
        if let Some(current) = current {
            data["token"] = json!(current.code.expose());
            data["token_hash_new"] = json!(current.token.expose());
            data["token_new"] = json!(new.code.expose());
        }
        let payload = json!({ "user": told(user), "email_data": data });
        self.enqueue_letter(tx, Hook::SendEmail, payload, visit).await
    }

    /// Whether the operator's own code sends the texts.
    pub(crate) fn texts_by_hook(&self) -> bool {
        self.has_hook(Hook::SendSms)
    }

    /// Sees to it, in `tx`, that the operator's own code is asked to text a code.
    pub(crate) async fn text_by_hook(
        &self,
        tx: &mut SystemTx,
        user: &User,
        (to, kind): (&str, &str),
        code: &Secret<String>,
        visit: &Visit,
    ) -> Result<(), Error> {
        let sms = json!({ "otp": code.expose(), "sms_type": kind, "phone": to });
        self.enqueue_letter(tx, Hook::SendSms, json!({ "user": told(user), "sms": sms }), visit).await
    }

    /// Sees to it, in `tx`, that the operator's own code hears of an account once it is there.
    pub(crate) async fn tell_of_account(
        &self,
        tx: &mut SystemTx,
        user: Uuid,
        visit: &Visit,
    ) -> Result<(), Error> {
        match self.has_hook(Hook::AfterUserCreated) {
            true => self.enqueue_letter(tx, Hook::AfterUserCreated, json!({ "user_id": user }), visit).await,
            false => Ok(()),
        }
    }

    async fn enqueue_letter(
        &self,
        tx: &mut SystemTx,
        hook: Hook,
        payload: Value,
        visit: &Visit,
    ) -> Result<(), Error> {
        let Value::Object(payload) = payload else { return Ok(()) };
        let (from, request) = (visit.caller.address, visit.request_id.to_string());
        let letter = Letter { hook: hook.name().to_owned(), payload, from, request };
        let plain = serde_json::to_vec(&letter).map_err(|_| Error::invalid("The message cannot be kept"))?;
        let sealed = URL_SAFE_NO_PAD.encode(self.0.root.seal(&plain, PLACE)?);
        Ok(self.0.post.jobs.enqueue(tx, &SendByHook { sealed }).await?)
    }

    async fn send_by_hook(&self, job: &SendByHook) -> Result<(), Error> {
        let sealed = URL_SAFE_NO_PAD.decode(&job.sealed).unwrap_or_default();
        let plain = self.0.root.open(&sealed, PLACE)?;
        let Ok(letter) = serde_json::from_slice::<Letter>(plain.expose()) else {
            return Err(Error::invalid("The message cannot be read"));
        };
        let visit = Visit {
            caller: Arc::new(Caller { address: letter.from, ..Caller::anonymous() }),
            user_agent: None,
            devices: Vec::new(),
            request_id: letter.request.as_str().into(),
            elsewhere: false,
        };
        let hook = Hook::named(&letter.hook).ok_or(Error::invalid("The message is for nobody"))?;
        let mut payload = letter.payload;
        if hook == Hook::AfterUserCreated {
            let id = payload.get("user_id").and_then(Value::as_str).and_then(|id| Uuid::try_parse(id).ok());
            let Some(user) = self.made(id.unwrap_or_default()).await? else { return Ok(()) };
            payload = Map::from_iter([("user".to_owned(), told(&user))]);
        }
        self.ask_hook(hook, payload, &visit).await.map(drop)
    }

    /// An account, if it was made after all.
    async fn made(&self, id: Uuid) -> Result<Option<User>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let rows = tx.query(sql::USER_BY_ID, [id.into()]).await?;
        let user = rows.first().map(User::read).transpose()?;
        Ok(tx.commit(user).await?.into_inner())
    }
}

/// What upstream calls the occasion of a mail; ours where it has none.
const fn action(template: Template) -> &'static str {
    match template {
        Template::Confirmation => "signup",
        Template::MagicLink => "magiclink",
        other => other.name(),
    }
}

/// An account as hooks are told of it, in upstream's names. Never a hash.
pub(crate) fn told(user: &User) -> Value {
    let mut fields = json!({
        "id": user.id,
        "aud": user.aud,
        "role": user.role,
        "email": user.email_or_empty(),
        "phone": user.phone_or_empty(),
        "app_metadata": user.app_metadata,
        "user_metadata": user.user_metadata,
        "identities": user.identities.iter().map(|one| json!({
            "identity_id": one.identity_id,
            "id": one.id,
            "user_id": one.user_id,
            "identity_data": one.identity_data,
            "provider": one.provider,
            "last_sign_in_at": one.last_sign_in_at,
            "created_at": one.created_at,
            "updated_at": one.updated_at,
            "email": one.email,
        })).collect::<Vec<_>>(),
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "is_anonymous": user.is_anonymous,
    });
    for (name, at) in [
        ("email_confirmed_at", user.email_confirmed_at),
        ("phone_confirmed_at", user.phone_confirmed_at),
        ("confirmation_sent_at", user.confirmation_sent_at),
        ("invited_at", user.invited_at),
        ("last_sign_in_at", user.last_sign_in_at),
    ] {
        if let Some(at) = at {
            fields[name] = json!(at);
        }
    }
    for (name, text) in [("new_email", &user.new_email), ("new_phone", &user.new_phone)] {
        if let Some(text) = text {
            fields[name] = json!(text);
        }
    }
    fields
}
