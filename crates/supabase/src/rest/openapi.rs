//! The description of the API as Swagger 2.0, which clients and generators of types read.
//!
//! Invariant: pure. What may be named was decided before ([`Scope::permitted`]).

mod expects;

use data::catalog::{Catalog, Column, Function, LinkKind, Parameter, Relation, Returns, Volatility};
use data::permitted::Permitted;
use serde_json::{Map, Value, json};
use web::Ask;

/// What is described, and to whom.
pub(super) struct Scope<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) schema: String,
    /// What may be named; `None` is everything exposed.
    pub(super) permitted: Option<Permitted>,
    pub(super) search_path: Vec<String>,
    pub(super) at: Place,
    pub(super) security: bool,
    /// With what PostgREST's own description does not say: bounds, what may be null, what refusals look like.
    pub(super) fully: bool,
    /// Whether the caller may ask for plans.
    pub(super) plans: bool,
}

impl Scope<'_> {
    /// The columns of a relation that may be named. PostgREST's own description names them all.
    fn columns<'r>(&'r self, relation: &'r Relation) -> impl Iterator<Item = &'r Column> {
        let permitted = self.permitted.as_ref().filter(|_| self.fully);
        relation.columns.iter().filter(move |column| {
            permitted.is_none_or(|may| may.columns.contains(&(relation.oid, column.number)))
        })
    }
}

/// Where the API is reached.
pub(super) struct Place {
    scheme: String,
    host: String,
    path: String,
}

/// The address given by the operator, else the one the request came to.
pub(super) fn at(given: Option<&str>, ask: &Ask) -> Place {
    if let Some((scheme, rest)) = given.and_then(|given| given.split_once("://")) {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = if scheme == "https" { "443" } else { "80" };
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:{port}") };
        return Place { scheme: scheme.to_owned(), host, path: format!("/{path}") };
    }
    let whole = ask.parts.uri.path();
    let path = whole.strip_suffix(ask.path.as_str()).unwrap_or(whole);
    let path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
    Place { scheme: "http".to_owned(), host: ask.header("host").unwrap_or("localhost").to_owned(), path }
}

const TYPES: [&str; 4] = [
    "application/json",
    "application/vnd.pgrst.object+json;nulls=stripped",
    "application/vnd.pgrst.object+json",
    "text/csv",
];

/// The document.
pub(super) fn document(scope: &Scope<'_>) -> Value {
    let mut relations: Vec<&Relation> = scope
        .catalog
        .served(&scope.schema)
        .filter(|relation| scope.permitted.as_ref().is_none_or(|may| may.relations.contains(&relation.oid)))
        .collect();
    relations.sort_by(|a, b| a.name.cmp(&b.name));
    let functions: Vec<&Function> = scope
        .catalog
        .functions
        .iter()
        .filter(|((schema, _), _)| **schema == *scope.schema)
        .flat_map(|(_, all)| all)
        .filter(|function| function.callable)
        .filter(|function| scope.permitted.as_ref().is_none_or(|may| may.functions.contains(&function.oid)))
        .collect();
    let comment = scope.catalog.comments.get(scope.schema.as_str()).map(|comment| summary(comment));
    let (title, description) = match comment {
        Some((title, description)) => (title, description),
        None => ("Palisade API".to_owned(), None),
    };
    let mut document = json!({
        "swagger": "2.0",
        "info": {
            "title": title,
            "description": description.unwrap_or_else(|| "This API follows the schema of its database".to_owned()),
            "version": env!("CARGO_PKG_VERSION"),
        },
        "host": scope.at.host,
        "basePath": scope.at.path,
        "schemes": [scope.at.scheme],
        "consumes": TYPES,
        "produces": TYPES,
        "paths": paths(scope, &relations, &functions),
        "definitions": definitions(scope, &relations),
        "parameters": parameters(scope, &relations),
    });
    if scope.fully {
        expects::describe_answers(&mut document, scope.plans);
    }
    if scope.security {
        let scheme = json!({
            "type": "apiKey", "name": "Authorization", "in": "header",
            "description": "Add the token prepending \"Bearer \" (without quotes) to it",
        });
        document["securityDefinitions"] = json!({ "JWT": scheme });
        document["security"] = json!([{ "JWT": [] }]);
    }
    document
}

/// The first line, and the rest if there is any.
fn summary(comment: &str) -> (String, Option<String>) {
    match comment.split_once('\n') {
        None => (comment.to_owned(), None),
        Some((first, rest)) => {
            let rest = rest.trim_start_matches('\n');
            (first.to_owned(), (!rest.is_empty()).then(|| rest.to_owned()))
        }
    }
}

