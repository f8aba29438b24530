//! Something between the probes and the instance that takes a protection out of what passes: the instance with that
//! layer missing, seen from outside.

use std::net::SocketAddr;
use std::sync::Arc;

use posture::State;
use spec::TestApp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{bench, is, look, look_from, misses};

/// Listens, and passes on what `asked` makes of each request's head and what `answered` makes of each whole answer.
/// One request a connection, as the bench sends them; the instance sees each client's own address.
pub async fn put(
    instance: SocketAddr,
    asked: impl Fn(String) -> String + Send + Sync + 'static,
    answered: impl Fn(String) -> String + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let edits = Arc::new((asked, answered));
    tokio::spawn(async move {
        while let Ok((client, from)) = listener.accept().await {
            let edits = edits.clone();
            tokio::spawn(async move {
                // Either side may hang up first.
                let _ = pass(client, from, instance, &edits.0, &edits.1).await;
            });
        }
    });
    address
}

async fn pass(
    mut client: TcpStream,
    from: SocketAddr,
    instance: SocketAddr,
    asked: &impl Fn(String) -> String,
    answered: &impl Fn(String) -> String,
) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from.ip(), 0))?;
    let mut server = socket.connect(instance).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = asked(String::from_utf8(head).unwrap());
    server.write_all(head.as_bytes()).await?;
    if head.to_ascii_lowercase().contains("\r\nupgrade: websocket\r\n") {
        // What is said over a socket is nobody's head and nobody's answer.
        return tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop);
    }
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let mut answer = Vec::new();
    let body = async {
        tokio::io::copy(&mut from_client, &mut to_server).await?;
        std::future::pending::<std::io::Result<usize>>().await
    };
    tokio::select! {
        read = from_server.read_to_end(&mut answer) => read?,
        sent = body => sent?,
    };
    to_client.write_all(answered(String::from_utf8(answer).unwrap()).as_bytes()).await
}

