//! A browser on a page of ours: its own value, the field that proves a form, and where it goes next.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, SET_COOKIE};
use web::{Answer, Ask, Cx};

use super::State;

/// What a page says of its own referrer: its origin and nothing else of its address. The header, which holds for whatever comes
/// before it, says nothing at all; but with nothing at all, browsers send the page's own form as if it came from nowhere
/// (`Origin: null`), and off this machine and without TLS that is all we have to tell it from another site's.
pub const REFERRER: &str = "<meta name=\"referrer\" content=\"strict-origin\">";

/// A page whose forms go to us only, and whose address nobody hears of.
pub fn html(status: StatusCode, body: &str) -> Answer {
    page(status, body, None, ("no-referrer", REFERRER))
}

/// A page with a form for a route that a cookie opens, which may end at `elsewhere` too: browsers hold the policy against every
/// redirect that follows. We hear of its address: without any referrer, browsers send a form as if it came from nowhere
/// (`Origin: null`), and that is refused.
pub fn html_to(status: StatusCode, body: &str, elsewhere: Option<&str>) -> Answer {
    page(status, body, elsewhere, ("same-origin", ""))
}

fn page(
    status: StatusCode,
    body: &str,
    elsewhere: Option<&str>,
    (referrer, in_page): (&str, &str),
) -> Answer {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">{in_page}<title>Palisade</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><body><main>{body}</main></body></html>"
    );
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:/-[]".contains(&byte);
    let more = elsewhere.filter(|place| place.bytes().all(plain)).map(|place| format!(" {place}"));
    let policy = format!(
        "default-src 'none'; form-action 'self'{}; frame-ancestors 'none'; base-uri 'none'",
        more.unwrap_or_default()
    );
    Answer::text(status, "text/html; charset=utf-8", page)
        .with(CACHE_CONTROL, "no-store")
        .with(REFERRER_POLICY, referrer)
        .with(CONTENT_SECURITY_POLICY, &policy)
}

/// What a page of ours runs besides: a script of ours, and somebody else's widget.
pub struct Scripted<'a> {
    /// The script, which stands in the page; the policy names its hash.
    pub script: &'a str,
    /// Where another script comes from, and where it may go.
    pub widget: Option<&'a Widget>,
}

/// A widget of somebody else's.
pub struct Widget {
    /// Its script.
    pub script: &'static str,
    /// The sources that it uses.
    pub sources: &'static str,
}

/// [`html_to`] with a script. It works without, except where nothing but a script can do it.
pub fn html_scripted(status: StatusCode, body: &str, more: &Scripted<'_>) -> Answer {
    let Scripted { script, widget } = more;
    let hash = STANDARD.encode(seal::sha256(script.as_bytes()));
    let theirs = widget.map(|widget| widget.sources).unwrap_or_default();
    let theirs_script = widget
        .map(|widget| format!("<script src=\"{}\" async defer></script>", widget.script))
        .unwrap_or_default();
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Palisade</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><body><main>{body}</main>\
         <script>{script}</script>{theirs_script}</body></html>"
    );
    let more = match theirs {
        "" => String::new(),
        theirs => format!("; frame-src {theirs}; style-src {theirs}"),
    };
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{hash}' {theirs}; connect-src 'self' {theirs}; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'{more}"
    );
    Answer::text(status, "text/html; charset=utf-8", page)
        .with(CACHE_CONTROL, "no-store")
        .with(REFERRER_POLICY, "same-origin")
        .with(CONTENT_SECURITY_POLICY, &policy)
}

/// Sends the browser on. What is in the address is for its reader only.
pub fn go(status: StatusCode, to: &str) -> Answer {
    Answer::status(status)
        .with(LOCATION, to)
        .with(CACHE_CONTROL, "no-store")
        .with(REFERRER_POLICY, "no-referrer")
}

/// Scheme and authority of an address, as a policy names a source; the scheme alone for an application's own.
pub fn source(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once(':') else { return String::new() };
    match scheme {
        "http" | "https" => {
            let authority = rest.trim_start_matches('/').split(['/', '?', '#']).next().unwrap_or_default();
            format!("{scheme}://{authority}")
        }
        _ => format!("{scheme}:"),
    }
}

/// This browser's own value, and the cookie that gives it one if it had none.
pub struct Browser {
    pub value: String,
    cookie: Option<String>,
}

impl Browser {
    pub fn of(state: &State, cx: &Cx, ask: &Ask) -> Self {
        if let Some(value) = web::csrf::browser(&ask.parts.headers) {
            return Browser { value, cookie: None };
        }
        let value = web::csrf::new_browser(&cx.rng);
        let cookie = web::csrf::browser_cookie(&value, is_https(state));
        Browser { value, cookie: Some(cookie) }
    }

    /// The answer, with the cookie where one is due.
    pub fn with(self, answer: Answer) -> Answer {
        match &self.cookie {
            Some(cookie) => answer.with(SET_COOKIE, cookie),
            None => answer,
        }
    }

    /// The hidden field that every form of ours carries.
    pub fn field(&self) -> String {
        let token = web::csrf::csrf_token(&self.value);
        format!("<input type=\"hidden\" name=\"{}\" value=\"{token}\">", web::csrf::CSRF_FIELD)
    }
}

/// Whether browsers reach us over TLS.
pub fn is_https(state: &State) -> bool {
    state.auth.rules().public_url.starts_with("https:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_where_a_form_may_end_and_nothing_else_gets_into_it() {
        let policy = |to: &str| {
            let answer = html_to(StatusCode::OK, "", Some(&source(to)));
            answer.0.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
        };
        assert!(
            policy("https://app.example:8443/cb?x=1")
                .contains("form-action 'self' https://app.example:8443;")
        );
        assert!(policy("com.example.app:/cb").contains("form-action 'self' com.example.app:;"));
        assert!(policy("https://a; script-src *").contains("form-action 'self';"));
    }
}
