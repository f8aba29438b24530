//! A provider on loopback: takes one request after another, remembers the last, and answers as the provider does with such a
//! request, or what it was told to.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::providers::Api;

/// A request as it came.
#[derive(Clone, Default)]
pub struct Asked {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The fields of its form, as they were sent.
    pub fn form(&self) -> Vec<(String, String)> {
        let decode = |text: &str| {
            percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
        };
        let pairs = self.body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (decode(name), decode(value))).collect()
    }

    pub fn field(&self, name: &str) -> Option<String> {
        self.form().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

#[derive(Clone)]
enum Says {
    /// What this provider says.
    As(Api),
    /// This.
    This(u16, String),
}

pub struct Double {
    pub port: u16,
    state: Arc<Mutex<(Says, Asked)>>,
}

impl Double {
    /// A provider that refuses what its API does not take.
    pub async fn of(api: Api) -> Self {
        Self::saying(Says::As(api)).await
    }

    pub async fn start(status: u16, body: &str) -> Self {
        Self::saying(Says::This(status, body.to_owned())).await
    }

    async fn saying(says: Says) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new((says, Asked::default())));
        let told = state.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let told = told.clone();
                tokio::spawn(async move { serve(socket, &told).await });
            }
        });
        Double { port, state }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on.
    pub fn answer(&self, status: u16, body: &str) {
        self.state.lock().unwrap().0 = Says::This(status, body.to_owned());
    }

    /// The last request.
    pub fn asked(&self) -> Asked {
        self.state.lock().unwrap().1.clone()
    }
}

async fn serve(socket: TcpStream, state: &Mutex<(Says, Asked)>) -> Option<()> {
    let mut socket = BufReader::new(socket);
    let mut asked = Asked::default();
    socket.read_line(&mut asked.line).await.ok()?;
    asked.line = asked.line.trim_end().to_owned();
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        asked.headers.push((name.to_lowercase(), value.to_owned()));
    }
    let mut body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
    socket.read_exact(&mut body).await.ok()?;
    asked.body = String::from_utf8(body).ok()?;
    let (status, text) = {
        let mut state = state.lock().ok()?;
        state.1 = asked;
        match &state.0 {
            Says::As(api) => api.answer(&state.1),
            Says::This(status, text) => (*status, text.clone()),
        }
    };
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
    );
    socket.get_mut().write_all(answer.as_bytes()).await.ok()
}
