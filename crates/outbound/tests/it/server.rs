//! A server of a few lines that says what it is told, and the client under test.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use base::Settings;
use outbound::{Outbound, Parts, Resolver};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Listens on an address and answers every connection with the next of its answers, or the last.
pub struct Server {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub async fn start(at: &str, answers: &[&str]) -> Self {
        let listener = TcpListener::bind(at).await.expect("bound");
        let address = listener.local_addr().expect("bound");
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let (told, mut answers) =
            (heard.clone(), answers.iter().map(|a| (*a).to_owned()).collect::<VecDeque<_>>());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut buffer = vec![0; 65_536];
                let read = socket.read(&mut buffer).await.unwrap_or(0);
                told.lock().expect("heard").push(String::from_utf8_lossy(&buffer[..read]).into_owned());
                let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
                let Some(answer) = answer else {
                    // Told nothing: it never answers.
                    std::mem::forget(socket);
                    continue;
                };
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
            }
        });
        Server { address, heard }
    }

    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("heard").clone()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
}

/// A client, and the codes of what it refused.
pub fn client(allow: &str, resolver: Resolver) -> (Outbound, Arc<Mutex<Vec<&'static str>>>) {
    let refused = Arc::<Mutex<Vec<&'static str>>>::default();
    let told = refused.clone();
    let parts = Parts {
        settings: Settings::default().with("outbound.allow", allow),
        resolver,
        on_refusal: Arc::new(move |refusal| {
            told.lock().expect("told").push(base::Fault::code(refusal.error));
        }),
    };
    (Outbound::open(parts).expect("opened"), refused)
}

/// A name server whose answers change: each question takes the next, the last stays.
pub fn resolver(answers: &[&[&str]]) -> (Resolver, Arc<Mutex<u32>>) {
    let answers: VecDeque<Vec<IpAddr>> =
        answers.iter().map(|all| all.iter().map(|a| a.parse().expect("an address")).collect()).collect();
    let (answers, asked) = (Arc::new(Mutex::new(answers)), Arc::<Mutex<u32>>::default());
    let count = asked.clone();
    let resolver: Resolver = Arc::new(move |_| {
        *count.lock().expect("count") += 1;
        let mut answers = answers.lock().expect("answers");
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async move { Ok(next.unwrap_or_default()) })
    });
    (resolver, asked)
}
