//! An OpenID Connect provider of another make, and doubles of those that cannot be run here.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::program::target;

/// npm's `oidc-provider`, running.
pub struct Idp {
    /// Its issuer.
    pub issuer: String,
    _child: Child,
    _place: tempfile::TempDir,
}

impl Idp {
    /// Starts it.
    pub async fn start() -> Self {
        let tools = target().join("tools");
        let (node, packages) = (tools.join("bin/node"), tools.join("sdk/node_modules"));
        assert!(
            packages.join("oidc-provider").exists(),
            "oidc-provider is not installed: `cargo xtask test` installs it"
        );
        let place = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk/node/idp.mjs");
        std::fs::copy(program, place.path().join("idp.mjs")).unwrap();
        std::os::unix::fs::symlink(packages, place.path().join("node_modules")).unwrap();
        let mut child = Command::new(node)
            .arg(place.path().join("idp.mjs"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let issuer = loop {
            let line = lines.next_line().await.unwrap().expect("the provider says that it is ready");
            if let Some(issuer) = line.strip_prefix("ready ") {
                break issuer.to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Idp { issuer, _child: child, _place: place }
    }
}

const JSON: &str = "application/json";

/// What a double was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and path with its query.
    pub line: String,
    /// Headers and body, as they came.
    pub whole: String,
}

/// An HTTP server that answers each path with what was recorded of the real one.
#[derive(Clone)]
pub struct Double {
    /// Where it is.
    pub url: String,
    answers: Arc<Mutex<BTreeMap<String, (String, String)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Double {
    /// Listens on loopback.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let double = Double {
            url: format!("http://{}", listener.local_addr().unwrap()),
            answers: Arc::default(),
            asked: Arc::default(),
        };
        let serving = double.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move {
                    let mut whole = Vec::new();
                    let mut chunk = [0; 16_384];
                    while !is_whole(&whole) {
                        match socket.read(&mut chunk).await {
                            Ok(0) | Err(_) => break,
                            Ok(read) => whole.extend_from_slice(&chunk[..read]),
                        }
                    }
                    let whole = String::from_utf8_lossy(&whole).into_owned();
                    let line =
                        whole.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
                    let path = line.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
                    serving.asked.lock().unwrap().push(Asked { line, whole });
                    let known = serving.known(&path);
                    let (status, (kind, body)) = match known {
                        Some(answer) => ("200 OK", answer),
                        None => ("404 Not Found", (JSON.to_owned(), "{}".to_owned())),
                    };
                    let answer = format!(
                        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _the_client_may_be_gone = socket.write_all(answer.as_bytes()).await;
                });
            }
        });
        double
    }

    fn known(&self, path: &str) -> Option<(String, String)> {
        let answers = self.answers.lock().unwrap();
        let below =
            || answers.iter().find(|(known, _)| known.ends_with('/') && path.starts_with(known.as_str()));
        answers.get(path).or_else(|| below().map(|(_, answer)| answer)).cloned()
    }

    /// Answers a path from now on; one that ends in a slash, everything below it.
    pub fn answer(&self, path: &str, body: Value) {
        self.show(path, &body.to_string());
    }

    /// As [`Double::answer`], with something else than JSON.
    pub fn show(&self, path: &str, body: &str) {
        self.show_as(path, JSON, body);
    }

    /// The same, called by another name.
    pub fn show_as(&self, path: &str, kind: &str, body: &str) {
        self.answers.lock().unwrap().insert(path.to_owned(), (kind.to_owned(), body.to_owned()));
    }

    /// Everything it was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    body.len() >= length.unwrap_or(0)
}
