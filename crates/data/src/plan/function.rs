//! Which function a call means: by name and the set of argument names, else by a single parameter without a name.

use crate::ask::{Arguments, BodyKind, CallAsk};
use crate::catalog::types::oid;
use crate::catalog::{Catalog, Function};
use crate::error::{Called, Error};
use crate::gate::is_taken_for_closed;

use super::suggest;

/// The one function that takes these arguments.
pub(super) fn find<'a>(ask: &CallAsk, catalog: &'a Catalog) -> Result<&'a Function, Error> {
    let (schema, name) = (ask.function.schema.as_str(), ask.function.name.as_str());
    let is_exposed = catalog.exposed().iter().any(|exposed| **exposed == *schema);
    let overloads = if is_exposed { catalog.functions(schema, name) } else { &[] };
    let names = ask.arguments.names();
    let callable = || overloads.iter().filter(|function| function.callable);
    // What PostgreSQL would take for a function that is not served does not exist either.
    let meant = |function: &&Function| !is_taken_for_closed(&catalog.closed_functions, function, &names);
    let by_name: Vec<&Function> =
        callable().filter(|function| takes(function, &names, &ask.arguments)).filter(meant).collect();
    let by_body: Vec<&Function> = callable().filter(|function| takes_body(function, ask)).collect();
    match (by_name.as_slice(), by_body.as_slice()) {
        ([only], _) | ([], [only]) => Ok(only),
        ([], []) => {
            let mut arguments: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            arguments.sort();
            Err(Error::NoFunction {
                schema: schema.to_owned(),
                name: name.to_owned(),
                suggestion: suggest::function(catalog, schema, name, &arguments),
                called: match &ask.arguments {
                    Arguments::Texts(_) | Arguments::Json { whole: false, .. } => Called::Texts,
                    Arguments::Json { whole: true, .. } => Called::Json,
                    Arguments::Body { kind, .. } => Called::Body(*kind),
                },
                arguments,
            })
        }
        ([], several) | (several, _) => Err(Error::AmbiguousFunction {
            candidates: several.iter().map(|one| signature(catalog, one)).collect(),
        }),
    }
}

/// Required parameters must be there, optional ones may be, nothing else may.
fn takes(function: &Function, names: &[&str], arguments: &Arguments) -> bool {
    if function.parameters.is_empty() {
        return names.is_empty() && !matches!(arguments, Arguments::Body { .. });
    }
    let required_there =
        function.parameters.iter().filter(|one| one.required).all(|one| names.contains(&&*one.name));
    let all_known = names.iter().all(|name| function.parameters.iter().any(|one| &*one.name == *name));
    required_there && all_known
}

fn takes_body(function: &Function, ask: &CallAsk) -> bool {
    let [only] = function.parameters.as_slice() else { return false };
    if !only.name.is_empty() || ask.read_only {
        return false;
    }
    match &ask.arguments {
        Arguments::Json { whole, .. } => *whole && matches!(only.type_oid, oid::JSON | oid::JSONB),
        Arguments::Body { kind: BodyKind::Text, .. } => only.type_oid == oid::TEXT,
        Arguments::Body { kind: BodyKind::Xml, .. } => only.type_oid == oid::XML,
        Arguments::Body { kind: BodyKind::Bytes, .. } => only.type_oid == oid::BYTEA,
        Arguments::Texts(_) => false,
    }
}

fn signature(catalog: &Catalog, function: &Function) -> String {
    let parameters: Vec<String> = function
        .parameters
        .iter()
        .map(|one| {
            let text = catalog.types.get(one.type_oid).map_or("?", |found| &*found.text);
            format!("{} => {text}", one.name)
        })
        .collect();
    format!("{}.{}({})", function.schema, function.name, parameters.join(", "))
}
