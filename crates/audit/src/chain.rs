//! The sequencer: gives committed entries their place, in batches, one node at a time.
//!
//! Places are given in the order in which entries became visible, so a transaction that commits late comes late and
//! nothing waits for it. Before each batch the end of the chain is compared with the head this node saw last: a
//! database that lost entries since is reported, not continued in silence.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pg::{Open, Param, Reason, Rows};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::entry::Entry;
use crate::event::Event;
use crate::heads::{Head, HeadFile};
use crate::keys::{GENESIS, Hash, leaf, link, read_hash};
use crate::lane::bytea_array;
use crate::record::Audit;
use crate::sink::Sink;
use crate::verify::REPORTED_REASON;
use crate::{Error, limits, sql};

/// How often what was appended here is chained.
const TICK: Duration = Duration::from_millis(500);
/// How often to look for what others appended and left.
const IDLE_TICKS: u32 = 10;

/// Chains what was committed.
pub struct Sequencer {
    audit: Audit,
    heads: HeadFile,
    sink: Option<Sink>,
    /// Inbox rows that are not ours: reported once, never chained.
    forged: HashSet<Uuid>,
    /// The head seen last when the chain was found without it, and that is recorded.
    reported: Option<Hash>,
}

/// Where the chain ends in the database.
#[derive(Clone, Copy)]
struct Tail {
    seq: i64,
    hash: Hash,
    at: Option<Timestamp>,
}

/// Entries with their places computed.
struct Batch {
    ids: Vec<String>,
    leaves: Vec<Hash>,
    hashes: Vec<Hash>,
    macs: Vec<Hash>,
    head: Head,
}

impl Sequencer {
    pub(crate) fn new(audit: Audit, heads: HeadFile, sink: Option<Sink>) -> Self {
        Sequencer { audit, heads, sink, forged: HashSet::new(), reported: None }
    }

