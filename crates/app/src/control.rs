//! The operator's side of the control socket: how commands reach a running server.
//!
//! The socket lies in the data folder with mode 0600: whoever may open it is the operator.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

/// Why a command got no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is listening.
    #[error(
        "no server is running with --data {data}: {source}. Start one with `palisade serve --data {data}`, or name its folder with --data"
    )]
    NotRunning {
        /// The folder that was looked in.
        data: String,
        /// Why.
        source: std::io::Error,
    },
    /// It answered with an error.
    #[error("{message}")]
    Refused {
        /// What it said.
        message: String,
    },
    /// It stopped half-way.
    #[error("the server broke off: {0}")]
    Broken(#[from] hyper::Error),
    /// Its answer cannot be read.
    #[error("the server's answer is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// The request could not be made.
    #[error("the request could not be made: {0}")]
    Request(#[from] http::Error),
}

/// Where the socket of a data folder is.
pub fn socket_path(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// Sends a request to the server of `data` and returns its JSON answer.
pub async fn ask(data: &Path, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
    let stream = UnixStream::connect(socket_path(data))
        .await
        .map_err(|source| Error::NotRunning { data: data.display().to_string(), source })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, "control")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    let ok = response.status().is_success();
    let bytes = response.into_body().collect().await?.to_bytes();
    let answer: Value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
    if ok {
        return Ok(answer);
    }
    let message =
        answer.get("message").and_then(Value::as_str).unwrap_or("the server refused without saying why");
    Err(Error::Refused { message: message.to_owned() })
}
