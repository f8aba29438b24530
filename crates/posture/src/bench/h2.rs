//! HTTP/2 by hand: as much of it as shows that it is spoken, and that it cannot be abused.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What every client says first, with empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    [length.get(1..).unwrap_or_default(), &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET /health` of `authority`, in HPACK without Huffman's code.
fn head(authority: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap_or(0)], text.as_bytes()].concat();
    [&[0x82, 0x87, 0x44][..], &text("/health"), &[0x41], &text(authority)].concat()
}

/// Frames as they come: kind, stream and payload, until the end or until `enough`.
async fn frames(
    stream: &mut (impl AsyncRead + Unpin),
    mut enough: impl FnMut(u8, u32, &[u8]) -> bool,
) -> io::Result<bool> {
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return Ok(false);
        }
        let [a, b, c, kind, _, d, e, f, g] = head;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(0);
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).await.is_err() {
            return Ok(false);
        }
        if enough(kind, u32::from_be_bytes([d, e, f, g]), &payload) {
            return Ok(true);
        }
    }
}

/// Asks for the instance's health; whether it was answered with 200.
pub async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, authority: &str) -> io::Result<bool> {
    let asked = [PREFACE, &frame(1, 0x5, 1, &head(authority))].concat();
    stream.write_all(&asked).await?;
    stream.flush().await?;
    // 0x88 is `:status: 200`.
    frames(&mut stream, |kind, number, payload| kind == 1 && number == 1 && payload.first() == Some(&0x88))
        .await
}

/// Opens and resets streams, thousands of them (CVE-2023-44487); whether it was told to calm down.
pub async fn reset_rapidly(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    authority: &str,
) -> io::Result<bool> {
    let mut bytes = PREFACE.to_vec();
    for number in 0..4_000_u32 {
        bytes.extend(frame(1, 0x5, 2 * number + 1, &head(authority)));
        bytes.extend(frame(3, 0, 2 * number + 1, &8_u32.to_be_bytes()));
    }
    // It may hang up before everything is said.
    let _sent_or_cut_off = stream.write_all(&bytes).await;
    let _flushed_or_cut_off = stream.flush().await;
    let calm = 11_u32.to_be_bytes();
    frames(&mut stream, |kind, _, payload| kind == 7 && payload.get(4..8) == Some(calm.as_slice())).await
}
