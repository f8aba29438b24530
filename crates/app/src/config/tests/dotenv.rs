//! `NAME=value` files as shells and compose read them: how the guide's snippet becomes an environment.

use std::collections::BTreeMap;

/// Reads one: comments and empty lines are skipped, one pair of quotes around a value is taken off. `Err` is the number of a line that is neither.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut variables = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(number + 1)?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return Err(number + 1);
        }
        variables.insert(name.to_owned(), unquote(value.trim()).to_owned());
    }
    Ok(variables)
}

fn unquote(value: &str) -> &str {
    let inside = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

#[test]
fn a_line_is_a_comment_or_a_name_with_a_value() {
    let read = parse("# c\n\nA=1\nexport B=\"--x y\"\nC='q'\nD=a=b\n").unwrap();
    let pairs: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("A", "1"), ("B", "--x y"), ("C", "q"), ("D", "a=b")]);
    assert_eq!(parse("A=1\nnonsense\n"), Err(2));
}
