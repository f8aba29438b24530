//! What providers publish: their discovery documents and their keys, read through the outbound guard and kept for an hour.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use outbound::{Outbound, Request};
use serde::Deserialize;

use super::OauthError;
use super::provider::Provider;
use crate::limits;

/// What of a discovery document matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    /// Who they say they are.
    pub issuer: String,
    /// Where browsers go. Who only hands out ID tokens has none.
    #[serde(default)]
    pub authorization_endpoint: String,
    /// Where codes are exchanged.
    #[serde(default)]
    pub token_endpoint: String,
    /// Where more about the person is.
    pub userinfo_endpoint: Option<String>,
    /// Where their keys are.
    pub jwks_uri: String,
    /// Whether they name themselves in the answer (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// A key of a provider, with the algorithms that its kind can do.
pub struct Key {
    pub(super) id: Option<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

/// What is known of one provider.
pub struct Known {
    /// Its document.
    pub document: Document,
    /// Its keys.
    pub keys: Vec<Key>,
    pub(super) read_at: i64,
}

/// Keys alone, and when they were read.
type KeysAlone = (i64, Arc<Vec<Key>>);

/// Everything that was read, by the URL of its document, or of the keys alone.
#[derive(Default)]
pub struct Documents(Mutex<HashMap<String, Arc<Known>>>, Mutex<HashMap<String, KeysAlone>>);

impl Documents {
    /// The provider's document and keys. `stale` asks again: a token came that names an unknown key.
    pub async fn of(
        &self,
        provider: &Provider,
        outbound: &Outbound,
        now: i64,
        stale: bool,
    ) -> Result<Arc<Known>, OauthError> {
        let url = discovery_url(provider);
        let life = match stale {
            true => limits::OIDC_KEYS_PAUSE_SECONDS.value,
            false => limits::OIDC_DOCUMENT_SECONDS.value,
        };
        let known = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(&url).cloned();
        let life = i64::try_from(life).unwrap_or(0);
        if let Some(known) = known.filter(|known| now.saturating_sub(known.read_at) < life) {
            return Ok(known);
        }
        let known = Arc::new(read(provider, &url, outbound, now).await?);
        let mut all = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if all.len() >= limits::OIDC_DOCUMENTS_MAX.size() {
            all.clear();
        }
        all.insert(url, known.clone());
        Ok(known)
    }

    /// The keys at `url`, of a provider that has no document. `stale` asks again.
    pub async fn keys(
        &self,
        url: &str,
        outbound: &Outbound,
        now: i64,
        stale: bool,
    ) -> Result<Arc<Vec<Key>>, OauthError> {
        let life = if stale { limits::OIDC_KEYS_PAUSE_SECONDS } else { limits::OIDC_DOCUMENT_SECONDS };
        let life = i64::try_from(life.value).unwrap_or(0);
        let known = self.1.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(url).cloned();
        if let Some((_, keys)) = known.filter(|(read_at, _)| now.saturating_sub(*read_at) < life) {
            return Ok(keys);
        }
        let keys = Arc::new(read_keys(url, outbound).await?);
        let mut all = self.1.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if all.len() >= limits::OIDC_DOCUMENTS_MAX.size() {
            all.clear();
        }
        all.insert(url.to_owned(), (now, keys.clone()));
        Ok(keys)
    }
}

/// Where a provider's document is.
pub fn discovery_url(provider: &Provider) -> String {
    match &provider.discovery {
        Some(url) => url.clone(),
        None => format!("{}/.well-known/openid-configuration", provider.issuer),
    }
}

async fn read(provider: &Provider, url: &str, outbound: &Outbound, now: i64) -> Result<Known, OauthError> {
    let document: Document = outbound.send(get(url)).await?.success()?.json()?;
    require_issuer(provider, &document)?;
    let keys = read_keys(&document.jwks_uri, outbound).await?;
    Ok(Known { document, keys, read_at: now })
}

async fn read_keys(url: &str, outbound: &Outbound) -> Result<Vec<Key>, OauthError> {
    let keys: JwkSet = outbound.send(get(url)).await?.success()?.json()?;
    Ok(keys.keys.iter().take(limits::OIDC_KEYS_MAX.size()).filter_map(key).collect())
}

fn get(url: &str) -> Request {
    Request::get("oidc", url).header("accept", "application/json").redirects(2)
}

/// The document is that of the issuer that was configured, or of Entra's for many tenants.
fn require_issuer(provider: &Provider, document: &Document) -> Result<(), OauthError> {
    let said = document.issuer.trim_end_matches('/');
    let same = said == provider.issuer;
    let templated = provider.id == "azure" && said.contains("{tenantid}") && is_many(&provider.issuer);
    // A tenant's name in the URL becomes its id in the document.
    let named = provider.id == "azure" && !said.contains('{') && same_origin(said, &provider.issuer);
    match same || templated || named {
        true => Ok(()),
        false => Err(OauthError::Answer("the discovery document is of another issuer")),
    }
}

fn is_many(issuer: &str) -> bool {
    ["/common/v2.0", "/organizations/v2.0", "/consumers/v2.0"].iter().any(|end| issuer.ends_with(end))
}

fn same_origin(left: &str, right: &str) -> bool {
    let of = |text: &str| url::Url::parse(text).ok().map(|url| url.origin());
    of(left).is_some() && of(left) == of(right)
}

/// A key that signs, by the algorithms of its kind. Shared secrets are no keys here.
fn key(jwk: &Jwk) -> Option<Key> {
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => vec![
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
        _ => return None,
    };
    let named = jwk.common.key_algorithm.map(|algorithm| algorithm.to_string());
    let algorithms: Vec<Algorithm> = match named {
        Some(name) => algorithms.into_iter().filter(|algorithm| format!("{algorithm:?}") == name).collect(),
        None => algorithms,
    };
    Some(Key { id: jwk.common.key_id.clone(), algorithms, key: DecodingKey::from_jwk(jwk).ok()? })
}
