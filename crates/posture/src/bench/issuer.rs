//! A certificate authority of the probes' own (RFC 8555), on this machine, as little of one as an order takes: it gives out
//! a certificate only when what it asked for stands at the port of plain HTTP. It looks at no signature: what is tried is
//! whoever orders, not the authority.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, IsCa,
    Issuer, KeyPair,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::Trouble;
use crate::limits;

/// What it was asked, and what it did.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Whom it should write to, as the account says, and that its terms were agreed to.
    pub account: Option<(String, bool)>,
    /// What certificates were ordered for.
    pub ordered: Vec<String>,
    /// What stood at the port, and whether it was what had to stand there.
    pub challenged: Option<(String, bool)>,
    /// How many certificates it gave out.
    pub issued: u32,
}

/// A running authority; ends when dropped.
pub struct Authority {
    /// Where its directory is.
    pub directory: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    base: String,
    /// The port it validates at.
    http_port: u16,
    /// What it asks for; somebody who answers with it in general knows nothing yet.
    token: String,
    /// Whether it refuses every order's proof.
    stubborn: bool,
    seen: Mutex<Seen>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    thumbprint: String,
    valid: bool,
    certificate: Option<String>,
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Authority {
    /// Starts one that validates at `http_port` of this machine, and takes `token`'s place for a proof. A stubborn one believes nobody.
    pub async fn start(http_port: u16, token: String, stubborn: bool) -> Result<Authority, Trouble> {
        let unbound =
            |source| Trouble::Network { what: "an authority of the probes' own".to_owned(), source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(unbound)?;
        let base = format!("http://{}", listener.local_addr().map_err(unbound)?);
        let state = Arc::new(State {
            base: base.clone(),
            http_port,
            token,
            stubborn,
            seen: Mutex::default(),
            inner: Mutex::default(),
        });
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = shared.clone();
                tokio::spawn(async move {
                    // Whoever hangs up asks again.
                    let _hung_up = state.serve(stream).await;
                });
            }
        });
        Ok(Authority { directory: format!("{base}/dir"), state, task })
    }

    /// What it saw so far.
    pub fn seen(&self) -> Seen {
        self.state.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An answer: status, where what was made lies, kind, body.
struct Reply(u16, Option<String>, &'static str, String);

fn json_reply(status: u16, body: &Value) -> Reply {
    Reply(status, None, "application/json", body.to_string())
}

impl State {
    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            if stream.read_line(&mut header).await? == 0 || header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length.min(limits::ANSWER_BYTES_MAX.size())];
        stream.read_exact(&mut body).await?;
        let jws: Value = serde_json::from_slice(&body).unwrap_or_default();
        let part = |name: &str| -> Value {
            let text = jws.get(name).and_then(Value::as_str).unwrap_or_default();
            let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
            serde_json::from_slice(&bytes).unwrap_or_default()
        };
        let Reply(status, at, kind, text) = self.answer(&path, &part("protected"), &part("payload")).await;
        let location = at.map(|at| format!("location: {at}\r\n")).unwrap_or_default();
        let answer = format!(
            "HTTP/1.1 {status} Told\r\ncontent-type: {kind}\r\n{location}replay-nonce: {}\r\ncache-control: no-store\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{}",
            URL_SAFE_NO_PAD.encode(path.as_bytes()),
            text.len(),
            if line.starts_with("HEAD") { "" } else { text.as_str() },
        );
        stream.get_mut().write_all(answer.as_bytes()).await?;
        stream.get_mut().shutdown().await
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, path: &str, protected: &Value, payload: &Value) -> Reply {
        let base = &self.base;
        match path {
            "/dir" => json_reply(
                200,
                &json!({
                    "newNonce": format!("{base}/nonce"), "newAccount": format!("{base}/account"), "newOrder": format!("{base}/order"),
                    "revokeCert": format!("{base}/revoke"), "keyChange": format!("{base}/change"),
                }),
            ),
            "/nonce" => Reply(200, None, "text/plain", String::new()),
            "/account" => {
                self.inner().thumbprint = thumbprint(protected);
                let contact = payload.pointer("/contact/0").and_then(Value::as_str).unwrap_or_default();
                let agreed = payload.get("termsOfServiceAgreed") == Some(&Value::Bool(true));
                self.seen().account = Some((contact.to_owned(), agreed));
                let Reply(status, _, kind, text) = json_reply(201, &json!({ "status": "valid" }));
                Reply(status, Some(format!("{base}/account/1")), kind, text)
            }
            "/order" => {
                let named = payload.get("identifiers").and_then(Value::as_array).cloned().unwrap_or_default();
                let named = named.iter().filter_map(|one| one.get("value")?.as_str().map(str::to_owned));
                self.seen().ordered = named.collect();
                let Reply(_, _, kind, text) = self.order();
                Reply(201, Some(format!("{base}/order/1")), kind, text)
            }
            "/order/1" => self.order(),
            "/authz/1" => self.authorization(),
            "/challenge/1" => {
                self.validate().await;
                json_reply(200, &self.challenge())
            }
            "/finalize/1" => self.issue(payload),
            "/certificate/1" => {
                let chain = self.inner().certificate.clone().unwrap_or_default();
                Reply(200, None, "application/pem-certificate-chain", chain)
            }
            _ => json_reply(
                404,
                &json!({ "type": "urn:ietf:params:acme:error:malformed", "detail": "nothing here" }),
            ),
        }
    }

    fn identifiers(&self) -> Vec<Value> {
        let kind = |name: &str| if name.parse::<std::net::IpAddr>().is_ok() { "ip" } else { "dns" };
        self.seen().ordered.iter().map(|name| json!({ "type": kind(name), "value": name })).collect()
    }

    fn tried(&self) -> bool {
        self.seen().challenged.is_some()
    }

    fn order(&self) -> Reply {
        let (base, identifiers, tried) = (&self.base, self.identifiers(), self.tried());
        let inner = self.inner();
        let status = match (&inner.certificate, inner.valid, tried) {
            (Some(_), _, _) => "valid",
            (None, true, _) => "ready",
            (None, false, true) => "invalid",
            (None, false, false) => "pending",
        };
        let mut order = json!({
            "status": status, "identifiers": identifiers, "authorizations": [format!("{base}/authz/1")],
            "finalize": format!("{base}/finalize/1"),
        });
        if inner.certificate.is_some()
            && let Some(order) = order.as_object_mut()
        {
            order.insert("certificate".to_owned(), json!(format!("{base}/certificate/1")));
        }
        let Reply(status, _, kind, text) = json_reply(200, &order);
        Reply(status, Some(format!("{base}/order/1")), kind, text)
    }

    fn status(&self) -> &'static str {
        match (self.inner().valid, self.tried()) {
            (true, _) => "valid",
            (false, true) => "invalid",
            (false, false) => "pending",
        }
    }

    fn challenge(&self) -> Value {
        let mut challenge = json!({
            "type": "http-01", "url": format!("{}/challenge/1", self.base), "token": self.token, "status": self.status(),
        });
        if self.status() == "invalid"
            && let Some(challenge) = challenge.as_object_mut()
        {
            let problem = json!({ "type": "urn:ietf:params:acme:error:unauthorized", "detail": "the proof is not believed", "status": 403 });
            challenge.insert("error".to_owned(), problem);
        }
        challenge
    }

    fn authorization(&self) -> Reply {
        let identifier = self.identifiers().into_iter().next().unwrap_or_default();
        let body =
            json!({ "status": self.status(), "identifier": identifier, "challenges": [self.challenge()] });
        json_reply(200, &body)
    }

    /// Looks for itself, as an authority does: RFC 8555 section 8.3.
    async fn validate(&self) {
        let path = format!("/.well-known/acme-challenge/{}", self.token);
        let expected = format!("{}.{}", self.token, self.inner().thumbprint);
        let looked = async {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.http_port));
            let mut stream = TcpStream::connect(address).await?;
            let asked = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
            stream.write_all(asked.as_bytes()).await?;
            let mut answer = String::new();
            stream.take(64 * 1024).read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = looked.await.unwrap_or_else(|error| error.to_string());
        let stood = answer.rsplit("\r\n\r\n").next().unwrap_or_default().trim().to_owned();
        let right = answer.starts_with("HTTP/1.1 200") && stood == expected;
        self.seen().challenged = Some((stood, right));
        self.inner().valid = right && !self.stubborn;
    }

    fn issue(&self, payload: &Value) -> Reply {
        let refused = |why: &str| {
            json_reply(403, &json!({ "type": "urn:ietf:params:acme:error:badCSR", "detail": why }))
        };
        if !self.inner().valid {
            return refused("nothing was proven");
        }
        let csr = payload.get("csr").and_then(Value::as_str).unwrap_or_default();
        let Some(chain) = URL_SAFE_NO_PAD.decode(csr).ok().and_then(|der| sign(&der)) else {
            return refused("it cannot be read");
        };
        self.inner().certificate = Some(chain);
        self.seen().issued += 1;
        self.order()
    }
}

/// A certificate for what was requested, of an authority made for it.
fn sign(request: &[u8]) -> Option<String> {
    let key = KeyPair::generate().ok()?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Palisade Probes Root");
    let own = params.self_signed(&key).ok()?.pem();
    let issuer = Issuer::new(params, key);
    let request = CertificateSigningRequestParams::from_der(&request.into()).ok()?;
    Some(format!("{}{own}", request.signed_by(&issuer).ok()?.pem()))
}

/// RFC 7638, of the key that an account is made with.
fn thumbprint(protected: &Value) -> String {
    let part =
        |name: &str| protected.pointer(&format!("/jwk/{name}")).and_then(Value::as_str).unwrap_or_default();
    let canonical = format!(
        r#"{{"crv":"{}","kty":"{}","x":"{}","y":"{}"}}"#,
        part("crv"),
        part("kty"),
        part("x"),
        part("y")
    );
    URL_SAFE_NO_PAD.encode(seal::sha256(canonical.as_bytes()))
}
