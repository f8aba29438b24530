//! Time-based codes (RFC 6238): SHA-1, six digits, thirty seconds, as every authenticator app takes them.
//!
//! Invariant: which step a code belongs to is always told, so that nobody takes a step twice.

use std::fmt::Write as _;

use base::{Rng, Secret};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use qrcode::{Color, EcLevel, QrCode};
use totp_rs::{Builder, Totp};

/// Bytes of a secret: the length of a SHA-1 (RFC 4226, section 4).
const SECRET_BYTES: usize = 20;
/// What a URI may hold as it is (RFC 3986, unreserved).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// White around a QR code, in modules (ISO/IEC 18004).
const QUIET: usize = 4;
/// The base32 alphabet (RFC 4648).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A secret to share with an authenticator app.
pub(crate) fn new_secret(rng: &Rng) -> Secret<Vec<u8>> {
    Secret::new(rng.bytes::<SECRET_BYTES>().to_vec())
}

/// As people type it: base32 without padding.
pub(crate) fn spelled(secret: &[u8]) -> Secret<String> {
    let mut text = String::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in secret {
        bits = (bits << 8) | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            push(&mut text, bits >> count);
        }
    }
    if count > 0 {
        push(&mut text, bits << (5 - count));
    }
    Secret::new(text)
}

fn push(text: &mut String, bits: u32) {
    let at = usize::try_from(bits & 31).unwrap_or(0);
    text.extend(BASE32.get(at).map(|letter| char::from(*letter)));
}

/// What authenticator apps read, in upstream's order.
pub(crate) fn uri(secret: &[u8], issuer: &str, account: &str) -> Secret<String> {
    let plain = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
    let (issuer, account) = (plain(issuer), plain(account));
    let secret = spelled(secret);
    Secret::new(format!(
        "otpauth://totp/{issuer}:{account}?algorithm=SHA1&digits=6&issuer={issuer}&period=30&secret={}",
        secret.expose()
    ))
}

/// A text as a picture, for cameras: an SVG with one path, black on white, without a character that a data URI would end at.
pub(crate) fn qr_code(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let side = width + 2 * QUIET;
    let mut path = String::new();
    for (at, color) in code.to_colors().iter().enumerate() {
        if *color == Color::Dark {
            // Writing to a String cannot fail.
            let _ = write!(path, "M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET);
        }
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{0}\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\"><path fill=\"white\" d=\"M0 0h{side}v{side}H0z\"/><path fill=\"black\" d=\"{path}\"/></svg>",
        side * 4
    ))
}

/// The step that `code` is right for at `now`: this one, the one before or the one after. Nothing for a wrong code.
pub(crate) fn step_of(secret: &[u8], code: &str, now: i64) -> Option<i64> {
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let step = totp(secret)?.check(code, u64::try_from(now).ok()?)?;
    i64::try_from(step).ok()
}

fn totp(secret: &[u8]) -> Option<Totp> {
    Builder::new().with_secret(secret.to_vec()).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890";
        for (at, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(step_of(secret, code, at), Some(at / 30), "{at}");
            assert_eq!(step_of(secret, code, at + 30), Some(at / 30), "one step late");
            assert_eq!(step_of(secret, code, at + 90), None, "three steps late");
        }
    }

    #[test]
    fn what_is_no_code_is_wrong() {
        let secret = b"12345678901234567890";
        for text in ["", "28708", "2870820", "28708x", "２８７０８２", "+87082", "287 082"] {
            assert_eq!(step_of(secret, text, 59), None, "{text}");
        }
        assert_eq!(step_of(b"short", "287082", 59), None);
        assert_eq!(step_of(secret, "287082", -59), None);
    }

    #[test]
    fn secrets_are_spelled_as_in_the_standard() {
        for (bytes, text) in [
            (&b"f"[..], "MY"),
            (b"fo", "MZXQ"),
            (b"foo", "MZXW6"),
            (b"foob", "MZXW6YQ"),
            (b"foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(spelled(bytes).expose(), text);
        }
    }

    #[test]
    fn the_uri_keeps_every_foreign_character_in_its_place() {
        let uri = uri(b"foobar", "a:b&c", "ann+x@example.com?secret=EVIL");
        assert_eq!(
            uri.expose(),
            "otpauth://totp/a%3Ab%26c:ann%2Bx%40example.com%3Fsecret%3DEVIL?algorithm=SHA1&digits=6&issuer=a%3Ab%26c&period=30&secret=MZXW6YTBOI"
        );
    }

    #[test]
    fn the_picture_survives_a_data_uri() {
        let picture = qr_code(&"x".repeat(300)).unwrap();
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>"));
        assert!(!picture.contains('#') && !picture.contains('%'));
    }
}
