//! What CHECK constraints say of a single column, as far as they say it in the usual words: bounds, lengths, patterns, lists.
//!
//! PostgreSQL decides what is stored; this only tells a caller what was expected, and a generated schema what will be
//! taken. Invariant: a constraint is understood whole or not at all.

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A number is at least this.
    Min(String),
    /// A number is more than this.
    Above(String),
    /// A number is at most this.
    Max(String),
    /// A number is less than this.
    Below(String),
    /// A text has at least so many characters.
    MinLength(u32),
    /// A text has at most so many characters.
    MaxLength(u32),
    /// A text matches a regular expression of PostgreSQL's.
    Pattern {
        /// The expression.
        text: String,
        /// Whether capitals do not matter.
        any_case: bool,
    },
    /// The value is one of these.
    OneOf(Vec<String>),
}

impl Bound {
    /// In words, after the column's name.
    pub fn says(&self) -> String {
        match self {
            Bound::Min(least) => format!("must be at least {least}"),
            Bound::Above(least) => format!("must be more than {least}"),
            Bound::Max(most) => format!("must be at most {most}"),
            Bound::Below(most) => format!("must be less than {most}"),
            Bound::MinLength(1) => "must not be empty".to_owned(),
            Bound::MinLength(least) => format!("must have at least {least} characters"),
            Bound::MaxLength(most) => format!("must have at most {most} characters"),
            Bound::Pattern { .. } => "has not the form it must have".to_owned(),
            Bound::OneOf(all) => format!("must be one of {}", all.join(", ")),
        }
    }
}

/// What a constraint says of its only column, from its definition (`CHECK (…)`); nothing when it is not understood whole.
pub fn read(definition: &str, column: &str) -> Option<Vec<Bound>> {
    let inner = definition.strip_prefix("CHECK ")?;
    let inner = inner.strip_suffix(" NOT VALID").unwrap_or(inner);
    let tokens = tokens(inner.strip_suffix(" NO INHERIT").unwrap_or(inner))?;
    let mut parser = Parser { tokens: &tokens, at: 0, column };
    let mut bounds = Vec::new();
    parser.all(&mut bounds)?;
    (parser.at == tokens.len() && !bounds.is_empty()).then_some(bounds)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A name, quotes taken off.
    Name(String),
    /// A number.
    Number(String),
    /// A string literal.
    Text(String),
    /// Anything else: an operator, a bracket, a comma, `::`.
    Mark(String),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\n' => {}
            '\'' | '"' => {
                let mut inner = String::new();
                loop {
                    match chars.next()? {
                        end if end == c && chars.next_if_eq(&c).is_none() => break,
                        other => inner.push(other),
                    }
                }
                found.push(if c == '"' { Token::Name(inner) } else { Token::Text(inner) });
            }
            // A literal with escapes: rare, and read wrong it would lie.
            'E' if chars.peek() == Some(&'\'') => return None,
            c if c.is_alphabetic() || c == '_' => {
                let mut name = c.to_string();
                while let Some(more) = chars.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '$')) {
                    name.push(more);
                }
                found.push(Token::Name(name));
            }
            c if c.is_ascii_digit() => {
                let mut number = c.to_string();
                while let Some(more) = chars.next_if(|c| c.is_ascii_digit() || *c == '.') {
                    number.push(more);
                }
                found.push(Token::Number(number));
            }
            '(' | ')' | '[' | ']' | ',' | '.' => found.push(Token::Mark(c.to_string())),
            _ => {
                let mut mark = c.to_string();
                while let Some(more) = chars.next_if(|c| "<>=~!*:+-/%@#&|^?".contains(*c)) {
                    mark.push(more);
                }
                found.push(Token::Mark(mark));
            }
        }
    }
    Some(found)
}

/// What stands on the left of a comparison.
enum Left {
    /// The column.
    Value,
    /// The number of its characters.
    Length,
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    column: &'a str,
}

