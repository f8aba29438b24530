//! Who is calling. Every statement on user data runs as one of these, and nothing about a caller is looked up twice.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

/// A database role a caller runs as.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DbRole(Arc<str>);

impl DbRole {
    /// A role by name. The name must come from our key table or a verified token, never from a request.
    pub fn named(name: &str) -> Self {
        DbRole(name.into())
    }
    /// `anon`: nobody in particular.
    pub fn anon() -> Self {
        Self::named("anon")
    }
    /// `authenticated`: a signed-in user.
    pub fn authenticated() -> Self {
        Self::named("authenticated")
    }
    /// `service_role`: the operator's own programs; passes by row level security.
    pub fn service() -> Self {
        Self::named("service_role")
    }
    /// The role's name, as in `pg_roles`.
    pub fn name(&self) -> &str {
        &self.0
    }
    /// The same, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

/// How sure we are of a session (control 24, 26): one proof or two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// One factor.
    Aal1,
    /// Two factors.
    Aal2,
}

impl Level {
    /// As tokens and `auth.sessions.aal` spell it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Aal1 => "aal1",
            Level::Aal2 => "aal2",
        }
    }
}

/// One way the caller proved who they are, and when (the `amr` claim).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Method {
    /// `password`, `otp`, `totp`, …
    pub name: Arc<str>,
    /// When that proof was given.
    pub at: Timestamp,
}

/// A person with a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedIn {
    /// `auth.users.id`.
    pub user: Uuid,
    /// `auth.sessions.id`; tokens minted outside (AppFlowy, tests) may have none.
    pub session: Option<Uuid>,
}

/// What a key may be used for, as `area:read` and `area:write`; writing includes reading. A key without limits has an
/// empty list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyScope(pub Arc<[Arc<str>]>);

impl KeyScope {
    /// Whether the key has any limits.
    pub fn is_limited(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether it may be used in `area`, for writing or at least for reading.
    pub fn allows(&self, area: &str, write: bool) -> bool {
        let grants = |word: &Arc<str>| match word.split_once(':') {
            Some((known, "write")) => known == area,
            Some((known, "read")) => known == area && !write,
            Some(_) | None => false,
        };
        !self.is_limited() || self.0.iter().any(grants)
    }
}

/// What a session must settle before it may do anything else. Everything but the routes that settle it is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owed {
    /// A second factor: this person must have one and has not shown it in this session (controls 24, 25).
    SecondFactor,
    /// Another password: the one this session began with is too old, or thieves know it (control 20).
    NewPassword,
}

/// Who is calling.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// Nobody in particular, with or without the publishable key.
    Anonymous,
    /// A person.
    User(SignedIn),
    /// A program that holds a key; the id names the key, never its secret.
    Service {
        /// The key's id in the key table, or `jwt` for a role-only token.
        key: Arc<str>,
    },
    /// The operator at the control socket: whoever may open that file.
    Operator,
}

/// An administrator in somebody else's name (`act`, RFC 8693).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Acting {
    /// Who really asks.
    pub admin: Uuid,
    /// The impersonation: the session that it is, where it is in the name of a person.
    pub impersonation: Uuid,
}

/// Everything about a caller that a decision may need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The person, program or nobody.
    pub who: Who,
    /// The database role their statements run as (control 47).
    pub role: DbRole,
    /// The `role` claim itself, which policies may read; not always the database role.
    pub claimed_role: Arc<str>,
    /// The claims as JSON text: `request.jwt.claims` for policies.
    pub claims: Arc<str>,
    /// `sub` claim, empty when there is none: `request.jwt.claim.sub`.
    pub subject: Arc<str>,
    /// `email` claim, empty when there is none: `request.jwt.claim.email`.
    pub email: Arc<str>,
    /// How sure we are.
    pub level: Level,
    /// How they proved it, newest first.
    pub methods: Arc<[Method]>,
    /// What they must settle before anything else. Read in one place, before any handler: `web`'s admission.
    pub owes: Option<Owed>,
    /// The OAuth client acting for them, if any.
    pub client: Option<Arc<str>>,
    /// The administrator acting in their name, if any.
    pub acting: Option<Acting>,
    /// What their key may be used for.
    pub scope: KeyScope,
    /// Whether every transaction of theirs is read-only, whatever it is for: a key that may only read (control 150).
    pub read_only: bool,
    /// Where they are calling from, after the trusted proxies.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// Nobody in particular: role `anon`, no claims but the role.
    pub fn anonymous() -> Self {
        Caller {
            who: Who::Anonymous,
            role: DbRole::anon(),
            claimed_role: "anon".into(),
            claims: r#"{"role":"anon"}"#.into(),
            subject: "".into(),
            email: "".into(),
            level: Level::Aal1,
            methods: Arc::new([]),
            owes: None,
            client: None,
            acting: None,
            scope: KeyScope::default(),
            read_only: false,
            address: None,
        }
    }

    /// The operator at the control socket, with the rights of `service_role`.
    pub fn operator() -> Self {
        Caller {
            who: Who::Operator,
            role: DbRole::service(),
            claimed_role: "service_role".into(),
            claims: r#"{"role":"service_role"}"#.into(),
            ..Caller::anonymous()
        }
    }

    /// The same caller, seen at `address`.
    pub fn at(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The person, if this is one.
    pub fn signed_in(&self) -> Option<&SignedIn> {
        match &self.who {
            Who::User(person) => Some(person),
            Who::Anonymous | Who::Service { .. } | Who::Operator => None,
        }
    }

    /// What they end with: their session, or the impersonation that an administrator asks in.
    pub fn ends_with(&self) -> Option<Uuid> {
        let session = self.signed_in().and_then(|person| person.session);
        session.or(self.acting.map(|acting| acting.impersonation))
    }

    /// Whether the person themself asks: no program that they let in, no administrator in their name.
    pub fn is_themself(&self) -> bool {
        self.client.is_none() && self.acting.is_none()
    }

    /// An administrator, or a program with an administrator's rights: whoever runs as `service_role` (control 47), and
    /// GoTrue's `supabase_admin`.
    pub fn is_administrator(&self) -> bool {
        self.role == DbRole::service() || &*self.claimed_role == "supabase_admin"
    }

    /// A program with its key, also one in the form of a token that names somebody: no session is behind it, and it passes by row
    /// level security or administers.
    pub fn is_program(&self) -> bool {
        match &self.who {
            Who::Service { .. } => true,
            Who::User(person) => person.session.is_none() && self.is_administrator(),
            Who::Anonymous | Who::Operator => false,
        }
    }

    /// The newest proof of any kind: what a step-up is measured from.
    pub fn last_proof(&self) -> Option<Timestamp> {
        self.methods.iter().map(|method| method.at).max()
    }

    /// A short name for logs and audit: never a secret, never an address.
    pub fn actor(&self) -> String {
        match &self.who {
            Who::Anonymous => "anonymous".to_owned(),
            Who::User(person) => format!("user:{}", person.user),
            Who::Service { key } => format!("key:{key}"),
            Who::Operator => "operator".to_owned(),
        }
    }
}
