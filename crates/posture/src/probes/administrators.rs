//! The listener for administrators, where there is one, for control 25: a key that was taken opens nothing elsewhere, and nothing
//! there without a certificate, where one is asked for.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::bench::{Bench, Seat, Trouble, tls};
use crate::limits;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1 << 16;

/// Nothing to look at where administrators have no listener of their own.
pub async fn stay_apart(bench: &Bench) -> Result<Vec<(bool, String)>, Trouble> {
    let Some(address) = bench.place.admins else { return Ok(Vec::new()) };
    let mut lines = Vec::new();
    for path in ["/auth/v1/admin/users", "/admin/v1/bans"] {
        let elsewhere = bench.server("GET", path).send_here().await?.status;
        let said = format!(
            "the secret key asks {path} where everybody does: {elsewhere}; administrators are at {address}"
        );
        lines.push((elsewhere == 421, said));
    }
    if bench.place.admins_asked {
        let seat = Seat::Tcp(address);
        let clear = read(bench, bench.reach(&seat).await?).await;
        let config = tls::any().map_err(|source| Trouble::Network { what: "TLS".to_owned(), source })?;
        let over = match bench.shake(&seat, &config).await {
            Ok(stream) => read(bench, stream).await,
            Err(_refused) => String::new(),
        };
        for (how, answer) in [("in clear", clear), ("over TLS without a certificate", over)] {
            let is_answered = answer.starts_with("HTTP/1.1 2") || answer.contains("\"");
            let said = if is_answered { "is answered" } else { "is not answered" };
            lines.push((!is_answered, format!("whoever asks {address} {how} {said}")));
        }
    }
    Ok(lines)
}

/// What somebody with the secret key is told. Nothing, where the connection is closed on them.
async fn read<S: AsyncRead + AsyncWrite + Unpin>(bench: &Bench, mut stream: S) -> String {
    let key = bench.place.secret_key.expose();
    let name = &bench.place.encryption.name;
    let head = format!(
        "GET /auth/v1/admin/users HTTP/1.1\r\nhost: {name}\r\napikey: {key}\r\nconnection: close\r\n\r\n"
    );
    let mut all = Vec::new();
    let asking = async {
        stream.write_all(head.as_bytes()).await?;
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut all).await
    };
    // Whoever is not let in may be gone before everything is said.
    let _cut_off = timeout(Duration::from_secs(limits::STEP_SECONDS_MAX.value), asking).await;
    String::from_utf8_lossy(&all).into_owned()
}
