//! What a password must be (controls 18, 19), from either guide's settings.
//!
//! Invariant: length counts characters, never bytes, and nothing is cut off.

use base::Settings;
use base::setting::Origin;

use crate::{Error, limits, settings};

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
/// Fluxbase's guide.
const SPECIAL_OF_THE_GUIDE: &str = "!@#$%^&*";
/// What the word `special` means in AppFlowy's: every ASCII character that is neither letter nor digit nor blank.
const SPECIAL: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// SP 800-63B-4, 3.1.1.2: fifteen where the password is the only factor.
const NIST_LENGTH_MIN: usize = 15;

/// Whether NIST's rules hold where no setting says otherwise.
fn is_nist(given: &Settings) -> bool {
    given.get(&settings::PASSWORD_PROFILE) == "nist"
}

/// After how many days a password expires: never by default where NIST's rules hold.
pub(crate) fn max_age_days(given: &Settings) -> Option<u32> {
    let said = given.origin(settings::PASSWORD_MAX_AGE_DAYS.definition.name) != Origin::Default;
    (said || !is_nist(given)).then(|| given.get(&settings::PASSWORD_MAX_AGE_DAYS))
}

/// The rules in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Fewest characters.
    pub length_min: usize,
    /// Most characters.
    pub length_max: usize,
    /// A password needs one character of each.
    pub sets: Vec<String>,
}

impl PasswordPolicy {
    /// From the settings. GoTrue's one setting says all of it when it is given; else the guide's four switches do.
    pub fn from_settings(given: &Settings) -> Self {
        let mut sets =
            given.get(&settings::PASSWORD_REQUIRED_CHARACTERS).map_or_else(Vec::new, |text| read_sets(&text));
        let by_words = !sets.is_empty();
        let nist = is_nist(given);
        for (setting, set) in [
            (&settings::PASSWORD_REQUIRE_LOWERCASE, LOWER),
            (&settings::PASSWORD_REQUIRE_UPPERCASE, UPPER),
            (&settings::PASSWORD_REQUIRE_NUMBER, DIGITS),
            (&settings::PASSWORD_REQUIRE_SPECIAL, SPECIAL_OF_THE_GUIDE),
        ] {
            let asked = !(by_words || nist) || given.origin(setting.definition.name) != Origin::Default;
            if asked && given.get(setting) && !sets.iter().any(|known| known == set) {
                sets.push(set.to_owned());
            }
        }
        let length_min =
            match nist && given.origin(settings::PASSWORD_MIN_LENGTH.definition.name) == Origin::Default {
                true => NIST_LENGTH_MIN,
                false => usize::from(given.get(&settings::PASSWORD_MIN_LENGTH)),
            };
        PasswordPolicy { length_min, length_max: limits::PASSWORD_CHARS_MAX.size(), sets }
    }

    /// Refuses a password that does not meet the rules, naming each that it fails.
    pub fn require(&self, password: &str) -> Result<(), Error> {
        let length = password.chars().count();
        if length > self.length_max {
            return Err(Error::invalid(format!(
                "Password cannot be longer than {} characters",
                self.length_max
            )));
        }
        let (mut messages, mut reasons) = (Vec::new(), Vec::new());
        if length < self.length_min {
            messages.push(format!("Password should be at least {} characters.", self.length_min));
            reasons.push("length");
        }
        if self.sets.iter().any(|set| !password.chars().any(|c| set.contains(c))) {
            let all = self.sets.join(", ");
            messages.push(format!("Password should contain at least one character of each: {all}."));
            reasons.push("characters");
        }
        if reasons.is_empty() {
            return Ok(());
        }
        Err(Error::WeakPassword { message: messages.join(" "), reasons })
    }
}

/// AppFlowy's words, if all are words; else GoTrue's sets, separated by `:` (`\:` is a colon in a set).
fn read_sets(text: &str) -> Vec<String> {
    let words: Option<Vec<_>> = text.split(',').map(|word| set_of(word.trim())).collect();
    if let Some(sets) = words {
        return sets;
    }
    let mut sets = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' if characters.peek() == Some(&':') => {
                characters.next();
                push(&mut sets, ':');
            }
            ':' => sets.push(String::new()),
            c => push(&mut sets, c),
        }
    }
    sets.retain(|set| !set.is_empty());
    sets
}

