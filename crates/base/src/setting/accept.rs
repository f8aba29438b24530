//! Whether a value is one that a setting takes: its type, its range, its choices, and what is refused whatever it is.

use super::{Definition, Refused, Shape, Value, ValueError, parse_duration};

impl Definition {
    /// The name of its environment variable.
    pub fn variable(&self) -> String {
        format!("PALISADE_{}", self.name.to_ascii_uppercase().replace(['.', '-'], "_"))
    }

    /// Refuses a value of the wrong type, out of range or not among the choices.
    pub fn accept(&self, value: &Value) -> Result<(), ValueError> {
        (self.check)(value)?;
        self.in_range(value)?;
        self.among_choices(value)
    }

    /// The refusal that applies to `value`, if it would take away what is always there.
    pub fn refusal(&self, value: &Value) -> Option<&'static Refused> {
        self.refused.iter().find(|refused| self.same(&Value::Scalar(refused.value.to_owned()), value))
    }

    /// Whether two ways of writing a value mean the same, so that `15m` and `900s` do not contradict each other.
    pub fn same(&self, a: &Value, b: &Value) -> bool {
        let (Value::Scalar(left), Value::Scalar(right)) = (a, b) else {
            return texts(self.shape, a)
                .zip(texts(self.shape, b))
                .map_or(a == b, |(left, right)| left == right);
        };
        match self.shape {
            Shape::Bool => truth(left) == truth(right) && truth(left).is_some(),
            Shape::Duration => parse_duration(left) == parse_duration(right),
            Shape::Integer => left.parse::<i128>().ok() == right.parse::<i128>().ok(),
            Shape::List => texts(self.shape, a) == texts(self.shape, b),
            Shape::Text | Shape::Secret | Shape::Path | Shape::Object => left == right,
        }
    }

    fn in_range(&self, value: &Value) -> Result<(), ValueError> {
        let (Some((low, high)), Value::Scalar(text)) = (self.range, value) else { return Ok(()) };
        let inside = match self.shape {
            Shape::Duration => between(parse_duration(text), parse_duration(low), parse_duration(high)),
            Shape::Integer => between(text.parse::<i128>().ok(), low.parse().ok(), high.parse().ok()),
            Shape::Bool | Shape::Text | Shape::Secret | Shape::Path | Shape::List | Shape::Object => true,
        };
        if inside { Ok(()) } else { Err(ValueError::expected(format!("a value from {low} to {high}"))) }
    }

    fn among_choices(&self, value: &Value) -> Result<(), ValueError> {
        if self.choices.is_empty() {
            return Ok(());
        }
        let given = texts(self.shape, value).unwrap_or_default();
        match given.iter().find(|text| !self.choices.contains(&text.as_str())) {
            None => Ok(()),
            Some(_) => Err(ValueError::expected(format!("one of {}", self.choices.join(", ")))),
        }
    }
}

fn between<T: PartialOrd>(value: Option<T>, low: Option<T>, high: Option<T>) -> bool {
    value.zip(low).zip(high).is_some_and(|((value, low), high)| low <= value && value <= high)
}

fn truth(text: &str) -> Option<bool> {
    <bool as super::SettingType>::read(&Value::Scalar(text.to_owned())).ok()
}

/// The texts of a value: one, or for a list each of them, however the list was written.
fn texts(shape: Shape, value: &Value) -> Option<Vec<String>> {
    match (shape, value) {
        (Shape::List, value) => <Vec<String> as super::SettingType>::read(value).ok(),
        (_, Value::Scalar(text)) => Some(vec![text.clone()]),
        (_, Value::List(_) | Value::Map(_)) => None,
    }
}

/// The known name that was most likely meant, if any is near enough to say so.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Above this, suggestions on real misspellings of our names were right; below, they were noise.
    const LIKENESS_MIN: f64 = 0.8;
    known
        .into_iter()
        .map(|name| {
            (
                strsim::jaro_winkler(written, name)
                    .max(strsim::normalized_damerau_levenshtein(written, name)),
                name,
            )
        })
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Setting;

    static LIFE: Setting<Duration> = Setting::new("auth.life", "15m").range("1m", "24h");
    static KIND: Setting<Vec<String>> = Setting::new("auth.kinds", "totp").choices(&["totp", "sms"]);
    static AUDIT: Setting<bool> = Setting::new("logging.audit", "true").refuses(&[Refused {
        value: "false",
        control: 92,
        why: "always on",
    }]);

    fn text(value: &str) -> Value {
        Value::Scalar(value.to_owned())
    }

    #[test]
    fn a_value_out_of_range_says_the_range() {
        let refused = LIFE.definition.accept(&text("5s")).unwrap_err();
        assert_eq!(refused.to_string(), "expected a value from 1m to 24h");
        assert!(LIFE.definition.accept(&text("900s")).is_ok());
    }

    #[test]
    fn every_item_of_a_list_is_one_of_the_choices() {
        assert!(KIND.definition.accept(&text("totp,sms")).is_ok());
        let refused = KIND.definition.accept(&Value::List(vec![text("totp"), text("fax")])).unwrap_err();
        assert_eq!(refused.to_string(), "expected one of totp, sms");
    }

    #[test]
    fn two_spellings_of_one_value_are_the_same() {
        assert!(LIFE.definition.same(&text("15m"), &text("900s")));
        assert!(AUDIT.definition.same(&text("on"), &text("true")));
        assert!(KIND.definition.same(&text("totp, sms"), &Value::List(vec![text("totp"), text("sms")])));
        assert!(!LIFE.definition.same(&text("15m"), &text("16m")));
    }

    #[test]
    fn what_would_take_away_a_control_is_found_however_it_is_spelled() {
        assert_eq!(AUDIT.definition.refusal(&text("off")).map(|refused| refused.control), Some(92));
        assert!(AUDIT.definition.refusal(&text("true")).is_none());
    }

    #[test]
    fn a_misspelt_name_finds_the_one_that_was_meant() {
        let known = ["auth.password_min_length", "auth.max_login_attempts", "server.port"];
        assert_eq!(nearest("auth.pasword_min_lenght", known), Some("auth.password_min_length"));
        assert_eq!(nearest("colour", known), None);
    }
}
