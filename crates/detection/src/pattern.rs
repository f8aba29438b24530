//! Patterns of paths and names: `*` is anything, letters count alike in both cases.

use crate::limits;

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<u8>);

impl Pattern {
    pub fn new(text: &str) -> Self {
        Pattern(text.to_ascii_lowercase().into_bytes())
    }

    /// Whether it is all of `text`. Linear: a `*` that was passed is only gone back to by the last one.
    pub fn is(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let text = text.get(..text.len().min(limits::TEXT_BYTES.size())).unwrap_or_default();
        let (mut at, mut from) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while from < text.len() {
            let letter = text.get(from).map(u8::to_ascii_lowercase);
            match self.0.get(at) {
                Some(b'*') => {
                    star = Some((at, from));
                    at += 1;
                }
                wanted if wanted.is_some() && wanted.copied() == letter => {
                    at += 1;
                    from += 1;
                }
                _ => match star {
                    Some((back, tried)) => {
                        star = Some((back, tried + 1));
                        at = back + 1;
                        from = tried + 1;
                    }
                    None => return false,
                },
            }
        }
        self.0.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let compiled = Pattern::new(pattern);
        yes.iter().for_each(|text| assert!(compiled.is(text), "{pattern} is {text}"));
        no.iter().for_each(|text| assert!(!compiled.is(text), "{pattern} is not {text}"));
    }

    #[test]
    fn a_star_is_anything_and_case_does_not_count() {
        check("*.php", &["/index.php", "/a/B.PHP"], &["/index.php5", "/php"]);
        check("*/wp-*", &["/wp-login.php", "/blog/wp-admin/x"], &["/wpx"]);
        check("/exact", &["/exact", "/EXACT"], &["/exactly", ""]);
        check("*a*b*", &["xaybz", "ab", "aab"], &["ba", ""]);
        check("", &[""], &["x"]);
    }

    #[test]
    fn many_stars_and_a_long_text_take_no_time() {
        let pattern = Pattern::new(&"*a".repeat(100));
        assert!(!pattern.is(&"b".repeat(100_000)));
        assert!(pattern.is(&"a".repeat(2_000)));
    }
}
