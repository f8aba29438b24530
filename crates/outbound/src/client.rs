//! Sending: within its time, within its size, to a checked address, with every refusal told.

use std::sync::Arc;

use base::{Fault, Settings};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, LOCATION, USER_AGENT};
use hyper::{Method, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::connect::{Resolver, addresses, connect};
use crate::shares::Shares;
use crate::tls::Tls;
use crate::{Allow, Answer, Error, Request, Target, limits, settings};

/// What was refused, for the audit log.
pub struct Refusal<'a> {
    /// What the request was part of.
    pub purpose: &'static str,
    /// Scheme, host and port; never the path, which may carry a secret.
    pub to: String,
    /// Why.
    pub error: &'a Error,
}

/// What the client is built from.
pub struct Parts {
    /// The merged settings.
    pub settings: Settings,
    /// What names mean; [`crate::system_resolver`] in the program.
    pub resolver: Resolver,
    /// Told of every refusal.
    pub on_refusal: Arc<dyn Fn(&Refusal<'_>) + Send + Sync>,
}

/// The client. Cheap to clone.
#[derive(Clone)]
pub struct Outbound(Arc<Inner>);

struct Inner {
    allow: Allow,
    tls: Tls,
    resolver: Resolver,
    shares: Shares,
    on_refusal: Arc<dyn Fn(&Refusal<'_>) + Send + Sync>,
}

impl Outbound {
    /// Reads the settings.
    pub fn open(parts: Parts) -> Result<Self, Error> {
        let Parts { settings, resolver, on_refusal } = parts;
        Ok(Outbound(Arc::new(Inner {
            allow: settings.get(&settings::ALLOW),
            tls: Tls::open(settings.get(&settings::CA_FILE).as_deref())?,
            resolver,
            shares: Shares::new(),
            on_refusal,
        })))
    }

    /// Whether the files that settings name can be used, before anything is opened.
    pub fn check_files(settings: &Settings) -> Result<(), Error> {
        Tls::open(settings.get(&settings::CA_FILE).as_deref()).map(drop)
    }

    /// Sends a request and reads its answer. Any status is an answer; see [`Answer::success`].
    pub async fn send(&self, request: Request) -> Result<Answer, Error> {
        let (purpose, url) = (request.purpose, request.url.clone());
        let limit = request.timeout;
        let outcome = match timeout(limit, self.attempt(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Timeout { host: origin(&url) }),
        };
        if let Err(error) = &outcome {
            self.tell(purpose, &url, error);
        }
        outcome
    }

    /// Whether a URL would be refused, without sending anything: for settings and forms that keep it for later.
    pub async fn check(&self, purpose: &'static str, url: &str) -> Result<(), Error> {
        let outcome = async {
            let target = Target::parse(url)?;
            addresses(&target, &self.0.allow, false, &self.0.resolver).await.map(|_| ())
        };
        let outcome = outcome.await;
        if let Err(error) = &outcome {
            self.tell(purpose, url, error);
        }
        outcome
    }

    pub(crate) fn allow(&self) -> &Allow {
        &self.0.allow
    }

    pub(crate) fn resolver(&self) -> &Resolver {
        &self.0.resolver
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.0.tls
    }

    pub(crate) fn tell(&self, purpose: &'static str, url: &str, error: &Error) {
        if error.is_refusal() {
            (self.0.on_refusal)(&Refusal { purpose, to: origin(url), error });
        }
        tracing::debug!(purpose, to = origin(url), code = error.code(), error = %base::fault::chain(error), "a request did not leave or came to nothing");
    }

    async fn attempt(&self, mut request: Request) -> Result<Answer, Error> {
        if request.broken {
            return Err(Error::Header);
        }
        let mut target = Target::parse(&request.url)?;
        require_size(&target, &request)?;
        let _place = self.0.shares.place(&target).await?;
        loop {
            let answer = self.hop(&target, &request).await?;
            if !answer.status.is_redirection() || request.redirects == 0 {
                return Ok(answer);
            }
            request.redirects -= 1;
            let next = next_hop(&target, &request, &answer)?;
            if !target.same_origin(&next) {
                request.headers.remove(AUTHORIZATION);
                request.headers.remove(COOKIE);
            }
            target = next;
        }
    }

