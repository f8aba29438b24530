//! The one certificate of an instance: where it comes from, whether it is due, and what happened last.

mod complete;
mod rehearse;
mod source;
mod staple;

pub use source::Source;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use audit::{Audit, Entry, Event};
use base::{Clock, Failure, Settings};
use instant_acme::ChallengeType;
use jiff::{SignedDuration, Timestamp};
use outbound::Outbound;
use rustls::ServerConfig;
use seal::RootKey;
use serde::Serialize;
use tokio::sync::Mutex as AsyncMutex;

use crate::acme::Acme;
use crate::due::moment_in;
use crate::local::Own;
use crate::names::{can_be_public, this_machine};
use crate::server::{self, Shown};
use crate::store::Store;
use crate::{Error, Facts, Material, limits, settings};
use source::source;

/// What it is built from.
pub struct Parts {
    /// The merged settings.
    pub settings: Settings,
    /// The data folder.
    pub data: PathBuf,
    /// What everything sealed at rest hangs on.
    pub root: Arc<RootKey>,
    /// The client for everything that leaves the house.
    pub outbound: Outbound,
    /// Where it is recorded; nowhere when something is only tried out.
    pub audit: Option<Audit>,
    /// The time.
    pub clock: Clock,
}

/// What an operator wants to know.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// `acme`, `files` or `local`.
    pub source: &'static str,
    /// The certificate in force.
    pub certificate: Option<Facts>,
    /// When it will be renewed.
    pub renews_at: Option<Timestamp>,
    /// What the last renewal, reading or rehearsal came to, when that was bad.
    pub trouble: Option<String>,
    /// When a renewal was last rehearsed with success.
    pub rehearsed_at: Option<Timestamp>,
    /// Until when what the issuer says of the certificate, shown with it, counts.
    pub stapled_until: Option<Timestamp>,
    /// What came of asking the issuer, when that was bad.
    pub status_trouble: Option<String>,
}

/// The certificate. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    parts: Parts,
    source: Source,
    names: Vec<String>,
    store: Store,
    own: Own,
    shown: Arc<Shown>,
    config: Arc<ServerConfig>,
    state: Mutex<State>,
    /// One renewal at a time.
    turn: AsyncMutex<()>,
}

#[derive(Default)]
struct State {
    chain: Option<String>,
    window: Option<(Timestamp, Timestamp)>,
    /// When the authority is asked again for a window.
    ask_at: Option<Timestamp>,
    trouble: Option<String>,
    failures: u32,
    not_before: Option<Timestamp>,
    files_seen: Option<(SystemTime, SystemTime)>,
    rehearsed_at: Option<Timestamp>,
    rehearsal_tried_at: Option<Timestamp>,
    stapled: staple::Stapled,
    /// What is in the files waits for what completes it.
    to_complete: bool,
}

impl Tls {
    /// From the settings; `None` where no certificate is configured. What can be known to be wrong is refused here.
    pub fn open(parts: Parts) -> Result<Option<Tls>, Error> {
        let Some(source) = source(&parts.settings)? else { return Ok(None) };
        let mut names = parts.settings.get(&settings::DOMAINS);
        if names.is_empty() && source == Source::Local {
            names = this_machine();
        }
        if source == Source::Acme {
            names.iter().try_for_each(|name| can_be_public(name))?;
        }
        Self::keeping(parts, source, names).map(Some)
    }

    /// The certificate of the probes' own listener: of this machine's own authority, in the same way, for a few hours.
    pub fn for_probes(parts: Parts) -> Result<Tls, Error> {
        Self::keeping(parts, Source::Probes, this_machine())
    }

    fn keeping(parts: Parts, source: Source, names: Vec<String>) -> Result<Tls, Error> {
        let store = Store::open(&parts.data)?;
        let shown = Arc::new(Shown { current: Default::default(), challenges: Default::default() });
        let config = Arc::new(server::config(shown.clone(), &parts.settings.get(&settings::MIN_VERSION))?);
        let own = match source {
            Source::Probes => Own::for_probes(&store.folder),
            Source::Acme | Source::Files { .. } | Source::Secret | Source::Local => {
                Own::for_this_machine(&store.folder)
            }
        };
        let inner = Inner {
            source,
            names,
            store,
            own,
            shown,
            config,
            parts,
            state: Mutex::default(),
            turn: AsyncMutex::default(),
        };
        let tls = Tls(Arc::new(inner));
        tls.read_what_is_there()?;
        Ok(tls)
    }

    /// Whether settings can be started with, and whether they configure a certificate.
    pub fn check(given: &Settings) -> Result<bool, Error> {
        let source = source(given)?;
        if source == Some(Source::Acme) {
            given.get(&settings::DOMAINS).iter().try_for_each(|name| can_be_public(name))?;
        }
        Ok(source.is_some())
    }

