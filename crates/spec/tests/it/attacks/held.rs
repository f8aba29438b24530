//! What is sent and not ended: nobody holds all the room there is for what arrives (row 85).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::json;
use spec::{Talk, TestApp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;

async fn connect(app: &TestApp, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse::<IpAddr>().unwrap(), 0)).unwrap();
    socket.connect(app.running.address).await.unwrap()
}

const HEAD: &str =
    "POST /auth/v1/token?grant_type=password HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1040000\r\n\r\n";

/// Begins a body, and does not end it.
async fn begin_body(app: &TestApp, from: &str, sent: &[u8]) -> TcpStream {
    let mut stream = connect(app, from).await;
    stream.write_all(HEAD.as_bytes()).await.unwrap();
    // Whoever is refused is refused before everything was sent.
    let _sent_or_refused = stream.write_all(sent).await;
    stream
}

/// The status that a body in two pieces gets.
async fn in_two_pieces(app: &TestApp, from: &str) -> String {
    let mut stream = begin_body(app, from, &[b' '; 500_000]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let _sent_or_refused = stream.write_all(&[b' '; 540_000]).await;
    let mut answer = vec![0; 12];
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut answer)).await;
    read.map_or("(nothing)".to_owned(), |_| String::from_utf8_lossy(&answer[9..]).into_owned())
}

#[tokio::test]
async fn row_85_bodies_without_an_end_take_the_room_of_their_own_address_and_of_nobody_else() {
    let app = TestApp::builder().unlimited().start().await;
    let (attacker, neighbour) = ("127.85.1.1", "127.85.1.2");
    let most = vec![b' '; 1_000_000];
    let senders = (0..300).map(|_| begin_body(&app, attacker, &most));
    let open = futures_util::future::join_all(senders).await;
    app.eventually(async || in_two_pieces(&app, attacker).await == "503").await;
    assert_eq!(in_two_pieces(&app, neighbour).await, "400", "there is room for others");
    drop(open);
    app.eventually(async || in_two_pieces(&app, attacker).await == "400").await;
}

/// A socket by hand: what is sent over it is up to the test.
async fn socket(app: &TestApp, from: &str) -> TcpStream {
    let mut stream = connect(app, from).await;
    let key = &app.running.keys.publishable;
    let asked = format!(
        "GET /realtime/v1/websocket?vsn=2.0.0&apikey={key} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// A client's frame, masked by nothing: it says that it is so long.
fn frame(first: u8, length: u64, content: &[u8]) -> Vec<u8> {
    let length = match u16::try_from(length) {
        Ok(short) => [&[0xfe][..], &short.to_be_bytes()].concat(),
        Err(_) => [&[0xff][..], &length.to_be_bytes()].concat(),
    };
    [&[first][..], &length, &[0; 4], content].concat()
}

/// Three megabytes of a message that goes on: in one frame, or in many with pings in between.
fn begun(in_one: bool) -> Vec<u8> {
    if in_one {
        return frame(0x81, 3_100_000, &vec![b' '; 3_000_000]);
    }
    let ping = [&[0x89, 0xfd, 0, 0, 0, 0][..], &[b'p'; 125]].concat();
    let piece = vec![b' '; 10_000];
    let first = frame(0x01, 10_000, &piece);
    let next = [ping, frame(0x00, 10_000, &piece)].concat();
    [first, next.repeat(299)].concat()
}

/// The code it was closed with; nothing while it is open.
async fn closed_with(stream: &mut TcpStream) -> Option<u16> {
    let mut frame = [0; 2];
    loop {
        let read = tokio::time::timeout(Duration::from_millis(300), stream.read_exact(&mut frame)).await;
        read.ok()?.ok()?;
        let mut content = vec![0; usize::from(frame[1])];
        stream.read_exact(&mut content).await.ok()?;
        if frame[0] == 0x88 {
            return Some(u16::from_be_bytes([content[0], content[1]]));
        }
    }
}

/// Sends a large heartbeat, and is answered.
async fn beats(app: &TestApp, from: &str, whole: &str) {
    let at = format!("ws://{}", app.running.address);
    let mut talk = Talk::over(connect(app, from).await, &at, &app.running.keys.publishable).await;
    talk.send(Message::text(whole.to_owned())).await;
    assert_eq!(talk.answer("1").await["status"], "ok", "there is room for {from}");
}

#[tokio::test]
async fn row_85_messages_without_an_end_take_the_room_of_their_own_address_and_of_nobody_else() {
    let app = TestApp::builder().unlimited().start().await;
    let (attacker, neighbour) = ("127.85.2.1", "127.85.2.2");
    for in_one in [true, false] {
        let bytes = begun(in_one);
        let mut open = Vec::new();
        for _ in 0..40 {
            let mut stream = socket(&app, attacker).await;
            let _sent_or_closed = stream.write_all(&bytes).await;
            open.push(stream);
        }
        let mut codes = Vec::new();
        for stream in &mut open {
            codes.extend(closed_with(stream).await);
        }
        // 64 MiB are 22 of them; some may be gone before they could say why.
        let left = app.running.services.realtime.sockets();
        assert!((15..=22).contains(&left), "{left} of 40 in one frame: {in_one}");
        assert!(!codes.is_empty() && codes.iter().all(|code| *code == 1013), "{codes:?}");
        let whole = json!([null, "1", "phoenix", "heartbeat", { "x": "y".repeat(2_900_000) }]).to_string();
        beats(&app, neighbour, &whole).await;
        // What ended holds nothing, and what is whole neither: sixty megabytes, one after the other.
        drop(open);
        app.eventually(async || app.running.services.realtime.sockets() <= 1).await;
        for _ in 0..30 {
            beats(&app, attacker, &whole).await;
        }
    }
}
