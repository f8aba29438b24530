//! Certificates that nobody has to set up: got, shown, renewed while connections go on, and checked by another's eyes.

use std::net::SocketAddr;
use std::time::Duration;

use spec::acme::Pebble;
use spec::{Client, Palisade, https};

const NAME: &str = "api.palisade.test";

async fn up(pebble: &Pebble, http_port: u16, more: &[&str]) -> Palisade {
    let flags = pebble.flags(http_port);
    let mut words = vec!["--domain", NAME, "--email", "ops@palisade.test"];
    words.extend(flags.iter().map(String::as_str));
    words.extend(more);
    Palisade::start("up", &words).await
}

fn address(palisade: &Palisade) -> SocketAddr {
    let port = palisade.ready.url.rsplit_once(':').unwrap().1.parse().unwrap();
    ([127, 0, 0, 1], port).into()
}

async fn said(palisade: &Palisade, words: &[&str]) -> (bool, String) {
    let output = palisade.command(words).await;
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
async fn a_certificate_is_got_by_http_and_renewed_under_a_connection_that_goes_on() {
    let pebble = Pebble::start(Duration::from_secs(90 * 86_400)).await;
    let palisade = up(&pebble, pebble.http_port, &[]).await;
    assert!(palisade.ready.url.starts_with(&format!("https://{NAME}:")), "{}", palisade.ready.url);
    let roots = pebble.root().await;
    let health = https::get(address(&palisade), NAME, roots.as_bytes(), "/health").await.expect(200);
    assert_eq!(health.header("strict-transport-security"), "max-age=31536000; includeSubDomains");

    let (good, before) = said(&palisade, &["tls", "status"]).await;
    assert!(good && before.contains(NAME) && before.contains("renewed at"), "{before}");
    let (good, rehearsed) = said(&palisade, &["tls", "renew", "--dry-run"]).await;
    assert!(good && rehearsed.contains("would work"), "{rehearsed}");
    assert_eq!(said(&palisade, &["tls", "status"]).await.1.lines().next(), before.lines().next());

    // 200 connections that were there before the renewal, each used after it.
    let config = https::trusting(roots.as_bytes());
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(https::connect(address(&palisade), NAME, &config).await.unwrap());
    }
    let serial = |stream: &tokio_rustls::client::TlsStream<tokio::net::TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let old = serial(&open[0]);
    let (good, renewed) = said(&palisade, &["tls", "renew"]).await;
    assert!(good, "{renewed}");
    for stream in open {
        https::ask(stream, NAME, "/health").await.expect(200);
    }
    let new = https::connect(address(&palisade), NAME, &config).await.unwrap();
    assert_ne!(serial(&new), old, "a new certificate is shown");

    // What is kept of it can be used after a crash, and its key cannot be read from the disk.
    let kept = std::fs::read(palisade.data().join("tls/acme.key.sealed")).unwrap();
    assert!(!String::from_utf8_lossy(&kept).contains("PRIVATE KEY"));
    // Neither can that of the account at the authority, whose place says nothing either.
    let mut accounts = 0;
    for entry in std::fs::read_dir(palisade.data().join("tls")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("account-") {
            let kept = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
            assert!(!kept.contains("key_pkcs8") && !kept.contains("http") && kept.len() > 100, "{kept}");
            accounts += 1;
        }
    }
    assert!(accounts > 0, "the account is kept");
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn a_certificate_is_got_within_tls_where_there_is_no_port_for_plain_http() {
    let pebble = Pebble::start(Duration::from_secs(90 * 86_400)).await;
    let listen = format!("127.0.0.1:{}", pebble.tls_port);
    let flags = ["--server.tls.challenge", "tls-alpn-01", "--listen", &listen];
    let palisade = up(&pebble, 0, &flags).await;
    https::get(address(&palisade), NAME, pebble.root().await.as_bytes(), "/health").await.expect(200);
    assert!(palisade.stop().await.success());
}

/// Controls 2 and 65.
#[tokio::test]
async fn plain_http_sends_pages_on_refuses_the_api_and_tells_of_credentials() {
    let pebble = Pebble::start(Duration::from_secs(90 * 86_400)).await;
    let palisade = up(&pebble, pebble.http_port, &[]).await;
    let plain: SocketAddr = ([127, 0, 0, 1], pebble.http_port).into();
    let client = Client::new(plain, std::net::Ipv4Addr::LOCALHOST.into());
    let page = client.clone().get("/health?a=1").await.expect(308);
    let https_port = address(&palisade).port();
    assert_eq!(
        page.header("location"),
        format!("https://{NAME}:{https_port}/health?a=1"),
        "to a name of ours, whatever Host says"
    );
    client.get("/rest/v1/anything").await.expect(403);
    client.clone().with("authorization", "Bearer abc").get("/").await.expect(403);
    client.post("/auth/v1/token", serde_json::json!({})).await.expect(403);
    client.get("/.well-known/acme-challenge/none").await.expect(404);
    let mut told = String::new();
    for _ in 0..100 {
        told = said(&palisade, &["audit", "list", "--event", "tls.credential_exposed"]).await.1;
        if told.contains("credential_exposed") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(told.contains("credential_exposed") && !told.contains("abc"), "{told}");
    assert!(palisade.stop().await.success());
}

/// Control 65: passwords never travel in plain HTTP.
#[test]
fn plain_http_off_loopback_and_half_a_certificate_are_refused_at_start() {
    let refused = |words: &[&str]| {
        let place = tempfile::tempdir().unwrap();
        let output = std::process::Command::new(spec::program::binary())
            .arg("serve")
            .arg("--data")
            .arg(place.path().join("data"))
            .args(words)
            .current_dir(place.path())
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (exit, why) = refused(&["--listen", "0.0.0.0:0"]);
    assert!(exit == 78 && why.contains("without TLS"), "{exit} {why}");
    let (exit, why) = refused(&["--server.tls.cert_file", "/nowhere.pem"]);
    assert!(exit == 78 && why.contains("server.tls.key_file"), "{exit} {why}");
    let (exit, why) = refused(&["--server.tls.domains", "localhost"]);
    assert!(exit == 78 && why.contains("not a name that the internet knows"), "{exit} {why}");
    let (exit, why) = refused(&["--server.enforce_https", "false"]);
    assert!(exit == 78 && why.contains("plain HTTP is never served"), "{exit} {why}");
}

/// Controls 8 and 10 to 14, as OpenSSL and a scanner see them.
#[tokio::test]
async fn another_implementation_finds_nothing_old() {
    let flags = ["--server.tls.local_ca", "true", "--server.http_port", "0"];
    let palisade = Palisade::start("serve", &flags).await;
    let scan = tokio::process::Command::new("sslscan")
        .args(["--no-colour", "--show-certificate", &address(&palisade).to_string()])
        .output()
        .await
        .expect("sslscan is installed: `cargo xtask test` installs it");
    let found = String::from_utf8_lossy(&scan.stdout).into_owned();
    for (version, word) in [
        ("SSLv2", "disabled"),
        ("SSLv3", "disabled"),
        ("TLSv1.0", "disabled"),
        ("TLSv1.1", "disabled"),
        ("TLSv1.2", "enabled"),
        ("TLSv1.3", "enabled"),
    ] {
        assert!(
            found.lines().any(|line| line.starts_with(version) && line.ends_with(word)),
            "{version}: {found}"
        );
    }
    let suites: Vec<&str> =
        found.lines().filter(|line| line.starts_with("Accepted") || line.starts_with("Preferred")).collect();
    assert!(!suites.is_empty(), "{found}");
    for suite in suites {
        let modern = suite.contains("GCM") || suite.contains("CHACHA20");
        assert!(
            modern && !suite.contains("CBC") && (suite.contains("TLSv1.3") || suite.contains("ECDHE")),
            "{suite}"
        );
    }
    // The authority of this machine is enough to verify it.
    let root = std::fs::read(palisade.data().join("tls/local-ca.pem")).unwrap();
    https::get(address(&palisade), "localhost", &root, "/health").await.expect(200);
    assert!(palisade.stop().await.success());
}

/// The same as testssl.sh judges it, with OpenSSL and handshakes of its own: nothing below 1.2, no CBC and no RSA key exchange,
/// no ticket, the server's order, and a chain that can be verified.
#[tokio::test]
async fn testssl_finds_nothing_old_no_ticket_and_a_whole_chain() {
    let flags = ["--server.tls.local_ca", "true", "--server.http_port", "0"];
    let palisade = Palisade::start("serve", &flags).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("found.json");
    let mut scan = tokio::process::Command::new("testssl");
    scan.args(["--quiet", "--color", "0", "--warnings", "off", "-p", "-s", "-f", "-S", "-P", "--jsonfile"]);
    scan.arg(&file).arg("--add-ca").arg(palisade.data().join("tls/local-ca.pem"));
    let scan = scan.arg(format!("localhost:{}", address(&palisade).port())).current_dir(&folder);
    let told = scan.output().await.expect("testssl.sh is installed: `cargo xtask test` installs it");
    let found = std::fs::read_to_string(&file)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&told.stdout)));
    let found: Vec<serde_json::Value> = serde_json::from_str(&found).unwrap();
    let of = |id: &str| {
        let one = found.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("{id} in {found:?}"));
        one["finding"].as_str().unwrap().to_owned()
    };
    for id in ["SSLv2", "SSLv3", "TLS1", "TLS1_1", "cipherlist_NULL", "cipherlist_aNULL", "cipherlist_EXPORT"]
    {
        assert_eq!(of(id), "not offered", "{id}");
    }
    // What has RSA key exchange or CBC is in one of these.
    for id in ["cipherlist_LOW", "cipherlist_3DES_IDEA", "cipherlist_AVERAGE"] {
        assert_eq!(of(id), "not offered", "{id}");
    }
    for id in ["TLS1_2", "TLS1_3", "PFS"] {
        assert!(of(id).starts_with("offered"), "{id}: {}", of(id));
    }
    for suite in [of("cipherorder_TLSv1_2"), of("cipherorder_TLSv1_3")].join(" ").split_whitespace() {
        let modern = suite.contains("GCM") || suite.contains("CHACHA20");
        assert!(modern && (suite.starts_with("ECDHE") || suite.starts_with("TLS_")), "{suite}");
    }
    assert_eq!((of("ALPN_HTTP2").as_str(), of("cipher_order").as_str()), ("h2", "server"));
    assert_eq!(of("sessionresumption_ticket"), "not supported");
    assert!(of("TLS_session_ticket").starts_with("no"), "{}", of("TLS_session_ticket"));
    assert_eq!(of("cert_chain_of_trust"), "passed.");
    assert_eq!(of("certs_list_ordering_problem"), "no");
    // The authority of one machine has nowhere to publish what it takes back; all else is in order.
    let bad = |one: &&serde_json::Value| {
        one["id"] != "cert_revocation"
            && matches!(one["severity"].as_str(), Some("MEDIUM" | "HIGH" | "CRITICAL"))
    };
    assert_eq!(found.iter().filter(bad).collect::<Vec<_>>(), Vec::<&serde_json::Value>::new());
    assert!(palisade.stop().await.success());
}
