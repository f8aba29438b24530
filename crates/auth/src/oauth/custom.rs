//! Providers that administrators add while the program runs. Their secrets rest sealed, and no answer ever shows one.

use base::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pg::{Param, Reason, Reply, Row, SystemTx};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::provider::{Endpoints, Provider, Shape, add_openid};
use super::{OauthError, sql as own};
use crate::events::{self, Happening, Outside};
use crate::{Auth, Error, Visit, limits};

/// What an administrator says about a provider; what is not said stays as it was.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct CustomFields {
    /// `oauth2` or `oidc`.
    pub provider_type: Option<String>,
    /// `custom:…`.
    pub identifier: Option<String>,
    /// For people.
    pub name: Option<String>,
    /// Who we are there.
    pub client_id: Option<String>,
    /// Our proof.
    #[serde(deserialize_with = "secret")]
    pub client_secret: Option<Secret<String>>,
    /// Further ids that ID tokens may be for.
    pub acceptable_client_ids: Option<Vec<String>>,
    /// Asked for always.
    pub scopes: Option<Vec<String>>,
    /// Whether it knows PKCE.
    pub pkce_enabled: Option<bool>,
    /// Our names of fields, and theirs.
    pub attribute_mapping: Option<Map<String, Value>>,
    /// Claims that are kept with the identity.
    pub custom_claims_allowlist: Option<Vec<String>>,
    /// Further parameters of the authorization request.
    pub authorization_params: Option<Map<String, Value>>,
    /// Whether it is on.
    pub enabled: Option<bool>,
    /// Whether an account without an address is fine.
    pub email_optional: Option<bool>,
    /// OIDC: its issuer.
    pub issuer: Option<String>,
    /// OIDC: where its document is, when not below the issuer.
    pub discovery_url: Option<String>,
    /// OIDC: whether handed-in ID tokens may lack their nonce.
    pub skip_nonce_check: Option<bool>,
    /// OAuth 2: where browsers go.
    pub authorization_url: Option<String>,
    /// OAuth 2: where codes are exchanged.
    pub token_url: Option<String>,
    /// OAuth 2: where the person is read from.
    pub userinfo_url: Option<String>,
    /// OAuth 2: its keys.
    pub jwks_uri: Option<String>,
}

/// One that was added.
pub struct Custom {
    /// What an administrator may see.
    pub shown: Value,
    provider: Provider,
    enabled: bool,
}

impl Auth {
    /// The provider of that name, if it is on.
    pub(super) async fn provider(&self, name: &str) -> Result<Provider, Error> {
        let outside = &self.0.outside;
        if let Some(known) = outside.providers.iter().find(|provider| provider.id == name) {
            return Ok(known.clone());
        }
        let off = || OauthError::Provider("provider is not enabled");
        if !name.starts_with("custom:") || !outside.custom_enabled || name.len() > 64 {
            return Err(off().into());
        }
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let found = self.find_custom(&mut tx, name).await?;
        tx.commit(()).await?.into_inner();
        Ok(found.filter(|custom| custom.enabled).ok_or_else(off)?.provider)
    }

    /// Names of the providers that are on by their settings, for clients.
    pub fn outside_providers(&self) -> impl Iterator<Item = &str> {
        self.0.outside.providers.iter().map(|provider| provider.id.as_str())
    }

    /// Those that administrators added and that are on, each with the name people read: what a sign-in page shows.
    pub async fn custom_offered(&self) -> Result<Vec<(String, String)>, Error> {
        if !self.0.outside.custom_enabled {
            return Ok(Vec::new());
        }
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let rows = tx.query(own::CUSTOM_OFFERED, []).await?;
        let all = rows.iter().map(|row| Ok((row.get("identifier")?, row.get("name")?)));
        let all = all.collect::<Result<Vec<_>, pg::Error>>()?;
        Ok(tx.commit(all).await?.into_inner())
    }

    /// All that were added, or those of one type.
    pub async fn custom_list(&self, kind: &str) -> Result<Reply<Vec<Value>>, Error> {
        self.require_custom()?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let rows = tx.query(own::CUSTOM_PROVIDERS, [kind.into()]).await?;
        let all: Vec<Value> =
            rows.iter().map(|row| Ok(self.read_custom(row)?.shown)).collect::<Result<_, Error>>()?;
        Ok(tx.commit(all).await?)
    }

