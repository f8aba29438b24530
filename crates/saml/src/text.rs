//! The first gate: a message as bytes and text, before any parser sees it.
//!
//! What parsers disagree about (DOCTYPE, entities, comments, CDATA, processing instructions, control characters) is in no
//! honest SAML message, so a text that holds any of it is refused here, by looking at characters only.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{Error, limits};

/// Decodes base64 as forms carry it (line breaks allowed) within the limit.
pub fn decode(encoded: &str, max: &base::Limit) -> Result<Vec<u8>, Error> {
    // Four characters for three bytes; a fifth for line breaks.
    if encoded.len() > max.size() / 3 * 5 {
        return Err(Error::TooLarge { limit: max.name });
    }
    let compact: String = encoded.chars().filter(|c| !matches!(c, '\r' | '\n' | ' ' | '\t')).collect();
    let bytes = STANDARD.decode(compact).map_err(|_| Error::Unreadable("not base64"))?;
    if bytes.len() > max.size() {
        return Err(Error::TooLarge { limit: max.name });
    }
    Ok(bytes)
}

/// Inflates a redirect's message within the limit.
pub fn inflate(deflated: &[u8]) -> Result<Vec<u8>, Error> {
    saml_rs::binding::deflate_raw_decode_with_limit(deflated, limits::INFLATED_BYTES_MAX.size()).map_err(
        |error| match error {
            saml_rs::SamlError::Invalid(_) => Error::TooLarge { limit: limits::INFLATED_BYTES_MAX.name },
            _ => Error::Unreadable("not deflated"),
        },
    )
}

/// The bytes as text that holds nothing but a declaration, elements, attributes, text and plain references.
pub fn admit(bytes: Vec<u8>) -> Result<String, Error> {
    let text = String::from_utf8(bytes).map_err(|_| Error::Unreadable("not UTF-8"))?;
    let text = text.trim_matches(['\r', '\n', ' ', '\t']);
    let body = without_declaration(text)?;
    if let Some(bad) = body.chars().find(|c| !is_allowed(*c)) {
        let _ = bad;
        return Err(Error::Needless("a control or invisible character"));
    }
    markup(body)?;
    references(body)?;
    Ok(body.to_owned())
}

/// `<?xml version="1.0" encoding="UTF-8"?>`, once, at the start. It is cut off: nothing in it is needed.
fn without_declaration(text: &str) -> Result<&str, Error> {
    let Some(rest) = text.strip_prefix("<?xml ") else { return Ok(text) };
    let (declaration, body) = rest.split_once("?>").ok_or(Error::Unreadable("not XML"))?;
    let plain = declaration.len() <= 80
        && declaration.chars().all(|c| c.is_ascii_alphanumeric() || " =\"'.-".contains(c));
    let lower = declaration.to_ascii_lowercase();
    let other_encoding = lower.contains("encoding") && !lower.contains("utf-8");
    if !plain || other_encoding || lower.contains("1.1") {
        return Err(Error::Needless("an unusual declaration"));
    }
    Ok(body.trim_start_matches(['\r', '\n', ' ', '\t']))
}

/// Line breaks and tabs, and every printable character; no other control, no byte order mark, nothing unassigned by XML.
fn is_allowed(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}' => false,
        c => !c.is_control(),
    }
}

/// After every `<` comes a name or `/` and a name.
fn markup(text: &str) -> Result<(), Error> {
    for (at, _) in text.match_indices('<') {
        let rest = text.get(at + 1..).unwrap_or_default();
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        match rest.chars().next() {
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {}
            Some('!') => {
                return Err(Error::Needless("a DOCTYPE, a comment or CDATA"));
            }
            Some('?') => return Err(Error::Needless("a processing instruction")),
            _ => return Err(Error::Unreadable("not XML")),
        }
    }
    Ok(())
}

/// The five predefined entities, and character references to allowed characters.
fn references(text: &str) -> Result<(), Error> {
    for (at, _) in text.match_indices('&') {
        let rest = text.get(at + 1..).unwrap_or_default();
        let (name, _) = rest.split_once(';').ok_or(Error::Unreadable("not XML"))?;
        if matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") {
            continue;
        }
        let number = name.strip_prefix('#').ok_or(Error::Needless("an entity"))?;
        let code = match number.strip_prefix('x') {
            Some(hex) if hex.len() <= 6 && hex.chars().all(|c| c.is_ascii_hexdigit()) => {
                u32::from_str_radix(hex, 16).ok()
            }
            None if number.len() <= 7 && number.chars().all(|c| c.is_ascii_digit()) => number.parse().ok(),
            _ => None,
        };
        if !code.and_then(char::from_u32).is_some_and(is_allowed) {
            return Err(Error::Needless("a reference to no usable character"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<String, Error> {
        admit(text.as_bytes().to_vec())
    }

    #[test]
    fn elements_text_and_plain_references_are_admitted() {
        let plain = "<a xmlns:x=\"urn:x\"><x:b c='d'/>&amp;&#228;&#xe4; \u{e4} \u{1f600}</a>";
        assert_eq!(check(plain).unwrap(), plain);
        let declared = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{plain}\n");
        assert_eq!(check(&declared).unwrap(), plain);
    }

    #[test]
    fn what_parsers_disagree_about_is_refused() {
        for text in [
            "<!DOCTYPE a><a/>",
            "<a><!-- x --></a>",
            "<a>x<!---->y</a>",
            "<a><![CDATA[x]]></a>",
            "<a><?php ?></a>",
            "<?xml-stylesheet href='x'?><a/>",
            "<?xml version=\"1.1\"?><a/>",
            "<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>",
            "<a>&x;</a>",
            "<a>&#0;</a>",
            "<a>&#x1;</a>",
            "<a>&#xD800;</a>",
            "<a>&#65536000;</a>",
            "<a>\u{0}</a>",
            "<a>\u{8}</a>",
            "<a>\u{feff}</a>",
            "<a>\u{85}</a>",
            "< a/>",
            "<a>&</a>",
        ] {
            assert!(check(text).is_err(), "{text:?}");
        }
        assert!(admit(vec![b'<', b'a', 0xff, b'/', b'>']).is_err());
    }

    #[test]
    fn a_long_message_is_not_even_decoded() {
        let long = "A".repeat(limits::MESSAGE_BYTES_MAX.size() * 2);
        assert!(matches!(decode(&long, &limits::MESSAGE_BYTES_MAX), Err(Error::TooLarge { .. })));
        let lines = "PGE+\r\nPC9h\nPg==";
        assert_eq!(decode(lines, &limits::MESSAGE_BYTES_MAX).unwrap(), b"<a></a>");
        assert!(decode("###", &limits::MESSAGE_BYTES_MAX).is_err());
    }

    #[test]
    fn a_deflate_bomb_stops_at_the_limit() {
        let bomb = saml_rs::binding::deflate_raw_encode(&vec![b' '; 8 << 20]).unwrap();
        assert!(bomb.len() < 10_240, "{}", bomb.len());
        assert!(matches!(inflate(&bomb), Err(Error::TooLarge { .. })));
        let small = saml_rs::binding::deflate_raw_encode(b"<a/>").unwrap();
        assert_eq!(inflate(&small).unwrap(), b"<a/>");
    }
}
