//! The parts of a running instance, each built once from what is known at the start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use audit::Audit;
use auth::sso::{KeysChanged, Sso};
use auth::{Auth, DefaultKeys};
use base::{Clock, Profile, Rng, Secret, Settings};
use edge::Connections;
use limits::Limiter;
use posture::{Place, Posture, Seat};
use seal::RootKey;

use crate::database::Database;
use crate::error::StartError;
use crate::{lists, refusals};

/// What every part may be built from.
pub struct Basics {
    /// The merged settings.
    pub settings: Settings,
    /// How the instance is run.
    pub profile: Profile,
    /// Everything it keeps.
    pub data: PathBuf,
    /// Where it answers.
    pub address: SocketAddr,
    /// The same as a URL.
    pub url: String,
    /// Where administrators are answered, if that is elsewhere.
    pub admins: Option<SocketAddr>,
    /// Where its metrics are, and at which path.
    pub metrics: Option<(SocketAddr, String)>,
    /// Where they should be, and somebody else is.
    pub taken: Option<(SocketAddr, String)>,
    /// What everything sealed at rest hangs on.
    pub root: Arc<RootKey>,
    /// What counts requests and tries.
    pub limiter: Limiter,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub rng: Rng,
}

/// The parts that commands, tests and the demo use. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// The door to the data.
    pub pg: pg::Pg,
    /// The audit log.
    pub audit: Audit,
    /// People, sessions, keys.
    pub auth: Auth,
    /// Signing in through SAML.
    pub sso: Sso,
    /// The data API's core.
    pub data: data::Data,
    /// The application's own migrations.
    pub migrations: migrate::Migrations,
    /// Logins of the database that are lent.
    pub guests: guests::Guests,
    /// What is said about row level security.
    pub policies: policies::Policies,
    /// GraphQL documents that are sent by their hash.
    pub documents: graphql::Persisted,
    /// Mail.
    pub outbox: mail::Outbox,
    /// The one way out of the house.
    pub outbound: outbound::Outbound,
    /// What is to be done later.
    pub jobs: jobs::Jobs,
    /// The certificate; none where plain HTTP is served on loopback.
    pub tls: Option<tls::Tls>,
    /// The certificate of the probes' own listener.
    pub probed: tls::Tls,
    /// The controls and their probes.
    pub posture: Posture,
    /// Sessions with something open.
    pub connections: Connections,
    /// Who is kept out.
    pub detection: detection::Detection,
    /// Who is told.
    pub alerts: alerts::Alerts,
    /// Channels of people who are connected.
    pub realtime: realtime::Realtime,
}

/// What [`open`] opened: the parts, the keys every instance has, and what is still to be started.
pub struct Opened {
    /// The parts.
    pub services: Services,
    /// The keys.
    pub keys: DefaultKeys,
    /// Judges the audit log, and tells.
    pub alerts: alerts::Keeper,
}

/// The audit log comes first: nothing starts without it.
pub async fn audit(basics: &Basics, pg: &pg::Pg) -> Result<(Audit, audit::Tasks), StartError> {
    let parts = audit::Parts {
        pg: pg.clone(),
        settings: basics.settings.clone(),
        data_dir: basics.data.clone(),
        node: node_name(&basics.rng).into(),
        keys: audit::Keys::from_root(&basics.root),
        clock: basics.clock.clone(),
        rng: basics.rng.clone(),
    };
    Ok(Audit::open(parts).await?)
}

