//! Row 102: every way to write a place that is not the public internet.

use outbound::{Request, system_resolver};

use crate::server::{client, resolver};

/// What is written, and the code of its refusal.
const REFUSED: &[(&str, &str)] = &[
    // This machine, by number.
    ("http://127.0.0.1/", "outbound.address"),
    ("https://127.0.0.1:8443/", "outbound.address"),
    ("https://127.0.0.2/", "outbound.address"),
    ("https://127.1.1.1/", "outbound.address"),
    ("https://127.255.255.254/", "outbound.address"),
    ("https://0.0.0.0/", "outbound.address"),
    ("https://0.1.2.3/", "outbound.address"),
    ("https://[::1]/", "outbound.address"),
    ("https://[::]/", "outbound.address"),
    ("https://[0:0:0:0:0:0:0:1]/", "outbound.address"),
    ("https://[0000:0000:0000:0000:0000:0000:0000:0001]/", "outbound.address"),
    // This machine, by number in disguise.
    ("https://2130706433/", "outbound.host"),
    ("https://0x7f000001/", "outbound.host"),
    ("https://0x7f.0.0.1/", "outbound.host"),
    ("https://0x7F.0x0.0x0.0x1/", "outbound.host"),
    ("https://017700000001/", "outbound.host"),
    ("https://0177.0.0.1/", "outbound.host"),
    ("https://0177.0000.0000.0001/", "outbound.host"),
    ("https://00177.0.0.1/", "outbound.host"),
    ("https://127.1/", "outbound.host"),
    ("https://127.0.1/", "outbound.host"),
    ("https://127.0.0.1./", "outbound.host"),
    ("https://0/", "outbound.host"),
    ("https://0x0/", "outbound.host"),
    ("https://127.0.0.0x1/", "outbound.host"),
    ("https://%31%32%37.0.0.1/", "outbound.host"),
    ("https://127%2e0%2e0%2e1/", "outbound.host"),
    ("https://①②⑦.0.0.1/", "outbound.url"),
    ("https://127。0。0。1/", "outbound.url"),
    ("https://256.256.256.256/", "outbound.url"),
    ("https://4294967296/", "outbound.url"),
    ("https://127.0.0.1%00.example.com/", "outbound.url"),
    // This machine, by name.
    ("https://localhost/", "outbound.host"),
    ("https://LOCALHOST/", "outbound.host"),
    ("https://localhost./", "outbound.host"),
    ("https://%6c%6fcalhost/", "outbound.host"),
    ("https://a.localhost/", "outbound.host"),
    ("https://localhost.localdomain/", "outbound.host"),
    ("https://printer.local/", "outbound.host"),
    ("https://router.lan/", "outbound.host"),
    ("https://nas.home.arpa/", "outbound.host"),
    // One address inside another.
    ("https://[::ffff:127.0.0.1]/", "outbound.address"),
    ("https://[::ffff:7f00:1]/", "outbound.address"),
    ("https://[::ffff:a9fe:a9fe]/", "outbound.address"),
    ("https://[::ffff:10.0.0.1]/", "outbound.address"),
    ("https://[::ffff:8.8.8.8]/", "outbound.address"),
    ("https://[::127.0.0.1]/", "outbound.address"),
    ("https://[::ffff:0:127.0.0.1]/", "outbound.address"),
    ("https://[64:ff9b::7f00:1]/", "outbound.address"),
    ("https://[64:ff9b::a9fe:a9fe]/", "outbound.address"),
    ("https://[64:ff9b:1::a00:1]/", "outbound.address"),
    ("https://[2002:7f00:1::]/", "outbound.address"),
    ("https://[2002:a9fe:a9fe::1]/", "outbound.address"),
    ("https://[2001::7f00:1]/", "outbound.address"),
    ("https://[2001:0:53aa:64c:0:fb3f:80ff:fffe]/", "outbound.address"),
    ("https://192.88.99.1/", "outbound.address"),
    // The networks behind us.
    ("https://10.0.0.1/", "outbound.address"),
    ("https://10.255.255.255/", "outbound.address"),
    ("https://172.16.0.1/", "outbound.address"),
    ("https://172.31.255.254/", "outbound.address"),
    ("https://192.168.0.1/", "outbound.address"),
    ("https://192.168.255.255/", "outbound.address"),
    ("https://100.64.0.1/", "outbound.address"),
    ("https://100.127.255.254/", "outbound.address"),
    ("https://[fc00::1]/", "outbound.address"),
    ("https://[fdff:ffff::1]/", "outbound.address"),
    ("https://[fec0::1]/", "outbound.address"),
    // Where clouds hand out credentials.
    ("http://169.254.169.254/latest/meta-data/", "outbound.address"),
    ("https://169.254.169.254/", "outbound.address"),
    ("https://169.254.170.2/", "outbound.address"),
    ("https://[fd00:ec2::254]/", "outbound.address"),
    ("https://[fe80::1]/", "outbound.address"),
    ("https://[fe80::a9fe:a9fe]/", "outbound.address"),
    ("https://100.100.100.200/", "outbound.address"),
    ("https://168.63.129.16/", "outbound.address"),
    ("https://192.0.0.192/", "outbound.address"),
    ("https://metadata.google.internal/", "outbound.host"),
    ("https://instance-data.ec2.internal/", "outbound.host"),
    ("https://2852039166/", "outbound.host"),
    ("https://0xa9fea9fe/", "outbound.host"),
    ("https://0xA9.0xFE.0xA9.0xFE/", "outbound.host"),
    ("https://0251.0376.0251.0376/", "outbound.host"),
    // Many machines, and nobody's.
    ("https://224.0.0.1/", "outbound.address"),
    ("https://239.255.255.250/", "outbound.address"),
    ("https://255.255.255.255/", "outbound.address"),
    ("https://240.0.0.1/", "outbound.address"),
    ("https://[ff02::1]/", "outbound.address"),
    ("https://192.0.2.1/", "outbound.address"),
    ("https://198.18.0.1/", "outbound.address"),
    ("https://198.51.100.7/", "outbound.address"),
    ("https://203.0.113.7/", "outbound.address"),
    ("https://[2001:db8::1]/", "outbound.address"),
    ("https://[3fff::1]/", "outbound.address"),
    ("https://[100::1]/", "outbound.address"),
    ("https://[4000::1]/", "outbound.address"),
    // What two programs read differently.
    ("https://user@127.0.0.1/", "outbound.url"),
    ("https://example.com@127.0.0.1/", "outbound.url"),
    ("https://example.com:x@169.254.169.254/", "outbound.url"),
    ("https://@127.0.0.1/", "outbound.url"),
    ("https://example.com\\@127.0.0.1/", "outbound.url"),
    ("https://127.0.0.1\\.example.com/", "outbound.url"),
    ("https://127.0.0.1#@example.com/", "outbound.url"),
    ("https://exa\tmple.com/", "outbound.url"),
    ("https://example.com\r\nHost: 127.0.0.1/", "outbound.url"),
    (" https://example.com/", "outbound.url"),
    ("https:127.0.0.1/", "outbound.host"),
    ("https:///127.0.0.1/", "outbound.host"),
    ("https://[::1%25eth0]/", "outbound.url"),
    ("https://example.com./", "outbound.host"),
    ("//127.0.0.1/", "outbound.url"),
    // What is not HTTP.
    ("file:///etc/passwd", "outbound.url"),
    ("ftp://8.8.8.8/", "outbound.url"),
    ("gopher://8.8.8.8:70/_", "outbound.url"),
    ("dict://8.8.8.8:11211/", "outbound.url"),
    ("ws://8.8.8.8/", "outbound.url"),
    ("unix:///run/palisade/control.sock", "outbound.url"),
    ("javascript:alert(1)", "outbound.url"),
    ("data:text/plain,x", "outbound.url"),
    ("", "outbound.url"),
];

