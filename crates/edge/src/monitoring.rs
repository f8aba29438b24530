//! The page of metrics: a listener of its own, on loopback and nowhere else (control 110).
//!
//! Nothing on it names a person, a row or a secret; still it is nobody's business off this machine, and a page of another
//! site in a browser on this machine is told nothing either: the name it asks by has to be this machine's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use web::{Answer, Body};

use crate::listener::{Answers, serve_to};
use crate::{Error, Front, Listening, Peer};

/// What is served there.
#[derive(Clone)]
pub struct Monitoring {
    /// Where.
    pub path: String,
    /// Writes the page; for OpenMetrics when asked.
    pub page: Arc<dyn Fn(bool) -> String + Send + Sync>,
}

/// What is served, behind nothing.
struct Page {
    monitoring: Monitoring,
    front: Front,
}

impl Monitoring {
    /// Binds the port on loopback.
    pub async fn bind(port: u16) -> Result<TcpListener, Error> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
    }

    /// Serves until `stop`: in the clear, or to those whom `known` lets in.
    pub async fn serve(
        self,
        listener: TcpListener,
        known: Option<Arc<ServerConfig>>,
        stop: CancellationToken,
    ) {
        let listening = match known {
            Some(config) => Listening::tls(listener, config),
            None => Listening::Tcp(listener),
        };
        self.serve_at(listening, stop).await;
    }

    /// Serves somewhere else, until `stop`.
    pub async fn serve_at(self, listening: Listening, stop: CancellationToken) {
        let page = Page { monitoring: self, front: Front::default() };
        serve_to(Arc::new(page), listening, stop).await;
    }

    fn decide(&self, request: &Request<Incoming>) -> Response<Body> {
        let (method, headers) = (request.method(), request.headers());
        // HTTP/2 names it in the target, HTTP/1.1 in a header or, as to proxies, in both.
        let target = request.uri().authority().map(|authority| authority.as_str());
        let named = headers.get(HOST).map(|host| host.to_str().unwrap_or("no name"));
        if !is_local(target) || !is_local(named) {
            return Answer::status(StatusCode::MISDIRECTED_REQUEST).0;
        }
        if request.uri().path() != self.path {
            return Answer::status(StatusCode::NOT_FOUND).0;
        }
        if method != Method::GET && method != Method::HEAD {
            return Answer::status(StatusCode::METHOD_NOT_ALLOWED).with(http::header::ALLOW, "GET, HEAD").0;
        }
        let open = wants_openmetrics(headers);
        let mut answer = Answer::bytes(StatusCode::OK, None, (self.page)(open).into());
        let content = HeaderValue::from_static(meters::Page::content_type(open));
        answer.headers_mut().insert(CONTENT_TYPE, content);
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer.0
    }
}

fn wants_openmetrics(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    accepts.flat_map(|line| line.split(',')).any(|one| one.trim().starts_with("application/openmetrics-text"))
}

/// Whether it is asked by a name that only this machine has: no page of another site can make a browser say that one.
fn is_local(host: Option<&str>) -> bool {
    let Some(host) = host else { return true };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Answers for Page {
    fn front(&self) -> &Front {
        &self.front
    }

    fn answer(&self, request: Request<Incoming>, _: Peer) -> impl Future<Output = Response<Body>> + Send {
        std::future::ready(self.monitoring.decide(&request))
    }

    fn admits(&self, address: IpAddr) -> bool {
        address.is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for host in ["localhost:9090", "127.0.0.1:9090", "[::1]:9090", "LOCALHOST", "127.8.8.8"] {
            assert!(is_local(Some(host)), "{host}");
        }
        for host in [
            "evil.example:9090",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[fe80::1]:1",
        ] {
            assert!(!is_local(Some(host)), "{host}");
        }
    }
}
