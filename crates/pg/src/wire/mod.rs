//! PostgreSQL's protocol 3.0 as far as this crate speaks it: a stream, the start of a session, frames out, frames in.
//!
//! What is deliberately absent: COPY, replication, the simple query protocol. A server that starts a COPY with us has
//! its connection closed, since it would swallow the Sync that keeps answers in step.

pub(crate) mod cancel;
pub(crate) mod encode;
pub(crate) mod scan;
pub(crate) mod startup;
pub(crate) mod stream;
pub(crate) mod tls;
