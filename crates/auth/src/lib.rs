//! People, their credentials and sessions, and who is calling.
//!
//! [`Auth::identify`] turns what a request shows into a [`base::Caller`]; every dialect and every feature builds on
//! that one answer. Accounts, sessions and keys are changed only here, each change with its audit entry in the same
//! transaction. Nothing here knows HTTP or a foreign wire format.
//!
//! Invariant: a credential is believed only as long as its session, key and second live, on this node and every other.

mod accounts;
mod admin;
mod admins;
pub mod application;
mod baits;
mod captcha;
mod claims;
mod error;
mod events;
mod flow;
mod hooks;
mod identify;
pub mod impersonation;
mod key_list;
mod keys;
mod lent_key;
pub mod limits;
mod links;
mod lockout;
pub mod mfa;
mod new_key;
pub mod oauth;
pub mod outside;
mod passwords;
mod post;
mod reclaim;
mod revocation;
mod roles;
mod rules;
pub mod server;
mod session;
pub mod settings;
pub mod sql;
pub mod sso;
mod stand_in;
mod user;

pub use accounts::{SignUp, SignedUp, UserChange};
pub use admin::{Page, Pages, UserFields};
pub use admins::AdminSetup;
pub use baits::Bait;
pub use captcha::CaptchaShown;
pub use error::Error;
pub use flow::{Challenge, ChallengeMethod, Flow, NewFlow, Redirect, Redirects};
pub use hooks::{Hook, HookError, SendByHook};
pub use identify::{Credentials, Identified};
pub use impersonation::{Impersonated, Impersonation, ImpersonationFilter, Impersonator};
pub use key_list::KeyInfo;
pub use keys::{DefaultKeys, KeyKind, Replaced, check_settings};
pub use links::{Again, Along, Generated, LinkWanted, Purpose, Reset, SendLink, Shown, Verified};
pub use lockout::{DEVICE_COOKIE, DeviceToken};
pub use mfa::settings::SETTINGS as MFA_SETTINGS;
pub use new_key::{MadeKey, NewKey};
pub use oauth::OauthError;
pub use passwords::PasswordPolicy;
pub use post::Warning;
pub use revocation::{CHANNEL, Notice, Revocations};
pub use roles::AppRole;
pub use rules::Rules;
pub use server::ServerError;
pub use session::{Grant, Opened, Opening, Proof, Scope, SessionInfo, Way};
pub use settings::SETTINGS;
pub use user::{Identity, User};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use ::jobs::{Definition, Jobs};
use ::limits::Limiter;
use arc_swap::ArcSwap;
use audit::Audit;
use base::{Caller, Clock, Profile, Rng, Secret, Settings};
use lockout::Lockout;
use mail::{Outbox, Templates};
use passwords::Breached;
use pg::{Pg, Reason};
use quick_cache::sync::Cache;
use seal::{Hasher, RootKey};
use serde_json::Value;
use texts::Texts;

