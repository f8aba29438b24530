//! An ACME server of other people's making (Debian's `pebble`), on this machine, for names that only it can resolve.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A running authority.
pub struct Pebble {
    /// Its directory.
    pub directory: String,
    /// The authority of its own HTTPS.
    pub ca_file: PathBuf,
    /// Where it looks for HTTP-01.
    pub http_port: u16,
    /// Where it looks for TLS-ALPN-01.
    pub tls_port: u16,
    management: u16,
    /// Where it listens.
    pub(crate) port: u16,
    /// The certificate of its own HTTPS, and its key.
    pub(crate) shown: (String, String),
    _home: TempDir,
    _children: Vec<Child>,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Pebble {
    /// Starts it, with certificates that live `life`.
    pub async fn start(life: Duration) -> Pebble {
        let home = TempDir::new().unwrap();
        let (ca_file, cert, key) =
            (home.path().join("ca.pem"), home.path().join("cert.pem"), home.path().join("key.pem"));
        let [authority, leaf, leaf_key] = crate::https::own();
        std::fs::write(&ca_file, authority).unwrap();
        std::fs::write(&cert, &leaf).unwrap();
        std::fs::write(&key, &leaf_key).unwrap();
        let [port, management, http_port, tls_port, dns, dns_management] =
            std::array::from_fn(|_| free_port());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": cert, "privateKey": key, "httpPort": http_port, "tlsPort": tls_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": false,
            "certificateValidityPeriod": life.as_secs(),
        }});
        let config_file = home.path().join("config.json");
        std::fs::write(&config_file, config.to_string()).unwrap();
        let resolver = Command::new("pebble-challtestsrv")
            .args([
                "-defaultIPv4",
                "127.0.0.1",
                "-defaultIPv6",
                "",
                "-http01",
                "",
                "-https01",
                "",
                "-tlsalpn01",
                "",
            ])
            .args([
                "-dns01",
                &format!("127.0.0.1:{dns}"),
                "-management",
                &format!("127.0.0.1:{dns_management}"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("pebble-challtestsrv is installed: `cargo xtask test` installs it");
        let pebble = Command::new("pebble")
            .arg("-config")
            .arg(&config_file)
            .args(["-dnsserver", &format!("127.0.0.1:{dns}")])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("pebble is installed: `cargo xtask test` installs it");
        for waited in [port, management] {
            for _ in 0..200 {
                if tokio::net::TcpStream::connect(("127.0.0.1", waited)).await.is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        }
        Pebble {
            directory: format!("https://localhost:{port}/dir"),
            ca_file,
            http_port,
            tls_port,
            management,
            port,
            shown: (leaf, leaf_key),
            _home: home,
            _children: vec![resolver, pebble],
        }
    }

    /// What an instance needs to know to use it; 0 is no port for plain HTTP.
    pub fn flags(&self, http_port: u16) -> Vec<String> {
        let pairs = [
            ("server.tls.acme_directory", self.directory.clone()),
            ("server.tls.acme_staging", self.directory.clone()),
            ("server.http_port", http_port.to_string()),
            ("outbound.allow", "127.0.0.0/8,::1,localhost".to_owned()),
            ("outbound.ca_file", self.ca_file.display().to_string()),
        ];
        pairs.into_iter().flat_map(|(name, value)| [format!("--{name}"), value]).collect()
    }

    /// The root that its certificates come from.
    pub async fn root(&self) -> String {
        let trusted = std::fs::read(&self.ca_file).unwrap();
        let address = ([127, 0, 0, 1], self.management).into();
        crate::https::get(address, "localhost", &trusted, "/roots/0").await.text()
    }
}
