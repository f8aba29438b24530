//! One request, top to bottom, once: name it, find out who and where, match, limit, read, guard, run, word, adorn, log.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use base::trace::Given;
use base::{Caller, Failure, Fault, Kind, Profile, Settings, Trace, Who};
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{ALLOW, HeaderName, ORIGIN, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use limits::Verdict;
use web::{
    Answer, Arriving, Ask, Body, Bound, Credentials, Cx, Envelope, Error as WebError, Guard, Rate, Refused,
    RequestId,
};

use crate::access::{self, Line};
use crate::config::{EdgeConfig, Identified, Refusal, Used};
use crate::limits::{ADDRESS_BODIES_HELD_BYTES_MAX, BODIES_HELD_BYTES_MAX};
use crate::router::{Found, Router};
use crate::sentry::{Arrived, KeptOut, TooMuch};
use crate::{
    Cors, Counts, Error, Front, Peer, Presented, Rates, SecurityHeaders, TrustedProxies, body, credentials,
    names, path, standing, trace, upgrade,
};

/// The edge. Built once, shared by every connection.
pub struct Edge {
    router: Router,
    headers: SecurityHeaders,
    cors: Cors,
    proxies: TrustedProxies,
    front: Front,
    rates: Rates,
    /// What the paths of APIs begin with.
    prefixes: Vec<String>,
    config: EdgeConfig,
    counts: Arc<Counts>,
    instance: String,
    count: AtomicU64,
    arriving: Arriving,
}

/// Headers that only our own hops may set, or that other software trusts blindly (attack row 80).
const INTERNAL: [&str; 8] = [
    "x-middleware-subrequest",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-remote-user",
    "x-palisade-internal",
];

fn is_internal(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-") && INTERNAL.contains(&name.as_str())
}

/// Where balancers look, over plain HTTP too.
const HEALTH: &str = "/health";

/// A request under way.
struct Way<'a> {
    request_id: RequestId,
    /// Which trace it is part of, as its caller says.
    offered: Option<Given>,
    /// The same, once the caller is believed.
    given: Option<Arc<Given>>,
    address: IpAddr,
    secure: bool,
    /// A trusted proxy says that it was reached over plain HTTP, from elsewhere.
    readable: bool,
    /// It came where administrators are answered.
    for_admins: bool,
    /// A page of another site made a browser ask.
    is_elsewheres: bool,
    caller: Option<Arc<Caller>>,
    route: Option<&'a Arc<Bound>>,
    limits: Option<Verdict>,
    /// The budget of its own that the request is counted against, once it is.
    budget: Option<Rate>,
}

impl Edge {
    /// Builds it, or says which setting or route cannot be.
    pub fn new(settings: &Settings, config: EdgeConfig) -> Result<Self, Error> {
        let instance = format!("{:08x}", u32::from_be_bytes(config.rng.bytes::<4>()));
        let rates = Rates::from(settings, config.limiter.clone())?;
        let rates = if config.profile == Profile::Conformance { rates.off() } else { rates };
        let router = Router::new(&config.mounts)?;
        let counts = Arc::new(Counts::new(router.all().iter(), &instance));
        Ok(Edge {
            router,
            headers: SecurityHeaders::from(settings)?,
            cors: Cors::from(settings)?,
            proxies: TrustedProxies::from(settings)?,
            front: Front::from(settings)?,
            rates,
            prefixes: crate::router::prefixes(&config.mounts),
            config,
            counts,
            instance,
            count: AtomicU64::new(0),
            arriving: Arriving::new(BODIES_HELD_BYTES_MAX.value, ADDRESS_BODIES_HELD_BYTES_MAX.value),
        })
    }

    pub(crate) fn admits(&self, address: IpAddr) -> bool {
        !(self.config.sentry.keeps_out)(address)
    }

    /// What it has counted, for the page of metrics.
    pub fn counts(&self) -> Arc<Counts> {
        self.counts.clone()
    }

