//! One instance of auth on a database of its own, with a clock that is moved.

use std::sync::Arc;

use audit::Audit;
use auth::{Auth, Credentials, Error, Grant, Identified, Parts, SignUp, SignedUp, Visit};
use base::{Caller, Clock, MockClock, Profile, Rng, Secret, Settings};
use jobs::Jobs;
use mail::{Outbox, Sender};
use outbound::Outbound;
use pg::Migration;
use pg::notify::Listener;
use seal::RootKey;
use serde_json::{Map, Value};
use testkit::Database;
use texts::Texts;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Meets both guides' rules.
pub const PASSWORD: &str = "Correct-horse*1";

pub struct World {
    pub db: Database,
    pub auth: Auth,
    /// The lanes that `auth` uses, and nobody else.
    pub pg: pg::Pg,
    pub clock: MockClock,
    pub audit: Audit,
    pub root: Arc<RootKey>,
    settings: Settings,
    profile: Profile,
    stop: CancellationToken,
    /// Holds the audit log's files.
    _data: tempfile::TempDir,
}

impl World {
    /// As `dev` runs: sign-ups are confirmed at once.
    pub async fn new() -> Self {
        Self::with(Settings::default(), Profile::Dev).await
    }

    pub async fn with(settings: Settings, profile: Profile) -> Self {
        let migrations: Vec<Migration> =
            [audit::MIGRATIONS, auth::MIGRATIONS, jobs::MIGRATIONS, mail::MIGRATIONS].concat();
        let db = Database::new(&migrations).await;
        let clock = testkit::mock_clock();
        let root = Arc::new(RootKey::from_bytes([9; 32]).unwrap());
        let data = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (audit, tasks) = Audit::open(audit::Parts {
            pg: db.pg(),
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
        let pg = db.pg();
        let auth =
            open_on(pg.clone(), &audit, &root, settings.clone(), profile, clock.clock()).await.unwrap();
        World { db, auth, pg, clock, audit, root, settings, profile, stop, _data: data }
    }

    /// Another node on the same database, which hears of what this one does.
    pub async fn another_node(&self) -> Auth {
        let auth =
            open(&self.db, &self.audit, &self.root, self.settings.clone(), self.profile, self.clock.clock());
        let auth = auth.await.unwrap();
        let listener = Listener::start(self.db.target(), &[auth::CHANNEL]);
        tokio::spawn(auth.clone().follow(listener));
        let follower = auth.clone();
        testkit::eventually(async || follower.revocations().is_sure().then_some(())).await;
        auth
    }

    pub fn visit(&self) -> Visit {
        visit(Caller::anonymous())
    }

    pub async fn sign_up(&self, email: &str) -> Grant {
        self.try_sign_up(email, PASSWORD).await.unwrap()
    }

    pub async fn try_sign_up(&self, email: &str, password: &str) -> Result<Grant, Error> {
        let password = Some(Secret::from(password));
        let ask = sign_up_ask(email, password);
        Ok(signed_in(self.auth.sign_up(ask, &self.visit()).await?.into_inner()))
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Result<Grant, Error> {
        Ok(self.auth.sign_in(email, &Secret::from(password), &self.visit()).await?.into_inner())
    }

    pub async fn refresh(&self, token: &Secret<String>) -> Result<Grant, Error> {
        Ok(self.auth.refresh(token.expose(), &self.visit()).await?.into_inner())
    }

    /// Who a bearer token is, here.
    pub async fn bearer(&self, token: &str) -> Result<Identified, Error> {
        bearer(&self.auth, token).await
    }

    /// What a signed-in person's requests come from.
    pub async fn visit_of(&self, grant: &Grant) -> Visit {
        visit((*self.bearer(grant.access_token.expose()).await.unwrap().caller).clone())
    }

    /// One number from the database.
    pub async fn count(&self, sql: &str) -> i64 {
        self.db.admin().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Names of the recorded events, in order.
    pub async fn events(&self) -> Vec<String> {
        self.audit.settle().await.unwrap();
        let all = self.audit.export(&audit::Filter::default(), 0).await.unwrap();
        let name =
            |body: &str| serde_json::from_str::<Value>(body).unwrap()["event"].as_str().unwrap().to_owned();
        all.iter().map(|entry| name(&entry.body)).collect()
    }

    /// The second it is.
    pub fn now(&self) -> i64 {
        self.clock.now().as_second()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub async fn open(
    db: &Database,
    audit: &Audit,
    root: &Arc<RootKey>,
    settings: Settings,
    profile: Profile,
    clock: Clock,
) -> Result<Auth, Error> {
    open_on(db.pg(), audit, root, settings, profile, clock).await
}

async fn open_on(
    pg: pg::Pg,
    audit: &Audit,
    root: &Arc<RootKey>,
    settings: Settings,
    profile: Profile,
    clock: Clock,
) -> Result<Auth, Error> {
    let outbox = outbox(&pg, root, Sender::None, &clock);
    Auth::open(Parts {
        jobs: Jobs::new(pg.clone(), clock.clone(), Rng::system()),
        texts: texts(&outbox, &clock),
        outbox,
        pg,
        audit: audit.clone(),
        root: root.clone(),
        settings,
        profile,
        public_url: "http://127.0.0.1:8000".to_owned(),
        limiter: limits::Limiter::in_memory(clock.clone()),
        outbound: outbound(),
        clock,
        rng: Rng::system(),
    })
    .await
}

fn outbox(pg: &pg::Pg, root: &Arc<RootKey>, sender: Sender, clock: &Clock) -> Outbox {
    Outbox::open(mail::Parts {
        pg: pg.clone(),
        root: root.clone(),
        settings: Settings::default(),
        sender,
        clock: clock.clone(),
        rng: Rng::system(),
    })
    .unwrap()
}

fn texts(outbox: &Outbox, clock: &Clock) -> Texts {
    let outbound = Outbound::open(outbound::Parts {
        settings: Settings::default(),
        resolver: outbound::system_resolver(),
        on_refusal: Arc::new(|_| {}),
    });
    Texts::open(texts::Parts {
        settings: Settings::default(),
        outbound: outbound.unwrap(),
        outbox: outbox.clone(),
        clock: clock.clone(),
        rng: Rng::system(),
    })
    .unwrap()
}

/// Where addresses are believed.
pub fn signed_in(signed_up: SignedUp) -> Grant {
    match signed_up {
        SignedUp::SignedIn(grant) => *grant,
        SignedUp::Waiting(user) => panic!("{:?} has to be confirmed", user.email),
    }
}

pub fn sign_up_ask(email: &str, password: Option<Secret<String>>) -> SignUp {
    SignUp {
        email: Some(email.to_owned()),
        phone: None,
        password,
        data: Map::new(),
        along: None,
        whatsapp: false,
    }
}

/// What leaves the house in tests reaches this machine only.
fn outbound() -> outbound::Outbound {
    let settings = Settings::default().with("outbound.allow", "127.0.0.1");
    let on_refusal = Arc::new(|_: &outbound::Refusal<'_>| {});
    outbound::Outbound::open(outbound::Parts { settings, resolver: outbound::system_resolver(), on_refusal })
        .unwrap()
}

pub fn visit(caller: Caller) -> Visit {
    Visit {
        caller: Arc::new(caller),
        user_agent: Some("a test".to_owned()),
        devices: vec![],
        request_id: "request-1".into(),
        elsewhere: false,
    }
}

pub async fn bearer(auth: &Auth, token: &str) -> Result<Identified, Error> {
    let credentials = Credentials { bearer: Some(Secret::from(token)), ..Credentials::default() };
    auth.identify(&credentials, None).await
}

/// The claims inside a token, unverified.
pub fn claims_of(token: &str) -> Value {
    use base64::Engine;
    let body = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

pub fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}