fn paths(scope: &Scope<'_>, relations: &[&Relation], functions: &[&Function]) -> Value {
    let mut paths = Map::new();
    paths.insert(
        "/".to_owned(),
        json!({ "get": {
            "tags": ["Introspection"],
            "summary": "OpenAPI description (this document)",
            "produces": ["application/openapi+json", "application/json"],
            "responses": { "200": { "description": "OK" } },
        }}),
    );
    for relation in relations {
        paths.insert(format!("/{}", relation.name), relation_path(scope, relation));
    }
    for function in functions {
        paths.insert(format!("/rpc/{}", function.name), function_path(scope, function));
    }
    Value::Object(paths)
}

/// Where something stands in this document. A name may hold what parts places there; PostgREST's own description has it as it is.
fn place(scope: &Scope<'_>, part: &str, name: &str) -> String {
    match scope.fully {
        true => format!("#/{part}/{}", pointed(name)),
        false => format!("#/{part}/{name}"),
    }
}

/// As a part of a JSON pointer (RFC 6901) in an address.
fn pointed(name: &str) -> String {
    const PLAIN: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    let name = name.replace('~', "~0").replace('/', "~1");
    percent_encoding::utf8_percent_encode(&name, PLAIN).to_string()
}

fn reference(scope: &Scope<'_>, to: &str) -> Value {
    json!({ "$ref": place(scope, "parameters", to) })
}

fn operation(tag: &str, comment: Option<&str>) -> Value {
    let mut operation = json!({ "tags": [tag] });
    if let Some((first, rest)) = comment.map(summary) {
        operation["summary"] = first.into();
        if let Some(rest) = rest {
            operation["description"] = rest.into();
        }
    }
    operation
}

fn relation_path(scope: &Scope<'_>, relation: &Relation) -> Value {
    let name = &*relation.name;
    let filters = || scope.columns(relation).map(|column| format!("rowFilter.{name}.{}", column.name));
    let with = |parameters: Vec<String>, status: &str, text: &str| {
        let mut operation = operation(name, relation.comment.as_deref());
        operation["parameters"] = parameters.iter().map(|to| reference(scope, to)).collect();
        operation["responses"] = json!({ status: { "description": text } });
        operation
    };
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let reading = named(&["select", "order", "range", "rangeUnit", "offset", "limit", "preferCount"]);
    let mut get = with(filters().chain(reading).collect(), "206", "Partial Content");
    get["responses"]["200"] = json!({
        "description": "OK",
        "schema": { "type": "array", "items": { "$ref": place(scope, "definitions", name) } },
    });
    let mut path = json!({ "get": get });
    if relation.insertable || relation.updatable || relation.deletable {
        let body = format!("body.{name}");
        path["post"] = with(vec![body.clone(), "select".into(), "preferPost".into()], "201", "Created");
        path["patch"] = with(filters().chain([body, "preferReturn".into()]).collect(), "204", "No Content");
        path["delete"] = with(filters().chain(["preferReturn".into()]).collect(), "204", "No Content");
    }
    path
}

fn function_path(scope: &Scope<'_>, function: &Function) -> Value {
    let base = || {
        let mut operation = operation(&format!("(rpc) {}", function.name), function.comment.as_deref());
        operation["produces"] = json!(TYPES.get(..3).unwrap_or_default());
        operation["responses"] = json!({ "200": { "description": "OK" } });
        if scope.fully && function.set {
            operation["responses"]["206"] = json!({ "description": "Partial Content" });
        }
        if scope.fully && matches!(function.returns, Returns::Void) {
            operation["responses"] = json!({ "204": { "description": "No Content" } });
        }
        operation
    };
    let mut post = base();
    post["parameters"] = json!([
        { "name": "args", "in": "body", "required": true, "schema": arguments(scope, function) },
        reference(scope, "preferParams"),
    ]);
    if function.volatility == Volatility::Volatile {
        return json!({ "post": post });
    }
    let mut get = base();
    get["parameters"] =
        function.parameters.iter().map(|parameter| query_parameter(scope, parameter)).collect();
    json!({ "get": get, "post": post })
}

fn arguments(scope: &Scope<'_>, function: &Function) -> Value {
    let property = |parameter: &Parameter| {
        (parameter.name.to_string(), Value::Object(property(&type_of_parameter(scope, parameter))))
    };
    let properties: Map<String, Value> = function.parameters.iter().map(property).collect();
    let required: Vec<&str> = function
        .parameters
        .iter()
        .filter(|parameter| parameter.required)
        .map(|parameter| &*parameter.name)
        .collect();
    let mut schema = json!({ "type": "object" });
    if !properties.is_empty() {
        schema["properties"] = Value::Object(properties);
    }
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if let Some(comment) = &function.comment {
        schema["description"] = (&**comment).into();
    }
    schema
}

