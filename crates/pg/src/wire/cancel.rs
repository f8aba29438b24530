//! Asking the server to stop a running statement.

use std::io;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::startup::CancelKey;
use super::stream;
use crate::config::Server;

/// Sends a cancel request and waits until the server has passed it on: after this, no late signal can hit the next
/// statement of that session, except one that is in delivery, which a round trip on the session flushes out.
pub(crate) async fn cancel(server: &Server, key: CancelKey) -> io::Result<()> {
    let mut stream = stream::open(server).await?;
    let mut ask = BytesMut::new();
    frontend::cancel_request(key.process, key.secret, &mut ask);
    stream.write_all(&ask).await?;
    stream.flush().await?;
    let mut nothing = [0; 1];
    // The server says nothing and closes. An error here is a close too.
    let _closed = stream.read(&mut nothing).await;
    Ok(())
}
