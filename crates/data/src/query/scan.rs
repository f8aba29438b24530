//! A backtracking scanner whose refusals say what stood there and what could have stood there instead.
//!
//! PostgREST's clients and tests read those sentences, so the bookkeeping follows the parser family it uses: a failure
//! that consumed nothing lets the next alternative try, one that consumed is final unless it is an [`Scan::attempt`],
//! and failures at the farthest place are merged. Invariant: text is scanned quietly first and only scanned again, with
//! bookkeeping, when it is refused; whatever the text, nothing panics and depth is bounded.

use std::borrow::Cow;

/// What could be said about a failure, in the order it is said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Note {
    /// A character or the end that no rule takes.
    Found(String),
    /// Something a rule forbids, already quoted.
    Forbidden(String),
    /// What a rule would take.
    Wanted(Cow<'static, str>),
}

impl Note {
    fn is_wanted(&self) -> bool {
        matches!(self, Note::Wanted(_))
    }
}

/// Why a rule does not apply, and where.
#[derive(Clone, Debug, Default)]
pub(super) struct Failed {
    at: usize,
    notes: Vec<Note>,
}

impl Failed {
    fn merge(self, other: Failed) -> Failed {
        if other.notes.is_empty() && !self.notes.is_empty() {
            return self;
        }
        if self.notes.is_empty() && !other.notes.is_empty() {
            return other;
        }
        match self.at.cmp(&other.at) {
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Equal => {
                let mut notes = self.notes;
                notes.extend(other.notes);
                Failed { at: self.at, notes }
            }
        }
    }

    fn want_instead(&mut self, what: &'static str) {
        self.notes.retain(|note| !note.is_wanted());
        self.notes.insert(0, Note::Wanted(what.into()));
    }

    /// `unexpected … expecting …`
    pub(super) fn sentence(&self) -> String {
        let mut notes = self.notes.clone();
        notes.sort_by_key(|note| match note {
            Note::Found(_) => 0,
            Note::Forbidden(_) => 1,
            Note::Wanted(_) => 2,
        });
        let texts = |pick: fn(&Note) -> Option<&str>| {
            let mut seen: Vec<String> = Vec::new();
            for text in notes.iter().filter_map(pick).filter(|text| !text.is_empty()) {
                if !seen.iter().any(|known| known == text) {
                    seen.push(text.to_owned());
                }
            }
            seen
        };
        let found = notes.iter().find_map(|note| match note {
            Note::Found(text) => Some(text.as_str()),
            _ => None,
        });
        let forbidden = texts(|note| match note {
            Note::Forbidden(text) => Some(text),
            _ => None,
        });
        let wanted = texts(|note| match note {
            Note::Wanted(text) => Some(text),
            _ => None,
        });
        let mut parts = Vec::new();
        match found {
            _ if !forbidden.is_empty() => parts.push(format!("unexpected {}", listed(&forbidden))),
            Some("") => parts.push("unexpected end of input".to_owned()),
            Some(text) => parts.push(format!("unexpected {text}")),
            None => {}
        }
        if !wanted.is_empty() {
            parts.push(format!("expecting {}", listed(&wanted)));
        }
        if parts.is_empty() { "unknown parse error".to_owned() } else { parts.join(" ") }
    }

    /// Line and column, from 1.
    pub(super) fn place(&self, text: &str) -> (usize, usize) {
        let (mut line, mut column) = (1, 1);
        for c in text.chars().take(self.at) {
            match c {
                '\n' => (line, column) = (line + 1, 1),
                '\t' => column += 8 - ((column - 1) % 8),
                _ => column += 1,
            }
        }
        (line, column)
    }
}

fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [firsts @ .., last] => format!("{} or {last}", firsts.join(", ")),
    }
}

/// A character or text in quotes, as the refusals write it: ASCII controls and everything beyond ASCII escaped.
fn quoted(text: impl Iterator<Item = char>, quote: char) -> String {
    let mut out = String::from(quote);
    for c in text {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            other => out.push_str(&format!("\\{}", u32::from(other))),
        }
    }
    out.push(quote);
    out
}

/// What a rule returns.
pub(super) type Scanned<T> = Result<T, Failed>;

/// The text and how far it was read.
pub(super) struct Scan {
    chars: Vec<char>,
    at: usize,
    loud: bool,
    depth: usize,
    /// Whether anything was read since the current alternative began.
    consumed: bool,
    /// What would have been said had the last rule that read nothing failed.
    pending: Failed,
}

