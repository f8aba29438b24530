//! What is asked at every connection and request, and the task that writes down what the jails did.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use audit::{Audit, Entry, Event};
use base::{Clock, Rng, Settings};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use pg::Pg;
use pg::notify::{Heard, Listener};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use crate::bans::Filled;
use crate::canaries::{self, Marks};
use crate::counts::Counts;
use crate::jails::{self, Sees};
use crate::nft::Nft;
use crate::pattern::Patterns;
use crate::pending::Pending;
use crate::table::{Table, subject};
use crate::told::{Told, Try};
use crate::{CHANNEL, Error, Jail, limits, settings};

/// What detection is built from.
pub struct Parts {
    /// The database.
    pub pg: Pg,
    /// The audit log: what it refuses is counted, what is banned is recorded.
    pub audit: Audit,
    /// The merged settings.
    pub settings: Settings,
    /// Who is never kept out, besides this machine and `detection.allow`: trusted proxies.
    pub exempt: Vec<IpNet>,
    /// The time.
    pub clock: Clock,
    /// Randomness, for marks.
    pub rng: Rng,
}

/// Who is kept out. Cheap to clone.
#[derive(Clone)]
pub struct Detection(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub pg: Pg,
    pub audit: Audit,
    pub clock: Clock,
    pub rng: Rng,
    pub exempt: Vec<IpNet>,
    pub table: ArcSwap<Table>,
    pub counts: Counts,
    pub ban_time_max: Duration,
    pub network_after: u32,
    pub marks: ArcSwap<Marks>,
    pub nft: Option<Nft>,
    canary_paths: Patterns,
    pub own_paths: Vec<String>,
    /// Whether anybody is kept out: without, tries are only written down for others.
    keeps_out: bool,
    tries: Option<mpsc::Sender<Try>>,
    /// Of those that were not written down. Told of by whoever writes, not one by one by an attack.
    tries_missed: AtomicU64,
    jails: Vec<Jail>,
    pending: Mutex<Pending>,
    /// Held while a ban is written down, lifted or read again: each is either waiting here or in the database's table, and
    /// what was read first is never taken for what is newer.
    pub turn: tokio::sync::Mutex<()>,
    filled: mpsc::Sender<Filled>,
}

/// The task behind it, not yet started.
pub struct Keeper {
    detection: Detection,
    filled: mpsc::Receiver<Filled>,
    told: Option<(Told, mpsc::Receiver<Try>)>,
}

/// A request, as far as jails look at it.
pub struct Request<'a> {
    /// Where from, behind trusted proxies.
    pub address: IpAddr,
    /// What for, as asked.
    pub path: &'a str,
    /// Whether anything is served there.
    pub is_served: bool,
    /// What the program calls itself.
    pub agent: Option<&'a str>,
    /// Whether a page of another site made a browser ask.
    pub is_elsewheres: bool,
}

impl Detection {
    /// Whether the settings can be honoured, as far as they say it themselves.
    pub fn check(settings: &Settings) -> Result<(), Error> {
        jails::from(settings)?;
        canaries::paths(settings)?;
        Told::place(settings).map(drop)
    }

