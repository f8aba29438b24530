//! Files and functions stay short. What is longer stands in `xtask/ratchet.txt`, and may only shrink.
//!
//! A line there reads `crates/x/src/y.rs 640` or `crates/x/src/y.rs::function 120`: a place and its length on the day
//! it was listed. Longer than that fails; shorter than the limit must be taken out.

use super::Complaint;
use super::text::File;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 100;
const LISTED: &str = "xtask/ratchet.txt";

pub fn check(files: &[File]) -> Vec<Complaint> {
    let listed =
        files.iter().find(|file| file.path == LISTED).map(|file| file.text.as_str()).unwrap_or_default();
    let mut excused: Vec<(&str, usize)> = listed.lines().filter_map(entry).collect();
    let mut complaints = Vec::new();
    for (place, length, limit) in files.iter().filter(|file| file.is_rust()).flat_map(lengths) {
        let known =
            excused.iter().position(|(listed, _)| *listed == place).map(|at| excused.swap_remove(at).1);
        match known {
            Some(_) if length <= limit => {
                complaints.push(format!("{LISTED}: {place} is short now: take it out"))
            }
            Some(was) if length > was => {
                complaints.push(format!("{place} grew from {was} to {length} lines: split it"))
            }
            None if length > limit => {
                complaints.push(format!("{place} has {length} lines, at most {limit}: split it"))
            }
            Some(_) | None => {}
        }
    }
    let gone = excused.iter().map(|(place, _)| format!("{LISTED}: {place} is not there: take it out"));
    complaints.extend(gone);
    complaints
}

/// A place and its excused length.
fn entry(line: &str) -> Option<(&str, usize)> {
    let (place, length) = line.split('#').next()?.trim().rsplit_once(' ')?;
    Some((place.trim(), length.parse().ok()?))
}

/// The file and each function in it: place, length, limit.
fn lengths(file: &File) -> Vec<(String, usize, usize)> {
    let code = without_comments_and_strings(&file.text);
    let functions = functions(&code).into_iter();
    let mut all: Vec<_> = functions
        .map(|(name, lines)| (format!("{}::{name}", file.path), lines, FUNCTION_LINES_MAX))
        .collect();
    all.push((file.path.clone(), file.text.lines().count(), FILE_LINES_MAX));
    all
}

/// Every function with a body, and the lines from its opening to its closing brace.
fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = find_fn(rest) {
        rest = rest.get(at + 3..).unwrap_or_default();
        let name: String =
            rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        if !name.is_empty()
            && let Some(lines) = body_lines(rest)
        {
            found.push((name, lines));
        }
    }
    found
}

/// The next `fn ` that is a word of its own.
fn find_fn(code: &str) -> Option<usize> {
    let is_word = |at: &usize| {
        let before = code.get(..*at).and_then(|before| before.chars().next_back());
        before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_')
    };
    code.match_indices("fn ").map(|(at, _)| at).find(is_word)
}

/// Lines of the body that starts at the first brace outside parentheses; `None` for a declaration.
fn body_lines(signature: &str) -> Option<usize> {
    let (mut depth, mut nested, mut lines) = (0_i32, 0_i32, 0_usize);
    for letter in signature.chars() {
        match letter {
            '(' | '[' => nested += 1,
            ')' | ']' => nested -= 1,
            ';' if depth == 0 && nested == 0 => return None,
            '{' => depth += 1,
            '}' if depth == 1 => return Some(lines + 1),
            '}' => depth -= 1,
            '\n' if depth > 0 => lines += 1,
            _ => {}
        }
    }
    None
}

/// The same text with comments, strings and character literals blanked out; line breaks stay.
pub fn without_comments_and_strings(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest, clean.chars().next_back());
        match length {
            0 => {
                clean.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
            length => {
                let (gone, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
                clean.push(' ');
                clean.extend(gone.chars().filter(|letter| *letter == '\n'));
                rest = after;
            }
        }
    }
    clean
}

/// How many bytes from here are a comment, a string or a character literal; 0 when none begins here.
fn skipped(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    let in_a_word = before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    if let Some(raw) = rest.strip_prefix('r').filter(|_| !in_a_word || before == Some('b')) {
        let hashes = raw.chars().take_while(|letter| *letter == '#').count();
        if raw.get(hashes..).is_some_and(|after| after.starts_with('"')) {
            let closing = format!("\"{}", "#".repeat(hashes));
            let body = raw.get(hashes + 1..).unwrap_or_default();
            let end = body.find(&closing).unwrap_or(body.len());
            return (1 + hashes + 1 + end + closing.len()).min(rest.len());
        }
        return 0;
    }
    match rest.chars().next() {
        Some('"') => quoted(rest, '"'),
        // A lifetime has no closing quote two or three letters on.
        Some('\'') if is_character(rest) => quoted(rest, '\''),
        _ => 0,
    }
}

fn is_character(rest: &str) -> bool {
    let mut letters = rest.chars().skip(1);
    match letters.next() {
        Some('\\') => true,
        Some(_) => letters.next() == Some('\''),
        None => false,
    }
}

/// Bytes from an opening quote to behind its closing one.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + letter.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: String) -> File {
        File { path: path.to_owned(), text }
    }

    fn long_function(lines: usize) -> File {
        file("a.rs", format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines)))
    }

    #[test]
    fn a_long_function_is_named_unless_it_is_listed() {
        assert_eq!(check(&[long_function(40)]).len(), 0);
        assert_eq!(check(&[long_function(120)]), ["a.rs::long has 122 lines, at most 100: split it"]);
        let listed = file(LISTED, "a.rs::long 122 # why\n".to_owned());
        assert_eq!(check(&[long_function(120), listed]).len(), 0);
    }

    #[test]
    fn what_is_listed_may_only_shrink() {
        let listed = || file(LISTED, "a.rs::long 110\n".to_owned());
        assert!(check(&[long_function(120), listed()]).first().is_some_and(|said| said.contains("grew")));
        assert!(
            check(&[long_function(10), listed()]).first().is_some_and(|said| said.contains("take it out"))
        );
        assert!(check(&[listed()]).first().is_some_and(|said| said.contains("not there")));
    }

    #[test]
    fn a_long_file_is_named() {
        let long = file("a.rs", "//\n".repeat(601));
        assert_eq!(check(&[long]), ["a.rs has 601 lines, at most 600: split it"]);
    }

    #[test]
    fn braces_in_strings_and_comments_do_not_count() {
        let code =
            "fn a<'x>(b: &'x str) -> char {\n // }\n let c = \"}\\\"\"; let d = r#\"}\"\"#; '}'\n}\nfn e();";
        let clean = without_comments_and_strings(code);
        assert_eq!(functions(&clean), [("a".to_owned(), 4)]);
    }
}
