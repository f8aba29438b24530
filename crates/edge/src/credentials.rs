//! What a request presents, read strictly: ambiguity is refused, not resolved (attack rows 36, 82).

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName};
use web::Error;

use crate::names::{APIKEY, IMPERSONATION};

/// A key and a token, unverified.
#[derive(Clone, Default)]
pub struct Presented {
    /// `apikey` header, or the query parameter of that name.
    pub apikey: Option<String>,
    /// `Authorization: Bearer`.
    pub bearer: Option<String>,
    /// `X-Impersonation-Token`: in whose name an administrator asks.
    pub acting: Option<String>,
    /// The `Authorization` header as it came, for a verifier with rules of its own (conformance).
    pub authorization: Option<String>,
    /// Whether a browser sent it ([`web::csrf::is_browser`]). Secret keys are refused then (control 47).
    pub browser: bool,
    /// Whether the key is all that is shown and stands in the address, which any page can have its visitors' browsers open.
    pub in_address: bool,
}

impl Presented {
    /// Reads both. Two of one kind, another scheme than Bearer, or an empty token is an error.
    pub(crate) fn read(headers: &HeaderMap, query: Option<&str>) -> Result<Self, Error> {
        let browser = web::csrf::is_browser(headers);
        let in_query = query.map(from_query).transpose()?.flatten();
        let in_header = single(headers, &APIKEY)?;
        let apikey = in_header.or(in_query).map(str::to_owned);
        let bearer = single(headers, &AUTHORIZATION)?.map(bearer).transpose()?;
        let in_address = in_header.is_none() && bearer.is_none();
        let acting = single(headers, &IMPERSONATION)?.map(str::to_owned);
        Ok(Presented { apikey, bearer, acting, authorization: None, browser, in_address })
    }

    /// Only what came, unread: the conformance profile's verifier reads it in PostgREST's words.
    pub(crate) fn unread(headers: &HeaderMap) -> Self {
        let line =
            headers.get(AUTHORIZATION).map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
        Presented { authorization: line, ..Presented::default() }
    }

    /// Whether anything was presented.
    pub fn is_empty(&self) -> bool {
        self.apikey.is_none() && self.bearer.is_none() && self.acting.is_none()
    }
}

/// Whether a request shows a credential to whoever reads it on its way: in a header, in its query, or (a password) in
/// the body that it sends to one of `api_prefixes`.
pub(crate) fn are_shown(head: &http::request::Parts, api_prefixes: &[String]) -> bool {
    let headers = &head.headers;
    let in_query =
        |query: &str| ["apikey=", "token=", "password=", "code="].iter().any(|name| query.contains(name));
    let has_body = headers.contains_key(http::header::CONTENT_TYPE) && !head.method.is_safe();
    let path = head.uri.path();
    headers.contains_key(AUTHORIZATION)
        || headers.contains_key("apikey")
        || headers.contains_key(&IMPERSONATION)
        || headers.contains_key(COOKIE)
        || head.uri.query().is_some_and(in_query)
        || (has_body && api_prefixes.iter().any(|prefix| path.starts_with(prefix.as_str())))
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Error> {
    let mut lines = headers.get_all(name).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(malformed(format!("Send the {name} header once")));
    }
    line.to_str()
        .map(Some)
        .map_err(|_| malformed(format!("The {name} header holds characters that no key or token has")))
}

/// RFC 6750 section 2.1: `Bearer`, one space, a token.
fn bearer(line: &str) -> Result<String, Error> {
    let Some((scheme, token)) = line.split_once(' ') else {
        return Err(malformed("The Authorization header must be `Bearer` and a token".to_owned()));
    };
    if !scheme.eq_ignore_ascii_case("bearer") || !is_token68(token) {
        return Err(malformed("The Authorization header must be `Bearer` and one token".to_owned()));
    }
    Ok(token.to_owned())
}

/// RFC 9110 section 11.2, with `=` anywhere. Every byte is looked at, many at a time: tokens are long.
fn is_token68(token: &str) -> bool {
    let is_one = |byte: u8| {
        byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
    };
    token.bytes().fold(true, |all, byte| all & is_one(byte))
}

fn from_query(query: &str) -> Result<Option<&str>, Error> {
    let mut keys = query.split('&').filter_map(|pair| pair.strip_prefix("apikey="));
    let key = keys.next();
    // Whichever of two counted, somebody else would have counted the other one.
    if keys.any(|other| Some(other) != key) {
        return Err(malformed("Send the apikey once".to_owned()));
    }
    Ok(key)
}

fn malformed(what: String) -> Error {
    Error::Malformed { what }
}
