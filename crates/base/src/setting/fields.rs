//! Objects in a list (`rate_limiting.endpoints`): each says its fields once, and a field nobody reads is refused.

use super::{SettingType, Shape, Value, ValueError, nearest};

/// An object that a setting holds a list of.
pub trait Record: Sized {
    /// Takes the fields it knows; what is left over is refused by the caller.
    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ValueError>;
}

/// The fields of one object, and which of them were asked for.
pub struct Fields<'a> {
    given: &'a [(String, Value)],
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Reads one object, refusing what is not one and what has a field `T` does not ask for.
    pub fn read<T: Record>(value: &'a Value) -> Result<T, ValueError> {
        let Value::Map(given) = value else {
            return Err(ValueError::expected("an object with named fields"));
        };
        let mut fields = Fields { given, known: Vec::new() };
        let record = T::from_fields(&mut fields)?;
        match given.iter().find(|(name, _)| !fields.known.contains(&name.as_str())) {
            None => Ok(record),
            Some((unknown, _)) => {
                let meant = nearest(unknown, fields.known.iter().copied());
                let meant = meant.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
                let known = fields.known.join(", ");
                Err(ValueError::expected(format!("the fields {known} and no field {unknown}{meant}")))
            }
        }
    }

    /// A field that must be there.
    pub fn required<T: SettingType>(&mut self, name: &'static str) -> Result<T, ValueError> {
        self.optional(name)?.ok_or_else(|| ValueError::expected(format!("a field {name}")))
    }

    /// A field that may be there.
    pub fn optional<T: SettingType>(&mut self, name: &'static str) -> Result<Option<T>, ValueError> {
        self.known.push(name);
        let found = self.given.iter().find(|(given, _)| given == name);
        let read = |value| {
            T::read(value).map_err(|error| ValueError::expected(format!("{} in {name}", error.expected)))
        };
        found.map(|(_, value)| read(value)).transpose()
    }
}

impl<T: Record> SettingType for Vec<T> {
    const SHAPE: Shape = Shape::Object;
    fn read(value: &Value) -> Result<Self, ValueError> {
        match value {
            Value::List(items) => items.iter().map(Fields::read).collect(),
            // What an empty default is written as.
            Value::Scalar(text) if text.is_empty() => Ok(Vec::new()),
            Value::Scalar(_) | Value::Map(_) => Err(ValueError::expected("a list of objects")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Endpoint {
        path: String,
        per_minute: Option<u32>,
    }

    impl Record for Endpoint {
        fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
            Ok(Endpoint { path: fields.required("path")?, per_minute: fields.optional("per_minute")? })
        }
    }

    fn object(fields: &[(&str, &str)]) -> Value {
        Value::Map(
            fields
                .iter()
                .map(|(name, text)| ((*name).to_owned(), Value::Scalar((*text).to_owned())))
                .collect(),
        )
    }

    #[test]
    fn a_list_of_objects_is_read_field_by_field() {
        let value =
            Value::List(vec![object(&[("path", "/a"), ("per_minute", "5")]), object(&[("path", "/b")])]);
        let read = Vec::<Endpoint>::read(&value).unwrap();
        assert_eq!(read[0], Endpoint { path: "/a".to_owned(), per_minute: Some(5) });
        assert_eq!(read[1].per_minute, None);
    }

    #[track_caller]
    fn refused(value: Value, why: &str) {
        assert_eq!(Vec::<Endpoint>::read(&Value::List(vec![value])).unwrap_err().to_string(), why);
    }

    #[test]
    fn a_field_nobody_reads_is_refused_with_the_one_that_was_meant() {
        refused(
            object(&[("path", "/a"), ("per_minut", "5")]),
            "expected the fields path, per_minute and no field per_minut (did you mean per_minute?)",
        );
        refused(object(&[("per_minute", "5")]), "expected a field path");
        refused(
            object(&[("path", "/a"), ("per_minute", "x")]),
            "expected a whole number (u32) in per_minute",
        );
    }
}