/// Passes everything on as it is, from this machine's own address: the instance cannot tell who connects.
pub async fn hiding(instance: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(instance).await.unwrap();
                // Either side may hang up first.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

/// The message without a header.
pub fn without(message: &str, header: &str) -> String {
    let (head, body) = message.split_once("\r\n\r\n").unwrap();
    let kept: Vec<&str> = head
        .split("\r\n")
        .filter(|line| line.split(':').next().is_some_and(|name| !name.eq_ignore_ascii_case(header)))
        .collect();
    format!("{}\r\n\r\n{body}", kept.join("\r\n"))
}

/// The message with one more header.
fn with(message: &str, header: &str) -> String {
    message.replacen("\r\n", &format!("\r\n{header}\r\n"), 1)
}

/// Proven at the instance and through something that changes nothing, failing through something that edits.
async fn fails_through(
    control: u16,
    asked: impl Fn(String) -> String + Send + Sync + 'static,
    answered: impl Fn(String) -> String + Send + Sync + 'static,
) {
    let app = TestApp::start().await;
    let mut far = bench(&app);
    far.place.address = put(app.running.address, asked, answered).await;
    misses(&look_from(far, control).await, "with the protection taken out on the way");
    let mut near = bench(&app);
    near.place.address = put(app.running.address, |head| head, |answer| answer).await;
    is(&look_from(near, control).await, State::Proven, "with everything passed on as it is");
    is(&look(&app, control).await, State::Proven, "as it is");
}

async fn is_missed(control: u16, header: &'static str) {
    fails_through(control, |head| head, move |answer| without(&answer, header)).await;
}

#[tokio::test]
async fn a_missing_frame_header_is_seen() {
    is_missed(76, "x-frame-options").await;
}

#[tokio::test]
async fn a_missing_sniffing_header_is_seen() {
    is_missed(77, "x-content-type-options").await;
}

#[tokio::test]
async fn a_missing_xss_header_is_seen() {
    is_missed(78, "x-xss-protection").await;
}

#[tokio::test]
async fn a_missing_referrer_policy_is_seen() {
    is_missed(79, "referrer-policy").await;
}

#[tokio::test]
async fn a_missing_content_security_policy_is_seen() {
    is_missed(80, "content-security-policy").await;
}

#[tokio::test]
async fn a_missing_permissions_policy_is_seen() {
    is_missed(81, "permissions-policy").await;
}

#[tokio::test]
async fn a_banner_is_seen() {
    fails_through(82, |head| head, |answer| with(&answer, "server: palisade/0.1")).await;
}

#[tokio::test]
async fn a_failure_that_tells_what_the_database_said_is_seen() {
    let told = "could not open file \\\"/var/lib/somewhere\\\"; unexpected error";
    fails_through(127, |head| head, |answer| answer.replace("unexpected error", told)).await;
}

#[tokio::test]
async fn a_failure_without_a_request_id_is_seen() {
    is_missed(127, "x-request-id").await;
}

#[tokio::test]
async fn a_request_that_runs_as_nobody_is_seen() {
    fails_through(46, |head| without(&head, "authorization"), |answer| answer).await;
}

#[tokio::test]
async fn a_secret_key_that_works_in_a_browser_is_seen() {
    let not_a_browser = |head: String| without(&without(&head, "origin"), "sec-fetch-site");
    fails_through(47, not_a_browser, |answer| answer).await;
}

#[tokio::test]
async fn a_token_that_is_taken_whoever_signed_it_is_seen() {
    let app = TestApp::start().await;
    let people = bench(&app);
    let (_, session) = people.guest().await.unwrap();
    let good = format!("authorization: Bearer {}", session.access);
    let any_signature = move |head: String| match head.contains("authorization: Bearer ey") {
        true => with(&without(&head, "authorization"), &good),
        false => head,
    };
    let mut far = bench(&app);
    far.place.address = put(app.running.address, any_signature, |answer| answer).await;
    misses(&look_from(far, 116).await, "with every token taken for a good one");
    is(&look(&app, 116).await, State::Proven, "as it is");
}

#[tokio::test]
async fn a_listed_origin_that_gets_more_than_is_listed_is_seen() {
    let site = "https://app.example";
    let app = TestApp::builder().with("server.cors.allowed_origins", site).start().await;
    let from = |address| {
        let mut from = bench(&app);
        (from.place.address, from.place.origin) = (address, Some(site.to_owned()));
        from
    };
    let more = |answer: String| with(&answer, "access-control-allow-methods: GET, TRACE");
    let far = put(app.running.address, |head| head, more).await;
    misses(&look_from(from(far), 74).await, "with a method more");
    is(&look_from(from(app.running.address), 74).await, State::Proven, "as it is");
}

/// Proven as it is and failing through something that edits, with our own page and without one.
async fn forgeries_are_seen(
    asked: impl Fn(String) -> String + Send + Sync + Clone + 'static,
    answered: impl Fn(String) -> String + Send + Sync + Clone + 'static,
) {
    for builder in [TestApp::builder(), crate::features::oauth_server::with_server()] {
        let app = builder.start().await;
        is(&look(&app, 75).await, State::Proven, "as it is");
        let mut far = bench(&app);
        far.place.address = put(app.running.address, asked.clone(), answered.clone()).await;
        misses(&look_from(far, 75).await, "with the protection taken out on the way");
    }
}

#[tokio::test]
async fn a_form_of_another_site_that_is_taken_is_seen() {
    let nobody_asks = |head: String| {
        ["origin", "sec-fetch-site", "sec-fetch-mode"].iter().fold(head, |head, name| without(&head, name))
    };
    forgeries_are_seen(nobody_asks, |answer| answer).await;
}

#[tokio::test]
async fn a_cookie_that_opens_without_the_double_submit_is_seen() {
    let always_proven = |head: String| {
        let value = head.split("palisade_browser=").nth(1).and_then(|rest| rest.split(['\r', ';']).next());
        match value.map(web::csrf::csrf_token) {
            Some(token) => with(&without(&head, "x-csrf-token"), &format!("x-csrf-token: {token}")),
            None => head,
        }
    };
    forgeries_are_seen(always_proven, |answer| answer).await;
}

#[tokio::test]
async fn a_cookie_for_every_site_is_seen() {
    forgeries_are_seen(|head| head, |answer| answer.replace("; SameSite=Lax", "; SameSite=None")).await;
}
