//! GoTrue's routes as the edge calls them: match, identify, guard, run, word.

use std::sync::Arc;

use ::auth::sso::Sso;
use ::auth::{Auth, Credentials, Parts, Visit};
use audit::Audit;
use base::{Caller, Failure, MockClock, Profile, Rng, Secret, Settings};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use mail::Outbox;
use pg::{Migration, Pg};
use seal::RootKey;
use serde_json::Value;
use supabase::auth::{State, mounts};
use testkit::Database;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use web::{Ask, Body, Bound, Cx, Mount, Params, Refused, RequestId};

pub const PASSWORD: &str = "Correct-horse*1";

pub struct GoTrue {
    _db: Database,
    pub auth: Auth,
    pub sso: Sso,
    /// How many keys each alert named.
    pub alerts: Arc<std::sync::Mutex<Vec<usize>>>,
    pub clock: MockClock,
    pg: Pg,
    mounts: Vec<Mount>,
    stop: CancellationToken,
    _data: tempfile::TempDir,
}

/// One answer.
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// Refused with this status and GoTrue code, in the old shape.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        let answered = self.expect(status);
        let body = answered.json();
        assert_eq!(
            (body["code"].as_u64(), body["error_code"].as_str()),
            (Some(status.into()), Some(code)),
            "{body}"
        );
        assert_eq!(answered.headers["x-sb-error-code"], code);
        body
    }
}

impl GoTrue {
    pub async fn new() -> Self {
        Self::with(Settings::default(), Profile::Dev).await
    }

    pub async fn with(settings: Settings, profile: Profile) -> Self {
        let migrations: Vec<Migration> =
            [audit::MIGRATIONS, ::auth::MIGRATIONS, jobs::MIGRATIONS, mail::MIGRATIONS].concat();
        let db = Database::new(&migrations).await;
        let (clock, pg) = (testkit::mock_clock(), db.pg());
        let root = Arc::new(RootKey::from_bytes([9; 32]).unwrap());
        let (data, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let (audit, tasks) = Audit::open(audit::Parts {
            pg: pg.clone(),
            settings: Settings::default(),
            data_dir: data.path().to_owned(),
            node: "test".into(),
            keys: audit::Keys::from_root(&root),
            clock: clock.clock(),
            rng: Rng::system(),
        })
        .await
        .unwrap();
        tasks.spawn(&TaskTracker::new(), stop.clone());
        let outbound = outbound::Outbound::open(outbound::Parts {
            settings: settings.clone(),
            resolver: outbound::system_resolver(),
            on_refusal: Arc::new(|_| ()),
        })
        .unwrap();
        let outbox = Outbox::open(mail::Parts {
            pg: pg.clone(),
            root: root.clone(),
            settings: Settings::default(),
            sender: mail::Sender::None,
            clock: clock.clock(),
            rng: Rng::system(),
        });
        let outbox = outbox.unwrap();
        let texts = texts::Texts::open(texts::Parts {
            settings: Settings::default(),
            outbound: outbound.clone(),
            outbox: outbox.clone(),
            clock: clock.clock(),
            rng: Rng::system(),
        });
        let auth = Auth::open(Parts {
            pg: pg.clone(),
            jobs: jobs::Jobs::new(pg.clone(), clock.clock(), Rng::system()),
            texts: texts.unwrap(),
            outbox,
            audit,
            root,
            settings: settings.clone(),
            profile,
            public_url: "http://127.0.0.1:8000".into(),
            outbound: outbound.clone(),
            limiter: limits::Limiter::in_memory(clock.clock()),
            clock: clock.clock(),
            rng: Rng::system(),
        })
        .await
        .unwrap();
        let prefixes = ["/auth/v1".to_owned(), "/gotrue".to_owned()];
        let alerts = Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = alerts.clone();
        let alert: ::auth::sso::Alert = Arc::new(move |_, changed| {
            told.lock().unwrap().push(changed.keys.len());
            Box::pin(async { Ok(()) })
        });
        let parts = ::auth::sso::Parts { auth: auth.clone(), outbound, settings, alert };
        let sso = Sso::open(parts).unwrap();
        let mounts = mounts(Arc::new(State::new(auth.clone(), sso.clone())), &prefixes);
        GoTrue { _db: db, auth, sso, alerts, clock, pg, mounts, stop, _data: data }
    }

    /// A request with `body` as JSON (null: none) and the bearer token, if any.
    pub async fn call(&self, method: &str, uri: &str, bearer: Option<&str>, body: Value) -> Answered {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, uri, bearer, &[], text).await
    }

