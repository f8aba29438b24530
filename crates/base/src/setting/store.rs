//! The merged values of one start, and where each came from.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Setting, SettingType, Value};

/// Where a value came from, in rising precedence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The definition.
    Default,
    /// A file, and the name used there.
    File {
        /// The file's path.
        path: String,
        /// The key as written.
        name: String,
        /// The line of its value, counted from 1.
        line: u64,
    },
    /// A variable.
    Environment {
        /// Its name.
        name: String,
    },
    /// A flag.
    Flag {
        /// Its name.
        name: String,
    },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, name, line } => write!(f, "{path}:{line} {name}"),
            Origin::Environment { name } => write!(f, "environment {name}"),
            Origin::Flag { name } => write!(f, "flag --{name}"),
        }
    }
}

/// Every value of one start. Cheap to clone; immutable, so that half a change is never seen.
#[derive(Clone, Default)]
pub struct Settings(Arc<HashMap<&'static str, (Value, Origin)>>);

impl Settings {
    /// From merged and checked values.
    pub fn from_checked(values: HashMap<&'static str, (Value, Origin)>) -> Self {
        Settings(Arc::new(values))
    }

    /// The value of `setting`: as merged, else its default, else its type's "unset".
    #[expect(
        clippy::panic,
        reason = "a default that does not parse is a bug that a test of every setting finds"
    )]
    pub fn get<T: SettingType>(&self, setting: &Setting<T>) -> T {
        let definition = &setting.definition;
        let given = self.0.get(definition.name).and_then(|(value, _)| T::read(value).ok());
        let default = || definition.default.and_then(|text| T::read(&Value::Scalar(text.to_owned())).ok());
        match given.or_else(default).or_else(T::unset) {
            Some(value) => value,
            None => panic!("setting {} has no value and no readable default", definition.name),
        }
    }

    /// Where a value came from.
    pub fn origin(&self, name: &str) -> Origin {
        self.0.get(name).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// The merged value as given, if it was.
    pub fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).map(|(value, _)| value)
    }

    /// Every value that was given, with its origin.
    pub fn all_given(&self) -> impl Iterator<Item = (&'static str, &Value, &Origin)> {
        self.0.iter().map(|(name, (value, origin))| (*name, value, origin))
    }

    /// The same with one value replaced: how tests set things.
    pub fn with(&self, name: &'static str, value: &str) -> Self {
        let mut values = (*self.0).clone();
        values.insert(name, (Value::Scalar(value.to_owned()), Origin::Flag { name: name.to_owned() }));
        Settings(Arc::new(values))
    }
}
