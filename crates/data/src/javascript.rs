//! What a schema's names, texts and patterns are in JavaScript and TypeScript.
//!
//! Invariant: whatever a name or a text holds, it stays one name or one text, and reads in the order in which it is written; a
//! pattern means the same there, and takes time there that grows with the text, or there is none.

use std::iter::Peekable;
use std::str::Chars;

/// A property's name, quoted where it has to be.
pub(crate) fn key(name: &str) -> String {
    let mut letters = name.chars();
    let plain = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if plain { name.to_owned() } else { text(name) }
}

/// A property's name in a value. Written plainly, `__proto__` would be no property.
pub(crate) fn computed_key(name: &str) -> String {
    if name == "__proto__" { "[\"__proto__\"]".to_owned() } else { key(name) }
}

/// A text. What ends a line there and not in JSON, what turns the order around in which source is read, and what nobody sees
/// are written as numbers.
pub(crate) fn text(value: &str) -> String {
    let mut written = String::new();
    for letter in serde_json::Value::from(value).to_string().chars() {
        match letter {
            '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' => written.push_str(&format!("\\u{:04x}", u32::from(letter))),
            _ => written.push(letter),
        }
    }
    written
}

/// `publicTasks`: what of the words may stand in a name, each word but the first with a capital.
pub(crate) fn camel(words: &[&str]) -> String {
    let may_stand = |letter: char| letter != '_' && unicode_ident::is_xid_continue(letter);
    let mut name = String::new();
    for word in words.iter().flat_map(|word| word.split(|letter| !may_stand(letter))) {
        if name.is_empty() {
            name.push_str(&word.to_lowercase());
        } else {
            name.push_str(&camel_up(word));
        }
    }
    if name.starts_with(|first| !unicode_ident::is_xid_start(first)) {
        name.insert(0, '_');
    }
    name
}

/// The same with a capital first.
pub(crate) fn camel_up(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A regular expression of PostgreSQL's that JavaScript (with the flag `u`) reads alike; nothing when it might not. Nothing
/// either of one that repeats what may be taken in several ways: PostgreSQL takes linear time for it, JavaScript tries them all,
/// and whose text is looked at is a stranger.
pub fn pattern(pattern: &str) -> Option<String> {
    let mut reader = Reader { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len()) };
    reader.all()?;
    Some(reader.out)
}

/// What both sides escape, and mean the same by.
const ESCAPED: &str = "dDsS^$\\.*+?()[]{}|/";

/// Which characters one part of a pattern takes: of ASCII as bits, capitals or not, and all others as one.
#[derive(Clone, Copy, Default)]
struct Takes {
    ascii: u128,
    others: bool,
}

impl Takes {
    const ALL: Takes = Takes { ascii: u128::MAX, others: true };

    fn range(from: char, to: char) -> Takes {
        let bits = (from..=to).take_while(char::is_ascii).fold(0, |bits, letter| {
            let bit = |letter: char| 1_u128 << u32::from(letter);
            bits | bit(letter) | bit(letter.to_ascii_lowercase()) | bit(letter.to_ascii_uppercase())
        });
        Takes { ascii: bits, others: !to.is_ascii() }
    }

    /// `\d`, `\s`; anything of what is not these.
    fn named(letter: char) -> Takes {
        match letter {
            'd' => Takes { others: true, ..Takes::range('0', '9') },
            's' => [' ', '\t', '\n', '\r', '\u{b}', '\u{c}']
                .into_iter()
                .fold(Takes { ascii: 0, others: true }, |all, space| all.or(Takes::range(space, space))),
            'D' | 'S' => Takes::ALL,
            other => Takes::range(other, other),
        }
    }

    fn or(self, other: Takes) -> Takes {
        Takes { ascii: self.ascii | other.ascii, others: self.others || other.others }
    }

    fn meets(self, other: Takes) -> bool {
        self.ascii & other.ascii != 0 || (self.others && other.others)
    }
}

/// A group that is read.
#[derive(Default)]
struct Group {
    /// What it takes, part by part; and whether that part may be there more and less often.
    parts: Vec<(Takes, bool)>,
    /// Whether more than parts stand in it: a group, a choice.
    is_more: bool,
}

impl Group {
    /// Whether it may take texts of different lengths, or one text in several ways.
    fn varies(&self) -> bool {
        self.is_more || self.parts.iter().any(|(_, varies)| *varies)
    }

