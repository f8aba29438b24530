//! What each provider wants to be asked, and what it answers.
//!
//! Sources: Twilio's Messages resource (2010-04-01), Vonage's SMS API, MessageBird's `/messages`, Textlocal's `/send`, and
//! Standard Webhooks for everybody else.

use std::time::Duration;

use base::{Clock, Rng, Secret, Settings};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use outbound::{Answer, Request};
use seal::keyed_mac;
use serde_json::{Value, json};

use crate::{Channel, Error, limits, settings};

/// Who sends our texts.
pub enum Provider {
    /// Twilio.
    Twilio {
        /// The account.
        account: String,
        /// Its token.
        token: Secret<String>,
        /// A messaging service or a number.
        from: String,
        /// Its API.
        api: String,
    },
    /// Vonage, once Nexmo.
    Vonage {
        /// The key.
        key: String,
        /// Its secret.
        secret: Secret<String>,
        /// A name or number.
        from: String,
        /// Its API.
        api: String,
    },
    /// MessageBird.
    MessageBird {
        /// The key.
        key: Secret<String>,
        /// A name or number.
        from: String,
        /// Its API.
        api: String,
    },
    /// Textlocal.
    Textlocal {
        /// The key.
        key: Secret<String>,
        /// A name or number.
        from: String,
        /// Its API.
        api: String,
    },
    /// Somebody's own program.
    Webhook {
        /// Where.
        url: String,
        /// What it is signed with.
        key: Secret<Vec<u8>>,
    },
}

impl Provider {
    /// The configured one, if one is.
    pub fn configured(given: &Settings) -> Result<Option<Self>, Error> {
        let api = |usual: &str| given.get(&settings::API_URL).unwrap_or_else(|| usual.to_owned());
        let provider = match given.get(&settings::PROVIDER).as_deref() {
            None => return Ok(None),
            Some("twilio") => Provider::Twilio {
                account: need(given.get(&settings::TWILIO_ACCOUNT_SID), "twilio", "sms.twilio_account_sid")?,
                token: need(given.get(&settings::TWILIO_AUTH_TOKEN), "twilio", "sms.twilio_auth_token")?,
                from: need(
                    given.get(&settings::TWILIO_MESSAGE_SERVICE_SID),
                    "twilio",
                    "sms.twilio_message_service_sid",
                )?,
                api: api("https://api.twilio.com"),
            },
            Some("vonage") => Provider::Vonage {
                key: need(given.get(&settings::VONAGE_API_KEY), "vonage", "sms.vonage_api_key")?,
                secret: need(given.get(&settings::VONAGE_API_SECRET), "vonage", "sms.vonage_api_secret")?,
                from: need(given.get(&settings::VONAGE_FROM), "vonage", "sms.vonage_from")?,
                api: api("https://rest.nexmo.com"),
            },
            Some("messagebird") => Provider::MessageBird {
                key: need(
                    given.get(&settings::MESSAGEBIRD_ACCESS_KEY),
                    "messagebird",
                    "sms.messagebird_access_key",
                )?,
                from: need(
                    given.get(&settings::MESSAGEBIRD_ORIGINATOR),
                    "messagebird",
                    "sms.messagebird_originator",
                )?,
                api: api("https://rest.messagebird.com"),
            },
            Some("textlocal") => Provider::Textlocal {
                key: need(given.get(&settings::TEXTLOCAL_API_KEY), "textlocal", "sms.textlocal_api_key")?,
                from: need(given.get(&settings::TEXTLOCAL_SENDER), "textlocal", "sms.textlocal_sender")?,
                api: api("https://api.textlocal.in"),
            },
            Some(_) => {
                let secret = need(given.get(&settings::WEBHOOK_SECRET), "webhook", "sms.webhook_secret")?;
                Provider::Webhook {
                    url: need(given.get(&settings::WEBHOOK_URL), "webhook", "sms.webhook_url")?,
                    key: webhook_key(&secret).ok_or(Error::Missing {
                        provider: "webhook",
                        missing: "sms.webhook_secret of the form v1,whsec_ and base64 of at least 24 bytes",
                    })?,
                }
            }
        };
        Ok(Some(provider))
    }