struct Tried<T> {
    consumed: bool,
    result: Scanned<T>,
    pending: Failed,
}

impl Scan {
    /// Scans aloud at once: what the short cuts are compared with.
    #[cfg(test)]
    pub(super) fn aloud<T>(text: &str, mut rule: impl FnMut(&mut Scan) -> Scanned<T>) -> Scanned<T> {
        let chars: Vec<char> = text.chars().collect();
        rule(&mut Scan { chars, at: 0, loud: true, depth: 0, consumed: false, pending: Failed::default() })
    }

    /// Scans all of `text` that `rule` takes: quietly, and again aloud if it is refused.
    pub(super) fn over<T>(text: &str, mut rule: impl FnMut(&mut Scan) -> Scanned<T>) -> Scanned<T> {
        let chars: Vec<char> = text.chars().collect();
        let mut scan =
            Scan { chars, at: 0, loud: false, depth: 0, consumed: false, pending: Failed::default() };
        match rule(&mut scan) {
            Ok(value) => Ok(value),
            Err(_) => {
                scan =
                    Scan { at: 0, loud: true, depth: 0, consumed: false, pending: Failed::default(), ..scan };
                rule(&mut scan)
            }
        }
    }

    fn isolated<T>(&mut self, rule: impl FnOnce(&mut Scan) -> Scanned<T>) -> (Tried<T>, Failed, bool) {
        let before = std::mem::replace(&mut self.pending, Failed { at: self.at, notes: Vec::new() });
        let consumed_before = std::mem::replace(&mut self.consumed, false);
        let result = rule(self);
        let pending = std::mem::take(&mut self.pending);
        (Tried { consumed: self.consumed, result, pending }, before, consumed_before)
    }

    fn absorb<T>(&mut self, tried: Tried<T>, before: Failed, consumed_before: bool) -> Scanned<T> {
        self.consumed = consumed_before || tried.consumed;
        match tried.result {
            Ok(value) => {
                self.pending = if tried.consumed { tried.pending } else { before.merge(tried.pending) };
                Ok(value)
            }
            Err(failed) if tried.consumed => Err(failed),
            Err(failed) => Err(before.merge(failed)),
        }
    }

    fn failed(&self, note: impl FnOnce() -> Vec<Note>) -> Failed {
        Failed { at: self.at, notes: if self.loud { note() } else { Vec::new() } }
    }

    fn refuse<T>(&mut self, failed: Failed) -> Scanned<T> {
        Err(std::mem::take(&mut self.pending).merge(failed))
    }

    /// One character for which `takes` holds.
    pub(super) fn satisfy(&mut self, takes: impl Fn(char) -> bool) -> Scanned<char> {
        match self.chars.get(self.at).copied() {
            Some(c) if takes(c) => {
                self.at += 1;
                self.consumed = true;
                self.pending = Failed { at: self.at, notes: Vec::new() };
                Ok(c)
            }
            found => {
                let failed = self.failed(|| {
                    vec![Note::Found(found.map_or(String::new(), |c| quoted([c].into_iter(), '"')))]
                });
                self.refuse(failed)
            }
        }
    }

    /// This character, named by itself in refusals.
    pub(super) fn char(&mut self, c: char) -> Scanned<char> {
        match self.chars.get(self.at).copied() {
            Some(found) if found == c => self.satisfy(|_| true),
            found => {
                let failed = self.failed(|| {
                    let found = found.map_or(String::new(), |c| quoted([c].into_iter(), '"'));
                    vec![Note::Wanted(quoted([c].into_iter(), '"').into()), Note::Found(found)]
                });
                self.refuse(failed)
            }
        }
    }

    /// This text. Failing after its first character is final unless attempted.
    pub(super) fn text(&mut self, text: &str) -> Scanned<()> {
        for (index, c) in text.chars().enumerate() {
            let found = self.chars.get(self.at + index).copied();
            if found == Some(c) {
                continue;
            }
            let failed = self.failed(|| {
                let found = found.map_or(String::new(), |c| quoted([c].into_iter(), '"'));
                vec![Note::Wanted(quoted(text.chars(), '"').into()), Note::Found(found)]
            });
            if index == 0 {
                return self.refuse(failed);
            }
            self.consumed = true;
            return Err(failed);
        }
        self.at += text.chars().count();
        self.consumed = true;
        self.pending = Failed { at: self.at, notes: Vec::new() };
        Ok(())
    }