impl Parser<'_> {
    fn mark(&mut self, mark: &str) -> Option<()> {
        matches!(self.tokens.get(self.at)?, Token::Mark(found) if found == mark).then(|| self.at += 1)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        matches!(self.tokens.get(self.at)?, Token::Name(found) if found.eq_ignore_ascii_case(word))
            .then(|| self.at += 1)
    }

    /// Tries; on failure nothing was read.
    fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let at = self.at;
        let found = read(self);
        if found.is_none() {
            self.at = at;
        }
        found
    }

    fn all(&mut self, bounds: &mut Vec<Bound>) -> Option<()> {
        self.one(bounds)?;
        while self.maybe(|p| p.word("AND")).is_some() {
            self.one(bounds)?;
        }
        Some(())
    }

    fn one(&mut self, bounds: &mut Vec<Bound>) -> Option<()> {
        let length = bounds.len();
        let compared = self.maybe(|p| {
            let bound = p.comparison()?;
            bounds.extend(bound);
            Some(())
        });
        if compared.is_some() {
            return Some(());
        }
        bounds.truncate(length);
        self.mark("(")?;
        // A column that may be null says so in its type.
        let _null = self.maybe(|p| {
            let wrapped = p.maybe(|p| p.mark("("));
            p.column()?;
            p.word("IS")?;
            p.word("NULL")?;
            if wrapped.is_some() {
                p.mark(")")?;
            }
            p.word("OR")
        });
        self.all(bounds)?;
        self.mark(")")
    }

    /// `VALUE`, the column, either in brackets or with a cast that changes nothing of its text.
    fn column(&mut self) -> Option<()> {
        let named = self.maybe(|p| match p.tokens.get(p.at)? {
            Token::Name(name) if name == p.column => {
                p.at += 1;
                Some(())
            }
            _ => None,
        });
        if named.is_none() {
            self.mark("(")?;
            self.column()?;
            self.mark(")")?;
        }
        self.cast();
        Some(())
    }

    fn cast(&mut self) {
        while self.maybe(|p| p.mark("::").and_then(|()| p.type_name())).is_some() {}
    }

    fn type_name(&mut self) -> Option<()> {
        match self.tokens.get(self.at)? {
            Token::Name(_) => self.at += 1,
            _ => return None,
        }
        let _second = self.maybe(|p| p.word("varying").or_else(|| p.word("precision")));
        let _array = self.maybe(|p| p.mark("[").and_then(|()| p.mark("]")));
        Some(())
    }

    fn left(&mut self) -> Option<Left> {
        let length = self.maybe(|p| {
            p.word("char_length").or_else(|| p.word("length")).or_else(|| p.word("character_length"))?;
            p.mark("(")?;
            p.column()?;
            p.mark(")")?;
            p.cast();
            Some(())
        });
        match length {
            Some(()) => Some(Left::Length),
            None => self.column().map(|()| Left::Value),
        }
    }

    fn comparison(&mut self) -> Option<Option<Bound>> {
        let left = self.left()?;
        if self.maybe(|p| p.word("IS").and_then(|()| p.word("NOT")).and_then(|()| p.word("NULL"))).is_some() {
            return matches!(left, Left::Value).then_some(None);
        }
        let operator = match self.tokens.get(self.at)? {
            Token::Mark(mark) => mark.clone(),
            Token::Name(_) | Token::Number(_) | Token::Text(_) => return None,
        };
        self.at += 1;
        if operator == "=" && self.maybe(|p| p.word("ANY")).is_some() {
            return matches!(left, Left::Value).then(|| self.list())?.map(|all| Some(Bound::OneOf(all)));
        }
        let (value, is_text) = self.literal()?;
        let whole = |offset: u32| value.parse::<u32>().ok()?.checked_add_signed(offset.cast_signed());
        Some(Some(match (left, operator.as_str(), is_text) {
            (Left::Length, ">=", false) => Bound::MinLength(whole(0)?),
            (Left::Length, ">", false) => Bound::MinLength(whole(1)?),
            (Left::Length, "<=", false) => Bound::MaxLength(whole(0)?),
            (Left::Length, "<", false) => Bound::MaxLength(whole(u32::MAX)?),
            (Left::Value, ">=", false) => Bound::Min(value),
            (Left::Value, ">", false) => Bound::Above(value),
            (Left::Value, "<=", false) => Bound::Max(value),
            (Left::Value, "<", false) => Bound::Below(value),
            (Left::Value, "<>", true) if value.is_empty() => Bound::MinLength(1),
            (Left::Value, "~", true) => Bound::Pattern { text: value, any_case: false },
            (Left::Value, "~*", true) => Bound::Pattern { text: value, any_case: true },
            _ => return None,
        }))
    }

    /// A literal, and whether it is a text. Numbers of other types are written as texts with a cast.
    fn literal(&mut self) -> Option<(String, bool)> {
        if self.maybe(|p| p.mark("(")).is_some() {
            let found = self.literal()?;
            self.mark(")")?;
            self.cast();
            return Some(found);
        }
        let minus = self.maybe(|p| p.mark("-")).is_some();
        let sign = if minus { "-" } else { "" };
        let (text, mut is_text) = match self.tokens.get(self.at)? {
            Token::Number(number) => (format!("{sign}{number}"), false),
            Token::Text(text) if !minus => (text.clone(), true),
            _ => return None,
        };
        self.at += 1;
        let numeric = ["numeric", "bigint", "integer", "smallint", "real", "double"];
        let casts_to_number =
            matches!(self.tokens.get(self.at + 1), Some(Token::Name(name)) if numeric.contains(&&**name));
        self.cast();
        if casts_to_number && text.parse::<f64>().is_ok() {
            is_text = false;
        }
        Some((text, is_text))
    }

    /// `(ARRAY['a'::text, …])`
    fn list(&mut self) -> Option<Vec<String>> {
        self.mark("(")?;
        let wrapped = self.maybe(|p| p.mark("(")).is_some();
        self.word("ARRAY")?;
        self.mark("[")?;
        let mut all = vec![self.literal()?.0];
        while self.maybe(|p| p.mark(",")).is_some() {
            all.push(self.literal()?.0);
        }
        self.mark("]")?;
        if wrapped {
            self.mark(")")?;
        }
        self.cast();
        self.mark(")")?;
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, read};

    #[test]
    fn the_usual_words_are_understood() {
        let said = |definition: &str| {
            let bounds = read(definition, "x").unwrap_or_default();
            bounds.iter().map(Bound::says).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(said("CHECK (((x >= 0) AND (x <= 150)))"), "must be at least 0; must be at most 150");
        assert_eq!(
            said("CHECK (((char_length(x) >= 2) AND (char_length(x) <= 100)))"),
            "must have at least 2 characters; must have at most 100 characters"
        );
        assert_eq!(
            said("CHECK (((length((x)::text) > 0) AND (length((x)::text) < 5)))"),
            "must not be empty; must have at most 4 characters"
        );
        assert_eq!(said("CHECK ((x <> ''::text))"), "must not be empty");
        assert_eq!(said("CHECK ((x = ANY (ARRAY['a'::text, 'b''c'::text])))"), "must be one of a, b'c");
        assert_eq!(
            said(
                "CHECK (((x)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))"
            ),
            "must be one of a, b"
        );
        assert_eq!(said("CHECK ((x > '-1.5'::numeric))"), "must be more than -1.5");
        assert_eq!(said("CHECK ((x > ('-1'::integer)::numeric))"), "must be more than -1");
        assert_eq!(said("CHECK (((x IS NULL) OR (x >= 0)))"), "must be at least 0");
        assert_eq!(said("CHECK ((x ~ '^[a-z]+$'::text)) NOT VALID"), "has not the form it must have");
        assert_eq!(
            read("CHECK (((x)::text ~* '^.+@.+$'::text))", "x"),
            Some(vec![Bound::Pattern { text: "^.+@.+$".into(), any_case: true }])
        );
    }

    #[test]
    fn what_is_not_understood_whole_says_nothing() {
        for other in [
            "CHECK (((x >= 0) OR (x = '-7'::integer)))",
            "CHECK ((x > y))",
            "CHECK (is_fine(x))",
            "CHECK ((NOT (x > 0)))",
            "CHECK (((x % 2) = 0))",
            "CHECK ((x ~ E'\\\\d'::text))",
            "CHECK ((lower(x) = x))",
            "CHECK (((x >= 0) AND is_fine(x)))",
            "CHECK ((x >= '2020-01-01'::date))",
            "",
            "CHECK (",
        ] {
            assert_eq!(read(other, "x"), None, "{other}");
        }
    }
}
