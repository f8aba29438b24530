//! An answer whose rows are sent as they come.
//!
//! Invariant: one that cannot be finished ends the connection, so that half of it never looks whole. Its head is sent with
//! the first rows and so says nothing of how many there are.

use std::io;

use data::Stream;
use futures_util::StreamExt;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use web::Body;

/// Where a body is.
enum At {
    Rows(Box<Stream>),
    Over,
}

/// The rows as a body; whoever reads slowly slows PostgreSQL down, and nothing piles up here.
pub(super) fn body(rows: Box<Stream>) -> Body {
    let frames = stream::unfold(At::Rows(rows), |at| async move {
        match at {
            At::Rows(mut rows) => match rows.next().await {
                Ok(Some(bytes)) => Some((Ok(bytes), At::Rows(rows))),
                Ok(None) => Some((Ok(rows.end()), At::Over)),
                // The edge says so, where it ends the connection.
                Err(error) => Some((Err(io::Error::other(error)), At::Over)),
            },
            At::Over => None,
        }
    });
    // An empty chunk would be the last.
    let frames = frames.filter(|bytes| std::future::ready(!matches!(bytes, Ok(bytes) if bytes.is_empty())));
    Body::Stream(StreamBody::new(frames.map(|bytes| bytes.map(Frame::data))).boxed_unsync())
}
