//! The security headers of every answer, errors included (controls 13, 76-82).

use base::Settings;
use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, SERVER, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};
use http::{HeaderMap, HeaderValue};

use crate::names::PERMISSIONS_POLICY;
use crate::{Error, settings};

/// The headers, built once.
#[derive(Clone)]
pub struct SecurityHeaders {
    always: Vec<(HeaderName, HeaderValue)>,
    /// Over HTTPS only: a browser ignores it over anything else, and must (RFC 6797 section 7.2).
    transport: HeaderValue,
}

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
        let always = vec![
            (X_FRAME_OPTIONS, frame),
            (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
            (X_XSS_PROTECTION, fixed(xss)),
            (REFERRER_POLICY, fixed("strict-origin-when-cross-origin")),
            (CONTENT_SECURITY_POLICY, policy),
            (PERMISSIONS_POLICY.clone(), fixed("geolocation=(), microphone=(), camera=()")),
        ];
        Ok(SecurityHeaders { always, transport })
    }

    /// Adds them, and takes away what would tell which software answers (control 82). A page that set a stricter
    /// policy or referrer rule of its own keeps it.
    pub(crate) fn apply(&self, headers: &mut HeaderMap, secure: bool) {
        if secure {
            headers.insert(STRICT_TRANSPORT_SECURITY, self.transport.clone());
        }
        for (name, value) in &self.always {
            let own =
                (name == CONTENT_SECURITY_POLICY || name == REFERRER_POLICY) && headers.contains_key(name);
            if !own {
                headers.insert(name, value.clone());
            }
        }
        headers.remove(SERVER);
    }
}

/// A value that is in every answer, kept for as long as the program runs: otherwise each use of it is counted, where all
/// cores wait for each other.
fn kept(text: String) -> Option<HeaderValue> {
    HeaderValue::from_str(&text).ok()?;
    Some(HeaderValue::from_static(text.leak()))
}

fn refuse(what: &str) -> Error {
    Error::Setting { setting: settings::CONTENT_SECURITY_POLICY.definition.name, what: what.to_owned() }
}
