//! Streamed bodies: one that ends with its session, one that somebody looks through.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::connections::Watch;

type Boxed = UnsyncBoxBody<Bytes, std::io::Error>;

struct UntilEnded {
    stream: Boxed,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    _watch: Watch,
}

/// `stream`, cut with an error as soon as the watched session ends.
pub(crate) fn until_ended(stream: Boxed, watch: Watch) -> Boxed {
    let token = watch.token();
    UntilEnded { stream, ended: Box::pin(async move { token.cancelled().await }), _watch: watch }
        .boxed_unsync()
}

/// `stream`, with each piece shown to `look` before it leaves.
pub(crate) fn looked_through(stream: Boxed, mut look: crate::Look) -> Boxed {
    let shown = move |frame: Frame<Bytes>| {
        if let Some(piece) = frame.data_ref() {
            look(piece);
        }
        frame
    };
    stream.map_frame(shown).boxed_unsync()
}

impl Body for UntilEnded {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.ended.poll_unpin(cx).is_ready() {
            return Poll::Ready(Some(Err(std::io::Error::other("the session has ended"))));
        }
        Pin::new(&mut self.stream).poll_frame(cx)
    }
}