    async fn hop(&self, target: &Target, request: &Request) -> Result<Answer, Error> {
        let Inner { allow, resolver, tls, .. } = &*self.0;
        let found = addresses(target, allow, request.clear_text, resolver).await?;
        let stream = connect(target.host(), &found).await?;
        if target.is_https() {
            return exchange(tls.connect(target, stream).await?, target, request).await;
        }
        exchange(stream, target, request).await
    }
}

/// Scheme, host and port of a URL for the log, however broken it is.
fn origin(url: &str) -> String {
    let end = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(end..).unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let shown = format!("{}{host}", url.get(..end).unwrap_or_default());
    shown.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

fn require_size(target: &Target, request: &Request) -> Result<(), Error> {
    let max = limits::SENT_BYTES.value;
    if request.body.len() as u64 <= max {
        return Ok(());
    }
    Err(Error::TooLarge { host: target.host().to_owned(), part: "request", max })
}

fn next_hop(from: &Target, request: &Request, answer: &Answer) -> Result<Target, Error> {
    let refuse = |why| Error::Redirect { host: from.host().to_owned(), why };
    if request.method != Method::GET {
        return Err(refuse("only what reads is sent again somewhere else"));
    }
    let to = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let to = to.ok_or_else(|| refuse("it does not say where to"))?;
    // What is written counts for an absolute URL; a relative one stays with the host that was checked.
    let to = if to.contains("://") {
        to.to_owned()
    } else {
        from.url().join(to).map_err(|_| refuse("it cannot be read"))?.to_string()
    };
    let next = Target::parse(&to)?;
    if from.is_https() && !next.is_https() {
        return Err(refuse("it leaves TLS"));
    }
    Ok(next)
}

/// One request and its answer on a fresh connection.
async fn exchange<S>(stream: S, target: &Target, request: &Request) -> Result<Answer, Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let host = || target.host().to_owned();
    let broke = |source| Error::Http { host: host(), source };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(limits::HEAD_BYTES.size()).max_headers(limits::HEADERS.size());
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broke)?;
    // The task ends with the connection, which ends with the sender below.
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(wire(target, request)?).await.map_err(broke)?;
    let (head, body) = answer.into_parts();
    let max = request.answer_bytes_max;
    let read = Limited::new(body, usize::try_from(max).unwrap_or(usize::MAX)).collect().await;
    drop(sender);
    driver.abort();
    let body = read.map_err(|error| match error.downcast::<hyper::Error>() {
        Ok(source) => broke(*source),
        Err(other) if other.is::<LengthLimitError>() => Error::TooLarge { host: host(), part: "answer", max },
        Err(_) => Error::Answer { host: host(), what: "and broke off".to_owned() },
    })?;
    Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes(), host: host() })
}

fn wire(target: &Target, request: &Request) -> Result<hyper::Request<Full<Bytes>>, Error> {
    let path = &target.url()[url::Position::BeforePath..];
    let uri: Uri = path.parse().map_err(|_| Error::Url { why: "its path cannot be sent" })?;
    let mut wire = hyper::Request::new(Full::new(request.body.clone()));
    *wire.method_mut() = request.method.clone();
    *wire.uri_mut() = uri;
    let headers = wire.headers_mut();
    *headers = request.headers.clone();
    headers.insert(HOST, target.host_header().parse().map_err(|_| Error::Header)?);
    headers.entry(USER_AGENT).or_insert(hyper::header::HeaderValue::from_static("Palisade"));
    // What is asked for the sake of a request is part of its trace (W3C Trace Context).
    if let Some(trace) = base::trace::current().filter(|_| !request.unnamed) {
        headers.insert("traceparent", trace.parent().parse().map_err(|_| Error::Header)?);
        if let Some(state) = trace.state() {
            headers.insert("tracestate", state.parse().map_err(|_| Error::Header)?);
        }
    }
    if request.body.is_empty() {
        headers.remove(CONTENT_TYPE);
    }
    Ok(wire)
}
