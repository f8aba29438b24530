//! The reference pages that the registry generates. `cargo xtask docs` writes them; a test keeps them current.

use std::fmt::Write as _;

use base::setting::{Definition, Form, Guide, Reload, Shape, State};
use serde_json::{Map, Value, json};

use super::exit::Exit;
use super::registry;

/// Every generated page of this module: path below `docs/`, and text.
pub fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("reference/settings.md", settings_page()),
        ("reference/settings.schema.json", json_schema()),
        ("reference/not-yet-effective.md", not_yet_page()),
        ("reference/exit-codes.md", exit_codes_page()),
    ]
}

const GENERATED: &str =
    "<!-- Generated from the settings registry: change the definition, then run cargo xtask docs. -->\n\n";

/// `docs/reference/settings.md`.
pub fn settings_page() -> String {
    let mut page = format!(
        "# Settings\n\n{GENERATED}\
         Written in `palisade.yaml` (sections as indented below), as an environment variable, or as a flag (`--section.key value`).\n\
         Flags win over the environment, the environment over the file, the file over the default. In the file `${{NAME}}` is replaced\n\
         by that variable, or by the content of the file that `NAME_FILE` names; an undefined name stops the start. A secret is also\n\
         read from the file that its name with `_FILE` (`_file` in the settings file) points to. A secret is no flag: everybody on\n\
         the machine sees the command line of every process. Unknown names, and secrets as flags, stop the start (exit 78).\n\n\
         Only the owner of the file may write to it (`chmod go-w`): whoever writes it decides which keys are believed. Found in the current\n\
         folder, or read by root, it also belongs to root or to the user that Palisade runs as. Another one stops the start. In a container\n\
         that is not root's a file that is mounted from a host keeps its owner there: name it with `--config` or `PALISADE_CONFIG`. A\n\
         reload with such a file leaves all settings as they were. A file with a secret (`_FILE`) is held to the same; one that every user\n\
         of the machine may read is read and told (`READ BY ALL`), unless it is root's and nobody can write it, as what a container is\n\
         given as a secret.\n\n\
         `palisade config explain` shows each value with its origin, `palisade config check` tries a file without starting.\n"
    );
    let mut section = "";
    for definition in registry::all() {
        let Definition { name, .. } = definition;
        let this = name.split_once('.').map_or("", |(section, _)| section);
        if this != section {
            // Writing to a String cannot fail, here and below.
            let _ = write!(page, "\n## {this}\n");
            section = this;
        }
        page.push_str(&entry(definition));
    }
    page
}

fn entry(definition: &Definition) -> String {
    let mut entry = format!("\n### `{}`\n\nSets {}.", definition.name, definition.changes);
    if let State::NotYet { issue } = definition.state {
        let _ = write!(entry, " **Not yet effective** (issue \"{issue}\"): setting it is refused.");
    }
    let default = definition
        .default
        .filter(|text| !text.is_empty())
        .map_or("unset".to_owned(), |text| format!("`{text}`"));
    let _ = write!(entry, "\n\n- {}; default {default}", shape(definition.shape));
    if let Some((low, high)) = definition.range {
        let _ = write!(entry, "; from `{low}` to `{high}`");
    }
    if !definition.choices.is_empty() {
        let _ = write!(entry, "; one of {}", code_list(definition.choices.iter().copied()));
    }
    let takes = match definition.reload {
        Reload::Restart => "at the next start",
        Reload::Live => "at once after a reload",
    };
    let _ = write!(entry, "; takes effect {takes}\n- `{}`", definition.variable());
    for alias in definition.also {
        let guide = match alias.guide {
            Guide::AppFlowy => "AppFlowy guide",
            Guide::Fluxbase => "Fluxbase guide",
            Guide::Other => "other products",
        };
        let form = if matches!(alias.form, Form::Seconds) { ", in seconds" } else { "" };
        let _ = write!(entry, ", `{}` ({guide}{form})", alias.name);
    }
    for refused in definition.refused {
        let _ = write!(
            entry,
            "\n- `{}` is refused: {} (control {})",
            refused.value, refused.why, refused.control
        );
    }
    if !definition.proven_by.is_empty() {
        let controls: Vec<_> = definition.proven_by.iter().map(u16::to_string).collect();
        let _ = write!(entry, "\n- proven by control {}", controls.join(", "));
    }
    entry.push('\n');
    entry
}

fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Bool => "true or false",
        Shape::Integer => "a whole number",
        Shape::Duration => "a duration (`15m`, `1h30m`, `7d`)",
        Shape::Text => "text",
        Shape::Secret => "a secret",
        Shape::Path => "a path",
        Shape::List => "a list (with commas in a variable)",
        Shape::Object => "a list of objects (JSON in a variable)",
    }
}

fn code_list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
}

/// `docs/reference/not-yet-effective.md`.
pub fn not_yet_page() -> String {
    let mut page = format!(
        "# Not yet effective\n\n{GENERATED}\
         The guides name these settings; what they set belongs to an issue that is not built yet. Setting one stops the start\n\
         (exit 78) and names it. This list only shrinks.\n\n\
         | Setting | Other names | Control | Issue |\n|---|---|---|---|\n"
    );
    for definition in registry::all() {
        let State::NotYet { issue } = definition.state else { continue };
        let also = code_list(definition.also.iter().map(|alias| alias.name));
        let controls: Vec<_> = definition.proven_by.iter().map(u16::to_string).collect();
        let _ = writeln!(page, "| `{}` | {also} | {} | {issue} |", definition.name, controls.join(", "));
    }
    page
}

/// `docs/reference/exit-codes.md`.
pub fn exit_codes_page() -> String {
    let mut page = "# Exit codes\n\n<!-- Generated from crates/app/src/config/exit.rs: run cargo xtask docs. -->\n\n\
                    Scripts may rely on these. A number never changes its meaning.\n\n| Code | Means |\n|---|---|\n"
        .to_owned();
    for exit in Exit::ALL {
        let _ = writeln!(page, "| {} | {} |", exit.code(), exit.meaning());
    }
    page
}

/// The JSON schema of `palisade.yaml`, for editors.
pub fn json_schema() -> String {
    let mut root = object();
    for definition in registry::all() {
        place(&mut root, definition.name, definition);
        if definition.shape == Shape::Secret {
            place(&mut root, &format!("{}_file", definition.name), definition);
        }
    }
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("palisade.yaml"));
    schema.extend(root);
    // A map of strings, numbers and booleans always has a JSON text.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

fn object() -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("type".to_owned(), json!("object"));
    object.insert("additionalProperties".to_owned(), json!(false));
    object.insert("properties".to_owned(), Value::Object(Map::new()));
    object
}

/// Puts a definition where its dotted name says.
fn place(object_schema: &mut Map<String, Value>, name: &str, definition: &Definition) {
    let Some(Value::Object(properties)) = object_schema.get_mut("properties") else { return };
    match name.split_once('.') {
        None => {
            properties.insert(name.to_owned(), property(definition));
        }
        Some((section, rest)) => {
            let entry = properties.entry(section.to_owned()).or_insert_with(|| Value::Object(object()));
            if let Value::Object(below) = entry {
                place(below, rest, definition);
            }
        }
    }
}

fn property(definition: &Definition) -> Value {
    let mut property = Map::new();
    let kinds = match definition.shape {
        Shape::Bool => json!("boolean"),
        Shape::Integer => json!("integer"),
        Shape::Duration | Shape::Text | Shape::Secret | Shape::Path => json!("string"),
        Shape::List => json!(["array", "string"]),
        Shape::Object => json!(["array", "object"]),
    };
    property.insert("type".to_owned(), kinds);
    property.insert("description".to_owned(), json!(format!("Sets {}.", definition.changes)));
    if let Some(default) = definition.default.filter(|text| !text.is_empty()) {
        property.insert("default".to_owned(), default_value(definition.shape, default));
    }
    if let (Shape::Integer, Some((low, high))) = (definition.shape, definition.range) {
        property.insert("minimum".to_owned(), default_value(Shape::Integer, low));
        property.insert("maximum".to_owned(), default_value(Shape::Integer, high));
    }
    if definition.shape == Shape::Text && !definition.choices.is_empty() {
        property.insert("enum".to_owned(), json!(definition.choices));
    }
    if definition.state != State::Effective {
        property.insert("deprecated".to_owned(), json!(true));
        property.insert("$comment".to_owned(), json!("not yet effective: setting it is refused"));
    }
    Value::Object(property)
}

fn default_value(shape: Shape, text: &str) -> Value {
    match shape {
        Shape::Bool => json!(text == "true"),
        Shape::Integer => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
        Shape::Duration | Shape::Text | Shape::Secret | Shape::Path | Shape::List | Shape::Object => {
            json!(text)
        }
    }
}
