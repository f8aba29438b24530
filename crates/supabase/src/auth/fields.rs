//! The bodies GoTrue takes. Unknown fields are ignored, an empty text is no text.

use std::fmt;

use ::auth::Error;
use base::Secret;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;
use web::Ask;

/// `POST /signup`, and the password half of `POST /token`.
#[derive(Deserialize, Default)]
pub struct Credentials {
    #[serde(default, deserialize_with = "filled")]
    pub email: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub phone: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub password: Option<Secret<String>>,
    #[serde(default)]
    pub data: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "filled")]
    pub channel: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub code_challenge: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub code_challenge_method: Option<String>,
}

/// The refresh half of `POST /token`.
#[derive(Deserialize)]
pub struct Refresh {
    #[serde(default, deserialize_with = "filled")]
    pub refresh_token: Option<String>,
}

/// What a wallet signed, at `POST /token`.
#[derive(Deserialize)]
pub struct Wallet {
    #[serde(default)]
    pub chain: Option<String>,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default, deserialize_with = "filled_secret")]
    pub signature: Option<Secret<String>>,
}

/// The end of a flow, at `POST /token`.
#[derive(Deserialize)]
pub struct Exchange {
    #[serde(default, deserialize_with = "filled_secret")]
    pub auth_code: Option<Secret<String>>,
    #[serde(default, deserialize_with = "filled_secret")]
    pub code_verifier: Option<Secret<String>>,
}

/// `POST /otp`, `/magiclink`, `/recover` and `/invite`.
#[derive(Deserialize)]
pub struct Otp {
    #[serde(default, deserialize_with = "filled")]
    pub email: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub phone: Option<String>,
    #[serde(default)]
    pub create_user: Option<bool>,
    #[serde(default)]
    pub data: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "filled")]
    pub channel: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub code_challenge: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub code_challenge_method: Option<String>,
}

/// `POST /resend`.
#[derive(Deserialize)]
pub struct Resend {
    #[serde(rename = "type", default, deserialize_with = "filled")]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub email: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub phone: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub code_challenge: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub code_challenge_method: Option<String>,
}

/// `POST /verify` as clients send it.
#[derive(Deserialize)]
pub struct Verify {
    #[serde(rename = "type", default, deserialize_with = "filled")]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "filled_secret")]
    pub token: Option<Secret<String>>,
    #[serde(default, deserialize_with = "filled_secret")]
    pub token_hash: Option<Secret<String>>,
    #[serde(default, deserialize_with = "filled")]
    pub email: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub phone: Option<String>,
}

/// `POST /admin/generate_link`.
#[derive(Deserialize)]
pub struct GenerateLink {
    #[serde(rename = "type", default, deserialize_with = "filled")]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub email: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub new_email: Option<String>,
    #[serde(default, deserialize_with = "filled_secret")]
    pub password: Option<Secret<String>>,
    #[serde(default)]
    pub data: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "filled")]
    pub redirect_to: Option<String>,
}

/// The way a text travels: `sms` unless the client says `whatsapp`.
pub fn is_whatsapp(channel: Option<&str>) -> Result<bool, Error> {
    match channel {
        None | Some("" | "sms") => Ok(false),
        Some("whatsapp") => Ok(true),
        Some(_) => Err(Error::invalid("Invalid channel, supported values are 'sms' or 'whatsapp'")),
    }
}

/// `PUT /user`.
#[derive(Deserialize)]
pub struct Change {
    #[serde(default, deserialize_with = "filled")]
    pub email: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub phone: Option<String>,
    #[serde(default, deserialize_with = "filled_secret")]
    pub password: Option<Secret<String>>,
    #[serde(default, deserialize_with = "filled_secret")]
    pub current_password: Option<Secret<String>>,
    #[serde(default, deserialize_with = "filled_secret")]
    pub nonce: Option<Secret<String>>,
    #[serde(default, deserialize_with = "filled")]
    pub channel: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub code_challenge: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub code_challenge_method: Option<String>,
    #[serde(default)]
    pub data: Option<Map<String, Value>>,
    #[serde(default)]
    pub app_metadata: Option<Map<String, Value>>,
}

/// `POST` and `PUT /admin/users`.
#[derive(Deserialize)]
pub struct AdminUser {
    #[serde(default)]
    pub id: Option<Uuid>,
    #[serde(default, deserialize_with = "filled")]
    pub role: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub email: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub phone: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub password: Option<Secret<String>>,
    #[serde(default, deserialize_with = "filled")]
    pub password_hash: Option<String>,
    #[serde(default)]
    pub email_confirm: Option<bool>,
    #[serde(default)]
    pub phone_confirm: Option<bool>,
    #[serde(default)]
    pub user_metadata: Option<Map<String, Value>>,
    #[serde(default)]
    pub app_metadata: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "filled")]
    pub ban_duration: Option<String>,
}

/// `DELETE /admin/users/{id}`.
#[derive(Deserialize, Default)]
pub struct Removal {
    #[serde(default)]
    pub should_soft_delete: bool,
}

impl From<AdminUser> for ::auth::UserFields {
    fn from(asked: AdminUser) -> Self {
        ::auth::UserFields {
            id: asked.id,
            role: asked.role,
            email: asked.email,
            phone: asked.phone,
            password: asked.password.filter(|password| !password.expose().is_empty()),
            password_hash: asked.password_hash,
            email_confirm: asked.email_confirm,
            phone_confirm: asked.phone_confirm,
            user_metadata: asked.user_metadata,
            app_metadata: asked.app_metadata,
            ban_duration: asked.ban_duration,
        }
    }
}

/// The account a sign-in or sign-up is about, for its budget.
pub fn account(ask: &Ask) -> Option<String> {
    let Named { email, phone } = ask.object().ok()?;
    let text = |raw: Option<Box<RawValue>>| serde_json::from_str::<String>(raw?.get()).ok();
    text(email).filter(|email| !email.is_empty()).or_else(|| text(phone).filter(|phone| !phone.is_empty()))
}

/// Nothing else of a body is looked at: what a form does not ask for, and what nobody could keep (`1e999`), must not keep it
/// from being counted.
#[derive(Default)]
struct Named {
    email: Option<Box<RawValue>>,
    phone: Option<Box<RawValue>>,
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Named::default())
    }
}

impl<'de> Visitor<'de> for Named {
    type Value = Self;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Self, A::Error> {
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "email" => self.email = Some(fields.next_value()?),
                "phone" => self.phone = Some(fields.next_value()?),
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(self)
    }
}

/// An id in the path.
pub fn user_id(ask: &Ask) -> Result<Uuid, Error> {
    Uuid::try_parse(ask.params.get("id")).map_err(|_| Error::NotAnId("user_id must be an UUID"))
}

pub(super) fn filled<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()))
}

pub(super) fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret<String>>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Secret::new))
}

pub fn filled_secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret<String>>, D::Error> {
    Ok(filled(from)?.map(Secret::new))
}
