//! The little of Rust's syntax that the reference pages read. It relies on rustfmt, which CI enforces.

/// What a character of code is, for those who look for brackets.
enum Piece {
    Open,
    Close,
    Other,
}

/// Calls `each` with every character outside strings and comments; it stops where `each` says so.
fn walk(code: &str, mut each: impl FnMut(usize, char) -> bool) -> Option<usize> {
    let mut letters = code.char_indices().peekable();
    let (mut in_string, mut in_comment) = (false, false);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\n' if in_comment => in_comment = false,
            _ if in_comment => {}
            '\\' if in_string => {
                letters.next();
            }
            '"' => in_string = !in_string,
            _ if in_string => {}
            '/' if letters.peek().is_some_and(|(_, next)| *next == '/') => in_comment = true,
            _ => {
                if each(at, letter) {
                    return Some(at);
                }
            }
        }
    }
    None
}

fn piece(letter: char) -> Piece {
    match letter {
        '(' | '[' | '{' => Piece::Open,
        ')' | ']' | '}' => Piece::Close,
        _ => Piece::Other,
    }
}

/// What stands between the first opening bracket of `code` and the one that closes it.
pub fn inside(code: &str) -> Option<&str> {
    let (mut depth, mut from) = (0, None);
    let end = walk(code, |at, letter| {
        match piece(letter) {
            Piece::Open => {
                depth += 1;
                from.get_or_insert(at + 1);
            }
            Piece::Close => depth -= 1,
            Piece::Other => {}
        }
        from.is_some() && depth == 0
    })?;
    code.get(from?..end)
}

/// The body of what begins with `head`, such as `impl Fault for Error ` or `fn code(`.
pub fn body<'a>(code: &'a str, head: &str) -> Option<&'a str> {
    let after = code.get(code.find(head)?..)?;
    inside(after.get(walk(after, |_, letter| letter == '{')?..)?)
}

/// `code` cut at every `by` outside brackets and strings.
pub fn split(code: &str, by: char) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    walk(code, |at, letter| {
        match piece(letter) {
            Piece::Open => depth += 1,
            Piece::Close => depth -= 1,
            Piece::Other if depth == 0 && letter == by => {
                parts.extend(code.get(from..at));
                from = at + letter.len_utf8();
            }
            Piece::Other => {}
        }
        false
    });
    parts.extend(code.get(from..));
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// The arms of the first `match` in `code`: the names of the variants, `_` for the rest, and the expression.
pub fn arms(code: &str) -> Vec<(Vec<&str>, &str)> {
    let Some(mut rest) = body(code, "match ") else { return Vec::new() };
    let mut arms = Vec::new();
    while let Some(at) = arrow(rest) {
        let (Some(pattern), Some(after)) = (rest.get(..at), rest.get(at + 2..)) else { break };
        let after = after.trim_start();
        let expression = match after.starts_with('{') {
            true => inside(after).unwrap_or_default(),
            false => split(after, ',').first().copied().unwrap_or_default(),
        };
        arms.push((split(pattern, '|').into_iter().map(variant).collect(), expression.trim()));
        let end = expression.as_ptr() as usize - rest.as_ptr() as usize + expression.len();
        rest = rest.get(end..).unwrap_or_default().trim_start_matches([',', '}', ' ', '\n']);
    }
    arms
}

/// Where the next `=>` outside brackets is.
fn arrow(code: &str) -> Option<usize> {
    let (mut depth, mut before) = (0, ' ');
    let at = walk(code, |_, letter| {
        match piece(letter) {
            Piece::Open => depth += 1,
            Piece::Close => depth -= 1,
            Piece::Other => {}
        }
        let found = depth == 0 && before == '=' && letter == '>';
        before = letter;
        found
    })?;
    at.checked_sub(1)
}

/// `Error::NoRoute { .. }` → `NoRoute`; a binding stands for the rest.
fn variant(pattern: &str) -> &str {
    let bare = pattern.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("//"));
    let path = bare.unwrap_or_default().split(['(', '{', ' ']).next().unwrap_or_default();
    let name = path.rsplit("::").next().unwrap_or_default();
    if name.starts_with(char::is_uppercase) { name } else { "_" }
}

/// Every string in `code`, unescaped.
pub fn strings(code: &str) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), None::<String>);
    let mut letters = code.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, &mut open) {
            ('"', None) => open = Some(String::new()),
            ('"', Some(_)) => found.extend(open.take()),
            ('\\', Some(text)) => match letters.next() {
                Some('n') => text.push(' '),
                Some('\n') => while letters.next_if(|next| next.is_whitespace()).is_some() {},
                Some(other) => text.push(other),
                None => {}
            },
            (other, Some(text)) => text.push(other),
            (_, None) => {}
        }
    }
    found
}

/// The words after each `Kind::` or the like.
pub fn names_after<'a>(code: &'a str, prefix: &str) -> Vec<&'a str> {
    let name = |(at, _): (usize, &str)| {
        let rest = code.get(at + prefix.len()..)?;
        rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()
    };
    code.match_indices(prefix).filter_map(name).collect()
}

/// The `///` lines just above the line that begins at `at`, attributes skipped.
pub fn doc_above(code: &str, at: usize) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in code.get(..at).unwrap_or_default().lines().rev().map(str::trim) {
        match line.strip_prefix("///") {
            Some(doc) => lines.push(doc.trim()),
            None if lines.is_empty() && line.starts_with("#[") => {}
            None => break,
        }
    }
    lines.reverse();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_are_read_with_several_variants_blocks_and_strings() {
        let code = r#"fn code(&self) -> &str {
            match self {
                Error::A(_) | Error::B { .. } => "x.a, b => c", // not => this
                Error::C => {
                    "x.c"
                }
                Error::D(error) => error.code(),
                _ => "x.rest",
            }
        }"#;
        let arms = arms(code);
        let names: Vec<_> = arms.iter().map(|(names, _)| names.join("+")).collect();
        assert_eq!(names, ["A+B", "C", "D", "_"]);
        let texts: Vec<_> = arms.iter().map(|(_, text)| *text).collect();
        assert_eq!(texts, ["\"x.a, b => c\"", "\"x.c\"", "error.code()", "\"x.rest\""]);
    }

    #[test]
    fn bodies_end_at_their_own_bracket() {
        assert_eq!(body("impl A { fn a() { \"}\" } } fn b() { c }", "fn a("), Some(" \"}\" "));
        assert_eq!(inside("x(a, (b), \")\") y"), Some("a, (b), \")\""));
    }

    #[test]
    fn strings_are_joined_over_lines_and_unescaped() {
        assert_eq!(strings("(\"a \\\n   b\", \"say \\\"c\\\"\")"), ["a b", "say \"c\""]);
    }

    #[test]
    fn documentation_is_found_above_attributes() {
        let code = "/// One.\n/// Two.\n#[derive(Debug)]\nstruct A;";
        assert_eq!(doc_above(code, code.find("struct").unwrap_or_default()), "One. Two.");
    }
}
