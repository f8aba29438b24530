//! What Debian's `pebble` does not know yet, in front of it: when an authority wants a certificate renewed (RFC 9773), and
//! profiles, as Let's Encrypt has them. Everything else goes through to pebble as it came.

use std::sync::{Arc, Mutex, MutexGuard};

use ::http::header::{CONTENT_LENGTH, RETRY_AFTER};
use ::http::{Method, Request, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::acme::Pebble;
use crate::https;

/// An order as it was placed.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Which certificate it says it follows.
    pub replaces: Option<String>,
    /// Of which kind it should be.
    pub profile: Option<String>,
}

/// What it says and what it heard.
#[derive(Default)]
struct Told {
    window: Option<(Timestamp, Timestamp)>,
    ask_again: u64,
    asked: Vec<String>,
    placed: Vec<Placed>,
    silent: bool,
}

/// A running authority that knows more than pebble.
pub struct Renewals {
    /// Its directory.
    pub directory: String,
    told: Arc<Mutex<Told>>,
}

struct Front {
    told: Arc<Mutex<Told>>,
    own: String,
    behind: u16,
    trusted: Vec<u8>,
}

impl Renewals {
    /// In front of `pebble`, with its certificate.
    pub async fn in_front_of(pebble: &Pebble) -> Renewals {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let chain = CertificateDer::pem_slice_iter(pebble.shown.0.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(pebble.shown.1.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let told = Arc::new(Mutex::new(Told { ask_again: 6 * 3600, ..Told::default() }));
        let front = Arc::new(Front {
            told: told.clone(),
            own: own.clone(),
            behind: pebble.port,
            trusted: std::fs::read(&pebble.ca_file).unwrap(),
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, front) = (acceptor.clone(), front.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let answer = service_fn(move |request| {
                        let front = front.clone();
                        async move { Ok::<_, std::convert::Infallible>(front.answer(request).await) }
                    });
                    let _how_it_ends =
                        server::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Renewals { directory: format!("{own}/dir"), told }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    /// When it wants certificates renewed from now on.
    pub fn suggest(&self, from: Timestamp, until: Timestamp) {
        self.told().window = Some((from, until));
    }

    /// Answers nothing more about renewal, or does again.
    pub fn fall_silent(&self, silent: bool) {
        self.told().silent = silent;
    }

    /// For which certificates it was asked when to renew them, each time.
    pub fn asked(&self) -> Vec<String> {
        self.told().asked.clone()
    }

    /// The orders it took, oldest first.
    pub fn placed(&self) -> Vec<Placed> {
        self.told().placed.clone()
    }
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(body.to_string().into())).unwrap()
}

impl Front {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        if let Some(id) = path.strip_prefix("/renewal-info/") {
            return self.when(id);
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let placed = (parts.method == Method::POST && path == "/order-plz").then(|| order(&body));
        if let Some((placed, has_address)) = &placed {
            // As Let's Encrypt has it: addresses get certificates of days only.
            if *has_address && placed.profile.as_deref() != Some("shortlived") {
                let why = json!({ "type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "addresses need the profile shortlived" });
                return reply(StatusCode::BAD_REQUEST, &why);
            }
        }
        let (mut head, answer) = self.pass_on(Request::from_parts(parts, Full::new(body))).await;
        let Ok(mut known) = serde_json::from_slice::<Value>(&answer) else {
            return Response::from_parts(head, Full::new(answer));
        };
        if path == "/dir" {
            known["renewalInfo"] = json!(format!("{}/renewal-info", self.own));
            known["meta"]["profiles"] = json!({ "classic": "90 days", "shortlived": "a week" });
        }
        // One with a nonce that pebble does not like, which it does now and then, comes again.
        if let Some((placed, _)) = placed.filter(|_| head.status == StatusCode::CREATED) {
            self.told.lock().unwrap().placed.push(placed.clone());
            known["replaces"] = json!(placed.replaces);
            known["profile"] = json!(placed.profile);
        }
        head.headers.remove(CONTENT_LENGTH);
        Response::from_parts(head, Full::new(known.to_string().into()))
    }

    fn when(&self, id: &str) -> Response<Full<Bytes>> {
        let mut told = self.told.lock().unwrap();
        told.asked.push(id.to_owned());
        let Some((from, until)) = told.window.filter(|_| !told.silent) else {
            return reply(StatusCode::SERVICE_UNAVAILABLE, &json!({ "detail": "not now" }));
        };
        let window = json!({ "suggestedWindow": { "start": from.to_string(), "end": until.to_string() } });
        let mut answer = reply(StatusCode::OK, &window);
        answer.headers_mut().insert(RETRY_AFTER, told.ask_again.into());
        answer
    }

    async fn pass_on(&self, request: Request<Full<Bytes>>) -> (::http::response::Parts, Bytes) {
        let address = ([127, 0, 0, 1], self.behind).into();
        let stream = https::connect(address, "localhost", &https::trusting(&self.trusted)).await.unwrap();
        let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        (head, body.collect().await.unwrap().to_bytes())
    }
}

/// What an order says, and whether it is for an address.
fn order(body: &[u8]) -> (Placed, bool) {
    let signed: Value = serde_json::from_slice(body).unwrap_or_default();
    let payload = signed["payload"].as_str().unwrap_or_default();
    let order: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap_or_default()).unwrap_or_default();
    let text = |name: &str| order[name].as_str().map(str::to_owned);
    let has_address = order["identifiers"].as_array().into_iter().flatten().any(|one| one["type"] == "ip");
    (Placed { replaces: text("replaces"), profile: text("profile") }, has_address)
}
