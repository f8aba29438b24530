//! Somebody who answers slowly or never costs whoever asked them, and nobody else.

use std::time::Duration;

use outbound::{Request, limits, system_resolver};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::server::{Server, client, ok};

#[tokio::test]
async fn a_place_that_never_answers_keeps_nobody_from_another() {
    let silent = Server::start("127.0.0.1:0", &[]).await;
    let other = Server::start("127.0.0.1:0", &[&ok("here")]).await;
    let (client, _) = client("127.0.0.1", system_resolver());
    let waiting: Vec<_> = (0..limits::CONCURRENT.size())
        .map(|_| {
            let (client, url) = (client.clone(), silent.url("/"));
            tokio::spawn(async move { client.send(Request::post("hook", url)).await })
        })
        .collect();
    while silent.heard().len() < limits::CONCURRENT_PER_SERVER.size() {
        tokio::task::yield_now().await;
    }
    let request = Request::get("test", other.url("/")).within(Duration::from_secs(2));
    assert_eq!(&client.send(request).await.expect("answered").body[..], b"here");
    assert_eq!(silent.heard().len(), limits::CONCURRENT_PER_SERVER.size(), "and no more of it at once");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn the_places_of_those_who_gave_up_are_free_again() {
    let silent = Server::start("127.0.0.1:0", &[]).await;
    let (client, _) = client("127.0.0.1", system_resolver());
    for round in 1..=2 {
        let all: Vec<_> = (0..limits::CONCURRENT_PER_SERVER.size())
            .map(|_| {
                let request = Request::get("test", silent.url("/")).within(Duration::from_millis(100));
                let client = client.clone();
                tokio::spawn(async move { client.send(request).await })
            })
            .collect();
        for one in all {
            let error = one.await.expect("ran").expect_err("silent");
            assert_eq!(base::Fault::code(&error), "outbound.timeout", "round {round}");
        }
    }
}

/// Whoever is left in the middle hears of it: no connection stays open behind a request that was given up.
#[tokio::test]
async fn a_connection_ends_with_the_request_that_was_given_up() {
    let partial = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    for said in [
        "",
        "HTTP/1.1 200 OK\r\n",
        partial,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let (ended, end) = oneshot::channel();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("accepted");
            let mut buffer = vec![0; 4_096];
            let _asked = socket.read(&mut buffer).await.expect("asked");
            socket.write_all(said.as_bytes()).await.expect("said");
            let _ = ended.send(socket.read(&mut buffer).await.unwrap_or(0));
        });
        let (client, _) = client("127.0.0.1", system_resolver());
        let request =
            Request::post("hook", url).json(&serde_json::json!({})).within(Duration::from_millis(100));
        let error = client.send(request).await.expect_err("given up");
        assert_eq!(base::Fault::code(&error), "outbound.timeout", "{said}");
        let left = tokio::time::timeout(Duration::from_secs(5), end).await;
        assert_eq!(left.expect("told in time").expect("told"), 0, "{said}");
    }
}