fn push(sets: &mut [String], c: char) {
    if let Some(set) = sets.last_mut() {
        set.push(c);
    }
}

fn set_of(word: &str) -> Option<String> {
    let set = match word {
        "lower" | "lowercase" => LOWER,
        "upper" | "uppercase" => UPPER,
        "number" | "numbers" | "digit" | "digits" => DIGITS,
        "special" | "symbol" | "symbols" => SPECIAL,
        _ => return None,
    };
    Some(set.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(settings: Settings) -> PasswordPolicy {
        PasswordPolicy::from_settings(&settings)
    }

    #[track_caller]
    fn check(policy: &PasswordPolicy, password: &str, expected: &[&str]) {
        let reasons = match policy.require(password) {
            Ok(()) => vec![],
            Err(Error::WeakPassword { reasons, .. }) => reasons,
            Err(_) => vec!["refused"],
        };
        assert_eq!(reasons, expected, "{password}");
    }

    #[test]
    fn without_settings_the_guides_rules_hold() {
        let policy = policy(Settings::default());
        check(&policy, "Correct-horse*1", &[]);
        check(&policy, "Short*1a", &["length"]);
        check(&policy, "correcthorsebattery", &["characters"]);
        check(&policy, "Correcthorse1", &["characters"]);
        check(&policy, "short", &["length", "characters"]);
        check(&policy, &format!("Aa1*{}", "x".repeat(124)), &[]);
        check(&policy, &format!("Aa1*{}", "x".repeat(253)), &["refused"]);
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        let policy = policy(Settings::default());
        check(&policy, "ÄÖÜäöüß1*aA", &["length"]);
        check(&policy, "ÄÖÜäöüß1*aAx", &[]);
    }

    #[test]
    fn appflowys_words_mean_what_they_say() {
        let policy = policy(
            Settings::default().with("auth.password_required_characters", "lower,upper,number,special"),
        );
        assert_eq!(policy.sets.len(), 4);
        check(&policy, "lower,upper,number", &["characters"]);
        check(&policy, "Correct-horse-1", &[]);
    }

    /// SP 800-63B-4: long, without classes; what is said by name still holds.
    #[test]
    fn nists_profile_asks_for_length_alone() {
        let nist = || Settings::default().with("password.profile", "nist");
        let policy = |settings| PasswordPolicy::from_settings(&settings);
        check(&policy(nist()), "fourteen chars", &["length"]);
        check(&policy(nist()), "fifteen letters", &[]);
        check(&policy(nist().with("auth.password_min_length", "12")), "fourteen chars", &[]);
        check(
            &policy(nist().with("auth.password_require_number", "true")),
            "fifteen letters",
            &["characters"],
        );
        assert_eq!(max_age_days(&nist()), None);
        assert_eq!(max_age_days(&Settings::default()), Some(90));
        assert_eq!(max_age_days(&nist().with("auth.password_max_age_days", "30")), Some(30));
    }

    #[test]
    fn gotrues_sets_are_sets() {
        let policy = policy(Settings::default().with("auth.password_required_characters", "abc:123:\\:;"));
        assert_eq!(policy.sets, ["abc", "123", ":;"]);
        check(&policy, "zzzzzzzzzza1:", &[]);
        check(&policy, "zzzzzzzzzza1z", &["characters"]);
    }

    #[test]
    fn each_switch_of_the_guide_has_its_effect() {
        for (name, password) in [
            ("auth.password_require_uppercase", "correct*horse1"),
            ("auth.password_require_lowercase", "CORRECT*HORSE1"),
            ("auth.password_require_number", "Correct*horsee"),
            ("auth.password_require_special", "Correct-horse1"),
        ] {
            check(&policy(Settings::default()), password, &["characters"]);
            check(&policy(Settings::default().with(name, "false")), password, &[]);
        }
    }
}
