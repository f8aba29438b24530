//! What the edge is built from, and what it tells: whoever mounts it hands these in.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use base::{Caller, Clock, Failure, Fault, Profile, Rng};
use http::request::Parts;
use limits::Limiter;
use web::{Mount, Rate, RequestId};

use crate::sentry::Sentry;
use crate::{Connections, Hosts, Presented};

/// Who is calling, and whether they showed anything.
pub struct Identified {
    /// Who.
    pub caller: Arc<Caller>,
    /// Whether a key or token came and was good.
    pub has_credential: bool,
    /// The second (since 1970) from which that is over.
    pub expires_at: Option<i64>,
    /// The program whose key came beside a person's token.
    pub beside: Option<Arc<Caller>>,
}

impl Identified {
    /// Nobody in particular, at this address.
    pub(crate) fn nobody(address: IpAddr) -> Self {
        let caller = Arc::new(Caller::anonymous().at(address));
        Identified { caller, has_credential: false, expires_at: None, beside: None }
    }
}

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Verifies what was presented.
pub type Identify = Arc<dyn Fn(Presented, IpAddr) -> Later<Result<Identified, Failure>> + Send + Sync>;

/// Under whose name a try at an account counts, when its device was signed in with before: whoever fills an account's or an
/// address's budget must not keep its owner out (control 31, attack row 21).
pub type Recognise = Arc<dyn Fn(Arc<Parts>, String, IpAddr) -> Later<Option<String>> + Send + Sync>;

/// A request the edge or a guard refused, for the audit.
pub struct Refusal<'a> {
    /// The request's name.
    pub request_id: &'a RequestId,
    /// Who, when that is known.
    pub caller: Option<&'a Caller>,
    /// Where from.
    pub address: IpAddr,
    /// The route's template, or the path below no route.
    pub path: &'a str,
    /// The budget of its own that the request was over, if that is why: a try to sign in, sign up or reset.
    pub budget: Option<Rate>,
    /// Whether a page of another site can have made a browser ask: for an image, a frame, a script.
    pub is_elsewheres: bool,
    /// Why.
    pub fault: &'a dyn Fault,
}

/// A request that a program's key let in, for the audit (control 150).
pub struct Used<'a> {
    /// Whose key.
    pub caller: &'a Caller,
    /// Where from.
    pub address: IpAddr,
    /// What for.
    pub method: &'a http::Method,
    /// The route's template.
    pub path: &'a str,
}

/// What the edge is built from.
pub struct EdgeConfig {
    /// What is served.
    pub mounts: Vec<Mount>,
    /// Who is calling.
    pub identify: Identify,
    /// Which device tries.
    pub recognise: Recognise,
    /// Told of every refusal; must not block.
    pub on_refusal: Arc<dyn Fn(&Refusal<'_>) + Send + Sync>,
    /// Told of every credential that came over plain HTTP; must not block.
    pub on_exposed: crate::OnExposed,
    /// Which host names are answered.
    pub hosts: Hosts,
    /// Told of every request that a key of a program let in; must not block.
    pub on_use: Arc<dyn Fn(&Used<'_>) + Send + Sync>,
    /// Whether what administrators do is answered by [`crate::serve_admins`] alone.
    pub admin_elsewhere: bool,
    /// The door to the data.
    pub pg: pg::Pg,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub rng: Rng,
    /// The limiter.
    pub limiter: Limiter,
    /// Sessions with something open.
    pub connections: Connections,
    /// Who is kept out.
    pub sentry: Sentry,
    /// How the instance is run. `dev` shows details of failures; `conformance` (loopback only) leaves limits, CORS,
    /// headers, plain paths and the reading of credentials to the dialect under test.
    pub profile: Profile,
}
