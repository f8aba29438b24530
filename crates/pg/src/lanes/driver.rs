//! The task of one connection: takes batches, writes them (several in one write), reads answers, keeps the cache.
//!
//! Invariant: answers are given in the order of the batches, one ReadyForQuery each. Whatever would break that order
//! (COPY FROM STDIN, an unknown frame) closes the connection and fails everything on it.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc;

use super::batch::{Batch, Cleaning, Ending, Opening, State};
use super::cache::{Cache, Found};
use super::counters::LaneCounters;
use super::flight::{Flight, Landing};
use super::gauge::Gauge;
use super::prelude::Prelude;
use super::slow::Slow;
use crate::wire::encode;
use crate::wire::scan;
use crate::wire::startup::Session;
use crate::wire::stream::Stream;
use crate::{Error, Isolation, Statement, limits};

/// Where batches come from: bounded for shared connections, unbounded for those of one owner (who waits for answers).
pub(crate) enum Inbox {
    Shared(mpsc::Receiver<Batch>),
    Own(mpsc::UnboundedReceiver<Batch>),
}

impl Inbox {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Batch>> {
        match self {
            Inbox::Shared(inbox) => inbox.poll_recv(cx),
            Inbox::Own(inbox) => inbox.poll_recv(cx),
        }
    }

    /// The next batch, when one comes.
    pub(crate) async fn take(&mut self) -> Option<Batch> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Answers what was sent to a connection that is gone.
    pub(crate) fn refuse_all(&mut self) {
        let Inbox::Own(inbox) = self else { return };
        inbox.close();
        while let Ok(mut batch) = inbox.try_recv() {
            batch.answer(Err(Error::gone()));
        }
    }
}

/// A connection and everything on it.
pub(crate) struct Driver {
    stream: Stream,
    read: BytesMut,
    write: BytesMut,
    cache: Cache,
    flights: VecDeque<Flight>,
    gauge: Arc<Gauge>,
    /// Where to note what took too long for a shared connection.
    slow: Option<Arc<Slow>>,
    counters: Arc<LaneCounters>,
    in_flight_max: usize,
    /// What the server said last before it closed.
    farewell: Option<Error>,
    /// What is to be written has waited for company already.
    waited: bool,
}

/// Cleans a session between two owners, each command for what a statement of the last could have left. The role is
/// not among them: every prelude sets it anew.
const AFTER_READ: [&str; 4] =
    ["RESET ALL", "CLOSE ALL", "UNLISTEN *", "SELECT pg_catalog.pg_advisory_unlock_all()"];
/// What a transaction that wrote could have left besides.
const AFTER_WRITE: [&str; 2] = ["DISCARD TEMP", "DISCARD SEQUENCES"];
/// What code that may prepare statements could have left. Ours are the protocol's, which this leaves alone.
const AFTER_CODE: [&str; 1] = ["DO $$DECLARE name text; BEGIN \
    FOR name IN SELECT p.name FROM pg_catalog.pg_prepared_statements p WHERE p.from_sql LOOP \
    EXECUTE pg_catalog.format('DEALLOCATE %I', name); END LOOP; END$$"];

impl Driver {
    pub(crate) fn new(
        session: Session,
        gauge: Arc<Gauge>,
        counters: Arc<LaneCounters>,
        slow: Option<Arc<Slow>>,
    ) -> Self {
        let in_flight_max = if slow.is_some() { &limits::SHORT_IN_FLIGHT } else { &limits::PIPELINE };
        Driver {
            stream: session.stream,
            read: session.read,
            write: BytesMut::with_capacity(8 << 10),
            cache: Cache::default(),
            flights: VecDeque::new(),
            gauge,
            counters,
            slow,
            in_flight_max: in_flight_max.size(),
            farewell: None,
            waited: false,
        }
    }

