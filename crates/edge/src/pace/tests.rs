//! How long who is waited for.

use futures_util::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, timeout};

use super::*;

const HEAD: Duration = Duration::from_millis(HEAD_MS_MAX.value);
const IDLE: Duration = Duration::from_millis(IDLE_MS_MAX.value);
const READY: Duration = Duration::from_millis(READY_MS_MAX.value);
const STALL: Duration = Duration::from_millis(WRITE_STALL_MS_MAX.value);

fn connection() -> (DuplexStream, Pace, Paced<DuplexStream>) {
    let (theirs, ours) = duplex(1024);
    let pace = Pace::default();
    (theirs, pace.clone(), Paced::new(ours, None, pace, &Resting::new()))
}

/// One that was asked `said`, of which the body has so many bytes, and has answered.
async fn answered(
    said: &[u8],
    body_bytes: u64,
) -> (DuplexStream, Resting<DuplexStream>, Paced<DuplexStream>) {
    let ((mut theirs, ours), pace, resting) = (duplex(1024), Pace::default(), Resting::new());
    let mut paced = Paced::new(ours, None, pace.clone(), &resting);
    theirs.write_all(said).await.unwrap();
    paced.read_exact(&mut vec![0; said.len()]).await.unwrap();
    drop(pace.begin(body_bytes, Version::HTTP_11));
    (theirs, resting, paced)
}

/// Reads until it ends; after how long that was.
async fn ends_after(paced: &mut Paced<DuplexStream>) -> Duration {
    let began = Instant::now();
    paced.read_to_end(&mut Vec::new()).await.unwrap();
    began.elapsed()
}

