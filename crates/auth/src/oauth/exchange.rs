//! Asking a provider: a code for tokens, and tokens for who somebody is.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use outbound::Request;
use serde_json::{Value, json};

use super::OauthError;
use super::begin::Pending;
use super::callback::Returned;
use super::documents::Known;
use super::id_token::{self, Nonce};
use super::profile::{self, Profile};
use super::provider::{AppleKey, ClientAuth, Provider, Shape};
use crate::Auth;

/// What a provider gave for a code.
pub(super) struct Tokens {
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub id_token: Option<String>,
}

/// Claims by which a provider vouches for the address beside them.
const VOUCHING: [&str; 2] = ["email_verified", "xms_edov"];

/// Why we ask, for the audit log.
const PURPOSE: &str = "oauth";

impl Auth {
    /// What is known of an OIDC provider.
    pub(super) async fn document(&self, provider: &Provider) -> Result<Arc<Known>, OauthError> {
        let outside = &self.0.outside;
        outside.documents.of(provider, &outside.outbound, self.0.clock.unix_seconds(), false).await
    }

    /// The claims of an ID token of `provider`; keys that it names and nobody knows are read once more.
    pub(super) async fn believe(
        &self,
        provider: &Provider,
        token: &str,
        nonce: &Nonce<'_>,
    ) -> Result<serde_json::Map<String, Value>, OauthError> {
        let (outside, now) = (&self.0.outside, self.0.clock.unix_seconds());
        let mut known = self.document(provider).await?;
        if id_token::names_unknown_key(token, &known.keys) {
            known = outside.documents.of(provider, &outside.outbound, now, true).await?;
        }
        id_token::verify(token, provider, &known, nonce, now)
    }