/// All the others, and the keys every instance has.
pub async fn open(
    basics: &Basics,
    database: &Database,
    audit: Audit,
    detection: detection::Detection,
) -> Result<Opened, StartError> {
    let pg = database.pg.clone();
    let outbox = outbox(basics, &pg)?;
    let outbound = outbound(basics, &audit)?;
    let jobs = jobs::Jobs::new(pg.clone(), basics.clock.clone(), basics.rng.clone());
    let texts = texts(basics, &outbound, &outbox)?;
    let tls = tls::Tls::open(certificates(basics, &outbound, &audit))?;
    let probed = tls::Tls::for_probes(certificates(basics, &outbound, &audit))?;
    let auth = Auth::open(auth::Parts {
        pg: pg.clone(),
        audit: audit.clone(),
        root: basics.root.clone(),
        settings: basics.settings.clone(),
        profile: basics.profile,
        public_url: basics.url.clone(),
        outbox: outbox.clone(),
        jobs: jobs.clone(),
        texts,
        limiter: basics.limiter.clone(),
        outbound: outbound.clone(),
        clock: basics.clock.clone(),
        rng: basics.rng.clone(),
    })
    .await?;
    let keys = auth.default_keys()?;
    let data = data::Data::open_keeping(
        pg.clone(),
        data::Scope::from_settings(&basics.settings),
        basics.settings.get(&data::settings::IDEMPOTENCY_RETENTION),
        {
            let detection = detection.clone();
            Arc::new(move |caller: &base::Caller, name: &str| detection.read_row(caller, name))
        },
    )
    .await?;
    let documents = graphql::Persisted::from_settings(&basics.settings)?;
    let place = place(basics, database, &keys, &audit, tls.as_ref());
    let posture = Posture::new(pg.clone(), place).with_keys(lent(&auth));
    let sso = sso(basics, &auth, &outbound, &outbox, &jobs)?;
    let connections = Connections::default();
    let migrations = migrations(basics, database, &audit);
    let guests = guests(basics, database, &audit);
    let policies = policies::Policies::new(pg.clone(), &data.scope().exposed);
    if basics.settings.get(&realtime::settings::ENABLED)
        && basics.settings.get(&::limits::REDIS_URL).is_some()
    {
        tracing::warn!(
            "channels (realtime.enabled) reach whoever is connected to this node, and no other: where there are several, send the clients \
             of one channel to the same one"
        );
    }
    let realtime =
        realtime::Realtime::open(pg.clone(), audit.clone(), &basics.settings, around(basics, &auth, &data));
    let (alerts, keeper) = alerts(basics, &pg, &audit, &outbox, &jobs).await?;
    Ok(Opened {
        services: Services {
            pg,
            audit,
            auth,
            sso,
            data,
            documents,
            migrations,
            guests,
            policies,
            outbox,
            outbound,
            tls,
            probed,
            jobs,
            posture,
            connections,
            detection,
            alerts,
            realtime,
        },
        keys,
        alerts: keeper,
    })
}

/// What is known elsewhere of those who want to know what changes.
fn around(basics: &Basics, auth: &Auth, data: &data::Data) -> realtime::Surroundings {
    let (surrounds, auth, clock) = (data.clone(), auth.clone(), basics.clock.clone());
    realtime::Surroundings {
        surround: Arc::new(move |caller, schema| Ok(surrounds.surroundings(caller, schema)?)),
        stands: Arc::new(move |caller| {
            let session = caller.ends_with();
            session.is_none_or(|session| !auth.revocations().has(&session))
        }),
        unix_seconds: Arc::new(move || clock.unix_seconds()),
        schemas: data.scope().exposed.clone(),
        gate: data.scope().gate,
        node: basics.rng.uuid().to_string(),
    }
}

/// Alerting, which slows nobody down where limits are switched off.
async fn alerts(
    basics: &Basics,
    pg: &pg::Pg,
    audit: &Audit,
    outbox: &mail::Outbox,
    jobs: &jobs::Jobs,
) -> Result<(alerts::Alerts, alerts::Keeper), StartError> {
    Ok(alerts::Alerts::open(alerts::Parts {
        pg: pg.clone(),
        audit: audit.clone(),
        settings: basics.settings.clone(),
        outbox: outbox.clone(),
        jobs: jobs.clone(),
        slows: basics.settings.get(&edge::settings::RATE_LIMITING),
        url: basics.url.clone(),
        clock: basics.clock.clone(),
        rng: basics.rng.clone(),
    })
    .await?)
}

