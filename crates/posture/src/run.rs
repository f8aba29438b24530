//! Runs the probes, keeps what they saw, and says the state of every control.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Secret};
use jiff::Timestamp;
use pg::{Pg, Reason, Statement};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::probes::{self, Probe};
use crate::{Bench, Control, Error, Finding, Place, State, controls, excused, limits, sql};

/// What is known about one control.
#[derive(Debug, Clone)]
pub struct Proof {
    /// Which.
    pub control: &'static Control,
    /// Its state.
    pub state: State,
    /// What its probe saw; empty where nothing is built.
    pub evidence: String,
    /// When.
    pub at: Option<Timestamp>,
}

/// The posture of one instance. Cheap to clone.
#[derive(Clone)]
pub struct Posture(Arc<Parts>);

/// A secret key for one round: its id and its text.
pub type LentKey = (String, Secret<String>);
type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where a round gets a key of its own from, so that its requests are on nobody else's budget.
#[derive(Clone)]
pub struct Keys {
    /// Makes one; the error is a sentence.
    pub lend: Arc<dyn Fn() -> Later<Result<LentKey, String>> + Send + Sync>,
    /// Ends one.
    pub take_back: Arc<dyn Fn(String) -> Later<Result<(), String>> + Send + Sync>,
}

struct Parts {
    pg: Pg,
    clock: Clock,
    place: Place,
    keys: Option<Keys>,
    /// One round at a time: two would meet each other's limits.
    round: Mutex<()>,
}

impl Posture {
    /// For the instance at `place`.
    pub fn new(pg: Pg, place: Place) -> Self {
        let clock = place.clock.clone();
        Posture(Arc::new(Parts { pg, clock, place, keys: None, round: Mutex::new(()) }))
    }

    /// With keys of their own for its rounds. Without, they use the place's.
    pub fn with_keys(self, keys: Keys) -> Self {
        let Parts { pg, clock, place, .. } = &*self.0;
        let (pg, clock, place) = (pg.clone(), clock.clone(), place.clone());
        Posture(Arc::new(Parts { pg, clock, place, keys: Some(keys), round: Mutex::new(()) }))
    }

    /// Runs every probe and returns the state of all 150 controls.
    pub async fn run(&self) -> Result<Vec<Proof>, Error> {
        self.round(probes::ALL).await?;
        self.latest().await
    }

    /// Runs the probe of one control.
    pub async fn check(&self, number: u16) -> Result<Proof, Error> {
        let control = controls::find(number).ok_or(Error::NoSuchControl(number))?;
        let probes: Vec<Probe> = probes::find(number).into_iter().copied().collect();
        self.round(&probes).await?;
        let proofs = self.latest().await?;
        let proof = proofs.into_iter().find(|proof| proof.control.number == number);
        Ok(proof.unwrap_or_else(|| not_built(control)))
    }

