//! Who is calling: from a key and a token to a [`Caller`], at the cost of one hash when the token was seen before.
//!
//! Invariant: a credential that came and is not good is an error, never a smaller caller. And no answer outlives the
//! session, key or second that made it true.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use audit::{Entry, Event};
use base::{Caller, DbRole, Level, Owed, Secret, Who};
use ipnet::IpNet;
use pg::Reason;
use seal::sha256;
use uuid::Uuid;

use crate::claims::{self, Known};
use crate::keys::KeyKind;
use crate::session::read_duty;
use crate::{Auth, Error, application, sql};

/// What a request brought to say who is calling.
#[derive(Default, Clone)]
pub struct Credentials {
    /// The `apikey` header or parameter.
    pub apikey: Option<Secret<String>>,
    /// The token of `Authorization: Bearer`.
    pub bearer: Option<Secret<String>>,
    /// The token of `X-Impersonation-Token`, beside the administrator's own.
    pub acting: Option<Secret<String>>,
    /// Whether a web page of another site sent it (`Origin` is there). Secret keys are refused then (control 47).
    pub browser: bool,
    /// Whether the key is all that is shown and stands in the address.
    pub in_address: bool,
}

/// Who is calling, and whether they showed anything.
pub struct Identified {
    /// Who.
    pub caller: Arc<Caller>,
    /// Whether a key or token came and was good.
    pub has_credential: bool,
    /// The second (since 1970) from which what was shown is over.
    pub expires_at: Option<i64>,
    /// The program whose key came beside a person's token.
    pub beside: Option<Arc<Caller>>,
}

/// Addresses that a thread keeps nobody in particular of.
const NOBODIES: usize = 32;

thread_local! {
    static NOBODY: RefCell<[Option<Arc<Caller>>; NOBODIES]> = const { RefCell::new([const { None }; NOBODIES]) };
}

/// Nobody in particular at `address`: one is the same as the next, and made of seven pieces of memory.
fn nobody(address: Option<IpAddr>) -> Arc<Caller> {
    let last = match address {
        Some(IpAddr::V4(address)) => address.octets()[3],
        Some(IpAddr::V6(address)) => address.octets()[7] ^ address.octets()[15],
        None => 0,
    };
    NOBODY.with_borrow_mut(|known| {
        let place = known.get_mut(usize::from(last) % NOBODIES);
        match place {
            Some(Some(caller)) if caller.address == address => caller.clone(),
            place => {
                let caller = Arc::new(Caller { address, ..Caller::anonymous() });
                if let Some(place) = place {
                    *place = Some(caller.clone());
                }
                caller
            }
        }
    })
}

impl Auth {
    /// Verifies what was presented.
    pub async fn identify(
        &self,
        presented: &Credentials,
        address: Option<IpAddr>,
    ) -> Result<Identified, Error> {
        let own = self.identify_own(presented, address).await?;
        match &presented.acting {
            Some(token) => self.identify_acting(own, token, presented, address).await,
            None => Ok(own),
        }
    }

    /// Whoever an administrator asks as. Both tokens must be good, and the second be their own; beside anything else than an
    /// administrator's session it makes no sense, and is not even read.
    async fn identify_acting(
        &self,
        own: Identified,
        token: &Secret<String>,
        presented: &Credentials,
        address: Option<IpAddr>,
    ) -> Result<Identified, Error> {
        let with_a_secret_key = match &presented.apikey {
            Some(key) => {
                matches!(self.genuine(key, presented, address).await?.caller.who, Who::Service { .. })
            }
            None => false,
        };
        let caller = &own.caller;
        let may = caller.is_administrator() && caller.is_themself() && !with_a_secret_key;
        let Some(admin) = caller.signed_in().filter(|_| may) else {
            return Err(Error::Ambiguous(
                "X-Impersonation-Token goes with the administrator's own token in Authorization, and with no secret key",
            ));
        };
        // Whoever owes something settles it first, in their own name.
        if caller.owes.is_some() {
            return Ok(own);
        }
        let known = self.genuine(token, presented, address).await?;
        if known.caller.acting.is_none_or(|acting| acting.admin != admin.user) {
            return Err(Error::BadToken("it is not of an impersonation of this administrator"));
        }
        let expires_at = known.expires_at.into_iter().chain(own.expires_at).min();
        let caller = Arc::new(Caller { address, ..known.caller.clone() });
        Ok(Identified { caller, has_credential: true, expires_at, beside: None })
    }

