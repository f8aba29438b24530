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
            let entries = entries.iter().map(|(name, value)| format!("{name}: {}", text(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
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
    for NotEffective { variable, nearest } in idle {
        let meant = nearest.map(|name| format!("  (did you mean {name}?)")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(list, "NOT EFFECTIVE  {variable}  changes nothing here{meant}");
    }
    list
}

/// One setting at length.
pub fn one(definition: &Definition, settings: &Settings) -> String {
    let mut lines = vec![
        format!("{} = {}", definition.name, shown(definition, settings)),
        format!("  from      {}", settings.origin(definition.name)),
        format!("  changes   {}", definition.changes),
        format!("  default   {}", definition.default.unwrap_or("unset")),
        format!("  variable  {}", definition.variable()),
    ];
    if let Some((low, high)) = definition.range {
        lines.push(format!("  range     {low} to {high}"));
    }
    if !definition.choices.is_empty() {
        lines.push(format!("  choices   {}", definition.choices.join(", ")));
    }
    if !definition.also.is_empty() {
        let names: Vec<_> = definition.also.iter().map(|alias| alias.name).collect();
        lines.push(format!("  also      {}", names.join(", ")));
    }
    if !definition.proven_by.is_empty() {
        let controls: Vec<_> =
            definition.proven_by.iter().map(|number| format!("palisade check {number}")).collect();
        lines.push(format!("  proven by {}", controls.join(", ")));
    }
    if let State::NotYet { issue } = definition.state {
        lines.push(format!("  NOT YET EFFECTIVE: built by the issue \"{issue}\"; setting it is refused"));
    }
    lines.join("\n") + "\n"
}

/// Whether a value differs from its default, for the start-up print.
pub fn loosened<'a>(
    definitions: &'a [&'static Definition],
    settings: &'a Settings,
) -> impl Iterator<Item = &'static Definition> + 'a {
    definitions.iter().copied().filter(|definition| settings.origin(definition.name) != Origin::Default)
}
