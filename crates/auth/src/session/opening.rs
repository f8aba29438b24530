//! The one way to begin a session, and to raise one: every method of signing in comes through here, so that bans, confirmed
//! addresses, levels, duties and the record of it are decided once.
//!
//! Invariant: an access token exists only after the commit of what it says.

use base::{Acting, Level, Owed, Secret};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use pg::{Param, Reason, Reply, SystemTx};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::token::refresh_token;
use super::{Grant, Proof, Stored, agent_of, ids, key_place};
use crate::events::{self, Happening};
use crate::lockout::DeviceToken;
use crate::user::User;
use crate::{Auth, Error, Visit, claims, limits, mfa, sql};

/// How somebody proved who they are: the names `amr` has for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// A password.
    Password,
    /// A one-time code or link; what every verified mail or message counts as.
    Otp,
    /// A link that signs in.
    MagicLink,
    /// A link that lets somebody choose another password.
    Recovery,
    /// An invitation.
    Invite,
    /// The link that confirms a new account.
    EmailSignup,
    /// The link that confirms another address.
    EmailChange,
    /// An outside OAuth or OIDC provider.
    Oauth,
    /// A SAML identity provider.
    Saml,
    /// A passkey.
    Passkey,
    /// Nothing: an account without an address.
    Anonymous,
    /// A text that a wallet signed.
    Wallet,
    /// Our own OAuth server, for one of its clients.
    OauthServer,
    /// None of the person's: an administrator acts in their name.
    Impersonation,
    /// A code of an authenticator.
    Totp,
    /// A code by telephone as a second factor.
    PhoneFactor,
    /// A security key as a second factor.
    SecurityKey,
    /// A recovery code as a second factor.
    RecoveryCode,
}

impl Way {
    /// Every one.
    const ALL: [Way; 18] = [
        Way::Password,
        Way::Otp,
        Way::MagicLink,
        Way::Recovery,
        Way::Invite,
        Way::EmailSignup,
        Way::EmailChange,
        Way::Oauth,
        Way::Saml,
        Way::Passkey,
        Way::Anonymous,
        Way::Wallet,
        Way::OauthServer,
        Way::Impersonation,
        Way::Totp,
        Way::PhoneFactor,
        Way::SecurityKey,
        Way::RecoveryCode,
    ];

    /// The way of that name.
    pub fn named(name: &str) -> Option<Way> {
        Way::ALL.into_iter().find(|way| way.name() == name)
    }

    /// As `amr` and `auth.mfa_amr_claims` spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Way::Password => "password",
            Way::Otp => "otp",
            Way::MagicLink => "magiclink",
            Way::Recovery => "recovery",
            Way::Invite => "invite",
            Way::EmailSignup => "email/signup",
            Way::EmailChange => "email_change",
            Way::Oauth => "oauth",
            Way::Saml => "sso/saml",
            Way::Passkey => "passkey",
            Way::Anonymous => "anonymous",
            Way::Wallet => "web3",
            Way::OauthServer => "oauth_provider/authorization_code",
            Way::Impersonation => "impersonation",
            Way::Totp => "totp",
            Way::PhoneFactor => "mfa/phone",
            Way::SecurityKey => "mfa/webauthn",
            Way::RecoveryCode => "mfa/recovery_code",
        }
    }

    /// The level that this proof, on top of a session's first one, gives.
    pub const fn level(self) -> Level {
        match self {
            Way::Totp | Way::PhoneFactor | Way::SecurityKey | Way::RecoveryCode => Level::Aal2,
            Way::Password
            | Way::Otp
            | Way::MagicLink
            | Way::Recovery
            | Way::Invite
            | Way::EmailSignup
            | Way::EmailChange
            | Way::Oauth
            | Way::Saml
            | Way::Passkey
            | Way::Anonymous
            | Way::Wallet
            | Way::OauthServer
            | Way::Impersonation => Level::Aal1,
        }
    }
}

