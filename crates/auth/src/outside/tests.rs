//! Outside tokens, as PostgREST's own suite sends them.

use base::{Clock, Secret, Who};
use serde_json::{Value, json};

use super::path::Path;
use super::{Error, Given, Outside};

const SECRET: &str = "reallyreallyreallyreallyverysafe";

fn given() -> Given {
    Given { secret: Some(Secret::from(SECRET)), anonymous: Some("nobody".into()), ..Given::default() }
}

fn token(claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

fn identify(given: &Given, token: &str) -> Result<base::Caller, Error> {
    Outside::new(given).unwrap().identify(Some(token), None, &Clock::system())
}

#[test]
fn a_token_brings_its_role_and_claims() {
    let caller = identify(&given(), &token(&json!({"role": "author", "sub": "x"}))).unwrap();
    assert_eq!((caller.role.name(), &*caller.subject), ("author", "x"));
    assert!(matches!(caller.who, Who::Service { .. }));
    let nobody = Outside::new(&given()).unwrap().identify(None, None, &Clock::system()).unwrap();
    assert_eq!((nobody.who, &*nobody.claims), (Who::Anonymous, r#"{"role":"nobody"}"#));
}

#[test]
fn refusals_are_worded_as_upstream_words_them() {
    let refused = |claims: Value| identify(&given(), &token(&claims)).unwrap_err().to_string();
    assert_eq!(refused(json!({"exp": 1_446_678_149})), "JWT expired");
    assert_eq!(refused(json!({"exp": "invalid"})), "The JWT 'exp' claim must be a number");
    assert_eq!(refused(json!({"nbf": 99_999_999_999_i64})), "JWT not yet valid");
    assert_eq!(refused(json!({"iat": 99_999_999_999_i64})), "JWT issued at future");
    assert_eq!(
        refused(json!({"aud": [{"a": 1}]})),
        "The JWT 'aud' claim must be a string or an array of strings"
    );
    assert_eq!(identify(&given(), "a.b"), Err(Error::Parts(2)));
    assert_eq!(identify(&given(), ""), Err(Error::Empty));
    let foreign = token(&json!({"role": "x"}));
    let wrong = format!("{}AAAA", foreign.get(..foreign.len() - 4).unwrap());
    assert_eq!(identify(&given(), &wrong), Err(Error::Signature));
    assert_eq!(identify(&Given { secret: None, ..given() }, "a.b.c"), Err(Error::NoSecret));
    let unsigned = "eyJhbGciOiJub25lIn0.e30.";
    assert_eq!(identify(&given(), unsigned), Err(Error::Algorithm));
}

#[test]
fn an_audience_is_checked_only_where_one_is_wanted() {
    let strict = Given { audience: Some("us".into()), ..given() };
    for (audience, fits) in
        [(json!("us"), true), (json!(["them", "us"]), true), (json!([]), true), (json!("them"), false)]
    {
        let sent = token(&json!({ "aud": audience }));
        assert_eq!(identify(&strict, &sent).is_ok(), fits, "{audience}");
        assert!(identify(&given(), &sent).is_ok());
    }
}

#[test]
fn nobody_comes_in_where_no_role_is_for_them() {
    let closed = Given { anonymous: None, ..given() };
    let refused = Outside::new(&closed).unwrap().identify(None, None, &Clock::system());
    assert_eq!(refused.unwrap_err(), Error::NoAnonymous);
}

#[test]
fn the_role_may_stand_anywhere() {
    let claims = json!({"a": {"b-c": ["x", "author_1"]}});
    let claims = claims.as_object().unwrap();
    for path in [
        "$.a['b-c'][1]",
        ".a.\"b-c\"[1]",
        ".a.\"b-c\"[?(@ ^== \"auth\")]",
        "$.a[\"b-c\"][?@ == \"author_1\"]",
    ] {
        assert_eq!(Path::parse(path).unwrap().find(claims), Some("author_1".into()), "{path}");
    }
    assert_eq!(Path::parse("$.none").unwrap().find(claims), None);
    assert_eq!(Path::parse("role"), None);
}