    /// Whether there is one way only to tell one time from the next: it begins or ends with what stands nowhere else in it.
    fn is_told_apart(&self) -> bool {
        let marks = |at: usize| {
            let others = self.parts.iter().enumerate().filter(|(other, _)| *other != at);
            let all = || others.clone().map(|(_, (takes, _))| *takes).fold(Takes::default(), Takes::or);
            self.parts.get(at).is_some_and(|(mark, varies)| !varies && !mark.meets(all()))
        };
        !self.is_more
            && self.parts.iter().filter(|(_, varies)| *varies).count() <= 1
            && (marks(0) || marks(self.parts.len().saturating_sub(1)))
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
}

impl Reader<'_> {
    fn all(&mut self) -> Option<()> {
        let mut open = vec![Group::default()];
        // Whether what stands before can be repeated.
        let mut repeats = false;
        // The group that stands before.
        let mut before: Option<Group> = None;
        while let Some(letter) = self.rest.next() {
            if !matches!(letter, '*' | '+' | '?' | '{') {
                before = None;
            }
            match letter {
                // `(?`: groups that only one side knows.
                '(' => {
                    if self.rest.peek() == Some(&'?') {
                        return None;
                    }
                    self.out.push('(');
                    open.push(Group::default());
                    repeats = false;
                }
                ')' => {
                    before = open.pop();
                    open.last_mut()?.is_more = true;
                    self.out.push(')');
                    repeats = true;
                }
                '*' | '+' | '?' | '{' => {
                    if !std::mem::take(&mut repeats) {
                        return None;
                    }
                    let (most, is_fixed) = self.quantifier(letter)?;
                    match before.take() {
                        Some(inner) if most > 1 && inner.varies() && !inner.is_told_apart() => return None,
                        Some(_) => {}
                        None => open.last_mut()?.parts.last_mut()?.1 = !is_fixed,
                    }
                }
                '|' | '^' | '$' => {
                    open.last_mut()?.is_more = true;
                    self.out.push(letter);
                    repeats = false;
                }
                // Alone they are themselves there, and no pattern here.
                ']' | '}' => return None,
                one => {
                    let takes = self.part(one)?;
                    open.last_mut()?.parts.push((takes, false));
                    repeats = true;
                }
            }
        }
        (open.len() == 1).then_some(())
    }

    /// Most times, and whether there is but one number of them.
    fn quantifier(&mut self, letter: char) -> Option<(u32, bool)> {
        self.out.push(letter);
        let times = match letter {
            '?' => (1, false),
            '{' => self.times()?,
            _ => (u32::MAX, false),
        };
        // One that takes as little as it can matches the same texts.
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        Some(times)
    }

    /// What takes one character.
    fn part(&mut self, letter: char) -> Option<Takes> {
        match letter {
            '\\' => Some(Takes::named(self.escaped()?)),
            '[' => self.class(),
            '.' => {
                self.out.push('.');
                Some(Takes::ALL)
            }
            other => {
                self.out.push(other);
                Some(Takes::range(other, other))
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let letter = self.rest.next().filter(|letter| ESCAPED.contains(*letter))?;
        self.out.push('\\');
        self.out.push(letter);
        Some(letter)
    }

    /// `{2}`, `{2,}`, `{2,5}`: most times, and whether there is but one number.
    fn times(&mut self) -> Option<(u32, bool)> {
        let least = self.number()?;
        let (most, is_fixed) = match self.rest.next_if_eq(&',') {
            None => (least, true),
            Some(comma) => {
                self.out.push(comma);
                match self.rest.peek() {
                    Some('}') => (u32::MAX, false),
                    _ => (self.number()?, false),
                }
            }
        };
        self.out.push(self.rest.next_if_eq(&'}')?);
        (least <= most).then_some((most, is_fixed))
    }

    fn number(&mut self) -> Option<u32> {
        let mut number = String::new();
        while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
            number.push(digit);
        }
        self.out.push_str(&number);
        number.parse().ok()
    }

    /// `[a-z_]`, behind its first bracket. A bracket that is meant as one would end it here.
    fn class(&mut self) -> Option<Takes> {
        self.out.push('[');
        let is_not = self.rest.next_if_eq(&'^').is_some();
        if is_not {
            self.out.push('^');
        }
        let mut takes = Takes::default();
        let mut is_first = true;
        loop {
            match self.rest.next()? {
                ']' if is_first => return None,
                ']' => break,
                '-' if is_first || self.rest.peek() == Some(&']') => {
                    self.out.push_str("\\-");
                    takes = takes.or(Takes::range('-', '-'));
                }
                '-' => return None,
                letter => takes = takes.or(self.members(letter)?),
            }
            is_first = false;
        }
        self.out.push(']');
        Some(match is_not {
            // Of a letter that is left out, the capital may still be meant.
            true => Takes { ascii: !takes.ascii | LETTERS, others: true },
            false => takes,
        })
    }

    /// One of a class, or one to another.
    fn members(&mut self, letter: char) -> Option<Takes> {
        let (takes, from) = self.member(letter)?;
        if !self.goes_on() {
            return Some(takes);
        }
        self.out.extend(self.rest.next());
        let end = self.rest.next()?;
        let (from, to) = (from?, self.member(end)?.1?);
        // `[a-c-e]` is an error on one side.
        (from <= to && !self.goes_on()).then(|| Takes::range(from, to))
    }

    /// Whether a dash follows that is not the last of its class.
    fn goes_on(&self) -> bool {
        let mut ahead = self.rest.clone();
        ahead.next() == Some('-') && ahead.next() != Some(']')
    }

    /// One of a class: what it takes, and the character, where it is one.
    fn member(&mut self, letter: char) -> Option<(Takes, Option<char>)> {
        let one = |letter| (Takes::range(letter, letter), Some(letter));
        match letter {
            '\\' => {
                let escaped = self.escaped()?;
                let is_class = "dDsS".contains(escaped);
                Some((Takes::named(escaped), (!is_class).then_some(escaped)))
            }
            '[' if matches!(self.rest.peek(), Some(':' | '.' | '=')) => {
                let named: String = self.rest.clone().take_while(|letter| *letter != ']').collect();
                let short = match named.as_str() {
                    ":space:" => 's',
                    ":digit:" => 'd',
                    _ => return None,
                };
                self.out.push('\\');
                self.out.push(short);
                self.rest.nth(named.len());
                Some((Takes::named(short), None))
            }
            '[' => {
                self.out.push_str("\\[");
                Some(one('['))
            }
            other => {
                self.out.push(other);
                Some(one(other))
            }
        }
    }
}

/// Capitals or not.
const LETTERS: u128 = ((1 << 26) - 1) << 65 | ((1 << 26) - 1) << 97;

#[cfg(test)]
mod tests {
    use super::{camel, camel_up, pattern, text};