fn query_parameter(scope: &Scope<'_>, parameter: &Parameter) -> Value {
    let text = type_of_parameter(scope, parameter);
    let mut out = json!({ "name": &*parameter.name, "in": "query", "required": parameter.required });
    if parameter.variadic {
        let element = text.strip_suffix("[]").unwrap_or(&text);
        out["type"] = "array".into();
        out["collectionFormat"] = "multi".into();
        out["items"] = json!({ "type": kind(element).unwrap_or("string"), "format": format_of(element) });
    } else {
        // An array is written as one literal in a query.
        out["type"] = kind(&text).filter(|kind| *kind != "array").unwrap_or("string").into();
        out["format"] = format_of(&text).into();
    }
    out
}

fn definitions(scope: &Scope<'_>, relations: &[&Relation]) -> Value {
    let definition = |relation: &&Relation| {
        let properties: Map<String, Value> = scope
            .columns(relation)
            .map(|column| (column.name.to_string(), column_schema(scope, relation, column)))
            .collect();
        let required: Vec<&str> =
            scope.columns(relation).filter(|column| column.required).map(|column| &*column.name).collect();
        let mut schema = json!({ "type": "object" });
        if let Some(comment) = &relation.comment {
            schema["description"] = (&**comment).into();
        }
        if !properties.is_empty() {
            schema["properties"] = Value::Object(properties);
        }
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        (relation.name.to_string(), schema)
    };
    Value::Object(relations.iter().map(definition).collect())
}

fn column_schema(scope: &Scope<'_>, relation: &Relation, column: &Column) -> Value {
    let text = type_of_column(scope, column);
    let mut schema = property(&text);
    let mut notes = Vec::new();
    if relation.primary_key.contains(&column.name) {
        notes.push("This is a Primary Key.<pk/>".to_owned());
    }
    if let Some((table, target)) = foreign_key(scope, relation, column) {
        notes.push(format!(
            "This is a Foreign Key to `{table}.{target}`.<fk table='{table}' column='{target}'/>"
        ));
    }
    let comment = column.comment.as_deref();
    let description = match (comment, notes.is_empty()) {
        (comment, true) => comment.map(str::to_owned),
        (comment, false) => {
            let before = comment.map(|comment| format!("{comment}\n\n")).unwrap_or_default();
            Some(format!("{before}Note:\n{}", notes.join("\n")))
        }
    };
    if let Some(description) = description {
        schema.insert("description".to_owned(), description.into());
    }
    if let Some(default) =
        column.default.as_deref().and_then(|default| default_value(default, &text, scope.fully))
    {
        schema.insert("default".to_owned(), default);
    }
    if let Some(length) = column.max_length {
        schema.insert("maxLength".to_owned(), length.into());
    }
    let labels =
        scope.catalog.types.get(scope.catalog.types.base(column.type_oid)).map(|found| &found.labels);
    if let Some(labels) = labels.filter(|labels| !labels.is_empty()) {
        schema.insert("enum".to_owned(), labels.iter().map(|label| Value::from(&**label)).collect());
    }
    if scope.fully {
        expects::add(&mut schema, column);
    }
    Value::Object(schema)
}

/// The one table column that a key of this column alone points at; tables before views.
fn foreign_key<'a>(scope: &'a Scope<'_>, relation: &Relation, column: &Column) -> Option<(&'a str, &'a str)> {
    let links = scope.catalog.links_of(relation.id).iter();
    let single = links.filter_map(|link| {
        let columns = match &link.kind {
            LinkKind::ManyToOne { columns, .. } | LinkKind::OneToOne { columns, parent: false, .. } => {
                columns
            }
            _ => return None,
        };
        let target = scope.catalog.relation(link.target)?;
        match columns.as_slice() {
            [(here, there)] if *here == column.name => Some((target, &**there)),
            _ => None,
        }
    });
    let may = |oid: u32| scope.permitted.as_ref().is_none_or(|permitted| permitted.relations.contains(&oid));
    let first = single
        .filter(|(target, _)| may(target.oid))
        .filter(|(target, there)| scope.columns(target).any(|column| *column.name == **there))
        .min_by_key(|(target, _)| (target.kind.is_view(), target.name.clone()));
    first.map(|(target, there)| (&*target.name, there))
}

/// Type, format and items of a type, as PostgreSQL prints it.
fn property(text: &str) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("format".to_owned(), format_of(text).into());
    if let Some(kind) = kind(text) {
        schema.insert("type".to_owned(), kind.into());
    }
    if let Some(element) = text.strip_suffix("[]") {
        schema.insert("items".to_owned(), kind(element).map_or(json!({}), |kind| json!({ "type": kind })));
    }
    schema
}

