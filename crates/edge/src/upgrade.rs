//! The gate in front of WebSockets: over TLS only, and only from pages that may (control 63, attack row 89).
//!
//! A browser sends its cookies with a WebSocket from any page and lets that page read what comes back; CORS does not
//! apply. Its `Origin` is all there is to tell a page of ours from a stranger's, so it is looked at here, before any route.

use http::header::{HOST, HeaderMap, ORIGIN, SEC_WEBSOCKET_KEY, UPGRADE};
use http::request::Parts;
use web::Error as WebError;

use crate::Cors;
use crate::authority::Authority;

/// Whether a request wants to become a WebSocket: HTTP/1.1's Upgrade, or HTTP/2's extended CONNECT.
pub(crate) fn is_asked(parts: &Parts) -> bool {
    let by_header = parts.headers.get_all(UPGRADE).iter().any(|line| {
        line.to_str()
            .is_ok_and(|line| line.split(',').any(|word| word.trim().eq_ignore_ascii_case("websocket")))
    });
    by_header || parts.method == http::Method::CONNECT || parts.headers.contains_key(&SEC_WEBSOCKET_KEY)
}

/// Refuses what is not protected, and pages of strangers. Programs send no Origin.
pub(crate) fn require_allowed(
    parts: &Parts,
    secure: bool,
    is_near: bool,
    cors: &Cors,
) -> Result<(), WebError> {
    if !secure && !is_near {
        return Err(WebError::NotSecure);
    }
    let Some(origin) = parts.headers.get(ORIGIN) else { return Ok(()) };
    if cors.lists(origin) || is_same(&parts.headers, parts, secure, origin.to_str().unwrap_or_default()) {
        return Ok(());
    }
    Err(WebError::Forged { why: "its Origin is not in server.cors.allowed_origins" })
}

/// Whether the page is of the very host that is asked. Where we speak TLS, one that came in the clear is whoever's was on its way.
fn is_same(headers: &HeaderMap, parts: &Parts, secure: bool, origin: &str) -> bool {
    let Some((of_page, authority)) = origin.split_once("://") else { return false };
    let asked = parts
        .uri
        .authority()
        .map(|authority| authority.as_str())
        .or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()))
        .and_then(Authority::read);
    (of_page == "https" || of_page == "http" && !secure)
        && asked.is_some()
        && Authority::read(authority) == asked
}

#[cfg(test)]
mod tests {
    use base::Settings;

    use super::*;

    #[test]
    fn row_89_a_page_in_the_clear_is_no_page_of_ours_where_we_speak_tls() {
        let cors = Cors::from(&Settings::default()).unwrap();
        let begins = |origin: &str, secure: bool| {
            let request =
                http::Request::builder().uri("/").header("host", "api.example.com").header("origin", origin);
            let (parts, ()) = request.body(()).unwrap().into_parts();
            require_allowed(&parts, secure, true, &cors).is_ok()
        };
        assert!(begins("https://api.example.com", true) && begins("http://api.example.com", false));
        assert!(begins("https://api.example.com", false), "a proxy that we do not know speaks TLS for us");
        assert!(!begins("http://api.example.com", true));
        assert!(!begins("https://api.example.com.evil.example", true) && !begins("null", true));
    }
}