    /// Reads the settings and what is in force.
    pub async fn open(parts: Parts) -> Result<(Detection, Keeper), Error> {
        let Parts { pg, audit, settings, exempt, clock, rng } = parts;
        let this_machine = [IpAddr::from([127, 0, 0, 1]), IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)];
        let allowed = settings.get(&settings::ALLOW).0;
        let exempt: Vec<IpNet> =
            this_machine.map(IpNet::from).into_iter().chain(exempt).chain(allowed).collect();
        let keeps_out = settings.get(&settings::ENABLED);
        let nft = if keeps_out { Nft::open(&settings, &exempt).await? } else { None };
        let told = Told::open(&settings)?.map(|told| (told, mpsc::channel(limits::WAITING.size())));
        let jails = if keeps_out || told.is_some() { jails::from(&settings)? } else { Vec::new() };
        let (tries, told) = match told {
            Some((told, (tries, receiver))) => (Some(tries), Some((told, receiver))),
            None => (None, None),
        };
        let (sender, filled) = mpsc::channel(limits::WAITING.size());
        let detection = Detection(Arc::new(Inner {
            pg,
            audit,
            clock,
            rng,
            exempt,
            marks: ArcSwap::default(),
            nft,
            canary_paths: canaries::paths(&settings)?,
            own_paths: settings.get(&settings::CANARY_PATHS),
            table: ArcSwap::default(),
            counts: Counts::default(),
            ban_time_max: settings.get(&settings::BAN_TIME_MAX),
            network_after: settings.get(&settings::NETWORK_AFTER),
            keeps_out,
            tries,
            tries_missed: AtomicU64::new(0),
            jails,
            pending: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            filled: sender,
        }));
        detection.reload().await?;
        let keeper = Keeper { detection: detection.clone(), filled, told };
        Ok((detection, keeper))
    }

    /// Until when nothing from this address is served.
    pub fn kept_out(&self, address: IpAddr) -> Option<Timestamp> {
        let address = address.to_canonical();
        let until = self.0.table.load().until(address, self.0.clock.now())?;
        (!self.is_exempt(address)).then_some(until)
    }

    /// Counts a request. True when its address is kept out from here on.
    pub fn saw_request(&self, request: &Request<'_>) -> bool {
        if !request.is_served && self.0.canary_paths.any_is(request.path) {
            self.touched_path(request.address, request.path, request.is_elsewheres);
        }
        let counts = |jail: &Jail| match &jail.sees {
            // The same of requests.
            Sees::Requests(requests) => {
                requests.count(request.path, request.is_served || request.is_elsewheres, request.agent)
            }
            Sees::SignIns | Sees::Accounts | Sees::Events(_) | Sees::Canaries(_) => false,
        };
        self.count(request.address, "request", |jail| counts(jail).then_some(None))
    }

    /// Counts a refusal that the audit log was told of.
    pub fn saw_refusal(&self, entry: &Entry) {
        // A page of another site could have its visitors kept out by what it makes their browsers ask for.
        if entry.fact("asked_by").is_some() {
            return;
        }
        let Some(address) = entry.address() else { return };
        self.count(address, entry.event().name(), |jail| match &jail.sees {
            Sees::SignIns => jails::is_sign_in(entry).then_some(None),
            Sees::Accounts => {
                let account = entry.subject().filter(|subject| {
                    jails::is_sign_in(entry)
                        && (subject.starts_with("account:") || subject.starts_with("user:"))
                });
                account.map(Some)
            }
            Sees::Events(events) => {
                events.iter().any(|name| jails::names(name, entry.event())).then_some(None)
            }
            Sees::Canaries(reasons) => {
                let is_touch = entry.event() == Event::CanaryTouched;
                (is_touch && entry.reason().is_some_and(|reason| reasons.contains(&reason))).then_some(None)
            }
            Sees::Requests(_) => None,
        });
    }

    /// Counts a try at every jail that `about` gives something for.
    fn count<'a>(
        &self,
        address: IpAddr,
        what: &'static str,
        about: impl Fn(&Jail) -> Option<Option<&'a str>>,
    ) -> bool {
        let address = address.to_canonical();
        let seeing =
            self.0.jails.iter().enumerate().filter_map(|(at, jail)| Some(((at, jail), about(jail)?)));
        let mut seeing = seeing.peekable();
        if seeing.peek().is_none() || self.is_exempt(address) {
            return false;
        }
        let Some(who) = subject(address) else { return false };
        let now = self.0.clock.now();
        let now_ms = now.as_millisecond();
        let mut is_out = false;
        for ((at, jail), about) in seeing {
            if let Some(tries) = &self.0.tries {
                let one = Try { at: now, jail: jail.name.clone(), address, what };
                if tries.try_send(one).is_err() {
                    self.0.tries_missed.fetch_add(1, Ordering::Relaxed);
                }
            }
            if self.0.keeps_out && self.0.counts.count((at, jail), who, about, now_ms) {
                let reason = format!("{} tries within {} s", jail.max_retry, jail.find_time.as_secs());
                self.keep_out(who, jail, reason, now);
                is_out = true;
            }
        }
        is_out
    }

    /// At once here, and everywhere as soon as it is written down.
    fn keep_out(&self, who: IpNet, jail: &Jail, reason: String, at: Timestamp) {
        let lasts = SignedDuration::try_from(jail.ban_time).unwrap_or(SignedDuration::MAX);
        let until = at.checked_add(lasts).unwrap_or(Timestamp::MAX);
        let number = {
            let mut pending = self.0.pending();
            let Some(number) = pending.add(who, &jail.name, until, at) else { return };
            self.0.table.rcu(|table| table.with(who, until));
            number
        };
        let filled = Filled { who, jail: jail.clone(), reason, at, until, number };
        if self.0.filled.try_send(filled).is_err() {
            self.0.pending().leave(who, number);
            tracing::error!(network = %who, "more bans than can be written down: this one is in force here, and for its time only");
        }
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.0.exempt.iter().any(|network| network.contains(&address))
    }
}

