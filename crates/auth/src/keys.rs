//! Keys: what tokens are signed and verified with, and what programs show to be let in.
//!
//! Invariant: a key is refused the moment its row says so; what this process remembers of it is dropped on every change.

use std::collections::HashMap;
use std::sync::Arc;

use base::{Clock, KeyScope, Secret, Settings};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ipnet::IpNet;
use jiff::Timestamp;
use pg::{Pg, Reason};
use seal::{KeyRing, RootKey, SigningKey, sha256};
use serde_json::{Map, Value, json};

use crate::application::{APPLICATION_ADDRESSES, APPLICATION_SECRET};
use crate::new_key::{limits_of, network};
use crate::{Error, settings, sql};

/// The keys in force, replaced as a whole.
pub(crate) struct Keys {
    pub ring: KeyRing,
    signer: SigningKey,
    /// The key of the application at the second prefix.
    pub application: Option<SigningKey>,
    api: HashMap<[u8; 32], ApiKey>,
    live_ids: Vec<Arc<str>>,
}

/// What an API key is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// Goes into web pages and apps; opens what `anon` may see.
    Publishable,
    /// Stays on servers; passes by row level security.
    Secret,
}

impl KeyKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            KeyKind::Publishable => "publishable",
            KeyKind::Secret => "secret",
        }
    }
}

/// An API key as the table knows it.
#[derive(Clone)]
pub(crate) struct ApiKey {
    pub id: Arc<str>,
    pub kind: KeyKind,
    pub scope: KeyScope,
    /// Networks it may be used from; empty for everywhere.
    pub addresses: Arc<[IpNet]>,
    pub expires_at: Option<Timestamp>,
    /// It opens nothing, and tells of whoever tries it.
    pub bait: bool,
}

impl ApiKey {
    /// Whether it has not expired, in either of its forms.
    fn lasts(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|at| at.as_second() > now)
    }
}

/// The two keys every instance has, in both forms.
pub struct DefaultKeys {
    /// `sb_publishable_…`, no secret.
    pub publishable: String,
    /// `sb_secret_…`.
    pub secret: Secret<String>,
    /// The same as a token with the role `anon`, for clients that expect one.
    pub anon_token: String,
    /// The same as a token with the role `service_role`.
    pub service_token: Secret<String>,
}

/// Names of the two keys that are made at first start.
pub(crate) const DEFAULT_PUBLISHABLE: &str = "default_publishable";
pub(crate) const DEFAULT_SECRET: &str = "default_secret";

impl Keys {
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, Error> {
        Ok(self.signer.sign(claims)?)
    }

    /// Whether what it signs can be verified by whoever has the public keys.
    pub fn is_public(&self) -> bool {
        self.signer.verify_key().algorithm() != seal::Algorithm::Hs256
    }

    /// A key by its text, if it is well formed and in force.
    pub fn find(&self, text: &str, now: i64) -> Option<&ApiKey> {
        let known = is_well_formed(text).then(|| self.api.get(&sha256(text.as_bytes()))).flatten();
        known.filter(|key| key.lasts(now))
    }

    /// A key in force by its id.
    pub fn named(&self, id: &str) -> Option<&ApiKey> {
        self.api.values().find(|key| &*key.id == id)
    }

    pub fn is_live(&self, id: &str, now: i64) -> bool {
        let listed = self.live_ids.iter().any(|live| &**live == id);
        listed && self.api.values().all(|key| &*key.id != id || key.lasts(now))
    }
}

/// Refuses what no instance may be started with, and says how this one signs.
pub(crate) struct Signing {
    shared: Option<Secret<String>>,
    es256: bool,
    application: Option<Secret<String>>,
}

impl Signing {
    pub fn from_settings(given: &Settings, root: &RootKey) -> Result<Self, Error> {
        let secret = given.get(&settings::JWT_SECRET);
        if let Some(secret) = &secret {
            require_strong(secret)?;
        }
        let es256 = match given.get(&settings::JWT_SIGNING).as_deref() {
            Some("hs256") => false,
            Some(_) => true,
            None => secret.is_none(),
        };
        let derived = || Secret::new(hex::encode(root.derive("auth: HS256 signing secret").expose()));
        let shared = if es256 { secret } else { Some(secret.unwrap_or_else(derived)) };
        let application = given.get(&APPLICATION_SECRET);
        if let Some(secret) = &application {
            require_strong(secret)?;
            if shared.is_some() {
                return Err(Error::Unsafe {
                    what: "auth.application_jwt_secret and auth.jwt_secret (or jwt.signing: hs256) are both there, and a token \
                           cannot say which of two secrets it was signed with",
                    fix: "leave auth.jwt_secret out: tokens are then signed with our own key, and the application's with its own",
                });
            }
        }
        Ok(Signing { shared, es256, application })
    }
}

