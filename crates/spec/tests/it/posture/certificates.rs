//! The database's own listener, on the running program.

use pg::managed::{Certificate, Durability, Listen, ManagedConfig, Server};
use pg::{Login, Tls};
use rcgen::{CertificateParams, KeyPair};
use spec::Palisade;

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn check(palisade: &Palisade) -> (i32, String) {
    let output = palisade.command(&["check", "54"]).await;
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
}

#[track_caller]
fn is((code, said): (i32, String), expected: i32, line: &str) {
    assert!(code == expected && said.contains(line), "{code}, no {line:?} in {said}");
}

const PROVEN: i32 = 0;
const FAILING: i32 = 3;

fn stranger() -> (String, String) {
    let pair = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&pair).unwrap();
    (made.pem(), pair.serialize_pem())
}

#[tokio::test]
async fn a_listener_that_speaks_in_plain_or_shows_a_strangers_certificate_is_seen() {
    let address = format!("127.0.0.1:{}", free_port());
    let palisade =
        Palisade::start("serve", &["--auth.autoconfirm", "true", "--database.listen", &address]).await;
    is(check(&palisade).await, PROVEN, "verified with ca.pem as of two weeks from now: Some(TLSv1_3)");

    let url = &palisade.ready.database_url;
    let (admin, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let file =
        async |name: &str| admin.query_one(&format!("SHOW {name}"), &[]).await.unwrap().get::<_, String>(0);
    let reload = async || admin.execute("SELECT pg_reload_conf()", &[]).await.unwrap();

    let (hba, certificate, key) =
        (file("hba_file").await, file("ssl_cert_file").await, file("ssl_key_file").await);
    let as_it_was = std::fs::read_to_string(&hba).unwrap();
    std::fs::write(&hba, "local all all scram-sha-256\nhost all all all scram-sha-256\n").unwrap();
    reload().await;
    is(check(&palisade).await, FAILING, "in plain: R: it asks for a password");
    std::fs::write(&hba, &as_it_was).unwrap();
    reload().await;
    is(check(&palisade).await, PROVEN, "in plain: E28000");

    let (chain_was, key_was) = (std::fs::read(&certificate).unwrap(), std::fs::read(&key).unwrap());
    let (chain, other) = stranger();
    std::fs::write(&certificate, chain).unwrap();
    std::fs::write(&key, other).unwrap();
    reload().await;
    is(check(&palisade).await, FAILING, "NOT SO: ");
    std::fs::write(&certificate, chain_was).unwrap();
    std::fs::write(&key, key_was).unwrap();
    reload().await;
    is(check(&palisade).await, PROVEN, "as a lent login, verified: TLSv1.3");
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn without_a_listener_there_is_nothing_to_protect() {
    let palisade = Palisade::start("serve", &["--auth.autoconfirm", "true"]).await;
    is(check(&palisade).await, PROVEN, "the kernel lists no TCP listener of PostgreSQL");
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_pause() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let (first, second) = (stranger(), stranger());
    let shown = |(chain, key): &(String, String)| Certificate {
        chain: chain.clone(),
        key: base::Secret::new(key.clone()),
    };
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let listen = Listen {
        address,
        networks: vec!["127.0.0.1/32".to_owned()],
        certificate: shown(&first),
        client_ca: None,
    };
    let config = ManagedConfig::new(dir.path().join("data"), base::Rng::system());
    let config = ManagedConfig { durability: Durability::Throwaway, listen: Some(listen), ..config };
    let server = Server::start(config).await.unwrap();
    let admin = server.admin("postgres").connect().await.unwrap();
    admin
        .batch_execute("CREATE ROLE readonly; CREATE ROLE ann LOGIN PASSWORD 'x' IN ROLE readonly")
        .await
        .unwrap();
    let enter = async |root: &(String, String), name: &str| {
        let file = dir.path().join("root.pem");
        std::fs::write(&file, &root.0).unwrap();
        let tls = Tls::VerifyFull { root: file };
        let mut target = server.admin("postgres").reported();
        target.server = pg::Server::Tcp { host: "127.0.0.1".to_owned(), port: address.port(), tls };
        target.login = Login { name: name.to_owned(), password: Some("x".into()) };
        target.connect().await
    };
    let open = enter(&first, "ann").await.unwrap();
    assert!(enter(&second, "ann").await.is_err(), "another's certificate");
    let refused = enter(&first, "postgres").await.err().unwrap().to_string();
    assert!(refused.contains("reject"), "the superuser comes through the socket only: {refused}");
    server.shown().replace(&shown(&second)).unwrap();
    testkit::eventually(async || enter(&second, "ann").await.ok().map(drop)).await;
    assert!(enter(&first, "ann").await.is_err(), "the old one is shown no longer");
    open.query("SELECT 1", &[]).await.unwrap();
    drop(open);
    server.stop().await.unwrap();
}
