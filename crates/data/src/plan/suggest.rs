//! Names similar to one that was not found. Whether a caller may read them is the dialect's decision.

use crate::catalog::{Catalog, Relation, Served};
use crate::limits::SUGGESTION_NAMES_MAX;

/// Similarity from which a relation or function is suggested.
const NAME_SCORE: f64 = 0.75;
/// Similarity from which anything is.
const ANY_SCORE: f64 = 0.33;

/// The name most similar to `wanted`, when one is similar enough. Names without two letters in a row in common are not.
pub fn nearest<'a>(
    names: impl Iterator<Item = &'a str>,
    wanted: &str,
    at_least: f64,
) -> Option<(&'a str, f64)> {
    let wanted = wanted.to_lowercase();
    let grams = grams(&wanted);
    names
        .map(|name| (name, name.to_lowercase()))
        .filter(|(_, lower)| self::grams(lower).iter().any(|gram| grams.contains(gram)))
        .map(|(name, lower)| (name, strsim::normalized_levenshtein(&lower, &wanted)))
        .filter(|(_, score)| *score >= at_least)
        .max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.cmp(a.0)))
}

fn grams(text: &str) -> Vec<(char, char)> {
    let padded: Vec<char> = std::iter::once('-').chain(text.chars()).chain(['-']).collect();
    padded.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect()
}

pub(super) fn relation(catalog: &Catalog, schema: &str, name: &str) -> Option<String> {
    let served: Vec<&Relation> = catalog.served(schema).collect();
    if served.len() >= SUGGESTION_NAMES_MAX.size() {
        return None;
    }
    nearest(served.iter().map(|one| &*one.name), name, NAME_SCORE).map(|(found, _)| found.to_owned())
}

/// The wrong name and the right one: the origin's when nothing links to anything from it, else the target's.
pub(super) fn relationship(
    catalog: &Catalog,
    schema: &str,
    origin: Option<&Relation>,
    shown: &str,
    target: &str,
) -> Option<(String, String)> {
    let in_schema = |relation: &&Relation| &*relation.schema == schema;
    let name_of = |id| catalog.relation(id).filter(in_schema).map(|relation| &*relation.name);
    if let Some(links) = origin.and_then(|origin| catalog.links.get(&origin.id)) {
        let (found, score) =
            nearest(links.iter().filter_map(|link| name_of(link.target)), target, ANY_SCORE)?;
        return (score < 1.0).then(|| (target.to_owned(), found.to_owned()));
    }
    let linked = |relation: &&Relation| {
        relation.served == Served::Yes && in_schema(relation) && catalog.links.contains_key(&relation.id)
    };
    let names = catalog.relations.iter().filter(linked).map(|relation| &*relation.name);
    nearest(names, shown, ANY_SCORE).map(|(found, _)| (shown.to_owned(), found.to_owned()))
}

pub(super) fn function(catalog: &Catalog, schema: &str, name: &str, arguments: &[String]) -> Option<String> {
    let overloads: Vec<_> = catalog.functions(schema, name).iter().filter(|one| one.callable).collect();
    if overloads.is_empty() {
        let callable = catalog.functions.iter().filter(|(_, all)| all.iter().any(|one| one.callable));
        let names = callable.filter(|((found, _), _)| &**found == schema).map(|((_, name), _)| &**name);
        return nearest(names, name, NAME_SCORE).map(|(found, _)| found.to_owned());
    }
    let listed = |mut names: Vec<&str>| {
        names.sort_unstable();
        format!("({})", names.join(", "))
    };
    let parameters: Vec<String> = overloads
        .iter()
        .map(|function| listed(function.parameters.iter().map(|parameter| &*parameter.name).collect()))
        .collect();
    let wanted = listed(arguments.iter().map(String::as_str).collect());
    nearest(parameters.iter().map(String::as_str), &wanted, ANY_SCORE)
        .map(|(found, _)| format!("{name}{found}"))
}
