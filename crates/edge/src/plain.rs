//! The port for plain HTTP: pages are sent on to HTTPS, API requests are refused, an authority's question is answered.
//!
//! A request with a credential was readable on its way. Redirecting it would hide that (the client would go on doing it),
//! so it is refused, and recorded: whoever sent it should change the credential (control 2).

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use web::Body;

use crate::authority::Authority;
use crate::listener::{Answers, serve_to};
use crate::{Error, Front, Listening, Peer, credentials, upgrade};

/// A request that showed a credential to everybody on the way.
pub struct Exposed {
    /// Where from.
    pub address: IpAddr,
    /// What it asked for.
    pub path: String,
}

/// The answer to an authority's question, by its token.
pub type Challenge = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What the port works with.
pub struct Plain {
    /// What stands at `/.well-known/acme-challenge/{token}`.
    pub challenge: Challenge,
    /// The names of this instance: nobody is sent anywhere else.
    pub hosts: Vec<String>,
    /// The port of HTTPS.
    pub https_port: u16,
    /// What the paths of APIs begin with.
    pub api_prefixes: Vec<String>,
    /// Who is kept out.
    pub sentry: crate::Sentry,
    /// Told of every exposed credential; must not block.
    pub on_exposed: OnExposed,
    /// What is asked of connections.
    pub front: Front,
}

/// Told of an exposed credential.
pub type OnExposed = Arc<dyn Fn(Exposed) + Send + Sync>;

const CHALLENGES: &str = "/.well-known/acme-challenge/";

impl Plain {
    /// Binds the port and serves it until `stop`.
    pub async fn serve(
        self,
        address: std::net::SocketAddr,
        stop: CancellationToken,
    ) -> Result<impl Future<Output = ()> + Send, Error> {
        let listener =
            TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
        Ok(serve_to(Arc::new(self), Listening::Tcp(listener), stop))
    }

    /// Serves what is already bound until `stop`.
    pub async fn serve_at(self, listening: Listening, stop: CancellationToken) {
        serve_to(Arc::new(self), listening, stop).await;
    }

    fn decide(&self, head: &Parts, peer: Peer) -> Response<Body> {
        let path = head.uri.path();
        if let Some(token) = path.strip_prefix(CHALLENGES) {
            let found = (self.challenge)(token);
            let status = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
            return answer(status, found.unwrap_or_default());
        }
        let shows = credentials::are_shown(head, &self.api_prefixes);
        if shows {
            (self.on_exposed)(Exposed { address: peer.address, path: path.to_owned() });
        }
        let is_api = self.api_prefixes.iter().any(|prefix| path.starts_with(prefix.as_str()));
        if shows || is_api || !head.method.is_safe() || upgrade::is_asked(head) {
            let words = if shows {
                "HTTPS is required. What was just sent could be read by everybody on the way: change that credential, and use https://"
            } else {
                "HTTPS is required: use https://"
            };
            return answer(StatusCode::FORBIDDEN, format!("{{\"message\":\"{words}\"}}"));
        }
        self.send_on(head)
    }

    /// 308 to the same page over HTTPS, at a name of ours only.
    fn send_on(&self, head: &Parts) -> Response<Body> {
        let asked = head.headers.get(HOST).and_then(|host| host.to_str().ok()).and_then(Authority::read);
        let is_asked =
            |known: &&String| asked.as_ref().is_some_and(|asked| known.eq_ignore_ascii_case(&asked.host));
        let Some(host) = self.hosts.iter().find(is_asked).or(self.hosts.first()) else {
            return answer(
                StatusCode::FORBIDDEN,
                "{\"message\":\"HTTPS is required: use https://\"}".to_owned(),
            );
        };
        let port = if self.https_port == 443 { String::new() } else { format!(":{}", self.https_port) };
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let rest = head.uri.path_and_query().map_or("/", |rest| rest.as_str());
        let mut response = answer(StatusCode::PERMANENT_REDIRECT, String::new());
        if let Ok(to) = HeaderValue::from_str(&format!("https://{bracketed}{port}{rest}")) {
            response.headers_mut().insert(LOCATION, to);
        }
        response
    }
}

fn answer(status: StatusCode, text: String) -> Response<Body> {
    let kind = if text.starts_with('{') { "application/json" } else { "text/plain; charset=utf-8" };
    let mut response = Response::new(Body::Whole(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

impl Answers for Plain {
    fn front(&self) -> &Front {
        &self.front
    }

    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let (head, _unread) = request.into_parts();
        self.decide(&head, peer)
    }

    fn admits(&self, address: IpAddr) -> bool {
        !(self.sentry.keeps_out)(address)
    }
}
