//! Which web origins may read answers (controls 73, 74). Closed until set; exact origins; never `*` with credentials.

use base::Settings;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

use crate::{Error, settings};

/// What clients of our dialects read from answers.
const EXPOSED: &str = "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Idempotent-Replayed, Link, Location, Preference-Applied, \
                       RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id, X-Sb-Error-Code, \
                       X-Supabase-Api-Version, X-Total-Count";

/// The rules, built once.
#[derive(Clone)]
pub struct Cors {
    origins: Vec<String>,
    any: bool,
    credentials: bool,
    methods: HeaderValue,
    headers: HeaderValue,
    max_age: HeaderValue,
}

impl Cors {
    /// From the settings.
    pub fn from(given: &Settings) -> Result<Self, Error> {
        let origins = given.get(&settings::CORS_ORIGINS);
        let credentials = given.get(&settings::CORS_CREDENTIALS);
        let any = origins.iter().any(|origin| origin == "*");
        if any && credentials {
            return Err(refuse(
                "`*` together with allow_credentials would let any site act as your users (control 73). List the origins",
            ));
        }
        if let Some(odd) = origins.iter().find(|origin| *origin != "*" && !is_origin(origin)) {
            return Err(refuse(&format!(
                "`{odd}` is not an origin: write scheme and host, such as https://app.example.com, without a path"
            )));
        }
        let list = |items: Vec<String>| {
            HeaderValue::from_str(&items.join(", "))
                .map_err(|_| refuse("holds characters no header may have"))
        };
        Ok(Cors {
            origins,
            any,
            credentials,
            methods: list(given.get(&settings::CORS_METHODS))?,
            headers: list(given.get(&settings::CORS_HEADERS))?,
            max_age: HeaderValue::from(given.get(&settings::CORS_MAX_AGE)),
        })
    }

    /// Whether an origin is named, exactly. `*` names nobody.
    pub(crate) fn lists(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|known| known != "*" && known.as_bytes() == origin.as_bytes())
    }

    /// Whether pages of this origin may read our answers.
    pub(crate) fn may_read(&self, origin: Option<&HeaderValue>) -> bool {
        origin.is_some_and(|origin| self.allows(origin))
    }

    /// Whether this is a browser asking before it sends.
    pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
        method == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Adds what lets an allowed origin read this answer. Anybody else's browser finds nothing and refuses.
    pub(crate) fn apply(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin.filter(|origin| self.allows(origin)) else { return false };
        let shown = if self.any { HeaderValue::from_static("*") } else { origin.clone() };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, shown);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        true
    }

    /// Adds what a preflight asks for beyond [`Cors::apply`], which every answer gets.
    pub(crate) fn preflight(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
        let allowed = self.may_read(origin);
        if allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
            headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        allowed
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        self.any || self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
    }
}

/// Scheme and authority, nothing else, no wildcard: what a browser sends in `Origin`.
fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|host| {
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.:[]".contains(c))
    })
}

fn refuse(what: &str) -> Error {
    Error::Setting { setting: settings::CORS_ORIGINS.definition.name, what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &str, credentials: &str) -> Result<Cors, Error> {
        let given = Settings::default()
            .with("server.cors.allowed_origins", origins)
            .with("server.cors.allow_credentials", credentials);
        Cors::from(&given)
    }

    #[test]
    fn a_star_with_credentials_is_refused_at_start() {
        assert!(cors("*", "true").is_err());
        assert!(cors("*", "false").is_ok());
    }

    #[test]
    fn only_the_exact_origin_is_allowed() {
        let cors = cors("https://app.example.com", "true").unwrap();
        let allowed =
            |origin: &'static str| cors.apply(Some(&HeaderValue::from_static(origin)), &mut HeaderMap::new());
        assert!(allowed("https://app.example.com"));
        for near in [
            "null",
            "http://app.example.com",
            "https://app.example.com.evil.com",
            "https://evilapp.example.com",
            "https://x.app.example.com",
        ] {
            assert!(!allowed(near), "{near}");
        }
    }

    #[test]
    fn nothing_is_allowed_until_set() {
        let cors = cors("", "false").unwrap();
        let mut headers = HeaderMap::new();
        assert!(!cors.apply(Some(&HeaderValue::from_static("https://a.example")), &mut headers));
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}