impl Signing {
    /// What the shared secret is known by where it must not be kept.
    fn fingerprint(&self, root: &RootKey) -> Option<Vec<u8>> {
        let key = root.derive("auth: lost signing secrets");
        let mac =
            |secret: &Secret<String>| seal::keyed_mac(key.expose(), secret.expose().as_bytes()).to_vec();
        self.shared.as_ref().map(mac)
    }

    /// A shared secret that only verifies is believed no more, also after the next start: whoever had a key of ours may have that
    /// too, and with it signs as anybody. Says whether there was one.
    pub async fn lose(&self, tx: &mut pg::SystemTx, root: &RootKey, clock: &Clock) -> Result<bool, Error> {
        let Some(fingerprint) = self.fingerprint(root) else { return Ok(false) };
        Ok(tx.execute(sql::LOSE_SECRET, [fingerprint.as_slice().into(), clock.now().into()]).await? > 0)
    }

    /// Settings whose secrets somebody else signs with, and that only they can change.
    pub fn believed_of_others(&self) -> Option<&'static str> {
        self.application.as_ref().map(|_| APPLICATION_SECRET.definition.name)
    }

    /// The shared secret, unless it was lost. Where it would sign, there is no start.
    async fn still_shared(&self, tx: &mut pg::SystemTx, root: &RootKey) -> Result<Option<SigningKey>, Error> {
        let Some(fingerprint) = self.fingerprint(root) else { return Ok(None) };
        let is_lost = !tx.query(sql::LOST_SECRET, [fingerprint.as_slice().into()]).await?.is_empty();
        match (is_lost, self.es256) {
            (true, true) => Ok(None),
            (true, false) => Err(Error::Unsafe {
                what: "auth.jwt_secret was given up with `palisade keys rotate --compromised`, and jwt.signing: hs256 would sign with it",
                fix: "give it another value (openssl rand -base64 48), or leave both out",
            }),
            (false, _) => {
                Ok(self.shared.as_ref().map(|secret| SigningKey::hs256(secret.expose().as_bytes())))
            }
        }
    }
}

/// What became of the keys before.
pub struct Replaced {
    /// What these signed is refused from now on: keys by their names, a shared secret by its setting.
    pub refused: Vec<String>,
    /// Settings whose secrets are believed still, because they are somebody else's.
    pub believed: Vec<&'static str>,
}

/// Words that stand in documentation, examples and demos, where everybody can read them.
const KNOWN: &[&str] = &[
    "super-secret-jwt-token",
    "hello456",
    "your-secret",
    "your_secret",
    "yoursecret",
    "your-super-secret",
    "your-32-byte",
    "your-jwt",
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "example",
    "supersecret",
    "super-secret",
    "jwt_secret",
    "jwt-secret",
    "correct-horse-battery",
    "0123456789",
    "password",
];

/// Refuses what no instance may be started with, before anything is opened.
pub fn check_settings(given: &Settings) -> Result<(), Error> {
    for text in given.get(&APPLICATION_ADDRESSES) {
        network(&text).map_err(|_| no_network(APPLICATION_ADDRESSES.definition.name))?;
    }
    for text in given.get(&settings::SERVICE_ROLE_ADDRESSES) {
        network(&text).map_err(|_| no_network(settings::SERVICE_ROLE_ADDRESSES.definition.name))?;
    }
    crate::mfa::MfaRules::check(given)?;
    let root = RootKey::from_bytes([0; 32])?;
    Signing::from_settings(given, &root).map(drop)
}

fn no_network(setting: &'static str) -> Error {
    let what = "names what is neither an address nor a network, such as 10.0.0.0/8 or 192.0.2.7".to_owned();
    Error::Setting { setting, what }
}

/// Control 116, attack row 45.
fn require_strong(secret: &Secret<String>) -> Result<(), Error> {
    let text = secret.expose();
    let weak = |what| {
        Err(Error::Unsafe { what, fix: "generate one with `openssl rand -base64 48`, or leave it out" })
    };
    if text.len() < 32 {
        return weak("auth.jwt_secret is shorter than 32 bytes");
    }
    let lower = text.to_ascii_lowercase();
    if KNOWN.iter().any(|known| lower.contains(known)) {
        return weak("auth.jwt_secret is one that stands in public documentation");
    }
    let mut bytes = text.clone().into_bytes();
    bytes.sort_unstable();
    bytes.dedup();
    if bytes.len() < 8 {
        return weak("auth.jwt_secret repeats a few characters");
    }
    Ok(())
}

