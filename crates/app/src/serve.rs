//! `palisade serve` and `palisade dev`: start, say so, run until told to stop, stop.

use base::setting::LiveSettings;
use base::{Clock, Profile, Rng, Settings};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{ProfileName, Serve};
use crate::config::exit::Exit;
use crate::config::{Loaded, Problems};
use crate::database::{self, Consent};
use crate::error::StartError;
use crate::logging::Log;
use crate::ready::Ready;
use crate::start::{self, Running, Start};
use crate::{conformance, database_url, dev, preflight, settings, welcome};

/// What the process was given.
pub struct Process {
    /// How to run.
    pub serve: Serve,
    /// The merged settings.
    pub loaded: Loaded,
    /// Loads them again, for SIGHUP.
    pub reload: Box<dyn Fn() -> Result<Loaded, Problems> + Send + Sync>,
    /// `PGRST_*`, for the conformance profile only.
    pub pgrst: std::collections::BTreeMap<String, String>,
    /// Its log.
    pub log: Option<Log>,
}

/// Runs until a signal; gives the exit code.
pub async fn run(process: Process, profile: Profile) -> Exit {
    if process.serve.profile == Some(ProfileName::Conformance) {
        return ended(conformance::run(&process).await);
    }
    ended(run_instance(process, profile).await)
}

fn ended(ended: Result<(), StartError>) -> Exit {
    match ended {
        Ok(()) => Exit::Success,
        Err(error) => {
            welcome::complain(&error.told());
            error.exit()
        }
    }
}

async fn run_instance(process: Process, profile: Profile) -> Result<(), StartError> {
    let began = std::time::Instant::now();
    let settings = process.loaded.settings.clone();
    let port = settings.get(&edge::settings::PORT);
    let listen = process.serve.listen.unwrap_or_else(|| ([127, 0, 0, 1], port).into());
    let running = start::start(Start {
        settings: settings.clone(),
        profile,
        data: process.serve.data.clone(),
        listen,
        database: database_from(&settings)?,
        not_effective: process.loaded.not_effective.iter().map(|idle| idle.variable.clone()).collect(),
        log: process.log.clone(),
        // A developer asks with `palisade posture`; on a terminal the probes' own requests would bury everything else. What is
        // measured is the answers, and no round of probes falls into one half of a comparison.
        probe_hourly: profile == Profile::Serve && !cfg!(feature = "bench"),
        clock: Clock::system(),
        rng: Rng::system(),
    })
    .await?;
    let served = announce(&process, &running, profile, began).await;
    if served.is_ok() {
        welcome::stopping();
    }
    let stopped = running.stop().await;
    served.and(stopped)
}

/// Prepares the demo, says where everything is, and waits until told to stop. Whatever happens here, the caller stops
/// the instance.
async fn announce(
    process: &Process,
    running: &Running,
    profile: Profile,
    began: std::time::Instant,
) -> Result<(), StartError> {
    if let Some(tls) = running.services.tls.as_ref().filter(|tls| tls.facts().is_none()) {
        match tls.names().as_slice() {
            [] => welcome::note("completing the chain of the certificate …"),
            names => welcome::note(&format!("getting a certificate for {} …", names.join(", "))),
        }
        // The authority has the last word; this is what to mend when it says no.
        crate::certificate::problems(&tls.names()).await.iter().for_each(|problem| welcome::note(problem));
        let found = crate::certificate::elsewhere(tls, &process.loaded.settings).await;
        found.others.iter().chain(&found.silent).for_each(|problem| welcome::note(problem));
        tls.keep().await?;
        // Files that lack what cannot be had are somebody's to mend now, not at the first request.
        let status = tls.status();
        if let (None, "files", Some(why)) = (&status.certificate, status.source, status.trouble) {
            return Err(StartError::Tls(tls::Error::Preflight { why }));
        }
    }
    let data = &process.serve.data;
    let demo = match profile {
        Profile::Dev => Some(dev::prepare(running, data).await?),
        Profile::Serve | Profile::Conformance => None,
    };
    let secret_file = welcome::write_secret(data, running)?;
    let _ready = process.serve.ready_file.as_ref().map(|path| write_ready(path, running)).transpose()?;
    welcome::print(&welcome::Facts {
        running,
        profile,
        demo: demo.as_ref(),
        secret_file: &secret_file,
        not_effective: &process.loaded.not_effective,
        read_by_all: &process.loaded.read_by_all,
        took: began.elapsed(),
    });
    until_told(process, running, profile).await;
    Ok(())
}

fn database_from(settings: &Settings) -> Result<database::From, StartError> {
    let Some(url) = settings.get(&settings::DATABASE_URL) else {
        let pg_bin = settings.get(&settings::PG_BIN);
        return Ok(database::From::Managed { pg_bin, durability: pg::managed::Durability::Full });
    };
    let consent = if settings.get(&settings::CONSENT) { Consent::Given } else { Consent::Missing };
    Ok(database::From::Given { admin: database_url::target(&url, settings)?, consent })
}

fn write_ready(path: &std::path::Path, running: &Running) -> Result<crate::ready::ReadyFile, StartError> {
    let ready = Ready {
        url: running.url.clone(),
        publishable_key: running.keys.publishable.clone(),
        secret_key: running.keys.secret.clone(),
        database_url: running.admin_url.clone(),
    };
    ready.write(path).map_err(|source| StartError::File { path: path.to_owned(), source })
}

/// SIGINT and SIGTERM stop; SIGHUP reads the settings again and applies what may change while running.
async fn until_told(process: &Process, running: &Running, profile: Profile) {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        tracing::error!(
            "signals cannot be received, so nothing could stop this program cleanly; stopping now"
        );
        return;
    };
    let live = LiveSettings::new(process.loaded.settings.clone());
    loop {
        tokio::select! {
            _ = interrupt.recv() => return,
            _ = terminate.recv() => return,
            _ = hangup.recv() => reload(process, running, profile, &live).await,
        }
    }
}

async fn reload(process: &Process, running: &Running, profile: Profile, live: &LiveSettings) {
    // What could not be started with is refused now, while somebody looks, and not at the next start.
    let read = (process.reload)().map_err(|problems| problems.to_string());
    let read = read.and_then(|loaded| match preflight::check_all(&loaded.settings, profile) {
        Ok(()) => Ok(loaded),
        Err(error) => Err(error.told()),
    });
    let loaded = match read {
        Ok(loaded) => loaded,
        Err(problems) => {
            tracing::error!(problems, "the settings were not read again; the running ones stay in force");
            return;
        }
    };
    let swapped = live.swap(&loaded.settings, crate::lists::settings());
    if !swapped.waiting.is_empty() {
        let settings = swapped.waiting.join(", ");
        tracing::warn!(settings, "these settings changed and take effect at the next start");
    }
    let level = live.current().get(&crate::config::LOGGING_LEVEL);
    if let Some(handle) = &process.log
        && !native::Log::set(handle, &level)
    {
        tracing::warn!(level, "the log's level could not be changed");
    }
    let entry = audit::Entry::named("operator", audit::Event::ConfigReloaded)
        .detail("changed", swapped.changed.join(", "))
        .detail("logging.level", level);
    if let Err(error) = running.services.audit.record_alone(entry).await {
        tracing::error!(%error, "the reload could not be recorded");
    }
}
