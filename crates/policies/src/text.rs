//! SQL expressions as PostgreSQL prints them, cut into tokens: enough to say what a policy names, never to rewrite it.
//!
//! Invariant: any text is cut without a panic, and nothing inside a literal counts as a name.

/// A piece of SQL text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A name or keyword; one without quotes in lower case.
    Word(String),
    /// A string literal, without its quotes.
    Text(String),
    /// A number.
    Number(String),
    /// Anything else, a character each.
    Sign(char),
}

impl Token {
    /// Whether it is this word.
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(found) if found == word)
    }

    /// Whether it is this sign.
    pub fn sign(&self, sign: char) -> bool {
        *self == Token::Sign(sign)
    }
}

/// Both sides of the first such sign that stands in no double quotes.
pub fn split_outside_quotes(text: &str, sign: char) -> Option<(&str, &str)> {
    let mut quoted = false;
    let (at, _) = text.char_indices().find(|(_, one)| {
        quoted ^= *one == '"';
        !quoted && *one == sign
    })?;
    Some((text.get(..at)?, text.get(at + sign.len_utf8()..)?))
}

/// What `"a ""b"""` names; nothing where there are no quotes around it.
pub fn unquoted(text: &str) -> Option<String> {
    Some(text.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\""))
}

/// Cuts `text`. Comments, which only the bodies of functions have, are left out; `$tag$ … $tag$` is read as its inside.
pub fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        if c.is_whitespace() {
            at += 1;
        } else if c == '-' && next == Some('-') {
            at = position(&chars, at, |c| c == '\n');
        } else if c == '\'' || c == '"' {
            let (inside, end) = quoted(&chars, at + 1, c);
            found.push(if c == '\'' { Token::Text(inside) } else { Token::Word(inside) });
            at = end;
        } else if c.is_alphabetic() || c == '_' {
            let end = position(&chars, at, |c| !(c.is_alphanumeric() || c == '_' || c == '$'));
            let word: String = chars.get(at..end).unwrap_or_default().iter().collect();
            found.push(Token::Word(word.to_lowercase()));
            at = end;
        } else if c.is_ascii_digit() {
            let end = position(&chars, at, |c| !(c.is_ascii_alphanumeric() || c == '.'));
            found.push(Token::Number(chars.get(at..end).unwrap_or_default().iter().collect()));
            at = end;
        } else {
            found.push(Token::Sign(c));
            at += 1;
        }
    }
    found
}

fn position(chars: &[char], from: usize, stop: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|at| chars.get(*at).is_some_and(|c| stop(*c))).unwrap_or(chars.len())
}

/// The inside of a quoted piece that began before `at`, with doubled quotes undone, and where it ends.
fn quoted(chars: &[char], mut at: usize, quote: char) -> (String, usize) {
    let mut inside = String::new();
    while let Some(&c) = chars.get(at) {
        at += 1;
        if c != quote {
            inside.push(c);
        } else if chars.get(at) == Some(&quote) {
            inside.push(quote);
            at += 1;
        } else {
            break;
        }
    }
    (inside, at)
}

/// Whether `text` names `word` outside of literals.
pub fn names(text: &str, word: &str) -> bool {
    tokens(text).iter().any(|token| token.is(word))
}

/// Every word and string literal of `text`: `(auth.jwt() -> 'user_metadata')` has `auth`, `jwt` and `user_metadata`.
pub fn mentions(text: &str, word: &str) -> bool {
    tokens(text).iter().any(|token| match token {
        Token::Word(found) | Token::Text(found) => found == word,
        Token::Number(_) | Token::Sign(_) => false,
    })
}

/// Whether an expression is true whatever the row and the caller: `true`, `1 = 1`, or one of these after an OR.
pub fn always_true(expression: &str) -> bool {
    is_true(&tokens(expression))
}

fn is_true(tokens: &[Token]) -> bool {
    let tokens = strip(tokens);
    let any = split(tokens, "or");
    if any.len() > 1 {
        return any.iter().any(|part| is_true(part));
    }
    let all = split(tokens, "and");
    if all.len() > 1 {
        return all.iter().all(|part| is_true(part));
    }
    if let [only] = tokens {
        return only.is("true");
    }
    let Some(middle) = tokens.iter().position(|token| token.sign('=')) else { return false };
    let (left, right) =
        (tokens.get(..middle).unwrap_or_default(), tokens.get(middle + 1..).unwrap_or_default());
    let constant = |side: &[Token]| matches!(side.first(), Some(Token::Text(_) | Token::Number(_)));
    !left.is_empty() && left == right && constant(left)
}