    /// A code for tokens.
    pub(super) async fn exchange(
        &self,
        provider: &Provider,
        pending: &Pending,
        code: &str,
    ) -> Result<Tokens, OauthError> {
        let endpoint = match provider.shape {
            Shape::Oidc => self.document(provider).await?.document.token_endpoint.clone(),
            _ => provider.endpoints.token.clone(),
        };
        let secret = match &provider.apple {
            Some(key) => Some(apple_secret(key, provider, self.0.clock.unix_seconds())?),
            None => provider.secret.as_ref().map(|secret| secret.expose().clone()),
        };
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", pending.redirect_uri.as_str()),
        ];
        if provider.pkce {
            form.push(("code_verifier", pending.verifier.as_str()));
        }
        let mut request = Request::post(PURPOSE, endpoint);
        match (provider.client_auth, &secret) {
            (ClientAuth::Basic, Some(secret)) => {
                let encode =
                    |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encode(provider.client_id()), encode(secret));
                request = request.basic(&STANDARD.encode(pair));
            }
            (ClientAuth::Post, Some(secret)) => {
                form.push(("client_id", provider.client_id()));
                form.push(("client_secret", secret));
            }
            (_, None) => form.push(("client_id", provider.client_id())),
        }
        let request = with_headers(request.form(&form).header("accept", "application/json"), provider);
        let answer = self.0.outside.outbound.send(request).await?;
        // GitHub answers a bad code with 200 and an error.
        let body: Value = answer.success()?.json()?;
        let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let access_token =
            text("access_token").ok_or(OauthError::Answer("no access token came for the code"))?;
        Ok(Tokens { access_token, refresh_token: text("refresh_token"), id_token: text("id_token") })
    }

    /// Who somebody is, by what their tokens say or open.
    pub(super) async fn profile(
        &self,
        provider: &Provider,
        pending: &Pending,
        tokens: &Tokens,
        returned: &Returned,
    ) -> Result<Profile, OauthError> {
        let no_profile = || OauthError::Answer("it does not say who somebody is");
        if provider.shape == Shape::Oidc {
            let token =
                tokens.id_token.as_deref().ok_or(OauthError::Answer("no ID token came for the code"))?;
            let mut claims = self.believe(provider, token, &Nonce::Is(&pending.nonce)).await?;
            id_token::require_access_token(token, &claims, &tokens.access_token)?;
            let known = self.document(provider).await?;
            if let Some(endpoint) =
                known.document.userinfo_endpoint.as_ref().filter(|_| !claims.contains_key("email"))
            {
                let more: Value = self.ask(endpoint, tokens).await?;
                // Another person's answer is no answer (OIDC Core 5.3.2).
                if more["sub"] != claims["sub"] {
                    return Err(OauthError::Answer("its userinfo is about somebody else"));
                }
                vouch_for_nothing(provider, &mut claims);
                for (name, value) in more.as_object().into_iter().flatten() {
                    claims.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            add_apple_name(&mut claims, returned);
            return profile::of_claims(provider, &claims).ok_or_else(no_profile);
        }
        let signed = self.signed_besides(provider, tokens).await?;
        let (user, emails) = self.person(provider, tokens).await?;
        let profile = profile::of_api(provider, &user, emails.as_ref()).ok_or_else(no_profile)?;
        match signed {
            Some(subject) if subject != profile.subject => {
                Err(OauthError::Answer("its userinfo is about somebody else than its ID token"))
            }
            Some(_) | None => Ok(profile),
        }
    }

    /// Whom the ID token names that a provider without discovery sends along, if the operator says where its keys are: it is
    /// signed with one of them, or nobody signs in.
    async fn signed_besides(
        &self,
        provider: &Provider,
        tokens: &Tokens,
    ) -> Result<Option<String>, OauthError> {
        let asked = provider.scopes.iter().any(|scope| scope == "openid");
        let (Some(url), outside) = (&provider.keys, &self.0.outside) else { return Ok(None) };
        let Some(token) = &tokens.id_token else {
            return if asked { Err(OauthError::Answer("no ID token came for the code")) } else { Ok(None) };
        };
        let now = self.0.clock.unix_seconds();
        let mut keys = outside.documents.keys(url, &outside.outbound, now, false).await?;
        if id_token::names_unknown_key(token, &keys) {
            keys = outside.documents.keys(url, &outside.outbound, now, true).await?;
        }
        let claims = id_token::verify_keys_only(token, provider, &keys, now)?;
        id_token::require_access_token(token, &claims, &tokens.access_token)?;
        match claims.get("sub").and_then(Value::as_str) {
            Some(subject) if !subject.is_empty() => Ok(Some(subject.to_owned())),
            Some(_) | None => Err(OauthError::IdToken("it has no sub")),
        }
    }

    async fn person(
        &self,
        provider: &Provider,
        tokens: &Tokens,
    ) -> Result<(Value, Option<Value>), OauthError> {
        let url = &provider.endpoints.userinfo;
        match provider.shape {
            Shape::Github | Shape::Bitbucket => {
                let user = self.ask(url, tokens).await?;
                let emails = self.ask(&format!("{url}/emails"), tokens).await?;
                Ok((user, Some(emails)))
            }
            Shape::Facebook => {
                let secret =
                    provider.secret.as_ref().map(|secret| secret.expose().as_bytes()).unwrap_or_default();
                let proof = hex::encode(seal::keyed_mac(secret, tokens.access_token.as_bytes()));
                let fields = "id,name,email,first_name,last_name,picture";
                let url = format!("{url}?fields={fields}&appsecret_proof={proof}");
                Ok((self.ask(&url, tokens).await?, None))
            }
            Shape::X => {
                let url = format!("{url}?user.fields=confirmed_email,profile_image_url");
                Ok((self.ask(&url, tokens).await?, None))
            }
            Shape::Mapped => {
                let request = Request::get(PURPOSE, url)
                    .bearer(&tokens.access_token)
                    .header("accept", "application/json");
                let request = with_headers(request, provider);
                Ok((self.0.outside.outbound.send(request).await?.success()?.json()?, None))
            }
            Shape::Gitlab | Shape::Discord | Shape::Oidc => Ok((self.ask(url, tokens).await?, None)),
        }
    }

    async fn ask(&self, url: &str, tokens: &Tokens) -> Result<Value, OauthError> {
        let request =
            Request::get(PURPOSE, url).bearer(&tokens.access_token).header("accept", "application/json");
        Ok(self.0.outside.outbound.send(request).await?.success()?.json()?)
    }
}

fn with_headers(request: Request, provider: &Provider) -> Request {
    provider.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// Where the token has no address, its word is about none, and least of all about the one that is read elsewhere (attack row 3).
fn vouch_for_nothing(provider: &Provider, claims: &mut serde_json::Map<String, Value>) {
    let mapped = |ours: &str, theirs: Option<&str>| {
        provider.mapping.iter().any(|(name, to)| name == ours && theirs.is_none_or(|theirs| theirs == to))
    };
    if !mapped("email", None) {
        claims.retain(|name, _| !VOUCHING.contains(&name.as_str()) && !mapped("email_verified", Some(name)));
    }
}

/// Apple posts the name once, beside the code; the address there is not signed and not looked at.
fn add_apple_name(claims: &mut serde_json::Map<String, Value>, returned: &Returned) {
    let said = returned.user.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Some(said) = said else { return };
    let parts = ["firstName", "lastName"].map(|part| said["name"][part].as_str().unwrap_or_default().trim());
    let name = parts.join(" ").trim().chars().take(200).collect::<String>();
    if !name.is_empty() {
        claims.entry("name").or_insert_with(|| name.into());
    }
}

/// Apple's proof of a client: a token that lives five minutes, signed with the team's key.
fn apple_secret(key: &AppleKey, provider: &Provider, now: i64) -> Result<String, OauthError> {
    let bad = || OauthError::Answer("auth.external.apple.private_key is no PEM text of an EC key");
    let pem = key.private.expose();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let der = STANDARD.decode(body).map_err(|_| bad())?;
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(json!({ "alg": "ES256", "kid": key.key, "typ": "JWT" }));
    let claims = encode(json!({
        "iss": key.team, "iat": now, "exp": now + 300, "aud": provider.issuer, "sub": provider.client_id(),
    }));
    let message = format!("{header}.{claims}");
    let encoding = EncodingKey::from_ec_der(&der);
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &encoding, Algorithm::ES256).map_err(|_| bad())?;
    Ok(format!("{message}.{signature}"))
}