fn kind(text: &str) -> Option<&'static str> {
    match text {
        "boolean" => Some("boolean"),
        "smallint" | "integer" | "bigint" => Some("integer"),
        "numeric" | "real" | "double precision" => Some("number"),
        "json" | "jsonb" => None,
        other if other.ends_with("[]") => Some("array"),
        _ => Some("string"),
    }
}

fn format_of(text: &str) -> &str {
    match text {
        "smallint" | "integer" => "int32",
        "bigint" => "int64",
        other => other,
    }
}

/// A default that is a plain value, or calls what computes one. `fully`: an expression with a text in it is left out, since that may
/// be a key or name what nobody is to know; PostgREST's own description has them all.
fn default_value(expression: &str, text: &str, fully: bool) -> Option<Value> {
    if kind(text) != Some("string") {
        return serde_json::from_str(expression).ok();
    }
    let literal = expression.strip_suffix(&format!("::{text}"));
    if !fully {
        let plain = literal.map(|literal| literal.trim_matches('\'').to_owned());
        return Some(Value::String(plain.unwrap_or_else(|| expression.to_owned())));
    }
    if let Some(inner) = literal.and_then(|one| one.strip_prefix('\'')?.strip_suffix('\''))
        && !inner.replace("''", "").contains('\'')
    {
        return Some(Value::String(inner.replace("''", "'")));
    }
    (!expression.contains('\'')).then(|| Value::String(expression.to_owned()))
}

/// A column's type under its domains, with its schema unless it is PostgreSQL's own.
fn type_of_column(scope: &Scope<'_>, column: &Column) -> String {
    type_text(scope, scope.catalog.types.base(column.type_oid), &[])
}

/// A parameter's type, without a schema that is searched anyway.
fn type_of_parameter(scope: &Scope<'_>, parameter: &Parameter) -> String {
    type_text(scope, parameter.type_oid, &scope.search_path)
}

fn type_text(scope: &Scope<'_>, oid: u32, searched: &[String]) -> String {
    let Some(found) = scope.catalog.types.get(oid) else { return "text".to_owned() };
    if let Some(element) = found.element.filter(|_| found.kind == data::catalog::TypeKind::Array) {
        return format!("{}[]", type_text(scope, element, searched));
    }
    let bare = found.text.rsplit('.').next().unwrap_or(&found.text);
    let is_own = &*found.schema == "pg_catalog" || searched.iter().any(|schema| **schema == *found.schema);
    if is_own { bare.to_owned() } else { format!("{}.{bare}", found.schema) }
}

fn parameters(scope: &Scope<'_>, relations: &[&Relation]) -> Value {
    let prefer = |values: &[&str]| {
        let mut parameter = json!({ "name": "Prefer", "description": "Preference", "required": false, "in": "header", "type": "string" });
        if !values.is_empty() {
            parameter["enum"] = json!(values);
        }
        parameter
    };
    let text = |name: &str, description: &str, place: &str| json!({ "name": name, "description": description, "required": false, "in": place, "type": "string" });
    let returns = ["return=representation", "return=minimal", "return=none"];
    let posts = [
        "return=representation",
        "return=minimal",
        "return=none",
        "resolution=ignore-duplicates",
        "resolution=merge-duplicates",
    ];
    let mut all = Map::new();
    let fixed = [
        ("preferParams", prefer(&[])),
        ("preferReturn", prefer(&returns)),
        ("preferCount", prefer(&["count=none"])),
        ("preferPost", prefer(&posts)),
        ("select", text("select", "Filtering Columns", "query")),
        ("on_conflict", text("on_conflict", "On Conflict", "query")),
        ("order", text("order", "Ordering", "query")),
        ("range", text("Range", "Limiting and Pagination", "header")),
        ("rangeUnit", text("Range-Unit", "Limiting and Pagination", "header")),
        ("offset", text("offset", "Limiting and Pagination", "query")),
        ("limit", text("limit", "Limiting and Pagination", "query")),
    ];
    for (name, mut parameter) in fixed {
        if name == "rangeUnit" {
            parameter["default"] = "items".into();
        }
        all.insert(name.to_owned(), parameter);
    }
    for relation in relations {
        let name = &*relation.name;
        all.insert(
            format!("body.{name}"),
            json!({
                "name": name, "description": name, "required": false, "in": "body",
                "schema": { "$ref": place(scope, "definitions", name) },
            }),
        );
        for column in scope.columns(relation) {
            let mut filter =
                json!({ "name": &*column.name, "required": false, "in": "query", "type": "string" });
            if let Some(comment) = &column.comment {
                filter["description"] = (&**comment).into();
            }
            all.insert(format!("rowFilter.{name}.{}", column.name), filter);
        }
    }
    Value::Object(all)
}
