//! A channel as a client holds it: what changes in a table, told over a WebSocket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::http::met_at;
use super::tls::{self, Way};
use super::{Bench, Trouble};
use crate::limits;

/// One who listens.
pub struct Listener(WebSocketStream<Box<dyn Way>>);

impl Bench {
    /// Listens to what changes in a table, with a token or as nobody in particular; nothing where channels are not served.
    pub async fn listen(&self, table: &str, token: Option<&str>) -> Result<Option<Listener>, Trouble> {
        let what = || "listening to changes of a table".to_owned();
        let key = self.place.publishable_key.expose();
        let url = format!("ws://{}/realtime/v1/websocket?apikey={key}&vsn=2.0.0", met_at(self.place.address));
        let opened = async {
            let stream = self.connect(self.own_address()).await?;
            let way: Box<dyn Way> = match self.place.secure {
                true => Box::new(tls::shake(stream, &tls::any()?, "localhost").await?),
                false => Box::new(stream),
            };
            match tokio_tungstenite::client_async(url, way).await {
                Ok((stream, _)) => Ok(Some(Listener(stream))),
                Err(Error::Http(answer)) if answer.status() == 404 => Ok(None),
                Err(error) => Err(std::io::Error::other(error)),
            }
        };
        let opened = timeout(step(), opened).await.map_err(|_| Trouble::Slow(what()))?;
        let opened = opened.map_err(|source| Trouble::Network { what: what(), source })?;
        let Some(mut listener) = opened else { return Ok(None) };
        let wants = json!([{ "event": "*", "schema": "public", "table": table }]);
        let join = json!({ "config": { "postgres_changes": wants }, "access_token": token });
        let said = json!(["1", "1", "realtime:probe", "phx_join", join]).to_string();
        listener.0.send(Message::text(said)).await.map_err(|error| Trouble::Unexpected(error.to_string()))?;
        let answer = listener.hear("phx_reply", step()).await.ok_or_else(|| Trouble::Slow(what()))?;
        match answer.pointer("/status").and_then(Value::as_str) {
            Some("ok") => Ok(Some(listener)),
            _ => Err(Trouble::Unexpected(format!("joining a channel was answered {answer}"))),
        }
    }
}

impl Listener {
    /// The next row that is told of as new, if one is within a while.
    pub async fn inserted(&mut self, within: Duration) -> Option<Value> {
        self.hear("postgres_changes", within).await?.pointer("/data/record").cloned()
    }

    /// What the next message of a kind says.
    async fn hear(&mut self, event: &str, within: Duration) -> Option<Value> {
        let heard = async {
            while let Some(Ok(message)) = self.0.next().await {
                let said: Value = serde_json::from_str(message.to_text().ok()?).ok()?;
                if said.pointer("/3").and_then(Value::as_str) == Some(event) {
                    return said.pointer("/4").cloned();
                }
            }
            None
        };
        timeout(within, heard).await.ok().flatten()
    }
}

fn step() -> Duration {
    Duration::from_secs(limits::STEP_SECONDS_MAX.value)
}
