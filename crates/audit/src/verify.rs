//! Verification: reads the whole chain and names the first entry that is not as it was recorded.
//!
//! Three things are compared: each entry with its own commitments, each place with the key that is not in the
//! database, and the chain with the heads kept outside. The first finds edits, the second rewrites, the third what
//! is no longer there.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pg::{Reason, Row};
use uuid::Uuid;

use crate::event::Event;
use crate::heads::{self, Head};
use crate::keys::{GENESIS, Hash, Keys, leaf, link, read_hash};
use crate::record::Audit;
use crate::{Error, limits, sql};

/// What was done to an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tampering {
    /// Its content is not what was recorded.
    Edited,
    /// It is not there, and later ones are.
    Missing,
    /// It is not there, nor anything after it.
    CutTail,
    /// It is a true entry in a place that is not its own.
    Moved,
    /// It was chained by somebody without the key.
    Rewritten,
    /// The chain is consistent and not the one whose heads were kept.
    Replaced,
    /// A kept head was not signed by us.
    ForgedHead,
    /// It was recorded at a time before the one before it.
    ClockWentBack,
}

impl Tampering {
    /// As reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Tampering::Edited => "edited",
            Tampering::Missing => "missing",
            Tampering::CutTail => "cut_tail",
            Tampering::Moved => "moved",
            Tampering::Rewritten => "rewritten",
            Tampering::Replaced => "replaced",
            Tampering::ForgedHead => "forged_head",
            Tampering::ClockWentBack => "clock_went_back",
        }
    }
}

/// The first bad entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bad {
    /// Its place.
    pub seq: i64,
    /// What was done to it.
    pub tampering: Tampering,
}

/// What verification found.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// How many entries were read.
    pub entries: u64,
    /// The end of the chain as read.
    pub end: Option<(i64, Hash)>,
    /// How many heads kept outside the database agreed with it.
    pub heads_outside: u64,
    /// How many entries wait to be chained.
    pub waiting: i64,
    /// The first bad entry, if any.
    pub first_bad: Option<Bad>,
}

impl Verdict {
    /// The hash at the end of the chain as text, to compare with a copy of the heads kept elsewhere.
    pub fn end_hash(&self) -> Option<String> {
        self.end.map(|(_, hash)| hex::encode(hash))
    }

    /// Whether everything is as it was recorded.
    pub fn holds(&self) -> bool {
        self.first_bad.is_none()
    }
}

/// What the sequencer writes when the chain does not contain the head it saw last.
pub(crate) const REPORTED_REASON: &str = "audit.chain_does_not_contain_head";

/// One row of the chain, as stored.
struct Stored {
    seq: i64,
    id: Uuid,
    chained_at: Timestamp,
    at: Timestamp,
    salt: Vec<u8>,
    body: String,
    leaf: Vec<u8>,
    hash: Vec<u8>,
    mac: Vec<u8>,
    event: String,
    actor: String,
    subject: Option<String>,
}

/// The members of a body that columns repeat.
#[derive(serde::Deserialize)]
struct Repeated<'a> {
    at: Timestamp,
    event: &'a str,
    #[serde(borrow)]
    actor: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    subject: Option<std::borrow::Cow<'a, str>>,
}

/// How far the walk has come.
struct Walk<'a> {
    keys: &'a Keys,
    /// Heads kept outside, by place; a place may have several when somebody put the database back.
    outside: BTreeMap<i64, Vec<Hash>>,
    seq: i64,
    hash: Hash,
    time: Timestamp,
    entries: u64,
    agreed: u64,
    /// The first place that is known to hold another entry than it did: by a head kept outside, or by the report of
    /// the sequencer, which saw the end of the chain go back.
    replaced: Option<i64>,
}

impl Audit {
    /// Verifies the whole chain, in chunks. Stops at the first bad entry.
    pub async fn verify(&self) -> Result<Verdict, Error> {
        let keys = &self.0.keys;
        let mut outside: BTreeMap<i64, Vec<Hash>> = BTreeMap::new();
        let mut forged = None;
        heads::read_lines(&self.0.data_dir.join("audit").join("head.jsonl"), |head| {
            if head.is_ours(keys) {
                outside.entry(head.seq).or_default().push(head.hash);
            } else {
                forged.get_or_insert(head.seq);
            }
        })?;
        let (seq, hash, time) = (0, GENESIS, Timestamp::MIN);
        let mut walk = Walk { keys, outside, seq, hash, time, entries: 0, agreed: 0, replaced: None };
        let first_bad = match self.walk(&mut walk).await? {
            None => walk.missing_tail().or(forged.map(|seq| Bad { seq, tampering: Tampering::ForgedHead })),
            bad => bad,
        };
        let replaced = walk.replaced.map(|seq| Bad { seq, tampering: Tampering::Replaced });
        let first_bad = [replaced, first_bad].into_iter().flatten().min_by_key(|bad| bad.seq);
        Ok(Verdict {
            entries: walk.entries,
            end: (walk.seq > 0).then_some((walk.seq, walk.hash)),
            heads_outside: walk.agreed,
            waiting: self.waiting().await?,
            first_bad,
        })
    }

