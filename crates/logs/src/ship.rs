//! Sending logs elsewhere, as long as it takes (control 99). What waits, waits where it is anyway: lines in the log's files,
//! entries in the chain; only how far each was sent is kept besides. So an outage costs no room of its own, loses
//! nothing that the files still hold, and keeps the order.
//!
//! Lines are each node's own; the chain is everybody's, and sent by whichever node has the turn.
//!
//! Invariant: how far was sent moves only after the receiver confirmed. A crash in between sends a batch again; entries
//! carry their place in the chain, by which a receiver knows them.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use audit::{Audit, Entry, Event, Filter};
use base::{Clock, Rng, Settings};
use jiff::{SignedDuration, Timestamp};
use outbound::Outbound;
use pg::{Pg, Reason, Statement};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::otlp::Otlp;
use crate::record::Record;
use crate::s3::S3;
use crate::syslog::Syslog;
use crate::{COMBINED, Error, Place, limits, read_after, settings, sql};

/// Where the probes listen, in the data folder: nobody is sent anything there but who may read that folder.
pub const PROBES_SOCKET: &str = "logs.sock";

/// How often is looked for something to send.
const TICK: Duration = Duration::from_millis(500);

/// What sending is built from.
pub struct Parts {
    /// The merged settings.
    pub settings: Settings,
    /// The data folder: the log's files are in `logs/` below it.
    pub data: PathBuf,
    /// Where it is kept how far was sent.
    pub pg: Pg,
    /// The log that is sent.
    pub audit: Audit,
    /// The way out.
    pub outbound: Outbound,
    /// The time.
    pub clock: Clock,
    /// Randomness, to tell nodes apart.
    pub rng: Rng,
}

/// Everything that is sent somewhere.
pub struct Shipping(Vec<Line>);

/// Where to.
enum Sink {
    Syslog(Syslog),
    Otlp(Otlp),
    S3(S3),
}

/// One receiver, and how far it is.
struct Line {
    name: &'static str,
    sink: Sink,
    every: Duration,
    /// The probes' own: there only while its socket is, and begun anew each time.
    socket: Option<PathBuf>,
    logs: PathBuf,
    kept: PathBuf,
    place: Option<Place>,
    seq: Option<i64>,
    node: String,
    parts: Arc<Parts>,
    is_down: bool,
}

/// Those that are set.
fn sinks(settings: &Settings) -> Result<Vec<(&'static str, Sink, Duration)>, Error> {
    let mut sinks = Vec::new();
    if let Some(address) = settings.get(&settings::SYSLOG_ADDRESS) {
        let syslog = Syslog::at(&address, &settings.get(&settings::SYSLOG_TAG))?;
        sinks.push(("syslog", Sink::Syslog(syslog), TICK));
    }
    if let Some(otlp) = Otlp::from(settings)? {
        sinks.push(("otlp", Sink::Otlp(otlp), TICK));
    }
    if let Some(s3) = S3::from(settings)? {
        sinks.push(("s3", Sink::S3(s3), settings.get(&settings::S3_EVERY)));
    }
    Ok(sinks)
}

impl Shipping {
    /// Whether the settings can be honoured.
    pub fn check(settings: &Settings) -> Result<(), Error> {
        sinks(settings).map(drop)
    }

    /// Reads how far each receiver is.
    pub fn open(parts: Parts) -> Result<Self, Error> {
        let parts = Arc::new(parts);
        let logs = parts.data.join("logs");
        let node = sender(&logs, &parts.rng).map_err(Error::Files)?;
        let line = |name, sink, every, socket| {
            let kept = logs.join(format!("{name}.sent"));
            let place = std::fs::read_to_string(&kept).ok().and_then(|text| Place::read(&text));
            Line {
                name,
                sink,
                every,
                socket,
                logs: logs.clone(),
                kept,
                place,
                seq: None,
                node: node.clone(),
                parts: parts.clone(),
                is_down: false,
            }
        };
        let socket = parts.data.join(PROBES_SOCKET);
        let probes = Sink::Syslog(Syslog::socket(&socket));
        let mut lines = vec![Line { place: None, ..line("probes", probes, TICK, Some(socket)) }];
        let set = sinks(&parts.settings)?;
        lines.extend(set.into_iter().map(|(name, sink, every)| line(name, sink, every, None)));
        Ok(Shipping(lines))
    }