    /// Works until the inbox closes or the connection breaks. Every batch taken has been answered then, but for those
    /// returned: reads of a shared connection that were only waiting behind what broke it, to be sent once more.
    pub(crate) async fn run(mut self, inbox: &mut Inbox, backlog: Vec<Batch>, retried: bool) -> Vec<Batch> {
        for batch in backlog {
            self.counters.in_flight.fetch_add(1, Ordering::Relaxed);
            self.start(batch, retried);
        }
        let end = poll_fn(|cx| self.step(cx, inbox)).await;
        let error = match (end, self.farewell.take()) {
            (Ok(()), _) => Error::gone(),
            (Err(_), Some(farewell)) => farewell,
            (Err(error), None) => Error::Broken(error),
        };
        self.gauge.turn(Instant::now(), false);
        let mut again = Vec::new();
        for (place, mut flight) in
            self.flights.drain(..).enumerate().filter(|(_, flight)| !flight.is_cleaning())
        {
            self.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
            // The first may be what broke it, and what may have written is not sent twice.
            if place > 0 && !flight.retried && matches!(inbox, Inbox::Shared(_)) {
                again.push(flight.batch);
            } else {
                flight.batch.answer(Err(error.again()));
                self.gauge.put_down();
            }
        }
        self.write.clear();
        encode::terminate(&mut self.write);
        // Best effort: the server notices a closed socket as well.
        let _unsent = poll_fn(|cx| self.push(cx)).await;
        again
    }

    fn step(&mut self, cx: &mut Context<'_>, inbox: &mut Inbox) -> Poll<io::Result<()>> {
        loop {
            let closed = self.fill(cx, inbox);
            if self.wait_for_company(cx) {
                return Poll::Pending;
            }
            if !self.write.is_empty()
                && let Poll::Ready(Err(error)) = self.push(cx)
            {
                return Poll::Ready(Err(error));
            }
            if closed && self.flights.is_empty() {
                return Poll::Ready(Ok(()));
            }
            // While a reader of a stream is slow nothing more is read, and PostgreSQL stops writing.
            if self.flights.front_mut().is_some_and(|flight| flight.pour(cx).is_pending()) {
                return Poll::Pending;
            }
            if self.read.capacity() - self.read.len() < 4 << 10 {
                self.read.reserve(32 << 10);
            }
            match pin!(self.stream.read_buf(&mut self.read)).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
            if let Err(error) = self.feed() {
                return Poll::Ready(Err(error));
            }
        }
    }

    /// Whether to let every task that is ready run once before what is there is written: those of them that ask
    /// something travel in the same packet, which costs PostgreSQL one wake-up instead of one each. Nobody waits for
    /// anybody who is not already there: with nothing else to run this comes straight back.
    fn wait_for_company(&mut self, cx: &mut Context<'_>) -> bool {
        if self.slow.is_none() || self.write.is_empty() || self.waited {
            self.waited = false;
            return false;
        }
        self.waited = true;
        // Polled once, to be woken after the others; there is nothing to keep of it.
        let _pending = pin!(tokio::task::yield_now()).poll(cx);
        true
    }

    /// Takes batches while there is room. Says whether no more will come.
    fn fill(&mut self, cx: &mut Context<'_>, inbox: &mut Inbox) -> bool {
        while self.flights.len() < self.in_flight_max && self.write.len() < limits::WRITE_BYTES.size() {
            match inbox.poll(cx) {
                Poll::Ready(Some(batch)) => {
                    self.counters.in_flight.fetch_add(1, Ordering::Relaxed);
                    self.start(batch, false);
                }
                Poll::Ready(None) => return true,
                Poll::Pending => return false,
            }
        }
        false
    }

