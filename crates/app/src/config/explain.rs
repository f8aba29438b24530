//! `palisade config explain`: every setting, its value and where that value comes from. Secrets show only whether they are set.

use std::fmt::Write as _;

use base::Settings;
use base::setting::{Definition, Origin, Shape, State, Value};

use super::{Loaded, NotEffective};

/// The value as an operator may see it.
pub fn shown(definition: &Definition, settings: &Settings) -> String {
    match (definition.shape, settings.given(definition.name), definition.default) {
        (Shape::Secret, Some(_), _) => "set".to_owned(),
        (Shape::Secret, None, _) => "unset".to_owned(),
        (_, Some(value), _) => text(value),
        (_, None, Some(default)) => default.to_owned(),
        (_, None, None) => "unset".to_owned(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Scalar(text) => text.clone(),
        Value::List(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Map(entries) => {
            let shown =
                |name: &str, value| if is_secret_field(name) { "set".to_owned() } else { text(value) };
            let entries = entries.iter().map(|(name, value)| format!("{name}: {}", shown(name, value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// An object may have a secret among its fields: its name says so.
pub(super) fn is_secret_field(name: &str) -> bool {
    name.contains("secret")
}

/// Every setting that does something, one a line, then what is not effective.
pub fn table(definitions: &[&'static Definition], loaded: &Loaded) -> String {
    let effective = definitions.iter().filter(|definition| definition.state == State::Effective);
    let rows: Vec<[String; 3]> = effective
        .map(|definition| {
            let origin = loaded.settings.origin(definition.name);
            [definition.name.to_owned(), shown(definition, &loaded.settings), origin.to_string()]
        })
        .collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    // A long value would push every origin off the screen.
    const VALUE_WIDTH_MAX: usize = 48;
    let (names, values) = (width(0), width(1).min(VALUE_WIDTH_MAX));
    let mut table = String::new();
    for [name, value, origin] in &rows {
        // Writing to a String cannot fail.
        let _ = writeln!(table, "{name:names$}  {value:values$}  {origin}");
    }
    table.push_str(&not_effective(&loaded.not_effective));
    table
}

/// What is loudly listed at start, in the posture report, and here.
pub fn not_effective(idle: &[NotEffective]) -> String {
    let mut list = String::new();
    for NotEffective { variable, nearest, instead } in idle {
        let meant = match (instead, nearest) {
            (Some(instead), _) => format!(": {instead}"),
            (None, Some(name)) => format!("  (did you mean {name}?)"),
            (None, None) => String::new(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(list, "NOT EFFECTIVE  {variable}  changes nothing here{meant}");
    }
    list
}

/// Files with secrets that everybody on this machine may read.
pub fn read_by_all(files: &[String]) -> String {
    let mut list = String::new();
    for file in files {
        let _ = writeln!(
            list,
            "READ BY ALL    {file}  holds a secret that every user of this machine may read: chmod o-r"
        );
    }
    list
}

/// The settings whose value is not their default, for the start-up print and the audit log.
pub fn loosened<'a>(
    definitions: &'a [&'static Definition],
    settings: &'a Settings,
) -> impl Iterator<Item = &'static Definition> + 'a {
    definitions.iter().copied().filter(|definition| settings.origin(definition.name) != Origin::Default)
}
