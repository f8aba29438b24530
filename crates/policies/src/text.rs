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

/// Cuts `text`. Comments, which only the bodies of functions have, are left out; `$tag$ … $tag$` is read as its inside, which
/// reaches no further than its end.
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
        } else if c == '/' && next == Some('*') {
            at = after_comment(&chars, at);
        } else if c == '\'' || c == '"' {
            let (inside, end) = quoted(&chars, at + 1, c, false);
            found.push(if c == '\'' { Token::Text(inside) } else { Token::Word(inside) });
            at = end;
        } else if matches!(c, 'e' | 'E') && next == Some('\'') {
            let (inside, end) = quoted(&chars, at + 2, '\'', true);
            found.push(Token::Text(inside));
            at = end;
        } else if let Some((from, until, end)) = dollars(&chars, at) {
            let inside: String = chars.get(from..until).unwrap_or_default().iter().collect();
            found.extend(tokens(&inside));
            at = end;
        } else if c.is_alphabetic() || c == '_' {
            let end = position(&chars, at, |c| !(c.is_alphanumeric() || c == '_' || c == '$'));
            let word: String = chars.get(at..end).unwrap_or_default().iter().collect();
            // As PostgreSQL does in UTF-8: other capitals stay.
            found.push(Token::Word(word.to_ascii_lowercase()));
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

/// Where a comment ends that begins at `at`; comments stand in comments.
fn after_comment(chars: &[char], mut at: usize) -> usize {
    let mut deep = 0_usize;
    while at < chars.len() {
        match (chars.get(at), chars.get(at + 1)) {
            (Some('/'), Some('*')) => (deep, at) = (deep + 1, at + 2),
            (Some('*'), Some('/')) => (deep, at) = (deep.saturating_sub(1), at + 2),
            _ => at += 1,
        }
        if deep == 0 {
            break;
        }
    }
    at
}

/// Where the inside of `$tag$ … $tag$` begins and ends, and what comes after it.
fn dollars(chars: &[char], at: usize) -> Option<(usize, usize, usize)> {
    let of_tag = |c: char| c.is_alphanumeric() || c == '_';
    if chars.get(at) != Some(&'$') || chars.get(at + 1)?.is_ascii_digit() {
        return None;
    }
    let close = position(chars, at + 1, |c| !of_tag(c));
    let tag = chars.get(at..=close).filter(|_| chars.get(close) == Some(&'$'))?;
    let until = (close + 1..chars.len()).find(|at| chars.get(*at..at + tag.len()) == Some(tag))?;
    Some((close + 1, until, until + tag.len()))
}

/// The inside of a quoted piece that began before `at`, with doubled quotes undone, and where it ends. In some a backslash takes
/// what follows as it is.
fn quoted(chars: &[char], mut at: usize, quote: char, escapes: bool) -> (String, usize) {
    let mut inside = String::new();
    while let Some(&c) = chars.get(at) {
        at += 1;
        if escapes && c == '\\' {
            inside.extend(chars.get(at));
            at += 1;
        } else if c != quote {
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

/// What `text` reads or writes, by name: what stands after FROM, JOIN and the like, and after each comma of such a list.
pub fn sources(text: &str) -> Vec<(Option<String>, String)> {
    const ENDS: &[&str] = &[
        "where",
        "group",
        "order",
        "having",
        "limit",
        "offset",
        "fetch",
        "for",
        "union",
        "intersect",
        "except",
        "window",
        "returning",
        "set",
        "select",
        "values",
        "loop",
        "then",
    ];
    let tokens = tokens(text);
    let (mut found, mut listing) = (Vec::new(), vec![false]);
    for (at, token) in tokens.iter().enumerate() {
        let lists =
            token.is("from") || (token.is("using") && !tokens.get(at + 1).is_some_and(|next| next.sign('(')));
        let opens = ["join", "update", "into", "table"].iter().any(|word| token.is(word));
        if token.sign('(') {
            listing.push(false);
        } else if token.sign(')') {
            listing.pop();
        } else if lists || token.sign(';') || ENDS.iter().any(|word| token.is(word)) {
            listing.pop();
            listing.push(lists);
        }
        if lists || opens || (token.sign(',') && listing.last() == Some(&true)) {
            found.extend(source(&tokens, at + 1));
        }
    }
    found
}

/// What is named at `at`, unless it is a function.
fn source(tokens: &[Token], mut at: usize) -> Option<(Option<String>, String)> {
    let passed = |token: &Token| token.sign('(') || token.is("only") || token.is("lateral");
    while tokens.get(at).is_some_and(passed) {
        at += 1;
    }
    let Some(Token::Word(first)) = tokens.get(at) else { return None };
    let is_call = |at: usize| tokens.get(at).is_some_and(|next| next.sign('('));
    match (tokens.get(at + 1), tokens.get(at + 2)) {
        (Some(dot), Some(Token::Word(name))) if dot.sign('.') => {
            (!is_call(at + 3)).then(|| (Some(first.clone()), name.clone()))
        }
        _ => (!is_call(at + 1)).then(|| (None, first.clone())),
    }
}

/// Whether `text` takes a row of a table as a whole: `f(notes.*)`, as PostgreSQL prints it.
pub fn takes_row(text: &str, table: &str) -> bool {
    tokens(text)
        .windows(3)
        .any(|three| matches!(three, [name, dot, all] if name.is(table) && dot.sign('.') && all.sign('*')))
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
    fn what_is_quoted_or_commented_ends_where_postgresql_ends_it() {
        let words = |text: &str| {
            let word = |token: Token| match token {
                Token::Word(word) => Some(word),
                Token::Text(_) | Token::Number(_) | Token::Sign(_) => None,
            };
            tokens(text).into_iter().filter_map(word).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words("a /* don't /* ask */ 'why */ b -- it's\n c"), "a b c");
        assert_eq!(words(r"a E'it\'s' b e'\\' c '\' d"), "a b c d");
        assert_eq!(words("a $$it's$$ b $q$ 'x' $$ y $q$ c $1 d"), "a it b y c d");
        assert_eq!(words("ÖFFEN \"ÖFFEN\" Straße"), "Öffen ÖFFEN straße");
        for nonsense in ["/*", "/* /* */", "e'", "E'\\", "$", "$$", "$a$ b $", "$ü"] {
            tokens(nonsense);
        }
    }

    #[test]
    fn whatever_is_read_is_named() {
        let named = |text: &str| {
            let name = |(schema, name): (Option<String>, String)| {
                schema.map_or(name.clone(), |one| format!("{one}.{name}"))
            };
            sources(text).into_iter().map(name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            named(
                "SELECT a, b FROM x, ONLY (s.y) AS z, LATERAL f(a, b) JOIN w ON g(u, v), t WHERE c IN (d, e)"
            ),
            "x s.y w t"
        );
        assert_eq!(
            named("EXISTS ( SELECT FROM ((public.a JOIN b USING (c)) JOIN \"D d\" ON true))"),
            "public.a b D d"
        );
        assert_eq!(
            named("DELETE FROM a USING b, c WHERE x; INSERT INTO d VALUES (1, 2); (TABLE e)"),
            "a b c d e"
        );
        assert_eq!(named("BEGIN SELECT a, b INTO c FROM d ORDER BY e, f; RETURN g, h; END"), "c d");
        for nonsense in [")", "from", ", ,", "from (", "from a.", ")) from"] {
            sources(nonsense);
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
