//! Connections one transaction has to itself, handed out first come, first served.
//!
//! Invariant: a connection goes back only when its session is proven idle and clean. Whoever drops a [`Lease`] without
//! giving it back closes the connection.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::batch::{Answer, Batch, Cleaning, Ending, Opening, State, Work};
use super::counters::LaneCounters;
use super::driver::{Driver, Inbox};
use super::gauge::Gauge;
use crate::connect::Connector;
use crate::wire::startup::CancelKey;
use crate::{Error, Statement, limits};

/// A connection, as its owner sees it. Dropping it closes it once everything sent is answered.
pub(crate) struct Conn {
    /// Counted from the pool's first.
    number: u64,
    inbox: mpsc::UnboundedSender<Batch>,
    gauge: Arc<Gauge>,
    key: CancelKey,
}

/// A pool of exclusive connections of one login.
pub(crate) struct Pool {
    connector: Connector,
    permits: Arc<Semaphore>,
    /// Places for results that somebody takes as slowly as they like: half of the connections, so that those who do keep
    /// nobody else waiting.
    slow: Arc<Semaphore>,
    /// By number, each with the time since when. The oldest is the next one used, whichever came back last: so the first few
    /// know every statement and its plan, and the others cool down.
    idle: Mutex<BTreeMap<u64, (Instant, Conn)>>,
    born: AtomicU64,
    waiting: AtomicUsize,
    wait_max: Duration,
    /// After a failed attempt: until when nobody tries, how long that pause was, and what was wrong.
    down: Mutex<Option<(Instant, Duration, Error)>>,
    /// Whoever ends a session that does not let go: one after the other.
    ending: tokio::sync::Mutex<()>,
    pub(crate) counters: Arc<LaneCounters>,
}

/// A connection on loan.
pub(crate) struct Lease {
    conn: Option<Conn>,
    permit: Option<OwnedSemaphorePermit>,
    pool: Arc<Pool>,
}

impl Pool {
    pub(crate) fn new(connector: Connector, size: usize, wait_max: Duration) -> Arc<Self> {
        Arc::new(Pool {
            connector,
            permits: Arc::new(Semaphore::new(size)),
            slow: Arc::new(Semaphore::new((size / 2).max(1))),
            idle: Mutex::new(BTreeMap::new()),
            born: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            wait_max,
            down: Mutex::new(None),
            ending: tokio::sync::Mutex::default(),
            counters: Arc::new(LaneCounters::default()),
        })
    }

    /// A place among the results that are taken as they come, in the order of asking.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        match tokio::time::timeout(self.wait_max, Arc::clone(&self.slow).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => {
                self.counters.refused.add(1);
                Err(Error::Busy { waited_ms: self.wait_max.as_millis() as u64 })
            }
        }
    }

    /// A connection, in the order of asking.
    pub(crate) async fn lease(self: &Arc<Self>) -> Result<Lease, Error> {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait().await?,
        };
        let mut lease = Lease { conn: None, permit: Some(permit), pool: Arc::clone(self) };
        lease.conn = Some(match self.take_idle() {
            Some(conn) => conn,
            None => self.connect().await?,
        });
        Ok(lease)
    }

    async fn wait(&self) -> Result<OwnedSemaphorePermit, Error> {
        let since = Instant::now();
        let busy = |counters: &LaneCounters| {
            counters.refused.add(1);
            Error::Busy { waited_ms: since.elapsed().as_millis() as u64 }
        };
        if self.waiting.load(Ordering::Relaxed) >= limits::POOL_QUEUE.size() {
            return Err(busy(&self.counters));
        }
        self.counters.waits.add(1);
        let _queued = Queued::join(&self.waiting);
        match tokio::time::timeout(self.wait_max, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(busy(&self.counters)),
        }
    }

    fn take_idle(&self) -> Option<Conn> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, (_, conn))) = idle.pop_first() {
            if !conn.inbox.is_closed() {
                return Some(conn);
            }
        }
        None
    }

    async fn connect(&self) -> Result<Conn, Error> {
        self.check_down()?;
        let session = match self.connector.connect().await {
            Ok(session) => session,
            Err(error) => return Err(self.note_down(error)),
        };
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let (inbox, outbox) = mpsc::unbounded_channel();
        let gauge = Arc::new(Gauge::new());
        let key = session.key;
        let counters = Arc::clone(&self.counters);
        counters.connects.add(1);
        counters.connections.fetch_add(1, Ordering::Relaxed);
        let driver = Driver::new(session, Arc::clone(&gauge), Arc::clone(&counters), None);
        tokio::spawn(async move {
            let mut outbox = Inbox::Own(outbox);
            let _none = driver.run(&mut outbox, Vec::new(), false).await;
            counters.connections.fetch_sub(1, Ordering::Relaxed);
            outbox.refuse_all();
        });
        Ok(Conn { number: self.born.fetch_add(1, Ordering::Relaxed), inbox, gauge, key })
    }

    /// While the server is known to be away, nobody waits to learn it again.
    fn check_down(&self) -> Result<(), Error> {
        match &*self.down.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((until, _, error)) if Instant::now() < *until => Err(error.again()),
            _ => Ok(()),
        }
    }

    fn note_down(&self, error: Error) -> Error {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = down.as_ref().map_or(Duration::ZERO, |(_, pause, _)| *pause * 2);
        let pause = pause.clamp(Duration::from_millis(20), limits::millis(&limits::BACK_OFF_MS));
        *down = Some((Instant::now() + pause, pause, error.again()));
        error
    }
}