    fn push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.write.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.write) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.write.advance(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn feed(&mut self) -> io::Result<()> {
        loop {
            if let Some(flight) = self.flights.front_mut()
                && let Some(rows) = scan::rows(&mut self.read)?
            {
                flight.rows(rows);
            }
            let Some(frame) = scan::next(&mut self.read)? else { return Ok(()) };
            match (frame.tag, self.flights.front_mut()) {
                // Notices, notifications and settings that changed belong to nobody.
                (b'N' | b'A' | b'S', _) => {}
                (b'Z', Some(_)) => self.land(frame.body.first().copied())?,
                (_, Some(flight)) => {
                    // FATAL: the last words before the server closes, whoever they are said to.
                    if frame.tag == b'E' {
                        let error = scan::error(&frame.body);
                        if error.severity == "FATAL" || error.severity == "PANIC" {
                            self.farewell = Some(Error::Database(error));
                        }
                    }
                    flight.take(frame)?;
                }
                (b'E', None) => self.farewell = Some(Error::Database(scan::error(&frame.body))),
                (_, None) => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "PostgreSQL answered what nobody asked",
                    ));
                }
            }
        }
    }

    fn land(&mut self, status: Option<u8>) -> io::Result<()> {
        let state = match status {
            Some(b'I') => State::Idle,
            Some(b'T') => State::Open,
            Some(b'E') => State::Failed,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "PostgreSQL is in no state we know")),
        };
        let Some(flight) = self.flights.pop_front() else { return Ok(()) };
        let is_cleaning = flight.is_cleaning();
        if is_cleaning && (flight.failed() || state != State::Idle) {
            // Kept as the first, so that what waits behind it counts as waiting.
            self.flights.push_front(flight);
            return Err(io::Error::other("the session could not be cleaned"));
        }
        self.clock(&flight);
        // Counted down before the answer, so that whoever has it sees it counted.
        if !is_cleaning {
            let took = flight.began.elapsed().as_micros();
            self.counters.took.took(u64::try_from(took).unwrap_or(u64::MAX));
            self.put_down();
        }
        if let Landing::Again(batch) = flight.land(state, &mut self.cache) {
            self.counters.retried.add(1);
            self.gauge.take_on();
            self.counters.in_flight.fetch_add(1, Ordering::Relaxed);
            self.start(*batch, true);
        }
        Ok(())
    }

    fn put_down(&self) {
        self.gauge.put_down();
        self.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// The batch in front has been answered: notes how long that took. Only shared connections care.
    fn clock(&mut self, flight: &Flight) {
        let Some(slow) = &self.slow else { return };
        let now = Instant::now();
        let took = self.gauge.turn(now, !self.flights.is_empty());
        let is_late = took > limits::millis(&limits::SHORT_SLOW_MS);
        for (statement, prepared) in flight.batch.work.statements().iter().zip(&flight.first) {
            if is_late && let Some(record) = slow.late(&statement.sql, now) {
                // There already is the same.
                let _same = prepared.record.set(record);
            } else if let Some(record) = prepared.record.get() {
                record.fast();
            }
        }
    }

    /// Encodes a batch and remembers it.
    fn start(&mut self, batch: Batch, retried: bool) {
        // In front of the mark: what is forgotten here must be closed there, whatever becomes of this batch.
        for name in std::mem::take(&mut self.cache.closing) {
            encode::close(&mut self.write, &name);
        }
        let mark = self.write.len();
        let then = batch.then;
        let mut flight = Flight::new(batch, retried);
        match self.encode(&mut flight) {
            Ok(()) => {
                self.counters.syncs.add(1);
                if self.slow.is_some() && self.flights.is_empty() {
                    self.gauge.turn(Instant::now(), true);
                }
                self.flights.push_back(flight);
            }
            Err(error) => {
                self.write.truncate(mark);
                for (prepared, _) in flight.parsing.drain(..) {
                    self.cache.forget(&prepared);
                }
                self.put_down();
                flight.batch.answer(Err(error));
            }
        }
        match then {
            Cleaning::None => {}
            Cleaning::AfterRead => self.clean(&[]),
            Cleaning::Full => self.clean(&AFTER_WRITE),
        }
    }

    /// Cleans the session, in a transaction of its own.
    fn clean(&mut self, more: &[&'static str]) {
        let mut flight = Flight::cleaning();
        let mark = self.write.len();
        let of_code: &[_] = match self.counters.nothing_prepares.load(Ordering::Relaxed) {
            true => &[],
            false => &AFTER_CODE,
        };
        let commands = AFTER_READ.iter().chain(more).chain(of_code);
        let encoded = { commands }.try_for_each(|sql| self.command(&mut flight, sql));
        if encoded.is_err() {
            self.write.truncate(mark);
        }
        encode::sync(&mut self.write);
        self.flights.push_back(flight);
    }

    fn encode(&mut self, flight: &mut Flight) -> Result<(), Error> {
        let opening = std::mem::replace(&mut flight.batch.opening, Opening::Nothing);
        let work = std::mem::replace(&mut flight.batch.work, super::batch::Work::Nothing);
        let ending = flight.batch.ending;
        let encoded = self.encode_parts(flight, &opening, work.statements(), ending);
        flight.batch.opening = opening;
        flight.batch.work = work;
        encoded
    }

    fn encode_parts(
        &mut self,
        flight: &mut Flight,
        opening: &Opening,
        statements: &[Statement],
        ending: Ending,
    ) -> Result<(), Error> {
        let role = Arc::clone(&flight.batch.role);
        match opening {
            Opening::Nothing => {}
            Opening::Plain => self.begin(flight, "BEGIN")?,
            Opening::Begin(prelude) => {
                self.begin(flight, Isolation::begin(prelude.isolation, prelude.read_only))?;
                self.prelude(flight, prelude, &role)?;
            }
            Opening::Implicit(prelude) => self.prelude(flight, prelude, &role)?,
        }
        for statement in statements {
            let found =
                if statement.keep { self.cache.statement(&role, &statement.sql) } else { Cache::unnamed() };
            flight.add(Arc::clone(&found.prepared));
            self.parse(flight, &found, &statement.sql, true)?;
            encode::run_with(&mut self.write, &found.prepared.name, &statement.params)?;
        }
        match ending {
            Ending::Stay => {}
            Ending::Commit => self.command(flight, "COMMIT")?,
            Ending::RollBack => self.command(flight, "ROLLBACK")?,
        }
        encode::sync(&mut self.write);
        Ok(())
    }

    /// BEGIN; a batch that is sent again first leaves the transaction its first attempt left failed.
    fn begin(&mut self, flight: &mut Flight, begin: &'static str) -> Result<(), Error> {
        if flight.retried {
            self.command(flight, "ROLLBACK")?;
            flight.lead += 1;
        }
        self.command(flight, begin)?;
        flight.lead += 1;
        Ok(())
    }

    fn prelude(&mut self, flight: &mut Flight, prelude: &Prelude, role: &Arc<str>) -> Result<(), Error> {
        let variant = prelude.variant();
        let found = self.cache.prelude(variant);
        if found.is_new {
            let (sql, params) = variant.sql();
            flight.parsing.push_back((Arc::clone(&found.prepared), false));
            encode::parse(&mut self.write, &found.prepared.name, &sql, &vec![encode::TEXT; params])?;
        }
        prelude.encode(&mut self.write, &found.prepared.name)?;
        flight.lead += 1;
        if let Some(before) = &prelude.before {
            let found = self.cache.statement(role, before);
            self.parse(flight, &found, before, false)?;
            encode::run_with(&mut self.write, &found.prepared.name, &[])?;
            flight.lead += 1;
        }
        Ok(())
    }

    /// A command without parameters or result.
    fn command(&mut self, flight: &mut Flight, sql: &'static str) -> Result<(), Error> {
        let found = self.cache.command(sql);
        self.parse(flight, &found, sql, false)?;
        encode::run_with(&mut self.write, &found.prepared.name, &[])
    }

    fn parse(&mut self, flight: &mut Flight, found: &Found, sql: &str, describe: bool) -> Result<(), Error> {
        // Only what callers ask is counted; that is what is described.
        let counter = if found.is_new { &self.counters.parsed } else { &self.counters.hits };
        counter.add(u64::from(describe));
        if !found.is_new {
            return Ok(());
        }
        flight.parsing.push_back((Arc::clone(&found.prepared), describe));
        encode::parse(&mut self.write, &found.prepared.name, sql, &[])?;
        if describe {
            encode::describe(&mut self.write, &found.prepared.name)?;
        }
        Ok(())
    }
}