    /// The end of the text.
    pub(super) fn end(&mut self) -> Scanned<()> {
        match self.chars.get(self.at).copied() {
            None => Ok(()),
            Some(c) => {
                let failed = self.failed(|| {
                    vec![Note::Wanted("end of input".into()), Note::Forbidden(quoted([c].into_iter(), '\''))]
                });
                self.refuse(failed)
            }
        }
    }

    /// Refuses when one more character for which `forbidden` holds follows.
    pub(super) fn not_followed_by(&mut self, forbidden: impl Fn(char) -> bool) -> Scanned<()> {
        match self.chars.get(self.at).copied() {
            Some(c) if forbidden(c) => {
                let mut failed = self.failed(|| vec![Note::Forbidden(quoted([c].into_iter(), '\''))]);
                failed.at += 1;
                self.refuse(failed)
            }
            _ => Ok(()),
        }
    }

    /// Fails without a word, reading nothing.
    pub(super) fn nothing<T>(&mut self) -> Scanned<T> {
        let failed = Failed { at: self.at, notes: Vec::new() };
        self.refuse(failed)
    }

    /// A rule whose failure, however far it read, lets the next alternative try.
    pub(super) fn attempt<T>(&mut self, rule: impl FnOnce(&mut Scan) -> Scanned<T>) -> Scanned<T> {
        let start = self.at;
        let (mut tried, before, consumed) = self.isolated(rule);
        if tried.result.is_err() {
            self.at = start;
            tried.consumed = false;
        }
        self.absorb(tried, before, consumed)
    }

    /// The first rule, or the second if the first failed without reading anything.
    pub(super) fn either<T>(
        &mut self,
        first: impl FnOnce(&mut Scan) -> Scanned<T>,
        second: impl FnOnce(&mut Scan) -> Scanned<T>,
    ) -> Scanned<T> {
        let start = self.at;
        let (tried, before, consumed) = self.isolated(first);
        match tried {
            Tried { consumed: false, result: Err(failed), .. } => {
                self.at = start;
                let (mut other, _, _) = self.isolated(second);
                if !other.consumed {
                    match &mut other.result {
                        Ok(_) => other.pending = failed.merge(other.pending),
                        Err(second_failed) => *second_failed = failed.merge(std::mem::take(second_failed)),
                    }
                }
                self.absorb(other, before, consumed)
            }
            tried => self.absorb(tried, before, consumed),
        }
    }

    /// The rule if it applies.
    pub(super) fn maybe<T>(&mut self, rule: impl FnOnce(&mut Scan) -> Scanned<T>) -> Scanned<Option<T>> {
        self.either(|scan| rule(scan).map(Some), |_| Ok(None))
    }

    /// Looks whether the rule applies here, reading nothing.
    pub(super) fn ahead<T>(&mut self, rule: impl FnOnce(&mut Scan) -> Scanned<T>) -> Scanned<T> {
        let start = self.at;
        let (mut tried, before, consumed) = self.isolated(rule);
        if tried.result.is_ok() {
            self.at = start;
            tried.consumed = false;
            tried.pending = Failed { at: start, notes: Vec::new() };
        }
        self.absorb(tried, before, consumed)
    }

    /// The rule, called `what` in refusals.
    pub(super) fn named<T>(
        &mut self,
        what: &'static str,
        rule: impl FnOnce(&mut Scan) -> Scanned<T>,
    ) -> Scanned<T> {
        let (mut tried, before, consumed) = self.isolated(rule);
        if !tried.consumed && self.loud {
            match &mut tried.result {
                Ok(_) if tried.pending.notes.is_empty() => {}
                Ok(_) => tried.pending.want_instead(what),
                Err(failed) => failed.want_instead(what),
            }
        }
        self.absorb(tried, before, consumed)
    }

    /// The rule as often as it applies.
    pub(super) fn many<T>(&mut self, mut rule: impl FnMut(&mut Scan) -> Scanned<T>) -> Scanned<Vec<T>> {
        let mut items = Vec::new();
        loop {
            let start = self.at;
            let (tried, before, consumed) = self.isolated(&mut rule);
            match tried {
                Tried { consumed: false, result: Err(failed), .. } => {
                    self.at = start;
                    self.consumed = consumed;
                    self.pending = if items.is_empty() { before.merge(failed) } else { failed };
                    return Ok(items);
                }
                // A rule that reads nothing would apply for ever.
                Tried { consumed: false, result: Ok(item), pending } => {
                    self.consumed = consumed;
                    self.pending = before.merge(pending);
                    items.push(item);
                    return Ok(items);
                }
                tried => items.push(self.absorb(tried, before, consumed)?),
            }
        }
    }

