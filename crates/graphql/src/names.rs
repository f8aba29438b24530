//! Names of types and fields from names in the database, and the directives in comments that change them.
//!
//! Invariant: a name that GraphQL does not allow is left out of the schema, never changed into another.

use serde_json::Value as Json;

/// Whether GraphQL allows a name. Two lines begin its own.
pub fn is_valid(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with("__")
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}

/// Whether a value of an enum may be called so: these three are words of every query.
pub fn is_value(name: &str) -> bool {
    is_valid(name) && !["true", "false", "null"].contains(&name)
}

/// `account_holder` → `AccountHolder`, when names are to be inflected.
pub fn type_name(name: &str, inflect: bool) -> String {
    if !inflect {
        return name.to_owned();
    }
    let mut inflected = String::with_capacity(name.len());
    let mut start = true;
    for c in name.chars() {
        if start {
            inflected.extend(c.to_uppercase());
        } else {
            inflected.push(c);
        }
        start = !c.is_alphanumeric();
    }
    inflected.replace('_', "")
}

/// With its first letter small.
pub fn small(name: &str) -> String {
    let mut chars = name.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// A field's name.
pub fn field_name(name: &str, inflect: bool) -> String {
    if inflect { small(&type_name(name, true)) } else { name.to_owned() }
}

/// `posts` → `post`, `categories` → `category`.
pub fn singular(name: &str) -> String {
    if let Some(stem) = name.strip_suffix("ies") {
        return format!("{stem}y");
    }
    match name.strip_suffix('s') {
        Some(stem) if !stem.ends_with(['s', 'u', 'i']) && !stem.is_empty() => stem.to_owned(),
        _ => name.to_owned(),
    }
}

/// What a comment says to GraphQL: `@graphql({…})`.
pub fn directives(comment: Option<&str>) -> Json {
    let Some((_, rest)) = comment.and_then(|comment| comment.split_once("@graphql(")) else {
        return Json::Null;
    };
    // The object ends where its JSON does, whatever stands behind the bracket.
    serde_json::Deserializer::from_str(rest)
        .into_iter::<Json>()
        .next()
        .and_then(Result::ok)
        .unwrap_or(Json::Null)
}

/// A text of a directive.
pub fn said(directives: &Json, key: &str) -> Option<String> {
    directives.get(key).and_then(Json::as_str).map(str::to_owned)
}

/// Whether a directive switches something on or off: `{"totalCount": {"enabled": true}}`.
pub fn switched(directives: &Json, key: &str) -> Option<bool> {
    directives.pointer(&format!("/{key}/enabled")).and_then(Json::as_bool)
}

/// Whether a directive switches something on.
pub fn enabled(directives: &Json, key: &str) -> bool {
    switched(directives, key).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_inflected_as_pg_graphql_does() {
        assert_eq!(type_name("account_holder", true), "AccountHolder");
        assert_eq!(type_name("account_BY_email", true), "AccountBYEmail");
        assert_eq!(field_name("Owner_id", true), "ownerId");
        assert_eq!(field_name("IddD", false), "IddD");
        assert!(!is_valid("__a") && !is_value("true") && is_value("truth"));
        assert!(!is_valid("1a") && !is_valid("a b") && is_valid("_a1"));
    }

    #[test]
    fn singulars_of_table_names() {
        for (many, one) in
            [("posts", "post"), ("categories", "category"), ("status", "status"), ("address", "address")]
        {
            assert_eq!(singular(many), one);
        }
    }

    #[test]
    fn directives_are_read_wherever_they_stand_in_a_comment() {
        let found =
            directives(Some(r#"A table. @graphql({"name": "Foo", "totalCount": {"enabled": true}}) Yes."#));
        assert_eq!(said(&found, "name").as_deref(), Some("Foo"));
        assert!(enabled(&found, "totalCount") && !enabled(&found, "aggregate"));
        assert_eq!(directives(Some("nothing")), Json::Null);
        assert_eq!(directives(Some("@graphql({broken")), Json::Null);
    }
}
