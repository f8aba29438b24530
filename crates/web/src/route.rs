//! A route: what is served where, to whom, within which limits.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use base::{Caller, Clock, Failure, Owed};
use http::{HeaderMap, Method};

use crate::{Answer, Ask, Cx, Error, Guard, Reply, RequestId};

/// What a handler returns: an answer made by a commit, or a fault that rolled back.
pub type Handled = Pin<Box<dyn Future<Output = Result<Reply<Answer>, Failure>> + Send>>;

/// Reads from a request which account it is about, as the caller wrote it.
pub type Account = fn(&Ask) -> Option<String>;

/// A handler of a dialect whose state is `S`.
pub type Handler<S> = fn(Arc<S>, Cx, Ask) -> Handled;

/// Which credentials a route looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Credentials {
    /// None: whatever is sent is not even read.
    None,
    /// `apikey` header or parameter, and `Authorization: Bearer`.
    KeyAndBearer,
    /// The cookie of our own pages: every request that changes something must prove that such a page sent it
    /// ([`crate::csrf`]). A cookie that is not good any more is nobody's.
    Browser,
}

/// What a mount gives access to: what the scope of a key is measured against (control 150).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Area {
    /// Rows, by whatever dialect.
    Data,
    /// Accounts, sessions, keys.
    Accounts,
    /// Neither: a key with limits opens nothing here that asks for a key.
    Other,
}

impl Area {
    /// Those that scopes name.
    pub const NAMED: [Area; 2] = [Area::Data, Area::Accounts];

    /// As scopes spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Area::Data => "data",
            Area::Accounts => "accounts",
            Area::Other => "other",
        }
    }
}

/// Reads from a request which budget it is counted against, where one path serves several.
pub type Budgeted = fn(&Ask) -> Rate;

/// Reads from a request as how many it is counted, where one can hold several.
pub type CountsAs = fn(&Ask) -> u32;

/// Better words for a body that is too large, by how it begins.
pub type Oversize = fn(&[u8]) -> Option<Failure>;

/// Bounds of one route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest body taken.
    pub body_bytes_max: u64,
    /// Longest time from the first byte of the request to the handler's answer.
    pub duration_ms_max: u64,
}

impl Limits {
    /// No body at all.
    pub const NO_BODY: Limits = Limits { body_bytes_max: 0, duration_ms_max: 10_000 };
    /// A small JSON object, as sign-in forms send.
    pub const SMALL: Limits = Limits { body_bytes_max: 64 * 1024, duration_ms_max: 10_000 };
    /// Auth's limit upstream.
    pub const AUTH: Limits = Limits { body_bytes_max: 1024 * 1024, duration_ms_max: 10_000 };
    /// Rows.
    pub const DATA: Limits = Limits { body_bytes_max: 10 * 1024 * 1024, duration_ms_max: 60_000 };
}

/// A named budget beside the global one (control 72). The limits themselves are settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Rate {
    /// Only the global limits (control 71).
    Global,
    /// Sign-in: `/api/v1/auth/login` of the guide.
    Login,
    /// Sign-up: `/api/v1/auth/signup` of the guide.
    Signup,
    /// Password reset: `/api/v1/auth/password/reset` of the guide.
    PasswordReset,
    /// Not limited: health and readiness, which a load balancer asks every second.
    Exempt,
}

/// What a route holds a request to, and what it says of itself: the same for the route, for what the edge matches and for
/// the reference.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Who may pass.
    pub guard: Guard,
    /// Which credentials are looked at.
    pub credentials: Credentials,
    /// Its bounds.
    pub limits: Limits,
    /// Its budget.
    pub rate: Rate,
    /// Its budget by what is asked, in place of `rate`.
    pub budgeted: Option<Budgeted>,
    /// As how many requests one is counted against the global budget.
    pub counts_as: Option<CountsAs>,
    /// The account the request is about, so that its budget is counted per account as well as per address.
    pub account: Option<Account>,
    /// What is said of a body over the limit that begins in some way.
    pub oversize: Option<Oversize>,
    /// What a session may still owe and use it: the way to settle that debt.
    pub settles: &'static [Owed],
    /// Whether another site's form may post here, as identity providers do.
    pub from_elsewhere: bool,
    /// Whether a program that a person let in may come here in their name.
    pub for_clients: bool,
    /// Whether it is about the administrator who asks, in whoever's name they ask elsewhere (`X-Impersonation-Token`).
    pub as_themself: bool,
    /// Whether it answers with a connection that becomes a WebSocket.
    pub upgrades: bool,
    /// What it does, for the generated reference.
    pub summary: &'static str,
}