    async fn walk(&self, walk: &mut Walk<'_>) -> Result<Option<Bad>, Error> {
        let limit = i64::try_from(limits::READ_CHUNK.value).unwrap_or(i64::MAX);
        loop {
            let after = walk.seq;
            let mut tx = self.0.pg.begin_system(Reason::AuditRead).await?;
            let rows = tx.query(sql::READ, [after.into(), limit.into()]).await?;
            let upto = rows.iter().last().map_or(Ok(after), |row| row.at::<i64>(0))?;
            let heads = tx.query(sql::HEADS, [after.into(), upto.into()]).await?;
            tx.roll_back().await?;
            if rows.is_empty() {
                return Ok(None);
            }
            let heads = heads.iter().map(Head::read).collect::<Result<Vec<_>, _>>()?;
            let mut heads = heads.iter().peekable();
            for row in rows.iter() {
                let stored = Stored::read(row)?;
                let mut bad = walk.step(&stored);
                while let Some(head) = heads.next_if(|head| head.seq <= stored.seq) {
                    bad = bad.or_else(|| walk.compare_head(head));
                }
                if bad.is_some() {
                    return Ok(bad);
                }
            }
        }
    }

    async fn waiting(&self) -> Result<i64, Error> {
        let mut tx = self.0.pg.begin_system(Reason::AuditRead).await?;
        let count = tx.query(sql::WAITING_COUNT, []).await?.first().map(|row| row.at(0)).transpose()?;
        tx.roll_back().await?;
        Ok(count.unwrap_or_default())
    }
}

impl Walk<'_> {
    /// One entry further. `None` means it is as it was recorded.
    fn step(&mut self, stored: &Stored) -> Option<Bad> {
        let place = self.seq + 1;
        let bad = |tampering| Some(Bad { seq: place, tampering });
        if stored.seq != place {
            return bad(Tampering::Missing);
        }
        let leaf = leaf(&stored.salt, stored.id, &stored.body);
        if stored.leaf != leaf || !stored.columns_agree() {
            return bad(Tampering::Edited);
        }
        let hash = link(&self.hash, place, stored.chained_at, &leaf);
        let has_our_mac =
            read_hash(&stored.hash).is_some_and(|hash| seal::same(&stored.mac, &self.keys.mac(&hash)));
        if stored.hash != hash {
            return bad(if has_our_mac { Tampering::Moved } else { Tampering::Edited });
        }
        if !has_our_mac {
            return bad(Tampering::Rewritten);
        }
        let kept = self.outside.get(&place);
        match kept.map(|kept| kept.iter().all(|kept| *kept == hash)) {
            Some(true) => self.agreed += 1,
            // Not the end of the walk: what the sequencer wrote later tells where it began.
            Some(false) => _ = self.replaced.get_or_insert(place),
            None => {}
        }
        let tolerated = SignedDuration::from_secs(limits::CLOCK_BACK_SECONDS.value as i64);
        let earliest = self.time.max(stored.at);
        if stored.chained_at.duration_until(earliest) > tolerated {
            return bad(Tampering::ClockWentBack);
        }
        if let Some(end) = stored.reported_end() {
            self.replaced = Some(self.replaced.unwrap_or(i64::MAX).min(end.saturating_add(1)));
        }
        self.entries += 1;
        (self.seq, self.hash, self.time) = (place, hash, self.time.max(stored.chained_at));
        None
    }

    fn compare_head(&self, head: &Head) -> Option<Bad> {
        let ours = head.is_ours(self.keys) && head.seq == self.seq && head.hash == self.hash;
        (!ours).then_some(Bad { seq: head.seq, tampering: Tampering::ForgedHead })
    }

    /// The chain is at its end: a head kept outside for a later place shows what is gone.
    fn missing_tail(&self) -> Option<Bad> {
        let later = self.outside.range(self.seq + 1..).next();
        later.map(|_| Bad { seq: self.seq + 1, tampering: Tampering::CutTail })
    }
}

impl Stored {
    fn read(row: Row<'_>) -> Result<Self, pg::Error> {
        Ok(Stored {
            seq: row.at(0)?,
            id: row.at(1)?,
            chained_at: row.at(2)?,
            at: row.at(3)?,
            event: row.at(4)?,
            actor: row.at(5)?,
            subject: row.at(6)?,
            salt: row.at(7)?,
            body: row.at(8)?,
            leaf: row.at(9)?,
            hash: row.at(10)?,
            mac: row.at(11)?,
        })
    }

    /// The end that the sequencer found when the chain no longer contained the head it had seen.
    fn reported_end(&self) -> Option<i64> {
        #[derive(serde::Deserialize)]
        struct Report {
            reason: String,
            details: Details,
        }
        #[derive(serde::Deserialize)]
        struct Details {
            found_end: i64,
        }
        let about_us = self.event == Event::TamperingFound.name();
        let report: Report = about_us.then(|| serde_json::from_str(&self.body).ok()).flatten()?;
        (report.reason == REPORTED_REASON).then_some(report.details.found_end)
    }

    /// Queries read the columns: an edit there would hide an entry from them.
    fn columns_agree(&self) -> bool {
        let Ok(body) = serde_json::from_str::<Repeated<'_>>(&self.body) else { return false };
        body.at == self.at
            && body.event == self.event
            && body.actor == self.actor
            && body.subject.as_deref() == self.subject.as_deref()
    }
}
