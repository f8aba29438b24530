//! Streamed bodies: one that ends with its session, one that somebody looks through.

use std::pin::Pin;
use std::task::{Context, Poll};

use base::Caller;
use bytes::Bytes;
use futures_util::FutureExt;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use web::Answer;

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

/// Shows what `caller` is answered with to whoever looks through it.
pub(crate) fn shown(on_answer: &crate::OnAnswer, caller: &Caller, path: &str, mut answer: Answer) -> Answer {
    if answer.0.extensions_mut().remove::<web::OwnWords>().is_some() {
        return answer;
    }
    let Some(mut look) = on_answer(caller, path) else { return answer };
    let (head, body) = answer.0.into_parts();
    let body = match body {
        web::Body::Whole(bytes) => {
            look(&bytes);
            web::Body::Whole(bytes)
        }
        web::Body::Stream(stream) => {
            let show = move |frame: Frame<Bytes>| {
                frame.data_ref().into_iter().for_each(|piece| look(piece));
                frame
            };
            web::Body::Stream(stream.map_frame(show).boxed_unsync())
        }
    };
    Answer(http::Response::from_parts(head, body))
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