    /// Whether what the settings name can be shown: the same checks as when it is read while running (control 17).
    pub fn check_files(given: &Settings) -> Result<(), Error> {
        complete::check_trusted(given)?;
        match source(given)? {
            Some(Source::Files { cert, key }) => Material::from_files_as_they_are(&cert, &key).map(drop),
            Some(Source::Secret) => source::from_secret(given).map(drop),
            Some(Source::Acme | Source::Local | Source::Probes) | None => Ok(()),
        }
    }

    /// Whether an authority will come to the port of plain HTTP.
    pub fn needs_plain_port(&self) -> bool {
        self.0.source == Source::Acme && self.0.parts.settings.get(&settings::CHALLENGE) == "http-01"
    }

    fn read_what_is_there(&self) -> Result<(), Error> {
        match &self.0.source {
            Source::Files { cert, key } => {
                if self.show_if_complete(Material::from_files_as_they_are(cert, key)?) {
                    self.state().files_seen = seen(cert, key);
                }
            }
            Source::Secret => {
                self.show_if_complete(source::from_secret(&self.0.parts.settings)?);
            }
            Source::Local | Source::Probes => {
                let (own, now) = (&self.0.own, self.0.parts.clock.now());
                let material = match own.kept(&self.0.names, now) {
                    Some(kept) => kept,
                    None => own.issue(&self.0.names, now)?,
                };
                self.show(material, None);
                self.state().files_seen = seen(&own.cert(), &own.key());
            }
            Source::Acme => {
                if let Some((material, chain)) = self.0.store.kept(&self.0.parts.root)? {
                    // One for other names is no use: the settings changed.
                    if self.0.names.iter().all(|name| material.facts.names.contains(name)) {
                        self.show(material, Some(chain));
                    }
                }
            }
        }
        self.staple_what_was_kept();
        Ok(())
    }