/// One endpoint. Its path is relative to where its dialect is mounted; `{name}` is a parameter.
pub struct Route<S: 'static> {
    /// The method; `HEAD` is not implied by `GET`.
    pub method: Method,
    /// The path below the mount.
    pub path: &'static str,
    /// What it holds a request to.
    pub terms: Terms,
    /// The code.
    pub handler: Handler<S>,
}

impl<S> Route<S> {
    /// An endpoint. There is no default guard.
    pub const fn new(method: Method, path: &'static str, guard: Guard, handler: Handler<S>) -> Self {
        let terms = Terms {
            guard,
            credentials: Credentials::KeyAndBearer,
            limits: Limits::SMALL,
            rate: Rate::Global,
            budgeted: None,
            counts_as: None,
            account: None,
            oversize: None,
            settles: &[],
            from_elsewhere: false,
            for_clients: false,
            as_themself: false,
            upgrades: false,
            summary: "",
        };
        Route { method, path, terms, handler }
    }
    /// Looks at these credentials only.
    pub const fn credentials(mut self, credentials: Credentials) -> Self {
        self.terms.credentials = credentials;
        self
    }
    /// Within these bounds.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.terms.limits = limits;
        self
    }
    /// Out of this budget.
    pub const fn rate(mut self, rate: Rate) -> Self {
        self.terms.rate = rate;
        self
    }
    /// Out of the budget that `budgeted` reads from the request.
    pub const fn budgeted(mut self, budgeted: Budgeted) -> Self {
        self.terms.budgeted = Some(budgeted);
        self
    }
    /// Counts one request as so many as `counts_as` reads from it.
    pub const fn counts_as(mut self, counts_as: CountsAs) -> Self {
        self.terms.counts_as = Some(counts_as);
        self
    }
    /// Counts its budget per account too: `account` reads the address or number a sign-in form names.
    pub const fn account(mut self, account: Account) -> Self {
        self.terms.account = Some(account);
        self
    }
    /// Says of a body over the limit what `oversize` makes of its beginning, if anything.
    pub const fn oversize(mut self, oversize: Oversize) -> Self {
        self.terms.oversize = Some(oversize);
        self
    }
    /// Open to sessions that still owe one of `debts`, since it is how they settle it.
    pub const fn settles(mut self, debts: &'static [Owed]) -> Self {
        self.terms.settles = debts;
        self
    }
    /// Open to another site's form: only for answers of identity providers, which prove themselves by what they say.
    pub const fn from_elsewhere(mut self) -> Self {
        self.terms.from_elsewhere = true;
        self
    }
    /// Open to the tokens of OAuth clients: what else is behind a guard and is no data is their person's own.
    pub const fn for_clients(mut self) -> Self {
        self.terms.for_clients = true;
        self
    }
    /// Asked by whoever `Authorization` names: a token of an impersonation that is sent beside it is not looked at.
    pub const fn as_themself(mut self) -> Self {
        self.terms.as_themself = true;
        self
    }
    /// Answers with a connection that becomes a WebSocket ([`Answer::socket`]). Whoever asks for anything else is told so.
    pub const fn upgrades(mut self) -> Self {
        self.terms.upgrades = true;
        self
    }
    /// One line for the reference.
    pub const fn summary(mut self, summary: &'static str) -> Self {
        self.terms.summary = summary;
        self
    }
}

/// What an envelope needs to know about the request it refuses.
pub struct Refused<'a> {
    /// The request's name.
    pub request_id: &'a RequestId,
    /// Its headers: some dialects choose their error shape by one.
    pub headers: &'a HeaderMap,
    /// Whether the caller proved to be somebody.
    pub authenticated: bool,
    /// Whether details may be shown (`dev` only, control 127).
    pub development: bool,
}