    /// Counts a connection for as long as what is given back is there.
    pub(crate) fn hold(&self) -> meters::Held<'_> {
        self.counts.connections.hold()
    }

    /// Answers a request from `peer`.
    pub fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send + '_ {
        self.answer_at(request, peer, !self.config.admin_elsewhere)
    }

    /// The same, where administrators are answered or are not.
    pub(crate) async fn answer_at(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        for_admins: bool,
    ) -> Response<Body> {
        let began = Instant::now();
        let _counted = self.counts.requests.hold();
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let (mut parts, body) = request.into_parts();
        if parts.headers.keys().any(is_internal) {
            INTERNAL.iter().for_each(|name| drop(parts.headers.remove(*name)));
        }
        let address = self.proxies.caller(peer.address, &parts.headers);
        let said = self.proxies.says_https(peer.address, &parts.headers);
        let mut way = Way {
            request_id: self.name(number),
            offered: trace::offered(&parts.headers),
            given: None,
            address,
            secure: peer.secure || said == Some(true),
            readable: said == Some(false) && !address.is_loopback(),
            for_admins,
            is_elsewheres: parts.headers.contains_key(&names::SEC_FETCH_SITE)
                && web::csrf::is_anothers(&parts, self.cors.may_read(parts.headers.get(ORIGIN))),
            caller: None,
            route: None,
            limits: None,
            budget: None,
        };
        if way.offered.is_some() && self.proxies.trusts(peer.address.to_canonical()) {
            way.believe();
        }
        let parts = Arc::new(parts);
        let origin = parts.headers.get(ORIGIN);
        let ours = self.config.profile != Profile::Conformance;
        let entered = if ours { self.require_entry(&way, &parts, peer) } else { Ok(()) };
        let answered = match entered {
            Err(refused) => Err(refused.into()),
            Ok(()) if ours && Cors::is_preflight(&parts.method, &parts.headers) => {
                Box::pin(self.preflight(&mut way, origin)).await
            }
            Ok(()) => self.run(&mut way, &parts, body).await,
        };
        let mut answer = answered.unwrap_or_else(|failure| self.refuse(&way, &failure, &parts));
        if let Some(inside) = answer.0.extensions_mut().remove::<web::RefusedInside>() {
            inside.0.iter().for_each(|fault| self.tell(&way, parts.uri.path(), &**fault));
        }
        if ours {
            self.adorn(&way, origin, answer.headers_mut());
        }
        let took = began.elapsed();
        self.counts.answered(way.route, answer.0.status(), took, number, self.config.clock.now().as_second());
        if self.tells_time(&way) {
            let timing = format!("total;dur={:.3}", took.as_secs_f64() * 1000.0);
            if let Ok(timing) = HeaderValue::from_str(&timing) {
                answer.headers_mut().append(&names::SERVER_TIMING, timing);
            }
        }
        access::log(&Line {
            request_id: &way.request_id,
            method: &parts.method,
            path: way.route.as_ref().map_or("unmatched", |route| &route.path),
            status: answer.0.status(),
            took,
            caller: way.caller.as_deref(),
            address: way.address,
            headers: &parts.headers,
            given: way.given.as_deref(),
        });
        answer.0
    }

    /// What is asked of connections.
    pub(crate) fn front(&self) -> &Front {
        &self.front
    }

    /// For us, over a protected way, and, to become a WebSocket, from a page that may.
    fn require_entry(&self, way: &Way<'_>, parts: &Parts, peer: Peer) -> Result<(), WebError> {
        self.config.hosts.require_ours(parts, peer.address)?;
        if way.readable && parts.uri.path() != HEALTH {
            if credentials::are_shown(parts, &self.prefixes) {
                let path = parts.uri.path().to_owned();
                (self.config.on_exposed)(crate::Exposed { address: way.address, path });
            }
            return Err(WebError::NotSecure);
        }
        if upgrade::is_asked(parts) {
            upgrade::require_allowed(parts, way.secure, way.address.is_loopback(), &self.cors)?;
        }
        Ok(())
    }

    async fn run<'a>(
        &'a self,
        way: &mut Way<'a>,
        parts: &Arc<Parts>,
        body: Incoming,
    ) -> Result<Answer, Failure> {
        let asked = parts.uri.path();
        if (self.config.sentry.keeps_out)(way.address) {
            return Err(KeptOut.into());
        }
        let is_plain = self.config.profile == Profile::Conformance || path::is_plain(asked);
        let found = self.router.find(&parts.method, asked);
        let arrived = Arrived {
            address: way.address,
            path: asked,
            is_served: is_plain && !matches!(found, Found::Nothing),
            agent: parts.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok()),
            is_elsewheres: way.is_elsewheres,
        };
        if (self.config.sentry.on_request)(&arrived) {
            return Err(KeptOut.into());
        }
        if !is_plain {
            return Err(WebError::Malformed { what: "The path is not in its plain form".to_owned() }.into());
        }
        let (route, params) = match found {
            Found::Route(route, params) => (route, params),
            Found::OtherMethods(methods) => {
                let allow = methods.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", ");
                return Err(WebError::NoMethod { method: parts.method.to_string(), allow }.into());
            }
            Found::Nothing => return Box::pin(self.nothing(way)).await,
        };
        way.route = Some(route);
        if route.terms.guard == Guard::Admin && !way.for_admins {
            self.count(way, &Caller::anonymous().at(way.address)).await?;
            return Err(WebError::AdminElsewhere.into());
        }
        if self.config.profile != Profile::Conformance {
            self.require_no_forgery(route, parts)?;
        }
        let identified = self.identify(way, route, parts).await?;
        let caller = identified.caller.clone();
        way.caller = Some(caller.clone());
        if matches!(caller.who, Who::Service { .. }) {
            way.believe();
        }
        if route.terms.rate != Rate::Exempt {
            self.count(way, &caller).await?;
        }
        route.admit(&caller, identified.has_credential, &self.config.clock)?;
        if route.terms.upgrades {
            standing::require_complete(parts)?;
        }
        let caller = route.narrow(caller);
        if let Some(caller) =
            identified.beside.as_ref().or(Some(&caller).filter(|caller| caller.is_program()))
        {
            let (address, method) = (way.address, &parts.method);
            (self.config.on_use)(&Used { caller, address, method, path: &route.path });
        }
        // What is rare is kept on the heap, so that a request without it is smaller: it is moved a few times.
        let has_body = !hyper::body::Body::is_end_stream(&body);
        let body = if has_body {
            Box::pin(body::read((&self.arriving, way.address), body, &parts.headers, route)).await?
        } else {
            Bytes::new()
        };
        if route.terms.credentials == Credentials::Browser {
            web::csrf::require_ours(parts, &body)?;
        }
        let path = asked.strip_prefix(&*route.prefix).unwrap_or(asked).to_owned();
        let ask = Ask { path, params, body, parts: parts.clone() };
        let parts_of_it =
            route.terms.counts_as.filter(|_| route.terms.rate != Rate::Exempt).map_or(1, |count| count(&ask));
        let more = self.rates.more(&caller, parts_of_it.saturating_sub(1)).await;
        check(way, more)?;
        let account = route.terms.account.and_then(|account| account(&ask));
        let rate = route.terms.budgeted.map_or(route.terms.rate, |read| read(&ask));
        let verdict = match self.rates.endpoint(rate, &caller, account.clone()).await {
            Some(over) if !over.allowed => {
                Some(Box::pin(self.own_budget(rate, account, parts, way, over)).await)
            }
            within => within,
        };
        way.budget = verdict.is_some().then_some(rate);
        check(way, verdict)?;
        way.budget = None;
        let cx = Cx {
            pg: self.config.pg.clone(),
            caller: caller.clone(),
            clock: self.config.clock.clone(),
            rng: self.config.rng.clone(),
            request_id: way.request_id.clone(),
        };
        let trace = Trace { request: way.request_id.0.clone(), given: way.given.clone() };
        let handled = trace::Within { trace, handled: (route.run)(cx, ask) };
        let answer = within(route.terms.limits.duration_ms_max, handled).await?;
        let answer = crate::stream::shown(&self.config.sentry.on_answer, &caller, &route.path, answer);
        let of = || (route.clone(), way.request_id.clone(), way.address);
        if route.terms.upgrades && answer.0.status() == StatusCode::SWITCHING_PROTOCOLS {
            return standing::begin((&self.config, &self.arriving), of(), parts, &identified, answer);
        }
        standing::cut_in_time(&self.config, of, parts, &identified, answer)
    }

    /// Over the budget of an address or account; a device that its owner signed in with before has one of its own.
    async fn own_budget(
        &self,
        rate: Rate,
        account: Option<String>,
        parts: &Arc<Parts>,
        way: &Way<'_>,
        over: Verdict,
    ) -> Verdict {
        let Some(account) = account.filter(|_| rate == Rate::Login) else { return over };
        match (self.config.recognise)(parts.clone(), account, way.address).await {
            Some(device) => self.rates.device(&device).await,
            None => over,
        }
    }

    /// Nothing that another site's page sent without having to ask, but for the forms that some routes are there for.
    fn require_no_forgery(&self, route: &Bound, parts: &Parts) -> Result<(), WebError> {
        if route.terms.from_elsewhere {
            return web::csrf::require_form(parts);
        }
        web::csrf::require_asked(parts, self.cors.may_read(parts.headers.get(ORIGIN)))
    }

    /// Unknown paths count against the address: probing is not free.
    async fn nothing(&self, way: &mut Way<'_>) -> Result<Answer, Failure> {
        let nobody = Caller::anonymous().at(way.address);
        self.count(way, &nobody).await?;
        Err(WebError::NoRoute.into())
    }

    /// Counts a request against whoever does far more than anybody does, who is slowed down, answered or not (control 108),
    /// and against the global budget.
    async fn count(&self, way: &mut Way<'_>, caller: &Caller) -> Result<(), Failure> {
        let subject = crate::rates::subject(caller);
        if let Some(wait) = (self.config.sentry.on_caller)(&subject, caller.address) {
            return Err(TooMuch { wait }.into());
        }
        Ok(check(way, self.rates.global(&subject).await)?)
    }

    /// A refused credential counts against the address it came from.
    async fn identify(&self, way: &mut Way<'_>, route: &Bound, parts: &Parts) -> Result<Identified, Failure> {
        if route.terms.credentials == Credentials::None {
            return Ok(Identified::nobody(way.address));
        }
        if route.terms.credentials == Credentials::Browser {
            return Ok(self.browser(way, parts).await);
        }
        let mut presented = match self.config.profile {
            Profile::Conformance => Presented::unread(&parts.headers),
            Profile::Serve | Profile::Dev => Presented::read(&parts.headers, parts.uri.query())?,
        };
        if route.terms.as_themself {
            presented.acting = None;
        }
        let refused = match (self.config.identify)(presented, way.address).await {
            Ok(identified) => return Ok(identified),
            Err(refused) => refused,
        };
        let nobody = Caller::anonymous().at(way.address);
        self.count(way, &nobody).await?;
        Err(refused)
    }

    /// Whoever signed in on a page of ours. A cookie that is not good any more is nobody's, so that the page can ask again.
    async fn browser(&self, way: &Way<'_>, parts: &Parts) -> Identified {
        let nobody = || Identified::nobody(way.address);
        let Some(token) = web::csrf::session(&parts.headers) else { return nobody() };
        let presented = Presented { bearer: Some(token), ..Presented::default() };
        let known = (self.config.identify)(presented, way.address).await.unwrap_or_else(|_| nobody());
        // Our pages are where people decide about their accounts: no administrator in their name does.
        if known.caller.acting.is_some() { nobody() } else { known }
    }

    /// Words a refusal in the dialect of its path, logs what is ours, tells the audit.
    fn refuse(&self, way: &Way<'_>, failure: &Failure, parts: &Parts) -> Answer {
        let raw_path = parts.uri.path();
        access::log_failure(&way.request_id, way.caller.as_deref(), failure);
        let fault = failure.fault();
        self.tell(way, raw_path, fault);
        let envelope = way
            .route
            .as_ref()
            .map(|route| route.envelope)
            .or_else(|| self.router.envelope(raw_path))
            .unwrap_or(web::plain as Envelope);
        let authenticated = way.caller.as_ref().is_some_and(|caller| caller.who != base::Who::Anonymous);
        let (headers, development) = (&parts.headers, self.config.profile == Profile::Dev);
        let refused = Refused { request_id: &way.request_id, headers, authenticated, development };
        let mut answer = envelope(failure, &refused);
        if let Some(WebError::Misdirected | WebError::AdminElsewhere) = failure.downcast_ref::<WebError>() {
            *answer.0.status_mut() = StatusCode::MISDIRECTED_REQUEST;
        }
        if let Some(WebError::NotASocket { .. }) = failure.downcast_ref::<WebError>() {
            *answer.0.status_mut() = StatusCode::UPGRADE_REQUIRED;
            answer.headers_mut().insert(http::header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        if let Some(wait) = web::retry_after(fault, answer.0.status()) {
            // What user code raised may say it by itself.
            answer.headers_mut().entry(RETRY_AFTER).or_insert(HeaderValue::from(seconds_up(wait)));
        }
        if let Some(WebError::NoMethod { allow, .. }) = failure.downcast_ref::<WebError>()
            && let Ok(allow) = HeaderValue::from_str(allow)
        {
            answer.headers_mut().insert(ALLOW, allow);
        }
        answer
    }

    /// How long an answer took is for developers, and for the operator's own programs: to anybody else it tells who exists.
    fn tells_time(&self, way: &Way<'_>) -> bool {
        let service = |caller: &Arc<Caller>| matches!(caller.who, Who::Service { .. });
        self.config.profile == Profile::Dev || way.caller.as_ref().is_some_and(service)
    }

    /// Tells the audit.
    fn tell(&self, way: &Way<'_>, raw_path: &str, fault: &dyn Fault) {
        self.counts.refused(fault.kind());
        (self.config.on_refusal)(&Refusal {
            request_id: &way.request_id,
            caller: way.caller.as_deref(),
            address: way.address,
            path: way.route.as_ref().map_or(raw_path, |route| &*route.path),
            budget: way.budget,
            is_elsewheres: way.is_elsewheres,
            fault,
        });
    }

    /// A browser's question before it sends. Whoever is kept out gets no answer, and what a stranger's page asks for counts as
    /// an unknown path does: a line of the log is not free.
    async fn preflight(&self, way: &mut Way<'_>, origin: Option<&HeaderValue>) -> Result<Answer, Failure> {
        if (self.config.sentry.keeps_out)(way.address) {
            return Err(KeptOut.into());
        }
        let mut answer = Answer::no_content();
        if self.cors.preflight(origin, answer.headers_mut()) {
            return Ok(answer);
        }
        let nobody = Caller::anonymous().at(way.address);
        self.count(way, &nobody).await?;
        *answer.0.status_mut() = StatusCode::FORBIDDEN;
        let origin = access::shown(origin);
        tracing::info!(origin, "a browser asked from an origin that is not in server.cors.allowed_origins");
        Ok(answer)
    }

    fn adorn(&self, way: &Way<'_>, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        self.headers.apply(headers, way.secure);
        self.cors.apply(origin, headers);
        if let Ok(name) = HeaderValue::from_str(&way.request_id.0) {
            headers.insert(&names::X_REQUEST_ID, name);
        }
        if let Some(verdict) = &way.limits {
            let remaining = crate::headers::number(verdict.remaining);
            headers.insert(&names::RATELIMIT_LIMIT, crate::headers::number(verdict.limit));
            headers.insert(&names::RATELIMIT_REMAINING, remaining);
            headers.insert(&names::RATELIMIT_RESET, crate::headers::number(seconds_up(verdict.reset)));
        }
    }

    /// Unique within and across starts, and cheap: it names, it does not protect.
    fn name(&self, number: u64) -> RequestId {
        let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
        let mut name = String::with_capacity(self.instance.len() + 17);
        name.push_str(&self.instance);
        name.push('-');
        name.extend(
            (0..digits).rev().filter_map(|at| char::from_digit((number >> (4 * at)) as u32 & 15, 16)),
        );
        RequestId(name.into())
    }
}

impl Way<'_> {
    /// From here on the request is part of the trace that its caller named, and so is its own name.
    fn believe(&mut self) {
        let Some(given) = self.offered.take() else { return };
        self.request_id = RequestId(base::trace::named(&self.request_id.0, &given).into());
        self.given = Some(Arc::new(given));
    }
}

