//! Scopes: what a program may ask to know of a person. What it may do with rows is the policies' business, by `client_id`.

use serde_json::{Map, Value};

use super::ServerError;

/// Every scope there is.
pub const SCOPES: &[&str] = &["openid", "email", "profile", "phone", "offline_access"];

/// What somebody says about themselves that `profile` names.
const PROFILE: [&str; 6] = ["name", "full_name", "picture", "avatar_url", "preferred_username", "user_name"];

/// What of somebody's own words `scopes` name.
pub(super) fn said(scopes: &str, all: Map<String, Value>) -> Map<String, Value> {
    match has(scopes, "profile") {
        true => all.into_iter().filter(|(name, _)| PROFILE.contains(&name.as_str())).collect(),
        false => Map::new(),
    }
}

/// Leaves out of a program's access token what its person did not agree to tell it: it can read the token.
pub(crate) fn narrow(claims: &mut Map<String, Value>, scopes: &str) {
    for name in ["email", "phone"] {
        if !has(scopes, name) {
            claims.insert(name.to_owned(), "".into());
        }
    }
    if let Some(Value::Object(all)) = claims.remove("user_metadata") {
        claims.insert("user_metadata".to_owned(), Value::Object(said(scopes, all)));
    }
}

/// The scopes of a text, each once, in their order.
pub(super) fn read(text: &str) -> Result<Vec<String>, ServerError> {
    let mut scopes: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !SCOPES.contains(&word) {
            return Err(ServerError::Scope("it names a scope that is not known here"));
        }
        if !scopes.iter().any(|known| known == word) {
            scopes.push(word.to_owned());
        }
    }
    Ok(scopes)
}

/// Whether `text` names `scope`.
pub(super) fn has(text: &str, scope: &str) -> bool {
    text.split(' ').any(|word| word == scope)
}

/// Whether everything in `asked` is in `given`.
pub(super) fn covers(given: &str, asked: &str) -> bool {
    asked.split(' ').filter(|word| !word.is_empty()).all(|word| has(given, word))
}

/// Both together.
pub(super) fn union(one: &str, other: &str) -> String {
    let mut words: Vec<&str> = one.split(' ').filter(|word| !word.is_empty()).collect();
    for word in other.split(' ').filter(|word| !word.is_empty()) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_once_each_and_a_made_up_one_is_refused() {
        assert_eq!(read("openid  email openid").unwrap(), ["openid", "email"]);
        assert!(read("").unwrap().is_empty());
        for bad in ["admin", "openid admin", "OPENID", "openid\u{a0}email", "openid\nemail"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_consent_covers_what_it_named_and_no_more() {
        assert!(
            covers("openid email", "email") && covers("openid", "") && covers("email openid", "openid email")
        );
        assert!(!covers("openid", "openid email") && !covers("", "email") && !covers("emails", "email"));
        assert_eq!(union("openid email", "email phone"), "openid email phone");
    }
}