    /// One of them.
    pub async fn custom_get(&self, identifier: &str) -> Result<Reply<Value>, Error> {
        self.require_custom()?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let found = self.find_custom(&mut tx, identifier).await?.ok_or(OauthError::NoCustom)?;
        Ok(tx.commit(found.shown).await?)
    }

    /// Adds one, or changes the one called `identifier`.
    pub async fn custom_save(
        &self,
        identifier: Option<&str>,
        fields: CustomFields,
        visit: &Visit,
    ) -> Result<Reply<Value>, Error> {
        self.require_admin_step_up(visit)?;
        self.require_custom()?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let (old, name) = match identifier {
            Some(name) => {
                let old = self.find_custom(&mut tx, name).await?.ok_or(OauthError::NoCustom)?;
                (Some(old), name.to_owned())
            }
            None => {
                let name = fields.identifier.clone().unwrap_or_default();
                require_name(&name)?;
                if self.find_custom(&mut tx, &name).await?.is_some() {
                    return Err(Error::invalid("A provider with this identifier exists already"));
                }
                let count: i64 = match tx.query(own::CUSTOM_COUNT, []).await?.first() {
                    Some(row) => row.get("total")?,
                    None => 0,
                };
                if count >= i64::from(self.0.outside.custom_max) {
                    return Err(OauthError::TooManyCustom.into());
                }
                (None, name)
            }
        };
        // Nothing is held open while others are asked.
        tx.commit(()).await?.into_inner();
        let merged = Merged::new(&name, fields, old.as_ref())?;
        for (name, url) in merged.urls() {
            let checked = self.0.outside.outbound.check("oauth", url).await;
            checked.map_err(|refused| Error::invalid(format!("{name} cannot be used: {refused}")))?;
        }
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        self.write_custom(&mut tx, &merged).await?;
        let happening = Happening::Outside(Outside::ProviderChanged {
            name: &name,
            what: if old.is_some() { "changed" } else { "added" },
        });
        events::record(&mut tx, self, visit, happening).await?;
        let saved = self.find_custom(&mut tx, &name).await?.ok_or(OauthError::NoCustom)?;
        Ok(tx.commit(saved.shown).await?)
    }

    /// Removes one. Identities that came from it stay, and open nothing until it is there again.
    pub async fn custom_remove(&self, identifier: &str, visit: &Visit) -> Result<Reply<()>, Error> {
        self.require_admin_step_up(visit)?;
        self.require_custom()?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        if tx.execute(own::DELETE_CUSTOM_PROVIDER, [identifier.into()]).await? == 0 {
            return Err(OauthError::NoCustom.into());
        }
        let happening = Happening::Outside(Outside::ProviderChanged { name: identifier, what: "removed" });
        events::record(&mut tx, self, visit, happening).await?;
        Ok(tx.commit(()).await?)
    }

    fn require_custom(&self) -> Result<(), Error> {
        match self.0.outside.custom_enabled {
            true => Ok(()),
            false => Err(OauthError::CustomOff.into()),
        }
    }

    async fn find_custom(&self, tx: &mut SystemTx, identifier: &str) -> Result<Option<Custom>, Error> {
        let rows = tx.query(own::CUSTOM_PROVIDER, [identifier.into()]).await?;
        rows.first().map(|row| self.read_custom(row)).transpose()
    }

    async fn write_custom(&self, tx: &mut SystemTx, new: &Merged) -> Result<(), Error> {
        let secret = match &new.secret {
            Some(secret) => {
                URL_SAFE_NO_PAD.encode(self.0.root.seal(secret.expose().as_bytes(), &place(&new.name))?)
            }
            None => String::new(),
        };
        let text = |name: &str| new.fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let list = |name: &str| -> Vec<String> { strings(new.fields.get(name)) };
        let flag = |name: &str| new.fields.get(name).is_some_and(|value| value == true);
        let object = |name: &str| new.fields.get(name).cloned().unwrap_or_else(|| json!({}));
        let row: [Param; 22] = [
            self.0.rng.uuid().into(),
            text("provider_type").into(),
            (&new.name).into(),
            text("name").into(),
            text("client_id").into(),
            secret.into(),
            list("acceptable_client_ids").into(),
            list("scopes").into(),
            flag("pkce_enabled").into(),
            object("attribute_mapping").into(),
            list("custom_claims_allowlist").into(),
            object("authorization_params").into(),
            flag("enabled").into(),
            flag("email_optional").into(),
            text("issuer").into(),
            text("discovery_url").into(),
            flag("skip_nonce_check").into(),
            text("authorization_url").into(),
            text("token_url").into(),
            text("userinfo_url").into(),
            text("jwks_uri").into(),
            self.0.clock.now().into(),
        ];
        tx.execute(own::SAVE_CUSTOM_PROVIDER, row).await?;
        Ok(())
    }

