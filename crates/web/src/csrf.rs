//! Forged requests: what another site's page can make a browser send (control 75, attack row 88).
//!
//! Two rules, both kept by the edge for every route. Nothing that changes anything is taken from another site's form, or from a
//! request that page could send without asking us first. And a route that a cookie opens ([`crate::Credentials::Browser`]) is
//! used by our own pages only: `Origin` and `Sec-Fetch-Site` say so, and the double submit proves it, since the token in the
//! page (or in `X-CSRF-Token`) is made of a cookie that no other site can read.
//!
//! Invariant: a cookie says who is calling on `Credentials::Browser` routes alone, and there never without this.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::ask::decode_form;
use crate::{Error, cookies, set_cookie};

/// The cookie that tells one browser from another. It is random and means nothing.
const BROWSER: &str = "palisade_browser";
/// The cookie that signs a browser in to our own pages.
const SESSION: &str = "palisade_session";
/// A name that only we can set, over TLS (RFC 6265bis).
const HOST_PREFIX: &str = "__Host-";
/// Days that a browser is recognised.
const BROWSER_SECONDS: i64 = 30 * 86_400;

/// The field of a form that carries the token.
pub const CSRF_FIELD: &str = "csrf_token";
/// The header that carries it.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// This browser's own value, if it has one.
pub fn browser(headers: &HeaderMap) -> Option<String> {
    ours(headers, BROWSER).filter(|value| value.len() == 43)
}

/// A value for a browser that has none.
pub fn new_browser(rng: &base::Rng) -> String {
    URL_SAFE_NO_PAD.encode(rng.bytes::<32>())
}

/// The cookie that gives a browser its value.
pub fn browser_cookie(value: &str, https: bool) -> String {
    set_cookie(&name(BROWSER, https), value, BROWSER_SECONDS, https)
}

/// The token of whoever signed in on one of our own pages.
pub fn session(headers: &HeaderMap) -> Option<String> {
    ours(headers, SESSION).filter(|value| !value.is_empty())
}

/// The cookie that signs a browser in to our own pages, for so many seconds.
pub fn session_cookie(token: &str, seconds: i64, https: bool) -> String {
    set_cookie(&name(SESSION, https), token, seconds, https)
}

/// What a form of ours carries for the browser whose value is `browser`.
pub fn csrf_token(browser: &str) -> String {
    URL_SAFE_NO_PAD.encode(seal::sha256(format!("palisade: csrf: {browser}").as_bytes()))
}

/// Whether a cookie of this name is one of ours: its value is a credential, or tells a device.
pub fn is_ours(name: &str) -> bool {
    let name = name.strip_prefix(HOST_PREFIX).unwrap_or(name);
    // The second is the lockout's, by which an account's own devices are known.
    name.starts_with("palisade_") || name.starts_with("pd_")
}

fn name(base: &str, https: bool) -> String {
    match https {
        true => format!("{HOST_PREFIX}{base}"),
        false => base.to_owned(),
    }
}

/// A cookie of ours. Without TLS, and so without the prefix that keeps others from setting it, only on this machine.
fn ours(headers: &HeaderMap, base: &str) -> Option<String> {
    let find = |name: String| {
        let mut found = cookies(headers, &name).collect::<Vec<_>>();
        // Two of one name: somebody else set one of them.
        if found.len() == 1 { found.pop() } else { None }
    };
    find(name(base, true)).or_else(|| find(name(base, false)).filter(|_| is_this_machine(headers)))
}

