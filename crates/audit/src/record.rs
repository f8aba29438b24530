//! The handle everybody records with, and what is started behind it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use base::{Clock, Rng, Settings};
use jiff::Timestamp;
use pg::{Open, Param, Pg, Reason};
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::chain::Sequencer;
use crate::entry::{Body, Entry};
use crate::event::{Need, Severity};
use crate::heads::HeadFile;
use crate::keys::{Hash, Keys};
use crate::lane::{self, Lane, bytea_array};
use crate::sink::Sink;
use crate::{Error, limits, settings, sql};

/// What the log is built from.
pub struct Parts {
    /// The database.
    pub pg: Pg,
    /// The merged settings.
    pub settings: Settings,
    /// The instance's data directory; the log keeps its heads in `audit/` below it.
    pub data_dir: PathBuf,
    /// This node's name, as entries carry it.
    pub node: Arc<str>,
    /// The keys.
    pub keys: Keys,
    /// The time.
    pub clock: Clock,
    /// Randomness, for ids and salts.
    pub rng: Rng,
}

/// The audit log. Cheap to clone; everybody who records holds one.
#[derive(Clone)]
pub struct Audit(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub pg: Pg,
    pub keys: Keys,
    pub clock: Clock,
    pub node: Arc<str>,
    pub data_dir: PathBuf,
    pub health: Health,
    /// Something was appended here and may be waiting.
    pub appended: AtomicBool,
    /// Refusals that found the queue full.
    pub lost: AtomicU64,
    rng: Rng,
    detailed: bool,
    lane: mpsc::Sender<lane::Message>,
    told: broadcast::Sender<Arc<Entry>>,
    /// Where the chain ended when this node last added to it.
    pub grown: watch::Sender<i64>,
    chain_now: Arc<Notify>,
    chained: mpsc::Sender<oneshot::Sender<()>>,
    sink_path: Option<PathBuf>,
    head_path: PathBuf,
}

/// Whether the copies outside the database keep up.
#[derive(Default)]
pub(crate) struct Health {
    pub sink_failed: AtomicBool,
    pub heads_failed: AtomicBool,
    pub tampered: AtomicBool,
}

/// How the log is doing, for health pages and probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The file sink, when there is one, took the last write.
    pub sink_ok: bool,
    /// The head file took the last write.
    pub heads_ok: bool,
    /// Tampering was seen since the start.
    pub tampered: bool,
}

/// The two tasks behind the handle, not yet started.
pub struct Tasks {
    /// Writes refusals.
    pub lane: Lane,
    /// Chains what was committed.
    pub sequencer: Sequencer,
    asked: mpsc::Receiver<oneshot::Sender<()>>,
}

/// An entry with its id and proofs, ready to append.
#[derive(Clone)]
pub(crate) struct Sealed {
    pub id: Uuid,
    pub salt: [u8; 16],
    pub origin: Hash,
    pub body: String,
    pub proof: Hash,
}

impl Audit {
    /// Opens the log: checks that the database's log was begun with the same key, opens the head file and the sink.
    pub async fn open(parts: Parts) -> Result<(Audit, Tasks), Error> {
        let Parts { pg, settings, data_dir, node, keys, clock, rng } = parts;
        install_door(&pg, &keys).await?;
        let level = settings.get(&settings::AUDIT_LOG_LEVEL);
        let sink = Sink::open(&settings, &data_dir)?;
        let heads = HeadFile::open(&data_dir)?;
        let (lane, lane_queue) = mpsc::channel(limits::LANE_QUEUE.size());
        let (chained, asked) = mpsc::channel(limits::SETTLING.size());
        let audit = Audit(Arc::new(Inner {
            pg,
            keys,
            clock,
            node,
            data_dir,
            health: Health::default(),
            appended: AtomicBool::new(true),
            lost: AtomicU64::new(0),
            rng,
            detailed: level == "debug",
            lane,
            told: broadcast::Sender::new(limits::TOLD.size()),
            grown: watch::Sender::new(0),
            chain_now: Arc::new(Notify::new()),
            chained,
            sink_path: sink.as_ref().map(|sink| sink.path().to_owned()),
            head_path: heads.path().to_owned(),
        }));
        let lane = Lane::new(audit.clone(), lane_queue);
        let sequencer = Sequencer::new(audit.clone(), heads, sink);
        Ok((audit, Tasks { lane, sequencer, asked }))
    }

