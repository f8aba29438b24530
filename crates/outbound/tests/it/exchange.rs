//! Redirects, sizes, times, TLS and what is sent.

use std::time::Duration;

use outbound::{Outbound, Parts, Request, system_resolver};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::server::{Server, client, moved, ok, resolver};

#[tokio::test]
async fn redirects_are_answers_unless_asked_for() {
    let end = Server::start("127.0.0.1:0", &[&ok("end")]).await;
    let start = Server::start("127.0.0.1:0", &[&moved(&end.url("/end"))]).await;
    let (client, _) = client("127.0.0.1", system_resolver());
    let answer = client.send(Request::get("test", start.url("/"))).await.expect("answered");
    assert_eq!(answer.status.as_u16(), 302);
    assert!(end.heard().is_empty());
    let request = Request::get("test", start.url("/")).bearer("a secret").redirects(2);
    let answer = client.send(request).await.expect("followed");
    assert_eq!(&answer.body[..], b"end");
    assert!(start.heard()[1].contains("a secret"));
    assert!(!end.heard()[0].contains("a secret"), "credentials stay with the origin they were meant for");
}

#[tokio::test]
async fn row_102_every_hop_is_checked_like_the_first() {
    for (to, code) in [
        ("http://127.0.0.2:1/", "outbound.address"),
        ("http://169.254.169.254/latest/", "outbound.address"),
        ("http://2130706433/", "outbound.host"),
        ("http://localhost:1/", "outbound.host"),
        ("//169.254.169.254/", "outbound.address"),
        ("file:///etc/passwd", "outbound.url"),
        ("http://user@127.0.0.1/", "outbound.url"),
    ] {
        let start = Server::start("127.0.0.1:0", &[&moved(to)]).await;
        let port = start.address.port();
        let (client, refused) = client(&format!("127.0.0.1:{port}"), system_resolver());
        let request = Request::get("test", start.url("/")).redirects(3);
        let error = client.send(request).await.expect_err(to);
        assert_eq!(base::Fault::code(&error), code, "{to}: {error}");
        assert_eq!(*refused.lock().expect("told"), [code]);
    }
}

#[tokio::test]
async fn row_102_a_redirect_to_another_port_of_an_allowed_host_is_refused() {
    let inside = Server::start("127.0.0.1:0", &[&ok("inside")]).await;
    let start = Server::start("127.0.0.1:0", &[&moved(&inside.url("/"))]).await;
    let (client, _) = client(&format!("127.0.0.1:{}", start.address.port()), system_resolver());
    let error = client.send(Request::get("test", start.url("/")).redirects(3)).await.expect_err("port");
    assert_eq!(base::Fault::code(&error), "outbound.address");
    assert!(inside.heard().is_empty());
}

#[tokio::test]
async fn redirects_end_and_writes_are_never_sent_twice() {
    let endless = Server::start("127.0.0.1:0", &[&moved("/again")]).await;
    let (client, _) = client("127.0.0.1", system_resolver());
    let answer = client.send(Request::get("test", endless.url("/")).redirects(99)).await.expect("the last");
    assert_eq!(answer.status.as_u16(), 302);
    assert_eq!(endless.heard().len(), 6, "the first and five more");
    let post = Request::post("test", endless.url("/")).form(&[("a", "b")]).redirects(3);
    let error = client.send(post).await.expect_err("a post");
    assert_eq!(base::Fault::code(&error), "outbound.redirect");
}

#[tokio::test]
async fn an_answer_is_cut_at_its_size_and_at_its_time() {
    let large = Server::start("127.0.0.1:0", &[&ok(&"x".repeat(2_000))]).await;
    let (client, refused) = client("127.0.0.1", system_resolver());
    let error = client.send(Request::get("test", large.url("/")).at_most(1_999)).await.expect_err("large");
    assert_eq!(base::Fault::code(&error), "outbound.too_large");
    assert_eq!(
        client.send(Request::get("test", large.url("/")).at_most(2_000)).await.expect("fits").body.len(),
        2_000
    );
    assert_eq!(*refused.lock().expect("told"), ["outbound.too_large"]);
    let silent = Server::start("127.0.0.1:0", &[]).await;
    let request = Request::get("test", silent.url("/")).within(Duration::from_millis(100));
    assert_eq!(base::Fault::code(&client.send(request).await.expect_err("silent")), "outbound.timeout");
    let sent = Request::post("test", large.url("/")).body("text/plain", vec![0; 1_048_577]);
    assert_eq!(base::Fault::code(&client.send(sent).await.expect_err("sent")), "outbound.too_large");
}

