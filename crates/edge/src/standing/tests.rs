//! Sockets over a real listener: who gets one, what they say, and everything that ends them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use base::{DbRole, Profile, Rng, Settings, SignedIn, Who};
use futures_util::{SinkExt, StreamExt};
use http::Method;
use limits::Limiter;
use pg::{Config, Login, Pg, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message as Raw};
use uuid::Uuid;
use web::{Answer, Area, Bounds, Guard, Message, Mount, Reply, Route};

use super::*;
use crate::{Edge, EdgeConfig, Hosts, Sentry};

const BOUNDS: Bounds = Bounds { message_bytes_max: 1_000, idle: Duration::from_secs(60) };
const SESSION: Uuid = Uuid::from_u128(7);

/// Says what it hears again; `show TOKEN` shows one, `deaf` stops listening to anything.
async fn echo(mut socket: Socket) {
    let mut kept = Vec::new();
    let ending = loop {
        let heard = match socket.next().await {
            Ok(heard) => heard,
            Err(ending) => break ending,
        };
        let said = match &heard {
            Message::Text(text) if text.starts_with("show ") => {
                match socket.show(Some(Secret::from(&text[5..]))).await {
                    Ok(shown) => {
                        let who = shown.caller.actor();
                        kept.push(shown);
                        Message::text(who)
                    }
                    Err(refused) => Message::text(refused.fault().code()),
                }
            }
            Message::Text(text) if *text == "deaf" => {
                socket.send(heard).await.unwrap();
                std::future::pending().await
            }
            _ => heard,
        };
        if let Err(ending) = socket.send(said).await {
            break ending;
        }
    };
    socket.close(ending.code(), ending.words()).await;
}

const ROUTES: &[Route<()>] = &[
    Route::new(Method::GET, "/socket", Guard::Key, |_, _, _| {
        Box::pin(async { Ok(Answer::socket(BOUNDS, echo)) })
    })
    .upgrades(),
    Route::new(Method::GET, "/plain", Guard::Open, |_, _, _| {
        Box::pin(async { Ok(Reply::untouched(Answer::no_content(), "a test")) })
    }),
];

struct World {
    address: SocketAddr,
    connections: Connections,
    /// Whether keys are good.
    good: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
    edge: Arc<Edge>,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

/// `apikey=key` is good, and so are tokens: `session`, `brief` until second 100, and no others.
fn identify(good: Arc<AtomicBool>) -> Identify {
    Arc::new(move |presented, _| {
        let good = good.load(Ordering::SeqCst);
        Box::pin(async move {
            let session = |expires_at| {
                let who = Who::User(SignedIn { user: Uuid::from_u128(1), session: Some(SESSION) });
                let caller = Caller { who, role: DbRole::authenticated(), ..Caller::anonymous() };
                Ok(Identified { caller: Arc::new(caller), has_credential: true, expires_at, beside: None })
            };
            let key = presented.apikey.is_some();
            match presented.bearer.as_deref() {
                _ if key && !good => Err(web::Error::NoApiKey.into()),
                None => Ok(Identified {
                    caller: Arc::new(Caller::anonymous()),
                    has_credential: key,
                    expires_at: None,
                    beside: None,
                }),
                Some("session") => session(None),
                Some("brief") => session(Some(100)),
                Some(_) => Err(web::Error::NotSignedIn.into()),
            }
        })
    })
}

async fn world() -> World {
    let (good, refused) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (connections, clock) = (Connections::default(), Clock::system());
    let nowhere = Server::Socket { dir: "/nowhere".into(), port: 1 };
    let login = Login { name: "nobody".into(), password: None };
    let told = refused.clone();
    let config = EdgeConfig {
        mounts: vec![Mount::new("", web::plain, Arc::new(()), ROUTES).area(Area::Data)],
        identify: identify(good.clone()),
        recognise: Arc::new(|_, _, _| Box::pin(async { None })),
        on_refusal: Arc::new(move |_| {
            told.fetch_add(1, Ordering::SeqCst);
        }),
        on_exposed: Arc::new(|_| {}),
        hosts: Hosts::any(),
        on_use: Arc::new(|_| {}),
        admin_elsewhere: false,
        pg: Pg::connect(Config::new(nowhere, "nothing", login, None)).unwrap(),
        clock: clock.clone(),
        rng: Rng::system(),
        limiter: Limiter::in_memory(clock),
        connections: connections.clone(),
        sentry: Sentry::none(),
        profile: Profile::Dev,
    };
    let settings = Settings::default().with("rate_limiting.enabled", "false");
    let edge = Arc::new(Edge::new(&settings, config).unwrap());
    let listening = crate::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let (address, stop) = (listening.address().unwrap(), CancellationToken::new());
    let serving = tokio::spawn(crate::serve(edge.clone(), listening, stop.clone()));
    World { address, connections, good, refused, edge, stop, serving }
}

type Talk = WebSocketStream<TcpStream>;

impl World {
    async fn over(&self, stream: TcpStream, query: &str) -> Result<Talk, Error> {
        let request = format!("ws://{}/socket{query}", self.address).into_client_request().unwrap();
        tokio_tungstenite::client_async(request, stream).await.map(|(talk, _)| talk)
    }