/// Makes what is missing at first start, and reads all keys in force.
pub(crate) async fn load(pg: &Pg, root: &RootKey, signing: &Signing, clock: &Clock) -> Result<Keys, Error> {
    let mut tx = pg.begin_system(Reason::Keys).await?;
    let mut rows = tx.query(sql::LOAD_SIGNING_KEYS, []).await?;
    for state in ["active", "next"] {
        let have = rows.iter().map(|row| row.get::<String>("state")).collect::<Result<Vec<_>, _>>()?;
        if !have.iter().any(|known| known == state) {
            insert_signing_key(&mut tx, root, clock, state).await?;
            rows = tx.query(sql::LOAD_SIGNING_KEYS, []).await?;
        }
    }
    let (mut ring, mut active) = (KeyRing::default(), None);
    for row in rows.iter() {
        let kid: String = row.get("kid")?;
        let private = root.open(&row.get::<Vec<u8>>("private_key")?, &place_of(&kid))?;
        let key = SigningKey::from_pkcs8(private.expose())?;
        ring.add(key.verify_key().clone());
        if row.get::<String>("state")? == "active" {
            active = Some(key);
        }
    }
    for row in tx.query(sql::LOAD_GIVEN_UP_KEYS, []).await?.iter() {
        ring.give_up(row.get("kid")?);
    }
    let shared = signing.still_shared(&mut tx, root).await?;
    if let Some(shared) = &shared {
        ring.add(shared.verify_key().clone());
    }
    let application =
        signing.application.as_ref().map(|secret| SigningKey::hs256(secret.expose().as_bytes()));
    if let Some(application) = &application {
        ring.add(application.verify_key().clone());
    }
    let signer = if signing.es256 { active } else { shared };
    let signer = signer
        .ok_or(Error::Unsafe { what: "no signing key is active", fix: "restore palisade.signing_keys" })?;

    let now = clock.now();
    for (id, kind) in [(DEFAULT_PUBLISHABLE, KeyKind::Publishable), (DEFAULT_SECRET, KeyKind::Secret)] {
        let hash = sha256(text_of(root, id, kind).expose().as_bytes());
        let nothing = || pg::Param::NULL;
        let scope = Vec::<String>::new();
        tx.execute(
            sql::INSERT_API_KEY,
            [
                id.into(),
                kind.name().into(),
                "made at first start".into(),
                hash.into(),
                scope.into(),
                now.into(),
                nothing(),
            ],
        )
        .await?;
    }
    let mut api = HashMap::new();
    for row in tx.query(sql::LOAD_API_KEYS, []).await?.iter() {
        let hash = <[u8; 32]>::try_from(row.get::<Vec<u8>>("hash")?).map_err(|_| seal::Error::BadKey)?;
        let kind = match row.get::<String>("kind")?.as_str() {
            "publishable" => KeyKind::Publishable,
            _ => KeyKind::Secret,
        };
        let addresses = read_array(&row.get::<String>("addresses")?);
        let (scope, addresses) = limits_of(read_array(&row.get::<String>("scope")?), &addresses)?;
        let id: Arc<str> = row.get::<String>("id")?.into();
        api.insert(
            hash,
            ApiKey { id, kind, scope, addresses, expires_at: row.get("expires_at")?, bait: row.get("bait")? },
        );
    }
    tx.commit(()).await?.into_inner();
    let live_ids = api.values().map(|key| key.id.clone()).collect();
    Ok(Keys { ring, signer, application, api, live_ids })
}

/// Active keys become verify-only, the next one signs, and a new next one is published. Where a shared secret signs, none of
/// them would: whoever lost it must not be told that all is well.
pub(crate) async fn rotate(
    tx: &mut pg::SystemTx,
    signing: &Signing,
    root: &RootKey,
    clock: &Clock,
) -> Result<(), Error> {
    if !signing.es256 {
        return Err(Error::SharedSigning);
    }
    for (from, to) in [("active", "verify_only"), ("next", "active")] {
        tx.execute(sql::CHANGE_SIGNING_KEYS, [from.into(), to.into(), clock.now().into(), pg::Param::NULL])
            .await?;
    }
    insert_signing_key(tx, root, clock, "next").await
}

async fn insert_signing_key(
    tx: &mut pg::SystemTx,
    root: &RootKey,
    clock: &Clock,
    state: &str,
) -> Result<(), Error> {
    let key = SigningKey::generate_es256()?;
    let kid = key.verify_key().kid.clone().ok_or(seal::Error::BadKey)?;
    let sealed = root.seal(key.private().expose(), &place_of(&kid))?;
    let params = [(&*kid).into(), state.into(), sealed.as_slice().into(), clock.now().into()];
    tx.execute(sql::INSERT_SIGNING_KEY, params).await?;
    Ok(())
}

fn place_of(kid: &str) -> String {
    format!("palisade.signing_keys.private_key:{kid}")
}