    /// Appends an entry in the caller's or the system's transaction. When this fails, the action must not happen:
    /// let the error go up, and the transaction rolls back.
    pub async fn record(&self, tx: &mut Open, entry: Entry) -> Result<(), Error> {
        if self.skips(&entry) {
            return Ok(());
        }
        if entry.event.need() == Need::Must {
            self.require_copies(&entry).await?;
        }
        let Sealed { id, salt, origin, body, proof } = self.seal(&entry, 1);
        tx.query(sql::APPEND, [id.into(), salt.into(), origin.into(), body.into(), proof.into()]).await?;
        self.0.appended.store(true, Ordering::Release);
        Ok(())
    }

    /// Appends an entry in a transaction of its own, at once: for what has none, such as the start of the server.
    pub async fn record_alone(&self, entry: Entry) -> Result<(), Error> {
        let mut tx = self.0.pg.begin_system(Reason::Audit).await?;
        self.record(&mut tx, entry).await?;
        tx.commit(()).await?.into_inner();
        Ok(())
    }

    /// Appends several entries in one transaction of its own, all or none: for what changes many things at once, such
    /// as a start with other settings.
    pub async fn record_many(&self, entries: &[Entry]) -> Result<(), Error> {
        for entry in entries.iter().filter(|entry| entry.event.need() == Need::Must).take(1) {
            self.require_copies(entry).await?;
        }
        let entries = entries.iter().filter(|entry| !self.skips(entry));
        let sealed: Vec<Sealed> = entries.map(|entry| self.seal(entry, 1)).collect();
        self.append_many(&sealed).await
    }

    /// Appends sealed entries in one transaction.
    pub(crate) async fn append_many(&self, entries: &[Sealed]) -> Result<(), Error> {
        let mut tx = self.0.pg.begin_system(Reason::Audit).await?;
        for batch in entries.chunks(limits::LANE_BATCH.size()) {
            tx.query(sql::APPEND_MANY, append_params(batch)).await?;
        }
        tx.commit(()).await?.into_inner();
        self.0.appended.store(true, Ordering::Release);
        Ok(())
    }