    async fn identify_own(
        &self,
        presented: &Credentials,
        address: Option<IpAddr>,
    ) -> Result<Identified, Error> {
        let (mut keys_end, mut beside) = (None, None);
        let known = match (&presented.apikey, &presented.bearer) {
            (None, None) => {
                let caller = nobody(address);
                return Ok(Identified { caller, has_credential: false, expires_at: None, beside: None });
            }
            (Some(one), None) => self.genuine(one, presented, address).await?,
            (None, Some(one)) => self.genuine(one, presented, address).await?,
            (Some(key), Some(token)) if seal::same(key.expose().as_bytes(), token.expose().as_bytes()) => {
                self.genuine(token, presented, address).await?
            }
            (Some(key), Some(token)) => {
                let key = self.genuine(key, presented, address).await.map_err(as_key)?;
                let token = self.genuine(token, presented, address).await?;
                self.require_place(&key, presented.browser, address)?;
                self.agree(&key, &token)?;
                keys_end = key.expires_at;
                beside = key.caller.is_program().then(|| Arc::new(key.caller.clone()));
                token
            }
        };
        self.require_place(&known, presented.browser, address)?;
        let caller = Arc::new(Caller { address, ..known.caller.clone() });
        let expires_at = known.expires_at.into_iter().chain(keys_end).min();
        Ok(Identified { caller, has_credential: true, expires_at, beside })
    }

    /// A publishable key goes with every token, a secret key with a person's: a server acting for them. Two people, or
    /// two different keys, are ambiguous (attack row 82).
    fn agree(&self, key: &Known, token: &Known) -> Result<(), Error> {
        let two = |what| Err(Error::Ambiguous(what));
        match (&key.caller.who, &token.caller.who) {
            (Who::Anonymous, _) => Ok(()),
            (Who::User(_), _) => {
                two("apikey is one person's token and Authorization another's: send the publishable key")
            }
            (Who::Service { .. }, Who::User(_)) => Ok(()),
            (Who::Service { .. }, Who::Service { .. } | Who::Anonymous | Who::Operator) => {
                two("apikey and Authorization are two different keys: send one")
            }
            (Who::Operator, _) => Ok(()),
        }
    }

    /// The caller a key or token stands for; a bait stands for nobody, and whoever shows it is told of.
    async fn genuine(
        &self,
        text: &Secret<String>,
        presented: &Credentials,
        address: Option<IpAddr>,
    ) -> Result<Arc<Known>, Error> {
        let known = self.known(text).await?;
        if known.bait {
            let id = known.api_key.as_deref().unwrap_or_default();
            let entry = Entry::by(&Caller::anonymous(), Event::CanaryTouched).from_address(address);
            let entry = entry.about(format!("key:{id}")).refused("canary.key");
            // Any page can have the browsers of its visitors show it, in the address of an image; in a header none can, unasked.
            let by_a_page = presented.browser && presented.in_address;
            self.0.audit.refused(if by_a_page { entry.detail("asked_by", "a page") } else { entry });
            return Err(Error::BadKey);
        }
        Ok(known)
    }

    /// The caller a key or token stands for.
    async fn known(&self, text: &Secret<String>) -> Result<Arc<Known>, Error> {
        self.refresh_keys_if_stale().await?;
        let text = text.expose();
        let now = self.0.clock.unix_seconds();
        let name = sha256(text.as_bytes());
        let known = match self.0.cache.get(&name) {
            Some(known) => known,
            None => {
                let epoch = self.0.cache_epoch.load(Ordering::Acquire);
                let mut known = self.read(text, now)?;
                // Whether it still lives was true when it was cached; from then on its end is heard of.
                let expired = self.require_live(&known, now, true).await?;
                known.caller.owes = owes(known.caller.owes, expired);
                let known = Arc::new(known);
                self.0.cache.insert(name, known.clone());
                if self.0.cache_epoch.load(Ordering::Acquire) != epoch {
                    // Everything was forgotten meanwhile, and for a reason: this was read before it.
                    self.0.cache.remove(&name);
                }
                return Ok(known);
            }
        };
        if known.expires_at.is_some_and(|at| at <= now) {
            self.0.cache.remove(&name);
            return Err(Error::TokenExpired);
        }
        let owes = owes(known.caller.owes, self.require_live(&known, now, false).await?);
        if owes == known.caller.owes {
            return Ok(known);
        }
        let caller = Caller { owes, ..known.caller.clone() };
        Ok(Arc::new(Known {
            caller,
            api_key: known.api_key.clone(),
            addresses: known.addresses.clone(),
            ..*known
        }))
    }