    /// As `sms.provider` spells it.
    pub fn name(&self) -> &'static str {
        match self {
            Provider::Twilio { .. } => "twilio",
            Provider::Vonage { .. } => "vonage",
            Provider::MessageBird { .. } => "messagebird",
            Provider::Textlocal { .. } => "textlocal",
            Provider::Webhook { .. } => "webhook",
        }
    }

    /// The request that sends `text`.
    pub(crate) fn request(
        &self,
        to: &str,
        text: &Secret<String>,
        channel: Channel,
        clock: &Clock,
        rng: &Rng,
    ) -> Result<Request, Error> {
        let sms_only = matches!(
            self,
            Provider::Vonage { .. } | Provider::MessageBird { .. } | Provider::Textlocal { .. }
        );
        if sms_only && channel == Channel::Whatsapp {
            return Err(Error::Channel { provider: self.name() });
        }
        let text = text.expose();
        let request = match self {
            Provider::Twilio { account, token, from, api } => {
                let url = format!("{api}/2010-04-01/Accounts/{account}/Messages.json");
                let on = if channel == Channel::Whatsapp { "whatsapp:" } else { "" };
                let to = format!("{on}+{to}");
                // A messaging service is named otherwise than a number.
                let (sender, from) = match from.starts_with("MG") {
                    true => ("MessagingServiceSid", from.clone()),
                    false => ("From", format!("{on}{from}")),
                };
                Request::post("sms", url)
                    .basic(&STANDARD.encode(format!("{account}:{}", token.expose())))
                    .form(&[("To", &to), (sender, &from), ("Body", text)])
            }
            Provider::Vonage { key, secret, from, api } => {
                let mut fields = vec![
                    ("from", from.as_str()),
                    ("to", to),
                    ("text", text),
                    ("api_key", key),
                    ("api_secret", secret.expose()),
                ];
                if !is_plain(text) {
                    fields.push(("type", "unicode"));
                }
                Request::post("sms", format!("{api}/sms/json")).form(&fields)
            }
            Provider::MessageBird { key, from, api } => {
                let coding = if is_plain(text) { "plain" } else { "auto" };
                Request::post("sms", format!("{api}/messages"))
                    .header("authorization", &format!("AccessKey {}", key.expose()))
                    .form(&[
                        ("originator", from),
                        ("recipients", to),
                        ("body", text),
                        ("type", "sms"),
                        ("datacoding", coding),
                    ])
            }
            Provider::Textlocal { key, from, api } => {
                let mut fields = vec![
                    ("sender", from.as_str()),
                    ("apikey", key.expose()),
                    ("message", text),
                    ("numbers", to),
                ];
                if !is_plain(text) {
                    fields.push(("unicode", "true"));
                }
                Request::post("sms", format!("{api}/send")).form(&fields)
            }
            Provider::Webhook { url, key } => {
                let id = format!("msg_{}", rng.uuid().simple());
                let at = clock.unix_seconds();
                let channel = if channel == Channel::Whatsapp { "whatsapp" } else { "sms" };
                let body = json!({ "to": format!("+{to}"), "text": text, "channel": channel }).to_string();
                let mac = keyed_mac(key.expose(), format!("{id}.{at}.{body}").as_bytes());
                Request::post("sms", url.as_str())
                    .header("webhook-id", &id)
                    .header("webhook-timestamp", &at.to_string())
                    .header("webhook-signature", &format!("v1,{}", STANDARD.encode(mac)))
                    .body("application/json", body)
            }
        };
        Ok(request.within(Duration::from_secs(limits::SECONDS.value)).at_most(limits::ANSWER_BYTES.value))
    }

    /// The provider's name for the message, or why it was refused.
    pub(crate) fn read(&self, answer: &Answer) -> Result<Option<String>, Error> {
        let provider = self.name();
        let said = answer.json::<Value>().unwrap_or(Value::Null);
        let status = answer.status;
        let refused = |why: String, permanent| Err(Error::Refused { provider, why, permanent });
        let permanent = status.is_client_error() && status.as_u16() != 429;
        match self {
            // It can take a text and give it up in the same answer.
            Provider::Twilio { .. } => match (status.is_success(), said["status"].as_str()) {
                (true, Some(gave_up @ ("failed" | "undelivered"))) => {
                    refused(format!("{gave_up}, code {}", said["error_code"]), true)
                }
                (true, _) => Ok(said["sid"].as_str().map(str::to_owned)),
                (false, _) => refused(format!("status {status}, code {}", said["code"]), permanent),
            },
            // Vonage says no with a status of 200, about each part of a text.
            Provider::Vonage { .. } => {
                let parts = said["messages"].as_array().map_or(&[][..], Vec::as_slice);
                let refusal = parts.iter().find(|part| part["status"].as_str() != Some("0"));
                let first = parts.first();
                match refusal.or(first).and_then(|part| part["status"].as_str()) {
                    Some("0") => Ok(first.and_then(|part| part["message-id"].as_str()).map(str::to_owned)),
                    // Throttled, and their own trouble.
                    Some(code @ ("1" | "5")) => refused(format!("code {code}"), false),
                    Some(code) => refused(format!("code {code}"), true),
                    None => refused(format!("status {status}"), permanent),
                }
            }
            // What it took for nobody is not sent.
            Provider::MessageBird { .. } => match status.is_success() {
                true if said["recipients"]["totalSentCount"].as_u64() == Some(0) => {
                    refused("nothing was sent".to_owned(), true)
                }
                true => Ok(said["id"].as_str().map(str::to_owned)),
                false => refused(format!("status {status}, code {}", said["errors"][0]["code"]), permanent),
            },
            // Textlocal says no with a status of 200, too.
            Provider::Textlocal { .. } => match (status.is_success(), said["status"].as_str()) {
                (true, Some("success")) => {
                    let id = &said["messages"][0]["id"];
                    Ok(id.as_str().map(str::to_owned).or_else(|| id.as_i64().map(|id| id.to_string())))
                }
                (true, _) => {
                    let code = &said["errors"][0]["code"];
                    // 7: no credit left, 1000: they know not why.
                    refused(format!("code {code}"), !matches!(code.as_i64(), Some(7 | 1000) | None))
                }
                (false, _) => refused(format!("status {status}"), permanent),
            },
            Provider::Webhook { .. } => match status.is_success() {
                true => Ok(said["id"].as_str().map(str::to_owned)),
                false => refused(format!("status {status}"), permanent),
            },
        }
    }
}

fn need<T>(given: Option<T>, provider: &'static str, missing: &'static str) -> Result<T, Error> {
    given.ok_or(Error::Missing { provider, missing })
}

/// Whether the alphabet of telephones (GSM 03.38) has every letter of it; of ASCII it lacks the back tick.
fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|letter| letter.is_ascii_graphic() && letter != '`' || matches!(letter, ' ' | '\n' | '\r'))
}

/// `v1,whsec_` and base64, with or without its padding.
fn webhook_key(secret: &Secret<String>) -> Option<Secret<Vec<u8>>> {
    let text = secret.expose().strip_prefix("v1,").unwrap_or(secret.expose());
    let text = text.strip_prefix("whsec_")?.trim_end_matches('=');
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    (bytes.len() >= 24).then(|| Secret::new(bytes))
}