#[track_caller]
fn is_about(took: Duration, wanted: Duration) {
    assert!(took.abs_diff(wanted) < Duration::from_millis(50), "{took:?}, not {wanted:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_at_all_and_half_a_head_are_waited_for_as_long_as_a_head_may_take() {
    let (_theirs, _, mut paced) = connection();
    is_about(ends_after(&mut paced).await, HEAD);
    let (mut theirs, _, mut paced) = connection();
    theirs.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
    is_about(ends_after(&mut paced).await, HEAD);
}

#[tokio::test(start_paused = true)]
async fn a_drop_now_and_then_makes_a_head_no_longer() {
    let (mut theirs, _, mut paced) = connection();
    let drips = tokio::spawn(async move {
        loop {
            if theirs.write_all(b"x").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    is_about(ends_after(&mut paced).await, HEAD);
    drips.abort();
}

#[tokio::test(start_paused = true)]
async fn after_an_answer_the_next_request_may_take_its_time_and_its_head_may_not() {
    let (mut theirs, pace, mut paced) = connection();
    theirs.write_all(b"GET").await.unwrap();
    paced.read_exact(&mut [0; 3]).await.unwrap();
    let open = pace.begin(0, Version::HTTP_11);
    // An answer that takes an hour is nobody's rest.
    let read = timeout(Duration::from_secs(3600), paced.read(&mut [0; 1])).await;
    assert!(read.is_err());
    drop(open);
    let mut resting = paced;
    let waited = timeout(IDLE - Duration::from_secs(1), resting.read(&mut [0; 1])).await;
    assert!(waited.is_err(), "longer than a head may take");
    theirs.write_all(b"G").await.unwrap();
    resting.read_exact(&mut [0; 1]).await.unwrap();
    is_about(ends_after(&mut resting).await, HEAD);

    let (_theirs, resting, mut paced) = answered(b"GET", 0).await;
    is_about(ends_after(&mut paced).await, IDLE);
    assert!(resting.take().is_none(), "what is not a whole request may be half of the next one");
}

#[tokio::test(start_paused = true)]
async fn who_is_answered_and_asks_nothing_more_for_a_moment_rests() {
    for (said, body_bytes) in [
        ("GET / HTTP/1.1\r\n\r\n", 0),
        ("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", 0),
        ("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nyes", 3),
        ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n", 0),
    ] {
        let (mut theirs, resting, mut paced) = answered(said.as_bytes(), body_bytes).await;
        is_about(ends_after(&mut paced).await, READY);
        // The protocol above closes what it believes to have ended.
        paced.shutdown().await.unwrap();
        drop(paced);
        let mut stream = resting.take().expect("it rests");
        theirs.write_all(b"GET").await.unwrap();
        let first = stream.read_u8().await.unwrap();
        let mut paced = Paced::new(stream, Some(first), Pace::default(), &resting);
        let mut all = [0; 3];
        paced.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"GET");
        is_about(ends_after(&mut paced).await, HEAD);
        assert!(resting.take().is_none(), "a head has begun");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_sent_a_part_of_the_next_request_does_not_rest() {
    for (said, body_bytes) in
        [("GET / HTTP/1.1\r\n\r\nGET / HT", 0), ("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nyesG", 3)]
    {
        let (_theirs, resting, mut paced) = answered(said.as_bytes(), body_bytes).await;
        assert!(timeout(2 * READY, paced.read(&mut [0; 1])).await.is_err());
        assert!(resting.take().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn frames_of_http_2_that_ask_for_nothing_keep_nothing_open() {
    let (mut theirs, _, mut paced) = connection();
    theirs.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let pings = tokio::spawn(async move {
        loop {
            if theirs.write_all(b"ping").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
    });
    is_about(ends_after(&mut paced).await, IDLE);
    pings.abort();
}

#[tokio::test(start_paused = true)]
async fn a_rest_begins_with_the_end_of_the_last_answer_though_nobody_says_anything() {
    let (mut theirs, pace, mut paced) = connection();
    theirs.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    paced.read_exact(&mut [0; 24]).await.unwrap();
    let open = pace.begin(0, Version::HTTP_11);
    let reads = tokio::spawn(async move { ends_after(&mut paced).await });
    let answer = Duration::from_secs(3600);
    tokio::time::sleep(answer).await;
    assert!(!reads.is_finished());
    drop(open);
    is_about(timeout(2 * IDLE, reads).await.expect("it ends").unwrap(), answer + IDLE);
}

#[tokio::test(start_paused = true)]
async fn row_100_who_takes_nothing_is_given_up_and_who_takes_little_is_not() {
    let (_theirs, pace, mut paced) = connection();
    let _open = pace.begin(0, Version::HTTP_11);
    let began = Instant::now();
    let refused = paced.write_all(&[0; 4096]).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::TimedOut);
    is_about(began.elapsed(), STALL);

    let (mut theirs, pace, paced) = connection();
    drop(pace.begin(0, Version::HTTP_11));
    let (mut reading, mut writing) = tokio::io::split(paced);
    let ends = tokio::spawn(async move {
        let began = Instant::now();
        reading.read_to_end(&mut Vec::new()).await.unwrap();
        began.elapsed()
    });
    let takes = tokio::spawn(async move {
        for _ in 0..20 {
            tokio::time::sleep(STALL / 2).await;
            theirs.read_exact(&mut [0; 512]).await.unwrap();
        }
        theirs
    });
    writing.write_all(&[0; 20 * 512]).await.unwrap();
    assert!(!ends.is_finished(), "all that time the answer was under way");
    let _theirs = takes.await.unwrap();
    assert!(timeout(2 * IDLE, ends).await.unwrap().unwrap() > 9 * STALL);
}

#[tokio::test(start_paused = true)]
async fn what_became_a_websocket_is_left_alone() {
    let (mut theirs, pace, mut paced) = connection();
    theirs.write_all(b"GET").await.unwrap();
    paced.read_exact(&mut [0; 3]).await.unwrap();
    drop(pace.begin(0, Version::HTTP_11));
    pace.release(None);
    assert!(timeout(10 * IDLE, paced.read(&mut [0; 1])).await.is_err());
}

/// Over HTTP/2 a peer says of each answer how much of it may be sent, and can go on talking about others.
#[tokio::test(start_paused = true)]
async fn row_100_who_does_not_take_an_answer_over_http_2_is_given_up_whatever_else_they_say() {
    let answer = |pace: &Pace, length: usize| {
        let whole = Body::Whole(vec![0; length].into());
        Answering::new(whole, pace.begin(0, Version::HTTP_11))
    };
    let (mut theirs, pace, mut paced) = connection();
    theirs.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    paced.read_exact(&mut [0; 24]).await.unwrap();
    let (mut held, mut taken) = (answer(&pace, 100_000), answer(&pace, 10 * 16_384));
    let reads = tokio::spawn(async move { ends_after(&mut paced).await });
    let talks = tokio::spawn(async move {
        while theirs.write_all(b"ping").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
    });
    let piece = held.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(piece.len() < 20_000, "the rest is not the protocol's yet: {}", piece.len());
    for _ in 0..10 {
        taken.frame().await.unwrap().unwrap();
        tokio::time::sleep(STALL / 20).await;
    }
    assert!(!reads.is_finished());
    is_about(timeout(2 * STALL, reads).await.expect("it ends").unwrap(), STALL);
    drop(held);
    talks.abort();

    // Who takes a little now and then is left their time, and so is what makes its next piece.
    let (mut theirs, pace, mut paced) = connection();
    theirs.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    paced.read_exact(&mut [0; 24]).await.unwrap();
    let (give, made) = tokio::sync::oneshot::channel::<()>();
    let first = futures_util::stream::once(async { Ok(Frame::data(Bytes::from_static(b"x"))) });
    let late = futures_util::stream::once(async move { made.await.map(|()| Frame::data(Bytes::new())) });
    let late = StreamBody::new(first.chain(late).map_err(std::io::Error::other)).boxed_unsync();
    let (mut taken, mut late) =
        (answer(&pace, 100_000), Answering::new(Body::Stream(late), pace.begin(0, Version::HTTP_11)));
    let reads = tokio::spawn(async move { ends_after(&mut paced).await });
    let waits = tokio::spawn(async move {
        late.frame().await.unwrap().unwrap();
        late.frame().await.unwrap().unwrap()
    });
    while let Some(piece) = taken.frame().await {
        piece.unwrap();
        tokio::time::sleep(STALL * 9 / 10).await;
    }
    drop(taken);
    tokio::time::sleep(10 * STALL).await;
    assert!(!reads.is_finished());
    give.send(()).unwrap();
    waits.await.unwrap();
    timeout(2 * IDLE, reads).await.expect("and then it rests and ends").unwrap();
}