    pub async fn send(
        &self,
        method: &str,
        uri: &str,
        bearer: Option<&str>,
        headers: &[(&'static str, &str)],
        body: String,
    ) -> Answered {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let path = parts.uri.path().to_owned();
        let mount = self.mounts.iter().find(|mount| path.starts_with(&*mount.prefix)).unwrap();
        let request_id = RequestId("r1".into());
        let refused_headers = parts.headers.clone();
        let found = mount.routes.iter().find_map(|route| Some((route, matched(route, method, &path)?)));
        let answer = match found {
            None => Err(web::Error::NoRoute.into()),
            Some((route, params)) => {
                let inner = path.strip_prefix(&*mount.prefix).unwrap().to_owned();
                let ask = Ask { path: inner, params, body: Bytes::from(body), parts: parts.into() };
                self.run(route, ask, bearer, &request_id).await
            }
        };
        let answer = answer.unwrap_or_else(|failure| {
            let headers = &refused_headers;
            let refused =
                Refused { request_id: &request_id, headers, authenticated: false, development: false };
            (mount.envelope)(&failure, &refused)
        });
        let (head, body) = answer.0.into_parts();
        let Body::Whole(bytes) = body else { panic!("a stream") };
        Answered {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn run(
        &self,
        route: &Bound,
        ask: Ask,
        bearer: Option<&str>,
        request_id: &RequestId,
    ) -> Result<web::Answer, Failure> {
        let bearer =
            bearer.filter(|_| route.terms.credentials == web::Credentials::KeyAndBearer).map(Secret::from);
        let credentials = Credentials { bearer, ..Credentials::default() };
        let known = self.auth.identify(&credentials, Some([192, 0, 2, 7].into())).await?;
        route.admit(&known.caller, known.has_credential, &self.clock.clock())?;
        let cx = Cx {
            pg: self.pg.clone(),
            caller: known.caller,
            clock: self.clock.clock(),
            rng: Rng::system(),
            request_id: request_id.clone(),
        };
        Ok((route.run)(cx, ask).await?.into_inner())
    }

    /// Signs up and returns the session.
    pub async fn sign_up(&self, email: &str) -> Value {
        let body = serde_json::json!({ "email": email, "password": PASSWORD });
        self.call("POST", "/auth/v1/signup", None, body).await.expect(200).json()
    }

    /// What the operator's own programs show.
    pub fn service_key(&self) -> String {
        self.auth.default_keys().unwrap().secret.expose().clone()
    }
}

impl GoTrue {
    pub fn visit(&self) -> Visit {
        Visit {
            caller: Arc::new(Caller::operator()),
            user_agent: None,
            devices: vec![],
            request_id: "r1".into(),
            elsewhere: false,
        }
    }
}

impl Drop for GoTrue {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The parameters of `path`, if it is of this route. Fixed pieces come before parameters in the list.
fn matched(route: &Bound, method: &str, path: &str) -> Option<Params> {
    let (wanted, given): (Vec<_>, Vec<_>) = (route.path.split('/').collect(), path.split('/').collect());
    if route.method.as_str() != method || wanted.len() != given.len() {
        return None;
    }
    let mut params = Params::default();
    for (wanted, given) in wanted.into_iter().zip(given) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => params.0.push((name.into(), given.to_owned())),
            None if wanted == given => {}
            None => return None,
        }
    }
    Some(params)
}