/// How a dialect words a fault.
pub type Envelope = fn(&Failure, &Refused<'_>) -> Answer;

/// A route with its dialect's state inside: what the edge matches.
#[derive(Clone)]
pub struct Bound {
    /// The method.
    pub method: Method,
    /// The whole path.
    pub path: Arc<str>,
    /// The mount's prefix.
    pub prefix: Arc<str>,
    /// What it holds a request to.
    pub terms: Terms,
    /// What it gives access to.
    pub area: Area,
    /// How its faults are worded.
    pub envelope: Envelope,
    /// The code.
    pub run: Arc<dyn Fn(Cx, Ask) -> Handled + Send + Sync>,
}

impl Bound {
    /// Lets the caller pass, or says why not. Every request of every dialect comes through here, once: first whether the
    /// session owes something that this route does not settle, then what the guard asks.
    pub fn admit(&self, caller: &Caller, has_credential: bool, clock: &Clock) -> Result<(), Error> {
        match caller.owes {
            Some(owed) if !self.terms.settles.contains(&owed) => Err(Error::owed(owed)),
            Some(_) | None => {
                self.in_scope(caller)?;
                self.require_own(caller)?;
                self.terms.guard.admit(caller, has_credential, clock)
            }
        }
    }

    /// A program that a person let in opens what they may see, and not their account. Nor does an administrator in their name,
    /// to whom nothing is open that is not data, not even what programs may know of the person.
    fn require_own(&self, caller: &Caller) -> Result<(), Error> {
        if caller.is_themself() || caller.signed_in().is_none() {
            return Ok(());
        }
        let is_data = self.area == Area::Data && matches!(self.terms.guard, Guard::SignedIn);
        let for_clients = self.terms.for_clients && caller.acting.is_none();
        let open = is_data || for_clients || matches!(self.terms.guard, Guard::Open | Guard::Key);
        if open { Ok(()) } else { Err(Error::ThroughClient) }
    }

    /// A key with limits opens what its scope names. What administrators do is writing unless the method only reads; of
    /// rows PostgreSQL knows better what writes than a method does, see [`Bound::narrow`].
    fn in_scope(&self, caller: &Caller) -> Result<(), Error> {
        let reads = self.method.is_safe() || self.area == Area::Data;
        let open = matches!(self.terms.guard, Guard::Open | Guard::Operator);
        if open || caller.scope.allows(self.area.name(), !reads) {
            return Ok(());
        }
        Err(Error::OutOfScope { area: self.area.name(), verb: if reads { "read" } else { "write" } })
    }

    /// The caller as far as this route lets them go: a key that may only read rows gets read-only transactions, whatever
    /// function, view or trigger it goes through.
    pub fn narrow(&self, caller: Arc<Caller>) -> Arc<Caller> {
        if !caller.scope.is_limited() || caller.scope.allows(self.area.name(), true) {
            return caller;
        }
        Arc::new(Caller { read_only: true, ..Caller::clone(&caller) })
    }
}

/// What came of asking something of a request before its handler sees it.
pub type Asked = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// A dialect's routes at a prefix. What matches no route below the prefix is refused in the same dialect.
#[derive(Clone)]
pub struct Mount {
    /// Where: `/auth/v1`.
    pub prefix: Arc<str>,
    /// How faults are worded here.
    pub envelope: Envelope,
    /// What is served.
    pub routes: Vec<Bound>,
}

impl Mount {
    /// Mounts `routes` of a dialect at `prefix`.
    pub fn new<S: Send + Sync + 'static>(
        prefix: &str,
        envelope: Envelope,
        state: Arc<S>,
        routes: &[Route<S>],
    ) -> Self {
        let prefix: Arc<str> = prefix.trim_end_matches('/').into();
        let bind = |route: &Route<S>| {
            let (handler, state) = (route.handler, state.clone());
            Bound {
                method: route.method.clone(),
                path: format!("{prefix}{}", route.path).into(),
                prefix: prefix.clone(),
                terms: route.terms,
                area: Area::Other,
                envelope,
                run: Arc::new(move |cx, ask| handler(state.clone(), cx, ask)),
            }
        };
        Mount { envelope, routes: routes.iter().map(bind).collect(), prefix: prefix.clone() }
    }

    /// The same routes, `first` asked of a request before those that `which` picks by method and path below the prefix.
    #[must_use]
    pub fn behind(
        mut self,
        which: impl Fn(&Method, &str) -> bool,
        first: impl Fn(&Cx, &Ask) -> Asked + Send + Sync + 'static,
    ) -> Self {
        let first = Arc::new(first);
        for route in &mut self.routes {
            if !which(&route.method, route.path.strip_prefix(&*self.prefix).unwrap_or_default()) {
                continue;
            }
            let (inner, first) = (route.run.clone(), first.clone());
            route.run = Arc::new(move |cx, ask| {
                let (inner, asked) = (inner.clone(), first(&cx, &ask));
                Box::pin(async move {
                    asked.await?;
                    inner(cx, ask).await
                })
            });
        }
        self
    }

    /// Says what all of it gives access to.
    #[must_use]
    pub fn area(mut self, area: Area) -> Self {
        self.routes.iter_mut().for_each(|route| route.area = area);
        self
    }
}