    async fn talk(&self) -> Talk {
        self.over(TcpStream::connect(self.address).await.unwrap(), "?apikey=key").await.unwrap()
    }
}

async fn say(talk: &mut Talk, text: &str) -> String {
    talk.send(Raw::text(text)).await.unwrap();
    talk.next().await.unwrap().unwrap().into_text().unwrap().to_string()
}

/// The code that it is closed with, and that this took no second.
async fn closed(talk: &mut Talk) -> u16 {
    let began = Instant::now();
    let code = loop {
        match talk.next().await {
            Some(Ok(Raw::Close(Some(frame)))) => break frame.code.into(),
            Some(Ok(_)) => {}
            None | Some(Err(_)) => break 0,
        }
    };
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    code
}

async fn soon(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_socket_says_what_it_hears_and_keeps_its_place_among_the_connections() {
    let world = world().await;
    let mut talk = world.talk().await;
    assert_eq!(say(&mut talk, "hello").await, "hello");
    talk.send(Raw::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(talk.next().await.unwrap().unwrap().into_data().as_ref(), [1, 2, 3]);
    let open = || {
        let mut page = world.edge.counts().page(false);
        world.edge.counts().write(&mut page, &|_| true, 0);
        page.end().lines().any(|line| line == "active_connections 1")
    };
    assert!(open(), "it is counted for as long as it is open");
    talk.close(None).await.unwrap();
    while let Some(Ok(_)) = talk.next().await {}
    soon(|| !open()).await;
    assert_eq!(world.connections.sessions(), 0);
}

#[tokio::test]
async fn a_connection_that_was_used_before_and_rested_becomes_one() {
    let world = world().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(b"GET /plain HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 204") && answer[..length].ends_with(b"\r\n\r\n"));
    // Longer than it is kept ready.
    tokio::time::sleep(Duration::from_millis(3 * crate::limits::READY_MS_MAX.value)).await;
    let mut talk = world.over(stream, "?apikey=key").await.unwrap();
    assert_eq!(say(&mut talk, "still here").await, "still here");
}

#[tokio::test]
async fn whoever_shows_nothing_or_asks_for_something_else_gets_none() {
    let world = world().await;
    let refused =
        async |query: &str| match world.over(TcpStream::connect(world.address).await.unwrap(), query).await {
            Err(Error::Http(answer)) => answer.status().as_u16(),
            other => panic!("{other:?}"),
        };
    assert_eq!(refused("").await, 401);
    let head = "GET /socket?apikey=key HTTP/1.1\r\nhost: x\r\nconnection: close, upgrade\r\n";
    let socket =
        "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (without, status) in [
        ("", "101"),
        ("upgrade: websocket", "426"),
        ("sec-websocket-version: 13", "426"),
        ("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", "426"),
        (", upgrade", "426"),
    ] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let request = format!("{head}{socket}\r\n");
        let request = if without.is_empty() { request } else { request.replacen(without, "x: y", 1) };
        let request = request.replace("closex: y", "close");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{without}: {answer}");
        if status == "101" {
            assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "RFC 6455's own example: {answer}");
        } else {
            assert!(answer.contains("upgrade: websocket") && answer.contains("web.not_a_socket"), "{answer}");
        }
    }
    // A page of somebody else.
    let mut request = format!("ws://{}/socket?apikey=key", world.address).into_client_request().unwrap();
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    let stream = TcpStream::connect(world.address).await.unwrap();
    let Err(Error::Http(answer)) = tokio_tungstenite::client_async(request, stream).await else {
        panic!("it was let in")
    };
    assert_eq!(answer.status(), 403);
}

#[tokio::test]
async fn row_44_a_socket_ends_with_whatever_was_shown_on_it() {
    let world = world().await;
    let mut bystander = world.talk().await;

    let mut talk = world.talk().await;
    assert_eq!(say(&mut talk, "show session").await, format!("user:{}", Uuid::from_u128(1)));
    world.connections.end(SESSION);
    assert_eq!(closed(&mut talk).await, 1008, "an ended session");

    let mut talk = world.talk().await;
    say(&mut talk, "show brief").await;
    world.connections.pass(99);
    assert_eq!(say(&mut talk, "not yet").await, "not yet");
    world.connections.pass(100);
    assert_eq!(closed(&mut talk).await, 1008, "a token that is over");

    let before = world.refused.load(Ordering::SeqCst);
    assert_eq!(say(&mut bystander, "show forged").await, "web.not_signed_in");
    assert_eq!(world.refused.load(Ordering::SeqCst), before + 1, "a token that is refused is told of");
    assert_eq!(say(&mut bystander, "nobody else's").await, "nobody else's");
    world.connections.doubt();
    assert_eq!(say(&mut bystander, "a doubt without a reason").await, "a doubt without a reason");
    world.good.store(false, Ordering::SeqCst);
    world.connections.doubt();
    assert_eq!(closed(&mut bystander).await, 1008, "a key that was revoked");
    soon(|| world.connections.sessions() == 0).await;
}

#[tokio::test]
async fn whoever_does_not_listen_is_cut_and_who_says_too_much_is_told() {
    let world = world().await;
    let mut deaf = world.talk().await;
    say(&mut deaf, "show session").await;
    say(&mut deaf, "deaf").await;
    world.connections.end(SESSION);
    assert_eq!(closed(&mut deaf).await, 0, "no goodbye, but an end");

    let mut large = world.talk().await;
    assert_eq!(say(&mut large, &"x".repeat(1_000)).await.len(), 1_000);
    large.send(Raw::text("x".repeat(1_001))).await.unwrap();
    assert_eq!(closed(&mut large).await, 1009);
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_waits_for_nobody_for_long() {
    let world = world().await;
    let mut talk = world.talk().await;
    say(&mut talk, "hello").await;
    world.stop.cancel();
    assert_eq!(closed(&mut talk).await, 1001);
    let began = Instant::now();
    world.serving.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
