//! The security headers of every answer, errors included (controls 13, 76-82).

use base::Settings;
use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, SERVER, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};
use http::{HeaderMap, HeaderValue};

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
        let policy = HeaderValue::from_str(&policy).map_err(|_| refuse("is not a header value"))?;
        let frame = HeaderValue::from_str(&frame).map_err(|_| refuse("is not a header value"))?;
        let fixed = HeaderValue::from_static;
        let transport = given.get(&settings::STRICT_TRANSPORT_SECURITY);
        let transport = HeaderValue::from_str(&transport).map_err(|_| Error::Setting {
            setting: settings::STRICT_TRANSPORT_SECURITY.definition.name,
            what: "is not a header value".to_owned(),
        })?;
        let always = vec![
            (X_FRAME_OPTIONS, frame),
            (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
            (X_XSS_PROTECTION, fixed(xss)),
            (REFERRER_POLICY, fixed("strict-origin-when-cross-origin")),
            (CONTENT_SECURITY_POLICY, policy),
            (
                HeaderName::from_static("permissions-policy"),
                fixed("geolocation=(), microphone=(), camera=()"),
            ),
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
                headers.insert(name.clone(), value.clone());
            }
        }
        headers.remove(SERVER);
    }
}

fn refuse(what: &str) -> Error {
    Error::Setting { setting: settings::CONTENT_SECURITY_POLICY.definition.name, what: what.to_owned() }
}