impl Inner {
    /// What is in force here and not yet written down. Whoever holds it decides alone what is in the table.
    pub fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper {
    /// Has refusals counted, writes bans down and follows those of other nodes, until `stop`.
    pub async fn run(mut self, listener: Listener, stop: CancellationToken) {
        let refusals = self.detection.0.audit.refusals();
        // Apart, so that a database that is slow to take a ban keeps nobody from being counted.
        let counting = tokio::spawn(count_refusals(self.detection.clone(), refusals, stop.clone()));
        let mut heard = listener.subscribe();
        // What was touched while nobody ran.
        self.record_touches().await;
        let told = self.told.take();
        let writes = told.map(|(told, tries)| {
            tokio::spawn(write_tries(self.detection.clone(), told, tries, stop.clone()))
        });
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                filled = self.filled.recv() => match filled {
                    Some(filled) => self.write_down(filled).await,
                    None => break,
                },
                said = heard.recv() => match said {
                    Ok(Heard::Note { channel, .. }) if &*channel != CHANNEL => {}
                    Ok(Heard::Note { payload, .. }) if &*payload == TOUCHED => self.record_touches().await,
                    Ok(Heard::Note { .. } | Heard::Gap) | Err(RecvError::Lagged(_)) => {
                        self.reload().await;
                        self.record_touches().await;
                    }
                    Err(RecvError::Closed) => break,
                },
            }
        }
        counting.abort();
        if let Some(nft) = &self.detection.0.nft {
            nft.end().await;
        }
        // The last lines are still written.
        if let Some(writes) = writes
            && let Err(error) = writes.await
        {
            tracing::error!(%error, "what fail2ban reads ends too early");
        }
    }

    async fn write_down(&self, filled: Filled) {
        let inner = &*self.detection.0;
        let turn = inner.turn.lock().await;
        // Lifted before it was written down.
        if !inner.pending().has(filled.who, filled.number) {
            return;
        }
        match self.detection.write_down(&filled).await {
            // From here on the table says until when.
            Ok(()) => inner.pending().settle(filled.who, filled.number),
            Err(error) => {
                inner.pending().leave(filled.who, filled.number);
                tracing::error!(error = %base::fault::chain(&error), network = %filled.who, "a ban is in force here only, and for its time only");
            }
        }
        drop(turn);
        self.reload().await;
    }

    async fn record_touches(&self) {
        if let Err(error) = self.detection.record_touches().await {
            tracing::error!(error = %base::fault::chain(&error), "changes of honey rows wait to be recorded");
        }
    }

    async fn reload(&self) {
        if let Err(error) = self.detection.reload().await {
            tracing::warn!(error = %base::fault::chain(&error), "the bans could not be read again; those known stay in force");
        }
    }
}

/// Counts what is refused, until `stop`.
async fn count_refusals(
    detection: Detection,
    mut refusals: broadcast::Receiver<Arc<Entry>>,
    stop: CancellationToken,
) {
    loop {
        let refusal = tokio::select! {
            () = stop.cancelled() => return,
            refusal = refusals.recv() => refusal,
        };
        match refusal {
            Ok(entry) => detection.saw_refusal(&entry),
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "refusals came faster than they could be counted");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Writes what fail2ban reads, until `stop`; what came before is still written.
async fn write_tries(
    detection: Detection,
    mut told: Told,
    mut tries: mpsc::Receiver<Try>,
    stop: CancellationToken,
) {
    let mut some = Vec::new();
    loop {
        let many = tokio::select! {
            biased;
            many = tries.recv_many(&mut some, TRIES_AT_ONCE) => many,
            () = stop.cancelled() => 0,
        };
        if many == 0 {
            return;
        }
        told.write(&some);
        some.clear();
        let missed = detection.0.tries_missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            tracing::warn!(missed, "tries came faster than they could be written down for fail2ban");
        }
    }
}

/// What a note says when a honey row was changed.
const TOUCHED: &str = "touched";
/// Lines that are written together.
const TRIES_AT_ONCE: usize = 256;