/// Remembers a verdict for the answer's headers; over the budget is a refusal.
fn check(way: &mut Way<'_>, verdict: Option<Verdict>) -> Result<(), WebError> {
    let Some(verdict) = verdict else { return Ok(()) };
    let tighter = way.limits.is_none_or(|known| !verdict.allowed || verdict.remaining < known.remaining);
    if tighter {
        way.limits = Some(verdict);
    }
    if verdict.allowed { Ok(()) } else { Err(WebError::TooMany { retry_after: verdict.retry_after }) }
}

/// Runs a handler within its deadline; a panic in it is a bug of ours, answered as one.
async fn within(duration_ms_max: u64, handled: trace::Within) -> Result<Answer, Failure> {
    let mut caught = AssertUnwindSafe(handled).catch_unwind();
    // What waits for nothing needs no timer.
    let answered = match futures_util::poll!(&mut caught) {
        Poll::Ready(answered) => Ok(answered),
        Poll::Pending => tokio::time::timeout(Duration::from_millis(duration_ms_max), caught).await,
    };
    match answered {
        Ok(Ok(answered)) => answered.map(web::Reply::into_inner),
        Ok(Err(_panic)) => Err(WebError::Panicked.into()),
        Err(_) => Err(TookTooLong.into()),
    }
}

/// A handler past its deadline. What it began rolls back with its dropped transaction.
#[derive(Debug, thiserror::Error)]
#[error("Processing this request timed out, please retry after a moment.")]
struct TookTooLong;

impl Fault for TookTooLong {
    fn kind(&self) -> Kind {
        Kind::Timeout
    }
    fn code(&self) -> &'static str {
        "edge.took_too_long"
    }
}

fn seconds_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