#[tokio::test]
async fn what_is_sent_is_what_was_asked_for() {
    let server = Server::start("127.0.0.1:0", &[&ok("{\"a\":1}")]).await;
    let (client, _) = client("127.0.0.1", system_resolver());
    let request =
        Request::post("test", server.url("/token?x=y")).form(&[("code", "a&b=c d"), ("é", "")]).bearer("t");
    let answer = client.send(request).await.expect("answered").success().expect("200");
    assert_eq!(answer.json::<serde_json::Value>().expect("json")["a"], 1);
    let heard = server.heard().remove(0);
    assert!(heard.starts_with("POST /token?x=y HTTP/1.1\r\n"), "{heard}");
    assert!(heard.to_lowercase().contains(&format!("host: {}\r\n", server.address)), "{heard}");
    assert!(heard.ends_with("code=a%26b%3Dc+d&%C3%A9="), "{heard}");
    let broken = Request::get("test", server.url("/")).header("x-a", "b\r\nc: d");
    assert_eq!(base::Fault::code(&client.send(broken).await.expect_err("split")), "outbound.header");
}

/// An authority of our own, and a server with a certificate of it for `idp.example.com`.
async fn tls_server() -> (u16, String) {
    let (ca_key, key) = (KeyPair::generate().expect("key"), KeyPair::generate().expect("key"));
    let mut params = CertificateParams::new(Vec::new()).expect("params");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = params.self_signed(&ca_key).expect("signed").pem();
    let issuer = Issuer::new(params, ca_key);
    let params = CertificateParams::new(vec!["idp.example.com".to_owned()]).expect("params");
    let certificate = params.signed_by(&key, &issuer).expect("signed");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("config");
    let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut socket) = acceptor.accept(socket).await else { continue };
            let _ = socket.read(&mut [0; 4_096]).await;
            let _ = socket.write_all(ok("over tls").as_bytes()).await;
            let _ = socket.shutdown().await;
        }
    });
    (port, ca_pem)
}

#[tokio::test]
async fn tls_is_checked_against_the_name_and_the_configured_authority() {
    let (port, ca_pem) = tls_server().await;
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), ca_pem).expect("written");
    let open = |ca: Option<&str>| {
        let mut settings = base::Settings::default().with("outbound.allow", "127.0.0.1");
        if let Some(ca) = ca {
            settings = settings.with("outbound.ca_file", ca);
        }
        let resolver = resolver(&[&["127.0.0.1"]]).0;
        Outbound::open(Parts { settings, resolver, on_refusal: std::sync::Arc::new(|_| ()) })
    };
    let path = file.path().to_str().expect("utf-8");
    let trusting = open(Some(path)).expect("opened");
    let answer = trusting.send(Request::get("test", format!("https://idp.example.com:{port}/"))).await;
    assert_eq!(&answer.expect("answered").body[..], b"over tls");
    let error = trusting.send(Request::get("test", format!("https://other.example.com:{port}/"))).await;
    assert_eq!(base::Fault::code(&error.expect_err("another name")), "outbound.tls");
    let error = open(None)
        .expect("opened")
        .send(Request::get("test", format!("https://idp.example.com:{port}/")))
        .await;
    assert!(matches!(
        base::Fault::code(&error.expect_err("unknown authority")),
        "outbound.tls" | "outbound.tls_setup"
    ));
    std::fs::write(file.path(), "nothing").expect("written");
    assert!(open(Some(path)).is_err(), "a file without a certificate stops the start");
}
