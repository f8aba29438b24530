//! A kill at one of the awaits of some work.

/// Polls `work` at most `times` times, then drops it. Whether it was done before that.
pub async fn killed_after(times: usize, work: impl Future) -> bool {
    let mut work = std::pin::pin!(work);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        if work.as_mut().poll(context).is_ready() {
            return std::task::Poll::Ready(true);
        }
        polls += 1;
        if polls >= times { std::task::Poll::Ready(false) } else { std::task::Poll::Pending }
    })
    .await
}
