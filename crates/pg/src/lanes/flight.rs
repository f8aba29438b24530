//! One batch on its way: what has been answered of it so far.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::batch::{Batch, Cleaning, Ending, Opening, Outcome, State, Work};
use super::cache::{Cache, Prepared};
use super::prelude::UNSENT;
use crate::rows::Frames;
use crate::wire::scan::{self, Frame};
use crate::{Claims, Error, Rows, limits};

/// What is still to come of a batch.
pub(crate) struct Flight {
    pub(crate) batch: Batch,
    /// Binds in front of the first statement: BEGIN, prelude, pre-request.
    pub(crate) lead: usize,
    /// Parses not yet answered, oldest first, and whether a Describe follows.
    pub(crate) parsing: VecDeque<(Arc<Prepared>, bool)>,
    /// The statements as this connection has prepared them.
    pub(crate) first: Option<Arc<Prepared>>,
    pub(crate) rest: Vec<Arc<Prepared>>,
    pub(crate) retried: bool,

    describing: Option<Arc<Prepared>>,
    bound: usize,
    rows: Rows,
    bytes: usize,
    done: Vec<Rows>,
    first_done: Option<Rows>,
    tag: Option<Bytes>,
    error: Option<(Error, usize)>,
    cleaning: bool,
    /// When it was sent.
    pub(crate) began: std::time::Instant,
    /// Some of its rows have been handed over: it cannot be sent again.
    poured: bool,
}

/// What ReadyForQuery makes of a batch.
pub(crate) enum Landing {
    /// It is answered.
    Done,
    /// A plan had gone stale and nothing took effect: send it again.
    Again(Box<Batch>),
}

impl Flight {
    pub(crate) fn new(batch: Batch, retried: bool) -> Self {
        Flight {
            batch,
            lead: 0,
            parsing: VecDeque::new(),
            first: None,
            rest: Vec::new(),
            retried,

            describing: None,
            bound: 0,
            rows: Rows::default(),
            bytes: 0,
            done: Vec::new(),
            first_done: None,
            tag: None,
            error: None,
            cleaning: false,
            began: std::time::Instant::now(),
            poured: false,
        }
    }

    /// The cleaning of a session: nobody waits for it, and it must not fail.
    pub(crate) fn cleaning() -> Self {
        let batch = Batch {
            opening: Opening::Nothing,
            work: Work::Nothing,
            ending: Ending::Stay,
            role: Arc::from(""),
            then: Cleaning::None,
            reply: None,
            sink: None,
        };
        Flight { cleaning: true, ..Flight::new(batch, false) }
    }

    /// Whether this is the cleaning of a session.
    pub(crate) fn is_cleaning(&self) -> bool {
        self.cleaning
    }

    /// Whether something of it was refused so far.
    pub(crate) fn failed(&self) -> bool {
        self.error.is_some()
    }

    /// Hands the rows that are there to whoever takes them as they come: the first at once, then so many together that
    /// the way costs little. Pending while there is no room for more. Rows nobody wants any longer are dropped: their
    /// owner has gone, and a cancel is on its way.
    pub(crate) fn pour(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(columns) = self.current().and_then(|prepared| prepared.columns.get()).map(Arc::clone) else {
            return Poll::Ready(());
        };
        let Some(sink) = &mut self.batch.sink else { return Poll::Ready(()) };
        if self.rows.is_empty() || self.error.is_some() {
            return Poll::Ready(());
        }
        if self.poured && self.bytes < limits::FLOW_CHUNK_BYTES.size() {
            return Poll::Ready(());
        }
        match sink.poll_reserve(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(reserved) => {
                let rows = std::mem::take(&mut self.rows.frames);
                self.bytes = 0;
                self.poured = true;
                if reserved.is_ok() {
                    // It was reserved: there is room.
                    let _sent = sink.send_item((columns, rows));
                }
            }
        }
        Poll::Ready(())
    }

    /// Notes the next statement of the batch.
    pub(crate) fn add(&mut self, prepared: Arc<Prepared>) {
        if self.first.is_none() {
            self.first = Some(prepared);
        } else {
            self.rest.push(prepared);
        }
    }

    fn prepared(&self, index: usize) -> Option<&Arc<Prepared>> {
        match index.checked_sub(1) {
            None => self.first.as_ref(),
            Some(index) => self.rest.get(index),
        }
    }

    /// Which statement is being answered: `None` before the first and after the last.
    fn current(&self) -> Option<&Arc<Prepared>> {
        self.prepared(self.bound.checked_sub(self.lead + 1)?)
    }