/// The schemas `auth` and `palisade`.
pub const MIGRATIONS: &[pg::Migration] = &[
    pg::Migration {
        owner: "auth",
        version: 1,
        name: "schema",
        sql: include_str!("../migrations/0001_schema.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 2,
        name: "keys",
        sql: include_str!("../migrations/0002_keys.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 10,
        name: "links",
        sql: include_str!("../migrations/0010_links.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 20,
        name: "factors",
        sql: include_str!("../migrations/0020_factors.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 30,
        name: "sessions",
        sql: include_str!("../migrations/0030_sessions.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 31,
        name: "passwords",
        sql: include_str!("../migrations/0031_passwords.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 32,
        name: "anonymous",
        sql: include_str!("../migrations/0032_anonymous.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 40,
        name: "oauth",
        sql: include_str!("../migrations/0040_oauth.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 41,
        name: "oauth_server",
        sql: include_str!("../migrations/0041_oauth_server.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 50,
        name: "saml",
        sql: include_str!("../migrations/0050_saml.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 60,
        name: "key_limits",
        sql: include_str!("../migrations/0060_key_limits.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 61,
        name: "app_roles",
        sql: include_str!("../migrations/0061_app_roles.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 62,
        name: "places",
        sql: include_str!("../migrations/0062_places.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 70,
        name: "uid",
        sql: include_str!("../migrations/0070_uid.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 71,
        name: "baits",
        sql: include_str!("../migrations/0071_baits.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 72,
        name: "foreign_hashes",
        sql: include_str!("../migrations/0072_foreign_hashes.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 73,
        name: "wallets",
        sql: include_str!("../migrations/0073_wallets.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 74,
        name: "saml_browsers",
        sql: include_str!("../migrations/0074_saml_browsers.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 75,
        name: "lost_secrets",
        sql: include_str!("../migrations/0075_lost_secrets.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 76,
        name: "impersonations",
        sql: include_str!("../migrations/0076_impersonations.sql"),
    },
    pg::Migration {
        owner: "auth",
        version: 77,
        name: "id_tokens",
        sql: include_str!("../migrations/0077_id_tokens.sql"),
    },
];

/// Reconcilers of this crate.
pub const RECONCILERS: &[jobs::Kept] = &[jobs::Kept::of::<sso::KeepProviders>()];

/// What happens later.
pub const JOBS: &[Definition] = &[Definition::of::<SendLink>(), Definition::of::<SendByHook>()];

/// What auth is built from.
pub struct Parts {
    /// The database.
    pub pg: Pg,
    /// The audit log.
    pub audit: Audit,
    /// What everything sealed at rest hangs on.
    pub root: Arc<RootKey>,
    /// The merged settings.
    pub settings: Settings,
    /// How this instance is run.
    pub profile: Profile,
    /// Where it answers, unless the operator says otherwise.
    pub public_url: String,
    /// Mail, when it can be sent.
    pub outbox: Outbox,
    /// What happens later.
    pub jobs: Jobs,
    /// Texts to telephones, when they can be sent.
    pub texts: Texts,
    /// What counts tries, on this node or on all.
    pub limiter: Limiter,
    /// The one way out of the house.
    pub outbound: outbound::Outbound,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub rng: Rng,
}

/// People, sessions and keys. Cheap to clone.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    pg: Pg,
    audit: Audit,
    root: Arc<RootKey>,
    rules: Rules,
    signing: keys::Signing,
    post: post::Post,
    limiter: Limiter,
    outbound: outbound::Outbound,
    hooks: hooks::Hooks,
    captcha: captcha::Captcha,
    outside: oauth::Outside,
    server: server::Server,
    lockout: Lockout,
    sent_max: links::SentMax,
    breached: Option<Arc<Breached>>,
    ranges: Option<passwords::Ranges>,
    clock: Clock,
    rng: Rng,
    hasher: Hasher,
    keys: ArcSwap<keys::Keys>,
    /// Held while keys are read, so that what was read before a change never replaces what was read after it.
    reading_keys: tokio::sync::Mutex<()>,
    /// Somebody said that keys changed.
    keys_stale: AtomicBool,
    /// The second in which they were last read because nothing could be heard.
    keys_read_at: AtomicI64,
    cache: Cache<[u8; 32], Arc<claims::Known>>,
    /// Counts how often everything in `cache` was forgotten.
    cache_epoch: AtomicU64,
    doubts: tokio::sync::watch::Sender<()>,
    revocations: Revocations,
}

/// One request, as far as accounts and the audit want to know.
#[derive(Clone)]
pub struct Visit {
    /// Who asks, and from where.
    pub caller: Arc<Caller>,
    /// With what.
    pub user_agent: Option<String>,
    /// Tokens of devices that were signed in with before, as the request brought them.
    pub devices: Vec<Secret<String>>,
    /// The request's name.
    pub request_id: Arc<str>,
    /// Whether a page of another site may have made a browser ask: what is refused then says nothing about whoever sits there.
    pub elsewhere: bool,
}

/// Whether [`Auth::open`] would take these settings and the files that they name, as far as that does not hang on where this
/// instance will be found. Before anything is opened.
pub fn check_parts(given: &Settings, profile: Profile) -> Result<(), Error> {
    let _hooks = hooks::Hooks::from_settings(given)?;
    let _captcha = captcha::Captcha::from_settings(given)?;
    let _server = server::Server::from_settings(given)?;
    oauth::check(given)?;
    let _codes = links::KnownCodes::from_settings(given, profile)?;
    passwords::open_list(given).map(drop)
}

impl Auth {
    /// Opens auth: refuses unsafe settings, makes missing keys, reads all others.
    pub async fn open(parts: Parts) -> Result<Self, Error> {
        let Parts { pg, audit, root, settings, profile, public_url, limiter, clock, rng, .. } = parts;
        let (outbox, jobs, texts, outbound) = (parts.outbox, parts.jobs, parts.texts, parts.outbound);
        let hooks = hooks::Hooks::from_settings(&settings)?;
        let can_mail = outbox.takes_mail() || hooks.target(Hook::SendEmail).is_some();
        let templates = Templates::load(&settings)?;
        let post = post::Post { outbox, jobs, templates, texts };
        let signing = keys::Signing::from_settings(&settings, &root)?;
        let outside = oauth::Outside::open(&settings, outbound.clone())?;
        let server = server::Server::from_settings(&settings)?;
        let mut rules = Rules::from_settings(&settings, profile, &public_url, can_mail)?;
        let hasher = {
            let nobodys = root.derive("auth: salts of unknown accounts");
            Hasher::new(hashing_permits(&settings), &rng, nobodys)?
        };
        let captcha = captcha::Captcha::from_settings(&settings)?;
        let (lockout, breached) = (Lockout::from_settings(&settings), passwords::open_list(&settings)?);
        rules.issuers = know_issuer(&pg, &rules.issuer, &clock).await?;
        let loaded = keys::load(&pg, &root, &signing, &clock).await?;
        Ok(Auth(Arc::new(Inner {
            keys: ArcSwap::from_pointee(loaded),
            reading_keys: tokio::sync::Mutex::new(()),
            keys_stale: AtomicBool::new(false),
            keys_read_at: AtomicI64::new(clock.unix_seconds()),
            cache: Cache::new(limits::TOKEN_CACHE_MAX.size()),
            cache_epoch: AtomicU64::new(0),
            doubts: tokio::sync::watch::Sender::new(()),
            revocations: Revocations::default(),
            pg,
            audit,
            root,
            rules,
            signing,
            post,
            limiter,
            outbound,
            hooks,
            captcha,
            outside,
            server,
            lockout,
            sent_max: links::SentMax::from_settings(&settings)?,
            breached,
            ranges: passwords::Ranges::from_settings(&settings)?,
            clock,
            rng,
            hasher,
        })))
    }

    /// What holds here.
    pub fn rules(&self) -> &Rules {
        &self.0.rules
    }

    /// Who sends texts: empty when nobody does, `dev` where they are only shown.
    pub fn text_provider(&self) -> &'static str {
        if self.texts_by_hook() {
            return "hook";
        }
        match self.0.post.texts.provider() {
            "" if self.0.post.texts.takes_texts() => "dev",
            provider => provider,
        }
    }

    /// Whether somebody signs in with a code that is texted to them.
    pub fn signs_in_by_text(&self) -> bool {
        self.0.rules.phone && self.takes_texts()
    }

    /// Whether a text can reach anybody.
    pub(crate) fn takes_texts(&self) -> bool {
        self.texts_by_hook() || self.0.post.texts.takes_texts()
    }

    /// How many password hashes were computed since the start.
    pub fn hashes_computed(&self) -> u64 {
        self.0.hasher.computed()
    }

    /// How much work they were, make by make: argon2, bcrypt, scrypt.
    pub fn hash_work(&self) -> [u64; 3] {
        self.0.hasher.work_done()
    }

    /// What counts tries: one limiter for every guess at a password or code.
    pub fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    /// The public keys as a JWK set.
    pub fn jwks(&self) -> Value {
        self.0.keys.load().ring.jwks()
    }

    /// The two keys every instance has, in both forms: for the operator's file, never for a log.
    pub fn default_keys(&self) -> Result<DefaultKeys, Error> {
        let (root, now, issuer) = (&self.0.root, self.0.clock.unix_seconds(), &self.0.rules.issuer);
        let keys = self.0.keys.load();
        let token = |role, key| keys.sign(&keys::token_claims(issuer, role, key, now));
        Ok(DefaultKeys {
            publishable: keys::text_of(root, keys::DEFAULT_PUBLISHABLE, KeyKind::Publishable)
                .expose()
                .clone(),
            secret: keys::text_of(root, keys::DEFAULT_SECRET, KeyKind::Secret),
            anon_token: token("anon", keys::DEFAULT_PUBLISHABLE)?,
            service_token: base::Secret::new(token("service_role", keys::DEFAULT_SECRET)?),
        })
    }

    /// The sessions that ended, to ask and to hear of.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    /// The next signing key signs from now on; the last one only verifies.
    pub async fn rotate_signing_keys(&self, visit: &Visit) -> Result<pg::Reply<()>, Error> {
        self.require_admin_step_up(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Keys).await?;
        keys::rotate(&mut tx, &self.0.signing, &self.0.root, &self.0.clock).await?;
        events::record(&mut tx, self, visit, events::Happening::SigningKeysRotated).await?;
        self.commit_keys(tx).await
    }

    /// A signing key that is not active any more is refused from now on, with every token it signed.
    pub async fn retire_signing_key(&self, kid: &str, visit: &Visit) -> Result<pg::Reply<()>, Error> {
        self.require_admin_step_up(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Keys).await?;
        let params = ["verify_only".into(), "retired".into(), self.0.clock.now().into(), kid.into()];
        tx.execute(sql::CHANGE_SIGNING_KEYS, params).await?;
        events::record(&mut tx, self, visit, events::Happening::SigningKeyRetired { kid }).await?;
        self.commit_keys(tx).await
    }

    /// The next signing key signs from now on. Where the last ones are in a stranger's hands, what they signed is refused at once,
    /// also by nodes that knew it, and so is what a shared secret signed that was kept for verification; nobody is signed out by
    /// that, because refresh tokens are not signed by them.
    pub async fn replace_signing_keys(
        &self,
        compromised: bool,
        visit: &Visit,
    ) -> Result<pg::Reply<Replaced>, Error> {
        self.require_admin_step_up(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Keys).await?;
        keys::rotate(&mut tx, &self.0.signing, &self.0.root, &self.0.clock).await?;
        events::record(&mut tx, self, visit, events::Happening::SigningKeysRotated).await?;
        let (mut refused, mut believed) = (Vec::new(), Vec::new());
        if compromised {
            for row in tx.query(sql::LOAD_SIGNING_KEYS, []).await?.iter() {
                if row.get::<String>("state")? == "verify_only" {
                    refused.push(row.get::<String>("kid")?);
                }
            }
            for kid in &refused {
                let params = ["verify_only".into(), "retired".into(), self.0.clock.now().into(), kid.into()];
                tx.execute(sql::CHANGE_SIGNING_KEYS, params).await?;
                events::record(&mut tx, self, visit, events::Happening::SigningKeyRetired { kid }).await?;
            }
            if self.0.signing.lose(&mut tx, &self.0.root, &self.0.clock).await? {
                let kid = settings::JWT_SECRET.definition.name;
                events::record(&mut tx, self, visit, events::Happening::SigningKeyRetired { kid }).await?;
                refused.push(kid.to_owned());
            }
            believed.extend(self.0.signing.believed_of_others());
        }
        Ok(self.commit_keys(tx).await?.map(|()| Replaced { refused, believed }))
    }

    /// An API key is refused from now on, in both its forms.
    pub async fn revoke_api_key(&self, id: &str, visit: &Visit) -> Result<pg::Reply<()>, Error> {
        self.require_admin_step_up(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Keys).await?;
        let ended = tx.execute(sql::REVOKE_API_KEY, [id.into(), self.0.clock.now().into()]).await?;
        if ended == 0 {
            return Err(Error::NotAnId("There is no such key, or it was revoked before"));
        }
        events::record(&mut tx, self, visit, events::Happening::ApiKeyRevoked { id }).await?;
        self.commit_keys(tx).await
    }

    async fn commit_keys(&self, mut tx: pg::SystemTx) -> Result<pg::Reply<()>, Error> {
        tx.query(sql::TELL, [Notice::Keys.text().into()]).await?;
        let reply = tx.commit(()).await?;
        self.0.keys_stale.store(true, Ordering::Release);
        self.reload_keys().await?;
        Ok(reply)
    }

    async fn reload_keys(&self) -> Result<(), Error> {
        let _reading = self.0.reading_keys.lock().await;
        let loaded = keys::load(&self.0.pg, &self.0.root, &self.0.signing, &self.0.clock).await?;
        self.0.keys.store(Arc::new(loaded));
        self.forget_tokens();
        Ok(())
    }

    /// Every token is verified anew from now on.
    fn forget_tokens(&self) {
        self.0.cache_epoch.fetch_add(1, Ordering::AcqRel);
        self.0.cache.clear();
        self.doubt();
    }

    /// Whoever holds something open for somebody asks again who they are.
    fn doubt(&self) {
        self.0.doubts.send_replace(());
    }

    /// Changes whenever what was said of a credential may not be true any more, for whoever goes by it for long: keys
    /// changed, or ends of sessions may have been missed. While [`Revocations::is_sure`] is false, that is always.
    pub fn doubts(&self) -> tokio::sync::watch::Receiver<()> {
        self.0.doubts.subscribe()
    }
}

/// Half of the cores, at least one: a storm of sign-ins leaves the other half to everybody else.
fn hashing_permits(given: &Settings) -> usize {
    let half = std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2).max(1);
    given.get(&settings::HASHING_PERMITS).map_or(half, usize::from)
}

/// Remembers the issuer of this start; all that were ever ours.
async fn know_issuer(pg: &Pg, issuer: &str, clock: &Clock) -> Result<Vec<String>, Error> {
    let mut tx = pg.begin_system(Reason::Keys).await?;
    tx.execute(sql::KNOW_ISSUER, [issuer.into(), clock.now().into()]).await?;
    let most = i64::try_from(limits::ISSUERS_MAX.value).unwrap_or(i64::MAX);
    let rows = tx.query(sql::ISSUERS, [most.into()]).await?;
    let known: Vec<String> = rows.iter().map(|row| row.get("issuer")).collect::<Result<_, _>>()?;
    let mut known: Vec<String> = tx.commit(known).await?.into_inner();
    if !known.iter().any(|other| other == issuer) {
        known.push(issuer.to_owned());
    }
    Ok(known)
}