    fn read(&self, text: &str, now: i64) -> Result<Known, Error> {
        let keys = self.0.keys.load();
        if text.starts_with("sb_") {
            let key = keys.find(text, now).ok_or(Error::BadKey)?;
            return Ok(known_key(key));
        }
        let mut verified = keys.ring.verify(text).map_err(unverified)?;
        let by_application = verified.kid.is_none() && keys.application.is_some();
        let given_out = by_application && application::take_mark(&self.0.root, &mut verified.claims);
        let mut known = claims::read(verified.claims, verified.kid.as_deref(), &self.0.rules, now)?;
        let is_anothers = known.session.is_none() && known.caller.acting.is_none();
        if by_application && is_anothers {
            // What an application minted for itself is believed from where its server is.
            known.addresses = self.0.rules.application_addresses.clone();
        } else if by_application && !given_out {
            return Err(Error::BadToken("it is of a session and was not given out here"));
        }
        // A key in the form of a token has the limits of the key.
        if let Some(key) = known.api_key.as_deref().and_then(|id| keys.named(id)) {
            known.caller.scope = key.scope.clone();
            known.addresses = key.addresses.clone();
            known.bait = key.bait;
        }
        Ok(known)
    }

    /// Refuses what ended, and says whether a session owes a new password. `ask` asks the database even when this node hears of every end.
    async fn require_live(&self, known: &Known, now: i64, ask: bool) -> Result<bool, Error> {
        if let Some(key) = &known.api_key
            && !self.0.keys.load().is_live(key, now)
        {
            return Err(Error::BadKey);
        }
        let revoked = &self.0.revocations;
        let timestamp =
            || jiff::Timestamp::from_second(now).map_err(|_| Error::BadToken("the clock is out of range"));
        if let Some(acting) = &known.caller.acting {
            if revoked.has(&acting.impersonation) {
                return Err(Error::TokenRevoked);
            }
            if ask || !revoked.is_sure() {
                self.require_acting(acting, known.session.map(|(_, user)| user), timestamp()?).await?;
            }
        }
        let Some((session, user)) = known.session else { return Ok(false) };
        if revoked.has(&session) {
            return Err(self.why_dead(user, now).await?);
        }
        if !ask && revoked.is_sure() {
            return Ok(known.caller.owes == Some(Owed::NewPassword));
        }
        let at = timestamp()?;
        let mut tx = self.0.pg.begin_system(Reason::Revocation).await?;
        let lives = tx.query(sql::SESSION_LIVES, [session.into(), user.into(), at.into()]).await?;
        tx.commit(()).await?.into_inner();
        // It may have ended while the answer was on its way.
        let Some(lives) = lives.first().filter(|_| !revoked.has(&session)) else {
            return Err(self.why_dead(user, now).await?);
        };
        // A session has the rights of its account, whoever wrote the token: else one session of anybody's would carry a lost
        // secret past the addresses that it is believed from (control 150).
        let role: Option<String> = lives.get("role")?;
        let is_theirs = role.as_deref() == Some(&*known.caller.claimed_role);
        if known.shared && known.caller.is_administrator() && !is_theirs {
            return Err(Error::BadToken("it says more than its session"));
        }
        Ok(lives.get::<Option<String>>("duty")?.as_deref().and_then(read_duty).is_some())
    }

    /// A ban ends sessions; the banned are told that it is one.
    async fn why_dead(&self, user: Uuid, now: i64) -> Result<Error, Error> {
        let at = jiff::Timestamp::from_second(now).unwrap_or(jiff::Timestamp::MAX);
        let mut tx = self.0.pg.begin_system(Reason::Revocation).await?;
        let banned = !tx.query(sql::USER_BANNED, [user.into(), at.into()]).await?.is_empty();
        tx.commit(()).await?.into_inner();
        Ok(if banned { Error::CallerBanned } else { Error::TokenRevoked })
    }

