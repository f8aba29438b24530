//! An account as the rest of the house sees it. The password hash stays inside this crate.

use jiff::Timestamp;
use pg::Row;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Error;

/// One account.
#[derive(Clone, Debug)]
pub struct User {
    /// `auth.users.id`.
    pub id: Uuid,
    /// Audience.
    pub aud: String,
    /// The role claim of its tokens.
    pub role: String,
    /// E-mail address, lower case.
    pub email: Option<String>,
    /// Telephone number, digits only.
    pub phone: Option<String>,
    /// When the address was confirmed.
    pub email_confirmed_at: Option<Timestamp>,
    /// When the number was confirmed.
    pub phone_confirmed_at: Option<Timestamp>,
    /// The earlier of both.
    pub confirmed_at: Option<Timestamp>,
    /// When an invitation was sent.
    pub invited_at: Option<Timestamp>,
    /// When a confirmation was sent.
    pub confirmation_sent_at: Option<Timestamp>,
    /// When a recovery mail was sent.
    pub recovery_sent_at: Option<Timestamp>,
    /// The address it wants to change to.
    pub new_email: Option<String>,
    /// When that was asked for.
    pub email_change_sent_at: Option<Timestamp>,
    /// The number it wants to change to.
    pub new_phone: Option<String>,
    /// When that was asked for.
    pub phone_change_sent_at: Option<Timestamp>,
    /// When a proof of presence was sent.
    pub reauthentication_sent_at: Option<Timestamp>,
    /// When it last signed in.
    pub last_sign_in_at: Option<Timestamp>,
    /// What only administrators and we write.
    pub app_metadata: Map<String, Value>,
    /// What the user may write. Never a reason to allow anything.
    pub user_metadata: Map<String, Value>,
    /// Ways in, oldest first.
    pub identities: Vec<Identity>,
    /// Second factors.
    pub factors: Vec<Map<String, Value>>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Banned until then.
    pub banned_until: Option<Timestamp>,
    /// Softly deleted then.
    pub deleted_at: Option<Timestamp>,
    /// Whether it was made without any address.
    pub is_anonymous: bool,
    /// Whether an identity provider owns it.
    pub is_sso_user: bool,
    pub(crate) password_hash: Option<String>,
}

/// One way into an account.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its row.
    pub identity_id: Uuid,
    /// The provider's name for the person.
    pub id: String,
    /// Whose it is.
    pub user_id: Uuid,
    /// What the provider says.
    pub identity_data: Map<String, Value>,
    /// `email`, `google`, …
    pub provider: String,
    /// When it was last used.
    pub last_sign_in_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// The address the provider says.
    pub email: Option<String>,
}

impl User {
    /// An account of which nothing is known but its names.
    pub(crate) fn blank(id: Uuid, email: Option<String>, phone: Option<String>) -> Self {
        User {
            id,
            email,
            phone,
            aud: String::new(),
            role: String::new(),
            email_confirmed_at: None,
            phone_confirmed_at: None,
            confirmed_at: None,
            invited_at: None,
            confirmation_sent_at: None,
            recovery_sent_at: None,
            new_email: None,
            email_change_sent_at: None,
            new_phone: None,
            phone_change_sent_at: None,
            reauthentication_sent_at: None,
            last_sign_in_at: None,
            app_metadata: Map::new(),
            user_metadata: Map::new(),
            identities: Vec::new(),
            factors: Vec::new(),
            created_at: None,
            updated_at: None,
            banned_until: None,
            deleted_at: None,
            is_anonymous: false,
            is_sso_user: false,
            password_hash: None,
        }
    }

    /// Whether it may not sign in at `now`.
    pub fn is_banned(&self, now: Timestamp) -> bool {
        self.banned_until.is_some_and(|until| until > now)
    }

    /// Whether somebody else may have made it: nobody proved the address, and who came in came by another's word or by
    /// nothing. A number that they proved says nothing of the address.
    pub(crate) fn is_doubtful(&self) -> bool {
        let own = |identity: &Identity| ["email", "phone"].contains(&identity.provider.as_str());
        let came_by_another = !self.identities.iter().all(own);
        self.email_confirmed_at.is_none() && (self.confirmed_at.is_none() || came_by_another)
    }

    /// Whether a second factor of its owner was ever shown.
    pub fn has_factor(&self) -> bool {
        self.factors.iter().any(|factor| factor.get("status").is_some_and(|status| status == "verified"))
    }

    /// Whether a password was ever set.
    pub fn has_password(&self) -> bool {
        self.password_hash.is_some()
    }

    /// Its address, empty when it has none: tokens and clients expect a text.
    pub fn email_or_empty(&self) -> &str {
        self.email.as_deref().unwrap_or_default()
    }

    /// Its number, empty when it has none.
    pub fn phone_or_empty(&self) -> &str {
        self.phone.as_deref().unwrap_or_default()
    }

    pub(crate) fn read(row: Row<'_>) -> Result<Self, Error> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let identities: Value = row.get("identities")?;
        let factors: Value = row.get("factors")?;
        Ok(User {
            id: row.get("id")?,
            aud: row.get::<Option<String>>("aud")?.unwrap_or_default(),
            role: row.get::<Option<String>>("role")?.unwrap_or_default(),
            email: filled(row.get("email")?),
            phone: filled(row.get("phone")?),
            email_confirmed_at: row.get("email_confirmed_at")?,
            phone_confirmed_at: row.get("phone_confirmed_at")?,
            confirmed_at: row.get("confirmed_at")?,
            invited_at: row.get("invited_at")?,
            confirmation_sent_at: row.get("confirmation_sent_at")?,
            recovery_sent_at: row.get("recovery_sent_at")?,
            new_email: filled(row.get("email_change")?),
            email_change_sent_at: row.get("email_change_sent_at")?,
            new_phone: filled(row.get("phone_change")?),
            phone_change_sent_at: row.get("phone_change_sent_at")?,
            reauthentication_sent_at: row.get("reauthentication_sent_at")?,
            last_sign_in_at: row.get("last_sign_in_at")?,
            app_metadata: object(row.get("raw_app_meta_data")?),
            user_metadata: object(row.get("raw_user_meta_data")?),
            identities: list(identities).into_iter().filter_map(Identity::read).collect(),
            factors: list(factors),
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            banned_until: row.get("banned_until")?,
            deleted_at: row.get("deleted_at")?,
            is_anonymous: row.get("is_anonymous")?,
            is_sso_user: row.get("is_sso_user")?,
            password_hash: filled(row.get("encrypted_password")?),
        })
    }
}

impl Identity {
    fn read(fields: Map<String, Value>) -> Option<Self> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        Some(Identity {
            identity_id: text("identity_id")?.parse().ok()?,
            id: text("id")?.to_owned(),
            user_id: text("user_id")?.parse().ok()?,
            identity_data: object(fields.get("identity_data").cloned()),
            provider: text("provider")?.to_owned(),
            last_sign_in_at: text("last_sign_in_at").and_then(timestamp),
            created_at: text("created_at").and_then(timestamp),
            updated_at: text("updated_at").and_then(timestamp),
            email: text("email").map(str::to_owned),
        })
    }
}

/// JSON functions write times with `T` and an offset.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn list(value: Value) -> Vec<Map<String, Value>> {
    match value {
        Value::Array(items) => items.into_iter().map(|item| object(Some(item))).collect(),
        _ => Vec::new(),
    }
}
