//! Pages that work without scripts, under a policy that allows none.

use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use web::Answer;

/// Text as HTML text: nothing a mail or a name holds can become markup (attack row 106).
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A page. `body` is HTML whose every foreign word went through [`escape`].
pub fn page(status: StatusCode, title: &str, body: &str) -> Answer {
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title></head><body><main><h1>{title}</h1>{body}</main></body></html>"
    );
    Answer::text(status, "text/html; charset=utf-8", html)
        .with(
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        )
        .with(REFERRER_POLICY, "no-referrer")
        .with(CACHE_CONTROL, "no-store")
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_that_opens_a_tag_or_an_attribute_survives() {
        assert_eq!(escape("<a b=\"c\" d='e'>&"), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
    }
}