    /// Takes one frame that is not ReadyForQuery.
    pub(crate) fn take(&mut self, frame: Frame) -> io::Result<()> {
        match frame.tag {
            b'2' => self.bound += 1,
            b'C' => self.complete(&frame.body),
            b'1' => {
                if let Some((prepared, true)) = self.parsing.pop_front() {
                    self.describing = Some(prepared);
                }
            }
            b'T' | b'n' => {
                if let Some(prepared) = self.describing.take() {
                    // Described twice is described the same: a name is parsed once.
                    let _same = prepared.columns.set(if frame.tag == b'T' {
                        scan::columns(&frame.body)
                    } else {
                        Arc::new([])
                    });
                }
            }
            b'E' => {
                let error = scan::error(&frame.body);
                if self.error.is_none() {
                    self.error = Some((Error::Database(error), self.bound));
                }
            }
            b'I' => self.complete(b""),
            // CloseComplete, ParameterDescription, COPY TO's data: nothing of ours.
            b'3' | b't' | b'H' | b'd' | b'c' => {}
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "PostgreSQL sent a frame this protocol does not expect here (COPY FROM STDIN?)",
                ));
            }
        }
        Ok(())
    }

    /// Takes rows of the statement that is being answered.
    pub(crate) fn rows(&mut self, rows: Frames) {
        if self.bound <= self.lead {
            return;
        }
        self.bytes += rows.bytes();
        if self.bytes > limits::RESULT_BYTES.size() {
            self.rows.frames = Frames::default();
            self.error.get_or_insert((Error::TooLarge { limit: &limits::RESULT_BYTES }, self.bound));
            return;
        }
        self.rows.frames.append(rows);
    }

    fn complete(&mut self, tag: &[u8]) {
        let Some(prepared) = self.current() else {
            if self.bound > self.lead {
                self.tag = Some(Bytes::copy_from_slice(tag));
            }
            return;
        };
        let columns = prepared.columns.get().map(Arc::clone).unwrap_or_default();
        let mut rows = std::mem::take(&mut self.rows);
        rows.columns = columns;
        rows.affected = scan::affected(tag);
        if self.first_done.is_none() {
            self.first_done = Some(rows);
        } else {
            self.done.push(rows);
        }
    }

    /// ReadyForQuery: the batch is over.
    pub(crate) fn land(mut self, state: State, cache: &mut Cache) -> Landing {
        // A Parse that was never answered did not happen.
        for (prepared, _) in self.parsing.drain(..) {
            cache.forget(&prepared);
        }
        if let Some(prepared) = self.describing.take() {
            cache.forget(&prepared);
        }
        let Some((error, at)) = self.error.take() else {
            let outcome =
                Outcome { first: self.first_done.unwrap_or_default(), rest: self.done, tag: self.tag, state };
            self.batch.answer(Ok(outcome));
            return Landing::Done;
        };
        let again = self.gone_stale(&error, at, cache) || self.looked_for_claims(&error);
        if again && self.batch.is_whole() && !self.retried && !self.poured {
            return Landing::Again(Box::new(self.batch));
        }
        self.batch.answer(Err(error));
        Landing::Done
    }

    /// Whether something looked into claims that were not sent; they are told now.
    fn looked_for_claims(&mut self, error: &Error) -> bool {
        let Opening::Implicit(prelude) = &mut self.batch.opening else { return false };
        let looked = prelude.told == Claims::Subject
            && error.is("22P02")
            && error
                .database()
                .and_then(|error| error.detail.as_ref())
                .is_some_and(|said| said.contains(UNSENT));
        if looked {
            prelude.told = Claims::All;
        }
        looked
    }

    /// Whether the error says that a prepared statement is no longer what it was; the cache forgets it. Only an error
    /// of a Bind counts: the same code raised by somebody's function comes later, from its Execute.
    fn gone_stale(&mut self, error: &Error, bound: usize, cache: &mut Cache) -> bool {
        let unbound = bound < self.lead + self.batch.work.statements().len();
        if error.is("26000") && unbound {
            cache.forget_all();
            return true;
        }
        let answered = self.first_done.is_some() as usize + self.done.len();
        match bound
            .checked_sub(self.lead)
            .and_then(|index| (index == answered).then(|| self.prepared(index)).flatten())
        {
            Some(prepared) if error.is("0A000") => {
                let prepared = Arc::clone(prepared);
                cache.forget(&prepared);
                true
            }
            _ => false,
        }
    }
}