    fn read_custom(&self, row: Row<'_>) -> Result<Custom, Error> {
        let name: String = row.get("identifier")?;
        let text = |column: &str| row.get::<Option<String>>(column);
        let kind: String = row.get("provider_type")?;
        let sealed: String = row.get("client_secret")?;
        let secret = match sealed.is_empty() {
            true => None,
            false => {
                let bytes = URL_SAFE_NO_PAD.decode(&sealed).map_err(|_| seal::Error::NotOurs)?;
                let opened = self.0.root.open(&bytes, &place(&name))?;
                Some(Secret::new(String::from_utf8_lossy(opened.expose()).into_owned()))
            }
        };
        let (acceptable, scopes): (Value, Value) = (row.get("acceptable")?, row.get("scopes")?);
        let (allowlist, mapping): (Value, Value) = (row.get("allowlist")?, row.get("attribute_mapping")?);
        let params: Value = row.get("authorization_params")?;
        let (enabled, optional): (bool, bool) = (row.get("enabled")?, row.get("email_optional")?);
        let (pkce, skip_nonce): (bool, bool) = (row.get("pkce_enabled")?, row.get("skip_nonce_check")?);
        let client_id: String = row.get("client_id")?;
        let mut shown = json!({
            "id": row.get::<Uuid>("id")?, "provider_type": kind, "identifier": name, "name": row.get::<String>("name")?,
            "client_id": client_id, "acceptable_client_ids": acceptable, "scopes": scopes, "pkce_enabled": pkce,
            "attribute_mapping": mapping, "custom_claims_allowlist": allowlist, "authorization_params": params,
            "enabled": enabled, "email_optional": optional,
            "created_at": row.get::<jiff::Timestamp>("created_at")?, "updated_at": row.get::<jiff::Timestamp>("updated_at")?,
        });
        let issuer = text("issuer")?.unwrap_or_default();
        let mut provider = Provider::oidc(&name, &issuer);
        let mut show = |field: &str, value: Value| shown[field] = value;
        if kind == "oidc" {
            provider.discovery = text("discovery_url")?;
            provider.skip_nonce = skip_nonce;
            show("issuer", json!(issuer));
            show("discovery_url", json!(provider.discovery));
            show("skip_nonce_check", json!(skip_nonce));
        } else {
            provider.shape = Shape::Mapped;
            provider.scopes.clear();
            provider.endpoints = Endpoints {
                authorize: text("authorization_url")?.unwrap_or_default(),
                token: text("token_url")?.unwrap_or_default(),
                userinfo: text("userinfo_url")?.unwrap_or_default(),
            };
            show("authorization_url", json!(provider.endpoints.authorize));
            show("token_url", json!(provider.endpoints.token));
            show("userinfo_url", json!(provider.endpoints.userinfo));
            provider.keys = text("jwks_uri")?.filter(|url| !url.is_empty());
            show("jwks_uri", json!(provider.keys));
        }
        let scopes = strings(Some(&scopes));
        if !scopes.is_empty() {
            provider.scopes = scopes;
        }
        if provider.shape == Shape::Oidc {
            add_openid(&mut provider.scopes);
        }
        provider.client_ids = std::iter::once(client_id).chain(strings(Some(&acceptable))).collect();
        provider.secret = secret;
        provider.pkce = pkce;
        provider.email_optional = optional;
        provider.params = pairs(&params);
        provider.mapping = pairs(&mapping);
        provider.kept = strings(Some(&allowlist));
        Ok(Custom { shown, provider, enabled })
    }
}

/// What is written, of what was there and what was said.
struct Merged {
    name: String,
    fields: Map<String, Value>,
    secret: Option<Secret<String>>,
}