    /// Sends until `stop`, and then what is left, within a bound.
    pub fn spawn(self, tracker: &TaskTracker, stop: &CancellationToken) {
        for line in self.0 {
            tracker.spawn(line.run(stop.clone()));
        }
    }
}

impl Line {
    async fn run(mut self, stop: CancellationToken) {
        let mut pause = self.every;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
            let sent = tokio::select! {
                () = stop.cancelled() => break,
                sent = self.round() => sent,
            };
            pause = match sent {
                Ok(()) => self.every,
                // Twice as long each time: whoever comes back is not met by everybody at once.
                Err(_) => (pause * 2).clamp(TICK * 2, Duration::from_secs(limits::PAUSE_SECONDS.value)),
            };
            self.note(sent).await;
        }
        if self.socket.is_none() && !self.is_down {
            // What does not leave now leaves after the next start.
            let limit = Duration::from_secs(limits::STOP_SECONDS.value);
            let _rest = tokio::time::timeout(limit, self.round()).await;
        }
        if self.seq.is_some() && self.leave().await.is_err() {
            tracing::debug!(sink = self.name, "the turn to send runs out by itself");
        }
    }

    /// Everything there is to send now. What sending itself makes the log say (at level debug) is for the next round.
    async fn round(&mut self) -> Result<(), Error> {
        if !self.is_wanted().await? {
            return Ok(());
        }
        while self.send_lines().await? | self.send_entries().await? {}
        Ok(())
    }

    /// The probes' socket comes and goes; what was said before it came is not for them.
    async fn is_wanted(&mut self) -> Result<bool, Error> {
        let Some(socket) = &self.socket else { return Ok(true) };
        if !socket.exists() {
            (self.place, self.seq) = (None, None);
            return Ok(false);
        }
        if self.place.is_none() {
            self.place = Place::end(&self.logs, COMBINED).ok();
        }
        if self.seq.is_none() {
            let mut tx = self.parts.pg.begin_system(Reason::Shipping).await?;
            let end = tx.run(Statement::new(sql::END, [])).await?;
            tx.roll_back().await?;
            self.seq = end.first().map(|row| row.get("seq")).transpose()?;
        }
        Ok(true)
    }

    /// Lines of our own log. Says whether there may be more.
    async fn send_lines(&mut self) -> Result<bool, Error> {
        let mut from = self.place.unwrap_or_default();
        let chunk =
            read_after(&self.logs, COMBINED, from, limits::BATCH_BYTES.value).map_err(Error::Files)?;
        if chunk.lost > 0 {
            // Told once, however often sending what is left is tried.
            from = Place { file: chunk.next.file, offset: 0 };
            self.stand(from).map_err(Error::Files)?;
            self.lost(chunk.lost).await;
        }
        let now = self.parts.clock.now();
        let records: Vec<Record> = chunk.lines.lines().map(|line| Record::of_line(line, now)).collect();
        if !records.is_empty() {
            // Other nodes, and the same one with another data folder, have lines at the same place of a file.
            self.deliver(&records, &format!("{}-{}-{}", self.node, from.file, from.offset)).await?;
        }
        self.stand(chunk.next).map_err(Error::Files)?;
        Ok(chunk.more)
    }

    /// Entries of the chain, when it is our turn. Says whether there may be more.
    async fn send_entries(&mut self) -> Result<bool, Error> {
        let Some(mut after) = self.turn().await? else { return Ok(false) };
        let found = self.parts.audit.export(&Filter::default(), after).await?;
        let mut rest = found.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|entry| {
                bytes += entry.line().len() as u64;
                bytes <= limits::BATCH_BYTES.value
            });
            let (batch, behind) = rest.split_at(fits.count().max(1));
            let records: Vec<Record> = batch.iter().map(Record::of_entry).collect();
            let last = batch.last().map_or(after, |entry| entry.seq);
            self.deliver(&records, &format!("{:012}-{last:012}", after + 1)).await?;
            if !self.moved(last).await? {
                return Ok(false);
            }
            (after, rest) = (last, behind);
        }
        Ok(found.len() as u64 >= audit::limits::READ_CHUNK.value)
    }

    async fn deliver(&self, records: &[Record], name: &str) -> Result<(), Error> {
        let outbound = &self.parts.outbound;
        match &self.sink {
            Sink::Syslog(syslog) => syslog.deliver(outbound, records).await,
            Sink::Otlp(otlp) => otlp.deliver(outbound, records).await,
            Sink::S3(s3) => s3.deliver(outbound, records, name, self.parts.clock.now()).await,
        }
    }

    /// How far the chain was sent, if it is our turn to send it.
    async fn turn(&mut self) -> Result<Option<i64>, Error> {
        if self.socket.is_some() {
            return Ok(self.seq);
        }
        let (now, until) = self.lease();
        let params = [self.name.into(), self.node.as_str().into(), now.into(), until.into()];
        let mut tx = self.parts.pg.begin_system(Reason::Shipping).await?;
        let taken = tx.run(Statement::new(sql::TAKE, params)).await?;
        tx.commit(()).await?.into_inner();
        self.seq = taken.first().map(|row| row.get("seq")).transpose()?;
        Ok(self.seq)
    }

    /// It was sent to here. False when another node took the turn meanwhile.
    async fn moved(&mut self, to: i64) -> Result<bool, Error> {
        self.seq = Some(to);
        if self.socket.is_some() {
            return Ok(true);
        }
        let (now, until) = self.lease();
        let params = [self.name.into(), self.node.as_str().into(), to.into(), now.into(), until.into()];
        let mut tx = self.parts.pg.begin_system(Reason::Shipping).await?;
        let moved = tx.run(Statement::new(sql::MOVE, params)).await?;
        tx.commit(()).await?.into_inner();
        Ok(moved.first().is_some())
    }

    async fn leave(&self) -> Result<(), Error> {
        if self.socket.is_some() {
            return Ok(());
        }
        let params = [self.name.into(), self.node.as_str().into()];
        let mut tx = self.parts.pg.begin_system(Reason::Shipping).await?;
        tx.run(Statement::new(sql::LEAVE, params)).await?;
        tx.commit(()).await?.into_inner();
        Ok(())
    }

    fn lease(&self) -> (Timestamp, Timestamp) {
        let now = self.parts.clock.now();
        let seconds = i64::try_from(limits::TURN_SECONDS.value).unwrap_or(i64::MAX);
        (now, now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX))
    }

    /// Goes on from here, also after the next start.
    fn stand(&mut self, place: Place) -> std::io::Result<()> {
        if self.place == Some(place) {
            return Ok(());
        }
        self.place = Some(place);
        match self.socket {
            Some(_) => Ok(()),
            None => write_whole(&self.kept, &place.to_string()),
        }
    }

    /// Says once that a receiver is gone, and once that it is back. Recorded before it is said: who reads it in the log of
    /// the program finds it in the audit log too, even if the program is killed at that moment.
    async fn note(&mut self, sent: Result<(), Error>) {
        let is_down = sent.is_err();
        if self.socket.is_some() || is_down == std::mem::replace(&mut self.is_down, is_down) {
            return;
        }
        let Err(error) = sent else {
            self.record(Entry::system(Event::LogsFlow)).await;
            tracing::warn!(sink = self.name, "logs are sent again");
            return;
        };
        let why = base::fault::chain(&error);
        self.record(
            Entry::system(Event::LogsHeldUp).failed(base::Fault::code(&error)).detail("error", why.as_str()),
        )
        .await;
        tracing::error!(sink = self.name, error = why, "logs are held up until their receiver is back");
    }

    async fn lost(&self, files: u64) {
        tracing::error!(sink = self.name, files, "files of the log were removed before they were sent");
        self.record(Entry::system(Event::LogsLost).detail("files", files)).await;
    }

    async fn record(&self, entry: Entry) {
        if let Err(error) = self.parts.audit.record_alone(entry.about(format!("sink:{}", self.name))).await {
            tracing::error!(error = %base::fault::chain(&error), "what becomes of the logs could not be recorded");
        }
    }
}

/// Who sends from this data folder: the same after a crash, so that it does not wait for its own turn to run out.
fn sender(logs: &Path, rng: &Rng) -> std::io::Result<String> {
    let path = logs.join("sender");
    if let Ok(known) = std::fs::read_to_string(&path)
        && known.len() == 16
    {
        return Ok(known);
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(logs)?;
    let new = hex(rng.bytes::<8>());
    write_whole(&path, &new)?;
    Ok(new)
}

/// Written beside, then put in its place: half of it is never read.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let next = path.with_extension("next");
    std::fs::write(&next, text)?;
    std::fs::rename(&next, path)
}

pub(crate) fn hex<const N: usize>(bytes: [u8; N]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