#[tokio::test]
async fn row_102_no_way_of_writing_a_private_place_is_reached() {
    assert!(REFUSED.len() >= 80, "only {}", REFUSED.len());
    let (client, refused) = client("", system_resolver());
    for (url, code) in REFUSED {
        let error = client.send(Request::get("test", *url)).await.expect_err(url);
        assert_eq!(base::Fault::code(&error), *code, "{url}: {error}");
        assert!(!base::Fault::message(&error).contains("169.254"), "{url} tells what is behind it");
    }
    assert_eq!(refused.lock().expect("told").len(), REFUSED.len(), "every refusal is told");
}

#[tokio::test]
async fn row_102_a_public_name_with_a_private_address_is_not_reached() {
    for address in
        ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "fe80::1"]
    {
        let (resolver, _) = resolver(&[&[address]]);
        let (client, _) = client("", resolver);
        let error = client.send(Request::get("test", "https://idp.example.com/")).await.expect_err(address);
        assert_eq!(base::Fault::code(&error), "outbound.address", "{address}");
    }
}

#[tokio::test]
async fn public_places_pass_the_check() {
    let (resolver, _) = resolver(&[&["93.184.216.34", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]]);
    let (client, refused) = client("", resolver);
    for url in [
        "https://example.com/",
        "https://EXAMPLE.com:8443/a?b=c",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/",
        "https://xn--bcher-kva.example/",
        "https://172.32.0.1/",
        "https://11.0.0.1/",
    ] {
        client.check("test", url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }
    assert!(refused.lock().expect("told").is_empty());
    let plain = client.check("test", "http://example.com/").await.expect_err("plain");
    assert_eq!(base::Fault::code(&plain), "outbound.clear_text");
}
