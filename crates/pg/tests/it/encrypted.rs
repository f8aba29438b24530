//! TLS to the server, exactly as strict as asked (control 53). The certificates beside this file are for tests: a CA, a
//! server's for `localhost`, and a stranger's CA, good for a hundred years and for nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use pg::{Config, Once, Pg, Server, Statement, Tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::scene::{Database, person};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)
}

/// A TLS front of the test's server, such as a managed database has. `offers` says whether it speaks TLS at all.
async fn front(config: &Config, offers: bool) -> u16 {
    let Server::Socket { dir, port } = config.server.clone() else { panic!("not a socket") };
    let socket = dir.join(format!(".s.PGSQL.{port}"));
    let chain = vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, acceptor.clone(), socket.clone(), offers));
        }
    });
    address.port()
}

async fn serve(mut client: TcpStream, acceptor: tokio_rustls::TlsAcceptor, socket: PathBuf, offers: bool) {
    let mut ask = [0; 8];
    client.read_exact(&mut ask).await.unwrap();
    assert_eq!(ask, [0, 0, 0, 8, 4, 210, 22, 47], "the first thing sent is the request for TLS");
    client.write_all(if offers { b"S" } else { b"N" }).await.unwrap();
    if !offers {
        let mut rest = Vec::new();
        let _closed = client.read_to_end(&mut rest).await;
        assert_eq!(rest, b"", "something was sent in plaintext");
        return;
    }
    // A client that refuses our certificate ends here.
    let Ok(mut client) = acceptor.accept(client).await else { return };
    let mut server = UnixStream::connect(socket).await.unwrap();
    let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

async fn try_it(db: &Database, host: &str, tls: Tls, offers: bool) -> Result<String, pg::Error> {
    let mut config = db.config();
    let port = front(&config, offers).await;
    config.server = Server::Tcp { host: host.into(), port, tls };
    let pg = Pg::connect(config)?;
    let ask = Once::read(Statement::new("select current_setting('request.jwt.claim.email')", []));
    pg.once(&person(7), ask).await?.into_inner().first().unwrap().at(0)
}

#[tokio::test]
async fn each_mode_is_exactly_as_strict_as_its_name() {
    let db = Database::new().await;
    let (ca, other) = (file("ca.pem"), file("other.pem"));
    let good = [
        ("localhost", Tls::Require),
        ("127.0.0.1", Tls::Require),
        ("localhost", Tls::VerifyCa { root: ca.clone() }),
        ("127.0.0.1", Tls::VerifyCa { root: ca.clone() }),
        ("localhost", Tls::VerifyFull { root: ca.clone() }),
    ];
    for (host, tls) in good {
        assert_eq!(try_it(&db, host, tls.clone(), true).await.unwrap(), "p7@example.com", "{host} {tls:?}");
    }
    let bad = [
        ("127.0.0.1", Tls::VerifyFull { root: ca.clone() }),
        ("localhost", Tls::VerifyFull { root: other.clone() }),
        ("localhost", Tls::VerifyCa { root: other }),
        ("localhost", Tls::VerifyFull { root: file("nothing.pem") }),
    ];
    for (host, tls) in bad {
        let error = try_it(&db, host, tls.clone(), true).await.unwrap_err();
        assert!(matches!(error, pg::Error::Unreachable(_)), "{host} {tls:?} {error:?}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_sent_nothing() {
    let db = Database::new().await;
    let error = try_it(&db, "localhost", Tls::Require, false).await.unwrap_err();
    assert!(matches!(error, pg::Error::Unreachable(_)), "{error:?}");
}