/// The application's own migrations, on the database that is served.
fn migrations(basics: &Basics, database: &Database, audit: &Audit) -> migrate::Migrations {
    migrate::Migrations::new(migrate::Parts {
        admin: database.admin.clone(),
        audit: audit.clone(),
        ours: lists::migrations(),
        wanted: database.wanted.clone(),
        programs: database.server.as_ref().map(|server| server.binaries().dir.clone()),
        lint: linted(basics.settings.get(&data::settings::SCHEMAS)),
        rng: basics.rng.clone(),
    })
}

/// Logins that are lent, on the database that is served.
fn guests(basics: &Basics, database: &Database, audit: &Audit) -> guests::Guests {
    let admin = database.admin.clone();
    // From elsewhere where there is a listener, else from this machine.
    let listens = database.server.is_some().then(|| basics.settings.get(&crate::settings::LISTEN)).flatten();
    let mut way = admin.clone();
    if let Some(address) = listens {
        let name = basics.settings.get(&crate::settings::LISTEN_NAMES).into_iter().next();
        way.server = pg::Server::Tcp {
            host: name.unwrap_or_else(|| address.ip().to_string()),
            port: address.port(),
            tls: pg::Tls::VerifyFull { root: basics.data.join("postgres-tls/ca.pem") },
        };
    }
    guests::Guests::new(guests::Parts {
        admin: admin.clone(),
        pg: database.pg.clone(),
        audit: audit.clone(),
        settings: basics.settings.clone(),
        url: Arc::new(move |login| crate::database_url::text(&way.login(login))),
        clock: basics.clock.clone(),
        rng: basics.rng.clone(),
    })
}

/// A migration is refused for what the linter calls an error, unless it is taken on by name.
fn linted(exposed: Vec<String>) -> migrate::Lint {
    let exposed: Arc<[String]> = exposed.into();
    Arc::new(move |client| {
        let exposed = exposed.clone();
        Box::pin(async move {
            let facts = policies::Facts::read_as(client, &exposed).await.map_err(|error| match error {
                policies::Error::Database(error) | policies::Error::Administrator(error) => error,
                other => pg::Error::Bug(base::fault::chain(&other)),
            })?;
            let finding = |found: policies::lint::Finding| migrate::Finding {
                id: found.rule.to_owned(),
                what: format!("{}: {}", found.object, found.detail),
                blocks: found.level == policies::lint::Level::Error,
            };
            let brought = policies::lint::run(&facts).into_iter().filter(is_brought);
            Ok(brought.map(finding).collect())
        })
    })
}

/// Whether a migration brought it. That an index was never used is so of every new one, how full a table is changes by itself, that
/// granted tables are described is what a grant is for, and what a probe made meanwhile is nobody's.
fn is_brought(found: &policies::lint::Finding) -> bool {
    const NEVER: [&str; 4] = ["0005", "0020", "0026", "0027"];
    !NEVER.contains(&found.rule) && !pg::names_a_probe(&found.object)
}

/// Administrators are told by mail when an identity provider shows other keys, where mail can be sent.
fn sso(
    basics: &Basics,
    auth: &Auth,
    outbound: &outbound::Outbound,
    outbox: &mail::Outbox,
    jobs: &jobs::Jobs,
) -> Result<Sso, StartError> {
    let (outbox, jobs) = (outbox.clone(), jobs.clone());
    let alert: auth::sso::Alert = Arc::new(move |tx, told: KeysChanged| {
        let (outbox, jobs) = (outbox.clone(), jobs.clone());
        Box::pin(async move {
            if outbox.takes_mail() {
                for to in &told.administrators {
                    jobs.post(tx, &outbox, &keys_changed(to, &told), jobs::Urgency::Alert).await?;
                }
            }
            Ok(())
        })
    });
    let (auth, outbound, settings) = (auth.clone(), outbound.clone(), basics.settings.clone());
    Ok(Sso::open(auth::sso::Parts { auth, outbound, settings, alert })?)
}