/// The default keys are derived, so that an operator who has the root key can read them again and the database alone
/// gives nobody a secret.
pub(crate) fn text_of(root: &RootKey, id: &str, kind: KeyKind) -> Secret<String> {
    let bytes = root.derive(&format!("auth: API key {id}"));
    text_from(kind, bytes.expose())
}

pub(crate) fn text_from(kind: KeyKind, random: &[u8; 32]) -> Secret<String> {
    let body = match kind {
        KeyKind::Publishable => format!("sb_publishable_{}", URL_SAFE_NO_PAD.encode(&random[..16])),
        KeyKind::Secret => format!("sb_secret_{}", URL_SAFE_NO_PAD.encode(random)),
    };
    Secret::new(format!("{body}_{}", checksum(&body)))
}

/// Eight characters by which a scanner knows a real key from a look-alike, and we refuse a typo without asking anybody.
fn checksum(body: &str) -> String {
    URL_SAFE_NO_PAD.encode(&sha256(body.as_bytes())[..6])
}

fn is_well_formed(text: &str) -> bool {
    let Some(split) = text.len().checked_sub(9) else { return false };
    let (Some(body), Some(tail)) = (text.get(..split), text.get(split..)) else { return false };
    let known = body.starts_with("sb_publishable_") || body.starts_with("sb_secret_");
    known && tail.strip_prefix('_').is_some_and(|sum| sum == checksum(body))
}

/// Claims of a key in token form.
pub(crate) fn token_claims(issuer: &str, role: &str, key: &str, now: i64) -> Map<String, Value> {
    const TEN_YEARS: i64 = 10 * 365 * 86_400;
    let claims = json!({ "iss": issuer, "role": role, "api_key": key, "iat": now, "exp": now + TEN_YEARS });
    claims.as_object().cloned().unwrap_or_default()
}

/// A `text[]` of words without quotes or commas, which is all that scopes are.
fn read_array(text: &str) -> Arc<[Arc<str>]> {
    let inner = text.trim_start_matches('{').trim_end_matches('}');
    inner.split(',').filter(|item| !item.is_empty()).map(|item| item.trim_matches('"').into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> RootKey {
        RootKey::from_bytes([3; 32]).unwrap()
    }

    #[test]
    fn keys_look_like_keys_and_typos_do_not() {
        for kind in [KeyKind::Publishable, KeyKind::Secret] {
            let key = text_of(&root(), "one", kind).expose().clone();
            assert!(key.starts_with(&format!("sb_{}_", kind.name())), "{key}");
            assert!(is_well_formed(&key));
            for at in 0..key.len() {
                let mut typo = key.clone().into_bytes();
                typo[at] = if typo[at] == b'x' { b'y' } else { b'x' };
                assert!(!is_well_formed(&String::from_utf8(typo).unwrap()), "{at}");
            }
            assert_ne!(text_of(&root(), "two", kind).expose(), &key);
        }
        for text in ["", "sb_secret_", "sb_other_aaaaaaaaaaaaaaaa_AAAAAAAA", "é_12345678", "short"] {
            assert!(!is_well_formed(text), "{text}");
        }
    }

    /// Attack row 45.
    #[test]
    fn demo_and_short_secrets_are_refused_at_start() {
        for secret in [
            "super-secret-jwt-token-with-at-least-32-characters-long",
            "your-super-secret-jwt-token-with-at-least-32-characters-long",
            "YOUR-SUPER-SECRET-JWT-TOKEN-WITH-AT-LEAST-32-CHARACTERS-LONG",
            "hello456",
            "hello456hello456hello456hello456hello456",
            "your-secret-key-of-at-least-32-characters",
            "kH7fD2mQ9xR4tW8zB1nV6pL3sJ5gA0c",
            "abababababababababababababababababababab",
        ] {
            let settings = Settings::default().with("auth.jwt_secret", secret);
            assert!(
                matches!(Signing::from_settings(&settings, &root()), Err(Error::Unsafe { .. })),
                "{secret}"
            );
        }
        let settings = Settings::default().with("auth.jwt_secret", "kH7fD2mQ9xR4tW8zB1nV6pL3sJ5gA0cE");
        assert!(Signing::from_settings(&settings, &root()).is_ok());
    }

    #[test]
    fn a_given_secret_signs_unless_told_otherwise() {
        let root = root();
        let secret = Settings::default().with("auth.jwt_secret", "kH7fD2mQ9xR4tW8zB1nV6pL3sJ5gA0cE");
        let of = |settings: &Settings| Signing::from_settings(settings, &root).unwrap();
        assert!(of(&Settings::default()).es256);
        assert!(!of(&secret).es256);
        let both = of(&secret.with("jwt.signing", "es256"));
        assert!(both.es256 && both.shared.is_some(), "the secret still verifies");
        assert!(of(&Settings::default().with("jwt.signing", "hs256")).shared.is_some());
    }
}