    /// Keys that changed elsewhere are read again before the next credential; while nothing can be heard, every second.
    async fn refresh_keys_if_stale(&self) -> Result<(), Error> {
        let told = self.0.keys_stale.swap(false, Ordering::AcqRel);
        let now = self.0.clock.unix_seconds();
        let unsure = !self.0.revocations.is_sure() && self.0.keys_read_at.load(Ordering::Acquire) != now;
        if !told && !unsure {
            return Ok(());
        }
        self.0.keys_read_at.store(now, Ordering::Release);
        if let Err(error) = self.reload_keys().await {
            self.0.keys_stale.store(true, Ordering::Release);
            return Err(error);
        }
        Ok(())
    }
}

impl Auth {
    /// A secret key that a web page sends is one that everybody who opens the page has, whomever it is sent along with;
    /// and one that comes from elsewhere than it may is one that somebody took (control 150).
    fn require_place(&self, known: &Known, browser: bool, address: Option<IpAddr>) -> Result<(), Error> {
        // A token without a session is a program's, also one that names somebody.
        let is_session = known.caller.signed_in().is_some_and(|person| person.session.is_some());
        let is_program = !is_session && known.caller.who != Who::Anonymous;
        let is_secret_key = is_program && known.caller.is_administrator();
        if is_secret_key && browser {
            return Err(Error::SecretKeyInBrowser);
        }
        let everywhere: &[IpNet] = &[];
        let instance = if is_secret_key { &*self.0.rules.service_addresses } else { everywhere };
        for allowed in [instance, &*known.addresses].into_iter().filter(|allowed| !allowed.is_empty()) {
            if !address.is_some_and(|address| allowed.iter().any(|network| network.contains(&address))) {
                let entry = Entry::by(&known.caller, Event::KeyRefused).from_address(address);
                self.0.audit.refused(entry.refused("auth.key.elsewhere"));
                return Err(Error::KeyElsewhere);
            }
        }
        Ok(())
    }
}

/// What a session owes by its token and by its row: the second factor comes first, since whoever lacks it may not even
/// change the password.
fn owes(by_token: Option<Owed>, expired: bool) -> Option<Owed> {
    match by_token {
        Some(Owed::SecondFactor) => Some(Owed::SecondFactor),
        Some(Owed::NewPassword) | None => expired.then_some(Owed::NewPassword),
    }
}

fn known_key(key: &crate::keys::ApiKey) -> Known {
    let caller = match key.kind {
        _ if key.bait => Caller::anonymous(),
        KeyKind::Publishable => Caller { scope: key.scope.clone(), ..Caller::anonymous() },
        KeyKind::Secret => Caller {
            who: Who::Service { key: key.id.clone() },
            role: DbRole::service(),
            claimed_role: "service_role".into(),
            claims: r#"{"role":"service_role"}"#.into(),
            scope: key.scope.clone(),
            level: Level::Aal1,
            ..Caller::anonymous()
        },
    };
    let expires_at = key.expires_at.map(|at| at.as_second());
    Known {
        caller,
        expires_at,
        session: None,
        api_key: Some(key.id.clone()),
        addresses: key.addresses.clone(),
        bait: key.bait,
        shared: false,
    }
}

/// A token in the place of a key is refused as a key.
fn as_key(error: Error) -> Error {
    match error {
        Error::BadToken(_) | Error::KeyGivenUp | Error::TokenExpired => Error::BadKey,
        other => other,
    }
}

fn unverified(error: seal::TokenError) -> Error {
    Error::BadToken(match error {
        seal::TokenError::KeyGivenUp => return Error::KeyGivenUp,
        seal::TokenError::Framing => "token is malformed",
        seal::TokenError::Header => "token header is malformed",
        seal::TokenError::UnknownKey => "unrecognized JWT kid",
        seal::TokenError::Algorithm => "signing method is invalid",
        seal::TokenError::Signature => "signature is invalid",
        seal::TokenError::Claims => "token claims are malformed",
    })
}
