//! The pages that links lead to: they work without scripts, say nothing about the link, and only their forms act.

use ::auth::Redirect;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use web::Answer;

use super::browser::REFERRER;

/// What stands there once an address was taken back.
pub const REVERTED: &str = "<h1>Taken back</h1><p>Your account belongs to this address again, and every session was \
    ended. We sent you a mail to choose another password.</p>";

/// The button that spends a link.
pub fn verify(token: &str, kind: &str, back_to: &Redirect) -> String {
    let (title, button) = match kind {
        "recovery" => ("Reset your password", "Go on"),
        "invite" => ("Accept the invitation", "Accept"),
        "email_change" => ("Confirm the new address", "Confirm"),
        "magiclink" => ("Sign in", "Sign in"),
        _ => ("Confirm your address", "Confirm"),
    };
    let (token, kind, back_to) = (escape(token), escape(kind), escape(back_to.text()));
    format!(
        "<h1>{title}</h1><form method=\"post\" action=\"verify\">\
         <input type=\"hidden\" name=\"token\" value=\"{token}\">\
         <input type=\"hidden\" name=\"type\" value=\"{kind}\">\
         <input type=\"hidden\" name=\"redirect_to\" value=\"{back_to}\">\
         <p><button>{button}</button></p></form><p>You go on to {back_to}.</p>"
    )
}

/// The button that takes a change of address back.
pub fn revert(token: &str) -> String {
    let token = escape(token);
    format!(
        "<h1>Was it not you?</h1><p>This gives the account back to your old address and ends every session.</p>\
         <form method=\"post\" action=\"revert\"><input type=\"hidden\" name=\"token\" value=\"{token}\">\
         <p><button>Take the change back</button></p></form>"
    )
}

/// What stands there when nothing was done.
pub fn refused(why: &str) -> String {
    format!("<h1>This did not work</h1><p role=\"alert\">{}</p>", escape(why))
}

/// A page whose form may lead on to these places: browsers hold a form to its policy after a redirect too.
pub fn leading_to(status: StatusCode, body: &str, places: &[&Redirect]) -> Answer {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">{REFERRER}<title>Palisade</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><body><main>{body}</main></body></html>"
    );
    let places: String = places.iter().map(|place| format!(" {}", source(place.text()))).collect();
    let policy =
        format!("default-src 'none'; form-action 'self'{places}; frame-ancestors 'none'; base-uri 'none'");
    Answer::text(status, "text/html; charset=utf-8", html)
        .with(CACHE_CONTROL, "no-store")
        .with(REFERRER_POLICY, "no-referrer")
        .with(CONTENT_SECURITY_POLICY, &policy)
}

/// An address as a policy names it: origin, or scheme for what is no web page.
fn source(address: &str) -> String {
    let (scheme, rest) = address.split_once(':').unwrap_or((address, ""));
    match (scheme, rest.strip_prefix("//")) {
        ("http" | "https", Some(rest)) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            format!("{scheme}://{}", rest.get(..end).unwrap_or_default())
        }
        _ => format!("{scheme}:"),
    }
}

/// The fields of a form.
pub fn read_form(body: &[u8]) -> Vec<(String, String)> {
    let pair = |pair: &[u8]| {
        let text = String::from_utf8_lossy(pair).into_owned();
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        (web::decode_form(name), web::decode_form(value))
    };
    body.split(|byte| *byte == b'&').filter(|bytes| !bytes.is_empty()).map(pair).collect()
}

/// Text that came from outside is text in the page too.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_outside_cannot_leave_its_place_in_the_page() {
        let redirects = ::auth::Redirects::new("https://a.example", &["**".into()]);
        let back_to = redirects.choose([Some("https://b.example/?x='onclick='")]);
        let page = verify("\"><script>", "<b>", &back_to);
        assert!(!page.contains("<script>") && !page.contains("<b>") && !page.contains("'onclick"), "{page}");
    }

    #[test]
    fn a_form_may_lead_on_to_its_place_and_nowhere_else() {
        for (address, expected) in [
            ("https://a.example/path?x", "https://a.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("appflowy-flutter://login", "appflowy-flutter:"),
            ("com.example.app:/x", "com.example.app:"),
        ] {
            assert_eq!(source(address), expected);
        }
    }

    #[test]
    fn a_form_is_read_back() {
        let read = read_form(b"token=abc-_1&redirect_to=https%3A%2F%2Fa.example%2F%3Fx%3D1+2&empty");
        let expected = [("token", "abc-_1"), ("redirect_to", "https://a.example/?x=1 2"), ("empty", "")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