impl Merged {
    fn new(name: &str, given: CustomFields, old: Option<&Custom>) -> Result<Self, Error> {
        let defaults = json!({ "pkce_enabled": true, "enabled": true, "email_optional": false, "skip_nonce_check": false });
        let mut fields =
            old.map_or(defaults, |old| old.shown.clone()).as_object().cloned().unwrap_or_default();
        let mut set = |field: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(field.to_owned(), value);
            }
        };
        set("name", given.name.map(Into::into));
        set("client_id", given.client_id.map(Into::into));
        set("acceptable_client_ids", given.acceptable_client_ids.map(Into::into));
        set("scopes", given.scopes.map(Into::into));
        set("pkce_enabled", given.pkce_enabled.map(Into::into));
        set("attribute_mapping", given.attribute_mapping.map(Into::into));
        set("custom_claims_allowlist", given.custom_claims_allowlist.map(Into::into));
        set("authorization_params", given.authorization_params.map(Into::into));
        set("enabled", given.enabled.map(Into::into));
        set("email_optional", given.email_optional.map(Into::into));
        set("issuer", given.issuer.map(Into::into));
        set("discovery_url", given.discovery_url.map(Into::into));
        set("skip_nonce_check", given.skip_nonce_check.map(Into::into));
        set("authorization_url", given.authorization_url.map(Into::into));
        set("token_url", given.token_url.map(Into::into));
        set("userinfo_url", given.userinfo_url.map(Into::into));
        set("jwks_uri", given.jwks_uri.map(Into::into));
        if old.is_none() {
            set("provider_type", given.provider_type.map(Into::into));
        }
        let secret = given.client_secret.or_else(|| old.and_then(|old| old.provider.secret.clone()));
        let merged = Merged { name: name.to_owned(), fields, secret };
        merged.require_whole()?;
        Ok(merged)
    }

    fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn require_whole(&self) -> Result<(), Error> {
        let needed: &[&str] = match self.text("provider_type") {
            "oidc" => &["name", "client_id", "issuer"],
            "oauth2" => &["name", "client_id", "authorization_url", "token_url", "userinfo_url"],
            _ => return Err(Error::invalid("provider_type must be either oauth2 or oidc")),
        };
        if let Some(missing) = needed.iter().find(|name| self.text(name).is_empty()) {
            return Err(Error::invalid(format!("{missing} is required")));
        }
        let whole = Value::Object(self.fields.clone()).to_string();
        if whole.len() > limits::METADATA_BYTES_MAX.size() || whole.contains("\\u0000") {
            return Err(Error::invalid("The provider's description is too long or has NUL characters"));
        }
        let list = strings(self.fields.get("custom_claims_allowlist"));
        if list.len() > limits::CUSTOM_CLAIMS_MAX.size()
            || list.iter().any(|name| name.is_empty() || name.len() > 128)
        {
            return Err(Error::invalid(
                "custom_claims_allowlist has at most 50 names of at most 128 characters",
            ));
        }
        if self.text("name").chars().count() > 100 || self.text("client_id").len() > 512 {
            return Err(Error::invalid("name has at most 100 characters, client_id at most 512"));
        }
        Ok(())
    }

    /// Every URL that we would ever ask, or send a browser to.
    fn urls(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let names = ["issuer", "discovery_url", "authorization_url", "token_url", "userinfo_url", "jwks_uri"];
        names.into_iter().map(|name| (name, self.text(name))).filter(|(_, url)| !url.is_empty())
    }
}

fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Secret<String>>, D::Error> {
    let text: Option<String> = serde::Deserialize::deserialize(from)?;
    Ok(text.filter(|text| !text.is_empty()).map(Secret::new))
}

fn require_name(name: &str) -> Result<(), Error> {
    let rest = name.strip_prefix("custom:").unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends = rest.starts_with('-') || rest.ends_with('-');
    match (1..=40).contains(&rest.len()) && rest.bytes().all(plain) && !ends {
        true => Ok(()),
        false => Err(Error::invalid("identifier must be custom: and lower-case letters, digits and dashes")),
    }
}

fn place(name: &str) -> String {
    format!("auth.custom_oauth_providers.client_secret:{name}")
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    let fields = value.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