    /// Nothing is shown until what is missing was fetched, which a start does not wait for.
    fn show_if_complete(&self, material: Material) -> bool {
        let complete = self.completed_from_here(material);
        match complete {
            Some(material) => {
                self.show(material, None);
                true
            }
            None => {
                tracing::info!("the certificate's chain is incomplete: what is missing is fetched");
                false
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, material: Material, chain: Option<String>) {
        self.0.shown.current.store(Some(Arc::new(material)));
        let mut state = self.state();
        state.chain = chain;
        state.window = None;
        state.ask_at = None;
        state.trouble = None;
        state.failures = 0;
        state.to_complete = false;
        state.stapled = staple::Stapled::default();
    }

    /// How TLS is spoken.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.0.config.clone()
    }

    /// The same for those only who show a certificate of an authority in this file.
    pub fn config_for_known(&self, authorities: &Path) -> Result<Arc<ServerConfig>, Error> {
        let mut roots = rustls::RootCertStore::empty();
        for der in complete::trusted(authorities)? {
            let wrong = |error: rustls::Error| error.to_string();
            let added = roots.add(der).map_err(wrong);
            added.map_err(|why| Error::Content { path: authorities.to_owned(), why })?;
        }
        let oldest = self.0.parts.settings.get(&settings::MIN_VERSION);
        Ok(Arc::new(server::config_for_known(self.0.shown.clone(), &oldest, roots)?))
    }

    /// The names it is for, as configured or as the certificate has them.
    pub fn names(&self) -> Vec<String> {
        match self.facts() {
            Some(facts) if self.0.names.is_empty() => facts.names,
            _ => self.0.names.clone(),
        }
    }

    /// The certificate in force.
    pub fn facts(&self) -> Option<Facts> {
        self.0.shown.current.load().as_ref().map(|material| material.facts.clone())
    }

    /// What stands at `/.well-known/acme-challenge/{token}` now.
    pub fn challenge(&self, token: &str) -> Option<String> {
        self.0.shown.challenges.token(token)
    }

    /// Answers a question of our own as it will answer the authority's, until the next order is over: whoever asks it by a name finds out
    /// whether the name leads here.
    pub fn answer_also(&self, token: &str, text: &str) {
        self.0.shown.challenges.answer_token(token, text);
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        let certificate = self.facts();
        // Who looks after files or secrets renews them.
        let is_ours = !matches!(self.0.source, Source::Files { .. } | Source::Secret);
        let renews_at = certificate.as_ref().filter(|_| is_ours).map(|facts| self.due_at(facts));
        let state = self.state();
        Status {
            source: self.0.source.name(),
            certificate,
            renews_at,
            trouble: state.trouble.clone(),
            rehearsed_at: state.rehearsed_at,
            stapled_until: state.stapled.until,
            status_trouble: state.stapled.trouble.clone(),
        }
    }

    /// Within the window that the authority suggests, else with a third of its life left.
    fn due_at(&self, facts: &Facts) -> Timestamp {
        if let Some(window) = self.state().window {
            return moment_in(window, &facts.serial);
        }
        let life = facts.not_after.duration_since(facts.not_before);
        let third = life.checked_div(3).unwrap_or(SignedDuration::ZERO);
        facts.not_after.checked_sub(third).unwrap_or(facts.not_after)
    }

    fn acme<'a>(&'a self, directory: &'a str, email: Option<&'a str>, profile: Option<&'a str>) -> Acme<'a> {
        let parts = &self.0.parts;
        let challenge = match parts.settings.get(&settings::CHALLENGE).as_str() {
            "tls-alpn-01" => ChallengeType::TlsAlpn01,
            _ => ChallengeType::Http01,
        };
        Acme {
            directory,
            email,
            profile,
            challenge,
            outbound: &parts.outbound,
            store: &self.0.store,
            root: &parts.root,
            challenges: &self.0.shown.challenges,
        }
    }

    /// Gets a certificate where there is none, renews one that is due, and shows with it what its issuer says. Does
    /// nothing where there is nothing to do.
    pub async fn keep(&self) -> Result<(), Error> {
        let kept = self.keep_certificate().await;
        self.staple().await;
        kept
    }

    async fn keep_certificate(&self) -> Result<(), Error> {
        let now = self.0.parts.clock.now();
        match &self.0.source {
            Source::Files { cert, key } => self.read_again(cert, key).await,
            Source::Secret => self.complete_secret().await,
            Source::Local | Source::Probes => {
                let own = &self.0.own;
                own.close_to_others();
                if self.is_due() {
                    self.renew().await
                } else {
                    self.read_again(&own.cert(), &own.key()).await
                }
            }
            Source::Acme => {
                self.look_at_window().await;
                let must_wait = self.state().not_before.is_some_and(|at| now < at);
                if must_wait || !self.is_due() {
                    return Ok(());
                }
                let _turn = self.0.turn.lock().await;
                // Somebody else may have had the turn, and got it.
                if self.is_due() { self.renew_in_turn().await } else { Ok(()) }
            }
        }
    }

    /// Asked as often as the authority wants to be. One that cannot be asked is no reason to renew or not to: then the
    /// window it said before counts, and without one the third of its life.
    async fn look_at_window(&self) {
        let now = self.0.parts.clock.now();
        let chain = {
            let state = self.state();
            state.chain.clone().filter(|_| state.ask_at.is_none_or(|at| at <= now))
        };
        let Some(chain) = chain else { return };
        let given = &self.0.parts.settings;
        let directory = given.get(&settings::DIRECTORY);
        let heard = self.acme(&directory, None, None).window(&chain).await;
        let again = heard.as_ref().ok().and_then(|heard| heard.as_ref().map(|heard| heard.again.as_secs()));
        let again = again.unwrap_or(limits::SUGGESTION_SECONDS.value);
        let again = again.clamp(limits::SUGGESTION_SECONDS_MIN.value, limits::SUGGESTION_SECONDS_MAX.value);
        let mut state = self.state();
        state.ask_at = now.checked_add(Duration::from_secs(again)).ok();
        match heard {
            Ok(heard) => state.window = heard.map(|heard| heard.window),
            Err(error) => tracing::debug!(%error, "the authority was not heard on when to renew"),
        }
    }

    /// Gets a new certificate now and shows it. The one in force stays when that fails.
    pub async fn renew(&self) -> Result<(), Error> {
        let turn = self.0.turn.lock().await;
        let renewed = self.renew_in_turn().await;
        drop(turn);
        self.staple().await;
        renewed
    }

    fn is_due(&self) -> bool {
        let now = self.0.parts.clock.now();
        let taken_back = self.state().stapled.revoked;
        self.facts().is_none_or(|facts| taken_back || self.due_at(&facts) <= now)
    }

    async fn renew_in_turn(&self) -> Result<(), Error> {
        let renewed = match &self.0.source {
            Source::Files { cert, key } => self.whole(cert, key).await.map(|material| (material, None)),
            Source::Secret => self.whole_secret().await.map(|material| (material, None)),
            Source::Local | Source::Probes => {
                let issued = self.0.own.issue(&self.0.names, self.0.parts.clock.now());
                self.state().files_seen = seen(&self.0.own.cert(), &self.0.own.key());
                issued.map(|material| (material, None))
            }
            Source::Acme => self.issue().await.map(|(material, chain)| (material, Some(chain))),
        };
        self.take(renewed).await
    }

    /// Shows what was got, or says why nothing was; then the one in force stays.
    async fn take(&self, got: Result<(Material, Option<String>), Error>) -> Result<(), Error> {
        match got {
            Ok((material, chain)) => {
                let entry = Entry::system(Event::CertificateRenewed)
                    .detail("names", material.facts.names.join(" "))
                    .detail("not_after", material.facts.not_after)
                    .detail("source", self.0.source.name());
                self.record(entry).await?;
                tracing::info!(names = material.facts.names.join(" "), not_after = %material.facts.not_after, "a new certificate is in force");
                self.show(material, chain);
                let rest = Duration::from_secs(limits::RENEWAL_SECONDS_MIN.value);
                self.state().not_before = self.0.parts.clock.now().checked_add(rest).ok();
                Ok(())
            }
            Err(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }

    async fn record(&self, entry: Entry) -> Result<(), Error> {
        match &self.0.parts.audit {
            Some(audit) => Ok(audit.record_alone(entry).await?),
            None => Ok(()),
        }
    }

    fn refused(&self, entry: Entry) {
        if let Some(audit) = &self.0.parts.audit {
            audit.refused(entry);
        }
    }

    fn failed(&self, error: &Error) {
        let text = base::fault::chain(error).to_string();
        let now = self.0.parts.clock.now();
        let mut state = self.state();
        let is_known = state.trouble.as_ref() == Some(&text);
        let wait = limits::RETRY_SECONDS.value.saturating_mul(1 << state.failures.min(16));
        let wait = Duration::from_secs(wait.min(limits::RETRY_SECONDS_MAX.value));
        state.failures += 1;
        state.not_before = now.checked_add(wait).ok();
        state.trouble = Some(text.clone());
        drop(state);
        // What is still as bad as it was is said once.
        if is_known {
            return;
        }
        tracing::error!(error = text, "no new certificate");
        let entry =
            Entry::system(Event::CertificateFailed).failed(base::Fault::code(error)).detail("error", text);
        self.refused(entry);
    }

    async fn issue(&self) -> Result<(Material, String), Error> {
        let given = &self.0.parts.settings;
        let (directory, email) = (given.get(&settings::DIRECTORY), given.get(&settings::EMAIL));
        let profile = given.get(&settings::PROFILE);
        let replaces = self.state().chain.clone();
        let acme = self.acme(&directory, email.as_deref(), profile.as_deref());
        let issued = acme.issue(&self.0.names, replaces.as_deref()).await?;
        let material = Material::from_pem(issued.chain.as_bytes(), issued.key.as_bytes())
            .map_err(|why| Error::Authority { directory: directory.clone(), why })?;
        self.0.store.keep(&self.0.parts.root, &issued.chain, &issued.key)?;
        Ok((material, issued.chain))
    }

    async fn read_again(&self, cert: &Path, key: &Path) -> Result<(), Error> {
        // Before looking: whoever is told that nothing changed may rely on what was made of it.
        let _turn = self.0.turn.lock().await;
        let now_there = seen(cert, key);
        let now = self.0.parts.clock.now();
        let (unchanged, waits) = {
            let state = self.state();
            let tries_again = state.to_complete && state.not_before.is_none_or(|at| at <= now);
            (now_there.is_some() && now_there == state.files_seen, !tries_again)
        };
        if unchanged && waits {
            // Nobody wrote them; but somebody may have opened them to others (control 8).
            let still = Material::from_files_as_they_are(cert, key).map(drop);
            return still.inspect_err(|error| self.failed(error));
        }
        self.state().files_seen = now_there;
        let read = self.whole(cert, key).await.map(|material| (material, None));
        self.take(read).await
    }

    /// What is in files, with its chain complete.
    async fn whole(&self, cert: &Path, key: &Path) -> Result<Material, Error> {
        let material = Material::from_files_as_they_are(cert, key)?;
        let issuer = material.facts.issuer.clone();
        match self.completed(material).await {
            Ok(material) => Ok(material),
            Err(why) => {
                self.state().to_complete = true;
                let why = format!("{}. {why}", crate::material::incomplete(&issuer));
                Err(Error::Content { path: cert.to_owned(), why })
            }
        }
    }
}

fn seen(cert: &Path, key: &Path) -> Option<(SystemTime, SystemTime)> {
    let time = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified()).ok();
    Some((time(cert)?, time(key)?))
}

/// Keeps the certificate, where there is one to keep, and the probes'.
pub struct KeepCertificate(pub Vec<Tls>);

impl jobs::Reconciler for KeepCertificate {
    const NAME: &'static str = "tls.keep_certificate";
    const WHAT: &'static str = "a certificate in force: renewed when the authority wants it or a third of its life is left, read again when its files change";
    const EVERY: Duration = Duration::from_secs(limits::LOOK_SECONDS.value);

    async fn reconcile(&self) -> Result<(), Failure> {
        let mut kept = Ok(());
        for tls in &self.0 {
            kept = tls.keep().await.and(kept);
            tls.rehearse_when_due().await;
        }
        Ok(kept?)
    }
}
