//! The smallest parts of the grammar: names, the way into a JSON value, words out of a list.
//!
//! Invariant: a name is returned unquoted and without the blanks around it, and is never parsed again.

use super::scan::{Scan, Scanned};
use crate::ask::{Field, JsonKey, JsonStep};

/// `a.b.c->d`: the embeds on the way, and the field.
pub(super) fn tree_path(scan: &mut Scan) -> Scanned<(Vec<String>, Field)> {
    let mut names = scan.separated(name, delimiter)?;
    let path = json_path(scan)?;
    let last = names.pop().unwrap_or_default();
    Ok((names, Field { name: last, path }))
}

/// `a.not.or`: the embeds on the way, and the connective's text with `not.` before it where it is negated.
pub(super) fn logic_path(scan: &mut Scan) -> Scanned<(Vec<String>, String)> {
    let mut names = scan.separated(name, delimiter)?;
    let last = names.pop().unwrap_or_default();
    let negated = names.iter().any(|name| name == "not");
    names.retain(|name| name != "not");
    Ok((names, if negated { format!("not.{last}") } else { last }))
}

/// `a,"b c"`
pub(super) fn columns(scan: &mut Scan) -> Scanned<Vec<String>> {
    scan.separated(name, |scan| scan.spaced(|scan| scan.char(',')).map(|_| ()))
}

pub(super) fn delimiter(scan: &mut Scan) -> Scanned<()> {
    scan.named("delimiter (.)", |scan| scan.char('.')).map(|_| ())
}

pub(super) fn name(scan: &mut Scan) -> Scanned<String> {
    if let Some(rest) = scan.quiet_rest().filter(|rest| rest.first() != Some(&'"')) {
        return match quick_name(rest) {
            Ok((name, _)) if name.is_empty() => scan.quit(true),
            Ok((name, length)) => scan.take(name, length),
            Err(consumed) => scan.quit(consumed),
        };
    }
    let name = scan.named("field name (* or [a..z0..9_$])", |scan| {
        scan.either(quoted, |scan| dashed(scan, identifier))
    })?;
    // Nothing is called nothing, or blanks: PostgreSQL would take it for a mistake of syntax.
    if name.is_empty() { scan.quit(true) } else { Ok(name) }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '$') || (!c.is_ascii() && c.is_alphabetic())
}

/// Identifiers joined by dashes, and how long that is; or whether anything was read before it went wrong.
pub(super) fn quick_name(rest: &[char]) -> Result<(String, usize), bool> {
    let mut name = String::new();
    let mut at = 0;
    loop {
        let from = name.len();
        let length = rest.iter().skip(at).take_while(|c| is_name(**c)).map(|c| name.push(*c)).count();
        if length == 0 {
            return Err(at > 0);
        }
        if name.get(from..).is_some_and(|part| part.starts_with(' ') || part.ends_with(' ')) {
            let part = name.split_off(from);
            name.push_str(part.trim());
        }
        at += length;
        match (rest.get(at), rest.get(at + 1)) {
            (Some('-'), Some('>')) => return Ok((name, at)),
            (Some('-'), _) => {
                name.push('-');
                at += 1;
            }
            _ => return Ok((name, at)),
        }
    }
}

pub(super) fn quoted(scan: &mut Scan) -> Scanned<String> {
    scan.char('"')?;
    let text = scan.many(|scan| {
        scan.either(
            |scan| scan.satisfy(|c| c != '"' && c != '\\'),
            |scan| {
                scan.char('\\')?;
                scan.satisfy(|_| true)
            },
        )
    })?;
    scan.char('"')?;
    Ok(String::from_iter(text))
}

/// Parts joined by dashes that do not begin an arrow.
fn dashed(scan: &mut Scan, part: fn(&mut Scan) -> Scanned<String>) -> Scanned<String> {
    let dash = |scan: &mut Scan| {
        scan.attempt(|scan| {
            scan.char('-')?;
            scan.not_followed_by(|c| c == '>')
        })
    };
    Ok(scan.separated(part, dash)?.join("-"))
}

pub(super) fn identifier(scan: &mut Scan) -> Scanned<String> {
    let chars = scan.many1(|scan| {
        scan.either(
            |scan| scan.named("letter", |scan| scan.satisfy(char::is_alphabetic)),
            |scan| {
                scan.either(
                    |scan| scan.named("digit", |scan| scan.satisfy(|c| c.is_ascii_digit())),
                    |scan| scan.satisfy(|c| matches!(c, '_' | ' ' | '$')),
                )
            },
        )
    })?;
    Ok(String::from_iter(chars).trim().to_owned())
}

pub(super) fn json_path(scan: &mut Scan) -> Scanned<Vec<JsonStep>> {
    scan.many(|scan| {
        let as_text = scan.either(
            |scan| scan.attempt(|scan| scan.text("->>")).map(|()| true),
            |scan| scan.attempt(|scan| scan.text("->")).map(|()| false),
        )?;
        let to = scan.either(|scan| scan.attempt(json_index), |scan| scan.attempt(json_key))?;
        Ok(JsonStep { to, as_text })
    })
}

fn json_index(scan: &mut Scan) -> Scanned<JsonKey> {
    let minus = scan.maybe(|scan| scan.char('-'))?;
    let digits = scan.many1(|scan| scan.named("digit", |scan| scan.satisfy(|c| c.is_ascii_digit())))?;
    ends(scan, &["->", "::", ".", ","])?;
    Ok(JsonKey::Index(minus.into_iter().chain(digits).collect()))
}

/// One of these stands here, or the end.
pub(super) fn ends(scan: &mut Scan, before: &[&str]) -> Scanned<()> {
    if let Some(rest) = scan.quiet_rest() {
        let stands = |text: &&str| text.chars().zip(rest).filter(|(a, b)| a == *b).count() == text.len();
        let here = rest.is_empty() || before.iter().any(stands);
        return if here { Ok(()) } else { scan.quit(false) };
    }
    match before {
        [] => scan.attempt(Scan::end),
        [first, rest @ ..] => scan
            .either(|scan| scan.attempt(|scan| scan.ahead(|scan| scan.text(first))), |scan| ends(scan, rest)),
    }
}

fn json_key(scan: &mut Scan) -> Scanned<JsonKey> {
    let key = scan.named("any non reserved character different from: .,>()", |scan| {
        scan.either(quoted, |scan| {
            dashed(scan, |scan| {
                let chars = scan.many1(|scan| scan.satisfy(|c| !"(-:.,>)".contains(c)))?;
                Ok(String::from_iter(chars).trim().to_owned())
            })
        })
    })?;
    Ok(JsonKey::Key(key))
}

pub(super) fn field(scan: &mut Scan) -> Scanned<Field> {
    scan.spaced(|scan| Ok(Field { name: name(scan)?, path: json_path(scan)? }))
}

/// The first of these words that stands here.
pub(super) fn one_of<T: Copy>(scan: &mut Scan, words: &[(&'static str, T)]) -> Scanned<T> {
    if let Some(quick) = scan.quick_word("", words) {
        return quick;
    }
    match words {
        [] => scan.nothing(),
        [(word, meaning), rest @ ..] => scan.either(
            |scan| scan.attempt(|scan| scan.text(word)).map(|()| *meaning),
            |scan| one_of(scan, rest),
        ),
    }
}
