//! What is taken of an assertion, under which names, and made harmless on the way (control 39).

use ::saml::{Assertion, Attribute, clean_line};
use serde_json::{Map, Number, Value};

use crate::limits;

/// Names under which providers send an address.
const EMAIL: &[&str] = &[
    "email",
    "mail",
    "emailaddress",
    "user.email",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "http://schemas.xmlsoap.org/claims/emailaddress",
];

/// Names under which providers send what people call somebody.
const DISPLAY_NAME: &[&str] = &[
    "displayname",
    "display_name",
    "fullname",
    "full_name",
    "name",
    "cn",
    "urn:oid:2.16.840.1.113730.3.1.241",
    "urn:oid:2.5.4.3",
    "http://schemas.microsoft.com/identity/claims/displayname",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
];

const EMAIL_FORMAT: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
const SUBJECT_ID: &str = "urn:oasis:names:tc:SAML:attribute:subject-id";

/// A provider's `attribute_mapping`: `{"keys": {"<our name>": {"name", "names", "default", "array", "type"}}}`.
#[derive(Clone, Debug, Default)]
pub struct Mapping(Map<String, Value>);

impl Mapping {
    /// Reads what an administrator gave.
    pub fn read(given: &Value) -> Self {
        match given.get("keys") {
            Some(Value::Object(keys)) => Mapping(keys.clone()),
            _ => Mapping::default(),
        }
    }

    /// The mapped attributes, cleaned and of the type that was asked for.
    pub fn claims(&self, said: &Assertion) -> Map<String, Value> {
        let keys = self.0.iter().take(limits::SSO_CLAIMS_MAX.size());
        keys.filter_map(|(ours, rule)| Some((ours.clone(), value(rule, said)?))).collect()
    }

    /// The person's address.
    pub fn email(&self, said: &Assertion) -> Option<String> {
        let mapped = self.0.get("email").and_then(|rule| value(rule, said));
        if let Some(Value::String(text)) = mapped {
            return Some(text);
        }
        let named = known(said, EMAIL).and_then(|attribute| attribute.values.first()).map(|text| clean(text));
        let by_name = || (said.name_id_format.as_deref() == Some(EMAIL_FORMAT)).then(|| clean(&said.name_id));
        named.filter(|text| !text.is_empty()).or_else(by_name)
    }

    /// What people call them.
    pub fn display_name(&self, said: &Assertion) -> Option<String> {
        let named = known(said, DISPLAY_NAME).and_then(|attribute| attribute.values.first());
        named.map(|text| clean(text)).filter(|text| !text.is_empty())
    }
}

/// The lasting name of a person at their provider, if it has one.
pub(super) fn lasting_name(said: &Assertion) -> Option<String> {
    let subject = said.attributes.iter().find(|attribute| attribute.name == SUBJECT_ID);
    let subject = subject.and_then(|attribute| match attribute.values.as_slice() {
        [one] => Some(one.trim().to_owned()),
        _ => None,
    });
    let plain = |name: &String| ::saml::is_plain(name, ::saml::limits::NAME_ID_BYTES_MAX.size());
    let by_name = || (said.name_id_format.as_deref() != Some(TRANSIENT)).then(|| said.name_id.clone());
    subject.filter(plain).or_else(by_name)
}

fn clean(text: &str) -> String {
    clean_line(text, limits::SSO_VALUE_BYTES_MAX.size())
}

/// The first attribute that has one of these names, in any letters.
fn known<'a>(said: &'a Assertion, names: &[&str]) -> Option<&'a Attribute> {
    names.iter().find_map(|name| {
        said.attributes.iter().find(|attribute| {
            attribute.name.eq_ignore_ascii_case(name)
                || attribute
                    .friendly_name
                    .as_deref()
                    .is_some_and(|friendly| friendly.eq_ignore_ascii_case(name))
        })
    })
}

fn value(rule: &Value, said: &Assertion) -> Option<Value> {
    let one = rule.get("name").and_then(Value::as_str);
    let several = rule.get("names").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let named = |name: &str| {
        said.attributes
            .iter()
            .find(|attribute| attribute.name == name || attribute.friendly_name.as_deref() == Some(name))
    };
    let found = one.into_iter().chain(several).find_map(named);
    let is_array = rule.get("array").and_then(Value::as_bool).unwrap_or(false);
    let typed = |text: &String| typed(rule.get("type").and_then(Value::as_str), &clean(text));
    match found {
        Some(attribute) if is_array => {
            Some(Value::Array(attribute.values.iter().filter_map(typed).collect()))
        }
        Some(attribute) => attribute.values.first().and_then(typed),
        None => rule.get("default").filter(|default| !default.is_null()).cloned(),
    }
}

/// Of the type that was asked for, or not at all.
fn typed(kind: Option<&str>, text: &str) -> Option<Value> {
    match kind {
        Some("number") => text
            .parse::<i64>()
            .map(Value::from)
            .ok()
            .or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number)),
        Some("boolean") => match text {
            "true" | "1" => Some(true.into()),
            "false" | "0" => Some(false.into()),
            _ => None,
        },
        _ => Some(text.into()),
    }
}
