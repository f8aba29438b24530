//! `--profile conformance`: what outside suites need, and nothing else may reach.
//!
//! Everything it relaxes stands in `docs/reference/conformance.md`, which is also what `config explain --profile
//! conformance` prints. It is refused off loopback and beside a data folder, so it can never be a real instance.

use std::sync::Arc;

use auth::outside::Outside;
use base::{Clock, Failure, Profile, Rng, Secret, Settings};
use edge::{Connections, Edge, EdgeConfig, Identified, Identify};
use limits::Limiter;
use pg::notify::Listener;
use pg::{Config, Pg};
use supabase::rest::{Rest, RestConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use web::Guard;

use crate::database_url;
use crate::error::StartError;
use crate::ready::Ready;
use crate::serve::Process;
use crate::welcome::complain;

/// The whole list of what is relaxed.
pub const RELAXED: &str = include_str!("../../../docs/reference/conformance.md");

/// Connections to the suite's database.
const CONNECTIONS: usize = 20;

/// Serves the data API over a suite's own database until a signal.
pub async fn run(process: &Process) -> Result<(), StartError> {
    complain(
        "CONFORMANCE PROFILE: row level security is not required, demo secrets are accepted, limits are off. Loopback only.",
    );
    let vars = &process.pgrst;
    let listening = edge::listen(address(process)?).await?;
    let url = listening.address().map(|address| format!("http://{address}")).unwrap_or_default();
    let uri = vars
        .get("PGRST_DB_URI")
        .ok_or_else(|| refuse("PGRST_DB_URI is not set: it names the suite's database"))?;
    let target = database_url::target(&Secret::from(uri.as_str()), &Settings::default())?;
    let config = RestConfig::from_pgrst(vars).map_err(|error| refuse(&error.to_string()))?;
    let mut connection = Config::new(target.server.clone(), &target.database, target.login.clone(), None);
    connection.caps = pg::Caps::split(CONNECTIONS, 2);
    connection.search_path =
        Arc::from(config.search_path(config.schemas.first().map_or("public", String::as_str)));
    let pg = Pg::connect(connection)?;

    let stop = CancellationToken::new();
    let tracker = TaskTracker::new();
    let data = data::Data::new(pg.clone(), config.scope());
    read_catalog(&data).await;
    let listener = Listener::start(target, &["pgrst"]);
    tracker.spawn(reload(listener, data.clone(), stop.clone()));

    let outside = Arc::new(Outside::new(&config.outside).map_err(|error| refuse(&error.to_string()))?);
    let clock = Clock::system();
    let graphql = graphql::Engine::new(graphql::Style::Relay, graphql::Config::conformance(), data.clone());
    let rest = Rest::new(config, data, clock.clone()).with_outside(outside.clone());
    let mounts = vec![rest.mount("/rest/v1", Guard::Open), graphql.mount("/graphql/v1", Guard::Open)];
    let edge = Edge::new(
        &process.loaded.settings,
        EdgeConfig {
            mounts,
            identify: identify(outside, clock.clone()),
            recognise: Arc::new(|_, _, _| Box::pin(async { None })),
            on_refusal: Arc::new(|_| {}),
            on_use: Arc::new(|_| {}),
            on_exposed: Arc::new(|_| {}),
            hosts: edge::Hosts::any(),
            admin_elsewhere: false,
            pg,
            clock: clock.clone(),
            rng: Rng::system(),
            limiter: Limiter::in_memory(clock),
            connections: Connections::default(),
            sentry: edge::Sentry::none(),
            profile: Profile::Conformance,
        },
    )?;
    tracker.spawn(edge::serve(Arc::new(edge), listening, stop.clone()));
    let ready = Ready {
        url: url.clone(),
        publishable_key: String::new(),
        secret_key: Secret::from(""),
        database_url: Secret::from(uri.as_str()),
    };
    let path = process.serve.ready_file.as_ref();
    let _file = path
        .map(|path| ready.write(path).map_err(|source| StartError::File { path: path.clone(), source }))
        .transpose()?;
    complain(&format!("conformance answers at {url}/rest/v1"));
    told_to_stop().await;
    stop.cancel();
    tracker.close();
    tracker.wait().await;
    Ok(())
}

/// `--listen`, else `PGRST_SERVER_PORT` on loopback.
fn address(process: &Process) -> Result<std::net::SocketAddr, StartError> {
    if process.serve.data.join("postgres").exists() {
        return Err(refuse(&format!(
            "{} is a real data folder: name another with --data",
            process.serve.data.display()
        )));
    }
    if let Some(listen) = process.serve.listen {
        return Ok(listen);
    }
    let port = process.pgrst.get("PGRST_SERVER_PORT").map_or(Ok(3000), |port| port.parse());
    let port: u16 = port.map_err(|_| refuse("PGRST_SERVER_PORT is not a port"))?;
    Ok(([127, 0, 0, 1], port).into())
}

/// A suite may start us before its database is there: the first snapshot is taken when it is.
async fn read_catalog(data: &data::Data) {
    if let Err(error) = data.reload().await {
        tracing::warn!(error = %base::fault::chain(&error), "the catalog could not be read yet");
    }
}

/// Anything said on `pgrst`, and every reconnect, is a reason to read the schema again.
async fn reload(listener: Listener, data: data::Data, stop: CancellationToken) {
    let mut heard = listener.subscribe();
    loop {
        match stop.run_until_cancelled(heard.recv()).await {
            None | Some(Err(tokio::sync::broadcast::error::RecvError::Closed)) => return,
            Some(Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_))) => {
                read_catalog(&data).await
            }
        }
    }
}

fn identify(outside: Arc<Outside>, clock: Clock) -> Identify {
    Arc::new(move |presented, address| {
        let line = presented.authorization.as_deref();
        let bearer =
            line.and_then(|line| line.strip_prefix("Bearer ").or_else(|| line.strip_prefix("bearer ")));
        let identified = outside.identify(bearer, Some(address), &clock);
        Box::pin(async move {
            let caller = identified.map_err(Failure::from)?;
            Ok(Identified { caller: Arc::new(caller), has_credential: true, expires_at: None, beside: None })
        })
    })
}

async fn told_to_stop() {
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => tracing::error!(%error, "signals cannot be received; stopping"),
    }
}

fn refuse(why: &str) -> StartError {
    StartError::Profile(format!("the conformance profile cannot start: {why}"))
}