/// What a certificate is kept with.
fn certificates(basics: &Basics, outbound: &outbound::Outbound, audit: &Audit) -> tls::Parts {
    tls::Parts {
        settings: basics.settings.clone(),
        data: basics.data.clone(),
        root: basics.root.clone(),
        outbound: outbound.clone(),
        audit: Some(audit.clone()),
        clock: basics.clock.clone(),
    }
}

/// In `dev` no mail leaves the machine, whatever is set.
fn outbox(basics: &Basics, pg: &pg::Pg) -> Result<mail::Outbox, StartError> {
    let sender = match basics.profile {
        Profile::Dev => mail::Sender::Catch,
        Profile::Serve | Profile::Conformance => mail::Sender::configured(&basics.settings)?,
    };
    Ok(mail::Outbox::open(mail::Parts {
        pg: pg.clone(),
        root: basics.root.clone(),
        settings: basics.settings.clone(),
        sender,
        clock: basics.clock.clone(),
        rng: basics.rng.clone(),
    })?)
}

/// Everything that leaves the house leaves here; what may not is recorded.
fn outbound(basics: &Basics, audit: &Audit) -> Result<outbound::Outbound, StartError> {
    Ok(outbound::Outbound::open(outbound::Parts {
        settings: basics.settings.clone(),
        resolver: outbound::system_resolver(),
        on_refusal: refusals::outbound(audit.clone()),
    })?)
}

/// Texts to telephones; in `dev` they stay beside the caught mails.
fn texts(
    basics: &Basics,
    outbound: &outbound::Outbound,
    outbox: &mail::Outbox,
) -> Result<texts::Texts, StartError> {
    Ok(texts::Texts::open(texts::Parts {
        settings: basics.settings.clone(),
        outbound: outbound.clone(),
        outbox: outbox.clone(),
        clock: basics.clock.clone(),
        rng: basics.rng.clone(),
    })?)
}

/// Probes come with a key of their own, so that they are on nobody else's budget.
fn lent(auth: &Auth) -> posture::Keys {
    let (lender, taker) = (auth.clone(), auth.clone());
    posture::Keys {
        lend: Arc::new(move || {
            let auth = lender.clone();
            Box::pin(async move { auth.lend_key().await.map_err(|error| base::fault::chain(&error)) })
        }),
        take_back: Arc::new(move |id| {
            let auth = taker.clone();
            Box::pin(async move { auth.take_back_key(&id).await.map_err(|error| base::fault::chain(&error)) })
        }),
    }
}

/// Where the probes find the instance: what its ready file says, and no more.
fn place(
    basics: &Basics,
    database: &Database,
    keys: &DefaultKeys,
    audit: &Audit,
    certificate: Option<&tls::Tls>,
) -> Place {
    let given = &basics.settings;
    Place {
        address: basics.address,
        secure: basics.url.starts_with("https://"),
        encryption: encryption(basics, certificate),
        metrics: basics.metrics.clone(),
        metrics_taken: basics.taken.clone(),
        logs_gathered: given.get(&logs::settings::S3_EVERY),
        metrics_aside: given
            .get(&crate::monitoring::CLIENT_CA_FILE)
            .map(|_| basics.data.join(METRICS_SOCKET)),
        admin_aside: given.get(&crate::administration::LISTEN).map(|_| basics.data.join(ADMIN_SOCKET)),
        admins: basics.admins,
        admins_asked: given.get(&crate::administration::CLIENT_CA_FILE).is_some(),
        nftables: !given.get(&detection::settings::NFTABLES).is_empty(),
        publishable_key: Secret::from(keys.publishable.as_str()),
        secret_key: keys.secret.clone(),
        database: database.admin.clone(),
        embedded: database.server.is_some(),
        data: basics.data.clone(),
        program: std::env::current_exe().unwrap_or_default(),
        authorities: authorities(given),
        redis: given.get(&::limits::REDIS_URL).map(|url| posture::bench::redis::RedisPlace {
            url: match given.get(&::limits::TLS_ENABLED) {
                Some(true) => Secret::new(url.expose().replacen("redis://", "rediss://", 1)),
                Some(false) | None => url,
            },
            ca_file: given.get(&::limits::CA_FILE),
        }),
        audit_file: given.get(&::audit::settings::AUDIT_LOG_FILE),
        origin: given.get(&edge::settings::CORS_ORIGINS).first().cloned(),
        audit: Some(audit.clone()),
        clock: basics.clock.clone(),
        rng: basics.rng.clone(),
    }
}