/// What a session is begun with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The proof.
    pub way: Way,
    /// The identity it came through, as `auth.identities.provider` has it: `email`, `google`, `sso:…`.
    pub provider: String,
    /// When an identity provider says that the session must end.
    pub not_after: Option<Timestamp>,
    /// The OAuth client it is for, with its scopes.
    pub client: Option<(Uuid, String)>,
    /// What has to be done before anything else.
    pub owes: Option<Owed>,
    /// The session that an OAuth client's one was agreed to in: its level and proofs are the client's too.
    pub agreed: Option<(Level, Vec<Proof>)>,
    /// The administrator who acts in it, and until when.
    pub acting: Option<(Uuid, Timestamp)>,
}

impl Opening {
    /// By a proof of the account itself, at its e-mail identity.
    pub fn by(way: Way) -> Self {
        Opening {
            way,
            provider: "email".to_owned(),
            not_after: None,
            client: None,
            owes: None,
            agreed: None,
            acting: None,
        }
    }

    /// By the word of an identity provider.
    pub fn through(way: Way, provider: &str) -> Self {
        Opening { provider: provider.to_owned(), ..Self::by(way) }
    }
}

/// A session in a transaction that is still open. [`Auth::commit_session`] makes a [`Grant`] of it.
#[must_use = "a session that is not committed was never begun"]
pub struct Opened {
    pub(super) user: User,
    pub(super) session: Uuid,
    pub(super) level: Level,
    pub(super) proofs: Vec<Proof>,
    pub(super) key: Secret<Vec<u8>>,
    pub(super) counter: i64,
    /// Who asks, and by what, for hooks.
    pub(super) asked: (Visit, &'static str),
    pub(super) client: Option<(Uuid, String)>,
    /// The administrator who acts in it, and the second it is over.
    pub(super) acting: Option<(Acting, i64)>,
    pub(super) owes: Option<Owed>,
    /// Sessions that ended for this one.
    pub(super) ended: Vec<Uuid>,
    /// What a now too weak password lacks.
    pub(crate) weak_password: Option<(String, Vec<&'static str>)>,
    /// What makes the device known from now on.
    pub(crate) device: Option<DeviceToken>,
    /// The provider's own tokens.
    pub(crate) provider_tokens: Option<(String, Option<String>)>,
}

impl Opened {
    /// The session.
    pub fn session(&self) -> Uuid {
        self.session
    }

    /// Sessions that ended in the same transaction, to be told with this one's commit.
    pub(crate) fn also_ended(&mut self, ended: Vec<Uuid>) {
        self.ended.extend(ended);
    }

    /// Whose it is.
    pub fn user(&self) -> &User {
        &self.user
    }
}

impl Auth {
    /// Begins a session of `user` in `tx`: refuses the banned and removed, records the sign-in.
    pub async fn open_session(
        &self,
        tx: &mut SystemTx,
        mut user: User,
        opening: Opening,
        visit: &Visit,
    ) -> Result<Opened, Error> {
        let (rng, now) = (&self.0.rng, self.0.clock.now());
        if user.deleted_at.is_some() {
            return Err(Error::InvalidCredentials);
        }
        if user.is_banned(now) {
            return Err(Error::Banned);
        }
        let Opening { way, provider, not_after, client, owes, agreed, acting } = opening;
        let (level, earlier) = agreed.unwrap_or((way.level(), Vec::new()));
        let session = rng.uuid();
        let (key, sealed) = self.new_session_key(session)?;
        // An administrator in somebody's name has nothing to go on with: no token is made with a key that is not kept.
        let sealed = acting.is_none().then_some(sealed);
        let (client_id, scopes) = client.clone().unzip();
        let row: [Param; 10] = [
            session.into(),
            user.id.into(),
            now.into(),
            level.name().into(),
            agent_of(visit).into(),
            visit.caller.address.map(|address| address.to_string()).into(),
            sealed.into(),
            not_after.into(),
            client_id.into(),
            scopes.into(),
        ];
        tx.queue(sql::INSERT_SESSION, row);
        let mut proofs = vec![Proof { method: way.name().to_owned(), at: now }];
        proofs.extend(earlier);
        for Proof { method, at } in &proofs {
            let row = [rng.uuid().into(), session.into(), (*at).into(), method.into()];
            tx.queue(sql::INSERT_METHOD, row);
        }
        let duty = owes.and_then(duty_name);
        tx.queue(sql::INSERT_SESSION_MARK, [session.into(), duty.into()]);
        // A client's server is no place that its people sign in from, and no device of theirs. Nor is an administrator's, for whom
        // no session of the person's own ends; and it is no sign-in of theirs.
        let device = match (&client, acting) {
            (None, None) => self.came_in(tx, &mut user, &provider, visit).await?,
            (Some(_), _) | (_, Some(_)) => None,
        };
        let ended = match acting {
            None => self.make_room(tx, user.id, session).await?,
            Some(_) => Vec::new(),
        };
        if acting.is_none() {
            let happening = Happening::Login { user: &user, session, method: way.name() };
            events::record(tx, self, visit, happening).await?;
        }
        let acting =
            acting.map(|(admin, until)| (Acting { admin, impersonation: session }, until.as_second()));
        Ok(Opened {
            user,
            session,
            level,
            proofs,
            key,
            counter: 0,
            asked: (visit.clone(), way.name()),
            client,
            acting,
            owes,
            ended,
            weak_password: None,
            device,
            provider_tokens: None,
        })
    }

    /// Remembers when, through what and from where somebody came; what makes the device known from now on.
    async fn came_in(
        &self,
        tx: &mut SystemTx,
        user: &mut User,
        provider: &str,
        visit: &Visit,
    ) -> Result<Option<DeviceToken>, Error> {
        let now = self.0.clock.now();
        tx.queue(sql::TOUCH_USER, [user.id.into(), now.into(), provider.into()]);
        user.last_sign_in_at = Some(now);
        for identity in user.identities.iter_mut().filter(|identity| identity.provider == provider) {
            identity.last_sign_in_at = Some(now);
        }
        let account = user.email.as_deref().unwrap_or(user.phone_or_empty()).to_owned();
        self.remember_place(tx, &account, visit);
        let device = self.device_of(&account, visit);
        self.tell_of_device(tx, user, &account, device.is_none(), visit).await?;
        Ok(device)
    }

    /// Adds a proof to a session of `user` and gives it its next tokens: the way from one factor to two. They are made
    /// with a new key: whoever stole a refresh token before does not rise with the session. When the level rises, the
    /// person's other sessions of one factor end, as upstream.
    pub async fn raise_session(
        &self,
        tx: &mut SystemTx,
        session: Uuid,
        user: User,
        way: Way,
        factor: Option<Uuid>,
        visit: &Visit,
    ) -> Result<Opened, Error> {
        let now = self.0.clock.now();
        let rows = tx.query(sql::SESSION_FOR_REFRESH, [session.into()]).await?;
        let mut stored = rows.first().map(Stored::read).transpose()?.ok_or(Error::TokenRevoked)?;
        if stored.user != user.id {
            return Err(Error::TokenRevoked);
        }
        if user.is_banned(now) || user.deleted_at.is_some() {
            return Err(Error::Banned);
        }
        let level = stored.level.max(way.level());
        let proof = [self.0.rng.uuid().into(), session.into(), now.into(), way.name().into()];
        tx.queue(sql::RENEW_METHOD, proof);
        tx.queue(sql::RAISE_SESSION, [session.into(), level.name().into(), factor.into()]);
        stored.proofs.retain(|proof| proof.method != way.name());
        stored.proofs.insert(0, Proof { method: way.name().to_owned(), at: now });
        let counter = stored.counter + 1;
        self.advance(tx, &stored, counter, now, visit).await?;
        let (key, sealed) = self.new_session_key(session)?;
        tx.execute(mfa::sql::REKEY_SESSION, [session.into(), sealed.into()]).await?;
        let ended = match way.level() {
            Level::Aal1 => Vec::new(),
            Level::Aal2 => {
                ids(&tx.query(mfa::sql::END_LOWER_SESSIONS, [user.id.into(), session.into()]).await?)?
            }
        };
        Ok(Opened {
            user,
            session,
            level,
            key,
            counter,
            asked: (visit.clone(), way.name()),
            client: stored.client,
            acting: None,
            owes: stored.owes,
            proofs: stored.proofs,
            ended,
            weak_password: None,
            device: None,
            provider_tokens: None,
        })
    }

    /// A key for the refresh tokens of a session, and the same sealed for its row.
    fn new_session_key(&self, session: Uuid) -> Result<(Secret<Vec<u8>>, String), Error> {
        let key = Secret::new(self.0.rng.bytes::<32>().to_vec());
        let sealed = URL_SAFE_NO_PAD.encode(self.0.root.seal(key.expose(), &key_place(session))?);
        Ok((key, sealed))
    }

    /// One session where only one may be; else at most as many as a person can look through.
    async fn make_room(&self, tx: &mut SystemTx, user: Uuid, newest: Uuid) -> Result<Vec<Uuid>, Error> {
        let keep = match self.0.rules.single_session {
            true => 1,
            false => limits::SESSIONS_PER_USER_MAX.value,
        };
        let keep = i64::try_from(keep).unwrap_or(i64::MAX);
        ids(&tx.query(sql::END_OLDEST_SESSIONS, [user.into(), newest.into(), (keep - 1).into()]).await?)
    }

    /// Commits a session and signs its tokens.
    pub async fn commit_session(&self, tx: SystemTx, mut opened: Opened) -> Result<Reply<Grant>, Error> {
        let ended = std::mem::take(&mut opened.ended);
        let opened = self.commit_ended(tx, ended, opened).await?.into_inner();
        let (session, is_new) = (opened.session, opened.counter == 0);
        match self.mint(opened).await {
            Ok(grant) => Ok(Reply::untouched(grant, "what it says was committed above")),
            Err(error) if is_new => {
                // Nobody ever had a token of it.
                let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
                tx.query(sql::END_SESSION, [session.into()]).await?;
                self.commit_ended(tx, vec![session], ()).await?.into_inner();
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The tokens of a session that is committed.
    async fn mint(&self, opened: Opened) -> Result<Grant, Error> {
        let (rules, now) = (&self.0.rules, self.0.clock.unix_seconds());
        let Opened {
            user,
            session,
            level,
            proofs,
            key,
            counter,
            client,
            acting,
            owes,
            weak_password,
            device,
            asked,
            provider_tokens,
            ..
        } = opened;
        let mut claims = claims::of_session(&user, session, level, &proofs, rules, now);
        claims::add_client(&mut claims, client.clone());
        claims::add_duty(&mut claims, owes);
        let (visit, method) = asked;
        // Before the operator's own code, which may want to know, and after it, since it does not decide whose token it is.
        let act = |claims: &mut Map<String, Value>| {
            if let Some((acting, until)) = &acting {
                claims::add_actor(claims, acting, *until);
            }
        };
        act(&mut claims);
        let mut claims = self.custom_claims(claims, method, &visit).await?;
        act(&mut claims);
        let expires_at = acting.map_or(now + rules.access_seconds, |(_, until)| until);
        Ok(Grant {
            access_token: Secret::new(self.0.keys.load().sign(&claims)?),
            refresh_token: refresh_token(session, counter, key.expose()),
            expires_in: expires_at - now,
            expires_at,
            user,
            session,
            owes,
            weak_password,
            device,
            provider_tokens,
            client,
        })
    }
}

/// As `palisade.session_marks` has it.
fn duty_name(owes: Owed) -> Option<&'static str> {
    match owes {
        Owed::NewPassword => Some("new_password"),
        // That one is in the level of the session itself.
        Owed::SecondFactor => None,
    }
}

/// What `palisade.session_marks` says.
pub(crate) fn read_duty(name: &str) -> Option<Owed> {
    (name == "new_password").then_some(Owed::NewPassword)
}
