//! What an identity provider says about a person, made harmless (control 39).
//!
//! A display name ends in pages, mails and logs of other people. Those escape; here it loses what only an attack needs.

/// One line of text: no control or direction-changing characters, no markup, at most `bytes_max` long, and never half a
/// character.
pub fn clean_line(text: &str, bytes_max: usize) -> String {
    let mut clean = String::new();
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth > 0 || is_hidden(c) => {}
            c if c.is_whitespace() || c.is_control() => {
                if !clean.ends_with(' ') {
                    clean.push(' ');
                }
            }
            c => clean.push(c),
        }
        if clean.len() > bytes_max {
            break;
        }
    }
    let mut end = clean.len().min(bytes_max);
    while !clean.is_char_boundary(end) {
        end -= 1;
    }
    clean.truncate(end);
    clean.trim().to_owned()
}

/// Whether cleaning would change nothing: asked of identifiers, which are refused rather than changed, so that two people
/// never become one.
pub fn is_plain(text: &str, bytes_max: usize) -> bool {
    !text.is_empty() && clean_line(text, bytes_max) == text
}

/// Zero-width and direction-changing characters, by which a name looks like another; tags; private use.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffc}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_taken_out_of_names() {
        for (text, clean) in [
            ("Ann Example", "Ann Example"),
            ("<script>alert(1)</script>Ann", "alert(1)Ann"),
            ("Ann<img src=x onerror=alert(1)>", "Ann"),
            ("Ann\r\nBcc: all@example.com", "Ann Bcc: all@example.com"),
            ("Ann\u{0}\u{7}\u{1b}[31m", "Ann [31m"),
            ("\u{202e}nnA", "nnA"),
            ("A\u{200b}nn", "Ann"),
            ("<<b>>Ann", "Ann"),
            ("Ann < Bob", "Ann"),
            ("Zoë Müller-Ødegård 王", "Zoë Müller-Ødegård 王"),
            ("O'Neil & Sons", "O'Neil & Sons"),
        ] {
            assert_eq!(clean_line(text, 200), clean, "{text:?}");
        }
        assert_eq!(clean_line("ääää", 5), "ää");
        assert!(clean_line(&"x".repeat(1_000_000), 100).len() <= 100);
    }

    #[test]
    fn identifiers_are_plain_or_not_taken() {
        for plain in ["ann@example.com", "4f6b-11", "AAdzZWNyZXQx="] {
            assert!(is_plain(plain, 100), "{plain}");
        }
        for bad in ["", " ann", "a<b>", "a\nb", "a\u{200b}b", &"x".repeat(101)] {
            assert!(!is_plain(bad, 100), "{bad:?}");
        }
    }
}
