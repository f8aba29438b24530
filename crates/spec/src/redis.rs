//! A real Redis that speaks TLS, with an authority of its own, stopped when dropped.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A running server.
pub struct Redis {
    /// Its port.
    pub port: u16,
    /// Who issued its certificate.
    pub ca_file: PathBuf,
    home: TempDir,
    child: Child,
}

impl Redis {
    /// Starts it, with TLS only.
    pub async fn start() -> Redis {
        let home = TempDir::new().unwrap();
        for (name, text) in ["ca.pem", "cert.pem", "key.pem"].into_iter().zip(crate::https::own()) {
            std::fs::write(home.path().join(name), text).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Self::spawn(&home, port, true);
        let redis = Redis { port, ca_file: home.path().join("ca.pem"), home, child };
        redis.answers().await;
        redis
    }

    fn spawn(home: &TempDir, port: u16, secure: bool) -> Child {
        let port = port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--protected-mode", "no"]);
        if secure {
            command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]);
            for (flag, name) in [
                ("--tls-ca-cert-file", "ca.pem"),
                ("--tls-cert-file", "cert.pem"),
                ("--tls-key-file", "key.pem"),
            ] {
                command.arg(flag).arg(home.path().join(name));
            }
        } else {
            command.args(["--port", &port]);
        }
        command.current_dir(home.path()).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command.spawn().expect("redis-server is installed: `cargo xtask test` installs it")
    }

    async fn answers(&self) {
        for _ in 0..400 {
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("redis-server did not answer");
    }

    /// Stops it and starts it again at the same port, without TLS.
    pub async fn without_tls(&mut self) {
        self.child.kill().await.unwrap();
        self.child = Self::spawn(&self.home, self.port, false);
        self.answers().await;
    }

    /// Stops it.
    pub async fn stop(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again at the same port, with TLS and empty.
    pub async fn start_again(&mut self) {
        self.child = Self::spawn(&self.home, self.port, true);
        self.answers().await;
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.port)
    }
}
