//! What a setting's value is before it has a type, and how each type reads it.

use std::path::PathBuf;
use std::time::Duration;

use crate::Secret;

/// A value as a file, a variable or a flag gave it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, number or boolean, as written.
    Scalar(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping, in the order written.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The text of a scalar.
    pub fn scalar(&self) -> Result<&str, ValueError> {
        match self {
            Value::Scalar(text) => Ok(text),
            Value::List(_) => Err(ValueError::expected("one value, not a list")),
            Value::Map(_) => Err(ValueError::expected("one value, not a mapping")),
        }
    }
}

/// What was expected instead. The setting's name and origin are added by whoever knows them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct ValueError {
    /// Completes the sentence "expected …".
    pub expected: String,
}

impl ValueError {
    /// `expected …`
    pub fn expected(what: impl Into<String>) -> Self {
        ValueError { expected: what.into() }
    }
}

/// A type a setting can have.
pub trait SettingType: Sized {
    /// What its values look like.
    const SHAPE: super::Shape;
    /// Reads a value.
    fn read(value: &Value) -> Result<Self, ValueError>;
    /// The type's reading of "unset"; only optional types have one.
    fn unset() -> Option<Self> {
        None
    }
}

pub(super) fn check<T: SettingType>(value: &Value) -> Result<(), ValueError> {
    T::read(value).map(|_| ())
}

impl SettingType for bool {
    const SHAPE: super::Shape = super::Shape::Bool;
    fn read(value: &Value) -> Result<Self, ValueError> {
        match value.scalar()? {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err(ValueError::expected("true or false")),
        }
    }
}

macro_rules! whole_number {
    ($($kind:ty),+) => {$(
        impl SettingType for $kind {
            const SHAPE: super::Shape = super::Shape::Integer;
            fn read(value: &Value) -> Result<Self, ValueError> {
                value.scalar()?.parse().map_err(|_| ValueError::expected(concat!("a whole number (", stringify!($kind), ")")))
            }
        }
    )+};
}
whole_number!(u8, u16, u32, u64);

impl SettingType for String {
    const SHAPE: super::Shape = super::Shape::Text;
    fn read(value: &Value) -> Result<Self, ValueError> {
        Ok(value.scalar()?.to_owned())
    }
}

impl SettingType for Secret<String> {
    const SHAPE: super::Shape = super::Shape::Secret;
    fn read(value: &Value) -> Result<Self, ValueError> {
        Ok(Secret::new(value.scalar()?.to_owned()))
    }
}

impl SettingType for PathBuf {
    const SHAPE: super::Shape = super::Shape::Path;
    fn read(value: &Value) -> Result<Self, ValueError> {
        Ok(PathBuf::from(value.scalar()?))
    }
}

impl SettingType for std::net::SocketAddr {
    const SHAPE: super::Shape = super::Shape::Text;
    fn read(value: &Value) -> Result<Self, ValueError> {
        let text = value.scalar()?;
        text.parse()
            .map_err(|_| ValueError::expected("an address and a port such as 10.0.0.5:5432 or [::1]:5432"))
    }
}

impl SettingType for Vec<String> {
    const SHAPE: super::Shape = super::Shape::List;
    /// A list, or one text with commas (environment variables have no lists).
    fn read(value: &Value) -> Result<Self, ValueError> {
        match value {
            Value::Scalar(text) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect()),
            Value::List(items) => items.iter().map(|item| item.scalar().map(str::to_owned)).collect(),
            Value::Map(_) => Err(ValueError::expected("a list of texts")),
        }
    }
}

impl SettingType for Value {
    const SHAPE: super::Shape = super::Shape::Object;
    fn read(value: &Value) -> Result<Self, ValueError> {
        Ok(value.clone())
    }
}

impl<T: SettingType> SettingType for Option<T> {
    const SHAPE: super::Shape = T::SHAPE;
    fn read(value: &Value) -> Result<Self, ValueError> {
        T::read(value).map(Some)
    }
    fn unset() -> Option<Self> {
        Some(None)
    }
}

impl SettingType for Duration {
    const SHAPE: super::Shape = super::Shape::Duration;
    fn read(value: &Value) -> Result<Self, ValueError> {
        parse_duration(value.scalar()?)
            .ok_or_else(|| ValueError::expected("a duration such as 15m, 1h30m or 7d"))
    }
}

/// Go's durations (`1h30m`, `1ns`, `1.5s`) and days (`7d`). A bare `0` is zero; any other bare number is refused, since
/// nobody can know its unit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|at| *at > 0)?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * seconds;
        rest = next;
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(total).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, seconds: Option<f64>) {
        assert_eq!(parse_duration(text), seconds.map(Duration::from_secs_f64), "{text}");
    }

    #[test]
    fn durations_read_as_both_guides_write_them() {
        check("15m", Some(900.0));
        check("7d", Some(604_800.0));
        check("1h30m", Some(5_400.0));
        check("0s", Some(0.0));
        check("1.5s", Some(1.5));
        check("15", None);
        check("m", None);
        check("", None);
        check("1x", None);
    }
}
