//! Patterns with `*`, `**`, `?`, `[a-z]`, `{a,b}` and `\`, as upstream's allow-list writes them: `.` and `/` separate.
//!
//! Matching follows every way at once, so its time grows with pattern times text and never faster.

use crate::limits;

/// A compiled pattern: fits when one of its spellings does.
pub struct Glob(Vec<Vec<Token>>);

#[derive(Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// One byte that is no separator.
    Any,
    /// One byte of these ranges, or none of them.
    Class {
        ranges: Vec<(u8, u8)>,
        not: bool,
    },
    /// Any number of bytes that are no separators.
    Star,
    /// Any number of bytes.
    Everything,
}

impl Glob {
    /// A pattern. One that cannot be read fits nothing.
    pub fn read(text: &str) -> Self {
        let mut spellings = Vec::new();
        if expand(text, &mut spellings).is_none() {
            return Glob(Vec::new());
        }
        Glob(spellings.iter().filter_map(|text| tokens(text)).collect())
    }

    /// Whether it is `**`.
    pub fn is_everything(&self) -> bool {
        matches!(&*self.0, [only] if **only == [Token::Everything])
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        matches!(&*self.0, [only] if only.is_empty())
    }

    /// Whether `text` fits, from its first byte to its last.
    pub fn fits(&self, text: &str) -> bool {
        self.0.iter().any(|tokens| fits(tokens, text.as_bytes()))
    }
}

const fn separates(byte: u8) -> bool {
    byte == b'.' || byte == b'/'
}

/// Every spelling of `{a,b}`; `None` past the limit or when a brace is left open.
fn expand(text: &str, into: &mut Vec<String>) -> Option<()> {
    let Some(open) = text.find('{') else {
        into.push(text.to_owned());
        return (into.len() <= limits::ALLOW_PATTERN_SPELLINGS_MAX.size()).then_some(());
    };
    let (before, rest) = text.split_at(open);
    let close = rest.find('}')?;
    let (inner, after) = (rest.get(1..close)?, rest.get(close + 1..)?);
    for choice in inner.split(',') {
        expand(&format!("{before}{choice}{after}"), into)?;
    }
    Some(())
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        tokens.push(match byte {
            b'*' if rest.first() == Some(&b'*') => {
                rest = rest.get(1..)?;
                Token::Everything
            }
            b'*' => Token::Star,
            b'?' => Token::Any,
            b'\\' => {
                let (&byte, tail) = rest.split_first()?;
                rest = tail;
                Token::Byte(byte)
            }
            b'[' => {
                let close = rest.iter().position(|&byte| byte == b']')?;
                let inner = rest.get(..close)?;
                rest = rest.get(close + 1..)?;
                class(inner)?
            }
            byte => Token::Byte(byte),
        });
    }
    Some(tokens)
}

fn class(inner: &[u8]) -> Option<Token> {
    let (not, mut inner) = match inner.split_first()? {
        (b'!' | b'^', rest) => (true, rest),
        _ => (false, inner),
    };
    let mut ranges = Vec::new();
    while let Some((&low, rest)) = inner.split_first() {
        match rest {
            [b'-', high, tail @ ..] => {
                ranges.push((low, *high));
                inner = tail;
            }
            _ => {
                ranges.push((low, low));
                inner = rest;
            }
        }
    }
    Some(Token::Class { ranges, not })
}

fn fits(tokens: &[Token], text: &[u8]) -> bool {
    let mut here = vec![false; tokens.len() + 1];
    reach(tokens, &mut here, 0);
    for &byte in text {
        let mut next = vec![false; tokens.len() + 1];
        for (at, token) in tokens.iter().enumerate() {
            if !here.get(at).copied().unwrap_or(false) {
                continue;
            }
            match token {
                Token::Byte(wanted) if *wanted == byte => reach(tokens, &mut next, at + 1),
                Token::Any if !separates(byte) => reach(tokens, &mut next, at + 1),
                Token::Class { ranges, not }
                    if ranges.iter().any(|&(low, high)| (low..=high).contains(&byte)) != *not =>
                {
                    reach(tokens, &mut next, at + 1);
                }
                Token::Star if !separates(byte) => reach(tokens, &mut next, at),
                Token::Everything => reach(tokens, &mut next, at),
                Token::Byte(_) | Token::Any | Token::Class { .. } | Token::Star => {}
            }
        }
        here = next;
    }
    here.last().copied().unwrap_or(false)
}

/// Marks a place, and those behind stars that may stand for nothing.
fn reach(tokens: &[Token], places: &mut [bool], at: usize) {
    let mut at = at;
    loop {
        if let Some(place) = places.get_mut(at) {
            *place = true;
        }
        match tokens.get(at) {
            Some(Token::Star | Token::Everything) => at += 1,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_cannot_be_read_fits_nothing() {
        for text in ["a{b", "a[b", "a\\"] {
            assert!(!Glob::read(text).fits(text) && !Glob::read(text).fits("a"), "{text}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let glob = Glob::read(&"**a".repeat(200));
        assert!(!glob.fits(&"a".repeat(2_000).replace("aa", "ab")));
    }

    #[test]
    fn braces_are_bounded() {
        assert!(!Glob::read(&"{a,b}".repeat(20)).fits(&"a".repeat(20)));
        assert!(Glob::read("{a,b}{c,d}").fits("bc"));
    }
}