/// Without parentheses that enclose everything.
fn strip(tokens: &[Token]) -> &[Token] {
    let mut inner = tokens;
    while let [first, .., last] = inner
        && first.sign('(')
        && last.sign(')')
        && closing(inner, 0) == Some(inner.len() - 1)
    {
        inner = inner.get(1..inner.len() - 1).unwrap_or_default();
    }
    inner
}

/// Where the parenthesis that opens at `from` is closed.
pub fn closing(tokens: &[Token], from: usize) -> Option<usize> {
    let mut deep = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        if token.sign('(') {
            deep += 1;
        } else if token.sign(')') {
            deep = deep.checked_sub(1)?;
            if deep == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// The parts between `word`s that stand outside of parentheses.
fn split<'a>(tokens: &'a [Token], word: &str) -> Vec<&'a [Token]> {
    let (mut parts, mut deep, mut from) = (Vec::new(), 0_i32, 0);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(') => deep += 1,
            Token::Sign(')') => deep -= 1,
            token if deep == 0 && token.is(word) => {
                parts.push(tokens.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(tokens.get(from..).unwrap_or_default());
    parts
}

/// The qualified functions that are called, each with whether the call is the whole of a `(SELECT …)` of its own and so
/// made once for the statement, not once for each row.
pub fn calls(expression: &str) -> Vec<(String, bool)> {
    let tokens = tokens(expression);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(name) = token else { continue };
        if !tokens.get(at + 1).is_some_and(|next| next.sign('(')) || KEYWORDS.contains(&name.as_str()) {
            continue;
        }
        let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at));
        let schema = match (before(1), before(2)) {
            (Some(dot), Some(Token::Word(schema))) if dot.sign('.') => Some(schema),
            _ => None,
        };
        let full = schema.map_or_else(|| name.clone(), |schema| format!("{schema}.{name}"));
        let start = if schema.is_some() { at.saturating_sub(2) } else { at };
        found.push((full, once(&tokens, start)));
    }
    found
}

const KEYWORDS: &[&str] = &[
    "in", "and", "or", "not", "exists", "any", "all", "some", "select", "where", "on", "case", "when",
    "then", "else", "array", "from", "row", "values", "as", "is", "filter", "over", "by",
];

/// Whether the innermost SELECT around `at` has no FROM: then it runs once.
fn once(tokens: &[Token], at: usize) -> bool {
    let mut deep = 0_usize;
    for back in (0..at).rev() {
        let Some(token) = tokens.get(back) else { return false };
        if token.sign(')') {
            deep += 1;
        } else if token.sign('(') {
            if deep > 0 {
                deep -= 1;
                continue;
            }
            if tokens.get(back + 1).is_some_and(|next| next.is("select")) {
                let end = closing(tokens, back).unwrap_or(tokens.len());
                return !tokens.get(back..end).unwrap_or_default().iter().any(|token| token.is("from"));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_where_sql_cuts_it() {
        let cut = tokens("(\"My col\" = 'it''s') -- no\n AND x1 > 2.5");
        let word = |text: &str| Token::Word(text.into());
        let expected = [
            Token::Sign('('),
            word("My col"),
            Token::Sign('='),
            Token::Text("it's".into()),
            Token::Sign(')'),
            word("and"),
            word("x1"),
            Token::Sign('>'),
            Token::Number("2.5".into()),
        ];
        assert_eq!(cut, expected);
        for nonsense in ["'", "\"", "(((", ")", "--", "é'"] {
            tokens(nonsense);
            assert!(!always_true(nonsense));
        }
    }

    #[test]
    fn a_tautology_is_seen_through() {
        for text in
            ["true", "(true)", "(1 = 1)", "('a'::text = 'a'::text)", "((user_id = auth.uid()) OR true)"]
        {
            assert!(always_true(text), "{text}");
        }
        for text in
            ["false", "(is_public = true)", "(a = a)", "((a = 1) AND true)", "(true = is_public)", "'true'"]
        {
            assert!(!always_true(text), "{text}");
        }
    }

    #[test]
    fn a_call_in_a_select_of_its_own_is_made_once() {
        let seen = |text: &str| calls(text).into_iter().map(|(_, once)| once).collect::<Vec<_>>();
        assert_eq!(seen("(user_id = auth.uid())"), [false]);
        assert_eq!(seen("(user_id = ( SELECT auth.uid() AS uid))"), [true]);
        assert_eq!(seen("(owner = (( SELECT auth.uid() AS uid))::text)"), [true]);
        let inner = "(EXISTS ( SELECT 1 FROM public.members m WHERE (m.user_id = auth.uid())))";
        assert_eq!(calls(inner), [("auth.uid".to_owned(), false)]);
    }
}
