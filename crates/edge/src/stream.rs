//! Streamed bodies: one that ends with its session, one that has to be taken in time, one that somebody looks through.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base::Caller;
use bytes::Bytes;
use futures_util::FutureExt;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use web::Answer;

use crate::limits::WRITE_STALL_MS_MAX;

type Boxed = UnsyncBoxBody<Bytes, std::io::Error>;

struct UntilEnded {
    stream: Boxed,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// `stream`, cut with an error as soon as `over` is.
pub(crate) fn until(stream: Boxed, over: impl Future<Output = ()> + Send + 'static) -> Boxed {
    UntilEnded { stream, ended: Box::pin(over) }.boxed_unsync()
}

/// `stream`, ended when the next piece of it is not taken in time, however the protocol lets a peer not take it: what makes the
/// pieces holds a database connection meanwhile.
pub(crate) fn taken_in_time(stream: Boxed) -> Boxed {
    let (give, taken) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let mut stream = stream;
        let bound = Duration::from_millis(WRITE_STALL_MS_MAX.value);
        loop {
            let frame = tokio::select! {
                frame = stream.frame() => frame,
                // Nobody is there any more: what makes the rest is stopped with the stream.
                () = give.closed() => return,
            };
            let ended = matches!(frame, None | Some(Err(_)));
            if tokio::time::timeout(bound, give.send(frame)).await.is_err() || ended {
                return;
            }
        }
    });
    Taken { taken, ended: false }.boxed_unsync()
}

struct Taken {
    taken: tokio::sync::mpsc::Receiver<Option<Result<Frame<Bytes>, std::io::Error>>>,
    ended: bool,
}

impl Body for Taken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = match self.taken.poll_recv(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(frame)) => frame,
            // Given up: an end that is none must not look like one.
            Poll::Ready(None) => Some(Err(std::io::ErrorKind::TimedOut.into())),
        };
        self.ended = matches!(frame, None | Some(Err(_)));
        Poll::Ready(frame)
    }
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
            return Poll::Ready(Some(Err(std::io::Error::other("whoever asked may not any more"))));
        }
        Pin::new(&mut self.stream).poll_frame(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::stream;
    use http_body_util::StreamBody;

    use super::*;

    /// A thousand pieces, as something that is held for as long as they are made.
    fn pieces(held: Arc<()>) -> Boxed {
        let all = stream::iter((0..1000).map(move |number| {
            let _held = &held;
            Ok(Frame::data(Bytes::from(format!("{number}\n"))))
        }));
        StreamBody::new(all).boxed_unsync()
    }

    #[tokio::test(start_paused = true)]
    async fn row_100_a_stream_that_nobody_takes_lets_go_of_what_makes_it_and_does_not_look_whole() {
        let held = Arc::new(());
        let mut body = taken_in_time(pieces(held.clone()));
        body.frame().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(WRITE_STALL_MS_MAX.value + 1000)).await;
        assert_eq!(Arc::strong_count(&held), 1, "the maker is gone");
        let mut last = body.frame().await;
        while let Some(Ok(_)) = last {
            last = body.frame().await;
        }
        assert_eq!(last.unwrap().unwrap_err().kind(), std::io::ErrorKind::TimedOut);

        // One that is taken, however slowly, comes whole.
        let mut body = taken_in_time(pieces(held.clone()));
        let mut text = String::new();
        while let Some(frame) = body.frame().await {
            text += std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap();
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
        assert!(text.starts_with("0\n1\n") && text.ends_with("998\n999\n"));

        // And one that is dropped takes its maker along.
        let body = taken_in_time(pieces(held.clone()));
        drop(body);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
