//! The security headers of every answer, errors included (controls 13, 76-82), and that nobody may keep what is answered: who asks
//! says what is answered, also where only `apikey` says who asks, by which no cache tells two callers apart.

use base::Settings;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, SERVER, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};
use http::{HeaderMap, HeaderValue};

use crate::names::PERMISSIONS_POLICY;
use crate::{Error, settings};

/// The headers, built once.
#[derive(Clone)]
pub struct SecurityHeaders {
    in_the_clear: HeaderMap,
    /// With what is said over HTTPS only: a browser ignores it over anything else, and must (RFC 6797 section 7.2).
    over_https: HeaderMap,
}

/// Headers that an answer may have here: each of the two has room for them, and so has what is made from it.
const ROOM: usize = 24;

impl SecurityHeaders {
    /// From the settings. A policy that allows inline code is refused: it would be no policy.
    pub fn from(given: &Settings) -> Result<Self, Error> {
        let policy = given.get(&settings::CONTENT_SECURITY_POLICY);
        if policy.contains("unsafe-inline") || policy.contains("unsafe-eval") {
            let what = "'unsafe-inline' and 'unsafe-eval' let injected code run, which is what the policy is for (control 80). \
                        Use hashes or nonces, or leave the setting out";
            return Err(refuse(what));
        }
        let frame = given.get(&settings::X_FRAME_OPTIONS);
        let ancestors = if frame == "DENY" { "'none'" } else { "'self'" };
        let xss = if given.get(&settings::HEADERS_PROFILE) == "modern" { "0" } else { "1; mode=block" };
        let policy = if policy.contains("frame-ancestors") {
            policy
        } else {
            format!("{policy}; frame-ancestors {ancestors}")
        };
        let policy = kept(policy).ok_or_else(|| refuse("is not a header value"))?;
        let frame = kept(frame).ok_or_else(|| refuse("is not a header value"))?;
        let fixed = HeaderValue::from_static;
        let transport = given.get(&settings::STRICT_TRANSPORT_SECURITY);
        let transport = kept(transport).ok_or_else(|| Error::Setting {
            setting: settings::STRICT_TRANSPORT_SECURITY.definition.name,
            what: "is not a header value".to_owned(),
        })?;
        let mut in_the_clear = HeaderMap::with_capacity(ROOM);
        in_the_clear.extend([
            (X_FRAME_OPTIONS, frame),
            (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
            (X_XSS_PROTECTION, fixed(xss)),
            (REFERRER_POLICY, fixed("strict-origin-when-cross-origin")),
            (CONTENT_SECURITY_POLICY, policy),
            (PERMISSIONS_POLICY.clone(), fixed("geolocation=(), microphone=(), camera=()")),
            (CACHE_CONTROL, fixed("private, no-store")),
        ]);
        let mut over_https = in_the_clear.clone();
        over_https.insert(STRICT_TRANSPORT_SECURITY, transport);
        Ok(SecurityHeaders { in_the_clear, over_https })
    }

    /// Adds them, and takes away what would tell which software answers (control 82). A page that set a stricter
    /// policy or referrer rule of its own keeps it, and so does an answer that says itself how long it may be kept.
    pub(crate) fn apply(&self, headers: &mut HeaderMap, secure: bool) {
        // To copy all of ours and to add the few of the answer costs less than the reverse.
        let ours = if secure { &self.over_https } else { &self.in_the_clear };
        let given = std::mem::replace(headers, ours.clone());
        // The library names a header once for all of its lines.
        let mut under: Option<HeaderName> = None;
        for (name, value) in given {
            match name {
                Some(name) if name == SERVER => under = None,
                Some(name) => {
                    let may_replace =
                        [CONTENT_SECURITY_POLICY, REFERRER_POLICY, CACHE_CONTROL].contains(&name);
                    under = (may_replace || !ours.contains_key(&name)).then_some(name);
                    if let Some(name) = &under {
                        headers.insert(name, value);
                    }
                }
                None => {
                    if let Some(name) = &under {
                        headers.append(name, value);
                    }
                }
            }
        }
    }
}

/// A value that is in every answer, kept for as long as the program runs: otherwise each use of it is counted, where all
/// cores wait for each other.
fn kept(text: String) -> Option<HeaderValue> {
    HeaderValue::from_str(&text).ok()?;
    Some(HeaderValue::from_static(text.leak()))
}

/// A number; those of the library are made in memory of their own size, which costs five times as much.
pub(crate) fn number(number: impl itoa::Integer) -> HeaderValue {
    HeaderValue::from_str(itoa::Buffer::new().format(number)).unwrap_or(HeaderValue::from_static("0"))
}

fn refuse(what: &str) -> Error {
    Error::Setting { setting: settings::CONTENT_SECURITY_POLICY.definition.name, what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_keeps_its_own_headers_but_not_those_that_protect() {
        let ours = SecurityHeaders::from(&Settings::default()).unwrap();
        for secure in [false, true] {
            let mut headers = HeaderMap::new();
            for (name, value) in [
                ("server", "other/1.0"),
                ("server", "again"),
                ("content-type", "application/json"),
                ("vary", "Accept"),
                ("vary", "Prefer"),
                ("x-frame-options", "ALLOWALL"),
                ("x-frame-options", "SAMEORIGIN"),
                ("strict-transport-security", "max-age=0"),
                ("content-security-policy", "default-src 'none'"),
                ("content-security-policy", "frame-ancestors 'none'"),
            ] {
                headers.append(name, value.parse().unwrap());
            }
            ours.apply(&mut headers, secure);
            let all = |name: &str| {
                let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap().to_owned());
                lines.collect::<Vec<_>>()
            };
            assert!(all("server").is_empty());
            assert_eq!(all("content-type"), ["application/json"]);
            assert_eq!(all("vary"), ["Accept", "Prefer"]);
            assert_eq!(all("x-frame-options"), ["DENY"]);
            assert_eq!(all("content-security-policy"), ["default-src 'none'", "frame-ancestors 'none'"]);
            assert_eq!(all("referrer-policy"), ["strict-origin-when-cross-origin"]);
            assert_eq!(all("x-content-type-options"), ["nosniff"]);
            assert_eq!(all("cache-control"), ["private, no-store"]);
            let mut public = HeaderMap::new();
            public.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
            ours.apply(&mut public, secure);
            assert_eq!(
                public.get_all(CACHE_CONTROL).iter().collect::<Vec<_>>(),
                ["public, max-age=60"],
                "its own"
            );
            let transport = all("strict-transport-security");
            assert!(transport.len() == 1 && (transport == ["max-age=0"]) != secure, "{transport:?}");
        }
    }
}