    /// What the last rounds saw, without trying anything.
    pub async fn latest(&self) -> Result<Vec<Proof>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Posture).await?;
        let rows = tx.run(Statement::new(sql::LATEST, [])).await?;
        let mut seen = HashMap::new();
        for row in rows.iter() {
            let number: i16 = row.get("control")?;
            let (state, evidence, at): (String, String, Timestamp) =
                (row.get("state")?, row.get("evidence")?, row.get("taken_at")?);
            seen.insert(number, (state, evidence, at));
        }
        tx.commit(()).await?.into_inner();
        Ok(controls::all()
            .map(|control| {
                let Some((state, evidence, at)) =
                    i16::try_from(control.number).ok().and_then(|number| seen.remove(&number))
                else {
                    return not_built(control);
                };
                let state =
                    State::ALL.into_iter().find(|known| known.name() == state).unwrap_or(State::Failing);
                Proof { control, state, evidence, at: Some(at) }
            })
            .collect())
    }

    /// Runs a round soon after the start and every hour from then on, until told to stop.
    pub async fn hourly(self, stop: CancellationToken) {
        let mut pause = Duration::from_secs(limits::FIRST_ROUND_SECONDS.value);
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            if let Err(error) = self.run().await {
                tracing::warn!(error = base::fault::chain(&error), "a round of probes could not be kept");
            }
            pause = Duration::from_secs(limits::ROUND_SECONDS.value);
        }
    }

    async fn round(&self, probes: &[Probe]) -> Result<(), Error> {
        let _alone = self.0.round.lock().await;
        let mut lent = None;
        let mut bench = Bench::new(self.0.place.clone());
        self.change_key(&mut bench, &mut lent).await;
        // Without the database the probes say so themselves; what is left over waits for the next round.
        let _round = bench
            .begin()
            .await
            .inspect_err(|trouble| tracing::warn!(%trouble, "a round of probes begins alone"));
        for (count, probe) in probes.iter().enumerate() {
            if count > 0 && count % limits::PROBES_PER_KEY.size() == 0 {
                self.change_key(&mut bench, &mut lent).await;
            }
            let finding = try_one(&bench, probe).await;
            self.keep(probe.control, &finding).await?;
        }
        if let Err(trouble) = bench.clear().await {
            tracing::warn!(%trouble, "the probes' tenant could not be removed");
        }
        self.take_back(lent).await;
        Ok(())
    }

    /// Gives the bench a key of its own, where one can be had, and takes back the one before: a key has a budget like
    /// everybody's (control 71), and a round of probes is more than a minute's worth of it.
    async fn change_key(&self, bench: &mut Bench, lent: &mut Option<String>) {
        let Some(keys) = &self.0.keys else { return };
        match (keys.lend)().await {
            Ok((id, secret_key)) => {
                bench.place.secret_key = secret_key;
                self.take_back(lent.replace(id)).await;
            }
            Err(error) => {
                tracing::warn!(
                    error,
                    "the probes have no new key of their own and go on with the one they have"
                );
            }
        }
    }

    async fn take_back(&self, lent: Option<String>) {
        if let (Some(keys), Some(id)) = (&self.0.keys, lent)
            && let Err(error) = (keys.take_back)(id).await
        {
            tracing::warn!(error, "a key of the probes lives until it expires");
        }
    }

    async fn keep(&self, number: u16, finding: &Finding) -> Result<(), Error> {
        let mut evidence = finding.evidence.clone();
        let end = (0..=limits::EVIDENCE_BYTES_MAX.size().min(evidence.len()))
            .rev()
            .find(|at| evidence.is_char_boundary(*at));
        evidence.truncate(end.unwrap_or(0));
        let mut tx = self.0.pg.begin_system(Reason::Posture).await?;
        let number = i64::from(number);
        let now = self.0.clock.now();
        tx.run(Statement::new(
            sql::KEEP,
            [number.into(), finding.state.name().into(), evidence.as_str().into(), now.to_string().into()],
        ))
        .await?;
        let kept = i64::try_from(limits::EVIDENCE_ROWS_MAX.value).unwrap_or(i64::MAX);
        tx.run(Statement::new(sql::FORGET, [number.into(), kept.into()])).await?;
        tx.commit(()).await?.into_inner();
        Ok(())
    }
}

/// Tries one probe within its time. What cannot be tried is failing: nothing was seen. So is an excuse that is not listed.
pub async fn try_one(bench: &Bench, probe: &Probe) -> Finding {
    let limit = Duration::from_secs(limits::PROBE_SECONDS_MAX.value);
    let finding = match timeout(limit, (probe.run)(bench)).await {
        Ok(Ok(finding)) => finding,
        Ok(Err(trouble)) => Finding::failing(format!("could not be tried: {trouble}")),
        Err(_) => {
            Finding::failing(format!("could not be tried within {} s", limits::PROBE_SECONDS_MAX.value))
        }
    };
    if excused::allows(probe.control, finding.state) {
        finding
    } else {
        Finding::failing(format!(
            "{}\n({} is not allowed for this control)",
            finding.evidence,
            finding.state.words()
        ))
    }
}

fn not_built(control: &'static Control) -> Proof {
    Proof { control, state: State::NotBuilt, evidence: String::new(), at: None }
}