    /// Records a refusal, or anything else whose own transaction does not commit. Never waits and never fails: past
    /// the queue's limit entries are counted as lost, and that is recorded.
    pub fn refused(&self, entry: Entry) {
        if self.skips(&entry) {
            return;
        }
        // Nobody listens, or somebody does: both are fine.
        let _ = self.0.told.send(Arc::new(entry.clone()));
        let at = self.0.clock.now();
        if self.0.lane.try_send(lane::Message::Entry(Box::new(entry), at)).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Every refusal as it comes, one by one, before identical ones are folded: for whoever counts them. Who falls behind
    /// misses some.
    pub fn refusals(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.0.told.subscribe()
    }

    /// Changes when this node has added to the chain: for whoever reads it from where they stand.
    pub fn grown(&self) -> watch::Receiver<i64> {
        self.0.grown.subscribe()
    }

    /// Waits until everything recorded so far is chained: for operators' commands, and for tests.
    pub async fn settle(&self) -> Result<(), Error> {
        let (done, written) = oneshot::channel();
        self.0.lane.send(lane::Message::Flush(done)).await.map_err(|_| Error::Closed)?;
        written.await.map_err(|_| Error::Closed)?;
        let (done, chained) = oneshot::channel();
        self.0.chained.send(done).await.map_err(|_| Error::Closed)?;
        self.0.chain_now.notify_one();
        chained.await.map_err(|_| Error::Closed)
    }

    /// How the log is doing.
    pub fn status(&self) -> Status {
        let health = &self.0.health;
        Status {
            sink_ok: !health.sink_failed.load(Ordering::Acquire),
            heads_ok: !health.heads_failed.load(Ordering::Acquire),
            tampered: health.tampered.load(Ordering::Acquire),
        }
    }

    fn skips(&self, entry: &Entry) -> bool {
        entry.event.severity() == Severity::Debug && !self.0.detailed
    }

    /// Refuses a must-audit action while a copy outside the database cannot be written (attack row 109). What
    /// administrators do is rare enough to try the files each time; for the rest the last write tells.
    async fn require_copies(&self, entry: &Entry) -> Result<(), Error> {
        let inner = &self.0;
        if matches!(entry.event.category(), "admin" | "config" | "key") {
            let paths = [Some(inner.head_path.clone()), inner.sink_path.clone()];
            for path in paths.into_iter().flatten() {
                let mut options = tokio::fs::OpenOptions::new();
                let opened = options.append(true).create(true).mode(0o600).open(&path).await;
                opened.map_err(|source| Error::Unwritable { path, source })?;
            }
        }
        if inner.health.heads_failed.load(Ordering::Acquire) {
            return Err(Error::Stalled { what: "head file" });
        }
        if inner.health.sink_failed.load(Ordering::Acquire) {
            return Err(Error::Stalled { what: "file" });
        }
        Ok(())
    }

    /// Gives an entry its id, time and proofs. `count` is how many identical ones it stands for.
    pub(crate) fn seal(&self, entry: &Entry, count: u64) -> Sealed {
        self.seal_at(entry, count, self.0.clock.now())
    }

    pub(crate) fn seal_at(&self, entry: &Entry, count: u64, at: Timestamp) -> Sealed {
        let inner = &self.0;
        let id = id_at(at, inner.rng.bytes());
        let salt = inner.rng.bytes();
        let body = body_text(entry, id, at, count, &inner.node);
        let origin = inner.keys.origin(id, &salt, &body);
        let proof = inner.keys.entry_proof(id, &salt, &origin, &body);
        Sealed { id, salt, origin, body, proof }
    }
}

impl Tasks {
    /// Starts both tasks on `tracker`. When `stop` is cancelled the lane writes what it holds, the sequencer chains
    /// the rest, and both end: cancel it only after everything that records has ended.
    pub fn spawn(self, tracker: &TaskTracker, stop: CancellationToken) {
        let Tasks { lane, sequencer, asked } = self;
        let lane_done = CancellationToken::new();
        tracker.spawn(lane.run(stop, lane_done.clone()));
        tracker.spawn(sequencer.run(asked, lane_done));
    }
}

impl Inner {
    /// Wakes the sequencer.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        self.chain_now.clone()
    }
}

async fn install_door(pg: &Pg, keys: &Keys) -> Result<(), Error> {
    let (inner, outer) = keys.pads();
    let mut tx = pg.begin_system(Reason::Audit).await?;
    let rows = tx
        .query(sql::INSTALL_DOOR, [inner.expose().as_slice().into(), outer.expose().as_slice().into()])
        .await?;
    let ours = rows.first().map(|row| row.at::<bool>(0)).transpose()?;
    tx.commit(()).await?.into_inner();
    if ours == Some(true) { Ok(()) } else { Err(Error::OtherRootKey) }
}

/// A version 7 UUID, so that ids of one time lie together in the index.
fn id_at(at: Timestamp, random: [u8; 10]) -> Uuid {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

fn body_text(entry: &Entry, id: Uuid, at: Timestamp, count: u64, node: &str) -> String {
    let body = Body {
        id,
        // The database keeps microseconds.
        at: Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at),
        event: entry.event.name(),
        severity: entry.event.severity().name(),
        outcome: entry.outcome.name(),
        actor: &entry.actor,
        acting: entry.acting.map(|admin| format!("user:{admin}")),
        role: entry.role.as_deref(),
        session: entry.session,
        aal: entry.level,
        subject: entry.subject.as_deref(),
        address: entry.address,
        request_id: entry.request_id.as_deref(),
        reason: entry.reason.as_deref(),
        before: &entry.before,
        after: &entry.after,
        details: &entry.details,
        count,
        node,
        cut: false,
    };
    // Strings, numbers and uuids under string keys always serialise; an empty body would be refused by the door.
    body.text().unwrap_or_default()
}

fn append_params(entries: &[Sealed]) -> [Param; 5] {
    let texts = |take: fn(&Sealed) -> String| entries.iter().map(take).collect::<Vec<_>>().into();
    let bytes = |take: fn(&Sealed) -> &[u8]| bytea_array(entries.iter().map(take));
    [
        texts(|entry| entry.id.to_string()),
        bytes(|entry| &entry.salt),
        bytes(|entry| &entry.origin),
        texts(|entry| entry.body.clone()),
        bytes(|entry| &entry.proof),
    ]
}