    /// Runs until the lane is done, then chains what is left.
    pub(crate) async fn run(
        mut self,
        mut asked: mpsc::Receiver<oneshot::Sender<()>>,
        lane_done: CancellationToken,
    ) {
        let wake = self.audit.0.wake();
        let mut idle = 0;
        loop {
            tokio::select! {
                () = lane_done.cancelled() => break,
                () = wake.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
            let appended = self.audit.0.appended.swap(false, Ordering::AcqRel);
            let waiting: Vec<_> = std::iter::from_fn(|| asked.try_recv().ok()).collect();
            idle += 1;
            if appended || !waiting.is_empty() || idle >= IDLE_TICKS || !self.copies_ok() {
                idle = 0;
                self.chain_all().await;
            }
            for waiting in waiting {
                // Whoever asked may have stopped waiting.
                let _ = waiting.send(());
            }
        }
        self.chain_all().await;
    }

    fn copies_ok(&self) -> bool {
        let status = self.audit.status();
        status.sink_ok && status.heads_ok
    }

    /// Rounds until nothing waits. A failure is logged and tried again at the next tick.
    async fn chain_all(&mut self) {
        loop {
            match self.round().await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    self.audit.0.appended.store(true, Ordering::Release);
                    tracing::error!(error = %base::fault::chain(&error), "the audit chain waits");
                    break;
                }
            }
        }
    }

    /// Chains one batch and writes its head and lines outside the database. Returns how many entries it chained:
    /// none when nothing waits, or while another node is at it.
    pub async fn round(&mut self) -> Result<usize, Error> {
        let chained = self.chain_batch().await;
        // Whatever became of the batch: only these two notice that a disk has room again.
        let heads = self.keep_head().await;
        note(&self.audit.0.health.heads_failed, &heads, "the head of the audit chain cannot be kept");
        let sink = self.write_sink().await;
        note(&self.audit.0.health.sink_failed, &sink, "the audit file cannot be written");
        heads.and(sink)?;
        chained
    }

    async fn chain_batch(&mut self) -> Result<usize, Error> {
        let mut tx = self.audit.0.pg.begin_system(Reason::Audit).await?;
        let Some(tail) = take_turn(&mut tx).await? else {
            tx.roll_back().await?;
            return Ok(0);
        };
        let reported = self.compare(&mut tx, tail).await?;
        let forged = self.forged.iter().map(Uuid::to_string).collect::<Vec<_>>();
        let limit = i64::try_from(limits::CHAIN_BATCH.value).unwrap_or(i64::MAX);
        let rows = tx.query(sql::WAITING, [limit.into(), forged.into()]).await?;
        let now = self.now(tail);
        let batch = self.place(&rows, tail, now)?;
        let Some(batch) = batch else {
            // What compare() found wrong must stay recorded even when nothing else waits.
            tx.commit(()).await?.into_inner();
            self.reported = reported;
            return Ok(0);
        };
        let count = batch.ids.len();
        tx.query(sql::CHAIN, self.chain_params(tail, &batch)).await?;
        tx.commit(()).await?.into_inner();
        self.reported = reported;
        self.audit.0.grown.send_replace(batch.head.seq);
        Ok(count)
    }

    /// The time, as the database keeps it; a step back is recorded.
    fn now(&self, tail: Tail) -> Timestamp {
        let now = self.audit.0.clock.now();
        let tolerated = SignedDuration::from_secs(limits::CLOCK_BACK_SECONDS.value as i64);
        if let Some(before) = tail.at.filter(|before| now.duration_until(*before) > tolerated) {
            tracing::error!(%before, %now, "the clock went backwards");
            let entry = Entry::system(Event::ClockWentBack).failed("audit.clock");
            self.audit.refused(entry.detail("before", before).detail("now", now));
        }
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// Reports a chain that does not contain the head this node saw last, once, and returns that head's hash.
    async fn compare(&self, tx: &mut Open, tail: Tail) -> Result<Option<Hash>, Error> {
        let Some(seen) = self.heads.last().filter(|seen| seen.seq != tail.seq || seen.hash != tail.hash)
        else {
            return Ok(None);
        };
        let there: Option<Vec<u8>> =
            tx.query(sql::HASH_AT, [seen.seq.into()]).await?.first().map(|row| row.at(0)).transpose()?;
        if there.is_some_and(|hash| hash == seen.hash) {
            return Ok(None);
        }
        self.audit.0.health.tampered.store(true, Ordering::Release);
        if self.reported != Some(seen.hash) {
            tracing::error!(
                seen = seen.seq,
                end = tail.seq,
                "the audit chain was changed: run `palisade audit verify`"
            );
            let entry = Entry::system(Event::TamperingFound)
                .failed(REPORTED_REASON)
                .detail("seen_seq", seen.seq)
                .detail("seen_hash", hex::encode(seen.hash))
                .detail("found_end", tail.seq);
            self.audit.record(tx, entry).await?;
        }
        Ok(Some(seen.hash))
    }

    /// Computes the places of what waits. Rows that were not made by us stay where they are.
    fn place(&mut self, rows: &Rows, tail: Tail, now: Timestamp) -> Result<Option<Batch>, Error> {
        let keys = &self.audit.0.keys;
        let Tail { mut seq, mut hash, .. } = tail;
        let (mut ids, mut leaves, mut hashes, mut macs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in rows.iter() {
            let (id, salt, body): (Uuid, Vec<u8>, String) = (row.at(0)?, row.at(1)?, row.at(3)?);
            let origin: Vec<u8> = row.at(2)?;
            if !seal::same(&origin, &keys.origin(id, &salt, &body)) {
                if self.forged.len() < limits::PAGE.size() && self.forged.insert(id) {
                    report_forged(&self.audit, id);
                }
                continue;
            }
            seq += 1;
            let leaf = leaf(&salt, id, &body);
            hash = link(&hash, seq, now, &leaf);
            ids.push(id.to_string());
            leaves.push(leaf);
            hashes.push(hash);
            macs.push(keys.mac(&hash));
        }
        let head = Head::sign(keys, seq, now, hash, &self.audit.0.node);
        Ok((!ids.is_empty()).then_some(Batch { ids, leaves, hashes, macs, head }))
    }

    fn chain_params(&self, tail: Tail, batch: &Batch) -> [Param; 10] {
        let Batch { ids, leaves, hashes, macs, head } = batch;
        let array = |hashes: &[Hash]| bytea_array(hashes.iter().map(Hash::as_slice));
        let proof = self.audit.0.keys.batch_proof(tail.seq, &tail.hash, &head.hash);
        [
            tail.seq.into(),
            tail.hash.into(),
            head.at.into(),
            ids.clone().into(),
            array(leaves),
            array(hashes),
            array(macs),
            head.node.as_str().into(),
            (*head.signature()).into(),
            proof.into(),
        ]
    }

    /// Writes the newest head outside the database, whichever node made it: every node is a witness.
    async fn keep_head(&mut self) -> Result<(), Error> {
        let mut tx = self.audit.0.pg.begin_system(Reason::Audit).await?;
        let head = tx.query(sql::LAST_HEAD, []).await?.first().map(Head::read).transpose()?;
        tx.roll_back().await?;
        let Some(head) = head else { return Ok(()) };
        // Only a later head is news: an earlier one means that the end went back since compare() looked, and what was
        // seen must stay remembered until compare() has reported it. And one that is not ours is no witness.
        let reported = |last: &Head| self.reported == Some(last.hash) && head != *last;
        let news = self.heads.last().is_none_or(|last| head.seq > last.seq || reported(last));
        if news && head.is_ours(&self.audit.0.keys) { self.heads.append(&head).await } else { Ok(()) }
    }

    async fn write_sink(&mut self) -> Result<(), Error> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        loop {
            let limit = i64::try_from(limits::READ_CHUNK.value).unwrap_or(i64::MAX);
            let mut tx = self.audit.0.pg.begin_system(Reason::Audit).await?;
            let rows = tx.query(sql::READ, [sink.cursor().into(), limit.into()]).await?;
            tx.roll_back().await?;
            if rows.is_empty() {
                return Ok(());
            }
            sink.write(&rows).await?;
        }
    }
}

async fn take_turn(tx: &mut Open) -> Result<Option<Tail>, Error> {
    let rows = tx.query(sql::TAKE_TURN, []).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (seq, hash): (i64, Vec<u8>) = (row.at(0)?, row.at(1)?);
    let hash = if seq == 0 { Some(GENESIS) } else { read_hash(&hash) };
    let hash = hash.ok_or(pg::Error::Shape { column: "tail_hash".to_owned(), expected: "hash" })?;
    Ok(Some(Tail { seq, hash, at: row.at(2)? }))
}

fn report_forged(audit: &Audit, id: Uuid) {
    tracing::error!(%id, "an entry in the audit inbox was not made by this server");
    audit.0.health.tampered.store(true, Ordering::Release);
    audit.refused(
        Entry::system(Event::TamperingFound).failed("audit.forged_entry").about(format!("entry:{id}")),
    );
}

/// Remembers whether a copy keeps up, and says so once per change. A database that does not answer says nothing of it.
fn note(failed: &AtomicBool, outcome: &Result<(), Error>, what: &str) {
    match outcome {
        Ok(()) if failed.swap(false, Ordering::AcqRel) => tracing::warn!("no longer: {what}"),
        Err(error @ Error::Unwritable { .. }) if !failed.swap(true, Ordering::AcqRel) => {
            tracing::error!(error = %base::fault::chain(error), "{what}");
        }
        Ok(()) | Err(_) => {}
    }
}