    #[test]
    fn what_both_read_alike_is_kept() {
        for (given, expected) in [
            ("^[a-z]+$", "^[a-z]+$"),
            ("^[A-Z]{3}-[0-9]+$", "^[A-Z]{3}-[0-9]+$"),
            ("^.+@.+$", "^.+@.+$"),
            ("^(\\+|00)?[1-9][0-9]{6,14}$", "^(\\+|00)?[1-9][0-9]{6,14}$"),
            ("^[[:digit:][:space:]_-]*$", "^[\\d\\s_\\-]*$"),
            ("^([0-9]{3}-){2,}x{2,}?$", "^([0-9]{3}-){2,}x{2,}?$"),
            ("^[a-z0-9-]{1,80}$", "^[a-z0-9\\-]{1,80}$"),
            ("^[^[(]$", "^[^\\[(]$"),
            // Repeated, and there is one way only to take a text.
            ("^[a-z0-9]+(-[a-z0-9]+)*$", "^[a-z0-9]+(-[a-z0-9]+)*$"),
            ("^([a-z]+\\.)+[a-z]{2,}$", "^([a-z]+\\.)+[a-z]{2,}$"),
        ] {
            assert_eq!(pattern(given).as_deref(), Some(expected), "{given}");
        }
    }

    #[test]
    fn what_one_side_reads_otherwise_is_left_out() {
        for given in [
            "^{x}$",
            "a{",
            "a]",
            "a}",
            "[]a]",
            "[^]a]",
            "[a-c-e]",
            "[z-a]",
            "[\\d-x]",
            "(?i)a",
            "***=a",
            "a**",
            "\\ma",
            "[[.a.]]",
            "[[:alpha:]]",
            "(a",
            "a)",
            "[a",
            "a{3,2}",
            "\\",
            "a{99999999999}",
            "|*",
        ] {
            assert_eq!(pattern(given), None, "{given}");
        }
    }

    /// `(a+)+$` takes JavaScript longer than the universe has been, for a text of forty letters.
    #[test]
    fn what_would_be_tried_in_many_ways_is_left_out() {
        for given in [
            "^(a+)+$",
            "^(a|a)*$",
            "^(a|b|ab)+$",
            "^((a?)b?)*$",
            "^((a{1,3})b){2,}$",
            "^(a*){30}$",
            "^((a+)b)*$",
            "^(-[a-z-]+)*$",
            "^(-a*a*)*$",
            "^(a*-a*)*$",
            "^(A[a-z]+)*$",
            "^([^a]b*)*$",
        ] {
            assert_eq!(pattern(given), None, "{given}");
        }
    }

    #[test]
    fn names_stay_names_and_texts_stay_texts() {
        assert_eq!(camel(&["public", "order_lines"]), "publicOrderLines");
        assert_eq!(camel(&["1st", "m²"]), "_1stM");
        assert_eq!(camel(&["app", "Ⓐ заметки'; drop"]), "appЗаметкиDrop");
        assert_eq!(camel_up("ab"), "Ab");
        assert_eq!(text("a\u{2028}\u{202e}\"\n\\"), "\"a\\u2028\\u202e\\\"\\n\\\\\"");
    }
}
