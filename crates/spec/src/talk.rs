//! A WebSocket of channels as a client of version 2 of the format holds it, with nothing of its own: no reconnect, no heartbeat.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::TestApp;

/// What carries it.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// An open socket.
pub struct Talk {
    stream: WebSocketStream<Box<dyn Wire>>,
    next: u64,
    /// What came while something else was waited for.
    pub heard: Vec<Value>,
}

const PATIENCE: Duration = Duration::from_secs(15);

impl Talk {
    /// With the publishable key.
    pub async fn open(app: &TestApp) -> Talk {
        Self::with(app, &app.running.keys.publishable).await
    }

    /// With this key.
    pub async fn with(app: &TestApp, key: &str) -> Talk {
        let stream = TcpStream::connect(app.running.address).await.unwrap();
        Self::over(stream, &format!("ws://{}", app.running.address), key).await
    }

    /// Over a connection that is there.
    pub async fn over(stream: impl Wire + 'static, at: &str, key: &str) -> Talk {
        let wire: Box<dyn Wire> = Box::new(stream);
        let url = format!("{at}/realtime/v1/websocket?apikey={key}&vsn=2.0.0");
        let (stream, _) = tokio_tungstenite::client_async(url, wire).await.unwrap();
        Talk { stream, next: 1, heard: Vec::new() }
    }

    /// Sends any message.
    pub async fn send(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// Says something, and gives the name it was said under.
    pub async fn say(&mut self, topic: &str, event: &str, payload: Value) -> String {
        let name = self.next.to_string();
        self.next += 1;
        self.send(Message::text(json!([topic, name, topic, event, payload]).to_string())).await;
        name
    }

    /// The answer to what was said under a name.
    pub async fn answer(&mut self, name: &str) -> Value {
        loop {
            let said = self.hear().await.expect("an answer");
            if said[3] == "phx_reply" && said[1] == name {
                return said[4].clone();
            }
            self.heard.push(said);
        }
    }

    /// Says something, and waits for the answer.
    pub async fn ask(&mut self, topic: &str, event: &str, payload: Value) -> Value {
        let name = self.say(topic, event, payload).await;
        self.answer(&name).await
    }

    /// A heartbeat.
    pub async fn beat(&mut self) -> Value {
        self.ask("phoenix", "heartbeat", json!({})).await
    }

    /// Joins a channel, with a person's token.
    pub async fn join(&mut self, topic: &str, config: Value, token: Option<&str>) -> Value {
        self.ask(topic, "phx_join", json!({ "config": config, "access_token": token })).await
    }

    /// The next message as text; of bytes, kind 4, the same as text would say it. None when it was closed.
    pub async fn hear(&mut self) -> Option<Value> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("in time");
            match next {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).ok(),
                Some(Ok(Message::Binary(bytes))) => {
                    let [4, topic, event, meta, encoding, rest @ ..] = &*bytes else { panic!("{bytes:?}") };
                    let (topic, rest) = rest.split_at(usize::from(*topic));
                    let (event, rest) = rest.split_at(usize::from(*event));
                    let payload: Value = match encoding {
                        1 => serde_json::from_slice(&rest[usize::from(*meta)..]).unwrap(),
                        _ => json!({ "bytes": rest.len() - usize::from(*meta) }),
                    };
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    let said = json!({ "event": text(event), "payload": payload });
                    return Some(json!([null, null, text(topic), "broadcast", said]));
                }
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return None,
            }
        }
    }

    /// The next message of a kind.
    pub async fn wait(&mut self, event: &str) -> Value {
        if let Some(at) = self.heard.iter().position(|said| said[3] == event) {
            return self.heard.remove(at);
        }
        loop {
            let said = self.hear().await.unwrap_or_else(|| panic!("closed before {event}"));
            if said[3] == event {
                return said;
            }
            self.heard.push(said);
        }
    }

    /// The code that it is closed with; 0 when it just ends.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("in time") {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return 0,
            }
        }
    }
}
