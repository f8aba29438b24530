//! What stands in the way of a certificate is told before anybody is asked for one, in words that say what to do.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use spec::acme::Pebble;
use spec::{Client, Palisade, https};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

const NAMES: [&str; 2] = ["api.palisade.test", "www.palisade.test"];

fn flags(pebble: &Pebble) -> Vec<String> {
    pebble.flags(pebble.http_port)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// The program with a file of hosts of its own, as root of a namespace of its own.
async fn with_hosts(folder: &Path, hosts: &str, words: &[&str], settings: &[String]) -> Output {
    let file = folder.join("hosts");
    std::fs::write(&file, format!("127.0.0.1 localhost\n{hosts}\n")).unwrap();
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let mut run = Command::new("unshare");
    run.args(["--user", "--map-root-user", "--mount", "--", "sh", "-c", script]).arg(&file);
    run.arg(spec::program::binary()).args(words).current_dir(folder);
    for pair in settings.chunks(2) {
        let name = pair[0].trim_start_matches("--").replace('.', "_").to_uppercase();
        run.env(format!("PALISADE_{name}"), &pair[1]);
    }
    run.output().await.unwrap()
}

#[tokio::test]
async fn one_certificate_is_got_for_several_names_and_each_is_answered() {
    let pebble = Pebble::start(Duration::from_secs(90 * 86_400)).await;
    let settings = flags(&pebble);
    let mut words = vec!["--domain", NAMES[0], "--domain", NAMES[1], "--email", "ops@palisade.test"];
    words.extend(settings.iter().map(String::as_str));
    let palisade = Palisade::start("up", &words).await;
    let port: u16 = palisade.ready.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let (address, roots) = (SocketAddr::from((Ipv4Addr::LOCALHOST, port)), pebble.root().await);
    let config = https::trusting(roots.as_bytes());
    let mut shown = Vec::new();
    for name in NAMES {
        https::get(address, name, roots.as_bytes(), "/health").await.expect(200);
        let stream = https::connect(address, name, &config).await.unwrap();
        shown.push(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec());
        // The one name over the other's connection is ours too; a name of nobody's is not.
        let seen = https::ask(stream, NAMES[0], "/health").await;
        seen.expect(200);
    }
    assert_eq!(shown[0], shown[1], "one certificate");
    let (_, read) = x509_parser::parse_x509_certificate(&shown[0]).unwrap();
    let names = read.subject_alternative_name().unwrap().unwrap().value.general_names.iter();
    let names: Vec<String> = names.map(ToString::to_string).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(NAMES.iter().all(|name| names.iter().any(|one| one.contains(name))), "{names:?}");
    let stream = https::connect(address, NAMES[0], &config).await.unwrap();
    https::ask(stream, "other.palisade.test", "/health").await.expect(421);
    // The port of plain HTTP sends each on to a name of ours.
    let plain =
        Client::new(SocketAddr::from((Ipv4Addr::LOCALHOST, pebble.http_port)), Ipv4Addr::LOCALHOST.into());
    plain.get("/health").await.expect(308);
    let status = String::from_utf8_lossy(&palisade.command(&["tls", "status"]).await.stdout).into_owned();
    assert!(NAMES.iter().all(|name| status.contains(name)), "{status}");
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn a_port_that_somebody_has_is_named_with_what_to_do() {
    let pebble = Pebble::start(Duration::from_secs(90 * 86_400)).await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let up = async |listen: &str, http_port: u16| {
        let settings = pebble.flags(http_port);
        let mut run = Command::new(spec::program::binary());
        run.args([
            "up",
            "--domain",
            NAMES[0],
            "--email",
            "ops@palisade.test",
            "--data",
            &data,
            "--listen",
            listen,
        ]);
        let told = run.args(&settings).current_dir(folder.path()).output().await.unwrap();
        (told.status.code(), said(&told))
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (listen, http_port) in
        [(format!("127.0.0.1:{port}"), pebble.http_port), ("127.0.0.1:0".to_owned(), port)]
    {
        let (code, said) = up(&listen, http_port).await;
        assert_ne!(code, Some(0), "{said}");
        let why = format!("Another program has port {port}, and `ss -ltnp 'sport = :{port}'` names it");
        assert!(said.contains(&why), "{said}");
    }
}

#[tokio::test]
async fn a_name_that_leads_nowhere_or_elsewhere_is_told_before_an_authority_is_asked() {
    let pebble = Pebble::start(Duration::from_secs(90 * 86_400)).await;
    let folder = tempfile::tempdir().unwrap();
    let attempt = async |name: &str, hosts: &str| {
        let words = ["tls", "try", "--domain", name, "--email", "ops@palisade.test", "--listen", "127.0.0.1"];
        let told = with_hosts(folder.path(), hosts, &words, &flags(&pebble)).await;
        (told.status.success(), said(&told))
    };
    let nowhere = attempt("nowhere.palisade.invalid", "").await;
    let why =
        "nowhere.palisade.invalid has no address: give it an A or AAAA record that leads to this machine";
    assert!(!nowhere.0 && nowhere.1.contains(why), "{}", nowhere.1);

    // Somebody else's web server, at an address of this machine that is not the one we listen on.
    let port = pebble.http_port;
    let other = tokio::net::TcpListener::bind(("127.0.0.9", port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = other.accept().await {
            // Not before it has listened: a connection that is closed with something unread is broken off.
            let _asked = stream.read(&mut [0; 1024]).await;
            let page = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _gone = stream.write_all(page).await;
        }
    });
    let elsewhere = attempt(NAMES[0], &format!("127.0.0.9 {}", NAMES[0])).await;
    let why = format!(
        "{} leads to 127.0.0.9, where somebody else answers at port {port}: let its A or AAAA record lead to this machine",
        NAMES[0]
    );
    assert!(!elsewhere.0 && elsewhere.1.contains(&why), "{}", elsewhere.1);

    // Where nobody answers us the authority decides: from outside the address may well lead here.
    let silent = attempt(NAMES[0], &format!("127.0.0.10 {}", NAMES[0])).await;
    assert!(silent.0 && silent.1.contains("a certificate could be got"), "{}", silent.1);
    let here = attempt(NAMES[0], &format!("127.0.0.1 {}", NAMES[0])).await;
    assert!(here.0 && here.1.contains("a certificate could be got"), "{}", here.1);
}