/// A place in the queue, given up however the wait ends.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn join(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Queued(waiting)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lease {
    /// Sends a batch and waits for its answer.
    pub(crate) async fn send(&self, batch: Batch) -> Answer {
        self.post(batch)?.await.unwrap_or_else(|_| Err(Error::gone()))
    }

    /// Sends a batch; its answer comes later.
    pub(crate) fn post(&self, mut batch: Batch) -> Result<oneshot::Receiver<Answer>, Error> {
        let (reply, answer) = oneshot::channel();
        batch.reply = Some(reply);
        let Some(conn) = &self.conn else { return Err(Error::gone()) };
        conn.gauge.take_on();
        conn.inbox.send(batch).map_err(|_| Error::gone())?;
        Ok(answer)
    }

    /// Gives the connection back. Its session must be idle, and its cleaning on the way.
    pub(crate) fn give_back(mut self) {
        if let Some(conn) = self.conn.take()
            && !conn.inbox.is_closed()
        {
            let now = Instant::now();
            let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.insert(conn.number, (now, conn));
            // After a storm its connections are closed one by one, by whoever comes next.
            let is_cold = |(since, _): &(Instant, Conn)| now - *since > limits::millis(&limits::IDLE_MS);
            if let Some(last) = idle.last_entry()
                && is_cold(last.get())
            {
                last.remove();
            }
        }
        // The permit goes last, so that whoever gets it finds the connection.
        self.permit.take();
    }

    /// For an owner who left in the middle: stops what runs, rolls back, cleans, and only then gives back.
    pub(crate) fn abandon(self, open: bool) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let settled = tokio::time::timeout(limits::millis(&limits::LET_GO_MS), self.settle(open)).await;
            match settled {
                Ok(Ok(outcome)) if outcome.state == State::Idle => self.give_back(),
                // What cannot be proven idle is closed.
                Ok(Ok(_) | Err(_)) => {}
                Err(_) => self.end().await,
            }
        });
    }

    /// Cancels what runs, and rolls back and cleans behind it.
    async fn settle(&self, open: bool) -> Answer {
        let Some(conn) = &self.conn else { return Err(Error::gone()) };
        if conn.gauge.load() > 0 {
            self.pool.counters.cancels.add(1);
            self.pool.connector.cancel(conn.key).await?;
        }
        self.send(Batch {
            opening: Opening::Nothing,
            work: Work::Nothing,
            ending: if open { Ending::RollBack } else { Ending::Stay },
            role: Arc::from(""),
            then: Cleaning::Full,
            reply: None,
            sink: None,
        })
        .await
    }

    /// Ends a session whose code catches that it is cancelled: its end cannot be caught. The session that asks for it, of the
    /// same login as it must be, takes its place.
    async fn end(mut self) {
        let pool = Arc::clone(&self.pool);
        // One session more than there may be, however many do not let go.
        let _turn = pool.ending.lock().await;
        let Some(stubborn) = self.conn.take().filter(|conn| !conn.inbox.is_closed()) else { return };
        tracing::warn!(
            backend = stubborn.key.process,
            "a statement that did not let go is ended with its session"
        );
        let Ok(conn) = pool.connect().await else { return };
        self.conn = Some(conn);
        let asked = self.send(Batch {
            opening: Opening::Nothing,
            work: Work::One(Statement::rare(END, [stubborn.key.process.into()])),
            ending: Ending::Stay,
            role: Arc::from(""),
            then: Cleaning::Full,
            reply: None,
            sink: None,
        });
        if matches!(tokio::time::timeout(limits::millis(&limits::LET_GO_MS), asked).await, Ok(Ok(_))) {
            self.give_back();
        }
    }
}

/// Ends the session of a backend.
const END: &str = "select pg_catalog.pg_terminate_backend($1::int4)";