/// Files of authorities that the operator named, wherever one is.
fn authorities(given: &Settings) -> Vec<(String, PathBuf)> {
    let all = [
        &tls::settings::TRUSTED_CA_FILE,
        &crate::administration::CLIENT_CA_FILE,
        &crate::monitoring::CLIENT_CA_FILE,
        &crate::settings::LISTEN_CA,
        &outbound::settings::CA_FILE,
        &mail::settings::SMTP_CA_FILE,
        &::limits::CA_FILE,
    ];
    all.into_iter().filter_map(|one| Some((one.definition.name.to_owned(), given.get(one)?))).collect()
}

/// Where TLS is spoken and plain HTTP refused: on the instance's own ports, or on the probes' sockets.
fn encryption(basics: &Basics, certificate: Option<&tls::Tls>) -> posture::Encryption {
    let (given, data) = (&basics.settings, &basics.data);
    let plain_port = given.get(&tls::settings::HTTP_PORT);
    let address = |port| Seat::Tcp(SocketAddr::new(basics.address.ip(), port));
    let tls =
        certificate.map_or_else(|| Seat::Socket(data.join(TLS_SOCKET)), |_| address(basics.address.port()));
    let plain = match certificate {
        Some(_) if plain_port != 0 => address(plain_port),
        Some(_) | None => Seat::Socket(data.join(PLAIN_SOCKET)),
    };
    posture::Encryption {
        tls,
        plain,
        own_tls: Seat::Socket(data.join(TLS_SOCKET)),
        name: certificate
            .and_then(|tls| tls.names().into_iter().next())
            .unwrap_or_else(|| "localhost".to_owned()),
        key_file: given.get(&tls::settings::KEY_FILE),
        roots: given.get(&tls::settings::TRUSTED_CA_FILE),
    }
}

/// Where the probes speak TLS.
pub const TLS_SOCKET: &str = "https.sock";
/// Where the probes read metrics, when others need a certificate for that.
pub const METRICS_SOCKET: &str = "metrics.sock";
/// Where the probes ask as administrators, when others have to go to a listener of its own for that.
pub const ADMIN_SOCKET: &str = "admin.sock";
/// Where the probes speak plain HTTP, as the port beside the port of HTTPS does.
pub const PLAIN_SOCKET: &str = "http.sock";

/// Told apart in the audit and in logs; new at every start.
fn node_name(rng: &Rng) -> String {
    format!("node-{}", hex::encode(rng.bytes::<4>()))
}

/// What an administrator reads when an identity provider shows other keys.
fn keys_changed(to: &str, told: &KeysChanged) -> mail::Message {
    let keys = told.keys.join("\n");
    let text = format!(
        "The SAML identity provider {} now shows these signing keys (SHA-256):\n\n{keys}\n\nKeys that are new are not \
         believed until an administrator pins them: give the provider's metadata again at PUT /admin/sso/providers/{{id}} after you \
         have asked its operators whether they changed their keys.\n",
        told.provider
    );
    mail::Message {
        kind: "sso_keys_changed",
        to: to.to_owned(),
        subject: "An identity provider shows other signing keys".to_owned(),
        text: Secret::new(text),
        html: None,
    }
}