fn is_this_machine(headers: &HeaderMap) -> bool {
    let host = text(headers, HOST.as_str()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "[::1]")
        || name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a browser sent it: `Origin` is there, or `Sec-Fetch-Site`, which comes with images and addresses typed by hand too
/// and which no page can leave out. Programs send neither; fetch of Node.js sends `Sec-Fetch-Mode` alone.
pub fn is_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// For every route: refuses what another site's page sent without having to ask. `may_read` is whether its origin may read our
/// answers.
pub fn require_asked(parts: &Parts, may_read: bool) -> Result<(), Error> {
    if !changes(&parts.method) {
        return Ok(());
    }
    let headers = &parts.headers;
    let mode = text(headers, "sec-fetch-mode");
    let silent = matches!(mode, Some("navigate" | "no-cors"));
    match text(headers, "sec-fetch-site") {
        Some("cross-site" | "same-site") if silent => Err(forged("another site's page sent it")),
        // A page's script asks with `cors`. What a form could say as well a browser sends all the same: only the answer is kept
        // from the script.
        Some("cross-site" | "same-site") if mode.is_some() && !may_read && is_form(headers) => {
            Err(forged("another site's script sent it"))
        }
        Some(_) => Ok(()),
        None if is_form(headers) && is_foreign(headers) => Err(forged("another site's form sent it")),
        None => Ok(()),
    }
}

/// For routes that another site's form is for: refuses what its script sent, which is no form that somebody saw.
pub fn require_form(parts: &Parts) -> Result<(), Error> {
    let site = text(&parts.headers, "sec-fetch-site");
    let mode = text(&parts.headers, "sec-fetch-mode").unwrap_or("navigate");
    match changes(&parts.method) && matches!(site, Some("cross-site" | "same-site")) && mode != "navigate" {
        true => Err(forged("another site's script sent it")),
        false => Ok(()),
    }
}

/// Whether a page of another site can have made a browser send it, whoever sits there: it had an address opened or a form sent,
/// or its script asked without asking us first. Browsers say that it was another site; programs can say so too, and who says so
/// of what no page can send is counted as ever: what shows a credential in a header, or asks by a method or in a type of its
/// own, a browser asks us about before. `may_read` is whether its origin may read our answers: whoever may is an application.
pub fn is_anothers(parts: &Parts, may_read: bool) -> bool {
    let headers = &parts.headers;
    if text(headers, "sec-fetch-site") != Some("cross-site")
        || SHOWN.iter().any(|name| headers.contains_key(*name))
    {
        return false;
    }
    match (parts.method.as_str(), text(headers, "sec-fetch-mode")) {
        ("GET" | "HEAD" | "OPTIONS", _) | ("POST", Some("navigate")) => true,
        ("POST", Some(_)) => !may_read && is_form(headers),
        _ => false,
    }
}

/// Headers that show who asks. A browser lets no page of another site send one unasked.
const SHOWN: [&str; 3] = ["authorization", "apikey", "x-impersonation-token"];

/// What a form can say without a preflight.
fn is_form(headers: &HeaderMap) -> bool {
    let kind = text(headers, CONTENT_TYPE.as_str()).unwrap_or("text/plain").to_ascii_lowercase();
    ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]
        .iter()
        .any(|form| kind.starts_with(form))
}

/// Whether `Origin` names another place than was asked.
fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = text(headers, ORIGIN.as_str()) else { return headers.contains_key(ORIGIN) };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_none() || authority != text(headers, HOST.as_str())
}

/// For routes that a cookie opens: refuses what no page of ours sent.
pub fn require_ours(parts: &Parts, body: &[u8]) -> Result<(), Error> {
    if !changes(&parts.method) {
        return Ok(());
    }
    let headers = &parts.headers;
    if text(headers, "sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(forged("it does not come from a page of ours"));
    }
    if is_foreign(headers) {
        return Err(forged("its Origin is not ours"));
    }
    let browser = browser(headers).ok_or_else(|| forged("the browser sent no cookie of ours"))?;
    let given = match text(headers, CSRF_HEADER) {
        Some(token) => Some(token.to_owned()),
        None => form_field(body, CSRF_FIELD),
    };
    let expected = csrf_token(&browser);
    match given.is_some_and(|given| seal::same(given.as_bytes(), expected.as_bytes())) {
        true => Ok(()),
        false => Err(forged("its X-CSRF-Token or csrf_token is missing or wrong")),
    }
}

/// A field of a form, as browsers encode it.
pub fn form_field(body: &[u8], name: &str) -> Option<String> {
    let pairs = body.split(|byte| *byte == b'&').filter_map(|pair| std::str::from_utf8(pair).ok());
    let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| decode_form(key) == name).map(|(_, value)| decode_form(value))
}