    /// The rule at least once.
    pub(super) fn many1<T>(&mut self, mut rule: impl FnMut(&mut Scan) -> Scanned<T>) -> Scanned<Vec<T>> {
        let first = rule(self)?;
        let mut items = vec![first];
        items.extend(self.many(rule)?);
        Ok(items)
    }

    /// The rule at least once, with separators between.
    pub(super) fn separated<T>(
        &mut self,
        mut rule: impl FnMut(&mut Scan) -> Scanned<T>,
        mut separator: impl FnMut(&mut Scan) -> Scanned<()>,
    ) -> Scanned<Vec<T>> {
        let mut items = vec![rule(self)?];
        items.extend(self.many(|scan| {
            separator(scan)?;
            rule(scan)
        })?);
        Ok(items)
    }

    /// The rule with blanks around it.
    pub(super) fn spaced<T>(&mut self, rule: impl FnOnce(&mut Scan) -> Scanned<T>) -> Scanned<T> {
        self.blanks()?;
        let value = rule(self)?;
        self.blanks()?;
        Ok(value)
    }

    fn blanks(&mut self) -> Scanned<()> {
        if let Some(rest) = self.quiet_rest() {
            let blanks = rest.iter().take_while(|c| matches!(c, ' ' | '\t')).count();
            return self.take((), blanks);
        }
        self.many(|scan| scan.satisfy(|c| c == ' ' || c == '\t')).map(|_| ())
    }

    /// One level deeper, within `most`.
    pub(super) fn deeper<T>(
        &mut self,
        most: usize,
        rule: impl FnOnce(&mut Scan) -> Scanned<T>,
    ) -> Scanned<T> {
        if self.depth >= most {
            self.consumed = true;
            return Err(Failed {
                at: self.at,
                notes: vec![Note::Forbidden(format!("nesting deeper than {most}"))],
            });
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }
}

/// Short cuts for the first, quiet scan, which is the only one of a request that is not refused: a rule may look at
/// the characters themselves as long as it takes and refuses exactly what its slow form does.
impl Scan {
    /// What is left, while nothing has to be explained.
    pub(super) fn quiet_rest(&self) -> Option<&[char]> {
        if self.loud { None } else { self.chars.get(self.at..) }
    }

    /// Takes `length` characters that were looked at, meaning `value`.
    pub(super) fn take<T>(&mut self, value: T, length: usize) -> Scanned<T> {
        self.at += length;
        self.consumed |= length > 0;
        Ok(value)
    }

    /// Refuses what was looked at; `consumed` as the slow form would have read something.
    pub(super) fn quit<T>(&mut self, consumed: bool) -> Scanned<T> {
        self.consumed |= consumed;
        Err(Failed::default())
    }

    /// The meaning of the first word that stands here behind `before`.
    pub(super) fn quick_word<T: Copy>(&mut self, before: &str, words: &[(&str, T)]) -> Option<Scanned<T>> {
        let rest = self.quiet_rest()?;
        let stands = |word: &str| {
            let mut wanted = before.chars().chain(word.chars());
            let length = before.len() + word.len();
            (rest.len() >= length && rest.iter().take(length).all(|c| wanted.next() == Some(*c)))
                .then_some(length)
        };
        let found = words.iter().find_map(|(word, meaning)| Some((*meaning, stands(word)?)));
        Some(match found {
            Some((meaning, length)) => self.take(meaning, length),
            None => self.quit(false),
        })
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> String {
        let rest: String = self.chars.get(self.at..).unwrap_or_default().iter().collect();
        if !rest.is_empty() {
            self.consumed = true;
            self.at = self.chars.len();
        }
        rest
    }

    /// As many characters as `takes` holds for, maybe none.
    pub(super) fn run(&mut self, takes: impl Fn(char) -> bool) -> Scanned<String> {
        if let Some(rest) = self.quiet_rest() {
            let text: String = rest.iter().take_while(|c| takes(**c)).collect();
            let length = text.chars().count();
            return self.take(text, length);
        }
        self.many(|scan| scan.satisfy(&takes)).map(String::from_iter)
    }
}
