//! A server that does what the edge does, or leaves one thing out.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does.
#[derive(Clone)]
pub struct Does {
    /// Headers of every answer.
    pub headers: Vec<(&'static str, &'static str)>,
    /// Requests it answers from one address before 429.
    pub allowed: u32,
    /// Whether 429 says when to come back.
    pub retry_after: bool,
    /// Origins it grants, `*` for whoever asks.
    pub origins: Vec<&'static str>,
    /// The body of every answer.
    pub body: &'static str,
}

impl Does {
    /// Everything that the edge does.
    pub fn everything() -> Self {
        Does {
            headers: vec![
                ("x-frame-options", "DENY"),
                ("x-content-type-options", "nosniff"),
                ("x-xss-protection", "1; mode=block"),
                ("referrer-policy", "strict-origin-when-cross-origin"),
                ("content-security-policy", "default-src 'self'; frame-ancestors 'none'"),
                ("permissions-policy", "geolocation=(), microphone=(), camera=()"),
            ],
            allowed: 60,
            retry_after: true,
            origins: Vec::new(),
            body: "{}",
        }
    }

    /// The same without a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    /// The same with a header, or with another value of one.
    pub fn with(self, name: &'static str, value: &'static str) -> Self {
        let mut does = self.without(name);
        does.headers.push((name, value));
        does
    }
}

/// Starts one; it lives as long as the runtime of its test.
pub async fn start(does: Does) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen: Arc<Mutex<HashMap<IpAddr, u32>>> = Arc::default();
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            tokio::spawn(answer(stream, peer.ip(), does.clone(), Arc::clone(&seen)));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, peer: IpAddr, does: Does, seen: Arc<Mutex<HashMap<IpAddr, u32>>>) {
    let mut bytes = vec![0; 16_384];
    let read = stream.read(&mut bytes).await.unwrap_or(0);
    let request = String::from_utf8_lossy(&bytes[..read]).into_owned();
    let count = {
        let mut seen = seen.lock().unwrap();
        let count = seen.entry(peer).or_default();
        *count += 1;
        *count
    };
    let mut head = if count > does.allowed {
        "HTTP/1.1 429 Too Many Requests\r\n".to_owned()
    } else {
        "HTTP/1.1 200 OK\r\n".to_owned()
    };
    if count > does.allowed && does.retry_after {
        head.push_str("retry-after: 60\r\n");
    }
    for (name, value) in &does.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let origin = request.lines().find_map(|line| line.strip_prefix("origin: ")).unwrap_or_default();
    if does.origins.iter().any(|granted| *granted == "*" || *granted == origin) {
        head.push_str(&format!("access-control-allow-origin: {origin}\r\naccess-control-allow-methods: GET\r\naccess-control-max-age: 60\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n{}", does.body.len(), does.body));
    // A client that went away has no use for the answer.
    let _ = stream.write_all(head.as_bytes()).await;
}