fn forged(why: &'static str) -> Error {
    Error::Forged { why }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(method: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/x").header("host", "127.0.0.1:9");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    const VALUE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn another_sites_forms_are_refused_everywhere_and_programs_are_not() {
        let form = ("content-type", "application/x-www-form-urlencoded");
        for headers in [
            vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
            vec![("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate"), form],
            vec![
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "no-cors"),
                ("content-type", "text/plain"),
            ],
            vec![("origin", "https://evil.example"), form],
            vec![("origin", "null"), form],
            vec![("origin", "https://evil.example"), ("content-type", "text/plain;charset=UTF-8")],
            vec![("origin", "https://evil.example"), ("content-type", "multipart/form-data; boundary=x")],
            vec![("origin", "https://evil.example")],
        ] {
            assert!(require_asked(&parts("POST", &headers), true).is_err(), "{headers:?}");
            assert!(require_asked(&parts("GET", &headers), false).is_ok(), "{headers:?}");
        }
        for headers in [
            vec![],
            vec![form],
            vec![("origin", "http://127.0.0.1:9"), form],
            vec![("origin", "https://app.example"), ("content-type", "application/json")],
            vec![
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "cors"),
                ("content-type", "application/json"),
            ],
            vec![("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), form],
        ] {
            assert!(require_asked(&parts("POST", &headers), false).is_ok(), "{headers:?}");
        }
        // What a script may send before anybody is asked. Whoever may read the answer was let in.
        for site in ["cross-site", "same-site"] {
            for more in [vec![], vec![form], vec![("content-type", "text/plain")]] {
                let script = [vec![("sec-fetch-site", site), ("sec-fetch-mode", "cors")], more].concat();
                assert!(require_asked(&parts("POST", &script), false).is_err(), "{script:?}");
                assert!(require_asked(&parts("POST", &script), true).is_ok(), "{script:?}");
                assert!(require_form(&parts("POST", &script)).is_err(), "{script:?}");
            }
            for form in [vec![("sec-fetch-mode", "navigate")], vec![]] {
                let form = [vec![("sec-fetch-site", site)], form].concat();
                assert!(require_form(&parts("POST", &form)).is_ok(), "{form:?}");
            }
        }
    }

    #[test]
    fn what_another_sites_page_can_have_a_browser_ask_is_no_password_of_whoever_sits_there() {
        let (cross, navigated) = (("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"));
        let scripted = ("sec-fetch-mode", "cors");
        let is =
            |method: &str, headers: &[(&str, &str)], may_read| is_anothers(&parts(method, headers), may_read);
        for may_read in [false, true] {
            assert!(is("GET", &[cross, ("sec-fetch-mode", "no-cors")], may_read));
            assert!(is("GET", &[cross, scripted], may_read) && is("POST", &[cross, navigated], may_read));
            assert!(!is("GET", &[("sec-fetch-site", "same-origin")], may_read) && !is("GET", &[], may_read));
            // A program that says it is such a page, and sends what no page can.
            for shown in ["authorization", "apikey", "x-impersonation-token"] {
                for method in ["GET", "POST"] {
                    assert!(!is(method, &[cross, navigated, (shown, "x")], may_read), "{method} {shown}");
                }
            }
            let json = ("content-type", "application/json");
            assert!(!is("POST", &[cross, scripted, json], may_read) && !is("POST", &[cross], may_read));
            assert!(!is("DELETE", &[cross, scripted], may_read));
        }
        // What a script may send unasked is refused, but where it is an application's, in which people sign in.
        assert!(is("POST", &[cross, scripted], false) && !is("POST", &[cross, scripted], true));
    }

    #[test]
    fn a_cookie_opens_only_with_the_double_submit_from_our_own_page() {
        let (cookie, token) = (format!("palisade_browser={VALUE}"), csrf_token(VALUE));
        let good = [("cookie", cookie.as_str()), ("x-csrf-token", token.as_str())];
        assert!(require_ours(&parts("POST", &good), b"").is_ok());
        assert!(
            require_ours(&parts("POST", &good[..1]), format!("a=b&csrf_token={token}").as_bytes()).is_ok()
        );
        assert!(require_ours(&parts("POST", &good[..1]), b"csrf_token=wrong").is_err());
        assert!(require_ours(&parts("POST", &good[..1]), b"").is_err());
        assert!(require_ours(&parts("POST", &good[1..]), b"").is_err());
        for more in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:10"),
        ] {
            assert!(require_ours(&parts("POST", &[good[0], good[1], more]), b"").is_err(), "{more:?}");
        }
        let twice = format!("{cookie}; palisade_browser={}", VALUE.replace('A', "B"));
        assert!(require_ours(&parts("POST", &[("cookie", &twice), good[1]]), b"").is_err());
    }

    #[test]
    fn without_tls_our_cookies_are_this_machines_only() {
        let elsewhere = |name: &str| {
            let request = Request::builder()
                .uri("/")
                .header("host", "api.example")
                .header("cookie", format!("{name}={VALUE}"));
            browser(request.body(()).unwrap().headers())
        };
        assert_eq!(elsewhere("palisade_browser"), None);
        assert_eq!(elsewhere("__Host-palisade_browser").as_deref(), Some(VALUE));
    }
}
