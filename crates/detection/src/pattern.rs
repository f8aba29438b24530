//! Patterns of paths and names: `*` is anything, letters count alike in both cases.

use regex::bytes::{Regex, RegexBuilder};

use crate::limits;

/// Patterns, tried all at once: what they cost is in the text's length, not in how many they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns(Option<Regex>);

impl Patterns {
    /// Of none, nothing is any of them.
    pub fn new(texts: &[impl AsRef<str>]) -> Result<Self, regex::Error> {
        if texts.is_empty() {
            return Ok(Patterns(None));
        }
        let one = |text: &str| text.split('*').map(regex::escape).collect::<Vec<_>>().join(".*");
        let all = texts.iter().map(|text| one(text.as_ref())).collect::<Vec<_>>().join("|");
        // Without Unicode a letter is a byte: neither a path nor a name of a program has to be text.
        let built = RegexBuilder::new(&format!("^(?:{all})$"))
            .unicode(false)
            .case_insensitive(true)
            .dot_matches_new_line(true)
            .size_limit(limits::PATTERN_BYTES.size())
            .build()?;
        Ok(Patterns(Some(built)))
    }

    /// Whether one of them is all of `text`, or of as much of it as is looked at.
    pub fn any_is(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let text = text.get(..text.len().min(limits::TEXT_BYTES.size())).unwrap_or_default();
        self.0.as_ref().is_some_and(|all| all.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let compiled = Patterns::new(&["/another", pattern]).unwrap();
        yes.iter().for_each(|text| assert!(compiled.any_is(text), "{pattern} is {text}"));
        no.iter().for_each(|text| assert!(!compiled.any_is(text), "{pattern} is not {text}"));
    }

    #[test]
    fn a_star_is_anything_and_case_does_not_count() {
        check("*.php", &["/index.php", "/a/B.PHP"], &["/index.php5", "/php"]);
        check("*/wp-*", &["/wp-login.php", "/blog/wp-admin/x"], &["/wpx"]);
        check("/exact", &["/exact", "/EXACT", "/another"], &["/exactly", ""]);
        check("*a*b*", &["xaybz", "ab", "aab", "a\nb", "äab"], &["ba", ""]);
        check("(a|b)", &["(A|B)"], &["a", "b"]);
        check("", &[""], &["x"]);
        assert!(!Patterns::new(&[""; 0]).unwrap().any_is(""));
    }

    #[test]
    fn many_stars_and_a_long_text_take_no_time() {
        let patterns = Patterns::new(&["*a".repeat(100)]).unwrap();
        assert!(!patterns.any_is(&"b".repeat(100_000)));
        assert!(patterns.any_is(&"a".repeat(2_000)));
    }

    #[test]
    fn more_than_fits_is_refused() {
        let wide: Vec<_> = (0..64).map(|one| format!("{one}{}", "x*".repeat(2_000))).collect();
        assert!(Patterns::new(&wide).is_err());
    }
}
