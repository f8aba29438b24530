//! A name that means something else a moment later, and one that means two things at once.

use outbound::Request;

use crate::server::{Server, client, ok, resolver};

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_checked() {
    // The same port on two addresses: the one the name means when asked, and the one it means from then on.
    let checked = Server::start("127.0.0.1:0", &[&ok("checked")]).await;
    let port = checked.address.port();
    let rebound = Server::start(&format!("127.0.0.2:{port}"), &[&ok("rebound")]).await;
    let (resolver, asked) = resolver(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let (client, _) = client("127.0.0.1", resolver);
    let url = format!("http://idp.example.com:{port}/");
    let answer = client.send(Request::get("test", &url)).await.expect("answered");
    assert_eq!(&answer.body[..], b"checked");
    assert_eq!(*asked.lock().expect("asked"), 1, "the name is resolved once");
    assert!(rebound.heard().is_empty());

    let error = client.send(Request::get("test", &url)).await.expect_err("rebound");
    assert_eq!(base::Fault::code(&error), "outbound.address");
    assert!(rebound.heard().is_empty(), "nothing reached the address that was not allowed");
}

#[tokio::test]
async fn one_private_address_among_public_ones_refuses_them_all() {
    let server = Server::start("127.0.0.1:0", &[&ok("inside")]).await;
    let (resolver, _) = resolver(&[&["93.184.216.34", "127.0.0.1"]]);
    let (client, _) = client("", resolver);
    let url = format!("https://idp.example.com:{}/", server.address.port());
    let error = client.send(Request::get("test", url)).await.expect_err("mixed");
    assert_eq!(base::Fault::code(&error), "outbound.address");
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn a_name_with_no_or_too_many_addresses_is_refused() {
    let (none, _) = resolver(&[&[]]);
    let (client_none, _) = client("", none);
    let error = client_none.send(Request::get("test", "https://a.example/")).await.expect_err("none");
    assert_eq!(base::Fault::code(&error), "outbound.resolve");
    let (many, _) = resolver(&[&["8.8.8.8"; 17]]);
    let (client_many, _) = client("", many);
    let error = client_many.send(Request::get("test", "https://a.example/")).await.expect_err("many");
    assert_eq!(base::Fault::code(&error), "outbound.host");
}
