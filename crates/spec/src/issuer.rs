//! A certificate authority with everything around it: a root, one between, and a web server that has their certificates and
//! hands questions about others (OCSP) to OpenSSL.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, SerialNumber,
};
use tempfile::TempDir;
use tokio::process::Command;

/// The serial number of every certificate it gives.
const SERIAL: &str = "0A1B2C3D";

/// A running authority.
pub struct Authority {
    /// Its root, as clients trust it.
    pub root: String,
    /// What leads from its certificates to the root.
    pub between: String,
    /// How often its web server was asked.
    pub asked: Arc<AtomicUsize>,
    issuer: Issuer<'static, KeyPair>,
    web: SocketAddr,
    says: Word,
    home: TempDir,
}

/// What is said of every certificate, and for how many days it counts; nothing while there is nobody to say it.
type Word = Arc<Mutex<Option<(Says, u32)>>>;

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = named(name);
    params
}

/// Where OCSP is answered and where the issuer's certificate is (AuthorityInfoAccess).
fn access(ocsp: Option<&str>, issuer: Option<&str>) -> CustomExtension {
    let short = |length: usize| u8::try_from(length).unwrap();
    let entry = |kind: u8, url: &str| {
        let head =
            [0x30, short(url.len() + 12), 0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, kind, 0x86, short(url.len())];
        [&head[..], url.as_bytes()].concat()
    };
    let entries = ocsp
        .map(|url| entry(1, url))
        .into_iter()
        .chain(issuer.map(|url| entry(2, url)))
        .collect::<Vec<_>>()
        .concat();
    let whole = [&[0x30, short(entries.len())][..], &entries].concat();
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], whole)
}

/// What its responder says.
#[derive(Clone, Copy)]
pub enum Says {
    /// The certificate is good.
    Good,
    /// It was taken back.
    Revoked,
}

impl Authority {
    /// Makes it, with its web server. It says nothing of its certificates until [`Authority::answer`].
    pub async fn start() -> Authority {
        let home = TempDir::new().unwrap();
        let root_key = KeyPair::generate().unwrap();
        let root = authority("Test Summit").self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(authority("Test Summit"), root_key);
        let key = KeyPair::generate().unwrap();
        let pair = (key.serialize_pem(), key);
        let between = authority("Test Ridge").signed_by(&pair.1, &root_issuer).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let web = listener.local_addr().unwrap();
        let (asked, says) = (Arc::new(AtomicUsize::new(0)), Word::default());
        let site = Arc::new(Site {
            between: between.der().to_vec().into(),
            root: root.der().to_vec().into(),
            asked: asked.clone(),
            says: says.clone(),
            home: home.path().to_owned(),
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let site = site.clone();
                let answer = service_fn(move |request| {
                    let site = site.clone();
                    async move { Ok::<_, Infallible>(site.answer(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
        write("between.pem", &between.pem());
        let issuer = Issuer::new(authority("Test Ridge"), pair.1);
        let mut deputy = CertificateParams::default();
        deputy.distinguished_name = named("Test Responder");
        deputy.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        let deputy_key = KeyPair::generate().unwrap();
        write("deputy.pem", &deputy.signed_by(&deputy_key, &issuer).unwrap().pem());
        write("deputy.key", &deputy_key.serialize_pem());
        Authority { root: root.pem(), between: between.pem(), asked, issuer, web, says, home }
    }

    /// A file of its own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A certificate for `localhost` and its key. It says where its issuer's is (`at`), and where OCSP is answered.
    pub fn give(&self, at: Option<&str>, ocsp: bool) -> (String, String) {
        let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = named("localhost");
        params.serial_number = Some(SerialNumber::from_slice(&[0x0a, 0x1b, 0x2c, 0x3d]));
        let at = at.map(|path| format!("http://{}/{path}", self.web));
        let ocsp = ocsp.then(|| format!("http://{}/ocsp", self.web));
        if at.is_some() || ocsp.is_some() {
            params.custom_extensions = vec![access(ocsp.as_deref(), at.as_deref())];
        }
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Says something of its certificates from now on, each answer counting for `days`.
    pub fn answer(&self, says: Says, days: u32) {
        *self.says.lock().unwrap() = Some((says, days));
    }

    /// What is said of a certificate by its deputy, or by anybody else who has a certificate of it.
    pub async fn word_of(&self, cert: &str, deputy: bool) -> Vec<u8> {
        std::fs::write(self.path("leaf.pem"), cert).unwrap();
        let asked = Command::new("openssl")
            .args(["ocsp", "-issuer", "between.pem", "-cert", "leaf.pem", "-reqout", "asked.der"])
            .current_dir(self.home.path())
            .output()
            .await
            .unwrap();
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        let question = std::fs::read(self.path("asked.der")).unwrap();
        if !deputy {
            let (cert, key) = self.give(None, false);
            std::fs::write(self.path("anybody.pem"), cert).unwrap();
            std::fs::write(self.path("anybody.key"), key).unwrap();
        }
        let by = if deputy { "deputy" } else { "anybody" };
        by_openssl(self.home.path(), &question, Says::Good, 2, by).await.into()
    }

    /// Says nothing more.
    pub fn fall_silent(&self) {
        *self.says.lock().unwrap() = None;
    }
}

/// What its web server has.
struct Site {
    between: Bytes,
    root: Bytes,
    asked: Arc<AtomicUsize>,
    says: Word,
    home: PathBuf,
}

impl Site {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = match request.uri().path() {
            "/ridge.der" => Some(self.between.clone()),
            // Somebody else's certificate.
            "/summit.der" => Some(self.root.clone()),
            "/ocsp" => {
                let word = *self.says.lock().unwrap();
                let question = request.into_body().collect().await.unwrap().to_bytes();
                match word {
                    Some((says, days)) => Some(by_openssl(&self.home, &question, says, days, "deputy").await),
                    None => None,
                }
            }
            _ => None,
        };
        let status = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        Response::builder().status(status).body(Full::new(found.unwrap_or_default())).unwrap()
    }
}

/// OpenSSL's answer to a question, signed by one whose certificate the authority gave.
async fn by_openssl(home: &Path, question: &[u8], says: Says, days: u32, by: &str) -> Bytes {
    let line = match says {
        Says::Good => format!("V\t391231235959Z\t\t{SERIAL}\tunknown\t/CN=localhost\n"),
        Says::Revoked => format!("R\t391231235959Z\t251231235959Z\t{SERIAL}\tunknown\t/CN=localhost\n"),
    };
    std::fs::write(home.join("index.txt"), line).unwrap();
    std::fs::write(home.join("question.der"), question).unwrap();
    let said = Command::new("openssl")
        .args(["ocsp", "-index", "index.txt", "-CA", "between.pem"])
        .args(["-rsigner", &format!("{by}.pem"), "-rkey", &format!("{by}.key"), "-ndays", &days.to_string()])
        .args(["-reqin", "question.der", "-respout", "answer.der"])
        .current_dir(home)
        .output()
        .await
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    std::fs::read(home.join("answer.der")).unwrap().into()
}
