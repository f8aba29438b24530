//! `docs/reference/limits.md`: every `base::Limit` there is, with its value and why.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

use super::{cell, once, owner, product, rust};
use crate::tidy::text::File;

const HEAD: &str = "# Limits\n\n\
    <!-- Generated from every base::Limit in the crates: run cargo xtask docs. -->\n\n\
    Everything that could grow has a bound, and every bound a name. What crosses one is refused by that name. These are fixed;\n\
    what an operator may set is in [settings](settings.md), what each route takes in [routes](routes.md).\n";

struct Limit<'a> {
    owner: &'a str,
    name: String,
    value: u64,
    bounds: String,
    why: String,
}

/// The page.
pub fn page(files: &[File]) -> Result<String> {
    let mut limits = Vec::new();
    for file in files {
        limits.extend(of(file)?);
    }
    once("limit", limits.iter().map(|limit| limit.name.as_str()))?;
    let mut page = HEAD.to_owned();
    let mut section = "";
    for limit in &limits {
        if limit.owner != section {
            section = limit.owner;
            // Writing to a String cannot fail, here and below.
            let _ = write!(page, "\n## {section}\n\n| Limit | Value | Bounds | Why |\n|---|---|---|---|\n");
        }
        let Limit { name, value, bounds, why, .. } = limit;
        let _ = writeln!(page, "| `{name}` | {} | {} | {} |", grouped(*value), cell(bounds), cell(why));
    }
    Ok(page)
}

fn of(file: &File) -> Result<Vec<Limit<'_>>> {
    const NEW: &str = "Limit::new(";
    let Some(owner) = owner(&file.path).filter(|owner| *owner != "base") else { return Ok(Vec::new()) };
    let code = product(&file.text);
    let mut limits = Vec::new();
    for (at, _) in code.match_indices(NEW) {
        let read = || {
            let arguments = rust::inside(code.get(at..)?)?;
            let [name, value, why] = rust::split(arguments, ',').try_into().ok()?;
            let text = |text| rust::strings(text).pop();
            let declared = code.get(..at)?.rfind(": Limit")?;
            let begins = code.get(..declared)?.rfind('\n').map_or(0, |end| end + 1);
            let bounds = rust::doc_above(code, begins);
            Some(Limit { owner, name: text(name)?, value: number(value)?, bounds, why: text(why)? })
        };
        let limit = read().with_context(|| format!("a limit in {} cannot be read", file.path))?;
        if limit.bounds.is_empty() {
            bail!("the limit `{}` does not say what it bounds", limit.name);
        }
        limits.push(limit);
    }
    Ok(limits)
}

/// `8 * 1024`, `1 << 20`, `10_000`.
fn number(text: &str) -> Option<u64> {
    if let Some((number, by)) = text.split_once("<<") {
        return number_of(number)?.checked_shl(u32::try_from(number_of(by)?).ok()?);
    }
    text.split('*').map(number_of).try_fold(1_u64, |all, factor| all.checked_mul(factor?))
}

fn number_of(text: &str) -> Option<u64> {
    text.trim().replace('_', "").parse().ok()
}

/// `10,000`.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn limits_are_read_with_what_they_bound() {
        let text = "/// Bytes of a head.\npub const A: Limit =\n    Limit::new(\"a_max\", 64 * 1_024, \"fits, always\");\n";
        let page = page(&[file("crates/edge/src/limits.rs", text)]).unwrap_or_default();
        assert!(page.contains("## edge"), "{page}");
        assert!(page.contains("| `a_max` | 65,536 | Bytes of a head. | fits, always |"), "{page}");
    }

    #[test]
    fn what_cannot_be_read_or_stands_twice_fails() {
        let one = "/// A.\nconst A: Limit = Limit::new(\"a\", 1, \"b\");\n";
        assert!(page(&[file("crates/a/src/l.rs", one), file("crates/b/src/l.rs", one)]).is_err());
        assert!(page(&[file("crates/a/src/l.rs", "/// A.\nconst A: Limit = Limit::new(B, C, D);")]).is_err());
        assert!(page(&[file("crates/a/src/l.rs", "const A: Limit = Limit::new(\"a\", 1, \"b\");")]).is_err());
    }

    #[test]
    fn sums_of_the_source_are_done() {
        assert_eq!(number("1 << 20"), Some(1 << 20));
        assert_eq!(number("10_000"), Some(10_000));
        assert_eq!(number("MAX"), None);
        assert_eq!(grouped(1_048_576), "1,048,576");
        assert_eq!(grouped(100), "100");
    }
}
